//! A load as a story: lines, a schema, a run, and what must be true afterwards.
//!
//! ```text
//! Load::of("{\"n\":1}\n{\"n\":\"x\"}\n").schema("n int").run()
//!     .exit(3)
//!     .rows(["1"])
//!     .rejects([(2, "int_parsing n")]);
//! ```
//!
//! Each load has its own destination and folder, and runs the real program with a job file written from the
//! few words above. It keeps its state between runs, so one value tells a story of several runs (killed, run
//! again, taken over). [`Call`] describes the faults that a run suffers. [`Ended`] checks the outcome, and
//! `oracle` checks it again without believing anything the program says.

use std::cell::{self, OnceCell, RefCell};
use std::fmt::Write as _;
use std::fs::{self, File};
#[cfg(feature = "gzip")]
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use postgres::Client;
use serde_json::Value;

use super::audit;
use super::destination::{Destination, Kind};
use super::field::Field;
use super::postgres::{Database, Server, folder};
use super::reading::Shape;
use super::run::{Call, Ended, Running, needs_failpoints};
use super::{logmill, wait_until};

/// A job with its files, its folder and its destination.
pub(crate) struct Load {
    kind: Kind,
    server: Option<Server>,
    destination: OnceCell<Destination>,
    folder: tempfile::TempDir,
    name: String,
    files: RefCell<Vec<LogFile>>,
    shape: Shape,
    fields: Vec<Field>,
    field_lines: String,
    record_lines: String,
    key: String,
    destination_lines: String,
    pipeline: String,
    given: String,
    variables: Vec<(&'static str, String)>,
    is_audited: bool,
    calls: cell::Cell<usize>,
}

/// A file of a load, with every version of its content.
#[derive(Clone)]
pub(crate) struct LogFile {
    pub(crate) name: String,
    /// Every content that was written to it, oldest first and uncompressed.
    pub(crate) versions: Vec<Vec<u8>>,
}

/// The columns of the position key, for use in `given`.
pub(super) const KEY: &str =
    "source_id integer, source_offset bigint, PRIMARY KEY (source_id, source_offset)";

impl Load {
    /// A load of one file, `log.ndjson`.
    pub(crate) fn of(content: impl AsRef<[u8]>) -> Load {
        Load::empty().file("log.ndjson", content)
    }

    /// A load without files; add them with `file`.
    pub(crate) fn empty() -> Load {
        Load {
            kind: Kind::Postgres,
            server: None,
            destination: OnceCell::new(),
            folder: folder(),
            name: "job".to_owned(),
            files: RefCell::default(),
            shape: Shape::Lines,
            fields: Vec::new(),
            field_lines: String::new(),
            record_lines: String::new(),
            key: "\"position\"".to_owned(),
            destination_lines: String::new(),
            // Short, so that an outage which no test intends shows up as a failure.
            pipeline: "threads = 2\nretry_for = \"40s\"\n".to_owned(),
            given: String::new(),
            variables: Vec::new(),
            is_audited: false,
            calls: cell::Cell::new(0),
        }
    }

    /// Sets the kind of destination. The default is PostgreSQL.
    pub(crate) fn to(mut self, kind: Kind) -> Load {
        self.kind = kind;
        self
    }

    /// Loads into this SQLite file rather than one in the load's folder.
    #[cfg(feature = "sqlite")]
    pub(crate) fn into_file(mut self, path: PathBuf) -> Load {
        self.kind = Kind::Sqlite;
        assert!(self.destination.set(Destination::Sqlite(path)).is_ok(), "it has one already");
        self
    }

    /// Adds a file. Files are loaded in the order of their names, and compressed if the name says so.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Load {
        self.write(name, content);
        self
    }

    /// Sets the shape of the records; the default is one JSON object per line.
    pub(crate) fn shaped(mut self, shape: Shape) -> Load {
        self.shape = shape;
        self
    }

    /// Sets the fields, written like `id int, level enum(INFO|WARN), note text?`.
    pub(crate) fn schema(mut self, text: &str) -> Load {
        self.fields = text.split(',').map(|field| Field::of(field.trim())).collect();
        self
    }

    /// Adds a field in TOML. The oracles ignore it.
    pub(crate) fn field(mut self, line: &str) -> Load {
        let _ = writeln!(self.field_lines, "{line}");
        self
    }

    /// Adds a line to `[record]`.
    pub(crate) fn record(mut self, line: &str) -> Load {
        let _ = writeln!(self.record_lines, "{line}");
        self
    }

    /// Sets the key: `position`, `content`, `none`, or a list of columns in TOML.
    pub(crate) fn key(mut self, key: &str) -> Load {
        self.key = if key.starts_with('[') { key.to_owned() } else { format!("\"{key}\"") };
        self
    }

    /// Adds a line to `[destination]`.
    pub(crate) fn destination(mut self, line: &str) -> Load {
        let _ = writeln!(self.destination_lines, "{line}");
        self
    }

    /// Adds a line to `[pipeline]`, replacing a line with the same key.
    pub(crate) fn pipeline(mut self, line: &str) -> Load {
        let key = |line: &str| line.split('=').next().map(str::trim).map(str::to_owned);
        let others: Vec<&str> = self.pipeline.lines().filter(|old| key(old) != key(line)).collect();
        self.pipeline = others.iter().chain([&line]).map(|line| format!("{line}\n")).collect();
        self
    }

    /// Limits batches to `rows` rows, so that even a small file makes many.
    pub(crate) fn batches_of(self, rows: usize) -> Load {
        self.pipeline(&format!("batch_rows = {rows}")).pipeline("chunk_size = 300")
    }

    /// Executes SQL in the destination before the first run. `{key}` expands to the columns of the position
    /// key, `{timestamp}` to the type of a timestamp.
    pub(crate) fn given(mut self, sql: &str) -> Load {
        let timestamp = self.kind.word("timestamptz", "TEXT");
        let sql = sql.replace("{key}", KEY).replace("{timestamp}", timestamp);
        let _ = writeln!(self.given, "{};", sql.trim_end_matches(';'));
        self
    }

    /// Adds environment variables to every run of the program.
    pub(crate) fn with(mut self, variables: Vec<(&'static str, String)>) -> Load {
        self.variables = variables;
        self
    }

    /// Records each applied row with a trigger. Moves of checkpoints are always recorded; recording rows is
    /// optional because it changes the path that rows take.
    pub(crate) fn audited(mut self) -> Load {
        self.is_audited = true;
        self
    }

    /// Uses this server rather than the shared one.
    pub(crate) fn on(mut self, server: &Server) -> Load {
        self.server = Some(server.clone());
        self
    }

    /// Sets the name of the job. The default is `job`.
    pub(crate) fn named(mut self, name: &str) -> Load {
        self.name = name.to_owned();
        self
    }

    /// Loads into the database of another load.
    pub(crate) fn beside(self, other: &Load) -> Load {
        assert!(self.destination.set(other.made().clone()).is_ok(), "it has one already");
        self
    }

    /// Runs the load to its end.
    pub(crate) fn run(&self) -> Ended<'_> {
        self.call().run()
    }

    /// A run that can be configured before it starts.
    pub(crate) fn call(&self) -> Call<'_> {
        self.call_with(&self.job())
    }

    /// Tells the story of a run that stopped at a failpoint, once for each of these points and with zero,
    /// one or two passes before the stop.
    #[track_caller]
    pub(crate) fn at_each<'l>(
        &'l self,
        points: &[&'static str],
        mut story: impl FnMut(&'static str, Running<'l>),
    ) {
        needs_failpoints();
        for (index, point) in points.iter().enumerate() {
            eprintln!("at {point}, passed {} times", index % 3);
            self.reset();
            story(point, self.call().stop_at(point, index % 3).start().wait_stopped());
        }
    }

    /// A run with this job file in place of the described one.
    pub(crate) fn call_with(&self, text: &str) -> Call<'_> {
        self.write_job(text);
        self.command("load")
    }

    /// A run of another command, with the job file written last.
    pub(crate) fn command(&self, name: &str) -> Call<'_> {
        let mut command = logmill();
        command
            .args(name.split(' '))
            .args(["--output", "json", "-j"])
            .arg(self.folder.path().join("job.toml"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        Call::new(self, command)
    }

    fn write_job(&self, text: &str) {
        // Replaced by a rename, because another run may be reading it.
        let job = self.folder.path().join("job.toml");
        let new = self.folder.path().join("job.toml.new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &job).unwrap();
    }

    /// The job file.
    pub(crate) fn job(&self) -> String {
        let mut fields = self.field_lines.clone();
        for field in &self.fields {
            let _ = writeln!(fields, "{} = {}", field.name, field.toml());
        }
        format!(
            "name = \"{}\"\n\n[source]\nfiles = [\"*.ndjson*\"]\n{}\n\n[record]\n{}\n[record.fields]\n{fields}\n\
             [destination]\nurl = \"{}\"\ntable = \"t\"\nkey = {}\n{}\n[pipeline]\n{}",
            self.name,
            self.shape.toml(),
            self.record_lines,
            self.made().url(),
            self.key,
            self.destination_lines,
            self.pipeline
        )
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The columns of a column key; empty for other keys.
    pub(crate) fn key_columns(&self) -> Vec<String> {
        let list = self.key.strip_prefix('[').and_then(|key| key.strip_suffix(']'));
        list.into_iter()
            .flat_map(|list| list.split(','))
            .map(|column| column.trim().trim_matches('"').to_owned())
            .collect()
    }

    /// Whether rows carry their source and offset.
    pub(crate) fn rows_have_places(&self) -> bool {
        ["\"position\"", "\"none\""].contains(&self.key.as_str())
    }

    /// Whether the hash of its record identifies a row.
    pub(crate) fn is_by_content(&self) -> bool {
        self.key == "\"content\""
    }

    /// Whether an existing row wins over a new one with its key.
    pub(crate) fn keeps(&self) -> bool {
        self.destination_lines.contains("on_conflict = \"keep\"")
    }

    /// The column that decides which of two rows with one key is newer, if there is one.
    pub(crate) fn newest(&self) -> Option<String> {
        let (_, rest) = self.destination_lines.split_once("on_conflict = \"newest(")?;
        rest.split(')').next().map(str::to_owned)
    }

    pub(crate) fn is_audited(&self) -> bool {
        self.is_audited
    }

    /// The SQL that runs in the destination before the first run.
    pub(crate) fn given_sql(&self) -> &str {
        &self.given
    }

    pub(crate) fn files(&self) -> Vec<LogFile> {
        let mut files = self.files.borrow().clone();
        files.sort_by(|one, other| one.name.cmp(&other.name));
        files
    }

    /// Overwrites a file in place. The oracle keeps the earlier versions.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let content = content.as_ref().to_vec();
        fs::write(self.path(name), compressed(name, &content)).unwrap();
        let mut files = self.files.borrow_mut();
        match files.iter_mut().find(|file| file.name == name) {
            Some(file) => {
                file.versions.retain(|version| *version != content);
                file.versions.push(content);
            }
            None => files.push(LogFile { name: name.to_owned(), versions: vec![content] }),
        }
    }

    /// Sets a file's modification time back by an hour, so that a later write changes it.
    pub(crate) fn let_rest(&self, name: &str) {
        let file = File::options().append(true).open(self.path(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }

    /// The path of a file of the load.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The destination, created on first use.
    pub(crate) fn made(&self) -> &Destination {
        self.destination.get_or_init(|| {
            let destination = match self.kind {
                Kind::Postgres => {
                    let database = self.server.as_ref().unwrap_or_else(|| Server::shared()).database();
                    database.client().batch_execute(audit::SERVER).unwrap();
                    Destination::Postgres(Rc::new(database))
                }
                #[cfg(feature = "sqlite")]
                Kind::Sqlite => Destination::Sqlite(self.path("t.db")),
            };
            self.give(&destination);
            destination
        })
    }

    pub(crate) fn database(&self) -> &Database {
        match self.made() {
            Destination::Postgres(database) => database,
            #[cfg(feature = "sqlite")]
            Destination::Sqlite(_) => panic!("this load goes to SQLite"),
        }
    }

    pub(crate) fn client(&self) -> Client {
        self.database().client()
    }

    /// The single value that a query returns.
    #[track_caller]
    pub(crate) fn ask<T: for<'a> postgres::types::FromSql<'a>>(&self, sql: &str) -> T {
        self.client().query_one(sql, &[]).unwrap().get(0)
    }

    /// The name of one of the program's own tables.
    pub(crate) fn ours(&self, table: &str) -> String {
        self.kind.table("logmill", table)
    }

    /// Executes SQL in the destination.
    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) -> &Load {
        self.made().execute(&sql.replace("{key}", KEY));
        self
    }

    /// Empties the destination, as if nothing had run.
    pub(crate) fn reset(&self) {
        self.wait_alone();
        match self.made() {
            Destination::Postgres(_) => {
                self.sql(
                    "DROP SCHEMA IF EXISTS logmill, twin CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public;
                     TRUNCATE audit.applied, audit.moves",
                );
            }
            #[cfg(feature = "sqlite")]
            Destination::Sqlite(path) => {
                for end in ["", "-wal", "-shm", "-journal"] {
                    let _ = fs::remove_file(format!("{}{end}", path.display()));
                }
            }
        }
        self.give(self.made());
    }

    /// Waits until the program has no session left. A backend outlives its client for a moment, and a run
    /// that finds one waits 200 ms before it looks again. Locks on a SQLite file end with the process.
    #[track_caller]
    pub(crate) fn wait_alone(&self) {
        if self.kind == Kind::Postgres {
            wait_until("the sessions of the program to end", || self.backends("true").is_empty());
        }
    }

    /// The program's backends that satisfy a condition on `pg_stat_activity`.
    #[track_caller]
    pub(crate) fn backends(&self, condition: &str) -> Vec<i32> {
        let sql = format!(
            "SELECT pid FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'logmill' AND {condition}"
        );
        self.client().query(&sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Every row of every table that a run may write, on PostgreSQL with the transaction that wrote it.
    pub(crate) fn versions(&self) -> Vec<String> {
        let tables = ["sources", "checkpoints", "dead_letters"].map(|table| self.ours(table));
        self.made().look(|snapshot| {
            let tables = tables.iter().map(String::as_str).chain(["t"]);
            let rows = tables.flat_map(|table| match self.kind {
                Kind::Postgres => snapshot
                    .query(&format!("SELECT '{table}', xmin::text, ctid::text, t::text FROM {table} t")),
                #[cfg(feature = "sqlite")]
                Kind::Sqlite => snapshot.query(&format!("SELECT '{table}', t.* FROM {table} t")),
            });
            let mut rows: Vec<String> = rows.map(|row| format!("{row:?}")).collect();
            rows.sort();
            rows
        })
    }

    /// The files for the next run's stdout and stderr.
    pub(super) fn next_outputs(&self) -> (PathBuf, PathBuf) {
        let number = self.calls.replace(self.calls.get() + 1);
        let path = |what: &str| self.path(&format!("{what}.{number}"));
        (path("stdout"), path("stderr"))
    }

    /// The rows of the target; see [`Ended::rows`].
    pub(crate) fn rows(&self) -> Vec<String> {
        let names: Vec<String> = self
            .fields
            .iter()
            .map(|field| format!("coalesce(CAST(\"{}\" AS text), 'null')", field.name))
            .collect();
        let order = match self.key_columns() {
            columns if !columns.is_empty() => columns.join(", "),
            _ if self.rows_have_places() => "source_id, source_offset".to_owned(),
            _ => "record_hash".to_owned(),
        };
        let sql = format!("SELECT {} FROM t ORDER BY {order}", names.join(" || ' ' || "));
        let rows = self.made().look(|snapshot| snapshot.query(&sql));
        rows.iter().map(|row| row[0].text().to_owned()).collect()
    }

    /// The open dead letters; see [`Ended::rejects`].
    pub(crate) fn rejects(&self) -> Vec<(i64, String)> {
        let sql = format!(
            "SELECT line, CAST(reasons AS text) FROM {} WHERE state = 'open' ORDER BY source_id, source_offset",
            self.ours("dead_letters")
        );
        let rows = self.made().look(|snapshot| snapshot.query(&sql));
        rows.iter().map(|row| (row[0].int(), reasons(row[1].text()))).collect()
    }
}

/// Formats stored reasons as `code field, code field`.
fn reasons(stored: &str) -> String {
    let reasons: Vec<Value> = serde_json::from_str(stored).unwrap();
    let words = reasons.iter().map(|reason| {
        let word = |name: &str| reason[name].as_str().unwrap_or_default();
        format!("{} {}", word("code"), word("field")).trim_end().to_owned()
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The bytes of a file with this name: `content`, compressed if the name says so.
fn compressed(name: &str, content: &[u8]) -> Vec<u8> {
    match Path::new(name).extension().and_then(|end| end.to_str()) {
        #[cfg(feature = "gzip")]
        Some("gz") => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        #[cfg(feature = "zstd")]
        Some("zst") => zstd::encode_all(content, 1).unwrap(),
        _ => content.to_vec(),
    }
}
