//! Preambles: what must be known of a source from before a chunk, to read the chunk.
//!
//! The names in a CSV header, the `#Fields:` of the W3C, the types of Zeek. The planner finds
//! it, it travels with each chunk, and it is kept with the checkpoint, so that a run that goes on
//! in the middle of a file knows it. It is the bytes of the lines that say it, and each format
//! makes of them what it needs.

use std::sync::Arc;

/// The lines before a chunk that say how to read it. Empty at the start of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preamble(Option<Arc<[u8]>>);

impl Preamble {
    /// A preamble as it was stored.
    pub fn new(bytes: &[u8]) -> Preamble {
        Preamble((!bytes.is_empty()).then(|| bytes.into()))
    }

    /// The same before its last lines were read, if those are `lines`.
    pub fn before(&self, lines: &[u8]) -> Option<Preamble> {
        let before = self.bytes().strip_suffix(lines).filter(|_| !lines.is_empty())?;
        Some(Preamble::new(before))
    }

    /// As it is stored.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
