//! Dead letters that become rows, or that nobody wants: each once, wherever it is killed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::story::Story;
use crate::harness::run::needs_failpoints;
use crate::harness::wait_until;

/// A job by whose rules long words are refused, and one by which they are not.
const SHORT: &str = "word = { type = \"text\", max_length = 3, required = false }";
const LONG: &str = "word = { type = \"text\", max_length = 30, required = false }";

/// Lines of which every third has a long word, and every tenth is no record.
fn words(from: usize, count: usize) -> String {
    let line = |id: usize| match (id % 10, id % 3) {
        (9, _) => format!("no record {id}\n"),
        (_, 0) => format!(
            "{{\"id\":{id},\"word\":\"longer than three\",\"at\":\"2024-03-0{}T01:02:03Z\"}}\n",
            id % 4 + 1
        ),
        _ => format!("{{\"id\":{id},\"word\":\"abc\",\"note\":\"{}\"}}\n", "n".repeat(id % 30)),
    };
    (from..from + count).map(line).collect()
}

fn loaded() -> Story {
    let story = Story::new().fields(SHORT).pipeline("[state]\nlease = \"1s\"");
    story.write("a.ndjson", &words(0, 150));
    story.write("b.ndjson", &words(1000, 40));
    story.run(&[]).exit(3);
    story
}

/// The ids of the rows.
fn ids(story: &Story) -> Vec<i64> {
    let mut ids: Vec<i64> = story.rows().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// Those of the lines that are rows by the rules that are given.
fn expected(allows_long: bool) -> Vec<i64> {
    let is_row = |id: &i64| id % 10 != 9 && (allows_long || id % 3 != 0);
    (0..150).chain(1000..1040).filter(is_row).collect()
}

/// The letters by their places, each with what it is: in one object, and in no other.
fn letters(story: &Story) -> BTreeMap<String, Value> {
    let mut letters = BTreeMap::new();
    for letter in story.letters() {
        let place = format!(
            "{} {}",
            letter["source"].as_str().unwrap().rsplit('/').next().unwrap(),
            letter["offset"]
        );
        assert!(letters.insert(place.clone(), letter).is_none(), "the letter at {place} is there twice");
    }
    letters
}

fn states(story: &Story) -> BTreeMap<String, String> {
    letters(story)
        .into_iter()
        .map(|(place, letter)| (place, letter["state"].as_str().unwrap().to_owned()))
        .collect()
}

fn count(story: &Story, state: &str) -> usize {
    states(story).values().filter(|it| *it == state).count()
}

#[test]
fn letters_become_rows_in_objects_of_their_own() {
    let story = loaded();
    assert_eq!(ids(&story), expected(false));
    let before = story.objects();
    // By the same rules nothing is good, and every try is counted.
    story.command("dead-letters replay", &[]).exit(3);
    assert!(letters(&story).values().all(|letter| letter["attempts"] == 2 && letter["state"] == "open"));
    assert_eq!(ids(&story), expected(false));

    let story = story.fields(LONG);
    let rehearsed = story.command("dead-letters replay", &["--dry-run"]);
    rehearsed.exit(3);
    assert_eq!(ids(&story), expected(false), "a rehearsal wrote rows");
    let replayed = story.command("dead-letters replay", &[]);
    replayed.exit(3);
    assert_eq!(ids(&story), expected(true));
    let of_rows = expected(true).len() - expected(false).len();
    assert_eq!(replayed.json()["counts"]["replayed"], of_rows, "{:?}", replayed.json());
    assert_eq!(rehearsed.json()["counts"], replayed.json()["counts"]);
    assert_eq!((count(&story, "replayed"), count(&story, "open")), (of_rows, 19));
    // No object of the load was touched, and the new ones are of the day of their rows.
    let after = story.objects();
    assert!(
        before
            .iter()
            .filter(|(key, _)| !super::story::is_letters(key))
            .all(|(key, bytes)| after.get(key) == Some(bytes))
    );
    let new: Vec<&String> =
        after.keys().filter(|key| key.starts_with("t/") && !before.contains_key(*key)).collect();
    assert!(new.iter().all(|key| key.contains("-r2") && key.contains("day=2024-03-0")), "{new:?}");

    // By the rules of the load, what was replayed by others is a row of which the values are not compared.
    let story = story.fields(SHORT);
    let verified = story.command("verify", &[]);
    verified.exit(0);
    let rows = verified.json()["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["table"]["rows"].as_u64().unwrap())
        .sum::<u64>();
    assert_eq!(rows, expected(true).len() as u64, "{:?}", verified.json());
    let story = story.fields(LONG);

    // What is told of it is what is there.
    let status = story.command("status", &[]).json();
    assert_eq!(status["open_dead_letters"], 19, "{status}");
    let open = story.command("dead-letters list", &["--state", "open"]).json();
    assert_eq!(open["dead_letters"].as_array().map(Vec::len), Some(19), "{open}");
    story.run(&["--accept-new-rules"]).exit(3);
    assert_eq!(ids(&story), expected(true), "a load wrote rows again");

    // The rest is nothing that anybody wants.
    let discarded = story.command("dead-letters discard", &["--all", "--note", "headers"]);
    discarded.exit(0);
    assert_eq!(discarded.json()["discarded"], 19);
    assert_eq!((count(&story, "discarded"), count(&story, "open")), (19, 0));
    assert!(
        letters(&story)
            .values()
            .filter(|letter| letter["state"] == "discarded")
            .all(|letter| letter["note"] == "headers")
    );
    story.run(&["--accept-new-rules"]).exit(0);
    story.command("dead-letters replay", &[]).exit(0);
    assert_eq!(story.command("dead-letters discard", &["--all"]).json()["discarded"], 0);
}

#[test]
fn letters_that_a_person_has_mended_become_rows() {
    let story = loaded().fields(LONG);
    story.command("dead-letters replay", &[]).exit(3);
    let file = story.path("mended.json");
    story.command("dead-letters export", &["--state", "open", "-o", file.to_str().unwrap()]).exit(0);
    let exported = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, exported.replace("no record 9\"", "{\\\"id\\\":9}\"")).unwrap();
    let replayed = story.command("dead-letters replay", &["--from", file.to_str().unwrap()]);
    replayed.exit(3);
    assert_eq!(replayed.json()["counts"]["replayed"], 1, "{:?}", replayed.json());
    assert!(ids(&story).contains(&9));
    let mended: Vec<Value> =
        letters(&story).into_values().filter(|letter| letter["fixed"].is_string()).collect();
    assert_eq!(
        (mended.len(), &mended[0]["fixed"], &mended[0]["raw"]),
        (1, &"{\"id\":9}".into(), &"no record 9".into())
    );
    story.command("verify", &[]).exit(0);
}

/// Every point at which a replay can die.
const POINTS: [&str; 12] = [
    "after-prepare",
    "before-fence",
    "after-fence",
    "after-open",
    "before-object",
    "after-object",
    "after-rows",
    "after-dead-letters",
    "before-commit",
    "after-commit",
    "after-removal",
    "before-finish",
];

#[test]
fn killed_anywhere_a_replay_loses_and_doubles_nothing() {
    needs_failpoints();
    let undisturbed = loaded().fields(LONG);
    undisturbed.command("dead-letters replay", &[]).exit(3);
    let of_rows = |story: &Story| {
        let mut objects = story.objects();
        objects.retain(|key, _| !super::story::is_letters(key));
        objects
    };
    for point in POINTS {
        for passed in [0, 2] {
            let story = loaded().fields(LONG);
            let is_killed = story.is_killed("dead-letters replay", &[], point, passed);
            assert!(is_killed || passed > 0, "{point} is not passed");
            let found = ids(&story);
            assert!(found.windows(2).all(|two| two[0] != two[1]), "{point}: a row is there twice");
            assert!(found.iter().all(|id| expected(true).contains(id)), "{point}: a row is of nobody");
            story.command("dead-letters replay", &[]).exit(3);
            assert_eq!(ids(&story), expected(true), "{point} passed {passed} times");
            assert_eq!(states(&story), states(&undisturbed), "{point} passed {passed} times");
            assert_eq!(of_rows(&story), of_rows(&undisturbed), "{point} passed {passed} times");
            let open = story.command("status", &[]).json()["open_dead_letters"].clone();
            assert_eq!(open, 19, "{point} passed {passed} times");
        }
    }
}

#[test]
fn a_replay_by_other_rules_takes_back_what_was_begun() {
    needs_failpoints();
    let story = loaded().fields(LONG);
    for (point, passed) in [("after-rows", 0), ("after-dead-letters", 0), ("after-object", 1)] {
        assert!(story.is_killed("dead-letters replay", &[], point, passed), "{point}");
    }
    let left = story.objects();
    assert!(left.keys().any(|key| key.contains("-r1")));
    let story = story.fields(&LONG.replace("30", "25"));
    story.command("dead-letters replay", &[]).exit(3);
    assert_eq!(ids(&story), expected(true));
    assert_eq!((count(&story, "open"), story.letters().len()), (19, states(&story).len()));
    story.command("verify", &[]).exit(0);
}

/// How many letters of no JSON each object holds, in the order in which they are taken; those with none left out.
fn invalid_by_object(story: &Story) -> Vec<usize> {
    let of_object = |bytes: &Vec<u8>| -> (String, u64, usize) {
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let letters: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        let invalid = letters.iter().filter(|letter| letter["reasons"].to_string().contains("json_invalid"));
        let first = &letters[0];
        (first["source"].as_str().unwrap().to_owned(), first["offset"].as_u64().unwrap(), invalid.count())
    };
    let objects = story.objects();
    let of_letters = objects.iter().filter(|(key, _)| super::story::is_letters(key));
    let mut all: Vec<_> = of_letters.map(|(_, bytes)| of_object(bytes)).collect();
    all.sort();
    all.into_iter().map(|(.., invalid)| invalid).filter(|invalid| *invalid > 0).collect()
}

#[test]
fn killed_anywhere_a_discard_loses_and_doubles_nothing() {
    needs_failpoints();
    for point in ["after-open", "after-dead-letters", "before-commit", "after-commit", "after-removal"] {
        for passed in [0, 1] {
            let story = loaded();
            let (all, invalid) = (states(&story).len(), invalid_by_object(&story));
            assert!(invalid.len() > 2 && invalid.iter().sum::<usize>() == 19, "{invalid:?}");
            assert!(
                story.is_killed("dead-letters discard", &["--code", "json_invalid"], point, passed),
                "{point}"
            );
            let list = story.command("dead-letters list", &[]).json();
            let listed = list["dead_letters"].as_array().unwrap().len() as u64;
            // All but those of the objects whose successors hold.
            let succeeded = passed + usize::from(matches!(point, "after-commit" | "after-removal"));
            let closed: usize = invalid[..succeeded].iter().sum();
            let open = listed + list["more"].as_u64().unwrap();
            assert_eq!(open, (all - closed) as u64, "{point} passed {passed} times");
            story.command("dead-letters discard", &["--code", "json_invalid"]).exit(0);
            assert_eq!(
                (count(&story, "discarded"), states(&story).len()),
                (19, all),
                "{point} passed {passed} times"
            );
            assert_eq!(story.command("status", &[]).json()["open_dead_letters"], all - 19);
        }
    }
}

#[test]
fn of_two_replays_at_once_one_leaves() {
    needs_failpoints();
    // One has begun an object, and lives.
    let story = loaded().fields(LONG);
    let slow = story.start_command("dead-letters replay", &[], "after-open=1*sleep(4000)");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    story.command("dead-letters replay", &[]).exit(6).says("its heart beats");
    story.command("dead-letters discard", &["--all"]).exit(6);
    slow.end().exit(3);
    assert_eq!(ids(&story), expected(true));

    // One has read its letters, and the other is faster.
    let story = loaded().fields(LONG);
    let slow = story.start_command("dead-letters replay", &[], "after-fence=return(stop)").wait_stopped();
    story.command("dead-letters replay", &[]).exit(3);
    slow.wake();
    slow.end().exit(6);
    assert_eq!(ids(&story), expected(true));
    assert!(letters(&story).values().all(|letter| letter["attempts"].as_u64().unwrap_or(1) <= 2));

    // One wakes up that was taken for dead, and what it writes is what is there.
    let story = loaded().fields(LONG);
    let slow = story.start_command("dead-letters replay", &[], "after-open=return(stop)").wait_stopped();
    story.command("dead-letters replay", &[]).exit(3);
    let before = story.rows().len();
    slow.wake();
    slow.end().exit(6);
    assert_eq!((ids(&story), story.rows().len()), (expected(true), before));
    assert_eq!(count(&story, "open"), 19);
}

#[test]
fn a_replay_whose_letters_were_succeeded_since_it_read_them_leaves() {
    needs_failpoints();
    let story = loaded().fields(LONG);
    let slow = story.start_command("dead-letters replay", &[], "before-fence=return(stop)").wait_stopped();
    // It succeeds the object that the other has listed, and removes it.
    story.command("dead-letters replay", &[]).exit(3);
    slow.wake();
    slow.end().exit(6).says("changed it meanwhile");
    assert_eq!((ids(&story), count(&story, "open")), (expected(true), 19));
}

#[test]
fn what_a_replay_has_left_goes_with_the_next_load() {
    needs_failpoints();
    let after_a_load = |story: &Story| {
        story.run(&["--accept-new-rules"]);
        assert_eq!(ids(story), expected(true));
        story.command("verify", &[]).exit(0);
    };
    // Letters that were succeeded, by one that was killed.
    let story = loaded().fields(LONG);
    assert!(story.is_killed("dead-letters replay", &[], "after-commit", 0));
    story.run(&["--accept-new-rules"]).exit(3);
    let left = count(&story, "open");
    assert!(left > 19, "the rest of the letters is as it was");

    // Rows by rules that another gave up, by one that was taken for dead.
    let story = loaded().fields(LONG);
    let slow = story.start_command("dead-letters replay", &[], "after-open=return(stop)").wait_stopped();
    let story = story.fields(&LONG.replace("30", "25"));
    story.command("dead-letters replay", &[]).exit(3);
    slow.wake();
    slow.end().exit(6);
    after_a_load(&story);
    assert_eq!((count(&story, "open"), states(&story).len()), (19, story.letters().len()));

    // Letters that were succeeded twice meanwhile.
    let story = loaded().fields(LONG);
    let slow = story.start_command("dead-letters replay", &[], "after-rows=return(stop)").wait_stopped();
    story.command("dead-letters replay", &[]).exit(3);
    story.command("dead-letters discard", &["--all"]).exit(0);
    slow.wake();
    slow.end().exit(6);
    after_a_load(&story);
    assert_eq!(count(&story, "discarded"), 19);
}

#[test]
fn who_wakes_after_a_rebuild_changes_no_letter_and_no_row() {
    needs_failpoints();
    for (command, args, point) in [
        ("dead-letters replay", &[][..], "after-fence"),
        ("dead-letters replay", &[], "after-open"),
        ("dead-letters replay", &[], "after-rows"),
        ("dead-letters discard", &["--all"], "after-open"),
    ] {
        let story = loaded().fields(LONG);
        let slow = story.start_command(command, args, &format!("{point}=1*return(stop)")).wait_stopped();
        story.run(&["--rebuild", "--accept-new-rules"]).exit(3);
        slow.wake();
        slow.end().exit(6);
        // What it has written goes with the next run.
        story.run(&[]).exit(3);
        assert_eq!(ids(&story), expected(true), "{command} {point}");
        assert_eq!((count(&story, "open"), states(&story).len()), (19, 19), "{command} {point}");
        assert_eq!(story.command("status", &[]).json()["open_dead_letters"], 19, "{command} {point}");
        story.command("verify", &[]).exit(0);
    }
}

/// Two runs were at the same objects, which the later one let hold.
#[test]
fn who_was_taken_over_and_wakes_behind_a_rebuild_leaves_no_row() {
    needs_failpoints();
    for point in ["after-open", "before-object", "after-rows"] {
        let story = loaded().fields(LONG);
        let slow = story
            .start_command("dead-letters replay", &[], &format!("{point}=1*return(stop)"))
            .wait_stopped();
        story.command("dead-letters replay", &[]).exit(3);
        story.run(&["--rebuild", "--accept-new-rules"]).exit(3);
        let of_then = story.objects();
        slow.wake();
        slow.end().exit(6);
        assert!(story.objects().len() > of_then.len(), "{point}: it has written nothing");
        story.run(&[]).exit(3);
        assert_eq!(story.objects(), of_then, "{point}");
        assert_eq!((ids(&story), count(&story, "open")), (expected(true), 19), "{point}");
        story.command("verify", &[]).exit(0);
    }
}

#[test]
fn a_rebuild_that_wakes_after_a_discard_takes_nothing_back() {
    needs_failpoints();
    let story = loaded();
    let all = states(&story).len();
    let slow =
        story.start_command("load", &["--rebuild"], "before-rebuild-commit=return(stop)").wait_stopped();
    story.command("dead-letters discard", &["--all"]).exit(0);
    slow.wake();
    slow.end().exit(6);
    assert_eq!((ids(&story), count(&story, "discarded")), (expected(false), all));
    let rebuilt = story.run(&["--rebuild"]).json();
    assert_eq!(
        (&rebuilt["rebuilt"]["discarded_again"], &rebuilt["rebuilt"]["undone"]),
        (&all.into(), &0.into())
    );
    assert_eq!((ids(&story), count(&story, "discarded")), (expected(false), all));
    story.command("verify", &[]).exit(0);
}

#[test]
fn of_a_rebuild_and_a_replay_at_once_one_leaves() {
    needs_failpoints();
    let story = loaded().fields(LONG);
    let slow = story.start_command(
        "load",
        &["--rebuild", "--accept-new-rules"],
        "before-rebuild-commit=1*sleep(4000)",
    );
    wait_until("it writes anew", || story.objects().keys().any(|key| key.contains("-g1")));
    story.command("dead-letters discard", &["--all"]).exit(6).says("is rebuilding their source");
    slow.end().exit(3);
    assert_eq!((ids(&story), count(&story, "open")), (expected(true), 19));

    let story = loaded().fields(LONG);
    let slow = story.start_command("dead-letters replay", &[], "after-open=1*sleep(4000)");
    wait_until("it has begun an object", || story.path("bucket/_logmill/t/letters").exists());
    story.run(&["--rebuild", "--accept-new-rules"]).exit(6).says("tries them again");
    slow.end().exit(3);
    assert_eq!((ids(&story), count(&story, "open")), (expected(true), 19));
    story.run(&["--rebuild", "--accept-new-rules"]).exit(3);
    assert_eq!((ids(&story), count(&story, "open")), (expected(true), 19));
    story.command("verify", &[]).exit(0);
}

#[test]
fn what_is_forgotten_goes_with_its_replays() {
    let story = loaded().fields(LONG);
    story.command("dead-letters replay", &[]).exit(3);
    let a = story.path("a.ndjson");
    let forgotten = story.command("forget", &["--delete-rows", "--yes", a.to_str().unwrap()]);
    forgotten.exit(0);
    assert!(ids(&story).iter().all(|id| *id >= 1000));
    story.run(&["--accept-new-rules"]).exit(3);
    assert_eq!(ids(&story), expected(true));
    assert_eq!(count(&story, "open"), 19);
}
