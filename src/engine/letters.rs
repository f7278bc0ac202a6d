//! `dead-letters`: the records that did not become rows, with the evidence.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::{Watch, destination};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result, Unclear};
use crate::report::{Discard, Exit, Head, Letters, ShownLetter};
use crate::sink::history::Filter;

/// How many letters are in memory at a time.
const PIECE: usize = 1_000;

/// The job's dead letters that match the filter, without their records; all of them, or up to a limit. There
/// can be more than fit into memory, so `take` receives them in pieces and removes them.
pub fn dead_letters(
    config: &Config,
    filter: Filter,
    limit: Option<u64>,
    watch: &Watch,
    take: &mut dyn FnMut(&mut Letters) -> ControlFlow<()>,
) -> Result<Letters> {
    let filter = Filter { job: config.name.clone(), ..filter };
    refuse_unknown(config, &filter.ids, watch)?;
    let mut letters = Letters::new(Head::new("dead-letters list", Some(&config.name), Exit::Success));
    let mut found = 0;
    destination(config, watch)?.history()?.dead_letters(&filter, &mut |letter| {
        letters.count(&letter);
        if limit.is_some_and(|limit| found >= limit) {
            letters.more += 1;
            return ControlFlow::Continue(());
        }
        found += 1;
        letters.dead_letters.push(letter);
        if letters.dead_letters.len() == PIECE { take(&mut letters) } else { ControlFlow::Continue(()) }
    })?;
    letters.rank();
    // After this there is nothing left to break off.
    let _ = take(&mut letters);
    Ok(letters)
}

/// Refuses ids that no dead letter of the job has: a person who types an id means a letter.
pub(super) fn refuse_unknown(config: &Config, ids: &[i64], watch: &Watch) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let filter = Filter { job: config.name.clone(), ids: ids.to_vec(), ..Filter::default() };
    let mut known = HashSet::new();
    destination(config, watch)?.history()?.dead_letters(&filter, &mut |letter| {
        known.insert(letter.id);
        ControlFlow::Continue(())
    })?;
    match ids.iter().find(|id| !known.contains(id)) {
        Some(&id) => Err(no_letter(config, id)),
        None => Ok(()),
    }
}

fn no_letter(config: &Config, id: i64) -> Error {
    ErrorKind::from(Unclear::NoLetter { job: config.name.clone(), id }).into()
}

/// One dead letter, with its record.
pub fn dead_letter(config: &Config, id: i64, watch: &Watch) -> Result<ShownLetter> {
    let filter = Filter { job: config.name.clone(), ids: vec![id], has_raw: true, ..Filter::default() };
    let mut found = None;
    destination(config, watch)?.history()?.dead_letters(&filter, &mut |letter| {
        found = Some(letter);
        ControlFlow::Break(())
    })?;
    let letter = found.ok_or_else(|| no_letter(config, id))?;
    Ok(ShownLetter::new(Head::new("dead-letters show", Some(&config.name), Exit::Success), letter))
}

/// Discards the job's open dead letters that match the filter.
pub fn discard(config: &Config, filter: Filter, note: Option<&str>, watch: &Watch) -> Result<Discard> {
    let filter = Filter { job: config.name.clone(), ..filter };
    refuse_unknown(config, &filter.ids, watch)?;
    let destination = destination(config, watch)?;
    let discarded = destination.discard(&filter, note)?;
    let status = destination.history()?.status(&config.name)?.unwrap_or_default();
    let head = Head::new("dead-letters discard", Some(&config.name), Exit::Success);
    Ok(Discard { head, discarded, open_dead_letters: status.open_dead_letters })
}
