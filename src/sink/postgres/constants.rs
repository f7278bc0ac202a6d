//! The constants of a run: the target, the columns, the statements.

use super::apart::Apart;
use super::catalog::Target;
use super::key_index::KeyIndex;
use super::marks::Marks;
use super::merge::Merge;
use super::wire::{Column, Wire};
use crate::sink::claim::Scope;
use crate::sink::key::quote;
use crate::sink::rebuild::Provenance;
use crate::sink::{Batch, Key};
use crate::source::Hash16;

/// Everything that a transaction needs besides the batch.
#[derive(Debug)]
pub(super) struct Constants {
    pub(super) scope: Scope,
    /// The hash of the run's rules: a letter records under which rules it was refused.
    pub(super) rules_hash: Hash16,
    pub(super) target: Target,
    pub(super) key: Key,
    /// How a rebuild identifies the rows it removes.
    pub(super) provenance: Option<Provenance>,
    /// The unique index of the key.
    pub(super) key_index: KeyIndex,
    /// The search path for statements that write the target.
    pub(super) target_path: String,
    /// BEGIN with all settings.
    pub(super) begin_sql: String,
    /// Locks the target and reads its columns.
    pub(super) look_sql: String,
    pub(super) copy_sql: String,
    /// Rows can only go through the stage: a column is staged as text and cast.
    pub(super) must_stage: bool,
    /// Staged rows are inserted or updated in one statement, because others write the same keys, or a trigger
    /// does.
    pub(super) upserts: bool,
    pub(super) merge: Merge,
    pub(super) marks: Marks,
    pub(super) apart: Apart,
    /// The same for the letters of a rebuild.
    pub(super) of_letters: Option<(Merge, Apart)>,
    /// A refused record longer than this is kept by hash and place.
    pub(super) raw_max: usize,
    pub(super) columns: Vec<Column>,
    /// The indexes of the key's columns.
    pub(super) key_columns: Vec<usize>,
    /// The server can consider keys with different bytes equal.
    pub(super) server_equates_keys: bool,
}

impl Constants {
    /// The statements for batches that do not go straight into the target.
    pub(super) fn writers(&self, batch: &Batch) -> (&Merge, &Apart) {
        match &self.of_letters {
            Some((merge, apart)) if batch.is_replay() => (merge, apart),
            _ => (&self.merge, &self.apart),
        }
    }

    /// The hash of a row's key, from its encoded bytes.
    pub(super) fn key_hash(&self, tuple: &[u8]) -> u128 {
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        // Two bytes for the number of fields; then the length and bytes of each.
        let mut at = 2;
        let mut column = 0;
        while at + 4 <= tuple.len() {
            let length = i32::from_be_bytes(*tuple[at..].first_chunk().expect("four bytes are left"));
            let end = at + 4 + usize::try_from(length).unwrap_or(0);
            if self.key_columns.contains(&column) {
                hasher.update(&tuple[at..end]);
            }
            at = end;
            column += 1;
        }
        hasher.digest128()
    }
}

/// The statement that copies into the target.
pub(super) fn copy_sql(target: &Target, columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
    format!("COPY {} ({}) FROM STDIN BINARY", target.quoted(), names.join(", "))
}

/// Whether a column can only be written through the stage.
pub(super) fn must_stage(columns: &[Column]) -> bool {
    columns.iter().any(|column| column.wire == Wire::Cast)
}
