//! Searches for record starts in the middle of a source, to cut it there.

use std::sync::Arc;

use super::{Chunk, Chunks, Framing, Settings, Source, Start, hash16};
use crate::error::Result;

/// The first record start that is known to be after `place` and before `end`. Only for framings that show
/// them.
pub fn record_start_behind(
    source: &Arc<Source>,
    place: u64,
    end: u64,
    settings: &Settings,
) -> Result<Option<u64>> {
    // The line that contains the place is treated as one line from there on: its end is right anyway.
    let lines = Settings { framing: Framing::Lines, ..settings.clone() };
    let Some(line) = end_of_first(source, place, end, lines)? else { return Ok(None) };
    if let Framing::Lines | Framing::Commented(_) = settings.framing {
        return Ok(Some(line));
    }
    end_of_first(source, line, end, settings.clone())
}

/// Where the first record after `start` ends, if another one follows.
fn end_of_first(source: &Arc<Source>, start: u64, end: u64, settings: Settings) -> Result<Option<u64>> {
    let settings = Settings { chunk_bytes: 1, lines_max: 1, border_bytes: None, ..settings };
    let start = Start { position: start, tail: (0, hash16(b"")), record: start };
    let first = Chunks::new(source, start, None, &settings)?.next_chunk()?;
    let is_before = |chunk: &Chunk| chunk.ends.is_none() && chunk.span.end < end;
    Ok(first.filter(is_before).map(|chunk| chunk.span.end))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use regex::bytes::Regex;

    use super::super::{Parts, Runtime};
    use super::*;
    use crate::source::{Candidate, Pattern, Reach, Selection, discover};
    use crate::stop::Stop;

    fn opened(content: &[u8]) -> (tempfile::NamedTempFile, Arc<Source>) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("written");
        let pattern = Pattern {
            text: file.path().file_name().expect("a name").to_string_lossy().into_owned().into(),
            base: file.path().parent().expect("a folder").to_owned(),
        };
        let found = discover(&[pattern], &Selection::default(), &Reach::default()).expect("found").files;
        let source = Candidate::open(&found[0], &Stop::default()).and_then(|it| it.reopen()).expect("opened");
        (file, source)
    }

    /// The starts of all records but the first, as found from the beginning on.
    fn starts(source: &Arc<Source>, settings: &Settings) -> BTreeSet<u64> {
        let settings = Settings { chunk_bytes: 1, lines_max: 1, ..settings.clone() };
        let mut chunks = Chunks::new(source, Start::zero(), None, &settings).expect("opened");
        let mut starts = BTreeSet::new();
        while let Some(chunk) = chunks.next_chunk().expect("read") {
            if chunk.ends.is_none() {
                starts.insert(chunk.span.end);
            }
        }
        starts
    }

    #[test]
    fn wherever_one_looks_a_record_starts_where_it_does_for_who_has_read_all() {
        let pattern = Regex::new("^[{]").expect("a pattern");
        let parts =
            Parts { runtime: Runtime::Cri, record_start: Some(Regex::new("^go").expect("a pattern")) };
        let cri = "2024-01-01T00:00:00Z stdout P go\n2024-01-01T00:00:01Z stdout F on\n2024-01-01T00:00:02Z stdout F more\n\
                   no line of a runtime\n2024-01-01T00:00:03Z stderr F go\n2024-01-01T00:00:04Z stdout F go\n";
        for (framing, content) in [
            (Framing::Lines, "a\nbcd\r\n\n\nefg\nh".to_owned()),
            (Framing::Lines, "long\n".repeat(40_000)),
            (Framing::Starts(pattern), "{a\nb\n{c\n\n{\n{d\ne\nf".to_owned()),
            (Framing::Parts(parts), cri.repeat(2)),
        ] {
            let (_file, source) = opened(content.as_bytes());
            let settings = Settings { framing, ..Settings::default() };
            let (starts, end) = (starts(&source, &settings), content.len() as u64);
            assert!(starts.len() > 2);
            for place in (0..end).step_by(if end > 1000 { 997 } else { 1 }) {
                let found = record_start_behind(&source, place, end, &settings).expect("read");
                assert!(
                    found.is_none_or(|found| found > place && starts.contains(&found)),
                    "{place}: {found:?}"
                );
                // One line may be skipped, and no more.
                let ahead: Vec<u64> = starts.range(place + 1..).copied().take(3).collect();
                assert!(
                    ahead.len() < 3 || found.is_some_and(|found| found <= ahead[2]),
                    "{place}: {found:?}"
                );
            }
        }
    }
}
