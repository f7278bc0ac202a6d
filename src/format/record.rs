//! A record: its values as a flat tree, in memory that is reused.
//!
//! The tree is simd-json's tape for all formats: a text format pushes strings onto it. Its content is
//! borrowed from the record's bytes, its arena or the scratch of its format, so a `Record<'r>` lives no
//! longer than those. [`Record::reset`] keeps only the memory for the next record.

use std::borrow::Cow;
use std::io::{self, Write};

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use simd_json::{Node, StaticNode, Tape};

use super::Wanted;
use super::spelling::{Spelling, write_text};

/// The values of one record.
pub struct Record<'r> {
    pub(super) tape: Tape<'r>,
    /// For each slot of [`Wanted`] the index of its value in the tape; 0 is absent.
    pub(super) slots: Vec<u32>,
    /// The members that no field wants, as the indexes of their keys. Gathered only if the schema wants
    /// them.
    pub(super) extras: Vec<u32>,
    /// Numbers that no machine type can hold, with their index in the tape.
    pub(super) exact: Vec<(u32, &'r str)>,
    /// How the record writes its values, if it is JSON. In a text format every value is a text.
    pub(super) spelling: Spelling<'r>,
    /// Whether a text of the record may hold a NUL. Most records have none, so that no text needs to be
    /// searched.
    pub(super) may_hold_nul: bool,
    /// Whether the tape has names. Without names the record has no members, and its values are only
    /// accessible by slot.
    pub(super) has_names: bool,
    /// Values from this index on are not in the text of the record.
    pub(super) beside: usize,
    /// What its values take from outside the record: names from a header, the day from a directive.
    pub(super) outside: &'r [u8],
}

/// What happens to the members that no field wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extras {
    /// They are skipped: the tree need not contain them.
    #[default]
    Ignored,
    /// They are kept for the schema to forbid or to store.
    Gathered,
}

/// A record with more values is rare, and its memory is released.
const NODES_KEPT: usize = 64 << 10;

impl Default for Record<'_> {
    fn default() -> Self {
        Record {
            tape: Tape(Vec::new()),
            slots: Vec::new(),
            extras: Vec::new(),
            exact: Vec::new(),
            spelling: Spelling::Text,
            may_hold_nul: true,
            has_names: true,
            beside: usize::MAX,
            outside: &[],
        }
    }
}

impl<'r> Record<'r> {
    /// The same memory, for the next record. In line, because otherwise it is moved twice.
    #[inline(always)]
    pub fn reset<'next>(mut self) -> Record<'next> {
        if self.tape.0.capacity() > NODES_KEPT {
            return Record::default();
        }
        self.exact.clear();
        Record {
            tape: self.tape.reset(),
            slots: self.slots,
            extras: self.extras,
            exact: recycle(self.exact),
            spelling: Spelling::Text,
            may_hold_nul: true,
            has_names: true,
            beside: usize::MAX,
            outside: &[],
        }
    }

    /// What its values take from outside the record: after another header the same bytes have another
    /// meaning.
    pub fn outside(&self) -> &[u8] {
        self.outside
    }

    /// The value that holds all others.
    pub fn root(&self) -> Item<'_> {
        Item { record: self, index: 0 }
    }

    /// The value of a slot, if the record has it.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<Item<'_>> {
        match self.slots[slot] {
            0 => None,
            index => Some(Item { record: self, index: index as usize }),
        }
    }

    /// The members that no field wants, if they were gathered.
    pub fn extras(&self) -> impl Iterator<Item = (&str, Item<'_>)> {
        self.extras
            .iter()
            .map(|&key| (self.key(key as usize), Item { record: self, index: key as usize + 1 }))
    }

    /// Clears the marks, and makes room for this many slots.
    pub(super) fn unmark(&mut self, slots: usize) {
        self.slots.clear();
        self.slots.resize(slots, 0);
        self.extras.clear();
    }

    /// Marks the wanted members of the object at the root.
    pub(super) fn mark(&mut self, wanted: &Wanted, slots: usize, extras: Extras) {
        self.unmark(slots);
        let mut gather = |key| self.extras.push(key);
        let gather: Option<&mut dyn FnMut(u32)> = match extras {
            Extras::Ignored => None,
            Extras::Gathered => Some(&mut gather),
        };
        pick(&self.tape.0, 0, wanted, &mut self.slots, gather);
    }

    fn key(&self, index: usize) -> &str {
        match self.tape.0[index] {
            Node::String(key) => key,
            _ => unreachable!("the members of an object begin with a key"),
        }
    }
}

/// Marks in `slots` the wanted members of the object at `index` of the tape. Of equal keys the last
/// counts. Values other than objects and lists have no members.
pub(crate) fn pick(
    tape: &[Node<'_>],
    index: usize,
    wanted: &Wanted,
    slots: &mut [u32],
    mut extras: Option<&mut dyn FnMut(u32)>,
) {
    match tape[index] {
        Node::Object { len, .. } => {
            let mut guess = 0;
            let mut at = index + 1;
            for _ in 0..len {
                let Node::String(key) = tape[at] else { unreachable!("a member begins with its key") };
                match wanted.find(key, &mut guess) {
                    Some(entry) => {
                        for &slot in &entry.slots {
                            slots[slot as usize] = as_index(at + 1);
                        }
                        if let Some(below) = &entry.below {
                            below.each_slot(&mut |slot| slots[slot as usize] = 0);
                            pick(tape, at + 1, below, slots, None);
                        }
                    }
                    None => {
                        if let Some(gather) = &mut extras {
                            gather(as_index(at));
                        }
                    }
                }
                at = after(tape, at + 1);
            }
        }
        Node::Array { len, .. } => {
            let mut at = index + 1;
            for number in 0..len {
                // A pointer may lead into a list.
                if let Some(entry) = wanted.item(number) {
                    for &slot in &entry.slots {
                        slots[slot as usize] = as_index(at);
                    }
                    if let Some(below) = &entry.below {
                        pick(tape, at, below, slots, None);
                    }
                }
                at = after(tape, at);
            }
        }
        Node::String(_) | Node::Static(_) => {}
    }
}

#[inline]
pub(super) fn as_index(at: usize) -> u32 {
    u32::try_from(at).expect("a record is shorter than 4 GiB")
}

/// The index after the value at `index` and all that it contains.
#[inline]
fn after(tape: &[Node<'_>], index: usize) -> usize {
    match tape[index] {
        Node::Object { count, .. } | Node::Array { count, .. } => index + count + 1,
        Node::String(_) | Node::Static(_) => index + 1,
    }
}

/// The allocation of an empty vector, for elements of another lifetime.
fn recycle<'next>(empty: Vec<(u32, &str)>) -> Vec<(u32, &'next str)> {
    // Collected in place: the standard library reuses the allocation of the iterator.
    empty.into_iter().map(|_| unreachable!("the vector is empty")).collect()
}

/// A value of a record.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    record: &'a Record<'a>,
    index: usize,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Raw<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of 64 bits with a sign.
    Int(i64),
    /// An integer of 64 bits above those.
    UInt(u64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// An integer that no machine type holds, as it is written.
    BigInt(&'a str),
    /// Text.
    Text(&'a str),
    /// A list; [`Item::items`] gives its items.
    List {
        /// How many items it has.
        len: usize,
    },
    /// An object; [`Item::members`] gives its members.
    Object {
        /// How many members it has.
        len: usize,
    },
}

impl<'a> Item<'a> {
    /// What it is.
    #[inline]
    pub fn raw(self) -> Raw<'a> {
        match self.record.tape.0[self.index] {
            Node::String(text) => Raw::Text(text),
            Node::Static(StaticNode::I64(number)) => Raw::Int(number),
            Node::Static(StaticNode::U64(number)) => match i64::try_from(number) {
                Ok(number) => Raw::Int(number),
                Err(_) => Raw::UInt(number),
            },
            Node::Static(StaticNode::F64(number)) => match self.exact() {
                Some(text) => Raw::BigInt(text),
                None => Raw::Float(number),
            },
            Node::Static(StaticNode::Bool(value)) => Raw::Bool(value),
            Node::Static(StaticNode::Null) => Raw::Null,
            Node::Array { len, .. } => Raw::List { len },
            Node::Object { len, .. } => Raw::Object { len },
        }
    }

    /// Whether it is `null`.
    #[inline]
    pub fn is_null(self) -> bool {
        matches!(self.record.tape.0[self.index], Node::Static(StaticNode::Null))
    }

    /// Whether it may hold a NUL. If not, no search is needed.
    #[inline]
    pub fn may_hold_nul(self) -> bool {
        self.record.may_hold_nul
    }

    fn exact(self) -> Option<&'a str> {
        // In the order of the tape, as the plain reader pushed them.
        let exact = &self.record.exact;
        let found = exact.binary_search_by_key(&self.index, |&(index, _)| index as usize).ok()?;
        Some(exact[found].1)
    }

    /// Whether the record writes its values as text, so that a number is a text that looks like one.
    #[inline]
    pub fn is_text(self) -> bool {
        matches!(self.record.spelling, Spelling::Text)
    }

    /// The value as JSON: as the record spells it if the record is JSON, otherwise written into `arena`.
    pub fn json<'o>(self, arena: &'o Bump) -> &'o [u8]
    where
        'a: 'o,
    {
        if let Some(text) = self.spelled() {
            return text;
        }
        let mut out = ArenaVec::new_in(arena);
        // A vector takes everything that is written to it.
        let _ = self.write_anew(&mut out);
        out.into_bump_slice()
    }

    /// The value as the record spells it, if the record is JSON.
    pub(crate) fn spelled(self) -> Option<&'a [u8]> {
        if self.index >= self.record.beside {
            return None;
        }
        self.record.spelling.of(&self.record.tape.0, self.index)
    }

    fn write_anew(self, out: &mut impl Write) -> io::Result<()> {
        match self.raw() {
            Raw::Null => out.write_all(b"null"),
            Raw::Bool(value) => write!(out, "{value}"),
            Raw::Int(number) => write!(out, "{number}"),
            Raw::UInt(number) => write!(out, "{number}"),
            Raw::Float(number) => write!(out, "{number:?}"),
            Raw::BigInt(digits) => out.write_all(digits.as_bytes()),
            Raw::Text(text) => write_text(out, text),
            Raw::List { .. } => {
                out.write_all(b"[")?;
                for (index, item) in self.items().enumerate() {
                    out.write_all(if index > 0 { b"," } else { b"" })?;
                    item.write_anew(out)?;
                }
                out.write_all(b"]")
            }
            Raw::Object { .. } => {
                out.write_all(b"{")?;
                for (index, (key, item)) in self.members().enumerate() {
                    out.write_all(if index > 0 { b"," } else { b"" })?;
                    write_text(out, key)?;
                    out.write_all(b":")?;
                    item.write_anew(out)?;
                }
                out.write_all(b"}")
            }
        }
    }

    /// Why a `jsonb` of PostgreSQL cannot hold it, if so. Of two reasons it returns the one that no option
    /// can resolve.
    pub fn find_unstorable(self) -> Option<Unstorable> {
        let tape = &self.record.tape.0;
        let mut found = None;
        for (index, node) in tape[..after(tape, self.index)].iter().enumerate().skip(self.index) {
            let item = Item { record: self.record, index };
            match node {
                Node::String(text) if memchr::memchr(0, text.as_bytes()).is_some() => {
                    found = Some(Unstorable::Nul);
                }
                // An integer beyond the doubles is finite too.
                Node::Static(StaticNode::F64(number)) if !number.is_finite() && item.exact().is_none() => {
                    return Some(Unstorable::NotFinite);
                }
                _ => {}
            }
        }
        found
    }

    /// The items of a list; nothing if it is none.
    pub fn items(self) -> Items<'a> {
        let len = match self.record.tape.0[self.index] {
            Node::Array { len, .. } => len,
            _ => 0,
        };
        Items { record: self.record, next: self.index + 1, left: len }
    }

    /// The members of an object, in order, equal keys included; nothing if it is none.
    pub fn members(self) -> Members<'a> {
        let len = match self.record.tape.0[self.index] {
            Node::Object { len, .. } => len,
            _ => 0,
        };
        Members { record: self.record, next: self.index + 1, left: len }
    }

    /// Marks the wanted members of this object in `slots`, as [`Item::at`] takes them, and
    /// hands the keys of the others to `extras`, as [`Item::member_at`] takes them.
    pub fn pick(self, wanted: &Wanted, slots: &mut [u32], extras: Option<&mut dyn FnMut(u32)>) {
        pick(&self.record.tape.0, self.index, wanted, slots, extras);
    }

    /// The value that [`Item::pick`] marked as `index`; 0 is absent.
    pub fn at(self, index: u32) -> Option<Item<'a>> {
        (index != 0).then_some(Item { record: self.record, index: index as usize })
    }

    /// The member whose key [`Item::pick`] gathered as `index`.
    pub fn member_at(self, index: u32) -> (&'a str, Item<'a>) {
        (self.record.key(index as usize), Item { record: self.record, index: index as usize + 1 })
    }
}

/// Why a value cannot be stored as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unstorable {
    /// A string in it holds a NUL.
    Nul,
    /// A number in it is not finite as a double.
    NotFinite,
}

impl std::fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.raw().fmt(f)
    }
}

/// How much of a value is displayed: a reason quotes less.
const SHOWN_BYTES_MAX: usize = 256;

/// A form that a person recognises: the beginning of its text.
impl std::fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.raw() {
            Raw::Text(text) => f.write_str(&text[..text.floor_char_boundary(SHOWN_BYTES_MAX)]),
            _ => {
                let anew = || {
                    let mut out = Vec::new();
                    // A vector takes everything that is written to it.
                    let _ = self.write_anew(&mut out);
                    Cow::Owned(out)
                };
                let json = self.spelled().map_or_else(anew, Cow::Borrowed);
                f.write_str(&String::from_utf8_lossy(&json[..json.len().min(SHOWN_BYTES_MAX)]))
            }
        }
    }
}

/// The items of a list.
#[derive(Clone)]
pub struct Items<'a> {
    record: &'a Record<'a>,
    next: usize,
    left: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        self.left = self.left.checked_sub(1)?;
        let item = Item { record: self.record, index: self.next };
        self.next = after(&self.record.tape.0, self.next);
        Some(item)
    }
}

/// The members of an object.
#[derive(Clone)]
pub struct Members<'a> {
    record: &'a Record<'a>,
    next: usize,
    left: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Item<'a>);

    fn next(&mut self) -> Option<(&'a str, Item<'a>)> {
        self.left = self.left.checked_sub(1)?;
        let key = self.record.key(self.next);
        let item = Item { record: self.record, index: self.next + 1 };
        self.next = after(&self.record.tape.0, self.next + 1);
        Some((key, item))
    }
}
