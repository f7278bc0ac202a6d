//! What was forgotten, or would be, for people.

use std::fmt::Write as _;

use crate::figure;
use crate::printable::one_line;
use crate::report::{Forget, RowsLeft};

/// How many sources are named; JSON contains them all.
const SOURCES_SHOWN: usize = 20;

pub(in crate::report) fn forget(forget: &Forget) -> String {
    let (job, destination) = (one_line(forget.head.job()), one_line(&forget.destination));
    let number = figure::some(forget.sources.len(), "source");
    let mut out = if forget.dry_run {
        format!("{job}: {number} of {destination} would be forgotten\n")
    } else {
        format!("{job}: forgot {number} of {destination}\n")
    };
    for source in forget.sources.iter().take(SOURCES_SHOWN) {
        let date = source.data_date.as_ref().map(|date| format!(" ({date})")).unwrap_or_default();
        let records = figure::some(source.records, "record");
        let _ = writeln!(out, "  {:>6}  {}{date}, {records}", source.id, one_line(&source.name));
    }
    if forget.sources.len() > SOURCES_SHOWN {
        let _ = writeln!(out, "  and {} more", forget.sources.len() - SOURCES_SHOWN);
    }
    letters(&mut out, forget);
    let rows = forget.rows.unwrap_or(0);
    match &forget.rows_left {
        RowsLeft::Deleted if forget.dry_run => {
            let _ = writeln!(out, "\n{} of theirs would be deleted.", figure::some(rows, "row"));
        }
        RowsLeft::Deleted => {
            let _ = writeln!(out, "\n{} of theirs were deleted.", figure::some(forget.deleted_rows, "row"));
        }
        RowsLeft::Found { stay } => {
            out.push_str(
                "\nThe rows stay, and a load finds them by their key: none of them will be there twice.\n",
            );
            if *stay {
                out.push_str(
                    "With this on_conflict, the load can leave them as they are: delete those that should change.\n",
                );
            }
        }
        RowsLeft::Doubled { because, command } => {
            let _ = writeln!(
                out,
                "\nThe rows stay. Loaded again they would be there twice, because {because}; delete the old ones first:\n  {}",
                one_line(command)
            );
        }
    }
    out
}

/// What is about to be done: what is removed, and what stays.
pub(in crate::report) fn forget_intent(forget: &Forget) -> String {
    let records: i64 = forget.sources.iter().map(|source| source.records).sum();
    let letters: u64 = forget.sources.iter().map(|source| source.open_dead_letters).sum();
    let rows = match (&forget.rows_left, forget.rows) {
        (RowsLeft::Deleted, rows) => format!("deletes {}", figure::some(rows.unwrap_or(0), "row")),
        (_, Some(rows)) => format!("leaves {}", figure::some(rows, "row")),
        (_, None) => "leaves the rows".to_owned(),
    };
    let then = match letters {
        0 => format!(" and {rows}"),
        letters => format!(", {rows}, and supersedes {}", figure::some(letters, "open dead letter")),
    };
    format!(
        "this makes {} forget {} with {}{then}",
        one_line(forget.head.job()),
        figure::some(forget.sources.len(), "source"),
        figure::some(records, "record")
    )
}

fn letters(out: &mut String, forget: &Forget) {
    let of_sources = forget.sources.iter().map(|source| source.open_dead_letters).sum();
    let letters = if forget.dry_run { of_sources } else { forget.superseded_dead_letters };
    if letters == 0 {
        return;
    }
    let what = if matches!(forget.rows_left, RowsLeft::Deleted) { "dead letter" } else { "open dead letter" };
    let letters = figure::some(letters, what);
    if forget.dry_run {
        let _ = writeln!(out, "\n{letters} of theirs would become superseded.");
    } else {
        let _ = writeln!(out, "\n{letters} of theirs became superseded: a load will make new ones.");
    }
}
