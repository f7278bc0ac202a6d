//! Compressed files: their content loads as if it were uncompressed, positions count decompressed bytes, and
//! damage costs only what follows it, until the whole file arrives.

use super::*;
use crate::harness::run::needs_failpoints;

/// A gzip block with the extra field in which bgzip stores its size.
fn bgzf_block(content: &[u8]) -> Vec<u8> {
    let block = |size: u16| {
        let [low, high] = size.to_le_bytes();
        let extra = vec![b'B', b'C', 2, 0, low, high];
        let builder = flate2::GzBuilder::new().extra(extra);
        let mut encoder = builder.write(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    };
    let size = block(0).len() - 1;
    block(size.try_into().unwrap())
}

/// A frame that decoders skip, as pzstd and seekable zstd write it.
fn skippable(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [&[0x5a, 0x2a, 0x4d, 0x18][..], &length.to_le_bytes(), content].concat()
}

/// Packs the content in pieces.
fn pieces(content: &[u8], bytes: usize, pack: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    content.chunks(bytes).flat_map(pack).collect()
}

#[test]
fn every_kind_of_archive_gives_the_same_rows() {
    let content = log(1..=2000);
    let packed = |piece: &[u8]| gzip(piece, 6);
    let forms = [
        content.clone(),
        gzip(&content, 1),
        pieces(&content, 30_001, packed),
        [packed(b""), packed(&content[..5]), packed(b""), packed(&content[5..]), packed(b"")].concat(),
        [pieces(&content, 65_280, bgzf_block), bgzf_block(b"")].concat(),
        // Tapes pad with zeros.
        [packed(&content), vec![0; 10_000]].concat(),
        zstd(&content),
        pieces(&content, 30_001, zstd),
        [skippable(b"index"), zstd(&content[..70_000]), skippable(b""), zstd(&content[70_000..])].concat(),
        #[cfg(feature = "bzip2")]
        bzip2(&content),
        #[cfg(feature = "bzip2")]
        pieces(&content, 30_001, bzip2),
        #[cfg(feature = "xz")]
        pieces(&content, 70_001, xz),
        // Streams are padded to a multiple of four bytes.
        #[cfg(feature = "xz")]
        [xz(&content[..70_000]), vec![0; 8], xz(&content[70_000..]), vec![0; 4]].concat(),
    ];
    for (number, form) in forms.iter().enumerate() {
        let logs = Logs::new();
        // The name never reveals the format.
        let name = ["app.log", "app.log.gz", "app.log.zst"][number % 3];
        logs.write(name, form);
        logs.load().exit(0).did(2000, 0);
        let end = i64::try_from(content.len()).unwrap();
        assert_eq!(logs.number("select position from logmill_checkpoints"), end, "form {number}");
        assert_eq!(logs.number("select max(source_offset) from t"), end - log(2000..=2000).len() as i64);
        logs.load().exit(0).did(0, 1);
    }
}

#[test]
fn unsupported_archives_are_named_with_a_pipe_that_reads_them() {
    let tar = [&b"app.log"[..], &[0; 250], b"ustar  \0", &[0; 247], b"{\"n\":1}\n"].concat();
    for (start, name, pipe) in [
        (&b"\x04\x22\x4d\x18d@"[..], "lz4", "lz4 -dc"),
        (b"\x1f\x9d\x90", "compress", "gzip -dc"),
        (b"PK\x03\x04\x14\0", "zip", "unzip -p"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "7z", "7z x -so"),
        (&tar, "tar", "tar -xOf"),
        (&gzip(&tar, 1), "tar", "tar -xOf"),
    ] {
        let logs = Logs::new();
        logs.write("app.log", start).write("b.log", log(1..=10));
        let said = logs.load();
        said.failed("app.log", &format!("it is a {name} archive, which is not read"));
        said.failed("app.log", &format!(": {pipe} app.log | logmill load -j job.toml -")).did(10, 0);
    }
}

#[test]
#[cfg(not(feature = "xz"))]
fn decompressors_that_were_not_built_in_are_named() {
    let logs = Logs::new();
    logs.write("app.log", b"\xfd7zXZ\0\0\x04").write("b.log", log(1..=10));
    logs.load()
        .failed("app.log", "this logmill was built without xz; build it with the feature `xz`")
        .did(10, 0);
}

#[test]
fn several_archives_are_decompressed_in_parallel_and_loaded_in_order() {
    // Each is more than 1 MiB compressed, so each has its own thread.
    let logs = Logs::new();
    for (name, first) in [("1.log.gz", 1), ("2.log.gz", 20_001)] {
        logs.write(name, gzip(&log(first..=first + 16_999), 1));
    }
    logs.write("3.log.zst", zstd(&log(40_001..=57_000))).write("4.log", log(60_001..=60_010));
    logs.load().exit(0).did(51_010, 0);
    assert_eq!(
        logs.sources(),
        ["1.log.gz 1-17000", "2.log.gz 20001-37000", "3.log.zst 40001-57000", "4.log 60001-60010"]
    );
}

#[test]
fn a_killed_load_resumes_inside_an_archive() {
    needs_failpoints();
    let content = log(1..=2000);
    for archive in [gzip(&content, 6), pieces(&content, 10_000, |piece| gzip(piece, 6)), zstd(&content)] {
        // 97 batches of 20 or 21 lines each: killed after 10, 50 and 95 %.
        let logs = Logs::new().pipeline("batch_rows = 10\nchunk_size = \"2000\"");
        logs.write("app.log", &archive);
        let mut last = 0;
        for batches in [9, 39, 42] {
            let mut command = logs.command("");
            command.env("FAILPOINTS", format!("between-batches={batches}*off->return(kill)"));
            assert_eq!(Said::of(&mut command, b"").code, -1);
            let rows = logs.number("select count(*) from t");
            assert!(rows > last && rows < 2000, "{rows} rows after {last}");
            assert_eq!(logs.sources(), [format!("app.log 1-{rows}...")]);
            last = rows;
        }
        logs.load().exit(0).did(2000 - last, 0);
        assert_eq!(logs.sources(), ["app.log 1-2000"]);
        assert_eq!(logs.number("select sum(lines) from logmill_checkpoints"), 2000);
    }
}

#[test]
fn a_signal_stops_an_archive_cleanly() {
    needs_failpoints();
    let logs = Logs::new().pipeline("batch_rows = 10\nbatch_bytes = \"64KiB\"\nchunk_size = \"2000\"");
    logs.write("app.log", gzip(&log(1..=2000), 6));
    let mut command = logs.command("");
    command.env("FAILPOINTS", "between-batches=9*off->1*return(stop)");
    let child = Piped::start(command).stopped();
    child.0.signal("TERM");
    child.0.signal("CONT");
    child.wait().exit(143);
    let rows = logs.number("select count(*) from t");
    assert!((100..2000).contains(&rows), "{rows}");
    logs.load().exit(0).did(2000 - rows, 0);
    assert_eq!(logs.sources(), ["app.log 1-2000"]);
}

#[test]
fn a_truncated_archive_gives_its_beginning_and_later_the_rest() {
    let content = log(1..=300);
    for archive in [gzip(&content, 6), pieces(&content, 3000, |piece| gzip(piece, 6)), zstd(&content)] {
        for permille in [1, 300, 990, 999] {
            let logs = Logs::new();
            let cut = (archive.len() * permille / 1000).max(8);
            logs.write("app.log", &archive[..cut]);
            logs.load().failed("app.log", "it ends too early");
            let rows = logs.number("select count(*) from t");
            assert_eq!(logs.number("select coalesce(max(n), 0) from t"), rows);
            assert_eq!(logs.number("select coalesce(max(complete), 0) from logmill_checkpoints"), 0);
            assert_eq!(logs.number("select count(*) from logmill_dead_letters"), 0);
            logs.write("app.log", &archive);
            logs.load().exit(0).did(300 - rows, 0);
            assert_eq!(logs.sources(), ["app.log 1-300"]);
        }
    }
}

#[test]
fn damage_is_reported_and_everything_before_it_is_loaded() {
    let (before, after) = (log(1..=1000), log(1001..=2000));
    let good = [gzip(&before, 6), gzip(&after, 6)].concat();
    let middle = gzip(&before, 6).len();
    type Damage = fn(&mut Vec<u8>, usize);
    let damages: [(Damage, &str); 4] = [
        // The header of the second member.
        (|bytes, middle| bytes[middle + 2] ^= 0xff, "invalid gzip header"),
        (|bytes, middle| bytes[middle] = b'x', "something that is not gzip follows the last member"),
        // The checksum of the first member.
        (|bytes, middle| bytes[middle - 8] ^= 1, "checksum"),
        // After the last member.
        (|bytes, _| bytes.extend_from_slice(b"\0\0and more"), "something that is not gzip follows"),
    ];
    for (damage, why) in damages {
        let logs = Logs::new();
        logs.write("app.log", &good).write("other.log", log(5001..=5010));
        logs.damage("app.log", |bytes| damage(bytes, middle));
        let loaded = logs.load();
        loaded.failed("app.log", why).failed("app.log", "the gzip data is damaged after byte ");
        let rows = logs.number("select count(*) from t where n < 5000");
        assert!(rows >= 1000, "{rows}");
        assert_eq!(logs.sources(), [format!("app.log 1-{rows}..."), "other.log 5001-5010".to_owned()]);
        // While the file is unchanged nothing happens; once it is whole, the load resumes.
        logs.load().failed("app.log", why).did(0, 1);
        logs.write("app.log", &good);
        logs.load().exit(0).did(2000 - rows, 1);
        assert_eq!(logs.sources(), ["app.log 1-2000", "other.log 5001-5010"]);
    }
}

#[test]
fn a_flipped_bit_costs_no_more_than_its_member() {
    for pack in [|piece: &[u8]| gzip(piece, 6), zstd as fn(&[u8]) -> Vec<u8>] {
        let (before, inside) = (log(1..=1000), log(1001..=5000));
        let start = pack(&before).len();
        let logs = Logs::new();
        logs.write("app.log", [pack(&before), pack(&inside), pack(&log(5001..=5100))].concat());
        let at = start + pack(&inside).len() / 2;
        logs.damage("app.log", |bytes| bytes[at] ^= 0x10);
        let loaded = logs.load();
        // Data decompressed between the flipped bit and the place where it was noticed may be wrong, and the
        // message says so.
        let why = format!("since byte {} may be wrong", before.len());
        loaded.failed("app.log", &why);
        let good = logs.query("select n from t where n <= 1000 order by source_offset");
        assert_eq!(good.len(), 1000);
        assert_eq!(logs.number("select count(*) from t where n between 5001 and 5100"), 0);
    }
}
