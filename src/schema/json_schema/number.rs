//! The rules that a JSON Schema shares with a field: limits, exactly as they are written.

use super::super::rules::keyword;
use super::super::{Bounds, Decimal, Exact, Kind, Rule, Zone};
use super::node::Node;
use super::{Import, Result};
use crate::format::Raw;

/// Reads the rules that a kind and a JSON Schema share, each from the keyword with the same meaning.
pub(super) fn limits<'s>(import: &mut Import<'s>, node: &mut Node<'s>, mut kind: Kind) -> Kind {
    kind.rules(&mut |name, rule| {
        if let Some(keyword) = keyword(name)
            && let Some(given) = node.take(keyword)
            && let Err(fault) = limit(name, rule, &given)
        {
            import.fault(fault);
        }
    });
    kind
}

fn limit(name: &str, rule: Rule<'_>, given: &Node<'_>) -> Result<()> {
    match rule {
        Rule::Length(length) => *length = Some(given.count()?),
        Rule::Pattern(pattern) => {
            let Raw::Text(text) = given.item.raw() else { return Err(given.error("not a pattern")) };
            *pattern = Some(super::super::kind::pattern(text).map_err(|what| given.unsupported(what))?);
        }
        Rule::Int(limit) => *limit = Some(whole(name, given)?),
        Rule::Float(limit) => {
            *limit = Some(positive(name, given)?.to_string().parse().expect("digits are a number"));
        }
        Rule::Decimal(limit) => *limit = Some(positive(name, given)?),
        _ => unreachable!("the rule {name} has a keyword"),
    }
    Ok(())
}

/// Reads a rule for which JSON Schema has no keyword, given in logmill's own words.
pub(super) fn said(rule: Rule<'_>, given: &Node<'_>) -> Result<()> {
    let text = match given.item.raw() {
        Raw::Text(text) => Some(text),
        _ => None,
    };
    match rule {
        Rule::Flag(is_so) => match given.item.raw() {
            Raw::Bool(value) => *is_so = value,
            _ => return Err(given.error("neither true nor false")),
        },
        Rule::Digits(digits) => {
            let count = u32::try_from(given.count()?).ok().filter(|count| *count <= 1000);
            *digits = Some(count.ok_or_else(|| given.error("more than 1000"))?);
        }
        Rule::Zone(zone) => {
            let found = text.map(Zone::from_word).filter(|zone| Some(zone.word()) == text);
            *zone = found.ok_or_else(|| given.error("neither \"any\", \"required\" nor \"naive\""))?;
        }
        _ => return Err(given.error("JSON Schema has a keyword for it, or only a job can say it")),
    }
    Ok(())
}

/// A limit of integers. One with a fraction becomes the equivalent whole number.
fn whole(name: &str, given: &Node<'_>) -> Result<i128> {
    let number = exact(given)?;
    let (floor, ceil) = (number.floor(), number.ceil());
    match name {
        "multiple_of" => floor
            .filter(|&whole| whole > 0 && ceil == Some(whole))
            .ok_or_else(|| given.error("not a whole number above zero")),
        "ge" | "lt" => ceil.ok_or_else(|| given.error("a number beyond 128 bits")),
        _ => floor.ok_or_else(|| given.error("a number beyond 128 bits")),
    }
}

/// A limit of other numbers; a step must be above zero.
fn positive(name: &str, given: &Node<'_>) -> Result<Exact> {
    let number = exact(given)?;
    match name {
        "multiple_of" if !number.is_positive() => Err(given.error("not above zero")),
        _ => Ok(number),
    }
}

/// Whether `format` is the name of a machine type, whose range adds limits.
pub(super) fn is_of_machine_type(format: &Node<'_>, bounds: &mut Bounds<i128>) -> bool {
    let (least, greatest) = match format.item.raw() {
        Raw::Text("int8") => (i8::MIN.into(), i8::MAX.into()),
        Raw::Text("int16") => (i16::MIN.into(), i16::MAX.into()),
        Raw::Text("int32") => (i32::MIN.into(), i32::MAX.into()),
        Raw::Text("int64") => (i64::MIN.into(), i64::MAX.into()),
        Raw::Text("uint8") => (0, u8::MAX.into()),
        Raw::Text("uint16") => (0, u16::MAX.into()),
        Raw::Text("uint32") => (0, u32::MAX.into()),
        Raw::Text("uint64") => (0, u64::MAX.into()),
        _ => return false,
    };
    bounds.ge = Some(bounds.ge.map_or(least, |ge| ge.max(least)));
    bounds.le = Some(bounds.le.map_or(greatest, |le| le.min(greatest)));
    true
}

/// The rules of a decimal, which Pydantic writes as a number, with its limits, or a text.
pub(super) fn decimal<'s>(import: &mut Import<'s>, mut number: Node<'s>, mut text: Node<'s>) -> Kind {
    text.take("type");
    let rules = match text.take("pattern") {
        None => Decimal::default(),
        Some(pattern) => decimal_of_pattern(&pattern).unwrap_or_else(|| {
            import.fault(pattern.unsupported("a pattern of decimals is not enforced, but for Pydantic's"));
            Decimal::default()
        }),
    };
    import.finish(&text);
    number.take("type");
    let kind = limits(import, &mut number, Kind::Decimal(rules));
    import.finish(&number);
    kind
}

/// The rules that Pydantic before 2.14 wrote as a pattern of the decimal's text.
pub(super) fn decimal_of_pattern(pattern: &Node<'_>) -> Option<Decimal> {
    let Raw::Text(pattern) = pattern.item.raw() else { return None };
    let rest = pattern.strip_prefix(r"^(?!^[-+.]*$)[+-]?0*")?;
    if rest == r"\d*\.?\d*$" {
        return Some(Decimal::default());
    }
    let count = |text: &str| text.parse::<u32>().ok();
    if let Some(places) = rest.strip_prefix(r"\d*\.?\d{0,").and_then(|rest| rest.strip_suffix(r"}0*$")) {
        return Some(Decimal { decimal_places: Some(count(places)?), ..Decimal::default() });
    }
    let rest = rest.strip_prefix(r"(?:\d{0,")?.strip_suffix(r"0*$)")?;
    let (wholes, rest) = rest.split_once(r"}|(?=[\d.]{1,")?;
    // One more than the digits, for the point.
    let (characters, rest) = rest.split_once(r"}0*$)")?;
    let max_digits = Some(count(characters)?.checked_sub(1)?);
    if rest == r"\d*\.\d*" {
        return Some(Decimal { max_digits, ..Decimal::default() });
    }
    let rest = rest.strip_prefix(r"\d{0,")?.strip_prefix(wholes)?.strip_prefix(r"}\.\d{0,")?;
    let decimal_places = Some(count(rest.strip_suffix('}')?)?);
    Some(Decimal { max_digits, decimal_places, ..Decimal::default() })
}

fn exact(node: &Node<'_>) -> Result<Exact> {
    let is_number = matches!(node.item.raw(), Raw::Int(_) | Raw::UInt(_) | Raw::BigInt(_) | Raw::Float(_));
    let exact = Exact::parse(node.text()?).filter(|_| is_number);
    exact.ok_or_else(|| node.error("not a number"))
}
