//! Detection: which formats files could be in, and how much of them each explains.
//!
//! A candidate is what a job would say. All are tried on records from the start, the middle and
//! the end, because a log may begin with a banner and change half way, and the one that explains
//! most lines is it; of those that explain as many, the one that says most. A candidate that reads
//! anything would explain everything, so beside its format each has a look of its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::format::{AnyFormat, Chunk, Memory, PRESETS, Preamble, Preset, Raw, Record};

/// Pieces of one file, each of whole lines.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// From its start.
    pub start: Vec<u8>,
    /// From its middle and its end, if it is larger.
    pub others: Vec<Vec<u8>>,
}

/// Whether what a format has read looks like one of its records.
type Look = fn(&[u8], &Record<'_>) -> bool;

/// A format that files could be in.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it is called.
    pub name: String,
    /// The lines of a job's `[source]` that say it.
    pub lines: String,
    is_like: Look,
    /// Whether a record can be found without those before it.
    can_begin_anywhere: bool,
}

/// How much of some samples a format explains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// Lines of records and of what the format has beside them,
    pub lines: u64,
    /// out of so many.
    pub of: u64,
}

impl Explained {
    /// Whether it is most lines.
    pub fn is_most(self) -> bool {
        self.lines > 0 && 2 * self.lines >= self.of
    }

    /// Whether it is so much of all.
    pub fn is_share(self, percent: u64) -> bool {
        self.of > 0 && 100 * self.lines >= percent * self.of
    }

    /// Whether it is a greater share than that of another.
    pub fn is_more(self, other: Explained) -> bool {
        u128::from(self.lines) * u128::from(other.of) > u128::from(other.lines) * u128::from(self.of)
    }

    fn add(&mut self, other: Explained) {
        self.lines += other.lines;
        self.of += other.of;
    }
}

/// The formats that are tried, those that say most first.
pub fn candidates(sample: &Sample) -> Vec<Candidate> {
    let start = sample.start.trim_ascii_start();
    let named = |name: &str, is_like| Candidate {
        name: name.to_owned(),
        lines: format!("format = \"{name}\"\n"),
        is_like,
        can_begin_anywhere: true,
    };
    let mut candidates = vec![
        // Docker's lines are JSON too.
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
    let (of_syslog, others): (Vec<&Preset>, Vec<&Preset>) =
        PRESETS.iter().partition(|preset| OF_SYSLOG.contains(&preset.name));
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
            // All of it may be one line, which is an object too.
            candidates.insert(0, of_objects("cloudtrail"));
        }
        candidates.push(of_objects("json"));
    }
    candidates.extend(LOG_FORMATS.iter().map(|&(name, log_format, is_like)| Candidate {
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

/// Presets whose lines are syslog too, which says less of them.
const OF_SYSLOG: [&str; 1] = ["openssh"];

/// Log formats that stand ready in the configuration that servers come with. Others put something else
/// behind the same values.
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

/// Whether the last value of a line, in quotes, is whom proxies passed a request on for.
fn is_forwarded(line: &[u8]) -> bool {
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok();
    let last =
        LAST_QUOTED.captures(line).and_then(|found| std::str::from_utf8(found.get(1)?.as_bytes()).ok());
    last.is_some_and(|last| last == "-" || last.split(',').all(|text| is_address(text.trim())))
}

/// A well-known log, as a pattern that a person can go on with.
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

/// The columns of PostgreSQL's csvlog, which has no line of names. Before version 14 it had 24, and
/// before 13 one less.
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

/// PostgreSQL's csvlog, if a record of one line says how many columns there are.
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

/// Values with this delimiter between them, if the first line has some.
fn csv(start: &[u8], delimiter: u8, name: &str) -> Option<Candidate> {
    let mut lines = start.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let first = lines.find(|line| !line.is_empty())?;
    let first = std::str::from_utf8(first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first)).ok()?;
    if first.starts_with(['{', '[']) {
        // JSON has commas too, and as many in each line.
        return None;
    }
    let values = values(first, delimiter as char);
    let mut lines = format!("format = \"{name}\"\n");
    if !matches!(delimiter, b',' | b'\t') {
        lines.push_str(&format!("delimiter = \"{}\"\n", delimiter as char));
    }
    let is_header = is_header(&values);
    if !is_header {
        let columns: Vec<String> = (1..=values.len()).map(|number| format!("\"column_{number}\"")).collect();
        lines.push_str(&format!("columns = [{}]\n", columns.join(", ")));
    }
    // Prose has commas too.
    let columns_min = if is_header { 2 } else { 3 };
    (values.len() >= columns_min).then(|| Candidate {
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

/// The values of a line, without their quotes.
fn values(line: &str, delimiter: char) -> Vec<&str> {
    let mut is_quoted = false;
    let is_end = |ch: char| {
        is_quoted ^= ch == '"';
        ch == delimiter && !is_quoted
    };
    line.split(is_end).map(|value| value.trim().trim_matches('"')).collect()
}

/// Whether values are the names of columns: each is there once and looks like a name.
fn is_header(values: &[&str]) -> bool {
    let is_name = |value: &&str| {
        value.chars().any(char::is_alphabetic)
            && value.chars().count() <= 64
            && value.chars().next().is_some_and(|ch| ch.is_alphabetic() || "_@#$".contains(ch))
            && !value.contains(['=', ':', '[', '{', '"', '!', '?', ';', ','])
    };
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] != pair[1]) && values.iter().all(is_name)
}

impl Candidate {
    /// The same for what stands within the lines of a container.
    pub fn within(&self, container: &str) -> Candidate {
        let payload = self.lines.strip_prefix("format").unwrap_or(&self.lines);
        Candidate {
            name: format!("{container} with {}", self.name),
            lines: format!("format = \"{container}\"\npayload{payload}"),
            ..self.clone()
        }
    }
}

/// What programs wrote, line by line, out of the lines of their container. `format` has its text in the
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

/// How much of the samples `format` explains, which is that of the candidate.
pub fn explain(
    candidate: &Candidate,
    format: &AnyFormat,
    samples: &[Sample],
    record_bytes_max: usize,
) -> Explained {
    let mut explained = Explained::default();
    let mut memory = Memory::default();
    for Sample { start, others } in samples {
        let mut preamble = Preamble::default();
        for piece in [start].into_iter().chain(others) {
            if !candidate.can_begin_anywhere && !std::ptr::eq(piece, start) {
                // What is not looked at is neither explained nor not.
                continue;
            }
            let chunk = Chunk { bytes: piece, preamble: &preamble, record_bytes_max };
            explained.add(explain_piece(candidate, format, chunk, &mut memory));
            preamble = format.follow(chunk);
        }
    }
    explained
}

/// More lines of one record than this are not explained by its first one.
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
            // A stack trace belongs to its record; what goes on for longer is something else.
            lines += 1 + (memchr::memchr_iter(b'\n', place.raw).count() as u64).min(LINES_MAX);
        }
    });
    lines += u64::from(counted.skipped);
    // Of many records on one line each counts as one.
    Explained { lines, of: lines.max(u64::from(counted.lines) - u64::from(counted.blank)) }
}

static ACCESS: LazyLock<Regex> = LazyLock::new(|| regex(r#"^\S+ \S+.* \[[^\]]+\] ".*" [0-9]{3} "#));

/// Bytes received and sent, at the end of a line.
static BYTES: LazyLock<Regex> = LazyLock::new(|| regex(r#"" [0-9]+ [0-9]+\r?$"#));

static LAST_QUOTED: LazyLock<Regex> = LazyLock::new(|| regex(r#" "([^"]*)"\r?$"#));

/// The name of a host and its port before what else would be the client.
static VHOST: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"^[A-Za-z0-9.*_-]+:[0-9]+ \S+ \S+ .* \[[^\]]+\] ".*" [0-9]{3} "#));

/// The number of a service, or blanks up to the width of the longest name, before the bar.
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
