//! What happens during a run, as values: waiting, held, committed, refused.
//!
//! A summary reports how a run ended; events report what it is doing. The code that causes an event knows
//! nothing about the watchers: a log line, the bar, a counter of metrics. The sentence for people is composed
//! here, once, and everything else reads fields.
//!
//! There are at most a few events per batch; the pipeline's own counters are cheaper.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::counts::Counts;
use crate::figure;
use crate::printable::file_name;

/// Something that happened during a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A run has begun: the destination is open, and nothing is claimed yet. Or it could not be opened, and
    /// `run_ended` has the reason.
    RunStarted {
        /// Its id, if the destination stores runs.
        run: Option<i64>,
        /// The command.
        command: String,
        /// The name of the job.
        job: String,
        /// Its data date.
        date: Option<String>,
        /// The destination, without secrets.
        destination: String,
        /// The destination under its names for lineage.
        dataset: Dataset,
    },
    /// An external resource is missing or busy, and the run will retry.
    Waiting {
        /// The cause: `connection`, `conflict`, `server`, `database_file`, `store` or `bucket`.
        trouble: &'static str,
        /// The problem.
        why: String,
        /// The maximum wait from now on.
        #[serde(rename = "at_most_seconds", serialize_with = "seconds")]
        at_most: Duration,
    },
    /// One of several attempts failed, and another follows.
    Retried {
        /// The cause, as in `waiting`.
        trouble: &'static str,
        /// Why it failed.
        cause: String,
        /// The number of the attempt, counted from one.
        attempt: u32,
    },
    /// A wait that was reported is over.
    Resumed {
        /// The cause of the wait, as in `waiting`.
        trouble: &'static str,
        /// The duration of the wait.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        after: Duration,
    },
    /// Another run holds a source, and may release it soon.
    Held {
        /// The source.
        source: String,
        /// The holder.
        holder: String,
        /// The maximum wait, unless it is unlimited.
        #[serde(rename = "at_most_seconds", serialize_with = "bound")]
        at_most: Option<Duration>,
    },
    /// No job was named, but one with the name of the files is beside them, and is used.
    JobFound {
        /// Its file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
    },
    /// The run now holds its sources.
    Claimed {
        /// The number of sources to read.
        sources: usize,
        /// The bytes to read, in compressed size.
        bytes: u64,
        /// The bytes of an earlier claim of this run that were still to be read; this claim replaces that
        /// number.
        again_bytes: u64,
    },
    /// The run holds a source, or one split of it.
    SourceClaimed {
        /// Its file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
        /// The id of the source.
        source: i32,
        /// The offset at which the split begins.
        start: u64,
        /// The offset where reading begins.
        position: u64,
        /// The bytes to read, in compressed size; null for a stream of unknown size.
        bytes: u64,
    },
    /// A batch is durable; in a rebuild, it becomes durable with the rebuild.
    Committed {
        /// The results of its records.
        #[serde(flatten)]
        counts: Counts,
        /// The reasons of its rejects, by code. A record with several reasons counts for each.
        reasons: Vec<CodeCount>,
        /// The bytes that it was read from, decompressed.
        bytes: u64,
        /// The same in the files, in compressed size.
        raw_bytes: u64,
        /// How long the destination took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
    },
    /// Data reported as committed is gone: the destination has lost it, or a rebuild was given up. If it is
    /// loaded again, it is reported again.
    TakenBack {
        /// The former results of the records.
        #[serde(flatten)]
        counts: Counts,
        /// The reasons of former rejects, as far as they are taken back.
        reasons: Vec<CodeCount>,
        /// The bytes that they were read from, decompressed.
        bytes: u64,
        /// The same in the files, in compressed size, as far as they are taken back.
        raw_bytes: u64,
        /// The number of batches, as far as they are taken back.
        batches: u64,
        /// The number of sources that had been finished. Their new results are reported again.
        finished: u64,
        /// The number of sources that had been refused, and are checked again.
        refused: u64,
        /// The number of sources that had been given up, and are tried again.
        given_up: u64,
    },
    /// A file contains nothing new, and is not read.
    LeftOut {
        /// The file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
        /// The reason.
        why: String,
    },
    /// A file of a folder is not a log, and is skipped.
    PassedOver {
        /// The file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A file cannot be loaded. The others can.
    Refused {
        /// The file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
        /// The reason, and what to do.
        why: String,
    },
    /// A source has too many dead letters, and the rest of it is not loaded. Others continue.
    GivenUp {
        /// The file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
        /// Its open dead letters.
        dead_letters: u64,
        /// Its loaded records, including dead letters.
        records: u64,
    },
    /// A source is loaded to its end.
    Finished {
        /// Its file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
        /// The number of records that this run loaded from it, including rejects.
        records: u64,
    },
    /// The run for a day of a backfill has ended.
    DayEnded {
        /// The day.
        date: String,
        /// Its state: `partial`, `done` or `failed`.
        state: &'static str,
        /// The number of records that this run loaded, including rejects.
        records: u64,
        /// Its rejects.
        rejected: u64,
        /// How long it took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
        /// Why it is not done.
        reason: Option<String>,
    },
    /// A run has ended, and has stored that in the destination if possible.
    RunEnded {
        /// Its id.
        run: Option<i64>,
        /// One word for its outcome.
        outcome: &'static str,
        /// The exit code of a command that does nothing else.
        exit_code: u8,
        /// The results of the run's records.
        #[serde(flatten)]
        counts: Counts,
        /// The bytes that they were read from, decompressed.
        bytes: u64,
        /// The same in the files, in compressed size.
        raw_bytes: u64,
        /// The number of batches.
        batches: u64,
        /// Open dead letters of the whole job; null if they could not be looked up.
        open_dead_letters_of_job: Option<u64>,
        /// How long it took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
        /// The error that ended it, if any.
        error: Option<String>,
    },
    /// Metrics of the run are available.
    Listening {
        /// The address.
        url: String,
    },
    /// A warning or notice that does not stop the run.
    Warning {
        /// The message, with what to do.
        text: String,
    },
    /// Others could read or change the traffic. Reported even with `-q`.
    Unsafe {
        /// The message, with what to do.
        text: String,
    },
}

/// A table, a file or an object, under its global name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dataset {
    /// Its place: `postgres://host:5432`.
    pub namespace: String,
    /// Its name there: `database.schema.table`.
    pub name: String,
}

impl Dataset {
    /// The dataset at a path or an address: for `s3://bucket/a/b`, the bucket is the namespace and the rest
    /// is the name.
    pub fn at(place: &str) -> Dataset {
        let path = match place.split_once("://") {
            Some(("file", path)) => path,
            Some((scheme, rest)) if !scheme.contains('/') => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, "/"));
                return Dataset { namespace: format!("{scheme}://{bucket}"), name: key.to_owned() };
            }
            _ => place,
        };
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
        Dataset { namespace: "file".to_owned(), name: absolute.to_string_lossy().into_owned() }
    }
}

/// The number of records with a reason of this code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeCount {
    /// The code.
    pub code: String,
    /// How many.
    pub count: u64,
}

/// How important an event is to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// To users who asked for every step.
    Debug,
    /// To users who asked for the fate of every file.
    File,
    /// It explains why nothing seems to happen.
    Info,
    /// It may require action.
    Warning,
    /// It must not be missed.
    Alarm,
}

impl Event {
    /// How important it is to a person.
    pub fn level(&self) -> Level {
        match self {
            Event::Waiting { .. }
            | Event::Resumed { .. }
            | Event::Held { .. }
            | Event::JobFound { .. }
            | Event::Listening { .. }
            | Event::DayEnded { .. } => Level::Info,
            Event::Warning { .. } => Level::Warning,
            Event::Unsafe { .. } => Level::Alarm,
            // The summary lists refused and abandoned files, all in one place.
            Event::RunStarted { .. }
            | Event::RunEnded { .. }
            | Event::Retried { .. }
            | Event::Claimed { .. }
            | Event::Committed { .. }
            | Event::TakenBack { .. } => Level::Debug,
            Event::SourceClaimed { .. }
            | Event::LeftOut { .. }
            | Event::PassedOver { .. }
            | Event::Refused { .. }
            | Event::GivenUp { .. }
            | Event::Finished { .. } => Level::File,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::RunStarted { run, command, job, date, destination, .. } => {
                write!(f, "{command} of {job}")?;
                date.iter().try_for_each(|date| write!(f, " for {date}"))?;
                write!(f, " into {destination}")?;
                run.iter().try_for_each(|run| write!(f, ", run {run}"))
            }
            Event::RunEnded { run, outcome, exit_code, counts, took, error, .. } => {
                f.write_str("run ")?;
                run.iter().try_for_each(|run| write!(f, "{run} "))?;
                let records = figure::some(counts.records, "record");
                write!(f, "ended: {outcome} ({exit_code}), {records}, in {}", figure::time(*took))?;
                error.iter().try_for_each(|error| write!(f, "; {error}"))
            }
            Event::Waiting { why, at_most, .. } => {
                write!(f, "{why}; trying again for up to {} more", whole(*at_most))
            }
            Event::Retried { cause, attempt, .. } => write!(f, "attempt {attempt} failed: {cause}"),
            Event::Resumed { after, .. } => write!(f, "no longer waiting, after {}", figure::time(*after)),
            Event::Held { source, holder, at_most: Some(at_most) } => {
                write!(f, "{source} is held by {holder}; waiting up to {} for it", whole(*at_most))
            }
            Event::Held { source, holder, at_most: None } => {
                write!(f, "{source} is held by {holder}; waiting for it")
            }
            Event::JobFound { file } => {
                write!(f, "{} exists, and is used as it is", file.display())
            }
            Event::Claimed { sources, bytes, .. } => {
                write!(f, "{} to read, {}", figure::some(*sources, "source"), figure::bytes(*bytes))
            }
            Event::SourceClaimed { file, source, position, bytes, .. } => {
                let bytes = figure::bytes(*bytes);
                write!(f, "{}: source {source}, from byte {position}, {bytes} to read", file.display())
            }
            Event::Committed { counts, bytes, took, .. } => {
                write!(f, "committed {}, {}", figure::some(counts.records, "record"), figure::bytes(*bytes))?;
                if counts.rejected > 0 {
                    write!(f, ", {} rejected", figure::count(counts.rejected))?;
                }
                write!(f, ", in {}", figure::time(*took))
            }
            Event::TakenBack { counts, .. } => {
                let records = figure::some(counts.records, "record");
                write!(f, "{records} that were committed are no longer in the destination")
            }
            Event::LeftOut { file, why } => write!(f, "{}: left out, {why}", file.display()),
            Event::PassedOver { file, what } => write!(f, "{}: left out, it is {what}", file.display()),
            Event::Refused { file, why } => write!(f, "{}: {why}", file.display()),
            Event::GivenUp { file, dead_letters, records } => write!(
                f,
                "{}: given up, {} open in {}",
                file.display(),
                figure::some(*dead_letters, "dead letter"),
                figure::some(*records, "record")
            ),
            Event::Finished { file, records } => {
                write!(f, "{}: loaded to its end, {}", file.display(), figure::some(*records, "record"))
            }
            Event::DayEnded { date, state, records, rejected, took, reason } => {
                write!(f, "{date}: {state}, {}", figure::some(*records, "record"))?;
                if *rejected > 0 {
                    write!(f, ", {} rejected", figure::count(*rejected))?;
                }
                write!(f, ", in {}", figure::time(*took))?;
                reason.iter().try_for_each(|reason| write!(f, "; {reason}"))
            }
            Event::Listening { url } => write!(f, "metrics for Prometheus at {url}"),
            Event::Warning { text } | Event::Unsafe { text } => f.write_str(text),
        }
    }
}

/// A remaining time, in whole seconds.
fn whole(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..10 => format!("{seconds} s"),
        seconds => figure::time(Duration::from_secs(seconds)),
    }
}

/// Identifies one of several concurrent runs as the origin of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope(u64);

/// The function called with each event.
type See = dyn Fn(Scope, &Event) + Send + Sync;

/// The watcher of a run.
#[derive(Clone)]
pub struct Observer {
    see: Arc<See>,
    scope: Scope,
}

impl Observer {
    /// Calls `see` with each event, on the thread that emitted it.
    pub fn new(see: impl Fn(&Event) + Send + Sync + 'static) -> Observer {
        Observer::of_runs(move |_, event| see(event))
    }

    /// The same, with runs told apart.
    pub fn of_runs(see: impl Fn(Scope, &Event) + Send + Sync + 'static) -> Observer {
        Observer { see: Arc::new(see), scope: Scope::default() }
    }

    /// The same watcher, for a run of its own.
    pub fn of_run(&self) -> Observer {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Observer { see: Arc::clone(&self.see), scope: Scope(NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    /// Passes on an event.
    pub fn tell(&self, event: &Event) {
        (self.see)(self.scope, event);
    }

    /// Passes on a warning.
    pub fn warn(&self, text: impl Into<String>) {
        self.tell(&Event::Warning { text: text.into() });
    }
}

impl Default for Observer {
    /// Ignores all events.
    fn default() -> Observer {
        Observer::new(|_| {})
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

fn bound<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => seconds(time, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_sentence_for_people_and_fields_for_machines() {
        let cases = [
            (
                Event::Waiting {
                    trouble: "connection",
                    why: "the server is gone".to_owned(),
                    at_most: Duration::from_millis(9500),
                },
                Level::Info,
                "the server is gone; trying again for up to 9 s more",
                json!({"kind": "waiting", "trouble": "connection", "why": "the server is gone", "at_most_seconds": 9.5}),
            ),
            (
                Event::Held {
                    source: "a.log".to_owned(),
                    holder: "run 7".to_owned(),
                    at_most: Some(Duration::from_secs(10)),
                },
                Level::Info,
                "a.log is held by run 7; waiting up to 10 s for it",
                json!({"kind": "held", "source": "a.log", "holder": "run 7", "at_most_seconds": 10.0}),
            ),
            (
                Event::Committed {
                    counts: Counts { records: 100_000, inserted: 99_988, rejected: 12, ..Counts::default() },
                    reasons: vec![CodeCount { code: "missing".to_owned(), count: 12 }],
                    bytes: 24_000_000,
                    raw_bytes: 3_000_000,
                    took: Duration::from_millis(400),
                },
                Level::Debug,
                "committed 100,000 records, 24.0 MB, 12 rejected, in 400 ms",
                json!({
                    "kind": "committed", "lines": 0, "blank": 0, "skipped": 0, "records": 100_000,
                    "inserted": 99_988, "updated": 0, "unchanged": 0, "superseded": 0, "rejected": 12,
                    "reasons": [{"code": "missing", "count": 12}],
                    "bytes": 24_000_000, "raw_bytes": 3_000_000, "seconds": 0.4
                }),
            ),
            (
                Event::GivenUp { file: "a.log".into(), dead_letters: 612, records: 10_000 },
                Level::File,
                "a.log: given up, 612 dead letters open in 10,000 records",
                json!({"kind": "given_up", "file": "a.log", "dead_letters": 612, "records": 10_000}),
            ),
            (
                Event::LeftOut { file: "a.log".into(), why: "it was loaded to the end before".to_owned() },
                Level::File,
                "a.log: left out, it was loaded to the end before",
                json!({"kind": "left_out", "file": "a.log", "why": "it was loaded to the end before"}),
            ),
            (
                Event::PassedOver { file: "app.db".into(), what: "an SQLite database" },
                Level::File,
                "app.db: left out, it is an SQLite database",
                json!({"kind": "passed_over", "file": "app.db", "what": "an SQLite database"}),
            ),
            (
                Event::Refused { file: "b.log".into(), why: "it is UTF-16".to_owned() },
                Level::File,
                "b.log: it is UTF-16",
                json!({"kind": "refused", "file": "b.log", "why": "it is UTF-16"}),
            ),
            (
                Event::Finished { file: PathBuf::from(OsString::from_vec(b"\xff.log".to_vec())), records: 1 },
                Level::File,
                "\u{fffd}.log: loaded to its end, 1 record",
                json!({"kind": "finished", "file": "\u{fffd}.log", "file_base64": "/y5sb2c=", "records": 1}),
            ),
        ];
        for (event, level, sentence, fields) in cases {
            assert_eq!((event.level(), event.to_string().as_str()), (level, sentence));
            assert_eq!(serde_json::to_value(&event).expect("plain fields"), fields);
        }
    }
}
