//! `dead-letters export`: letters into a file, to be looked at and mended.

use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use super::mended::ids_beside;
use super::{Watch, destination};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::report::{Exit, Export, Head};
use crate::sink::history::{DeadLetter, Filter, Line};
use crate::trust::Draft;

/// A letter as it is exported. The bytes are those that a replay would try: mended ones, where there
/// are some.
#[derive(Serialize)]
struct Exported<'a> {
    id: i64,
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

/// Writes the job's dead letters that pass the filter to a file: an object each, or as they are, each
/// on its line and its id on that of a file beside.
pub fn export(config: &Config, filter: Filter, path: &Path, is_raw: bool, watch: &Watch) -> Result<Export> {
    let filter = Filter { job: config.name.clone(), has_raw: true, ..filter };
    let failed = |cause| Error::file("write dead letters to", path, cause);
    let beside = ids_beside(path);
    if !is_raw && beside.exists() {
        return Err(Error::usage(format!(
            "{} stands beside, and `replay --from` would take {} for plain records; name another file",
            beside.display(),
            path.display()
        )));
    }
    let begin = |path: &Path| {
        Draft::begin(path).map_err(|cause| match cause.kind() {
            ErrorKind::AlreadyExists => Error::usage(format!("{} exists; name another file", path.display())),
            _ => failed(cause),
        })
    };
    let mut records = begin(path)?;
    let mut ids = if is_raw { Some(begin(&beside)?) } else { None };
    let (mut exported, mut not_kept, mut result) = (0, 0, Ok(()));
    destination(config, watch)?.history()?.dead_letters(&filter, &mut |letter| {
        let written = match &mut ids {
            Some(ids) => match letter.fixed.as_ref().or(letter.raw.as_ref()) {
                None => {
                    not_kept += 1;
                    return ControlFlow::Continue(());
                }
                Some(raw) if raw.contains(&b'\n') => {
                    result = Err(Error::usage(format!(
                        "the record of dead letter {} has several lines; export without --raw",
                        letter.id
                    )));
                    return ControlFlow::Break(());
                }
                Some(raw) => write_line(&mut records, raw)
                    .and_then(|()| write_line(ids, letter.id.to_string().as_bytes())),
            },
            None => {
                not_kept += u64::from(letter.raw.is_none() && letter.fixed.is_none());
                write_object(&mut records, &letter)
            }
        };
        exported += 1;
        result = written.map_err(failed);
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    result?;
    // The ids first: records without them would be read as objects.
    for draft in ids.into_iter().chain([records]) {
        draft.finish().map_err(failed)?;
    }
    let head = Head::new("dead-letters export", Some(&config.name), Exit::Success);
    Ok(Export { head, file: path.display().to_string(), exported, not_kept })
}

fn write_line(out: &mut impl Write, line: &[u8]) -> io::Result<()> {
    out.write_all(line)?;
    out.write_all(b"\n")
}

fn write_object(out: &mut impl Write, letter: &DeadLetter) -> io::Result<()> {
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
