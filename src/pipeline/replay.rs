//! The replay: puts dead letters through the present rules once more.
//!
//! Letters come page by page in the order of their sources and places; each is a chunk of its own, and a page
//! is a batch. Of the pipeline only its work and its commit are used: letters are few, and need no pool.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;

use super::stats::reasons_of;
use crate::error::{ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::failpoint;
use crate::sink::history::Filter;
use crate::sink::replay::{OpenLetter, Page, Tried};
use crate::sink::{Batch, Constant, Counts, Sink};
use crate::source::{Chunk, Reach, Source};
use crate::split::Split;
use crate::stop::Stop;
use crate::work::{Assignment, Parcel, Recipe, Rows, Work, Worker};

/// What depends on the data date of a source.
pub struct OfDay {
    /// How its records become rows.
    pub recipe: Recipe,
    /// The constant columns of these rows, if they can differ from the previous ones.
    pub constants: Option<Vec<Constant>>,
}

/// The job on a given day, or on none; `Err` says why its records cannot become rows then.
pub type OnDay<'a> = &'a dyn Fn(Option<NaiveDate>) -> Result<OfDay, String>;

/// Bytes that a person has mended.
pub trait Mended {
    /// The mended bytes of a letter, if there are any.
    fn of(&mut self, id: i64) -> Result<Option<Vec<u8>>>;
}

/// The letters to try, and their order.
#[derive(Clone, Debug)]
pub struct ReplaySettings {
    /// The open letters that match this filter.
    pub filter: Filter,
    /// How to reach the buckets that sources are in.
    pub reach: Reach,
    /// From the last to the first: if existing rows win, the later of two records with one key then wins.
    pub is_backwards: bool,
    pub observer: Observer,
}

/// The outcome of a replay.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Letters whose records are rows now.
    pub replayed: u64,
    /// Letters that were refused once more.
    pub again_bad: u64,
    /// The number of letters that could not be tried, and are unchanged.
    pub not_replayable: u64,
    /// The first of these letters, with the reasons.
    pub why: Vec<(i64, String)>,
    /// The ids of all letters that were read.
    pub met: Vec<i64>,
    /// The outcomes of their rows.
    pub counts: Counts,
    /// Bytes of records.
    pub bytes: u64,
    pub batches: u64,
}

/// At most this many letters that could not be tried are reported one by one.
const TOLD_MAX: usize = 100;

impl Replayed {
    /// Records a letter that cannot be tried.
    pub fn leave(&mut self, id: i64, why: String) {
        self.not_replayable += 1;
        if self.why.len() < TOLD_MAX {
            self.why.push((id, why));
        }
    }

    fn leave_all(&mut self, letters: &[OpenLetter], why: &str) {
        for letter in letters {
            self.met.push(letter.id);
            self.leave(letter.id, why.to_owned());
        }
    }
}

/// Tries letters once more. What was committed before an error is in `outcome`, and stays.
pub fn replay(
    settings: &ReplaySettings,
    on_day: OnDay<'_>,
    mut mended: Option<&mut dyn Mended>,
    sink: &mut dyn Sink,
    stop: &Stop,
    outcome: &mut Replayed,
) -> Result<()> {
    let mut page = Page { after: None, is_backwards: settings.is_backwards };
    let mut worker = Worker::default();
    loop {
        if let Some(signal) = stop.asked() {
            return Err(ErrorKind::Stopped(signal).into());
        }
        let letters = sink.open_letters(&settings.filter, page)?;
        let Some(last) = letters.last() else { return Ok(()) };
        page.after = Some((last.source_id, last.offset));
        for of_a_day in letters.chunk_by(|one, other| one.data_date == other.data_date) {
            let OfDay { recipe, constants } = match on_day(of_a_day[0].data_date) {
                Ok(of_day) => of_day,
                Err(why) => {
                    outcome.leave_all(of_a_day, &why);
                    continue;
                }
            };
            if let Some(constants) = constants {
                sink.set_constants(&constants)?;
            }
            let work = sink.work(recipe.clone());
            let mut attempt = Attempt {
                recipe: &recipe,
                reach: &settings.reach,
                work: &*work,
                worker: &mut worker,
                outcome,
            };
            let (parcels, tried) = attempt.all(of_a_day, &mut mended)?;
            if !parcels.is_empty() {
                commit(sink, Batch::of_letters(parcels, tried), outcome, &settings.observer)?;
            }
        }
    }
}

fn commit(sink: &mut dyn Sink, batch: Batch, outcome: &mut Replayed, observer: &Observer) -> Result<()> {
    let batch = Arc::new(batch);
    let began = Instant::now();
    let committed = sink.commit(&batch)?;
    let took = began.elapsed();
    let mut of_batch = Counts::default();
    for counts in &committed.counts {
        of_batch.add(counts);
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        outcome.again_bad += count(counts.rejected);
        outcome.replayed += count(counts.records - counts.rejected);
    }
    outcome.counts.add(&of_batch);
    let bytes = batch.parcels.iter().map(|parcel| parcel.span.len()).sum::<u64>();
    outcome.bytes += bytes;
    outcome.batches += 1;
    let reasons = reasons_of(&batch, &committed.refused);
    // They come from no file.
    observer.tell(&Event::Committed { counts: of_batch, reasons, bytes, raw_bytes: 0, took });
    failpoint::reached("between-batches");
    Ok(())
}

/// What is needed to try the letters of a page.
struct Attempt<'a> {
    recipe: &'a Recipe,
    reach: &'a Reach,
    work: &'a dyn Work,
    worker: &'a mut Worker,
    outcome: &'a mut Replayed,
}

impl Attempt<'_> {
    /// Makes a parcel from each letter that can be tried.
    fn all(
        &mut self,
        letters: &[OpenLetter],
        mended: &mut Option<&mut dyn Mended>,
    ) -> Result<(Vec<Parcel>, Vec<Tried>)> {
        let (mut parcels, mut all_tried) = (Vec::new(), Vec::new());
        let mut source: Option<(i32, Arc<Source>)> = None;
        for letter in letters {
            self.outcome.met.push(letter.id);
            let own = match mended {
                Some(mended) => mended.of(letter.id)?,
                None => None,
            };
            let fixed =
                own.as_ref().map(|own| Some(own.clone()).filter(|own| letter.raw.as_ref() != Some(own)));
            let chunk = match own {
                Some(bytes) => Ok(self.chunk(letter, bytes)),
                None => self.chunk_of(letter),
            };
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(why) => {
                    self.outcome.leave(letter.id, why);
                    continue;
                }
            };
            let of = match &source {
                Some((id, source)) if *id == letter.source_id => Arc::clone(source),
                _ => Arc::new(Source::was_read(Path::new(&letter.source))),
            };
            source = Some((letter.source_id, Arc::clone(&of)));
            let parcel = self.parcel(letter, of, chunk);
            match parcel.records {
                1 => {
                    let OpenLetter { id, attempts, source_id, offset, .. } = *letter;
                    let fixed = fixed.filter(|fixed| *fixed != letter.fixed);
                    all_tried.push(Tried { id, attempts, source_id, offset, fixed });
                    parcels.push(parcel);
                }
                0 => self
                    .outcome
                    .leave(letter.id, "by the current rules its bytes are not a record".to_owned()),
                several => {
                    let why =
                        format!("by the current rules its bytes are {several} records, but a letter is one");
                    self.outcome.leave(letter.id, why);
                }
            }
        }
        Ok((parcels, all_tried))
    }

    /// The bytes of a letter, or why there are none: if the letter was too long to be kept, they are in the
    /// source.
    fn chunk_of(&self, letter: &OpenLetter) -> Result<Chunk, String> {
        if let Some(bytes) = letter.fixed.as_ref().or(letter.raw.as_ref()) {
            return Ok(self.chunk(letter, bytes.clone()));
        }
        let hash: Option<[u8; 32]> = letter.raw_hash.as_deref().and_then(|hash| hash.try_into().ok());
        let Some(hash) = hash else {
            return Err("neither its bytes nor their hash was kept".to_owned());
        };
        if letter.length > self.recipe.record_bytes_max as u64 {
            return Ok(Chunk::of_long_record(letter.offset, letter.length, hash));
        }
        let path = Path::new(&letter.source);
        match Source::read_anew(path, letter.offset, letter.length, self.reach) {
            Ok(bytes) if *blake3::hash(&bytes).as_bytes() == hash => Ok(self.chunk(letter, bytes)),
            Ok(_) => Err(format!(
                "it was too long to be kept, and {} holds other bytes at its place now",
                path.display()
            )),
            Err(error) => Err(format!(
                "it was too long to be kept, and its source cannot be read: {}",
                error.without_path(path)
            )),
        }
    }

    fn chunk(&self, letter: &OpenLetter, bytes: Vec<u8>) -> Chunk {
        Chunk::of_record(letter.offset, bytes, self.recipe.record_bytes_max)
    }

    fn parcel(&mut self, letter: &OpenLetter, source: Arc<Source>, chunk: Chunk) -> Parcel {
        let (before, behind) = (letter.preamble.clone(), letter.preamble.clone());
        // The split belongs to the batch alone: rows are counted by source.
        let split = Split::whole(letter.source_id);
        self.work.work(self.worker, Assignment { source, split, chunk, before, behind }, Rows::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Preamble;

    fn letter(id: i64) -> OpenLetter {
        OpenLetter {
            id,
            attempts: 1,
            source_id: 1,
            source: "a.ndjson".to_owned(),
            data_date: None,
            offset: 0,
            length: 2,
            raw: Some(b"{}".to_vec()),
            raw_hash: None,
            fixed: None,
            preamble: Preamble::default(),
        }
    }

    #[test]
    fn all_letters_that_cannot_be_tried_count_and_the_first_hundred_are_listed() {
        let mut replayed = Replayed::default();
        let letters: Vec<OpenLetter> = (0..100).map(letter).collect();
        replayed.leave_all(&letters, "no date");
        assert_eq!((replayed.met.len(), replayed.why.len(), replayed.not_replayable), (100, 100, 100));
        assert_eq!(replayed.why[99], (99, "no date".to_owned()));
        replayed.leave(100, "not a record".to_owned());
        assert_eq!((replayed.why.len(), replayed.not_replayable), (100, 101));
    }
}
