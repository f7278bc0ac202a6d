//! The limits of numbers, exactly as they are written.

use super::super::{Bounds, Decimal, Exact};
use super::Result;
use super::node::Node;
use crate::format::Raw;

/// The limits of an integer. One with a fraction becomes the whole number that means the
/// same; the names of machine types are limits too.
pub(super) fn integer(node: &mut Node<'_>) -> Result<Bounds<i128>> {
    let mut bounds = Bounds {
        ge: limit(node, "minimum", Exact::ceil)?,
        gt: limit(node, "exclusiveMinimum", Exact::floor)?,
        le: limit(node, "maximum", Exact::floor)?,
        lt: limit(node, "exclusiveMaximum", Exact::ceil)?,
        multiple_of: None,
    };
    if let Some(of) = node.take("multipleOf") {
        let number = exact(&of)?;
        let whole = number.floor().filter(|&whole| whole > 0 && number.ceil() == Some(whole));
        bounds.multiple_of = Some(whole.ok_or_else(|| of.error("not a whole number above zero"))?);
    }
    if let Some(format) = node.take("format") {
        let (least, greatest) = match format.item.raw() {
            Raw::Text("int8") => (i8::MIN.into(), i8::MAX.into()),
            Raw::Text("int16") => (i16::MIN.into(), i16::MAX.into()),
            Raw::Text("int32") => (i32::MIN.into(), i32::MAX.into()),
            Raw::Text("int64") => (i64::MIN.into(), i64::MAX.into()),
            Raw::Text("uint8") => (0, u8::MAX.into()),
            Raw::Text("uint16") => (0, u16::MAX.into()),
            Raw::Text("uint32") => (0, u32::MAX.into()),
            Raw::Text("uint64") => (0, u64::MAX.into()),
            _ => return Err(format.error("this format of an integer is not enforced")),
        };
        bounds.ge = Some(bounds.ge.map_or(least, |ge| ge.max(least)));
        bounds.le = Some(bounds.le.map_or(greatest, |le| le.min(greatest)));
    }
    Ok(bounds)
}

/// The limits of a double.
pub(super) fn double(node: &mut Node<'_>) -> Result<Bounds<f64>> {
    if let Some(format) = node.take("format")
        && format.item.raw() != Raw::Text("double")
    {
        return Err(format.error("this format of a number is not enforced"));
    }
    let limits = bounds(node)?;
    let double =
        |limit: Option<Exact>| limit.map(|limit| limit.to_string().parse().expect("digits are a number"));
    Ok(Bounds {
        ge: double(limits.ge),
        gt: double(limits.gt),
        le: double(limits.le),
        lt: double(limits.lt),
        multiple_of: double(limits.multiple_of),
    })
}

/// The rules of a decimal, which Pydantic writes as a number, with its limits, or a text.
pub(super) fn decimal(mut number: Node<'_>, mut text: Node<'_>) -> Result<Decimal> {
    number.take("type");
    let limits = bounds(&mut number)?;
    number.finish()?;
    text.take("type");
    let rules = match text.take("pattern") {
        None => Decimal::default(),
        Some(pattern) => decimal_of_pattern(&pattern)
            .ok_or_else(|| pattern.error("a pattern of decimals is not enforced, but for Pydantic's"))?,
    };
    text.finish()?;
    Ok(Decimal { bounds: limits, ..rules })
}

/// The rules that Pydantic, before 2.14, wrote as a pattern of the decimal's text.
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
    // One more than the digits: the point.
    let (characters, rest) = rest.split_once(r"}0*$)")?;
    let max_digits = Some(count(characters)?.checked_sub(1)?);
    if rest == r"\d*\.\d*" {
        return Some(Decimal { max_digits, ..Decimal::default() });
    }
    let rest = rest.strip_prefix(r"\d{0,")?.strip_prefix(wholes)?.strip_prefix(r"}\.\d{0,")?;
    let decimal_places = Some(count(rest.strip_suffix('}')?)?);
    Some(Decimal { max_digits, decimal_places, ..Decimal::default() })
}

fn bounds(node: &mut Node<'_>) -> Result<Bounds<Exact>> {
    let mut limit = |keyword| node.take(keyword).map(|limit| exact(&limit)).transpose();
    let (ge, gt) = (limit("minimum")?, limit("exclusiveMinimum")?);
    let (le, lt) = (limit("maximum")?, limit("exclusiveMaximum")?);
    let multiple_of = limit("multipleOf")?;
    if multiple_of.as_ref().is_some_and(|of| !of.is_positive()) {
        return Err(node.error("multipleOf is not above zero"));
    }
    Ok(Bounds { ge, gt, le, lt, multiple_of })
}

/// A limit of an integer, rounded to the side where it means the same.
fn limit(
    node: &mut Node<'_>,
    keyword: &'static str,
    round: fn(&Exact) -> Option<i128>,
) -> Result<Option<i128>> {
    let Some(limit) = node.take(keyword) else { return Ok(None) };
    let number = exact(&limit)?;
    Ok(Some(round(&number).ok_or_else(|| limit.error("a number beyond 128 bits"))?))
}

fn exact(node: &Node<'_>) -> Result<Exact> {
    let is_number = matches!(node.item.raw(), Raw::Int(_) | Raw::UInt(_) | Raw::BigInt(_) | Raw::Float(_));
    let exact = Exact::parse(node.text()?).filter(|_| is_number);
    exact.ok_or_else(|| node.error("not a number"))
}
