//! What was measured, and how two measurements compare.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Head, Report, Times, text};

/// A data set that was made.
#[derive(Clone, Debug, Serialize)]
pub struct BenchDataset {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The file.
    pub file: String,
    /// How its records are written.
    pub format: String,
    /// What they are about: `app` or `github`.
    pub shape: String,
    /// What its randomness began with.
    pub seed: u64,
    /// Records, the bad ones and those that come again included.
    pub records: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Records that are bad.
    pub bad: u64,
    /// Records that were there before.
    pub duplicates: u64,
    /// The hash of the file (BLAKE3), which is the same on every machine.
    pub blake3: String,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct BenchRun {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// On which machine.
    pub host: BenchHost,
    /// Of which program.
    pub build: BenchBuild,
    /// With which data.
    pub data: BenchData,
    /// How.
    pub settings: BenchSettings,
    /// Stage by stage. Each holds those before it.
    pub stages: Vec<BenchStage>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchHost {
    /// The model of its processor.
    pub cpu: String,
    /// Threads that can run at once.
    pub cores: usize,
    /// Its memory, in GiB.
    pub memory_gib: u64,
    /// Its system, with the version of the kernel.
    pub system: String,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchBuild {
    /// Its version.
    pub version: String,
    /// What it was built for.
    pub target: String,
    /// Whether it was built for speed. Figures of one that was not mean nothing.
    pub optimised: bool,
    /// What is compiled in.
    pub features: Vec<String>,
    /// The beginning of the hash of the program (BLAKE3), which tells builds apart.
    pub program: String,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchData {
    /// How many files.
    pub files: usize,
    /// Bytes in them.
    pub bytes: u64,
    /// Records in them.
    pub records: u64,
    /// The hash of all of them, one after the other (BLAKE3).
    pub blake3: String,
    /// How they are read: the format.
    pub format: String,
    /// The hash of the rules of the job, by which records become rows.
    pub rules: String,
}

/// How it was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BenchSettings {
    /// What was loaded into, and of which version.
    pub destination: String,
    /// What else decides how fast that is: the host of a server and its settings, the filesystem of a file.
    #[serde(default)]
    pub server: BTreeMap<String, String>,
    /// What makes two rows the same.
    pub key: String,
    /// Threads that parse in a load.
    pub threads: usize,
    /// Connections that write side by side in it.
    pub lanes: usize,
    /// Bytes of a chunk.
    pub chunk_bytes: usize,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Bytes of a batch.
    pub batch_bytes: usize,
    /// Runs that were not counted.
    pub warm_up: usize,
}

/// What a stage cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchStage {
    /// `scan`, `parse`, `bind`, `encode` or `load`.
    pub stage: String,
    /// How often a run went through the data.
    pub passes: u64,
    /// How long a pass took.
    pub seconds: BenchSeries,
    /// The same of the processors: all threads of this program, user and system.
    pub cpu_seconds: BenchSeries,
    /// The most memory that was resident, in MiB.
    pub peak_mib: Option<f64>,
    /// The least that anybody would have to do.
    pub floor: Option<BenchFloor>,
    /// Of a load: how many rows were in the table behind it, counted there.
    pub rows: Option<u64>,
    /// Of a load: who waited for whom, in the run in the middle.
    pub times: Option<Times>,
}

/// What a stage is held against, measured in turns with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchFloor {
    /// What it does.
    pub what: String,
    /// How long that took.
    pub seconds: BenchSeries,
    /// How fast the stage is beside it: 1 is as fast.
    pub ratio: f64,
}

/// A figure that was taken several times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchSeries {
    /// The middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
    /// All of them, in their order.
    pub runs: Vec<f64>,
}

/// How two measurements compare.
#[derive(Clone, Debug, Serialize)]
pub struct BenchComparison {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The one that is measured against.
    pub old: String,
    /// The one that is judged.
    pub new: String,
    /// A stage that is slower than this part of the old speed is a failure.
    pub fail_below: f64,
    /// Results that do not say what server and filesystem they were measured on, as older ones do
    /// not: that it was the same one is for the reader to know.
    pub silent: Vec<String>,
    /// Stage by stage.
    pub stages: Vec<BenchCompared>,
}

/// How a stage compares.
#[derive(Clone, Debug, Serialize)]
pub struct BenchCompared {
    /// The stage.
    pub stage: String,
    /// What is compared: `cpu` where one thread works and nobody waits, else `wall`; `instructions`
    /// where only they could tell.
    pub by: &'static str,
    /// The speed of the new one beside the old: 0.9 is a tenth slower. Nothing if nothing was measured.
    pub ratio: Option<f64>,
    /// It lies above this,
    pub low: Option<f64>,
    /// and below this, with a certainty of 99 %. Nothing if that cannot be said.
    pub high: Option<f64>,
    /// How many pairs, or runs of each side, that rests on.
    pub pairs: usize,
    /// Seconds of the old, in the middle.
    pub old_seconds: Option<f64>,
    /// Seconds of the new, in the middle.
    pub new_seconds: Option<f64>,
    /// The instructions of the old for one of the new, where they were counted.
    pub instructions: Option<f64>,
    /// `same`, `faster`, `slower`, or `unclear`: too noisy to tell.
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
