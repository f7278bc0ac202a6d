//! Buckets of servers: the same objects as in a folder, whatever the store is, and however often the run is killed.

use super::story::{self, Story};
use crate::harness::cloud::Cloud;

/// What a folder has after an undisturbed run of the same job.
fn in_a_folder(files: &[(&str, String)]) -> Story {
    let story = Story::new();
    files.iter().for_each(|(name, text)| story.write(name, text));
    story.run(&[]).exit(3);
    story
}

fn killed_and_gone_on(cloud: &'static Cloud, points: &[(&str, usize)]) {
    let files = [("a.ndjson", story::lines(0, 120)), ("b.ndjson", story::lines(700, 30))];
    let expected = in_a_folder(&files).objects();
    let story = Story::new().to(cloud);
    files.iter().for_each(|(name, text)| story.write(name, text));
    for (point, passed) in points {
        assert!(story.is_killed_at(point, *passed), "{point}");
        story.check_partial();
    }
    story.run(&["--take-over"]).exit(3);
    story.check_complete();
    assert_eq!(story.objects(), expected);
    // All of it is known.
    story.run(&[]).exit(3);
    assert_eq!(story.objects(), expected);
}

#[test]
fn a_load_into_an_s3_that_checks_everything_is_whole_wherever_it_is_killed() {
    killed_and_gone_on(Cloud::seaweed(), &[("after-object", 1), ("before-commit", 0), ("after-commit", 0)]);
}

/// Blobs, and the state by their entity tags.
#[test]
fn a_load_into_azure_is_whole_wherever_it_is_killed() {
    let points = [("after-open", 0), ("after-object", 1), ("before-commit", 0), ("after-commit", 0)];
    killed_and_gone_on(Cloud::azurite(), &points);
}

/// Objects by the XML API, and the state by generations.
#[cfg(feature = "buckets")]
#[test]
fn a_load_into_gcs_is_whole_wherever_it_is_killed() {
    let files = [("a.ndjson", story::lines(0, 120)), ("b.ndjson", story::lines(700, 30))];
    let expected = in_a_folder(&files).objects();
    let story = Story::new().at_gcs();
    files.iter().for_each(|(name, text)| story.write(name, text));
    for (point, passed) in [("after-open", 0), ("after-object", 1), ("before-commit", 0), ("after-commit", 0)]
    {
        assert!(story.is_killed_at(point, passed), "{point}");
        story.check_partial();
    }
    story.run(&["--take-over", "--lanes", "2"]).exit(3);
    story.check_complete();
    assert_eq!(story.objects(), expected);
    story.run(&[]).exit(3);
    let a = story.path("a.ndjson");
    story.command("forget", &["--delete-rows", "--yes", a.to_str().unwrap()]).exit(0);
    story.run(&[]).exit(3);
    story.check_complete();
}

/// A server that nobody else has, until the tests end.
#[test]
fn a_bucket_that_ignores_conditions_is_refused() {
    let story = Story::new().to(Box::leak(Box::new(Cloud::rclone())));
    story.write("a.ndjson", &story::lines(0, 30));
    story.run(&[]).exit(2).says("ignores the conditions of writes");
    assert!(story.objects().is_empty());
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let story = Story::new().to(Cloud::moto());
    story.write("a.ndjson", &story::lines(0, 3));
    let job = std::fs::read_to_string(story.job()).unwrap();
    let other = story.path("other.toml");
    std::fs::write(&other, job.replace("s3://", "s3://nobody-made-")).unwrap();
    let mut command = crate::harness::logmill();
    let output = command.arg("load").arg("-j").arg(&other).envs(Cloud::moto().variables()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("NoSuchBucket") && said.contains("create the bucket"), "{said}");
    assert!(!said.contains(crate::harness::cloud::SECRET), "{said}");
}
