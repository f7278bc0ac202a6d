//! Buckets as a destination: objects that follow from the source and the rules, whatever happens.
//!
//! The folder is read by another program than the one that wrote it: names by their own rules, rows and
//! dead letters as lines of JSON, and what must be there from the source itself.

/// How much memory it takes.
#[cfg(all(feature = "buckets", feature = "sqlite"))]
mod bounds;
/// Into servers that speak as clouds do.
mod cloud;
/// Columns, read by other programs.
#[cfg(feature = "buckets")]
mod columns;
/// Killed at every step.
mod crash;
/// Many days, and how they stand.
mod days;
/// Cut off, put off, refused and unheard.
#[cfg(all(feature = "buckets", feature = "sqlite"))]
mod faults;
/// Dead letters that are tried again or discarded.
mod letters;
/// What is done with sources in several parts.
#[cfg(all(feature = "buckets", feature = "sqlite"))]
mod parts;
/// Loaded anew.
mod rebuild;
/// What is refused, and with which words.
mod refused;
/// Two that want the same, and one that was thought dead.
#[cfg(all(feature = "buckets", feature = "sqlite"))]
mod rivals;
/// What runs, and what ran.
mod runs;
/// Several writers: lanes and splits.
#[cfg(all(feature = "buckets", feature = "sqlite"))]
mod splits;
/// The state, in a store of its own.
#[cfg(all(feature = "buckets", feature = "sqlite"))]
mod state;
/// A job, a folder of objects, and its reader.
mod story;
/// Objects held against the files.
mod verify;

use story::Story;

#[test]
fn rows_and_dead_letters_of_a_source_are_objects() {
    for form in ["ndjson", "ndjson.gz", "ndjson.zst"] {
        let story = Story::new().destination(&format!("as = \"{form}\""));
        story.write("a.ndjson", &story::lines(0, 400));
        story.write("b.ndjson", &story::lines(1000, 30));
        story.write("c.ndjson", "");
        story.run(&[]).exit(3);
        story.check_complete();
        assert!(
            story.objects().keys().all(|key| key.ends_with(&format!(".{form}")) || story::is_letters(key))
        );
        // A second load finds nothing to do, and changes nothing.
        let before = story.objects();
        story.run(&[]).exit(3);
        assert_eq!(story.objects(), before);
    }
}

#[test]
fn names_and_bytes_do_not_depend_on_threads_and_chunks() {
    let mut all = Vec::new();
    for (threads, chunk) in [(1, "1MiB"), (2, "100B"), (8, "300B"), (3, "7KiB")] {
        let story = Story::new().pipeline(&format!("threads = {threads}\nchunk_size = \"{chunk}\""));
        story.write("a.ndjson", &story::lines(0, 1500));
        story.run(&[]).exit(3);
        story.check_complete();
        all.push(story.objects());
    }
    assert!(all[0].len() > 20, "{} objects are too few to tell", all[0].len());
    assert!(all.iter().all(|objects| *objects == all[0]));
}

#[test]
fn a_day_is_that_of_the_record() {
    let story = Story::new();
    let stamps = ["2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z", "2024-02-29T00:00:00Z"];
    let text: String = stamps.iter().map(|at| format!("{{\"id\":1,\"at\":\"{at}\"}}\n")).collect();
    story.write("a.ndjson", &(text + "{\"id\":2}\n"));
    story.run(&[]).exit(0);
    story.check_complete();
    let days = story.objects();
    let days: Vec<&str> = days.keys().map(|key| key.split('/').nth(1).unwrap()).collect();
    assert_eq!(days, ["day=2024-02-29", "day=2024-03-01", "day=__HIVE_DEFAULT_PARTITION__"]);
}

#[test]
fn a_path_puts_the_parts_in_another_order() {
    let path = "{table}/{source}/{rules}/{start}-{end}[-g{generation}][.{part}].{ext}";
    let story = Story::new().destination(&format!("path = \"{path}\""));
    story.write("a.ndjson", &story::lines(0, 50));
    story.run(&[]).exit(3);
    story.check_complete();
    assert!(story.objects().keys().all(|key| !key.contains("day=")));
}

#[test]
fn an_object_that_would_be_too_large_is_cut() {
    // The rows are much longer than the records: a default for each of many fields.
    let story = Story::new()
        .destination("object_size = \"2KiB\"")
        .fields(&format!("pad = {{ type = \"text\", default = \"{}\" }}", "p".repeat(3000)));
    story.write("a.ndjson", &story::lines(0, 100));
    story.run(&[]).exit(3);
    assert!(story.objects().keys().any(|key| key.ends_with(".2.ndjson")), "{:?}", story.objects().keys());
    assert_eq!(story.rows().len(), story.expected().len());
}

#[test]
fn a_range_of_too_many_days_is_given_up_alone() {
    let story = Story::new().destination("object_size = \"1MiB\"");
    let day =
        |day: i64| chrono::DateTime::from_timestamp(day * 86_400, 0).unwrap().format("%Y-%m-%dT00:00:00Z");
    let many: String = (0..501).map(|id| format!("{{\"id\":{id},\"at\":\"{}\"}}\n", day(id))).collect();
    story.write("a.ndjson", &many);
    story.write("b.ndjson", &story::lines(700, 20));
    story.run(&[]).exit(1).says("leave the day out of [destination] path");
    assert!(story.rows().iter().all(|row| row["id"].as_i64().unwrap() >= 700));
    assert!(!story.rows().is_empty(), "the other source is loaded");
}

#[test]
fn a_source_that_grew_goes_on_in_objects_of_its_own() {
    let story = Story::new();
    let (first, all) = (story::lines(0, 90), story::lines(0, 400));
    assert!(all.starts_with(&first));
    story.write("a.ndjson", &first);
    story.run(&[]).exit(3);
    let before = story.objects();
    story.write("a.ndjson", &all);
    story.run(&[]).exit(3);
    story.check_complete();
    let after = story.objects();
    assert!(before.iter().all(|(key, bytes)| after.get(key) == Some(bytes)), "an object was changed");
}

#[test]
fn sources_that_begin_alike_are_told_apart() {
    let story = Story::new();
    let head = story::lines(0, 1);
    for (name, from) in [("a.ndjson", 100), ("b.ndjson", 200), ("c.ndjson", 300)] {
        story.write(name, &(head.clone() + &story::lines(from, 20)));
    }
    story.run(&[]).exit(3);
    story.check_complete();
}

#[test]
fn without_a_key_rows_say_nothing_of_their_place() {
    let story = Story::new().destination("key = \"none\"");
    story.write("a.ndjson", "{\"id\":1}\n");
    story.run(&[]).exit(0);
    let rows = story.rows();
    assert_eq!(
        rows.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [r#"{"id":1,"at":null,"note":null}"#]
    );
}

#[test]
fn what_is_loaded_is_told_and_forgotten() {
    let story = Story::new();
    story.write("a.ndjson", &story::lines(0, 100));
    story.write("b.ndjson", &story::lines(500, 100));
    story.run(&[]).exit(3);
    let status = story.command("status", &[]).json();
    assert_eq!(status["sources"].as_array().map(Vec::len), Some(2), "{status}");
    let letters = story.command("dead-letters list", &[]).json();
    let expected = story.letters().len();
    assert_eq!(letters["dead_letters"].as_array().map(Vec::len), Some(expected), "{letters}");
    let a = story.path("a.ndjson");
    story.command("forget", &["--delete-rows", "--yes", a.to_str().unwrap()]).exit(0);
    assert!(story.rows().iter().all(|row| row["id"].as_i64().unwrap() >= 500));
    assert!(story.letters().iter().all(|letter| letter["source"].as_str().unwrap().ends_with("b.ndjson")));
    story.run(&[]).exit(3);
    story.check_complete();
}
