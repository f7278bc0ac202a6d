//! The bar: what is decided and committed depends on the data alone.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::tests::{Form, InMemory, any_cut, any_form, expected, load_with, without_reasons, write_files};
use super::*;

/// The content of a file: every tenth record is bad up to `worse_from`, every second one from there on.
/// Between some there is a blank line.
fn worsening(records: usize, worse_from: usize) -> Vec<u8> {
    let mut content = Vec::new();
    for number in 0..records {
        let every = if number < worse_from { 10 } else { 2 };
        match number % every {
            0 => content.extend_from_slice(b"{\"n\":\"x\"}\n"),
            _ => content.extend_from_slice(format!("{{\"n\":{number},\"t\":\"\"}}\n").as_bytes()),
        }
        if number.is_multiple_of(7) {
            content.extend_from_slice(b"\n");
        }
    }
    content
}

/// The bytes before the record with this number, counted from zero.
fn before_record(content: &[u8], record: usize) -> usize {
    let mut records = 0;
    let mut offset = 0;
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        if line != b"\n" {
            if records == record {
                return offset;
            }
            records += 1;
        }
        offset += line.len();
    }
    offset
}

/// The abandoned sources: file, records, dead letters.
fn given_up(outcome: &Outcome) -> BTreeSet<(String, u64, u64)> {
    let name = |path: &std::path::Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let given_up = outcome.given_up.iter();
    given_up.map(|one| (name(&one.path), one.records, one.letters)).collect()
}

proptest! {
    // Each case loads some 50,000 records.
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn what_is_decided_depends_on_the_data_alone(
        cuts in proptest::collection::vec(any_cut(), 1..4),
        form in any_form(),
        fails_at in 0..8_usize,
    ) {
        // The first is above the bar at its 20,000th record, the second never, the third at its end.
        let files = [worsening(25_000, 13_000), worsening(12_000, usize::MAX), worsening(300, 0)];
        let folder = tempfile::tempdir().expect("a directory");
        write_files(folder.path(), &files, form);
        let cut_off = before_record(&files[0], 20_000);
        let prefixes = [files[0][..cut_off].to_vec(), files[1].clone(), files[2].clone()];
        let decided = BTreeSet::from([("log.0".to_owned(), 20_000, 4_800), ("log.2".to_owned(), 300, 150)]);

        let mut sink = InMemory::default();
        let of = |cut: super::tests::Cut| Settings {
            stop_above: Some(Bar::Share(200_000)),
            // Each chunk is a seat, and each batch a commit.
            source: source::Settings { chunk_bytes: cut.chunk_bytes * 20, ..cut.settings().source },
            batch_rows: cut.batch_rows * 100,
            batch_bytes: cut.batch_bytes * 100,
            ..cut.settings()
        };
        for (number, &cut) in cuts.iter().enumerate() {
            // All but the last load fail.
            sink.fails_at = (number + 1 < cuts.len()).then_some(fails_at);
            sink.batches = 0;
            let loaded = load_with(&mut sink, folder.path(), &of(cut));
            prop_assert!(sink.tables.positions.get(&1).is_none_or(|&position| position <= cut_off as u64));
            if let Ok(outcome) = loaded {
                prop_assert_eq!(given_up(&outcome), decided.clone());
            }
        }
        // A blank line after the point may count with what precedes or with what follows it.
        let mut found = without_reasons(sink.tables.clone());
        let mut wanted = expected(&prefixes);
        for tables in [&mut found, &mut wanted] {
            tables.without_blanks(1);
        }
        prop_assert_eq!(&found, &wanted);

        // Once more: the decision is made before anything is read.
        sink.batches = 0;
        let again = load_with(&mut sink, folder.path(), &of(cuts[0])).expect("loaded");
        prop_assert_eq!(given_up(&again), decided);
        prop_assert_eq!(sink.batches, 0);

        // Closed letters do not count, and the rest is loaded.
        sink.closed = 4_800;
        let mut settings = of(cuts[0]);
        settings.stop_above = Some(Bar::Count(5_000));
        let rest = load_with(&mut sink, folder.path(), &settings).expect("loaded");
        prop_assert_eq!(given_up(&rest), BTreeSet::new());
        prop_assert_eq!(without_reasons(sink.tables), expected(&files));
    }
}

#[test]
fn an_end_is_one_only_while_nothing_stands_behind_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let whole = worsening(9_000, usize::MAX);
    let young = before_record(&whole, 2);
    let cut = super::tests::Cut {
        threads: 2,
        chunk_bytes: 5_000,
        window_bytes: 64 << 10,
        batch_rows: 1_000,
        batch_bytes: 1 << 20,
        mmap: false,
    };
    let settings = Settings { stop_above: Some(Bar::Share(200_000)), ..cut.settings() };
    let mut sink = InMemory::default();
    write_files(folder.path(), &[whole[..young].to_vec()], Form::Plain);
    let outcome = load_with(&mut sink, folder.path(), &settings).expect("loaded");
    assert_eq!(given_up(&outcome), BTreeSet::from([("log.0".to_owned(), 2, 1)]));

    write_files(folder.path(), std::slice::from_ref(&whole), Form::Plain);
    let outcome = load_with(&mut sink, folder.path(), &settings).expect("loaded");
    assert_eq!(given_up(&outcome), BTreeSet::new());
    assert_eq!(without_reasons(sink.tables), expected(&[whole]));
}
