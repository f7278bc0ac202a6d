//! The names of files given to a command, on its line or in a list.

use std::path::PathBuf;

use super::args::{FileArgs, Output};
use super::speech::Speech;
use crate::engine;
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Bare, Exit, Head};

/// The given names, if any. Those on the line come first.
pub(super) fn given(args: &FileArgs) -> Result<Option<Vec<PathBuf>>> {
    let mut names = args.files.clone();
    if let Some(list) = &args.files_from {
        names.extend(engine::listed(list, args.null)?);
    } else if names.is_empty() {
        return Ok(None);
    }
    Ok(Some(names))
}

/// The error for a list without names and no job: there is nothing to infer a job from.
pub(super) const EMPTY_LIST: &str = "the list names no files";

/// Whether the error says that there is no file, and this is allowed.
pub(super) fn is_allowed_to_be_empty(error: &Error, allow_empty: bool) -> bool {
    allow_empty && matches!(error.kind(), ErrorKind::NoFiles { .. })
}

/// Ends successfully without having done anything.
pub(super) fn nothing_to_do(command: &str, why: &str, speech: Speech) -> anyhow::Result<Exit> {
    speech.inform(&format!("{why}, so there is nothing to {command}"));
    if speech.output == Output::Json {
        speech.show(&Bare {
            head: Head::new(command, None, Exit::Success),
            error: None,
            error_kind: None,
        })?;
    }
    Ok(Exit::Success)
}
