//! Objects in buckets, read by ranges.
//!
//! An object keeps one version from its listing to its last byte: each range is requested on the condition that the
//! version is unchanged. So a load never mixes two contents, and nothing has to be checked again before a commit: a later
//! version is for the next run.
//!
//! A request takes longer than reading its answer, so a few ranges are requested ahead: few enough for the memory budget,
//! and only once the reader has gone beyond the start of the object.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf as _, Bytes};

use super::Source;
use super::reach::Reach;
use crate::bucket::{Bucket, Listed, Pending, Version};
use crate::error::{Error, Result};
use crate::stop::Stop;

/// An object that was listed.
#[derive(Clone, Debug)]
pub(super) struct Object {
    shelf: Arc<Shelf>,
    key: String,
    size: u64,
    version: Version,
    /// Its destination remembers that all of it is loaded.
    pub(super) is_finished: bool,
}

/// A bucket with objects, and how to reach it.
pub(super) struct Shelf {
    pub(super) bucket: Bucket,
    pub(super) reach: Reach,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.bucket.describe())
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        self.url() == other.url() && self.version == other.version
    }
}

impl Eq for Object {}

/// The bytes that are read when an object is opened, which suffice to recognise it.
const START_BYTES: u64 = 64 << 10;

/// The largest range that is asked for at once,
const RANGE_BYTES: u64 = 2 << 20;

/// the one after the start,
const FIRST_RANGE_BYTES: u64 = 256 << 10;

/// and how many are under way at most.
const RANGES_AHEAD: usize = 3;

impl Object {
    pub(super) fn new(shelf: &Arc<Shelf>, listed: Listed) -> Object {
        let Listed { key, head } = listed;
        let shelf = Arc::clone(shelf);
        Object { shelf, key, size: head.size, version: head.version, is_finished: false }
    }

    /// Its name for people, and to be remembered by.
    pub(super) fn url(&self) -> String {
        self.shelf.bucket.url_of(&self.key)
    }

    pub(super) fn reach(&self) -> &Reach {
        &self.shelf.reach
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn version(&self) -> &str {
        &self.version.0
    }

    fn ask(&self, range: &Range<u64>) -> Pending<Bytes> {
        self.shelf.bucket.read_later(&self.key, range.clone(), Some(&self.version))
    }

    /// Waits for a range that was asked for, and asks again where that has come to nothing.
    fn range(&self, range: &Range<u64>, begun: Pending<Bytes>, stop: &Stop) -> Result<Bytes> {
        let path = PathBuf::from(self.url());
        let bytes = self.shelf.reach.go_on_asking(&path, stop, begun, || self.ask(range))?;
        match bytes.len() as u64 == range.end - range.start {
            true => Ok(bytes),
            false => Err(Error::source(
                &path,
                format!(
                    "the store gave {} bytes where {} were asked for, from byte {} on",
                    bytes.len(),
                    range.end - range.start,
                    range.start
                ),
            )),
        }
    }
}

/// An object, opened: its first bytes are at hand.
#[derive(Debug)]
pub(super) struct OpenObject {
    pub(super) object: Object,
    pub(super) start: Bytes,
}

impl OpenObject {
    pub(super) fn open(object: &Object, stop: &Stop) -> Result<OpenObject> {
        let range = 0..object.size.min(START_BYTES);
        let start = match range.is_empty() {
            true => Bytes::new(),
            false => object.range(&range, object.ask(&range), stop)?,
        };
        Ok(OpenObject { object: object.clone(), start })
    }

    /// Fills `buffer` from `offset` on. False if the object ends before.
    pub(super) fn read_into(&self, offset: u64, buffer: &mut [u8], stop: &Stop) -> Result<bool> {
        let end = offset + buffer.len() as u64;
        if end > self.object.size {
            return Ok(false);
        }
        let at_hand = usize::try_from(offset).ok().and_then(|from| self.start.get(from..from + buffer.len()));
        match at_hand {
            Some(bytes) => buffer.copy_from_slice(bytes),
            None => {
                let range = offset..end;
                buffer.copy_from_slice(&self.object.range(&range, self.object.ask(&range), stop)?);
            }
        }
        Ok(true)
    }
}

/// The bytes of an object from a place on.
pub(super) struct Ranges {
    source: Arc<Source>,
    object: Object,
    /// The bytes that have arrived and are not read yet.
    at_hand: Bytes,
    /// The ranges that were requested, in order,
    coming: VecDeque<(Range<u64>, Pending<Bytes>)>,
    /// up to here.
    asked: u64,
    /// The size of the next range,
    piece: u64,
    /// and the number of ranges to keep under way.
    ahead: usize,
    raw: Arc<AtomicU64>,
}

impl Ranges {
    pub(super) fn new(source: &Arc<Source>, open: &OpenObject, offset: u64, raw: Arc<AtomicU64>) -> Ranges {
        let place = usize::try_from(offset).unwrap_or(usize::MAX).min(open.start.len());
        let at_hand = open.start.slice(place..);
        Ranges {
            source: Arc::clone(source),
            object: open.object.clone(),
            asked: offset.max(open.start.len() as u64),
            at_hand,
            coming: VecDeque::new(),
            piece: FIRST_RANGE_BYTES,
            ahead: 1,
            raw,
        }
    }

    /// The next range, if there is one.
    fn next(&mut self) -> Result<Bytes> {
        while self.coming.len() < self.ahead && self.asked < self.object.size {
            let range = self.asked..self.object.size.min(self.asked + self.piece);
            self.asked = range.end;
            self.piece = (2 * self.piece).min(RANGE_BYTES);
            self.coming.push_back((range.clone(), self.object.ask(&range)));
        }
        self.ahead = (self.ahead + 1).min(RANGES_AHEAD);
        let Some((range, begun)) = self.coming.pop_front() else { return Ok(Bytes::new()) };
        self.object.range(&range, begun, self.source.stop())
    }
}

impl Read for Ranges {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.go_on().map_err(io::Error::other)?;
        if self.at_hand.is_empty() && !buffer.is_empty() {
            self.at_hand = self.next().map_err(io::Error::other)?;
        }
        let take = self.at_hand.len().min(buffer.len());
        self.at_hand.copy_to_slice(&mut buffer[..take]);
        self.raw.fetch_add(take as u64, Ordering::Relaxed);
        Ok(take)
    }
}
