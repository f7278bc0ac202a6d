//! The state of a table in a bucket: where its ledger is kept, and what if that is gone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Place;
use super::letters;
use crate::bucket::{self, Bucket};
use crate::error::{ErrorKind, Result};
use crate::sink::destination::Settings;
use crate::sink::ledger::stores::bucket::InBucket;
use crate::sink::ledger::{self, Entry, Failure, Store, Swap, Version};

/// A run whose heart stands still for this long is dead.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// Where in the bucket it is.
fn folder(place: &Place) -> String {
    format!("_logmill/{}/", place.table)
}

pub(super) fn store(place: &Place) -> Arc<dyn Store> {
    Arc::new(Flat { store: InBucket(place.bucket.clone()), folder: folder(place) })
}

/// Objects in one folder, whatever their keys. A folder, and a store that is made of some, cannot have an
/// object below another one, as `source/1/0` is below `source/1`.
struct Flat<S> {
    store: S,
    folder: String,
}

impl<S> Flat<S> {
    fn flat(&self, key: &str) -> String {
        let own = key.strip_prefix(&self.folder).unwrap_or(key);
        format!("{}{}", self.folder, own.replace('/', "+"))
    }

    fn unflat(&self, key: &str) -> String {
        let own = key.strip_prefix(&self.folder).unwrap_or(key);
        format!("{}{}", self.folder, own.replace('+', "/"))
    }
}

impl<S: Store> Store for Flat<S> {
    fn get(&self, key: &str) -> Result<Option<Entry>, Failure> {
        self.store.get(&self.flat(key))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure> {
        let found = self.store.list(&self.flat(prefix))?;
        Ok(found.into_iter().map(|(key, entry)| (self.unflat(&key), entry)).collect())
    }

    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure> {
        self.store.compare_and_set(&self.flat(key), expected, value)
    }
}

pub(super) fn settings(place: &Place, settings: &Settings) -> ledger::Settings {
    let Settings { job, data_date, retry_for, stop, observer, .. } = settings.clone();
    ledger::Settings { job, prefix: folder(place), data_date, lease: LEASE, retry_for, stop, observer }
}

/// Refuses a bucket that takes conditional writes and ignores the condition, as many imitations do: two runs
/// would both believe that a source is theirs.
pub(super) fn refuse_careless(place: &Place, settings: &Settings) -> Result<()> {
    // Its conditions are ours.
    if place.bucket.folder().is_some() {
        return Ok(());
    }
    let keeps_conditions = place.ask(settings, "trying conditional writes", |bucket| {
        // Anew after each failure: a write whose answer was lost may stand there.
        let key = format!("{}probe-{:016x}", folder(place), fastrand::u64(..));
        let put = |value: &'static [u8], expected: Option<&bucket::Version>| match bucket.put_if(
            &key,
            Bytes::from_static(value),
            expected,
        )? {
            bucket::Swap::Done(version) => Ok(Some(version)),
            bucket::Swap::Refused => Ok(None),
            bucket::Swap::Unknown(why) => Err(bucket::Failure::Away(why)),
        };
        let first = put(b"1", None)?;
        let is_made_once = first.is_some() && put(b"2", None)?.is_none();
        let is_moved_once = put(b"3", first.as_ref())?.is_some() && put(b"4", first.as_ref())?.is_none();
        bucket.delete(&key)?;
        Ok(is_made_once && is_moved_once)
    })?;
    if keeps_conditions {
        return Ok(());
    }
    Err(ErrorKind::Unfit(vec![format!(
        "{} ignores the conditions of writes (If-None-Match, If-Match), so two runs would both believe that a source is \
         theirs; use another store",
        place.bucket.describe()
    )])
    .into())
}

/// Refuses a table that has objects and no state: a load would write its rows once more.
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
    // The first run of another one may have begun meanwhile.
    if has_state(place, settings)? {
        return Ok(());
    }
    Err(ErrorKind::Unfit(vec![format!(
        "{} is there, and nothing is remembered of the table: its state is lost, or it is not logmill's. Put the state \
         back (it is below {}), remove the objects, or load into another table",
        place.bucket.url_of(&key),
        place.bucket.url_of(&folder(place))
    )])
    .into())
}

fn has_state(place: &Place, settings: &Settings) -> Result<bool> {
    let key = format!("{}job", folder(place));
    Ok(place.ask(settings, "reading the state", |bucket| bucket.get(&key))?.is_some())
}
