//! Binding: turns a record into a row, or into all that is wrong with it.

use std::collections::BTreeSet;
use std::ops::Range;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use super::json::write_member;
use super::nulls::read_null;
use super::read::{At, Context, keep_last, read, read_any_text, storable};
use super::{Altered, Extra, Field, Kind, Schema, Value};
use crate::format::{Item, Record};
use crate::reject::{Faults, Path, code};

/// The values of a record, one per field, in the order of the schema, and with [`Extra::Keep`] one more: a
/// JSON object of the members that no field names. Its existence proves that every rule of the schema holds.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    values: &'a [Value<'a>],
    altered: Altered,
    outside: &'a [u8],
    lacking: &'a [usize],
}

impl<'a> Row<'a> {
    /// The values.
    pub fn values(&self) -> &'a [Value<'a>] {
        self.values
    }

    /// Passes to `visit` what the values take from outside the record: the names in a header and, in a text
    /// format, timestamps that a year or a zone of the source has completed. Nothing for NDJSON.
    pub fn each_outside(&self, mut visit: impl FnMut(&[u8])) {
        if !self.outside.is_empty() {
            visit(self.outside);
        }
        for &field in self.lacking {
            if let Value::Timestamp(micros) = self.values[field] {
                visit(&micros.to_be_bytes());
            }
        }
    }

    /// How many values are stored in another form than in the record.
    pub fn altered(&self) -> Altered {
        self.altered
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
        let fields = self.fields.len();
        let keeps = usize::from(self.extra == Extra::Keep);
        let values = arena.alloc_slice_fill_copy(fields + keeps, Value::Null);
        let mut context = Context::new(arena, faults, self.nul);
        match self.groups.is_empty() {
            true => {
                self.bind_fields(|slot| record.get(slot), &Path::Record, &mut values[..fields], &mut context)
            }
            false => self.bind_groups(record, &mut values[..fields], &mut context),
        }
        if self.extra != Extra::Ignore {
            let mut out = ArenaVec::new_in(arena);
            out.push(b'{');
            self.bind_extras(record.extras(), &Path::Record, &[], &mut out, &mut context);
            out.push(b'}');
            if let Some(last) = values.get_mut(fields) {
                *last = Value::Json(out.into_bump_slice());
            }
        }
        let altered = context.altered;
        let lacking = if record.root().is_text() { self.lacking.as_slice() } else { &[] };
        faults.is_empty().then_some(Row { values, altered, outside: record.outside(), lacking })
    }

    /// Reads the fields of the record or of an object in it, from the slots that were marked.
    #[inline]
    pub(super) fn bind_fields<'a>(
        &'a self,
        get: impl Fn(usize) -> Option<Item<'a>>,
        parent: &Path<'_>,
        values: &mut [Value<'a>],
        context: &mut Context<'a, '_>,
    ) {
        self.bind_some(0..self.fields.len(), 0, get, parent, values, context);
    }

    /// Reads some of the fields; the first `prefix` bytes of their names are omitted in messages.
    #[inline]
    pub(super) fn bind_some<'a>(
        &'a self,
        range: Range<usize>,
        prefix: usize,
        get: impl Fn(usize) -> Option<Item<'a>>,
        parent: &Path<'_>,
        values: &mut [Value<'a>],
        context: &mut Context<'a, '_>,
    ) {
        let fields = self.fields[range.clone()].iter().zip(&mut values[range.clone()]);
        for (slot, (field, value)) in (range.start..).zip(fields) {
            let item = get(slot);
            // What most values of a log are goes the shortest way.
            if let (Some(item), Kind::Text(rules)) = (item, &field.kind)
                && let Some(text) = read_any_text(rules, item)
                && !self.nulls.hold(item)
            {
                *value = Value::Text(text);
                continue;
            }
            let name = &field.name[prefix..];
            match item {
                Some(item) if field.nullable && item.is_null() => {}
                Some(item) if self.nulls.hold(item) => {
                    if !field.nullable {
                        read_null(field, &Path::Field(parent, name), context, value);
                    }
                }
                // If there is a fault, the row is never used.
                Some(item) => read(field, item, &Path::Field(parent, name), context, value),
                None => match &field.default {
                    Some(default) => *value = default.value(context.arena),
                    None if field.required => {
                        let path = Path::Field(parent, name);
                        context.note(code::MISSING, &path, format_args!("this field is required"), None);
                    }
                    None => {}
                },
            }
        }
    }

    /// Handles the members that no field names: they are faults, or are written into the object that has been
    /// begun in `out`, in which the names of `fields` are taken.
    pub(super) fn bind_extras<'a>(
        &self,
        extras: impl Iterator<Item = (&'a str, Item<'a>)>,
        parent: &Path<'_>,
        fields: &[Field],
        out: &mut ArenaVec<'a, u8>,
        context: &mut Context<'a, '_>,
    ) {
        let mut kept = ArenaVec::new_in(context.arena);
        let mut forbidden = BTreeSet::new();
        for (key, item) in extras {
            let path = Path::Field(parent, key);
            let at = At { item, path: &path };
            match self.extra {
                Extra::Ignore => {}
                // However often it occurs, it is one fault.
                Extra::Forbid if !forbidden.insert(key) => {}
                Extra::Forbid => {
                    let message = format_args!("no field of the schema has this name");
                    context.refuse::<()>(at, code::EXTRA_FORBIDDEN, message);
                }
                Extra::Keep => {
                    let value = match self.nulls.hold(item) {
                        true => Some(&b"null"[..]),
                        false => storable(item, at, context),
                    };
                    let member = context.storable_key(key, at).zip(value);
                    kept.extend(member.filter(|(key, _)| fields.iter().all(|field| field.name != *key)));
                }
            }
        }
        keep_last(&mut kept, context.arena);
        for (key, value) in kept {
            write_member(out, key, |out| std::io::Write::write_all(out, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Bounds, Float, Json, Nul, Text};
    use super::*;
    use crate::format::{Format, Input, JsonScratch};

    /// The result of binding a line to `schema`: the values as JSON, or the faults as `field: code`.
    fn bind(schema: &Schema, line: &str) -> Result<Vec<String>, String> {
        let format = crate::format::Json::new(&schema.paths(), schema.extras());
        let (arena, mut scratch) = (Bump::new(), JsonScratch::default());
        let (mut record, mut faults) = (Record::default(), Faults::default());
        let input = Input::new(line.as_bytes(), &arena);
        format.parse(input, &mut scratch, &mut record).expect("a JSON object");
        let Some(row) = schema.bind(&record, &arena, &mut faults) else {
            let faults = faults.iter().map(|(code, field)| format!("{field}: {code}"));
            return Err(faults.collect::<Vec<_>>().join(", "));
        };
        let kept = Kind::Json(Json::default());
        let kinds = schema.fields.iter().map(|field| &field.kind).chain([&kept]);
        let values = kinds.zip(row.values()).map(|(kind, value)| {
            let mut out = Vec::new();
            kind.write_json(*value, &mut out).expect("written to memory");
            String::from_utf8(out).expect("UTF-8")
        });
        Ok(values.collect())
    }

    fn schema(extra: Extra) -> Schema {
        let fields = vec![
            Field::new("a", Kind::Int(Bounds::default())),
            Field {
                from: vec!["b".into(), "c".into()],
                ..Field::new("b", Kind::Text(Text::default())).optional()
            },
            Field::new("d", Kind::Float(Float::default())).with_default("0.5").expect("a number"),
        ];
        Schema { fields, extra, ..Schema::default() }
    }

    #[test]
    fn absent_and_null_are_told_apart() {
        let schema = schema(Extra::Ignore);
        assert_eq!(bind(&schema, r#"{"a":1}"#), Ok(vec!["1".into(), "null".into(), "0.5".into()]));
        assert_eq!(
            bind(&schema, r#"{"a":1,"b":null,"d":2}"#),
            Ok(vec!["1".into(), "null".into(), "2.0".into()])
        );
        assert_eq!(bind(&schema, r#"{"b":{"c":null}}"#), Err("a: missing".into()));
        assert_eq!(bind(&schema, r#"{"a":null,"d":null}"#), Err("a: int_type, d: float_type".into()));
    }

    #[test]
    fn members_that_nobody_asked_for_are_ignored_refused_or_kept() {
        let line = r#"{"x":[1, 2],"a":1,"b":{"c":"t","y":1},"":{}}"#;
        assert_eq!(bind(&schema(Extra::Ignore), line).map(|values| values.len()), Ok(3));
        assert_eq!(bind(&schema(Extra::Forbid), line), Err("x: extra_forbidden, : extra_forbidden".into()));
        let twice = r#"{"a":1,"x":1,"y":2,"x":3,"b":{"x":1}}"#;
        assert_eq!(bind(&schema(Extra::Forbid), twice), Err("x: extra_forbidden, y: extra_forbidden".into()));
        let kept = bind(&schema(Extra::Keep), line).expect("valid");
        assert_eq!(kept[3], r#"{"x":[1, 2],"":{}}"#);
        assert_eq!(bind(&schema(Extra::Keep), r#"{"a":1}"#).expect("valid")[3], "{}");
        assert_eq!(bind(&schema(Extra::Keep), r#"{"a":1,"x":"\u0000"}"#), Err("x: nul".into()));
    }

    #[test]
    fn of_kept_members_with_one_key_the_last_is_kept() {
        let schema = Schema { nul: Nul::Strip, ..schema(Extra::Keep) };
        for (line, kept) in [
            (r#"{"x":1,"a":1,"y":{},"x":[2]}"#, r#"{"y":{},"x":[2]}"#),
            (r#"{"x":1,"a":1,"\u0078":2}"#, r#"{"x":2}"#),
            (r#"{"x\u0000":1,"a":1,"x":2}"#, r#"{"x":2}"#),
            (r#"{"x":{"k":1,"k":2},"a":1}"#, r#"{"x":{"k":2}}"#),
        ] {
            assert_eq!(bind(&schema, line).expect("valid")[3], kept);
        }
    }

    #[test]
    fn altered_values_are_counted() {
        let schema = Schema { nul: Nul::Strip, ..schema(Extra::Keep) };
        let line = r#"{"a":1,"b":{"c":"t\u0000\u0000"},"x":"\u0000","y":1}"#;
        let format = crate::format::Json::new(&schema.paths(), schema.extras());
        let (arena, mut scratch) = (Bump::new(), JsonScratch::default());
        let (mut record, mut faults) = (Record::default(), Faults::default());
        let input = Input::new(line.as_bytes(), &arena);
        format.parse(input, &mut scratch, &mut record).expect("a JSON object");
        let row = schema.bind(&record, &arena, &mut faults).expect("valid");
        assert_eq!(row.altered(), Altered { nuls: 2, unsure_stamps: 0 });
    }

    #[test]
    fn the_faults_of_a_record_are_bounded() {
        let members: Vec<_> = (0..5000).map(|n| format!("\"x{n}\":{n}")).collect();
        let line = format!("{{{}}}", members.join(","));
        let faults = bind(&schema(Extra::Forbid), &line).expect_err("nothing is right");
        assert_eq!(faults.split(", ").count(), 1000);
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "[a-z\"\\\\\u{e4}]{0,5}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map("[abc]{1,2}", inner, 0..4)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Values are found where serde_json finds them, whatever surrounds them.
        #[test]
        fn values_are_found_where_serde_json_finds_them(
            members in proptest::collection::btree_map("[abcd]", any_json(), 0..5),
            pretty in any::<bool>(),
        ) {
            let value = serde_json::Value::Object(members.into_iter().collect());
            let any = |name: &str, from: &[&str]| Field {
                from: from.iter().map(|&step| step.to_owned()).collect(),
                ..Field::new(name, Kind::Json(Json::default())).optional()
            };
            let paths: [&[&str]; 5] = [&["a"], &["b", "a"], &["b", "0"], &["c", "1", "a"], &["d"]];
            let fields = paths.iter().map(|path| any(&path.join("/"), path)).collect();
            let schema = Schema { fields, extra: Extra::Keep, ..Schema::default() };
            let line = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let values = bind(&schema, &line.expect("JSON")).expect("valid");
            for (path, found) in paths.iter().zip(&values) {
                let found: serde_json::Value = serde_json::from_str(found).expect("JSON");
                let expected = value.pointer(&format!("/{}", path.join("/"))).unwrap_or(&serde_json::Value::Null);
                prop_assert_eq!(&found, expected, "at {:?}", path);
            }
            prop_assert_eq!(values[5].as_str(), "{}");
            let extra = bind(&Schema { fields: vec![], extra: Extra::Keep, ..Schema::default() }, &value.to_string());
            let extra: serde_json::Value = serde_json::from_str(&extra.expect("valid")[0]).expect("JSON");
            prop_assert_eq!(extra, value);
        }
    }
}
