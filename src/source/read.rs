//! Chunks from owned blocks: for small files, for files that must not be mapped, for archives and for
//! streams.
//!
//! A block is `[tail of what came before][the rest of the last block][what was read now]`, so that a chunk is
//! contiguous and its tail can be hashed. Blocks are not reused: the chunks of a block keep it alive until
//! their workers are done with them.

use std::sync::Arc;

use super::chunk::{Bytes, Chunk, LongRecord, Start};
use super::feed::Feed;
use super::identity::{TAIL_BYTES, hash16, if_it_is_new};
use super::{Body, Settings, Source, first_record};
use crate::error::{Error, Result};
use crate::span::Span;

/// The chunks of a source, read block by block.
#[derive(Debug)]
pub(super) struct Blocks {
    source: Arc<Source>,
    /// The end of the range to cut; without one, that of the source.
    end: Option<u64>,
    feed: Feed,
    settings: Settings,
    block: Arc<Vec<u8>>,
    /// The position in the block at which the next record starts.
    start: usize,
    /// Nothing follows the content of the block.
    is_end: bool,
    /// An error that came after some records, which are returned first.
    failure: Option<Error>,
    /// The bytes of the file returned so far, compressed as they are; for a plain file, the offset reached.
    raw: u64,
    /// The position still to be reached, where what precedes it is compared.
    way: Option<Start>,
}

impl Blocks {
    pub(super) fn new(
        source: &Arc<Source>,
        start: Start,
        end: Option<u64>,
        settings: &Settings,
    ) -> Result<Blocks> {
        // The bytes before the first record are needed for the first tail.
        let first = start.record.min(start.position).saturating_sub(TAIL_BYTES as u64);
        let feed = source.feed(first)?;
        let is_plain = feed.is_plain();
        Ok(Blocks {
            source: Arc::clone(source),
            end,
            feed,
            settings: settings.clone(),
            block: Arc::default(),
            start: 0,
            is_end: false,
            failure: None,
            raw: if is_plain { start.record } else { 0 },
            way: Some(start),
        })
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        if let Some(start) = self.way.take() {
            self.go_to(start)?;
        }
        loop {
            let (rest, ends_here) = self.rest();
            let rest_is_record = ends_here || self.is_end && !self.settings.growing && self.failure.is_none();
            // A chunk may be shorter than `chunk_bytes` only if nothing more can be read into the block:
            // otherwise the cuts would depend on how far reads happen to reach.
            if let Some(length) = self.settings.cut(self.offset(self.start), rest, rest_is_record) {
                return Ok(Some(self.give(length)));
            }
            if ends_here {
                return Ok(Some(self.give(0)));
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.is_end {
                let waits = self.start < self.block.len();
                return Ok((!waits).then(|| self.give(0)));
            }
            if self.block.len() - self.start > self.settings.reach() {
                return self.follow_long_record();
            }
            self.fill();
        }
    }

    /// The part of the range that the block holds and has not returned, and whether the range ends there.
    fn rest(&self) -> (&[u8], bool) {
        let rest = &self.block[self.start..];
        let left = self.end.map(|end| end.saturating_sub(self.offset(self.start)));
        match left.and_then(|left| usize::try_from(left).ok()).filter(|&left| left <= rest.len()) {
            Some(left) => (&rest[..left], true),
            None => (rest, false),
        }
    }

    /// The source offset of a position in the block.
    fn offset(&self, place: usize) -> u64 {
        self.feed.position() - (self.block.len() - place) as u64
    }

    /// Goes to where reading starts. What is passed on the way is compared with what was loaded: an archive
    /// or a stream can turn out to be another one.
    fn go_to(&mut self, start: Start) -> Result<()> {
        let Start { position, tail, record } = start;
        let goal = position.max(record);
        while self.feed.position() < goal && !self.is_end {
            self.fill();
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            // Far from the goal only the bytes that a tail may reach back to are kept.
            let keep_from = position.min(record).saturating_sub(TAIL_BYTES as u64);
            let drop = keep_from.saturating_sub(self.offset(0)).min(self.block.len() as u64);
            self.forget(usize::try_from(drop).expect("within the block"));
        }
        let first = self.offset(0);
        if self.feed.position() < goal {
            let has = self.feed.position();
            return Err(Error::source_at(
                self.source.path(),
                has,
                format!(
                    "it ends at byte {has}, but was loaded up to byte {position} (truncated or replaced?). Nothing of it \
                     was loaded; {}",
                    if_it_is_new(self.source.path())
                ),
            ));
        }
        let place = |offset: u64| usize::try_from(offset - first).expect("within the block");
        if tail.0 > 0 && !self.source.can_be_read_again() {
            let before = &self.block[place(position - u64::from(tail.0))..place(position)];
            if hash16(before) != tail.1 {
                return Err(Error::source_at(
                    self.source.path(),
                    position,
                    format!(
                        "what stands before byte {position} is not what was loaded (another file?). Nothing of it was \
                         loaded; {}; a stream that only begins alike is loaded with --allow-duplicates",
                        if_it_is_new(self.source.path())
                    ),
                ));
            }
        }
        self.start = place(record);
        if record == 0 {
            while self.block.len() < 4 && !self.is_end && self.failure.is_none() {
                self.fill();
            }
            self.start =
                usize::try_from(first_record(self.source.path(), &self.block)?).expect("a few bytes");
        }
        Ok(())
    }

    /// Returns the next `length` bytes of the block as a chunk, and keeps the rest.
    fn give(&mut self, length: usize) -> Chunk {
        let offset = self.offset(self.start);
        let end = self.start + length;
        let ends = self.is_end && self.failure.is_none() && end == self.block.len();
        let bytes = Bytes::of_block(Arc::clone(&self.block), self.start, end);
        self.start = end;
        let span = Span::new(offset, offset + length as u64);
        Chunk {
            span,
            body: Body::Records(bytes),
            ends: ends.then_some(span.end),
            is_last: false,
            raw: self.raw_up_to(span.end),
        }
    }

    /// The bytes of the file that a chunk ending at `end` accounts for. For a plain file these are the bytes
    /// between this end and the previous one, without those before the first record and those read ahead; for
    /// a compressed file, what was read since the previous chunk.
    fn raw_up_to(&mut self, end: u64) -> u64 {
        let raw = if self.feed.is_plain() { end } else { self.feed.raw() };
        raw.saturating_sub(std::mem::replace(&mut self.raw, raw))
    }

    /// Reads up to another `chunk_bytes`, or more if a long record is already in the block. An error waits
    /// until the records before it are returned.
    fn fill(&mut self) {
        // The tail of the next chunk may reach back this far.
        let kept_from = self.start.saturating_sub(TAIL_BYTES);
        self.start -= kept_from;
        self.forget(kept_from);
        let old = self.block.len();
        let take = self.settings.chunk_bytes.max(old).max(TAIL_BYTES).min(self.left_to_read());
        let block = Arc::get_mut(&mut self.block).expect("nobody else has it");
        block.resize(old + take, 0);
        match self.feed.fill(&self.source, &mut block[old..]) {
            Ok(filled) => {
                self.is_end = filled < take && !self.feed.has_failed();
                block.truncate(old + filled);
            }
            Err(error) => {
                self.failure = Some(error);
                block.truncate(old);
            }
        }
    }

    /// How much is left to read of a file of known size, plus one byte that shows that it ends there: a block
    /// for a thousand bytes need not be filled with a million zeros first.
    fn left_to_read(&self) -> usize {
        let seen = self.source.size().and_then(|size| size.checked_sub(self.feed.position()));
        // A file that has grown is read further in whole blocks.
        seen.filter(|&left| left > 0)
            .map_or(usize::MAX, |left| usize::try_from(left + 1).unwrap_or(usize::MAX))
    }

    /// Drops the first `count` bytes of the block. The rest moves to a block that no chunk holds.
    fn forget(&mut self, count: usize) {
        match Arc::get_mut(&mut self.block) {
            Some(block) => drop(block.drain(..count)),
            None => self.block = Arc::new(self.block[count..].to_vec()),
        }
    }

    fn follow_long_record(&mut self) -> Result<Option<Chunk>> {
        let start = self.offset(self.start);
        let mut record = LongRecord::new(start, &self.settings.framing);
        loop {
            let is_last = self.is_end && !self.settings.growing && self.failure.is_none();
            let (taken, ended) = record.take(&self.block[self.start..], is_last);
            self.start += taken;
            let end = self.offset(self.start);
            if let Some(failure) = self.failure.take_if(|_| !ended) {
                return Err(failure);
            }
            if !ended && self.is_end && self.settings.growing {
                return Ok(None);
            }
            let is_end = self.is_end && self.start == self.block.len();
            let is_enough = end - start >= self.settings.follow_bytes_max;
            if ended || is_end || is_enough {
                let mut chunk = record.finish(end, ended, is_end);
                chunk.raw = self.raw_up_to(end);
                return Ok(Some(chunk));
            }
            self.fill();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::{Chunks, Source};
    use super::*;

    /// The chunks of `text` by either method, as (span, bytes or length of a long record).
    fn chunks(text: &[u8], settings: &Settings, position: u64) -> Vec<(Span, Result<Vec<u8>, u64>)> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text).expect("written");
        let source = Arc::new(Source::open(file.path()).expect("opened"));
        let start = Start { position, record: position, ..Start::zero() };
        let mut chunks = Chunks::new(&source, start, None, settings).expect("opened");
        let mut found = Vec::new();
        let mut has_ended = false;
        while let Some(chunk) = chunks.next_chunk().expect("readable") {
            let content = match &chunk.body {
                Body::Records(bytes) => Ok(bytes.to_vec()),
                Body::TooLong { length, .. } => Err(*length),
            };
            assert!(!has_ended, "a chunk after the last");
            has_ended = chunk.ends.is_some();
            found.push((chunk.span, content));
        }
        assert!(has_ended, "the end was not said");
        found
    }

    #[test]
    fn chunks_cover_the_source_whatever_their_size() {
        let text = b"one\ntwo\r\n\nthree and more\nfour";
        for chunk_bytes in 1..40 {
            for position in [0, 4, 9] {
                let settings = Settings { chunk_bytes, ..Settings::default() };
                let found = chunks(text, &settings, position);
                let mut at = position;
                for (span, content) in &found {
                    assert_eq!(span.start, at);
                    assert_eq!(content.as_ref().expect("no long record").len() as u64, span.len());
                    at = span.end;
                    assert!(at == text.len() as u64 || text[at as usize - 1] == b'\n');
                }
                assert_eq!(at, text.len() as u64);
            }
        }
    }

    #[test]
    fn a_plain_source_is_counted_from_where_reading_began_to_where_it_ended() {
        let mut text: Vec<u8> = (0..20_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        text.extend_from_slice(&[b'x'; 30_000]);
        text.push(b'\n');
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&text).expect("written");
        let source = Arc::new(Source::open(file.path()).expect("opened"));
        let at = |line: &str| {
            text.windows(line.len()).position(|bytes| bytes == line.as_bytes()).expect("there") as u64 + 1
        };
        let (third, last) = (at("\nline 3\n"), at("\nline 19999\n"));
        for mmap in [false, true] {
            let (chunk_bytes, record_bytes_max) = (1_000, 10_000);
            let settings =
                Settings { chunk_bytes, record_bytes_max, mmap, map_bytes_min: 1, ..Settings::default() };
            for (position, end) in
                [(0, None), (third, None), (last, None), (0, Some(third)), (third, Some(last))]
            {
                let start = Start { position, record: position, ..Start::zero() };
                let mut chunks = Chunks::new(&source, start, end, &settings).expect("opened");
                let mut raw = 0;
                while let Some(chunk) = chunks.next_chunk().expect("readable") {
                    raw += chunk.raw;
                }
                assert_eq!(raw, end.unwrap_or(text.len() as u64) - position, "{position} {end:?} {mmap}");
            }
        }
    }

    #[test]
    fn a_record_over_the_bound_is_a_chunk_of_its_own() {
        let mut text = b"ok\n".to_vec();
        text.extend_from_slice(&[b'x'; 50_000]);
        text.extend_from_slice(b"\r\nok again\n");
        let settings = Settings {
            chunk_bytes: 16,
            record_bytes_max: 100,
            window_bytes: 8192,
            mmap: false,
            map_bytes_min: 1,
            growing: false,
            ..Settings::default()
        };
        let found = chunks(&text, &settings, 0);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1], (Span::new(3, 50_005), Err(50_000)));
        assert_eq!(found[2].1.as_deref(), Ok(&b"ok again\n"[..]));
    }

    #[test]
    fn mapped_and_read_sources_give_the_same_records() {
        let mut text = Vec::new();
        let mut rng = fastrand::Rng::with_seed(7);
        while text.len() < 900_000 {
            let length = if rng.u8(..) < 2 { rng.usize(..60_000) } else { rng.usize(..200) };
            text.resize(text.len() + length, b'a' + rng.u8(..26));
            text.push(b'\n');
        }
        for chunk_bytes in [1, 1000, 50_000, 1 << 20] {
            let read = Settings {
                chunk_bytes,
                record_bytes_max: 20_000,
                window_bytes: 16_384,
                mmap: false,
                map_bytes_min: 1,
                growing: false,
                ..Settings::default()
            };
            let mapped = Settings { mmap: true, ..read.clone() };
            let join = |chunks: Vec<(Span, Result<Vec<u8>, u64>)>| {
                let mut records = Vec::new();
                for (span, content) in chunks {
                    match content {
                        Ok(bytes) => {
                            records.extend(bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec))
                        }
                        Err(length) => records.push(format!("long {length} at {span:?}").into_bytes()),
                    }
                }
                records
            };
            // A long record within a chunk is not distinguished here: that is the worker's part.
            let short = |records: Vec<Vec<u8>>| {
                records
                    .into_iter()
                    .filter(|record| record.len() <= 20_000 && !record.starts_with(b"long"))
                    .collect::<Vec<_>>()
            };
            assert_eq!(short(join(chunks(&text, &read, 0))), short(join(chunks(&text, &mapped, 0))));
        }
    }
}
