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

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A run has begun: the destination is open, and nothing is claimed yet. Or it could not be opened, and
    /// `run_ended` says why.
    RunStarted {
        /// Its id, where the destination remembers runs.
        run: Option<i64>,
        /// The command.
        command: String,
        /// The name of the job.
        job: String,
        /// The day that it is about.
        date: Option<String>,
        /// Where the rows go, without secrets.
        destination: String,
        /// The same by the names that lineage knows it by.
        dataset: Dataset,
    },
    /// Something outside is missing or busy, and is tried again.
    Waiting {
        /// The word for it: `connection`, `conflict`, `server`, `database_file`, `store` or `bucket`.
        trouble: &'static str,
        /// What is in the way.
        why: String,
        /// How long it is waited for from now on.
        #[serde(rename = "at_most_seconds", serialize_with = "seconds")]
        at_most: Duration,
    },
    /// One attempt of many failed, and another follows.
    Retried {
        /// The word for it, as in `waiting`.
        trouble: &'static str,
        /// Why it failed.
        cause: String,
        /// Which attempt it was, counted from one.
        attempt: u32,
    },
    /// The waiting that was told of is over.
    Resumed {
        /// The word for what was waited for, as in `waiting`.
        trouble: &'static str,
        /// How long it took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        after: Duration,
    },
    /// Another run holds a source, and may leave it soon.
    Held {
        /// The source.
        source: String,
        /// Who holds it.
        holder: String,
        /// How long it is waited for, if not for ever.
        #[serde(rename = "at_most_seconds", serialize_with = "bound")]
        at_most: Option<Duration>,
    },
    /// No job was named, but one of the name of the files stands beside them, and is used.
    JobFound {
        /// Its file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
    },
    /// The sources of the run are its own from here on.
    Claimed {
        /// How many are to be read.
        sources: usize,
        /// Their bytes that are to be read, compressed as they are.
        bytes: u64,
        /// How many bytes an earlier claim of this run had told that are still to be read: this one takes its place.
        again_bytes: u64,
    },
    /// One source, or one split of it, is the run's own.
    SourceClaimed {
        /// Its file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
        /// The id of the source.
        source: i32,
        /// The offset at which the split begins.
        start: u64,
        /// The offset from which on it is read.
        position: u64,
        /// The bytes that are to be read, compressed as they are; none of a stream, whose size nobody knows.
        bytes: u64,
    },
    /// A batch is durable; in a rebuild, it is written into what becomes durable as a whole.
    Committed {
        /// What became of its records.
        #[serde(flatten)]
        counts: Counts,
        /// Why records of it were rejected, by code. A record with several reasons counts for each.
        reasons: Vec<CodeCount>,
        /// The bytes that it was read from, decompressed.
        bytes: u64,
        /// The same in the files, compressed as they are.
        raw_bytes: u64,
        /// How long the destination took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
    },
    /// What was told as committed is not there any more: the destination has lost it, or a rebuild was
    /// given up. What is loaded again is told again.
    TakenBack {
        /// What had become of the records.
        #[serde(flatten)]
        counts: Counts,
        /// Why some had been rejected, as far as that is taken back.
        reasons: Vec<CodeCount>,
        /// The bytes they were read from, decompressed.
        bytes: u64,
        /// The same in the files, compressed as they are, as far as that is taken back.
        raw_bytes: u64,
        /// How many batches that were, as far as that is taken back.
        batches: u64,
        /// How many sources had come to their end. What becomes of them now is told again.
        finished: u64,
        /// How many had been refused, and are looked at again.
        refused: u64,
        /// How many had been given up, and are tried again.
        given_up: u64,
    },
    /// There is nothing new in a file, and it is not read.
    LeftOut {
        /// The file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// A file of a folder is no log, and is left out.
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
        /// Why, and what to do.
        why: String,
    },
    /// A source has too many dead letters, and is loaded no further. The others are.
    GivenUp {
        /// The file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
        /// Its dead letters that are open.
        dead_letters: u64,
        /// Its records that are loaded, dead letters included.
        records: u64,
    },
    /// A source is loaded to its end.
    Finished {
        /// Its file.
        #[serde(flatten, serialize_with = "file_name")]
        file: PathBuf,
        /// How many records this run loaded from it, rejects included.
        records: u64,
    },
    /// The run for a day of a backfill has ended.
    DayEnded {
        /// The day.
        date: String,
        /// How it stands now: `partial`, `done` or `failed`.
        state: &'static str,
        /// The records that this run loaded, rejects included.
        records: u64,
        /// Its rejects.
        rejected: u64,
        /// How long it took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
        /// Why it is not done.
        reason: Option<String>,
    },
    /// A run has ended, and has said so to the destination if that could be.
    RunEnded {
        /// Its id.
        run: Option<i64>,
        /// One word for how.
        outcome: &'static str,
        /// The exit code of a command that does no more than this.
        exit_code: u8,
        /// What became of the records of the run.
        #[serde(flatten)]
        counts: Counts,
        /// The bytes that they were read from, decompressed.
        bytes: u64,
        /// The same in the files, compressed as they are.
        raw_bytes: u64,
        /// How many batches that were.
        batches: u64,
        /// Dead letters of the whole job that are open; nothing if that could not be asked.
        open_dead_letters_of_job: Option<u64>,
        /// How long it took.
        #[serde(rename = "seconds", serialize_with = "seconds")]
        took: Duration,
        /// Why it could not go on, if it could not.
        error: Option<String>,
    },
    /// Figures of the run can be asked for.
    Listening {
        /// Where.
        url: String,
    },
    /// Something to know, though it stops nothing.
    Warning {
        /// What, and what to do.
        text: String,
    },
    /// Others could read or change what is sent. It is said also to those who want to hear nothing.
    Unsafe {
        /// What, and what to do.
        text: String,
    },
}

/// A table, a file or an object, as it is named among all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dataset {
    /// Where it is: `postgres://host:5432`.
    pub namespace: String,
    /// Which it is there: `database.schema.table`.
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

/// How many records have a reason of a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeCount {
    /// The code.
    pub code: String,
    /// How many.
    pub count: u64,
}

/// How much an event matters to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// To users who asked for every step.
    Debug,
    /// To users who asked for the fate of every file.
    File,
    /// It explains why nothing seems to happen.
    Info,
    /// Something may have to be done.
    Warning,
    /// It must not be missed.
    Alarm,
}

impl Event {
    /// How much it matters to a person.
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
                write!(f, "{} is there, so it is used as it stands", file.display())
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
            Event::Listening { url } => write!(f, "figures for Prometheus at {url}"),
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
    /// Calls `see` with each event, on the thread that caused it.
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
    /// Watches nothing.
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
