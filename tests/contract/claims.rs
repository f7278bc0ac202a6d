//! Recognising and owning files: sources that are made, found again, held and forgotten.

use std::fs;
use std::sync::Barrier;

use logmill::sink::{Answer, Asked, Task};
use logmill::source::Hash16;
use logmill::split::Split;

use super::batches::{ENDING, asked, batch, is_held, task};
use super::place::Place;

pub(super) fn a_new_source_is_made_and_loaded_to_its_end(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    assert_eq!(first, Task::whole(1));
    assert_eq!(place.source(), (1, 0, false));
    assert!(run.commit(&batch(&path, first.split, (0, 6), false)).unwrap().completed.is_empty());
    assert_eq!(place.source(), (1, 6, false));
    assert_eq!(run.commit(&batch(&path, first.split, (6, 10), false)).unwrap().completed, [1]);
    assert_eq!(place.source(), (1, 10, true));
    run.finish(&ENDING).unwrap();
    assert_eq!(
        place.open().claim(&asked(&[&path])).unwrap(),
        [Answer::Finished { source_id: 1, has_other_rules: false }]
    );
}

pub(super) fn a_source_is_held_while_its_run_lives(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    task(&mut *run, &asked(&[&path]));
    let mut other = place.open_impatient();
    is_held(other.claim(&asked(&[&path])));
    assert!(place.sources()[0].owner.is_some());
    run.commit(&batch(&path, Split::whole(1), (0, 10), false)).unwrap();
}

pub(super) fn the_sources_of_a_dead_run_are_resumed(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 4), false)).unwrap();
    drop(run);
    let mut next = place.open();
    let second = task(&mut *next, &asked(&[&path]));
    assert_eq!((second.split, second.start.position, second.lines), (first.split, 4, 4));
    assert_eq!(next.commit(&batch(&path, second.split, (4, 10), false)).unwrap().completed, [1]);
}

pub(super) fn a_run_that_ended_gives_its_sources_back(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.finish(&ENDING).unwrap();
    assert!(place.sources()[0].owner.is_none());
    // The process and its connection are still alive.
    assert_eq!(task(&mut *place.open(), &asked(&[&path])), first);
    is_held(run.commit(&batch(&path, first.split, (0, 10), false)));
}

pub(super) fn one_of_two_simultaneous_runs_makes_the_source(place: &Place) {
    let path = place.file("a", 10);
    let both = Barrier::new(2);
    let mut runs = [place.open_impatient(), place.open_impatient()];
    let claimed = std::thread::scope(|scope| {
        let threads = runs.each_mut().map(|run| {
            scope.spawn(|| {
                both.wait();
                run.claim(&asked(&[&path]))
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    let loads = claimed.iter().filter(|claimed| claimed.is_ok()).count();
    assert_eq!(loads, 1, "{claimed:?}");
    assert_eq!(place.source(), (1, 0, false));
}

pub(super) fn an_id_is_never_given_twice(place: &Place) {
    let [one, two] = ["a", "b"].map(|name| place.file(name, 10));
    let mut run = place.open();
    task(&mut *run, &asked(&[&one]));
    run.finish(&ENDING).unwrap();
    drop(run);
    assert_eq!(place.forget(&[1, 7]).unwrap(), 1);
    assert!(place.sources().is_empty());
    let mut run = place.open();
    assert_eq!(task(&mut *run, &asked(&[&two])).split, Split::whole(2));
    run.finish(&ENDING).unwrap();
    drop(run);
    assert_eq!(task(&mut *place.open(), &asked(&[&one])).split, Split::whole(3));
}

pub(super) fn a_held_source_cannot_be_forgotten(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    task(&mut *run, &asked(&[&path]));
    is_held(place.forget(&[1]));
    assert_eq!(place.source(), (1, 0, false));
}

pub(super) fn a_copy_is_a_duplicate(place: &Place) {
    let (path, mut run) = (place.file("a", 10_000), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 10_000), false)).unwrap();
    run.finish(&ENDING).unwrap();
    let copy = place.file("b", 10_000);
    let mut run = place.open();
    let claimed = run.claim(&asked(&[&path, &copy])).unwrap();
    assert_eq!(claimed[0], Answer::Finished { source_id: 1, has_other_rules: false });
    assert!(matches!(claimed[1], Answer::Duplicate(_)), "{claimed:?}");
    let allowed = Asked { allow_duplicates: true, ..asked(&[&path, &copy]) };
    let claimed = run.claim(&allowed).unwrap();
    assert!(matches!(claimed[1], Answer::Load { source_id: 2, .. }), "{claimed:?}");
}

pub(super) fn a_changed_name_is_recorded(place: &Place) {
    let (path, mut run) = (place.file("a", 10_000), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 10_000), false)).unwrap();
    run.finish(&ENDING).unwrap();
    let renamed = place.folder.path().join("b");
    fs::rename(&path, &renamed).unwrap();
    assert_eq!(
        place.open().claim(&asked(&[&renamed])).unwrap(),
        [Answer::Finished { source_id: 1, has_other_rules: false }]
    );
    assert_eq!(place.sources()[0].name, renamed.to_string_lossy());
}

pub(super) fn a_small_file_is_recognised_by_its_inode(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 10), false)).unwrap();
    run.finish(&ENDING).unwrap();
    // Each claim records the new name.
    for (from, to, position) in [("a", "b", 10), ("b", "c", 12)] {
        let to = place.folder.path().join(to);
        fs::rename(place.folder.path().join(from), &to).unwrap();
        let size = position + 2;
        fs::write(&to, "\n".repeat(usize::try_from(size).unwrap())).unwrap();
        let mut run = place.open();
        let task = task(&mut *run, &asked(&[&to]));
        assert_eq!((task.split, task.start.position), (first.split, position));
        run.commit(&batch(&to, task.split, (position, size), false)).unwrap();
        run.finish(&ENDING).unwrap();
    }
    let copy = place.folder.path().join("d");
    fs::write(&copy, "\n".repeat(20)).unwrap();
    assert_eq!(task(&mut *place.open(), &asked(&[&copy])).split, Split::whole(2));
}

pub(super) fn other_rules_are_not_mixed(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 4), false)).unwrap();
    run.finish(&ENDING).unwrap();
    let others = Asked { rules_hash: Hash16([9; 16]), ..asked(&[&path]) };
    let error = place.open().claim(&others).unwrap_err();
    assert!(error.to_string().contains("--accept-new-rules"), "{error}");
    assert!(place.sources()[0].owner.is_none(), "nothing was taken");
    let accepted = Asked { accept_new_rules: true, ..others };
    assert_eq!(task(&mut *place.open(), &accepted).start.position, 4);
}
