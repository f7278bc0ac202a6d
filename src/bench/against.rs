//! `bench compare --against OLD`: two programs in alternation, which gives a fair comparison on a machine
//! that also does other things.
//!
//! Both sides of a pair run one right after the other as separate processes, and alternate in who goes first.
//! So a pair also includes variation between processes, such as memory layout. The ratio of each pair is what
//! counts. More pairs are run until every stage is decided.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::child::{answer, asked};
use super::compare::{Measured, SAME, SLOWER, UNCLEAR, compared, comparison};
use super::ground::Ground;
use super::instructions;
use super::stages::Stage;
use super::statistics;
use crate::config::Url;
use crate::engine::Watch;
use crate::error::{Error, Result};
use crate::report::{BenchCompared, BenchComparison};

/// What to compare, and how.
#[derive(Clone, Debug)]
pub struct AgainstOptions {
    /// The program to compare with.
    pub old: PathBuf,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// Where to load: beside this.
    pub into: Option<Url>,
    /// The maximum number of pairs.
    pub pairs_max: usize,
    /// A stage whose speed is below this fraction of the old speed is a failure.
    pub fail_below: f64,
    /// Whether to count instructions too.
    pub instructions: bool,
}

/// The number of pairs before the first decision, and between later ones: checking after every pair would
/// find a difference sooner or later.
const PAIRS_FIRST: usize = 12;
const PAIRS_MORE: usize = 8;

/// Measures this program against another.
pub fn against(ground: &Ground, options: &AgainstOptions, watch: &Watch) -> Result<BenchComparison> {
    let new =
        std::env::current_exe().map_err(|cause| Error::file("find", Path::new("this program"), cause))?;
    if options.instructions {
        instructions::require()?;
    }
    let mut stages: Vec<Paired> = options.stages.iter().map(|&stage| Paired::new(stage)).collect();
    let mut pairs = 0;
    while pairs < options.pairs_max && stages.iter().any(|stage| stage.is_open) {
        let open: Vec<Stage> = stages.iter().filter(|stage| stage.is_open).map(|stage| stage.stage).collect();
        let side = |program: &Path| measure(program, ground, &open, options, watch);
        // The second program finds the machine in the state in which the first left it.
        let (before, after) = match pairs % 2 {
            0 => {
                let before = side(&options.old)?;
                (before, side(&new)?)
            }
            _ => {
                let after = side(&new)?;
                (side(&options.old)?, after)
            }
        };
        refuse_other_work(&before, &after)?;
        for stage in stages.iter_mut().filter(|stage| stage.is_open) {
            stage.add(&before, &after)?;
        }
        pairs += 1;
        let is_look = pairs >= PAIRS_FIRST && (pairs - PAIRS_FIRST).is_multiple_of(PAIRS_MORE);
        if is_look || pairs == options.pairs_max {
            for stage in &mut stages {
                stage.is_open = stage.compared(options.fail_below).verdict == UNCLEAR;
            }
        }
    }
    let mut compared: Vec<BenchCompared> =
        stages.iter().map(|stage| stage.compared(options.fail_below)).collect();
    if options.instructions {
        for (stage, compared) in stages.iter().zip(&mut compared) {
            if stage.stage.waits_for_nobody() {
                let old = instructions::of(&options.old, ground, stage.stage, watch)?;
                let new = instructions::of(&new, ground, stage.stage, watch)?;
                witness(compared, old / new, options.fail_below);
            }
        }
    }
    let name = |path: &Path| path.display().to_string();
    Ok(comparison(&name(&options.old), &name(&new), options.fail_below, compared))
}

/// Adds the instruction counts, which decide where time could not.
fn witness(compared: &mut BenchCompared, ratio: f64, fail_below: f64) {
    compared.instructions = Some(ratio);
    if compared.verdict == UNCLEAR {
        compared.by = "instructions";
        (compared.ratio, compared.low, compared.high) = (Some(ratio), Some(ratio), Some(ratio));
        compared.verdict = if ratio < fail_below { SLOWER } else { SAME };
    }
}

/// A stage, and the costs of its pairs.
struct Paired {
    stage: Stage,
    is_open: bool,
    old: Vec<f64>,
    new: Vec<f64>,
}

impl Paired {
    fn new(stage: Stage) -> Paired {
        Paired { stage, is_open: true, old: Vec::new(), new: Vec::new() }
    }

    fn add(&mut self, old: &Measured, new: &Measured) -> Result<()> {
        let figure = |measured: &Measured| {
            let stage = measured.stage(self.stage.name());
            let stage = stage.ok_or_else(|| Error::usage("one of the programs has left a stage out"))?;
            Ok::<f64, Error>(match self.stage.waits_for_nobody() {
                true => stage.cpu_seconds.median,
                false => stage.seconds.median,
            })
        };
        let (old, new) = (figure(old)?, figure(new)?);
        self.old.push(old);
        self.new.push(new);
        Ok(())
    }

    fn compared(&self, fail_below: f64) -> BenchCompared {
        let ratios: Vec<f64> = self.old.iter().zip(&self.new).map(|(old, new)| old / new).collect();
        let estimate = (!ratios.is_empty()).then(|| statistics::of_pairs(&ratios));
        let by_cpu = self.stage.waits_for_nobody();
        compared(self.stage.name(), by_cpu, estimate, ratios.len(), (&self.old, &self.new), fail_below)
    }
}

/// Lets a program measure itself.
fn measure(
    program: &Path,
    ground: &Ground,
    stages: &[Stage],
    options: &AgainstOptions,
    watch: &Watch,
) -> Result<Measured> {
    let mut command = Command::new(program);
    asked(&mut command, ground, stages, &["--runs", "1", "--warm-up", "0"]);
    // Not on the command line, where every user could read its password.
    match &options.into {
        Some(url) => command.env("LOGMILL_INTO", url.reveal()),
        None => command.env_remove("LOGMILL_INTO"),
    };
    answer(program, &mut command, watch)
}

/// Refuses to compare two programs that do not do the same work.
fn refuse_other_work(old: &Measured, new: &Measured) -> Result<()> {
    let rows = |measured: &Measured| measured.stage("load").and_then(|stage| stage.rows);
    let unlike = [
        ("records", old.data.records, new.data.records),
        ("rows in the table", rows(old).unwrap_or_default(), rows(new).unwrap_or_default()),
    ];
    for (what, old, new) in unlike {
        if old != new {
            return Err(Error::usage(format!(
                "the programs do not do the same work, so their speed cannot be compared: {old} {what} \
                with the old one and {new} with the new one; `logmill verify` shows which is right"
            )));
        }
    }
    if old.build.optimised != new.build.optimised {
        return Err(Error::usage(
            "only one of the programs is a release build; build both with the same profile (cargo build \
            --release)",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paired(old: f64, new: f64, pairs: usize) -> BenchCompared {
        let paired =
            Paired { stage: Stage::Bind, is_open: true, old: vec![old; pairs], new: vec![new; pairs] };
        paired.compared(0.95)
    }

    #[test]
    fn pairs_decide_once_there_are_enough() {
        assert_eq!(paired(1.0, 1.1, 4).verdict, "unclear");
        let slower = paired(1.0, 1.1, 12);
        assert_eq!((slower.verdict, slower.by, slower.pairs), ("slower", "cpu", 12));
        assert_eq!(paired(1.0, 1.0, 12).verdict, "same");
        let nothing = paired(1.0, 1.0, 0);
        assert_eq!((nothing.verdict, nothing.ratio, nothing.old_seconds), ("unclear", None, None));
    }

    #[test]
    fn instructions_decide_only_where_time_could_not() {
        let mut unclear = paired(1.0, 1.0, 0);
        witness(&mut unclear, 0.9, 0.95);
        assert_eq!((unclear.verdict, unclear.by, unclear.ratio), ("slower", "instructions", Some(0.9)));
        let mut clear = paired(1.0, 1.0, 12);
        witness(&mut clear, 0.9, 0.95);
        assert_eq!((clear.verdict, clear.by, clear.instructions), ("same", "cpu", Some(0.9)));
    }
}
