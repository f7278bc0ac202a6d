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
    let mut lines = vec![("one row is", one_row(key)), ("run again", again(kinds).to_owned())];
    for (is_there, what, text) in [
        (kinds.plain, "stopped, a file", "goes on at the last commit"),
        (
            kinds.archive,
            "stopped, an archive",
            "resumes at the last commit, after decompressing up to it \
            again",
        ),
        (
            kinds.stream,
            "stopped, a stream",
            "must be sent again from its beginning; committed parts are compared and skipped",
        ),
    ] {
        if is_there {
            lines.push((what, text.to_owned()));
        }
    }
    if kinds.plain || kinds.archive {
        lines.push(("a file changed", changed(config, is_bucket).to_owned()));
    }
    if kinds.object {
        let holds = "each is read at the version that was listed (If-Match); if one is rewritten \
                     meanwhile, it alone is refused, and the next run looks at it again";
        lines.push(("objects read", holds.to_owned()));
    }
    let bad_records =
        ("bad records", "k of them are k dead letters; those beside them are loaded".to_owned());
    if is_bucket {
        lines.push(bad_records);
        lines.extend(OF_BUCKET.map(|(what, holds)| (what, holds.to_owned())));
    } else {
        if *key != Key::None {
            lines.push(("rows that meet", conflict(key, &config.destination.on_conflict)));
        }
        lines.push(("--rebuild", rebuild(config).to_owned()));
        lines.push(bad_records);
        lines.push(("checkpoints lost", checkpoints_lost(key).to_owned()));
        lines.push(("target restored", target_restored(key).to_owned()));
    }
    lines.push(("rests on", rests_on.to_owned()));
    lines.into_iter().map(|(what, holds)| Guarantee { what, holds }).collect()
}

/// What holds for a bucket, in which no row is ever looked up or changed.
const OF_BUCKET: [(&str, &str); 3] = [
    (
        "--rebuild",
        "replaces the objects of its files, source by source; a listing may show both until it ends",
    ),
    ("state lost", "a load exits with 2 and changes nothing while objects of the table exist"),
    ("objects restored", "from a backup: restore the state with them"),
];

fn one_row(key: &Key) -> String {
    match key {
        Key::Position => "one record of one source".to_owned(),
        Key::Content => "one distinct record, whichever source it is in".to_owned(),
        Key::Columns(columns) => format!("one value of ({})", columns.join(", ")),
        Key::None => "one record, without an index".to_owned(),
    }
}

fn again(kinds: Kinds) -> &'static str {
    match kinds.stream && !kinds.plain && !kinds.archive {
        true => "changes nothing, if the stream is the same: it is recognised by its beginning",
        false => "changes nothing: sources are known by their content, whatever they are called",
    }
}

fn changed(config: &Config, is_bucket: bool) -> &'static str {
    match (&config.destination.key, config.source.settings.growing) {
        (_, true) => {
            "what was appended is loaded, but for an unfinished last line; a change below the checkpoint is refused by name"
        }
        (Key::Position, false) if !is_bucket => {
            "what was appended is loaded, and a last line that grew is updated; a change below the checkpoint is refused by name"
        }
        (_, false) => {
            "what was appended is loaded; a last line that grew, and a change below the checkpoint, are refused by name"
        }
    }
}

fn conflict(key: &Key, on_conflict: &OnConflict) -> String {
    let what = match key {
        Key::Position => return "the later load of a record wins".to_owned(),
        _ => "of the same key",
    };
    match on_conflict {
        OnConflict::Update => format!("{what}: the later in the order of the files wins"),
        OnConflict::Keep => {
            format!("{what}: the existing row stays, and the other is counted as unchanged")
        }
        OnConflict::Newest(column) => {
            format!("{what}: the greater {column} wins, in any order")
        }
    }
}

fn rebuild(config: &Config) -> &'static str {
    let names_day = || config.constants().iter().any(|constant| constant.name == DATA_DATE);
    match config.destination.key.has_places() {
        true => "puts new rows in the place of those of its files, in one transaction",
        false if names_day() => {
            "puts new rows in the place of those of its day, in one transaction, if no other job writes the table"
        }
        false => "is refused: rows do not record their file or day",
    }
}

fn checkpoints_lost(key: &Key) -> &'static str {
    match key {
        Key::Position => {
            "rows are updated in place if ids are given in the same order, else doubled: restore both together"
        }
        Key::Content => "a load of everything changes nothing",
        Key::Columns(_) => "a load of everything, in the same order, changes nothing",
        Key::None => "a load DUPLICATES rows: only the checkpoint prevents that",
    }
}

fn target_restored(key: &Key) -> &'static str {
    match key {
        Key::Position => "from a backup: restore the tables of logmill with it",
        Key::Content | Key::Columns(_) => "from a backup: `logmill forget` the sources, and a load fills it",
        Key::None => "from a backup without the tables of logmill: rows are DUPLICATED or lost",
    }
}
