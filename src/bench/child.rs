//! A measurement by another process: how it is requested, and how its result is returned.

use std::path::Path;
use std::process::{Command, Stdio};

use super::compare::Measured;
use super::ground::Ground;
use super::stages::Stage;
use crate::engine::Watch;
use crate::error::{Error, ErrorKind, Result};

/// The command line that measures these stages of a ground.
pub(super) fn asked(command: &mut Command, ground: &Ground, stages: &[Stage], flags: &[&str]) {
    let names: Vec<&str> = stages.iter().map(|stage| stage.name()).collect();
    command.args(["bench", "run", "--quiet", "--output", "json", "--no-floors"]).args(flags);
    command.arg("--stages").arg(names.join(",")).arg("-j").arg(&ground.job);
    let overrides = &ground.overrides;
    if let Some(date) = overrides.date {
        command.arg("--date").arg(date.to_string());
    }
    if let Some(threads) = overrides.threads {
        command.arg("--threads").arg(threads.to_string());
    }
    if let Some(bytes) = overrides.chunk_size {
        command.arg("--chunk-size").arg(bytes.to_string());
    }
    command.arg("--").args(overrides.files.iter().flatten());
}

/// Runs a measurement to its end, and reads its result.
pub(super) fn answer(program: &Path, command: &mut Command, watch: &Watch) -> Result<Measured> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|cause| Error::file("run", program, cause))?;
    // The child received the same signal.
    if let Some(signal) = watch.stop.asked() {
        return Err(ErrorKind::Stopped(signal).into());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let failed = |why: &str| {
        Error::usage(format!(
            "{} could not measure itself with `bench run`: {why}; it must be a logmill with that command, \
            and able to read the job and the files",
            program.display()
        ))
    };
    if !output.status.success() {
        return Err(failed(said.lines().next_back().unwrap_or("it printed nothing")));
    }
    Measured::of_json(&output.stdout).map_err(|why| failed(&why))
}
