//! Measurements, and their comparison.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Head, Report, Times, text};

/// A generated data set.
#[derive(Clone, Debug, Serialize)]
pub struct BenchDataset {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The file.
    pub file: String,
    /// The format of its records.
    pub format: String,
    /// Their kind: `app` or `github`.
    pub shape: String,
    /// The seed of its random numbers.
    pub seed: u64,
    /// The number of records, including bad and repeated ones.
    pub records: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The number of bad records.
    pub bad: u64,
    /// The number of repeated records.
    pub duplicates: u64,
    /// The hash of the file (BLAKE3), which is the same on every machine.
    pub blake3: String,
}

/// A measurement.
#[derive(Clone, Debug, Serialize)]
pub struct BenchRun {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The machine.
    pub host: BenchHost,
    /// The program.
    pub build: BenchBuild,
    /// The data.
    pub data: BenchData,
    /// The settings.
    pub settings: BenchSettings,
    /// The stages. Each includes the ones before it.
    pub stages: Vec<BenchStage>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchHost {
    /// The model of its processor.
    pub cpu: String,
    /// The number of threads that can run at once.
    pub cores: usize,
    /// Its memory, in GiB.
    pub memory_gib: u64,
    /// Its system, with the kernel version.
    pub system: String,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchBuild {
    /// Its version.
    pub version: String,
    /// Its target platform.
    pub target: String,
    /// Whether it is a release build. Results of other builds mean nothing.
    pub optimised: bool,
    /// Its features.
    pub features: Vec<String>,
    /// The beginning of the hash of the program (BLAKE3), to tell builds apart.
    pub program: String,
}

/// The data of a measurement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchData {
    /// The number of files.
    pub files: usize,
    /// Bytes in them.
    pub bytes: u64,
    /// Records in them.
    pub records: u64,
    /// The hash of all files in order (BLAKE3).
    pub blake3: String,
    /// Their format.
    pub format: String,
    /// The hash of the rules of the job.
    pub rules: String,
}

/// The settings of a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchSettings {
    /// The destination, and its version.
    pub destination: String,
    /// Other properties that affect its speed: the host and settings of a server, the filesystem of a file.
    #[serde(default)]
    pub server: BTreeMap<String, String>,
    /// What identifies a row.
    pub key: String,
    /// The number of threads that parse in a load.
    pub threads: usize,
    /// The number of its parallel connections.
    pub lanes: usize,
    /// Bytes of a chunk.
    pub chunk_bytes: usize,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Bytes of a batch.
    pub batch_bytes: usize,
    /// Warm-up runs, which do not count.
    pub warm_up: usize,
}

/// The cost of a stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchStage {
    /// `scan`, `parse`, `bind`, `encode` or `load`.
    pub stage: String,
    /// The number of passes through the data per run.
    pub passes: u64,
    /// The duration of a pass.
    pub seconds: BenchSeries,
    /// The CPU time of all threads of this program, user and system.
    pub cpu_seconds: BenchSeries,
    /// The peak resident memory, in MiB.
    pub peak_mib: Option<f64>,
    /// The floor: the minimum work for the same result.
    pub floor: Option<BenchFloor>,
    /// For a load: the number of rows in the table afterwards, counted there.
    pub rows: Option<u64>,
    /// For a load: who waited for whom, in the median run.
    pub times: Option<Times>,
}

/// The floor of a stage, measured alternately with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchFloor {
    /// What it does.
    pub what: String,
    /// Its duration.
    pub seconds: BenchSeries,
    /// The speed of the stage relative to it: 1 is equally fast.
    pub ratio: f64,
}

/// A value that was measured several times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchSeries {
    /// The median.
    pub median: f64,
    /// The minimum.
    pub least: f64,
    /// The maximum.
    pub most: f64,
    /// All values, in order of measurement.
    pub runs: Vec<f64>,
}

/// A comparison of two measurements.
#[derive(Clone, Debug, Serialize)]
pub struct BenchComparison {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The baseline.
    pub old: String,
    /// The new measurement.
    pub new: String,
    /// The failure threshold: a stage fails below this fraction of the old speed.
    pub fail_below: f64,
    /// Results, such as older ones, that do not state the server and filesystem: you must make sure that
    /// these were the same.
    pub silent: Vec<String>,
    /// The stages.
    pub stages: Vec<BenchCompared>,
}

/// The comparison of a stage.
#[derive(Clone, Debug, Serialize)]
pub struct BenchCompared {
    /// The stage.
    pub stage: String,
    /// What is compared: `cpu` if one thread works and never waits, otherwise `wall`; `instructions` if
    /// only they could decide.
    pub by: &'static str,
    /// The speed of the new one relative to the old: 0.9 is a tenth slower. Null if nothing was measured.
    pub ratio: Option<f64>,
    /// The lower bound of its 99 % confidence interval. Null if there is none.
    pub low: Option<f64>,
    /// The upper bound of its 99 % confidence interval. Null if there is none.
    pub high: Option<f64>,
    /// The number of pairs, or of runs of each side, behind it.
    pub pairs: usize,
    /// The old median, in seconds.
    pub old_seconds: Option<f64>,
    /// The new median, in seconds.
    pub new_seconds: Option<f64>,
    /// The ratio of old to new instructions, if they were counted.
    pub instructions: Option<f64>,
    /// `same`, `faster`, `slower`, or `unclear` if it is too noisy to tell.
    pub verdict: &'static str,
}

impl Report for BenchDataset {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::bench_dataset(self)
    }
}

impl Report for BenchRun {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, width: usize) -> String {
        text::bench_run(self, width)
    }
}

impl Report for BenchComparison {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, width: usize) -> String {
        text::bench_comparison(self, width)
    }
}
