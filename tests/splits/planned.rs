//! Splits that `plan --split-size` makes and `load --split` loads: in any order, twice, late, concurrently,
//! and killed anywhere.

use serde_json::Value;

use super::{left, loads};
use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::log::{SCHEMA, good_log, log};
use crate::harness::reading::Shape;
use crate::harness::run::Ended;
use crate::harness::wait_until;
use crate::stories::on_each_destination;

on_each_destination! {
    splits_loaded_one_by_one_make_the_whole_source
    a_killed_plan_leaves_all_splits_or_none
    a_killed_split_is_resumed
    a_split_held_by_another_run_is_waited_for
    a_finished_split_stays_finished
    the_growth_of_a_file_is_planned_as_it_is_loaded
    a_size_below_a_chunk_is_refused
    a_file_that_cannot_be_cut_is_explained
    an_unknown_split_is_refused
}

/// Cuts the files of a load and returns the open splits.
fn plan(load: &Load, size: &str) -> Vec<Value> {
    let _ = load.call();
    let planned = load.command("plan").arg("--split-size").arg(size).run();
    planned.exit(0).result("/splits").as_array().unwrap().clone()
}

fn ids(splits: &[Value]) -> Vec<String> {
    splits.iter().map(|split| split["id"].as_str().unwrap().to_owned()).collect()
}

fn load_split<'l>(load: &'l Load, id: &str) -> Ended<'l> {
    load.call().arg("--split").arg(id).run()
}

/// A size that makes about four splits of the first file.
fn size(load: &Load) -> String {
    format!("{}B", load.files()[0].versions[0].len() / 4)
}

fn splits_loaded_one_by_one_make_the_whole_source(kind: Kind) {
    for load in loads(kind) {
        load.run().exit(3);
        let whole = left(&load);
        load.reset();
        let splits = plan(&load, &size(&load));
        assert!((3..=4).contains(&splits.len()), "{splits:?}");
        let bytes = |name: &str| splits.iter().map(|split| split[name].as_u64().unwrap()).collect::<Vec<_>>();
        let (starts, ends) = (bytes("start"), bytes("end"));
        assert_eq!((starts[0], &starts[1..]), (0, &ends[..ends.len() - 1]), "each begins where one ends");
        assert_eq!(bytes("bytes").iter().sum::<u64>(), load.files()[0].versions[0].len() as u64);
        assert_eq!(left(&load).0.len(), 0, "nothing is loaded");
        // Planning again with another size keeps the announced splits.
        assert_eq!(plan(&load, "20KiB"), splits);
        // The order must not matter, and half of them are loaded twice.
        for (number, id) in ids(&splits).iter().enumerate().rev() {
            let loaded = load_split(&load, id);
            loaded.done();
            assert_eq!(loaded.result("/sources/splits"), 1);
            assert_eq!(loaded.result("/sources/loaded"), u64::from(number == 0));
            if number % 2 == 0 {
                let before = load.versions();
                assert_eq!(load_split(&load, id).result("/counts/records"), 0);
                assert_eq!(load.versions(), before, "{id} loaded twice");
            }
        }
        assert_eq!(left(&load), whole);
        assert_eq!(plan(&load, "20KiB").len(), 0);
        load.run().exit(3);
        assert_eq!(left(&load), whole);
    }
}

fn a_killed_plan_leaves_all_splits_or_none(kind: Kind) {
    let [load, ..] = loads(kind);
    load.run().exit(3);
    let whole = left(&load);
    for point in ["after-claim", "before-cut", "before-cut-commit", "after-cut", "before-finish"] {
        load.reset();
        let _ = load.call();
        let ended = load.command("plan").arg("--split-size").arg(&size(&load)).kill_at(point, 0).run();
        ended.killed();
        load.wait_alone();
        let splits = plan(&load, &size(&load));
        assert!(splits.len() >= 3, "{point}: {splits:?}");
        for id in ids(&splits) {
            load_split(&load, &id).done();
        }
        assert_eq!(left(&load), whole, "{point}");
    }
}

fn a_killed_split_is_resumed(kind: Kind) {
    let [load, ..] = loads(kind);
    load.run().exit(3);
    let whole = left(&load);
    for point in
        ["after-claim", "before-fence", "after-rows", "after-dead-letters", "before-commit", "after-commit"]
    {
        let mut passed = 0;
        loop {
            load.reset();
            let splits = ids(&plan(&load, &size(&load)));
            let ended = load.call().arg("--split").arg(&splits[1]).kill_at(point, passed).run();
            if !ended.is_killed() {
                break;
            }
            load.wait_alone();
            for id in splits.iter().rev() {
                load_split(&load, id).done();
            }
            assert_eq!(left(&load), whole, "killed at {point} after {passed}");
            passed += 1;
        }
        assert!(passed > 0, "{point} was not passed");
    }
}

fn a_split_held_by_another_run_is_waited_for(kind: Kind) {
    let [load, ..] = loads(kind);
    load.run().exit(3);
    let whole = left(&load);
    load.reset();
    let splits = ids(&plan(&load, &size(&load)));
    let owner = load.call().arg("--split").arg(&splits[1]).stop_at("after-claim", 0).start().wait_stopped();
    load.call().arg("--split").arg(&splits[1]).arg("--wait").arg("1s").run().exit(6).tells("is held by");
    load.call().arg("--wait").arg("1s").run().exit(6).tells("is held by");
    // Nobody owns the other splits.
    load_split(&load, &splits[0]).done();
    let mut late = load.call().arg("--split").arg(&splits[1]).start();
    late.wait_says("waiting for it");
    owner.wake();
    owner.wait().exit(3);
    late.wait().exit(3);
    load.run().exit(3);
    assert_eq!(left(&load), whole);
}

fn a_finished_split_stays_finished(kind: Kind) {
    let [load, ..] = loads(kind);
    let young = load.files()[0].versions[0].clone();
    let grown = [young.clone(), log(2, 30)].concat();
    load.write("log.ndjson", &grown);
    load.run().exit(3);
    let whole = left(&load);
    load.write("log.ndjson", &young);
    load.reset();
    let splits = ids(&plan(&load, &size(&load)));
    splits.iter().for_each(|id| {
        load_split(&load, id).done();
    });
    load.write("log.ndjson", &grown);
    let before = load.versions();
    load_split(&load, splits.last().unwrap()).exit(3);
    assert_eq!(load.versions(), before, "what was told as a split is no more than that");
    load.run().exit(3);
    assert_eq!(left(&load), whole);
}

/// Whether the file had one split so far or several: `load --split` accepts exactly what is planned, and a
/// split that was reported as done stays done.
fn the_growth_of_a_file_is_planned_as_it_is_loaded(kind: Kind) {
    let [load, ..] = loads(kind);
    let young = load.files()[0].versions[0].clone();
    let grown = [young.clone(), log(2, 90)].concat();
    load.write("log.ndjson", &grown);
    load.run().exit(3);
    let whole = left(&load);
    let (end, tail) = (format!("1-{}", young.len()), (grown.len() - young.len()) as u64);
    for (is_cut, size_then) in [(false, None), (false, Some("2KiB")), (true, None), (true, Some("2KiB"))] {
        load.reset();
        load.write("log.ndjson", &young);
        let size = size(&load);
        let done = if is_cut { ids(&plan(&load, &size)) } else { vec!["1-0".to_owned()] };
        load.run().exit(3);
        load.write("log.ndjson", &grown);
        let splits = match size_then {
            Some(size) => plan(&load, size),
            None => {
                let before = load.versions();
                let splits = load.command("plan").run().exit(0).result("/splits");
                assert_eq!(load.versions(), before, "a plan writes nothing");
                splits.as_array().unwrap().clone()
            }
        };
        let ids = ids(&splits);
        assert_eq!((&ids[0], ids.len() > 1), (&end, size_then.is_some()), "{ids:?}");
        assert_eq!(splits.iter().map(|split| split["bytes"].as_u64().unwrap()).sum::<u64>(), tail);
        let before = load.versions();
        done.iter().for_each(|id| {
            load_split(&load, id).exit(3);
        });
        assert_eq!(load.versions(), before, "what was done is done");
        ids.iter().rev().for_each(|id| {
            load_split(&load, id).done();
        });
        assert_eq!(left(&load), whole);
        assert_eq!(load.command("plan").run().exit(0).result("/splits"), Value::Array(vec![]));
    }
}

fn a_size_below_a_chunk_is_refused(kind: Kind) {
    let [load, ..] = loads(kind);
    let _ = load.call();
    let planned = load.command("plan").arg("--split-size").arg("1023B").run();
    planned.exit(2).tells("less than a chunk");
    assert!(plan(&load, "1KiB").len() > 4);
}

fn a_file_that_cannot_be_cut_is_explained(kind: Kind) {
    let plain = |load: Load| load.to(kind).schema(SCHEMA);
    for (load, why) in [
        (
            plain(Load::empty().file("a.ndjson.gz", good_log(1, 50))),
            "an archive must be read from its beginning",
        ),
        (plain(Load::of(good_log(1, 50))).key("[\"id\"]"), "the order of the records decides"),
        (
            plain(Load::of("[{\"id\": 1}, {\"id\": 2}]")).shaped(Shape::Json),
            "by reading everything before it",
        ),
    ] {
        let _ = load.call();
        let planned = load.command("plan").arg("--split-size").arg("1MiB").run();
        planned.exit(0);
        assert!(planned.result("/whole/0/why").as_str().unwrap().contains(why), "{why}");
        // It is a split nevertheless.
        assert_eq!(planned.result("/splits/0/id"), "1-0");
        load_split(&load, "1-0").done();
    }
}

fn an_unknown_split_is_refused(kind: Kind) {
    let [load, ..] = loads(kind);
    load_split(&load, "7-0").exit(2).tells("has no split 7-0 here");
    let splits = plan(&load, &size(&load));
    load_split(&load, "1-1").exit(2).tells("has no split 1-1 here");
    std::fs::write(load.path("other.ndjson"), good_log(3, 3)).unwrap();
    let other = load.path("other.ndjson");
    let id = ids(&splits).remove(0);
    let named = load.call().arg("--split").arg(&id).arg(other.to_str().unwrap()).run();
    named.exit(2).tells("which is not among the files of the job");
}

/// Each of two runs finishes its split while the other does the same. The later one must notice that it
/// completes the source.
#[test]
fn one_of_the_last_two_splits_completes_the_source() {
    let load = Load::of(log(1, 90)).schema(SCHEMA).pipeline("chunk_size = \"1KiB\"");
    let splits = ids(&plan(&load, &format!("{}B", load.files()[0].versions[0].len() / 2)));
    assert_eq!(splits.len(), 2);
    let first = load.call().arg("--split").arg(&splits[0]).stop_at("before-commit", 0).start().wait_stopped();
    let mut second = load.call().arg("--split").arg(&splits[1]).start();
    wait_until("the other to wait, or to end", || {
        second.has_ended() || !load.backends("wait_event_type = 'Lock'").is_empty()
    });
    first.wake();
    let loaded = |ended: Ended<'_>| ended.exit(3).result("/sources/loaded").as_u64().unwrap();
    assert_eq!(loaded(first.wait()) + loaded(second.wait()), 1);
}
