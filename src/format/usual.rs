//! What the fields of a format usually are: what is proposed to a person before a value was seen.

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
    /// What they look like: the format does not know.
    Anything,
    /// Text, whatever they look like.
    Text,
    /// Integers.
    Int,
    /// Numbers with a fraction.
    Float,
    /// Objects.
    Object,
    /// Stamps, in this `format` of a field or, without one, in ISO 8601.
    Stamp(Option<&'s str>),
}
