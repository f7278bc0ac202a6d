//! Doubles.

use super::super::Float;
use super::number::{is_within, refuse_multiple};
use super::{At, Context, digits};
use crate::format::Raw;
use crate::reject::{Code, code};

/// How far a double may be from a multiple, because both were rounded to the nearest double. Pydantic's
/// value.
const MULTIPLE_TOLERANCE: f64 = 1e-9;

#[inline]
pub(super) fn read<'a>(
    rules: &Float,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<f64> {
    let number = match at.item.raw() {
        Raw::Float(number) => Ok(number),
        Raw::Int(number) => Ok(number as f64),
        Raw::UInt(number) => Ok(number as f64),
        Raw::BigInt(digits) => Ok(digits.parse().expect("digits are a number")),
        Raw::Bool(value) if !strict => Ok(f64::from(u8::from(value))),
        Raw::Text(text) if !strict || at.item.is_text() => match digits::double(text.as_bytes()) {
            Some(number) => Ok(number),
            None => of_text(text, context),
        },
        _ => Err((code::FLOAT_TYPE, "not a number")),
    };
    let number = match number {
        Ok(number) => number,
        Err((code, message)) => return context.refuse(at, code, format_args!("{message}")),
    };
    if rules.finite && !number.is_finite() {
        return context.refuse(at, code::FINITE_NUMBER, format_args!("not a finite number"));
    }
    if let Some(of) = rules.bounds.multiple_of
        && !is_multiple(number, of)
    {
        return refuse_multiple(of, at, context);
    }
    let compare = |bound: &f64| number.partial_cmp(bound);
    is_within(&rules.bounds, compare, at, context).then_some(number)
}

/// Here NaN is a multiple of everything, as in Pydantic: no comparison with the tolerance holds.
fn is_multiple(number: f64, of: f64) -> bool {
    let nearest = (number / of).round() * of;
    let is_off = (number - nearest).abs() > MULTIPLE_TOLERANCE;
    !is_off
}

#[inline(never)]
/// A text as Rust reads doubles, with surrounding white space or, in a text without any, single underscores
/// inside, as in Pydantic.
fn of_text(text: &str, context: &Context<'_, '_>) -> Result<f64, (Code, &'static str)> {
    if let Ok(number) = text.trim().parse() {
        return Ok(number);
    }
    let is_grouped =
        text.contains('_') && !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    if is_grouped {
        let kept = text.chars().filter(|&ch| ch != '_');
        let joined = bumpalo::collections::String::from_iter_in(kept, context.arena);
        if let Ok(number) = joined.parse() {
            return Ok(number);
        }
    }
    Err((code::FLOAT_PARSING, "text that is not a number"))
}

#[cfg(test)]
mod tests {
    use super::super::super::probe::check;
    use super::super::super::{Bounds, Field, Kind};
    use super::*;

    fn float(rules: Float) -> Field {
        Field::new("f", Kind::Float(rules))
    }

    #[test]
    fn numbers_and_texts_are_doubles() {
        check(
            &float(Float::default()),
            &[
                ("1", "1.0"),
                ("18446744073709551615", "1.8446744073709552e19"),
                ("1000000000000000000000000", "1e24"),
                ("true", "1.0"),
                (r#"" 1.5\n""#, "1.5"),
                (r#""1_0.5""#, "10.5"),
                (r#"".5""#, "0.5"),
                (r#""1e_5""#, "100000.0"),
                (r#"" 1_0""#, "float_parsing"),
                (r#""_1""#, "float_parsing"),
                (r#""1__0""#, "float_parsing"),
                (r#""""#, "float_parsing"),
                (r#""0x1""#, "float_parsing"),
                ("[]", "float_type"),
                // Written as null, because JSON cannot express them.
                ("NaN", "null"),
                (r#""-inf""#, "null"),
                ("1e400", "null"),
            ],
        );
        let strict = Field { strict: true, ..float(Float::default()) };
        check(&strict, &[("1", "1.0"), (r#""1""#, "float_type"), ("true", "float_type")]);
    }

    #[test]
    fn limits_hold_for_what_cannot_be_compared_too() {
        let bounds = Bounds { ge: Some(0.0), le: Some(1.0), ..Bounds::default() };
        check(
            &float(Float { bounds, finite: false }),
            &[
                ("0.5", "0.5"),
                ("-0.1", "greater_than_equal"),
                ("2", "less_than_equal"),
                ("NaN", "less_than_equal"),
            ],
        );
        check(
            &float(Float { bounds, finite: true }),
            &[("NaN", "finite_number"), ("1e400", "finite_number")],
        );
        let bounds = Bounds { multiple_of: Some(0.1), ..Bounds::default() };
        check(&float(Float { bounds, finite: false }), &[("0.3", "0.3"), ("0.35", "multiple_of")]);
    }
}
