//! What a load would do, for people.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::fold::folded;
use super::rules::other_rules;
use crate::figure;
use crate::printable::{one_line, path, printable};
use crate::report::{Fate, Guarantee, Pace, Plan, PlannedSplit};

/// How many files of a kind are named; JSON contains them all.
const FILES_SHOWN: usize = 20;

/// The most important promises come first: what a row is, and what running again does.
const GUARANTEES_SHOWN: usize = 2;

pub(in crate::report) fn plan(plan: &Plan, width: usize) -> String {
    let mut out = format!("{} → {}\n", one_line(plan.head.job()), one_line(&plan.destination));
    list(&mut out, plan, "would be read", |fate| match fate {
        Fate::Read { position, bytes } => {
            let bytes = bytes.map_or("a stream, which only a load can look at".to_owned(), figure::bytes);
            let from = match position {
                0 => String::new(),
                position => format!(", from byte {} on", figure::count(*position)),
            };
            Some(bytes + &from)
        }
        _ => None,
    });
    list(&mut out, plan, "would be left out", |fate| match fate {
        Fate::LeaveOut { why } => Some(why.clone()),
        _ => None,
    });
    if let Some(other) = plan.other_rules {
        out.push('\n');
        other_rules(&mut out, other);
    }
    list(&mut out, plan, "cannot be loaded", |fate| match fate {
        Fate::Refuse { why } => Some(why.clone()),
        _ => None,
    });
    splits(&mut out, plan);
    if let Some(held) = &plan.held {
        let _ = writeln!(out, "\n{}, and would be waited for", one_line(held));
    }
    paragraphs(&mut out, "stands in the way", &plan.obstacles);
    paragraphs(&mut out, "to know", &plan.warnings);
    paragraphs(&mut out, "would be made first (--print-sql shows the statements)", &plan.would_make);
    plan.pace.iter().for_each(|pace| how_fast(&mut out, pace, width));
    guarantees(&mut out, plan, width);
    out
}

/// How fast it would be, and what follows from that.
fn how_fast(out: &mut String, pace: &Pace, width: usize) {
    let of = |bytes| figure::bytes(bytes);
    let (file, sample) = (path(&pace.file), of(pace.sample_bytes));
    let _ = writeln!(out, "\nhow fast");
    let _ = writeln!(out, "  a core parses {}/s, as seen on {sample} of {file}", of(pace.parsed_per_second));
    if let (Some(stored), Some(cores), Some(seconds)) = (pace.stored_per_second, pace.cores, pace.seconds) {
        let time = figure::time(Duration::from_secs_f64(seconds.min(1e9)));
        let _ = writeln!(out, "  the destination took {}/s in the best of the last loads", of(stored));
        let _ = writeln!(out, "  so {cores:.1} cores keep it busy, and {} take about {time}", of(pace.bytes));
    }
    let _ = writeln!(out, "{}", folded(&format!("  {}", pace.advice), width));
}

/// The files with one fate, with a remark on each.
fn list(out: &mut String, plan: &Plan, title: &str, say: impl Fn(&Fate) -> Option<String>) {
    let files = plan.sources.iter().filter_map(|file| say(&file.fate).map(|text| (&file.file, text)));
    let files: Vec<(&PathBuf, String)> = files.collect();
    if files.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{} {title}", figure::some(files.len(), "file"));
    for (file, text) in files.iter().take(FILES_SHOWN) {
        let _ = writeln!(out, "  {}: {}", path(file), one_line(text));
    }
    if files.len() > FILES_SHOWN {
        let _ = writeln!(out, "  and {} more (--output json names all)", files.len() - FILES_SHOWN);
    }
}

/// The splits of files that have several, and the files that stay whole though splits were requested.
fn splits(out: &mut String, plan: &Plan) {
    let is_cut = |split: &&PlannedSplit| split.start > 0 || !plan.whole.is_empty();
    if plan.splits.iter().any(|split| is_cut(&split)) {
        let _ = writeln!(out, "\n{} to load", figure::some(plan.splits.len(), "split"));
        for split in plan.splits.iter().take(FILES_SHOWN) {
            let (source, bytes) = (path(&split.source), figure::bytes(split.bytes));
            let _ = writeln!(out, "  {}: {bytes} of {source}", split.id);
        }
        if plan.splits.len() > FILES_SHOWN {
            let _ = writeln!(out, "  and {} more (--output json names all)", plan.splits.len() - FILES_SHOWN);
        }
    }
    if let Some(first) = plan.whole.first() {
        let _ = writeln!(out, "\n{} cannot be cut", figure::some(plan.whole.len(), "file"));
        let alike = plan.whole.iter().filter(|file| file.why == first.why).count();
        let others = if alike == plan.whole.len() { "" } else { " (and others for other reasons)" };
        let _ = writeln!(out, "  {}: {}{others}", path(&first.file), one_line(&first.why));
    }
}

fn paragraphs(out: &mut String, title: &str, texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    for text in texts {
        let _ = writeln!(out, "  {}", text.replace('\n', "\n  "));
    }
}

fn guarantees(out: &mut String, plan: &Plan, width: usize) {
    let _ = writeln!(out, "\nguaranteed, with key {}", one_line(&plan.key));
    let shown = if plan.shows_all {
        &plan.guarantees[..]
    } else {
        &plan.guarantees[..plan.guarantees.len().min(GUARANTEES_SHOWN)]
    };
    let column = shown.iter().map(|line| line.what.chars().count()).max().unwrap_or(0);
    for Guarantee { what, holds } in shown {
        let line = format!("  {what:<column$}  {}", printable(holds));
        let _ = writeln!(out, "{}", folded(&line, width));
    }
    if plan.guarantees.len() > shown.len() {
        let _ = writeln!(out, "  and {} more (-v)", plan.guarantees.len() - shown.len());
    }
}
