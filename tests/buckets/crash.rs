//! Killed between any two steps, and run again: every record once, names and bytes as if nothing had been.

use super::story::{self, Story};
use crate::harness::run::needs_failpoints;

/// Every point at which a run can die.
const POINTS: [&str; 13] = [
    "after-prepare",
    "after-claim",
    "before-chunk",
    "before-fence",
    "after-fence",
    "after-open",
    "before-object",
    "after-object",
    "after-rows",
    "after-dead-letters",
    "before-commit",
    "after-commit",
    "before-finish",
];

fn two_files(story: &Story) {
    story.write("a.ndjson", &story::lines(0, 150));
    story.write("b.ndjson", &story::lines(700, 60));
}

#[test]
fn a_load_killed_at_any_step_goes_on_as_if_nothing_had_been() {
    needs_failpoints();
    let undisturbed = Story::new();
    two_files(&undisturbed);
    undisturbed.run(&[]).exit(3);
    undisturbed.check_complete();
    for point in POINTS {
        for passed in [0, 1, 5] {
            let story = Story::new().pipeline("threads = 1");
            two_files(&story);
            let is_killed = story.is_killed_at(point, passed);
            assert!(is_killed || passed > 0, "{point} is not passed");
            story.check_partial();
            // Another way of cutting, which is to make no difference.
            let story = story.pipeline("threads = 3\nchunk_size = \"1KiB\"");
            story.run(&["--take-over"]).exit(3);
            story.check_complete();
            assert_eq!(story.objects(), undisturbed.objects(), "{point} passed {passed} times");
        }
    }
}

#[test]
fn a_load_killed_again_and_again_comes_to_its_end() {
    let story = Story::new();
    two_files(&story);
    for (point, passed) in [("after-object", 0), ("before-commit", 0), ("after-open", 1), ("after-commit", 1)]
    {
        assert!(story.is_killed_at(point, passed), "{point}");
        story.check_partial();
    }
    story.run(&["--take-over"]).exit(3);
    story.check_complete();
}

#[test]
fn a_file_that_grew_after_a_crash_is_written_to_the_end_that_it_had() {
    let (first, all) = (story::lines(0, 20), story::lines(0, 60));
    for point in ["after-rows", "after-dead-letters", "before-commit"] {
        let story = Story::new();
        story.write("a.ndjson", &first);
        assert!(story.is_killed_at(point, 0), "{point}");
        let left = story.objects();
        assert!(!left.is_empty());
        story.write("a.ndjson", &all);
        story.run(&["--take-over"]).exit(3);
        story.check_complete();
        let now = story.objects();
        let same = left.iter().filter(|(key, _)| !story::is_letters(key));
        assert!(
            same.clone().all(|(key, bytes)| now.get(key) == Some(bytes)),
            "{point}: an object was given up"
        );
    }
}

/// A range has rows of so many days at most, and a day counts once in each of them, however often it was begun.
#[test]
fn a_range_of_many_days_that_grew_after_a_crash_is_not_refused() {
    let line = |id: i64| {
        let day = chrono::NaiveDate::from_ymd_opt(2020, 1, 1).unwrap() + chrono::TimeDelta::days(id % 260);
        format!("{{\"id\":{id},\"at\":\"{day}T12:00:00Z\"}}\n")
    };
    let story = Story::new().destination("object_size = \"1MiB\"");
    story.write("a.ndjson", &(0..260).map(line).collect::<String>());
    assert!(story.is_killed_at("after-open", 0));
    story.write("a.ndjson", &(0..520).map(line).collect::<String>());
    story.run(&["--take-over"]).exit(0);
    story.check_complete();
}

#[test]
fn what_was_begun_by_other_rules_is_removed() {
    let story = Story::new();
    two_files(&story);
    assert!(story.is_killed_at("before-commit", 1));
    let before = story.objects();
    // The rows are the same, and the objects are others.
    let story = story.destination("object_size = \"8KiB\"");
    story.run(&["--take-over"]).exit(3);
    story.check_complete();
    assert!(before.keys().any(|key| !story.objects().contains_key(key)), "nothing was given up");
}
