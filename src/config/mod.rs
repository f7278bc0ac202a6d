//! What a run is asked to do: the job file, and the flags and variables that override it.
//!
//! Two steps. What was said is in the job file (`file`, by the table of `keys`) and in
//! [`Overrides`]. What is meant is a [`Config`]: complete, every rule checked that needs
//! nothing but the job, and no `Option` that means "default". [`Config::load`] makes one from
//! the other and is the only function that may say no; whoever has a `Config` asks nothing
//! twice. (One thing is told later, when the files are asked for: that their names depend on a
//! data date and there is none. A backfill reads a job once, for many dates.)
//!
//! Config builds the settings that the other parts declare, and is known by none of them.
//! It prints nothing, opens nothing but the job file, and never asks what time it is.

mod complaint;
mod date;
mod destination;
mod file;
mod json_schema;
mod keys;
#[cfg(test)]
mod manual;
mod nearest;
mod record;
mod rules;
mod secret;
pub mod units;
mod url;
mod write;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDate;

use crate::error::{Error, Kind, Result};
use crate::schema::Schema;
use crate::sink::{Key, OnConflict};
use crate::source::{self, Order, Pattern, Selection};

pub use complaint::{Complaint, Excerpt, Finding};
pub use date::{escape, put_date};
pub use json_schema::json_schema;
pub(crate) use secret::masked;
pub use url::Url;
pub use write::{Draft, Proposed, write};

use file::{Environment, Reader, Scope, quoted};
use keys::Takes;
use record::Common;

/// A job, complete and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name under which what was loaded is remembered.
    pub name: String,
    /// The day that the run is about, if it is about one.
    pub date: Option<NaiveDate>,
    /// Which files are read, and how.
    pub source: Source,
    /// What a record must be to become a row.
    pub record: Record,
    /// Where rows go.
    pub destination: Destination,
    /// What happens to records that cannot become rows.
    pub dead_letters: DeadLetters,
    /// How fast, and how patiently.
    pub pipeline: Pipeline,
}

/// Which files are read, and how.
#[derive(Clone, Debug)]
pub struct Source {
    files: Files,
    /// Which of the files found are read, and in what order.
    pub selection: Selection,
    /// How a record is written.
    pub format: Format,
    /// How bytes become chunks.
    pub settings: source::Settings,
    /// The offset from UTC of stamps that name no zone, in seconds.
    pub offset_s: i32,
}

/// The names of the files as they were given.
#[derive(Clone, Debug)]
enum Files {
    /// By the job: patterns that may hold placeholders, relative to the folder of its file.
    OfJob { patterns: Vec<String>, folder: PathBuf },
    /// On the command line: relative to where the person is.
    Given(Vec<PathBuf>),
}

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Ndjson,
}

/// What a record must be to become a row.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its fields and their rules.
    pub schema: Schema,
    /// The JSON Schema that says them, if it is not the job file.
    pub schema_file: Option<PathBuf>,
}

/// Where rows go.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The database.
    pub url: Url,
    /// What a relative path in the url starts at.
    pub folder: PathBuf,
    /// The table, as the job names it.
    pub table: String,
    /// What makes two rows the same.
    pub key: Key,
    /// What happens to the second of them.
    pub on_conflict: OnConflict,
    /// Whether a missing table is made.
    pub create: bool,
}

/// What happens to records that cannot become rows.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// A longer record is kept by its place and its hash.
    pub raw_bytes_max: usize,
}

/// How fast, and how patiently. Nothing here decides which rows there will be.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Threads that parse, if that is said.
    pub threads: Option<usize>,
    /// Rows after which a batch is full.
    pub batch_rows: usize,
    /// Bytes after which a batch is full.
    pub batch_bytes: usize,
    /// How long a destination that cannot be reached is waited for.
    pub retry_for: Duration,
    /// How long nothing may move before a connection counts as lost.
    pub deadline: Duration,
    /// How long the server may work on one statement.
    pub statement_timeout: Duration,
    /// How long the server may wait for a lock.
    pub lock_timeout: Duration,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
}

/// What flags and environment say; each goes before what the job file says.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Files to read instead of those of the job. They are names, not patterns with
    /// placeholders.
    pub files: Option<Vec<PathBuf>>,
    /// Another destination. A relative path in it starts at the current directory.
    pub into: Option<Url>,
    /// Another table.
    pub table: Option<String>,
    /// The data date.
    pub date: Option<NaiveDate>,
    /// Threads that parse.
    pub threads: Option<u64>,
    /// Bytes of a chunk.
    pub chunk_size: Option<u64>,
    /// Rows of a batch.
    pub batch_rows: Option<u64>,
    /// Bytes of a batch.
    pub batch_bytes: Option<u64>,
    /// How long to wait for a destination.
    pub retry_for: Option<Duration>,
    /// How long a connection may stand still.
    pub deadline: Option<Duration>,
}

/// A longer file is not a job file: somebody gave a log where the job belongs.
const JOB_BYTES_MAX: u64 = 1 << 20;

impl Config {
    /// Reads the job file at `path`, puts the overrides over it, and checks the whole.
    /// Whatever is wrong is a mistake in usage: nothing was touched.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Config> {
        overrides.check()?;
        Config::of_text(path, &Config::text(path)?, overrides)
    }

    /// The same for the text of a job file that is, or will be, at `path`.
    pub fn of_text(path: &Path, text: &str, overrides: &Overrides) -> Result<Config> {
        overrides.check()?;
        Ok(read(path, text, overrides, &|name| std::env::var(name)).map_err(Kind::from)?)
    }

    /// The text of the job file at `path`.
    fn text(path: &Path) -> Result<String> {
        let unreadable =
            |cause| Error::usage(format!("cannot read the job file {}: {cause}", path.display()));
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(JOB_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > JOB_BYTES_MAX {
            return Err(Error::usage(format!(
                "{} has more than {} and is no job file; a file to load is named without -j",
                path.display(),
                units::print_size(JOB_BYTES_MAX)
            )));
        }
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            let finding = ("not UTF-8; save the file as UTF-8".to_owned(), Some(at..at + 1));
            Kind::from(Complaint::new(path, &text, vec![finding])).into()
        })
    }

    /// The files to load, with the data date put in.
    pub fn patterns(&self) -> Result<Vec<Pattern>> {
        self.source.patterns(self.date)
    }
}

impl Source {
    /// The files to load on `date`. Refused if there are none, or if they depend on a date
    /// and there is none.
    pub fn patterns(&self, date: Option<NaiveDate>) -> Result<Vec<Pattern>> {
        let (patterns, folder) = match &self.files {
            Files::Given(names) => {
                let pattern = |name: &PathBuf| Pattern { text: name.clone(), base: PathBuf::new() };
                return Ok(names.iter().map(pattern).collect());
            }
            Files::OfJob { patterns, folder } => (patterns, folder),
        };
        if patterns.is_empty() {
            return Err(Error::usage(
                "there is nothing to load: the job names no files; name some in it, under [source], or on the command line",
            ));
        }
        let dated = |text: &String| match date {
            Some(date) => Ok(put_date(text, date)),
            None if needs_date(text) => Err(Error::usage(
                "the names of the files of this job depend on the data date; say which day with --date",
            )),
            None => Ok(text.clone()),
        };
        patterns.iter().map(|text| Ok(Pattern { text: dated(text)?.into(), base: folder.clone() })).collect()
    }

    /// Whether the names of the files depend on the data date.
    #[cfg(test)]
    fn needs_date(&self) -> bool {
        match &self.files {
            Files::OfJob { patterns, .. } => patterns.iter().any(|text| needs_date(text)),
            Files::Given(_) => false,
        }
    }
}

/// Whether the name of a file, which was checked, depends on the data date.
fn needs_date(text: &str) -> bool {
    date::needs_date(text).unwrap_or(false)
}

impl Overrides {
    /// Holds what was given to the same limits as the keys of the job file.
    fn check(&self) -> Result<()> {
        let ms = |duration: Option<Duration>| {
            duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
        };
        let given = [
            ("threads", self.threads),
            ("chunk_size", self.chunk_size),
            ("batch_rows", self.batch_rows),
            ("batch_bytes", self.batch_bytes),
            ("retry_for", ms(self.retry_for)),
            ("deadline", ms(self.deadline)),
        ];
        for (name, number) in given {
            let key = keys::PIPELINE.key(name);
            let Some(number) = number else { continue };
            let (min, max, shown) = match key.takes {
                Takes::Count { min, max } => (min, max, units::print_count(number)),
                Takes::Size { min, max } => (min, max, units::print_size(number)),
                Takes::Duration { min_ms, max_ms } => {
                    (min_ms, max_ms, units::print_duration(Duration::from_millis(number)))
                }
                _ => unreachable!("'{name}' is a quantity"),
            };
            if !(min..=max).contains(&number) {
                let flag = key.flag.expect("what can be overridden has a flag");
                return Err(Error::usage(format!("{flag} takes {}, not {shown}", key.takes.describe())));
            }
        }
        if self.table.as_deref().is_some_and(|table| !is_name(table)) {
            return Err(Error::usage("--table takes the name of a table"));
        }
        Ok(())
    }
}

/// Reads the text of a job file.
fn read(
    path: &Path,
    text: &str,
    overrides: &Overrides,
    environment: Environment<'_>,
) -> Result<Config, Complaint> {
    let tree = file::parse(path, text)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut reader = Reader::new(path, text, environment);

    let job = reader.root(&tree);
    let name = name(&mut reader, &job, "name", "the job has no name; add name = \"…\" at its top");

    let source_scope = reader.table(&job, "source");
    let pipeline_scope = reader.table(&job, "pipeline");
    let chunk_size = reader.size(&pipeline_scope, "chunk_size");
    let chunk_bytes = overrides.chunk_size.unwrap_or(chunk_size);
    let source = source(&mut reader, &source_scope, folder, overrides, chunk_bytes);

    let record_scope = reader.table(&job, "record");
    let common = Common::read(&mut reader, &record_scope, source.offset_s);
    let findings = reader.findings();
    let record = record::record(&mut reader, &record_scope, &common, folder);
    // After a finding, a field may be absent that was only written wrongly.
    let has_all_fields = reader.findings() == findings;

    let scope = reader.table(&job, "destination");
    let destination = destination(&mut reader, &scope, &record.schema, folder, overrides);
    if has_all_fields {
        destination::check_fields(&mut reader, &scope, &record_scope, &record.schema, &destination);
    }

    let scope = reader.table(&job, "dead_letters");
    let dead_letters = DeadLetters { raw_bytes_max: as_usize(reader.size(&scope, "max_raw")) };
    let pipeline = pipeline(&mut reader, &pipeline_scope, overrides);

    reader.finish()?;
    Ok(Config { name, date: overrides.date, source, record, destination, dead_letters, pipeline })
}

fn source(
    reader: &mut Reader<'_>,
    scope: &Scope<'_>,
    folder: &Path,
    overrides: &Overrides,
    chunk_bytes: u64,
) -> Source {
    let files = match &overrides.files {
        Some(files) => {
            // What is not used need not be in the environment, but it must still be a list.
            reader.written_list(scope, "files");
            Files::Given(files.clone())
        }
        None => Files::OfJob { patterns: patterns(reader, scope), folder: folder.to_owned() },
    };
    // The only format that is built. What another one says has been told then.
    reader.word(scope, "format");
    if !scope.has("format") {
        reader.find_absent("[source] has no format; add format = \"ndjson\"", scope);
    }
    let settings = source::Settings {
        chunk_bytes: as_usize(chunk_bytes),
        record_bytes_max: as_usize(reader.size(scope, "max_record")),
        mmap: reader.flag(scope, "mmap"),
        growing: reader.flag(scope, "growing"),
        ..source::Settings::default()
    };
    let order = match reader.word(scope, "order") {
        "name-reverse" => Order::NameReverse,
        _ => Order::Name,
    };
    Source {
        files,
        selection: Selection {
            order,
            include: globs(reader, scope, "include"),
            exclude: globs(reader, scope, "exclude"),
        },
        format: Format::Ndjson,
        settings,
        offset_s: timezone(reader, scope),
    }
}

fn patterns(reader: &mut Reader<'_>, scope: &Scope<'_>) -> Vec<String> {
    let files = reader.texts(scope, "files").unwrap_or_default();
    for (text, place) in &files {
        if text.is_empty() {
            // Joined to the folder it would be all that is in it.
            reader.find("the name of a file is empty; for all files beside the job write \".\"", place);
        }
        if let Err(piece) = date::needs_date(text) {
            let given = reader.quoted_part(piece, place);
            let message = match piece {
                "{next_date}" => format!("{given} is not for the names of files; write '{{date}}'"),
                _ => format!(
                    "{given} is not known; a name may hold {{date}}, {{yyyy}}, {{mm}} and {{dd}}, and '[{{]' for a brace"
                ),
            };
            reader.find(message, place);
        }
    }
    files.into_iter().map(|(text, _)| text).collect()
}

fn globs(reader: &mut Reader<'_>, scope: &Scope<'_>, name: &str) -> Vec<glob::Pattern> {
    let mut globs = Vec::new();
    for (text, place) in reader.texts(scope, name).unwrap_or_default() {
        match glob::Pattern::new(&text) {
            Ok(_) if text.contains('/') => {
                reader.find(
                    format!("'{name}' looks at names without their folders, so there is no '/'"),
                    &place,
                );
            }
            Ok(glob) => globs.push(glob),
            Err(error) => reader.find(format!("not a glob: {}", error.msg), &place),
        }
    }
    globs
}

/// Reads the offset from UTC, in seconds.
fn timezone(reader: &mut Reader<'_>, scope: &Scope<'_>) -> i32 {
    let Some(written) = reader.written(scope, "timezone") else { return 0 };
    let Some(text) = reader.expand(&written) else { return 0 };
    if text == "UTC" {
        return 0;
    }
    if let Some(offset_s) = parse_offset(&text) {
        return offset_s;
    }
    let is_name = text.starts_with(|ch: char| ch.is_ascii_uppercase())
        && text.chars().all(|ch| ch.is_ascii_alphanumeric() || "/_+-".contains(ch));
    match is_name {
        true => reader.find(
            format!(
                "timezone {} is not yet built; this version takes 'UTC' or an offset, as in \"+02:00\"",
                quoted(written.text)
            ),
            &written.place,
        ),
        false => reader.refuse(scope, "timezone"),
    }
    0
}

/// Reads `+HH:MM` or `-HH:MM`.
fn parse_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two_digits = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_plain { text.parse::<i32>().ok() } else { None }
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn destination(
    reader: &mut Reader<'_>,
    scope: &Scope<'_>,
    schema: &Schema,
    folder: &Path,
    overrides: &Overrides,
) -> Destination {
    let (url, folder) = match &overrides.into {
        Some(url) => {
            reader.written(scope, "url");
            (url.clone(), PathBuf::new())
        }
        None => (url(reader, scope), folder.to_owned()),
    };
    let table = match &overrides.table {
        Some(table) => {
            reader.written(scope, "table");
            table.clone()
        }
        None => name(reader, scope, "table", "[destination] has no table; add table = \"…\""),
    };
    let key = destination::key(reader, scope, schema);
    let on_conflict = destination::on_conflict(reader, scope, &key);
    Destination { url, folder, table, key, on_conflict, create: reader.flag(scope, "create") }
}

fn url(reader: &mut Reader<'_>, scope: &Scope<'_>) -> Url {
    let default =
        keys::DESTINATION.key("url").default_text().expect("a default").parse().expect("a destination");
    match reader.text(scope, "url") {
        None => default,
        Some((text, place)) => text.parse().unwrap_or_else(|error: units::Misread| {
            reader.find(error.to_string(), &place);
            default
        }),
    }
}

fn pipeline(reader: &mut Reader<'_>, scope: &Scope<'_>, overrides: &Overrides) -> Pipeline {
    // Each is read whether it is overridden or not: the job file must be right as a whole.
    let threads = reader.count_given(scope, "threads");
    let batch_rows = reader.count(scope, "batch_rows");
    let batch_bytes = reader.size(scope, "batch_bytes");
    let retry_for = reader.duration(scope, "retry_for");
    let deadline = reader.duration(scope, "deadline");
    Pipeline {
        threads: overrides.threads.or(threads).map(as_usize),
        batch_rows: as_usize(overrides.batch_rows.unwrap_or(batch_rows)),
        batch_bytes: as_usize(overrides.batch_bytes.unwrap_or(batch_bytes)),
        retry_for: overrides.retry_for.unwrap_or(retry_for),
        deadline: overrides.deadline.unwrap_or(deadline),
        statement_timeout: reader.duration(scope, "statement_timeout"),
        lock_timeout: reader.duration(scope, "lock_timeout"),
        connect_timeout: reader.duration(scope, "connect_timeout"),
    }
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).expect("the limits of every quantity fit into memory")
}

/// A name that must be given.
fn name(reader: &mut Reader<'_>, scope: &Scope<'_>, key: &str, absent: &str) -> String {
    match reader.text(scope, key) {
        Some((text, _)) if is_name(&text) => return text,
        Some((_, place)) => reader.find(format!("'{key}' takes a name that can be read"), &place),
        None if scope.has(key) => {}
        None => reader.find_absent(absent, scope),
    }
    String::new()
}

/// Whether a text can be the name of something: people will have to read it in messages.
fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests;
