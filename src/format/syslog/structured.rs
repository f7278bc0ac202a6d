//! The structured data of RFC 5424, as an object of objects.
//!
//! `[id a="1" b="2"][other]` is `{"id": {"a": "1", "b": "2"}, "other": {}}`. Repeated elements are merged;
//! a repeated parameter, which the RFC allows, becomes a list. Both are found by sorting, so that many of
//! them do not take quadratic time, and members are in the order of their names.

use bumpalo::Bump;
use bumpalo::collections::{String as ArenaString, Vec as ArenaVec};
use memchr::memchr3;
use simd_json::Node;

/// A parameter of an element, or an element without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Element<'r> {
    id: &'r str,
    /// `None` for an element without parameters.
    name: Option<&'r str>,
    /// Its position, to keep equal ones in order.
    place: usize,
    value: &'r str,
}

/// The elements at the start of `text`, sorted, and the rest; `None` if they are malformed.
pub(super) fn read<'r>(text: &'r str, arena: &'r Bump) -> Option<(ArenaVec<'r, Element<'r>>, &'r str)> {
    let mut elements = ArenaVec::new_in(arena);
    let mut rest = text;
    while let Some(behind) = rest.strip_prefix('[') {
        let (id, behind) = name(behind)?;
        rest = behind;
        elements.push(Element { id, name: None, place: 0, value: "" });
        while let Some(behind) = rest.strip_prefix(' ') {
            let (parameter, behind) = name(behind)?;
            let (value, behind) = value(behind.strip_prefix("=\"")?, arena)?;
            rest = behind;
            elements.push(Element { id, name: Some(parameter), place: elements.len(), value });
        }
        rest = rest.strip_prefix(']')?;
    }
    elements.sort_unstable();
    // A repeated element begins only once.
    elements.dedup_by(|later, first| later.name.is_none() && later.id == first.id);
    (!elements.is_empty()).then_some((elements, rest))
}

/// How many members the object has.
pub(super) fn members(elements: &[Element<'_>]) -> usize {
    elements.chunk_by(|one, other| one.id == other.id).count()
}

/// The nodes of the object's keys and values.
pub(super) fn nodes<'r>(elements: &[Element<'r>]) -> impl Iterator<Item = Node<'r>> {
    elements.chunk_by(|one, other| one.id == other.id).flat_map(|element| {
        let parameters = &element[1..];
        let len = parameters.chunk_by(|one, other| one.name == other.name).count();
        let values = |values: &[Element<'_>]| 1 + values.len() + usize::from(values.len() > 1);
        let count = parameters.chunk_by(|one, other| one.name == other.name).map(values).sum();
        [Node::String(element[0].id), Node::Object { len, count }].into_iter().chain(
            parameters.chunk_by(|one, other| one.name == other.name).flat_map(|values| {
                let list = Node::Array { len: values.len(), count: values.len() };
                [Node::String(values[0].name.unwrap_or_default())]
                    .into_iter()
                    .chain((values.len() > 1).then_some(list))
                    .chain(values.iter().map(|element| Node::String(element.value)))
            }),
        )
    })
}

/// A name, and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let is_part = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b']' | b'"');
    let length = text.bytes().take_while(|&byte| is_part(byte)).count();
    (length > 0).then(|| text.split_at(length))
}

/// A value without its escapes, and what follows its quote.
fn value<'r>(text: &'r str, arena: &'r Bump) -> Option<(&'r str, &'r str)> {
    let bytes = text.as_bytes();
    let mut at = memchr3(b'"', b'\\', b']', bytes)?;
    if bytes[at] == b'"' {
        return Some((&text[..at], &text[at + 1..]));
    }
    let mut value = ArenaString::new_in(arena);
    let mut start = 0;
    loop {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', _) => {
                value.push_str(&text[start..at]);
                return Some((value.into_bump_str(), &text[at + 1..]));
            }
            (b'\\', Some(b'"' | b'\\' | b']')) => {
                value.push_str(&text[start..at]);
                start = at + 1;
                at += 2;
            }
            // Any other backslash is a character, and so is a bracket without one.
            _ => at += 1,
        }
        at += memchr3(b'"', b'\\', b']', bytes.get(at..)?)?;
    }
}
