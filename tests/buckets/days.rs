//! One job for many days, into a bucket: each is a load with its own checkpoints, and all are told.

use std::collections::BTreeSet;

use serde_json::Value;

use super::story::{self, Story};
use crate::harness::run::needs_failpoints;

const RANGE: [&str; 4] = ["--from", "2024-03-01", "--to", "2024-03-06"];

/// Four days that begin with the same line, and one that has no file.
fn days() -> Story {
    let story = Story::new().files("{date}.ndjson").pipeline("[state]\nlease = \"1s\"");
    for day in [1, 2, 3, 5] {
        let text = story::lines(1, 1) + &story::lines(day * 1000, 60);
        story.write(&format!("2024-03-0{day}.ndjson"), &text);
    }
    story
}

fn states(report: &Value) -> Vec<String> {
    let dates = report["dates"].as_array().unwrap_or_else(|| panic!("no dates: {report}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    dates.iter().map(|date| text(&date["date"])[8..].to_owned() + " " + &text(&date["state"])).collect()
}

const DONE: [&str; 5] = ["01 done", "02 done", "03 done", "04 absent", "05 done"];

#[test]
fn days_that_are_done_are_left_out_and_told() {
    let story = days();
    let plan = story.command("backfill", &[&RANGE[..], &["--dry-run"]].concat()).json();
    assert_eq!(states(&plan), ["01 due", "02 due", "03 due", "04 absent", "05 due"]);
    assert!(!story.bucket().exists(), "a rehearsal wrote something");
    let done = story.command("backfill", &RANGE);
    done.exit(3);
    assert_eq!(states(&done.json()), DONE);
    story.check_complete();
    let status = story.command("status", &[]).json();
    assert_eq!(states(&status), DONE, "{status}");
    let letters: u64 = status["dates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| day["open_dead_letters"].as_u64().unwrap())
        .sum();
    assert_eq!(letters, story.letters().len() as u64);
    assert_eq!(status["runs"].as_array().map(Vec::len), Some(4), "{status}");

    // Nothing is due, and nothing is run.
    let before = story.objects();
    let again = story.command("backfill", &RANGE);
    again.exit(3);
    assert_eq!(
        (states(&again.json()), &again.json()["counts"]["records"]),
        (DONE.map(str::to_owned).to_vec(), &0.into())
    );
    assert_eq!(story.objects(), before);
    assert_eq!(story.command("status", &[]).json()["runs"].as_array().map(Vec::len), Some(4));

    // A file that comes late, and rules that are others.
    story.write("2024-03-04.ndjson", &story::lines(4000, 30));
    let late = story.command("backfill", &RANGE).json();
    assert_eq!(states(&late)[3], "04 done", "{late}");
    story.check_complete();
    let story = story.fields("more = { type = \"int\", required = false }");
    let status = story.command("status", &[]).json();
    assert!(status["dates"].as_array().unwrap().iter().all(|day| day["other_rules"] == true), "{status}");

    // A day goes with its last file.
    let first = story.path("2024-03-01.ndjson");
    story.command("forget", &["--delete-rows", "--yes", first.to_str().unwrap()]).exit(0);
    assert_eq!(states(&story.command("status", &[]).json())[0], "02 done");
}

#[test]
fn objects_do_not_depend_on_how_many_days_go_side_by_side() {
    let (one, three) = (days(), days());
    one.command("backfill", &RANGE).exit(3);
    three.command("backfill", &[&RANGE[..], &["--parallel", "3"]].concat()).exit(3);
    three.check_complete();
    assert_eq!(one.objects(), three.objects());
}

#[test]
fn a_backfill_that_was_killed_goes_on() {
    needs_failpoints();
    let undisturbed = days();
    undisturbed.command("backfill", &RANGE).exit(3);
    for (point, passed) in [
        ("after-claim", 1),
        ("after-open", 2),
        ("after-object", 9),
        ("before-commit", 3),
        ("after-commit", 2),
        ("before-finish", 2),
    ] {
        let story = days();
        assert!(story.is_killed("backfill", &RANGE, point, passed), "{point} is not passed");
        // The days begin alike, and are told apart by their sources.
        let rows = story.rows();
        let places: BTreeSet<String> =
            rows.iter().map(|row| format!("{} {}", row["source_id"], row["source_offset"])).collect();
        assert_eq!(places.len(), rows.len(), "{point}: a row is there twice");
        let status = story.command("status", &[]).json();
        assert!(!states(&status).contains(&"05 done".to_owned()), "{point}: {status}");
        let done = story.command("backfill", &RANGE);
        done.exit(3);
        assert_eq!(states(&done.json()), DONE, "{point}");
        assert_eq!(states(&story.command("status", &[]).json()), DONE, "{point}");
        story.check_complete();
        assert_eq!(story.objects(), undisturbed.objects(), "{point}");
    }
}

#[test]
fn a_day_that_fails_does_not_end_it() {
    let story = days();
    story.command("load", &["--date", "2024-03-02"]).exit(3);
    let text = std::fs::read_to_string(story.path("2024-03-02.ndjson")).unwrap();
    story.write("2024-03-02.ndjson", &text.replace("2001", "2991"));
    let failed = story.command("backfill", &RANGE);
    failed.exit(1);
    assert_eq!(states(&failed.json()), ["01 done", "02 failed", "03 done", "04 absent", "05 done"]);
    let status = story.command("status", &[]).json();
    assert_eq!(states(&status)[1], "02 failed");
    assert!(
        status["dates"][1]["reason"].as_str().is_some_and(|why| why.contains("2024-03-02.ndjson")),
        "{status}"
    );
    story.write("2024-03-02.ndjson", &text);
    story.command("backfill", &RANGE).exit(3);
    assert_eq!(states(&story.command("status", &[]).json()), DONE);
    story.check_complete();
}
