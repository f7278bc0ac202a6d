//! `forget`: sources out of the memory of a job, so that they are loaded again.
//!
//! The rows stay. What that means for the next load depends on the key, so it is said.

use super::args::ForgetArgs;
use super::destination::{looked_at, next_command};
use super::job;
use super::selected::selected;
use super::speech::Speech;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::report::{Exit, Forget, Rows};
use crate::sink::history::SourceStatus;
use crate::sink::key::SOURCE_ID;
use crate::sink::statement::delete_rows;
use crate::sink::{Destination, Key};

pub(super) fn forget(args: &ForgetArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = job::read(&args.job.job, &args.job.destination.overrides(), speech)?;
    let destination = looked_at(&config, speech.observer())?;
    let status = destination.history()?.status(&config.name)?.unwrap_or_default();
    let sources = meant(args, &config, &status.sources)?;
    let ids: Vec<i32> = sources.iter().map(|source| source.id).collect();
    let forgotten = if args.dry_run { None } else { Some(destination.forget(&ids)?) };
    let delete_sql = delete_sql(&config, &*destination, &sources);
    let rows = rows(&config, &*destination, delete_sql.as_deref());
    let report = Forget::new(&config.name, destination.describe(), &sources, forgotten, delete_sql, rows);
    speech.show(&report)?;
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

/// The statement that deletes the rows of the sources, where they can be told apart.
fn delete_sql(config: &Config, destination: &dyn Destination, sources: &[&SourceStatus]) -> Option<String> {
    let has_place = config.destination.key.extra_columns().contains(&SOURCE_ID);
    let ids: Vec<i32> = sources.iter().map(|source| source.id).collect();
    has_place.then(|| delete_rows(destination, &ids))
}

/// What becomes of rows that are there when their sources are loaded again.
fn rows(config: &Config, destination: &dyn Destination, delete_sql: Option<&str>) -> Rows {
    let because = match config.destination.key {
        Key::None => "the job has no key",
        _ => "their key is the source and the place in it",
    };
    delete_sql.map_or(Rows::Found, |sql| Rows::Doubled { because, command: destination.shell(sql) })
}
