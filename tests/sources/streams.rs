//! Streams, which can be read only once: stdin and FIFOs. Also files that are still being written.

use std::thread;

use super::*;
use crate::harness::{wait_until, without_the_machine};

#[test]
fn stdin_is_loaded_in_every_form() {
    for form in [log(1..=3000), gzip(&log(1..=3000), 6), zstd(&log(1..=3000))] {
        let logs = Logs::new();
        logs.load_stdin("-", &form).exit(0).did(3000, 0);
        assert_eq!(logs.sources(), ["- 1-3000"]);
    }
}

#[test]
fn a_second_run_over_stdin_skips_what_is_loaded() {
    // Shorter than the hashed beginning, about as long, and longer.
    for lines in [3, 660, 3000] {
        let logs = Logs::new();
        logs.load_stdin("-", &log(1..=lines)).exit(0).did(lines.cast_signed(), 0);
        logs.load_stdin("-", &log(1..=lines)).exit(0).did(0, 0);
        logs.load_stdin("-", &log(1..=lines + 50)).exit(0).did(50, 0);
        logs.load_stdin("-", &gzip(&log(1..=lines + 60), 6)).exit(0).did(10, 0);
        assert_eq!(logs.sources(), [format!("- 1-{}", lines + 60)]);
    }
}

#[test]
fn a_second_run_over_stdin_verifies_what_it_skips() {
    let logs = Logs::new();
    logs.load_stdin("-", &log(1..=3000)).exit(0);
    let (mut other, end) = (log(1..=3010), log(1..=3000).len());
    other[end - 500] ^= 1;
    logs.load_stdin("-", &other).failed("-", "what stands before byte 292893 is not what was loaded");
    logs.load_stdin("-", &log(1..=2000))
        .failed("-", "it ends at byte 194893, but was loaded up to byte 292893");
    // A different beginning makes another stream.
    logs.load_stdin("-", &log(5001..=5100)).exit(0).did(100, 0);
    logs.load_stdin("-", &log(1..=3001)).exit(0).did(1, 0);
    assert_eq!(logs.sources(), ["- 1-3001", "- 5001-5100"]);
    // Plain or packed, what holds nothing new is said to.
    for again in [log(1..=3001), gzip(&log(1..=3001), 6)] {
        let said = Said::of(&mut logs.place.command("load -j job.toml -"), &again).ended(0, &[]);
        assert!(
            said.stderr.contains("nothing new for") && said.stderr.contains("the stream holds"),
            "{said:?}"
        );
    }
}

#[test]
fn a_stream_cut_within_a_line_resumes() {
    // Cut within the part that identifies a stream, and far behind it.
    for before in [2, 3_000] {
        let whole = [&log(1..=before + 4)[..], record(before + 5).as_bytes()].concat();
        let (begun, rest) = (log(1..=before), record(before + 1));
        let cut = [&begun[..], &rest.as_bytes()[..40]].concat();
        for is_packed in [false, true] {
            let form = |bytes: &[u8]| if is_packed { gzip(bytes, 6) } else { bytes.to_vec() };
            let logs = Logs::new();
            logs.load_stdin("-", &form(&cut)).exit(3).did(before.cast_signed(), 0);
            // Cut at the same place again, it brings nothing new.
            logs.load_stdin("-", &form(&cut)).exit(3).did(0, 0);
            logs.load_stdin("-", &form(&whole)).exit(0).did(5, 0);
            logs.load_stdin("-", &form(&whole)).exit(0).did(0, 0);
            // A row whose record has become invalid is deleted, and comes back.
            logs.load_stdin("-", &form(&[&whole[..], b" more"].concat())).exit(3).did(0, 0);
            assert_eq!(logs.sources(), [format!("- 1-{}", before + 4)]);
            assert_eq!(
                logs.number("select sum(lines) from logmill_checkpoints where source_id = 1"),
                before.cast_signed() + 5
            );
        }
    }
    // A stream that only begins the same must not cause anything to be read again.
    let logs = Logs::new();
    let cut = [&log(1..=3_000)[..], &record(3_001).as_bytes()[..40]].concat();
    logs.load_stdin("-", &cut).exit(3);
    let mut other = log(1..=3_002);
    let place = cut.len() - 500;
    other[place] ^= 1;
    logs.load_stdin("-", &other).failed("-", "is not what was loaded (another file?)").did(0, 0);
    assert_eq!(logs.number("select count(*) from logmill_dead_letters where state = 'open'"), 1);
}

#[test]
fn without_its_position_the_last_line_of_a_stream_is_not_read_again() {
    let logs = Logs::new().key("\"none\"");
    let open = [&log(1..=2)[..], record(3).as_bytes()].concat();
    logs.load_stdin("-", &open).exit(0).did(3, 0);
    let place = format!("its last line, at byte {}, had no line end when it was loaded", log(1..=2).len());
    logs.load_stdin("-", &[&open, &b" more\n"[..]].concat()).failed("-", &place);
    logs.load_stdin("-", &[&open, &b"\r\n"[..], &log(4..=5)].concat()).exit(0).did(2, 0);
    assert_eq!(logs.sources(), ["- 1-5"]);
}

#[test]
fn a_fifo_is_a_stream_with_a_name() {
    let logs = Logs::new();
    for (lines, new) in [(2000, 2000), (2000, 0), (2100, 100)] {
        let path = logs.path("pipe.log");
        if !path.exists() {
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        }
        let writer = thread::spawn(move || fs::write(path, log(1..=lines)).unwrap());
        logs.load_with("pipe.log").exit(0).did(new, 0);
        writer.join().unwrap();
    }
    assert_eq!(logs.sources(), ["pipe.log 1-2100"]);
    // The same for a FIFO that a shell makes.
    let mut command = Command::new("bash");
    without_the_machine(&mut command);
    let script = format!("exec {} load -j job.toml <(cat more)", env!("CARGO_BIN_EXE_logmill"));
    logs.write("more", log(3001..=3100));
    command.args(["-c", &script]).current_dir(logs.path("."));
    Said::of(&mut command, b"").ended(0, &[]);
    assert_eq!(logs.number("select count(*) from t"), 2200);
}

/// The whole stream is examined before the first record is passed on.
#[test]
fn a_short_damaged_stream_is_loaded_up_to_the_damage() {
    let whole = gzip(&log(1..=600), 6);
    let logs = Logs::new();
    logs.load_stdin("-", &whole[..whole.len() / 2])
        .failed("-", "the gzip data is damaged after byte ")
        .failed("-", "it ends too early");
    let before = logs.number("select count(*) from t");
    assert!((1..600).contains(&before), "{before} rows");
    logs.load_stdin("-", &whole).exit(0).did(600 - before, 0);
    assert_eq!(logs.sources(), ["- 1-600"]);
}

#[test]
fn a_load_that_has_failed_does_not_wait_for_stdin() {
    let logs = Logs::new();
    let mut command = logs.command("- --chunk-size 4KiB");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&log(1..=3000)).unwrap();
    let rows = || logs.path("logmill.db").exists().then(|| logs.query("select name from sqlite_master"));
    wait_until("a commit", || {
        rows().is_some_and(|tables| tables.contains(&"t".to_owned()))
            && logs.number("select count(*) from t") > 0
    });
    let database = rusqlite::Connection::open(logs.path("logmill.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    database.execute_batch("ALTER TABLE t ADD COLUMN more INTEGER").unwrap();
    // The pipe stays open, and nothing more arrives.
    stdin.write_all(&log(3001..=4000)).unwrap();
    let mut code = None;
    wait_until("the program to end", || {
        code = child.try_wait().unwrap();
        code.is_some()
    });
    assert_eq!(code.unwrap().code(), Some(1));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("t was changed during the run"), "{said}");
    drop(stdin);
}

#[test]
fn a_signal_ends_a_load_that_waits_for_stdin() {
    for sent in [0, 1, 3000] {
        let logs = Logs::new();
        let mut command = logs.command("-");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The pipe stays open, and nothing more arrives.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&log(1..=3000)[..sent * 97]).unwrap();
        let status = format!("/proc/{}/status", child.id());
        wait_until("the program to catch signals", || {
            let status = fs::read_to_string(&status).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            u64::from_str_radix(caught.trim(), 16).unwrap() & 1 << 14 != 0
        });
        let pid = i32::try_from(child.id()).unwrap();
        assert!(send("TERM", pid));
        let mut code = None;
        wait_until("the program to end", || {
            code = child.try_wait().unwrap();
            code.is_some()
        });
        assert_eq!(code.unwrap().code(), Some(143), "{sent} lines sent");
        // The next run loads what was not committed.
        drop(stdin);
        logs.load_stdin("-", &log(1..=3000)).exit(0);
        assert_eq!(logs.sources(), ["- 1-3000"]);
    }
}

#[test]
fn a_file_that_must_not_be_mapped_gives_the_same_rows() {
    // Longer than files that are read instead of mapped anyway.
    let content = [&log(1..=6000)[..], b"\r\n\nnot a record\n", record(6001).as_bytes()].concat();
    let mut tables = Vec::new();
    for source in ["mmap = true", "mmap = false"] {
        let logs =
            Logs::new().source(&format!("files = [\"app.log\"]\n{source}")).pipeline("chunk_size = \"8KiB\"");
        logs.write("app.log", &content);
        logs.load().exit(3).did(6001, 0);
        logs.append("app.log", "\n").append("app.log", log(6002..=6003));
        logs.load().exit(3).did(2, 0);
        let rows = logs.query("select source_id, source_offset, n, t from t order by 1, 2");
        let letters = logs.query("select source_offset, line, raw from logmill_dead_letters");
        tables.push((rows, letters, logs.query("select position, lines, blank from logmill_checkpoints")));
    }
    assert_eq!(tables[0], tables[1]);
}

#[test]
fn the_unfinished_line_of_a_growing_file_waits() {
    for mmap in [true, false] {
        let logs = Logs::new()
            .source(&format!("files = [\"*.log*\"]\ngrowing = true\nmmap = {mmap}"))
            .key("\"none\"");
        let whole = record(6001);
        let (line, rest) = whole.split_at(40);
        logs.write("app.log", [&log(1..=6000)[..], line.as_bytes()].concat());
        logs.write("app.log.gz", gzip(&[&log(7001..=7002)[..], line.as_bytes()].concat(), 6));
        for new in [6002, 0] {
            logs.load().exit(0).did(new, 0);
        }
        let states = "select complete, position < 100 from logmill_checkpoints order by source_id";
        assert_eq!(logs.query(states), ["0|0", "0|0"]);
        logs.append("app.log", rest);
        logs.load().exit(0).did(0, 0);
        // A line is complete only with its line end.
        logs.append("app.log", "\n").append("app.log", "{\"n\"");
        logs.load().exit(0).did(1, 0);
        assert_eq!(logs.number("select count(*) from t"), 6003);
        assert_eq!(logs.number("select count(*) from logmill_dead_letters"), 0);
    }
}
