//! Files as they occur in practice: rotated, compressed, torn, renamed, streamed, named in arbitrary bytes,
//! endless.
//!
//! Each test has a folder of logs and a job over them, and asserts after each load which files became which
//! sources. The destination is SQLite, because nothing here depends on it; PostgreSQL is tested too where
//! the destination itself stores how to recognise a file.
#![cfg(all(feature = "sqlite", feature = "gzip", feature = "zstd"))]

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli::{Place, Said};
use crate::harness::postgres::{Database, Server, send};
use crate::harness::run::Process;
use crate::harness::wait_for;

/// Objects in buckets.
#[cfg(feature = "buckets")]
mod buckets;
/// Compressed files: members, frames, and damaged archives.
mod compressed;
/// Torn lines of containers.
mod containers;
/// The data date, in names and in stored sources.
mod dates;
/// Endless lines, holes, zeros, and decompression bombs.
mod hostile;
/// Which file is which, row by row of the manual's table.
mod identity;
/// Many files in one run.
mod many;
/// File patterns, and unreadable files.
mod names;
/// Logs that rotate during their load.
mod rotation;
/// Rules that change in the middle of a source.
mod rules;
/// Streams, which can be read only once: stdin and FIFOs. Also files that are still being written.
mod streams;

/// A folder of logs, and a job that loads them.
pub(crate) struct Logs {
    place: Place,
    name: String,
    database: Option<Database>,
    format: String,
    source: String,
    key: String,
    pipeline: String,
    fields: String,
}

impl Logs {
    /// A job that loads every file named like a log.
    pub(crate) fn new() -> Logs {
        Logs {
            place: Place::new(),
            name: "logs".to_owned(),
            database: None,
            format: "ndjson".to_owned(),
            source: "files = [\"*.log*\"]".to_owned(),
            key: "\"position\"".to_owned(),
            pipeline: "threads = 2".to_owned(),
            fields: String::new(),
        }
    }

    /// Sets the name of the job.
    pub(crate) fn named(mut self, name: &str) -> Logs {
        self.name = name.to_owned();
        self
    }

    /// Sets the format.
    pub(crate) fn format(mut self, format: &str) -> Logs {
        self.format = format.to_owned();
        self
    }

    /// Sets the keys in `[source]`.
    pub(crate) fn source(mut self, keys: &str) -> Logs {
        self.source = keys.to_owned();
        self
    }

    /// Sets the key, in TOML.
    pub(crate) fn key(mut self, key: &str) -> Logs {
        self.key = key.to_owned();
        self
    }

    /// Adds lines to `[record.fields]`.
    pub(crate) fn fields(mut self, lines: &str) -> Logs {
        self.fields = lines.to_owned();
        self
    }

    /// Adds lines to `[pipeline]`.
    pub(crate) fn pipeline(mut self, lines: &str) -> Logs {
        self.pipeline = format!("{}\n{lines}", self.pipeline);
        self
    }

    /// Loads into a database of the shared server.
    pub(crate) fn on_postgres(mut self) -> Logs {
        self.database = Some(Server::shared().database());
        self
    }

    fn job(&self) -> String {
        let url = match &self.database {
            Some(database) => database.url(),
            None => "sqlite:logmill.db".to_owned(),
        };
        format!(
            "name = \"{}\"\n[source]\nformat = \"{}\"\n{}\n[record.fields]\nn = \"int\"\n\
             t = {{ type = \"text\", required = false }}\n{}\
             [destination]\nurl = \"{url}\"\ntable = \"t\"\nkey = {}\n[pipeline]\n{}\n",
            self.name, self.format, self.source, self.fields, self.key, self.pipeline
        )
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.place.path(".").join(name)
    }

    /// Writes a file anew, in place.
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Logs {
        self.place.write(name, content);
        self
    }

    pub(crate) fn append(&self, name: &str, content: impl AsRef<[u8]>) -> &Logs {
        let mut file = File::options().append(true).open(self.path(name)).unwrap();
        file.write_all(content.as_ref()).unwrap();
        self
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> &Logs {
        fs::rename(self.path(from), self.path(to)).unwrap();
        self
    }

    pub(crate) fn remove(&self, name: &str) -> &Logs {
        fs::remove_file(self.path(name)).unwrap();
        self
    }

    /// Changes the bytes of a file in place.
    pub(crate) fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> &Logs {
        let mut bytes = fs::read(self.path(name)).unwrap();
        change(&mut bytes);
        self.write(name, bytes)
    }

    /// The load command for the job, with more arguments.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        self.place.write("job.toml", self.job());
        self.place.command(&format!("load -j job.toml --output json {arguments}"))
    }

    #[track_caller]
    pub(crate) fn load(&self) -> Loaded {
        self.load_with("")
    }

    #[track_caller]
    pub(crate) fn load_with(&self, arguments: &str) -> Loaded {
        Loaded::of(Said::of(&mut self.command(arguments), b""))
    }

    /// Loads with this stdin, which the arguments name `-`.
    #[track_caller]
    pub(crate) fn load_stdin(&self, arguments: &str, stdin: &[u8]) -> Loaded {
        Loaded::of(Said::of(&mut self.command(arguments), stdin))
    }

    /// The sources in the order in which they were made, each with its name and its rows, and `...` after
    /// one that is incomplete.
    pub(crate) fn sources(&self) -> Vec<String> {
        let sources = self.query(
            "select s.id, s.name, c.complete <> false from logmill_sources s
             join logmill_checkpoints c on c.source_id = s.id order by s.id",
        );
        let shown = sources.iter().map(|source| {
            let [id, name, complete] = source.split('|').collect::<Vec<_>>()[..] else { unreachable!() };
            let name = Path::new(name).file_name().map_or(name.into(), |name| name.to_string_lossy());
            let rows = self.query(&format!("select n from t where source_id = {id} order by source_offset"));
            let more = if ["1", "true", "t"].contains(&complete) { "" } else { "..." };
            let rows = rows.iter().map(|n| n.parse().unwrap()).collect::<Vec<i64>>();
            format!("{name} {}{more}", ranges(&rows)).trim_end().to_owned()
        });
        shown.collect()
    }

    /// The rows of a query, with values separated by bars. The query uses SQLite's names for our tables.
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        let Some(database) = &self.database else {
            return self.place.query(&sql.replace("<> false", "<> 0"));
        };
        let sql = sql.replace("logmill_", "logmill.").replace("c.complete <> false", "c.complete");
        let rows = database.client().simple_query(&sql).unwrap();
        let rows = rows.iter().filter_map(|message| match message {
            postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|row| {
            let values = (0..row.len()).map(|index| row.get(index).unwrap_or("null"));
            values.collect::<Vec<_>>().join("|")
        })
        .collect()
    }

    /// The single number that a query returns.
    #[track_caller]
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let [number] = &self.query(sql)[..] else { panic!("not one row: {sql}") };
        number.parse().unwrap()
    }
}

/// Formats numbers as `1-3 7`.
fn ranges(numbers: &[i64]) -> String {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let shown = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// A finished load.
#[derive(Debug)]
pub(crate) struct Loaded {
    said: Said,
    result: Value,
}

impl Loaded {
    #[track_caller]
    fn of(said: Said) -> Loaded {
        let result = serde_json::from_str(&said.stdout).unwrap_or(Value::Null);
        Loaded { said, result }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exit(&self, code: i32) -> &Loaded {
        assert_eq!(self.said.code, code, "{}{}", self.said.stdout, self.said.stderr);
        self
    }

    pub(crate) fn code(&self) -> i32 {
        self.said.code
    }

    /// Asserts that stderr contains these words.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> &Loaded {
        assert!(self.said.stderr.contains(words), "not said: {words:?} in {}", self.said.stderr);
        self
    }

    /// The value at a JSON pointer of the result.
    #[track_caller]
    pub(crate) fn result(&self, pointer: &str) -> &Value {
        self.result.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}: {:?}", self.said))
    }

    #[track_caller]
    pub(crate) fn count(&self, pointer: &str) -> i64 {
        self.result(pointer).as_i64().unwrap()
    }

    /// Asserts how many rows were inserted, and how many files had been loaded to their end before.
    #[track_caller]
    pub(crate) fn did(&self, inserted: i64, finished: i64) -> &Loaded {
        let found = (self.count("/counts/inserted"), self.count("/sources/finished_before"));
        assert_eq!(found, (inserted, finished), "{:?}", self.said);
        self
    }

    /// Asserts the files that were skipped as duplicates, each as `copy = file`.
    #[track_caller]
    pub(crate) fn duplicates<const N: usize>(&self, expected: [&str; N]) -> &Loaded {
        let name = |value: &Value| {
            let path = Path::new(value.as_str().unwrap());
            path.file_name().unwrap().to_string_lossy().into_owned()
        };
        let found = self.result("/sources/duplicates").as_array().unwrap().iter();
        let found = found.map(|one| format!("{} = {}", name(&one["file"]), name(&one["same_as"])));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{:?}", self.said);
        self
    }

    /// Asserts that only this file failed, and why.
    #[track_caller]
    pub(crate) fn failed(&self, name: &str, why: &str) -> &Loaded {
        let failed = self.result("/sources/failed").as_array().unwrap();
        let [failed] = &failed[..] else { panic!("not one file: {:?}", self.said) };
        assert!(failed["file"].as_str().unwrap().ends_with(name), "{failed}");
        assert!(failed["why"].as_str().unwrap().contains(why), "not said: {why:?} in {failed}");
        self.exit(1)
    }
}

/// A load whose result is read from its pipes.
pub(crate) struct Piped(Process);

impl Piped {
    pub(crate) fn start(mut command: Command) -> Piped {
        Piped(Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())))
    }

    #[track_caller]
    pub(crate) fn stopped(mut self) -> Piped {
        assert!(self.0.stops(), "it ended instead");
        self
    }

    pub(crate) fn signal(&self, signal: &str) {
        self.0.signal(signal);
    }

    #[track_caller]
    pub(crate) fn wait(mut self) -> Loaded {
        let (mut stdout, mut stderr) = self.0.pipes();
        let mut said = Said { code: -1, stdout: String::new(), stderr: String::new() };
        stdout.read_to_string(&mut said.stdout).unwrap();
        stderr.read_to_string(&mut said.stderr).unwrap();
        said.code = wait_for("the program to end", || self.0.status()).code().unwrap_or(-1);
        Loaded::of(said)
    }
}

/// Records with these numbers, about 100 bytes each.
pub(crate) fn log(numbers: RangeInclusive<u64>) -> Vec<u8> {
    numbers.map(|n| record(n) + "\n").collect::<String>().into_bytes()
}

/// One record, without its line end.
pub(crate) fn record(n: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(n);
    let text: String = (0..80).map(|_| rng.alphanumeric()).collect();
    format!("{{\"n\":{n},\"t\":\"{text}\"}}")
}

/// One member of a gzip file.
pub(crate) fn gzip(content: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// One stream of a bzip2 file.
#[cfg(feature = "bzip2")]
pub(crate) fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// One stream of an xz file.
#[cfg(feature = "xz")]
pub(crate) fn xz(content: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// One frame of a zstd file, with a checksum.
pub(crate) fn zstd(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
