//! Reports as people read them.
//!
//! Names and values come from logs and from databases, and can hold what forges a line or what a
//! terminal acts upon. A name is put on one line here (`one_line`); whatever is left in the
//! whole text is the business of the one who writes it out, who calls `printable` on all of it.

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
