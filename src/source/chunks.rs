//! The chunks of a range of a source, whether it is mapped or read.

use std::sync::Arc;

use super::chunk::{Chunk, Start};
use super::read::Blocks;
use super::windows::Windows;
use super::{Settings, Source};
use crate::error::{Error, Result};

/// The chunks of a range of a source, in order.
#[derive(Debug)]
pub struct Chunks {
    way: Way,
    source: Arc<Source>,
    end: Option<u64>,
    has_ended: bool,
}

#[derive(Debug)]
enum Way {
    Mapped(Windows),
    Read(Box<Blocks>),
}

impl Chunks {
    /// The chunks of `source` from `start` to `end`, which is the start of a record; without one, to the end
    /// of the source.
    pub fn new(source: &Arc<Source>, start: Start, end: Option<u64>, settings: &Settings) -> Result<Chunks> {
        let rest = source.size().map_or(0, |size| size.saturating_sub(start.record));
        let way = if settings.mmap && source.can_be_mapped() && rest >= settings.map_bytes_min {
            Way::Mapped(Windows::new(source, start, end, settings)?)
        } else {
            Way::Read(Box::new(Blocks::new(source, start, end, settings)?))
        };
        Ok(Chunks { way, source: Arc::clone(source), end, has_ended: false })
    }

    /// The next chunk, or `None` at the end. The last one is marked as the last, and with whether the source
    /// ends with it; it is empty if that was not known before. A last line that waits for its rest is not
    /// part of any chunk, and the source then does not end.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        if self.has_ended {
            return Ok(None);
        }
        let chunk = match &mut self.way {
            Way::Mapped(windows) => windows.next_chunk()?,
            Way::Read(blocks) => blocks.next_chunk()?,
        };
        let Some(mut chunk) = chunk else {
            self.has_ended = true;
            return Ok(None);
        };
        if let (Some(size), Some(end)) = (chunk.ends, self.end)
            && size < end
        {
            return Err(Error::source_at(
                self.source.path(),
                size,
                format!(
                    "it ends at byte {size}, within a split that ends at byte {end} (truncated or replaced?)"
                ),
            ));
        }
        chunk.is_last = chunk.ends.is_some() || self.end == Some(chunk.span.end);
        self.has_ended = chunk.is_last;
        Ok(Some(chunk))
    }
}
