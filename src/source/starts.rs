//! Record starts that are looked for in the midst of a source, to cut it there.

use std::sync::Arc;

use super::{Chunk, Chunks, Framing, Settings, Source, Start, hash16};
use crate::error::Result;

/// The first record start that is known to stand behind `place`, and before `end`. Only for framings
/// that show them.
pub fn record_start_behind(
    source: &Arc<Source>,
    place: u64,
    end: u64,
    settings: &Settings,
) -> Result<Option<u64>> {
    // The line that the place is in is taken for one from there on: it ends where it ends.
    let lines = Settings { framing: Framing::Lines, ..settings.clone() };
    let Some(line) = end_of_first(source, place, end, lines)? else { return Ok(None) };
    if let Framing::Lines | Framing::Commented(_) = settings.framing {
        return Ok(Some(line));
    }
    end_of_first(source, line, end, settings.clone())
}

/// Where the first record behind `start` ends, if another one comes behind it.
fn end_of_first(source: &Arc<Source>, start: u64, end: u64, settings: Settings) -> Result<Option<u64>> {
    let settings = Settings { chunk_bytes: 1, lines_max: 1, border_bytes: None, ..settings };
    let start = Start { position: start, tail: (0, hash16(b"")), record: start };
    let first = Chunks::new(source, start, None, &settings)?.next_chunk()?;
    let is_before = |chunk: &Chunk| chunk.ends.is_none() && chunk.span.end < end;
    Ok(first.filter(is_before).map(|chunk| chunk.span.end))
}
