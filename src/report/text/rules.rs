//! What was loaded under rules that are no longer those of the job, for people.

use std::fmt::Write as _;

use crate::figure;
use crate::report::OtherRules;

/// What is loaded by other rules, and how it can be otherwise.
pub(super) fn other_rules(out: &mut String, other: OtherRules) {
    let was = if other.files == 1 { "was" } else { "were" };
    let _ = write!(out, "  {} {was} loaded under other rules", figure::some(other.files, "file"));
    if other.open_dead_letters > 0 {
        let are = if other.open_dead_letters == 1 { "is" } else { "are" };
        let letters = figure::some(other.open_dead_letters, "dead letter");
        let _ = write!(out, "; {letters} {are} open under the old ones");
    }
    let replay = match other.open_dead_letters {
        0 => "",
        _ => "\n    `logmill dead-letters replay` tries these again by the new ones;",
    };
    let (rebuild, rows) = match other.has_places {
        true => (
            "\n    `load --rebuild` loads the files by the new ones, in the place of their rows; else",
            " with --delete-rows",
        ),
        false => ("", ""),
    };
    let _ = writeln!(
        out,
        "{replay}{rebuild}\n    what is loaded stays, unless you `logmill forget` the files{rows} and load again"
    );
}
