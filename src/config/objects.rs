//! `[destination]` as a bucket: how objects are made, and what a bucket cannot do.

use super::Url;
use super::reader::Reader;
use super::scope::Scope;
use crate::schema::Schema;
use crate::sink::Key;
use crate::sink::kinds::is_bucket;
use crate::sink::objects::layout::{Form, Layout, PathPattern};

/// A column that readers of partitioned objects add.
const DAY: &str = "day";

/// Reads the keys that exist only for buckets.
pub(super) fn read(reader: &mut Reader<'_>, scope: &Scope<'_>, url: &Url) -> Layout {
    if !is_bucket(url.reveal()) {
        for name in ["as", "object_size", "path"] {
            let Some(place) = scope.place_of(name) else { continue };
            reader.find(
                format!("'{name}' is for buckets, and the job's url names a database; leave it out"),
                &place,
            );
        }
        return Layout::default();
    }
    let word = reader.word(scope, "as");
    let form = Form::ALL.into_iter().find(|form| form.word() == word);
    Layout {
        form: form.unwrap_or(Form::NdjsonZst),
        object_bytes: reader.size(scope, "object_size"),
        path: path(reader, scope),
    }
}

fn path(reader: &mut Reader<'_>, scope: &Scope<'_>) -> PathPattern {
    let Some((text, place)) = reader.text(scope, "path") else { return PathPattern::default() };
    PathPattern::parse(&text).unwrap_or_else(|why| {
        reader.find(format!("'path' {why}"), &place);
        PathPattern::default()
    })
}

/// Refuses what a bucket cannot do.
pub(super) fn check(
    reader: &mut Reader<'_>,
    job: &Scope<'_>,
    scope: &Scope<'_>,
    record: &Scope<'_>,
    (url, key, schema): (&Url, &Key, &Schema),
) {
    if !is_bucket(url.reveal()) {
        return;
    }
    if matches!(key, Key::Content | Key::Columns(_)) {
        let message = "a bucket has no index to find rows by, so its key must be \"position\" or \"none\"";
        reader.find(message, &scope.place_of("key").unwrap_or_default());
    }
    if let Some(place) = scope.place_of("on_conflict") {
        reader.find("rows in a bucket never conflict, so there is no 'on_conflict'; leave it out", &place);
    }
    if let Some(place) = job.place_of("rollup") {
        reader.find("a bucket cannot compute rollups; leave them out", &place);
    }
    let names = schema.fields.iter().map(|field| field.name.as_str());
    if names.into_iter().any(|name| name == DAY) {
        let message = "field 'day' has the name of the day in the names of objects; give it another name \
            and from = \"day\"";
        let fields = record.value("fields").and_then(|value| value.get_ref().as_table());
        match fields.and_then(|fields| fields.get_key_value(DAY)) {
            Some((key, _)) => reader.find(message, &key.span()),
            None => reader.find_absent(message, record),
        }
    }
}
