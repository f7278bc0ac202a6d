//! Random sequences of loads, backfills, rebuilds, replays, late files, corrected files, metrics added later
//! and changed rules, killed anywhere. In the end, the state, including metrics and marks, equals that of a
//! fresh load of the same files. Where the order of operations decides, it equals a fold of the committed
//! records, step by step. After every step, a metric that differs from its rows is marked. A new operation
//! that changes rows, or a new table made from them, joins in [`Step`] and [`Sequence::left`].

use std::collections::BTreeSet;

use fastrand::Rng;

use super::*;
use crate::harness::run::needs_failpoints;
use crate::harness::trials::trials;

/// The result where the order of commits decides.
mod fold;

use fold::folded;

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

/// Keys under which the order of loads does not matter, and how many sequences to try of each.
const ORDERLESS: [(&str, usize); 4] = [
    ("key = \"position\"\ncolumns = { data_date = \"{date}\" }", 3),
    ("key = \"content\"", 1),
    ("key = \"content\"\ncolumns = { data_date = \"{date}\" }", 2),
    ("key = [\"n\"]\non_conflict = \"newest(seen)\"\ncolumns = { data_date = \"{date}\" }", 2),
];

/// Metrics over rows, over one column, over letters, and grouped by a column.
const METRICS: &str = "
[[rollup]]
metric = \"rows\"
of = \"rows\"
[[rollup]]
metric = \"sum\"
of = \"sum(n)\"
[[rollup]]
metric = \"rejects\"
of = \"rejects\"
[[rollup]]
metric = \"each\"
of = \"rows\"
by = [\"n\"]
table = \"by_n\"
";

const DAYS: [&str; 4] = ["2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02"];
const RANGE: &str = "--from 2024-02-28 --to 2024-03-03";

/// Points at which a run dies, if it reaches them.
const POINTS: [&str; 15] = [
    "before-register-commit",
    "before-claim-commit",
    "after-claim",
    "mid-copy",
    "after-rows",
    "after-dead-letters",
    "before-commit",
    "after-commit",
    "between-batches",
    "before-rollup",
    "mid-rollup",
    "before-rollup-commit",
    "after-rollup",
    "before-finish",
    "mid-finish",
];

/// Further points at which a rebuild dies.
const REBUILD_POINTS: [&str; 7] = [
    "before-rebuild",
    "after-superseded",
    "after-rows-deleted",
    "after-set-back",
    "after-rows",
    "before-rebuild-commit",
    "after-rebuild-commit",
];

/// The limits of the first rules and of the later, wider ones.
const FIRST_LIMIT: i64 = 60;
const LATER_LIMIT: i64 = 80;

/// One operation.
#[derive(Debug)]
enum Step {
    Load(&'static str),
    Backfill,
    Rebuild(&'static str),
    RebuildAll,
    Replay,
    /// A file arrives for a day, perhaps sorting before the day's other files.
    LateFile,
    /// A file is replaced by another one under the same name.
    Correct,
    /// The job has metrics from now on.
    Metrics,
    OtherRules,
}

impl Step {
    fn any(rng: &mut Rng) -> Step {
        let day = DAYS[rng.usize(..DAYS.len())];
        match rng.u32(..16) {
            0..3 => Step::Load(day),
            3..6 => Step::Backfill,
            6..9 => Step::Rebuild(day),
            9 => Step::RebuildAll,
            10..12 => Step::Replay,
            12 => Step::LateFile,
            13 => Step::Correct,
            14 => Step::Metrics,
            _ => Step::OtherRules,
        }
    }
}

/// A job over four days, and the state of its sequence.
struct Sequence {
    days: Days,
    rng: Rng,
    limit: i64,
    /// The names of the existing files.
    files: Vec<String>,
    /// The days of corrected files, which only a rebuild loads.
    corrected: BTreeSet<&'static str>,
    has_metrics: bool,
    said: Vec<String>,
}

impl Sequence {
    fn new(kind: Kind, key: &str, rng: Rng) -> Sequence {
        let lines = format!(
            "{key}\n[pipeline]\nbatch_rows = 7\nchunk_size = 300\nthreads = 2\n[record]\ntime = \"at\"\n"
        );
        let days = Days::new(kind).files("files = [\"logs/{date}*.log\"]").lines(&lines);
        let mut sequence = Sequence {
            days,
            rng,
            limit: FIRST_LIMIT,
            files: Vec::new(),
            corrected: BTreeSet::new(),
            has_metrics: false,
            said: Vec::new(),
        };
        sequence.has_metrics = sequence.rng.bool();
        for _ in 0..5 {
            sequence.late_file();
        }
        sequence
    }

    /// Runs a command under the current rules.
    fn run(&mut self, arguments: &str, failpoints: &str) -> Said {
        self.days.fields = format!(
            "n = {{ type = \"int\", le = {} }}\nseen = {{ type = \"int\", required = false }}\nnote = \"text\"\n\
             at = {{ type = \"timestamp\", required = false }}",
            self.limit
        );
        self.said.push(format!("{arguments} {failpoints}"));
        let metrics = if self.has_metrics { METRICS } else { "" };
        self.days.write_job_of(&format!("{}{metrics}", self.days.lines));
        let mut command = self.days.place.command(&format!("{arguments} -j job.toml"));
        Said::of(command.env("FAILPOINTS", failpoints), b"")
    }

    fn late_file(&mut self) {
        // With ten files, the order by number would differ from the order by text.
        if self.files.len() == 9 {
            return;
        }
        let (rng, number) = (&mut self.rng, self.files.len() + 1);
        let name = format!("{}-{}-{number}.log", DAYS[rng.usize(..DAYS.len())], rng.char('a'..='c'));
        self.write(&name);
        self.files.push(name);
    }

    fn correct(&mut self) {
        let name = self.files[self.rng.usize(..self.files.len())].clone();
        self.write(&name);
        self.corrected.extend(DAYS.iter().find(|day| name.starts_with(**day)));
        self.said.push(format!("correct {name}"));
    }

    /// Replaces the content of a file.
    fn write(&mut self, name: &str) {
        let rng = &mut self.rng;
        // A random word, so that the file cannot be mistaken for a grown one.
        let of = rng.u32(..);
        let mut lines = String::new();
        for line in 0..rng.u32(1..40) {
            let (n, seen) = (rng.i64(0..=LATER_LIMIT + 4), rng.i64(0..50));
            let at = ["27T23:59:59.5", "28T10:00:00", "29T00:00:00"][rng.usize(..3)];
            // One line in twenty is no record at all.
            match rng.u32(..20) {
                0 => lines.push_str("{\"n\":\n"),
                1 => lines.push_str(&format!("{{\"n\":{n},\"note\":\"of {of}, line {line}\"}}\n")),
                // The same line in many files.
                2 => lines.push_str("{\"n\":7,\"seen\":7,\"note\":\"everywhere\",\"at\":\"2024-03-01T00:00:00Z\"}\n"),
                _ => lines.push_str(&format!(
                    "{{\"n\":{n},\"seen\":{seen},\"note\":\"of {of}, line {line}\",\"at\":\"2024-02-{at}Z\"}}\n"
                )),
            }
        }
        self.days.place.write(format!("logs/{name}"), lines);
    }

    /// Takes a step, and may die in it.
    fn step(&mut self, step: &Step, may_go_side_by_side: bool) {
        let is_rebuild = matches!(step, Step::Rebuild(_) | Step::RebuildAll);
        let (is_newest, knows_days) =
            (self.days.lines.contains("newest"), self.days.lines.contains("data_date"));
        let dies = self.rng.u32(..5) < 2;
        let point = match is_rebuild && self.rng.bool() {
            true => REBUILD_POINTS[self.rng.usize(..REBUILD_POINTS.len())],
            false => POINTS[self.rng.usize(..POINTS.len())],
        };
        let failpoints = match dies {
            true => format!("{point}={}*off->return(kill)", self.rng.u32(..6)),
            false => String::new(),
        };
        let parallel = if may_go_side_by_side && self.rng.bool() { "--parallel 2" } else { "" };
        let said = match step {
            Step::Load(day) => self.run(&format!("load --date {day} --accept-new-rules"), &failpoints),
            Step::Backfill => {
                self.run(&format!("backfill {RANGE} --accept-new-rules {parallel}"), &failpoints)
            }
            // The rows do not say which day they belong to.
            Step::Rebuild(_) | Step::RebuildAll if !knows_days => return,
            Step::Rebuild(day) => self.run(&format!("load --date {day} --rebuild"), &failpoints),
            Step::RebuildAll => self.run(&format!("backfill {RANGE} --rebuild {parallel}"), &failpoints),
            // A replay that dies in the middle may leave the earlier of two rows of one key.
            Step::Replay if !may_go_side_by_side => self.replay(""),
            Step::Replay => self.replay(&failpoints),
            Step::LateFile => return self.late_file(),
            // When a key's row is deleted, a record of another day may still have that key.
            Step::Correct if !may_go_side_by_side || is_newest || !knows_days => return,
            Step::Correct => return self.correct(),
            Step::Metrics => {
                self.has_metrics = true;
                return;
            }
            Step::OtherRules => {
                self.limit = LATER_LIMIT;
                return;
            }
        };
        let mut codes = vec![0, 3];
        if dies {
            codes.push(-1);
        }
        let meets_another_day = is_rebuild && self.days.lines.contains("[\"n\"]");
        if !self.corrected.is_empty() && !is_rebuild || meets_another_day {
            codes.push(1);
        }
        assert!(codes.contains(&said.code), "{:#?}\n{said:?}", self.said);
        let is_told = format!("{}{}", said.stdout, said.stderr).contains("another data_date");
        assert!(!meets_another_day || said.code != 1 || is_told, "{said:?}");
        match (step, said.code) {
            (Step::Rebuild(day), 0 | 3) => drop(self.corrected.remove(day)),
            (Step::RebuildAll, 0 | 3) => self.corrected.clear(),
            _ => {}
        }
        self.is_right_or_marked();
    }

    /// Asserts that, wherever the run died, a metric that differs from its rows is marked for recomputation.
    #[track_caller]
    fn is_right_or_marked(&mut self) {
        let (metrics, dirty) = (self.ours("metrics"), self.ours("dirty_dates"));
        let are_taken_down = self.days.destination.look(|snapshot| {
            snapshot.has(&metrics) && !snapshot.query(&format!("SELECT metric FROM {metrics}")).is_empty()
        });
        if !self.has_metrics || !are_taken_down {
            return;
        }
        let marks = format!("SELECT CAST(date AS text) FROM {dirty}");
        let before = self.days.query(&marks);
        let said = self.run("rollup --check --output json", "");
        self.said.pop();
        let result: Value =
            serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        assert!([0, 5].contains(&said.code), "{said:?}");
        // A backend that briefly outlives its client may finish its work meanwhile.
        let marked: Vec<String> = before.into_iter().chain(self.days.query(&marks)).collect();
        for difference in result["differences"].as_array().unwrap() {
            let date = difference["date"].as_str().unwrap();
            assert!(
                marked.iter().any(|marked| marked == date),
                "{difference}, marked: {marked:?}, after {:#?}",
                self.said
            );
        }
    }

    fn replay(&mut self, failpoints: &str) -> Said {
        let tables = self.days.destination.look(|snapshot| snapshot.has(&self.ours("dead_letters")));
        match tables {
            true => self.run("dead-letters replay", failpoints),
            // Nothing has been loaded that could have letters.
            false => Said { code: 0, stdout: String::new(), stderr: String::new() },
        }
    }

    fn ours(&self, table: &str) -> String {
        self.days.kind.table("logmill", table)
    }

    /// Does everything that is left to do.
    fn finish(&mut self) {
        (self.limit, self.has_metrics) = (LATER_LIMIT, true);
        for day in std::mem::take(&mut self.corrected) {
            let rebuild = self.run(&format!("load --date {day} --rebuild"), "");
            assert!([0, 3].contains(&rebuild.code), "{:#?}\n{rebuild:?}", self.said);
        }
        let backfill = self.run(&format!("backfill {RANGE} --accept-new-rules"), "");
        assert!([0, 3].contains(&backfill.code), "{:#?}\n{backfill:?}", self.said);
        let replay = self.replay("");
        assert!([0, 3].contains(&replay.code), "{:#?}\n{replay:?}", self.said);
        // Nothing is left to compute, and every metric is right.
        assert_eq!(self.days.query(&format!("SELECT count(*) FROM {}", self.ours("dirty_dates"))), ["0"]);
        self.is_right_or_marked();
    }

    /// Everything a user can see: rows, with their source if they have one; open letters; days.
    fn left(&self) -> Vec<String> {
        let (sources, letters, dates) = (self.ours("sources"), self.ours("dead_letters"), self.ours("dates"));
        let rows = match self.days.lines.contains("position") {
            true => format!(
                "SELECT s.name, CAST(t.data_date AS text), t.source_offset, t.n, t.seen, t.note, CAST(t.at AS text)
                 FROM t JOIN {sources} s ON s.id = t.source_id AND CAST(s.data_date AS text) = CAST(t.data_date AS text)"
            ),
            false if self.days.lines.contains("data_date") => {
                "SELECT n, seen, note, CAST(at AS text), CAST(data_date AS text) FROM t".to_owned()
            }
            false => "SELECT n, seen, note, CAST(at AS text) FROM t".to_owned(),
        };
        let queries = [
            rows,
            "SELECT count(*) FROM t".to_owned(),
            format!(
                "SELECT s.name, CAST(s.data_date AS text), d.source_offset, d.line, d.raw, d.stage, CAST(d.reasons AS text)
                 FROM {letters} d JOIN {sources} s ON s.id = d.source_id WHERE d.state = 'open'"
            ),
            format!("SELECT job, CAST(date AS text), state, reason FROM {dates}"),
            // A date whose rows or rejects are gone keeps a metric of zero.
            "SELECT metric_id, CAST(date AS text), CAST(value AS text) FROM daily_metrics WHERE value <> 0".to_owned(),
            "SELECT metric_id, CAST(date AS text), n, CAST(value AS text) FROM by_n".to_owned(),
        ];
        let mut left = Vec::new();
        for sql in queries {
            // Each load has its own folder, so keep only the file name.
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
    let steps = rng.usize(5..11);
    let mut sequence = Sequence::new(kind, key, rng);
    for _ in 0..steps {
        let step = Step::any(&mut sequence.rng);
        sequence.step(&step, true);
    }
    sequence.finish();
    let used = &sequence.days;
    let mut fresh = Sequence {
        days: Days::new(kind).files(&used.files).lines(&used.lines),
        rng: sequence.rng.clone(),
        limit: LATER_LIMIT,
        files: Vec::new(),
        corrected: BTreeSet::new(),
        has_metrics: true,
        said: Vec::new(),
    };
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
