//! Jobs that nobody wrote: what is found in files, as a job and as a text about it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bumpalo::Bump;

use super::speech::Speech;
use crate::config::{self, Draft, Overrides, Proposed, escape};
use crate::engine::cores;
use crate::error::{Error, ErrorKind, Result};
use crate::figure;
use crate::format::{AnyFormat, Extras, Json, Malformed, Record};
use crate::infer::{Looks, Proposal, Seen, Spot, look, table_name};
use crate::pipeline::{Survey, SurveySettings, Surveyed, survey};
use crate::report::{self, InferredField};
use crate::schema::Extra;
use crate::sink;
use crate::source::{Found, STDIN, Settings, Source};
use crate::stop::Stop;

/// So much is read at most, of all files together. It takes a second or two, and what is
/// beyond it can still not be lost: see `extra` below.
pub(super) const BYTES_MAX: u64 = 256 << 20;

/// So much of a file is looked at to tell what it is.
const LOOK_BYTES: usize = 64 << 10;

/// A job that was inferred.
#[derive(Debug)]
pub(super) struct Inferred {
    /// The job file.
    pub(super) text: String,
    proposal: Proposal,
    /// The files that have records.
    files: Vec<PathBuf>,
    /// Names that the job does not list: they are not UTF-8, or too many.
    unlisted: usize,
    /// Bytes that were read, decompressed.
    bytes: u64,
    /// The same in the files, compressed as they are,
    raw_bytes: u64,
    /// of so many.
    raw_size: u64,
    /// Whether that is all there is.
    is_all: bool,
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

/// The files that have records. One that cannot be read is left to the load, which tells of
/// it; one that is no NDJSON ends it here.
fn look_at(files: &[Found], stop: &Stop) -> Result<Vec<Found>> {
    let mut readable = Vec::new();
    let mut failed = None;
    for file in files {
        match head(file, stop).map(|(head, is_all)| look(&head, is_all)) {
            Ok(Looks::Ndjson) => readable.push(file.clone()),
            Ok(Looks::Empty) => {}
            Ok(Looks::Other { what, hint }) => return Err(Error::usage(other(&file.path, what, hint))),
            Err(error) if matches!(error.kind(), ErrorKind::Stopped(_)) => return Err(error),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match (readable.is_empty(), failed, files) {
        (false, ..) => Ok(readable),
        (true, Some(error), _) => Err(error),
        (true, None, [file]) => Err(Error::usage(format!(
            "{} is empty, so there is nothing to infer a job from; name one with -j",
            file.path.display()
        ))),
        (true, None, files) => Err(Error::usage(format!(
            "all {} files are empty, so there is nothing to infer a job from; name one with -j",
            files.len()
        ))),
    }
}

fn other(path: &Path, what: &str, hint: Option<&str>) -> String {
    let path = path.display();
    let then = match hint {
        Some(command) => format!("; `{command}` makes lines of it"),
        None => " (other formats are planned and not built yet)".to_owned(),
    };
    format!("{path} looks like {what}; a job can be inferred from NDJSON, one JSON object per line{then}")
}

/// The first bytes of a file, and whether they are all.
fn head(file: &Found, stop: &Stop) -> Result<(Vec<u8>, bool)> {
    let (source, is_cut) = Source::preview(file, stop)?;
    let (head, is_all) = Arc::new(source).beginning(LOOK_BYTES, Settings::default().record_bytes_max)?;
    Ok((head, is_all && !is_cut))
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
            format!("no line of {path} is a JSON object; the one at byte {offset} is {what} ({code})")
        }
        (None, None) => format!("{path} has no records, so there is nothing to infer a job from"),
    }
}

impl Inferred {
    /// Infers a job called `name` from `files`, which are those that `names` name.
    pub(super) fn of(
        name: &str,
        names: &[PathBuf],
        files: &[Found],
        overrides: &Overrides,
        stop: &Stop,
    ) -> Result<Inferred> {
        let readable = look_at(files, stop)?;
        let threads = overrides.threads.and_then(|threads| usize::try_from(threads).ok());
        let settings = SurveySettings {
            threads: threads.unwrap_or_else(cores),
            source: Settings::default(),
            bytes_max: BYTES_MAX,
        };
        let format = AnyFormat::Ndjson(Json::new::<String>(&[], Extras::Ignored));
        let surveyed = survey::<Seen>(&readable, &format, &settings, stop)?;
        let files: Vec<PathBuf> = readable.into_iter().map(|file| file.path).collect();
        let proposal = surveyed.seen.propose();
        if proposal.fields.is_empty() {
            return Err(Error::usage(no_fields(&files, &proposal, &surveyed.failed)));
        }
        let fields: Vec<Proposed> = proposal
            .fields
            .iter()
            .map(|inferred| Proposed { field: inferred.field.clone(), note: inferred.note.clone() })
            .collect();
        let mut listed: Vec<String> = names.iter().filter_map(|name| name.to_str()).map(escape).collect();
        if listed.len() > NAMES_MAX {
            listed.clear();
        }
        let unlisted = names.len() - listed.len();
        let table = overrides.table.as_ref().map_or_else(|| table_name(name), ToString::to_string);
        let url = overrides.into.as_ref().map_or(sink::kinds::DEFAULT, |url| url.reveal());
        let text = config::write(&Draft {
            name,
            files: &listed,
            fields: &fields,
            // A key that comes later, or behind what was read, goes into a column of its own
            // with all others of its kind: nothing is passed over that nobody has seen.
            extra: Extra::Keep,
            url,
            table: &table,
        });
        let Surveyed { bytes, raw_bytes, raw_size, is_all, .. } = surveyed;
        Ok(Inferred { text, proposal, files, unlisted, bytes, raw_bytes, raw_size, is_all })
    }

    /// Says what was inferred, and that it was written to `path`.
    pub(super) fn tell_written(&self, path: &Path, speech: Speech) {
        speech.inform(&format!(
            "wrote {}, {}\nit is yours to edit, and is used from now on",
            path.display(),
            self.report().sentence()
        ));
        self.warn(speech);
        if speech.speaks() {
            speech.tell(&format!("\n{}\n", self.report().table()));
        }
    }

    /// Says what was inferred, and that it is written nowhere.
    pub(super) fn tell_unwritten(&self, speech: Speech) {
        speech.inform(&format!(
            "there is no job, so this is against what was {}\n`logmill infer` writes it down, to be edited",
            self.report().sentence()
        ));
        self.warn(speech);
    }

    /// Says what there is to know besides the fields.
    pub(super) fn warn(&self, speech: Speech) {
        for warning in self.warnings() {
            speech.warn(&warning);
        }
    }

    /// What there is to know besides the fields.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let proposal = &self.proposal;
        if let Some((spot, code, what)) = proposal.first_malformed {
            warnings.push(format!(
                "{} of {} lines are no JSON objects and will be dead letters; the first, at byte {} of {}, is {what} ({code})",
                figure::count(proposal.malformed),
                figure::count(proposal.malformed + proposal.records),
                figure::count(spot.offset),
                self.files[spot.file].display(),
            ));
        }
        if proposal.left_out > 0 {
            warnings.push(format!(
                "there are more keys than columns: {} of them or more have no field and go into the column `extra`",
                figure::count(proposal.left_out)
            ));
        }
        if !self.is_all {
            warnings.push(
                "what was not read may have other values: those that do not fit become dead letters, and new keys go \
                 into the column `extra`"
                    .to_owned(),
            );
        }
        if self.unlisted > 0 {
            warnings.push(format!(
                "{} not in the job, which lists only names that are UTF-8, and no more than {NAMES_MAX}; name files on the \
                 command line, or write a pattern into it",
                if self.unlisted == 1 { "1 name is".to_owned() } else { format!("{} names are", self.unlisted) }
            ));
        }
        warnings
    }

    /// What was inferred, to be told.
    pub(super) fn report(&self) -> report::Inferred {
        let proposal = &self.proposal;
        let fields = proposal.fields.iter().map(|inferred| InferredField {
            name: inferred.field.name.clone(),
            from: inferred.field.from.clone(),
            kind: inferred.field.kind.name(),
            required: inferred.field.required,
            nullable: inferred.field.nullable,
            note: inferred.note.clone(),
        });
        report::Inferred {
            records: proposal.records,
            malformed: proposal.malformed,
            bytes_read: self.raw_bytes,
            bytes: self.raw_size,
            all: self.is_all,
            files: self.files.len(),
            fields: fields.collect(),
            what: match self.files.as_slice() {
                [file] if file == Path::new(STDIN) => "stdin".to_owned(),
                [file] => file.display().to_string(),
                files => figure::some(files.len(), "file"),
            },
            inflated: self.bytes,
        }
    }
}

/// More names than this are a list, and no job: somebody will write a pattern instead.
const NAMES_MAX: usize = 100;
