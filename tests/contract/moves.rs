//! Moving checkpoints: who may move them, from which position, and what is counted.

use logmill::sink::{Answer, Asked, OpenLetters};
use logmill::split::Split;

use super::batches::{ENDING, asked, batch, is_held, last_of_split, task, tasks};
use super::place::Place;

pub(super) fn a_run_after_a_take_over_moves_nothing(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 4), false)).unwrap();
    let mut next = place.open();
    let second = task(&mut *next, &Asked { take_over: true, ..asked(&[&path]) });
    assert_eq!(second.start.position, 4);
    is_held(run.commit(&batch(&path, first.split, (4, 8), false)));
    assert_eq!(place.source(), (1, 4, false));
    next.commit(&batch(&path, second.split, (4, 10), false)).unwrap();
    is_held(run.commit(&batch(&path, first.split, (4, 8), false)));
    assert_eq!(place.source(), (1, 10, true));
}

pub(super) fn a_move_from_another_position_is_refused(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    is_held(run.commit(&batch(&path, first.split, (3, 6), true)));
    assert_eq!(place.source(), (1, 0, false));
    assert_eq!(run.open_dead_letters(&[1]).unwrap().selected, 0);
}

pub(super) fn a_move_is_not_made_twice(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    let again = batch(&path, first.split, (0, 4), true);
    run.commit(&again).unwrap();
    is_held(run.commit(&again));
    let counts = place.sources()[0].counts;
    assert_eq!((counts.lines, counts.rejected), (4, 1));
}

pub(super) fn a_source_is_complete_with_the_last_of_its_splits(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    task(&mut *run, &asked(&[&path]));
    drop(run);
    (place.cut)(4);
    let (first, second) = (Split::whole(1), Split { source: 1, start: 4 });
    let mut run = place.open();
    let both = tasks(&mut *run, &asked(&[&path]));
    let ranges: Vec<_> = both.iter().map(|task| (task.split, task.start.position, task.end)).collect();
    assert_eq!(ranges, [(first, 0, Some(4)), (second, 4, None)]);
    assert!(run.commit(&batch(&path, second, (4, 10), true)).unwrap().completed.is_empty());
    assert_eq!(place.source(), (1, 6, false));
    assert!(run.commit(&batch(&path, first, (0, 2), false)).unwrap().completed.is_empty());
    assert_eq!(run.commit(&last_of_split(&path, first, (2, 4))).unwrap().completed, [1]);
    assert_eq!(place.source(), (1, 10, true));
    assert_eq!(place.sources()[0].counts.lines, 10);
    run.finish(&ENDING).unwrap();
    assert_eq!(
        place.open().claim(&asked(&[&path])).unwrap(),
        [Answer::Finished { source_id: 1, has_other_rules: false }]
    );
}

pub(super) fn counters_add_up_and_open_letters_are_counted(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    for range in [(0, 3), (3, 5), (5, 10)] {
        let committed = run.commit(&batch(&path, first.split, range, range.0 != 3)).unwrap();
        assert_eq!(committed.counts[0].rejected, i64::from(range.0 != 3));
    }
    assert_eq!(run.open_dead_letters(&[1]).unwrap(), OpenLetters { selected: 2, job: 2 });
    let counts = place.sources()[0].counts;
    assert_eq!((counts.lines, counts.blank, counts.records, counts.rejected), (10, 8, 2, 2));
    assert!(counts.is_conserved());
}
