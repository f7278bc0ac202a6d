//! `check`: the verdict on every record, without a destination.

use std::io::{self, BufWriter};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::args::{CheckArgs, Output};
use super::destination::looked_at;
use super::exit::Exit;
use super::files;
use super::inferred::Inferred;
use super::job::{self, Job};
use super::progress::Progress;
use super::run::{cores, nothing_to_do, run, settings};
use super::speech::{Speech, print, printable};
use super::summary::{check_text, notices_json, reasons_json};
use super::table;
use crate::config::{Config, Overrides};
use crate::error::{Error, Kind, Result};
use crate::pipeline::{Outcome, Settings, Stats};
use crate::sink::check::{Check, Verdicts};
use crate::sink::key::EXTRA;
use crate::source::{Discovered, Found};
use crate::stop::Stop;
use crate::trust::create_private;

/// Verdicts are written in pieces of this size.
const WRITE_BYTES: usize = 256 << 10;

pub(super) fn check(args: &CheckArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let to_stdout = args.verdicts.as_deref() == Some(Path::new("-"));
    if to_stdout && speech.output == Output::Json {
        // Nobody looks for a variable who has not typed the flag.
        let output = match std::env::var("LOGMILL_OUTPUT").as_deref() {
            Ok("json") => "LOGMILL_OUTPUT=json",
            _ => "--output json",
        };
        return Err(Error::usage(format!(
            "--verdicts - and {output} both want stdout; write the verdicts to a file"
        ))
        .into());
    }
    let given = files::given(&args.files)?;
    if args.job.is_none() && given.as_ref().is_some_and(Vec::is_empty) {
        return nothing_to_do("check", speech);
    }
    let overrides = Overrides {
        files: given,
        date: args.date.date,
        threads: args.work.threads,
        chunk_size: args.work.chunk_size,
        ..Overrides::default()
    };
    let Job { config, path, inferred, .. } = job::choose(args.job.as_deref(), &overrides, speech, stop)?;
    let Discovered { files, passed_over } = files::of(&config)?;
    if let Some(inferred) = &inferred {
        inferred.tell_unwritten(speech);
    }
    let verdicts = args.verdicts.as_deref().map(|out| open(out, &config, &path, &files)).transpose()?;
    let mut sink = Check::new(Arc::new(config.record.schema.clone()), verdicts);
    let stats = Arc::new(Stats::default());
    let progress = Progress::start(speech, &stats);
    let settings = Settings {
        threads: config.pipeline.threads.unwrap_or_else(cores),
        observer: progress.observer(speech),
        ..settings(&config)
    };
    let result = run(&mut sink, &config, &files, &settings, false, stop, &stats);
    drop(progress);
    let (mut outcome, exit) = match result {
        Ok(result) => result,
        // Who reads the verdicts has gone: a normal end, and nobody is left to be told.
        Err(error) if matches!(error.kind(), Kind::Stopped(libc::SIGPIPE)) => {
            return Ok(Exit::Stopped(libc::SIGPIPE));
        }
        Err(error) => {
            if let Some(path) = args.verdicts.as_deref().filter(|_| !to_stdout) {
                speech.warn(&format!("{} is not complete", path.display()));
            }
            return Err(error.into());
        }
    };
    outcome.notices.extend(files::notice_of_links(&passed_over));
    let object = || {
        let path = inferred.is_none().then_some(path.as_path());
        object(&config.name, path, inferred.as_ref(), &outcome, exit, &sink)
    };
    match speech.output {
        Output::Json => print(&format!("{}\n", object()))?,
        Output::Text => {
            let mut text = check_text(&config.name, &outcome);
            text.push_str(&sample(&sink, table::width()));
            match to_stdout {
                true => speech.summarize(&text, object),
                // It is the result, however messages are written.
                false => print(&printable(&text))?,
            }
        }
    }
    if let Exit::Stopped(_) = exit {
        speech.inform("stopped; this is what was checked until then");
    }
    Ok(exit)
}

/// Opens the file for verdicts, before any work, so that a bad path is told at once.
fn open(path: &Path, config: &Config, job: &Path, files: &[Found]) -> Result<Verdicts> {
    if path == Path::new("-") {
        let out = BufWriter::with_capacity(WRITE_BYTES, io::stdout());
        return Ok(Verdicts { path: "stdout".into(), out: Box::new(out) });
    }
    // To open it is to empty it.
    if let Ok(there) = std::fs::metadata(path) {
        let destination = looked_at(config).ok();
        let database = destination.as_ref().and_then(|destination| destination.file());
        let of_job = [
            (Some(job), "the job"),
            (config.record.schema_file.as_deref(), "the schema of the job"),
            (database, "the destination of the job"),
        ];
        let of_job = of_job.into_iter().filter_map(|(path, what)| Some((path?, what)));
        let inputs = files.iter().map(|file| (file.path.as_path(), "to be checked"));
        let is_there = |(path, _): &(&Path, &str)| {
            std::fs::metadata(path).is_ok_and(|file| (file.dev(), file.ino()) == (there.dev(), there.ino()))
        };
        if let Some((file, what)) = of_job.chain(inputs).find(is_there) {
            return Err(Error::usage(format!(
                "--verdicts {} would overwrite {}, which is {what}; name another file",
                path.display(),
                file.display()
            )));
        }
    }
    let file = create_private(path).map_err(|cause| Error::file("write verdicts to", path, cause))?;
    Ok(Verdicts { path: path.to_owned(), out: Box::new(BufWriter::with_capacity(WRITE_BYTES, file)) })
}

/// The first rows, as a table.
fn sample(sink: &Check, width: usize) -> String {
    let rows: Vec<Map<String, Value>> =
        sink.sample().iter().filter_map(|json| serde_json::from_str(json).ok()).collect();
    let Some(first) = rows.first() else { return String::new() };
    // What nobody asked for is shown where there is any.
    let is_shown = |name: &str| name != EXTRA || rows.iter().any(|row| row[name] != json!({}));
    let names: Vec<String> = first.keys().filter(|name| is_shown(name)).cloned().collect();
    let rows: Vec<Vec<Value>> =
        rows.iter().map(|row| names.iter().map(|name| row[name].clone()).collect()).collect();
    format!("\n  the first valid records\n{}", table::table(&names, &rows, width))
}

fn object(
    job: &str,
    path: Option<&Path>,
    inferred: Option<&Inferred>,
    outcome: &Outcome,
    exit: Exit,
    sink: &Check,
) -> Value {
    let counts = &outcome.counts;
    json!({
        "schema_version": 1,
        "command": "check",
        "job": job,
        "job_file": path.map(|path| path.to_string_lossy()),
        "inferred": inferred.map(Inferred::json),
        "outcome": exit.outcome(),
        "exit_code": exit.code(),
        "sources": {
            "checked": outcome.loaded,
            "waiting": outcome.waiting,
            "failed": outcome.failed.iter()
                .map(|(path, why)| json!({"file": path.to_string_lossy(), "why": why})).collect::<Vec<_>>(),
        },
        "notices": notices_json(outcome),
        "counts": {
            "lines": counts.lines,
            "blank": counts.blank,
            "skipped": counts.skipped,
            "records": counts.records,
            "valid": counts.inserted,
            "rejected": counts.rejected,
        },
        "altered_values": outcome.altered,
        "bytes": outcome.bytes,
        "reasons": reasons_json(outcome),
        "sample": sink.sample().iter().filter_map(|json| serde_json::from_str(json).ok()).collect::<Vec<Value>>(),
        "seconds": outcome.elapsed.as_secs_f64(),
    })
}
