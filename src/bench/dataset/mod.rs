//! Generated log files of any size: the same seed gives the same bytes on every machine.
//!
//! The records resemble those of a service in production: eight fields in the same order, about 333 bytes,
//! one message in twenty with escapes or non-ASCII letters. In the other shape they are events as published
//! by a forge, deeply nested and of many kinds. Some are bad in one of several ways, and some occur twice, as
//! with a shipper that delivers at least once.
//!
//! The bytes are part of the contract: results from different machines are matched by the hash of their data.
//! A change of the bytes also changes the hashes in the tests, and must be announced.

mod containers;
mod github;
mod tables;
mod text;

use std::io::{self, BufWriter, Write};

/// The format of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Ndjson,
    Combined,
    Logfmt,
    Syslog,
    Csv,
    W3c,
    Zeek,
    Json,
    Cri,
    Docker,
    Compose,
}

/// All formats, with their names.
pub const FORMATS: &[(&str, Format)] = &[
    ("ndjson", Format::Ndjson),
    ("combined", Format::Combined),
    ("logfmt", Format::Logfmt),
    ("syslog", Format::Syslog),
    ("csv", Format::Csv),
    ("w3c", Format::W3c),
    ("zeek", Format::Zeek),
    ("json", Format::Json),
    ("cri", Format::Cri),
    ("docker", Format::Docker),
    ("compose", Format::Compose),
];

impl Format {
    /// Its name.
    pub fn name(self) -> &'static str {
        FORMATS.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}

/// The subject of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Records of a service, or of whatever else writes the format.
    App,
    /// Nested events of a forge: only as JSON.
    Github,
}

/// All shapes, with their names.
pub const SHAPES: &[(&str, Shape)] = &[("app", Shape::App), ("github", Shape::Github)];

impl Shape {
    /// Its name.
    pub fn name(self) -> &'static str {
        SHAPES.iter().find(|(_, shape)| *shape == self).map_or("", |(name, _)| name)
    }

    /// Whether it exists in a format.
    pub fn is_written_as(self, format: Format) -> bool {
        self == Shape::App || matches!(format, Format::Ndjson | Format::Json)
    }
}

/// How much to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    Records(u64),
    /// The first record that reaches this many bytes is the last.
    Bytes(u64),
}

/// What to generate. The same recipe gives the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    pub format: Format,
    pub shape: Shape,
    pub amount: Amount,
    pub seed: u64,
    /// The day of the records, as its number since 1970. Without one they begin with 2024, close together.
    pub day: Option<u64>,
    /// How many of a million records are bad.
    pub bad_per_million: u64,
    /// How many of a million records occurred before.
    pub duplicates_per_million: u64,
}

impl Default for Recipe {
    fn default() -> Recipe {
        Recipe {
            format: Format::Ndjson,
            shape: Shape::App,
            amount: Amount::Records(1_000),
            seed: 1,
            day: None,
            bad_per_million: 1_000,
            duplicates_per_million: 0,
        }
    }
}

/// What was generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    pub records: u64,
    pub bytes: u64,
    /// Bad records.
    pub bad: u64,
    /// Records that occurred before.
    pub duplicates: u64,
}

/// A duplicate follows its original within this many records.
const DUPLICATES_BEHIND: usize = 1_000;

/// SplitMix64: its numbers are part of what makes the files the same everywhere, so it is implemented here
/// instead of taken from a library that may change.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len() as u64) as usize]
    }
}

const SEVERITIES: &[&str] = &["INFO", "INFO", "INFO", "INFO", "INFO", "INFO", "WARN", "ERROR"];
const MODULES: &[&str] =
    &["api", "auth", "billing", "cache", "checkout", "db", "mailer", "queue", "search", "web"];
const WORDS: &[&str] = &[
    "request",
    "handler",
    "upstream",
    "connection",
    "timeout",
    "retry",
    "pool",
    "exhausted",
    "payload",
    "checksum",
    "session",
    "token",
    "refreshed",
    "user",
    "order",
    "shipped",
    "cart",
    "item",
    "price",
    "index",
    "rebuilt",
    "shard",
    "leader",
    "elected",
    "lease",
    "expired",
    "cache",
    "miss",
    "hit",
    "evicted",
    "worker",
    "started",
    "stopped",
    "after",
    "before",
    "while",
    "because",
    "slow",
    "query",
    "took",
    "longer",
    "than",
    "expected",
    "for",
    "tenant",
    "region",
];
const ODD: &[&str] = &[
    "gr\u{fc}\u{df}e",
    "\u{65e5}\u{672c}",
    "\\\"quoted\\\"",
    "tab\\there",
    "caf\\u00e9",
    "\u{1f600}",
    "back\\\\slash",
];

const DAY_MS: u64 = 86_400_000;

/// Generates the records of a recipe.
pub fn write(recipe: Recipe, out: impl Write) -> io::Result<Made> {
    let mut out = BufWriter::with_capacity(1 << 20, out);
    let mut numbers = Numbers(recipe.seed);
    let (mut at_ms, apart_ms) = match (recipe.day, recipe.amount) {
        // Within a day they leave roughly the last third empty, so that chance takes none into the next day.
        (Some(day), Amount::Records(records)) => (day * DAY_MS, DAY_MS * 4 / 3 / records.max(1)),
        (Some(day), Amount::Bytes(_)) => (day * DAY_MS, 74),
        // 2024-01-01T00:00:00Z, and a record about every 37 ms.
        (None, _) => (1_704_067_200_000, 74),
    };
    let (mut record, mut earlier, mut made) = (String::new(), Vec::new(), Made::default());
    let head = tables::head(recipe.format);
    out.write_all(head.as_bytes())?;
    made.bytes = head.len() as u64;
    loop {
        at_ms += numbers.below(apart_ms.max(1));
        record.clear();
        put_record(&recipe, &mut numbers, at_ms, &mut record);
        // No random numbers are drawn if no duplicates are wanted, so recipes without duplicates keep their
        // bytes.
        if recipe.duplicates_per_million > 0 {
            let is_again = numbers.below(1_000_000) < recipe.duplicates_per_million;
            let slot = usize::try_from(numbers.below(DUPLICATES_BEHIND as u64)).unwrap_or_default();
            match earlier.get(slot).filter(|_| is_again) {
                Some(before) => {
                    record.clone_from(before);
                    made.duplicates += 1;
                }
                None if earlier.len() < DUPLICATES_BEHIND => earlier.push(record.clone()),
                None => earlier[slot].clone_from(&record),
            }
        }
        if numbers.below(1_000_000) < recipe.bad_per_million {
            spoil(&recipe, &mut numbers, &mut record);
            made.bad += 1;
        }
        made.records += 1;
        made.bytes += record.len() as u64;
        let is_last = match recipe.amount {
            Amount::Records(records) => made.records >= records,
            Amount::Bytes(bytes) => made.bytes >= bytes,
        };
        let end = tables::line_end(recipe.format, is_last);
        made.bytes += end.len() as u64;
        out.write_all(record.as_bytes())?;
        out.write_all(end.as_bytes())?;
        if is_last {
            break;
        }
    }
    out.flush()?;
    Ok(made)
}

fn put_record(recipe: &Recipe, numbers: &mut Numbers, at_ms: u64, record: &mut String) {
    match recipe.format {
        Format::Ndjson | Format::Json if recipe.shape == Shape::Github => {
            github::event(numbers, at_ms, record)
        }
        Format::Ndjson | Format::Json | Format::Cri => service(numbers, at_ms, record),
        Format::Combined | Format::Compose => text::combined(numbers, at_ms, record),
        Format::Logfmt | Format::Docker => text::logfmt(numbers, at_ms, record),
        Format::Syslog => text::syslog(numbers, at_ms, record),
        Format::Csv => tables::csv(numbers, at_ms, record),
        Format::W3c => tables::w3c(numbers, at_ms, record),
        Format::Zeek => tables::zeek(numbers, at_ms, record),
    }
    match recipe.format {
        Format::Cri => containers::cri(numbers, at_ms, record),
        Format::Docker => containers::docker(numbers, at_ms, record),
        Format::Compose => containers::compose(numbers, record),
        _ => {}
    }
}

/// Makes a record bad in one of the ways typical of its format.
fn spoil(recipe: &Recipe, numbers: &mut Numbers, record: &mut String) {
    match recipe.format {
        Format::Ndjson | Format::Json if recipe.shape == Shape::Github => github::spoil(numbers, record),
        Format::Ndjson | Format::Json => spoil_service(numbers, record),
        Format::Logfmt => record.push('"'),
        // One value too many.
        Format::Csv => record.push(','),
        // Its beginning is lost.
        Format::Combined
        | Format::Syslog
        | Format::W3c
        | Format::Zeek
        | Format::Cri
        | Format::Docker
        | Format::Compose => *record = record.chars().skip(record.len() / 2).collect(),
    }
}

/// A record of a service.
fn service(numbers: &mut Numbers, at_ms: u64, line: &mut String) {
    use std::fmt::Write as _;
    let (days, ms) = (at_ms / DAY_MS, at_ms % DAY_MS);
    let (year, month, day) = civil(days);
    let mut message = String::new();
    let is_odd = numbers.below(20) == 0;
    for index in 0..16 + numbers.below(10) {
        if index > 0 {
            message.push(' ');
        }
        message.push_str(if is_odd && index == 3 { numbers.one_of(ODD) } else { numbers.one_of(WORDS) });
    }
    let (severity, module) = (numbers.one_of(SEVERITIES), numbers.one_of(MODULES));
    let (user, latency, ok) = (numbers.below(10_000_000), numbers.below(1_000_000), numbers.below(10) > 0);
    let trace = (u128::from(numbers.next()) << 64) | u128::from(numbers.next());
    let _ = write!(
        line,
        "{{\"timestamp\":\"{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z\",\"severity\":\"{severity}\",\
         \"module\":\"{module}\",\"message\":\"{message}\",\"user_id\":{user},\"latency_ms\":{}.{:03},\"ok\":{ok},\
         \"trace\":\"{:08x}-{:04x}-{:04x}-{:04x}-{:012x}\"}}",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000,
        latency / 1000,
        latency % 1000,
        trace >> 96,
        trace >> 80 & 0xffff,
        trace >> 64 & 0xffff,
        trace >> 48 & 0xffff,
        trace & 0xffff_ffff_ffff,
    );
}

/// Makes a service record bad.
fn spoil_service(numbers: &mut Numbers, line: &mut String) {
    match numbers.below(6) {
        0 => line.truncate(line.len() / 2),
        1 => *line = line.replacen("\"severity\":\"", "\"severity\":\"X", 1),
        2 => *line = line.replacen("T", " half past ", 1),
        3 => *line = line.replacen("\"user_id\":", "\"user_id\":\"n/a\",\"_\":", 1),
        4 => *line = line.replacen("\"module\":", "\"modul\":", 1),
        _ => *line = line.replacen("\"message\":\"", "\"message\":\"\\u0000", 1),
    }
}

/// The calendar date of a number of days since 1970 (Howard Hinnant's algorithm).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    (yoe + era * 400 + u64::from(month <= 2), month, day)
}
