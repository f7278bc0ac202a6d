//! A bucket as a store of keys: an object a key, moved by conditional writes.
//!
//! Stores tell contents apart by their entity tags, which two writes of the same bytes may share. So each object
//! begins with a line that was drawn for it. What is removed is overwritten by nothing: a removal on a condition is
//! more than most stores can do. A listing reads each object, several at a time, and keeps what it has read: an
//! object that has the same version still says the same.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::bucket::{self, Bucket, Object, Pending};
use crate::error::ErrorKind;
use crate::sink::ledger::{Entry, Failure, Store, Swap, Version};

/// The objects below a bucket's prefix.
pub struct InBucket {
    bucket: Bucket,
    /// By their keys, objects that a listing has read.
    seen: Mutex<HashMap<String, Object>>,
}

/// How the name of an object ends.
const END: &str = ".state";

fn named(key: &str) -> String {
    format!("{key}{END}")
}

/// How often a write of the probe is tried before all of it is begun anew.
const TRIES: usize = 5;

/// So many objects of a listing are read at once.
const READ_AT_ONCE: usize = 16;

/// So many objects are kept, at most.
const SEEN_MAX: usize = 100_000;

impl InBucket {
    /// The store below what all keys of a bucket begin with.
    pub fn new(bucket: Bucket) -> InBucket {
        InBucket { bucket, seen: Mutex::default() }
    }

    /// What was read of objects that may still be so. Nothing of a folder: it answers at once, and its versions are drawn
    /// from a clock.
    fn seen(&self) -> Option<MutexGuard<'_, HashMap<String, Object>>> {
        let is_far = self.bucket.folder().is_none();
        is_far.then(|| self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The URL of a key, in words about what was tried.
    fn at(&self, key: &str) -> String {
        format!("the state at {}", self.bucket.url_of(&named(key)))
    }

    fn failure(&self, key: &str, failure: bucket::Failure) -> Failure {
        match failure {
            bucket::Failure::Away(what) => Failure::Away(format!("{}: {what}", self.at(key))),
            failure => Failure::Final(failure.into_error(&self.at(key))),
        }
    }

    /// One conditional write.
    fn swap(
        &self,
        key: &str,
        expected: Option<&bucket::Version>,
        value: Option<&[u8]>,
    ) -> Result<Option<bucket::Version>, Failure> {
        let bytes = Bytes::from(written(value));
        match self.bucket.put_if(&named(key), bytes, expected) {
            Ok(bucket::Swap::Done(version)) => Ok(Some(version)),
            Ok(bucket::Swap::Refused) => Ok(None),
            Ok(bucket::Swap::Unknown(why)) => Err(Failure::Away(format!("{}: {why}", self.at(key)))),
            Err(failure) => Err(self.failure(key, failure)),
        }
    }
}

impl InBucket {
    /// Whether the store makes an object once, and moves it once, by four writes under a key that nobody else has.
    fn keeps_conditions(&self, key: &str) -> Result<bool, Failure> {
        let Some(first) = self.try_out(key, None, b"1")? else { return Ok(false) };
        if self.try_out(key, None, b"2")?.is_some() || self.try_out(key, Some(&first), b"3")?.is_none() {
            return Ok(false);
        }
        Ok(self.try_out(key, Some(&first), b"4")?.is_none())
    }

    /// One conditional write, until it is known whether it was done. What is lost or refused for nothing is settled
    /// by reading back: nobody else writes there.
    fn try_out(
        &self,
        key: &str,
        expected: Option<&bucket::Version>,
        value: &[u8],
    ) -> Result<Option<bucket::Version>, Failure> {
        let mut failed =
            Failure::Away(format!("{} was as expected, and the write was refused", self.at(key)));
        for _ in 0..TRIES {
            let is_refused = match self.swap(key, expected, Some(value)) {
                Ok(Some(version)) => return Ok(Some(version)),
                Ok(None) => true,
                Err(failure @ Failure::Away(_)) => {
                    failed = failure;
                    false
                }
                Err(failure) => return Err(failure),
            };
            let there = self.bucket.get(&named(key)).map_err(|failure| self.failure(key, failure))?;
            let version = there.as_ref().map(|there| &there.version);
            if there.as_ref().is_some_and(|there| read(&there.bytes) == Some(Some(value))) {
                return Ok(version.cloned());
            }
            if is_refused && version != expected {
                return Ok(None);
            }
        }
        Err(failed)
    }
}

impl Store for InBucket {
    /// Many stores that speak like S3 take the condition of a write, and ignore it.
    fn check(&self) -> Result<Vec<String>, Failure> {
        let key = format!("_logmill/probe/{}", Version::fresh().0);
        let probed = self.keeps_conditions(&key);
        // What is left of it after a failure is an object of a few bytes, which nobody reads.
        let _ = self.bucket.delete(&named(&key));
        match probed? {
            true => Ok(Vec::new()),
            false => Err(Failure::Final(
                ErrorKind::Unfit(vec![format!(
                    "{} ignores the conditions of writes (If-None-Match, If-Match), so two runs would both believe that \
                     a source is theirs; keep the state elsewhere ([state] url), or use another store",
                    self.bucket.describe()
                )])
                .into(),
            )),
        }
    }

    fn get(&self, key: &str) -> Result<Option<Entry>, Failure> {
        let object = self.bucket.get(&named(key)).map_err(|failure| self.failure(key, failure))?;
        object.map_or(Ok(None), |object| self.entry(key, &object))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure> {
        let mut entries = Vec::new();
        let mut reading: VecDeque<(String, Pending<Option<Object>>)> = VecDeque::new();
        let mut take = |(key, pending): (String, Pending<Option<Object>>)| {
            // One that is gone by now was removed meanwhile.
            let object = pending.wait().map_err(|failure| self.failure(&key, failure))?;
            let Some(object) = object else { return Ok(()) };
            let entry = self.entry(&key, &object)?;
            if let Some(mut seen) = self.seen()
                && (seen.len() < SEEN_MAX || seen.contains_key(&key))
            {
                seen.insert(key.clone(), object);
            }
            entries.extend(entry.map(|entry| (key, entry)));
            Ok::<_, Failure>(())
        };
        for page in self.bucket.list(prefix) {
            for listed in page.map_err(|failure| self.failure(prefix, failure))? {
                if reading.len() == READ_AT_ONCE
                    && let Some(first) = reading.pop_front()
                {
                    take(first)?;
                }
                let Some(key) = listed.key.strip_suffix(END) else { continue };
                let known = self.seen().and_then(|seen| seen.get(key).cloned());
                let pending = match known.filter(|object| object.version == listed.head.version) {
                    Some(object) => Pending::of(Ok(Some(object))),
                    None => self.bucket.get_later(&listed.key),
                };
                reading.push_back((key.to_owned(), pending));
            }
        }
        reading.into_iter().try_for_each(take)?;
        Ok(entries)
    }

    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure> {
        let wanted = expected.map(|version| bucket::Version(version.0.clone()));
        let mut version = self.swap(key, wanted.as_ref(), value)?;
        if version.is_none() && expected.is_none() {
            // What was removed stands there, and is nothing to us.
            let there = self.bucket.get(&named(key)).map_err(|failure| self.failure(key, failure))?;
            version = match there {
                Some(there) if self.entry(key, &there)?.is_none() => {
                    self.swap(key, Some(&there.version), value)?
                }
                _ => None,
            };
        }
        Ok(match version {
            Some(version) => Swap::Done(value.map(|_| Version(version.0))),
            None => Swap::Refused,
        })
    }
}

impl InBucket {
    /// What an object says; nothing if it says that the key was removed.
    fn entry(&self, key: &str, object: &Object) -> Result<Option<Entry>, Failure> {
        match read(&object.bytes) {
            Some(value) => Ok(value
                .map(|value| Entry { version: Version(object.version.0.clone()), value: value.to_vec() })),
            None => Err(Failure::Final(
                ErrorKind::Unfit(vec![format!(
                    "{} is not one of this program; was it changed by hand?",
                    self.at(key)
                )])
                .into(),
            )),
        }
    }
}

/// The line that was drawn for a value, and the value; the line alone, if there is none.
fn written(value: Option<&[u8]>) -> Vec<u8> {
    let line = Version::fresh().0;
    match value {
        Some(value) => [line.as_bytes(), b"\n", value].concat(),
        None => line.into_bytes(),
    }
}

fn read(bytes: &[u8]) -> Option<Option<&[u8]>> {
    let length = Version::fresh().0.len();
    match (bytes.get(..length)?.iter().all(u8::is_ascii_hexdigit), bytes.get(length)) {
        (true, None) => Some(None),
        (true, Some(b'\n')) => Some(Some(&bytes[length + 1..])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_no_two_are_alike() {
        for value in [None, Some(&b""[..]), Some(b"\n"), Some(b"{}\n")] {
            assert_eq!(read(&written(value)), Some(value));
            assert_ne!(written(value), written(value));
        }
        for other in
            [&b""[..], b"{}", b"0123456789abcdef0123456789abcdef ", b"0123456789abcdef0123456789abcdeg"]
        {
            assert_eq!(read(other), None);
        }
    }
}
