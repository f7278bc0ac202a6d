//! Names as the server gives them: whole, so that nothing of another schema is taken for it.

/// An index by its whole name: a trigger can write to a table of another schema, which has one
/// of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexName {
    pub(super) schema: String,
    pub(super) name: String,
}
