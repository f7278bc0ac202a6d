//! Makes log files of any size, the same bytes on every machine for the same seed.
//!
//! `cargo run --release --example generate -- --lines 3000000 > big.ndjson`
//!
//! The lines look like those of a service in production: eight fields in the same order,
//! about 333 bytes, one message in twenty with escapes or letters beyond ASCII, one line in
//! a thousand that is bad in one of several ways (`--bad 0` for none). `--format` makes other logs:
//! `combined`, `logfmt`, `syslog`, `csv`, `w3c`, `zeek`, `json`, and `cri`, `docker` and `compose` around the lines of
//! the service, of logfmt and of a web server; `--day 2024-02-29` spreads the lines over that day. Benches and tests
//! include this file as a module.

use std::io::{self, BufWriter, Write};

mod containers;
mod tables;
mod text;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
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

/// Each of them, as it is called.
const SHAPES: &[(&str, Shape)] = &[
    ("ndjson", Shape::Ndjson),
    ("combined", Shape::Combined),
    ("logfmt", Shape::Logfmt),
    ("syslog", Shape::Syslog),
    ("csv", Shape::Csv),
    ("w3c", Shape::W3c),
    ("zeek", Shape::Zeek),
    ("json", Shape::Json),
    ("cri", Shape::Cri),
    ("docker", Shape::Docker),
    ("compose", Shape::Compose),
];

/// What to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    /// How its lines are written.
    pub(crate) shape: Shape,
    /// How many lines.
    pub(crate) lines: u64,
    /// The same seed gives the same bytes.
    pub(crate) seed: u64,
    /// Of a million lines, so many are bad.
    pub(crate) bad_per_million: u64,
    /// The day that the lines are of, by its number since 1970. Without one they begin with 2024, close together.
    pub(crate) day: Option<u64>,
}

impl Default for Recipe {
    fn default() -> Recipe {
        Recipe { shape: Shape::Ndjson, lines: 1_000, seed: 1, bad_per_million: 1_000, day: None }
    }
}

/// SplitMix64: its numbers are part of what makes the files the same everywhere, so it is
/// written out here rather than taken from a library that may change its mind.
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

/// Writes the lines.
pub(crate) fn write(recipe: Recipe, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, out);
    let mut numbers = Numbers(recipe.seed);
    let (mut at_ms, apart_ms) = match recipe.day {
        // Of a day they leave the last third empty, by and large, so that chance takes none into the next.
        Some(day) => (day * DAY_MS, DAY_MS * 4 / 3 / recipe.lines.max(1)),
        // 2024-01-01T00:00:00Z, and a line every 37 ms or so.
        None => (1_704_067_200_000, 74),
    };
    let mut line = String::new();
    out.write_all(tables::head(recipe.shape).as_bytes())?;
    for number in 1..=recipe.lines {
        at_ms += numbers.below(apart_ms);
        line.clear();
        match recipe.shape {
            Shape::Ndjson | Shape::Json | Shape::Cri => one_line(&mut numbers, at_ms, &mut line),
            Shape::Combined | Shape::Compose => text::combined(&mut numbers, at_ms, &mut line),
            Shape::Logfmt | Shape::Docker => text::logfmt(&mut numbers, at_ms, &mut line),
            Shape::Syslog => text::syslog(&mut numbers, at_ms, &mut line),
            Shape::Csv => tables::csv(&mut numbers, at_ms, &mut line),
            Shape::W3c => tables::w3c(&mut numbers, at_ms, &mut line),
            Shape::Zeek => tables::zeek(&mut numbers, at_ms, &mut line),
        }
        match recipe.shape {
            Shape::Cri => containers::cri(&mut numbers, at_ms, &mut line),
            Shape::Docker => containers::docker(&mut numbers, at_ms, &mut line),
            Shape::Compose => containers::compose(&mut numbers, &mut line),
            _ => {}
        }
        if numbers.below(1_000_000) < recipe.bad_per_million {
            match recipe.shape {
                Shape::Ndjson | Shape::Json => spoil(&mut numbers, &mut line),
                Shape::Logfmt => line.push('"'),
                // A value too many.
                Shape::Csv => line.push(','),
                // Its beginning is lost.
                Shape::Combined
                | Shape::Syslog
                | Shape::W3c
                | Shape::Zeek
                | Shape::Cri
                | Shape::Docker
                | Shape::Compose => line = line.chars().skip(line.len() / 2).collect(),
            }
        }
        line.push_str(tables::line_end(recipe.shape, number == recipe.lines));
        out.write_all(line.as_bytes())?;
    }
    out.flush()
}

fn one_line(numbers: &mut Numbers, at_ms: u64, line: &mut String) {
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

/// Makes a line bad in one of the ways in which lines are.
fn spoil(numbers: &mut Numbers, line: &mut String) {
    match numbers.below(6) {
        0 => line.truncate(line.len() / 2),
        1 => *line = line.replacen("\"severity\":\"", "\"severity\":\"X", 1),
        2 => *line = line.replacen("T", " half past ", 1),
        3 => *line = line.replacen("\"user_id\":", "\"user_id\":\"n/a\",\"_\":", 1),
        4 => *line = line.replacen("\"module\":", "\"modul\":", 1),
        _ => *line = line.replacen("\"message\":\"", "\"message\":\"\\u0000", 1),
    }
}

/// The calendar day of a number of days since 1970 (Howard Hinnant's algorithm).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    (yoe + era * 400 + u64::from(month <= 2), month, day)
}

/// The number since 1970 of a day such as 2024-02-29.
pub(crate) fn day(text: &str) -> Option<u64> {
    let mut parts = text.split('-').map(|part| part.parse().ok());
    let date = (parts.next()??, parts.next()??, parts.next()??);
    (0..100_000).find(|day| civil(*day) == date)
}

#[allow(dead_code, reason = "as a module, only `write` is used")]
fn main() -> io::Result<()> {
    let mut recipe = Recipe::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let shape = SHAPES.iter().find(|(name, _)| *name == value);
        match (flag.as_str(), value.parse(), shape) {
            ("--lines", Ok(number), _) => recipe.lines = number,
            ("--seed", Ok(number), _) => recipe.seed = number,
            ("--bad", Ok(number), _) => recipe.bad_per_million = number,
            ("--format", _, Some((_, shape))) => recipe.shape = *shape,
            ("--day", _, _) if day(&value).is_some() => recipe.day = day(&value),
            _ => {
                eprintln!(
                    "usage: generate [--format NAME] [--lines N] [--seed N] [--bad PER_MILLION] [--day DATE] > FILE"
                );
                std::process::exit(2);
            }
        }
    }
    match write(recipe, io::stdout().lock()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
