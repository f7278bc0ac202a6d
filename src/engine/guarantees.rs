//! What a job promises: precisely, for its sources, its key and its destination.
//!
//! The content of the manual's page about guarantees, reduced to this job.

use crate::config::Config;
use crate::report::Guarantee;
use crate::sink::kinds::is_bucket;
use crate::sink::rebuild::DATA_DATE;
use crate::sink::{Key, OnConflict};

/// The kinds of sources of a job.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds {
    pub(super) plain: bool,
    pub(super) archive: bool,
    pub(super) stream: bool,
    /// An object in a bucket, archive or not.
    pub(super) object: bool,
}

/// The guarantees in the order of a reader's questions: each a subject, and what holds for it.
pub(super) fn guarantees(config: &Config, kinds: Kinds, rests_on: &str) -> Vec<Guarantee> {
    let (key, is_bucket) = (&config.destination.key, is_bucket(config.destination.url.reveal()));
    let mut lines = vec![("a row is", one_row(key)), ("a second run", again(kinds).to_owned())];
    for (is_there, what, text) in [
        (kinds.plain, "a stopped file", "resumes after its last commit"),
        (
            kinds.archive,
            "a stopped archive",
            "resumes after its last commit, and is decompressed again up to there",
        ),
        (
            kinds.stream,
            "a stopped stream",
            "must be sent again from its beginning; what was committed is compared and skipped",
        ),
    ] {
        if is_there {
            lines.push((what, text.to_owned()));
        }
    }
    if kinds.plain || kinds.archive {
        lines.push(("a changed file", changed(config, is_bucket).to_owned()));
    }
    if kinds.object {
        let holds = "each is read in the version that was listed (If-Match); if one is rewritten \
                     meanwhile, only that one is refused, and the next run reads it";
        lines.push(("objects", holds.to_owned()));
    }
    let bad_records = ("bad records", "each becomes a dead letter, and costs no other record".to_owned());
    if is_bucket {
        lines.push(bad_records);
        lines.extend(OF_BUCKET.map(|(what, holds)| (what, holds.to_owned())));
    } else {
        if *key != Key::None {
            lines.push(("the same key", conflict(key, &config.destination.on_conflict)));
        }
        lines.push(("--rebuild", rebuild(config).to_owned()));
        lines.push(bad_records);
        lines.push(("lost checkpoints", checkpoints_lost(key).to_owned()));
        lines.push(("a restored table", target_restored(key).to_owned()));
    }
    lines.push(("this rests on", rests_on.to_owned()));
    lines.into_iter().map(|(what, holds)| Guarantee { what, holds }).collect()
}

/// What holds for a bucket, in which no row is ever looked up or changed.
const OF_BUCKET: [(&str, &str); 3] = [
    (
        "--rebuild",
        "replaces the objects of its files, source by source; until it ends, a listing may show old and \
         new ones",
    ),
    ("a lost state", "while objects of the table exist, a load exits with 2 and changes nothing"),
    ("restored objects", "need the state from the same backup"),
];

fn one_row(key: &Key) -> String {
    match key {
        Key::Position => "one record of one source".to_owned(),
        Key::Content => "one distinct record, whichever source it is in".to_owned(),
        Key::Columns(columns) => format!("one value of ({})", columns.join(", ")),
        Key::None => "one record; no index tells rows apart".to_owned(),
    }
}

fn again(kinds: Kinds) -> &'static str {
    match kinds.stream && !kinds.plain && !kinds.archive {
        true => "changes nothing if the stream is the same, because it is recognised by its beginning",
        false => "changes nothing, because sources are recognised by their content, not by their names",
    }
}

fn changed(config: &Config, is_bucket: bool) -> &'static str {
    match (&config.destination.key, config.source.settings.growing) {
        (_, true) => {
            "appended lines are loaded, except an unfinished last one; if anything before the checkpoint \
             has changed, the file is refused by name"
        }
        (Key::Position, false) if !is_bucket => {
            "appended lines are loaded, and the row of a last line that has grown is updated; if anything \
             else before the checkpoint has changed, the file is refused by name"
        }
        (_, false) => {
            "appended lines are loaded; if the last line has grown, or anything before the checkpoint has \
             changed, the file is refused by name"
        }
    }
}

fn conflict(key: &Key, on_conflict: &OnConflict) -> String {
    if *key == Key::Position {
        return "of two loads of a record, the later wins".to_owned();
    }
    match on_conflict {
        OnConflict::Update => "of two records, the later in the order of the files wins".to_owned(),
        OnConflict::Keep => "the existing row stays, and the record is counted as unchanged".to_owned(),
        OnConflict::Newest(column) => {
            format!("of two records, the one with the greater {column} wins, whatever their order")
        }
    }
}

fn rebuild(config: &Config) -> &'static str {
    let names_day = || config.constants().iter().any(|constant| constant.name == DATA_DATE);
    match config.destination.key.has_places() {
        true => "replaces the rows of its files in one transaction",
        false if names_day() => {
            "replaces the rows of its day in one transaction, if no other job writes to the table"
        }
        false => "is refused, because rows record neither their file nor their day",
    }
}

fn checkpoints_lost(key: &Key) -> &'static str {
    match key {
        Key::Position => {
            "can duplicate rows, because new sources get new ids: restore checkpoints and table together"
        }
        Key::Content => "change nothing: everything can be loaded again",
        Key::Columns(_) => "change nothing, if everything is loaded again in the same order",
        Key::None => "DUPLICATE rows with the next load: nothing else prevents that",
    }
}

fn target_restored(key: &Key) -> &'static str {
    match key {
        Key::Position => "needs the tables of logmill from the same backup",
        Key::Content | Key::Columns(_) => {
            "is filled by the next load, after a `logmill forget` of its \
                                           sources"
        }
        Key::None => "without the tables of logmill from the same backup, DUPLICATES or loses rows",
    }
}
