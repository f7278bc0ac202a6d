//! Columns: where the values of a text format go, if each has its fixed place in the record.
//!
//! The names are known before the first record: from the groups of a pattern, from a log format or
//! from a header. So the schema's fields are looked up once per name, and not once per value.

use std::sync::Arc;

use simd_json::{Node, StaticNode};

use super::record::{as_index, pick};
use super::wanted::Entry;
use super::{Extras, Input, Record, Wanted};

/// The columns of a record, in the order of their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    columns: Vec<Column>,
    /// How many slots a record has.
    slots: usize,
    extras: Extras,
}

#[derive(Clone, Debug)]
struct Column {
    name: Box<str>,
    /// The slot of its value, if a field wants it.
    slot: Option<u32>,
    /// The slots of other fields that want the same value.
    others: Box<[u32]>,
    /// The wanted members of its value.
    below: Option<Wanted>,
    /// No field wants it, and the schema gathers such values.
    is_extra: bool,
}

impl Columns {
    /// The columns of these names, for a schema that wants `wanted` and has `slots` slots.
    pub(super) fn new<S: AsRef<str>>(names: &[S], wanted: &Wanted, slots: usize, extras: Extras) -> Columns {
        let column = |name: &S| {
            let entry = wanted.find(name.as_ref(), &mut 0);
            let slots = entry.and_then(|entry| entry.slots.split_first());
            Column {
                name: name.as_ref().into(),
                slot: slots.map(|(slot, _)| *slot),
                others: slots.map_or_else(Box::default, |(_, others)| others.into()),
                below: entry.and_then(|entry| entry.below.clone()),
                is_extra: entry.is_none() && extras == Extras::Gathered,
            }
        };
        Columns { columns: names.iter().map(column).collect(), slots, extras }
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether the values of a column go anywhere.
    pub(super) fn is_wanted(&self, column: usize) -> bool {
        let Column { slot, below, is_extra, .. } = &self.columns[column];
        slot.is_some() || below.is_some() || *is_extra
    }
}

/// What a schema wants of a format whose source names its columns: each header gives other [`Columns`].
#[derive(Clone, Debug)]
pub(super) struct Wants {
    wanted: Arc<Wanted>,
    slots: usize,
    extras: Extras,
}

impl Wants {
    /// The values at `paths`; path `n` goes to slot `n`.
    pub(super) fn new<S: AsRef<str>>(paths: &[Vec<S>], extras: Extras) -> Wants {
        Wants { wanted: Arc::new(Wanted::new(paths)), slots: paths.len(), extras }
    }

    /// The columns of these names.
    pub(super) fn columns<S: AsRef<str>>(&self, names: &[S]) -> Columns {
        Columns::new(names, &self.wanted, self.slots, self.extras)
    }

    /// The columns of these names, of which those that no field asks for go nowhere.
    pub(super) fn columns_without_extras<S: AsRef<str>>(&self, names: &[S]) -> Columns {
        Columns::new(names, &self.wanted, self.slots, Extras::Ignored)
    }

    /// Whether both belong to one reader: what was made for one of them then holds for the other.
    pub(super) fn are(&self, other: &Wants) -> bool {
        Arc::ptr_eq(&self.wanted, &other.wanted)
    }
}

impl<'r> Record<'r> {
    /// Begins a record of texts. It keeps their names only if extras are gathered.
    #[inline]
    pub(super) fn begin(&mut self, slots: usize, extras: Extras, input: &Input<'_>) {
        self.unmark(slots);
        self.may_hold_nul = input.may_hold_nul;
        self.has_names = extras == Extras::Gathered;
        self.tape.0.clear();
        self.tape.0.push(Node::Object { len: 0, count: 0 });
    }

    /// The same, for these columns.
    pub(super) fn begin_columns(&mut self, columns: &Columns, input: &Input<'_>) {
        self.begin(columns.slots, columns.extras, input);
    }

    /// Puts the text of a column into the record, unless no field wants it. Of two columns with one
    /// name, the later one counts.
    #[inline]
    pub(super) fn put(&mut self, columns: &'r Columns, column: usize, text: &'r str) {
        self.put_node(columns, column, Node::String(text));
    }

    /// Puts a text into a record that has ended: one that the record itself does not contain.
    pub(super) fn put_beside(&mut self, columns: &'r Columns, column: usize, text: &'r str) {
        let before = self.tape.0.len();
        self.beside = self.beside.min(before);
        self.may_hold_nul |= memchr::memchr(0, text.as_bytes()).is_some();
        self.put(columns, column, text);
        let more = self.tape.0.len() - before;
        if let Node::Object { len, count } = &mut self.tape.0[0] {
            *len += if self.has_names { more / 2 } else { 0 };
            *count += more;
        }
    }

    /// Puts a null into the record.
    #[inline]
    pub(super) fn put_null(&mut self, columns: &'r Columns, column: usize) {
        self.put_node(columns, column, Node::Static(StaticNode::Null));
    }

    /// Puts an object into the record: `members` are the nodes of its keys and values.
    pub(super) fn put_object(
        &mut self,
        columns: &'r Columns,
        column: usize,
        len: usize,
        members: impl Iterator<Item = Node<'r>>,
    ) {
        if !self.put_node(columns, column, Node::Object { len, count: 0 }) {
            return;
        }
        let tape = &mut self.tape.0;
        let object = tape.len() - 1;
        tape.extend(members);
        let count = tape.len() - 1 - object;
        tape[object] = Node::Object { len, count };
        self.put_below(columns, column, object, count);
    }

    /// Puts a list of texts and nulls into the record.
    pub(super) fn put_list(
        &mut self,
        columns: &'r Columns,
        column: usize,
        items: impl Iterator<Item = Option<&'r str>>,
    ) {
        if !self.put_node(columns, column, Node::Array { len: 0, count: 0 }) {
            return;
        }
        let tape = &mut self.tape.0;
        let list = tape.len() - 1;
        tape.extend(items.map(|item| item.map_or(Node::Static(StaticNode::Null), Node::String)));
        let count = tape.len() - 1 - list;
        tape[list] = Node::Array { len: count, count };
        self.put_below(columns, column, list, count);
    }

    /// Marks the wanted values among the `count` nodes below the value at `index`.
    fn put_below(&mut self, columns: &Columns, column: usize, index: usize, count: usize) {
        // Until the record ends, its first node counts the nodes below its members.
        if let Node::Object { count: below, .. } = &mut self.tape.0[0] {
            *below += count;
        }
        if let Some(below) = &columns.columns[column].below {
            pick(&self.tape.0, index, below, &mut self.slots, None);
        }
    }

    /// Puts a value into a record that contains its name. Of equal names, the last counts. `guess` is
    /// where the search for the name begins.
    #[inline(always)]
    pub(super) fn put_member(
        &mut self,
        wanted: &'r Wanted,
        guess: &mut usize,
        extras: Extras,
        name: &'r str,
        value: Node<'r>,
    ) {
        let entry = wanted.find(name, guess);
        if entry.is_none() && extras == Extras::Ignored {
            return;
        }
        match entry {
            Some(entry) => self.put_entry(entry, value),
            None => {
                let index = self.push_member(name, value);
                self.extras.push(index - 1);
            }
        }
    }

    /// The same, once its name is found.
    #[inline(always)]
    pub(super) fn put_entry(&mut self, entry: &'r Entry, value: Node<'r>) {
        let index = self.push_member(&entry.key, value);
        entry.slots.iter().for_each(|&slot| self.slots[slot as usize] = index);
    }

    /// Puts the first node of a value into the record, unless no field wants it.
    ///
    /// Always in line: otherwise the node passes through memory, written in small pieces and read in
    /// large ones, and the stalls cost more than everything else here.
    #[inline(always)]
    fn put_node(&mut self, columns: &'r Columns, column: usize, node: Node<'r>) -> bool {
        let Column { name, slot, others, below, is_extra } = &columns.columns[column];
        match slot {
            Some(slot) => {
                let index = self.push_member(name, node);
                self.slots[*slot as usize] = index;
                others.iter().for_each(|&slot| self.slots[slot as usize] = index);
            }
            None if below.is_none() && !is_extra => return false,
            None => {
                let index = self.push_member(name, node);
                if *is_extra {
                    self.extras.push(index - 1);
                }
            }
        }
        true
    }

    /// Appends a member, and returns the index of its value.
    #[inline(always)]
    fn push_member(&mut self, name: &'r str, value: Node<'r>) -> u32 {
        let tape = &mut self.tape.0;
        if self.has_names {
            tape.push(Node::String(name));
        }
        let index = as_index(tape.len());
        tape.push(value);
        index
    }

    pub(super) fn end(&mut self) {
        let count = self.tape.0.len() - 1;
        let Node::Object { count: below, .. } = self.tape.0[0] else {
            unreachable!("a record begins as an object")
        };
        let len = if self.has_names { (count - below) / 2 } else { 0 };
        self.tape.0[0] = Node::Object { len, count };
    }
}
