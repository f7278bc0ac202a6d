//! What a bucket cannot do, and what is not built: said, with nothing touched.

use super::story::{self, Story};

#[test]
fn what_a_bucket_cannot_do_is_refused_by_the_job() {
    for (line, words) in [
        ("key = \"content\"", "a bucket has no index"),
        ("key = [\"id\"]", "a bucket has no index"),
        ("on_conflict = \"keep\"", "rows in a bucket never conflict"),
        ("path = \"{table}/{start}.{ext}\"", "two objects could have one name"),
        ("object_size = \"1B\"", "object_size"),
        ("as = \"csv\"", "'ndjson'"),
    ] {
        let story = Story::new().destination(line);
        story.write("a.ndjson", &story::lines(0, 3));
        story.run(&[]).exit(2).says(words);
        assert!(!story.bucket().exists(), "{line}");
    }
}

#[test]
fn keys_of_buckets_are_refused_for_a_database() {
    let story = Story::new();
    story.write("a.ndjson", &story::lines(0, 3));
    story.run(&["--into", "sqlite:x.db"]).exit(2).says("'as' is for buckets");
}

#[test]
fn a_table_that_has_lost_its_state_is_not_loaded_again() {
    let story = Story::new();
    story.write("a.ndjson", &story::lines(0, 30));
    story.run(&[]).exit(3);
    let before = story.objects();
    std::fs::remove_dir_all(story.bucket().join("_logmill")).unwrap();
    story.run(&[]).exit(2).says("the state is lost");
    assert_eq!(story.objects(), before);
    assert!(!story.bucket().join("_logmill").exists());
}

#[test]
fn a_table_belongs_to_one_job() {
    let story = Story::new();
    story.write("a.ndjson", &story::lines(0, 30));
    story.run(&[]).exit(3);
    let job = std::fs::read_to_string(story.path("job.toml")).unwrap();
    let other = story.path("other.toml");
    std::fs::write(&other, job.replace("name = \"job\"", "name = \"other\"")).unwrap();
    let ended = crate::harness::logmill().arg("load").arg("-j").arg(&other).output().unwrap();
    assert_eq!(ended.status.code(), Some(2), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("belongs to one job"));
}

#[test]
fn a_line_that_grew_is_refused_with_its_place() {
    let story = Story::new();
    story.write("a.ndjson", "{\"id\":1}\n{\"id\":2}");
    story.run(&[]).exit(0);
    let before = story.objects();
    story.write("a.ndjson", "{\"id\":1}\n{\"id\":2}  \n{\"id\":3}\n");
    story.run(&[]).exit(1).says("a.ndjson");
    assert_eq!(story.objects(), before);
}

#[test]
fn a_plan_promises_no_change_of_rows_that_no_bucket_can_make() {
    let story = Story::new();
    story.write("a.ndjson", &story::lines(0, 3));
    let plan = story.command("plan", &[]).json();
    let promises: Vec<_> = plan["guarantees"].as_array().unwrap().iter().collect();
    let of =
        |what: &str| promises.iter().find(|promise| promise["what"] == what).map(|promise| &promise["holds"]);
    assert_eq!(of("the same key"), None);
    assert!(of("--rebuild").unwrap().as_str().unwrap().contains("a listing may show old and new"));
    assert!(!of("a changed file").unwrap().as_str().unwrap().contains("updated"));
}
