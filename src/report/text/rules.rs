//! What was loaded under rules that the job no longer has, for people.

use std::fmt::Write as _;

use crate::figure;
use crate::report::{OldRows, OtherRules};

/// What was loaded under other rules, and how to change that.
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
    let (rebuild, rows) = match other.rows {
        OldRows::Deletable => (
            "\n    `load --rebuild` loads the files by the new ones, in the place of their rows; else",
            " with --delete-rows",
        ),
        OldRows::Replaced => ("", ""),
        OldRows::Kept => ("", ", delete their rows,"),
    };
    let _ = writeln!(
        out,
        "{replay}{rebuild}\n    what is loaded stays, unless you `logmill forget` the files{rows} and load again"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Key, OnConflict};

    #[test]
    fn what_is_advised_has_an_effect() {
        let advised = |key: Key, on_conflict: OnConflict| {
            let rows = OldRows::of(&key, &on_conflict);
            let mut out = String::new();
            other_rules(&mut out, OtherRules { files: 1, open_dead_letters: 0, rows });
            out
        };
        let columns = || Key::Columns(vec!["n".to_owned()]);
        assert!(
            advised(Key::Position, OnConflict::Keep)
                .contains("\n    `load --rebuild` loads the files by the new ones")
        );
        assert!(
            advised(columns(), OnConflict::Update).ends_with("`logmill forget` the files and load again\n")
        );
        for on_conflict in [OnConflict::Keep, OnConflict::Newest("at".to_owned())] {
            let advised = advised(columns(), on_conflict);
            assert!(
                advised.ends_with("`logmill forget` the files, delete their rows, and load again\n"),
                "{advised}"
            );
        }
    }
}
