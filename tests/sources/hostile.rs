//! Endless lines, holes, zeros and decompression bombs: each costs one reject and little memory.

use super::*;

/// The bound on resident memory, whatever the input. (`benches/runs` has longer measurements.)
const PEAK_KIB_MAX: u64 = 192 << 10;

/// Loads, and asserts that memory stays within the bound.
#[track_caller]
fn load_within_bounds(logs: &Logs) -> Loaded {
    within_bounds(logs.command(""))
}

/// The same for another command.
#[track_caller]
pub(super) fn within_bounds(command: Command) -> Loaded {
    let mut child = Piped::start(command);
    let status = format!("/proc/{}/status", child.0.id());
    let mut peak = 0;
    while child.0.status().is_none() {
        // The high-water mark only rises, and disappears with the process.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        peak = mark.map_or(peak, |mark| mark.trim().parse().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(peak > 0, "it ended before its memory was looked at");
    assert!(peak < PEAK_KIB_MAX, "{peak} KiB");
    child.wait()
}

/// Writes a file with a hole of `hole` zeros between two pieces.
fn write_around_hole(logs: &Logs, name: &str, before: &[u8], hole: u64, after: &[u8]) {
    let mut file = File::create(logs.path(name)).unwrap();
    file.write_all(before).unwrap();
    file.seek(SeekFrom::Current(hole.cast_signed())).unwrap();
    file.write_all(after).unwrap();
}

#[test]
fn a_line_over_4_gib_is_one_reject_and_the_rest_is_loaded() {
    let logs = Logs::new();
    let hole = 4 << 30;
    let after = [b"\n", &log(2..=3)[..]].concat();
    write_around_hole(&logs, "app.log", &log(1..=1), hole, &after);
    load_within_bounds(&logs).exit(3).did(3, 0);
    let start = log(1..=1).len() as u64;
    assert_eq!(
        logs.query("select n, source_offset from t order by 2"),
        [
            "1|0".to_owned(),
            format!("2|{}", start + hole + 1),
            format!("3|{}", start + hole + 1 + log(2..=2).len() as u64),
        ]
    );
    assert_eq!(
        logs.query("select line, source_offset, length, raw, raw_hash is null from logmill_dead_letters"),
        [format!("2|{start}|{hole}|null|0")]
    );
    // The load resumes beyond 4 GiB.
    logs.append("app.log", log(4..=4));
    logs.load().exit(3).did(1, 0);
    assert_eq!(logs.sources(), ["app.log 1-4"]);
}

#[test]
fn a_line_without_end_is_one_reject_however_it_is_read() {
    for source in ["mmap = true", "mmap = false", "growing = true"] {
        let logs = Logs::new().source(&format!("files = [\"app.log\"]\n{source}"));
        write_around_hole(&logs, "app.log", &log(1..=2), 64 << 20, b"x");
        let loaded = load_within_bounds(&logs);
        // A growing line may still end, though it cannot become a row any more.
        let (code, letters) = if source.starts_with("growing") { (0, 0) } else { (3, 1) };
        loaded.exit(code).did(2, 0);
        assert_eq!(logs.number("select count(*) from logmill_dead_letters"), letters);
        logs.append("app.log", "\n").append("app.log", log(3..=3));
        logs.load().exit(3).did(1, 0);
        assert_eq!(
            logs.query("select line, length from logmill_dead_letters"),
            [format!("3|{}", (64 << 20) + 1)],
            "{source}"
        );
    }
}

#[test]
fn a_long_line_within_the_bound_is_a_row() {
    let logs = Logs::new();
    let text = "x".repeat(15 << 20);
    logs.write("app.log", format!("{{\"n\":1,\"t\":\"{text}\"}}\n{{\"n\":2}}\n{{\"n\":3,\"t\":\"{text}\"}}"));
    load_within_bounds(&logs).exit(0).did(3, 0);
    assert_eq!(
        logs.query("select n, length(t) from t order by n"),
        [format!("1|{}", 15 << 20), "2|null".to_owned(), format!("3|{}", 15 << 20)]
    );
}

#[test]
fn a_million_blank_lines_are_blank() {
    let logs = Logs::new();
    let blank = "\n \t\r\n".repeat(500_000);
    logs.write("app.log", [blank.as_bytes(), &log(1..=1)].concat());
    let loaded = load_within_bounds(&logs);
    loaded.exit(0).did(1, 0);
    assert_eq!((loaded.count("/counts/blank"), loaded.count("/counts/lines")), (1_000_000, 1_000_001));
}

#[test]
fn zeros_left_by_a_truncation_are_one_reject() {
    // A writer without append mode continues at its old offset, leaving a hole before it.
    let logs = Logs::new();
    write_around_hole(&logs, "app.log", b"", 300_000, &log(1..=100));
    logs.load().exit(3).did(99, 0);
    assert_eq!(logs.query("select line, length > 300000 from logmill_dead_letters"), ["1|1"]);
    // A crash can leave nothing but zeros at the end of a file.
    let logs = Logs::new();
    logs.write("app.log", [&log(1..=100)[..], &vec![0; 300_000]].concat());
    logs.load().exit(3).did(100, 0);
    assert_eq!(logs.query("select line, length from logmill_dead_letters"), ["101|300000"]);
}

#[test]
fn a_bomb_is_one_reject() {
    let mib = vec![0; 1 << 20];
    for bomb in [gzip(&mib, 9).repeat(256), zstd(&mib).repeat(256)] {
        let logs = Logs::new();
        logs.write("app.log", bomb).write("b.log", log(1..=10));
        load_within_bounds(&logs).exit(3).did(10, 0);
        assert_eq!(logs.query("select line, length from logmill_dead_letters"), [format!("1|{}", 256 << 20)]);
    }
}

#[test]
fn a_frame_that_asks_for_too_much_memory_is_refused() {
    // A header that requests a window of 2 GiB, and one block of three bytes.
    let frame = b"\x28\xb5\x2f\xfd\x00\xa8\x19\x00\x00{}\n";
    let logs = Logs::new();
    logs.write("app.log", frame).write("b.log", log(1..=10));
    load_within_bounds(&logs).failed("app.log", "too much memory").did(10, 0);
}

#[test]
fn records_without_any_field_fit_into_memory_and_the_database() {
    // With 12 fields, these 60 kB would make 20 MB of complete reasons.
    for (fields, records, bytes_max) in [(12, 20_000, 2_000), (200, 4_000, 4_500)] {
        let logs = Logs::new().fields(&(0..fields).map(|n| format!("f{n} = \"int\"\n")).collect::<String>());
        logs.write("app.log", b"{}\n".repeat(records));
        load_within_bounds(&logs).exit(3).did(0, 0);
        assert_eq!(logs.number("select count(*) from logmill_dead_letters"), records as i64);
        let longest = logs.number("select max(length(reasons)) from logmill_dead_letters");
        assert!(longest < bytes_max, "{longest} bytes of {fields} fields");
        let reasons = logs.query("select reasons ->> '$[#-1].code' from logmill_dead_letters limit 1");
        assert_eq!(reasons, [if fields > 40 { "more_reasons" } else { "missing" }]);
    }
}

#[test]
fn a_million_rejects_fit_into_memory() {
    let logs = Logs::new();
    logs.write("app.log", b"x\n".repeat(1_000_000));
    let loaded = load_within_bounds(&logs);
    loaded.exit(3).did(0, 0);
    assert_eq!(logs.number("select count(*) from logmill_dead_letters"), 1_000_000);
}

/// The CPU seconds of a process.
fn seconds_of_cpu(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

#[test]
fn a_signal_is_obeyed_within_an_endless_record() {
    let begun = record(11)[..40].to_owned();
    let terabyte = zstd(&vec![b'x'; 1 << 20]).repeat(1 << 20);
    let hole = |logs: &Logs| write_around_hole(logs, "b.log", begun.as_bytes(), 1 << 40, b"}");
    type Story<'s> = (&'s str, &'s str, &'s dyn Fn(&Logs));
    let stories: [Story<'_>; 4] = [
        ("mmap = true", "load", &hole),
        ("mmap = false", "check", &hole),
        ("", "load", &|logs| logs.place.write("b.log", &terabyte)),
        // Empty members: not one byte comes out.
        ("", "check", &|logs| logs.place.write("b.log", gzip(b"", 6).repeat(4 << 20))),
    ];
    for (keys, command, write) in stories {
        let logs = Logs::new().source(&format!("files = [\"*.log\"]\n{keys}"));
        logs.write("a.log", log(1..=10));
        write(&logs);
        let mut arguments = logs.command("");
        if command == "check" {
            arguments = logs.place.command("check -j job.toml --output json");
        }
        let mut child = Piped::start(arguments);
        wait_for("the record to be read", || (seconds_of_cpu(child.0.id()) > 1.0).then_some(()));
        assert!(child.0.status().is_none(), "{keys} {command}: it has ended already");
        let asked = std::time::Instant::now();
        child.signal("INT");
        let loaded = child.wait();
        assert!(asked.elapsed().as_secs() < 5, "{keys} {command}: {:?}", asked.elapsed());
        loaded.exit(130);
        if command == "load" {
            assert_eq!(logs.sources()[0], "a.log 1-10", "what was in line is committed");
        }
    }
}

#[test]
fn infer_reads_a_bounded_part_of_one_long_record() {
    let logs = Logs::new();
    write_around_hole(&logs, "zeros.log", b"", 3 << 30, b"\0");
    let infer = |arguments: &str| Said::of(&mut logs.place.command(&format!("infer {arguments}")), b"");
    infer("zeros.log").ended(2, &["zeros.log looks like a binary file"]);
    write_around_hole(&logs, "long.log", b"{\"t\":\"", 3 << 30, b"\"}\n");
    infer("long.log").ended(2, &["the one at byte 0 is a record beyond max_record (record_too_long)"]);
    logs.write("good.log", log(1..=10));
    let said = infer("good.log long.log --output json -o -").ended(0, &[]);
    let result: Value = serde_json::from_str(&said.stdout).unwrap();
    let read = result["inferred"]["bytes_read"].as_u64().unwrap();
    assert!(read < 400 << 20 && result["inferred"]["all"] == false, "{result}");
    // It can be stopped before it has decompressed a byte.
    logs.write("empty.log", gzip(b"", 6).repeat(4 << 20));
    let mut child = Piped::start(logs.place.command("infer empty.log"));
    wait_for("the archive to be read", || (seconds_of_cpu(child.0.id()) > 1.0).then_some(()));
    assert!(child.0.status().is_none(), "it has ended already");
    child.signal("INT");
    child.wait().exit(130);
}
