//! `bench compare A.json B.json`: two results from similar machines, with similar data, measured in the same
//! way.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::stages::Stage;
use super::statistics::{self, Estimate};
use crate::error::{Error, Result};
use crate::report::{
    BenchBuild, BenchCompared, BenchComparison, BenchData, BenchHost, BenchSettings, BenchStage, Exit, Head,
    SCHEMA_VERSION,
};

/// A result of `bench run`, read from a file.
#[derive(Clone, Debug, Deserialize)]
pub struct Measured {
    schema_version: u32,
    pub(super) host: BenchHost,
    pub(super) build: BenchBuild,
    pub(super) data: BenchData,
    pub(super) settings: BenchSettings,
    pub(super) stages: Vec<BenchStage>,
}

/// Fewer runs are not enough for a verdict.
const RUNS_MIN: usize = 5;

/// Reads what `bench run -o` has written.
pub fn read(path: &Path) -> Result<Measured> {
    let text = std::fs::read(path).map_err(|cause| Error::file("read the result", path, cause))?;
    Measured::of_json(&text).map_err(|why| {
        Error::usage(format!("{} is not a result of `logmill bench run -o`: {why}", path.display()))
    })
}

impl Measured {
    pub(super) fn of_json(text: &[u8]) -> Result<Measured, String> {
        let measured: Measured = serde_json::from_slice(text).map_err(|why| why.to_string())?;
        match measured.schema_version {
            SCHEMA_VERSION => Ok(measured),
            other => Err(format!("it has version {other}, and this program reads {SCHEMA_VERSION}")),
        }
    }

    /// Everything that must be equal for a difference in time to be due to the program. Properties of the
    /// server count only if both results have them.
    fn conditions(&self, says_server: bool) -> Value {
        let mut conditions = json!({
            "host": self.host,
            "build": {
                "target": self.build.target,
                "optimised": self.build.optimised,
                "features": self.build.features,
            },
            "data": self.data,
            "settings": self.settings,
        });
        if let Some(settings) = conditions["settings"].as_object_mut().filter(|_| !says_server) {
            settings.remove("server");
        }
        conditions
    }

    /// Whether it describes the server it was loaded into. Early results did not.
    fn says_server(&self) -> bool {
        !self.settings.server.is_empty()
    }

    pub(super) fn stage(&self, stage: &str) -> Option<&BenchStage> {
        self.stages.iter().find(|measured| measured.stage == stage)
    }
}

/// Compares two results, each with its name.
pub fn compare(old: (&str, &Measured), new: (&str, &Measured), fail_below: f64) -> Result<BenchComparison> {
    let (old_name, old) = old;
    let (new_name, new) = new;
    let mut unlike = Vec::new();
    let silent: Vec<String> = [(old_name, old), (new_name, new)]
        .into_iter()
        .filter(|(_, measured)| !measured.says_server())
        .map(|(name, _)| name.to_owned())
        .collect();
    let says_server = silent.is_empty();
    differences("", &old.conditions(says_server), &new.conditions(says_server), &mut unlike);
    let stages = |measured: &Measured| -> Vec<String> {
        measured.stages.iter().map(|stage| stage.stage.clone()).collect()
    };
    if stages(old) != stages(new) {
        unlike.push(format!("stages: {} and {}", stages(old).join(", "), stages(new).join(", ")));
    }
    // The same records under the same rules make the same number of rows, or one of the programs is wrong.
    let rows =
        |stage: &BenchStage| stage.rows.map_or_else(|| "not counted".to_owned(), |rows| rows.to_string());
    for (old, new) in old.stages.iter().zip(&new.stages).filter(|(old, new)| old.rows != new.rows) {
        unlike.push(format!("the rows of {} are {} and {}", old.stage, rows(old), rows(new)));
    }
    if !unlike.is_empty() {
        return Err(Error::usage(format!(
            "{old_name} and {new_name} cannot be compared: {}; measure both on one machine with the same data and flags, \
             or use --against",
            unlike.join("; ")
        )));
    }
    let stages = old.stages.iter().zip(&new.stages).map(|(old, new)| {
        let by_cpu = Stage::named(&old.stage).is_some_and(Stage::waits_for_nobody);
        let figures = |stage: &BenchStage| match by_cpu {
            true => stage.cpu_seconds.runs.clone(),
            false => stage.seconds.runs.clone(),
        };
        let (old_runs, new_runs) = (figures(old), figures(new));
        let runs = old_runs.len().min(new_runs.len());
        let estimate = (runs >= RUNS_MIN).then(|| statistics::of_series(&old_runs, &new_runs));
        compared(&old.stage, by_cpu, estimate, runs, (&old_runs, &new_runs), fail_below)
    });
    Ok(BenchComparison { silent, ..comparison(old_name, new_name, fail_below, stages.collect()) })
}

/// Collects the differences between two objects, by the names of their members.
fn differences(name: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let members: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for member in members {
                let name = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
                let of = |object: &Map<String, Value>| object.get(member).cloned().unwrap_or_default();
                differences(&name, &of(old), &of(new), found);
            }
        }
        _ if old == new => {}
        _ => found.push(format!("{name} is {old} and {new}")),
    }
}

/// The comparison of a stage.
pub(super) fn compared(
    stage: &str,
    by_cpu: bool,
    estimate: Option<Estimate>,
    pairs: usize,
    (old, new): (&[f64], &[f64]),
    fail_below: f64,
) -> BenchCompared {
    let finite = |number: f64| Some(number).filter(|number| number.is_finite());
    BenchCompared {
        stage: stage.to_owned(),
        by: if by_cpu { "cpu" } else { "wall" },
        ratio: estimate.and_then(|estimate| finite(estimate.median)),
        low: estimate.and_then(|estimate| finite(estimate.low)),
        high: estimate.and_then(|estimate| finite(estimate.high)),
        pairs,
        old_seconds: finite(statistics::median(old)),
        new_seconds: finite(statistics::median(new)),
        instructions: None,
        verdict: estimate.map_or(UNCLEAR, |estimate| verdict(estimate, fail_below)),
    }
}

pub(super) const SLOWER: &str = "slower";
pub(super) const UNCLEAR: &str = "unclear";
pub(super) const SAME: &str = "same";

/// The verdict on an estimate. `slower` means certainly slower, by more than is tolerated; `same` means
/// certainly not slower than that.
pub(super) fn verdict(estimate: Estimate, fail_below: f64) -> &'static str {
    let Estimate { median, low, high } = estimate;
    if high < 1.0 && median < fail_below {
        SLOWER
    } else if low > 1.0 {
        "faster"
    } else if low >= fail_below {
        SAME
    } else {
        UNCLEAR
    }
}

/// The whole comparison, with the resulting exit code.
pub(super) fn comparison(
    old: &str,
    new: &str,
    fail_below: f64,
    stages: Vec<BenchCompared>,
) -> BenchComparison {
    let any = |verdict: &str| stages.iter().any(|stage| stage.verdict == verdict);
    let exit = match (any(SLOWER), any(UNCLEAR)) {
        (true, _) => Exit::Differs,
        (_, true) => Exit::Failed,
        _ => Exit::Success,
    };
    BenchComparison {
        head: Head::new("bench compare", None, exit),
        old: old.to_owned(),
        new: new.to_owned(),
        fail_below,
        silent: Vec::new(),
        stages,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slower_is_what_certainly_is_and_by_more_than_is_borne() {
        let of = |low, median, high| verdict(Estimate { median, low, high }, 0.95);
        assert_eq!(of(0.89, 0.91, 0.93), "slower");
        assert_eq!(of(0.89, 0.91, 0.99), "slower");
        assert_eq!(of(0.80, 0.91, 1.02), "unclear");
        assert_eq!(of(0.94, 0.97, 0.99), "unclear");
        assert_eq!(of(0.96, 0.97, 0.99), "same");
        assert_eq!(of(0.97, 1.00, 1.03), "same");
        assert_eq!(of(1.01, 1.05, 1.09), "faster");
        assert_eq!(of(0.0, 1.0, f64::INFINITY), "unclear");
    }

    #[test]
    fn what_differs_is_named() {
        let mut found = Vec::new();
        let old = json!({"a": {"b": 1, "c": "x", "gone": true}});
        let new = json!({"a": {"b": 2, "c": "x", "new": "y"}});
        differences("", &old, &new, &mut found);
        assert_eq!(found, ["a.b is 1 and 2", "a.gone is true and null", "a.new is null and \"y\""]);
    }
}
