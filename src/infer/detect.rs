//! Detection: which formats files could have, and how much of them each explains.
//!
//! A candidate is what a job would specify. All are tried on records from the start, the middle and the end,
//! because a log may begin with a banner and change half way. The candidate that explains most lines wins;
//! among equals, the most specific one. A format that accepts anything would explain everything, so each
//! candidate also has its own check of what a record looks like.

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::table::{Table, names_columns, table, values};
use crate::format::{AnyFormat, Chunk, Dialect, Memory, PRESETS, Preamble, Preset, Raw, Record, preset};

/// Samples of one file, each consisting of whole lines.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// From the start.
    pub start: Vec<u8>,
    /// From its middle and its end, if it is large enough.
    pub others: Vec<Vec<u8>>,
}

impl Sample {
    fn pieces(&self) -> impl Iterator<Item = &Vec<u8>> {
        [&self.start].into_iter().chain(&self.others)
    }
}

/// Whether a record, as read by the format, looks like one of its own.
type Look = fn(&[u8], &Record<'_>) -> bool;

/// A format that files could have.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it is called.
    pub name: String,
    /// The lines of a job's `[source]` that specify it.
    pub lines: String,
    is_like: Look,
    /// Whether a record can be found without the ones before it.
    can_begin_anywhere: bool,
}

/// How much of some samples a format explains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// The explained lines: those of records and the format's other lines.
    pub lines: u64,
    /// The total number of lines.
    pub of: u64,
}

impl Explained {
    /// Whether it explains more lines than not.
    pub fn is_most(self) -> bool {
        2 * self.lines > self.of
    }

    /// Whether it explains at least this percentage.
    pub fn is_share(self, percent: u64) -> bool {
        self.of > 0 && 100 * self.lines >= percent * self.of
    }

    /// Whether its share is greater than another's.
    pub fn is_more(self, other: Explained) -> bool {
        u128::from(self.lines) * u128::from(other.of) > u128::from(other.lines) * u128::from(self.of)
    }

    fn add(&mut self, other: Explained) {
        self.lines += other.lines;
        self.of += other.of;
    }
}

/// The formats to try, the most specific first.
pub fn candidates(sample: &Sample) -> Vec<Candidate> {
    let start = sample.start.trim_ascii_start();
    let named = |name: &str, is_like| Candidate {
        name: name.to_owned(),
        lines: format!("format = \"{name}\"\n"),
        is_like,
        can_begin_anywhere: true,
    };
    let mut candidates = vec![
        // Docker's lines are JSON, too.
        named("docker", |line, _| memchr::memmem::find(line, b"\"stream\"").is_some()),
        named("cri", |_, _| true),
        named("compose", |line, _| COMPOSE.is_match(line)),
        named("ndjson", |_, record| matches!(record.root().raw(), Raw::Object { .. })),
        named("vhost_combined", |line, _| VHOST.is_match(line)),
        named("combined", |line, _| ACCESS.is_match(line)),
        named("common", |line, _| ACCESS.is_match(line)),
        named("alb", |line, _| ALB.is_match(line)),
        named("elb", |line, _| ELB.is_match(line)),
        named("s3_access", |line, _| S3.is_match(line)),
        named("vpc_flow", |line, _| VPC.is_match(line)),
    ];
    let (of_others, of_regex): (Vec<&Preset>, Vec<&Preset>) =
        PRESETS.iter().partition(|preset| preset.format != "regex");
    let (of_syslog, others): (Vec<&Preset>, Vec<&Preset>) =
        of_regex.into_iter().partition(|preset| OF_SYSLOG.contains(&preset.name));
    // Presets that refine a format other than `regex`.
    candidates.splice(0..0, of_others.into_iter().filter_map(of_named_preset));
    candidates.extend(of_syslog.into_iter().map(of_preset));
    candidates.extend([
        named("syslog", |line, _| SYSLOG.is_match(line)),
        named("logfmt", |line, _| memchr::memchr_iter(b'=', line).count() > 1 && LOGFMT.is_match(line)),
    ]);
    if memchr::memmem::find(&sample.start, b"#Fields:").is_some() {
        candidates.insert(0, named("w3c", |_, _| true));
    }
    if start.starts_with(b"#separator ") {
        candidates.insert(0, named("zeek", |_, _| true));
    }
    if start.starts_with(b"{") || start.starts_with(b"[") {
        let is_object = |_: &[u8], record: &Record<'_>| matches!(record.root().raw(), Raw::Object { .. });
        let of_objects = |name| Candidate { can_begin_anywhere: false, ..named(name, is_object) };
        if RECORDS.is_match(start) {
            // All of it may be one line, which is an object too; if there are several such lines, each is a
            // record.
            let lines = sample.pieces().flat_map(|piece| piece.split(|&byte| byte == b'\n'));
            let is_one = lines.filter(|line| RECORDS.is_match(line)).nth(1).is_none();
            candidates.insert(if is_one { 0 } else { candidates.len() }, of_objects("cloudtrail"));
        }
        candidates.push(of_objects("json"));
    }
    let log_formats = LOG_FORMATS.iter().filter(|(_, log_format, _)| {
        // Missing proxies in some lines say nothing about that value in other lines.
        !log_format.ends_with("$http_x_forwarded_for\"") || names_proxies(sample)
    });
    candidates.extend(log_formats.map(|&(name, log_format, is_like)| Candidate {
        name: name.to_owned(),
        lines: format!("format = \"access\"\nlog_format = '{log_format}'\n"),
        ..named("access", is_like)
    }));
    candidates.extend(others.into_iter().map(of_preset));
    candidates.extend(csvlog(&sample.start));
    let delimited = [(b'\t', "tsv"), (b',', "csv"), (b';', "csv"), (b'|', "csv")];
    candidates.extend(delimited.iter().filter_map(|(delimiter, name)| csv(&sample.start, *delimiter, name)));
    candidates
}

/// Presets whose lines are also syslog, which is less specific.
const OF_SYSLOG: [&str; 1] = ["openssh"];

/// Log formats predefined in the servers' default configurations. Other formats append other values after the
/// same ones.
const LOG_FORMATS: [(&str, &str, Look); 2] = [
    (
        "access as nginx.conf has it",
        r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for""#,
        |line, _| ACCESS.is_match(line) && is_forwarded(line),
    ),
    (
        "access as httpd.conf has it",
        r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %I %O"#,
        |line, _| ACCESS.is_match(line) && BYTES.is_match(line),
    ),
];

/// Whether the last quoted value of a line is the list of clients that proxies forwarded for, or empty.
fn is_forwarded(line: &[u8]) -> bool {
    last_quoted(line).is_some_and(|last| last == "-" || are_addresses(last))
}

/// Whether that is so for nearly all lines that have such a value.
fn names_proxies(sample: &Sample) -> bool {
    let lines = sample.pieces().flat_map(|piece| piece.split(|&byte| byte == b'\n'));
    let values = lines.filter(|line| ACCESS.is_match(line)).filter_map(last_quoted);
    let (mut addresses, mut others) = (0, 0);
    for value in values.filter(|value| *value != "-") {
        if are_addresses(value) { addresses += 1 } else { others += 1 }
    }
    9 * others <= addresses
}

fn last_quoted(line: &[u8]) -> Option<&str> {
    let found = LAST_QUOTED.captures(line)?;
    std::str::from_utf8(found.get(1)?.as_bytes()).ok()
}

/// Addresses separated by commas, in the form that proxies also write for unknown clients.
fn are_addresses(text: &str) -> bool {
    let is_address = |text: &str| {
        text == "unknown" || text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok()
    };
    text.split(',').all(|text| is_address(text.trim()))
}

/// A well-known log, as a pattern that a person can extend.
fn of_preset(preset: &Preset) -> Candidate {
    let Preset { name, about, pattern, record_start, .. } = preset;
    let start = record_start.map_or_else(String::new, |start| format!("record_start = '{start}'\n"));
    Candidate {
        name: (*name).to_owned(),
        lines: format!("format = \"regex\"\n# {name}: {about}\npattern = '{pattern}'\n{start}"),
        is_like: |_, _| true,
        can_begin_anywhere: true,
    }
}

/// A well-known log that is read by a format other than a pattern.
fn of_named_preset(preset: &Preset) -> Option<Candidate> {
    let Preset { name, about, format, .. } = preset;
    let is_like: Look = match *name {
        "postgresql_jsonlog" => |line, _| JSONLOG.is_match(line),
        "go_slog" => |line, _| SLOG.is_match(line),
        _ => return None,
    };
    let lines = format!("format = \"{format}\"\n# {name}: {about}\n");
    Some(Candidate { name: (*name).to_owned(), lines, is_like, can_begin_anywhere: true })
}

static JSONLOG: LazyLock<Regex> = LazyLock::new(|| of_name("postgresql_jsonlog"));

static SLOG: LazyLock<Regex> = LazyLock::new(|| of_name("go_slog"));

fn of_name(name: &str) -> Regex {
    regex(preset(name).expect("a preset of ours").pattern)
}

/// The columns of PostgreSQL's csvlog, which has no header line. Before version 14 there were 24, and before
/// 13 one less.
const CSVLOG: [&str; 26] = [
    "log_time",
    "user_name",
    "database_name",
    "process_id",
    "connection_from",
    "session_id",
    "session_line_num",
    "command_tag",
    "session_start_time",
    "virtual_transaction_id",
    "transaction_id",
    "error_severity",
    "sql_state_code",
    "message",
    "detail",
    "hint",
    "internal_query",
    "internal_query_pos",
    "context",
    "query",
    "query_pos",
    "location",
    "application_name",
    "backend_type",
    "leader_pid",
    "query_id",
];

/// PostgreSQL's csvlog, if a record of one line shows how many columns there are.
fn csvlog(start: &[u8]) -> Option<Candidate> {
    let lines = start.split(|&byte| byte == b'\n').filter(|line| CSVLOG_START.is_match(line));
    let mut counts = lines.filter_map(|line| Some(values(std::str::from_utf8(line).ok()?, ',').len()));
    let count = counts.find(|count| [23, 24, 26].contains(count))?;
    let columns: Vec<String> = CSVLOG[..count].iter().map(|name| format!("{name:?}")).collect();
    Some(Candidate {
        name: "postgresql csvlog".to_owned(),
        lines: format!("format = \"csv\"\n# PostgreSQL's csvlog\ncolumns = [{}]\n", columns.join(", ")),
        is_like: |line, _| CSVLOG_START.is_match(line),
        can_begin_anywhere: true,
    })
}

/// Values separated by this delimiter, if the lines look like a table.
fn csv(start: &[u8], delimiter: u8, name: &str) -> Option<Candidate> {
    let Table { width, has_header } = table(start, delimiter as char)?;
    let mut lines = format!("format = \"{name}\"\n");
    if !matches!(delimiter, b',' | b'\t') {
        lines.push_str(&format!("delimiter = \"{}\"\n", delimiter as char));
    }
    if !has_header {
        let columns: Vec<String> = (1..=width).map(|number| format!("\"column_{number}\"")).collect();
        lines.push_str(&format!("columns = [{}]\n", columns.join(", ")));
    }
    Some(Candidate {
        name: match delimiter {
            b';' => "csv with semicolons".to_owned(),
            b'|' => "csv with bars".to_owned(),
            _ => name.to_owned(),
        },
        lines,
        is_like: |_, _| true,
        can_begin_anywhere: true,
    })
}

/// Whether a further file begins differently from the first: with a record where that one has a header, or
/// with a header where it has a record.
pub fn begins_otherwise(sample: &Sample, first: &Sample, dialect: &Dialect) -> bool {
    let has_header = dialect.columns.is_none();
    let names = names_columns(&sample.start, &first.start, has_header, dialect.delimiter as char);
    names.is_some_and(|names| names != has_header)
}

impl Candidate {
    /// The same within the lines of a container.
    pub fn within(&self, container: &str) -> Candidate {
        let payload = self.lines.strip_prefix("format").unwrap_or(&self.lines);
        Candidate {
            name: format!("{container} with {}", self.name),
            lines: format!("format = \"{container}\"\npayload{payload}"),
            ..self.clone()
        }
    }
}

/// The lines that programs wrote, extracted from the lines of their container. `format` has its text in the
/// first slot.
pub fn payloads(format: &AnyFormat, sample: &Sample, record_bytes_max: usize) -> Sample {
    let preamble = Preamble::default();
    let lines = |piece: &Vec<u8>| {
        let mut lines = Vec::new();
        let chunk = Chunk { bytes: piece, preamble: &preamble, record_bytes_max };
        format.each_record(chunk, &mut Memory::default(), |_, record, _| {
            if let Some(Raw::Text(text)) = record.ok().and_then(|record| record.get(0)).map(|item| item.raw())
            {
                lines.extend_from_slice(text.as_bytes());
                lines.push(b'\n');
            }
        });
        lines
    };
    Sample { start: lines(&sample.start), others: sample.others.iter().map(lines).collect() }
}

/// How much of the samples `format` explains, which is the candidate's format.
pub fn explain(
    candidate: &Candidate,
    format: &AnyFormat,
    samples: &[Sample],
    record_bytes_max: usize,
) -> Explained {
    let mut explained = Explained::default();
    let mut memory = Memory::default();
    for sample in samples {
        let mut preamble = Preamble::default();
        for piece in sample.pieces() {
            if !candidate.can_begin_anywhere && !std::ptr::eq(piece, &sample.start) {
                // A piece that is not examined counts neither way.
                continue;
            }
            let chunk = Chunk { bytes: piece, preamble: &preamble, record_bytes_max };
            explained.add(explain_piece(candidate, format, chunk, &mut memory));
            preamble = format.follow(chunk);
        }
    }
    explained
}

/// At most this many lines of one record count as explained by it.
const LINES_MAX: u64 = 100;

fn explain_piece(
    candidate: &Candidate,
    format: &AnyFormat,
    chunk: Chunk<'_>,
    memory: &mut Memory,
) -> Explained {
    let mut lines = 0;
    let counted = format.each_record(chunk, memory, |place, record, _| {
        if record.is_ok_and(|record| (candidate.is_like)(place.raw, record)) {
            // A stack trace belongs to its record; anything longer is something else.
            lines += 1 + (memchr::memchr_iter(b'\n', place.raw).count() as u64).min(LINES_MAX);
        }
    });
    lines += u64::from(counted.skipped);
    // If many records share a line, each counts as one.
    Explained { lines, of: lines.max(u64::from(counted.lines) - u64::from(counted.blank)) }
}

static ACCESS: LazyLock<Regex> = LazyLock::new(|| regex(r#"^\S+ \S+.* \[[^\]]+\] ".*" [0-9]{3} "#));

/// Bytes received and sent, at the end of a line.
static BYTES: LazyLock<Regex> = LazyLock::new(|| regex(r#"" [0-9]+ [0-9]+\r?$"#));

static LAST_QUOTED: LazyLock<Regex> = LazyLock::new(|| regex(r#" "([^"]*)"\r?$"#));

/// The name of a host and its port, in front of the client.
static VHOST: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"^[A-Za-z0-9.*_-]+:[0-9]+ \S+ \S+ .* \[[^\]]+\] ".*" [0-9]{3} "#));

/// The number of a service, or padding, before the bar.
static COMPOSE: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"^(\x1b\[[0-9;]*[A-Za-z])*[A-Za-z0-9._-]+([_-][0-9]+ +| {2,})(\x1b\[[0-9;]*m)*\|")
});

static CSVLOG_START: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\.[0-9]{3} [A-Z+-][A-Z0-9+-]*,"));

/// An object with a list of records.
static RECORDS: LazyLock<Regex> = LazyLock::new(|| regex(r#"^\{\s*"Records"\s*:\s*\["#));

static ALB: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^(https?|h2|grpcs|wss?) [0-9]{4}-[0-9]{2}-[0-9]{2}T\S+ \S+ \S+ "));

static ELB: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+ \S+ \S+:[0-9]+ (\S+:[0-9]+|-) -?[0-9.]+ -?[0-9.]+ ")
});

static S3: LazyLock<Regex> = LazyLock::new(|| regex(r"^[0-9a-f]{64} \S+ \[[^\]]+\] "));

static VPC: LazyLock<Regex> = LazyLock::new(|| regex(r"^[0-9]+ ([0-9]{12}|unknown) eni-\S+ "));

static SYSLOG: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^(<[0-9]{1,3}>|((Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-9]?[0-9] |[0-9]{4}-[0-9]{2}-[0-9]{2}T)[0-9:]{8}[0-9.,]*(Z|[+-][0-9:]+)? \S+ [^ :\[]+(\[[0-9]+\])?: )",
    )
});

static LOGFMT: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"^[\w.@/-]+=("([^"\\]|\\.)*"|[^\s"]*)(\s+[\w.@/-]+(=("([^"\\]|\\.)*"|[^\s"]*))?)*\s*$"#)
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of ours")
}
