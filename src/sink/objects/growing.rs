//! The objects of a range, built while its rows arrive.
//!
//! Each row is appended to its object. Once a piece of an object is complete, a thread of the pool encodes it. So the
//! encoding is spread over the time in which the range is read, and memory holds only the rows of pieces that are
//! incomplete or still being encoded. The rows alone decide where pieces and objects end: neither the number of threads
//! nor the size of the parcels changes a byte.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDate;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::body::{Encoded, Encoding};
use super::encode::{Piece, apart};
use super::layout::DayPart;
use super::time;
use crate::error::{Error, Result};
use crate::sink::destination::Settings;
use crate::split::Split;
use crate::work::Parcel;

/// The maximum number of days in a range, each of which is an object.
const DAYS_MAX: usize = 500;

/// A range whose rows are arriving.
pub(super) struct Growing {
    split: Split,
    encoders: Encoders,
    days: Days,
    /// The maximum size of an object, in bytes of its encoded rows before compression.
    object_bytes_max: usize,
    stretches: Vec<Stretch>,
    /// The index of the stretch of the last row.
    current: usize,
    /// The days of all stretches. Each counts once, however often the range was begun: a limit that a crash brings
    /// nearer would stop a source for good.
    days_seen: BTreeSet<DayPart>,
}

/// A part of a range that ends where the source once ended: earlier runs wrote its rows to this point. Its rows of a day
/// are one object, or several if they are many.
pub(super) struct Stretch {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) days: BTreeMap<DayPart, Vec<Object>>,
}

/// An object in pieces.
#[derive(Default)]
pub(super) struct Object {
    pieces: Vec<Receiver<Result<Encoded>>>,
    /// The rows of the incomplete piece.
    rest: Piece,
    /// The size of all its rows.
    bytes: usize,
}

/// How the day of a row is determined.
#[derive(Clone, Copy)]
enum Days {
    /// By the time of the record.
    OfRecord,
    OfRun(NaiveDate),
    /// Names have no day.
    Without,
}

impl Growing {
    /// An empty range of a split. `ends` are the known ends of its stretches, from earlier runs that had the range open.
    /// Rows without a day of their own belong to the data date of their source.
    pub(super) fn new(
        split: Split,
        encoders: Encoders,
        settings: &Settings,
        ends: &[u64],
        data_date: Option<NaiveDate>,
    ) -> Growing {
        let days = match data_date.filter(|_| settings.objects.path.has_days()) {
            _ if time(settings).is_some() => Days::OfRecord,
            Some(date) => Days::OfRun(date),
            None => Days::Without,
        };
        let object_bytes = usize::try_from(settings.objects.object_bytes).unwrap_or(usize::MAX);
        let starts = [0].into_iter().chain(ends.iter().copied());
        let ends = ends.iter().copied().chain([u64::MAX]);
        let stretches = starts.zip(ends).map(|(start, end)| Stretch { start, end, days: BTreeMap::new() });
        Growing {
            split,
            encoders,
            days,
            object_bytes_max: object_bytes.saturating_mul(2),
            stretches: stretches.collect(),
            current: 0,
            days_seen: BTreeSet::new(),
        }
    }

    pub(super) fn is_of(&self, split: Split) -> bool {
        self.split == split
    }

    /// Appends the rows of the next parcel. Waits while too many pieces are being encoded.
    pub(super) fn add(&mut self, parcel: &Parcel) {
        for row in 0..parcel.rows.len() {
            let offset = parcel.place(row).0.start;
            while offset >= self.stretches[self.current].end {
                self.current += 1;
            }
            let (day, row) = apart(parcel.rows.slice(row..row + 1));
            let day = match self.days {
                Days::OfRecord => day,
                Days::OfRun(date) => DayPart::Day(date),
                Days::Without => DayPart::Without,
            };
            let objects = match self.stretches[self.current].days.entry(day) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    self.days_seen.insert(day);
                    entry.insert(Vec::new())
                }
            };
            // `end` refuses the range.
            if self.days_seen.len() > DAYS_MAX {
                continue;
            }
            if let Some(last) = objects.last_mut()
                && last.bytes + row.len() > self.object_bytes_max
            {
                last.close(&self.encoders);
                objects.push(Object::default());
            }
            if objects.is_empty() {
                objects.push(Object::default());
            }
            if let Some(last) = objects.last_mut() {
                last.push(row, offset, &self.encoders);
            }
        }
    }

    /// Completes the range once all its rows have arrived, and returns its stretches.
    pub(super) fn end(mut self, from: u64, to: u64, path: &Path) -> Result<Vec<Stretch>> {
        let days = self.days_seen.len();
        if days > DAYS_MAX {
            return Err(Error::source_at(
                path,
                from,
                format!(
                    "the range up to {to} has rows of {days} days, and an object for each of more than {DAYS_MAX} is too \
                     many; leave the day out of [destination] path"
                ),
            ));
        }
        // The range may end earlier than it did in an earlier run.
        self.stretches.retain(|stretch| stretch.start == 0 || stretch.start < to);
        if let Some(first) = self.stretches.first_mut() {
            first.start = from;
        }
        if let Some(last) = self.stretches.last_mut() {
            last.end = to;
        }
        let objects = self.stretches.iter_mut().flat_map(|stretch| stretch.days.values_mut().flatten());
        objects.for_each(|object| object.close(&self.encoders));
        Ok(self.stretches)
    }
}

impl Object {
    fn push(&mut self, row: &[u8], offset: u64, encoders: &Encoders) {
        self.bytes += row.len();
        self.rest.push(row, offset);
        if encoders.encoding.is_whole(&self.rest) {
            self.close(encoders);
        }
    }

    /// Ends the last piece, if it has any rows, and has it encoded.
    fn close(&mut self, encoders: &Encoders) {
        if !self.rest.is_empty() {
            self.pieces.push(encoders.encode(std::mem::take(&mut self.rest)));
        }
    }

    /// Waits for its pieces and returns its bytes.
    pub(super) fn wait(self, encoding: &Encoding) -> Result<Vec<Bytes>> {
        let lost = |_| Error::broken("a thread that encodes is gone");
        let pieces = self.pieces.into_iter().map(|piece| piece.recv().map_err(lost)?);
        encoding.object(pieces.collect::<Result<_>>()?)
    }
}

/// The threads that encode, with the label of one source.
#[derive(Clone)]
pub(super) struct Encoders {
    encoding: Encoding,
    /// The label of the source in its rows.
    label: Arc<str>,
    pool: Arc<rayon::ThreadPool>,
    /// Holds a token for each piece that is being encoded. Its capacity limits their number.
    places: (Sender<()>, Receiver<()>),
}

impl Encoders {
    pub(super) fn new(encoding: &Encoding, pool: &Arc<rayon::ThreadPool>, label: &str) -> Encoders {
        let places = bounded(pool.current_num_threads());
        Encoders { encoding: encoding.clone(), label: label.into(), pool: Arc::clone(pool), places }
    }

    fn encode(&self, piece: Piece) -> Receiver<Result<Encoded>> {
        let (sender, receiver) = bounded(1);
        let Encoders { encoding, label, places, .. } = self.clone();
        // Cannot fail, because `self` holds the receiver.
        let _ = self.places.0.send(());
        self.pool.spawn_fifo(move || {
            let encoded = catch_unwind(AssertUnwindSafe(|| encoding.piece(&label, piece)));
            let panicked = |_| Err(Error::broken("a thread that encodes rows panicked"));
            // If the range was abandoned, there is no receiver any more.
            let _ = sender.send(encoded.unwrap_or_else(panicked));
            let _ = places.1.try_recv();
        });
        receiver
    }
}

/// The threads that encode objects: compressing rows takes longer than parsing and encoding their records.
pub(super) fn pool() -> Result<rayon::ThreadPool> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("object-{index}"))
        .build()
        .map_err(|cause| Error::no_thread(format!("{threads} threads for objects"), &cause))
}
