//! `infer`: turns files without a job into a job and a report on it.

use std::path::{Path, PathBuf};

use bumpalo::Bump;

use super::detect::{Detected, detect};
use super::files::nothing_found;
use super::run::cores;
use crate::config::{self, Draft, Overrides, Proposed, escape};
use crate::error::{Error, Result};
use crate::figure;
use crate::format::{self, Extras, Holds, Malformed, Record, Spec, Usual};
use crate::infer::{
    self, Proposal, Seen, Spot, Terms, Unstorable, dated, job_name, job_name_of_directory, table_name,
};
use crate::pipeline::{Survey, SurveySettings, Surveyed, survey};
use crate::report::{self, CandidateShare, InferredField};
use crate::schema::{Extra, Kind};
use crate::sink;
use crate::source::{Found, Pattern, Reach, STDIN, Selection, Settings, discover, is_in_bucket};
use crate::stop::Stop;

/// The maximum number of bytes read, of all files together. It takes a second or two, and members that first
/// appear beyond it are not lost: see `extra` below.
const BYTES_MAX: u64 = 256 << 20;

/// More names than this are a list, not a job: a person would write a pattern instead.
const NAMES_MAX: usize = 100;

/// Files without a job, and where their job would be.
#[derive(Debug)]
pub struct Unwritten {
    /// The path of the job file.
    pub path: PathBuf,
    /// The name of the job.
    pub name: String,
    names: Vec<PathBuf>,
    files: Vec<Found>,
}

/// An inferred job.
#[derive(Debug)]
pub struct Inferred {
    /// The job file.
    pub text: String,
    /// What it was inferred from.
    pub report: report::Inferred,
}

impl Unwritten {
    /// The job for the files in `names`.
    pub fn of(names: &[PathBuf]) -> Result<Unwritten> {
        if names.is_empty() {
            return Err(Error::usage("name files, or a job with -j"));
        }
        let patterns: Vec<Pattern> = names.iter().map(|name| Pattern::new(name, Path::new(""))).collect();
        let found = discover(&patterns, &Selection::default(), &Reach::default())?;
        let files = &found.files;
        // The standard input can be previewed and then read; reading another stream consumes it.
        if let Some(stream) =
            files.iter().find(|file| file.is_stream()).filter(|_| names != [Path::new(STDIN)])
        {
            return Err(Error::usage(format!(
                "{} can be read only once, so no job can be inferred from it; name a job with -j, or give it alone as stdin (-)",
                stream.path.display()
            )));
        }
        let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        let name = match names {
            [name] if name == Path::new(STDIN) => Some("stdin".to_owned()),
            // A job over a whole directory has the directory's name.
            [directory] if directory.is_dir() => {
                std::fs::canonicalize(directory).ok().and_then(|path| job_name_of_directory(&path))
            }
            _ => None,
        };
        let name = name.or_else(|| job_name(&paths));
        let name = name.filter(|_| !paths.is_empty()).ok_or_else(|| nothing_found(names, &found))?;
        // A path that begins with a dash would be taken for a flag.
        let here = if name.starts_with('-') { "./" } else { "" };
        let path = PathBuf::from(format!("{here}{name}.logmill.toml"));
        Ok(Unwritten { path, name, names: names.to_vec(), files: found.files })
    }

    /// Infers the job from its files, to be written to `path`.
    pub fn infer(&self, path: &Path, overrides: &Overrides, stop: &Stop) -> Result<Inferred> {
        let (readable, detected) = detect(&self.files, stop)?;
        let threads = overrides.threads.and_then(|threads| usize::try_from(threads).ok());
        let settings = SurveySettings {
            threads: threads.unwrap_or_else(cores),
            source: Settings::default(),
            bytes_max: BYTES_MAX,
        };
        let format = format::of(&detected.spec, &paths(&detected.spec), Extras::Gathered);
        let mut surveyed = survey::<Seen>(&readable, &format, &settings, stop)?;
        let files: Vec<PathBuf> = readable.into_iter().map(|file| file.path).collect();
        let url = overrides.into.as_ref().map_or(sink::kinds::DEFAULT, |url| url.reveal());
        let usual = detected.spec.usual_fields();
        let named = |is_so: fn(&Usual<'_>) -> bool| {
            usual.iter().filter(|field| is_so(field)).map(|field| field.name.to_owned()).collect()
        };
        let terms = Terms {
            nulls: detected.nulls.clone(),
            holds_no_nan: sink::kinds::holds_no_nan(url),
            has_jsonb: sink::kinds::has_jsonb(url),
            texts: named(|field| field.holds == Holds::Text),
            optional: named(|field| !field.is_required),
        };
        let proposal = std::mem::take(&mut surveyed.seen).propose(&terms);
        if proposal.fields.is_empty() {
            return Err(Error::usage(no_fields(&files, &proposal, &surveyed.failed)));
        }
        let names = self.names_from(path)?;
        let mut listed: Vec<String> = names.iter().filter_map(|name| name.to_str()).map(escape).collect();
        if listed.len() > NAMES_MAX {
            listed.clear();
        }
        let unlisted = names.len() - listed.len();
        let table = overrides.table.as_ref().map_or_else(|| table_name(&self.name), ToString::to_string);
        let text = config::write(&Draft {
            name: &self.name,
            files: &listed,
            format: &detected.lines,
            nulls: &proposal.nulls,
            asked: &asked(&proposal, &listed),
            fields: &proposed(&proposal.fields),
            offered: &proposed(&proposal.members),
            keys: &proposal.unique[..proposal.unique.len().min(KEYS_MAX)],
            // A key that appears later, or beyond what was read, goes into a separate column with all others
            // like it: nothing is silently dropped.
            extra: Extra::Keep,
            url,
            table: &table,
        });
        let warnings = warnings(&proposal, &detected, &files, surveyed.is_all, unlisted);
        Ok(Inferred { text, report: report(&proposal, detected, &files, &surveyed, warnings) })
    }

    /// The names as paths from a job at `path`. Names in a job start at its folder, given names at the
    /// current directory.
    fn names_from(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let is_here = path.parent().is_none_or(|folder| ["", "."].map(Path::new).contains(&folder));
        if is_here {
            return Ok(self.names.clone());
        }
        let absolute = self.names.iter().map(|name| {
            if is_in_bucket(name) {
                return Ok(name.clone());
            }
            std::path::absolute(name).map_err(|cause| Error::file("find the absolute path of", name, cause))
        });
        absolute.collect()
    }
}

/// The fields to ask for: some formats produce certain fields only when asked.
fn paths(spec: &Spec) -> Vec<Vec<String>> {
    let usual = spec.usual_fields().into_iter().map(|field| field.name.to_owned());
    let made = matches!(spec, Spec::W3c).then(|| "timestamp".to_owned());
    usual.chain(made).map(|name| vec![name]).collect()
}

/// The number of fields that are offered as keys.
const KEYS_MAX: usize = 3;

fn proposed(fields: &[infer::Inferred]) -> Vec<Proposed> {
    let proposed = fields.iter().map(|inferred| Proposed {
        field: inferred.field.clone(),
        note: inferred.note.clone(),
        instead: inferred.instead.as_ref().map(|(field, what)| (field.clone(), (*what).to_owned())),
    });
    proposed.collect()
}

/// What only a person can decide.
fn asked(proposal: &Proposal, listed: &[String]) -> Vec<(String, String)> {
    let mut asked = Vec::new();
    if let [(text, date)] = listed.iter().filter_map(|name| dated(name)).collect::<Vec<_>>().as_slice() {
        let line = format!("files  = [{text:?}]");
        asked.push((line, format!("any day: logmill load -j … --date {date}")));
    }
    if !proposal.zoneless.is_empty() {
        let why = format!("otherwise timestamps without a zone are in UTC: {}", proposal.zoneless.join(", "));
        asked.push(("timezone = \"Europe/Berlin\"".to_owned(), why));
    }
    let yearless = proposal.fields.iter().find(|inferred| {
        let year = inferred.instead.as_ref().map(|(field, _)| &field.kind);
        matches!(year, Some(Kind::Timestamp(rules)) if rules.format.may_lack_year())
    });
    if let Some(inferred) = yearless {
        let why = format!("the year of {}, which names none, once it is a timestamp", inferred.field.name);
        let year = listed
            .iter()
            .find_map(|name| dated(name))
            .map_or("…".to_owned(), |(_, date)| date[..4].to_owned());
        asked.push((format!("year = {year}"), why));
    }
    asked
}

impl Survey for Seen {
    fn see(&mut self, file: usize, offset: u64, record: Result<&Record<'_>, Malformed>, arena: &Bump) {
        let spot = Spot { file, offset };
        match record {
            Ok(record) => self.record(spot, record, arena),
            Err(malformed) => self.malformed(spot, &malformed),
        }
    }

    fn merge(self, other: Seen) -> Seen {
        Seen::merge(self, other)
    }
}

fn no_fields(files: &[PathBuf], proposal: &Proposal, failed: &[(PathBuf, String)]) -> String {
    let at = |file: usize| files[file].display();
    let path = at(0);
    match (failed.first(), proposal.first_malformed) {
        _ if proposal.records > 0 => {
            format!("the records of {path} are empty objects, and a job needs a field; name a job with -j")
        }
        (Some((path, why)), _) => format!("{}: {why}", path.display()),
        (None, Some((spot, code, what))) => {
            let (path, offset) = (at(spot.file), spot.offset);
            format!("no line of {path} is a record; the one at byte {offset} is {what} ({code})")
        }
        (None, None) => format!("{path} has no records, so there is nothing to infer a job from"),
    }
}

/// The warnings beyond the fields.
fn warnings(
    proposal: &Proposal,
    detected: &Detected,
    files: &[PathBuf],
    is_all: bool,
    unlisted: usize,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some((spot, code, what)) = proposal.first_malformed {
        let (record, records) = match detected.is_ndjson() {
            true => ("a JSON object", "JSON objects"),
            false => ("such a record", "such records"),
        };
        let are_none = match proposal.malformed {
            1 => format!("is not {record} and becomes a dead letter"),
            _ => format!("are not {records} and become dead letters"),
        };
        warnings.push(format!(
            "{} of {} {are_none}; the first, at byte {} of {}, is {what} ({code})",
            figure::count(proposal.malformed),
            figure::some(proposal.malformed + proposal.records, "line"),
            figure::count(spot.offset),
            files[spot.file].display(),
        ));
    }
    for odd in &proposal.odd {
        let places = odd.first.iter().map(|(spot, example)| {
            format!("{example:?} at byte {} of {}", figure::count(spot.offset), files[spot.file].display())
        });
        warnings.push(format!(
            "field {} is {} in all but {} of {} ({}), which would become dead letters: {}; type = \"{}\" takes them all",
            odd.field,
            odd.kind,
            figure::count(odd.count),
            figure::count(odd.of),
            figure::share(odd.count, odd.of),
            places.collect::<Vec<_>>().join(", "),
            odd.instead,
        ));
    }
    for Unstorable { field, what, advice, count, first } in &proposal.unstorable {
        let (so, hold) = match count {
            1 => ("1 value".to_owned(), "holds"),
            _ => (format!("{} values", figure::count(*count)), "hold"),
        };
        let then = if advice.is_empty() { String::new() } else { format!("; {advice}") };
        warnings.push(format!(
            "{so} of field {field} {hold} {what}, which no column can hold: dead letters, the first at byte {} of {}{then}",
            figure::count(first.offset),
            files[first.file].display(),
        ));
    }
    if proposal.left_out > 0 {
        warnings.push(format!(
            "there are more keys than columns: at least {} of them have no field and go into the column `extra`",
            figure::count(proposal.left_out)
        ));
    }
    if !is_all {
        warnings.push(
            "the rest may have other values: those that do not fit become dead letters, and new keys go \
            into the column `extra`"
                .to_owned(),
        );
    }
    if unlisted > 0 {
        warnings.push(format!(
            "{} not in the job, which lists only names that are UTF-8, and no more than {NAMES_MAX}; name files on the \
             command line, or write a pattern into it",
            if unlisted == 1 { "1 name is".to_owned() } else { format!("{unlisted} names are") }
        ));
    }
    warnings
}

/// The report on what was inferred.
fn report(
    proposal: &Proposal,
    detected: Detected,
    files: &[PathBuf],
    surveyed: &Surveyed<Seen>,
    warnings: Vec<String>,
) -> report::Inferred {
    let fields = proposal.fields.iter().map(|inferred| InferredField {
        name: inferred.field.name.clone(),
        from: inferred.field.from.clone(),
        kind: inferred.field.kind.name(),
        required: inferred.field.required,
        nullable: inferred.field.nullable,
        note: inferred.note.clone(),
    });
    let candidates = detected.tried.into_iter().map(|(format, explained)| CandidateShare {
        format,
        explained: explained.lines,
        lines: explained.of,
    });
    report::Inferred {
        candidates: candidates.collect(),
        records: proposal.records,
        malformed: proposal.malformed,
        bytes_read: surveyed.raw_bytes,
        bytes: surveyed.raw_size,
        all: surveyed.is_all,
        files: files.len(),
        fields: fields.collect(),
        warnings,
        what: match files {
            [file] if file == Path::new(STDIN) => "stdin".to_owned(),
            [file] => file.display().to_string(),
            files => figure::some(files.len(), "file"),
        },
        inflated: surveyed.bytes,
    }
}
