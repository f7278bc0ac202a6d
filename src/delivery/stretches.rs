//! The common part of folders and buckets: a file for each stretch of a source,
//! `dead-letters/{job}/{table}/{source id}-{number}.ndjson`, that holds all of its letters.
//!
//! It is written as a whole whenever one of its letters is due. So its name and its bytes follow from the
//! table, whichever process writes it and however often.

use std::io::{self, Write};

use super::envelope::{Envelope, encoded};
use crate::error::{Error, Result};
use crate::failpoint;
use crate::sink::outbox::{Delivered, Outbox, Stretch};
use crate::source::LETTERS;

/// The nested folders that hold the files of a job's table.
pub(super) fn folders(envelope: &Envelope) -> [String; 3] {
    [LETTERS.to_owned(), encoded(&envelope.job), encoded(&envelope.table)]
}

/// The file of a stretch.
pub(super) fn name(stretch: Stretch) -> String {
    format!("{}-{}.ndjson", stretch.source_id, stretch.number)
}

/// Writes all letters of a stretch, and returns which of them to mark once they are in place.
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
