//! Buckets as a destination: rows in objects, whose names and bytes follow from the source and the rules.
//!
//! Buckets have no transactions, and none is needed. Every run that writes a range of a source writes the same objects,
//! so writing twice is writing once, and the checkpoint moves afterwards by compare-and-set. A batch is a fixed range of
//! a source, however the workers and chunks divide it. Before its first object the range is recorded as open, with its
//! end and the names of its objects. After a crash the next run writes the range to the same end, and removes the
//! objects that it does not write again.

mod body;
#[cfg(feature = "buckets")]
mod columns;
mod commit;
mod destination;
mod encode;
mod growing;
mod held;
#[cfg(feature = "buckets")]
mod held_columns;
mod history;
pub mod layout;
mod letters;
#[cfg(feature = "buckets")]
mod parquet;
mod pulse;
mod rebuild;
mod replay;
mod state;
mod successors;
mod verify;

use std::sync::{Arc, Mutex, PoisonError};

use self::commit::Writing;
use body::Encoding;
pub(in crate::sink) use destination::{is_named, make};
use growing::{Encoders, Growing};
use layout::Layout;
use pulse::Pulse;
use replay::Pager;
use state::Kept;
use successors::Succeeding;

use super::destination::Settings;
use super::history::Filter;
use super::ledger::{LettersId, MapLedger};
use super::rebuild::Rebuilt;
use super::replay::{OpenLetter, Page};
use super::{Answer, Asked, Batch, Closes, Committed, Constant, Cut, Ending, OpenLetters, Setback, Sink};
use crate::bucket::{Bucket, Failure, Listed};
use crate::error::{Error, Result};
use crate::event::Dataset;
use crate::failpoint;
use crate::outage::Outage;
use crate::schema::Time;
use crate::split::Split;
use crate::work::{Parcel, Recipe, Work};

/// A bucket that is open for a load.
struct Objects {
    settings: Settings,
    place: Place,
    ledger: MapLedger,
    encoding: Encoding,
    /// The position of a replay, if this is one.
    pager: Option<Pager>,
    /// The objects of dead letters that a rebuild has written.
    new_letters: Vec<LettersId>,
    /// The threads that encode objects, shared by all lanes.
    pool: Arc<rayon::ThreadPool>,
    /// The range whose rows are arriving.
    growing: Option<Growing>,
    /// The ledgers of lanes that have ended.
    left: Arc<Mutex<Vec<MapLedger>>>,
    /// Keeps the heart of the run beating. A lane has none: its run has.
    _pulse: Option<Pulse>,
}

/// A table in a bucket.
#[derive(Clone)]
struct Place {
    bucket: Bucket,
    /// The table, as one part of a key.
    table: String,
    /// A short hash of everything that determines names and bytes of objects, except the source.
    rules: String,
    kept: Kept,
}

/// The version of the encoders. A change of what they write needs a new number.
const ENCODER: u32 = 3;

impl Place {
    fn new(bucket: Bucket, settings: &Settings) -> Result<Place> {
        let table = layout::encoded(&settings.table.remembered());
        let kept = Kept::of(&bucket, &table, settings)?;
        Ok(Place { bucket, table, rules: Place::rules(settings), kept })
    }

    /// The same place for another load of the job.
    fn again(&self, settings: &Settings) -> Place {
        Place { rules: Place::rules(settings), ..self.clone() }
    }

    fn rules(settings: &Settings) -> String {
        let Layout { form, object_bytes, path } = &settings.objects;
        let time = time(settings).map(|time| format!("{} {:?} {:?}", time.name, time.kind, time.clock));
        let what = format!(
            "objects {ENCODER}\n{:02x?}\n{}\n{object_bytes}\n{path}\n{}",
            settings.rules_hash.0,
            form.word(),
            time.unwrap_or_default()
        );
        blake3::hash(what.as_bytes()).to_hex()[..8].to_owned()
    }

    /// Repeats a request until the bucket answers. `doing` describes it for messages.
    fn ask<T>(
        &self,
        settings: &Settings,
        doing: &str,
        mut ask: impl FnMut(&Bucket) -> Result<T, Failure>,
    ) -> Result<T> {
        let mut outage = Outage::new(settings.patience());
        let doing = format!("{}: {doing}", self.bucket.describe());
        loop {
            match ask(&self.bucket) {
                Ok(answer) => return Ok(answer),
                Err(failure) if failure.is_outage() => {
                    let what = format!("{doing}: {failure}");
                    outage.wait("bucket", &what, || failure.into_error(&doing))?;
                }
                Err(failure) => return Err(failure.into_error(&doing)),
            }
        }
    }

    /// Removes the objects with these prefixes, which end before the number of the object.
    fn remove(&self, settings: &Settings, stems: &[String]) -> Result<()> {
        for stem in stems {
            // A stem is followed by `.ext` or `.N.ext`; any other key belongs to another range.
            let found = self.list(settings, stem, |listed| listed.key[stem.len()..].starts_with('.'))?;
            for listed in found {
                self.ask(settings, "removing an object", |bucket| bucket.delete(&listed.key))?;
            }
        }
        Ok(())
    }

    /// The selected objects with this prefix. Besides them, only one page of the listing is in memory.
    fn list(
        &self,
        settings: &Settings,
        prefix: &str,
        is_meant: impl Fn(&Listed) -> bool,
    ) -> Result<Vec<Listed>> {
        let mut meant = Vec::new();
        self.each(settings, prefix, |listed| {
            meant.extend(is_meant(&listed).then_some(listed));
            Ok(())
        })?;
        Ok(meant)
    }

    /// Visits the objects with this prefix, page by page.
    fn each(
        &self,
        settings: &Settings,
        prefix: &str,
        mut visit: impl FnMut(Listed) -> Result<()>,
    ) -> Result<()> {
        let mut pages = self.bucket.list(prefix);
        while let Some(page) = self.ask(settings, "listing objects", |_| pages.next().transpose())? {
            page.into_iter().try_for_each(&mut visit)?;
        }
        Ok(())
    }
}

impl Place {
    /// Removes all objects of these sources below a folder.
    fn remove_of(&self, settings: &Settings, folder: &str, labels: &[&str]) -> Result<()> {
        let of_these = |listed: &Listed| labels.iter().any(|label| names(&listed.key, label));
        for listed in self.list(settings, folder, of_these)? {
            self.ask(settings, "removing an object", |bucket| bucket.delete(&listed.key))?;
        }
        Ok(())
    }
}

/// Whether a key contains the label of a source, and not as a part of a longer one.
fn names(key: &str, label: &str) -> bool {
    let is_of_label = |ch: char| ch.is_ascii_alphanumeric();
    key.match_indices(label).any(|(at, _)| {
        let (before, after) = (&key[..at], &key[at + label.len()..]);
        !label.is_empty() && !before.ends_with(is_of_label) && !after.starts_with(is_of_label)
    })
}

/// The field that determines the day of a row, if names contain the day.
fn time(settings: &Settings) -> Option<Time> {
    settings.rollups.time.clone().filter(|_| settings.objects.path.has_days())
}

/// The origin that a row states: the label of its source, and the offset. A row that another program has written may
/// state none.
type Origin = Option<(String, u64)>;

/// The error for an object that cannot be read to its end.
fn damaged(url: &str, cause: &dyn std::fmt::Display) -> Error {
    let what =
        format!("it is damaged, and what was written is not to be read ({cause}); put it back from a copy");
    Failure::Broken(what).into_error(&format!("reading {url}"))
}

/// Passes a failpoint. A failure there is final.
fn pass(point: &'static str) -> Result<()> {
    match failpoint::reached(point) {
        true => Err(Error::broken(format!("failpoint {point}"))),
        false => Ok(()),
    }
}

impl Objects {
    fn open(place: Place, settings: Settings) -> Result<Objects> {
        let encoding = Encoding::new(&settings, &settings.constants)?;
        place.kept.warn(&settings);
        state::refuse_lost(&place, &settings)?;
        let ledger = MapLedger::begin(state::store(&place), state::settings(&place, &settings))?;
        let pulse = Pulse::of(ledger.heart(), settings.state.lease)?;
        pass("after-prepare")?;
        let pool = Arc::new(growing::pool()?);
        Ok(Objects {
            settings,
            place,
            ledger,
            encoding,
            pager: None,
            new_letters: Vec::new(),
            pool,
            growing: None,
            left: Arc::default(),
            _pulse: Some(pulse),
        })
    }

    /// Takes over the ledgers of lanes that have ended.
    fn take_left(&mut self) {
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        left.into_iter().for_each(|ledger| self.ledger.join(ledger));
    }

    /// Takes the range of a split out of `growing`, or begins it.
    fn grown(&mut self, split: Split) -> Growing {
        if let Some(growing) = self.growing.take().filter(|growing| growing.is_of(split)) {
            return growing;
        }
        let Objects { settings, place, ledger, encoding, pool, .. } = self;
        let ends = match ledger.renews(split.source) {
            true => Vec::new(),
            false => ledger.known_ends(split, &place.rules),
        };
        let encoders = Encoders::new(encoding, pool, ledger.label(split.source));
        Growing::new(split, encoders, settings, &ends, settings.data_date)
    }
}

impl Sink for Objects {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        self.encoding.work(recipe)
    }

    fn set_constants(&mut self, constants: &[Constant]) -> Result<()> {
        self.encoding = Encoding::new(&self.settings, constants)?;
        Ok(())
    }

    fn closes(&self) -> Closes {
        Closes::At(self.settings.objects.object_bytes)
    }

    fn run_id(&self) -> Option<i64> {
        Some(self.ledger.run())
    }

    fn dataset(&self) -> Dataset {
        Dataset::at(&self.place.bucket.url_of(&self.place.table))
    }

    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        self.growing = None;
        // Objects are never changed, so a line that has grown since it was loaded is refused with its place.
        let asked = Asked { key_is_position: false, ..asked.clone() };
        let answers = self.ledger.claim(&asked)?;
        pass("after-claim")?;
        let abandoned = self.ledger.abandoned()?;
        self.place.remove(&self.settings, &abandoned)?;
        rebuild::tidy_claimed(&self.place, &self.settings, &self.ledger)?;
        let Objects { settings, place, ledger, .. } = self;
        Succeeding { place, settings, ledger }.tidy()?;
        self.new_letters.clear();
        Ok(answers)
    }

    fn cut(&mut self, cuts: &[Cut]) -> Result<()> {
        if cuts.is_empty() {
            return Ok(());
        }
        pass("before-cut")?;
        self.ledger.cut(cuts)?;
        pass("after-cut")
    }

    /// As many as requested: lanes share neither objects nor checkpoints.
    fn open_lanes(&mut self, lanes: usize) -> Result<usize> {
        Ok(lanes)
    }

    fn lane(&mut self, splits: &[Split]) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Objects {
            settings: self.settings.clone(),
            place: self.place.clone(),
            ledger: self.ledger.lane(splits),
            encoding: self.encoding.clone(),
            pager: None,
            new_letters: Vec::new(),
            pool: Arc::clone(&self.pool),
            growing: None,
            left: Arc::clone(&self.left),
            _pulse: None,
        }))
    }

    fn leave(&mut self) {
        let ledger = self.ledger.leave();
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(ledger);
    }

    fn take_ahead(&mut self, parcel: &Parcel) -> bool {
        let mut growing = self.grown(parcel.split);
        growing.add(parcel);
        self.growing = Some(growing);
        true
    }

    fn forget_ahead(&mut self) {
        self.growing = None;
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        if let Some(progress) = &batch.progress {
            self.ledger.heart().tell(progress);
        }
        let [advance] = &batch.advances[..] else {
            return Err(Error::broken("a batch for objects is of one source"));
        };
        if batch.is_replay() {
            let Objects { settings, place, encoding, ledger, pager, pool, .. } = self;
            let writing = Writing { settings, place, encoding, ledger };
            return replay::commit(&writing, pager.as_mut(), pool, batch);
        }
        let mut growing = self.grown(advance.split);
        // Parcels that were taken ahead are empty by now.
        batch.parcels.iter().for_each(|parcel| growing.add(parcel));
        let Objects { settings, place, encoding, ledger, new_letters, .. } = self;
        let mut writing = Writing { settings, place, encoding, ledger };
        match writing.ledger.renews(advance.split.source) {
            true => writing.commit_anew(batch, advance, growing, new_letters),
            false => writing.commit(batch, advance, growing),
        }
    }

    fn end_rebuild(&mut self) -> Result<Rebuilt> {
        rebuild::end(self)
    }

    fn abandon(&mut self) -> Result<()> {
        rebuild::abandon(self)
    }

    fn look_again(&mut self) -> Result<Option<Vec<Setback>>> {
        self.take_left();
        self.ledger.look_again()
    }

    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters> {
        let Objects { settings, place, ledger, .. } = self;
        Ok(history::open_of(&ledger.status_with_refused()?, &state::letters(place, settings)?, sources))
    }

    fn open_letters(&mut self, filter: &Filter, page: Page) -> Result<Vec<OpenLetter>> {
        let Objects { settings, place, ledger, pager, .. } = self;
        if page.after.is_none() || pager.is_none() {
            Succeeding { place, settings, ledger }.tidy()?;
            *pager = Some(Pager::new(place, settings)?);
        }
        match pager {
            Some(pager) => pager.page(place, settings, filter, page.after),
            None => Ok(Vec::new()),
        }
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
        pass("before-finish")?;
        self.take_left();
        let settings =
            Settings { retry_for: ending.retry_for(self.settings.retry_for), ..self.settings.clone() };
        // A fenced run may have written them since the claim.
        self.place.remove(&settings, &self.ledger.abandoned()?)?;
        if ending.failure.is_none() && self.pager.is_none() && self.ledger.may_have_left() {
            history::tell_left(&self.place, &settings, &self.ledger)?;
        }
        self.ledger.finish(ending)
    }
}
