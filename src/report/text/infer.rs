//! What was inferred, for people.

use std::fmt::Write as _;

use crate::figure;
use crate::printable::one_line;
use crate::report::{CandidateShare, Inferred};

/// More fields than this are only in the job file.
const FIELDS_SHOWN: usize = 40;

/// The maximum width of a column of names.
const NAME_CHARS_MAX: usize = 40;

/// What was read, in one sentence.
pub(in crate::report) fn inferred_from(inferred: &Inferred) -> String {
    let Inferred { what, .. } = inferred;
    let records = figure::some(inferred.records, "record");
    let bytes = figure::bytes(inferred.inflated);
    match (inferred.all, inferred.bytes) {
        (true, _) => {
            let all = if inferred.records == 1 { "" } else { "all " };
            format!("inferred from {all}{records} of {what}, {bytes}")
        }
        (false, 0) => format!("inferred from {records}, the first {bytes} of {what}"),
        (false, size) => format!(
            "inferred from {records}, the first {bytes} of {what} ({} of {})",
            figure::share(inferred.bytes_read, size),
            figure::bytes(size),
        ),
    }
}

/// How many of the tried formats are named.
const TRIED_SHOWN: usize = 3;

/// Which format it is and why, in one sentence.
pub(in crate::report) fn inferred_format(inferred: &Inferred) -> String {
    let share = |tried: &CandidateShare| figure::share(tried.explained, tried.lines);
    let Some((chosen, others)) = inferred.candidates.split_first() else { return String::new() };
    let mut said = format!(
        "the format is {}: it explains {} of {} that were looked at",
        chosen.format,
        figure::count(chosen.explained),
        figure::some(chosen.lines, "line")
    );
    let others: Vec<String> = others
        .iter()
        .filter(|_| chosen.explained < chosen.lines)
        .take(TRIED_SHOWN)
        .map(|tried| format!("{} {}", tried.format, share(tried)))
        .collect();
    if !others.is_empty() {
        let _ = write!(said, " (others: {})", others.join(", "));
    }
    said
}

/// The fields, one on each line.
pub(in crate::report) fn inferred_fields(inferred: &Inferred) -> String {
    let rows: Vec<[String; 3]> = inferred
        .fields
        .iter()
        .map(|field| [one_line(&field.name), field.kind.to_owned(), one_line(&field.note)])
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (names, kinds) = (width(0).min(NAME_CHARS_MAX), width(1));
    let mut out = String::new();
    for [name, kind, note] in rows.iter().take(FIELDS_SHOWN) {
        let line = format!("  {name:<names$}  {kind:<kinds$}  {note}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if rows.len() > FIELDS_SHOWN {
        let _ = writeln!(out, "  and {} more", rows.len() - FIELDS_SHOWN);
    }
    out
}
