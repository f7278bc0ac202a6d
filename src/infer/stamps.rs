//! Layouts of timestamps besides the ISO forms, in the letters of a job.

use std::sync::LazyLock;

use crate::schema::{Field, Kind, StampFormat, Strptime, Timestamp, Year};

/// How a timestamp is written, and a quick check for it: its minimum length, and bytes at fixed places (`9`
/// for a digit, `a` for a letter).
#[derive(Debug)]
pub(super) struct Layout {
    /// The `format` of a field.
    pub(super) format: &'static str,
    shape: &'static str,
    pub(super) names_zone: bool,
    pub(super) names_year: bool,
    /// A caveat, if other layouts look the same.
    pub(super) doubt: Option<&'static str>,
}

const fn layout(format: &'static str, shape: &'static str, names_zone: bool) -> Layout {
    Layout { format, shape, names_zone, names_year: true, doubt: None }
}

const fn yearless(format: &'static str, shape: &'static str) -> Layout {
    Layout { names_year: false, ..layout(format, shape, false) }
}

/// The layouts that are searched for.
pub(super) const LAYOUTS: [Layout; 17] = [
    layout("%d/%b/%Y:%H:%M:%S %z", "99/aaa/9999:99:", true),
    layout("%d/%b/%Y:%H:%M:%S", "99/aaa/9999:99:", false),
    yearless("syslog", "aaa  9 99:"),
    layout("%a %b %e %H:%M:%S%.f %Y", "aaa aaa  9 99:", false),
    layout("%a, %d %b %Y %H:%M:%S %z", "aaa, 99 aaa 9999 ", true),
    layout("%a, %d %b %Y %H:%M:%S GMT", "aaa, 99 aaa 9999 ", false),
    layout("%Y/%m/%d %H:%M:%S%.f", "9999/99/99 99:", false),
    layout("%Y-%m-%d %H:%M:%S%.f %z", "9999-99-99 99:", true),
    layout("%Y-%m-%d %H:%M:%S%.f UTC", "9999-99-99 99:", false),
    layout("%d.%m.%Y %H:%M:%S%.f", "99.99.9999 99:", false),
    layout("%d-%b-%Y %H:%M:%S%.f", "99-aaa-9999 99:", false),
    layout("%d %b %Y %H:%M:%S%.f", "99 aaa 9999 99:", false),
    layout("%m/%d/%Y %H:%M:%S", "99/99/9999 99:", false),
    layout("%d/%m/%Y %H:%M:%S", "99/99/9999 99:", false),
    layout("%y%m%d %H%M%S", "999999 99999", false),
    yearless("%m%d %H:%M:%S%.f", "9999 99:99:"),
    Layout { doubt: Some("if the year stands first"), ..layout("%y/%m/%d %H:%M:%S", "99/99/99 99:", false) },
];

/// The layout of syslog, which includes ISO forms.
pub(super) const SYSLOG: usize = 2;

/// The layout with the month first; only a day above the 12th distinguishes it from the next.
pub(super) const MONTH_FIRST: usize = 12;
/// The layout with the day first.
pub(super) const DAY_FIRST: usize = 13;

/// The indexes of the layouts that a text may have.
pub(super) fn of_shape(text: &[u8]) -> impl Iterator<Item = usize> {
    // By about the eleventh byte each layout has a digit or a blank, so prose does not get far.
    let is_like = |shape: &str| {
        text.len() > shape.len()
            && text.iter().zip(shape.bytes()).all(|(&byte, like)| match like {
                b'9' => byte.is_ascii_digit(),
                b'a' => byte.is_ascii_alphabetic(),
                // The day may be below ten.
                b' ' => byte == b' ' || byte.is_ascii_digit(),
                _ => byte == like,
            })
    };
    LAYOUTS.iter().enumerate().filter(move |(_, layout)| is_like(layout.shape)).map(|(number, _)| number)
}

/// The rules of a field with timestamps in such a layout.
pub(super) fn rules(number: usize) -> Timestamp {
    let format = LAYOUTS[number].format;
    let named = StampFormat::from_word(format);
    let format =
        named.unwrap_or_else(|| StampFormat::Strptime(Strptime::new(format).expect("a layout of ours")));
    Timestamp { format, ..Timestamp::default() }
}

/// A field with timestamps in such a layout. For a timestamp without a year a leap year is assumed, in which
/// every day exists.
pub(super) fn field(number: usize) -> &'static Field {
    static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
        let field = |number: usize| {
            let year = (!LAYOUTS[number].names_year).then_some(Year::Fixed(2000));
            let kind = Kind::Timestamp(Timestamp { year, ..rules(number) });
            Field { strict: true, ..Field::new("", kind) }
        };
        (0..LAYOUTS.len()).map(field).collect()
    });
    &FIELDS[number]
}
