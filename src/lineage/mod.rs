//! Where rows come from and where they go, in OpenLineage's terms: turns events into JSON.
//!
//! Each run of a command (a backfill has one for each day) is reported as started, and as completed or
//! failed, with its files, its table and that table's schema, how many rows it stored and its data date.
//! Nothing is counted here; everything is taken from the events of the run.

mod parent;
mod send;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::counts::Counts;
use crate::event::{Dataset, Event, Scope};
use crate::schema::Schema;

pub use send::{Target, send};

/// The common part of a job's runs.
#[derive(Debug)]
pub struct Lineage {
    namespace: String,
    /// The fields of the table, by name and type.
    fields: Value,
    /// The parent run, if a scheduler named one.
    parent: Option<Value>,
    runs: Mutex<HashMap<Scope, Run>>,
}

/// A run that has started.
#[derive(Debug)]
struct Run {
    id: String,
    job: String,
    date: Option<String>,
    output: Dataset,
    inputs: BTreeSet<PathBuf>,
    /// Why the first incomplete source was not loaded to its end.
    trouble: Option<String>,
}

/// More inputs than this are reported by their folders.
const INPUTS_MAX: usize = 200;

/// The producer of the events.
const PRODUCER: &str = concat!("https://github.com/logmill/logmill/", env!("CARGO_PKG_VERSION"));

const SPEC: &str = "https://openlineage.io/spec";

impl Lineage {
    /// The lineage of a job that fills a table with this schema. `variable` returns environment variables.
    pub fn new(schema: &Schema, variable: &dyn Fn(&str) -> Option<String>) -> Lineage {
        let fields = schema.fields.iter().map(|field| json!({"name": field.name, "type": field.kind.name()}));
        Lineage {
            namespace: variable("OPENLINEAGE_NAMESPACE").unwrap_or_else(|| "default".to_owned()),
            fields: fields.collect(),
            parent: parent::of(variable),
            runs: Mutex::default(),
        }
    }

    /// What to report about an event, if anything.
    pub fn of(&self, scope: Scope, event: &Event) -> Option<Value> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::RunStarted { job, date, dataset, .. } => {
                let run = Run {
                    id: new_id(),
                    job: job.clone(),
                    date: date.clone(),
                    output: dataset.clone(),
                    inputs: BTreeSet::new(),
                    trouble: None,
                };
                let told = self.event("START", &run, None, None);
                runs.insert(scope, run);
                Some(told)
            }
            Event::SourceClaimed { file, .. } => {
                runs.get_mut(&scope)?.inputs.insert(file.clone());
                None
            }
            Event::Refused { .. } | Event::GivenUp { .. } => {
                runs.get_mut(&scope)?.trouble.get_or_insert_with(|| event.to_string());
                None
            }
            Event::RunEnded { exit_code, counts, bytes, outcome, error, .. } => {
                let run = runs.remove(&scope)?;
                let kind = match exit_code {
                    0 | 3 => "COMPLETE",
                    128.. => "ABORT",
                    _ => "FAIL",
                };
                let why = || error.as_deref().or(run.trouble.as_deref()).unwrap_or(outcome);
                let why = (kind != "COMPLETE").then(why);
                Some(self.event(kind, &run, Some((counts, *bytes)), why))
            }
            _ => None,
        }
    }

    fn event(&self, kind: &str, run: &Run, stored: Option<(&Counts, u64)>, why: Option<&str>) -> Value {
        let mut of_run = BTreeMap::new();
        if let Some(parent) = &self.parent {
            of_run.insert("parent", facet("ParentRunFacet", "1-2-0", parent.clone()));
        }
        if let Some((start, end)) = run.date.as_deref().and_then(day) {
            let day = json!({"nominalStartTime": start, "nominalEndTime": end});
            of_run.insert("nominalTime", facet("NominalTimeRunFacet", "1-0-1", day));
        }
        if let Some(why) = why {
            let message = json!({"message": why, "programmingLanguage": "Rust"});
            of_run.insert("errorMessage", facet("ErrorMessageRunFacet", "1-0-1", message));
        }
        let kind_of_job = json!({"processingType": "BATCH", "integration": "LOGMILL", "jobType": "JOB"});
        let Dataset { namespace, name } = &run.output;
        let schema = facet("SchemaDatasetFacet", "1-2-0", json!({"fields": self.fields}));
        let mut output = json!({"namespace": namespace, "name": name, "facets": {"schema": schema}});
        if let Some((counts, bytes)) = stored {
            let rows = counts.inserted + counts.updated;
            let stored = facet("OutputStatisticsOutputDatasetFacet", "1-0-2", json!({"rowCount": rows}));
            let read = json!({"filesRead": run.inputs.len(), "bytesRead": bytes, "counts": counts});
            output["outputFacets"] =
                json!({"outputStatistics": stored, "logmill_counts": facet_of_ours(read)});
        }
        json!({
            "eventType": kind,
            "eventTime": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "run": {"runId": run.id, "facets": of_run},
            "job": {
                "namespace": self.namespace,
                "name": run.job,
                "facets": {"jobType": facet("JobTypeJobFacet", "2-0-4", kind_of_job)}
            },
            "inputs": inputs(&run.inputs),
            "outputs": [output],
            "producer": PRODUCER,
            "schemaURL": format!("{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"),
        })
    }
}

/// The files as datasets, or their folders if there are many.
fn inputs(files: &BTreeSet<PathBuf>) -> Value {
    // Standard input has no name that means anything to others.
    let mut files: Vec<&Path> =
        files.iter().map(PathBuf::as_path).filter(|file| *file != Path::new("-")).collect();
    if files.len() > INPUTS_MAX {
        files = files.iter().filter_map(|file| file.parent()).collect::<BTreeSet<_>>().into_iter().collect();
        files.truncate(INPUTS_MAX);
    }
    files.into_iter().map(|file| json!(Dataset::at(&file.to_string_lossy()))).collect()
}

/// A facet of the specification.
fn facet(name: &str, version: &str, mut fields: Value) -> Value {
    fields["_producer"] = PRODUCER.into();
    fields["_schemaURL"] = format!("{SPEC}/facets/{version}/{name}.json#/$defs/{name}").into();
    fields
}

/// A facet of logmill's own, with only the members that every facet has.
fn facet_of_ours(mut fields: Value) -> Value {
    fields["_producer"] = PRODUCER.into();
    fields["_schemaURL"] = format!("{SPEC}/2-0-2/OpenLineage.json#/$defs/OutputDatasetFacet").into();
    fields
}

/// The beginnings of a day and of the next.
fn day(date: &str) -> Option<(String, String)> {
    let date: chrono::NaiveDate = date.parse().ok()?;
    let start = |date: chrono::NaiveDate| format!("{date}T00:00:00Z");
    Some((start(date), start(date.succ_opt()?)))
}

/// A new run id: a UUID of version 7, which begins with the time.
fn new_id() -> String {
    let ms = u64::try_from(Utc::now().timestamp_millis()).unwrap_or(0);
    let random = fastrand::u128(..).to_be_bytes();
    let [a, b, c, d, e, f, g, h, i, j, ..] = random;
    uuid::Builder::from_unix_timestamp_millis(ms, &[a, b, c, d, e, f, g, h, i, j]).into_uuid().to_string()
}

#[cfg(test)]
mod tests;
