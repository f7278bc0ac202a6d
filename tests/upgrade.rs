//! Upgrades: this program takes over databases that earlier versions have left.
//!
//! `cases/upgrade/vN` holds a database of each kind as the last program with version N of our tables left
//! it, with its logs, its jobs, and the script that made everything. Some sources are loaded to their end
//! and some halfway; letters are in every state. Each migration of our tables adds a folder for the version
//! it replaces.
#![cfg(all(feature = "sqlite", feature = "gzip"))]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;
use tempfile::TempDir;

use crate::cli::Said;
use crate::harness::destination::{Cell, Destination, Kind};
use crate::harness::logmill;
use crate::harness::postgres::{Server, folder};
use crate::sources::gzip;

/// The first file of the folder, which was loaded to its end.
const DONE: &str = "logs/app/1-done.ndjson";

/// An old database, in a folder with its jobs and logs.
struct Left {
    folder: TempDir,
    destination: Destination,
    /// Whether its sources record the table they are in.
    knows_targets: bool,
}

impl Left {
    fn of(version: &Path, kind: Kind) -> Left {
        let left = Left {
            knows_targets: !version.ends_with("v1") && !version.ends_with("v2"),
            ..Left::empty(version, kind)
        };
        let file = version.join(kind.word("postgres.sql", "sqlite.sql"));
        let dump = fs::read_to_string(file).unwrap();
        left.destination.execute(&dump.replace("{folder}", left.folder.path().to_str().unwrap()));
        left
    }

    /// The same jobs and logs with an empty database.
    fn empty(version: &Path, kind: Kind) -> Left {
        let folder = folder();
        for name in ["jobs", "logs"] {
            copy(&version.join(name), &folder.path().join(name));
        }
        let destination = match kind {
            Kind::Postgres => Destination::Postgres(Rc::new(Server::shared().database())),
            Kind::Sqlite => Destination::Sqlite(folder.path().join("logmill.db")),
        };
        Left { folder, destination, knows_targets: false }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = File::options().append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn run(&self, arguments: &str, stdin: &[u8]) -> Said {
        let mut command = logmill();
        command.args(arguments.split_whitespace()).args(["--output", "json"]);
        command.current_dir(self.path("jobs")).env("DATABASE", self.destination.url());
        Said::of(&mut command, stdin)
    }

    /// Runs a job. Returns its exit code, the inserted rows, and the loaded sources.
    #[track_caller]
    fn load(&self, arguments: &str) -> (i32, i64, i64) {
        // Only the job over the stream reads this.
        let stream = fs::read(self.path("logs/stream.ndjson")).unwrap();
        let said = self.run(&format!("load -j {arguments}"), &stream);
        let result: Value =
            serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        let count = |pointer| result.pointer(pointer).and_then(Value::as_i64);
        let counts = count("/counts/inserted").zip(count("/sources/loaded"));
        let (inserted, loaded) = counts.unwrap_or_else(|| panic!("no counts: {said:?}"));
        (said.code, inserted, loaded)
    }

    fn query(&self, sql: &str) -> Vec<Vec<Cell>> {
        self.destination.look(|snapshot| snapshot.query(sql))
    }

    fn ours(&self, sql: &str) -> Vec<Vec<Cell>> {
        let prefix = match self.destination {
            Destination::Postgres(_) => "logmill.",
            Destination::Sqlite(_) => "logmill_",
        };
        self.query(&sql.replace("our_", prefix))
    }

    /// The identity of each source.
    fn sources(&self) -> Vec<Vec<Cell>> {
        self.ours(
            "SELECT id, job, CAST(data_date AS text), name, head_len, head_hash, CAST(first_seen AS text)
             FROM our_sources ORDER BY id",
        )
    }

    fn letters(&self) -> Vec<Vec<Cell>> {
        self.ours(
            "SELECT id, source_id, line, raw, state, CAST(reasons AS text), attempts, note
             FROM our_dead_letters ORDER BY id",
        )
    }

    /// The records of a target: source, offset and number.
    fn places(&self, table: &str) -> BTreeSet<(i64, i64, i64)> {
        let rows = self.query(&format!("SELECT source_id, source_offset, n FROM {table}"));
        rows.iter().map(|row| (row[0].int(), row[1].int(), row[2].int())).collect()
    }

    /// The rows of every target, without the ids of their sources.
    fn targets(&self) -> BTreeMap<&'static str, Vec<String>> {
        let targets = [
            (
                "app",
                "n, at, seen, local, day, clock, level, message, host, ratio, price, is_new, trace, address, payload, extra, \
                 place, tags, source_offset",
            ),
            ("days", "n, word, source_offset"),
            ("users", "tenant, id, version, name"),
            ("events", "n, kind, at, note, record_hash"),
            ("plain", "n, word, source_offset"),
        ];
        let rows = |(table, columns): (&'static str, &str)| {
            let columns: Vec<_> =
                columns.split(", ").map(|column| format!("CAST({column} AS text)")).collect();
            let rows = self.query(&format!("SELECT {} FROM {table}", columns.join(", ")));
            let mut rows: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
            rows.sort();
            (table, rows)
        };
        targets.into_iter().map(rows).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

fn versions() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/upgrade");
    let mut versions: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    versions.sort();
    assert!(!versions.is_empty());
    versions
}

/// Runs a story for each version and each kind of destination.
fn each(story: impl Fn(Left)) {
    for version in versions() {
        for kind in Kind::all() {
            eprintln!("{} on {kind:?}", version.display());
            story(Left::of(&version, kind));
        }
    }
}

/// Loads everything, job by job.
fn load_all(left: &Left) {
    assert_eq!(left.load("app.toml"), (3, 58, 2));
    assert_eq!(left.load("days.toml --date 2023-10-27"), (0, 0, 0));
    assert_eq!(left.load("days.toml --date 2023-10-28"), (0, 22, 2));
    assert_eq!(left.load("days.toml --date 2023-10-29"), (0, 20, 1));
    assert_eq!(left.load("users.toml"), (0, 24, 1));
    assert_eq!(left.load("events.toml -").0, 0);
    assert_eq!(left.load("plain.toml"), (0, 0, 0));
}

#[test]
fn loaded_sources_stay_and_half_loaded_ones_resume() {
    each(|left| {
        let (sources, letters) = (left.sources(), left.letters());
        let before: Vec<_> = ["app", "days", "plain"].map(|table| (table, left.places(table))).into();
        load_all(&left);
        assert_eq!(left.sources()[..13], sources);
        assert_eq!(left.sources().len(), 14, "only the third day is new");
        assert_eq!(left.letters(), letters);
        for (table, before) in before {
            assert!(before.is_subset(&left.places(table)), "records of {table} have moved");
        }
        // A second run has nothing to do.
        assert_eq!(left.load("app.toml"), (3, 0, 0));
        assert_eq!(left.load("days.toml --date 2023-10-28"), (0, 0, 0));
        assert_eq!(left.load("users.toml"), (0, 0, 0));
    });
}

#[test]
fn in_the_end_an_old_database_holds_what_a_new_one_would() {
    each(|left| {
        let kind = match left.destination {
            Destination::Postgres(_) => Kind::Postgres,
            Destination::Sqlite(_) => Kind::Sqlite,
        };
        load_all(&left);
        for version in versions() {
            let new = Left::empty(&version, kind);
            new.load("app.toml");
            for day in 27..=29 {
                new.load(&format!("days.toml --date 2023-10-{day}"));
            }
            for rest in ["users.toml", "events.toml -", "plain.toml"] {
                new.load(rest);
            }
            assert_eq!(left.targets(), new.targets());
        }
    });
}

/// Older programs did not record a source's table, or the device and inode of its file.
#[test]
fn missing_facts_are_filled_in_when_first_seen() {
    each(|left| {
        if !left.knows_targets {
            // Their sources cannot be in a table that does not exist.
            let said = left.run("load -j app.toml --table elsewhere", b"").ended(2, &[]);
            assert!(said.stderr.contains("has loaded 5 sources"), "{said:?}");
        }
        load_all(&left);
        let unknown = "SELECT name FROM our_sources WHERE target IS NULL OR device IS NULL OR inode IS NULL";
        let unknown = left.ours(unknown);
        assert!(matches!(&unknown[..], [name] if name[0].text() == "-"), "{unknown:?}");
        let targets = left.ours("SELECT count(DISTINCT job), count(DISTINCT target) FROM our_sources");
        assert_eq!((targets[0][0].int(), targets[0][1].int()), (5, 5));
        // From now on a small log can rotate.
        let days = "logs/days/2023-10-29";
        fs::rename(left.path(&format!("{days}/a.ndjson.gz")), left.path(&format!("{days}/b.ndjson.gz")))
            .unwrap();
        assert_eq!(left.load("days.toml --date 2023-10-29"), (0, 0, 0));
    });
}

/// A letter records the rules that refused it, and a checkpoint the position from which its rules apply.
#[test]
fn new_letters_record_their_rules_and_old_ones_stay() {
    each(|left| {
        let letters = left.ours("SELECT count(*) FROM our_dead_letters")[0][0].int();
        let has_rules = left.ours("SELECT 1 FROM our_meta WHERE version > 3").len() == 1;
        let rules_of_old = || {
            let rules =
                format!("SELECT id, rules_hash FROM our_dead_letters WHERE id <= {letters} ORDER BY id");
            left.ours(&rules)
        };
        let before = has_rules.then(rules_of_old);
        left.append(DONE, "no json\n");
        assert_eq!(left.load("app.toml"), (3, 58, 2 + 1));
        let no_rules = || (1..=letters).map(|id| vec![Cell::Int(id), Cell::Null]).collect();
        assert_eq!(rules_of_old(), before.unwrap_or_else(no_rules));
        let told = left.ours(&format!(
            "SELECT d.id FROM our_dead_letters d JOIN our_checkpoints c ON c.source_id = d.source_id
             WHERE d.rules_hash = c.rules_hash AND c.rules_since = 0 AND d.generation = 0 AND d.fixed IS NULL
                AND d.delivered_at IS NULL AND d.id > {letters}",
        ));
        assert!(matches!(&told[..], [row] if row[0].int() == letters + 1), "{told:?}");
    });
}

/// Rules are compared when a source resumes, so each job gets more data.
#[test]
fn no_rule_counts_as_changed() {
    each(|left| {
        load_all(&left);
        let app = r#"{"n":999,"at":1698400000,"level":"ERROR","message":"more"}"#;
        left.append(DONE, &format!("{app}\n"));
        left.append("logs/users.ndjson", "{\"tenant\":\"new\",\"id\":1,\"version\":1,\"name\":null}\n");
        left.append("logs/plain.ndjson", "{\"n\":999,\"word\":\"more\"}\n");
        left.append("logs/stream.ndjson", "{\"n\":999,\"kind\":\"open\",\"at\":\"2023-10-28T00:00:00Z\"}\n");
        let third = left.path("logs/days/2023-10-29/a.ndjson.gz");
        let more: String =
            (121..=140).map(|n| format!("{{\"n\":{n},\"word\":\"{:032x}\"}}\n", n * 7919)).collect();
        fs::write(third, gzip(format!("{more}{{\"n\":999}}\n").as_bytes(), 6)).unwrap();
        assert_eq!(left.load("app.toml"), (3, 1, 1));
        assert_eq!(left.load("users.toml"), (0, 1, 1));
        assert_eq!(left.load("plain.toml"), (0, 1, 1));
        assert_eq!(left.load("events.toml -"), (0, 1, 1));
        assert_eq!(left.load("days.toml --date 2023-10-29"), (0, 1, 1));
    });
}

#[test]
fn a_line_without_its_end_continues() {
    each(|left| {
        left.load("app.toml");
        let before = left.places("app");
        left.append(
            "logs/app/4-tail.ndjson",
            "\n{\"n\":998,\"at\":0,\"level\":\"INFO\",\"message\":\"m\"}\n",
        );
        assert_eq!(left.load("app.toml"), (3, 1, 1));
        let after = left.places("app");
        let new: Vec<_> = after.difference(&before).collect();
        assert!(matches!(new[..], [(4, _, 998)]), "{new:?}");
        assert!(before.is_subset(&after));
    });
}

#[test]
fn a_file_is_recognised_under_another_name_and_in_an_archive() {
    each(|left| {
        left.load("app.toml");
        let sources = left.sources().len();
        fs::rename(left.path(DONE), left.path("logs/app/1-moved.ndjson")).unwrap();
        assert_eq!(left.load("app.toml"), (3, 0, 0));
        let content = fs::read(left.path("logs/app/1-moved.ndjson")).unwrap();
        fs::remove_file(left.path("logs/app/1-moved.ndjson")).unwrap();
        fs::write(left.path("logs/app/1-packed.ndjson.gz"), gzip(&content, 1)).unwrap();
        assert_eq!(left.load("app.toml"), (3, 0, 0));
        assert_eq!(left.sources().len(), sources);
        // Another file under its old name is another source.
        fs::write(left.path(DONE), "{\"n\":997,\"at\":0,\"level\":\"INFO\",\"message\":\"m\"}\n").unwrap();
        assert_eq!(left.load("app.toml"), (3, 1, 1));
        assert_eq!(left.sources().len(), sources + 1);
    });
}

/// A command that only reads does not migrate, and still answers.
#[test]
fn old_state_can_be_read_before_any_load() {
    each(|left| {
        let said = left.run("status -j app.toml", b"").ended(0, &[]);
        let status: Value = serde_json::from_str(&said.stdout).unwrap();
        let sources = status["sources"].as_array().unwrap();
        let complete = sources.iter().map(|source| source["complete"].as_bool().unwrap());
        assert_eq!(complete.collect::<Vec<_>>(), [true, true, true, true, false, false]);
        assert_eq!(status["open_dead_letters"], 2);
        let said = left.run("dead-letters list -j app.toml", b"").ended(0, &[]);
        let letters: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(letters["dead_letters"].as_array().map(Vec::len), Some(2), "{letters}");
        left.run("plan -j app.toml", b"").ended(0, &[]);
    });
}

/// This program cannot know the tables of a newer one.
#[test]
fn tables_of_a_newer_program_are_refused_and_unchanged() {
    for kind in Kind::all() {
        let left = Left::of(versions().last().unwrap(), kind);
        left.load("app.toml");
        let meta = kind.word("logmill.meta", "logmill_meta");
        left.destination.execute(&format!("UPDATE {meta} SET version = 999"));
        fs::write(
            left.path("logs/app/9-new.ndjson"),
            "{\"n\":997,\"at\":0,\"level\":\"INFO\",\"message\":\"m\"}\n",
        )
        .unwrap();
        let before = (left.sources(), left.letters());
        for command in ["load", "status", "verify", "dead-letters list", "dead-letters replay"] {
            left.run(&format!("{command} -j app.toml"), b"").ended(2, &["are of version 999"]);
        }
        // A plan reports the obstacle.
        let said = left.run("plan -j app.toml", b"");
        assert!(said.code == 2 && said.stdout.contains("are of version 999"), "{said:?}");
        assert_eq!((left.sources(), left.letters()), before);
    }
}

/// Without a dump of the tables that it migrates, nothing would test a migration.
#[test]
fn every_version_of_our_tables_has_its_dump() {
    for file in ["src/sink/postgres/tables.sql", "src/sink/sqlite/tables.sql"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let version = text.split("version ").nth(1).and_then(|rest| rest.split([',', '.', ':']).next());
        let version: usize = version.and_then(|version| version.trim().parse().ok()).expect("a version");
        let named = (1..=version).map(|version| format!("v{version}"));
        let found = versions();
        let mut found = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
        for name in named.take((version - 1).max(1)) {
            assert!(found.any(|found| found == name), "there is no tests/cases/upgrade/{name}");
        }
    }
}
