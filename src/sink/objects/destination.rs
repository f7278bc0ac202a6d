//! A bucket as a destination: what can be asked of one for one job.

use std::path::Path;

use chrono::NaiveDate;

use super::history::{ObjectsHistory, open_of, rows_of};
use super::layout::Form;
use super::{Objects, Place, rebuild, replay, state};
use crate::bucket::Bucket;
use crate::error::{Error, Result};
use crate::event::Dataset;
use crate::sink::dates::Calendar;
use crate::sink::destination::{Address, Destination, Settings};
use crate::sink::forecast::Forecast;
use crate::sink::history::{Filter, Forgotten, History};
use crate::sink::ledger::{MapLedger, Untidy, stores};
use crate::sink::rollup::{CheckedRollups, Dates};
use crate::sink::statement::shell_word;
use crate::sink::verify::{Verify, Verifying};
use crate::sink::{Asked, Sink};

struct ObjectsDestination {
    place: Place,
    settings: Settings,
}

/// Whether `text` names a bucket.
pub(in crate::sink) fn is_named(text: &str) -> bool {
    Bucket::is_named(text)
}

pub(in crate::sink) fn make(address: &Address, settings: Settings) -> Result<Box<dyn Destination>> {
    let place = Place::new(Bucket::open(&address.text)?, &settings)?;
    Ok(Box::new(ObjectsDestination { place, settings }))
}

impl Destination for ObjectsDestination {
    fn open(&self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Objects::open(self.place.clone(), self.settings.clone())?))
    }

    fn dataset(&self) -> Dataset {
        Dataset::at(&self.place.bucket.url_of(&self.place.table))
    }

    /// With what was read of the state: a bucket keeps it in an object for each split, and few of them have moved since.
    fn again(&self, settings: Settings) -> Option<Box<dyn Destination>> {
        let place = self.place.again(&settings);
        Some(Box::new(ObjectsDestination { place, settings }))
    }

    fn forecast(&self, asked: &Asked) -> Result<Forecast> {
        let Self { place, settings } = self;
        let mut forecast = Forecast::default();
        let asked = Asked { key_is_position: false, ..asked.clone() };
        forecast.pass(state::refuse_lost(place, settings))?;
        let remembered =
            MapLedger::remembered(state::store(place), state::settings(place, settings), &asked)?;
        forecast.has_target = !state::splits(place, settings)?.is_empty();
        if !forecast.has_target {
            forecast.makes.push(format!("objects below {}", place.bucket.url_of(&place.table)));
            forecast.makes.push(format!("the state of the table, in {}", place.kept.shown));
        }
        forecast.decide(&asked, &remembered, || Ok(Vec::new()))?;
        Ok(forecast)
    }

    fn history(&self) -> Result<Box<dyn History>> {
        let (place, settings) = (self.place.clone(), self.settings.clone());
        Ok(Box::new(ObjectsHistory { place, settings, pager: None }))
    }

    fn calendar(&self) -> Result<Calendar> {
        let Self { place, settings } = self;
        let rules = settings.rules_hash;
        MapLedger::calendar(state::store(place), state::settings(place, settings), rules)
    }

    fn note_absent(&self, dates: &[NaiveDate]) -> Result<()> {
        let Self { place, settings } = self;
        MapLedger::note_absent(state::store(place), state::settings(place, settings), dates)
    }

    fn rows_of(&self, sources: &[i32], _: bool) -> Result<Option<u64>> {
        rows_of(&self.place, &self.settings, sources).map(Some)
    }

    fn forget(&self, sources: &[i32], deletes_rows: bool) -> Result<Forgotten> {
        let Self { place, settings } = self;
        let all = state::splits(place, settings)?;
        let meant: Vec<_> = all.into_iter().filter(|split| sources.contains(&split.split.source)).collect();
        let (rows, letters) = (
            if deletes_rows { rows_of(place, settings, sources)? } else { 0 },
            open_of(&meant, &state::letters(place, settings)?, sources).selected,
        );
        // Of a range that was being written, nobody knows any more once it is forgotten.
        let stems: Vec<String> = meant.iter().flat_map(|split| split.stems.iter().cloned()).collect();
        let tidy = |untidy: &[Untidy]| rebuild::tidy(place, settings, untidy);
        let kept = state::settings(place, settings);
        let forgotten = MapLedger::forget(state::store(place), kept, sources, &tidy)?;
        place.remove(settings, &stems)?;
        let labels: Vec<&str> = meant.iter().map(|split| split.label.as_str()).collect();
        if deletes_rows {
            place.remove_of(settings, &format!("{}/", place.table), &labels)?;
        }
        place.remove_of(settings, &super::letters::folder(&place.table), &labels)?;
        Ok(Forgotten { sources: forgotten, rows, dead_letters: letters })
    }

    fn discard(&self, filter: &Filter, note: Option<&str>) -> Result<u64> {
        replay::discard(&self.place, &self.settings, filter, note)
    }

    fn verify(&self, verifying: Verifying) -> Result<Box<dyn Verify>> {
        super::verify::open(&self.place, &self.settings, verifying)
    }

    fn check_rollups(&self, _: &Dates) -> Result<CheckedRollups> {
        Err(Error::usage("a bucket has no rollups: nothing in it can compute them"))
    }

    fn describe(&self) -> String {
        self.place.bucket.url_of(&self.place.table)
    }

    fn file(&self) -> Option<&Path> {
        None
    }

    /// What is loaded again is written under the names that it has.
    fn takes_sql(&self) -> bool {
        false
    }

    fn table(&self) -> String {
        let form = self.settings.objects.form;
        let objects = format!("{}/**/*.{}", self.place.bucket.url_of(&self.place.table), form.word());
        let reader = if form == Form::Parquet { "read_parquet" } else { "read_json" };
        format!("{reader}('{}')", objects.trim_start_matches("file://").replace('\'', "''"))
    }

    fn shell(&self, sql: &str) -> String {
        format!("duckdb -c {}", shell_word(sql))
    }

    fn rests_on(&self) -> &'static str {
        if let Some(url) = &self.settings.state.url {
            return stores::rests_on(url);
        }
        "object names and bytes that are determined by the source and the rules, a checkpoint that is \
         moved by compare-and-set after the objects are written, and a bucket that honours If-Match and \
         If-None-Match. Until the checkpoint has moved, a listing may show records of the current batch, \
         none of them twice"
    }
}
