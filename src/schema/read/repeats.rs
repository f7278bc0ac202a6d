//! Members that repeat a key: the last one wins.
//!
//! JSON allows a key to occur twice and does not define the meaning. PostgreSQL's `jsonb` keeps the last
//! member, SQLite's functions find the first one. So no value reaches a destination with a repeated key in
//! it, at whatever depth.

use bumpalo::Bump;
use bumpalo::collections::Vec;

use super::super::json::write_member;
use crate::format::{Item, Raw};

/// More keys than this are sorted before they are compared.
const COMPARED_MAX: usize = 16;

/// Whether a key occurs twice in an object somewhere in `item`.
pub(super) fn has_repeats(item: Item<'_>, arena: &Bump) -> bool {
    match item.raw() {
        Raw::Object { len } => {
            let mut keys = Vec::with_capacity_in(len, arena);
            keys.extend(item.members().map(|(key, _)| key));
            repeats(&mut keys) || item.members().any(|(_, value)| has_repeats(value, arena))
        }
        Raw::List { .. } => item.items().any(|item| has_repeats(item, arena)),
        _ => false,
    }
}

/// Whether a key occurs twice. The order of `keys` may change.
fn repeats(keys: &mut [&str]) -> bool {
    if keys.len() <= COMPARED_MAX {
        return (1..keys.len()).any(|index| keys[..index].contains(&keys[index]));
    }
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

/// Keeps the last of the members with equal keys, in its place.
pub(in crate::schema) fn keep_last<V: Copy>(members: &mut Vec<'_, (&str, V)>, arena: &Bump) {
    let mut keys = Vec::with_capacity_in(members.len(), arena);
    keys.extend(members.iter().map(|&(key, _)| key));
    if !repeats(&mut keys) {
        return;
    }
    let mut seen = std::collections::HashSet::new();
    members.reverse();
    members.retain(|&(key, _)| seen.insert(key));
    members.reverse();
}

/// Writes `item` as JSON: the last member of each key, and everything else unchanged.
pub(super) fn write_without<'a>(item: Item<'_>, arena: &'a Bump, out: &mut Vec<'a, u8>) {
    match item.raw() {
        Raw::Object { len } => {
            let mut members = Vec::with_capacity_in(len, arena);
            members.extend(item.members());
            keep_last(&mut members, arena);
            out.push(b'{');
            for (key, value) in members {
                write_member(out, key, |out| {
                    write_without(value, arena, out);
                    Ok(())
                });
            }
            out.push(b'}');
        }
        Raw::List { .. } => {
            out.push(b'[');
            for (index, item) in item.items().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_without(item, arena, out);
            }
            out.push(b']');
        }
        _ => out.extend_from_slice_copy(item.json(arena)),
    }
}
