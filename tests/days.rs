//! The data's own clock: what a job derives from the date that it runs for.

use std::rc::Rc;

use serde_json::Value;

use crate::cli::{Place, Said};
use crate::harness::destination::{Cell, Destination, Kind};
use crate::harness::postgres::Server;

/// One job run for many dates.
mod backfill;
/// Rebuilds of days while other runs work.
mod beside;
/// The machine's clock, which must not influence any result.
mod clock;
/// Constant columns.
mod columns;
/// Days that are longer or shorter than 24 hours.
mod odd;
/// Rebuilding days in place of their rows.
mod rebuild;
/// Random sequences of all operations.
mod sequence;

/// A folder of daily logs, a job over them, and the job's destination.
struct Days {
    place: Place,
    kind: Kind,
    destination: Destination,
    files: String,
    fields: String,
    lines: String,
}

impl Days {
    fn new(kind: Kind) -> Days {
        let place = Place::new();
        let destination = match kind {
            Kind::Postgres => Destination::Postgres(Rc::new(Server::shared().database())),
            Kind::Sqlite => Destination::Sqlite(place.path("days.db")),
        };
        let files = "files = [\"logs/{date}.log\"]".to_owned();
        let fields = "n = \"int\"".to_owned();
        Days { place, kind, destination, files, fields, lines: String::new() }
    }

    /// Sets the `files` line.
    fn files(mut self, line: &str) -> Days {
        self.files = line.to_owned();
        self
    }

    /// Sets the initial fields.
    fn of_fields(mut self, lines: &str) -> Days {
        self.fields(lines);
        self
    }

    /// Adds lines to the end of the job, which begins in `[destination]`.
    fn lines(mut self, lines: &str) -> Days {
        self.lines = lines.to_owned();
        self
    }

    /// Changes the fields.
    fn fields(&mut self, lines: &str) {
        self.fields = lines.to_owned();
    }

    /// Writes the log of a day, with one record per number.
    fn log(&self, day: &str, numbers: impl IntoIterator<Item = u32>) {
        let records = numbers.into_iter().map(|n| format!("{{\"n\":{n}}}\n"));
        self.place.write(format!("logs/{day}.log"), records.collect::<String>());
    }

    /// Runs a command on the job.
    fn run(&self, arguments: &str) -> Said {
        self.write_job();
        self.place.run(&format!("{arguments} -j job.toml"))
    }

    /// Like [`Days::run`], with an environment variable.
    fn run_with(&self, arguments: &str, variable: (&str, &str)) -> Said {
        self.write_job();
        let mut command = self.place.command(&format!("{arguments} -j job.toml"));
        Said::of(command.env(variable.0, variable.1), b"")
    }

    /// Runs a command with `--output json`.
    #[track_caller]
    fn json(&self, arguments: &str) -> (i32, Value) {
        let said = self.run(&format!("{arguments} --output json"));
        let result = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        (said.code, result)
    }

    fn write_job(&self) {
        self.write_job_of(&self.lines);
    }

    /// Writes the job with these lines at its end.
    fn write_job_of(&self, lines: &str) {
        let Days { destination, files, fields, .. } = self;
        self.place.write(
            "job.toml",
            format!(
                "name = \"days\"\n[source]\nformat = \"ndjson\"\n{files}\n[record.fields]\n{fields}\n\
                 [destination]\nurl = \"{}\"\ntable = \"t\"\n{lines}\n",
                destination.url()
            ),
        );
    }

    /// The rows of a query, with values separated by bars.
    #[track_caller]
    fn query(&self, sql: &str) -> Vec<String> {
        let rows = self.destination.look(|snapshot| snapshot.query(sql));
        let shown = |cell: &Cell| match cell {
            Cell::Null => "null".to_owned(),
            Cell::Int(number) => number.to_string(),
            Cell::Text(text) => text.clone(),
            Cell::Bytes(bytes) => format!("{bytes:?}"),
        };
        rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join("|")).collect()
    }
}
