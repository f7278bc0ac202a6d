//! Sources in several parts, and what is done with them besides loading: they are verified, tried again, discarded
//! and loaded anew as what one writer has left.

use std::collections::BTreeMap;

use serde_json::Value;

use super::splits::{objects, plan, with_files};
use super::story::Story;
use crate::harness::run::needs_failpoints;

fn leasing() -> Story {
    with_files(Story::new().state("lease = \"1s\""))
}

/// Each way in which a source gets into parts, and one in which it is whole.
fn loaded() -> [(&'static str, Story); 3] {
    let (whole, by_lanes, by_splits) = (leasing(), leasing(), leasing());
    whole.run(&[]).exit(3);
    by_lanes.run(&["--lanes", "3"]).exit(3);
    for id in plan(&by_splits, "10KiB").iter().rev() {
        assert!(matches!(by_splits.run(&["--split", id]).code(), Some(0 | 3)));
    }
    [("whole", whole), ("lanes", by_lanes), ("splits", by_splits)]
}

/// What one writer leaves of these files that loads them and then loads them anew.
fn loaded_anew() -> BTreeMap<String, Vec<u8>> {
    let story = leasing();
    story.run(&[]).exit(3);
    story.run(&["--rebuild"]).exit(3);
    story.check_complete();
    objects(&story)
}

/// The letters as people are told of them: where each is, and what became of it.
fn told(story: &Story) -> Vec<Value> {
    let listed = story.command("dead-letters list", &["-n", "0"]).json();
    let letters = listed["dead_letters"].as_array().unwrap().iter();
    letters
        .map(|letter| ["offset", "line", "state", "note"].map(|name| letter[name].clone()).into())
        .collect()
}

/// What `status` says of each source, but for when and by whom.
fn sums(story: &Story) -> Vec<Value> {
    let status = story.command("status", &[]).json();
    let of = |source: &Value| {
        let mut source = source.clone();
        let fields = source.as_object_mut().unwrap();
        for name in ["name", "updated_at", "owner", "rules"] {
            fields.remove(name);
        }
        source
    };
    status["sources"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn what_is_told_of_a_source_in_parts_is_what_is_told_of_one() {
    let [(_, whole), others @ ..] = loaded();
    assert!(told(&whole).len() > 60);
    for (way, story) in others {
        assert_eq!(told(&story), told(&whole), "{way}");
        assert_eq!(sums(&story), sums(&whole), "{way}");
        story.command("verify", &[]).exit(0);
        story.command("dead-letters discard", &["--all", "--note", "known"]).exit(0);
        assert!(story.letters().iter().all(|letter| letter["state"] == "discarded"), "{way}");
        assert_eq!(story.command("status", &[]).json()["open_dead_letters"], 0, "{way}");
        story.command("verify", &[]).exit(0);
        // Something of a later part is missing.
        let rows = story.objects().into_keys().filter(|key| !super::story::is_letters(key));
        let last = rows.max_by_key(|key| key.rsplit('/').next().unwrap().to_owned()).unwrap();
        std::fs::remove_file(story.bucket().join(last)).unwrap();
        story.command("verify", &[]).exit(5);
    }
}

/// A record is a row by other rules, once, and wherever the replay is killed.
#[test]
fn letters_of_a_source_in_parts_become_rows_once() {
    let short = "word = { type = \"text\", max_length = 3, required = false }";
    let line = |id: usize| format!("{{\"id\":{id},\"word\":\"{}\"}}\n", "w".repeat(id % 5 + 1));
    for point in ["", "after-open", "after-rows", "before-commit", "after-commit", "after-removal"] {
        let story = Story::new().state("lease = \"1s\"").fields(short);
        story.write("a.ndjson", &(0..1500).map(line).collect::<String>());
        let ended = story.run(&["--lanes", "3"]);
        ended.exit(3);
        assert_eq!(ended.json()["lanes"], 3);
        let story = story.fields(&short.replace('3', "5"));
        if !point.is_empty() {
            needs_failpoints();
            assert!(story.is_killed("dead-letters replay", &[], point, 2), "{point} is not passed");
        }
        story.command("dead-letters replay", &[]).exit(0);
        let mut ids: Vec<u64> = story.rows().iter().map(|row| row["id"].as_u64().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..1500).collect::<Vec<_>>(), "{point}");
        assert!(story.letters().iter().all(|letter| letter["state"] == "replayed"), "{point}");
        story.command("verify", &[]).exit(0);
    }
}

#[test]
fn a_source_in_parts_is_loaded_anew_as_one() {
    let expected = loaded_anew();
    for (way, story) in loaded() {
        let rows = story.rows().len();
        let rebuilt = story.run(&["--rebuild", "--lanes", "3"]);
        rebuilt.exit(3).says("only one lane");
        assert_eq!(rebuilt.json()["rebuilt"]["rows_removed"], rows, "{way}");
        story.check_complete();
        assert_eq!(objects(&story), expected, "{way}");
        let status = story.command("status", &[]).json();
        assert_eq!(status["open_dead_letters"], story.letters().len(), "{way}: {status}");
        story.command("verify", &[]).exit(0);
        assert_eq!(plan(&story, "10KiB"), [""; 0], "{way}: it is complete");
        story.run(&["--lanes", "2"]).exit(3);
        assert_eq!(objects(&story), expected, "{way}");
    }
}

#[test]
fn killed_at_any_step_of_a_cut_or_a_rebuild_it_is_loaded_anew_as_one() {
    needs_failpoints();
    let expected = loaded_anew();
    for (point, passed) in [
        ("before-cut", 0),
        ("mid-cut", 0),
        ("mid-cut", 1),
        ("after-cut", 0),
        ("after-open", 4),
        ("after-commit", 3),
    ] {
        let story = leasing();
        assert!(story.is_killed("load", &["--lanes", "3"], point, passed), "{point} is not passed");
        story.run(&["--rebuild", "--take-over"]).exit(3);
        story.check_complete();
        assert_eq!(objects(&story), expected, "{point}");
        story.command("verify", &[]).exit(0);
    }
    for point in [
        "after-claim",
        "after-rows",
        "before-rebuild-commit",
        "half-moved",
        "mid-move",
        "after-rebuild-commit",
        "after-removal",
    ] {
        let story = leasing();
        story.run(&["--lanes", "3"]).exit(3);
        let one_lane = objects(&story);
        assert!(story.is_killed("load", &["--rebuild"], point, 0), "{point} is not passed");
        story.command("verify", &[]).exit(0);
        story.run(&["--lanes", "3"]).exit(3);
        story.check_complete();
        let moved = matches!(point, "half-moved" | "mid-move" | "after-rebuild-commit" | "after-removal");
        assert_eq!(objects(&story) == one_lane, !moved, "{point}");
        story.run(&["--rebuild"]).exit(3);
        story.check_complete();
        story.command("verify", &[]).exit(0);
    }
}

/// Whoever has a part keeps a rebuild out, and a rebuild whoever wants a part of what it loads anew.
#[test]
fn a_split_and_a_rebuild_keep_each_other_out() {
    needs_failpoints();
    let story = leasing();
    let ids = plan(&story, "33KiB");
    let mut owner = story.start(&["--split", &ids[0]], "before-commit=1*sleep(6000)");
    crate::harness::wait_until("the split to be written", || !story.objects().is_empty());
    story.run(&["--rebuild"]).exit(6).says("is held by");
    assert_eq!(owner.wait(), Some(3), "{}", owner.said());
    let mut rebuild = story.start(&["--rebuild"], "before-rebuild-commit=1*sleep(6000)");
    crate::harness::wait_until("the rebuild to write", || {
        story.objects().keys().any(|key| key.contains("-g1"))
    });
    story.run(&["--split", &ids[2], "--wait", "1s"]).exit(6).says("is held by");
    // It is gone with the generation that it was of.
    story.run(&["--split", &ids[2]]).exit(2).says("has no split");
    assert_eq!(rebuild.wait(), Some(3), "{}", rebuild.said());
    story.check_complete();
    story.command("verify", &[]).exit(0);
}

/// A run that a rebuild took for dead wakes: what it writes then is of a generation that is gone.
#[test]
fn what_a_run_writes_that_wakes_behind_a_rebuild_is_removed_by_the_next() {
    needs_failpoints();
    let story = leasing();
    let mut zombie = story.start(&["--lanes", "2"], "before-object=9*off->1*return(stop)").wait_stopped();
    story.run(&["--rebuild"]).exit(3);
    story.check_complete();
    let of_then = story.objects();
    zombie.wake();
    assert_eq!(zombie.wait(), Some(6), "{}", zombie.said());
    assert!(story.objects().len() > of_then.len(), "it has written nothing");
    story.run(&[]).exit(3);
    story.check_complete();
    assert_eq!(story.objects(), of_then);
    story.command("verify", &[]).exit(0);
}
