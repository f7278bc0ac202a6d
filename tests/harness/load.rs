//! A load as a story: lines, a schema, a run, and what must be true afterwards.
//!
//! ```text
//! Load::of("{\"n\":1}\n{\"n\":\"x\"}\n").schema("n int").run()
//!     .exit(3)
//!     .rows(["1"])
//!     .rejects([(2, "int_parsing n")]);
//! ```
//!
//! Each load has a destination and a folder of its own and runs the real program with a job file
//! written from the few words above. It stays what it is between runs, so a story of several
//! runs (killed, run again, taken over) is told with one value. What a run can be made to
//! suffer is said by [`Call`]; what is true afterwards by [`Ended`], and, without believing
//! the program in anything, by `oracle`.

use std::cell::{self, OnceCell, RefCell};
use std::fmt::Write as _;
use std::fs::{self, File};
#[cfg(feature = "gzip")]
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use postgres::Client;
use serde_json::Value;

use super::destination::{Cell, Destination, Kind};
use super::postgres::{Database, Server, folder, send};
use super::{logmill, skip, wait_until};

/// A job with its files, its folder and its destination.
pub(crate) struct Load {
    kind: Kind,
    server: Option<Server>,
    destination: OnceCell<Destination>,
    folder: tempfile::TempDir,
    name: String,
    files: RefCell<Vec<LogFile>>,
    fields: Vec<Field>,
    field_lines: String,
    key: String,
    destination_lines: String,
    pipeline: String,
    given: String,
    is_audited: bool,
    calls: cell::Cell<usize>,
}

/// A file of a load, with everything that it ever held.
#[derive(Clone)]
pub(crate) struct LogFile {
    pub(crate) name: String,
    /// What was written to it, the newest last; before it was compressed, if it is.
    pub(crate) versions: Vec<Vec<u8>>,
}

/// A field of a load's schema, as the test describes it.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// `int`, `text`, `float`, `bool`, `timestamp`, …, or `enum` with its values.
    pub(crate) kind: String,
    pub(crate) values: Vec<String>,
    pub(crate) is_optional: bool,
}

/// The columns of the position key, for `given`.
const KEY: &str = "source_id integer, source_offset bigint, PRIMARY KEY (source_id, source_offset)";

impl Load {
    /// A load of one file, `log.ndjson`.
    pub(crate) fn of(content: impl AsRef<[u8]>) -> Load {
        Load::empty().file("log.ndjson", content)
    }

    /// A load without files, which are to be given.
    pub(crate) fn empty() -> Load {
        Load {
            kind: Kind::Postgres,
            server: None,
            destination: OnceCell::new(),
            folder: folder(),
            name: "job".to_owned(),
            files: RefCell::default(),
            fields: Vec::new(),
            field_lines: String::new(),
            key: "\"position\"".to_owned(),
            destination_lines: String::new(),
            // Nothing here waits for long: an outage that a test does not mean is a failure.
            pipeline: "threads = 2\nretry_for = \"40s\"\n".to_owned(),
            given: String::new(),
            is_audited: false,
            calls: cell::Cell::new(0),
        }
    }

    /// Into a destination of this kind. Without a word it is PostgreSQL.
    pub(crate) fn to(mut self, kind: Kind) -> Load {
        self.kind = kind;
        self
    }

    /// Into this file of SQLite rather than one in its folder.
    #[cfg(feature = "sqlite")]
    pub(crate) fn into_file(mut self, path: PathBuf) -> Load {
        self.kind = Kind::Sqlite;
        assert!(self.destination.set(Destination::Sqlite(path)).is_ok(), "it has one already");
        self
    }

    /// A file more. Files are loaded in the order of their names. One whose name says so is
    /// compressed.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Load {
        self.write(name, content);
        self
    }

    /// The fields, as in `id int, level enum(INFO|WARN), note text?`.
    pub(crate) fn schema(mut self, text: &str) -> Load {
        self.fields = text.split(',').map(|field| Field::of(field.trim())).collect();
        self
    }

    /// A field more, as TOML has it. The oracles know nothing of it.
    pub(crate) fn field(mut self, line: &str) -> Load {
        let _ = writeln!(self.field_lines, "{line}");
        self
    }

    /// The key: `position`, `content`, `none`, or a list of columns as TOML has it.
    pub(crate) fn key(mut self, key: &str) -> Load {
        self.key = if key.starts_with('[') { key.to_owned() } else { format!("\"{key}\"") };
        self
    }

    /// A line more in `[destination]`.
    pub(crate) fn destination(mut self, line: &str) -> Load {
        let _ = writeln!(self.destination_lines, "{line}");
        self
    }

    /// A line in `[pipeline]`, which replaces the one of the same key.
    pub(crate) fn pipeline(mut self, line: &str) -> Load {
        let key = |line: &str| line.split('=').next().map(str::trim).map(str::to_owned);
        let others: Vec<&str> = self.pipeline.lines().filter(|old| key(old) != key(line)).collect();
        self.pipeline = others.iter().chain([&line]).map(|line| format!("{line}\n")).collect();
        self
    }

    /// Batches of so few rows that there are many.
    pub(crate) fn batches_of(self, rows: usize) -> Load {
        self.pipeline(&format!("batch_rows = {rows}")).pipeline("chunk_size = 300")
    }

    /// What is in the destination before the first run. `{key}` stands for the columns of the
    /// position key, `{timestamp}` for the type of a timestamp.
    pub(crate) fn given(mut self, sql: &str) -> Load {
        let timestamp = self.kind.word("timestamptz", "TEXT");
        let sql = sql.replace("{key}", KEY).replace("{timestamp}", timestamp);
        let _ = writeln!(self.given, "{};", sql.trim_end_matches(';'));
        self
    }

    /// Every row is written down by a trigger as it is applied. The moves of the checkpoints
    /// always are; this changes the way that rows take, so it is by choice.
    pub(crate) fn audited(mut self) -> Load {
        self.is_audited = true;
        self
    }

    /// On this server rather than the shared one.
    pub(crate) fn on(mut self, server: &Server) -> Load {
        self.server = Some(server.clone());
        self
    }

    /// Under another name than `job`.
    pub(crate) fn named(mut self, name: &str) -> Load {
        self.name = name.to_owned();
        self
    }

    /// Into the database of another load.
    pub(crate) fn beside(self, other: &Load) -> Load {
        assert!(self.destination.set(other.made().clone()).is_ok(), "it has one already");
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Ended<'_> {
        self.call().run()
    }

    /// A run with something said about it.
    pub(crate) fn call(&self) -> Call<'_> {
        self.call_with(&self.job())
    }

    /// A run of another job file than the one that is described.
    pub(crate) fn call_with(&self, text: &str) -> Call<'_> {
        // In one piece: another run may be reading it.
        let job = self.folder.path().join("job.toml");
        let new = self.folder.path().join("job.toml.new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &job).unwrap();
        let mut command = logmill();
        command.args(["load", "--output", "json", "-j"]).arg(job);
        Call { load: self, command, failpoints: Vec::new() }
    }

    /// The job file.
    pub(crate) fn job(&self) -> String {
        let mut fields = self.field_lines.clone();
        for field in &self.fields {
            let _ = writeln!(fields, "{} = {}", field.name, field.toml());
        }
        format!(
            "name = \"{}\"\n\n[source]\nfiles = [\"*.ndjson*\"]\nformat = \"ndjson\"\n\n[record.fields]\n{fields}\n\
             [destination]\nurl = \"{}\"\ntable = \"t\"\nkey = {}\n{}\n[pipeline]\n{}",
            self.name,
            self.made().url(),
            self.key,
            self.destination_lines,
            self.pipeline
        )
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The columns of a key of columns; none for the other keys.
    pub(crate) fn key_columns(&self) -> Vec<String> {
        let list = self.key.strip_prefix('[').and_then(|key| key.strip_suffix(']'));
        list.into_iter()
            .flat_map(|list| list.split(','))
            .map(|column| column.trim().trim_matches('"').to_owned())
            .collect()
    }

    /// Whether the rows say where they come from.
    pub(crate) fn rows_have_places(&self) -> bool {
        ["\"position\"", "\"none\""].contains(&self.key.as_str())
    }

    /// Whether a row is known by the hash of its record.
    pub(crate) fn is_by_content(&self) -> bool {
        self.key == "\"content\""
    }

    /// Whether a row that is there already stays.
    pub(crate) fn keeps(&self) -> bool {
        self.destination_lines.contains("on_conflict = \"keep\"")
    }

    /// The column by which rows of one key are newer or older, if there is one.
    pub(crate) fn newest(&self) -> Option<String> {
        let (_, rest) = self.destination_lines.split_once("on_conflict = \"newest(")?;
        rest.split(')').next().map(str::to_owned)
    }

    pub(crate) fn is_audited(&self) -> bool {
        self.is_audited
    }

    /// What is in the destination before the first run.
    pub(crate) fn given_sql(&self) -> &str {
        &self.given
    }

    pub(crate) fn files(&self) -> Vec<LogFile> {
        let mut files = self.files.borrow().clone();
        files.sort_by(|one, other| one.name.cmp(&other.name));
        files
    }

    /// Writes a file anew, in place. What it held before is remembered for the oracle.
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

    /// Lets a file look as if it had been written an hour ago: that it was touched since can
    /// then be told by its time.
    pub(crate) fn let_rest(&self, name: &str) {
        let file = File::options().append(true).open(self.path(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }

    /// Where a file of the load is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The destination, which is made when it is needed first.
    pub(crate) fn made(&self) -> &Destination {
        self.destination.get_or_init(|| {
            let destination = match self.kind {
                Kind::Postgres => {
                    let database = self.server.as_ref().unwrap_or_else(|| Server::shared()).database();
                    database.client().batch_execute(AUDIT).unwrap();
                    Destination::Postgres(Rc::new(database))
                }
                #[cfg(feature = "sqlite")]
                Kind::Sqlite => Destination::Sqlite(self.path("t.db")),
            };
            self.give(&destination);
            destination
        })
    }

    fn give(&self, destination: &Destination) {
        match destination {
            Destination::Postgres(database) => {
                let rows = if self.is_audited { "UPDATE audit.wanted SET rows = true;" } else { "" };
                database.client().batch_execute(&format!("{rows}\n{}", self.given)).unwrap();
            }
            #[cfg(feature = "sqlite")]
            Destination::Sqlite(_) => {
                let target = match self.given.contains("CREATE TABLE t ") {
                    true => String::new(),
                    false => self.target_in_sqlite(),
                };
                match self.is_audited {
                    true => destination.execute(&format!("{}{target}{SQLITE_AUDIT}", self.given)),
                    false if self.given.is_empty() => {}
                    false => destination.execute(&self.given),
                }
            }
        }
    }

    /// The target as the program would make it: a trigger needs a table.
    #[cfg(feature = "sqlite")]
    fn target_in_sqlite(&self) -> String {
        let columns = self.fields.iter().map(|field| {
            let kind = match field.kind.as_str() {
                "int" | "bool" => "INTEGER",
                "float" => "REAL",
                _ => "TEXT",
            };
            format!("{} {kind}, ", field.name)
        });
        format!("CREATE TABLE t ({}{KEY});\n", columns.collect::<String>())
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

    /// The only value that a query gives.
    #[track_caller]
    pub(crate) fn ask<T: for<'a> postgres::types::FromSql<'a>>(&self, sql: &str) -> T {
        self.client().query_one(sql, &[]).unwrap().get(0)
    }

    /// The name of one of the program's own tables.
    pub(crate) fn ours(&self, table: &str) -> String {
        self.kind.table("logmill", table)
    }

    /// Does something to the destination.
    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) -> &Load {
        self.made().execute(&sql.replace("{key}", KEY));
        self
    }

    /// Empties the destination, as if nothing had been run.
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

    /// Waits until no session of the program is left. A backend outlives its client for a
    /// moment, and a run that finds it waits 200 ms before it looks again. What is held in a
    /// file goes with the process.
    #[track_caller]
    pub(crate) fn wait_alone(&self) {
        let Destination::Postgres(database) = self.made() else { return };
        let mut client = database.client();
        let question = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'logmill'";
        wait_until("the sessions of the program to end", || {
            client.query_one(question, &[]).unwrap().get::<_, i64>(0) == 0
        });
    }

    /// Every row of every table that a run may write; on PostgreSQL with the transaction that
    /// wrote it.
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
}

impl Field {
    fn of(text: &str) -> Field {
        let (name, kind) = text.split_once(' ').expect("a field is a name and a type");
        let (kind, is_optional) = match kind.trim().strip_suffix('?') {
            Some(kind) => (kind, true),
            None => (kind.trim(), false),
        };
        let (kind, values) = match kind.split_once('(') {
            Some((kind, values)) => {
                (kind, values.trim_end_matches(')').split('|').map(str::to_owned).collect())
            }
            None => (kind, Vec::new()),
        };
        Field { name: name.to_owned(), kind: kind.to_owned(), values, is_optional }
    }

    fn toml(&self) -> String {
        let mut toml = format!("{{ type = \"{}\"", self.kind);
        if !self.values.is_empty() {
            let _ = write!(toml, ", values = {:?}", self.values);
        }
        if self.is_optional {
            toml.push_str(", required = false");
        }
        toml + " }"
    }
}

/// Whether the program can be made to fail at its failpoints. A test that needs it says so
/// and ends if not.
#[track_caller]
pub(crate) fn has_failpoints() -> bool {
    if !cfg!(feature = "failpoints") {
        skip("the program was built without --features failpoints");
    }
    cfg!(feature = "failpoints")
}

/// A run that is about to be.
pub(crate) struct Call<'l> {
    load: &'l Load,
    command: std::process::Command,
    failpoints: Vec<String>,
}

impl<'l> Call<'l> {
    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    /// By way of another address, such as that of a proxy.
    pub(crate) fn into(self, url: &str) -> Self {
        self.arg("--into").arg(url)
    }

    /// Dies by SIGKILL at a failpoint, once it has passed it so many times.
    pub(crate) fn kill_at(self, point: &str, passed: usize) -> Self {
        self.at(point, passed, "return(kill)")
    }

    /// Stops by SIGSTOP at a failpoint, once it has passed it so many times.
    pub(crate) fn stop_at(self, point: &str, passed: usize) -> Self {
        self.at(point, passed, "1*return(stop)")
    }

    /// Believes at a failpoint that the connection is lost, once it has passed it so many times.
    pub(crate) fn lose_at(self, point: &str, passed: usize) -> Self {
        self.at(point, passed, "1*return")
    }

    pub(crate) fn panic_at(self, point: &str, passed: usize) -> Self {
        self.at(point, passed, "1*return(panic)")
    }

    fn at(mut self, point: &str, passed: usize, action: &str) -> Self {
        let before = if passed == 0 { String::new() } else { format!("{passed}*off->") };
        self.failpoints.push(format!("{point}={before}{action}"));
        self
    }

    pub(crate) fn run(self) -> Ended<'l> {
        self.start().wait()
    }

    pub(crate) fn start(mut self) -> Running<'l> {
        let number = self.load.calls.replace(self.load.calls.get() + 1);
        let path = |what: &str| self.load.folder.path().join(format!("{what}.{number}"));
        let (stdout, stderr) = (path("stdout"), path("stderr"));
        if !self.failpoints.is_empty() {
            assert!(has_failpoints(), "this test must ask first");
            self.command.env("FAILPOINTS", self.failpoints.join(";"));
        }
        self.command.stdin(Stdio::null());
        self.command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let child = self.command.spawn().unwrap();
        Running { load: self.load, child, stdout, stderr, status: None }
    }
}

/// A run that is going on. It is killed if nobody waits for its end.
pub(crate) struct Running<'l> {
    load: &'l Load,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    status: Option<ExitStatus>,
}

impl<'l> Running<'l> {
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended<'l> {
        wait_until("the program to end", || self.has_ended());
        Ended {
            load: self.load,
            status: self.status.unwrap(),
            stdout: fs::read_to_string(&self.stdout).unwrap(),
            stderr: self.stderr(),
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().unwrap();
        }
        self.status.is_some()
    }

    /// What it has said to people so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap()).into_owned()
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(crate) fn wait_says(&mut self, text: &str) {
        wait_until(&format!("the program to say {text:?}"), || {
            assert!(!self.has_ended(), "it ended instead:\n{}", self.stderr());
            self.stderr().contains(text)
        });
    }

    /// Waits until it has stopped at a failpoint. False if it came to its end instead.
    #[track_caller]
    pub(crate) fn stops(&mut self) -> bool {
        let stat = format!("/proc/{}/stat", self.child.id());
        let mut stopped = false;
        wait_until("the program to stop at its failpoint", || {
            // The state is behind the name, which is in brackets and may hold anything.
            let text = fs::read_to_string(&stat).unwrap_or_default();
            stopped = text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'));
            stopped || self.has_ended()
        });
        stopped
    }

    /// Waits until it has stopped at a failpoint.
    #[track_caller]
    pub(crate) fn wait_stopped(mut self) -> Self {
        assert!(self.stops(), "it ended instead:\n{}", self.stderr());
        self
    }

    /// Lets it go on.
    pub(crate) fn wake(&self) {
        self.signal("CONT");
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(send(name, self.child.id().try_into().unwrap()), "no process to send SIG{name}");
    }

    /// Kills it, wherever it is.
    #[track_caller]
    pub(crate) fn kill(mut self) -> Ended<'l> {
        self.child.kill().unwrap();
        self.wait()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A run that has ended.
pub(crate) struct Ended<'l> {
    load: &'l Load,
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Ended<'_> {
    /// It ended with this code.
    #[track_caller]
    pub(crate) fn exit(&self, code: i32) -> &Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}; it said:\n{}{}",
            self.status,
            self.stderr,
            self.stdout
        );
        self
    }

    /// It did all that there was to do, whether or not records were rejected.
    #[track_caller]
    pub(crate) fn done(&self) -> &Self {
        let code = self.status.code();
        assert!(matches!(code, Some(0 | 3)), "{}; it said:\n{}{}", self.status, self.stderr, self.stdout);
        self
    }

    /// It was killed.
    #[track_caller]
    pub(crate) fn killed(&self) -> &Self {
        assert!(self.is_killed(), "{}; it said:\n{}{}", self.status, self.stderr, self.stdout);
        self
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// It said this to people.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "not said: {text:?}; it said:\n{}", self.stderr);
        self
    }

    /// It said this to people, or in its result.
    #[track_caller]
    pub(crate) fn tells(&self, text: &str) -> &Self {
        let told = format!("{}{}", self.stderr, self.stdout);
        assert!(told.contains(text), "not told: {text:?}; it said:\n{told}");
        self
    }

    /// It did not say this to anybody.
    #[track_caller]
    pub(crate) fn never_says(&self, text: &str) -> &Self {
        assert!(!self.stderr.contains(text) && !self.stdout.contains(text), "said: {text:?}");
        self
    }

    /// The result on stdout, at a JSON pointer.
    #[track_caller]
    pub(crate) fn result(&self, pointer: &str) -> Value {
        let object: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in {:?}; it said:\n{}", self.stdout, self.stderr));
        object.pointer(pointer).cloned().unwrap_or_else(|| panic!("no {pointer} in {object}"))
    }

    /// The rows of the target, in the order of their keys: the fields as text, with a space
    /// in between.
    #[track_caller]
    pub(crate) fn rows<const N: usize>(&self, expected: [&str; N]) -> &Self {
        assert_eq!(self.load.rows(), expected, "it said:\n{}", self.stderr);
        self
    }

    /// The open dead letters, in file order: the line, and every reason as `code field`.
    #[track_caller]
    pub(crate) fn rejects<const N: usize>(&self, expected: [(i64, &str); N]) -> &Self {
        let found = self.load.rejects();
        let found: Vec<(i64, &str)> = found.iter().map(|(line, why)| (*line, why.as_str())).collect();
        assert_eq!(found, expected, "it said:\n{}", self.stderr);
        self
    }

    /// The counters of all checkpoints together, as in `2 inserted, 1 rejected`. Those that
    /// are not named are zero.
    #[track_caller]
    pub(crate) fn counts(&self, expected: &str) -> &Self {
        const NAMES: [&str; 7] =
            ["inserted", "updated", "unchanged", "superseded", "rejected", "blank", "skipped"];
        let sums: Vec<String> = NAMES.iter().map(|name| format!("CAST(sum({name}) AS bigint)")).collect();
        let sql = format!("SELECT {} FROM {}", sums.join(", "), self.load.ours("checkpoints"));
        let sums = self.load.made().look(|snapshot| snapshot.query(&sql)).remove(0);
        let named = sums.iter().map(Cell::int).zip(NAMES);
        let found: Vec<String> =
            named.filter(|(count, _)| *count != 0).map(|(count, name)| format!("{count} {name}")).collect();
        assert_eq!(found.join(", "), expected, "it said:\n{}", self.stderr);
        self
    }
}

impl Load {
    /// The rows of the target, see [`Ended::rows`].
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

    /// The open dead letters, see [`Ended::rejects`].
    pub(crate) fn rejects(&self) -> Vec<(i64, String)> {
        let sql = format!(
            "SELECT line, CAST(reasons AS text) FROM {} WHERE state = 'open' ORDER BY source_id, source_offset",
            self.ours("dead_letters")
        );
        let rows = self.made().look(|snapshot| snapshot.query(&sql));
        rows.iter().map(|row| (row[0].int(), reasons(row[1].text()))).collect()
    }
}

/// Reasons as they are stored, as `code field, code field`.
fn reasons(stored: &str) -> String {
    let reasons: Vec<Value> = serde_json::from_str(stored).unwrap();
    let words = reasons.iter().map(|reason| {
        let word = |name: &str| reason[name].as_str().unwrap_or_default();
        format!("{} {}", word("code"), word("field")).trim_end().to_owned()
    });
    words.collect::<Vec<_>>().join(", ")
}

/// What a file of this name holds: `content`, compressed if the name says so.
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

/// What is written down beside the program's own tables, by triggers that are made together
/// with these: every move of a checkpoint and, if that is wanted, every row that is applied.
const AUDIT: &str = "
CREATE SCHEMA audit;
CREATE TABLE audit.wanted (rows boolean);
INSERT INTO audit.wanted VALUES (false);
CREATE TABLE audit.applied (source_id integer, source_offset bigint, xid bigint, what text);
CREATE TABLE audit.moves (number bigserial, source_id integer, before bigint, after bigint, epoch bigint, xid bigint);

CREATE FUNCTION audit.note_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit.applied VALUES (NEW.source_id, NEW.source_offset, txid_current(), TG_OP);
    RETURN NULL;
END $$;

CREATE FUNCTION audit.note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit.moves (source_id, before, after, epoch, xid)
        VALUES (NEW.source_id, OLD.position, NEW.position, NEW.epoch, txid_current());
    RETURN NULL;
END $$;

CREATE FUNCTION audit.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    IF to_regclass('logmill.checkpoints') IS NOT NULL
        AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('logmill.checkpoints') AND tgname = 'audit')
    THEN
        EXECUTE 'CREATE TRIGGER audit AFTER UPDATE ON logmill.checkpoints FOR EACH ROW
                 WHEN (OLD.position <> NEW.position) EXECUTE FUNCTION audit.note_move()';
    END IF;
    IF (SELECT rows FROM audit.wanted) AND to_regclass('public.t') IS NOT NULL
        AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('public.t') AND tgname = 'audit')
    THEN
        EXECUTE 'CREATE TRIGGER audit AFTER INSERT OR UPDATE ON public.t FOR EACH ROW
                 EXECUTE FUNCTION audit.note_row()';
    END IF;
END $$;
CREATE EVENT TRIGGER audit ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION audit.watch();
";

/// The same in SQLite, which has no trigger on a new table: the program finds its tables made.
#[cfg(feature = "sqlite")]
const SQLITE_AUDIT: &str = concat!(
    include_str!("../../src/sink/sqlite/tables.sql"),
    "
CREATE TABLE audit_applied (source_id integer, source_offset bigint);
CREATE TABLE audit_moves (number INTEGER PRIMARY KEY, source_id integer, before bigint, after bigint);
CREATE TRIGGER audit_insert AFTER INSERT ON t BEGIN
    INSERT INTO audit_applied VALUES (NEW.source_id, NEW.source_offset);
END;
CREATE TRIGGER audit_update AFTER UPDATE ON t BEGIN
    INSERT INTO audit_applied VALUES (NEW.source_id, NEW.source_offset);
END;
CREATE TRIGGER audit_move AFTER UPDATE ON logmill_checkpoints WHEN OLD.position <> NEW.position BEGIN
    INSERT INTO audit_moves (source_id, before, after) VALUES (NEW.source_id, OLD.position, NEW.position);
END;
"
);
