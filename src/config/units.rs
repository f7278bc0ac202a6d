//! Quantities as people write them: `16MiB`, `1h30m`, `2024-02-29`, `100_000`.
//!
//! There is one parser and one printer for each, used by job files, flags and messages alike, so that printed
//! values can be typed back. An error says what a quantity looks like and does not repeat the text: it may
//! have come from a variable with a secret, and the caller knows how to quote it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use crate::sink::bar::Bar;

/// A text that is not the expected quantity; says what one looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misread(pub(super) &'static str);

const SIZE: Misread =
    Misread("a size is a whole number of bytes, or one followed by KiB, MiB, GiB, KB, MB or GB");
const DURATION: Misread = Misread("a duration is written with its units, as in 500ms, 60s, 10m or 1h30m");
const DATE: Misread = Misread("a date is written as year, month and day, as in 2024-02-29");
const SINCE: Misread = Misread(
    "a time is a date, a moment as in 2024-02-29T12:00:00Z, or how long ago it is, as in 2d or 1h30m",
);
const COUNT: Misread = Misread("a count is a whole number, as in 100000 or 100_000");
const ID: Misread = Misread("a dead letter is named by its number, as `logmill dead-letters list` shows it");

const ADDRESS: Misread = Misread(
    "an address to listen at is a port, or an address and a port, as in 9464, 0.0.0.0:9464 or [::1]:9464",
);

const BAR: Misread = Misread(
    "this limit is a count or a share, as in 1000 or 5%; a share is at most 100% and has up to four digits after the point",
);

/// The units of sizes; of equal factors, the first is printed.
const SIZES: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
    ("", 1),
];

/// The units of durations in milliseconds, the largest first.
const DURATIONS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a size in bytes.
pub fn parse_size(text: &str) -> Result<u64, Misread> {
    let (number, unit) = split_number(text);
    let (_, factor) = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or(SIZE)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or(SIZE)
}

/// Prints a size in the largest unit that divides it.
pub fn print_size(bytes: u64) -> String {
    if bytes == 0 {
        return "0B".to_owned();
    }
    let divides = |(_, factor): &&(&str, u64)| bytes.is_multiple_of(*factor);
    let (unit, factor) = SIZES.iter().find(divides).expect("one divides everything");
    format!("{}{unit}", bytes / factor)
}

/// Reads a duration. Each unit occurs once, the largest first.
pub fn parse_duration(text: &str) -> Result<Duration, Misread> {
    let mut rest = text;
    let mut units = DURATIONS.iter();
    let mut total_ms = 0_u64;
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let unit_len = after.find(|ch: char| ch.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        let (_, factor) = units.find(|(name, _)| *name == unit).ok_or(DURATION)?;
        let number: u64 = number.parse().map_err(|_| DURATION)?;
        total_ms = number.checked_mul(*factor).and_then(|ms| ms.checked_add(total_ms)).ok_or(DURATION)?;
        rest = after;
    }
    if text.is_empty() { Err(DURATION) } else { Ok(Duration::from_millis(total_ms)) }
}

/// Prints a duration, to the millisecond.
pub fn print_duration(duration: Duration) -> String {
    let mut rest_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest_ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, factor) in DURATIONS {
        if rest_ms >= factor {
            text.push_str(&format!("{}{unit}", rest_ms / factor));
            rest_ms %= factor;
        }
    }
    text
}

/// Reads a calendar day, `YYYY-MM-DD`. It prints as itself.
pub fn parse_date(text: &str) -> Result<NaiveDate, Misread> {
    // chrono alone would accept one-digit months and years of five digits, which sort and compare differently
    // as text.
    let is_padded = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if is_padded { text.parse().map_err(|_| DATE) } else { Err(DATE) }
}

/// Reads the point in time at which something begins: a date, a time, or how long ago it is.
pub fn parse_since(text: &str) -> Result<DateTime<Utc>, Misread> {
    if let Ok(date) = parse_date(text) {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    let ago = parse_duration(text).ok().and_then(|ago| chrono::Duration::from_std(ago).ok());
    ago.and_then(|ago| Utc::now().checked_sub_signed(ago)).ok_or(SINCE)
}

/// Reads a count. Underscores may group its digits.
pub fn parse_count(text: &str) -> Result<u64, Misread> {
    let is_grouped_well = text.split('_').all(|group| !group.is_empty());
    let digits: String = text.split('_').collect();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_grouped_well && is_number { digits.parse().map_err(|_| COUNT) } else { Err(COUNT) }
}

/// Reads the id of a dead letter.
pub fn parse_id(text: &str) -> Result<i64, Misread> {
    text.parse().map_err(|_| ID)
}

/// Reads an address to listen at. A port alone means the local machine only.
pub fn parse_address(text: &str) -> Result<SocketAddr, Misread> {
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    match port.parse() {
        Ok(port) => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        Err(_) => text.parse().map_err(|_| ADDRESS),
    }
}

/// Reads a bar: a count, or a share in percent.
pub fn parse_bar(text: &str) -> Result<Bar, Misread> {
    let Some(percent) = text.strip_suffix('%') else {
        return parse_count(text).map(Bar::Count).map_err(|_| BAR);
    };
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
    let is_number = |digits: &str, max: usize| {
        (1..=max).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(whole, 3) || !is_number(fraction, 4) {
        return Err(BAR);
    }
    let millionths: u32 = format!("{whole}{fraction:0<4}").parse().map_err(|_| BAR)?;
    if millionths <= 1_000_000 { Ok(Bar::Share(millionths)) } else { Err(BAR) }
}

/// Prints a count with its digits in groups of three: `1_000_000`.
pub fn print_count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// The digits at the start, and the rest.
fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|ch: char| !ch.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! reads {
        ($name:ident, $read:expr, $($text:expr => $value:expr),+ $(,)?) => {
            #[test]
            fn $name() {
                $({
                    let text = $text;
                    assert_eq!($read(text), $value, "{text:?}");
                })+
            }
        };
    }

    reads!(sizes_are_bytes_or_have_a_unit, parse_size,
        "0" => Ok(0), "4096" => Ok(4096), "7B" => Ok(7), "64KB" => Ok(64_000), "64KiB" => Ok(65_536),
        "16MiB" => Ok(16 << 20), "16mib" => Ok(16 << 20), "2MB" => Ok(2_000_000), "1GiB" => Ok(1 << 30),
        "3GB" => Ok(3_000_000_000));
    reads!(sizes_are_nothing_else, parse_size,
        "" => Err(SIZE), "MiB" => Err(SIZE), "1.5MiB" => Err(SIZE), "-1" => Err(SIZE), "1 MiB" => Err(SIZE),
        "16M" => Err(SIZE), "16MiB " => Err(SIZE), "99999999999GiB" => Err(SIZE), "1_000" => Err(SIZE));
    reads!(sizes_print_in_the_largest_unit_that_fits, print_size,
        0 => "0B", 1 => "1B", 1000 => "1KB", 1024 => "1KiB", 1536 => "1536B", 16 << 20 => "16MiB",
        5_000_000_000 => "5GB");

    reads!(durations_have_units, parse_duration,
        "0s" => Ok(Duration::ZERO), "500ms" => Ok(Duration::from_millis(500)),
        "60s" => Ok(Duration::from_secs(60)), "10m" => Ok(Duration::from_secs(600)),
        "1h30m" => Ok(Duration::from_secs(5400)), "1d2h3m4s5ms" => Ok(Duration::from_millis(93_784_005)));
    reads!(durations_are_nothing_else, parse_duration,
        "" => Err(DURATION), "10" => Err(DURATION), "s" => Err(DURATION), "30m1h" => Err(DURATION),
        "1m1m" => Err(DURATION), "1.5s" => Err(DURATION), "1 h" => Err(DURATION), "10min" => Err(DURATION),
        "-1s" => Err(DURATION), "99999999999999999999s" => Err(DURATION), "9999999999999999d" => Err(DURATION));
    reads!(durations_print_with_the_units_they_need, |ms| print_duration(Duration::from_millis(ms)),
        0 => "0s", 500 => "500ms", 60_000 => "1m", 5_400_000 => "1h30m", 90_061_001 => "1d1h1m1s1ms");

    reads!(dates_are_year_month_day, parse_date,
        "2024-02-29" => Ok(NaiveDate::from_ymd_opt(2024, 2, 29).expect("a leap year")),
        "2023-02-29" => Err(DATE), "2024-2-9" => Err(DATE), "20240229" => Err(DATE), "today" => Err(DATE),
        "02024-02-29" => Err(DATE), "2024-02-29T00:00" => Err(DATE), "" => Err(DATE));

    #[test]
    fn a_beginning_is_a_date_a_moment_or_so_long_ago() {
        let moment = |text: &str| parse_since(text).map(|at| at.to_rfc3339());
        assert_eq!(moment("2024-02-29").as_deref(), Ok("2024-02-29T00:00:00+00:00"));
        assert_eq!(moment("2024-02-29T12:00:00+02:00").as_deref(), Ok("2024-02-29T10:00:00+00:00"));
        let since = parse_since("2d").expect("a time");
        let ago = Utc::now() - since;
        assert!((48 * 60..48 * 60 + 5).contains(&ago.num_minutes()), "{ago}");
        for text in
            ["", "2023-02-29", "yesterday", "2", "2024-02-29T12:00", "99999999999d", "999999999999999d"]
        {
            assert_eq!(parse_since(text), Err(SINCE), "{text:?}");
        }
    }

    reads!(counts_may_be_grouped, parse_count,
        "0" => Ok(0), "100000" => Ok(100_000), "100_000" => Ok(100_000), "1_0" => Ok(10),
        "" => Err(COUNT), "_1" => Err(COUNT), "1_" => Err(COUNT), "-1" => Err(COUNT), "1e5" => Err(COUNT),
        "1.0" => Err(COUNT), "+1" => Err(COUNT), "99999999999999999999" => Err(COUNT));
    reads!(counts_print_in_groups, print_count,
        0 => "0", 999 => "999", 1000 => "1_000", 100_000 => "100_000", 1_234_567 => "1_234_567");

    reads!(bars_are_counts_or_shares, parse_bar,
        "0" => Ok(Bar::Count(0)), "1_000" => Ok(Bar::Count(1000)), "5%" => Ok(Bar::Share(50_000)),
        "0.5%" => Ok(Bar::Share(5_000)), "12.3401%" => Ok(Bar::Share(123_401)), "100%" => Ok(Bar::Share(1_000_000)),
        "0.0001%" => Ok(Bar::Share(1)));
    reads!(bars_are_nothing_else, parse_bar,
        "" => Err(BAR), "%" => Err(BAR), "5 %" => Err(BAR), "0.05" => Err(BAR), "-1" => Err(BAR), "100.1%" => Err(BAR),
        ".5%" => Err(BAR), "5.%" => Err(BAR), "1_0%" => Err(BAR), "0.00001%" => Err(BAR), "1000%" => Err(BAR));

    #[test]
    fn an_address_is_of_this_machine_unless_it_says_otherwise() {
        let address = |text: &str| parse_address(text).map(|address| address.to_string());
        for text in ["9464", ":9464", "localhost:9464", "127.0.0.1:9464"] {
            assert_eq!(address(text).as_deref(), Ok("127.0.0.1:9464"), "{text}");
        }
        assert_eq!(address("0.0.0.0:1").as_deref(), Ok("0.0.0.0:1"));
        assert_eq!(address("[::1]:0").as_deref(), Ok("[::1]:0"));
        for text in ["", ":", "99999", "example.org:80", "127.0.0.1", "::1", "http://127.0.0.1:1"] {
            assert_eq!(parse_address(text), Err(ADDRESS), "{text:?}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read_back() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..2000 {
            let number = rng.u64(..) >> rng.u32(0..64);
            assert_eq!(parse_size(&print_size(number)), Ok(number));
            assert_eq!(parse_count(&print_count(number)), Ok(number));
            let duration = Duration::from_millis(number);
            assert_eq!(parse_duration(&print_duration(duration)), Ok(duration));
            let share = Bar::Share(rng.u32(..=1_000_000));
            assert_eq!(parse_bar(&share.to_string()), Ok(share));
        }
    }
}
