//! Lists of values of one kind: of scalars as lists, of anything else as JSON.

use bumpalo::collections::Vec;

use super::super::{List, Value};
use super::{At, Context, json, object, read as read_item};
use crate::format::Raw;
use crate::reject::{Path, code};

pub(super) fn read<'a>(rules: &'a List, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<Value<'a>> {
    match rules.text {
        true => json::read_within(rules, at, context, read_itself),
        false => read_itself(rules, at, context),
    }
}

/// Reads a list that is not within a text.
fn read_itself<'a>(rules: &'a List, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<Value<'a>> {
    let Raw::List { len } = at.item.raw() else {
        return context.refuse(at, code::LIST_TYPE, format_args!("not a list"));
    };
    // The items of a list that is too long are not read; Pydantic does not report them either.
    if let Some(max) = rules.max_items
        && len > max
    {
        return context.refuse(at, code::TOO_LONG, format_args!("{len} items, more than {max}"));
    }
    let found = context.found;
    context.spend(len * size_of::<Value<'_>>(), at)?;
    let values = context.arena.alloc_slice_fill_copy(len, Value::Null);
    for (index, (item, value)) in at.item.items().zip(&mut *values).enumerate() {
        if !(rules.items.nullable && item.raw() == Raw::Null) {
            read_item(&rules.items, item, &Path::Item(at.path, index), context, value);
        }
    }
    if context.found > found {
        return None;
    }
    if let Some(min) = rules.min_items
        && len < min
    {
        return context.refuse(at, code::TOO_SHORT, format_args!("{len} items, less than {min}"));
    }
    if rules.items.kind.is_scalar() {
        return Some(Value::List(values));
    }
    if !values.iter().all(object::is_finite) {
        return json::refuse_not_finite(at, context);
    }
    let mut out = Vec::new_in(context.arena);
    out.push(b'[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        // Writing to a vector cannot fail.
        let _ = rules.items.kind.write_json(*value, &mut out);
    }
    out.push(b']');
    context.spend(out.len(), at)?;
    Some(Value::Json(out.into_bump_slice()))
}

#[cfg(test)]
mod tests {
    use super::super::super::probe::{check, given};
    use super::super::super::{Bounds, Decimal, Field, Float, Json, Kind, Object, Schema};
    use super::*;

    fn list(items: Field) -> List {
        List { min_items: Some(1), max_items: Some(3), ..List::of(items) }
    }

    fn field(list: List) -> Field {
        Field::new("f", Kind::List(Box::new(list)))
    }

    #[test]
    fn items_are_read_one_by_one() {
        let int = Field::new("", Kind::Int(Bounds::default()));
        check(
            &field(list(int.clone())),
            &[
                (r#"[1,"2",3.0]"#, "[1,2,3]"),
                (r#"["x",1,null]"#, "0: int_parsing, 2: int_type"),
                ("[]", "too_short"),
                (r#"["x",1,2,3]"#, "too_long"),
                ("{}", "list_type"),
            ],
        );
        check(&field(list(Field { nullable: true, ..int })), &[("[1,null]", "[1,null]")]);
    }

    #[test]
    fn lists_of_anything_but_scalars_are_json() {
        let inner = field(List::of(Field::new("", Kind::Float(Float::default()))));
        check(&field(list(inner)), &[("[[1],[]]", "[[1.0],[]]"), ("[[NaN]]", "not_storable")]);
        let any = Field::new("", Kind::Json(Json::default()));
        check(&field(list(any)), &[(r#"[ {"a": 1} , 2.50]"#, r#"[{"a": 1},2.50]"#)]);
    }

    #[test]
    fn a_record_cannot_become_endless() {
        let decimal = Field::new("", Kind::Decimal(Decimal::default()));
        let digits = |count| format!("[{}]", vec![r#""1E+131071""#; count].join(","));
        let list = |items| field(List::of(items));
        assert!(given(&list(decimal.clone()), &digits(500)).starts_with("[\"1"));
        assert!(given(&list(decimal), &digits(600)).starts_with("511: not_storable"));

        let any = Field::new("x", Kind::Json(Json::default()));
        let default = format!("\"{}\"", "x".repeat(1 << 20));
        let fields = vec![any.with_default(&default).expect("JSON")];
        let object = Kind::Object(Box::new(Object::new(Schema { fields, ..Schema::default() })));
        let empty = format!("[{}]", vec!["{}"; 100].join(","));
        assert!(given(&list(Field::new("", object)), &empty).starts_with("63: not_storable"));
    }
}
