//! Chunks from owned blocks: for small files, for files that must not be mapped, and for
//! everything that can only be read from front to back.
//!
//! A block is `[tail of what came before][the rest of the last block][what was read now]`,
//! so that a chunk is whole and its tail can be hashed. Blocks are not reused: a chunk
//! holds its block until the worker is done with it.

use std::sync::Arc;

use super::chunk::{Bytes, Chunk, LongRecord, TAIL_BYTES, cut};
use super::{Body, Settings, Source};
use crate::error::Result;
use crate::span::Span;

/// The chunks of a source, read block by block.
#[derive(Debug)]
pub(super) struct Blocks<'s> {
    source: &'s Source,
    settings: Settings,
    /// The offset up to which the source was read.
    read: u64,
    block: Vec<u8>,
    /// Where in the block the next record starts.
    start: usize,
}

impl<'s> Blocks<'s> {
    pub(super) fn new(source: &'s Source, position: u64, settings: &Settings) -> Blocks<'s> {
        // The bytes before the position are needed for the first tail.
        let read = position.saturating_sub(TAIL_BYTES as u64);
        let start = usize::try_from(position - read).expect("at most TAIL_BYTES");
        Blocks { source, settings: settings.clone(), read, block: Vec::new(), start }
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        loop {
            let is_end = self.read == self.source.size();
            if self.start <= self.block.len() {
                // A chunk may be cut shorter than `chunk_bytes` only where nothing more can be read into the block:
                // otherwise the cuts would depend on how far the reads happened to reach.
                if let Some(length) = cut(&self.block[self.start..], self.settings.chunk_bytes, is_end) {
                    return Ok(Some(self.give(length)));
                }
                if is_end {
                    return Ok(None);
                }
                if self.block.len() - self.start > self.settings.record_bytes_max + 2 {
                    return self.follow_long_record().map(Some);
                }
            }
            self.fill()?;
        }
    }

    /// Hands out the next `length` bytes of the block as a chunk, and keeps the rest.
    fn give(&mut self, length: usize) -> Chunk {
        let offset = self.read - (self.block.len() - self.start) as u64;
        let end = self.start + length;
        let kept_from = end.saturating_sub(TAIL_BYTES);
        let rest = self.block[kept_from..].to_vec();
        let block = Arc::new(std::mem::replace(&mut self.block, rest));
        let bytes = Bytes::of_block(block, self.start, end);
        self.start = end - kept_from;
        Chunk { span: Span::new(offset, offset + length as u64), body: Body::Records(bytes) }
    }

    /// Reads up to another `chunk_bytes`, more when a long record already stands there.
    fn fill(&mut self) -> Result<()> {
        let want = self.settings.chunk_bytes.max(self.block.len()).max(TAIL_BYTES) as u64;
        let take =
            usize::try_from(want.min(self.source.size() - self.read)).expect("a block fits into memory");
        let old = self.block.len();
        self.block.resize(old + take, 0);
        self.source.read_into(self.read, &mut self.block[old..])?;
        self.read += take as u64;
        Ok(())
    }

    fn follow_long_record(&mut self) -> Result<Chunk> {
        let start = self.read - (self.block.len() - self.start) as u64;
        let mut record = LongRecord::new(start);
        loop {
            let (taken, ended) = record.take(&self.block[self.start..]);
            self.start += taken;
            if ended || self.read == self.source.size() {
                let end = self.read - (self.block.len() - self.start) as u64;
                // Keep what a tail of the next chunk may reach back to.
                let kept_from = self.start.saturating_sub(TAIL_BYTES);
                self.block.drain(..kept_from);
                self.start -= kept_from;
                return Ok(record.finish(end, ended));
            }
            let kept_from = self.start.saturating_sub(TAIL_BYTES);
            self.block.drain(..kept_from);
            self.start -= kept_from;
            self.fill()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::{Chunks, Source};
    use super::*;

    /// The chunks of `text` by either way, as (span, bytes or length of a long record).
    fn chunks(text: &[u8], settings: &Settings, position: u64) -> Vec<(Span, Result<Vec<u8>, u64>)> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text).expect("written");
        let source = Source::open(file.path()).expect("opened");
        let mut chunks = Chunks::new(&source, position, settings);
        let mut found = Vec::new();
        while let Some(chunk) = chunks.next_chunk().expect("readable") {
            let content = match &chunk.body {
                Body::Records(bytes) => Ok(bytes.to_vec()),
                Body::TooLong { length, .. } => Err(*length),
            };
            found.push((chunk.span, content));
        }
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
    fn a_record_over_the_bound_is_a_chunk_of_its_own() {
        let mut text = b"ok\n".to_vec();
        text.extend_from_slice(&[b'x'; 50_000]);
        text.extend_from_slice(b"\r\nok again\n");
        let settings = Settings { chunk_bytes: 16, record_bytes_max: 100, window_bytes: 8192, mmap: false };
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
            let read = Settings { chunk_bytes, record_bytes_max: 20_000, window_bytes: 16_384, mmap: false };
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
            // A long record within a chunk is not told apart here: that is the worker's part.
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
