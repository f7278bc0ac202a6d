//! The commit of a batch: fence, open range, objects, dead letters, a last look at the file, then the checkpoint.
//!
//! A failure before the checkpoint leaves objects that the next run writes again, byte for byte, or removes. The
//! checkpoint moves only once the bucket has acknowledged everything before it.

use std::collections::VecDeque;
use std::path::Path;

use bytes::Bytes;

use super::body::Encoding;
use super::growing::{Growing, Stretch};
use super::layout::{self, DayPart, Layout};
use super::letters::{self, Envelope};
use super::{Place, pass};
use crate::bucket::Pending;
use crate::error::Result;
use crate::sink::destination::Settings;
use crate::sink::ledger::{LettersId, MapLedger, OpenRange};
use crate::sink::{Advance, Batch, Committed, Counts};

/// Everything that a commit needs.
pub(super) struct Writing<'a> {
    pub(super) settings: &'a Settings,
    pub(super) place: &'a Place,
    pub(super) encoding: &'a Encoding,
    pub(super) ledger: &'a mut MapLedger,
}

/// The common parts of the names of a batch's objects.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    /// The label of their source.
    pub(super) label: &'a str,
    pub(super) generation: i32,
    /// The number of the replay of dead letters that wrote the rows; 0 for those of the load.
    pub(super) replay: u32,
}

/// The maximum number of objects in flight,
const UNDER_WAY: usize = 8;
/// and of their bytes, unless one object alone is larger.
const UNDER_WAY_BYTES: usize = 32 << 20;

impl Writing<'_> {
    /// Commits a batch, whose rows are in `growing`.
    pub(super) fn commit(&mut self, batch: &Batch, advance: &Advance, growing: Growing) -> Result<Committed> {
        pass("before-fence")?;
        self.ledger.fence(&batch.advances)?;
        pass("after-fence")?;
        // Checked early, before the expensive steps, and again when everything is written.
        batch.still_holds()?;
        let known = self.ledger.open_range(advance.split).cloned();
        let stretches = grown(batch, advance, growing)?;
        let letters = self.letters(batch, advance)?;
        let range = self.range(advance, &stretches, letters.is_some());
        let stems = range.stems.clone();
        if !stems.is_empty() || known.is_some() {
            let abandoned: Vec<String> = known
                .map(|known| known.stems.into_iter().filter(|stem| !stems.contains(stem)).collect())
                .unwrap_or_default();
            self.ledger.open(advance, range, &abandoned)?;
            self.place.remove(self.settings, &abandoned)?;
        }
        pass("after-open")?;
        self.write_rows(&self.named(advance), stretches)?;
        pass("after-rows")?;
        if let Some(letters) = letters {
            self.write_letters(advance, &letters)?;
        }
        pass("after-dead-letters")?;
        if let Err(error) = batch.still_holds() {
            self.place.remove(self.settings, &stems)?;
            return Err(error);
        }
        pass("before-commit")?;
        let counts = Counts { inserted: advance.counts.records - advance.counts.rejected, ..advance.counts };
        let completed = self.ledger.advance(&batch.advances, &[counts])?;
        pass("after-commit")?;
        Ok(Committed { counts: vec![counts], refused: Vec::new(), completed })
    }

    /// Commits a batch of a source that is being reloaded. Its objects are written beside the existing ones and do not
    /// count yet.
    pub(super) fn commit_anew(
        &mut self,
        batch: &Batch,
        advance: &Advance,
        growing: Growing,
        new: &mut Vec<LettersId>,
    ) -> Result<Committed> {
        pass("before-fence")?;
        self.ledger.fence_renewal(advance.split.source)?;
        pass("after-fence")?;
        let stretches = grown(batch, advance, growing)?;
        let letters = self.letters(batch, advance)?;
        self.write_rows(&self.named(advance), stretches)?;
        pass("after-rows")?;
        if let Some(letters) = letters {
            self.write_letters(advance, &letters)?;
            new.push(LettersId { source: advance.split.source, stem: self.letters_name(advance) });
        }
        pass("after-dead-letters")?;
        batch.still_holds()?;
        pass("before-commit")?;
        let counts = Counts { inserted: advance.counts.records - advance.counts.rejected, ..advance.counts };
        let completed = self.ledger.advance_renewal(advance, &counts)?;
        pass("after-commit")?;
        Ok(Committed { counts: vec![counts], refused: Vec::new(), completed })
    }

    fn named(&self, advance: &Advance) -> Named<'_> {
        let source = advance.split.source;
        let (label, generation) = (self.ledger.label(source), self.ledger.generation(source));
        Named { label, generation, replay: 0 }
    }

    fn place_of<'p>(&'p self, named: &Named<'p>, stretch: &Stretch, day: DayPart) -> layout::Place<'p> {
        layout::Place {
            table: &self.place.table,
            day,
            source: named.label,
            start: stretch.start,
            end: stretch.end,
            rules: &self.place.rules,
            generation: named.generation,
            replay: named.replay,
        }
    }

    /// The prefixes of the names of the objects of these rows.
    pub(super) fn stems(&self, named: &Named<'_>, stretches: &[Stretch]) -> Vec<String> {
        let path = &self.settings.objects.path;
        let of_stretch = |stretch: &Stretch| -> Vec<String> {
            stretch.days.keys().map(|day| path.stem(&self.place_of(named, stretch, *day))).collect()
        };
        stretches.iter().flat_map(of_stretch).collect()
    }

    /// The record of the open range, which is written before the first object.
    fn range(&self, advance: &Advance, stretches: &[Stretch], has_letters: bool) -> OpenRange {
        let mut stems = self.stems(&self.named(advance), stretches);
        stems.extend(has_letters.then(|| self.letters_stem(advance)));
        OpenRange {
            from: advance.from,
            ends: stretches.iter().map(|stretch| stretch.end).collect(),
            rules: self.place.rules.clone(),
            stems,
            is_shared: false,
        }
    }

    /// Writes the objects of a range, each as soon as its pieces are encoded.
    pub(super) fn write_rows(&self, named: &Named<'_>, stretches: Vec<Stretch>) -> Result<()> {
        let Layout { form, path, .. } = &self.settings.objects;
        let mut queue = Queue::new(self);
        for mut stretch in stretches {
            for (day, objects) in std::mem::take(&mut stretch.days) {
                let place = self.place_of(named, &stretch, day);
                for (object, number) in objects.into_iter().zip(1..) {
                    let name = path.name(&place, number, form.word());
                    queue.put(name, object.wait(self.encoding)?)?;
                }
            }
        }
        queue.finish()
    }

    /// The content of the object of the batch's dead letters, if it has any.
    fn letters(&self, batch: &Batch, advance: &Advance) -> Result<Option<Vec<u8>>> {
        let letters = batch.dead_letters(&[], self.settings.raw_max)?;
        let source = advance.split.source;
        let table = self.settings.table.remembered();
        let envelope = Envelope {
            job: &self.settings.job,
            table: &table,
            data_date: self.settings.data_date.map(|date| date.to_string()),
            label: self.ledger.label(source),
            source: self.ledger.name(source),
            split_start: advance.split.start,
            generation: self.ledger.generation(source),
        };
        let lines: Vec<u8> = letters.iter().flat_map(|letter| envelope.line(letter)).collect();
        Ok(Some(lines).filter(|lines| !lines.is_empty()))
    }

    fn letters_stem(&self, advance: &Advance) -> String {
        format!("{}{}", letters::folder(&self.place.table), self.letters_name(advance))
    }

    /// The prefix of the name of the batch's object of dead letters, without its folder.
    fn letters_name(&self, advance: &Advance) -> String {
        let Named { label, generation, .. } = self.named(advance);
        let generation = if generation > 0 { format!("-g{generation}") } else { String::new() };
        format!("{label}-{:014}-{:014}-{}{generation}", advance.from, advance.to, self.place.rules)
    }

    fn write_letters(&self, advance: &Advance, lines: &[u8]) -> Result<()> {
        let key = format!("{}.ndjson", self.letters_stem(advance));
        let bytes = Bytes::copy_from_slice(lines);
        self.place.ask(self.settings, "writing dead letters", |bucket| bucket.put(&key, bytes.clone()))
    }
}

/// Completes the range of a batch.
fn grown(batch: &Batch, advance: &Advance, growing: Growing) -> Result<Vec<Stretch>> {
    let path = batch.parcels.first().map_or(Path::new(""), |parcel| parcel.source.path());
    growing.end(advance.from, advance.to, path)
}

fn size(body: &[Bytes]) -> usize {
    body.iter().map(Bytes::len).sum()
}

/// The objects in flight. After an outage, an object is sent again until the bucket acknowledges it.
struct Queue<'a> {
    writing: &'a Writing<'a>,
    under_way: VecDeque<(String, Vec<Bytes>, Pending<()>)>,
    bytes: usize,
}

impl<'a> Queue<'a> {
    fn new(writing: &'a Writing<'a>) -> Queue<'a> {
        Queue { writing, under_way: VecDeque::new(), bytes: 0 }
    }

    fn put(&mut self, key: String, body: Vec<Bytes>) -> Result<()> {
        pass("before-object")?;
        let bytes = size(&body);
        while self.under_way.len() >= UNDER_WAY || self.bytes > 0 && self.bytes + bytes > UNDER_WAY_BYTES {
            self.settle()?;
        }
        self.bytes += bytes;
        let pending = self.writing.place.bucket.put_later(&key, &body);
        self.under_way.push_back((key, body, pending));
        pass("after-object")
    }

    /// Waits for the oldest one.
    fn settle(&mut self) -> Result<()> {
        let Some((key, body, pending)) = self.under_way.pop_front() else { return Ok(()) };
        self.bytes -= size(&body);
        match pending.wait() {
            Err(failure) if failure.is_outage() => {
                let Writing { place, settings, .. } = self.writing;
                place.ask(settings, "writing an object", |bucket| bucket.put_later(&key, &body).wait())
            }
            done => {
                let doing = format!("writing {}", self.writing.place.bucket.url_of(&key));
                done.map_err(|failure| failure.into_error(&doing))
            }
        }
    }

    fn finish(mut self) -> Result<()> {
        while !self.under_way.is_empty() {
            self.settle()?;
        }
        Ok(())
    }
}

impl Drop for Queue<'_> {
    /// After a failure, waits for the others. A run that has given its sources back must not have an object on its
    /// way: the next run may have given that range up, and would remove the object too early.
    fn drop(&mut self) {
        for (.., pending) in self.under_way.drain(..) {
            let _ = pending.wait();
        }
    }
}
