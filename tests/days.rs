//! The data's own clock: what a job takes from the day that it runs for.

use std::rc::Rc;

use serde_json::Value;

use crate::cli::{Place, Said};
use crate::harness::destination::{Cell, Destination, Kind};
use crate::harness::postgres::Server;

/// One job for many days.
mod backfill;
/// Days that are loaded again while other runs are at work.
mod beside;
/// The machine's clock, which decides nothing.
mod clock;
/// Columns with the same value in every row.
mod columns;
/// Days that have another length than a day.
mod odd;
/// Days that are loaded again, in the place of their rows.
mod rebuild;
/// Anything in any order.
mod sequence;

/// A folder of logs by day, a job over them, and where it loads to.
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

    /// With other `files`.
    fn files(mut self, line: &str) -> Days {
        self.files = line.to_owned();
        self
    }

    /// With other fields from the start.
    fn of_fields(mut self, lines: &str) -> Days {
        self.fields(lines);
        self
    }

    /// With lines at the end of the job, first of all in `[destination]`.
    fn lines(mut self, lines: &str) -> Days {
        self.lines = lines.to_owned();
        self
    }

    /// With other fields.
    fn fields(&mut self, lines: &str) {
        self.fields = lines.to_owned();
    }

    /// Writes the log of a day, with records of these numbers.
    fn log(&self, day: &str, numbers: impl IntoIterator<Item = u32>) {
        let records = numbers.into_iter().map(|n| format!("{{\"n\":{n}}}\n"));
        self.place.write(format!("logs/{day}.log"), records.collect::<String>());
    }

    /// Runs a command over the job.
    fn run(&self, arguments: &str) -> Said {
        self.write_job();
        self.place.run(&format!("{arguments} -j job.toml"))
    }

    /// The same with a variable of the environment.
    fn run_with(&self, arguments: &str, variable: (&str, &str)) -> Said {
        self.write_job();
        let mut command = self.place.command(&format!("{arguments} -j job.toml"));
        Said::of(command.env(variable.0, variable.1), b"")
    }

    /// Runs a command with a result for a machine.
    #[track_caller]
    fn json(&self, arguments: &str) -> (i32, Value) {
        let said = self.run(&format!("{arguments} --output json"));
        let result = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        (said.code, result)
    }

    fn write_job(&self) {
        self.write_job_of(&self.lines);
    }

    /// The job with other lines at its end.
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

    /// The rows of a query, each as its values with bars between them.
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
