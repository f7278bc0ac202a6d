//! Objects with their own fields, stored as JSON.
//!
//! The stored JSON is not the text of the record but what was read: defaults are filled in, values are
//! written as they were coerced, members that no field names are left out. So a query finds the same thing
//! whatever the record looked like.

use bumpalo::collections::Vec;

use super::super::json::write_member;
use super::super::{Again, Extra, Field, Object, Value};
use super::{Above, At, Context, json, keep_last, read as read_member};
use crate::format::{Item, Raw};
use crate::reject::{Path, code};

pub(super) fn read<'a>(
    rules: &'a Object,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<Value<'a>> {
    match rules.text {
        true => json::read_within(rules, at, context, read_itself),
        false => read_itself(rules, at, context),
    }
}

/// Reads an object that is not within a text.
fn read_itself<'a>(rules: &'a Object, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<Value<'a>> {
    let Raw::Object { .. } = at.item.raw() else {
        let code = if rules.is_model() { code::MODEL_TYPE } else { code::DICT_TYPE };
        return context.refuse(at, code, format_args!("not an object"));
    };
    let (arena, schema) = (context.arena, &rules.schema);
    let slots = arena.alloc_slice_fill_copy(schema.fields.len(), 0);
    let mut extras = Vec::new_in(arena);
    let mut gather = |key: u32| extras.push(key);
    let gather: Option<&mut dyn FnMut(u32)> = match schema.extra {
        Extra::Ignore => None,
        Extra::Forbid | Extra::Keep => Some(&mut gather),
    };
    at.item.pick(&rules.wanted, slots, gather);

    let outer = context.above;
    context.above = Some(arena.alloc(Above { object: rules, above: outer }));
    let found = context.found;
    context.spend(schema.fields.len() * size_of::<Value<'_>>(), at)?;
    let values = arena.alloc_slice_fill_copy(schema.fields.len(), Value::Null);
    schema.bind_fields(|slot| at.item.at(slots[slot]), at.path, values, context);
    let mut out = Vec::new_in(arena);
    out.push(b'{');
    for (field, value) in schema.fields.iter().zip(&*values) {
        if !is_finite(value) {
            let path = Path::Field(at.path, &field.name);
            json::refuse_not_finite::<()>(At { item: at.item, path: &path }, context);
        }
        write_member(&mut out, &field.name, |out| field.kind.write_json(*value, out));
    }
    let extras = extras.iter().map(|&key| at.item.member_at(key));
    // A field's name is its own, wherever it is read from.
    match &rules.members {
        Some(members) => read_members(members, extras, at, &schema.fields, &mut out, context),
        None => schema.bind_extras(extras, at.path, &schema.fields, &mut out, context),
    }
    context.above = outer;
    out.push(b'}');
    context.spend(out.len(), at)?;
    (context.found == found).then(|| Value::Json(out.into_bump_slice()))
}

/// Reads the members that no field names, each by one rule, and writes them into the object that has been
/// begun.
fn read_members<'a>(
    members: &'a Field,
    extras: impl Iterator<Item = (&'a str, Item<'a>)>,
    at: At<'a, '_>,
    fields: &[Field],
    out: &mut Vec<'a, u8>,
    context: &mut Context<'a, '_>,
) {
    let (mut given, mut kept) = (Vec::new_in(context.arena), Vec::new_in(context.arena));
    given.extend(extras);
    // In a dictionary all members are read, as in Pydantic; in a model only the last of each key.
    if !fields.is_empty() {
        keep_last(&mut given, context.arena);
    }
    for (key, item) in given {
        let path = Path::Field(at.path, key);
        let at = At { item, path: &path };
        let mut value = Value::Null;
        if !(members.nullable && item.is_null()) {
            read_member(members, item, &path, context, &mut value);
        }
        if !is_finite(&value) {
            json::refuse_not_finite::<()>(at, context);
        }
        let member = context.storable_key(key, at).map(|key| (key, value));
        kept.extend(member.filter(|(key, _)| fields.iter().all(|field| field.name != *key)));
    }
    keep_last(&mut kept, context.arena);
    for (key, value) in kept {
        write_member(out, key, |out| members.kind.write_json(value, out));
    }
}

/// Reads an object like one of those around it.
pub(super) fn read_again<'a>(
    rules: &Again,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<Value<'a>> {
    let Raw::Object { .. } = at.item.raw() else {
        return context.refuse(at, code::MODEL_TYPE, format_args!("not an object"));
    };
    let inner = context.above;
    let up = rules.up.unwrap_or(0);
    let Some(outer) = inner.and_then(|inner| (0..up).try_fold(inner, |above, _| above.above)) else {
        return context.refuse(
            at,
            code::NOT_STORABLE,
            format_args!("it is in no object that it could be like"),
        );
    };
    context.above = outer.above;
    let read = read_itself(outer.object, at, context);
    context.above = inner;
    read
}

/// Whether JSON can hold it: doubles in a column may be infinite, in JSON they may not.
pub(super) fn is_finite(value: &Value<'_>) -> bool {
    match value {
        Value::Float(number) => number.is_finite(),
        Value::List(items) => items.iter().all(is_finite),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::probe::{check, given_with};
    use super::super::super::{Bounds, Field, Float, Kind, Nul, Schema, Text};
    use super::*;

    fn object(extra: Extra) -> Field {
        let at_least_one = Text { min_length: Some(1), ..Text::default() };
        let fields = vec![
            Field::new("user", Kind::Text(at_least_one)),
            Field::new("depth", Kind::Int(Bounds::default())).with_default("7").expect("an integer"),
            Field { from: vec!["r".into()], ..Field::new("ratio", Kind::Float(Float::default())).optional() },
        ];
        let schema = Schema { fields, extra, ..Schema::default() };
        Field::new("f", Kind::Object(Box::new(Object::new(schema))))
    }

    #[test]
    fn a_dictionary_is_told_from_a_model() {
        let any = Object::new(Schema { extra: Extra::Keep, ..Schema::default() });
        let any = Field::new("f", Kind::Object(Box::new(any)));
        check(
            &any,
            &[("{}", "{}"), (r#"{"a":[1]}"#, r#"{"a":[1]}"#), ("[]", "dict_type"), ("null", "dict_type")],
        );
        check(&object(Extra::Keep), &[("[]", "model_type")]);
    }

    #[test]
    fn what_was_read_is_stored() {
        check(
            &object(Extra::Ignore),
            &[
                (r#"{"user":"a\"b"}"#, r#"{"user":"a\"b","depth":7,"ratio":null}"#),
                (r#"{"x":1,"r":1,"depth":"8","user":"b"}"#, r#"{"user":"b","depth":8,"ratio":1.0}"#),
                (r#"{"user":"a","user":"b"}"#, r#"{"user":"b","depth":7,"ratio":null}"#),
                ("[]", "model_type"),
                ("null", "model_type"),
            ],
        );
    }

    #[test]
    fn every_fault_is_told_with_its_field() {
        check(
            &object(Extra::Forbid),
            &[
                (r#"{"depth":"x","y":1}"#, "user: missing, depth: int_parsing, y: extra_forbidden"),
                (r#"{"user":"a","r":1e400}"#, "ratio: not_storable"),
                (r#"{"user":"a\u0000"}"#, "user: nul"),
            ],
        );
    }

    #[test]
    fn other_members_are_kept_as_they_stand() {
        let kept = object(Extra::Keep);
        check(
            &kept,
            &[
                (
                    r#"{"user":"a","x":{"y": 1.50},"z":[]}"#,
                    r#"{"user":"a","depth":7,"ratio":null,"x":{"y": 1.50},"z":[]}"#,
                ),
                // The field is read from another key, and its name is its own.
                (r#"{"user":"a","ratio":9}"#, r#"{"user":"a","depth":7,"ratio":null}"#),
                (r#"{"user":"a","x":NaN}"#, "x: not_storable"),
                (r#"{"user":"a","x\u0000":1}"#, "x\0: nul"),
            ],
        );
        assert_eq!(
            given_with(&kept, r#"{"user":"a\u0000","x\u0000":"\u0000"}"#, Nul::Strip),
            r#"{"user":"a","depth":7,"ratio":null,"x":""}"#,
        );
    }
}
