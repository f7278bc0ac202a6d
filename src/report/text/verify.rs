//! What a verification found, for people.

use std::fmt::Write as _;
use std::time::Duration;

use crate::figure;
use crate::printable::one_line;
use crate::report::Verify;
use crate::sink::verify::{Difference, DifferenceKind, NotLoaded, VerifiedSource};

/// How many differences, and sources, are named; JSON contains more.
const SHOWN: usize = 20;

pub(in crate::report) fn verify(verify: &Verify) -> String {
    let (job, destination) = (one_line(verify.head.job()), one_line(&verify.destination));
    let sum = verify.counts.sum();
    let verdict = match sum {
        0 => "no difference".to_owned(),
        sum => figure::some(sum, "difference"),
    };
    let mut out = match (verify.sources.len(), sum) {
        // Without a comparison there is no "no difference".
        (0, 0) => format!("{job}: nothing was compared with {destination}, {}\n", why_nothing(verify)),
        (sources, _) => {
            format!("{job}: {verdict} between {} and {destination}\n", figure::some(sources, "source"))
        }
    };
    let all = |of: &dyn Fn(&VerifiedSource) -> u64| verify.sources.iter().map(of).sum::<u64>();
    let _ = writeln!(
        out,
        "  {}: {} and {}, compared in {} ({})",
        figure::some(all(&|source| source.file.records), "record"),
        figure::some(all(&|source| source.file.rows), "row"),
        figure::some(all(&|source| source.file.dead_letters), "dead letter"),
        figure::time(Duration::from_secs_f64(verify.seconds)),
        figure::bytes(verify.bytes)
    );
    for (rows, one, many) in [
        (
            all(&|source| source.table.replaced),
            "row holds what another record of its key has",
            "rows hold what another record of their key has",
        ),
        (
            all(&|source| source.table.mended),
            "row comes from the mended bytes of a dead letter",
            "rows come from the mended bytes of dead letters",
        ),
    ] {
        if rows > 0 {
            let _ = writeln!(out, "  {}", figure::what(rows, one, many));
        }
    }
    differences(&mut out, verify);
    for source in verify.sources.iter().filter(|source| source.differences > 0).take(SHOWN) {
        let _ = writeln!(out, "\n{}", source_lines(source));
    }
    not_verifiable(&mut out, verify);
    rest(&mut out, verify);
    out
}

/// Why there was no source to compare.
fn why_nothing(verify: &Verify) -> String {
    match verify.not_verifiable.len() {
        0 => "because the job has loaded nothing".to_owned(),
        lost => format!("because {} cannot be read again", figure::some(lost, "source")),
    }
}

fn differences(out: &mut String, verify: &Verify) {
    if verify.differences.is_empty() {
        return;
    }
    out.push('\n');
    for difference in verify.differences.iter().take(SHOWN) {
        let _ = writeln!(out, "  {}", difference_line(difference));
    }
    let more = verify.counts.sum().saturating_sub(verify.differences.len().min(SHOWN) as u64);
    if more > 0 {
        let _ = writeln!(out, "  and {} more", figure::count(more));
    }
}

fn difference_line(difference: &Difference) -> String {
    let what = match (difference.kind, &difference.column) {
        (DifferenceKind::MissingRow, _) => "the row is missing".to_owned(),
        (DifferenceKind::ChangedValue, Some(column)) => format!("the row has another {}", one_line(column)),
        (DifferenceKind::ChangedValue, None) => "the row has other values".to_owned(),
        (DifferenceKind::ExtraRow, _) => "a row without a record".to_owned(),
        (DifferenceKind::MissingLetter, _) => "the dead letter is missing".to_owned(),
        (DifferenceKind::ExtraLetter, _) => "a dead letter without a rejected record".to_owned(),
        (DifferenceKind::ChangedLetter, _) => {
            "the dead letter holds other bytes, or none that make its row".to_owned()
        }
    };
    let mut place = match difference.source.is_empty() {
        true => "no source".to_owned(),
        false => one_line(&difference.source),
    };
    if let Some(line) = difference.line {
        let _ = write!(place, ":{line}");
    }
    let offset = difference.offset.map(|offset| format!(", source_offset {offset}")).unwrap_or_default();
    format!("{place}: {what} (source_id {}{offset})", difference.source_id)
}

fn source_lines(source: &VerifiedSource) -> String {
    let (file, table) = (&source.file, &source.table);
    format!(
        "{}\n  file   {}, {}, {}\n  table  {}, {}, {}",
        one_line(&source.name),
        figure::some(file.rows, "row"),
        figure::some(file.dead_letters, "dead letter"),
        file.digest,
        figure::some(table.rows, "row"),
        figure::some(table.dead_letters, "dead letter"),
        table.digest
    )
}

fn not_verifiable(out: &mut String, verify: &Verify) {
    if verify.not_verifiable.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nnot verifiable: {}", verify.not_verifiable.len());
    for not in verify.not_verifiable.iter().take(SHOWN) {
        let _ = match not.source.is_empty() {
            true => writeln!(out, "  {}", one_line(&not.why)),
            false => writeln!(out, "  {}: {}", one_line(&not.source), one_line(&not.why)),
        };
    }
    if verify.not_verifiable.len() > SHOWN {
        let _ = writeln!(out, "  and {} more (--output json names all)", verify.not_verifiable.len() - SHOWN);
    }
}

/// What is not a difference but still worth knowing.
fn rest(out: &mut String, verify: &Verify) {
    if verify.open_dead_letters > 0 {
        let letters = figure::some(verify.open_dead_letters, "dead letter");
        let _ = writeln!(out, "\n{letters} open, as they were loaded (`logmill dead-letters list`)");
    }
    let NotLoaded { files, bytes } = verify.not_loaded;
    if files > 0 || bytes > 0 {
        let what = match files {
            0 => "behind the checkpoints".to_owned(),
            files => format!("in {} and behind the checkpoints", figure::some(files, "new file")),
        };
        let _ = writeln!(out, "\nnot loaded yet: {} {what}", figure::bytes(bytes));
    }
}
