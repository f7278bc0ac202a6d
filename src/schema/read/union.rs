//! Values of one of several kinds: the first that fits as it is, otherwise the first that fits at all.

use super::super::{Altered, Branch, Field, Kind, Union, Value};
use super::{At, Context, json, object, read as read_branch};
use crate::format::Raw;
use crate::reject::Path;

/// How well a value fits a kind, the best last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It is converted.
    Converted,
    /// It is accepted by a kind that also accepts other kinds of input: an integer for a double.
    Widened,
    /// It is exactly what the kind is for.
    Exact,
}

/// A value that a kind has accepted.
struct Found<'a> {
    fit: Fit,
    kind: &'a Kind,
    value: Value<'a>,
    altered: Altered,
}

pub(super) fn read<'a>(
    rules: &'a Union,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<Value<'a>> {
    let Found { kind, value, .. } = best(rules, strict, at, context)?;
    if rules.is_text() { Some(value) } else { as_json(kind, value, at, context) }
}

/// The result of the kind that a value fits best. If it fits none, the faults of all are noted, each under
/// the name of its kind.
fn best<'a>(
    rules: &'a Union,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<Found<'a>> {
    let (before, altered) = (context.mark(), context.altered);
    let mut best: Option<Found<'a>> = None;
    for branch in rules.branches() {
        context.altered = altered;
        let path = Path::Field(at.path, &branch.field.name);
        let at = At { path: &path, ..at };
        let Some(found) = attempt(branch, strict, at, context) else { continue };
        let is_exact = found.fit == Fit::Exact;
        if best.as_ref().is_none_or(|known| known.fit < found.fit) {
            best = Some(found);
        }
        if is_exact {
            break;
        }
    }
    context.altered = altered;
    if let Some(found) = &best {
        context.go_back(before);
        context.altered = found.altered;
    }
    best
}

/// The result of a kind for a value, if it accepts it; otherwise its faults are noted.
///
/// A value is first read as it is, and once more with conversion. A value that contains others is read once:
/// each of these determines by itself how well it fits, because nested unions would multiply the work.
fn attempt<'a>(
    Branch { field, strictly }: &'a Branch,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<Found<'a>> {
    let before = context.mark();
    match &field.kind {
        Kind::Union(inner) => return best(inner, strict || field.strict, at, context),
        Kind::Object(_) | Kind::List(_) | Kind::Json(_) | Kind::Again(_) => {
            return taken(field, Fit::Exact, at, context);
        }
        _ => {}
    }
    let exactly = taken(strictly, fit(field, at), at, context);
    if exactly.is_some() || strict {
        return exactly;
    }
    context.go_back(before);
    taken(field, Fit::Converted, at, context)
}

/// The value, if `field` accepts it.
fn taken<'a>(field: &'a Field, fit: Fit, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<Found<'a>> {
    let (found, mut value) = (context.found, Value::Null);
    read_branch(field, at.item, at.path, context, &mut value);
    (context.found == found).then_some(Found { fit, kind: &field.kind, value, altered: context.altered })
}

/// How well a value fits that a kind accepts in strict mode.
fn fit(field: &Field, at: At<'_, '_>) -> Fit {
    match (&field.kind, at.item.raw()) {
        (Kind::Float(_), Raw::Int(_) | Raw::UInt(_) | Raw::BigInt(_)) => Fit::Widened,
        (Kind::Decimal(_), Raw::Int(_) | Raw::UInt(_) | Raw::BigInt(_) | Raw::Float(_)) => Fit::Widened,
        // A member of an enum is constructed from its value; a literal is its value.
        (Kind::Enum(rules), _) if !rules.literal => Fit::Converted,
        _ => Fit::Exact,
    }
}

/// The value as the JSON it is stored as.
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
    // Writing to a vector cannot fail.
    let _ = kind.write_json(value, &mut out);
    context.spend(out.len(), at)?;
    Some(Value::Json(out.into_bump_slice()))
}
