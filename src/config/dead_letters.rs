//! `[dead_letters]`: what happens to records that cannot become rows.

use std::path::Path;

use super::reader::Reader;
use super::scope::{Scope, as_text};
use super::{Overrides, as_usize};
use crate::delivery::Address;
use crate::error::secret;
use crate::sink::bar::Bar;

/// What happens to records that cannot become rows.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// Of a longer record, only place and hash are kept.
    pub raw_bytes_max: usize,
    /// A source with more dead letters is abandoned.
    pub stop_above: Option<Bar>,
    /// Where they are also delivered.
    pub to: Option<Address>,
    /// Whether the job file contains a password for it.
    pub has_password: bool,
}

impl DeadLetters {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        scope: &Scope<'_>,
        folder: &Path,
        overrides: &Overrides,
    ) -> DeadLetters {
        let stop_above = reader.bar(scope, "stop_above");
        let written = scope.value("to").and_then(as_text);
        let to = match reader.text(scope, "to") {
            Some((text, place)) => match Address::read(&text, folder) {
                Ok(to) => Some(to),
                Err(why) => {
                    reader.find(why, &place);
                    None
                }
            },
            None => None,
        };
        DeadLetters {
            raw_bytes_max: as_usize(reader.size(scope, "max_raw")),
            stop_above: overrides.stop_above.or(stop_above),
            to,
            has_password: written.is_some_and(|written| secret::removed(written.text) != written.text),
        }
    }
}
