//! Generates logs to load: the same bytes for the same seed, with every kind of line.
//!
//! A bad line is one that no reader accepts, however much it coerces. Other tests cover the difference
//! between lax and strict.

use fastrand::Rng;

/// The schema of these logs.
pub(crate) const SCHEMA: &str =
    "id int, level enum(INFO|WARN|ERROR), message text, ratio float?, at timestamp?";

/// A log of `lines` lines. One in ten is bad, one in twenty blank, and some end in CR LF. The last may lack
/// a line end.
pub(crate) fn log(seed: u64, lines: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut log = if rng.u8(..8) == 0 { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
    for number in 0..lines {
        match rng.u8(..100) {
            0..10 => log.extend_from_slice(&bad(&mut rng, number)),
            10..15 => log.extend_from_slice([&b""[..], b" \t"][rng.usize(..2)]),
            _ => log.extend_from_slice(good(&mut rng, number).as_bytes()),
        }
        if number + 1 < lines || rng.u8(..4) > 0 {
            log.extend_from_slice([&b"\n"[..], b"\r\n"][usize::from(rng.u8(..6) == 0)]);
        }
    }
    log
}

/// The same records, each spread over several lines. A line that is no object becomes part of the record
/// before it.
pub(crate) fn pretty_log(seed: u64, lines: usize) -> Vec<u8> {
    let log = log(seed, lines);
    let mut pretty = Vec::new();
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        match serde_json::from_slice::<serde_json::Value>(line) {
            Ok(value) => {
                pretty.extend_from_slice(&serde_json::to_vec_pretty(&value).unwrap());
                pretty.push(b'\n');
            }
            Err(_) => pretty.extend_from_slice(line),
        }
    }
    pretty
}

/// The fields of a CSV log.
pub(crate) const CSV_SCHEMA: &str = "id int, level enum(INFO|WARN|ERROR), message text, ratio float";

/// A CSV log of `records` records after a header, one in ten of them bad.
pub(crate) fn csv_log(seed: u64, records: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut log = "more,id,\"level\",message,ratio\r\n".to_owned();
    for number in 0..records {
        let message =
            ["started", "\"two\nlines\"", "\"a \"\"word\"\", and\r\n\r\nmore\"", "gr\u{fc}n", "", "\"\""]
                [rng.usize(..6)];
        let level = ["INFO", "WARN", "ERROR"][rng.usize(..3)];
        let ratio = f64::from(rng.i32(-1000..1000)) / 8.0;
        log += &match rng.u8(..20) {
            0 => format!(",x{number},{level},{message},{ratio}"),
            1 => format!(",{number},{level},{message}"),
            2 => String::new(),
            _ => format!("{},{number},{level},{message},{ratio}", "m".repeat(rng.usize(..30))),
        };
        log += ["\n", "\r\n"][usize::from(rng.u8(..6) == 0)];
    }
    log.into_bytes()
}

/// A logfmt log of `lines` lines for [`SCHEMA`]: one in ten is bad, one in twenty blank.
pub(crate) fn logfmt_log(seed: u64, lines: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut log = String::new();
    for number in 0..lines {
        let message = ["started", "\"it is \\\"up\\\"\\n \\u00e4\"", "gr\u{fc}n", "\"a=b c\"", "", "\"\""]
            [rng.usize(..6)];
        let level = ["INFO", "WARN", "ERROR"][rng.usize(..3)];
        let ratio = f64::from(rng.i32(-1000..1000)) / 8.0;
        let second = rng.u32(..60);
        log += &match rng.u8(..20) {
            0 => format!("id=x{number} level={level} message={message}"),
            1 => format!("id={number} level={level} message=\"cut off"),
            2 => String::new(),
            3 => format!("{number} it said nothing"),
            4 => format!("id=0 level={level} id={number} message={message} ratio"),
            5 => format!("at=2023-10-27T12:34:{second:02}Z id={number} level={level} message={message}"),
            _ => format!(
                "id={number}  level={level} message={message} ratio={ratio} more.x={}",
                "m".repeat(rng.usize(..30))
            ),
        };
        log += ["\n", "\r\n"][usize::from(rng.u8(..6) == 0)];
    }
    log.into_bytes()
}

/// A W3C log of `records` records, one in ten of them bad. Its directives recur with other fields.
pub(crate) fn w3c_log(seed: u64, records: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut log = "#Version: 1.0\r\n#Fields: more id level message ratio\r\n".to_owned();
    let mut is_other = false;
    for number in 0..records {
        let message = ["started", "\"two words\"", "gr\u{fc}n+%20", "-"][rng.usize(..4)];
        let level = ["INFO", "WARN", "ERROR"][rng.usize(..3)];
        let ratio = f64::from(rng.i32(-1000..1000)) / 8.0;
        match rng.u8(..12) {
            0 => (log, is_other) = (log + "#Fields: ratio level id message\n", true),
            1 => (log, is_other) = (log + "#Date: 2023-10-27\n#Fields: more id level message ratio\n", false),
            _ => {}
        }
        let id = if rng.u8(..20) == 0 { format!("x{number}") } else { number.to_string() };
        log += &match rng.u8(..20) {
            0 => format!("{id} {level} {message}"),
            1 => String::new(),
            _ if is_other => format!("{ratio} {level} {id} {message}"),
            _ => format!("{} {id} {level} {message} {ratio}", "m".repeat(rng.usize(1..30))),
        };
        log += ["\n", "\r\n"][usize::from(rng.u8(..6) == 0)];
    }
    (log + "#Remark: the end").into_bytes()
}

/// A Zeek log of `records` records for [`CSV_SCHEMA`], one in ten of them bad. Its header recurs with other
/// fields.
pub(crate) fn zeek_log(seed: u64, records: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let start = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tx\n";
    let header = |names: &str| {
        format!("{start}#fields\t{names}\n#types{}\n", "\tstring".repeat(names.split('\t').count()))
    };
    let mut log = header("more\tid\tlevel\tmessage\tratio");
    let mut is_other = false;
    for number in 0..records {
        let message = ["started", "two words", "gr\u{fc}n+%20", "a,b"][rng.usize(..4)];
        let level = ["INFO", "WARN", "ERROR"][rng.usize(..3)];
        let ratio = f64::from(rng.i32(-1000..1000)) / 8.0;
        match rng.u8(..12) {
            0 => (log, is_other) = (log + &header("ratio\tlevel\tid\tmessage"), true),
            1 => {
                (log, is_other) = (log + "#close\tx\n" + &header("more\tid\tlevel\tmessage\tratio"), false);
            }
            _ => {}
        }
        let id = if rng.u8(..20) == 0 { format!("x{number}") } else { number.to_string() };
        log += &match rng.u8(..20) {
            0 => format!("{id}\t{level}\t{message}"),
            _ if is_other => format!("{ratio}\t{level}\t{id}\t{message}"),
            _ => format!("{}\t{id}\t{level}\t{message}\t{ratio}", "m".repeat(rng.usize(1..30))),
        };
        log.push('\n');
    }
    (log + "#close\t2023-10-27-00-00-00").into_bytes()
}

/// The lines of a log as Docker stores them: some are split into parts, and a line of the other stream may
/// come between two parts.
pub(crate) fn docker_log(seed: u64, lines: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut docker = String::new();
    let log = String::from_utf8_lossy(&log(seed, lines)).into_owned();
    let mut put = |text: &str, stream: &str, end: &str| {
        let text = serde_json::to_string(text).unwrap();
        docker +=
            &format!("{{\"log\":{text},\"stream\":\"{stream}\",\"time\":\"2023-10-27T12:34:56.789Z\"}}{end}");
    };
    for line in log.trim_start_matches('\u{feff}').split_inclusive('\n') {
        let (stream, other) = [("stdout", "stderr"), ("stderr", "stdout")][rng.usize(..2)];
        let parts = rng.usize(..4).min(line.chars().count());
        let mut rest = line;
        for _ in 1..parts {
            let (at, _) = rest.char_indices().nth(rest.chars().count() / 2).unwrap();
            let (part, behind) = rest.split_at(at);
            if !part.is_empty() {
                put(part, stream, "\n");
            }
            rest = behind;
            if rng.u8(..20) == 0 {
                put("{\"id\":0,\"level\":\"WARN\",\"message\":\"between\"}\n", other, "\n");
            }
        }
        put(rest, stream, ["\n", "\r\n"][usize::from(rng.u8(..6) == 0)]);
    }
    docker.into_bytes()
}

/// The objects of a log in a JSON array: one per line, over several lines, or many on one line.
pub(crate) fn array_log(seed: u64, lines: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut array = b"[\n".to_vec();
    let log = log(seed, lines);
    let log = log.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&log);
    for line in log.split(|&byte| byte == b'\n') {
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        if !value.is_object() {
            continue;
        }
        match rng.u8(..3) {
            0 => array.extend_from_slice(line.trim_ascii_end()),
            _ => array.extend_from_slice(&serde_json::to_vec_pretty(&value).unwrap()),
        }
        array.extend_from_slice([&b",\n"[..], b", ", b",\r\n\r\n", b""][rng.usize(..4)]);
    }
    array.extend_from_slice(b"\n]");
    array
}

/// A log in which every line is a row: `id` counts from `first`.
pub(crate) fn good_log(first: usize, lines: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(first as u64);
    let lines = (first..first + lines).map(|number| good(&mut rng, number) + "\n");
    lines.collect::<String>().into_bytes()
}

/// A log of long lines that do not compress. One in fifty is bad.
pub(crate) fn noisy_log(seed: u64, lines: usize) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut log = String::new();
    for number in 0..lines {
        let level = if number % 50 == 7 { "LOUD" } else { "INFO" };
        let noise: String = (0..400).map(|_| rng.alphanumeric()).collect();
        log += &format!("{{\"id\":{number},\"level\":\"{level}\",\"message\":\"{noise}\"}}\n");
    }
    log.into_bytes()
}

fn good(rng: &mut Rng, number: usize) -> String {
    let message = [
        "started",
        "it said: \\\"no\\\" \\\\ \\n\\t and \\u00e4\\ud83d\\ude00",
        "\\\\.",
        "gr\u{fc}n \u{65e5}\u{672c} \u{1f980}",
        "",
    ][rng.usize(..5)];
    let level = ["INFO", "WARN", "ERROR"][rng.usize(..3)];
    let mut line = format!("{{\"id\":{number},\"level\":\"{level}\",\"message\":\"{message}\"");
    match rng.u8(..4) {
        0 => line += &format!(",\"ratio\":{}", f64::from(rng.i32(-1000..1000)) / 8.0),
        1 => line += ",\"ratio\":null",
        _ => {}
    }
    if rng.bool() {
        let (second, micros) = (rng.u32(..60), rng.u32(..1_000_000));
        line += &format!(",\"at\":\"2023-10-27T12:34:{second:02}.{micros:06}Z\"");
    }
    if rng.u8(..10) == 0 {
        line += &format!(",\"more\":\"{}\"", "x".repeat(rng.usize(..400)));
    }
    line + "}"
}

fn bad(rng: &mut Rng, number: usize) -> Vec<u8> {
    let cases: [&[u8]; 9] = [
        br#"{"id":"x","level":"INFO","message":"an id that is no number"}"#,
        br#"{"id":1,"level":"LOUD","message":"a level that is none"}"#,
        br#"{"level":"INFO","id":7}"#,
        br#"{"id":[],"level":7,"message":{}}"#,
        br#"{"id":1,"level":"INFO","message":"cut off"#,
        b"not JSON at all",
        b"{\"id\":1,\"level\":\"INFO\",\"message\":\"\xff\xfe\"}",
        br#"{"id":1,"level":"INFO","message":"a\u0000b"}"#,
        b"[1, 2]",
    ];
    let mut line = cases[rng.usize(..cases.len())].to_vec();
    // Each bad line is unique, so that tests can identify it by its bytes.
    if !line.starts_with(b"[") && !line.ends_with(b"off") {
        line.splice(1..1, format!(" \"n\":{number},").into_bytes());
    }
    line
}
