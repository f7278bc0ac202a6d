//! Everything that a job has written, read in one snapshot.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::destination::Snapshot;
use super::load::{Load, LogFile};

/// Everything that a job has written, as of one moment.
#[derive(Default)]
pub(super) struct Found {
    pub(super) sources: Vec<Source>,
    pub(super) rows: Vec<Row>,
    pub(super) dead_letters: Vec<DeadLetter>,
    pub(super) moves: Vec<Move>,
    pub(super) applied: Vec<Applied>,
}

pub(super) struct Source {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) position: u64,
    pub(super) lines: i64,
    pub(super) is_complete: bool,
    pub(super) counts: BTreeMap<&'static str, i64>,
}

#[derive(Debug)]
pub(super) struct Row {
    /// The source of the row, if the target has that column.
    pub(super) source_id: Option<i64>,
    pub(super) offset: u64,
    /// The hash of its record, if that is the key.
    pub(super) hash: String,
    pub(super) xid: i64,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) struct DeadLetter {
    pub(super) source_id: i64,
    pub(super) offset: u64,
    pub(super) line: i64,
    pub(super) length: i64,
    pub(super) raw: Vec<u8>,
    pub(super) stage: String,
    /// The code of the first reason.
    pub(super) code: String,
    pub(super) xid: i64,
}

#[derive(Debug)]
pub(super) struct Move {
    pub(super) source_id: i64,
    pub(super) before: u64,
    pub(super) after: u64,
    pub(super) xid: i64,
}

#[derive(Debug)]
pub(super) struct Applied {
    pub(super) source_id: i64,
    pub(super) offset: u64,
    pub(super) xid: i64,
}

const COUNTERS: [&str; 7] =
    ["inserted", "updated", "unchanged", "superseded", "rejected", "blank", "skipped"];

impl Found {
    #[track_caller]
    pub(super) fn take(snapshot: &mut dyn Snapshot, load: &Load) -> Found {
        let mut found = Found::default();
        if snapshot.has(load.kind().word("public.t", "t")) {
            found.take_rows(snapshot, load);
        }
        if !snapshot.has(&load.ours("checkpoints")) {
            return found;
        }
        found.take_sources(snapshot, load);
        found.take_dead_letters(snapshot, load);
        let audit = |name| load.kind().table("audit", name);
        let xid = load.kind().word("xid", "0");
        if snapshot.has(&audit("moves")) {
            let sql =
                format!("SELECT source_id, before, after, {xid} FROM {} ORDER BY number", audit("moves"));
            for row in snapshot.query(&sql) {
                found.moves.push(Move {
                    source_id: row[0].int(),
                    before: row[1].place(),
                    after: row[2].place(),
                    xid: row[3].int(),
                });
            }
            let sql =
                format!("SELECT source_id, source_offset, {xid} FROM {} ORDER BY 1, 2", audit("applied"));
            for row in snapshot.query(&sql) {
                found.applied.push(Applied {
                    source_id: row[0].int(),
                    offset: row[1].place(),
                    xid: row[2].int(),
                });
            }
        }
        found
    }

    #[track_caller]
    fn take_sources(&mut self, snapshot: &mut dyn Snapshot, load: &Load) {
        let counters = COUNTERS.map(|name| format!("c.{name}")).join(", ");
        let sql = format!(
            "SELECT s.id, s.name, c.position, c.lines, c.complete, {counters}
             FROM {} s JOIN {} c ON c.source_id = s.id WHERE s.job = '{}' ORDER BY s.id",
            load.ours("sources"),
            load.ours("checkpoints"),
            load.name()
        );
        for row in snapshot.query(&sql) {
            let counts = COUNTERS.iter().enumerate().map(|(index, name)| (*name, row[5 + index].int()));
            self.sources.push(Source {
                id: row[0].int(),
                name: row[1].text().to_owned(),
                position: row[2].place(),
                lines: row[3].int(),
                is_complete: row[4].int() == 1,
                counts: counts.collect(),
            });
        }
        let names: BTreeSet<&str> = self.sources.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names.len(), self.sources.len(), "a file is two sources: {names:?}");
    }

    #[track_caller]
    fn take_dead_letters(&mut self, snapshot: &mut dyn Snapshot, load: &Load) {
        let sql = format!(
            "SELECT source_id, source_offset, line, length, raw, stage, CAST(reasons AS text), state, {}
             FROM {} WHERE job = '{}' AND state <> 'superseded' ORDER BY source_id, source_offset",
            load.kind().word("xmin::text::bigint", "0"),
            load.ours("dead_letters"),
            load.name()
        );
        for row in snapshot.query(&sql) {
            assert_eq!(row[7].text(), "open");
            let reasons: Value = serde_json::from_str(row[6].text()).unwrap();
            self.dead_letters.push(DeadLetter {
                source_id: row[0].int(),
                offset: row[1].place(),
                line: row[2].int(),
                length: row[3].int(),
                raw: row[4].known().map(|raw| raw.bytes().to_vec()).unwrap_or_default(),
                stage: row[5].text().to_owned(),
                code: reasons[0]["code"].as_str().unwrap_or_default().to_owned(),
                xid: row[8].int(),
            });
        }
    }

    #[track_caller]
    fn take_rows(&mut self, snapshot: &mut dyn Snapshot, load: &Load) {
        let place = match load.rows_have_places() {
            true => "source_id, source_offset",
            false => "NULL, 0",
        };
        let hash = if load.is_by_content() { "CAST(record_hash AS text)" } else { "''" };
        let values: Vec<String> =
            load.fields().iter().map(|field| format!("'{0}', \"{0}\"", field.name)).collect();
        let sql = format!(
            "SELECT {place}, {hash}, {}, CAST({}({}) AS text) FROM t ORDER BY 1, 2",
            load.kind().word("xmin::text::bigint", "0"),
            load.kind().word("jsonb_build_object", "json_object"),
            values.join(", ")
        );
        for row in snapshot.query(&sql) {
            self.rows.push(Row {
                source_id: row[0].known().map(|id| id.int()),
                offset: row[1].place(),
                hash: row[2].text().to_owned(),
                xid: row[3].int(),
                value: serde_json::from_str(row[4].text()).unwrap(),
            });
        }
    }

    pub(super) fn source_of(&self, file: &LogFile, load: &Load) -> Option<&Source> {
        let path = load.path(&file.name).display().to_string();
        self.sources.iter().find(|source| source.name == path)
    }

    pub(super) fn rows_of(&self, source: &Source) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.source_id == Some(source.id))
    }

    pub(super) fn letters_of(&self, source: &Source) -> Vec<&DeadLetter> {
        self.dead_letters.iter().filter(|letter| letter.source_id == source.id).collect()
    }

    pub(super) fn batches(&self) -> usize {
        self.moves.iter().map(|step| step.xid).collect::<BTreeSet<_>>().len()
    }
}
