//! `infer`: a job from what is found in files, and nothing loaded.

use std::path::{Path, PathBuf};

use super::args::{InferArgs, Output};
use super::inferred::Inferred;
use super::next::next_command;
use super::speech::{Speech, print_as_is};
use super::{files, job};
use crate::config::Config;
use crate::error::Error;
use crate::report::{Exit, Infer, Report as _};
use crate::stop::Stop;

pub(super) fn infer(args: &InferArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let names = files::given(&args.files)?.unwrap_or_default();
    if names.is_empty() {
        return Err(Error::usage("name files to infer a job from").into());
    }
    let (place, name, found) = job::place(&names)?;
    let path = args.out.as_deref().unwrap_or(&place);
    // Names in a job start at its folder, those of the command line where we are.
    let is_elsewhere = path.parent().is_some_and(|folder| !folder.as_os_str().is_empty());
    let names: Vec<PathBuf> = match is_elsewhere {
        true => names.iter().map(std::path::absolute).collect::<Result<_, _>>()?,
        false => names,
    };
    let inferred = Inferred::of(&name, &names, &found, &args.destination.overrides(), stop)?;
    // What a load would refuse is not written.
    Config::of_text(path, &inferred.text, &args.destination.overrides())?;
    let text = inferred.text.clone();
    if path == Path::new("-") {
        inferred.warn(speech);
        let report = Infer::new(&name, None, Some(text), inferred.report());
        match speech.output {
            Output::Text => print_as_is(report.text(0).as_bytes())?,
            Output::Json => speech.show(&report)?,
        }
        return Ok(Exit::Success);
    }
    job::write(path, &text)?;
    match speech.output {
        Output::Text => {
            inferred.tell_written(path, speech);
            // The job names the destination that was given.
            speech.inform(&format!("to load: {}", next_command("load", path, None)));
        }
        Output::Json => {
            speech.show(&Infer::new(&name, Some(path.display().to_string()), None, inferred.report()))?;
        }
    }
    Ok(Exit::Success)
}
