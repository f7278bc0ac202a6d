//! `status`: how far a job is, from any machine.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{Output, StatusArgs};
use super::destination::{describe, history};
use super::exit::Exit;
use super::figure;
use super::speech::{Speech, print, printable};
use super::summary::counts_json;
use crate::config::Config;
use crate::sink::history::{RunStatus, SourceStatus, Status};

/// How many sources are shown unless all are asked for.
const SOURCES_SHOWN: usize = 20;

pub(super) fn status(args: &StatusArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = Config::load(&args.job.job, &args.job.overrides())?;
    let status = history(&config)?.status(&config.name)?;
    let text = match speech.output {
        Output::Json => format!("{}\n", json(&config, &status.unwrap_or_default())),
        Output::Text => match status {
            Some(status) => text(&config, &status, args.all),
            None => format!("{}: nothing was loaded into {} yet\n", config.name, describe(&config)),
        },
    };
    print(&text)?;
    Ok(Exit::Success)
}

fn text(config: &Config, status: &Status, all: bool) -> String {
    let mut out = String::new();
    let sources = &status.sources;
    let complete = sources.iter().filter(|source| source.complete).count();
    let (done, size) =
        sources.iter().fold((0, 0), |(done, size), source| (done + source.position, size + source.size));
    let _ = writeln!(out, "{} → {}", config.name, describe(config));
    let _ = writeln!(
        out,
        "\nsources       {} of {} complete, {} of {}",
        figure::count(i128::try_from(complete).unwrap_or_default()),
        figure::count(i128::try_from(sources.len()).unwrap_or_default()),
        figure::bytes(done),
        figure::bytes(size)
    );
    let notable = |source: &&SourceStatus| all || !source.complete || source.open_dead_letters > 0;
    let notable: Vec<&SourceStatus> = sources.iter().filter(notable).collect();
    let shown = if all { notable.len() } else { notable.len().min(SOURCES_SHOWN) };
    for source in &notable[..shown] {
        let _ = writeln!(out, "  {}", source_line(source));
    }
    if notable.len() > shown {
        let _ = writeln!(out, "  and {} more (--all)", notable.len() - shown);
    }
    let _ = writeln!(out, "\ndead letters  {} open", figure::count(status.open_dead_letters));
    for reason in &status.reasons {
        let _ = writeln!(
            out,
            "  {:>12}  {}  first is {} at {}:{}",
            figure::count(reason.count),
            printable(format!("{} {}", reason.code, reason.field).trim_end()),
            reason.id,
            printable(&reason.source),
            reason.line
        );
    }
    out.push_str("\nruns\n");
    for run in &status.runs {
        let _ = writeln!(out, "  {}", run_line(run));
    }
    out
}

fn source_line(source: &SourceStatus) -> String {
    let mut line = printable(&source.name);
    if let Some(date) = source.data_date {
        let _ = write!(line, " ({date})");
    }
    match source.complete {
        true => line.push_str("  complete"),
        false => {
            let share = (100 * source.position).checked_div(source.size).unwrap_or(0);
            let _ = write!(line, "  {share} %, at byte {}", figure::count(source.position));
        }
    }
    let _ = write!(line, ", {} records", figure::count(source.counts.records));
    if source.open_dead_letters > 0 {
        let _ = write!(line, ", {} dead letters open", figure::count(source.open_dead_letters));
    }
    match &source.owner {
        Some(owner) if owner.is_alive => {
            let _ = write!(line, ", held by run {} (process {})", owner.run, owner.pid);
        }
        Some(owner) => {
            let _ = write!(line, ", left by run {}", owner.run);
        }
        None => {}
    }
    line
}

fn run_line(run: &RunStatus) -> String {
    let started = run.started_at.format("%Y-%m-%d %H:%M:%S UTC");
    let mut line = format!("{:>4}  {started}  {}", run.id, printable(&run.command));
    match (&run.outcome, run.ended_at) {
        (Some(outcome), Some(ended)) => {
            let time = (ended - run.started_at).to_std().unwrap_or_default();
            let _ = write!(line, "  {outcome} ({}) after {}", run.exit_code.unwrap_or(0), figure::time(time));
            let _ = write!(line, ", {} records", figure::count(run.counts.records));
            if run.counts.rejected > 0 {
                let _ = write!(line, ", {} rejected", figure::count(run.counts.rejected));
            }
        }
        _ => line.push_str("  running, or ended without a word"),
    }
    line
}

fn json(config: &Config, status: &Status) -> serde_json::Value {
    json!({
        "schema_version": 1,
        "command": "status",
        "job": config.name,
        "sources": status.sources.iter().map(|source| json!({
            "id": source.id,
            "name": source.name,
            "data_date": source.data_date.map(|date| date.to_string()),
            "size": source.size,
            "position": source.position,
            "complete": source.complete,
            "counts": counts_json(&source.counts),
            "open_dead_letters": source.open_dead_letters,
            "owner": source.owner.as_ref().map(|owner| json!({
                "run": owner.run, "pid": owner.pid, "alive": owner.is_alive,
            })),
            "updated_at": source.updated_at.to_rfc3339(),
        })).collect::<Vec<_>>(),
        "open_dead_letters": status.open_dead_letters,
        "reasons": status.reasons.iter().map(|reason| json!({
            "code": reason.code,
            "field": reason.field,
            "count": reason.count,
            "first": {"id": reason.id, "file": reason.source, "line": reason.line},
        })).collect::<Vec<_>>(),
        "runs": status.runs.iter().map(|run| json!({
            "id": run.id,
            "command": run.command,
            "started_at": run.started_at.to_rfc3339(),
            "ended_at": run.ended_at.map(|ended| ended.to_rfc3339()),
            "outcome": run.outcome,
            "exit_code": run.exit_code,
            "counts": counts_json(&run.counts),
        })).collect::<Vec<_>>(),
    })
}
