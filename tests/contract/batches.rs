//! Hand-made claims of files, and batches of their lines.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use logmill::error::{ErrorKind, Result};
use logmill::reject::{self, Faults, Rejects, Stage, code};
use logmill::sink::{Advance, Answer, Asked, Batch, Counts, Ending, HOLDER_WAIT, Task};
use logmill::source::{Candidate, Framing, Pattern, Preamble, Reach, Selection, discover, hash16};
use logmill::span::Span;
use logmill::split::Split;
use logmill::stop::Stop;
use logmill::work::{Parcel, Rows};

use super::place::{RULES, Run};

fn candidate(path: &Path) -> Candidate {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let pattern = Pattern { text: name.into(), base: path.parent().unwrap().to_owned() };
    let found = discover(&[pattern], &Selection::default(), &Reach::default()).unwrap().files;
    Candidate::open(&found[0], &Stop::default()).unwrap()
}

pub(super) fn asked(files: &[&Path]) -> Asked {
    Asked {
        files: files.iter().map(|path| candidate(path)).collect(),
        allow_duplicates: false,
        accept_new_rules: false,
        take_over: false,
        only: None,
        grows_by_splits: false,
        beside: Default::default(),
        wait: Some(HOLDER_WAIT),
        key_is_position: true,
        framing: Framing::Lines,
        rules_hash: RULES,
        rebuild: None,
        rebuild_advice: None,
    }
}

/// Claims files of which one is to be loaded, and returns its tasks.
#[track_caller]
pub(super) fn tasks(sink: &mut dyn Run, asked: &Asked) -> Vec<Task> {
    let mut claimed = sink.claim(asked).unwrap();
    match claimed.pop() {
        Some(Answer::Load { source_id, tasks }) if claimed.is_empty() => {
            assert!(tasks.iter().all(|task| task.split.source == source_id));
            tasks
        }
        other => panic!("{other:?} and {claimed:?}"),
    }
}

#[track_caller]
pub(super) fn task(sink: &mut dyn Run, asked: &Asked) -> Task {
    let [task] = <[Task; 1]>::try_from(tasks(sink, asked)).unwrap();
    task
}

/// A batch of the lines `from..to` of a file of blank lines. With `has_reject`, the first line is a reject.
pub(super) fn batch(path: &Path, split: Split, (from, to): (u64, u64), has_reject: bool) -> Arc<Batch> {
    let source = candidate(path).reopen().unwrap();
    let size = fs::metadata(path).unwrap().len();
    let mut rejects = Rejects::default();
    if has_reject {
        let mut faults = Faults::default();
        faults.push(code::INT_PARSING, &reject::Path::Record, "bad", None);
        rejects.push(Span::new(from, from), 0, Stage::Schema, &faults, b"", 100);
    }
    let (lines, rejected) = (to - from, u64::from(has_reject));
    let parcel = Parcel {
        source: Arc::clone(&source),
        split,
        span: Span::new(from, to),
        ends: (to == size).then_some(size),
        completes: to == size,
        raw: lines,
        kept: None,
        rows: Rows::default(),
        rejects,
        first_line: from - split.start,
        lines,
        blank: lines - rejected,
        skipped: 0,
        records: rejected,
        record_lines: rejected,
        days: Default::default(),
        altered: Default::default(),
        check: xxhash_rust::xxh3::xxh3_64(&vec![b'\n'; usize::try_from(lines).unwrap()]),
        tail: (0, hash16(b"")),
        preamble: Preamble::default(),
        before: None,
        turns: Vec::new(),
        unterminated: None,
        is_intact: true,
    };
    let number = |count: u64| i64::try_from(count).unwrap();
    let advance = Advance {
        split,
        from,
        start: from,
        to,
        counts: Counts {
            lines: number(lines),
            blank: number(lines - rejected),
            records: number(rejected),
            rejected: number(rejected),
            ..Counts::default()
        },
        tail: parcel.tail,
        ends: parcel.ends,
        completes: parcel.completes,
        unterminated: None,
        again: None,
        preamble: Preamble::default(),
    };
    Arc::new(Batch::new(vec![parcel], vec![advance]))
}

/// The batch that ends a split before the end of its source.
pub(super) fn last_of_split(path: &Path, split: Split, range: (u64, u64)) -> Arc<Batch> {
    let mut batch = Arc::into_inner(batch(path, split, range, false)).unwrap();
    batch.parcels[0].completes = true;
    batch.advances[0].completes = true;
    Arc::new(batch)
}

pub(super) const ENDING: Ending<'static> =
    Ending { outcome: "finished", exit_code: 0, counts: &NOTHING, bytes: 0, failure: None };

const NOTHING: Counts = Counts {
    lines: 0,
    blank: 0,
    skipped: 0,
    records: 0,
    inserted: 0,
    updated: 0,
    unchanged: 0,
    superseded: 0,
    rejected: 0,
};

/// Asserts that another run holds the source, or seems to.
#[track_caller]
pub(super) fn is_held<T>(result: Result<T>) {
    let Err(error) = result else { panic!("it was not held") };
    assert!(
        matches!(error.kind(), ErrorKind::Held { .. } | ErrorKind::TakenOver | ErrorKind::Stopped(_)),
        "{error}"
    );
}
