//! What a run tells its observer.

use std::sync::Arc;

use super::tests::{Cut, InMemory, recipe, schema};
use super::*;
use crate::source::{Pattern, Reach, Selection, discover};

#[test]
fn who_watches_a_run_hears_of_all_that_it_committed_and_of_what_it_could_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = |range: std::ops::Range<u32>| -> String {
        range.map(|n| format!("{{\"n\":{n},\"t\":\"x\"}}\n")).collect()
    };
    std::fs::write(folder.path().join("a"), lines(0..100) + "no\n").expect("writable");
    std::fs::write(folder.path().join("b"), lines(100..150)).expect("writable");
    std::fs::write(folder.path().join("c"), b"\xff\xfe{\0").expect("writable");
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let cut = Cut {
        threads: 2,
        chunk_bytes: 300,
        window_bytes: 5_000,
        batch_rows: 20,
        batch_bytes: 5_000,
        mmap: true,
    };
    let settings = Settings {
        observer: Observer::new(move |event| seen.lock().expect("nobody panicked").push(event.clone())),
        ..cut.settings()
    };
    let pattern = Pattern { text: "*".into(), base: folder.path().to_owned() };
    let files = discover(&[pattern], &Selection::default(), &Reach::default()).expect("readable").files;
    let (mut sink, mut outcome) = (InMemory::default(), Outcome::default());
    let recipe = recipe(schema(), &settings);
    run(&files, recipe, &mut sink, &settings, &Stop::default(), &Arc::default(), &mut outcome)
        .expect("it ends");
    let told = told.lock().expect("nobody panicked");
    let name = |file: &std::path::Path| file.file_name().map(|name| name.to_string_lossy().into_owned());
    let (mut sum, mut finished, mut refused) = ((0, 0, 0, 0), Vec::new(), Vec::new());
    for event in told.iter() {
        match event {
            Event::Committed { counts, reasons, bytes, .. } => {
                let reasons: u64 = reasons.iter().map(|reason| reason.count).sum();
                assert_eq!(reasons, u64::try_from(counts.rejected).expect("a count"));
                sum = (sum.0 + counts.records, sum.1 + counts.rejected, sum.2 + bytes, sum.3 + 1);
            }
            Event::Finished { file, records } => finished.extend(name(file).map(|name| (name, *records))),
            Event::Refused { file, .. } => refused.extend(name(file)),
            _ => {}
        }
    }
    assert_eq!(sum, (151, 1, outcome.bytes, outcome.batches));
    assert!(outcome.batches > 2, "{outcome:?}");
    assert_eq!(finished, [("a".to_owned(), 101), ("b".to_owned(), 50)]);
    assert_eq!(refused, ["c"]);
    assert!(told.iter().any(|event| matches!(event, Event::Claimed { sources: 2, .. })), "{told:?}");
}
