//! `dead-letters`: the records that did not become rows, with the evidence.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::args::{DeadLettersCommand, ListArgs, Output, ShowArgs};
use super::destination::{looked_at, next_command};
use super::exit::Exit;
use super::job;
use super::speech::{Speech, one_line, print, print_bytes, printable};
use crate::error::Error;
use crate::figure;
use crate::sink::history::{DeadLetter, Filter};

pub(super) fn dead_letters(command: &DeadLettersCommand, speech: Speech) -> anyhow::Result<Exit> {
    match command {
        DeadLettersCommand::List(args) => list(args, speech),
        DeadLettersCommand::Show(args) => show(args, speech),
        DeadLettersCommand::NotYet(command) => Err(command.refused().into()),
    }
}

fn list(args: &ListArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = job::read(&args.job.job, &args.job.destination.overrides(), speech)?;
    let filter = Filter {
        job: config.name.clone(),
        id: None,
        state: (args.state != "any").then(|| args.state.clone()),
        code: args.code.clone(),
        field: args.field.clone(),
        source: args.source.clone(),
    };
    let mut letters = Vec::new();
    let mut more = 0_u64;
    looked_at(&config)?.history()?.dead_letters(&filter, &mut |letter| {
        match args.limit == 0 || (letters.len() as u64) < args.limit {
            true => letters.push(letter),
            false => more += 1,
        }
        ControlFlow::Continue(())
    })?;
    if speech.output == Output::Json {
        let object = json!({
            "schema_version": 1,
            "command": "dead-letters list",
            "job": config.name,
            "dead_letters": letters.iter().map(letter_json).collect::<Vec<_>>(),
            "more": more,
        });
        print(&format!("{object}\n"))?;
        return Ok(Exit::Success);
    }
    let mut out = String::new();
    for letter in &letters {
        let _ = writeln!(
            out,
            "{:>8}  {}:{}  {}{}",
            letter.id,
            one_line(&letter.source),
            letter.line,
            reasons_in_short(&letter.reasons),
            if letter.state == "open" { String::new() } else { format!("  ({})", letter.state) }
        );
    }
    if letters.is_empty() {
        out.push_str("no dead letters\n");
    }
    print(&out)?;
    if more > 0 {
        speech.inform(&format!("{} more; -n 0 lists all", figure::count(more)));
    }
    Ok(Exit::Success)
}

fn show(args: &ShowArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = job::read(&args.job.job, &args.job.destination.overrides(), speech)?;
    let filter = Filter { job: config.name.clone(), id: Some(args.id), ..Filter::default() };
    let mut found = None;
    looked_at(&config)?.history()?.dead_letters(&filter, &mut |letter| {
        found = Some(letter);
        ControlFlow::Break(())
    })?;
    let letter = found.ok_or_else(|| {
        let list = next_command("dead-letters list", &args.job.job, args.job.destination.into.as_ref());
        Error::usage(format!("job {} has no dead letter {}; `{list}` shows them", config.name, args.id))
    })?;
    if args.raw {
        let raw = letter.raw.as_deref().ok_or_else(|| Error::usage(too_long(&letter)))?;
        print_bytes(raw)?;
        return Ok(Exit::Success);
    }
    match speech.output {
        Output::Json => {
            let mut object = letter_json(&letter);
            object["schema_version"] = json!(1);
            object["command"] = json!("dead-letters show");
            object["raw"] = match &letter.raw {
                Some(raw) => json!(String::from_utf8_lossy(raw)),
                None => Value::Null,
            };
            print(&format!("{object}\n"))?;
        }
        Output::Text => print(&text(&letter))?,
    }
    Ok(Exit::Success)
}

fn too_long(letter: &DeadLetter) -> String {
    format!(
        "the record of {} is not kept; it stands in {} at byte {}",
        figure::bytes(letter.length),
        letter.source,
        letter.offset
    )
}

fn text(letter: &DeadLetter) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "dead letter {}  ({}, {} so far)",
        letter.id,
        letter.state,
        figure::some(letter.attempts, "attempt")
    );
    let _ = writeln!(out, "  source   {}", one_line(&letter.source));
    let _ = writeln!(out, "  place    line {}, byte {}, {} bytes", letter.line, letter.offset, letter.length);
    let _ = writeln!(out, "  refused  by {}", stage_in_words(&letter.stage));
    let _ = writeln!(out, "  seen     {}", letter.first_seen.format("%Y-%m-%d %H:%M:%S UTC"));
    if let Some(note) = &letter.note {
        let _ = writeln!(out, "  note     {}", one_line(note));
    }
    out.push_str("  reasons\n");
    for reason in letter.reasons.as_array().into_iter().flatten() {
        let part = |name: &str| reason[name].as_str().map(one_line).filter(|text| !text.is_empty());
        let _ = write!(out, "    {}", part("code").unwrap_or_default());
        if let Some(field) = part("field") {
            let _ = write!(out, " {field}");
        }
        let _ = write!(out, ": {}", part("message").unwrap_or_default());
        if let Some(constraint) = part("constraint") {
            let _ = write!(out, " (constraint {constraint})");
        }
        if let Some(input) = part("input") {
            let _ = write!(out, ", got {input}");
        }
        out.push('\n');
    }
    out.push_str("  record\n");
    match &letter.raw {
        Some(raw) => {
            let _ = writeln!(out, "    {}", escaped(raw));
        }
        None => {
            let _ = writeln!(out, "    {}", too_long(letter));
        }
    }
    out
}

fn stage_in_words(stage: &str) -> &str {
    match stage {
        "decode" => "the reader: its bytes",
        "parse" => "the format: its shape",
        "schema" => "the schema: its values",
        "server" => "the server",
        other => other,
    }
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

fn reasons_in_short(reasons: &Value) -> String {
    let reasons = reasons.as_array().into_iter().flatten().map(|reason| {
        let text = |name: &str| reason[name].as_str().unwrap_or_default();
        one_line(format!("{} {}", text("code"), text("field")).trim_end())
    });
    reasons.collect::<Vec<_>>().join(", ")
}

fn letter_json(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.id,
        "source": letter.source,
        "line": letter.line,
        "offset": letter.offset,
        "length": letter.length,
        "stage": letter.stage,
        "reasons": letter.reasons,
        "state": letter.state,
        "attempts": letter.attempts,
        "first_seen": letter.first_seen.to_rfc3339(),
        "last_seen": letter.last_seen.to_rfc3339(),
        "note": letter.note,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_without_what_a_terminal_acts_upon() {
        assert_eq!(escaped(b"a\x1b[2J\xff\xe4\xc3\xa4\0"), "a\\u{1b}[2J\\xff\\xe4ä\\u{0}");
    }
}
