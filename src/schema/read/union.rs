//! Values of one of several kinds: the first that fits as it stands, else the first that fits.

use super::super::{Altered, Field, Kind, Union, Value};
use super::{At, Context, json, object, read as read_branch};
use crate::format::Raw;
use crate::reject::{Faults, Path};

/// How well a value fits a kind, the best last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It is converted.
    Converted,
    /// It is taken by a kind that takes others of its sort too: an integer for a double.
    Widened,
    /// It is what the kind is about.
    Exact,
}

pub(super) fn read<'a>(
    rules: &'a Union,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<Value<'a>> {
    let altered = context.altered;
    let mut best: Option<(Fit, &Kind, Value<'a>, Altered)> = None;
    for branch in rules.branches() {
        context.altered = altered;
        let exactly = attempt(&branch.strictly, at, context).map(|value| (fit(&branch.field, at), value));
        let found = match exactly {
            None if strict => None,
            None => attempt(&branch.field, at, context).map(|value| (Fit::Converted, value)),
            exactly => exactly,
        };
        let Some((fit, value)) = found else { continue };
        if best.as_ref().is_none_or(|(known, ..)| *known < fit) {
            best = Some((fit, &branch.field.kind, value, context.altered));
        }
        if fit == Fit::Exact {
            break;
        }
    }
    context.altered = altered;
    let Some((_, kind, value, altered)) = best else {
        for branch in rules.branches() {
            let field = if strict { &branch.strictly } else { &branch.field };
            let path = Path::Field(at.path, &field.name);
            read_branch(field, at.item, &path, context, &mut Value::Null);
        }
        return None;
    };
    context.altered = altered;
    if rules.is_text() { Some(value) } else { as_json(kind, value, at, context) }
}

/// The value, if the branch takes it. Its faults are told only if no other does.
fn attempt<'a>(field: &'a Field, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<Value<'a>> {
    let (mut faults, mut value) = (Faults::default(), Value::Null);
    let mut inner = Context {
        arena: context.arena,
        faults: &mut faults,
        nul: context.nul,
        altered: context.altered,
        budget: context.budget,
        above: context.above,
    };
    read_branch(field, at.item, at.path, &mut inner, &mut value);
    (context.altered, context.budget) = (inner.altered, inner.budget);
    faults.is_empty().then_some(value)
}

/// How well a value fits that a kind takes in strict mode.
fn fit(field: &Field, at: At<'_, '_>) -> Fit {
    match (&field.kind, at.item.raw()) {
        (Kind::Float(_), Raw::Int(_) | Raw::UInt(_) | Raw::BigInt(_)) => Fit::Widened,
        (Kind::Decimal(_), Raw::Int(_) | Raw::UInt(_) | Raw::BigInt(_) | Raw::Float(_)) => Fit::Widened,
        // A member of an enum is made of its value; a literal is its value.
        (Kind::Enum(rules), _) if !rules.literal => Fit::Converted,
        _ => Fit::Exact,
    }
}

/// The value as the JSON that it is stored as.
fn as_json<'a>(
    kind: &Kind,
    value: Value<'a>,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<Value<'a>> {
    if !object::is_finite(&value) {
        return json::refuse_not_finite(at, context);
    }
    let mut out = bumpalo::collections::Vec::new_in(context.arena);
    // A vector takes everything that is written to it.
    let _ = kind.write_json(value, &mut out);
    context.spend(out.len(), at)?;
    Some(Value::Json(out.into_bump_slice()))
}
