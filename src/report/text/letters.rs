//! Dead letters, for people.

use std::fmt::Write as _;

use serde_json::Value;

use crate::figure;
use crate::printable::{one_line, printable};
use crate::report::{Letters, ShownLetter};
use crate::sink::history::DeadLetter;

/// One on each line.
pub(in crate::report) fn letters(letters: &Letters) -> String {
    let mut out = String::new();
    letters.dead_letters.iter().for_each(|letter| listed(letter, &mut out));
    if letters.dead_letters.is_empty() {
        out.push_str("no dead letters\n");
    }
    out
}

/// The line of one.
pub(in crate::report) fn listed(letter: &DeadLetter, out: &mut String) {
    let source = one_line(&letter.source);
    let _ = write!(out, "{:>8}  {source}:{}  {}", letter.id, letter.line, in_short(&letter.reasons));
    if letter.state != "open" {
        let _ = write!(out, "  ({})", one_line(&letter.state));
    }
    out.push('\n');
}

/// One with all that is known of it.
pub(in crate::report) fn letter(shown: &ShownLetter) -> String {
    let letter = &shown.letter;
    let attempts = figure::some(letter.attempts, "attempt");
    let mut out = format!("dead letter {}  ({}, {attempts} so far)\n", letter.id, one_line(&letter.state));
    let _ = writeln!(out, "  source   {}", one_line(&letter.source));
    let _ = writeln!(out, "  place    line {}, byte {}, {} bytes", letter.line, letter.offset, letter.length);
    let _ = writeln!(out, "  refused  by {}", stage(&letter.stage));
    let _ = writeln!(out, "  seen     {}", letter.first_seen.format("%Y-%m-%d %H:%M:%S UTC"));
    if let Some(note) = &letter.note {
        let _ = writeln!(out, "  note     {}", one_line(note));
    }
    out.push_str("  reasons\n");
    for reason in letter.reasons.as_array().into_iter().flatten() {
        let _ = writeln!(out, "    {}", reason_line(reason));
    }
    let record = shown.raw.as_ref().map_or_else(|| not_kept(letter), |raw| escaped(raw));
    let _ = writeln!(out, "  record\n    {record}");
    out
}

/// Why a record cannot be shown.
pub(in crate::report) fn not_kept(letter: &DeadLetter) -> String {
    let (size, source) = (figure::bytes(letter.length), one_line(&letter.source));
    format!("the record of {size} is not kept; it stands in {source} at byte {}", letter.offset)
}

fn reason_line(reason: &Value) -> String {
    let part = |name: &str| reason[name].as_str().map(one_line).filter(|text| !text.is_empty());
    let mut line = part("code").unwrap_or_default();
    if let Some(field) = part("field") {
        let _ = write!(line, " {field}");
    }
    let _ = write!(line, ": {}", part("message").unwrap_or_default());
    if let Some(constraint) = part("constraint") {
        let _ = write!(line, " (constraint {constraint})");
    }
    if let Some(input) = part("input") {
        let _ = write!(line, ", got {input}");
    }
    line
}

fn stage(stage: &str) -> String {
    match stage {
        "decode" => "the reader: its bytes".to_owned(),
        "parse" => "the format: its shape".to_owned(),
        "schema" => "the schema: its values".to_owned(),
        "server" => "the server".to_owned(),
        other => one_line(other),
    }
}

fn in_short(reasons: &Value) -> String {
    let reasons = reasons.as_array().into_iter().flatten().map(|reason| {
        let text = |name: &str| reason[name].as_str().unwrap_or_default();
        one_line(format!("{} {}", text("code"), text("field")).trim_end())
    });
    reasons.collect::<Vec<_>>().join(", ")
}

/// A record for a terminal: text as it is, everything else as `\xNN`.
fn escaped(raw: &[u8]) -> String {
    let mut out = String::new();
    for piece in raw.utf8_chunks() {
        out.push_str(&printable(piece.valid()));
        for byte in piece.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_without_what_a_terminal_acts_upon() {
        assert_eq!(escaped(b"a\x1b[2J\xff\xe4\xc3\xa4\0"), "a\\u{1b}[2J\\xff\\xe4ä\\u{0}");
    }
}
