//! Reports as text for people.
//!
//! Names and values come from logs and databases, and can contain what forges a line or affects a terminal. A
//! name is put on one line here (`one_line`); the code that writes the whole text out calls `printable` on
//! all of it.

mod backfill;
mod bench;
mod delivery;
mod fold;
mod forget;
mod infer;
mod letters;
mod plan;
mod rollup;
mod rules;
mod run;
mod status;
mod table;
mod verify;

pub(super) use backfill::{backfill, plan as backfill_plan};
pub(super) use bench::{bench_comparison, bench_dataset, bench_run};
pub(super) use delivery::deliver;
pub use fold::{folded, folded_under};
pub(super) use forget::{forget, forget_intent};
pub(super) use infer::{inferred_fields, inferred_format, inferred_from};
pub(super) use letters::{discard, export, letter, letter_counts, letters, listed, not_kept, replay};
pub(super) use plan::plan;
pub(super) use rollup::rollup;
pub(super) use run::{check, load};
pub(super) use status::{sources, status};
pub(super) use verify::verify;
