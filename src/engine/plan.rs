//! `plan`: what a load would do, and what it promises, before it runs.

use std::path::PathBuf;
use std::time::Instant;

use super::files::{LINK_OF_ANOTHER, files, note_finished};
use super::guarantees::{Kinds, guarantees};
use super::pace::pace;
use super::run::{Ended, recipe, settings};
use super::status::{compare_rules, old_rows};
use super::{Watch, destination};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::figure;
use crate::pipeline::{self, Outcome, Settings, bytes_to_read};
use crate::report::{Exit, Fate, Head, OtherRules, Plan, PlannedFile, PlannedSplit, WholeFile};
use crate::sink::forecast::Forecast;
use crate::sink::{Answer, Asked, Destination, Key};
use crate::source::{Candidate, Discovered, Found};

/// What the planned load may do, and what to report.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanOptions {
    /// Load whole duplicates as sources of their own.
    pub allow_duplicates: bool,
    /// Resume sources that were begun under other rules.
    pub accept_new_rules: bool,
    /// Include the statements that would be run first.
    pub with_sql: bool,
    /// First cut files into splits of about this many bytes.
    pub split_bytes: Option<u64>,
    /// Leave files out: there may be none yet, and a statement depends on no day.
    pub without_files: bool,
}

/// Forecasts a load. Writes nothing but splits, if these are requested.
pub fn plan(config: &Config, options: PlanOptions, watch: &Watch) -> Result<Plan> {
    if let Some(bytes) = options.split_bytes {
        refuse_small_splits(bytes, config.source.settings.chunk_bytes as u64)?;
    }
    let Discovered { files: found, passed_over, .. } =
        if options.without_files { Discovered::default() } else { files(config, watch)? };
    let settings = Settings {
        allow_duplicates: options.allow_duplicates,
        accept_new_rules: options.accept_new_rules,
        ..settings(config, watch)
    };
    // Previewing a stream would consume part of it.
    let (streams, mut found): (Vec<Found>, Vec<Found>) = found.into_iter().partition(Found::is_stream);
    note_finished(&mut found, config, watch);
    let destination = destination(config, watch)?;
    if let Some(bytes) = options.split_bytes {
        make_splits(config, &*destination, &found, bytes, &settings, watch)?;
    }
    let (mut asked, unreadable) = pipeline::asked(&found, &settings, &watch.stop)?;
    // As `load --split` will find them.
    asked.grows_by_splits = true;
    let forecast = destination.forecast(&asked)?;
    let kinds = kinds(&asked, &streams);
    let other_rules = other_rules(config, &*destination, &forecast)?;
    let splits = splits(&asked, &forecast);
    let whole = whole(config, &asked, &forecast, &settings, options);
    let files = fates(asked, &forecast, unreadable, streams, passed_over);
    let plan = report(config, &*destination, kinds, files, forecast, options.with_sql);
    let plan = Plan { other_rules, splits, whole, ..plan };
    let pace = pace(config, &found, &plan, &*destination, watch);
    Ok(Plan { pace, ..plan })
}

/// Refuses splits that are shorter than a chunk: each is a checkpoint, and a transaction of its own.
fn refuse_small_splits(bytes: u64, chunk_bytes: u64) -> Result<()> {
    if bytes >= chunk_bytes {
        return Ok(());
    }
    let (size, least) = (figure::bytes(bytes), figure::bytes(chunk_bytes));
    Err(Error::usage(format!(
        "--split-size {size} is less than a chunk ({least}), and each split is a transaction of its own; give it {least} \
         or more (a hundred times that is a good size), or the job a smaller [pipeline] chunk_size"
    )))
}

/// Cuts files into splits, as in the first half of a load, and stops before the first record.
fn make_splits(
    config: &Config,
    destination: &dyn Destination,
    files: &[Found],
    bytes: u64,
    settings: &Settings,
    watch: &Watch,
) -> Result<()> {
    let (mut sink, mut outcome, began) = (destination.open()?, Outcome::default(), Instant::now());
    let format = recipe(config).format;
    let made = pipeline::split(files, &format, bytes, &mut *sink, settings, &watch.stop, &mut outcome);
    let ended = Ended::closed(&mut *sink, outcome, made, began.elapsed(), true, false, watch);
    ended.error.map_or(Ok(()), Err)
}

/// The splits that are still to be loaded, of sources that the destination knows.
fn splits(asked: &Asked, forecast: &Forecast) -> Vec<PlannedSplit> {
    let mut splits = Vec::new();
    for (file, answer) in asked.files.iter().zip(&forecast.answers) {
        let Answer::Load { source_id: 1.., tasks } = answer else { continue };
        splits.extend(tasks.iter().map(|task| PlannedSplit {
            id: task.split.to_string(),
            source: file.path.clone(),
            start: task.split.start,
            end: task.end.or(file.fingerprint.size),
            bytes: bytes_to_read(task, file),
        }));
    }
    splits
}

/// The files that must stay one split, and why.
fn whole(
    config: &Config,
    asked: &Asked,
    forecast: &Forecast,
    settings: &Settings,
    options: PlanOptions,
) -> Vec<WholeFile> {
    if options.split_bytes.is_none() {
        return Vec::new();
    }
    let format = recipe(config).format;
    let files = asked.files.iter().zip(&forecast.answers);
    let read = files.filter(|(_, answer)| matches!(answer, Answer::Load { .. }));
    let whole = read.filter_map(|(file, _)| {
        let why = pipeline::why_whole(file, &format, settings)?;
        Some(WholeFile { file: file.path.clone(), why: why.to_owned() })
    });
    whole.collect()
}

/// Which of the complete files were loaded under other rules.
fn other_rules(
    config: &Config,
    destination: &dyn Destination,
    forecast: &Forecast,
) -> Result<Option<OtherRules>> {
    let finished = forecast.answers.iter().filter_map(|answer| match answer {
        Answer::Finished { source_id, has_other_rules: true } => Some(*source_id),
        _ => None,
    });
    let finished: Vec<i32> = finished.collect();
    if finished.is_empty() {
        return Ok(None);
    }
    let mut sources = destination.history()?.status(&config.name)?.unwrap_or_default().sources;
    compare_rules(config, &mut sources);
    Ok(OtherRules::of(sources.iter().filter(|source| finished.contains(&source.id)), old_rows(config)))
}

/// Which kinds of sources there are.
fn kinds(asked: &Asked, streams: &[Found]) -> Kinds {
    let archive = asked.files.iter().any(|file| file.fingerprint.is_compressed);
    let plain = asked.files.iter().any(|file| !file.fingerprint.is_compressed);
    let object = asked.files.iter().any(Candidate::is_object);
    Kinds { plain, archive, stream: !streams.is_empty(), object }
}

/// What would be done with each file.
fn fates(
    asked: Asked,
    forecast: &Forecast,
    unreadable: Vec<(PathBuf, String)>,
    streams: Vec<Found>,
    passed_over: Vec<PathBuf>,
) -> Vec<PlannedFile> {
    let decided = asked.files.into_iter().zip(&forecast.answers).map(|(file, answer)| {
        let fate = match answer {
            Answer::Load { tasks, .. } => Fate::Read {
                position: tasks.first().map_or(0, |task| task.start.record),
                bytes: Some(tasks.iter().map(|task| bytes_to_read(task, &file)).sum()),
            },
            Answer::Finished { has_other_rules, .. } => {
                let rules = if *has_other_rules { ", under other rules" } else { "" };
                Fate::LeaveOut { why: format!("loaded to the end before{rules}") }
            }
            Answer::Duplicate(of) => Fate::LeaveOut { why: format!("holds the same as {of}") },
            Answer::Changed(why) => Fate::Refuse { why: why.clone() },
            Answer::Beside => Fate::LeaveOut { why: "only another split was requested".to_owned() },
        };
        (file.path, fate)
    });
    let unreadable = unreadable.into_iter().map(|(path, why)| (path, Fate::Refuse { why }));
    let streams = streams.into_iter().map(|found| (found.path, Fate::Read { position: 0, bytes: None }));
    let links = passed_over.into_iter();
    let links = links.map(|path| (path, Fate::LeaveOut { why: LINK_OF_ANOTHER.to_owned() }));
    let files = decided.chain(streams).chain(unreadable).chain(links);
    files.map(|(path, fate)| PlannedFile { file: path, fate }).collect()
}

/// The plan. Its head says how a load would end before it has read anything.
fn report(
    config: &Config,
    destination: &dyn Destination,
    kinds: Kinds,
    sources: Vec<PlannedFile>,
    forecast: Forecast,
    with_sql: bool,
) -> Plan {
    let exit = if !forecast.obstacles.is_empty() {
        Exit::Usage
    } else if sources.iter().any(|file| matches!(file.fate, Fate::Refuse { .. })) {
        Exit::Failed
    } else {
        Exit::Success
    };
    Plan {
        head: Head::new("plan", Some(&config.name), exit),
        destination: destination.describe(),
        sources,
        other_rules: None,
        splits: Vec::new(),
        whole: Vec::new(),
        target_exists: forecast.has_target,
        would_make: forecast.makes,
        obstacles: forecast.obstacles,
        warnings: forecast.warnings.into_iter().chain(config.record.warnings()).collect(),
        held: forecast.held,
        key: key(config),
        guarantees: guarantees(config, kinds, destination.rests_on()),
        shows_all: false,
        pace: None,
        sql: with_sql.then_some(forecast.sql),
    }
}

fn key(config: &Config) -> String {
    match &config.destination.key {
        Key::Position => "\"position\"".to_owned(),
        Key::Content => "\"content\"".to_owned(),
        Key::Columns(columns) => format!("[{}]", columns.join(", ")),
        Key::None => "\"none\"".to_owned(),
    }
}
