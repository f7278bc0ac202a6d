//! Columns: what becomes of the values of a text format whose values have fixed places.
//!
//! The names are known before the record (by the groups of a pattern, the directives of a log
//! format, a header), so which of them a schema wants is looked up once, and putting a value
//! into a record only looks.

use simd_json::Node;

use super::record::as_index;
use super::{Extras, Record, Wanted};

/// The columns of a record, in the order of their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    columns: Vec<Column>,
    /// How many slots a record has.
    slots: usize,
}

#[derive(Clone, Debug)]
struct Column {
    name: Box<str>,
    /// Where its value goes.
    slots: Box<[u32]>,
    /// Nobody wants it, and such values are gathered.
    is_extra: bool,
}

impl Columns {
    /// The columns of these names for a schema that wants `wanted`, in `slots` slots.
    pub(super) fn new<S: AsRef<str>>(names: &[S], wanted: &Wanted, slots: usize, extras: Extras) -> Columns {
        let column = |name: &S| {
            let entry = wanted.find(name.as_ref(), &mut 0);
            Column {
                name: name.as_ref().into(),
                slots: entry.map_or_else(Box::default, |entry| entry.slots.as_slice().into()),
                is_extra: entry.is_none() && extras == Extras::Gathered,
            }
        };
        Columns { columns: names.iter().map(column).collect(), slots }
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }
}

impl<'r> Record<'r> {
    /// Begins a record of texts. `raw` is all of it.
    pub(super) fn begin(&mut self, slots: usize, raw: &[u8]) {
        self.unmark(slots);
        self.may_hold_nul = memchr::memchr(0, raw).is_some();
        self.tape.0.clear();
        self.tape.0.push(Node::Object { len: 0, count: 0 });
    }

    /// The same, for these columns.
    pub(super) fn begin_columns(&mut self, columns: &Columns, raw: &[u8]) {
        self.begin(columns.slots, raw);
    }

    /// Puts the text of a column into the record. One that nobody wants is passed over. Of two
    /// columns of one name the later one counts.
    #[inline]
    pub(super) fn put(&mut self, columns: &'r Columns, column: usize, text: &'r str) {
        let Column { name, slots, is_extra } = &columns.columns[column];
        if slots.is_empty() && !is_extra {
            return;
        }
        let tape = &mut self.tape.0;
        let key = as_index(tape.len());
        tape.push(Node::String(name));
        tape.push(Node::String(text));
        for &slot in slots {
            self.slots[slot as usize] = key + 1;
        }
        if *is_extra {
            self.extras.push(key);
        }
    }

    pub(super) fn end(&mut self) {
        let count = self.tape.0.len() - 1;
        self.tape.0[0] = Node::Object { len: count / 2, count };
    }
}
