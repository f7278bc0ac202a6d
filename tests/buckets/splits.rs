//! Several writers into one bucket: lanes of a run, and splits that are loaded one by one. A split ends where an
//! object does, so names and bytes are those of one writer, in whatever order they come and wherever they are killed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::story::{self, Story, is_letters};
use crate::harness::cloud::Cloud;
use crate::harness::redis::Redis;
use crate::harness::run::needs_failpoints;

pub(super) fn with_files(story: Story) -> Story {
    story.write("a.ndjson", &story::lines(0, 1500));
    story.write("b.ndjson", &story::lines(5000, 40));
    story
}

/// What is there, but for the lines of letters: those are counted from the start of a split.
pub(super) fn objects(story: &Story) -> BTreeMap<String, Vec<u8>> {
    let mut objects = story.objects();
    for (_, bytes) in objects.iter_mut().filter(|(key, _)| is_letters(key)) {
        let letters = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let without = letters.map(|line| {
            let mut letter: BTreeMap<String, Value> = serde_json::from_slice(line).unwrap();
            assert!(letter.remove("line").unwrap().as_u64() >= Some(1));
            letter.remove("split_start");
            serde_json::to_string(&letter).unwrap() + "\n"
        });
        *bytes = without.collect::<String>().into_bytes();
    }
    objects
}

/// What one writer leaves.
fn of_one_writer(story: Story) -> BTreeMap<String, Vec<u8>> {
    let story = with_files(story);
    story.run(&[]).exit(3);
    story.check_complete();
    objects(&story)
}

/// Cuts the files, and gives the ids of the splits.
pub(super) fn plan(story: &Story, size: &str) -> Vec<String> {
    let planned = story.command("plan", &["--split-size", size]);
    planned.exit(0);
    let splits = planned.json()["splits"].as_array().unwrap().clone();
    splits.iter().map(|split| split["id"].as_str().unwrap().to_owned()).collect()
}

/// Each step at which a run with several writers can die, and how often it passes it before.
const POINTS: [(&str, usize); 9] = [
    ("before-cut", 0),
    ("mid-cut", 0),
    ("mid-cut", 1),
    ("after-cut", 0),
    ("after-open", 4),
    ("after-object", 9),
    ("before-commit", 2),
    ("after-commit", 3),
    ("before-finish", 0),
];

#[test]
fn lanes_leave_what_one_lane_leaves() {
    for form in ["ndjson", "ndjson.zst"] {
        let changed = |story: Story| story.destination(&format!("as = \"{form}\""));
        let expected = of_one_writer(changed(Story::new()));
        for lanes in ["2", "3", "7"] {
            let story = with_files(changed(Story::new()));
            let ended = story.run(&["--lanes", lanes]);
            ended.exit(3);
            assert_eq!(ended.json()["lanes"].to_string(), lanes);
            story.check_complete();
            assert_eq!(objects(&story), expected, "{lanes} lanes");
            story.run(&[]).exit(3);
            assert_eq!(objects(&story), expected, "{lanes} lanes, and again");
        }
    }
}

#[cfg(feature = "buckets")]
#[test]
fn lanes_write_the_same_columns() {
    let parquet = |story: Story| story.destination("as = \"parquet\"");
    let whole = with_files(parquet(Story::new()));
    whole.run(&[]).exit(3);
    let expected = objects(&whole);
    let story = with_files(parquet(Story::new()));
    story.run(&["--lanes", "3"]).exit(3);
    assert_eq!(objects(&story), expected);
}

#[test]
fn lanes_that_are_killed_at_any_step_are_gone_on_with() {
    needs_failpoints();
    let expected = of_one_writer(Story::new());
    for (number, (point, passed)) in POINTS.into_iter().enumerate() {
        let story = with_files(Story::new());
        let before = if passed == 0 { String::new() } else { format!("{passed}*off->") };
        let mut going = story.start(&["--lanes", "3"], &format!("{point}={before}return(kill)"));
        assert_eq!(going.wait(), None, "{point} is not passed {passed} times: {}", going.said());
        story.check_partial();
        // With more lanes, fewer, or none: what is cut stays as it is.
        story.run(&["--take-over", "--lanes", ["1", "2", "5"][number % 3]]).exit(3);
        story.check_complete();
        assert_eq!(objects(&story), expected, "{point} passed {passed} times");
        story.run(&[]).exit(3);
        assert_eq!(objects(&story), expected, "{point} passed {passed} times, and again");
    }
}

/// The last one, the first one, and one twice; each by a process of its own.
#[test]
fn splits_in_any_order_are_the_whole_source() {
    let expected = of_one_writer(Story::new());
    for size in ["10KiB", "20KiB", "1MiB"] {
        let story = with_files(Story::new());
        let mut ids = plan(&story, size);
        assert_eq!(ids.len() > 4, size != "1MiB", "{ids:?}");
        assert!(story.objects().is_empty(), "a plan writes no object");
        // Who was told of these can rely on them. What is one split so far can still be cut.
        assert_eq!(plan(&story, if size == "1MiB" { size } else { "20KiB" }), ids);
        ids.reverse();
        ids.push(ids[0].clone());
        for id in &ids {
            let ended = story.run(&["--split", id]);
            assert!(matches!(ended.code(), Some(0 | 3)), "{id}");
        }
        story.check_complete();
        assert_eq!(objects(&story), expected, "{size}");
        assert_eq!(plan(&story, "20KiB"), [""; 0]);
        story.run(&[]).exit(3);
        assert_eq!(objects(&story), expected, "{size}");
        let status = story.command("status", &[]).json();
        let sources = status["sources"].as_array().unwrap();
        assert!(sources.len() == 2 && sources.iter().all(|source| source["complete"] == true), "{status}");
    }
}

/// Of the last two splits one sees that the other is done, also where both come to their ends at once.
#[test]
fn splits_side_by_side_complete_their_source() {
    let (expected, redis) = (of_one_writer(Story::new()), Redis::start());
    let states = [String::new(), format!("url = \"redis://127.0.0.1:{}\"\n", redis.port())];
    for (story, state) in [Story::new(), Story::new().to(Cloud::moto())].into_iter().zip(states) {
        let story = with_files(story).state(&format!("{state}lease = \"5s\""));
        let ids = plan(&story, "40KiB");
        let all: Vec<_> = ids.iter().map(|id| story.start(&["--split", id], "")).collect();
        for mut going in all {
            assert!(matches!(going.wait(), Some(0 | 3)), "{}", going.said());
        }
        story.check_complete();
        assert_eq!(objects(&story), expected);
        let before = story.command("status", &[]).json();
        assert!(
            before["sources"].as_array().unwrap().iter().all(|source| source["complete"] == true),
            "{before}"
        );
        story.run(&[]).exit(3);
        assert_eq!(objects(&story), expected);
    }
}

#[test]
fn a_split_that_a_living_run_is_at_is_waited_for() {
    needs_failpoints();
    let expected = of_one_writer(Story::new());
    let story = with_files(Story::new().state("lease = \"1s\""));
    let ids = plan(&story, "33KiB");
    let mut owner = story.start(&["--split", &ids[1]], "before-commit=1*sleep(15000)");
    crate::harness::wait_until("the split to be written", || !story.objects().is_empty());
    story.run(&["--split", &ids[1], "--wait", "1s"]).exit(6).says("is held by");
    story.run(&[]).exit(6).says("is held by");
    // Its siblings are nobody's.
    story.run(&["--split", &ids[0]]).exit(3);
    let late = story.run(&["--split", &ids[1]]);
    late.exit(3).says("waiting for it");
    assert_eq!(owner.wait(), Some(3), "{}", owner.said());
    story.run(&[]).exit(3);
    story.check_complete();
    assert_eq!(objects(&story), expected);
}

#[test]
fn what_a_source_has_grown_by_is_a_split_of_its_own() {
    let all = story::lines(0, 1500);
    let young = story::lines(0, 700);
    assert!(all.starts_with(&young));
    let grow = |load: &dyn Fn(&Story)| {
        let story = Story::new();
        story.write("a.ndjson", &young);
        load(&story);
        story.write("a.ndjson", &all);
        load(&story);
        story.check_complete();
        objects(&story)
    };
    let expected = grow(&|story| {
        story.run(&[]).exit(3);
    });
    let by_splits = grow(&|story| {
        for id in plan(story, "10KiB").iter().rev() {
            assert!(matches!(story.run(&["--split", id]).code(), Some(0 | 3)));
        }
    });
    assert_eq!(by_splits, expected);
    let by_lanes = grow(&|story| {
        story.run(&["--lanes", "3"]).exit(3);
    });
    assert_eq!(by_lanes, expected);
}

/// Where a line of a letter stands in its file is not known as long as it is not known what comes before its split.
#[test]
fn letters_of_a_split_say_from_where_their_lines_are_counted() {
    let story = with_files(Story::new());
    let ids = plan(&story, "33KiB");
    story.run(&["--split", &ids[1]]).exit(3);
    let letters = story.command("dead-letters list", &["-n", "0"]).json();
    let letters = letters["dead_letters"].as_array().unwrap();
    assert!(!letters.is_empty());
    let start: u64 = ids[1].split_once('-').unwrap().1.parse().unwrap();
    for letter in letters {
        let line = (letter["line"].as_u64(), letter["split_start"].as_u64());
        assert_eq!(line, (None, Some(start)), "{letter}");
        assert!(letter["line_of_split"].as_u64() >= Some(1), "{letter}");
    }
}
