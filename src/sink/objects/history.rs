//! What a bucket remembers, for people: sources, days and runs from its state, dead letters from their objects.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::letters::KeptLetter;
use super::replay::{DISCARD, Pager};
use super::successors::{LettersObject, objects};
use super::{Place, state};
use crate::error::Result;
use crate::sink::OpenLetters;
use crate::sink::destination::Settings;
use crate::sink::history::{
    DeadLetter, Filter, FirstLetter, History, OwnerStatus, ReasonCount, RunStatus, SourceStatus, Status,
};
use crate::sink::ledger::{AllLetters, LastRuns, MapLedger, SplitStatus};
use crate::sink::replay::{OpenLetter, Page};
use crate::sink::statement::shell_word;

/// A bucket that is only looked at.
pub(super) struct ObjectsHistory {
    pub(super) place: Place,
    pub(super) settings: Settings,
    /// Where a rehearsal of a replay is.
    pub(super) pager: Option<Pager>,
}

/// How many dead letters are open: those that were refused, but for those that were closed since.
pub(super) fn open_of(splits: &[SplitStatus], letters: &AllLetters, sources: &[i32]) -> OpenLetters {
    let mut open = OpenLetters::default();
    for (source, letters) in open_by_source(splits, letters) {
        open.job += letters;
        if sources.contains(&source) {
            open.selected += letters;
        }
    }
    open
}

/// Warns of sources that a run left in the middle of a range and that are no files of this one: the objects of that
/// range count for nothing, and stay until the file is loaded again. If there are none, the next run need not look.
pub(super) fn tell_left(place: &Place, settings: &Settings, ledger: &MapLedger) -> Result<()> {
    let all = state::splits(place, settings)?;
    let is_left = |split: &&SplitStatus| {
        !split.stems.is_empty() && !split.complete && !ledger.is_claimed(split.split.source)
    };
    let mut left: Vec<&SplitStatus> = all.iter().filter(is_left).collect();
    let runs = MapLedger::runs(state::store(place), state::settings(place, settings))?.runs;
    // One that is at work may still die.
    if left.is_empty() && !runs.iter().any(|run| run.is_alive && run.id != ledger.run()) {
        return ledger.heart().nothing_is_left();
    }
    left.retain(|split| !runs.iter().any(|run| Some(run.id) == split.owner && run.is_alive));
    if let [first, others @ ..] = &left[..] {
        let more = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
        settings.observer.warn(format!(
            "{}{more} was left in the middle of a range and is no file of this load; objects of it are there that count for \
             nothing ({}…). Load it to its end, or `logmill forget --delete-rows {}`",
            first.name,
            place.bucket.url_of(&first.stems[0]),
            shell_word(&first.name)
        ));
    }
    Ok(())
}

fn open_by_source(splits: &[SplitStatus], letters: &AllLetters) -> HashMap<i32, u64> {
    let mut rejected: HashMap<i32, (i64, i32)> = HashMap::new();
    for split in splits {
        rejected.entry(split.split.source).or_insert((0, split.generation)).0 += split.counts.rejected;
    }
    let open = |(source, (rejected, generation))| {
        (source, u64::try_from(rejected - letters.closed_of(source, generation)).unwrap_or(0))
    };
    rejected.into_iter().map(open).collect()
}

/// How many rows there are of each of these sources.
pub(super) fn rows_of(place: &Place, settings: &Settings, sources: &[i32]) -> Result<u64> {
    let (letters, splits) = (state::letters(place, settings)?, state::splits(place, settings)?);
    let mut rows = 0;
    for split in splits.iter().filter(|split| sources.contains(&split.split.source)) {
        rows += split.counts.inserted;
        // Those are of the source, and counted with its first split.
        let is_first = split.split.start == 0;
        rows += if is_first { letters.replayed_of(split.split.source, split.generation) } else { 0 };
    }
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// How many records of each of these sources were refused when they were loaded.
pub(super) fn rejected_of(place: &Place, settings: &Settings, sources: &[i32]) -> Result<u64> {
    let splits = state::splits(place, settings)?;
    let own = splits.iter().filter(|split| sources.contains(&split.split.source));
    Ok(u64::try_from(own.map(|split| split.counts.rejected).sum::<i64>()).unwrap_or(0))
}

impl History for ObjectsHistory {
    fn status(&mut self, _job: &str) -> Result<Option<Status>> {
        let Self { place, settings, .. } = self;
        let splits = state::splits(place, settings)?;
        let LastRuns { mut runs, last_success } =
            MapLedger::runs(state::store(place), state::settings(place, settings))?;
        // A database does not count it among its runs either.
        runs.retain(|run| run.command != DISCARD);
        let calendar =
            MapLedger::calendar(state::store(place), state::settings(place, settings), settings.rules_hash)?;
        if splits.is_empty() && runs.is_empty() && calendar.is_empty() {
            return Ok(None);
        }
        let open = open_by_source(&splits, &state::letters(place, settings)?);
        let mut sizes: HashMap<i32, u64> = HashMap::new();
        for split in &splits {
            let size = sizes.entry(split.split.source).or_default();
            *size = split.position.max(*size);
        }
        let sources = SourceStatus::of_splits(splits.into_iter().map(|split| source_status(split, &runs)));
        let sources: Vec<SourceStatus> = sources
            .into_iter()
            .map(|source| SourceStatus {
                size: sizes.get(&source.id).copied().unwrap_or(source.size),
                open_dead_letters: open.get(&source.id).copied().unwrap_or(0),
                ..source
            })
            .collect();
        for run in &mut runs {
            let owned = sources.iter().filter(|source| {
                source.owner.as_ref().is_some_and(|owner| owner.run == run.id && owner.is_alive)
            });
            run.updated_at = owned.map(|source| source.updated_at).max();
        }
        let open_dead_letters = sources.iter().map(|source| source.open_dead_letters).sum();
        let reasons = if open_dead_letters > 0 { self.reasons()? } else { Vec::new() };
        let last_failure = runs.iter().find(|run| matches!(run.exit_code, Some(1 | 2 | 4))).cloned();
        let dates = calendar.into_values().filter_map(|day| day.status).collect();
        let undelivered = 0;
        Ok(Some(Status {
            sources,
            reasons,
            open_dead_letters,
            undelivered,
            dates,
            runs,
            last_failure,
            last_success,
            // Each table has a state of its own.
            has_other_tables: false,
        }))
    }

    fn open_letters(&mut self, filter: &Filter, page: Page) -> Result<Vec<OpenLetter>> {
        let Self { place, settings, pager } = self;
        if page.after.is_none() || pager.is_none() {
            *pager = Some(Pager::new(place, settings)?);
        }
        match pager {
            Some(pager) => pager.page(place, settings, filter, page.after),
            None => Ok(Vec::new()),
        }
    }

    fn dead_letters(
        &mut self,
        filter: &Filter,
        visit: &mut dyn FnMut(DeadLetter) -> ControlFlow<()>,
    ) -> Result<()> {
        self.each(&mut |letter, of| match letter.is_meant(of.written, filter) {
            true => visit(letter.dead_letter(of.written, of.lines_before, filter.has_raw)),
            false => ControlFlow::Continue(()),
        })
    }
}

impl ObjectsHistory {
    /// Visits all letters that hold, each with its object.
    fn each(&self, visit: &mut dyn FnMut(KeptLetter, &LettersObject) -> ControlFlow<()>) -> Result<()> {
        for object in objects(&self.place, &self.settings)? {
            for letter in object.read_if_held(&self.place, &self.settings)?.into_iter().flatten() {
                if visit(letter, &object).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Why letters are open, the most frequent reason first.
    fn reasons(&self) -> Result<Vec<ReasonCount>> {
        let mut counts: Vec<ReasonCount> = Vec::new();
        self.each(&mut |letter, of| {
            if letter.state() != "open" {
                return ControlFlow::Continue(());
            }
            let letter = letter.dead_letter(of.written, of.lines_before, false);
            for reason in letter.reasons.as_array().into_iter().flatten() {
                let text = |name: &str| reason[name].as_str().unwrap_or_default();
                let same =
                    |count: &&mut ReasonCount| count.code == text("code") && count.field == text("field");
                match counts.iter_mut().find(same) {
                    Some(count) => {
                        count.count += 1;
                        count.oldest = count.oldest.min(letter.first_seen);
                        count.newest = count.newest.max(letter.first_seen);
                    }
                    None => counts.push(ReasonCount {
                        code: text("code").to_owned(),
                        field: text("field").to_owned(),
                        count: 1,
                        oldest: letter.first_seen,
                        newest: letter.first_seen,
                        first: FirstLetter {
                            id: Some(letter.id),
                            file: letter.source.clone(),
                            line: letter.line,
                        },
                    }),
                }
            }
            ControlFlow::Continue(())
        })?;
        counts.sort_by_key(|count| std::cmp::Reverse(count.count));
        Ok(counts)
    }
}

fn source_status(split: SplitStatus, runs: &[RunStatus]) -> SourceStatus {
    let lives = |id: i64| runs.iter().any(|run| run.id == id && run.is_alive);
    SourceStatus {
        id: split.split.source,
        name: split.name,
        data_date: split.data_date,
        size: split.position,
        position: split.position - split.split.start,
        complete: split.complete,
        containers: Vec::new(),
        open_dead_letters: 0,
        counts: split.counts,
        other_rules: false,
        rules: vec![split.rules],
        owner: split.owner.map(|run| OwnerStatus { run, pid: 0, is_alive: split.is_held && lives(run) }),
        updated_at: split.moved_at,
    }
}
