//! The commands, as a user types them: what they print, where they write, and how they end.
//!
//! Each test runs the real program in its own folder. Tests that need a PostgreSQL server use the shared
//! one; everything else goes into SQLite.
#![cfg(feature = "sqlite")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::logmill;
use crate::harness::schema::assert_described;

/// `check`: validating records without a destination.
mod check;
/// Which files are read and in what order, and unreadable files.
mod files;
/// `--help`, manual pages and completions.
mod help;
/// Loading without a job, and inference.
mod infer;

/// The output and the exit codes of a load.
mod load;
/// The memory of a destination: status, dead letters, and forgetting.
mod memory;
/// Properties of all output, whatever the command.
mod output;

/// `plan`: what a load would do.
mod plan;
/// Output in windows of 50, 80 and 200 columns.
mod screens;

/// A job over a folder of logs; tests replace `URL`.
const JOB: &str = r#"
name = "app"
[source]
files  = ["logs"]
format = "ndjson"
[record.fields]
n    = "int"
word = { type = "text", required = false, max_length = 3 }
[destination]
url   = "URL"
table = "app"
"#;

/// A folder in which the program runs.
pub(crate) struct Place(TempDir);

/// The exit code and the output of a command.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, creating its folders.
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program with these arguments, separated by blanks.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = logmill();
        command.current_dir(self.0.path()).args(arguments.split_whitespace());
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, arguments: &str) -> Said {
        Said::of(&mut self.command(arguments), b"")
    }

    /// Runs the program with `--output json` and validates the result.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &str) -> (i32, Value) {
        let said = self.run(&format!("{arguments} --output json"));
        let object: Value =
            serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        assert_eq!(object["schema_version"], 1);
        assert_described(&object);
        (said.code, object)
    }

    /// Plays a script. `$ logmill …` runs a command; the lines below it are the expected output, with stderr
    /// prefixed by `! `, and `? 3` if it exits with 3 rather than 0. `[..]` matches anything on a line.
    #[track_caller]
    pub(crate) fn play(&self, script: &str) {
        let script = script.trim_start_matches('\n');
        let indent = script.len() - script.trim_start_matches(' ').len();
        let lines = script.trim_end().lines().map(|line| line.get(indent..).unwrap_or_default());
        let mut lines = lines.filter(|line| !line.starts_with('#')).peekable();
        while let Some(command) = lines.next() {
            let arguments =
                command.strip_prefix("$ logmill").unwrap_or_else(|| panic!("no command: {command:?}"));
            let said = self.run(arguments);
            let mut heard = vec![command.to_owned()];
            if said.code != 0 {
                heard.push(format!("? {}", said.code));
            }
            heard.extend(said.stdout.lines().map(str::to_owned));
            heard.extend(said.stderr.lines().map(|line| format!("! {line}").trim_end().to_owned()));
            let mut expected = vec![command];
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                expected.push(line);
            }
            let is_same = heard.len() == expected.len()
                && heard.iter().zip(&expected).all(|(heard, expected)| matches(expected, heard));
            assert!(is_same, "expected\n{}\n\nheard\n{}\n", expected.join("\n"), heard.join("\n"));
        }
    }

    /// The rows of a query, with values separated by bars.
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        self.query_of("logmill.db", sql)
    }

    /// Like [`Place::query`], for this database.
    pub(crate) fn query_of(&self, name: &str, sql: &str) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.path(name)).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let value = |index| match row.get_ref(index)? {
                rusqlite::types::ValueRef::Null => Ok("null".to_owned()),
                rusqlite::types::ValueRef::Integer(number) => Ok(number.to_string()),
                rusqlite::types::ValueRef::Real(number) => Ok(number.to_string()),
                rusqlite::types::ValueRef::Text(text) | rusqlite::types::ValueRef::Blob(text) => {
                    Ok(String::from_utf8_lossy(text).into_owned())
                }
            };
            Ok((0..columns).map(value).collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }
}

impl Said {
    /// Runs a command with this stdin.
    pub(crate) fn of(command: &mut Command, stdin: &[u8]) -> Said {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command need not read its stdin.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let output = child.wait_with_output().unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts the exit code, and that stderr contains all of these texts.
    #[track_caller]
    pub(crate) fn ended(self, code: i32, said: &[&str]) -> Said {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        for words in said {
            assert!(self.stderr.contains(words), "no {words:?} in:\n{}", self.stderr);
        }
        self
    }
}

/// Whether a line matches, where `[..]` matches anything.
fn matches(expected: &str, heard: &str) -> bool {
    let mut parts = expected.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = heard.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        match parts.peek() {
            None => return rest.ends_with(part),
            Some(_) => match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            },
        }
    }
    true
}
