//! The configuration of a run: the job file, and the flags and variables that override it.
//!
//! Reading has two steps. The input is the job file (parsed by `reader`, according to the table of `keys`)
//! and [`Overrides`]. The result is a [`Config`]: complete, with every rule checked that needs nothing but
//! the job. [`Config::load`], with its variants for an open file and a text, makes one from the other and is
//! the only code that may refuse a job; code that has a `Config` checks nothing twice. (One fault is reported
//! later, when the files are asked for: their names depend on a data date and there is none. A backfill reads
//! a job once, for many dates.)
//!
//! Config builds the settings that the other parts declare, and none of them knows it. It prints nothing,
//! opens nothing but the job file and the JSON Schema that this names, and never reads the clock.

mod columns;
mod date;
mod dead_letters;
mod destination;
mod format;
mod hide;
mod json_schema;
mod keys;
#[cfg(test)]
mod manual;
mod nearest;
mod objects;
mod overrides;
mod pipeline;
mod quote;
mod reader;
mod record;
mod rollup;
mod rules;
mod scope;
mod source;
mod state;
pub mod units;
mod url;
mod variables;
mod write;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use chrono::NaiveDate;

use crate::error::{Complaint, Error, ErrorKind, Result};
use crate::schema::Year;
use crate::sink::Constant;
use crate::sink::kinds::is_bucket;
use crate::sink::rollup::Rollups;
use crate::source::Pattern;

pub use columns::Column;
pub use date::{OfAnyDay, escape, put_date};
pub use dead_letters::DeadLetters;
pub use destination::Destination;
pub use json_schema::json_schema;
pub use overrides::Overrides;
pub use pipeline::Pipeline;
pub use record::{Record, import_schema};
pub use source::Source;
pub use state::State;
pub use url::Url;
pub use write::{Draft, Proposed, can_write, write};

use reader::Reader;
use record::OfSource;
use scope::Scope;
use source::NeedsDate;
use variables::Environment;

/// A job, complete and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name under which loaded sources are remembered.
    pub name: String,
    /// The data date of the run, if it has one.
    pub date: Option<NaiveDate>,
    /// Which files are read, and how.
    pub source: Source,
    /// What makes a record valid as a row.
    pub record: Record,
    /// Where rows go.
    pub destination: Destination,
    /// Where the state is kept, if not with the rows.
    pub state: State,
    /// What happens to records that cannot become rows.
    pub dead_letters: DeadLetters,
    /// Performance and patience.
    pub pipeline: Pipeline,
    /// Which metrics are kept for each day.
    pub rollups: Rollups,
}

/// The help for a flag that sets a key: what the key means, and its default.
pub fn flag_help(flag: &str) -> Option<String> {
    let key = keys::of_flag(&format!("--{flag}"))?;
    let default = match key.default {
        keys::Fallback::Is(text) => format!(" [default: {text}]"),
        keys::Fallback::Said(words) => format!(" [default: {words}]"),
        _ => String::new(),
    };
    Some(format!("{}{default}", key.doc.trim_end_matches('.')))
}

/// A longer file is not a job file but a log, given in place of the job.
const JOB_BYTES_MAX: u64 = 1 << 20;

impl Config {
    /// Reads the job file at `path`, applies the overrides, and checks the whole. Any fault is a usage error:
    /// nothing was touched.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Config> {
        overrides.check()?;
        let file = File::open(path).map_err(|cause| unreadable(path, cause))?;
        Config::of_file(path, file, overrides)
    }

    /// The same for an open job file.
    pub fn of_file(path: &Path, file: File, overrides: &Overrides) -> Result<Config> {
        Config::of_text(path, &Config::text(path, file)?, overrides)
    }

    /// The same for the text of a job file that is, or will be, at `path`.
    pub fn of_text(path: &Path, text: &str, overrides: &Overrides) -> Result<Config> {
        overrides.check()?;
        Ok(read(path, text, overrides, &|name| std::env::var(name)).map_err(ErrorKind::from)?)
    }

    /// The text of the job file at `path`.
    fn text(path: &Path, file: File) -> Result<String> {
        let bytes = bounded(file, JOB_BYTES_MAX).map_err(|cause| unreadable(path, cause))?;
        let bytes = bytes.ok_or_else(|| {
            Error::usage(format!(
                "{} has more than {} and is no job file; a file to load is named without -j",
                path.display(),
                units::print_size(JOB_BYTES_MAX)
            ))
        })?;
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            let finding = ("not UTF-8; save the file as UTF-8".to_owned(), Some(at..at + 1));
            ErrorKind::from(Complaint::new(path, &text, vec![finding], &hide::of_broken(&text))).into()
        })
    }

    /// The same job for another day.
    pub fn on(&self, date: NaiveDate) -> Config {
        let mut config = self.clone();
        config.date = Some(date);
        config.record.schema.set_date(date);
        config.record.schema = config.record.schema.with_lacking();
        config
    }

    /// The constant columns, with the data date inserted.
    pub fn constants(&self) -> Vec<Constant> {
        self.destination.columns.iter().map(|column| column.on(self.date)).collect()
    }

    /// The part of a row that needs a data date, if there is none.
    pub fn lacks_date(&self) -> Option<String> {
        let constants = self.constants();
        let column = constants.iter().find(|constant| constant.text.is_none());
        let column = column.map(|column| format!("the value of column {}", quote::quoted(&column.name)));
        let year = || self.record.schema.lacks_year().filter(|_| self.date.is_none());
        column.or_else(|| Some(format!("the year of field {}", quote::quoted(year()?))))
    }

    /// The files to load, with the data date inserted.
    pub fn patterns(&self) -> Result<Vec<Pattern>> {
        self.source.patterns(self.date)
    }
}

fn unreadable(path: &Path, cause: std::io::Error) -> Error {
    ErrorKind::JobFile { path: path.to_owned(), cause }.into()
}

/// The content of a file, unless it is longer than `bytes_max`.
fn bounded(file: File, bytes_max: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= bytes_max))
}

/// Reads the text of a job file.
fn read(
    path: &Path,
    text: &str,
    overrides: &Overrides,
    environment: Environment<'_>,
) -> Result<Config, Complaint> {
    let tree = reader::parse(path, text)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut reader = Reader::new(path, text, environment);

    let job = reader.root(&tree);
    let name = name(&mut reader, &job, "name", "the job has no name; add name = \"…\" at its top");

    let scope = reader.table(&job, "pipeline");
    let pipeline = Pipeline::read(&mut reader, &scope, overrides);
    let chunk_bytes = pipeline::chunk_bytes(&mut reader, &scope, overrides);

    let scope = reader.table(&job, "source");
    let mut source = Source::read(&mut reader, &scope, folder, overrides, chunk_bytes);

    let record_scope = reader.table(&job, "record");
    let year = source.year.map(Year::Fixed).or(overrides.date.map(Year::OfDate));
    let of_source = OfSource { clock: source.clock, year, nulls: source.nulls.clone() };
    let (record, has_all_fields) = Record::read(&mut reader, &record_scope, of_source, folder);
    if source.needs_date.is_none() {
        source.needs_date = record.schema.lacks_year().map(|field| NeedsDate::Year(field.to_owned()));
    }

    let scope = reader.table(&job, "destination");
    let destination = Destination::read(&mut reader, &scope, &record.schema, folder, overrides);
    if let Some(date) = overrides.date {
        columns::check_date(&mut reader, &scope, &destination.columns, date);
    }
    if source.needs_date.is_none() {
        let column = destination.columns.iter().find(|column| column.needs_date());
        source.needs_date = column.map(|column| NeedsDate::Column(column.name.clone()));
    }
    let of_bucket = (&destination.url, &destination.key, &record.schema);
    objects::check(&mut reader, &job, &scope, &record_scope, of_bucket);
    if has_all_fields {
        destination.check_fields(&mut reader, &scope, &record_scope, &record.schema);
    }

    let scope = reader.table(&job, "state");
    let keeps_its_own = !is_bucket(destination.url.reveal());
    let state = State::read(&mut reader, &scope, folder, keeps_its_own);

    let scope = reader.table(&job, "dead_letters");
    let dead_letters = DeadLetters::read(&mut reader, &scope, folder, overrides);

    let rollups = rollup::read(
        &mut reader,
        &job,
        &record_scope,
        rollup::OfJob { source: &source, record: &record, destination: &destination },
    );

    reader.finish()?;
    let date = overrides.date;
    Ok(Config { name, date, source, record, destination, state, dead_letters, pipeline, rollups })
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).expect("the limits of every quantity fit into memory")
}

/// Reads a required name.
fn name(reader: &mut Reader<'_>, scope: &Scope<'_>, key: &str, absent: &str) -> String {
    match reader.text(scope, key) {
        Some((text, _)) if is_name(&text) => return text,
        Some((_, place)) => reader.find(format!("'{key}' takes a name that can be read"), &place),
        None if scope.has(key) => {}
        None => reader.find_absent(absent, scope),
    }
    String::new()
}

/// Whether a text is suitable as a name: people will have to read it in messages.
fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests;
