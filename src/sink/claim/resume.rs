//! Resuming: what is left to load of a known source.
//!
//! Each open split resumes at its position. Bytes that were appended after the old end belong to the last
//! split or form a new one; and a last line that had no line end may have grown.

use std::sync::Arc;

use super::{Answer, Asked, Before, Checkpoint, Remembered, Task};
use crate::error::Result;
use crate::sink::Again;
use crate::source::{Candidate, Preamble, Start, hash16, is_blank};
use crate::split::Split;

/// Whether something was loaded up to a checkpoint under other rules.
pub(super) fn is_of_other_rules(checkpoint: &Checkpoint, asked: &Asked) -> bool {
    checkpoint.position > checkpoint.split.start && checkpoint.rules_hash != asked.rules_hash
}

/// How to resume a known source.
pub(super) fn resume(file: &Candidate, memory: &Remembered, asked: &Asked) -> Result<Answer> {
    let Remembered { source_id, known, checkpoints, .. } = memory;
    let last = memory.last();
    let before = &checkpoints[..checkpoints.len() - 1];
    let open: Vec<&Checkpoint> = before.iter().filter(|checkpoint| !checkpoint.complete).collect();
    // The file was identified at its farthest position; it must match at the others too.
    for checkpoint in open.iter().copied().chain([last]).filter(|it| it.position != known.position) {
        if !holds_tail(file, checkpoint)? {
            return Ok(Answer::Changed(format!(
                "its content before byte {} is not what was loaded; `logmill forget` it to load it again",
                checkpoint.position
            )));
        }
    }
    let mut tasks: Vec<Task> = open.into_iter().map(go_on).collect();
    if !is_at_end(file, memory, asked)? {
        match grows_by_a_split(file, memory, asked) {
            true => tasks.push(grown(last)),
            false => match resume_last(file, last, memory.tail_start, asked)? {
                Ok(task) => tasks.push(task),
                Err(why) => return Ok(Answer::Changed(why)),
            },
        }
    }
    for task in &mut tasks {
        // Under other rules the same lines mean something else, or nothing.
        if memory.behind(task).rules_hash != asked.rules_hash {
            task.preamble = Preamble::default();
        }
    }
    tell_what_stands_before(&mut tasks, checkpoints);
    Ok(match tasks.is_empty() {
        true => Answer::Finished {
            source_id: *source_id,
            has_other_rules: checkpoints.iter().any(|checkpoint| is_of_other_rules(checkpoint, asked)),
        },
        false => Answer::Load { source_id: *source_id, tasks },
    })
}

/// Whether everything in the file is loaded.
fn is_at_end(file: &Candidate, memory: &Remembered, asked: &Asked) -> Result<bool> {
    let last = memory.last();
    if !last.complete {
        return Ok(false);
    }
    if file.stream.is_some() {
        // Only reading would show whether all of it is there; what was loaded is then compared. A split that
        // is asked for by its id is complete, whatever comes after it.
        return Ok(asked.only.is_some());
    }
    let is_known_archive =
        file.fingerprint.container.is_some_and(|own| memory.known.containers.contains(&own));
    Ok(is_known_archive || file.ends_at(last.position)?)
}

/// Whether what was appended after the old end becomes a split of its own: a caller that learned that the
/// last split is complete may rely on it. A source that was always a single split stays one, so that a file
/// which is loaded every minute does not gain a checkpoint each time. A last line without a line end belongs
/// to the split that has its first byte; and the bytes of a stream belong to the split they are compared for.
fn grows_by_a_split(file: &Candidate, memory: &Remembered, asked: &Asked) -> bool {
    let last = memory.last();
    last.complete
        && last.position > last.split.start
        && memory.tail_start.is_none()
        && file.stream.is_none()
        && (asked.grows_by_splits || memory.checkpoints.len() > 1)
}

/// A split of its own, from the old end of the source.
fn grown(last: &Checkpoint) -> Task {
    let position = last.position;
    Task {
        split: Split { start: position, ..last.split },
        start: Start { position, tail: (0, hash16(b"")), record: position },
        end: None,
        lines: 0,
        is_new: true,
        ..go_on(last)
    }
}

/// Records in each open split of a source what precedes it.
fn tell_what_stands_before(tasks: &mut [Task], checkpoints: &[Checkpoint]) {
    let open: Arc<[Split]> = tasks.iter().map(|task| task.split).collect();
    let mut done = checkpoints.iter().filter(|checkpoint| checkpoint.complete).peekable();
    let mut lines = 0;
    for (place, task) in tasks.iter_mut().enumerate() {
        while let Some(checkpoint) = done.next_if(|checkpoint| checkpoint.split < task.split) {
            lines += checkpoint.lines;
        }
        task.before = Before::at(place, &open, lines);
    }
}

/// Whether the bytes that were hashed before a position are still there.
fn holds_tail(file: &Candidate, checkpoint: &Checkpoint) -> Result<bool> {
    let (length, hash) = checkpoint.tail;
    if length == 0 {
        return Ok(true);
    }
    let probe = file.probe(checkpoint.position)?;
    Ok(probe.is_some_and(|probe| probe.last(length.into()).is_some_and(|tail| hash16(tail) == hash)))
}

/// Resumes at the position of a split.
fn go_on(checkpoint: &Checkpoint) -> Task {
    let &Checkpoint { split, end, position, lines, tail, ref preamble, .. } = checkpoint;
    Task {
        split,
        start: Start { position, tail, record: position },
        end,
        lines,
        before: Before::default(),
        again: None,
        preamble: preamble.clone(),
        is_new: false,
    }
}

/// How to resume the split at the end of a source, or why it cannot be resumed. Its last line may have had no
/// line end, and may have grown.
fn resume_last(
    file: &Candidate,
    checkpoint: &Checkpoint,
    tail_start: Option<u64>,
    asked: &Asked,
) -> Result<Result<Task, String>> {
    let &Asked { key_is_position, ref framing, .. } = asked;
    let position = checkpoint.position;
    let mut task = go_on(checkpoint);
    let Some(tail_start) = tail_start else { return Ok(Ok(task)) };
    if file.stream.is_none() && file.probe(position)?.is_none_or(|probe| probe.next.is_empty()) {
        return Ok(Ok(task));
    }
    let Some(last) = file.last_record(tail_start..position, framing)? else {
        return Ok(Err(format!(
            "its last record, at byte {tail_start}, is too long to see whether it has grown; `logmill \
             forget` the file"
        )));
    };
    if last.next.is_empty() {
        return Ok(Ok(task));
    }
    match framing.goes_on(&last.bytes, &last.next, last.ends) {
        // Only its line end was missing: the record is unchanged.
        Some(line_end) => task.start.record = position + line_end as u64,
        None => {
            let was_blank = last.is_whole && is_blank(&last.bytes);
            if !key_is_position && !was_blank {
                return Ok(Err(grew_inside_a_line(tail_start)));
            }
            if file.stream.is_some() && !last.is_whole {
                return Ok(Err(format!(
                    "its last line, at byte {tail_start}, has grown since it was loaded, and is too long for a stream to \
                     go back; load it as a file, or `logmill forget` it"
                )));
            }
            task.start.record = tail_start;
            let lines: u64 = framing.records(&last.bytes).map(|record| u64::from(record.lines)).sum();
            let cut_off = framing.records(&last.bytes).nth(1).map(|record| tail_start + record.start as u64);
            let lines = lines + u64::from(framing.leaves_a_line(&last.bytes));
            task.lines -= lines;
            // A header that has grown is read again as a header.
            let before = checkpoint.preamble.before(&last.bytes);
            let was_skipped = before.is_some() || last.is_whole && framing.is_comment(&last.bytes);
            task.preamble = before.unwrap_or(task.preamble);
            task.again = Some(Again { offset: tail_start, lines, was_blank, was_skipped, cut_off });
        }
    }
    Ok(Ok(task))
}

fn grew_inside_a_line(tail_start: u64) -> String {
    format!(
        "its last line, at byte {tail_start}, had no line end when it was loaded, and has grown since. \
         Only with key = \"position\" can a line be loaded again; give the file a line end, or `logmill forget` it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Hash16;

    fn checkpoint(start: u64, lines: u64, complete: bool) -> Checkpoint {
        Checkpoint {
            split: Split { source: 1, start },
            end: None,
            position: start,
            lines,
            tail: (0, hash16(b"")),
            preamble: Preamble::default(),
            complete,
            rules_hash: Hash16([0; 16]),
            rules_since: 0,
            epoch: 1,
            owner: None,
        }
    }

    #[test]
    fn each_split_is_told_of_those_before_it() {
        let checkpoints: Vec<Checkpoint> = (0..6).map(|n| checkpoint(n * 10, n + 1, n % 2 == 0)).collect();
        let mut tasks: Vec<Task> = checkpoints.iter().filter(|it| !it.complete).map(go_on).collect();
        tell_what_stands_before(&mut tasks, &checkpoints);
        let told: Vec<(u64, usize)> =
            tasks.iter().map(|it| (it.before.lines, it.before.open().len())).collect();
        assert_eq!(told, [(1, 0), (4, 1), (9, 2)]);
        assert_eq!(tasks[2].before.open(), [tasks[0].split, tasks[1].split]);
    }

    /// All tasks share one list: with one list each, memory grew with the square of the number of splits.
    #[test]
    fn many_splits_have_one_list_of_each_other() {
        let checkpoints: Vec<Checkpoint> = (0..50_000).map(|n| checkpoint(n, 0, false)).collect();
        let mut tasks: Vec<Task> = checkpoints.iter().map(go_on).collect();
        tell_what_stands_before(&mut tasks, &checkpoints);
        let lists: std::collections::HashSet<*const Split> =
            tasks[1..].iter().map(|task| task.before.open().as_ptr()).collect();
        assert_eq!((lists.len(), tasks[49_999].before.open().len()), (1, 49_999));
    }
}
