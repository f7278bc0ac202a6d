//! The lines of text formats: of a web server, of a service that writes logfmt, of a machine's daemons.

use std::fmt::Write as _;

use super::{Numbers, ODD, SEVERITIES, WORDS, civil};

const MONTHS: &[&str] = &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
pub(super) const AGENTS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0 Safari/537.36",
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bot.example/about)",
    "curl/8.5.0",
    "-",
    "a \\\"quoted\\\" agent",
];
pub(super) const METHODS: &[&str] = &["GET", "GET", "GET", "GET", "GET", "POST", "PUT", "HEAD"];
pub(super) const STATUSES: &[&str] = &["200", "200", "200", "200", "200", "301", "304", "404", "500"];
pub(super) const SECTIONS: &[&str] =
    &["articles", "shop", "assets", "search", "api/v2/orders", "api/v2/users"];
/// The name of a program, and whether it logs its process id.
const PROGRAMS: &[(&str, bool)] =
    &[("sshd", true), ("postfix/smtpd", true), ("CRON", true), ("kernel", false), ("systemd", true)];

/// A point in time: year, month and day, hour, minute, second and millisecond.
pub(super) struct Moment {
    date: (u64, u64, u64),
    time: (u64, u64, u64, u64),
}

impl Moment {
    pub(super) fn new(at_ms: u64) -> Moment {
        let ms = at_ms % 86_400_000;
        let time = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
        Moment { date: civil(at_ms / 86_400_000), time }
    }

    fn month_name(&self) -> &'static str {
        MONTHS[usize::try_from(self.date.1).unwrap_or(1) - 1]
    }

    pub(super) fn iso(&self) -> String {
        let ((year, month, day), (hour, minute, second, ms)) = (self.date, self.time);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

pub(super) fn words(numbers: &mut Numbers, least: u64) -> String {
    let count = least + numbers.below(least);
    let is_odd = numbers.below(20) == 0;
    let word = |index: u64| match (is_odd, index) {
        (true, 1) => numbers.one_of(ODD),
        _ => numbers.one_of(WORDS),
    };
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}

pub(super) fn address(numbers: &mut Numbers) -> String {
    match numbers.below(8) {
        0 => format!("2001:db8::{:x}:{:x}", numbers.below(65_536), numbers.below(65_536)),
        _ => format!("198.51.{}.{}", numbers.below(256), numbers.below(256)),
    }
}

/// A line of an access log in the combined format.
pub(super) fn combined(numbers: &mut Numbers, at_ms: u64, line: &mut String) {
    let moment = Moment::new(at_ms);
    let ((year, _, day), (hour, minute, second, _)) = (moment.date, moment.time);
    let user = ["-", "-", "-", "-", "-", "ada", "Grace Hopper"][numbers.below(7) as usize];
    let (client, method, section) = (address(numbers), numbers.one_of(METHODS), numbers.one_of(SECTIONS));
    // Every public server receives some requests that are not HTTP at all.
    let request = match numbers.below(50) {
        0 => "\\x16\\x03\\x01\\x02".to_owned(),
        1 => "-".to_owned(),
        _ => format!("{method} /{section}/{}?page={} HTTP/1.1", numbers.one_of(WORDS), numbers.below(90)),
    };
    let bytes = if numbers.below(9) == 0 { "-".to_owned() } else { numbers.below(200_000).to_string() };
    let referer = match numbers.below(3) {
        0 => "-".to_owned(),
        _ => format!("https://www.example.com/{section}/"),
    };
    let _ = write!(
        line,
        "{client} - {user} [{day:02}/{}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000] \"{request}\" {} {bytes} \"{referer}\" \"{}\"",
        moment.month_name(),
        numbers.one_of(STATUSES),
        numbers.one_of(AGENTS),
    );
}

/// A line of a service that writes logfmt.
pub(super) fn logfmt(numbers: &mut Numbers, at_ms: u64, line: &mut String) {
    let level = numbers.one_of(SEVERITIES).to_ascii_lowercase();
    let _ = write!(
        line,
        "ts={} level={level} caller={}.go:{} msg=\"{}\" user.id={} took={}.{:03} trace={:016x}",
        Moment::new(at_ms).iso(),
        numbers.one_of(WORDS),
        numbers.below(900) + 1,
        words(numbers, 8),
        numbers.below(10_000_000),
        numbers.below(3_000),
        numbers.below(1_000),
        numbers.next(),
    );
    match numbers.below(12) {
        0 => line.push_str(" err="),
        1 => line.push_str(" retried"),
        _ => {}
    }
}

/// A line of a system's log, usually in the form of RFC 3164 and sometimes in that of RFC 5424.
pub(super) fn syslog(numbers: &mut Numbers, at_ms: u64, line: &mut String) {
    let moment = Moment::new(at_ms);
    let (day, (hour, minute, second, _)) = (moment.date.2, moment.time);
    let (program, has_id) = PROGRAMS[numbers.below(PROGRAMS.len() as u64) as usize];
    let (host, id) = (["web-1", "web-2", "db-1"][numbers.below(3) as usize], numbers.below(32_768) + 1);
    let message = words(numbers, 8);
    let _ = match numbers.below(8) {
        0 => write!(
            line,
            "<{}>1 {} {host} {program} {} - [origin@32473 ip=\"{}\" port=\"{}\"] {message}",
            numbers.below(192),
            moment.iso(),
            if has_id { id.to_string() } else { "-".to_owned() },
            address(numbers),
            numbers.below(65_536),
        ),
        _ => write!(
            line,
            "{} {day:>2} {hour:02}:{minute:02}:{second:02} {host} {program}{}: {message}",
            moment.month_name(),
            if has_id { format!("[{id}]") } else { String::new() },
        ),
    };
}
