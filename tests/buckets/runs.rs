//! What runs, and what ran: as the state of a bucket tells it.

use serde_json::Value;

use super::story::{self, Story};
use crate::harness::run::needs_failpoints;

fn leasing() -> Story {
    Story::new().pipeline("[state]\nlease = \"1s\"")
}

fn status(story: &Story) -> Value {
    story.command("status", &[]).json()
}

#[test]
fn a_run_is_told_once_it_has_ended() {
    let story = leasing();
    story.write("a.ndjson", &story::lines(0, 100));
    story.command("status", &["--fail-if-older", "1d"]).exit(1);
    story.run(&[]).exit(3);
    let found = status(&story);
    let run = &found["runs"][0];
    assert_eq!(
        (&run["command"], &run["exit_code"], &run["alive"]),
        (&"load".into(), &3.into(), &false.into()),
        "{run}"
    );
    assert_eq!(run["counts"]["inserted"], story.rows().len());
    assert!(run["started_at"].as_str() <= run["ended_at"].as_str(), "{run}");
    assert_eq!(run["lanes"][0]["records"], run["counts"]["records"], "{run}");
    story.command("status", &["--fail-if-older", "1d"]).exit(0);
    // One that failed is told with its reason, and is no success.
    story.write("a.ndjson", "{\"id\":5}\n");
    story.run(&[]).exit(1);
    let found = status(&story);
    assert!(found["runs"][0]["reason"].as_str().is_some_and(|why| why.contains("a.ndjson")), "{found}");
    assert_eq!((&found["runs"][0]["exit_code"], &found["runs"][1]["exit_code"]), (&1.into(), &3.into()));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    story.command("status", &["--fail-if-older", "1s"]).exit(1);
}

#[test]
fn a_run_is_told_while_it_lives_and_when_it_was_killed() {
    needs_failpoints();
    let story = leasing();
    story.write("a.ndjson", &story::lines(0, 300));
    // The third batch takes its time.
    let slow = story.start_command("load", &[], "after-rows=2*off->1*sleep(4000)->off");
    std::thread::sleep(std::time::Duration::from_millis(2000));
    let found = status(&story);
    let run = &found["runs"][0];
    assert_eq!((&run["alive"], &run["ended_at"]), (&true.into(), &Value::Null), "{found}");
    let records = run["lanes"][0]["records"].as_u64().unwrap_or_default();
    assert!(records > 0 && records < 280, "{run}");
    assert_eq!(found["sources"][0]["owner"]["alive"], true, "{found}");
    slow.end().exit(3);
    assert_eq!(status(&story)["runs"][0]["alive"], false);

    story.write("b.ndjson", &story::lines(5000, 100));
    assert!(story.is_killed_at("before-commit", 1));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let found = status(&story);
    assert_eq!(
        (&found["runs"][0]["alive"], &found["runs"][0]["outcome"]),
        (&false.into(), &Value::Null),
        "{found}"
    );
    assert_eq!(found["runs"][1]["exit_code"], 3);
}

/// However many there were, a fixed number of them is kept, and numbers are not given twice.
#[test]
fn runs_do_not_gather() {
    let story = leasing();
    story.write("a.ndjson", "{\"id\":1}\n");
    for _ in 0..64 {
        story.run(&[]).exit(0);
    }
    let folder = story.bucket().join("_logmill/t/run");
    let kept = std::fs::read_dir(&folder).unwrap().filter(|entry| {
        let text = std::fs::read_to_string(entry.as_ref().unwrap().path()).unwrap();
        text.contains("finished")
    });
    assert_eq!(kept.count(), 60);
    assert_eq!(status(&story)["runs"][0]["id"], 64);
}

/// Who begins something by some rules, gives it up by others, and comes back to the first, keeps what is there.
#[test]
fn rules_that_come_back_take_nothing_away() {
    needs_failpoints();
    let story = leasing();
    story.write("a.ndjson", &story::lines(0, 150));
    assert!(story.is_killed_at("before-commit", 1));
    let story = story.destination("object_size = \"8KiB\"");
    assert!(story.is_killed_at("before-commit", 0));
    let story = story.destination("object_size = \"4KiB\"");
    // It is left in the middle, behind the range that was given up once.
    assert!(story.is_killed_at("before-commit", 1));
    story.run(&["--take-over"]).exit(3);
    story.check_complete();
    story.write("a.ndjson", &story::lines(0, 300));
    story.run(&[]).exit(3);
    story.check_complete();
}

/// What was begun of a file that never comes again is told, with a way on.
#[test]
fn what_is_left_of_a_file_that_is_gone_is_told() {
    needs_failpoints();
    let story = leasing();
    story.write("a.ndjson", &story::lines(0, 100));
    story.write("b.ndjson", &story::lines(700, 60));
    assert!(story.is_killed_at("before-commit", 1));
    let a = story.path("a.ndjson");
    std::fs::remove_file(&a).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    // Each load tells it, until something is done about it.
    for _ in 0..2 {
        story.run(&[]).exit(3).says("forget --delete-rows");
    }
    story.command("forget", &["--delete-rows", "--yes", a.to_str().unwrap()]).exit(0);
    story.check_complete();
    for _ in 0..2 {
        story.run(&[]).exit(3).says_nothing_of("forget --delete-rows");
    }
}
