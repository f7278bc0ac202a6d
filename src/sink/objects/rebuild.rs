//! A rebuild in a bucket: the next generation of objects is written beside the present one, which is removed once the
//! new one counts.
//!
//! In between, a listing shows both generations. The state, and every command that uses it, shows one of them for each
//! source.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use bytes::Bytes;

use super::layout::{Names, PathPattern};
use super::letters::{self, KeptLetter};
use super::successors::{self, LettersObject, objects};
use super::{Objects, Place, history, names, pass, state};
use crate::bucket::Listed;
use crate::error::{Error, Result};
use crate::sink::destination::Settings;
use crate::sink::ledger::{KnownLetters, LettersId, LettersRecord, MapLedger, Untidy};
use crate::sink::rebuild::Rebuilt;

/// Removes the objects of sources that are of another generation than the one that counts.
pub(super) fn tidy(place: &Place, settings: &Settings, untidy: &[Untidy]) -> Result<()> {
    if untidy.is_empty() {
        return Ok(());
    }
    let readers = readers(place, settings, untidy)?;
    let folder = letters::folder(&place.table);
    let generation = |key: &str| match key.strip_prefix(&folder) {
        Some(name) => successors::generation_of(name),
        None => readers.iter().find_map(|reader| reader.read(key)).map(|name| name.generation),
    };
    let is_of_these = |listed: &Listed| untidy.iter().any(|of| names(&listed.key, &of.label));
    let rows = place.list(settings, &format!("{}/", place.table), is_of_these)?;
    let letters = place.list(settings, &folder, is_of_these)?;
    // Asked once these are listed: what is written from now on is not among them.
    let mut untidy_still: HashMap<i32, bool> = HashMap::new();
    let mut is_still_untidy = |of: &Untidy| -> Result<bool> {
        let known = untidy_still.get(&of.source).copied();
        let is_still = known.map_or_else(|| state::is_still_untidy(place, settings, of), Ok)?;
        untidy_still.insert(of.source, is_still);
        Ok(is_still)
    };
    for Listed { key, .. } in rows.iter().chain(&letters) {
        let Some(of) = untidy.iter().find(|of| names(key, &of.label)) else { continue };
        let has_gone = match generation(key) {
            // What was begun since is another's.
            Some(generation) => generation != of.generation && generation <= of.begun,
            // By no `path` that the job had since the first of them was begun: it is of before.
            None => of.has_moved() && is_still_untidy(of)?,
        };
        if has_gone {
            place.ask(settings, "removing an object", |bucket| bucket.delete(key))?;
        }
    }
    Ok(())
}

/// Readers of names, one for each `path` that the job has had since the first of these generations was begun.
fn readers(place: &Place, settings: &Settings, untidy: &[Untidy]) -> Result<Vec<Names>> {
    let now = settings.objects.path.to_string();
    let paths: BTreeSet<&String> = untidy.iter().flat_map(|of| &of.paths).chain([&now]).collect();
    let reader = |path: &String| match PathPattern::parse(path) {
        Ok(path) => Ok(Names::of(&path, &place.table)),
        Err(why) => Err(Error::broken(format!("the state has a path of objects, {path:?}, that {why}"))),
    };
    paths.into_iter().map(reader).collect()
}

/// Tidies up after dead rebuilds that the claim has found.
pub(super) fn tidy_claimed(place: &Place, settings: &Settings, ledger: &MapLedger) -> Result<()> {
    tidy(place, settings, ledger.untidy())?;
    ledger.untidy().iter().try_for_each(|of| ledger.mark_tidy(of))
}

/// Lets the new generation count, and removes the one before.
pub(super) fn end(of: &mut Objects) -> Result<Rebuilt> {
    let Objects { settings, place, ledger, new_letters, .. } = of;
    let sources = ledger.renewed();
    if sources.is_empty() {
        return Ok(Rebuilt::default());
    }
    let mut rebuilt = Rebuilt {
        rows_removed: history::rows_of(place, settings, &sources)?,
        dead_letters_superseded: history::rejected_of(place, settings, &sources)?,
        sources_removed: ledger.without_file().len() as u64,
        ..Rebuilt::default()
    };
    carry_over(place, settings, ledger, new_letters, &sources, &mut rebuilt)?;
    pass("before-rebuild-commit")?;
    ledger.end_renewals()?;
    pass("after-rebuild-commit")?;
    let moved = ledger.moved();
    tidy(place, settings, &moved)?;
    pass("after-removal")?;
    moved.iter().try_for_each(|of| ledger.mark_tidy(of))?;
    ledger.without_file().into_iter().try_for_each(|source| ledger.forget_renewal(source))?;
    Ok(rebuilt)
}

/// Gives the new generation up: its objects go. Where it may count already, the next run finds out.
pub(super) fn abandon(of: &Objects) -> Result<()> {
    let Objects { settings, place, ledger, .. } = of;
    let all = ledger.given_up();
    tidy(place, settings, &all)?;
    all.iter().try_for_each(|of| ledger.mark_tidy(of))
}

/// The decision of a person about a letter of the old generation.
struct Old {
    is_discarded: bool,
    is_replayed: bool,
    codes: Vec<String>,
    letter: KeptLetter,
}

/// By what a letter is known again: its source, and the bytes of its record.
type Bytes16 = (i32, Vec<u8>);

/// Carries over what people had decided about letters: one that comes again as it was stays discarded, and what was
/// mended is kept. Nothing counts yet of what is written for it.
fn carry_over(
    place: &Place,
    settings: &Settings,
    ledger: &MapLedger,
    new: &[LettersId],
    sources: &[i32],
    rebuilt: &mut Rebuilt,
) -> Result<()> {
    let mut old: HashMap<Bytes16, VecDeque<Old>> = HashMap::new();
    let decided = |object: &&LettersObject| object.known.1.is_some() && sources.contains(&object.id.source);
    let all = objects(place, settings)?;
    // Of letters of the same bytes the first is the first, also among those that nobody has touched.
    let touched: HashSet<i32> = all.iter().filter(decided).map(|object| object.id.source).collect();
    for object in all.iter().filter(|object| touched.contains(&object.id.source)) {
        for letter in object.read(place, settings)? {
            let (is_discarded, is_replayed) = (letter.state() == "discarded", letter.state() == "replayed");
            let old_letter = Old { is_discarded, is_replayed, codes: letter.codes(), letter };
            let key = (object.id.source, old_letter.letter.evidence());
            old.entry(key).or_default().push_back(old_letter);
        }
    }
    if old.is_empty() {
        return Ok(());
    }
    for id in new.iter().filter(|id| touched.contains(&id.source)) {
        let key = format!("{}{}.ndjson", letters::folder(&place.table), id.stem);
        let mut letters = successors::read(place, settings, &key)?;
        let (mut discarded, mut is_changed) = (0, false);
        for letter in &mut letters {
            let Some(old) = old.get_mut(&(id.source, letter.evidence())).and_then(VecDeque::pop_front) else {
                continue;
            };
            is_changed |= letter.keep_mended(&old.letter);
            if old.is_discarded && old.codes == letter.codes() {
                letter.be_discarded(old.letter.note());
                (discarded, is_changed) = (discarded + 1, true);
            } else {
                rebuilt.undone += u64::from(old.is_discarded || old.is_replayed);
            }
        }
        if is_changed {
            let lines: Vec<u8> = letters.iter().flat_map(KeptLetter::to_line).collect();
            let lines = Bytes::from(lines);
            place.ask(settings, "writing dead letters", |bucket| bucket.put(&key, lines.clone()))?;
        }
        if discarded > 0 {
            let known: KnownLetters = (LettersRecord { discarded, ..LettersRecord::default() }, None);
            ledger.note_letters(id, known)?;
            rebuilt.discarded_again += u64::try_from(discarded).unwrap_or(0);
        }
    }
    // Those whose records are rows now.
    rebuilt.undone += old.values().flatten().filter(|old| old.is_discarded).count() as u64;
    Ok(())
}
