//! The objects of a range, while its rows come in.
//!
//! A row goes to the object that it will be of, and as soon as a piece of that object is whole, the threads of the pool
//! encode it. So the work on a range is spread over the time in which it is read, and no more of its rows are in memory
//! than those of pieces that are not whole, or not encoded yet. Where pieces and objects end follows from the rows
//! alone: neither the threads nor the parcels that rows come in decide a byte.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

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

/// A range has rows of so many days at most.
const DAYS_MAX: usize = 500;

/// A range of which the rows come in.
pub(super) struct Growing {
    split: Split,
    encoders: Encoders,
    days: Days,
    /// An object is closed before it has more bytes of rows than this.
    object_bytes_max: usize,
    stretches: Vec<Stretch>,
    /// The stretch that the last row is of.
    current: usize,
    /// How many days all stretches have.
    days_seen: usize,
}

/// A stretch of a range that ends where the source once did: its rows of a day are an object, or several.
pub(super) struct Stretch {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) days: BTreeMap<DayPart, Vec<Object>>,
}

/// An object in pieces.
#[derive(Default)]
pub(super) struct Object {
    pieces: Vec<Receiver<Result<Encoded>>>,
    /// The rows that are no whole piece yet.
    rest: Piece,
    /// The bytes of all its rows.
    bytes: usize,
}

/// Which day rows are of.
#[derive(Clone, Copy)]
enum Days {
    /// Each says it.
    OfRecord,
    OfRun(NaiveDate),
    /// None stands in the names.
    Without,
}

impl Growing {
    /// What a range of a split begins with. `ends` are the ends of its stretches, as far as they are known: where its
    /// objects ended when it was open before. Rows that say no day are of that of their source.
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
            days_seen: 0,
        }
    }

    pub(super) fn is_of(&self, split: Split) -> bool {
        self.split == split
    }

    /// Takes the rows of a parcel, which stands behind all that came before. Waits while too many pieces are being
    /// encoded.
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
                    self.days_seen += 1;
                    entry.insert(Vec::new())
                }
            };
            // It is refused in the end.
            if self.days_seen > DAYS_MAX {
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

    /// The stretches of the range, now that all its rows are there and it is known where it begins and ends.
    pub(super) fn end(mut self, from: u64, to: u64, path: &Path) -> Result<Vec<Stretch>> {
        if self.days_seen > DAYS_MAX {
            let days = self.days_seen;
            return Err(Error::source_at(
                path,
                from,
                format!(
                    "the range up to {to} has rows of {days} days, and an object for each of more than {DAYS_MAX} is too \
                     many; leave the day out of [destination] path"
                ),
            ));
        }
        // It may end before it did when it was open before.
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

    /// Has the rest encoded, if there is one.
    fn close(&mut self, encoders: &Encoders) {
        if !self.rest.is_empty() {
            self.pieces.push(encoders.encode(std::mem::take(&mut self.rest)));
        }
    }

    /// Its bytes, once all its pieces are encoded.
    pub(super) fn wait(self, encoding: &Encoding) -> Result<Vec<u8>> {
        let lost = |_| Error::broken("a thread that encodes is gone");
        let pieces = self.pieces.into_iter().map(|piece| piece.recv().map_err(lost)?);
        encoding.object(pieces.collect::<Result<_>>()?)
    }
}

/// The threads that encode, with what they are told of one source.
#[derive(Clone)]
pub(super) struct Encoders {
    encoding: Encoding,
    /// What the source is called in its rows.
    label: Arc<str>,
    pool: Arc<rayon::ThreadPool>,
    /// One for each piece that is being encoded. It holds so many at most.
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
        // Never refused: there is a receiver.
        let _ = self.places.0.send(());
        self.pool.spawn_fifo(move || {
            let encoded = catch_unwind(AssertUnwindSafe(|| encoding.piece(&label, piece)));
            let panicked = |_| Err(Error::broken("a thread that encodes rows panicked"));
            // Who gave the range up listens no more.
            let _ = sender.send(encoded.unwrap_or_else(panicked));
            let _ = places.1.try_recv();
        });
        receiver
    }
}

/// Threads that encode objects: compressing them costs more than all that is done to their records before.
pub(super) fn pool() -> Result<rayon::ThreadPool> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("object-{index}"))
        .build()
        .map_err(|cause| Error::no_thread(format!("{threads} threads for objects"), &cause))
}
