//! How many instructions a stage takes, under valgrind: a measure without noise.
//!
//! Two runs of a program differ only in one pass of the stage, so the difference of their counts is the cost
//! of a pass. Costs other than instructions (cache misses, a disk) do not show.

use std::path::Path;
use std::process::{Command, Stdio};

use super::child::{answer, asked};
use super::ground::Ground;
use super::stages::Stage;
use crate::engine::Watch;
use crate::error::{Error, Result};

/// The instructions of one pass of a stage.
pub(super) fn of(program: &Path, ground: &Ground, stage: Stage, watch: &Watch) -> Result<f64> {
    let (once, twice) = (count(program, ground, stage, 1, watch)?, count(program, ground, stage, 2, watch)?);
    Ok((twice - once).max(1.0))
}

/// Whether they can be counted here.
pub(super) fn require() -> Result<()> {
    let asked = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    match asked {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Error::usage(
            "--instructions needs valgrind, which is not here; install it, or leave the flag out",
        )),
    }
}

fn count(program: &Path, ground: &Ground, stage: Stage, passes: u32, watch: &Watch) -> Result<f64> {
    let log = ground.folder.path().join("valgrind.log");
    let mut option = std::ffi::OsString::from("--log-file=");
    option.push(&log);
    let mut command = Command::new("valgrind");
    // A program can be a script that calls another.
    command
        .args([
            "--trace-children=yes",
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(option);
    command.arg(program);
    asked(
        &mut command,
        ground,
        &[stage],
        &["--runs", "1", "--warm-up", "0", "--passes", &passes.to_string()],
    );
    answer(program, &mut command, watch)?;
    let said = std::fs::read_to_string(&log).map_err(|cause| Error::file("read", &log, cause))?;
    refs(&said).ok_or_else(|| {
        Error::usage(
            "valgrind did not say how many instructions it saw; try it by hand (valgrind --tool=cachegrind)",
        )
    })
}

/// The count in valgrind's output: `==7== I refs:  1,234`, or `I   refs:`.
fn refs(said: &str) -> Option<f64> {
    let line = said.lines().rfind(|line| line.contains("refs:") && line.contains(" I "))?;
    line.rsplit_once(':')?.1.trim().replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::refs;

    #[test]
    fn the_count_is_read_in_the_ways_in_which_it_is_told() {
        assert_eq!(refs("==7== Cachegrind\n==7== I refs:        1,234,567\n"), Some(1_234_567.0));
        assert_eq!(refs("==7== I   refs:      42\n"), Some(42.0));
        assert_eq!(refs("==7== nothing\n"), None);
    }
}
