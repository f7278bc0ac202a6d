//! The properties of one value: every type that would accept it, as bits.
//!
//! A text that looks like a well-known form passes two checks. The shape is cheap, and narrower than what a
//! field of that type accepts: `"1698364800"` is a point in time to a timestamp, but no one wrote it as one.
//! The field itself has the last word, so what is proposed accepts what was observed.
//!
//! A text format has only texts, so there a text written like a number is a number. Numbers with leading
//! zeros are names as often as not, and stay texts.

use bumpalo::Bump;

use super::stamps::{self, LAYOUTS};
use crate::format::{Item, Raw};
use crate::schema::{Field, Kind, Timestamp, Value};

/// The properties of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Traits(u64);

impl Traits {
    pub(super) const BOOL: Traits = Traits(1);
    /// An integer of 64 bits.
    pub(super) const INT: Traits = Traits(1 << 1);
    /// A larger integer.
    pub(super) const BIG: Traits = Traits(1 << 2);
    /// An integer that a double cannot represent.
    pub(super) const INEXACT: Traits = Traits(1 << 3);
    /// A number with a fraction or an exponent.
    pub(super) const FLOAT: Traits = Traits(1 << 4);
    pub(super) const TEXT: Traits = Traits(1 << 5);
    pub(super) const LIST: Traits = Traits(1 << 6);
    pub(super) const OBJECT: Traits = Traits(1 << 7);
    /// A date and time, as written by ISO 8601 and RFC 3339.
    pub(super) const STAMP: Traits = Traits(1 << 8);
    /// A timestamp without a zone.
    pub(super) const ZONELESS: Traits = Traits(1 << 9);
    pub(super) const DATE: Traits = Traits(1 << 10);
    pub(super) const TIME: Traits = Traits(1 << 11);
    /// With its hyphens: 32 digits without them are just as often a hash.
    pub(super) const UUID: Traits = Traits(1 << 12);
    pub(super) const IP: Traits = Traits(1 << 13);
    /// A text that may mean null; five more bits say which.
    const VOID_SHIFT: u32 = 16;
    /// The bit of the first layout of timestamps.
    const LAYOUT_SHIFT: u32 = 24;

    /// Timestamps in the layout with this index.
    pub(super) fn layout(number: usize) -> Traits {
        Traits(1 << (Traits::LAYOUT_SHIFT as usize + number))
    }

    /// The text that may mean null, by its index in [`VOIDS`], if it is one.
    pub(super) fn void(self) -> Option<usize> {
        let number = (self.0 >> Traits::VOID_SHIFT) as usize & 31;
        number.checked_sub(1)
    }

    pub(super) fn has(self, others: Traits) -> bool {
        self.0 & others.0 != 0
    }

    pub(super) fn and(self, others: Traits) -> Traits {
        Traits(self.0 | others.0)
    }
}

/// Texts that mean null if a text format has them among other values.
pub(super) const VOIDS: [&str; 12] =
    ["", "-", "NULL", "null", "\\N", "N/A", "n/a", "NA", "None", "nil", "(null)", "(none)"];

/// Up to here every integer is also a double.
const EXACT_MAX: u64 = 1 << 53;

/// Facts about a value besides its traits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// Its value as an integer.
    pub(super) int: Option<i64>,
    /// Its value as a finite double.
    pub(super) float: Option<f64>,
    /// The microseconds since 1970 of an ISO timestamp.
    pub(super) micros: Option<i64>,
    /// The same in layouts, by index: at most two look alike.
    pub(super) laid: [Option<(usize, i64)>; 2],
    /// The days since 1970.
    pub(super) days: Option<i32>,
    /// Whether a timestamp has more than six fractional digits.
    pub(super) is_cut: bool,
}

/// The properties of a value that is not null.
pub(super) fn of(value: Item<'_>, arena: &Bump) -> (Traits, Facts) {
    let mut facts = Facts::default();
    let traits = match value.raw() {
        Raw::Null => Traits::default(),
        Raw::Bool(_) => Traits::BOOL,
        Raw::Int(number) => of_int(number, &mut facts),
        Raw::UInt(_) | Raw::BigInt(_) => Traits::BIG.and(Traits::INEXACT),
        Raw::Float(number) => of_float(number, &mut facts),
        Raw::Text(text) => of_text(text, value, arena, &mut facts),
        Raw::List { .. } => Traits::LIST,
        Raw::Object { .. } => Traits::OBJECT,
    };
    (traits, facts)
}

fn of_int(number: i64, facts: &mut Facts) -> Traits {
    facts.int = Some(number);
    if number.unsigned_abs() > EXACT_MAX { Traits::INT.and(Traits::INEXACT) } else { Traits::INT }
}

fn of_float(number: f64, facts: &mut Facts) -> Traits {
    facts.float = Some(number).filter(|number| number.is_finite());
    Traits::FLOAT
}

fn of_text(text: &str, value: Item<'_>, arena: &Bump, facts: &mut Facts) -> Traits {
    let bytes = text.as_bytes();
    let mut traits = Traits::TEXT;
    if value.is_text() {
        if bytes.len() <= VOID_BYTES_MAX
            && let Some(void) = VOIDS.iter().position(|void| *void == text)
        {
            return Traits(traits.0 | (void as u64 + 1) << Traits::VOID_SHIFT);
        }
        traits = traits.and(written(text, facts));
    }
    let (Some(&first), 2..=MAX) = (bytes.first(), bytes.len()) else { return traits };
    // Most texts are none of these, and show it in their first bytes.
    if first.is_ascii_digit() && bytes.len() >= 8 {
        traits = traits.and(of_digits(bytes, value, arena, facts));
    }
    if bytes.len() == 36 && [8, 13, 18, 23].iter().all(|&at| bytes[at] == b'-') {
        traits = traits.and(judged(Traits::UUID, &UUID, value, arena));
    }
    if bytes.len() <= 45 && bytes[..bytes.len().min(5)].iter().any(|byte| matches!(byte, b'.' | b':')) {
        traits = traits.and(judged(Traits::IP, &IP, value, arena));
    }
    for number in stamps::of_shape(bytes) {
        if let Some(Value::Timestamp(micros)) = stamps::field(number).value_of(value, arena) {
            traits = traits.and(Traits::layout(number));
            facts.laid = [Some((number, micros)), facts.laid[0]];
        }
    }
    traits
}

const VOID_BYTES_MAX: usize = 6;

/// No form is longer.
const MAX: usize = 64;

/// The properties of a text that begins with digits.
fn of_digits(bytes: &[u8], value: Item<'_>, arena: &Bump, facts: &mut Facts) -> Traits {
    if bytes[2] == b':' && bytes[5] == b':' {
        return judged(Traits::TIME, &TIME, value, arena);
    }
    if bytes.len() < 10
        || bytes[4] != b'-'
        || bytes[7] != b'-'
        || ![1, 2, 3, 5, 6, 8, 9].iter().all(|&at| bytes[at].is_ascii_digit())
    {
        return Traits::default();
    }
    if bytes.len() == 10 {
        let Some(Value::Date(days)) = DATE.value_of(value, arena) else { return Traits::default() };
        facts.days = Some(days);
        return Traits::DATE;
    }
    if bytes.len() < 16 || !matches!(bytes[10], b'T' | b't' | b' ' | b'_') {
        return Traits::default();
    }
    let Some(Value::Timestamp(micros)) = STAMP.value_of(value, arena) else { return Traits::default() };
    facts.micros = Some(micros);
    let (is_zoneless, is_cut) = ends_of(bytes);
    facts.is_cut = is_cut;
    if is_zoneless { Traits::STAMP.and(Traits::ZONELESS) } else { Traits::STAMP }
}

fn judged(traits: Traits, field: &Field, value: Item<'_>, arena: &Bump) -> Traits {
    if field.value_of(value, arena).is_some() { traits } else { Traits::default() }
}

fn strict(kind: Kind) -> Field {
    Field { strict: true, ..Field::new("", kind) }
}

static STAMP: std::sync::LazyLock<Field> =
    std::sync::LazyLock::new(|| strict(Kind::Timestamp(Timestamp::default())));
static DATE: std::sync::LazyLock<Field> = std::sync::LazyLock::new(|| strict(Kind::Date));
static TIME: std::sync::LazyLock<Field> = std::sync::LazyLock::new(|| strict(Kind::Time));
static UUID: std::sync::LazyLock<Field> = std::sync::LazyLock::new(|| strict(Kind::Uuid { version: None }));
static IP: std::sync::LazyLock<Field> = std::sync::LazyLock::new(|| strict(Kind::Ip { version: None }));

/// The properties of a text in a text format, by how it is written.
fn written(text: &str, facts: &mut Facts) -> Traits {
    if matches!(text, "true" | "false" | "True" | "False" | "TRUE" | "FALSE") {
        return Traits::BOOL;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
    let has_zero_before = whole > 1 && digits.starts_with('0');
    if whole == 0 || has_zero_before || !digits.ends_with(|ch: char| ch.is_ascii_digit()) {
        return Traits::default();
    }
    let rest = &digits[whole..];
    if rest.is_empty() {
        return match text.parse() {
            // Zero has only one spelling.
            Ok(0) if text.len() > 1 => Traits::default(),
            Ok(number) => of_int(number, facts),
            Err(_) => Traits::BIG.and(Traits::INEXACT),
        };
    }
    let is_fraction = |rest: &str| {
        let (fraction, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (fraction.is_empty() || fraction.strip_prefix('.').is_some_and(is_digits)) && is_digits(exponent)
    };
    match text.parse::<f64>() {
        Ok(number) if is_fraction(rest) && number.is_finite() => of_float(number, facts),
        _ => Traits::default(),
    }
}

/// Whether an ISO timestamp has no zone, and whether it has more than six fractional digits.
fn ends_of(stamp: &[u8]) -> (bool, bool) {
    let time = stamp.get(11..).unwrap_or_default();
    let zone = time.iter().position(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
    let clock = &time[..zone.unwrap_or(time.len())];
    let fraction = clock.iter().position(|byte| matches!(byte, b'.' | b',')).map(|point| &clock[point + 1..]);
    // Dropping zeros loses nothing.
    let is_cut = fraction.is_some_and(|digits| digits.iter().skip(6).any(|&digit| digit != b'0'));
    (zone.is_none(), is_cut)
}

const _: () = assert!(Traits::LAYOUT_SHIFT as usize + LAYOUTS.len() <= 64 && VOIDS.len() < 31);
