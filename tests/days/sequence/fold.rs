//! Column keys under `update`: the expected table, folded from the commits in their order.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::*;

/// The place of a record: its source's number, and its offset.
type At = (i64, i64);

/// The row of a key: the day of its record, and its other values.
type Row = (String, Option<i64>, String);

/// The expected table, folded from the commits in their order.
#[derive(Default)]
struct Fold {
    rows: BTreeMap<i64, Row>,
    /// The position and the generation of each source.
    positions: BTreeMap<i64, (i64, i64)>,
    replayed: BTreeSet<At>,
}

/// A source, as far as it is committed.
struct Source {
    id: i64,
    content: String,
    position: i64,
    day: String,
    generation: i64,
}

/// All sources, in the order in which days and their files are loaded.
fn sources(sequence: &Sequence) -> Vec<Source> {
    let rows = sequence.days.destination.look(|snapshot| {
        snapshot.query(&format!(
            "SELECT s.id, s.name, c.position, CAST(s.data_date AS text), s.generation
             FROM {} s JOIN {} c ON c.source_id = s.id ORDER BY s.data_date, s.name",
            sequence.ours("sources"),
            sequence.ours("checkpoints")
        ))
    });
    let source = |row: &Vec<Cell>| Source {
        id: row[0].int(),
        content: std::fs::read_to_string(row[1].text()).unwrap(),
        position: row[2].int(),
        day: row[3].text().to_owned(),
        generation: row[4].int(),
    };
    rows.iter().map(source).collect()
}

impl Fold {
    /// Adds what a step committed.
    fn follow(&mut self, sequence: &Sequence) {
        let days = &sequence.days;
        if !days.destination.look(|snapshot| snapshot.has(&sequence.ours("checkpoints"))) {
            return;
        }
        let sources = sources(sequence);
        let is_anew = |source: &&Source| {
            self.positions.get(&source.id).is_some_and(|(_, generation)| *generation < source.generation)
        };
        let rebuilt: BTreeSet<String> =
            sources.iter().filter(is_anew).map(|source| source.day.clone()).collect();
        let mut gone = rebuilt.clone();
        for source in &sources {
            if gone.remove(&source.day) {
                self.rows.retain(|_, (day, ..)| *day != source.day);
            }
            let known = self.positions.insert(source.id, (source.position, source.generation));
            let since = known.map_or(0, |(position, _)| position);
            let since = if rebuilt.contains(&source.day) { 0 } else { since };
            for (_, (n, row)) in records(source, since, source.position, sequence.limit) {
                self.rows.insert(n, row);
            }
        }
        let sources: BTreeMap<i64, Source> = sources.into_iter().map(|source| (source.id, source)).collect();
        // The letters of rebuilt sources are different ones now.
        self.replayed.retain(|(id, _)| !rebuilt.contains(&sources[id].day));
        let replayed = days.destination.look(|snapshot| {
            snapshot.query(&format!(
                "SELECT source_id, source_offset FROM {} WHERE state = 'replayed' ORDER BY 1, 2",
                sequence.ours("dead_letters")
            ))
        });
        // Of several letters with one key the last wins, unless the key has a row already.
        let mut new = BTreeMap::new();
        for row in &replayed {
            let place = (row[0].int(), row[1].int());
            if self.replayed.insert(place) {
                let source = &sources[&place.0];
                let end = i64::try_from(source.content.len()).unwrap();
                let record = records(source, place.1, end, sequence.limit).into_iter().next();
                let (offset, (n, row)) = record.expect("a record that is one by now");
                assert_eq!(offset, place.1);
                new.insert(n, row);
            }
        }
        for (n, row) in new {
            self.rows.entry(n).or_insert(row);
        }
        let found = days.destination.look(|snapshot| match snapshot.has("t") {
            true => snapshot.query("SELECT n, CAST(data_date AS text), seen, note FROM t ORDER BY n"),
            false => Vec::new(),
        });
        let row = |row: &Vec<Cell>| {
            (
                row[0].int(),
                (row[1].text().to_owned(), row[2].known().map(Cell::int), row[3].text().to_owned()),
            )
        };
        let found: BTreeMap<i64, Row> = found.iter().map(row).collect();
        let differs = self.rows.iter().find(|(n, row)| found.get(n) != Some(row));
        assert!(
            differs.is_none() && found.len() == self.rows.len(),
            "{differs:?} is {:?}; {} expected, {} found, after {:#?}",
            differs.map(|(n, _)| found.get(n)),
            self.rows.len(),
            found.len(),
            sequence.said
        );
    }
}

/// The records of a source that begin in a range and are rows under a limit, with their offsets.
fn records(source: &Source, from: i64, to: i64, limit: i64) -> Vec<(i64, (i64, Row))> {
    let mut offset = 0;
    let mut records = Vec::new();
    for line in source.content.split_inclusive('\n') {
        let start = offset;
        offset += i64::try_from(line.len()).unwrap();
        if start < from || start >= to {
            continue;
        }
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        let n = record["n"].as_i64().unwrap();
        if n <= limit {
            let note = record["note"].as_str().unwrap().to_owned();
            let row = (source.day.clone(), record["seen"].as_i64(), note);
            records.push((start, (n, row)));
        }
    }
    records
}

pub(super) fn folded(kind: Kind, mut rng: Rng) {
    needs_failpoints();
    let steps = rng.usize(6..12);
    let mut sequence = Sequence::new(kind, "key = [\"n\"]\ncolumns = { data_date = \"{date}\" }", rng);
    let mut fold = Fold::default();
    for _ in 0..steps {
        let step = Step::any(&mut sequence.rng);
        sequence.step(&step, false);
        fold.follow(&sequence);
    }
    sequence.finish();
    fold.follow(&sequence);
    assert!(fold.rows.len() > 10, "{:?}", fold.rows);
}
