//! Rows: what an encoder collects, as bytes or as columns, with the bounds of each.
//!
//! A destination that sends rows takes bytes; one that writes files takes columns. The worker takes the
//! container out of the parcel before its loop, and puts it back after it.

use std::any::Any;
use std::ops::Range;

/// A container that rows are appended to.
pub trait Gather: Default {
    /// Where the next row begins: the number of bytes, or rows, before it.
    fn end(&self) -> usize;

    /// Cuts off everything appended since `end` had this value.
    fn cut(&mut self, end: usize);

    fn bytes(&self) -> usize;

    /// Reserves space for about this many more bytes.
    fn reserve(&mut self, bytes: usize);

    /// This type, out of a parcel; `None` if the parcel holds another type.
    fn out_of(gathered: Gathered) -> Option<Self>;

    fn into_gathered(self) -> Gathered;
}

impl Gather for Vec<u8> {
    #[inline]
    fn end(&self) -> usize {
        self.len()
    }

    #[inline]
    fn cut(&mut self, end: usize) {
        self.truncate(end);
    }

    fn bytes(&self) -> usize {
        self.len()
    }

    fn reserve(&mut self, bytes: usize) {
        self.reserve(bytes);
    }

    fn out_of(gathered: Gathered) -> Option<Vec<u8>> {
        match gathered {
            Gathered::Bytes(bytes) => Some(bytes),
            Gathered::Columns(_) => None,
        }
    }

    fn into_gathered(self) -> Gathered {
        Gathered::Bytes(self)
    }
}

/// The rows of one chunk, encoded.
#[derive(Debug, Default)]
pub struct Rows {
    gathered: Gathered,
    /// The memory that they take, without their bounds.
    bytes: usize,
    bounds: Vec<Bound>,
}

/// Rows in the form of their destination.
#[derive(Debug)]
pub enum Gathered {
    /// Consecutive: any run of them is a slice.
    Bytes(Vec<u8>),
    /// In columns that only the destination understands.
    Columns(Box<dyn Any + Send + Sync>),
}

impl Default for Gathered {
    fn default() -> Gathered {
        Gathered::Bytes(Vec::new())
    }
}

/// Where a row ends, and which record it came from.
#[derive(Clone, Copy, Debug)]
struct Bound {
    end: u32,
    offset: u32,
    length: u32,
    line: u32,
}

impl Rows {
    /// The container for the rows, with the capacity it has from earlier use.
    pub fn take<G: Gather>(&mut self) -> G {
        G::out_of(std::mem::take(&mut self.gathered)).unwrap_or_default()
    }

    /// Puts the container back, with the rows in it.
    pub fn put(&mut self, gathered: impl Gather) {
        self.bytes = gathered.bytes();
        self.gathered = gathered.into_gathered();
    }

    /// Records that the row of a record ends at `end`. `offset` counts from the start of the chunk, `line`
    /// the lines of the chunk before the record.
    #[inline]
    pub fn end_row(&mut self, end: usize, offset: usize, length: usize, line: u32) {
        let narrow = |wide: usize| u32::try_from(wide).expect("a chunk and its rows are shorter than 4 GiB");
        let bound = Bound { end: narrow(end), offset: narrow(offset), length: narrow(length), line };
        self.bounds.push(bound);
    }

    /// Clears the rows, and keeps the capacity for others. False if there is none to keep, or more than
    /// `bytes_max`.
    pub fn clear(&mut self, bytes_max: usize) -> bool {
        self.bounds.clear();
        match &mut self.gathered {
            Gathered::Bytes(bytes) => {
                bytes.clear();
                (1..=bytes_max).contains(&bytes.capacity())
            }
            Gathered::Columns(_) => false,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.bounds.len() * size_of::<Bound>()
    }

    /// The record of a row: offset and length in its chunk, and the lines of the chunk before it.
    pub(super) fn record(&self, row: usize) -> (u32, u32, u32) {
        let Bound { offset, length, line, .. } = self.bounds[row];
        (offset, length, line)
    }

    pub fn len(&self) -> usize {
        self.bounds.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bounds.is_empty()
    }

    /// The bytes of a run of rows. Rows in columns have none.
    pub fn slice(&self, rows: Range<usize>) -> &[u8] {
        let Gathered::Bytes(bytes) = &self.gathered else { return &[] };
        let start = rows.start.checked_sub(1).map_or(0, |before| self.bounds[before].end as usize);
        let end = rows.end.checked_sub(1).map_or(0, |last| self.bounds[last].end as usize);
        &bytes[start..end.max(start)]
    }

    /// The rows as columns of type `C`, if that is their container.
    pub fn columns<C: 'static>(&self) -> Option<&C> {
        match &self.gathered {
            Gathered::Bytes(_) => None,
            Gathered::Columns(columns) => columns.downcast_ref(),
        }
    }
}
