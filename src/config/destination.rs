//! `[destination]`: what makes two rows the same, and which of them wins.
//!
//! The rules here need nothing but the job. Whether the table has an index for the key, and columns for the
//! fields, is for the sink to find out before the first row.

use std::path::{Path, PathBuf};

use super::columns::{self, Column};
use super::nearest::nearest;
use super::quote::quoted;
use super::reader::{Reader, first_repeated};
use super::scope::{Scope, TextRange, Written, as_text};
use super::{Overrides, Url, keys, objects};
use crate::error::secret;
use crate::schema::{Extra, Field, Kind, Schema};
use crate::sink::key::EXTRA;
use crate::sink::kinds::names;
use crate::sink::objects::layout::Layout;
use crate::sink::{Key, OnConflict, TableName};

/// Where rows go.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The database.
    pub url: Url,
    /// Whether the job file contains a password.
    pub has_password: bool,
    /// The folder that relative paths in the url start from.
    pub folder: PathBuf,
    /// The table, as the job names it.
    pub table: TableName,
    /// What identifies a row.
    pub key: Key,
    /// What happens if two rows have the same key.
    pub on_conflict: OnConflict,
    /// Columns with the same value in every row.
    pub columns: Vec<Column>,
    /// Whether a missing table is created.
    pub create: bool,
    /// How objects are made, if it is a bucket.
    pub objects: Layout,
}

impl Destination {
    /// Reads `[destination]`, as far as it does not depend on the fields.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        scope: &Scope<'_>,
        schema: &Schema,
        folder: &Path,
        overrides: &Overrides,
    ) -> Destination {
        let written = scope.value("url").and_then(as_text);
        let has_password = written.is_some_and(|written| secret::removed(written.text) != written.text);
        let (url, folder) = match &overrides.into {
            Some(url) => {
                reader.written(scope, "url");
                (url.clone(), PathBuf::new())
            }
            None => (url(reader, scope), folder.to_owned()),
        };
        let table = match &overrides.table {
            Some(table) => {
                reader.written(scope, "table");
                table.clone()
            }
            None => table(reader, scope),
        };
        let columns = columns::read(reader, scope);
        let key = key(reader, scope, schema, &columns);
        let on_conflict = on_conflict(reader, scope, &key);
        let objects = objects::read(reader, scope, &url);
        Destination {
            url,
            has_password,
            folder,
            table,
            key,
            on_conflict,
            columns,
            create: reader.flag(scope, "create"),
            objects,
        }
    }

    /// Checks that the fields named by `key` and `on_conflict` exist and fit.
    pub(super) fn check_fields(
        &self,
        reader: &mut Reader<'_>,
        scope: &Scope<'_>,
        record: &Scope<'_>,
        schema: &Schema,
    ) {
        let Destination { key, on_conflict, .. } = self;
        if let (Key::Columns(columns), Some(value)) = (key, scope.value("key")) {
            for (index, column) in columns.iter().enumerate() {
                let items = value.get_ref().as_array();
                let place = items.and_then(|items| items.get(index)).unwrap_or(value).span();
                match schema.fields.iter().find(|field| field.name == *column) {
                    Some(field) => check_key_column(reader, field, &place),
                    None if self.is_constant(column) => {}
                    None => unknown_column(reader, "the key", column, schema, &place),
                }
            }
        }
        if let (OnConflict::Newest(column), Some(value)) = (on_conflict, scope.value("on_conflict")) {
            let place = value.span();
            match schema.fields.iter().find(|field| field.name == *column) {
                // Of two different scalars one is always greater, on every destination.
                Some(field) if !field.kind.is_scalar() => {
                    let message = format!(
                        "'newest' needs a field whose values have an order; field {} is of type {}",
                        quoted(column),
                        field.kind.name()
                    );
                    reader.find(message, &place);
                }
                Some(_) => {}
                None if self.is_constant(column) => {}
                None => unknown_column(reader, "'newest'", column, schema, &place),
            }
        }
        check_columns(reader, record, schema, self);
        check_constants(reader, scope, schema, self);
        check_table(reader, scope, self);
    }

    /// Whether a column has the same value in every row.
    fn is_constant(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }
}

fn table(reader: &mut Reader<'_>, scope: &Scope<'_>) -> TableName {
    match reader.text(scope, "table") {
        Some((text, place)) => match text.parse() {
            Ok(table) => return table,
            Err(why) => reader.find(format!("'table' {why}"), &place),
        },
        None if scope.has("table") => {}
        None => reader.find_absent("[destination] has no table; add table = \"…\"", scope),
    }
    TableName::default()
}

fn url(reader: &mut Reader<'_>, scope: &Scope<'_>) -> Url {
    let default =
        keys::DESTINATION.key("url").default_text().expect("a default").parse().expect("a destination");
    match reader.text(scope, "url") {
        None => default,
        Some((text, place)) => match text.parse::<Url>() {
            Ok(url) if reader.has_variable(&place) => url.with_variable(),
            Ok(url) => url,
            Err(error) => {
                reader.find(error.to_string(), &place);
                default
            }
        },
    }
}

/// Reads `key`, as far as it does not depend on the fields.
fn key(reader: &mut Reader<'_>, scope: &Scope<'_>, schema: &Schema, constants: &[Column]) -> Key {
    let Some(value) = scope.value("key") else { return Key::Position };
    let Some(written) = as_text(value) else {
        let Some(columns) = reader.texts(scope, "key") else { return Key::Position };
        if columns.is_empty() {
            reader.find("the key has no columns; to append without one, write key = \"none\"", &value.span());
        }
        if let Some(index) = first_repeated(columns.iter().map(|(column, _)| column.as_str())) {
            reader.find("this column is in the key already", &columns[index].1.clone());
        }
        return Key::Columns(columns.into_iter().map(|(column, _)| column).collect());
    };
    let Some(text) = reader.expand(&written) else { return Key::Position };
    match text.as_str() {
        "position" => Key::Position,
        "content" => Key::Content,
        "none" => Key::None,
        _ if schema.fields.iter().any(|field| field.name == text) => Key::Columns(vec![text]),
        _ if constants.iter().any(|column| column.name == text) => Key::Columns(vec![text]),
        _ => {
            unknown_key(reader, &written, &text, schema);
            Key::Position
        }
    }
}

fn unknown_key(reader: &mut Reader<'_>, written: &Written<'_>, text: &str, schema: &Schema) {
    let given = reader.quoted(written);
    let fields = schema.fields.iter().map(|field| field.name.as_str());
    let known = ["position", "content", "none"].into_iter().chain(fields);
    let message = match nearest(text, known) {
        Some(nearest) => format!("unknown key {given}; did you mean '{nearest}'?"),
        None => format!("unknown key {given}; it is 'position', 'content', 'none' or a list of fields"),
    };
    reader.find(message, &written.place);
}

fn on_conflict(reader: &mut Reader<'_>, scope: &Scope<'_>, key: &Key) -> OnConflict {
    let Some((text, place)) = reader.text(scope, "on_conflict") else { return OnConflict::Update };
    let newest = text.strip_prefix("newest(").and_then(|text| text.strip_suffix(')'));
    let on_conflict = match (text.as_str(), newest) {
        ("update", _) => OnConflict::Update,
        ("keep", _) => OnConflict::Keep,
        (_, Some(column)) => OnConflict::Newest(column.trim().to_owned()),
        (_, None) => {
            reader.refuse(scope, "on_conflict");
            return OnConflict::Update;
        }
    };
    if *key == Key::None {
        let message = "with key = \"none\" no two rows are the same, so there is no 'on_conflict'; leave out one of the two";
        reader.find(message, &place);
        return OnConflict::Update;
    }
    on_conflict
}

fn check_key_column(reader: &mut Reader<'_>, field: &Field, place: &TextRange) {
    let name = quoted(&field.name);
    let is_fit = matches!(
        field.kind,
        Kind::Int(_) | Kind::Text(_) | Kind::Uuid { .. } | Kind::Date | Kind::Timestamp(_) | Kind::Bool
    );
    if !is_fit {
        let given = field.kind.name();
        let message = format!(
            "field {name} of the key is of type {given}; a key has int, text, uuid, date, timestamp and bool"
        );
        reader.find(message, place);
    }
    if !field.required || field.nullable {
        let fault = if field.nullable { "may be null" } else { "is not required" };
        let message = format!(
            "field {name} of the key {fault}; records without it would be the same row, so make it required and not nullable"
        );
        reader.find(message, place);
    }
}

fn unknown_column(reader: &mut Reader<'_>, what: &str, column: &str, schema: &Schema, place: &TextRange) {
    let start = format!("{what} names {}, which is not a field", reader.quoted_part(column, place));
    let message = match nearest(column, schema.fields.iter().map(|field| field.name.as_str())) {
        Some(nearest) => format!("{start}; did you mean '{nearest}'?"),
        None => format!("{start}; add it to [record.fields]"),
    };
    reader.find(message, place);
}

/// Refuses two columns with one name; its case may not matter.
fn check_columns(reader: &mut Reader<'_>, record: &Scope<'_>, schema: &Schema, destination: &Destination) {
    let names = names(destination.url.reveal());
    let is_same = |one: &str, other: &str| one == other || names.fold_case && one.eq_ignore_ascii_case(other);
    let mut find = |name: &str, message: String| {
        let fields = record.value("fields").and_then(|value| value.get_ref().as_table());
        match fields.and_then(|fields| fields.get_key_value(name)) {
            Some((key, _)) => reader.find(message, &key.span()),
            None => reader.find_absent(message, record),
        }
    };
    let ours = columns_of_ours(schema, &destination.key);
    for (index, field) in schema.fields.iter().enumerate() {
        let name = &field.name;
        if ours.iter().any(|our| is_same(our, name)) {
            find(
                name,
                format!(
                    "field '{name}' has the name of a column that logmill adds; give it another name and from = \"{name}\""
                ),
            );
        } else if let Some(other) = schema.fields[..index].iter().find(|other| is_same(&other.name, name)) {
            find(
                name,
                format!(
                    "field '{name}' differs from '{}' only in case, and the destination treats both as one \
                     column; give it another name and from = \"{name}\"",
                    other.name
                ),
            );
        }
    }
}

/// The columns of logmill's own that a table of the job has.
fn columns_of_ours(schema: &Schema, key: &Key) -> Vec<&'static str> {
    let mut ours = key.extra_columns().to_vec();
    if schema.extra == Extra::Keep {
        ours.push(EXTRA);
    }
    ours
}

/// A constant column must not have the name of another column.
fn check_constants(reader: &mut Reader<'_>, scope: &Scope<'_>, schema: &Schema, destination: &Destination) {
    let names = names(destination.url.reveal());
    let is_same = |one: &str, other: &str| one == other || names.fold_case && one.eq_ignore_ascii_case(other);
    let ours = columns_of_ours(schema, &destination.key);
    let given = scope.value("columns").and_then(|value| value.get_ref().as_table());
    for (index, Column { name, .. }) in destination.columns.iter().enumerate() {
        let is_taken = |other: &str| is_same(other, name);
        let what = if ours.iter().any(|our| is_taken(our)) {
            "a column that logmill adds"
        } else if schema.fields.iter().any(|field| is_taken(&field.name)) {
            "a field of the record"
        } else if destination.columns[..index].iter().any(|other| is_taken(&other.name)) {
            "another column, but for its case"
        } else {
            continue;
        };
        let place = given.and_then(|given| given.get_key_value(name.as_str())).map(|(key, _)| key.span());
        let message = format!("column {} has the name of {what}; give it another", quoted(name));
        reader.find(message, &place.unwrap_or_default());
    }
}

fn check_table(reader: &mut Reader<'_>, scope: &Scope<'_>, destination: &Destination) {
    let table = destination.table.name.to_ascii_lowercase();
    let taken = names(destination.url.reveal()).taken;
    let Some((prefix, whose)) = taken.iter().find(|(prefix, _)| table.starts_with(prefix)) else { return };
    let message = format!(
        "the table is named {}, and names that begin with {prefix} belong to {whose}; choose another name",
        quoted(&destination.table.name)
    );
    // Its name may come from the command line.
    let is_written = |written: Written<'_>| written.text.parse().as_ref() == Ok(&destination.table);
    match scope.value("table").filter(|value| as_text(value).is_some_and(is_written)) {
        Some(value) => reader.find(message, &value.span()),
        None => reader.find_absent(message, scope),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SMALL, assert_wrong, config, findings, small_with};
    use super::*;

    const FIELDS: &str = "\
        tenant = \"text\"\n\
        event_id = \"uuid\"\n\
        seen = { type = \"timestamp\", required = false }\n\
        cost = \"decimal\"\n\
        zone = { type = \"enum\", values = [\"a\"] }\n\
        context = \"json\"\n\
        maybe = { type = \"int\", nullable = true }\n\
        filled = { type = \"int\", default = 0 }";

    fn job(lines: &str) -> String {
        small_with("record.fields", FIELDS).replace("[destination]", &format!("[destination]\n{lines}"))
    }

    #[track_caller]
    fn assert_job_wrong(lines: &str, message: &str, marked: &str) {
        assert_eq!(findings(&job(lines)), [(message.to_owned(), marked.to_owned())]);
    }

    #[test]
    fn a_key_is_a_word_or_fields() {
        let key = |text: &str| config(&job(&format!("key = {text}"))).destination.key;
        let columns = |names: &[&str]| Key::Columns(names.iter().map(ToString::to_string).collect());
        assert_eq!(key("\"position\""), Key::Position);
        assert_eq!(key("\"content\""), Key::Content);
        assert_eq!(key("\"none\""), Key::None);
        assert_eq!(key("\"event_id\""), columns(&["event_id"]));
        assert_eq!(key("[\"tenant\", \"event_id\"]"), columns(&["tenant", "event_id"]));
        assert_eq!(key("[\"id\"]"), columns(&["id"]));
    }

    #[test]
    fn a_key_must_be_there_and_never_null() {
        for (lines, message, marked) in [
            (
                "key = [\"tenant\", \"cost\"]",
                "field 'cost' of the key is of type decimal; a key has int, text, uuid, date, timestamp and bool",
                "\"cost\"",
            ),
            (
                "key = \"zone\"",
                "field 'zone' of the key is of type enum; a key has int, text, uuid, date, timestamp and bool",
                "\"zone\"",
            ),
            (
                "key = [\"maybe\"]",
                "field 'maybe' of the key may be null; records without it would be the same row, so make it required and not nullable",
                "\"maybe\"",
            ),
            (
                "key = [\"filled\"]",
                "field 'filled' of the key is not required; records without it would be the same row, so make it required and not nullable",
                "\"filled\"",
            ),
            (
                "key = [\"tenent\"]",
                "the key names 'tenent', which is not a field; did you mean 'tenant'?",
                "\"tenent\"",
            ),
            (
                "key = [\"nothing\"]",
                "the key names 'nothing', which is not a field; add it to [record.fields]",
                "\"nothing\"",
            ),
            ("key = [\"id\", \"id\"]", "this column is in the key already", "\"id\""),
            ("key = []", "the key has no columns; to append without one, write key = \"none\"", "[]"),
            ("key = \"postion\"", "unknown key 'postion'; did you mean 'position'?", "\"postion\""),
            ("key = \"event\"", "unknown key 'event'; did you mean 'event_id'?", "\"event\""),
            (
                "key = \"primary\"",
                "unknown key 'primary'; it is 'position', 'content', 'none' or a list of fields",
                "\"primary\"",
            ),
            ("key = true", "'key' takes 'position', 'content', 'none' or a list of fields, not true", "true"),
        ] {
            assert_job_wrong(lines, message, marked);
        }
    }

    #[test]
    fn a_conflict_is_decided_by_what_can_decide() {
        let on_conflict =
            |text: &str| config(&job(&format!("on_conflict = \"{text}\""))).destination.on_conflict;
        assert_eq!(on_conflict("update"), OnConflict::Update);
        assert_eq!(on_conflict("keep"), OnConflict::Keep);
        assert_eq!(on_conflict("newest(seen)"), OnConflict::Newest("seen".to_owned()));
        assert_eq!(on_conflict("newest( cost )"), OnConflict::Newest("cost".to_owned()));
        for (lines, message, marked) in [
            (
                "on_conflict = \"replace\"",
                "'on_conflict' takes 'update', 'keep' or 'newest(column)', not 'replace'",
                "\"replace\"",
            ),
            (
                "on_conflict = \"newest\"",
                "'on_conflict' takes 'update', 'keep' or 'newest(column)', not 'newest'",
                "\"newest\"",
            ),
            (
                "on_conflict = \"newest(sen)\"",
                "'newest' names 'sen', which is not a field; did you mean 'seen'?",
                "\"newest(sen)\"",
            ),
            (
                "on_conflict = \"newest(context)\"",
                "'newest' needs a field whose values have an order; field 'context' is of type json",
                "\"newest(context)\"",
            ),
            (
                "key = \"none\"\non_conflict = \"keep\"",
                "with key = \"none\" no two rows are the same, so there is no 'on_conflict'; leave out one of the two",
                "\"keep\"",
            ),
        ] {
            assert_job_wrong(lines, message, marked);
        }
    }

    #[test]
    fn a_field_cannot_have_the_name_of_a_column_of_ours() {
        let message = |name: &str| {
            format!(
                "field '{name}' has the name of a column that logmill adds; give it another name and from = \"{name}\""
            )
        };
        let text =
            small_with("record.fields", "source_id = \"int\"\nrecord_hash = \"text\"\nextra = \"json\"");
        assert_eq!(findings(&text), [(message("source_id"), "source_id".to_owned())]);
        let with = |lines: &str| text.replace("[destination]", &format!("{lines}\n[destination]"));
        let text_by_content = text.replace("[destination]", "[destination]\nkey = \"content\"");
        assert_eq!(findings(&text_by_content), [(message("record_hash"), "record_hash".to_owned())]);
        let kept =
            with("[record]\nextra = \"keep\"").replace("[destination]", "[destination]\nkey = [\"id\"]");
        assert_eq!(findings(&kept), [(message("extra"), "extra".to_owned())]);
    }

    #[test]
    fn names_that_sqlite_cannot_tell_apart_are_refused_for_sqlite() {
        let fields = small_with("record.fields", "userId = \"int\"\nuserid = \"int\"\nSource_ID = \"int\"");
        let (sqlite, server) = ("url = \"sqlite:x.db\"", "url = \"postgres://h/d\"");
        let into = |url: &str| fields.replace("[destination]", &format!("[destination]\n{url}"));
        let [(case, userid), (ours, source_id)] = &findings(&into(sqlite))[..] else {
            panic!("not two findings")
        };
        assert!(case.starts_with("field 'userid' differs from 'userId' only in case"), "{case}");
        assert!(ours.starts_with("field 'Source_ID' has the name of a column that logmill adds"), "{ours}");
        assert_eq!((userid.as_str(), source_id.as_str()), ("userid", "Source_ID"));
        config(&into(server));
    }

    #[test]
    fn a_table_is_not_called_like_those_of_sqlite_or_ours() {
        for (table, whose) in [
            ("sqlite_log", "SQLite"),
            ("SQLite_", "SQLite"),
            ("logmill_sources", "logmill"),
            ("Logmill_x", "logmill"),
        ] {
            let into =
                |url: &str| SMALL.replace("table = \"t\"", &format!("url = \"{url}\"\ntable = \"{table}\""));
            let prefix = &table.to_ascii_lowercase()[..if whose == "SQLite" { 7 } else { 8 }];
            let message = format!(
                "the table is named '{}', and names that begin with {prefix} belong to {whose}; choose another name",
                table.to_ascii_lowercase()
            );
            assert_eq!(findings(&into("sqlite:x.db")), [(message, format!("\"{table}\""))]);
            config(&into("postgres://h/d"));
        }
    }

    #[test]
    fn a_field_that_is_written_wrongly_is_not_missed_as_well() {
        let text = SMALL
            .replace("id = \"int\"", "id = \"itn\"")
            .replace("[destination]", "[destination]\nkey = [\"id\"]");
        assert_eq!(
            findings(&text),
            [("unknown type 'itn'; did you mean 'int'?".to_owned(), "\"itn\"".to_owned())]
        );
    }

    #[test]
    fn a_destination_must_be_one_that_is_known() {
        assert_wrong(
            "destination",
            "url = \"logs.db\"",
            "a destination is a URL (postgres://HOST/DATABASE), a connection string (host=HOST dbname=DATABASE), sqlite:PATH or a bucket (s3://BUCKET/FOLDER)",
            "\"logs.db\"",
        );
        assert_wrong("destination", "url = 1", "'url' takes text, not 1", "1");
    }
}
