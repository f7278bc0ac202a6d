//! One of several values that are not all texts: integers, booleans, or a mixture.
//!
//! A number is compared as a number, however it is written, and a boolean that is not among the values counts
//! as the number that it is in Python.

use super::super::kind::{Constant, Enum, Values};
use super::super::{Bounds, Value};
use super::text::{Listed, settled};
use super::{At, Context, Integer, int};
use crate::format::Raw;
use crate::reject::code;

pub(super) fn read<'a>(
    rules: &'a Enum,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<Value<'a>> {
    match &rules.values {
        Values::Texts(_) => unreachable!("texts are read by the reader of texts"),
        Values::Ints(numbers) => {
            let number = number_of(rules, strict, at, context);
            match numbers.iter().find(|known| number.is_some_and(|number| is_equal(**known, number))) {
                Some(number) => Some(Value::Int(*number)),
                None => refuse(rules, at, context),
            }
        }
        Values::Mixed(values) => match find(values, rules, strict, at, context) {
            Some(Constant::Bool(true)) => Some(Value::Json(b"true")),
            Some(Constant::Bool(false)) => Some(Value::Json(b"false")),
            Some(value) => Some(Value::Json(context.write(format_args!("{value}")).as_bytes())),
            None => refuse(rules, at, context),
        },
    }
}

/// A number as a record may contain it.
#[derive(Clone, Copy)]
enum Number {
    Whole(i64),
    Double(f64),
}

fn is_equal(known: i64, number: Number) -> bool {
    match number {
        Number::Whole(number) => known == number,
        Number::Double(number) => {
            number.fract() == 0.0 && number.abs() < 2_f64.powi(63) && number as i64 == known
        }
    }
}

/// The number that a value is. In lax mode, and if a record has only texts, a text counts too.
fn number_of<'a>(
    rules: &Enum,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<Number> {
    match at.item.raw() {
        Raw::Int(number) => Some(Number::Whole(number)),
        Raw::Bool(value) => Some(Number::Whole(i64::from(value))),
        Raw::Float(number) => Some(Number::Double(number)),
        Raw::Text(_) if at.item.is_text() || !strict && !rules.literal => {
            let mark = context.mark();
            let number = int::read(&Bounds::default(), strict, at, context);
            // Not being one of the values is a different fault from not being a number.
            context.go_back(mark);
            match number? {
                Integer::Small(number) => Some(Number::Whole(number)),
                Integer::Big(_) => None,
            }
        }
        _ => None,
    }
}

/// The one of several values that a value equals.
fn find<'v, 'a>(
    values: &'v [Constant],
    rules: &Enum,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<&'v Constant> {
    if let Raw::Text(text) = at.item.raw() {
        let text = settled(text, rules.trim, rules.lower, context);
        let is_text = |value: &&Constant| matches!(value, Constant::Text(known) if known == text);
        if let Some(found) = values.iter().find(is_text) {
            return Some(found);
        }
        if !at.item.is_text() {
            return None;
        }
    }
    if let Raw::Bool(given) = at.item.raw()
        && let Some(found) = values.iter().find(|value| **value == Constant::Bool(given))
    {
        return Some(found);
    }
    if let Raw::Int(number) = at.item.raw()
        && let Some(found) = values.iter().find(|value| **value == Constant::Int(number))
    {
        return Some(found);
    }
    let number = number_of(rules, strict, at, context)?;
    // If both 1 and true are among them, Python finds the later.
    values.iter().rev().find(|value| match value {
        Constant::Int(known) => is_equal(*known, number),
        Constant::Bool(known) => is_equal(i64::from(*known), number),
        Constant::Text(_) => false,
    })
}

fn refuse<'a>(rules: &Enum, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<Value<'a>> {
    let has_ints = match &rules.values {
        Values::Texts(_) => false,
        Values::Ints(_) => true,
        Values::Mixed(values) => values.iter().any(|value| matches!(value, Constant::Int(_))),
    };
    if has_ints && matches!(at.item.raw(), Raw::UInt(_) | Raw::BigInt(_)) {
        return context.refuse(
            at,
            code::INT_PARSING_SIZE,
            format_args!("beyond 64 bits, as none of the values is"),
        );
    }
    let code = if rules.literal { code::LITERAL_ERROR } else { code::ENUM };
    match &rules.values {
        Values::Texts(values) => context.refuse(at, code, format_args!("none of {}", Listed(values))),
        Values::Ints(values) => context.refuse(at, code, format_args!("none of {}", Listed(values))),
        Values::Mixed(values) => context.refuse(at, code, format_args!("none of {}", Listed(values))),
    }
}
