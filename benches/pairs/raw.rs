//! Keeps every single figure for later evaluation: `benches/runs/<date>-<machine>/raw.tsv`.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::Cost;

/// The file of this day and machine. Lines are appended.
pub(crate) struct Raw {
    file: File,
    /// The first columns of each line: the commit, the number of log lines, and the other side.
    run: String,
}

impl Raw {
    pub(crate) fn open(lines: u64, beside: Option<&Path>) -> Raw {
        let date = chrono::Utc::now().format("%Y-%m-%d");
        let folder =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("benches/runs/{date}-{}", machine()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("raw.tsv");
        let is_new = !path.exists();
        let mut file = File::options().create(true).append(true).open(path).expect("a file");
        if is_new {
            writeln!(file, "commit\tlines\tbeside\tpair\tside\tseconds\tcpu_seconds\tpeak_mib")
                .expect("written");
        }
        let beside = beside.map_or("by hand".into(), |path| path.to_string_lossy());
        Raw { file, run: format!("{}\t{lines}\t{beside}", said("git", &["rev-parse", "--short", "HEAD"])) }
    }

    /// Writes all pairs of a scenario.
    pub(crate) fn write(&mut self, scenario: &str, ours: &[Cost], other: &[Cost]) {
        let run = &self.run;
        for (side, costs) in [("ours", ours), ("other", other)] {
            for Cost { seconds, cpu_seconds, peak_mib, .. } in costs {
                writeln!(
                    self.file,
                    "{run}\t{scenario}\t{side}\t{seconds:.4}\t{cpu_seconds:.3}\t{peak_mib:.1}"
                )
                .expect("written");
            }
        }
    }
}

/// The processor's model and the number of cores, as in `amd-epyc-2`.
fn machine() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model).to_lowercase();
    let words = model.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(2);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}-{cores}", words.collect::<Vec<_>>().join("-"))
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
