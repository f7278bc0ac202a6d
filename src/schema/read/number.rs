//! The common part of integers, doubles and decimals: their limits.

use std::cmp::Ordering;
use std::fmt::Display;

use super::super::Bounds;
use super::{At, Context};
use crate::reject::code;

/// Notes the first limit that a number violates, in Pydantic's order. `compare` compares the number with a
/// limit; one that cannot be compared, NaN, violates every limit. `multiple_of` is not checked: what a
/// multiple is differs from type to type.
#[inline]
pub(super) fn is_within<T: Display>(
    bounds: &Bounds<T>,
    compare: impl Fn(&T) -> Option<Ordering>,
    at: At<'_, '_>,
    context: &mut Context<'_, '_>,
) -> bool {
    use Ordering::{Equal, Greater, Less};
    if let Some(le) = &bounds.le
        && !matches!(compare(le), Some(Less | Equal))
    {
        context.refuse::<()>(at, code::LESS_THAN_EQUAL, format_args!("more than {le}"));
        return false;
    }
    if let Some(lt) = &bounds.lt
        && !matches!(compare(lt), Some(Less))
    {
        context.refuse::<()>(at, code::LESS_THAN, format_args!("not less than {lt}"));
        return false;
    }
    if let Some(ge) = &bounds.ge
        && !matches!(compare(ge), Some(Greater | Equal))
    {
        context.refuse::<()>(at, code::GREATER_THAN_EQUAL, format_args!("less than {ge}"));
        return false;
    }
    if let Some(gt) = &bounds.gt
        && !matches!(compare(gt), Some(Greater))
    {
        context.refuse::<()>(at, code::GREATER_THAN, format_args!("not more than {gt}"));
        return false;
    }
    true
}

/// Notes that a number is not a multiple.
pub(super) fn refuse_multiple<T>(
    of: impl Display,
    at: At<'_, '_>,
    context: &mut Context<'_, '_>,
) -> Option<T> {
    context.refuse(at, code::MULTIPLE_OF, format_args!("not a multiple of {of}"))
}
