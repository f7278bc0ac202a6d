//! The names of files that a command is given, on its line or in a list.

use std::path::PathBuf;

use super::args::{FileArgs, Output};
use super::speech::Speech;
use crate::engine;
use crate::error::Result;
use crate::report::{Bare, Exit, Head};

/// The names that were given, if any were. Those of the line come first.
pub(super) fn given(args: &FileArgs) -> Result<Option<Vec<PathBuf>>> {
    let mut names = args.files.clone();
    if let Some(list) = &args.files_from {
        names.extend(engine::listed(list, args.null)?);
    } else if names.is_empty() {
        return Ok(None);
    }
    Ok(Some(names))
}

/// A list without names, and no job: there is nothing to infer one from.
pub(super) fn nothing_to_do(command: &str, speech: Speech) -> anyhow::Result<Exit> {
    speech.inform(&format!("the list names no files, so there is nothing to {command}"));
    if speech.output == Output::Json {
        speech.show(&Bare {
            head: Head::new(command, None, Exit::Success),
            error: None,
            error_kind: None,
        })?;
    }
    Ok(Exit::Success)
}
