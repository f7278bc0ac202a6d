//! Helpers for the tests of formats: they read a text whole or in chunks, in a form that can be compared.

use proptest::prelude::*;

use super::{Chunk, Counted, Format, Memory, Preamble, each_record};

/// The result of reading a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Each record as JSON, or the code of its fault.
    pub(super) records: Vec<String>,
    pub(super) counted: Counted,
}

/// Reads a text as one chunk.
pub(super) fn shown(format: &impl Format, text: &[u8]) -> Shown {
    shown_in_chunks(format, text, usize::MAX)
}

/// Reads a text in chunks, each of which ends after the record that contains its last byte.
pub(super) fn shown_in_chunks(format: &impl Format, text: &[u8], bytes_max: usize) -> Shown {
    let mut shown = Shown { records: Vec::new(), counted: Counted::default() };
    let (mut memory, mut preamble, mut start) = (Memory::default(), Preamble::default(), 0);
    while start < text.len() {
        let mut ends = format.framing().records(&text[start..]).map(|record| record.end);
        let length = ends.find(|&end| end >= bytes_max).unwrap_or(text.len() - start);
        let chunk =
            Chunk { bytes: &text[start..start + length], preamble: &preamble, record_bytes_max: 1000 };
        let counted = each_record(format, chunk, &mut memory, |place, record, arena| {
            assert_eq!(place.raw, &text[start + place.start..][..place.raw.len()]);
            shown.records.push(match record {
                Ok(record) => String::from_utf8_lossy(record.root().json(arena)).into_owned(),
                Err(fault) => fault.code.to_string(),
            });
        });
        let all = &mut shown.counted;
        all.lines += counted.lines;
        all.blank += counted.blank;
        all.skipped += counted.skipped;
        all.records += counted.records;
        all.record_lines += counted.record_lines;
        all.last = start + counted.last;
        let behind = match format.is_settled(&preamble) {
            true => None,
            false => Some(format.follow(chunk)),
        };
        preamble = behind.unwrap_or(preamble);
        start += length;
    }
    shown
}

/// Texts made of these pieces, in any order.
pub(super) fn text_of(pieces: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|pieces| pieces.concat())
}
