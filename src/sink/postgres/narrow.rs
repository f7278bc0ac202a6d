//! Columns that are narrower than their fields: values that the schema accepts and the target refuses.
//!
//! Each such value is refused per record, when the row is encoded. A plan reports them in advance.

use super::numeric::Limits;
use super::wire::{Column, Wire};
use crate::schema::{Bounds, Decimal, Enum, Kind, Schema, Text, Values};
use crate::sink::key::Origin;

/// At most this many labels of an enum are listed.
const LABELS_MAX: usize = 8;

/// What the columns accept, where that is less than their fields can hold.
pub(super) fn narrower(columns: &[Column], schema: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    for column in columns {
        let Origin::Field(index) = column.origin else { continue };
        let field = &schema.fields[index];
        let mut tell = |what: &str| found.push(format!("{}: {what}", column.name));
        let kind = field.kind.column();
        if let Some(labels) = labels(&column.wire, &kind) {
            tell(&labels);
        } else if column.is_domain || is_narrower(&column.wire, &kind) {
            tell(&column.type_name);
        }
        if column.not_null && field.may_be_null() {
            tell("NOT NULL");
        }
    }
    found
}

/// The labels of an enum, if a field's values may be none of them.
fn labels(wire: &Wire, kind: &Kind) -> Option<String> {
    match (wire, kind) {
        (Wire::Label(labels), kind) if is_narrower(wire, kind) => {
            let more = if labels.len() > LABELS_MAX { ", ..." } else { "" };
            let first: Vec<&str> = labels.iter().take(LABELS_MAX).map(String::as_str).collect();
            Some(format!("one of {}{more}", first.join(", ")))
        }
        (Wire::Array { item, .. }, Kind::List(list)) => labels(item, &list.items.kind),
        _ => None,
    }
}

/// Whether some values of a field do not have this form.
fn is_narrower(wire: &Wire, kind: &Kind) -> bool {
    match (wire, kind) {
        (Wire::Text { chars_max: Some(max) }, Kind::Text(Text { max_length, .. })) => {
            max_length.is_none_or(|length| length > *max)
        }
        (Wire::Text { chars_max: Some(max) }, Kind::Enum(Enum { values: Values::Texts(values), .. })) => {
            values.iter().any(|value| value.chars().count() > *max)
        }
        (Wire::Label(labels), Kind::Enum(Enum { values: Values::Texts(values), .. })) => {
            values.iter().any(|value| !labels.contains(value))
        }
        (Wire::Int2, Kind::Int(bounds)) => !is_within(bounds, i16::MIN.into(), i16::MAX.into()),
        (Wire::Int4, Kind::Int(bounds)) => !is_within(bounds, i32::MIN.into(), i32::MAX.into()),
        (Wire::Numeric(Some(limits)), Kind::Int(bounds)) => {
            let most = whole_digits(*limits).and_then(|digits| 10_i128.checked_pow(digits));
            most.is_some_and(|most| !is_within(bounds, 1 - most, most - 1))
        }
        (Wire::Numeric(Some(limits)), Kind::Decimal(decimal)) => !is_decimal_within(decimal, *limits),
        (Wire::Array { item, .. }, Kind::List(list)) => is_narrower(item, &list.items.kind),
        (Wire::Label(_) | Wire::Float4 | Wire::Inet { is_cidr: true } | Wire::Cast, _) => true,
        _ => false,
    }
}

fn is_within(bounds: &Bounds<i128>, least: i128, most: i128) -> bool {
    let from = bounds.ge.is_some_and(|ge| ge >= least) || bounds.gt.is_some_and(|gt| gt >= least - 1);
    let to = bounds.le.is_some_and(|le| le <= most) || bounds.lt.is_some_and(|lt| lt <= most + 1);
    from && to
}

/// Digits before the point, if any are possible.
fn whole_digits(limits: Limits) -> Option<u32> {
    u32::try_from(i64::from(limits.precision) - i64::from(limits.scale)).ok()
}

fn is_decimal_within(decimal: &Decimal, limits: Limits) -> bool {
    let (Some(digits), Some(places)) = (decimal.max_digits, decimal.decimal_places) else { return false };
    let whole = whole_digits(limits).is_some_and(|whole| digits.saturating_sub(places) <= whole);
    whole && i64::from(places) <= i64::from(limits.scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(ge: i128, lt: i128) -> Kind {
        Kind::Int(Bounds { ge: Some(ge), lt: Some(lt), ..Bounds::default() })
    }

    #[test]
    fn an_integer_fits_by_its_bounds() {
        let three_digits = Wire::Numeric(Some(Limits { precision: 5, scale: 2 }));
        for (wire, kind, expected) in [
            (Wire::Int8, Kind::Int(Bounds::default()), false),
            (Wire::Int2, Kind::Int(Bounds::default()), true),
            (Wire::Int2, bounds(-32_768, 32_768), false),
            (Wire::Int2, bounds(-32_769, 32_768), true),
            (Wire::Int2, bounds(0, 32_769), true),
            (Wire::Int4, bounds(0, 1 << 31), false),
            (Wire::Int4, bounds(0, (1 << 31) + 1), true),
            (three_digits.clone(), bounds(-999, 1000), false),
            (three_digits, bounds(-1000, 1000), true),
        ] {
            assert_eq!(is_narrower(&wire, &kind), expected, "{wire:?} {kind:?}");
        }
    }

    #[test]
    fn a_decimal_fits_by_its_digits() {
        let wire = |precision, scale| Wire::Numeric(Some(Limits { precision, scale }));
        let kind = |max_digits, decimal_places| {
            Kind::Decimal(Decimal { max_digits, decimal_places, ..Decimal::default() })
        };
        assert!(!is_narrower(&Wire::Numeric(None), &kind(None, None)));
        assert!(!is_narrower(&wire(5, 2), &kind(Some(5), Some(2))));
        assert!(!is_narrower(&wire(9, 4), &kind(Some(5), Some(2))));
        assert!(is_narrower(&wire(5, 2), &kind(Some(5), Some(1))));
        assert!(is_narrower(&wire(5, 1), &kind(Some(5), Some(2))));
        assert!(is_narrower(&wire(3, -2), &kind(Some(3), Some(1))));
        assert!(is_narrower(&wire(5, 2), &kind(None, Some(2))));
    }
}
