//! `dead-letters replay`: the present rules over letters once more.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;

use super::mended::MendedFile;
use super::run::recipe;
use super::{Watch, address_and_settings, destination};
use crate::config::{Config, Overrides};
use crate::error::{Error, Result};
use crate::pipeline::{Mended, ReplaySettings, Replayed, replay as run};
use crate::report::{Exit, Head, Replay, ReplayCounts, Unplayed};
use crate::sink::history::Filter;
use crate::sink::judge::Judge;
use crate::sink::rehearsal::Rehearsal;
use crate::sink::{Ending, Key, OnConflict, Sink};

/// What a replay is told besides its job.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayOptions<'a> {
    /// Letters as they were exported and then mended.
    pub from: Option<&'a Path>,
    /// Rows that are there give way.
    pub overwrite: bool,
    /// Only say what would come of it.
    pub dry_run: bool,
}

/// Tries the job's open dead letters that pass the filter once more.
///
/// The report also tells of a replay that could not go on: what was committed until then stays. `Err`
/// is that nothing was begun.
pub fn replay(
    job: &Path,
    overrides: &Overrides,
    filter: Filter,
    options: ReplayOptions<'_>,
    watch: &Watch,
) -> Result<Replay> {
    let config = super::read_job(job, overrides, watch)?;
    let mut mended = options.from.map(MendedFile::open).transpose()?;
    let mut filter = Filter { job: config.name.clone(), state: Some("open".to_owned()), ..filter };
    if let Some(mended) = &mended {
        filter.ids = mended.among(&filter.ids);
    }
    let (began, mut outcome) = (Instant::now(), Replayed::default());
    let mut ended = Ended { run: None, open: None, exit: Exit::Success, error: None };
    let days = days(&config, options.overwrite, watch)?;
    let last = days.len() - 1;
    for (number, day) in days.into_iter().enumerate() {
        let dated = Config::load(job, &Overrides { date: day.or(overrides.date), ..overrides.clone() })?;
        let of_day = OfDay { job, overrides, config: &dated, filter: &filter, options, day };
        ended = of_day.replay(mended.as_mut(), number == last, &mut outcome, watch)?;
        if ended.error.is_some() {
            break;
        }
    }
    let mut head = Head::new("dead-letters replay", Some(&config.name), ended.exit);
    head.run = ended.run;
    Ok(report(head, options.dry_run, &outcome, ended.open, ended.error.as_ref(), began))
}

/// The days that are replayed one after the other. Where nothing that is written depends on the day
/// of a source, all are replayed at once.
fn days(config: &Config, overwrite: bool, watch: &Watch) -> Result<Vec<Option<NaiveDate>>> {
    if config.constants().iter().all(|constant| constant.text.is_some()) {
        return Ok(vec![None]);
    }
    let status = destination(config, watch)?.history()?.status(&config.name)?.unwrap_or_default();
    let open = status.sources.iter().filter(|source| source.open_dead_letters > 0);
    let mut days: Vec<Option<NaiveDate>> = open.map(|source| source.data_date).collect();
    days.sort_unstable();
    days.dedup();
    if is_backwards(config, overwrite) {
        days.reverse();
    }
    match days.is_empty() {
        true => Ok(vec![None]),
        false => Ok(days),
    }
}

/// Whether rows that are there stay. A letter is older than what came behind it.
fn leaves(config: &Config, overwrite: bool) -> bool {
    config.destination.on_conflict == OnConflict::Update && !overwrite
}

/// Where what is there stays, the last comes first, so that of one key it is the one that is in.
fn is_backwards(config: &Config, overwrite: bool) -> bool {
    leaves(config, overwrite) && matches!(config.destination.key, Key::Columns(_))
}

/// How the replay of a day ended.
struct Ended {
    run: Option<i64>,
    /// Letters of the job that are open.
    open: Option<u64>,
    exit: Exit,
    /// Why it could not go on.
    error: Option<Error>,
}

/// A replay of the letters of a day, or of all.
struct OfDay<'a> {
    job: &'a Path,
    overrides: &'a Overrides,
    config: &'a Config,
    filter: &'a Filter,
    options: ReplayOptions<'a>,
    day: Option<NaiveDate>,
}

impl OfDay<'_> {
    /// Replays them, and closes the run. After the last day it is asked what became of letters that
    /// were named and not met.
    fn replay(
        &self,
        mended: Option<&mut MendedFile>,
        is_last: bool,
        outcome: &mut Replayed,
        watch: &Watch,
    ) -> Result<Ended> {
        let &OfDay { job, overrides, config, filter, options, day } = self;
        let settings = ReplaySettings {
            is_backwards: is_backwards(config, options.overwrite),
            filter: filter.clone(),
            day,
        };
        let recipe_of = |date: Option<NaiveDate>| match date == config.date {
            true => Ok(recipe(config)),
            false => Ok(recipe(&Config::load(job, &Overrides { date, ..overrides.clone() })?)),
        };
        let mut sink = open(config, leaves(config, options.overwrite), options.dry_run, watch)?;
        let (before, bytes) = (outcome.counts, outcome.bytes);
        let is_from = mended.is_some();
        let mut result = match is_from && filter.ids.is_empty() {
            true => Ok(()),
            false => {
                let mended = mended.map(|mended| mended as &mut dyn Mended);
                run(&settings, &recipe_of, mended, &mut *sink, &watch.stop, outcome)
            }
        };
        if is_last && is_from && result.is_ok() {
            result = explain_unmet(config, &filter.ids, outcome, watch);
        }
        let (open, result) = match result.and_then(|()| sink.open_dead_letters(&[])) {
            Ok(open) => (Some(open.job), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let exit = match (&result, open) {
            (Err(error), _) => Exit::of_error(error),
            _ if outcome.not_replayable > 0 => Exit::Failed,
            (_, Some(1..)) => Exit::Rejects,
            _ => Exit::Success,
        };
        let closed = sink.finish(&Ending {
            failure: None,
            outcome: exit.outcome(),
            exit_code: exit.code(),
            counts: &outcome.counts.minus(&before),
            bytes: outcome.bytes - bytes,
        });
        let error = result.and(closed).err();
        let exit = error.as_ref().map_or(exit, Exit::of_error);
        Ok(Ended { run: sink.run_id(), open, exit, error })
    }
}

fn report(
    head: Head,
    dry_run: bool,
    outcome: &Replayed,
    open_dead_letters: Option<u64>,
    error: Option<&Error>,
    began: Instant,
) -> Replay {
    let Replayed { replayed, again_bad, not_replayable, .. } = *outcome;
    let why = outcome.why.iter().map(|(id, why)| Unplayed { id: *id, why: why.clone() });
    Replay {
        head,
        dry_run,
        counts: ReplayCounts { replayed, again_bad, not_replayable },
        not_replayable: why.collect(),
        open_dead_letters,
        seconds: began.elapsed().as_secs_f64(),
        error: error.map(ToString::to_string),
        error_kind: error.map(|error| error.kind().code()),
    }
}

/// Opens the destination for a replay. Where rows that are there stay, to it that is the rule.
fn open(config: &Config, leaves: bool, dry_run: bool, watch: &Watch) -> Result<Box<dyn Sink>> {
    if dry_run {
        let judge = Judge::new(Arc::new(config.record.schema.clone()), None);
        let history = destination(config, watch)?.history()?;
        return Ok(Box::new(Rehearsal::new(&config.name, judge, history)));
    }
    let (address, mut settings) = address_and_settings(config, watch);
    "dead-letters replay".clone_into(&mut settings.command);
    if leaves {
        settings.on_conflict = OnConflict::Keep;
    }
    crate::sink::of(&address, settings)?.open()
}

/// What is to be said of letters that were asked for by their ids and are not open.
fn explain_unmet(config: &Config, asked: &[i64], outcome: &mut Replayed, watch: &Watch) -> Result<()> {
    let met: std::collections::HashSet<i64> = outcome.met.iter().copied().collect();
    let unmet: Vec<i64> = asked.iter().copied().filter(|id| !met.contains(id)).collect();
    if unmet.is_empty() {
        return Ok(());
    }
    let filter = Filter { job: config.name.clone(), ids: unmet.clone(), ..Filter::default() };
    let mut states = std::collections::HashMap::new();
    destination(config, watch)?.history()?.dead_letters(&filter, &mut |letter| {
        states.insert(letter.id, letter.state);
        std::ops::ControlFlow::Continue(())
    })?;
    for id in unmet {
        match states.get(&id).map(String::as_str) {
            // What is done is done. One that is open does not pass the other conditions.
            Some("replayed" | "open") => {}
            Some(state) => outcome.leave(id, format!("it is {state}")),
            None => outcome.leave(id, format!("job {} has no dead letter of this id", config.name)),
        }
    }
    Ok(())
}
