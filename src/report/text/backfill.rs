//! What a backfill did, for people.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::rollup::failed as not_computed;
use super::table::table;
use crate::figure;
use crate::printable::one_line;
use crate::report::{Backfill, BackfillDate};

/// How many days are shown; JSON contains them all.
const DAYS_SHOWN: usize = 100;

/// `31 days from 2024-01-01 to 2024-01-31: 2 due with 12 files, 3.1 MB to read; 28 done before, 1 absent`.
pub(in crate::report) fn plan(backfill: &Backfill) -> String {
    let dates = &backfill.dates;
    let (Some(first), Some(last)) = (dates.first(), dates.last()) else {
        return "no day, so there is nothing to do".to_owned();
    };
    let due: Vec<&BackfillDate> = backfill.due().collect();
    let files: u64 = due.iter().map(|date| date.files).sum();
    let bytes: u64 = due.iter().map(|date| date.bytes).sum();
    let others = |state: &str| dates.iter().filter(|date| !date.was_due && date.state == state).count();
    format!(
        "{} from {} to {}: {} due with {}, {} to read; {} done before, {} absent",
        figure::some(dates.len(), "day"),
        first.date,
        last.date,
        figure::count(due.len()),
        figure::some(files, "file"),
        figure::bytes(bytes),
        figure::count(others("done")),
        figure::count(others("absent"))
    )
}

pub(in crate::report) fn backfill(backfill: &Backfill, width: usize) -> String {
    let (job, destination) = (one_line(backfill.head.job()), one_line(&backfill.destination));
    let mut out = format!("{job} → {destination}\n{}\n", plan(backfill));
    let due: Vec<&BackfillDate> = backfill.due().collect();
    if due.is_empty() {
        what_is_left(&mut out, backfill);
        return out;
    }
    let (names, rows): (Vec<&str>, Vec<Vec<Value>>) = match backfill.dry_run {
        true => (vec!["date", "files", "to read"], due.iter().map(|date| would(date)).collect()),
        false => (
            vec!["date", "state", "records", "rejected", "open", "time", "why"],
            due.iter().map(|date| did(date)).collect(),
        ),
    };
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let _ = write!(out, "\n{}", table(&names, &rows[..rows.len().min(DAYS_SHOWN)], width));
    if rows.len() > DAYS_SHOWN {
        let _ = writeln!(out, "    and {} more days (--output json has all)", rows.len() - DAYS_SHOWN);
    }
    if !backfill.dry_run {
        let count = |state: &str| due.iter().filter(|date| date.state == state).count();
        let _ = writeln!(
            out,
            "\n{} done, {} partial, {} failed, {} not begun; {} in {}",
            figure::count(count("done")),
            figure::count(count("partial")),
            figure::count(count("failed")),
            figure::count(count("due")),
            figure::some(backfill.counts.records, "record"),
            figure::time(Duration::from_secs_f64(backfill.seconds))
        );
        not_computed(&mut out, &backfill.rollups.failed);
    }
    what_is_left(&mut out, backfill);
    out
}

/// What a person may want to do something about, on whatever day it is.
fn what_is_left(out: &mut String, backfill: &Backfill) {
    let others = backfill.dates.iter().filter(|date| date.other_rules).count();
    if others > 0 {
        let were = if others == 1 { "was" } else { "were" };
        let _ = writeln!(
            out,
            "\n{} {were} loaded under other rules, at least in part; `logmill status` says which, and what can be done",
            figure::some(others, "day")
        );
    }
    let open: u64 = backfill.dates.iter().map(|date| date.open_dead_letters).sum();
    if open > 0 {
        let (letters, show) = (figure::some(open, "dead letter"), one_line(&backfill.show_letters));
        let _ = writeln!(out, "\n{letters} open: {show}");
    }
}

fn would(date: &BackfillDate) -> Vec<Value> {
    vec![json!(date.date), json!(date.files), json!(figure::bytes(date.bytes))]
}

fn did(date: &BackfillDate) -> Vec<Value> {
    let time = Duration::from_secs_f64(date.seconds);
    vec![
        json!(date.date),
        json!(date.state),
        json!(date.counts.records),
        json!(date.counts.rejected),
        json!(date.open_dead_letters),
        json!(if date.exit.is_some() { figure::time(time) } else { String::new() }),
        json!(date.reason.as_deref().map(one_line).unwrap_or_default()),
    ]
}
