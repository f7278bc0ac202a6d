//! `status`: how far a job is, from any machine.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{Output, StatusArgs};
use super::destination::looked_at;
use super::exit::Exit;
use super::job;
use super::selected::selected;
use super::speech::{Speech, one_line, print, printable};
use super::summary::counts_json;
use crate::config::Config;
use crate::figure;
use crate::sink::history::{RunStatus, SourceStatus, Status};

/// How many sources are shown unless all are asked for.
const SOURCES_SHOWN: usize = 20;

pub(super) fn status(args: &StatusArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = job::read(&args.job.job, &args.job.destination.overrides(), speech)?;
    let destination = looked_at(&config)?;
    let status = destination.history()?.status(&config.name)?;
    if !args.files.is_empty() {
        return of_files(args, &config, status.unwrap_or_default(), speech);
    }
    let text = match speech.output {
        Output::Json => format!("{}\n", json(&config, &status.unwrap_or_default())),
        Output::Text => match status {
            Some(status) => text(&config, &destination.describe(), &status, args.all),
            None => format!("{}: nothing was loaded into {} yet\n", config.name, destination.describe()),
        },
    };
    print(&text)?;
    Ok(Exit::Success)
}

/// Some sources, each with all that is known of it.
fn of_files(args: &StatusArgs, config: &Config, status: Status, speech: Speech) -> anyhow::Result<Exit> {
    let (sources, unknown) = selected(&args.files, &status.sources)?;
    match speech.output {
        Output::Json => {
            let object = json!({
                "schema_version": 1,
                "command": "status",
                "job": config.name,
                "sources": sources.iter().map(|source| source_json(source)).collect::<Vec<_>>(),
                "unknown": unknown.iter().map(|file| file.to_string_lossy()).collect::<Vec<_>>(),
            });
            print(&format!("{object}\n"))?;
        }
        Output::Text => {
            let mut blocks: Vec<String> = sources.iter().map(|source| block(source)).collect();
            blocks.extend(unknown.iter().map(|file| {
                format!("{}\n  never loaded by job {}\n", one_line(&file.to_string_lossy()), config.name)
            }));
            print(&blocks.join("\n"))?;
        }
    }
    Ok(Exit::Success)
}

/// A source on several lines.
fn block(source: &SourceStatus) -> String {
    let mut out = String::new();
    let counts = &source.counts;
    let _ = writeln!(out, "{}", one_line(&source.name));
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "  {name:<13} {text}");
    };
    line("id", source.id.to_string());
    if let Some(date) = source.data_date {
        line("data date", date.to_string());
    }
    line("state", state(source));
    line("updated", source.updated_at.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    line("records", figure::count(counts.records));
    let parts = [
        ("inserted", counts.inserted),
        ("updated", counts.updated),
        ("unchanged", counts.unchanged),
        ("superseded", counts.superseded),
        ("rejected", counts.rejected),
    ];
    for (name, count) in parts.into_iter().filter(|(_, count)| *count != 0) {
        line(&format!("  {name}"), figure::count(count));
    }
    for (name, count) in [("blank lines", counts.blank), ("skipped lines", counts.skipped)] {
        if count != 0 {
            line(name, figure::count(count));
        }
    }
    if counts.rejected != 0 {
        line("dead letters", format!("{} open", figure::count(source.open_dead_letters)));
    }
    if !source.containers.is_empty() {
        let sizes: Vec<String> = source.containers.iter().map(|&size| figure::bytes(size)).collect();
        line("archives", format!("{} ({})", sizes.len(), sizes.join(", ")));
    }
    if let Some(owner) = owner(source) {
        line("owner", owner);
    }
    out
}

/// How far it is.
fn state(source: &SourceStatus) -> String {
    let position = figure::count(source.position);
    match (source.complete, (100 * source.position).checked_div(source.size)) {
        (true, _) => format!("complete, {position} bytes"),
        // How much an archive has, only its end tells.
        (false, Some(share)) if source.size >= source.position => {
            format!("{share} %, at byte {position} of {}", figure::count(source.size))
        }
        (false, _) => format!("at byte {position}"),
    }
}

fn owner(source: &SourceStatus) -> Option<String> {
    source.owner.as_ref().map(|owner| match owner.is_alive {
        true => format!("held by run {} (process {})", owner.run, owner.pid),
        false => format!("left by run {}", owner.run),
    })
}

fn text(config: &Config, destination: &str, status: &Status, all: bool) -> String {
    let mut out = String::new();
    let sources = &status.sources;
    let complete = sources.iter().filter(|source| source.complete).count();
    let (done, size) =
        sources.iter().fold((0, 0), |(done, size), source| (done + source.position, size + source.size));
    let _ = writeln!(out, "{} → {destination}", config.name);
    let _ = writeln!(
        out,
        "\nsources       {} of {} complete, {} of {}",
        figure::count(complete),
        figure::count(sources.len()),
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
            one_line(format!("{} {}", reason.code, reason.field).trim_end()),
            reason.id,
            one_line(&reason.source),
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
    let mut line = format!("{:>4}  {}", source.id, one_line(&source.name));
    if let Some(date) = source.data_date {
        let _ = write!(line, " ({date})");
    }
    let _ = write!(line, "  {}, {}", state(source), figure::some(source.counts.records, "record"));
    if source.open_dead_letters > 0 {
        let _ = write!(line, ", {} open", figure::some(source.open_dead_letters, "dead letter"));
    }
    if let Some(owner) = owner(source) {
        let _ = write!(line, ", {owner}");
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
            let _ = write!(line, ", {}", figure::some(run.counts.records, "record"));
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
        "sources": status.sources.iter().map(source_json).collect::<Vec<_>>(),
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

fn source_json(source: &SourceStatus) -> serde_json::Value {
    json!({
        "id": source.id,
        "name": source.name,
        "data_date": source.data_date.map(|date| date.to_string()),
        "size": source.size,
        "position": source.position,
        "complete": source.complete,
        "containers": source.containers,
        "counts": counts_json(&source.counts),
        "open_dead_letters": source.open_dead_letters,
        "owner": source.owner.as_ref().map(|owner| json!({
            "run": owner.run, "pid": owner.pid, "alive": owner.is_alive,
        })),
        "updated_at": source.updated_at.to_rfc3339(),
    })
}
