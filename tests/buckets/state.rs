//! The state of a bucket in a store of its own, each real.

use super::story::{self, Story};
use crate::harness::cloud::Cloud;
use crate::harness::postgres::Server;
use crate::harness::redis::Redis;

/// A story whose state is in this store.
fn keeping(story: Story, url: &str) -> Story {
    story.state(&format!("url = \"{url}\"\nlease = \"1s\""))
}

/// Loaded, killed in the middle and gone on with; then there is nothing to do, and the bucket holds no state.
fn is_whole(story: &Story) {
    story.write("a.ndjson", &story::lines(0, 400));
    story.write("b.ndjson", &story::lines(1000, 30));
    for (point, passed) in [("after-object", 3), ("before-commit", 1)] {
        assert!(story.is_killed_at(point, passed), "no load comes by {point}");
        story.check_partial();
    }
    // One that was killed is dead after a lease, and nobody has to say so.
    story.run(&[]).exit(3);
    story.check_complete();
    let before = story.objects();
    story.run(&[]).exit(3);
    assert_eq!(story.objects(), before);
}

#[test]
fn a_load_is_whole_wherever_its_state_is() {
    let (database, redis) = (Server::shared().database(), Redis::start());
    for url in [database.url(), "sqlite:state.db".to_owned(), format!("redis://127.0.0.1:{}", redis.port())] {
        let story = keeping(Story::new(), &url);
        is_whole(&story);
        assert!(!story.bucket().join("_logmill").exists(), "{url}");
    }
}

#[test]
fn a_load_is_whole_with_its_state_in_dynamodb() {
    let cloud = Cloud::moto();
    let table = cloud.name("state");
    let url = format!("dynamodb://{table}?endpoint={}", cloud.endpoint());
    is_whole(&keeping(Story::new().to(cloud), &url));
    let items = cloud.boto(&["items", &table]);
    let keys: Vec<&str> =
        items.as_array().unwrap().iter().map(|item| item["key"]["S"].as_str().unwrap()).collect();
    assert!(keys.contains(&"t/job"), "{keys:?}");
    assert_eq!(cloud.boto(&["describe", &table])["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
}

/// It says neither which sources have dead letters, nor that it would.
#[test]
fn the_open_dead_letters_of_a_state_of_an_earlier_version_count() {
    let story = keeping(Story::new(), "sqlite:state.db");
    story.write("a.ndjson", "{\"id\":0}\n{\"id\":\"x\"}\n");
    story.run(&[]).exit(3);
    let state = rusqlite::Connection::open(story.path("state.db")).unwrap();
    let marks = state.execute("DELETE FROM logmill_state WHERE key LIKE '%/refused/%'", []).unwrap();
    let jobs = state.execute(
        "UPDATE logmill_state SET value = CAST(replace(CAST(value AS text), ',\"marks_refused\":true', '') AS blob)
         WHERE key LIKE '%/job' AND instr(CAST(value AS text), 'marks_refused')",
        [],
    );
    assert_eq!((marks, jobs.unwrap()), (1, 1));
    for file in ["b.ndjson", "c.ndjson"] {
        story.write(file, "{\"id\":1}\n");
        let ended = story.run(&[]);
        ended.exit(3);
        assert_eq!(ended.json()["open_dead_letters_of_job"], 1);
    }
}

/// It is there that objects are, and nothing that knows of them.
#[test]
fn a_state_that_is_lost_stops_the_next_load() {
    let redis = Redis::start();
    let story = keeping(Story::new(), &format!("redis://127.0.0.1:{}", redis.port()));
    story.write("a.ndjson", &story::lines(0, 30));
    story.run(&[]).exit(3);
    let before = story.objects();
    redis.ask(&["FLUSHALL"]);
    story.run(&[]).exit(2).says("the state is lost");
    assert_eq!(story.objects(), before);
    assert_eq!(redis.ask(&["DBSIZE"]).trim(), "0", "nothing was touched");
}

#[test]
fn what_a_store_may_lose_is_told_by_the_load_and_by_the_plan() {
    let redis = Redis::forgetful();
    let story = keeping(Story::new(), &format!("redis://127.0.0.1:{}", redis.port()));
    story.write("a.ndjson", &story::lines(0, 3));
    story.run(&[]).exit(0).says("appendonly no");
    let plan = story.command("plan", &[]);
    plan.exit(0).says("writes down what it acknowledges");
    assert_eq!(story.command("status", &[]).json()["sources"].as_array().map(Vec::len), Some(1));
}
