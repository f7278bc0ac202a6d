//! `[record]`: the fields of a job as a schema.
//!
//! The table of keys says which keys a type accepts. This module gives their values meaning: each is read
//! into its place in the schema, and contradictions (a default for a required field) are reported. `kind`
//! reads what a value must be, and `default` what replaces a missing one.

mod default;
mod kind;

use std::fs::File;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeValue;

use self::kind::Rules;
use super::keys::{self, Takes};
use super::quote::quoted;
use super::reader::Reader;
use super::scope::{Scope, TextRange, as_text};
use super::{bounded, units};
use crate::error::{Error, Result, unnumbered};
use crate::format::pointer_steps;
use crate::schema::{
    Clock, Extra, Fault, Field, ImportTerms, Imported, Nul, Nulls, Schema, Year, import_json_schema,
};

/// What makes a record valid as a row.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its fields and their rules.
    pub schema: Schema,
    /// The JSON Schema file that defines the fields, if the job file does not.
    pub schema_file: Option<PathBuf>,
    /// Its demands that are not enforced, so that their fields are kept as JSON.
    pub weaker: Vec<Fault>,
    /// What a JSON Schema cannot express, and a model may require.
    pub unsaid: Vec<Fault>,
}

/// The source's rules for values, rather than their fields'.
pub(super) struct OfSource {
    /// The time zone of timestamps that name none.
    pub(super) clock: Clock,
    /// The year of timestamps that name none.
    pub(super) year: Option<Year>,
    /// Texts that mean null.
    pub(super) nulls: Nulls,
}

impl Record {
    /// Reads `[record]`: `[record.fields]`, or the schema file that replaces it; timestamps take missing
    /// parts from the source. Also returns whether it has all its fields: after a finding, a field may be
    /// absent only because it was written wrongly.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        record: &Scope<'_>,
        OfSource { clock, year, nulls }: OfSource,
        folder: &Path,
    ) -> (Record, bool) {
        let common = &Common::read(reader, record, clock, year);
        let found = reader.findings();
        let mut schema_file = None;
        let given = record.value("fields").map(|value| fields(reader, value, "", common));
        let keeps_unsupported = reader.word(record, "on_unsupported") == "json";
        let Imported { schema, weaker, unsaid } = match (given, reader.text(record, "schema")) {
            (given, Some((name, place))) => {
                let path = schema_file.insert(folder.join(name));
                let terms = ImportTerms {
                    strict: common.strict,
                    clock: common.clock,
                    overrides: &given.unwrap_or_default(),
                    keeps_unsupported,
                };
                of_json_schema(reader, path, &place, &terms)
            }
            (Some(fields), None) => {
                Imported { schema: Schema { fields, ..Schema::default() }, ..Imported::default() }
            }
            (None, None) => {
                // A `schema` key that is not a text has been reported.
                if !record.has("schema") {
                    let message =
                        "the job has no fields; name them under [record.fields], as in message = \"text\"";
                    reader.find_absent(message, record);
                }
                Imported::default()
            }
        };
        if let Some(place) = record.place_of("on_unsupported")
            && !record.has("schema")
        {
            reader.find("'on_unsupported' is about a 'schema', and the job has none; leave it out", &place);
        }
        // The job's own setting wins.
        let extra =
            if record.has("extra") || schema.extra == Extra::Ignore { common.extra } else { schema.extra };
        let schema = Schema { fields: schema.fields, extra, nul: common.nul, nulls, ..Schema::default() };
        if let Some(name) = schema.stands_alone() {
            let message = format!("field {} has type 'again', but no object contains it", quoted(name));
            reader.find_absent(message, record);
        }
        let schema = schema.flattened().unwrap_or_else(|message| {
            reader.find_absent(message, record);
            Schema::default()
        });
        let record = Record { schema: schema.with_lacking(), schema_file, weaker, unsaid };
        (record, reader.findings() == found)
    }
}

/// At most this many places in a schema are named in one warning.
const PLACES_MAX: usize = 5;

impl Record {
    /// Warnings about a schema that is enforced less strictly than its author may think.
    pub fn warnings(&self) -> Vec<String> {
        let warning = |what: &str, places: &[Fault], then: &str| {
            let named = places.iter().take(PLACES_MAX);
            let named = named.map(|Fault { path, message, .. }| format!("{path} ({message})"));
            let more = match places.len().saturating_sub(PLACES_MAX) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let named = named.collect::<Vec<_>>().join(", ");
            (!places.is_empty()).then(|| format!("{what}: {named}{more}{then}"))
        };
        let what = "stored as JSON, because some of its rules in the schema are not enforced";
        let weaker = warning(what, &self.weaker, "");
        let what = "the schema does not say what its model may";
        let then = "; a field of [record.fields], or x-logmill in the schema, says it";
        weaker.into_iter().chain(warning(what, &self.unsaid, then)).collect()
    }
}

/// The job's settings for all fields.
#[derive(Clone, Copy)]
struct Common {
    strict: bool,
    extra: Extra,
    nul: Nul,
    /// The time zone of timestamps that name none.
    clock: Clock,
    /// The year of timestamps that name none.
    year: Option<Year>,
    /// Whether they apply to values that are only inspected, and not stored as they are read.
    is_like: bool,
}

impl Common {
    /// Reads the settings of `[record]` for all fields.
    fn read(reader: &mut Reader<'_>, record: &Scope<'_>, clock: Clock, year: Option<Year>) -> Common {
        let strict = reader.word(record, "mode") == "strict";
        let extra = Extra::from_word(reader.word(record, "extra"));
        let nul = match reader.word(record, "nul") {
            "strip" => Nul::Strip,
            "replace" => Nul::Replace,
            _ => Nul::Reject,
        };
        Common { strict, extra, nul, clock, year, is_like: false }
    }
}

/// A longer file is not the schema of a record.
const SCHEMA_BYTES_MAX: u64 = 4 << 20;

/// The schema in a file, by itself: fields with demands that are not enforced are kept as JSON.
pub fn import_schema(path: &Path) -> Result<Imported> {
    let terms =
        ImportTerms { strict: false, clock: Clock::default(), overrides: &[], keeps_unsupported: true };
    import(path, &path.display().to_string(), &terms).map_err(Error::usage)
}

/// The schema in a file, which messages show as `shown`.
fn import(path: &Path, shown: &str, terms: &ImportTerms<'_>) -> Result<Imported, String> {
    let text = match File::open(path).and_then(|file| bounded(file, SCHEMA_BYTES_MAX)) {
        Ok(Some(bytes)) => {
            String::from_utf8(bytes).map_err(|_| format!("the schema {shown} is not UTF-8"))?
        }
        Ok(None) => {
            let max = units::print_size(SCHEMA_BYTES_MAX);
            return Err(format!("{shown} has more than {max}, so it is not the schema of a record"));
        }
        Err(cause) => return Err(format!("cannot read the schema {shown}: {}", unnumbered(&cause))),
    };
    import_json_schema(&text, terms).map_err(|error| format!("{shown} cannot be used as a schema: {error}"))
}

fn of_json_schema(
    reader: &mut Reader<'_>,
    path: &Path,
    place: &TextRange,
    terms: &ImportTerms<'_>,
) -> Imported {
    let shown = match reader.has_variable(place) {
        true => reader.quoted_part(&path.to_string_lossy(), place),
        false => path.display().to_string(),
    };
    import(path, &shown, terms).unwrap_or_else(|message| {
        reader.find(message, place);
        Imported::default()
    })
}

/// Reads a table of fields. `parent` is the path to them, with a trailing dot.
fn fields<'s>(
    reader: &mut Reader<'_>,
    value: &'s Spanned<DeValue<'s>>,
    parent: &str,
    common: &Common,
) -> Vec<Field> {
    let DeValue::Table(table) = value.get_ref() else {
        reader.mismatch(keys::FIELD.key("fields"), value);
        return Vec::new();
    };
    if table.is_empty() {
        reader.find("there is no field here; name at least one, as in message = \"text\"", &value.span());
    }
    let mut fields = Vec::with_capacity(table.len());
    for (key, value) in table {
        let name = key.get_ref();
        if name.is_empty() || name.contains('\0') {
            reader.find("a field needs a name that a column can have", &key.span());
        }
        let path = format!("{parent}{name}");
        fields.extend(field(reader, name, &path, &key.span(), value, common, Part::Field));
    }
    fields
}

/// Whether a field belongs to a record or object, or describes values within one, by a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part<'k> {
    Field,
    Inner(&'k str),
}

/// Keys that say where a value is and what happens if it is absent.
const NOT_OF_ITEMS: [&str; 3] = ["from", "required", "default"];

/// Reads one field. `None` if its type is unknown, which has been reported then.
fn field<'s>(
    reader: &mut Reader<'_>,
    name: &str,
    path: &str,
    place: &TextRange,
    value: &'s Spanned<DeValue<'s>>,
    common: &Common,
    part: Part<'_>,
) -> Option<Field> {
    let called = match part {
        Part::Field => format!("field {}", quoted(path)),
        Part::Inner("of") => format!("a type of field {}", quoted(path)),
        Part::Inner("like") => format!("what field {} is like", quoted(path)),
        Part::Inner(what) => format!("the {what} of field {}", quoted(path)),
    };
    let (scope, word) = match value.get_ref() {
        DeValue::Table(table) => {
            let scope = reader.table_of(&keys::FIELD, table, value.span(), &called);
            let Some(written) = reader.written(&scope, "type") else {
                if !scope.has("type") {
                    let types = keys::any_word(keys::TYPES);
                    reader.find(format!("{called} has no type; add one of {types}"), place);
                }
                return None;
            };
            (scope, written)
        }
        _ => match as_text(value) {
            Some(written) => (Scope::empty(&keys::FIELD, value.span()), written),
            None => {
                reader.find(
                    format!("{called} takes {}, not {}", Takes::Field.describe(), reader.describe(value)),
                    &value.span(),
                );
                return None;
            }
        },
    };
    let kind_name = reader.word_of(keys::TYPES, "type", &word)?;
    check_keys(reader, &scope, kind_name, part);

    let strict = reader.flag_given(&scope, "strict").unwrap_or(common.strict);
    let required_given = reader.flag_given(&scope, "required");
    let nullable_given = reader.flag_given(&scope, "nullable");
    let has_default = scope.has("default");
    let required = required_given.unwrap_or(!has_default);
    let nullable = nullable_given.unwrap_or(!required && !has_default);
    if part == Part::Field && required && has_default {
        let place = scope.place_of("default").expect("it has one");
        reader.find(
            format!("{called} is required, so it never takes a default; leave out one of the two"),
            &place,
        );
    }
    let from = match part {
        Part::Field => from(reader, &scope, name),
        Part::Inner(_) => Vec::new(),
    };
    let rules = Rules { scope: &scope, path, called: &called, place, common };
    let kind = rules.read(reader, kind_name)?;
    let rules = Field::new(name, kind);
    let mut field = Field { from, required, nullable, strict, ..rules };
    if let Some(value) = scope.value("default").filter(|_| part == Part::Field) {
        field.default = default::default(reader, &scope, &field, &called, value);
    }
    Some(field)
}

/// Reports keys that do not apply to this type of field.
fn check_keys(reader: &mut Reader<'_>, scope: &Scope<'_>, kind_name: &str, part: Part<'_>) {
    for (key, place) in scope.given() {
        if let Part::Inner(what) = part
            && NOT_OF_ITEMS.contains(&key.name)
        {
            let whose = if what == "items" { "the items of a list" } else { "values within a field" };
            reader.find(format!("'{}' is not for {whose}", key.name), &place);
            continue;
        }
        if part == Part::Inner("of") && key.name == "nullable" {
            reader.find("'nullable' is not for a type of a union; it is for the union", &place);
            continue;
        }
        let (name, types) = (key.name, keys::types(key.name));
        if !types.is_empty() && !types.contains(&kind_name) {
            let types = keys::any_of(&types);
            reader.find(format!("'{name}' is not for type {kind_name}; it is for {types}"), &place);
        }
    }
}

fn from(reader: &mut Reader<'_>, scope: &Scope<'_>, name: &str) -> Vec<String> {
    match reader.text(scope, "from") {
        None => vec![name.to_owned()],
        Some((text, place)) if text.starts_with('/') => pointer_steps(&text).unwrap_or_else(|| {
            reader.find(
                "not a JSON pointer: in one, '~' is written as '~0' and '/' within a key as '~1'",
                &place,
            );
            vec![text]
        }),
        Some((text, place)) => {
            if text.is_empty() {
                reader.find("'from' is empty; it takes a key, or a JSON pointer such as /user/id", &place);
            }
            vec![text]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_wrong, config, small_with};
    use super::*;

    /// The field that a line of `[record.fields]` describes.
    pub(super) fn field_of(line: &str) -> Field {
        let config = config(&small_with("record.fields", line));
        config.record.schema.fields[0].clone()
    }

    #[test]
    fn every_type_can_be_named_alone() {
        let need_more = ["enum", "object", "list", "union", "again"];
        for word in keys::TYPES.iter().filter(|word| !need_more.contains(&word.name)) {
            let field = field_of(&format!("a = \"{}\"", word.name));
            assert_eq!(field.kind.name(), word.name);
            assert_eq!((field.required, field.nullable, field.default), (true, false, None));
            assert_eq!(field.from, ["a"]);
        }
    }

    #[test]
    fn a_json_schema_stands_for_the_fields() {
        let folder = tempfile::tempdir().expect("a directory");
        let job = |record: &str| {
            format!(
                "name = \"j\"\n[source]\nformat = \"ndjson\"\n[record]\n{record}\n[destination]\ntable = \"t\"\n"
            )
        };
        let load = |schema: &str, record: &str| {
            std::fs::write(folder.path().join("x.schema.json"), schema).expect("written");
            let path = folder.path().join("job.toml");
            std::fs::write(&path, job(record)).expect("written");
            crate::config::Config::load(&path, &Default::default())
        };
        let schema = r#"{"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}, "n": {"type": "integer"}},
                         "required": ["at"], "additionalProperties": false}"#;
        let config = load(schema, "schema = \"x.schema.json\"").expect("read");
        let names: Vec<_> = config.record.schema.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!((names.as_slice(), config.record.schema.extra), (&["at", "n"][..], Extra::Forbid));

        let error = |schema: &str, record: &str| load(schema, record).expect_err("refused").to_string();
        assert!(
            error(r#"{"properties": {"a": {"contains": {}}}}"#, "schema = \"x.schema.json\"")
                .contains("#/properties/a")
        );
        assert!(error(schema, "schema = \"y.schema.json\"").contains("cannot read the schema"));
        assert!(
            error(schema, "schema = \"/dev/zero\"")
                .contains("/dev/zero has more than 4MiB, so it is not the schema of a record")
        );
        let beside = load(schema, "schema = \"x.schema.json\"\nfields.n = \"text\"\nfields.a = \"int\"");
        let fields = beside.expect("read").record.schema.fields;
        let kinds: Vec<_> = fields.iter().map(|field| (field.name.as_str(), field.kind.name())).collect();
        assert_eq!(kinds, [("at", "timestamp"), ("n", "text"), ("a", "int")]);

        let weak = r#"{"properties": {"a": {"type": "string", "format": "email"}}}"#;
        let json = load(weak, "schema = \"x.schema.json\"\non_unsupported = \"json\"").expect("read").record;
        assert_eq!((json.schema.fields[0].kind.name(), json.weaker.len()), ("json", 1));
        assert!(error(weak, "fields.a = \"int\"\non_unsupported = \"json\"").contains("the job has none"));

        let open = r#"{"properties": {"a": {}}, "additionalProperties": true}"#;
        let extra = |record: &str| load(open, record).expect("read").record.schema.extra;
        assert_eq!(extra("schema = \"x.schema.json\""), Extra::Keep);
        assert_eq!(extra("schema = \"x.schema.json\"\nextra = \"ignore\""), Extra::Ignore);
    }

    #[test]
    fn a_field_is_found_by_a_key_or_a_pointer() {
        assert_eq!(field_of("a = { type = \"int\", from = \"b.c\" }").from, ["b.c"]);
        assert_eq!(field_of("a = { type = \"int\", from = \"/b/c~1d\" }").from, ["b", "c/d"]);
        assert_eq!(field_of("\"a b\" = \"int\"").from, ["a b"]);
        assert_wrong(
            "record.fields",
            "a = { type = \"int\", from = \"/b~2\" }",
            "not a JSON pointer: in one, '~' is written as '~0' and '/' within a key as '~1'",
            "\"/b~2\"",
        );
        assert_wrong(
            "record.fields",
            "a = { type = \"int\", from = \"\" }",
            "'from' is empty; it takes a key, or a JSON pointer such as /user/id",
            "\"\"",
        );
    }

    #[test]
    fn required_nullable_and_default_follow_from_each_other() {
        let facts = |rules: &str| {
            let field = field_of(&format!("a = {{ type = \"int\"{rules} }}"));
            (field.required, field.nullable, field.default.is_some())
        };
        assert_eq!(facts(""), (true, false, false));
        assert_eq!(facts(", nullable = true"), (true, true, false));
        assert_eq!(facts(", required = false"), (false, true, false));
        assert_eq!(facts(", default = 0"), (false, false, true));
        assert_eq!(facts(", default = 0, nullable = true"), (false, true, true));
        assert_wrong(
            "record.fields",
            "a = { type = \"int\", required = true, default = 0 }",
            "field 'a' is required, so it never takes a default; leave out one of the two",
            "default",
        );
        // It may be absent, and then is null, but no record may contain null: JSON Schema's notion of
        // optional.
        assert_eq!(facts(", required = false, nullable = false"), (false, false, false));
    }

    #[test]
    fn a_rule_is_only_for_the_types_that_it_means_something_for() {
        for (rules, message, marked) in [
            (
                "type = \"int\", min_length = 1",
                "'min_length' is not for type int; it is for text",
                "min_length",
            ),
            ("type = \"text\", ge = 1", "'ge' is not for type text; it is for int, float or decimal", "ge"),
            ("type = \"date\", zone = \"any\"", "'zone' is not for type date; it is for timestamp", "zone"),
            ("type = \"json\", fields = {}", "'fields' is not for type json; it is for object", "fields"),
            (
                "type = \"text\", json_text = true",
                "'json_text' is not for type text; it is for json, object or list",
                "json_text",
            ),
            (
                "type = \"union\", of = [{ type = \"int\", nullable = true }, \"text\"]",
                "'nullable' is not for a type of a union; it is for the union",
                "nullable",
            ),
            (
                "type = \"list\", items = { type = \"int\", required = false }",
                "'required' is not for the items of a list",
                "required",
            ),
            (
                "type = \"list\", items = { type = \"int\", lower = true }",
                "'lower' is not for type int; it is for text or enum",
                "lower",
            ),
        ] {
            assert_wrong("record.fields", &format!("a = {{ {rules} }}"), message, marked);
        }
    }

    #[test]
    fn a_field_that_cannot_be_is_refused() {
        let types = keys::any_word(keys::TYPES);
        for (line, message, marked) in [
            ("a = {}", format!("field 'a' has no type; add one of {types}"), "a"),
            ("a = 1", "field 'a' takes the name of a type or a table, not 1".to_owned(), "1"),
            ("a = { type = 1 }", format!("'type' takes {types}, not 1"), "1"),
            ("a = \"integer\"", "unknown type 'integer'; did you mean 'int'?".to_owned(), "\"integer\""),
            ("a = \"str\"", "unknown type 'str'; did you mean 'text'?".to_owned(), "\"str\""),
            ("a = \"boolean\"", "unknown type 'boolean'; did you mean 'bool'?".to_owned(), "\"boolean\""),
            ("a = \"dat\"", "unknown type 'dat'; did you mean 'date'?".to_owned(), "\"dat\""),
            ("\"\" = \"int\"", "a field needs a name that a column can have".to_owned(), "\"\""),
            (
                "\"a\\u0000\" = \"int\"",
                "a field needs a name that a column can have".to_owned(),
                "\"a\\u0000\"",
            ),
            (
                "a = { type = \"list\", items = { tipe = \"int\", type = \"int\" } }",
                "unknown key 'tipe' in the items of field 'a'; did you mean 'type'?".to_owned(),
                "tipe",
            ),
        ] {
            assert_wrong("record.fields", line, &message, marked);
        }
    }
}
