//! Replaying and discarding dead letters: both write successors of their objects, one object at a time.
//!
//! A page of a replay has letters of one object. Its rows are written as separate objects of the range that the letters
//! came from, before the successor says that the letters are rows.

use std::collections::HashMap;
use std::sync::Arc;

use super::commit::{Named, Writing};
use super::growing::{Encoders, Growing};
use super::letters::KeptLetter;
use super::pulse::Pulse;
use super::successors::{LettersObject, Succeeding, objects};
use super::{Place, pass, state};
use crate::error::{Error, Result};
use crate::sink::dead_letter::Letter;
use crate::sink::destination::Settings;
use crate::sink::history::Filter;
use crate::sink::ledger::MapLedger;
use crate::sink::replay::{OpenLetter, Stands, Tried, overtaken};
use crate::sink::{Batch, Committed, Counts, Ending};

/// The maximum number of letters in a page,
const PAGE_LETTERS: usize = 20_000;
/// and of bytes in their records, unless one record alone is larger.
const PAGE_BYTES: usize = 16 << 20;

/// Open letters, page by page.
pub(super) struct Pager {
    objects: Vec<LettersObject>,
    /// The object that the next page is of, or one behind it.
    next: usize,
    /// The one that the last page was of.
    current: usize,
}

impl Pager {
    pub(super) fn new(place: &Place, settings: &Settings) -> Result<Pager> {
        Ok(Pager { objects: objects(place, settings)?, next: 0, current: 0 })
    }

    /// The next page of those that the filter means, behind a place.
    pub(super) fn page(
        &mut self,
        place: &Place,
        settings: &Settings,
        filter: &Filter,
        after: Option<(i32, u64)>,
    ) -> Result<Vec<OpenLetter>> {
        while let Some(object) = self.objects.get(self.next) {
            self.current = self.next;
            let (mut page, mut bytes) = (Vec::new(), 0);
            let mut is_cut = false;
            for letter in object.read(place, settings)? {
                let is_behind = after.is_none_or(|after| (object.id.source, letter.offset()) > after);
                if letter.state() != "open" || !is_behind || !letter.is_meant(object.written, filter) {
                    continue;
                }
                let letter = open_letter(&letter, object);
                bytes += letter.raw.as_ref().or(letter.fixed.as_ref()).map_or(0, Vec::len);
                is_cut = page.len() == PAGE_LETTERS || !page.is_empty() && bytes > PAGE_BYTES;
                if is_cut {
                    break;
                }
                page.push(letter);
            }
            self.next += usize::from(!is_cut);
            if !page.is_empty() {
                return Ok(page);
            }
        }
        Ok(Vec::new())
    }
}

fn open_letter(letter: &KeptLetter, object: &LettersObject) -> OpenLetter {
    OpenLetter {
        id: letter.id(),
        attempts: letter.attempts(),
        source_id: object.id.source,
        source: letter.source().to_owned(),
        data_date: object.data_date,
        offset: letter.offset(),
        length: letter.length(),
        raw: letter.raw(),
        raw_hash: letter.raw_hash(),
        fixed: letter.fixed(),
        preamble: letter.preamble(),
    }
}

/// Commits a batch of letters, which are those of the last page.
pub(super) fn commit(
    writing: &Writing<'_>,
    pager: Option<&mut Pager>,
    pool: &Arc<rayon::ThreadPool>,
    batch: &Batch,
) -> Result<Committed> {
    let Writing { settings, place, encoding, ledger } = writing;
    let object = pager.and_then(|pager| pager.objects.get_mut(pager.current));
    let ([advance], Some(object), [first, ..]) = (&batch.advances[..], object, &batch.tried[..]) else {
        return Err(Error::broken("a batch of letters is of one object"));
    };
    pass("before-fence")?;
    let mut letters = object.read(place, settings)?;
    let tried: HashMap<u64, &Tried> = batch.tried.iter().map(|tried| (tried.offset, tried)).collect();
    refuse_moved(&letters, &tried)?;
    pass("after-fence")?;
    let encoders = Encoders::new(encoding, pool, &object.label);
    let mut growing = Growing::new(advance.split, encoders, settings, &[], object.data_date);
    batch.parcels.iter().for_each(|parcel| growing.add(parcel));
    let stretches = growing.end(object.start, object.end, batch.parcels[0].source.path())?;
    let (label, generation) = (object.label.clone(), object.generation);
    let named = |replay| Named { label: &label, generation, replay };
    let succeeding = Succeeding { place, settings, ledger };
    let stems = |number| writing.stems(&named(number), &stretches);
    let begun = succeeding.begin(object, &what(place, batch), &stems)?.ok_or_else(|| overtaken(first.id))?;
    pass("after-open")?;
    writing.write_rows(&named(begun.number), stretches)?;
    pass("after-rows")?;
    let refused = batch.dead_letters(&[], settings.raw_max)?;
    let refused: HashMap<u64, &Letter<'_>> =
        refused.iter().map(|letter| (letter.span.start, letter)).collect();
    let mut replayed = 0;
    for letter in &mut letters {
        let Some(tried) = tried.get(&letter.offset()) else { continue };
        match refused.get(&tried.offset) {
            Some(again) => {
                letter.be_refused(tried, again, settings.rules_hash, (object.written, begun.at));
            }
            None => {
                letter.become_row(tried, settings.rules_hash, begun.number);
                replayed += 1;
            }
        }
    }
    if !succeeding.end(object, &begun, &letters, (replayed, 0))? {
        return Err(overtaken(first.id));
    }
    let of_batch = advance.counts;
    let counts = Counts { inserted: of_batch.records - of_batch.rejected, ..of_batch };
    Ok(Committed { counts: vec![counts], refused: Vec::new(), completed: Vec::new() })
}

/// Refuses letters that have changed since they were read.
fn refuse_moved(letters: &[KeptLetter], tried: &HashMap<u64, &Tried>) -> Result<()> {
    let mut left: HashMap<u64, &Tried> = tried.clone();
    for letter in letters {
        if let Some(tried) = left.remove(&letter.offset())
            && tried.stands(letter.state(), letter.attempts()) == Stands::Moved
        {
            return Err(overtaken(tried.id));
        }
    }
    left.values().next().map_or(Ok(()), |tried| Err(overtaken(tried.id)))
}

/// A hash of everything that determines what a replay writes: the rules, the letters, and their corrections.
fn what(place: &Place, batch: &Batch) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(place.rules.as_bytes());
    for tried in &batch.tried {
        hasher.update(format!("\n{} {} ", tried.offset, tried.attempts).as_bytes());
        match &tried.fixed {
            Some(Some(fixed)) => hasher.update(format!("{} ", fixed.len()).as_bytes()).update(fixed),
            Some(None) => hasher.update(b"-"),
            None => hasher.update(b"="),
        };
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Discards the open letters that the filter means, with a note, and says how many.
pub(super) fn discard(
    place: &Place,
    settings: &Settings,
    filter: &Filter,
    note: Option<&str>,
) -> Result<u64> {
    let settings = &Settings { command: DISCARD.to_owned(), ..settings.clone() };
    let is_meant = |letter: &KeptLetter, object: &LettersObject| {
        letter.state() == "open" && letter.is_meant(object.written, filter)
    };
    let mut meant = Vec::new();
    for object in objects(place, settings)? {
        if object.read(place, settings)?.iter().any(|letter| is_meant(letter, &object)) {
            meant.push(object);
        }
    }
    if meant.is_empty() {
        return Ok(0);
    }
    let mut ledger = MapLedger::begin(state::store(place), state::settings(place, settings))?;
    let _pulse = Pulse::of(ledger.heart(), settings.state.lease)?;
    let succeeding = Succeeding { place, settings, ledger: &ledger };
    let discarded = succeeding.tidy().and_then(|()| {
        let mut discarded = 0;
        for mut object in meant {
            let mut letters = object.read(place, settings)?;
            let mut hasher = blake3::Hasher::new();
            hasher.update(format!("{DISCARD} {note:?}").as_bytes());
            let (mut moved, mut last) = (0, 0);
            for letter in letters.iter_mut().filter(|letter| is_meant(letter, &object)) {
                letter.be_discarded(note);
                hasher.update(format!(" {}", letter.offset()).as_bytes());
                (moved, last) = (moved + 1, letter.id());
            }
            if moved == 0 {
                // Another run has closed all of them.
                continue;
            }
            let what = hasher.finalize().to_hex()[..32].to_owned();
            let begun = succeeding.begin(&mut object, &what, &|_| Vec::new())?;
            let begun = begun.ok_or_else(|| overtaken(last))?;
            pass("after-open")?;
            if !succeeding.end(&mut object, &begun, &letters, (0, moved))? {
                return Err(overtaken(last));
            }
            discarded += u64::try_from(moved).unwrap_or(0);
        }
        Ok(discarded)
    });
    let (outcome, exit_code) = if discarded.is_ok() { ("finished", 0) } else { ("failed", 1) };
    let ending = Ending { outcome, exit_code, counts: &Counts::default(), bytes: 0, failure: None };
    let ended = ledger.finish(&ending);
    discarded.and_then(|discarded| ended.map(|()| discarded))
}

/// The command name of a run that discards letters.
pub(super) const DISCARD: &str = "dead-letters discard";
