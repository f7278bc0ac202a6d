//! The state of a table in a bucket: where its ledger is kept, and what happens if it is lost.

use std::sync::Arc;

use super::Place;
use super::letters;
use crate::bucket::Bucket;
use crate::error::{ErrorKind, Result};
use crate::event::Event;
use crate::sink::destination::Settings;
use crate::sink::ledger::stores::bucket::InBucket;
use crate::sink::ledger::stores::{self, State};
use crate::sink::ledger::{self, AllLetters, LettersId, MapLedger, SplitStatus, Store, Untidy};

/// Where the state of a table is kept.
#[derive(Clone)]
pub(super) struct Kept {
    store: Arc<dyn Store>,
    /// The prefix of its keys.
    prefix: String,
    /// The location, for people.
    pub(super) shown: String,
    warning: Option<String>,
}

impl Kept {
    /// The store named by the job, or else the bucket itself, beside the objects.
    pub(super) fn of(bucket: &Bucket, table: &str, settings: &Settings) -> Result<Kept> {
        let Some(url) = &settings.state.url else {
            let prefix = format!("_logmill/{table}/");
            let shown = bucket.url_of(&prefix);
            let store = Arc::new(InBucket::new(bucket.clone()));
            return Ok(Kept { store, prefix, shown, warning: None });
        };
        let State { store, shown, warning } =
            stores::open(url, &settings.state.folder, settings.connect_timeout)?;
        Ok(Kept { store, prefix: ledger::prefix(&bucket.describe(), table), shown, warning })
    }

    /// Warns of a store that is not safe, before it is relied on.
    pub(super) fn warn(&self, settings: &Settings) {
        if let Some(text) = self.warning.clone() {
            settings.observer.tell(&Event::Unsafe { text });
        }
    }
}

pub(super) fn store(place: &Place) -> Arc<dyn Store> {
    Arc::clone(&place.kept.store)
}

pub(super) fn settings(place: &Place, settings: &Settings) -> ledger::Settings {
    let Settings { job, command, data_date, objects, retry_for, stop, observer, .. } = settings.clone();
    let (prefix, lease) = (place.kept.prefix.clone(), settings.state.lease);
    let path = objects.path.to_string();
    ledger::Settings { job, prefix, command, data_date, path, lease, retry_for, stop, observer }
}

/// Every split that the state contains.
pub(super) fn splits(place: &Place, settings: &Settings) -> Result<Vec<SplitStatus>> {
    MapLedger::status(store(place), self::settings(place, settings))
}

/// The fate of letters that were replayed or discarded.
pub(super) fn letters(place: &Place, settings: &Settings) -> Result<AllLetters> {
    MapLedger::letters(store(place), self::settings(place, settings))
}

/// Whether a source is still in the untidy state in which it was found.
pub(super) fn is_still_untidy(place: &Place, settings: &Settings, of: &Untidy) -> Result<bool> {
    MapLedger::is_still_untidy(store(place), self::settings(place, settings), of)
}

/// The number of the object of letters that holds now. `None` if their source was reloaded or forgotten.
pub(super) fn letters_now(place: &Place, settings: &Settings, id: &LettersId) -> Result<Option<u32>> {
    MapLedger::letters_now(store(place), self::settings(place, settings), id)
}

/// Refuses a table with objects but without a state, because a load would write its rows a second time.
pub(super) fn refuse_lost(place: &Place, settings: &Settings) -> Result<()> {
    if has_state(place, settings)? {
        return Ok(());
    }
    let objects = [format!("{}/", place.table), letters::folder(&place.table)];
    let first = |bucket: &Bucket| {
        for folder in &objects {
            for page in bucket.list(folder) {
                if let Some(listed) = page?.into_iter().next() {
                    return Ok(Some(listed.key));
                }
            }
        }
        Ok(None)
    };
    let Some(key) = place.ask(settings, "listing objects", first)? else { return Ok(()) };
    // Another process may have begun the first run meanwhile.
    if has_state(place, settings)? {
        return Ok(());
    }
    Err(ErrorKind::Unfit(vec![format!(
        "{} exists, but there is no state of the table: the state is lost, or the object is not logmill's. Put the state \
         back (it was in {}), remove the objects, or load into another table",
        place.bucket.url_of(&key),
        place.kept.shown
    )])
    .into())
}

fn has_state(place: &Place, settings: &Settings) -> Result<bool> {
    MapLedger::is_there(store(place), self::settings(place, settings))
}
