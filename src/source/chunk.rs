//! Chunks.
//!
//! A chunk starts at the first byte of a record and ends at the end of one, so a worker never needs its
//! neighbour's bytes. A source is cut every `chunk_bytes`, and each cut is then moved forward to the next
//! record (`framing` finds it) or, if there is none in reach, back to the last one.
//!
//! A record that is longer than the bound is never whole in memory. It becomes a chunk of its own,
//! [`Body::TooLong`], which holds only its length and its hash.

use std::ops::{Deref, Range};
use std::sync::Arc;

use super::framing::{Follower, Framing};
use super::identity::{Hash16, TAIL_BYTES, hash16};
use super::map::Window;
use crate::span::Span;

/// A range of a source that starts and ends on record starts; the unit of parallel work.
#[derive(Debug)]
pub struct Chunk {
    /// Its place in the source.
    pub span: Span,
    pub body: Body,
    /// The size of the source, if the source ends with this chunk.
    pub ends: Option<u64>,
    /// The requested range ends with this chunk.
    pub is_last: bool,
    /// Bytes of the file that were read for it, in compressed size.
    pub raw: u64,
}

impl Chunk {
    /// Whole records, from `start` of a source on.
    pub fn of_records(start: u64, bytes: Bytes) -> Chunk {
        let span = Span::new(start, start + bytes.len() as u64);
        Chunk { span, body: Body::Records(bytes), ends: None, is_last: false, raw: 0 }
    }

    /// A single record, of which at most `bytes_max` bytes are read.
    pub fn of_record(start: u64, bytes: Vec<u8>, bytes_max: usize) -> Chunk {
        let length = bytes.len();
        match length > bytes_max {
            true => Chunk::of_long_record(start, length as u64, *blake3::hash(&bytes).as_bytes()),
            false => Chunk::of_records(start, Bytes::of_block(Arc::new(bytes), 0, length)),
        }
    }

    /// A record that is too long for memory, of which length and hash are known.
    pub fn of_long_record(start: u64, length: u64, hash: [u8; 32]) -> Chunk {
        let body = Body::TooLong {
            lead: 0,
            length,
            lines: 1,
            hash,
            check: 0,
            tail: Vec::new(),
            is_terminated: true,
        };
        Chunk { span: Span::new(start, start + length), body, ends: None, is_last: false, raw: 0 }
    }

    pub fn bytes(&self) -> usize {
        match &self.body {
            Body::Records(bytes) => bytes.len(),
            Body::TooLong { tail, .. } => tail.len(),
        }
    }
}

/// The contents of a chunk.
#[derive(Debug)]
pub enum Body {
    /// Whole records.
    Records(Bytes),
    /// One record beyond the limit: its bytes without the line end, counted and hashed.
    TooLong {
        /// Bytes before the record that do not belong to it.
        lead: u64,
        /// Bytes of the record, without its line end.
        length: u64,
        /// The number of its lines.
        lines: u64,
        /// BLAKE3 of these bytes.
        hash: [u8; 32],
        /// XXH3 of the whole span, to detect changes of the file.
        check: u64,
        /// The last bytes of the span.
        tail: Vec<u8>,
        /// Whether its end was seen, so that it cannot continue. Otherwise it is the end of its source.
        is_terminated: bool,
    },
}

/// Bytes that stay in place while a worker reads them. They may be in a map and so may change; a parser reads
/// them through [`Bytes::stable`].
#[derive(Clone, Debug)]
pub struct Bytes {
    backing: Backing,
    start: usize,
    end: usize,
}

#[derive(Clone, Debug)]
enum Backing {
    Map(Arc<Window>),
    Block(Arc<Vec<u8>>),
}

impl Bytes {
    pub(super) fn of_map(window: Arc<Window>, start: usize, end: usize) -> Bytes {
        Bytes { backing: Backing::Map(window), start, end }
    }

    pub fn of_block(block: Arc<Vec<u8>>, start: usize, end: usize) -> Bytes {
        Bytes { backing: Backing::Block(block), start, end }
    }

    /// A part of them, counted from their start.
    pub fn part(&self, range: Range<usize>) -> Bytes {
        let (start, end) = (self.start + range.start, self.start + range.end);
        assert!(start <= end && end <= self.end, "a part of these bytes");
        Bytes { backing: self.backing.clone(), start, end }
    }

    /// These bytes where no other process can change them: a copy, if they are in a map.
    pub fn stable<'b>(&'b self, copy: &'b mut Vec<u8>) -> &'b [u8] {
        match &self.backing {
            Backing::Map(_) => {
                copy.clear();
                copy.extend_from_slice(self);
                copy
            }
            Backing::Block(_) => self,
        }
    }

    /// Whether every byte read so far was really in the file: false if the file was truncated while it was
    /// mapped.
    pub fn is_intact(&self) -> bool {
        match &self.backing {
            Backing::Map(window) => window.is_intact(),
            Backing::Block(_) => true,
        }
    }

    /// The memory that they keep alive: their share of a block. A map does not count as the program's memory.
    pub fn memory(&self) -> usize {
        match &self.backing {
            Backing::Map(_) => 0,
            Backing::Block(_) => self.len(),
        }
    }

    /// The number of bytes before the end that are hashed with a checkpoint, and their hash. Reaches back
    /// before the start if the chunk is short.
    pub fn tail(&self) -> (u32, Hash16) {
        let all = self.backing.bytes();
        let start = self.end.saturating_sub(TAIL_BYTES);
        let tail = &all[start..self.end];
        (u32::try_from(tail.len()).expect("at most TAIL_BYTES"), hash16(tail))
    }
}

impl Backing {
    fn bytes(&self) -> &[u8] {
        match self {
            Backing::Map(window) => window,
            Backing::Block(block) => block,
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.backing.bytes()[self.start..self.end]
    }
}

/// Where reading begins, and what must precede it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The checkpoint.
    pub position: u64,
    /// Length and hash of the bytes before it. They are compared if reading passes through them anyway.
    pub tail: (u32, Hash16),
    /// Where the first record starts: at the checkpoint, or slightly before or after it.
    pub record: u64,
}

impl Start {
    /// The start of a new source.
    pub fn zero() -> Start {
        Start { position: 0, tail: (0, hash16(b"")), record: 0 }
    }
}

/// Follows one record of any length to its end, in pieces.
pub(super) struct LongRecord {
    start: u64,
    length: u64,
    follower: Follower,
    record: blake3::Hasher,
    check: xxhash_rust::xxh3::Xxh3Default,
    tail: Vec<u8>,
}

impl LongRecord {
    pub(super) fn new(start: u64, framing: &Framing) -> LongRecord {
        LongRecord {
            start,
            length: 0,
            follower: Follower::new(framing),
            record: blake3::Hasher::new(),
            check: xxhash_rust::xxh3::Xxh3Default::new(),
            tail: Vec::new(),
        }
    }

    /// Takes the next piece; returns how much of it belongs to the record and whether the record ended there.
    /// The remainder is passed again, followed by more bytes unless the piece `is_last`.
    pub(super) fn take(&mut self, piece: &[u8], is_last: bool) -> (usize, bool) {
        let (taken, ended) = self.follower.find_end(piece, is_last);
        let piece = &piece[..taken];
        self.check.update(piece);
        let last = &piece[piece.len().saturating_sub(TAIL_BYTES)..];
        let excess = (self.tail.len() + last.len()).saturating_sub(TAIL_BYTES);
        self.tail.drain(..excess);
        self.tail.extend_from_slice(last);
        let (record, length) = (&mut self.record, &mut self.length);
        self.follower.content(piece, |content| {
            record.update(content);
            *length += content.len() as u64;
        });
        (taken, ended)
    }

    /// The chunk of the record, which ends at `end`. `is_terminated` means that it cannot continue, `ends`
    /// that its source ends there.
    pub(super) fn finish(self, end: u64, is_terminated: bool, ends: bool) -> Chunk {
        let body = Body::TooLong {
            lead: self.follower.lead(),
            length: self.length,
            lines: self.follower.lines(),
            hash: *self.record.finalize().as_bytes(),
            check: self.check.digest(),
            tail: self.tail,
            is_terminated,
        };
        Chunk { span: Span::new(self.start, end), body, ends: ends.then_some(end), is_last: false, raw: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_record_is_the_same_however_it_is_taken() {
        let text = b"a\rbc\r\r\nnext";
        for size in 1..text.len() {
            let mut record = LongRecord::new(0, &Framing::Lines);
            let mut end = 0;
            for piece in text.chunks(size) {
                let (taken, ended) = record.take(piece, false);
                end += taken;
                if ended {
                    break;
                }
            }
            let chunk = record.finish(end as u64, true, false);
            assert_eq!(chunk.span, Span::new(0, 7));
            let Body::TooLong { length, lines, hash, tail, .. } = chunk.body else { panic!("a long record") };
            assert_eq!((length, lines), (5, 1));
            assert_eq!(hash, *blake3::hash(b"a\rbc\r").as_bytes());
            assert_eq!(tail, &text[..7]);
        }
    }
}
