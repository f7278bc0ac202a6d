//! Commits that were acknowledged and then lost: reported once, resumed from, and never written twice.

use logmill::error::ErrorKind;
use logmill::sink::Answer;
use logmill::split::Split;

use super::batches::{ENDING, asked, batch, is_held, task};
use super::place::{Place, Run};

/// The losses that `look_again` reports: split, position, lost lines, lost rejects, and whether the end of
/// the source was lost.
#[track_caller]
fn missing(run: &mut dyn Run) -> Vec<(i32, u64, i64, i64, bool)> {
    let setbacks = run.look_again().unwrap().expect("something is missing");
    setbacks
        .iter()
        .map(|it| (it.split.source, it.position, it.lost.lines, it.lost.rejected, it.was_complete))
        .collect()
}

pub(super) fn a_lost_acknowledged_commit_is_reported(place: &Place) {
    let (a, b, mut run) = (place.file("a", 10), place.file("b", 12), place.open());
    let both = asked(&[&a, &b]);
    assert_eq!(run.claim(&both).unwrap().len(), 2);
    run.commit(&batch(&a, Split::whole(1), (0, 6), true)).unwrap();
    (place.keep)();
    assert_eq!(run.look_again().unwrap(), None);
    run.commit(&batch(&a, Split::whole(1), (6, 10), true)).unwrap();
    run.commit(&batch(&b, Split::whole(2), (0, 5), false)).unwrap();
    run.commit(&batch(&b, Split::whole(2), (5, 12), false)).unwrap();
    assert_eq!(run.look_again().unwrap(), None);
    (place.put_back)();
    let error = run.finish(&ENDING).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WentBack), "{error}");
    assert_eq!(missing(&mut *run), [(1, 6, 4, 1, true), (2, 0, 12, 0, true)]);
    // Reported once; then the run resumes from there.
    assert_eq!(run.look_again().unwrap(), None);
    let claimed = run.claim(&both).unwrap();
    let starts = claimed.iter().map(|claim| match claim {
        Answer::Load { source_id, tasks } => (*source_id, tasks[0].start.position),
        other => panic!("{other:?}"),
    });
    assert_eq!(starts.collect::<Vec<_>>(), [(1, 6), (2, 0)]);
    assert_eq!(run.commit(&batch(&a, Split::whole(1), (6, 10), true)).unwrap().completed, [1]);
    assert_eq!(run.commit(&batch(&b, Split::whole(2), (0, 12), false)).unwrap().completed, [2]);
    assert_eq!(run.look_again().unwrap(), None);
    run.finish(&ENDING).unwrap();
    let counts = place.sources()[0].counts;
    assert_eq!((counts.lines, counts.rejected), (10, 2));
}

pub(super) fn a_batch_after_a_lost_commit_is_refused(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 4), false)).unwrap();
    (place.keep)();
    run.commit(&batch(&path, first.split, (4, 8), false)).unwrap();
    (place.put_back)();
    let error = run.commit(&batch(&path, first.split, (8, 10), true)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WentBack), "{error}");
    assert_eq!(place.source(), (1, 4, false));
    assert_eq!(missing(&mut *run), [(1, 4, 4, 0, false)]);
    assert_eq!(task(&mut *run, &asked(&[&path])).start.position, 4);
    run.commit(&batch(&path, first.split, (4, 10), false)).unwrap();
    run.finish(&ENDING).unwrap();
    assert_eq!(place.sources()[0].counts.lines, 10);
}

pub(super) fn a_lost_source_is_made_again(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    (place.keep)();
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 10), false)).unwrap();
    (place.put_back)();
    assert_eq!(missing(&mut *run), [(1, 0, 10, 0, true)]);
    assert_eq!(task(&mut *run, &asked(&[&path])), first);
    run.commit(&batch(&path, first.split, (0, 10), false)).unwrap();
    // A source that was forgotten is not reported as lost. Where a run holds its sources to its end,
    // forgetting fails instead.
    place.forget(&[1]).map_or_else(|error| is_held::<()>(Err(error)), drop);
    assert_eq!(run.look_again().unwrap(), None);
    run.finish(&ENDING).unwrap();
}
