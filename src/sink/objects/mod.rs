//! Buckets as a destination: rows in objects, whose names and bytes follow from the source and the rules.
//!
//! There is no transaction here, and none is needed: whoever writes a range of a source writes the same
//! objects, so writing twice is writing once, and the checkpoint moves behind them by compare-and-set.
//! A batch is a fixed range of a source, whatever the workers and the chunks. Before its first object
//! the range is taken down as open, with where it ends and how its objects are called: after a crash
//! the next run writes it to the same end, or removes what it does not write again.

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
    /// Where a replay is, if that is what it is open for.
    pager: Option<Pager>,
    /// What a rebuild has written of letters.
    new_letters: Vec<LettersId>,
    /// The threads that encode objects. All lanes have the same.
    pool: Arc<rayon::ThreadPool>,
    /// The range of which rows are coming in.
    growing: Option<Growing>,
    /// What its lanes have left.
    left: Arc<Mutex<Vec<MapLedger>>>,
    /// Before the ledger ends. The heart of a lane beats in the sink that it is one of.
    _pulse: Option<Pulse>,
}

/// A bucket, and where in it the table is.
#[derive(Clone)]
struct Place {
    bucket: Bucket,
    /// The table, as one part of a key.
    table: String,
    /// What decides names and bytes of objects, as a short hash.
    rules: String,
    kept: Kept,
}

/// What is written is another as soon as this is.
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

    /// Asks the bucket until it answers. `doing` says what is tried.
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

    /// Removes the objects whose names begin so: those of a range, each up to its number.
    fn remove(&self, settings: &Settings, stems: &[String]) -> Result<()> {
        for stem in stems {
            // Behind the stem comes `.ext` or `.N.ext`; anything else is of another range.
            let found = self.list(settings, stem, |listed| listed.key[stem.len()..].starts_with('.'))?;
            for listed in found {
                self.ask(settings, "removing an object", |bucket| bucket.delete(&listed.key))?;
            }
        }
        Ok(())
    }

    /// The objects whose keys begin so and that are meant. No more of them are in memory, and a page.
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

    /// Visits each object whose key begins so, page by page.
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
    /// Removes all objects below a folder that are of these sources.
    fn remove_of(&self, settings: &Settings, folder: &str, labels: &[&str]) -> Result<()> {
        let of_these = |listed: &Listed| labels.iter().any(|label| names(&listed.key, label));
        for listed in self.list(settings, folder, of_these)? {
            self.ask(settings, "removing an object", |bucket| bucket.delete(&listed.key))?;
        }
        Ok(())
    }
}

/// Whether a key names a source, and not one whose name only begins or ends like it.
fn names(key: &str, label: &str) -> bool {
    let is_of_label = |ch: char| ch.is_ascii_alphanumeric();
    key.match_indices(label).any(|(at, _)| {
        let (before, after) = (&key[..at], &key[at + label.len()..]);
        !label.is_empty() && !before.ends_with(is_of_label) && !after.starts_with(is_of_label)
    })
}

/// The field whose day parts the objects, if they have days in their names.
fn time(settings: &Settings) -> Option<Time> {
    settings.rollups.time.clone().filter(|_| settings.objects.path.has_days())
}

/// Where a row says that it is from: the source by what it is called in names of objects, and the offset. Somebody may
/// have written a row that says nothing.
type Origin = Option<(String, u64)>;

/// What is said of an object that cannot be read to its end.
fn damaged(url: &str, cause: &dyn std::fmt::Display) -> Error {
    let what =
        format!("it is damaged, and what was written is not to be read ({cause}); put it back from a copy");
    Failure::Broken(what).into_error(&format!("reading {url}"))
}

/// Passes a failpoint. What is to fail there fails for good.
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

    /// Takes back what its lanes have left.
    fn take_left(&mut self) {
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        left.into_iter().for_each(|ledger| self.ledger.join(ledger));
    }

    /// What there is of the range of a split, which nobody else has then.
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
        // An object is never changed, so a line that grew after it was loaded is refused with its place.
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

    /// As many as are asked for: each writes objects of its own, and moves checkpoints of its own.
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
        // Those that were taken ahead have no rows any more.
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
        let Objects { settings, place, pager, .. } = self;
        let splits = state::splits(place, settings)?;
        if pager.is_none() {
            history::tell_left(place, settings, &splits, sources)?;
        }
        Ok(history::open_of(&splits, &state::letters(place, settings)?, sources))
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
        // What a run that was fenced has written since.
        self.place.remove(&settings, &self.ledger.abandoned()?)?;
        self.ledger.finish(ending)
    }
}
