//! The ground of a measurement: a job, its files, and their properties.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::dataset::{Amount, Recipe};
use super::folder::Folder;
use super::generate::generate;
use super::stages::Way;
use crate::config::{Config, Overrides};
use crate::engine::{self, Discovered, Unwritten, Watch};
use crate::error::{Error, Result};
use crate::report::BenchData;
use crate::sink::Key;

/// A job and its files, which must not change during the measurement.
pub struct Ground {
    pub(super) config: Config,
    pub(super) files: Discovered,
    pub(super) data: BenchData,
    /// The job, in a file that another program can read.
    pub(super) job: PathBuf,
    /// The overrides of the job.
    pub(super) overrides: Overrides,
    pub(super) folder: Folder,
}

impl Ground {
    /// The named job, or the one beside the files, or one inferred from them.
    pub fn given(named: Option<&Path>, overrides: &Overrides, watch: &Watch) -> Result<Ground> {
        if overrides.files.iter().flatten().any(|name| name == Path::new("-")) {
            return Err(read_once(Path::new("stdin")));
        }
        let engine::Job { config, mut path, inferred, .. } = engine::choose_job(named, overrides, watch)?;
        let folder = Folder::new()?;
        if let Some(inferred) = inferred {
            path = write_job(&folder, &inferred.text)?;
        }
        Ground::of(config, path, overrides, folder, watch)
    }

    /// A generated data set, and the job inferred from it.
    pub fn generated(recipe: Recipe, overrides: &Overrides, watch: &Watch) -> Result<Ground> {
        let folder = Folder::new()?;
        let file = folder.path().join("generated.log");
        generate(recipe, &file)?;
        let overrides = Overrides { files: Some(vec![file.clone()]), ..overrides.clone() };
        let place = folder.path().join("job.toml");
        let inferred = Unwritten::of(&[file])?.infer(&place, &overrides, &watch.stop)?;
        let job = write_job(&folder, &inferred.text)?;
        let config = Config::of_text(&job, &inferred.text, &overrides)?;
        Ground::of(config, job, &overrides, folder, watch)
    }

    fn of(
        mut config: Config,
        job: PathBuf,
        overrides: &Overrides,
        folder: Folder,
        watch: &Watch,
    ) -> Result<Ground> {
        let files = engine::files(&config, watch)?;
        if let Some(stream) = files.files.iter().find(|file| file.is_stream()) {
            return Err(read_once(&stream.path));
        }
        // The SQL of a metric names the table of the job, which does not exist where the measurement loads.
        config.rollups = Default::default();
        let overrides = overrides.clone();
        let mut ground = Ground { config, files, data: BenchData::default(), job, overrides, folder };
        ground.data = data(&ground, watch)?;
        Ok(ground)
    }

    /// What makes two rows the same, in words.
    pub(super) fn key(&self) -> String {
        match &self.config.destination.key {
            Key::Position => "position".to_owned(),
            Key::Content => "content".to_owned(),
            Key::Columns(columns) => columns.join(", "),
            Key::None => "none".to_owned(),
        }
    }
}

/// The default amount of data to measure on.
pub(super) const GENERATED: Amount = Amount::Bytes(64 << 20);

impl Recipe {
    /// The default data: good records, as nearly all are in practice.
    pub fn to_measure() -> Recipe {
        Recipe { amount: GENERATED, bad_per_million: 0, ..Recipe::default() }
    }
}

fn read_once(path: &Path) -> Error {
    Error::usage(format!(
        "{} can be read only once, and a measurement reads it many times; write it into a file first",
        path.display()
    ))
}

fn write_job(folder: &Folder, text: &str) -> Result<PathBuf> {
    let path = folder.path().join("job.toml");
    fs::write(&path, text).map_err(|cause| Error::file("write the job file", &path, cause))?;
    Ok(path)
}

/// Reads all files once, as bytes and as records: after that they are in memory.
fn data(ground: &Ground, watch: &Watch) -> Result<BenchData> {
    let (mut hash, mut bytes) = (blake3::Hasher::new(), 0);
    for file in &ground.files.files {
        let hashed = File::open(&file.path).and_then(|mut file| io::copy(&mut file, &mut hash));
        bytes += hashed.map_err(|cause| Error::file("read", &file.path, cause))?;
    }
    let way = Way::new(&ground.config, &ground.files.files, watch)?;
    let format = ground.config.source.format.to_string();
    let format = format.lines().next().unwrap_or_default().trim_start_matches("format ").to_owned();
    let rules = ground.config.rules_hash();
    Ok(BenchData {
        files: ground.files.files.len(),
        bytes,
        records: way.parse()?,
        blake3: hash.finalize().to_hex().to_string(),
        format,
        rules: rules.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}
