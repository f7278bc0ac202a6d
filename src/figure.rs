//! Figures in a form for people: 1,234,567; 327 MB; 4.1 s.

use std::time::Duration;

/// `1,234,567`.
pub(crate) fn count(number: impl TryInto<i128>) -> String {
    let number = number.try_into().unwrap_or_default();
    let digits = number.unsigned_abs().to_string();
    let mut out = if number < 0 { String::from("-") } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `327 MB`: three significant digits, decimal units, as for disks and networks.
pub(crate) fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "kB", "MB", "GB", "TB", "PB"].into_iter();
    let mut unit = units.next().unwrap_or("B");
    for next in units {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ if value < 9.995 => format!("{value:.2} {unit}"),
        _ if value < 99.95 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

/// `4.1 s`, `2 min 05 s`, `3 h 07 min`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.as_millis() < 1000 => format!("{} ms", time.as_millis()),
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `0.10 %`.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    match share {
        share if part > 0 && share < 0.01 => "under 0.01 %".to_owned(),
        share if share < 9.995 => format!("{share:.2} %"),
        share => format!("{share:.0} %"),
    }
}

/// Something per second.
pub(crate) fn rate(amount: u64, time: Duration) -> u64 {
    (amount as f64 / time.as_secs_f64().max(1e-6)) as u64
}

/// `1 file`, `2 files`.
pub(crate) fn some(number: impl TryInto<i128>, thing: &str) -> String {
    what(number, thing, &format!("{thing}s"))
}

/// `1 row holds it`, `2 rows hold it`: where singular and plural differ by more than an s.
pub(crate) fn what(number: impl TryInto<i128>, one: &str, many: &str) -> String {
    match number.try_into().unwrap_or_default() {
        1 => format!("1 {one}"),
        number => format!("{} {many}", count(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(|number: u64| count(number)),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(count(-12_345_i64), "-12,345");
    }

    #[test]
    fn one_is_told_from_many() {
        assert_eq!([0, 1, 1000].map(|rows| some(rows, "row")), ["0 rows", "1 row", "1,000 rows"]);
        assert_eq!([1, 2].map(|rows| what(rows, "row is", "rows are")), ["1 row is", "2 rows are"]);
    }

    #[test]
    fn sizes_have_three_figures() {
        let sizes = [0, 999, 1000, 326_994_560, 1_000_000_000, 99_960_000];
        assert_eq!(sizes.map(bytes), ["0 B", "999 B", "1.00 kB", "327 MB", "1.00 GB", "100 MB"]);
    }

    #[test]
    fn times_are_as_exact_as_they_need_to_be() {
        let times = [7, 999, 4_123, 59_000, 125_000, 11_220_000].map(Duration::from_millis);
        assert_eq!(times.map(time), ["7 ms", "999 ms", "4.1 s", "59 s", "2 min 05 s", "3 h 07 min"]);
    }

    #[test]
    fn a_small_share_is_not_nothing() {
        assert_eq!(share(1, 1_000_000), "under 0.01 %");
        assert_eq!(share(1_001, 1_000_000), "0.10 %");
        assert_eq!(share(0, 0), "0.00 %");
        assert_eq!(share(1, 2), "50 %");
    }
}
