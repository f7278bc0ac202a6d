//! Dead letters: the rejects of a batch, written in its transaction.

use std::io::Write as _;

use super::constants::Constants;
use super::link::{Link, prepared};
use super::trouble::{Trouble, at, pass};
use super::verdict::Step;
use super::wire::{HEADER, TRAILER, put};
use crate::sink::Batch;
use crate::sink::claim::signed;
use crate::sink::dead_letter::{Evidence, Letter};
use crate::sink::ledger::Holdings;

const COPY: &str = "COPY logmill.dead_letters
    (job, source_id, source_offset, line, length, raw, raw_hash, stage, reasons, rules_hash, preamble, attempts, generation)
    FROM STDIN BINARY";

pub(super) fn write(
    link: &mut Link,
    constants: &Constants,
    batch: &Batch,
    owned: &Holdings,
    letters: &[Letter<'_>],
) -> Result<(), Trouble> {
    let fail = |error| Trouble::of_write(Step::DeadLetters, error);
    let slot = &mut link.statements.copy_dead_letters;
    let statement = prepared(&mut link.client, slot, Step::DeadLetters, COPY)?;
    let mut writer = at(Step::DeadLetters, link.client.copy_in(&statement))?;
    writer.write_all(HEADER).map_err(fail)?;
    let mut tuple = Vec::new();
    for letter in letters {
        encode(letter, constants, &mut tuple);
        put(&mut tuple, &owned.generation_of(letter.source_id, batch).to_be_bytes());
        writer.write_all(&tuple).map_err(fail)?;
        link.pulse.beat();
    }
    pass(Step::DeadLetters, "mid-dead-letters")?;
    writer.write_all(TRAILER).map_err(fail)?;
    let arrived = at(Step::DeadLetters, writer.finish())?;
    assert_eq!(arrived, letters.len() as u64, "the server stored other dead letters than were sent");
    Ok(())
}

/// A tuple without its last field, the generation.
fn encode(letter: &Letter<'_>, constants: &Constants, tuple: &mut Vec<u8>) {
    const NULL: [u8; 4] = (-1_i32).to_be_bytes();
    tuple.clear();
    tuple.extend_from_slice(&13_i16.to_be_bytes());
    put(tuple, constants.scope.job.as_bytes());
    put(tuple, &letter.source_id.to_be_bytes());
    put(tuple, &signed(letter.span.start).to_be_bytes());
    put(tuple, &signed(letter.line).to_be_bytes());
    put(tuple, &signed(letter.span.len()).to_be_bytes());
    match &letter.record {
        Evidence::Raw(raw) => {
            put(tuple, raw);
            tuple.extend_from_slice(&NULL);
        }
        Evidence::Hash(hash) => {
            tuple.extend_from_slice(&NULL);
            put(tuple, hash);
        }
    }
    put(tuple, letter.stage.as_str().as_bytes());
    // The version byte of jsonb's wire format, then the text.
    let length = u32::try_from(letter.reasons.len() + 1).expect("reasons are bounded");
    tuple.extend_from_slice(&length.to_be_bytes());
    tuple.push(1);
    tuple.extend_from_slice(letter.reasons.as_bytes());
    put(tuple, &constants.rules_hash.0);
    match letter.preamble {
        Some(preamble) => put(tuple, preamble),
        None => tuple.extend_from_slice(&NULL),
    }
    put(tuple, &letter.attempts.to_be_bytes());
}

/// Supersedes the letter of a record that is read again, and returns how often it was tried; `None` if there
/// is no letter.
pub(super) fn supersede(link: &mut Link, source_id: i32, offset: u64) -> Result<Option<i32>, Trouble> {
    let superseded = link.client.query_opt(
        "UPDATE logmill.dead_letters SET state = 'superseded', last_seen = now()
         WHERE source_id = $1 AND source_offset = $2 AND state <> 'superseded'
         RETURNING attempts",
        &[&source_id, &signed(offset)],
    );
    Ok(at(Step::DeadLetters, superseded)?.map(|row| row.get(0)))
}
