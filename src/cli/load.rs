//! `load`: files into a destination.

use std::sync::Arc;

use serde_json::json;

use super::args::{LoadArgs, Output};
use super::destination::{Destination, describe, next_command, query};
use super::exit::Exit;
use super::files;
use super::inferred::Inferred;
use super::job::{self, Job};
use super::progress::Progress;
use super::speech::{Speech, print};
use super::summary::{self, Subject};
use crate::config::{Config, Format};
use crate::error::{Kind, Result};
use crate::format::Json;
use crate::pipeline::{self, Outcome, Stats};
use crate::sink::{Ending, Sink};
use crate::source::{Found, Hash16};
use crate::stop::Stop;

/// Loads, and says what came of it.
pub(super) fn load(args: &LoadArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    args.check_built()?;
    let given = files::given(&args.files)?;
    if args.job.job.is_none() && given.as_ref().is_some_and(Vec::is_empty) {
        return nothing_to_do("load", speech);
    }
    let overrides = args.overrides(given);
    let Job { config, path: job_path, is_found, inferred } =
        job::choose(args.job.job.as_deref(), &overrides, speech, stop)?;
    let files = files::of(&config)?;
    if let Some(inferred) = &inferred {
        job::write(&job_path, &inferred.text)?;
        tell_of(inferred, &job_path, speech);
    }
    let stats = Arc::new(Stats::default());
    let progress = Progress::start(speech, &stats);
    let around = progress.around();
    let notify = Arc::new(move |text: &str| around(&|| speech.inform(text)));
    let pace = pipeline::Settings {
        allow_duplicates: args.allow_duplicates,
        accept_new_rules: args.accept_new_rules,
        take_over: args.take_over,
        ..settings(&config)
    };
    let result = match Destination::of(&config, stop, notify)? {
        Destination::Postgres(settings) => {
            let mut sink = crate::sink::postgres::Postgres::open(*settings)?;
            for warning in sink.warnings() {
                speech.warn(warning);
            }
            run(&mut sink, &config, &files, &pace, args.allow_rejects, stop, &stats)
        }
        #[cfg(feature = "sqlite")]
        Destination::Sqlite(settings) => {
            let mut sink = crate::sink::sqlite::Sqlite::open(*settings)?;
            for warning in sink.warnings() {
                speech.warn(warning);
            }
            run(&mut sink, &config, &files, &pace, args.allow_rejects, stop, &stats)
        }
    };
    drop(progress);
    let (outcome, exit) = result?;
    for (path, why) in &outcome.failed {
        speech.detail(&format!("{}: {why}", path.display()));
    }
    let subject = Subject {
        job: &config.name,
        job_file: job_path.display().to_string(),
        destination: describe(&config),
        inferred: inferred.as_ref().map(Inferred::json),
        dead_letters: next_command("dead-letters list", &job_path, overrides.into.as_ref()),
        query: is_found.then(|| query(&config)),
    };
    let object = || summary::json(&subject, &outcome, exit);
    match speech.output {
        Output::Json => print(&format!("{}\n", object()))?,
        Output::Text => speech.summarize(&summary::text(&subject, &outcome), object),
    }
    if let Exit::Stopped(signal) = exit {
        speech.inform(&Kind::Stopped(signal).to_string());
    }
    Ok(exit)
}

/// A list without names, and no job: there is nothing to infer one from.
pub(super) fn nothing_to_do(command: &str, speech: Speech) -> anyhow::Result<Exit> {
    speech.inform(&format!("the list names no files, so there is nothing to {command}"));
    if speech.output == Output::Json {
        let exit = Exit::Success;
        let object = json!({
            "schema_version": 1,
            "command": command,
            "outcome": exit.outcome(),
            "exit_code": exit.code(),
        });
        print(&format!("{object}\n"))?;
    }
    Ok(Exit::Success)
}

/// Says what was inferred and where it was written.
pub(super) fn tell_of(inferred: &Inferred, path: &std::path::Path, speech: Speech) {
    speech.inform(&format!(
        "wrote {}, {}\nit is yours to edit, and is used from now on",
        path.display(),
        inferred.read_in_words()
    ));
    for warning in inferred.warnings() {
        speech.warn(&warning);
    }
    if speech.speaks() {
        speech.tell(&format!("\n{}\n", inferred.fields_in_words()));
    }
}

/// What the job says of the pipeline.
pub(super) fn settings(config: &Config) -> pipeline::Settings {
    // The destination is the limit, and often on this machine. Workers that are ahead of it
    // anyway only take its core away (measured on 2 cores: 5 % of a load).
    let all_but_one = || cores().saturating_sub(1).max(1);
    pipeline::Settings {
        threads: config.pipeline.threads.unwrap_or_else(all_but_one),
        source: config.source.settings.clone(),
        batch_rows: config.pipeline.batch_rows,
        batch_bytes: config.pipeline.batch_bytes,
        raw_bytes_max: config.dead_letters.raw_bytes_max,
        allow_duplicates: false,
        accept_new_rules: false,
        take_over: false,
        key_is_position: config.destination.key == crate::sink::Key::Position,
        rules_hash: Hash16(config.rules_hash()),
    }
}

/// How many threads can run at once.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs the pipeline into `sink`, and closes the run whatever came of it.
pub(super) fn run<S: Sink>(
    sink: &mut S,
    config: &Config,
    files: &[Found],
    settings: &pipeline::Settings,
    allow_rejects: bool,
    stop: &Stop,
    stats: &Arc<Stats>,
) -> Result<(Outcome, Exit)> {
    let schema = Arc::new(config.record.schema.clone());
    let format = match config.source.format {
        Format::Ndjson => Json::new(&schema.paths(), schema.extras()),
    };
    match pipeline::run(files, format, schema, sink, settings, stop, stats) {
        Ok(outcome) => {
            let exit = Exit::of_outcome(&outcome, allow_rejects);
            sink.finish(&Ending {
                outcome: exit.outcome(),
                exit_code: exit.code(),
                counts: &outcome.counts,
                bytes: outcome.bytes,
            })?;
            Ok((outcome, exit))
        }
        Err(error) => {
            let exit = Exit::of_error(&error);
            let nothing = crate::sink::Counts::default();
            // The error that ended the run is the one to tell; this is a courtesy.
            let _ = sink.finish(&Ending {
                outcome: exit.outcome(),
                exit_code: exit.code(),
                counts: &nothing,
                bytes: 0,
            });
            Err(error)
        }
    }
}
