//! Loaded anew: the new objects in the place of the old ones, wherever it is killed.

use std::collections::BTreeSet;

use super::story::{self, Story};
use crate::harness::cloud::Cloud;
use crate::harness::run::needs_failpoints;

fn loaded() -> Story {
    let story = Story::new().pipeline("[state]\nlease = \"1s\"");
    story.write("a.ndjson", &story::lines(0, 150));
    story.write("b.ndjson", &story::lines(700, 60));
    story.run(&[]).exit(3);
    story
}

/// The generations of the objects, as their names say it.
fn generations(story: &Story) -> BTreeSet<String> {
    let name = |key: &String| key.rsplit('/').next().unwrap().split('.').next().unwrap().to_owned();
    let generation =
        |name: String| name.split_once("-g").map_or("0".to_owned(), |(_, rest)| rest[..1].to_owned());
    story.objects().keys().map(name).map(generation).collect()
}

#[test]
fn what_is_loaded_anew_takes_the_place_of_what_was_there() {
    let story = loaded();
    let before = story.rows().len();
    // A file was corrected, under its name.
    story.write("a.ndjson", &story::lines(30, 150));
    let rebuilt = story.run(&["--rebuild"]);
    rebuilt.exit(3);
    story.check_complete();
    assert_eq!(rebuilt.json()["rebuilt"]["rows_removed"], before, "{:?}", rebuilt.json());
    assert_eq!(generations(&story), ["1".to_owned()].into());
    story.command("verify", &[]).exit(0);
    // It grows in the generation that it is of, and is loaded anew once more.
    story.write("a.ndjson", &story::lines(30, 250));
    story.run(&[]).exit(3);
    story.check_complete();
    assert_eq!(generations(&story), ["1".to_owned()].into());
    let a = story.path("a.ndjson");
    story.run(&["--rebuild", a.to_str().unwrap()]).exit(3);
    story.check_complete();
    assert_eq!(generations(&story), ["1".to_owned(), "2".to_owned()].into());
    assert_eq!(story.command("status", &[]).json()["open_dead_letters"], story.letters().len());
    story.command("verify", &[]).exit(0);
}

#[test]
fn a_source_without_a_file_goes_only_if_that_is_allowed() {
    let story = loaded();
    std::fs::remove_file(story.path("b.ndjson")).unwrap();
    let before = story.objects();
    story.run(&["--rebuild"]).exit(1).says("--allow-missing");
    assert_eq!(story.objects(), before);
    story.run(&["--rebuild", "--allow-missing"]).exit(3);
    story.check_complete();
    assert_eq!(story.command("status", &[]).json()["sources"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_was_decided_about_letters_is_carried_over() {
    let story = loaded();
    let all = story.letters().len();
    story.command("dead-letters discard", &["--all", "--note", "known"]).exit(0);
    story.write("b.ndjson", &story::lines(700, 10));
    let rebuilt = story.run(&["--rebuild"]).json();
    let left = story.letters().len();
    assert!(left < all, "{left} of {all}");
    assert!(story.letters().iter().all(|letter| letter["state"] == "discarded" && letter["note"] == "known"));
    assert_eq!(
        (&rebuilt["rebuilt"]["discarded_again"], &rebuilt["rebuilt"]["undone"]),
        (&left.into(), &(all - left).into())
    );
    assert_eq!(story.command("status", &[]).json()["open_dead_letters"], 0);
    story.command("verify", &[]).exit(0);
}

/// Every point at which a rebuild can die.
const POINTS: [&str; 13] = [
    "after-claim",
    "before-fence",
    "after-fence",
    "before-object",
    "after-object",
    "after-rows",
    "after-dead-letters",
    "before-commit",
    "after-commit",
    "before-rebuild-commit",
    "half-moved",
    "after-rebuild-commit",
    "after-removal",
];

#[test]
fn killed_at_any_step_a_rebuild_leaves_the_old_or_the_new() {
    needs_failpoints();
    for point in POINTS {
        // The next run is a load, or the same once more.
        for args in [&[][..], &["--rebuild"]] {
            let story = loaded();
            let before = story.objects();
            assert!(story.is_killed("load", &["--rebuild"], point, 0), "{point} is not passed");
            if !matches!(point, "after-rebuild-commit" | "after-removal") {
                let there = story.objects();
                assert!(
                    before.iter().all(|(key, bytes)| there.get(key) == Some(bytes)),
                    "{point}: something went"
                );
            }
            story.command("verify", &[]).exit(0);
            story.run(args).exit(3);
            story.check_complete();
            // Of two sources only the first had moved.
            let kinds = if point == "half-moved" && args.is_empty() { 2 } else { 1 };
            assert_eq!(generations(&story).len(), kinds, "{point} {args:?}");
            let status = story.command("status", &[]).json();
            assert_eq!(status["open_dead_letters"], story.letters().len(), "{point} {args:?}: {status}");
            story.command("verify", &[]).exit(0);
        }
    }
}

#[test]
fn a_rebuild_that_fails_changes_nothing() {
    needs_failpoints();
    let story = loaded();
    let before = story.objects();
    let failed = story.start_command("load", &["--rebuild"], "before-rebuild-commit=return(fail)").end();
    failed.exit(1);
    assert_eq!(story.objects(), before);
    story.command("verify", &[]).exit(0);
    story.run(&[]).exit(3);
    assert_eq!(story.objects(), before);
}

#[test]
fn of_two_rebuilds_at_once_one_leaves() {
    needs_failpoints();
    let story = loaded();
    let slow = story.start_command("load", &["--rebuild"], "before-rebuild-commit=1*sleep(4000)");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    story.run(&["--rebuild"]).exit(6);
    // A load has nothing to do, and touches nothing of what is being written.
    story.run(&[]).exit(3);
    slow.end().exit(3);
    story.check_complete();
    // One that was taken over wakes up, and changes nothing.
    let slow =
        story.start_command("load", &["--rebuild"], "before-rebuild-commit=return(stop)").wait_stopped();
    story.run(&["--rebuild"]).exit(3);
    story.check_complete();
    let before = story.objects();
    slow.wake();
    slow.end().exit(6);
    assert_eq!(story.objects(), before);
}

#[test]
fn a_rebuild_that_wakes_after_a_load_has_tidied_up_changes_nothing() {
    needs_failpoints();
    for point in ["before-commit", "before-rebuild-commit"] {
        let story = loaded();
        let before = story.objects();
        let slow =
            story.start_command("load", &["--rebuild"], &format!("{point}=1*return(stop)")).wait_stopped();
        story.run(&[]).exit(3);
        assert_eq!(story.objects(), before, "{point}");
        slow.wake();
        slow.end().exit(6);
        assert_eq!(story.objects(), before, "{point}");
        story.run(&["--rebuild"]).exit(3);
        story.check_complete();
        story.command("verify", &[]).exit(0);
    }
}

#[test]
fn a_day_is_loaded_anew() {
    let story = Story::new().files("{date}.ndjson").pipeline("[state]\nlease = \"1s\"");
    let range = ["--from", "2024-03-01", "--to", "2024-03-04"];
    for day in 1..4 {
        story.write(&format!("2024-03-0{day}.ndjson"), &story::lines(day * 1000, 60));
    }
    story.command("backfill", &range).exit(3);
    let before = story.objects();
    story.write("2024-03-02.ndjson", &story::lines(2500, 40));
    story.command("load", &["--date", "2024-03-02", "--rebuild"]).exit(3);
    story.check_complete();
    // Those of the other days are as they were.
    let after = story.objects();
    assert!(
        after
            .iter()
            .filter(|(key, _)| !key.contains("-g"))
            .all(|(key, bytes)| before.get(key) == Some(bytes))
    );
    story.command("backfill", &[&range[..], &["--rebuild"]].concat()).exit(3);
    story.check_complete();
    let status = story.command("status", &[]).json();
    assert!(status["dates"].as_array().unwrap().iter().all(|day| day["state"] == "done"), "{status}");
}

/// Names without days.
const FLAT: &str = r#"path = "{table}/{source}-{start}-{end}-{rules}[-g{generation}][.{part}].{ext}""#;

/// Objects are told apart by the `path` that they were written under, whatever the job has by then.
#[test]
fn a_path_that_changes_behind_a_killed_rebuild_takes_nothing_along() {
    needs_failpoints();
    let killed = |point| {
        let story = loaded();
        assert!(story.is_killed("load", &["--rebuild"], point, 0), "{point} is not passed");
        story.destination(FLAT)
    };
    for point in ["after-rows", "before-rebuild-commit", "half-moved", "after-rebuild-commit"] {
        let story = killed(point);
        story.run(&[]).exit(3);
        story.check_complete();
        story.run(&["--rebuild"]).exit(3);
        story.check_complete();
        assert!(story.objects().keys().all(|key| !key.contains("day=")), "{point}");
        story.command("verify", &[]).exit(0);
    }
    // The next rebuild dies as well, before it has removed anything of the first.
    let story = killed("before-rebuild-commit");
    assert!(story.is_killed("load", &["--rebuild"], "after-claim", 0));
    story.run(&[]).exit(3);
    story.check_complete();
    assert_eq!(generations(&story), ["0".to_owned()].into());
}

#[test]
fn a_file_that_comes_back_behind_a_killed_rebuild_is_loaded() {
    needs_failpoints();
    let without_b = || {
        let story = loaded();
        std::fs::rename(story.path("b.ndjson"), story.path("b.away")).unwrap();
        story
    };
    let put_back = |story: &Story| std::fs::rename(story.path("b.away"), story.path("b.ndjson")).unwrap();
    let args = ["--rebuild", "--allow-missing"];
    for (point, passed) in [("half-moved", 1), ("after-rebuild-commit", 0), ("after-removal", 0)] {
        let story = without_b();
        assert!(story.is_killed("load", &args, point, passed), "{point} is not passed");
        put_back(&story);
        story.run(&[]).exit(3);
        story.check_complete();
        story.command("verify", &[]).exit(0);
        let status = story.command("status", &[]).json();
        assert_eq!(status["open_dead_letters"], story.letters().len(), "{point}: {status}");
    }
    // It stays away.
    let story = without_b();
    assert!(story.is_killed("load", &args, "after-rebuild-commit", 0));
    story.run(&[]).exit(3);
    story.run(&args).exit(3);
    story.check_complete();
    assert_eq!(story.command("status", &[]).json()["sources"].as_array().map(Vec::len), Some(1));
    // The rebuild only stood still.
    let story = without_b();
    let slow = story.start_command("load", &args, "after-rebuild-commit=return(stop)").wait_stopped();
    put_back(&story);
    story.run(&[]).exit(3);
    slow.wake();
    slow.end().exit(3);
    story.check_complete();
    story.command("verify", &[]).exit(0);
}

#[test]
fn forgotten_behind_a_killed_rebuild_a_source_leaves_each_row_once() {
    needs_failpoints();
    for point in ["after-rows", "half-moved", "after-rebuild-commit"] {
        let story = loaded();
        let rows = story.rows().len();
        assert!(story.is_killed("load", &["--rebuild"], point, 0), "{point} is not passed");
        let a = story.path("a.ndjson");
        story.command("forget", &["--yes", a.to_str().unwrap()]).exit(0);
        let b = story.path("b.ndjson");
        story.run(&[b.to_str().unwrap()]).exit(3);
        assert_eq!(story.rows().len(), rows, "{point}");
    }
}

/// Whoever removes what a rebuild has written that seems to be dead takes its sources from it.
#[test]
fn a_rebuild_that_wakes_behind_a_load_lets_nothing_count_that_is_gone() {
    needs_failpoints();
    for point in ["after-rows", "before-rebuild-commit"] {
        for forgets in [false, true] {
            let story = loaded();
            let rows = story.rows().len();
            let slow = story
                .start_command("load", &["--rebuild"], &format!("{point}=1*return(stop)"))
                .wait_stopped();
            let a = story.path("a.ndjson");
            match forgets {
                true => story.command("forget", &["--yes", a.to_str().unwrap()]).exit(0),
                false => story.run(&[]).exit(3),
            };
            slow.wake();
            slow.end().exit(6);
            assert_eq!(story.rows().len(), rows, "{point} {forgets}");
            assert_eq!(generations(&story), ["0".to_owned()].into(), "{point} {forgets}");
            if !forgets {
                story.check_complete();
                story.command("verify", &[]).exit(0);
            }
        }
    }
}

#[test]
fn a_day_whose_rebuild_was_killed_is_due_and_said_to_be() {
    needs_failpoints();
    for point in ["after-rows", "before-rebuild-commit", "after-rebuild-commit"] {
        let story = Story::new().files("{date}.ndjson").pipeline("[state]\nlease = \"1s\"");
        story.write("2024-03-01.ndjson", &story::lines(0, 60));
        story.command("load", &["--date", "2024-03-01"]).exit(3);
        let args = ["--date", "2024-03-01", "--rebuild"];
        assert!(story.is_killed("load", &args, point, 0), "{point} is not passed");
        let range = ["--from", "2024-03-01", "--to", "2024-03-02"];
        let plan = story.command("backfill", &[&range[..], &["--dry-run"]].concat()).json();
        let state = || story.command("status", &[]).json()["dates"][0]["state"].clone();
        assert_eq!((&plan["dates"][0]["state"], state()), (&"due".into(), "partial".into()), "{point}");
        story.command("backfill", &range).exit(3);
        assert_eq!(state(), "done", "{point}");
        story.check_complete();
    }
}

/// The same in a bucket of a server, with all that becomes of letters there.
#[test]
fn in_a_bucket_of_a_server_too() {
    needs_failpoints();
    let story = Story::new().to(Cloud::moto()).pipeline("[state]\nlease = \"2s\"");
    story.write("a.ndjson", &story::lines(0, 100));
    story.run(&[]).exit(3);
    let letters = story.letters().len();
    for point in ["after-rows", "after-rebuild-commit"] {
        assert!(story.is_killed("load", &["--rebuild"], point, 0), "{point}");
        story.command("verify", &[]).exit(0);
    }
    story.run(&["--rebuild"]).exit(3);
    story.check_complete();
    assert!(story.is_killed("dead-letters discard", &["--all"], "after-commit", 0));
    story.command("dead-letters replay", &[]).exit(3);
    story.command("dead-letters discard", &["--all"]).exit(0);
    assert_eq!(story.letters().len(), letters);
    assert!(story.letters().iter().all(|letter| letter["state"] == "discarded"));
    story.run(&[]).exit(0);
    story.check_complete();
    let status = story.command("status", &[]).json();
    assert_eq!(
        (&status["open_dead_letters"], &status["runs"][0]["outcome"]),
        (&0.into(), &"finished".into())
    );
}
