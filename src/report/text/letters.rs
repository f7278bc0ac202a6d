//! Dead letters, for people.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::Value;

use super::fold::folded;
use super::rollup::failed as not_computed;
use crate::figure;
use crate::printable::{one_line, printable};
use crate::reject::reason as reason_words;
use crate::report::{Discard, Export, LetterCount, Letters, Replay, ReplayCounts, ShownLetter, Unplayed};
use crate::sink::history::{DeadLetter, FirstLetter};

/// One letter per line.
pub(in crate::report) fn letters(letters: &Letters) -> String {
    let mut out = String::new();
    letters.dead_letters.iter().for_each(|letter| listed(letter, &mut out));
    if letters.dead_letters.is_empty() {
        out.push_str("no dead letters\n");
    }
    out
}

/// The first letter of its kind, and its place.
pub(super) fn first_letter(first: &FirstLetter) -> String {
    let id = first.id.map(|id| format!("{id} at ")).unwrap_or_default();
    format!("{id}{}:{}", one_line(&first.file), first.line)
}

/// Only the reasons.
pub(in crate::report) fn letter_counts(letters: &Letters) -> String {
    let mut out = String::new();
    for reason in &letters.reasons {
        let LetterCount { code, field, count, message, input, first } = reason;
        let said = said(&one_line(field), &one_line(message), &one_line(code));
        let _ = write!(out, "{:>8}  {said}", figure::count(*count));
        if let Some(input) = input {
            let _ = write!(out, ", got {}", one_line(input));
        }
        let _ = writeln!(out, "  (first is {})", first_letter(first));
    }
    if out.is_empty() {
        out.push_str("no dead letters\n");
    }
    out
}

pub(in crate::report) fn discard(discard: &Discard) -> String {
    let Discard { head, discarded, open_dead_letters } = discard;
    let discarded = figure::some(*discarded, "dead letter");
    format!("{}: {discarded} discarded, {} open\n", one_line(head.job()), figure::count(*open_dead_letters))
}

pub(in crate::report) fn export(export: &Export) -> String {
    let Export { head, file, exported, not_kept } = export;
    let exported = figure::some(*exported, "dead letter");
    let mut out = format!("{}: {exported} written to {}\n", one_line(head.job()), one_line(file));
    if *not_kept > 0 {
        let _ = writeln!(out, "  {} without a record: it was too long to be kept", figure::count(*not_kept));
    }
    out
}

pub(in crate::report) fn replay(replay: &Replay) -> String {
    let ReplayCounts { replayed, again_bad, not_replayable } = replay.counts;
    let job = one_line(replay.head.job());
    let (replayed, again_bad) = (figure::count(replayed), figure::count(again_bad));
    let mut out = match replay.dry_run {
        true => {
            format!("{job}: nothing was written; {replayed} would be replayed, {again_bad} refused again")
        }
        false => format!("{job}: {replayed} replayed, {again_bad} refused again"),
    };
    if let Some(open) = replay.open_dead_letters {
        let _ = write!(out, ", {} open", figure::count(open));
    }
    out.push('\n');
    if not_replayable > 0 {
        let _ = writeln!(out, "  {} could not be tried, and are as they were", figure::count(not_replayable));
    }
    for Unplayed { id, why } in replay.not_replayable.iter().take(NOT_REPLAYABLE_SHOWN) {
        let _ = writeln!(out, "    {id}: {}", one_line(why));
    }
    not_computed(&mut out, &replay.rollups.failed);
    if let Some(error) = &replay.error {
        let _ = writeln!(out, "  stopped: {}", one_line(error));
    }
    out
}

/// How many are listed one by one.
const NOT_REPLAYABLE_SHOWN: usize = 10;

/// The line of one letter.
pub(in crate::report) fn listed(letter: &DeadLetter, out: &mut String) {
    let source = one_line(&letter.source);
    let _ = write!(out, "{:>8}  {source}:{}  {}", letter.id, letter.line, in_short(&letter.reasons));
    if letter.state != "open" {
        let _ = write!(out, "  ({})", one_line(&letter.state));
    }
    out.push('\n');
}

/// One letter with everything known about it.
pub(in crate::report) fn letter(shown: &ShownLetter, width: usize) -> String {
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
    for (index, reason) in letter.reasons.as_array().into_iter().flatten().enumerate() {
        let line = format!("    {}", reason_line(reason));
        let _ = writeln!(out, "{}", folded(&line, width));
        if let Some(detail) = reason["detail"].as_str() {
            let _ = writeln!(out, "      {}", one_line(detail));
        }
        let place = shown.places.iter().find(|place| place.reason == index);
        if let (Some(place), Some(tried)) = (place, shown.tried()) {
            let room = width.saturating_sub(8 + place.length.min(AROUND_MAX)) / 2;
            let around = room.clamp(AROUND_MIN, AROUND_MAX);
            let (line, carets) = pointed_at(tried, place.offset..place.offset + place.length, around);
            let _ = writeln!(out, "      {line}\n      {carets}");
        }
    }
    let record = shown.raw.as_ref().map_or_else(|| not_kept(letter), |raw| escaped(raw));
    let _ = writeln!(out, "  record\n    {record}");
    if let Some(fixed) = &shown.fixed {
        let _ = writeln!(out, "  mended\n    {}", escaped(fixed));
    }
    out
}

/// Why a record cannot be shown.
pub(in crate::report) fn not_kept(letter: &DeadLetter) -> String {
    let (size, source) = (figure::bytes(letter.length), one_line(&letter.source));
    format!("the record of {size} is not kept; it stands in {source} at byte {}", letter.offset)
}

fn reason_line(reason: &Value) -> String {
    let part = |name: &str| reason[name].as_str().map(one_line).filter(|text| !text.is_empty());
    let text = |name: &str| part(name).unwrap_or_default();
    let mut line = said(&text("field"), &text("message"), &text("code"));
    if let Some(constraint) = part("constraint") {
        let _ = write!(line, " (constraint {constraint})");
    }
    if let Some(input) = part("input") {
        let _ = write!(line, ", got {input}");
    }
    line
}

/// What is wrong: the field first, the code last, as everywhere a reason is shown.
fn said(field: &str, message: &str, code: &str) -> String {
    let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
    format!("{field}{message} ({code})")
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
        one_line(&reason_words(text("field"), text("code")))
    });
    reasons.collect::<Vec<_>>().join("; ")
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

/// How many bytes of a record are shown on either side of a place, at least and at most.
const AROUND_MIN: usize = 8;
const AROUND_MAX: usize = 48;

/// The line of a record around a place, and carets below the place.
fn pointed_at(raw: &[u8], place: Range<usize>, around: usize) -> (String, String) {
    let is_inside = |at: usize| raw.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let line_start = memchr::memrchr(b'\n', &raw[..place.start]).map_or(0, |at| at + 1);
    let mut start = line_start.max(place.start.saturating_sub(around));
    while start < place.start && is_inside(start) {
        start += 1;
    }
    let line_end = memchr::memchr(b'\n', &raw[place.start..]).map_or(raw.len(), |at| place.start + at);
    let mut end = line_end.min(place.end.min(place.start + around) + around);
    while end < line_end && is_inside(end) {
        end += 1;
    }
    let shown = |range: Range<usize>| escaped(&raw[range]);
    let (before, after) = (if start > line_start { "…" } else { "" }, if end < line_end { "…" } else { "" });
    let line = format!("{before}{}{after}", shown(start..end));
    let indent = before.chars().count() + shown(start..place.start).chars().count();
    let carets = shown(place.start..place.end.clamp(place.start, end)).chars().count().max(1);
    (line, " ".repeat(indent) + &"^".repeat(carets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_under_the_place() {
        let two = |line: &str, carets: &str| (line.to_owned(), carets.to_owned());
        assert_eq!(pointed_at(b"a\n{\"n\":x}\nb", 7..8, AROUND_MAX), two("{\"n\":x}", "     ^"));
        assert_eq!(pointed_at(b"\xff\x1b[x", 3..4, AROUND_MAX), two("\\xff\\u{1b}[x", "           ^"));
        assert_eq!(pointed_at(b"{\"n\":", 5..5, AROUND_MAX), two("{\"n\":", "     ^"));
        let long = [&"ä".repeat(100).into_bytes()[..], b"BAD", &b"z".repeat(100)].concat();
        let line = format!("…{}BAD{}…", "ä".repeat(24), "z".repeat(48));
        assert_eq!(pointed_at(&long, 200..203, AROUND_MAX), (line, " ".repeat(25) + "^^^"));
    }

    #[test]
    fn a_record_is_shown_without_what_a_terminal_acts_upon() {
        assert_eq!(escaped(b"a\x1b[2J\xff\xe4\xc3\xa4\0"), "a\\u{1b}[2J\\xff\\xe4ä\\u{0}");
    }
}
