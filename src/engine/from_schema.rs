//! A job with the fields of a JSON Schema, for a person to edit.
//!
//! Beside each field is a remark on what the schema does not express, or expresses without being enforced.

use std::path::{Path, PathBuf};

use super::infer::Inferred;
use crate::config::{self, Draft, Overrides, Proposed};
use crate::error::{Error, Result};
use crate::infer::{job_name, table_name};
use crate::report::{self, InferredField};
use crate::schema::{Fault, Field, Imported, Owned, Value, unsaid};
use crate::sink;

/// A JSON Schema without a job, and where its job would be.
#[derive(Debug)]
pub struct UnwrittenSchema {
    /// The path of the job file.
    pub path: PathBuf,
    /// The name of the job.
    pub name: String,
    schema: PathBuf,
}

impl UnwrittenSchema {
    /// The job of the schema in this file.
    pub fn of(schema: &Path) -> Result<UnwrittenSchema> {
        let name = job_name(&[schema]).map(|name| name.trim_end_matches(".schema").to_owned());
        let name =
            name.ok_or_else(|| Error::usage(format!("{} is not the name of a file", schema.display())))?;
        let here = if name.starts_with('-') { "./" } else { "" };
        let path = PathBuf::from(format!("{here}{name}.logmill.toml"));
        Ok(UnwrittenSchema { path, name, schema: schema.to_owned() })
    }

    /// The job, with everything that the schema says about its fields.
    pub fn infer(&self, overrides: &Overrides) -> Result<Inferred> {
        let Imported { schema, weaker, .. } = config::import_schema(&self.schema)?;
        let fields: Vec<Proposed> = schema.fields.into_iter().map(|field| proposed(field, &weaker)).collect();
        let url = overrides.into.as_ref().map_or(sink::kinds::DEFAULT, |url| url.reveal());
        let table = overrides.table.as_ref().map_or_else(|| table_name(&self.name), ToString::to_string);
        let text = config::write(&Draft {
            name: &self.name,
            files: &["*.ndjson".to_owned()],
            format: "format = \"ndjson\"\n",
            fields: &fields,
            extra: schema.extra,
            url,
            table: &table,
            ..Draft::default()
        });
        let warnings = weaker.iter().map(|Fault { path, message, .. }| format!("{path}: {message}"));
        let report = report::Inferred {
            records: 0,
            malformed: 0,
            bytes_read: 0,
            bytes: 0,
            all: true,
            files: 0,
            candidates: Vec::new(),
            fields: fields.iter().map(told).collect(),
            warnings: warnings.collect(),
            what: self.schema.display().to_string(),
            inflated: 0,
        };
        Ok(Inferred { text, report })
    }
}

fn told(Proposed { field, note, .. }: &Proposed) -> InferredField {
    InferredField {
        name: field.name.clone(),
        from: field.from.clone(),
        kind: field.kind.name(),
        required: field.required,
        nullable: field.nullable,
        note: note.clone(),
    }
}

/// A field in the form that a job can express, with remarks.
fn proposed(field: Field, weaker: &[Fault]) -> Proposed {
    let mut notes = Vec::new();
    let place = format!("#/properties/{}", field.name.replace('~', "~0").replace('/', "~1"));
    let is_here = |fault: &&Fault| fault.path == place || fault.path.starts_with(&format!("{place}/"));
    notes.extend(weaker.iter().filter(is_here).map(|fault| fault.message.clone()));
    notes.extend(unsaid(&field.kind).map(ToOwned::to_owned));
    let field = match &field.default {
        // TOML has no null: a field that may be absent is implicitly null.
        Some(default) if *default == Owned::Plain(Value::Null) => Field { default: None, ..field },
        Some(default) if !config::can_write(&field.kind, default) => {
            notes.push("its default contains a null, which TOML cannot express, so it is omitted".to_owned());
            Field { default: None, ..field }
        }
        _ => field,
    };
    Proposed { note: notes.join("; "), ..Proposed::new(field) }
}
