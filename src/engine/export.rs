//! `dead-letters export`: writes letters to a file, to be examined and mended.

use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use super::letters::refuse_unknown;
use super::mended::ids_beside;
use super::{Watch, destination};
use crate::config::Config;
use crate::error::{self, Error, Result};
use crate::printable::source_name;
use crate::report::{Exit, Export, Head};
use crate::sink::history::{DeadLetter, Filter, Line};
use crate::trust::Draft;

/// The target of an export, and the form of the letters.
pub enum ExportTo<'a> {
    /// A file with one object per letter.
    Objects(&'a Path),
    /// A file with each record on a line of its own, and a second file with the ids on the same lines.
    Records(&'a Path),
    /// A reader, with one object per letter.
    Reader(&'a mut dyn Write),
}

/// A letter as it is exported. The bytes are those that a replay would try: mended ones, if there are any.
#[derive(Serialize)]
struct Exported<'a> {
    id: i64,
    #[serde(flatten, serialize_with = "source_name")]
    source: &'a str,
    #[serde(flatten)]
    line: Line,
    offset: u64,
    valid: bool,
    stage: &'a str,
    state: &'a str,
    attempts: i32,
    reasons: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_base64: Option<String>,
}

/// How many letters were exported, and how many of their records were too long to be kept.
#[derive(Default)]
struct Tally {
    exported: u64,
    not_kept: u64,
}

/// Writes the job's dead letters that match the filter to the target.
pub fn export(config: &Config, filter: Filter, to: ExportTo<'_>, watch: &Watch) -> Result<Export> {
    let filter = Filter { job: config.name.clone(), has_raw: true, ..filter };
    refuse_unknown(config, &filter.ids, watch)?;
    let letters = Letters { config, filter, watch };
    let (file, tally) = match to {
        ExportTo::Objects(path) => (path.display().to_string(), letters.objects_into(path)?),
        ExportTo::Records(path) => (path.display().to_string(), letters.records_into(path)?),
        ExportTo::Reader(out) => ("stdout".to_owned(), letters.objects_to(out)?),
    };
    let head = Head::new("dead-letters export", Some(&config.name), Exit::Success);
    Ok(Export { head, file, exported: tally.exported, not_kept: tally.not_kept })
}

/// The selected letters.
struct Letters<'a> {
    config: &'a Config,
    filter: Filter,
    watch: &'a Watch,
}

impl Letters<'_> {
    fn each(&self, mut visit: impl FnMut(&DeadLetter) -> Result<()>) -> Result<()> {
        let mut result = Ok(());
        destination(self.config, self.watch)?.history()?.dead_letters(&self.filter, &mut |letter| {
            result = visit(&letter);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result
    }

    fn objects_into(&self, path: &Path) -> Result<Tally> {
        let beside = ids_beside(path);
        if beside.exists() {
            return Err(Error::usage(format!(
                "{} is beside it, and `replay --from` would take {} for plain records; name another file",
                beside.display(),
                path.display()
            )));
        }
        let mut draft = begin(path)?;
        let tally = self.objects(&mut draft, |cause| failed(path, cause))?;
        draft.finish().map_err(|cause| failed(path, cause))?;
        Ok(tally)
    }

    fn objects_to(&self, out: &mut dyn Write) -> Result<Tally> {
        let failed = |cause: io::Error| match cause.kind() {
            // The reader has seen enough.
            ErrorKind::BrokenPipe => error::ErrorKind::Stopped(libc::SIGPIPE).into(),
            _ => failed(Path::new("stdout"), cause),
        };
        let tally = self.objects(out, failed)?;
        out.flush().map_err(failed)?;
        Ok(tally)
    }

    fn objects(&self, out: &mut dyn Write, failed: impl Fn(io::Error) -> Error) -> Result<Tally> {
        let mut tally = Tally::default();
        self.each(|letter| {
            tally.not_kept += u64::from(letter.raw.is_none() && letter.fixed.is_none());
            tally.exported += 1;
            write_object(out, letter).map_err(&failed)
        })?;
        Ok(tally)
    }

    fn records_into(&self, path: &Path) -> Result<Tally> {
        let (mut records, mut ids) = (begin(path)?, begin(&ids_beside(path))?);
        let mut tally = Tally::default();
        self.each(|letter| {
            let Some(raw) = letter.fixed.as_ref().or(letter.raw.as_ref()) else {
                tally.not_kept += 1;
                return Ok(());
            };
            if raw.contains(&b'\n') {
                return Err(Error::usage(format!(
                    "the record of dead letter {} has several lines; export without --raw",
                    letter.id
                )));
            }
            tally.exported += 1;
            let written = write_line(&mut records, raw);
            let written = written.and_then(|()| write_line(&mut ids, letter.id.to_string().as_bytes()));
            written.map_err(|cause| failed(path, cause))
        })?;
        // The ids first: records without them would be read as objects.
        for draft in [ids, records] {
            draft.finish().map_err(|cause| failed(path, cause))?;
        }
        Ok(tally)
    }
}

fn begin(path: &Path) -> Result<Draft> {
    Draft::begin(path).map_err(|cause| Error::new_file("write dead letters to", path, cause))
}

fn failed(path: &Path, cause: io::Error) -> Error {
    Error::file("write dead letters to", path, cause)
}

fn write_line(out: &mut dyn Write, line: &[u8]) -> io::Result<()> {
    out.write_all(line)?;
    out.write_all(b"\n")
}

fn write_object(out: &mut dyn Write, letter: &DeadLetter) -> io::Result<()> {
    let bytes = letter.fixed.as_deref().or(letter.raw.as_deref());
    let raw = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let DeadLetter { id, source, line, offset, stage, state, attempts, reasons, .. } = letter;
    let exported = Exported {
        id: *id,
        source,
        line: *line,
        offset: *offset,
        valid: false,
        stage,
        state,
        attempts: *attempts,
        reasons,
        raw,
        raw_base64: bytes.filter(|_| raw.is_none()).map(|bytes| STANDARD.encode(bytes)),
    };
    write_line(out, serde_json::to_string(&exported)?.as_bytes())
}
