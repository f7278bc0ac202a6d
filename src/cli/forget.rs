//! `forget`: sources out of the memory of a job, so that they are loaded again.
//!
//! The rows stay. What that means for the next load depends on the key, so it is said.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{ForgetArgs, Output};
use super::destination::{looked_at, next_command};
use super::exit::Exit;
use super::job;
use super::selected::selected;
use super::speech::{Speech, one_line, print};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::figure;
use crate::sink::history::{Forgotten, SourceStatus};
use crate::sink::key::SOURCE_ID;
use crate::sink::statement::delete_rows;
use crate::sink::{Destination, Key};

/// How many sources are named; a machine gets them all.
const SOURCES_SHOWN: usize = 20;

pub(super) fn forget(args: &ForgetArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = job::read(&args.job.job, &args.job.destination.overrides(), speech)?;
    let destination = looked_at(&config)?;
    let status = destination.history()?.status(&config.name)?.unwrap_or_default();
    let sources = meant(args, &config, &status.sources)?;
    let forgotten = match args.dry_run {
        true => None,
        false => {
            let ids: Vec<i32> = sources.iter().map(|source| source.id).collect();
            Some(destination.forget(&ids)?)
        }
    };
    match speech.output {
        Output::Json => print(&format!("{}\n", json(&config, &*destination, &sources, forgotten)))?,
        Output::Text => print(&text(&config, &*destination, &sources, forgotten))?,
    }
    Ok(Exit::Success)
}

/// The sources that are meant. A name that means none, or sources of several days, is more
/// likely a mistake than a wish.
fn meant<'a>(
    args: &ForgetArgs,
    config: &Config,
    sources: &'a [SourceStatus],
) -> Result<Vec<&'a SourceStatus>> {
    let status = next_command("status --all", &args.job.job, args.job.destination.into.as_ref());
    let show = format!("`{status}` shows what there is");
    let (mut meant, unknown) = selected(&args.files, sources)?;
    if let Some(file) = unknown.first() {
        return Err(Error::usage(format!("job {} has loaded no {}; {show}", config.name, file.display())));
    }
    if let Some(date) = args.date {
        meant.retain(|source| source.data_date == Some(date));
        if meant.is_empty() && !args.files.is_empty() {
            return Err(Error::usage(format!(
                "job {} has loaded no such file for {date}; {show}",
                config.name
            )));
        }
    }
    let of_two_days =
        meant.iter().find(|one| meant.iter().any(|other| other.name == one.name && other.id != one.id));
    if let Some(source) = of_two_days {
        return Err(Error::usage(format!(
            "{} was loaded more than once; say which with --date or --id ({show})",
            source.name
        )));
    }
    for &id in &args.id {
        let source = sources.iter().find(|source| source.id == id);
        let source =
            source.ok_or_else(|| Error::usage(format!("job {} has no source {id}; {show}", config.name)))?;
        if !meant.iter().any(|meant| meant.id == id) {
            meant.push(source);
        }
    }
    Ok(meant)
}

fn text(
    config: &Config,
    destination: &dyn Destination,
    sources: &[&SourceStatus],
    forgotten: Option<Forgotten>,
) -> String {
    let mut out = String::new();
    let number = figure::some(sources.len(), "source");
    let _ = match forgotten {
        Some(_) => writeln!(out, "{}: forgot {number} of {}", config.name, destination.describe()),
        None => writeln!(out, "{}: {number} of {} would be forgotten", config.name, destination.describe()),
    };
    for source in sources.iter().take(SOURCES_SHOWN) {
        let date = source.data_date.map(|date| format!(" ({date})")).unwrap_or_default();
        let _ = writeln!(
            out,
            "  {:>6}  {}{date}, {}",
            source.id,
            one_line(&source.name),
            figure::some(source.counts.records, "record")
        );
    }
    if sources.len() > SOURCES_SHOWN {
        let _ = writeln!(out, "  and {} more", sources.len() - SOURCES_SHOWN);
    }
    let letters = match forgotten {
        Some(forgotten) => forgotten.dead_letters,
        None => sources.iter().map(|source| source.open_dead_letters).sum(),
    };
    if letters > 0 {
        let letters = figure::some(letters, "open dead letter");
        let _ = match forgotten {
            Some(_) => writeln!(out, "\n{letters} of theirs became superseded: a load will make new ones."),
            None => writeln!(out, "\n{letters} of theirs would become superseded."),
        };
    }
    out.push('\n');
    match rows_of(config, destination, sources) {
        Some(sql) => {
            let _ = writeln!(
                out,
                "The rows stay. Loaded again they would be there twice, because {}; delete the old ones first:\n  {}",
                match config.destination.key {
                    Key::None => "the job has no key",
                    _ => "their key is the source and the place in it",
                },
                destination.shell(&sql)
            );
        }
        None => out.push_str(
            "The rows stay, and a load finds them by their key: none of them will be there twice.\n",
        ),
    }
    out
}

/// The statement that deletes the rows of the sources, where they can be told apart.
fn rows_of(config: &Config, destination: &dyn Destination, sources: &[&SourceStatus]) -> Option<String> {
    let has_place = config.destination.key.extra_columns().contains(&SOURCE_ID);
    let ids: Vec<i32> = sources.iter().map(|source| source.id).collect();
    has_place.then(|| delete_rows(destination, &ids))
}

fn json(
    config: &Config,
    destination: &dyn Destination,
    sources: &[&SourceStatus],
    forgotten: Option<Forgotten>,
) -> serde_json::Value {
    json!({
        "schema_version": 1,
        "command": "forget",
        "job": config.name,
        "destination": destination.describe(),
        "dry_run": forgotten.is_none(),
        "sources": sources.iter().map(|source| json!({
            "id": source.id,
            "name": source.name,
            "data_date": source.data_date.map(|date| date.to_string()),
            "records": source.counts.records,
        })).collect::<Vec<_>>(),
        "forgotten": forgotten.map_or(0, |forgotten| forgotten.sources),
        "superseded_dead_letters": forgotten.map_or(0, |forgotten| forgotten.dead_letters),
        "delete_rows": rows_of(config, destination, sources),
    })
}
