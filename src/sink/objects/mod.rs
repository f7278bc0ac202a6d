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
mod history;
pub mod layout;
mod letters;
#[cfg(feature = "buckets")]
mod parquet;
mod pulse;
mod state;

use std::sync::Arc;

use self::commit::Writing;
use body::Encoding;
pub(in crate::sink) use destination::{is_named, make};
use layout::Layout;
use pulse::Pulse;
use state::Kept;

use super::destination::Settings;
use super::history::Filter;
use super::ledger::MapLedger;
use super::replay::{OpenLetter, Page};
use super::{Answer, Asked, Batch, Closes, Committed, Constant, Ending, OpenLetters, Setback, Sink};
use crate::bucket::{Bucket, Failure};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Dataset;
use crate::failpoint;
use crate::outage::Outage;
use crate::schema::Time;
use crate::work::{Recipe, Work};

/// A bucket that is open for a load.
struct Objects {
    settings: Settings,
    place: Place,
    ledger: MapLedger,
    encoding: Encoding,
    /// Before the ledger ends.
    _pulse: Pulse,
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
const ENCODER: u32 = 1;

impl Place {
    fn new(bucket: Bucket, settings: &Settings) -> Result<Place> {
        let Layout { form, object_bytes, path } = &settings.objects;
        let time = time(settings).map(|time| format!("{} {:?} {:?}", time.name, time.kind, time.clock));
        let what = format!(
            "objects {ENCODER}\n{:02x?}\n{}\n{object_bytes}\n{path}\n{}",
            settings.rules_hash.0,
            form.word(),
            time.unwrap_or_default()
        );
        let rules = blake3::hash(what.as_bytes()).to_hex()[..8].to_owned();
        let table = layout::encoded(&settings.table.remembered());
        let kept = Kept::of(&bucket, &table, settings)?;
        Ok(Place { bucket, table, rules, kept })
    }

    /// Asks the bucket until it answers. `doing` says what is tried.
    fn ask<T>(
        &self,
        settings: &Settings,
        doing: &str,
        ask: impl Fn(&Bucket) -> Result<T, Failure>,
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
            let found = self.ask(settings, "listing objects", |bucket| {
                bucket.list(stem).try_fold(Vec::new(), |mut keys, page| {
                    keys.extend(page?.into_iter().map(|listed| listed.key));
                    Ok(keys)
                })
            })?;
            // Behind the stem comes `.ext` or `.N.ext`; anything else is of another range.
            for key in found.iter().filter(|key| key[stem.len()..].starts_with('.')) {
                self.ask(settings, "removing an object", |bucket| bucket.delete(key))?;
            }
        }
        Ok(())
    }
}

impl Place {
    /// Removes all objects below a folder that are of these sources.
    fn remove_of(&self, settings: &Settings, folder: &str, labels: &[&str]) -> Result<()> {
        let found = self.ask(settings, "listing objects", |bucket| {
            bucket.list(folder).try_fold(Vec::new(), |mut keys, page| {
                let of_these = |key: &String| labels.iter().any(|label| names(key, label));
                keys.extend(page?.into_iter().map(|listed| listed.key).filter(of_these));
                Ok(keys)
            })
        })?;
        found.iter().try_for_each(|key| self.ask(settings, "removing an object", |bucket| bucket.delete(key)))
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

/// Passes a failpoint. What is to fail there fails for good.
fn pass(point: &'static str) -> Result<()> {
    match failpoint::reached(point) {
        true => Err(Error::broken(format!("failpoint {point}"))),
        false => Ok(()),
    }
}

impl Objects {
    fn open(place: Place, settings: Settings) -> Result<Objects> {
        if settings.is_rebuild {
            return Err(ErrorKind::NotYet { what: "--rebuild of what is in a bucket".to_owned() }.into());
        }
        let encoding = Encoding::new(&settings, &settings.constants)?;
        place.kept.warn(&settings);
        state::refuse_lost(&place, &settings)?;
        state::refuse_careless(&place, &settings)?;
        let ledger = MapLedger::begin(state::store(&place), state::settings(&place, &settings))?;
        let pulse = Pulse::of(ledger.heart(), settings.state.lease)?;
        pass("after-prepare")?;
        Ok(Objects { settings, place, ledger, encoding, _pulse: pulse })
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
        // An object is never changed, so a line that grew after it was loaded is refused with its place.
        let asked = Asked { key_is_position: false, ..asked.clone() };
        let answers = self.ledger.claim(&asked)?;
        pass("after-claim")?;
        let abandoned = self.ledger.abandoned();
        self.place.remove(&self.settings, &abandoned)?;
        Ok(answers)
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        let Objects { settings, place, encoding, ledger, .. } = self;
        Writing { settings, place, encoding, ledger }.commit(batch)
    }

    fn look_again(&mut self) -> Result<Option<Vec<Setback>>> {
        self.ledger.look_again()
    }

    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters> {
        history::open_dead_letters(&self.place, &self.settings, sources)
    }

    fn open_letters(&mut self, _: &Filter, _: Page) -> Result<Vec<OpenLetter>> {
        Err(history::not_yet("dead-letters replay of what is in a bucket"))
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
        pass("before-finish")?;
        let settings =
            Settings { retry_for: ending.retry_for(self.settings.retry_for), ..self.settings.clone() };
        // What a run that was fenced has written since.
        self.place.remove(&settings, &self.ledger.abandoned())?;
        self.ledger.finish(ending)
    }
}
