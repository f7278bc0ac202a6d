//! `[source]`: which files are read, and how their bytes become records.
//!
//! The names of the files stay as written until a run asks for them, because they may depend on the data
//! date.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::quote::quoted;
use super::reader::Reader;
use super::scope::Scope;
use super::{OfAnyDay, Overrides, as_usize, date, format};
use crate::error::{Error, Result};
use crate::format::Spec;
use crate::schema::{Clock, Nulls};
use crate::source::{Order, Pattern, Selection, Settings, is_in_bucket};

/// Which files are read, and how.
#[derive(Clone, Debug)]
pub struct Source {
    pub(super) files: Files,
    /// The folders that contain the job's files, if other files are given.
    pub(super) folders: Vec<PathBuf>,
    /// The job's files as written, if other files are given.
    pub(super) instead_of: Vec<PathBuf>,
    /// The parts of the job that depend on the data date.
    pub(super) needs_date: Option<NeedsDate>,
    /// Which of the files are read, and in what order.
    pub selection: Selection,
    /// The format of records.
    pub format: Spec,
    /// How bytes become chunks.
    pub settings: Settings,
    /// The time zone of timestamps that name none.
    pub clock: Clock,
    /// The year of timestamps that name none, unless the data date provides it.
    pub year: Option<i32>,
    /// Texts that mean null.
    pub nulls: Nulls,
}

/// What needs a data date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NeedsDate {
    /// A file name.
    Files,
    /// The year of the timestamps of this field.
    Year(String),
    /// The value of this column.
    Column(String),
}

/// The file names as given.
#[derive(Clone, Debug)]
pub(super) enum Files {
    /// By the job: patterns that may contain placeholders, relative to the folder of its file.
    OfJob { patterns: Vec<String>, folder: PathBuf },
    /// On the command line: relative to the current directory.
    Given(Vec<PathBuf>),
}

impl Source {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        scope: &Scope<'_>,
        folder: &Path,
        overrides: &Overrides,
        chunk_bytes: usize,
    ) -> Source {
        let (mut folders, mut instead_of) = (Vec::new(), Vec::new());
        let (files, is_dated) = match &overrides.files {
            Some(files) => {
                // Unused texts may contain unset variables, but they must still form a list.
                let written = reader.written_list(scope, "files").unwrap_or_default();
                folders.extend(written.iter().map(|written| folder_of(written.text, folder)));
                instead_of.extend(written.iter().map(|written| PathBuf::from(written.text)));
                (Files::Given(files.clone()), written.iter().any(|written| needs_date(written.text)))
            }
            None => {
                let patterns = patterns(reader, scope);
                let is_dated = patterns.iter().any(|text| needs_date(text));
                (Files::OfJob { patterns, folder: folder.to_owned() }, is_dated)
            }
        };
        let (format, nulls) = format::read(reader, scope);
        let settings = Settings {
            framing: format.framing(),
            chunk_bytes,
            record_bytes_max: as_usize(reader.size(scope, "max_record")),
            mmap: reader.flag(scope, "mmap"),
            growing: reader.flag(scope, "growing"),
            ..Settings::default()
        };
        let order = match reader.word(scope, "order") {
            "name-reverse" => Order::NameReverse,
            _ => Order::Name,
        };
        Source {
            files,
            folders,
            instead_of,
            needs_date: is_dated.then_some(NeedsDate::Files),
            selection: Selection {
                order,
                include: globs(reader, scope, "include"),
                exclude: globs(reader, scope, "exclude"),
            },
            format,
            settings,
            clock: timezone(reader, scope),
            nulls,
            year: reader.count_given(scope, "year").and_then(|year| i32::try_from(year).ok()),
        }
    }

    /// Whether a given file is in a folder that contains files of the job. A job that names no files accepts
    /// any.
    pub fn is_for(&self, file: &Path) -> bool {
        let real = |path: &Path| {
            let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            std::fs::canonicalize(path).ok()
        };
        let Some(found) = real(file) else { return true };
        self.folders.is_empty()
            || self.folders.iter().filter_map(|folder| real(folder)).any(|folder| found.starts_with(folder))
    }

    /// The files that the job names one by one, if others were given; empty if it has patterns or
    /// directories, which may match any.
    pub fn named_files(&self) -> &[PathBuf] {
        let is_one = |path: &PathBuf| {
            path.file_name().is_some_and(|name| !name.to_string_lossy().contains(PATTERN_CHARS))
                && !self.folders.iter().any(|folder| folder.ends_with(path))
        };
        if self.instead_of.iter().all(is_one) { &self.instead_of } else { &[] }
    }

    /// The URLs among the names of the files, and among those of the job if others are given.
    pub fn urls(&self) -> impl Iterator<Item = &Path> {
        let (of_job, given) = match &self.files {
            Files::OfJob { patterns, .. } => (&patterns[..], &[][..]),
            Files::Given(names) => (&[][..], &names[..]),
        };
        let given = self.instead_of.iter().chain(given).map(PathBuf::as_path);
        of_job.iter().map(Path::new).chain(given).filter(|name| is_in_bucket(name))
    }

    /// Whether each day has files of its own.
    pub fn is_dated(&self) -> bool {
        self.needs_date == Some(NeedsDate::Files)
    }

    /// Whether the loaded data depends on a data date.
    pub fn depends_on_date(&self) -> bool {
        self.needs_date.is_some()
    }

    /// The patterns of the job that have placeholders, for all days at once; or a pattern that does not say
    /// which day its files belong to.
    pub fn of_any_day(&self) -> Result<Vec<OfAnyDay>, String> {
        let Files::OfJob { patterns, folder } = &self.files else { return Ok(Vec::new()) };
        let dated = patterns.iter().filter(|text| needs_date(text));
        dated.map(|text| OfAnyDay::of(text, folder).ok_or_else(|| text.clone())).collect()
    }

    /// Which of the patterns for a day have placeholders, in order.
    pub fn are_dated(&self) -> Vec<bool> {
        match &self.files {
            Files::OfJob { patterns, .. } => patterns.iter().map(|text| needs_date(text)).collect(),
            Files::Given(names) => vec![false; names.len()],
        }
    }

    /// The files to load on `date`. Refused if there are none, or if the job depends on a date and none is
    /// given, or the other way round, because then each date would load the same files again.
    pub fn patterns(&self, date: Option<NaiveDate>) -> Result<Vec<Pattern>> {
        match (&self.needs_date, date) {
            (Some(NeedsDate::Year(field)), None) => {
                return Err(Error::usage(format!(
                    "the timestamps of field {} have no year; add year = … to [source], or give the day of \
                    the files with --date",
                    quoted(field)
                )));
            }
            (Some(NeedsDate::Files), None) => {
                return Err(Error::usage(
                    "`files` of the job has a placeholder for the data date; give the day with --date",
                ));
            }
            (Some(NeedsDate::Column(column)), None) => {
                return Err(Error::usage(format!(
                    "column {} in `columns` of the job has a placeholder for the data date; give the day \
                    with --date",
                    quoted(column)
                )));
            }
            (None, Some(date)) => {
                return Err(Error::usage(format!(
                    "nothing in the job depends on a data date, and --date {date} would load the same files again for each \
                     date; leave it out, or put {{date}} into `files` or `columns`"
                )));
            }
            _ => {}
        }
        let (patterns, folder) = match &self.files {
            Files::Given(names) => {
                let pattern = |name: &PathBuf| Pattern::new(name, Path::new(""));
                return Ok(names.iter().map(pattern).collect());
            }
            Files::OfJob { patterns, folder } => (patterns, folder),
        };
        if patterns.is_empty() {
            return Err(Error::usage(
                "there is nothing to load: the job names no files; name some in it, under [source], or on the command line",
            ));
        }
        let dated = |text: &String| date.map_or_else(|| text.clone(), |date| date::put_date(text, date));
        let pattern = |text: &String| Pattern::new(dated(text), folder);
        Ok(patterns.iter().map(pattern).collect())
    }
}

/// The characters that make a pattern of a name, or a placeholder.
const PATTERN_CHARS: [char; 5] = ['*', '?', '[', '{', '$'];

/// The folder that contains every file that a pattern of a job can name.
fn folder_of(pattern: &str, folder: &Path) -> PathBuf {
    let is_plain =
        |part: &std::path::Component<'_>| !part.as_os_str().to_string_lossy().contains(PATTERN_CHARS);
    let parts: PathBuf = Path::new(pattern).components().take_while(is_plain).collect();
    let is_whole = parts.as_path() == Path::new(pattern);
    let path = folder.join(&parts);
    // A directory stands for its content.
    if is_whole && !path.is_dir() { path.parent().map_or(PathBuf::new(), Path::to_owned) } else { path }
}

/// Whether the name of a file, which has been validated, depends on the data date.
fn needs_date(text: &str) -> bool {
    date::needs_date(text).unwrap_or(false)
}

fn patterns(reader: &mut Reader<'_>, scope: &Scope<'_>) -> Vec<String> {
    let files = reader.texts(scope, "files").unwrap_or_default();
    for (text, place) in &files {
        if text.is_empty() {
            // Joined to the folder it would mean everything in it.
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
                    format!("'{name}' matches names without their folders, so it takes no '/'"),
                    &place,
                );
            }
            Ok(glob) => globs.push(glob),
            Err(error) => reader.find(format!("not a glob: {}", error.msg), &place),
        }
    }
    globs
}

/// Reads the time zone of timestamps that name none.
fn timezone(reader: &mut Reader<'_>, scope: &Scope<'_>) -> Clock {
    let Some(written) = reader.written(scope, "timezone") else { return Clock::default() };
    let Some(text) = reader.expand(&written) else { return Clock::default() };
    let clock = match text.as_str() {
        "UTC" => Some(Clock::default()),
        text => parse_offset(text).map(Clock::ahead).or_else(|| Clock::of_place(text)),
    };
    clock.unwrap_or_else(|| {
        reader.refuse(scope, "timezone");
        Clock::default()
    })
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
