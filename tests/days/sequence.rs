//! Loads, backfills, replays, late files and other rules in any order, killed anywhere: what is there in the end is what
//! a load of the same files into nothing makes. Where the order of what was done decides, it is what a fold of the
//! committed records makes, step by step. What else changes rows, or is made of them, joins in [`Step`] and [`left`].

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::*;
use crate::harness::run::needs_failpoints;
use crate::harness::trials::trials;

#[test]
fn whatever_is_done_postgres_has_in_the_end_what_a_fresh_load_makes() {
    for (key, count) in ORDERLESS {
        trials(
            "days::sequence::whatever_is_done_postgres_has_in_the_end_what_a_fresh_load_makes",
            count,
            |rng| {
                compared(Kind::Postgres, key, rng);
            },
        );
    }
}

#[test]
fn whatever_is_done_sqlite_has_in_the_end_what_a_fresh_load_makes() {
    for (key, count) in ORDERLESS {
        trials(
            "days::sequence::whatever_is_done_sqlite_has_in_the_end_what_a_fresh_load_makes",
            count,
            |rng| {
                compared(Kind::Sqlite, key, rng);
            },
        );
    }
}

#[test]
fn whatever_is_done_postgres_updates_rows_in_the_order_of_commits() {
    trials("days::sequence::whatever_is_done_postgres_updates_rows_in_the_order_of_commits", 3, |rng| {
        folded(Kind::Postgres, rng);
    });
}

#[test]
fn whatever_is_done_sqlite_updates_rows_in_the_order_of_commits() {
    trials("days::sequence::whatever_is_done_sqlite_updates_rows_in_the_order_of_commits", 3, |rng| {
        folded(Kind::Sqlite, rng);
    });
}

/// Keys under which no order of loads decides, and how many sequences are tried of each.
const ORDERLESS: [(&str, usize); 3] = [
    ("key = \"position\"\ncolumns = { data_date = \"{date}\" }", 2),
    ("key = \"content\"", 2),
    ("key = [\"n\"]\non_conflict = \"newest(seen)\"", 2),
];

const DAYS: [&str; 4] = ["2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02"];
const RANGE: &str = "--from 2024-02-28 --to 2024-03-03";

/// Where a run dies, if it comes by.
const POINTS: [&str; 10] = [
    "before-claim-commit",
    "after-claim",
    "mid-copy",
    "after-rows",
    "after-dead-letters",
    "before-commit",
    "after-commit",
    "between-batches",
    "before-finish",
    "mid-finish",
];

/// The first rules, and those that take more.
const FIRST_LIMIT: i64 = 60;
const LATER_LIMIT: i64 = 80;

/// What is done.
#[derive(Debug)]
enum Step {
    Load(&'static str),
    Backfill,
    Replay,
    /// A file comes for a day, perhaps before those that it has by name.
    LateFile,
    OtherRules,
}

impl Step {
    fn any(rng: &mut Rng) -> Step {
        match rng.u32(..10) {
            0..3 => Step::Load(DAYS[rng.usize(..DAYS.len())]),
            3..6 => Step::Backfill,
            6..8 => Step::Replay,
            8 => Step::LateFile,
            _ => Step::OtherRules,
        }
    }
}

/// A job over four days, to which things happen.
struct Sequence {
    days: Days,
    rng: Rng,
    limit: i64,
    files: u32,
    said: Vec<String>,
}

impl Sequence {
    fn new(kind: Kind, key: &str, rng: Rng) -> Sequence {
        let days = Days::new(kind)
            .files("files = [\"logs/{date}*.log\"]")
            .lines(&format!("{key}\n[pipeline]\nbatch_rows = 7\nchunk_size = 300\nthreads = 2"));
        let mut sequence = Sequence { days, rng, limit: FIRST_LIMIT, files: 0, said: Vec::new() };
        for _ in 0..5 {
            sequence.late_file();
        }
        sequence
    }

    /// Under the rules that hold now.
    fn run(&mut self, arguments: &str, failpoints: &str) -> Said {
        self.days.fields = format!(
            "n = {{ type = \"int\", le = {} }}\nseen = {{ type = \"int\", required = false }}\nnote = \"text\"",
            self.limit
        );
        self.said.push(format!("{arguments} {failpoints}"));
        self.days.write_job();
        let mut command = self.days.place.command(&format!("{arguments} -j job.toml"));
        Said::of(command.env("FAILPOINTS", failpoints), b"")
    }

    fn late_file(&mut self) {
        // More would have another order by name than by text.
        if self.files == 9 {
            return;
        }
        self.files += 1;
        let rng = &mut self.rng;
        let name = format!("{}-{}-{}", DAYS[rng.usize(..DAYS.len())], rng.char('a'..='c'), self.files);
        let mut lines = String::new();
        for line in 0..rng.u32(1..40) {
            let (n, seen) = (rng.i64(0..=LATER_LIMIT + 4), rng.i64(0..50));
            // A line in twenty is no record at all.
            match rng.u32(..20) {
                0 => lines.push_str("{\"n\":\n"),
                1 => lines
                    .push_str(&format!("{{\"n\":{n},\"note\":\"of file {}, line {line}\"}}\n", self.files)),
                // The same in many files.
                2 => lines.push_str("{\"n\":7,\"seen\":7,\"note\":\"everywhere\"}\n"),
                _ => lines.push_str(&format!(
                    "{{\"n\":{n},\"seen\":{seen},\"note\":\"of file {}, line {line}\"}}\n",
                    self.files
                )),
            }
        }
        self.days.place.write(format!("logs/{name}.log"), lines);
    }

    /// Takes a step, and may die of it.
    fn step(&mut self, step: &Step, may_go_side_by_side: bool) {
        let dies = self.rng.u32(..5) < 2;
        let point = POINTS[self.rng.usize(..POINTS.len())];
        let failpoints = match dies {
            true => format!("{point}={}*off->return(kill)", self.rng.u32(..6)),
            false => String::new(),
        };
        let said = match step {
            Step::Load(day) => self.run(&format!("load --date {day} --accept-new-rules"), &failpoints),
            Step::Backfill => {
                let parallel = if may_go_side_by_side && self.rng.bool() { "--parallel 2" } else { "" };
                self.run(&format!("backfill {RANGE} --accept-new-rules {parallel}"), &failpoints)
            }
            // A replay that dies in the middle may leave the earlier of two rows of one key.
            Step::Replay if !may_go_side_by_side => self.replay(""),
            Step::Replay => self.replay(&failpoints),
            Step::LateFile => return self.late_file(),
            Step::OtherRules => {
                self.limit = LATER_LIMIT;
                return;
            }
        };
        let codes: &[i32] = if dies { &[-1, 0, 3] } else { &[0, 3] };
        assert!(codes.contains(&said.code), "{:#?}\n{said:?}", self.said);
    }

    fn replay(&mut self, failpoints: &str) -> Said {
        let tables = self.days.destination.look(|snapshot| snapshot.has(&self.ours("dead_letters")));
        match tables {
            true => self.run("dead-letters replay", failpoints),
            // There is nothing yet that could have letters.
            false => Said { code: 0, stdout: String::new(), stderr: String::new() },
        }
    }

    fn ours(&self, table: &str) -> String {
        self.days.kind.table("logmill", table)
    }

    /// Does what is left to do.
    fn finish(&mut self) {
        self.limit = LATER_LIMIT;
        let backfill = self.run(&format!("backfill {RANGE} --accept-new-rules"), "");
        assert!([0, 3].contains(&backfill.code), "{:#?}\n{backfill:?}", self.said);
        let replay = self.replay("");
        assert!([0, 3].contains(&replay.code), "{:#?}\n{replay:?}", self.said);
    }

    /// All that a person would look at: rows, with where they come from if they say it; open letters; days.
    fn left(&self) -> Vec<String> {
        let (sources, letters, dates) = (self.ours("sources"), self.ours("dead_letters"), self.ours("dates"));
        let rows = match self.days.lines.contains("position") {
            true => format!(
                "SELECT s.name, CAST(t.data_date AS text), t.source_offset, t.n, t.seen, t.note
                 FROM t JOIN {sources} s ON s.id = t.source_id AND CAST(s.data_date AS text) = CAST(t.data_date AS text)"
            ),
            false => "SELECT n, seen, note FROM t".to_owned(),
        };
        let queries = [
            rows,
            "SELECT count(*) FROM t".to_owned(),
            format!(
                "SELECT s.name, CAST(s.data_date AS text), d.source_offset, d.line, d.raw, d.stage, CAST(d.reasons AS text)
                 FROM {letters} d JOIN {sources} s ON s.id = d.source_id WHERE d.state = 'open'"
            ),
            format!("SELECT job, CAST(date AS text), state, reason FROM {dates}"),
        ];
        let mut left = Vec::new();
        for sql in queries {
            // Each has its own folder.
            let rows = self.days.query(&sql).into_iter();
            let mut rows: Vec<String> =
                rows.map(|row| row.rsplit('/').next().unwrap_or_default().to_owned()).collect();
            rows.sort();
            left.extend(rows);
        }
        left
    }
}

fn compared(kind: Kind, key: &str, mut rng: Rng) {
    needs_failpoints();
    let steps = rng.usize(4..9);
    let mut sequence = Sequence::new(kind, key, rng);
    for _ in 0..steps {
        let step = Step::any(&mut sequence.rng);
        sequence.step(&step, true);
    }
    sequence.finish();
    let used = &sequence.days;
    let days = Days::new(kind).files(&used.files).lines(&used.lines);
    let mut fresh =
        Sequence { days, rng: sequence.rng.clone(), limit: LATER_LIMIT, files: 0, said: Vec::new() };
    for entry in std::fs::read_dir(used.place.path("logs")).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("logs/{}", path.file_name().unwrap().to_str().unwrap());
        fresh.days.place.write(name, std::fs::read(&path).unwrap());
    }
    fresh.finish();
    let (expected, found) = (fresh.left(), sequence.left());
    let differs = expected.iter().zip(&found).find(|(one, other)| one != other);
    assert!(
        differs.is_none() && expected.len() == found.len(),
        "{key}: {} expected, {} found, {differs:#?}\nafter {:#?}",
        expected.len(),
        found.len(),
        sequence.said
    );
    assert!(found.len() > 20, "there is little to compare: {found:#?}");
}

/// The place of a record: the number of its source, and its offset.
type At = (i64, i64);

/// What a table must be by what was committed, in the order in which it was.
#[derive(Default)]
struct Fold {
    rows: BTreeMap<i64, (Option<i64>, String)>,
    positions: BTreeMap<i64, i64>,
    replayed: BTreeSet<At>,
}

impl Fold {
    /// Adds what a step has committed.
    fn follow(&mut self, sequence: &Sequence) {
        let days = &sequence.days;
        if !days.destination.look(|snapshot| snapshot.has(&sequence.ours("checkpoints"))) {
            return;
        }
        let sources = days.destination.look(|snapshot| {
            snapshot.query(&format!(
                "SELECT s.id, s.name, c.position FROM {} s JOIN {} c ON c.source_id = s.id ORDER BY s.data_date, s.name",
                sequence.ours("sources"),
                sequence.ours("checkpoints")
            ))
        });
        let mut contents = BTreeMap::new();
        for row in &sources {
            let (id, position) = (row[0].int(), row[2].int());
            let content = std::fs::read_to_string(row[1].text()).unwrap();
            let since = self.positions.insert(id, position).unwrap_or(0);
            for (_, (n, row)) in records(&content, since, position, sequence.limit) {
                self.rows.insert(n, row);
            }
            contents.insert(id, content);
        }
        let replayed = days.destination.look(|snapshot| {
            snapshot.query(&format!(
                "SELECT source_id, source_offset FROM {} WHERE state = 'replayed' ORDER BY 1, 2",
                sequence.ours("dead_letters")
            ))
        });
        // Of several of one key the last wins, and yields to what is there.
        let mut new = BTreeMap::new();
        for row in &replayed {
            let place = (row[0].int(), row[1].int());
            if self.replayed.insert(place) {
                let content = &contents[&place.0];
                let end = i64::try_from(content.len()).unwrap();
                let record = records(content, place.1, end, sequence.limit).into_iter().next();
                let (offset, (n, row)) = record.expect("a record that is one by now");
                assert_eq!(offset, place.1);
                new.insert(n, row);
            }
        }
        for (n, row) in new {
            self.rows.entry(n).or_insert(row);
        }
        let found = days.destination.look(|snapshot| match snapshot.has("t") {
            true => snapshot.query("SELECT n, seen, note FROM t ORDER BY n"),
            false => Vec::new(),
        });
        let found: BTreeMap<i64, (Option<i64>, String)> = found
            .iter()
            .map(|row| (row[0].int(), (row[1].known().map(Cell::int), row[2].text().to_owned())))
            .collect();
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

/// A row of the table behind its key.
type Row = (i64, (Option<i64>, String));

/// The records of a text that begin in a range and are rows under a limit, with their offsets.
fn records(content: &str, from: i64, to: i64, limit: i64) -> Vec<(i64, Row)> {
    let mut offset = 0;
    let mut records = Vec::new();
    for line in content.split_inclusive('\n') {
        let start = offset;
        offset += i64::try_from(line.len()).unwrap();
        if start < from || start >= to {
            continue;
        }
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        let n = record["n"].as_i64().unwrap();
        if n <= limit {
            let row = (record["seen"].as_i64(), record["note"].as_str().unwrap().to_owned());
            records.push((start, (n, row)));
        }
    }
    records
}

fn folded(kind: Kind, mut rng: Rng) {
    needs_failpoints();
    let steps = rng.usize(6..12);
    let mut sequence = Sequence::new(kind, "key = [\"n\"]", rng);
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
