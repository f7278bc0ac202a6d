//! The usual fields of a format: what inference proposes before it has seen a value.

/// A field as the records of a format usually have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual<'s> {
    /// Its name.
    pub name: &'s str,
    /// What its values are.
    pub holds: Holds<'s>,
    /// Whether every record has it, and no record as null.
    pub is_required: bool,
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds<'s> {
    /// Anything: only the values tell.
    Anything,
    /// Text, whatever they look like.
    Text,
    /// Integers.
    Int,
    /// Numbers with a fraction.
    Float,
    /// Objects.
    Object,
    /// Timestamps, in this `format` of a field, or in ISO 8601 without one.
    Stamp(Option<&'s str>),
}
