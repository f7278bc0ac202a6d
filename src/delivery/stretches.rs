//! What a folder and a bucket have in common: a file for each stretch of a source, `dead-letters/{job}/{table}/{source
//! id}-{number}.ndjson`, that holds all letters of it.
//!
//! It is written whole whenever one of its letters is due. So its name and its bytes follow from the table, whoever
//! writes it and however often.

use std::io::{self, Write};

use super::envelope::{Envelope, encoded};
use crate::error::{Error, Result};
use crate::failpoint;
use crate::sink::outbox::{Delivered, Outbox, Stretch};
use crate::source::LETTERS;

/// The folders in which the files of a job's table are, one in the other.
pub(super) fn folders(envelope: &Envelope) -> [String; 3] {
    [LETTERS.to_owned(), encoded(&envelope.job), encoded(&envelope.table)]
}

/// The file of a stretch.
pub(super) fn name(stretch: Stretch) -> String {
    format!("{}-{}.ndjson", stretch.source_id, stretch.number)
}

/// Writes all letters of a stretch, and says which of them are to be marked once they are where they belong.
pub(super) fn write(
    stretch: Stretch,
    outbox: &mut dyn Outbox,
    envelope: &Envelope,
    out: &mut dyn Write,
    failed: impl Fn(io::Error) -> Error,
) -> Result<Delivered> {
    let mut delivered = Delivered::default();
    outbox.letters_of(stretch, &mut |letter| {
        if failpoint::reached("mid-letters-file") {
            return Err(failed(io::ErrorKind::StorageFull.into()));
        }
        delivered.add(&letter);
        out.write_all(envelope.for_file(&letter).as_bytes()).map_err(&failed)?;
        out.write_all(b"\n").map_err(&failed)
    })?;
    Ok(delivered)
}
