//! The keys of a ledger in a store, and which of them a claim reads.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use logmill::error::ErrorKind;
use logmill::sink::Answer;
use logmill::sink::ledger::MapLedger;

use super::batches::{ENDING, asked, batch, task};
use super::map::{Fault, InMemory, settings_of};
use super::place::Place;

/// A place whose store the test can inspect.
fn place() -> (Arc<InMemory>, Place) {
    let store = Arc::new(InMemory::new(Fault::Never));
    (Arc::clone(&store), Place::in_store(store))
}

fn file(place: &Place, name: &str, content: &str) -> PathBuf {
    let path = place.folder.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

/// Claims files and ends the run.
fn claim(place: &Place, files: &[PathBuf]) -> Vec<Answer> {
    let files: Vec<_> = files.iter().map(PathBuf::as_path).collect();
    let mut run = place.open();
    let answers = run.claim(&asked(&files)).unwrap();
    run.finish(&ENDING).unwrap();
    answers
}

#[test]
fn a_claim_needs_no_more_requests_if_the_store_remembers_more() {
    let questions = [1, 50].map(|others| {
        let (store, place) = place();
        let others: Vec<_> =
            (0..others).map(|n| file(&place, &format!("{n}"), &format!("{n}\n{n}\n"))).collect();
        claim(&place, &others);
        let (new, mut run) = (file(&place, "new", "new\n"), place.open());
        let before = store.asked_here();
        run.claim(&asked(&[&new])).unwrap();
        store.asked_here() - before
    });
    assert_eq!(questions[0], questions[1]);
}

#[test]
fn a_file_with_an_unknown_name_is_found_by_its_first_line() {
    let (store, place) = place();
    let (path, mut run) = (place.file("a", 10_000), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 10_000), false)).unwrap();
    run.finish(&ENDING).unwrap();
    store.remove("name/");
    assert_eq!(claim(&place, &[path]), [Answer::Finished { source_id: 1, has_other_rules: false }]);
}

#[test]
fn a_file_whose_first_line_grew_is_found_by_its_name() {
    let (_, place) = place();
    let path = file(&place, "a", "beg");
    let [Answer::Load { source_id, .. }] = claim(&place, std::slice::from_ref(&path))[..] else { panic!() };
    fs::write(&path, "begun\nand").unwrap();
    let again = claim(&place, std::slice::from_ref(&path));
    assert!(matches!(again[..], [Answer::Load { source_id: id, .. }] if id == source_id), "{again:?}");
}

#[test]
fn sources_that_begin_alike_are_numbered() {
    let (store, place) = place();
    let files = ["one", "two"].map(|rest| file(&place, rest, &format!("same\n{rest}\n")));
    claim(&place, &files);
    let [one, two] = ["source/1", "source/2"].map(|key| store.value(key)["first"].clone());
    assert_eq!((&one[0], &one[1], &two[1]), (&two[0], &0.into(), &1.into()));
}

/// A run can die between any two values that it writes.
#[test]
fn half_written_state_of_a_dead_run_is_repaired() {
    let (store, place) = place();
    let [one, two, three] = ["1", "2", "3"].map(|name| file(&place, name, &format!("same\n{name}\n")));
    claim(&place, &[one.clone(), two.clone()]);
    // The run entered the second source but never made it, or made it without recording its number.
    store.remove("source/2");
    store.set_next_id(1);
    let again = claim(&place, &[one.clone(), two]);
    assert!(matches!(again[..], [Answer::Load { source_id: 1, .. }, Answer::Load { source_id: 2, .. }]));
    assert_eq!(store.value("source/2")["first"][1], 1);
    // The first id it tries is taken.
    store.set_next_id(1);
    assert!(matches!(claim(&place, &[three])[..], [Answer::Load { source_id: 3, .. }]));
    assert_eq!(store.value("source/3")["first"][1], 2);
    assert_eq!(place.forget(&[1, 2, 3]).unwrap(), 3);
    assert_eq!(store.keys("first/"), [""; 0]);
    assert_eq!(store.keys("name/"), [""; 0]);
    assert_eq!(store.keys("source/"), [""; 0]);
    assert!(matches!(claim(&place, &[one])[..], [Answer::Load { source_id: 4, .. }]));
}

#[test]
fn a_tables_ledger_belongs_to_one_job() {
    let (store, place) = place();
    drop(place.open());
    let settings = |job: &str| settings_of(job.to_owned(), &place.settings());
    let error = MapLedger::begin(store.clone(), settings("another")).err().expect("it is the other's");
    assert!(matches!(error.kind(), ErrorKind::Unfit(_)), "{error}");
    assert!(MapLedger::begin(store, settings("job")).is_ok());
}
