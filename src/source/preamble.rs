//! Preambles: what must be known from before a chunk to read the chunk.
//!
//! The names in a CSV header, the `#Fields:` of the W3C, the types of Zeek. The planner finds the preamble;
//! it travels with each chunk, and it is kept with the checkpoint, so that a run that resumes in the middle
//! of a file knows it. It consists of the bytes of the lines, and each format extracts from them what it
//! needs.

use std::sync::Arc;

/// The lines before a chunk that say how to read it. Empty at the start of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preamble(Option<Arc<[u8]>>);

impl Preamble {
    /// A preamble, from its stored form.
    pub fn new(bytes: &[u8]) -> Preamble {
        Preamble((!bytes.is_empty()).then(|| bytes.into()))
    }

    /// The preamble before its last lines were read, if those are `lines`.
    pub fn before(&self, lines: &[u8]) -> Option<Preamble> {
        let before = self.bytes().strip_suffix(lines).filter(|_| !lines.is_empty())?;
        Some(Preamble::new(before))
    }

    /// Its stored form.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
