//! Binding: a record to a row, or all that is wrong with it.

use bumpalo::Bump;

use super::read::{Context, read};
use super::{Extra, Schema, Value};
use crate::format::{Item, Raw, Record};
use crate::reject::{Faults, Path, code};

/// The values of a record, one per field, in the order of the schema. That it exists is the
/// proof that every rule of the schema holds.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a>(&'a [Value<'a>]);

impl<'a> Row<'a> {
    /// The values, one per field.
    pub fn values(&self) -> &'a [Value<'a>] {
        self.0
    }
}

impl Schema {
    /// Reads every field of `record`. `None` if anything is wrong; `faults` then says what.
    pub fn bind<'a>(
        &'a self,
        record: &'a Record<'a>,
        arena: &'a Bump,
        faults: &mut Faults,
    ) -> Option<Row<'a>> {
        debug_assert!(faults.is_empty(), "the faults of the record before were not cleared");
        let values = arena.alloc_slice_fill_with(self.fields.len(), |_| Value::Null);
        let mut context = Context { arena, faults };
        self.bind_fields(|slot| record.get(slot), &Path::Record, values, &mut context);
        if self.extra == Extra::Forbid {
            for (key, item) in record.extras() {
                let path = Path::Field(&Path::Record, key);
                context.faults.push(
                    code::EXTRA_FORBIDDEN,
                    &path,
                    "no field of the schema has this name",
                    Some(&item),
                );
            }
        }
        faults.is_empty().then_some(Row(values))
    }

    /// Reads the fields of the record or of an object in it, by the slots that were marked.
    pub(super) fn bind_fields<'a>(
        &'a self,
        get: impl Fn(usize) -> Option<Item<'a>>,
        parent: &Path<'_>,
        values: &mut [Value<'a>],
        context: &mut Context<'a, '_>,
    ) {
        for (slot, (field, value)) in self.fields.iter().zip(values).enumerate() {
            match get(slot) {
                Some(item) if field.nullable && item.raw() == Raw::Null => {}
                Some(item) => {
                    // A fault is noted by the reader; the row is then never used.
                    if let Some(read) = read(field, item, &Path::Field(parent, &field.name), context) {
                        *value = read;
                    }
                }
                None => match &field.default {
                    Some(default) => *value = default.value(context.arena),
                    None if field.required => {
                        let path = Path::Field(parent, &field.name);
                        context.faults.push(code::MISSING, &path, "this field is required", None);
                    }
                    None => {}
                },
            }
        }
    }
}
