//! Any JSON value, as it is in the record or within a text.

use std::cell::RefCell;

use bumpalo::Bump;

use super::super::{Field, Json, Nul, Value};
use super::repeats::{has_repeats, write_without};
use super::{At, Context, read as read_item};
use crate::format::{Item, JsonScratch, Malformed, Raw, Record, Unstorable, parse_json};
use crate::reject::code;

pub(super) fn read<'a>(rules: &Json, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<&'a [u8]> {
    match &rules.like {
        _ if rules.text => read_text(rules, at, context),
        Some(like) if !is_like(like, at.item, at, context) => None,
        _ => storable(at.item, at, context),
    }
}

/// Whether `item` satisfies `like`; notes what is wrong with it.
fn is_like(like: &Field, item: Item<'_>, at: At<'_, '_>, context: &mut Context<'_, '_>) -> bool {
    if like.nullable && item.is_null() {
        return true;
    }
    let (found, altered) = (context.found, context.altered);
    context.within(|inner| read_item(like, item, at.path, inner, &mut Value::Null));
    // What is read is not what is stored.
    context.altered = altered;
    context.found == found
}

/// Reads the value that a text contains as JSON.
pub(super) fn read_within<'a, R>(
    rules: &'a R,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
    read: for<'x> fn(&'x R, At<'x, '_>, &mut Context<'x, '_>) -> Option<Value<'x>>,
) -> Option<Value<'a>> {
    let text = text_of(at, context)?;
    let arena = context.arena;
    let found = parsed(text.as_bytes(), arena, |found| {
        found.map(|item| {
            // The memory it is parsed into is reused for the next one.
            context.within(|inner| Some(read(rules, At { item, path: at.path }, inner)?.copied(arena)))
        })
    });
    found.unwrap_or_else(|malformed| refuse_malformed(&malformed, at, context))
}

/// The text that should contain JSON.
fn text_of<'a>(at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<&'a str> {
    match at.item.raw() {
        Raw::Text(text) => Some(text),
        _ => context.refuse(at, code::JSON_TYPE, format_args!("not a text that holds JSON")),
    }
}

fn refuse_malformed<T>(malformed: &Malformed, at: At<'_, '_>, context: &mut Context<'_, '_>) -> Option<T> {
    let message = format_args!("text that is not JSON: {} at byte {}", malformed.what, malformed.at);
    context.refuse(at, code::JSON_INVALID, message)
}

/// The JSON text of `item`, which is a value of the record, if a column can hold it.
pub(in crate::schema) fn storable<'a>(
    item: Item<'a>,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<&'a [u8]> {
    let json = item.json(context.arena);
    settle(stored(item, json, context.arena), json, at, context)
}

thread_local! {
    /// Parser state for JSON texts within texts: one per nesting level. Its memory is reused, like a
    /// record's.
    static INNER: RefCell<Vec<(JsonScratch, Record<'static>)>> = const { RefCell::new(Vec::new()) };
}

/// Parses JSON text, and passes it to `look`.
fn parsed<T>(text: &[u8], arena: &Bump, look: impl FnOnce(Result<Item<'_>, Malformed>) -> T) -> T {
    let (mut scratch, inner) = INNER.with_borrow_mut(Vec::pop).unwrap_or_default();
    let mut inner = inner.reset();
    let result = parse_json(text, arena, &mut scratch, &mut inner);
    let looked = look(result.map(|()| inner.root()));
    let inner = inner.reset();
    INNER.with_borrow_mut(|free| free.push((scratch, inner)));
    looked
}

fn read_text<'a>(rules: &Json, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<&'a [u8]> {
    let text = text_of(at, context)?;
    let json = text.trim().as_bytes();
    // The result is settled after the parser's memory is returned: settling may parse once more.
    let arena = context.arena;
    let found = parsed(text.as_bytes(), arena, |found| {
        found.map(|item| match &rules.like {
            Some(like) if !is_like(like, item, at, context) => None,
            _ => Some(stored(item, json, arena)),
        })
    });
    match found {
        Ok(found) => settle(found?, json, at, context),
        Err(malformed) => refuse_malformed(&malformed, at, context),
    }
}

impl<'a> Context<'a, '_> {
    /// The key of a member that is kept, if a JSON column can hold it.
    pub(in crate::schema) fn storable_key(&mut self, key: &'a str, at: At<'_, '_>) -> Option<&'a str> {
        if memchr::memchr(0, key.as_bytes()).is_none() {
            return Some(key);
        }
        match self.nul {
            Nul::Reject => self.refuse(at, code::NUL, format_args!("a NUL character in a key")),
            _ => Some(self.without_nul(key)),
        }
    }
}

/// What is stored for `item`, whose text is `json`, or why that is impossible.
fn stored<'a>(item: Item<'_>, json: &'a [u8], arena: &'a Bump) -> Result<&'a [u8], Unstorable> {
    match item.find_unstorable() {
        None => Ok(without_repeats(item, json, arena)),
        Some(unstorable) => Err(unstorable),
    }
}

/// Refuses what cannot be stored of `json`, or makes it storable.
fn settle<'a>(
    found: Result<&'a [u8], Unstorable>,
    json: &'a [u8],
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<&'a [u8]> {
    match found {
        Ok(json) => Some(json),
        Err(Unstorable::NotFinite) => refuse_not_finite(at, context),
        Err(Unstorable::Nul) => match context.nul {
            Nul::Reject => context.refuse(
                at,
                code::NUL,
                format_args!("a NUL character, which no column for JSON can hold"),
            ),
            nul => {
                context.altered.nuls += 1;
                let json = without_nul(json, nul, context);
                // Keys that differed only in a NUL are equal now.
                let arena = context.arena;
                Some(parsed(json, arena, |found| {
                    found.map_or(json, |item| without_repeats(item, json, arena))
                }))
            }
        },
    }
}

/// The text of `item`, in which no object has two members with one key.
fn without_repeats<'a>(item: Item<'_>, json: &'a [u8], arena: &'a Bump) -> &'a [u8] {
    if !has_repeats(item, arena) {
        return json;
    }
    let mut out = bumpalo::collections::Vec::with_capacity_in(json.len(), arena);
    write_without(item, arena, &mut out);
    out.into_bump_slice()
}

/// Notes that JSON contains a number that is not valid JSON.
pub(in crate::schema) fn refuse_not_finite<T>(at: At<'_, '_>, context: &mut Context<'_, '_>) -> Option<T> {
    let message = format_args!("a number that is not finite, which JSON does not have");
    context.refuse(at, code::NOT_STORABLE, message)
}

/// JSON text without the escape `\u0000`, the only form in which JSON can contain a NUL.
fn without_nul<'a>(json: &[u8], nul: Nul, context: &Context<'a, '_>) -> &'a [u8] {
    let mut out = bumpalo::collections::Vec::with_capacity_in(json.len(), context.arena);
    let mut rest = json;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice_copy(before);
        if let Some(after) = escape.strip_prefix(b"\\u0000") {
            if nul == Nul::Replace {
                out.extend_from_slice_copy(b"\\ufffd");
            }
            rest = after;
        } else {
            // The byte after a backslash may be a backslash, which begins nothing.
            let (escape, after) = escape.split_at(escape.len().min(2));
            out.extend_from_slice_copy(escape);
            rest = after;
        }
    }
    out.extend_from_slice_copy(rest);
    out.into_bump_slice()
}

#[cfg(test)]
mod tests {
    use super::super::super::probe::{check, given, given_with, quoted};
    use super::super::super::{Field, Kind};
    use super::*;

    fn json(text: bool) -> Field {
        Field::new("f", Kind::Json(Json { text, like: None }))
    }

    #[test]
    fn a_value_is_kept_as_it_stands() {
        for text in
            ["null", "1.50", r#"{"a" : [1e3, "ä\u0041"],"b":{}}"#, "123456789012345678901234567890", "[]"]
        {
            assert_eq!(given(&json(false), text), text);
        }
        let digits = "1".repeat(400);
        assert_eq!(given(&json(false), &digits), digits);
    }

    #[test]
    fn of_members_with_one_key_the_last_is_kept() {
        for (text, kept) in [
            (r#"{"a":1, "a":2}"#, r#"{"a":2}"#),
            (r#"{"a":1,"\u0061":[1e3],"b":""}"#, r#"{"a":[1e3],"b":""}"#),
            (r#"[0,{"b":{"a":1,"a":{"c":1,"c":1.50}}}]"#, r#"[0,{"b":{"a":{"c":1.50}}}]"#),
            (
                r#"{"":1,"b\"":1,"":123456789012345678901234567890}"#,
                r#"{"b\"":1,"":123456789012345678901234567890}"#,
            ),
        ] {
            assert_eq!(given(&json(false), text), kept);
            assert_eq!(given(&json(true), &quoted(text)), kept);
        }
        let members =
            |values: std::ops::Range<u32>| values.map(|n| format!("\"{}\":{n}", n % 50)).collect::<Vec<_>>();
        let text = |members: Vec<String>| format!("{{{}}}", members.join(","));
        assert_eq!(given(&json(false), &text(members(0..120))), text(members(70..120)));
        // Also if a NUL was the only difference.
        assert_eq!(given_with(&json(false), r#"{"a\u0000":1,"a":2}"#, Nul::Strip), r#"{"a":2}"#);
        assert_eq!(given_with(&json(false), r#"{"a":1,"a\u0000":2}"#, Nul::Strip), r#"{"a":2}"#);
    }

    #[test]
    fn a_text_holds_json_or_is_a_fault() {
        assert_eq!(given(&json(true), &quoted(" {\"a\": [1]} ")), "{\"a\": [1]}");
        check(
            &json(true),
            &[
                (r#""null""#, "null"),
                (r#""""#, "json_invalid"),
                (r#""{""#, "json_invalid"),
                (r#""1 2""#, "json_invalid"),
                (r#""NaN""#, "not_storable"),
                ("{}", "json_type"),
                ("null", "json_type"),
            ],
        );
        assert_eq!(given(&json(true), &quoted(&"[".repeat(300))), "json_invalid");
    }

    #[test]
    fn what_no_column_holds_is_a_fault() {
        check(
            &json(false),
            &[
                ("NaN", "not_storable"),
                ("[1e400]", "not_storable"),
                (r#"{"a\u0000":1}"#, "nul"),
                (r#"["\u0000", NaN]"#, "not_storable"),
            ],
        );
    }

    #[test]
    fn a_nul_goes_where_it_may() {
        let text = r#"["\u0000a\\u0000\\\u0000", "\u00001", "\u0001"]"#;
        assert_eq!(given_with(&json(false), text, Nul::Strip), r#"["a\\u0000\\", "1", "\u0001"]"#);
        assert_eq!(
            given_with(&json(false), text, Nul::Replace),
            r#"["\ufffda\\u0000\\\ufffd", "\ufffd1", "\u0001"]"#,
        );
        assert_eq!(given_with(&json(true), &quoted(r#""\u0000""#), Nul::Strip), r#""""#);
        assert_eq!(given_with(&json(false), r#"["\u0000", NaN]"#, Nul::Strip), "not_storable");
    }
}
