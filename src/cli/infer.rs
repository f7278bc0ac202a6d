//! `infer`: a job from the content of files, without loading anything.

use std::path::Path;

use super::args::{InferArgs, Output};
use super::next::next_command;
use super::speech::{Speech, print_as_is};
use super::{files, inferred};
use crate::config::Config;
use crate::engine::{self, Inferred, Unwritten, UnwrittenSchema};
use crate::error::Error;
use crate::report::{Exit, Infer, Report as _};
use crate::stop::Stop;

pub(super) fn infer(args: &InferArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    if let Some(schema) = &args.from_schema {
        return from_schema(schema, args, speech);
    }
    let names = files::given(&args.files)?.unwrap_or_default();
    if names.is_empty() {
        return Err(Error::usage("name files to infer a job from").into());
    }
    let unwritten = Unwritten::of(&names)?;
    let path = args.out.as_deref().unwrap_or(&unwritten.path);
    let overrides = args.destination.overrides();
    let Inferred { text, report } = unwritten.infer(path, &overrides, stop)?;
    // A job that a load would refuse is not written.
    Config::of_text(path, &text, &overrides)?;
    let name = unwritten.name.as_str();
    if path == Path::new("-") {
        inferred::warn(&report, speech);
        let report = Infer::new(name, None, Some(text), report);
        match speech.output {
            Output::Text => print_as_is(report.text(0).as_bytes())?,
            Output::Json => speech.show(&report)?,
        }
        return Ok(Exit::Success);
    }
    engine::write_job(path, &text)?;
    match speech.output {
        Output::Text => {
            inferred::tell_written(&report, path, speech);
            // The job names the destination that was given.
            speech.inform(&format!("to load: {}", next_command("load", path, None, None)));
        }
        Output::Json => {
            speech.show(&Infer::new(name, Some(path.display().to_string()), None, report))?;
        }
    }
    Ok(Exit::Success)
}

/// A job with the fields of a JSON Schema.
fn from_schema(schema: &Path, args: &InferArgs, speech: Speech) -> anyhow::Result<Exit> {
    let unwritten = UnwrittenSchema::of(schema)?;
    let path = args.out.as_deref().unwrap_or(&unwritten.path);
    let overrides = args.destination.overrides();
    let Inferred { text, report } = unwritten.infer(&overrides)?;
    // A job that a load would refuse is not written.
    Config::of_text(path, &text, &overrides)?;
    let name = unwritten.name.as_str();
    let is_shown = path == Path::new("-");
    if !is_shown {
        engine::write_job(path, &text)?;
    }
    inferred::warn(&report, speech);
    match (speech.output, is_shown) {
        (Output::Text, true) => print_as_is(text.as_bytes())?,
        (Output::Text, false) => speech.inform(&format!(
            "wrote {}, with the fields of {}\nit is yours to edit: say under `files` what is to be loaded",
            path.display(),
            schema.display()
        )),
        (Output::Json, true) => speech.show(&Infer::new(name, None, Some(text), report))?,
        (Output::Json, false) => {
            speech.show(&Infer::new(name, Some(path.display().to_string()), None, report))?
        }
    }
    Ok(Exit::Success)
}
