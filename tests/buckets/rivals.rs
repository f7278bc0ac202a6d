//! Two runs that want the same: at once, one after the other's death, and one that was thought dead and wakes. And
//! stores that are away in between, or come back with nothing.

use std::collections::BTreeMap;

use super::story::{self, Going, Story};
use crate::harness::cloud::Cloud;
use crate::harness::postgres::Server;
use crate::harness::redis::Redis;
use crate::harness::run::needs_failpoints;

/// Does something with a story for each store that keeps a state.
fn with_each_store(lease: &str, play: impl Fn(&str, &dyn Fn() -> Story)) {
    let (database, redis) = (Server::shared().database(), Redis::start());
    let in_moto = || Story::new().to(Cloud::moto());
    let of = |story: Story, url: &str| story.state(&format!("url = \"{url}\"\nlease = \"{lease}\""));
    let beside_rows = format!("lease = \"{lease}\"");
    play("folder", &|| Story::new().state(&beside_rows));
    play("bucket", &|| in_moto().state(&beside_rows));
    play("postgres", &|| of(Story::new(), &database.url()));
    play("sqlite", &|| of(Story::new(), "sqlite:state.db"));
    play("redis", &|| of(Story::new(), &format!("redis://127.0.0.1:{}", redis.port())));
    play("dynamodb", &|| {
        let (cloud, table) = (Cloud::moto(), Cloud::moto().name("rivals"));
        of(in_moto(), &format!("dynamodb://{table}?endpoint={}", cloud.endpoint()))
    });
}

fn with_files(story: Story) -> Story {
    story.write("a.ndjson", &story::lines(0, 150));
    story.write("b.ndjson", &story::lines(700, 30));
    story
}

/// What a load leaves that nothing happens to.
fn undisturbed() -> BTreeMap<String, Vec<u8>> {
    let story = with_files(Story::new());
    story.run(&[]).exit(3);
    story.objects()
}

fn stopped_at(story: &Story, point: &str) -> Going {
    needs_failpoints();
    story.start(&[], &format!("{point}=1*off->1*return(stop)")).wait_stopped()
}

#[test]
fn of_two_loads_at_once_one_loads_what_the_other_leaves() {
    let expected = undisturbed();
    // Both run at once on a machine that may be busy, and neither is to seem dead.
    with_each_store("30s", |store, story| {
        let story = with_files(story());
        let codes = [(); 2].map(|()| story.start(&[], "")).map(|mut going| (going.wait(), going.said()));
        for (code, said) in &codes {
            assert!(matches!(code, Some(3 | 6)), "{store}: {code:?}\n{said}");
        }
        assert!(codes.iter().any(|(code, _)| *code == Some(3)), "{store}: none has loaded");
        assert_eq!(story.objects(), expected, "{store}");
        story.run(&[]).exit(3);
        story.check_complete();
        assert_eq!(story.objects(), expected, "{store}");
    });
}

/// It stands still for longer than its lease, heart and all; and its last answer may be on the way.
#[test]
fn a_run_that_wakes_after_its_lease_changes_nothing() {
    let expected = undisturbed();
    with_each_store("1s", |store, story| {
        let points = ["after-open", "before-object", "after-rows", "before-commit"];
        let points = if store == "folder" { &points[..] } else { &points[2..] };
        for point in points {
            let story = with_files(story());
            let mut zombie = stopped_at(&story, point);
            // Nobody has to say so: a heart that stands still is dead after a lease.
            story.run(&[]).exit(3);
            story.check_complete();
            assert_eq!(story.objects(), expected, "{store} {point}");
            zombie.wake();
            assert_eq!(zombie.wait(), Some(6), "{store} {point}: {}", zombie.said());
            assert!(zombie.said().contains("another run has taken over"), "{}", zombie.said());
            assert_eq!(story.objects(), expected, "{store} {point}");
            story.run(&[]).exit(3);
            assert_eq!(story.objects(), expected, "{store} {point}");
        }
    });
}

/// Another run was at the same range, and let it hold: nothing says any more that the first had not written it.
#[test]
fn what_a_run_writes_that_was_taken_over_before_a_rebuild_is_removed_by_the_next() {
    for point in ["before-object", "after-rows"] {
        let story = with_files(Story::new().state("lease = \"1s\""));
        let mut zombie = stopped_at(&story, point);
        story.run(&[]).exit(3);
        story.run(&["--rebuild"]).exit(3);
        story.check_complete();
        let of_then = story.objects();
        zombie.wake();
        assert_eq!(zombie.wait(), Some(6), "{}", zombie.said());
        assert!(story.objects().len() > of_then.len(), "{point}: it has written nothing");
        story.run(&[]).exit(3);
        story.check_complete();
        assert_eq!(story.objects(), of_then, "{point}");
        story.command("verify", &[]).exit(0);
    }
}

/// What it writes has other names then. They stay until the next run of the job, and no longer.
#[test]
fn what_a_run_of_other_rules_writes_when_it_wakes_is_removed_by_the_next() {
    let larger = |story: Story| story.destination("object_size = \"8KiB\"");
    let story = with_files(Story::new().state("lease = \"1s\""));
    let mut zombie = stopped_at(&story, "before-object");
    let story = larger(story);
    story.run(&[]).exit(3);
    story.check_complete();
    let of_then = story.objects();
    zombie.wake();
    assert_eq!(zombie.wait(), Some(6), "{}", zombie.said());
    assert!(story.objects().len() > of_then.len(), "it has written nothing");
    story.run(&[]).exit(3);
    story.check_complete();
    assert_eq!(story.objects(), of_then);
}

/// What was given up under rules that are left, and is written after all where they are back, is not removed.
#[test]
fn rules_that_are_left_and_come_back_lose_nothing() {
    let expected = undisturbed();
    let story = with_files(Story::new().state("lease = \"1s\""));
    assert!(story.is_killed_at("before-commit", 0));
    let story = story.destination("object_size = \"8KiB\"");
    assert!(story.is_killed_at("before-commit", 0));
    let story = story.destination("object_size = \"4KiB\"");
    for _ in 0..2 {
        story.run(&[]).exit(3);
        story.check_complete();
        assert_eq!(story.objects(), expected);
    }
}

/// Which rows there are is decided by other rules from the middle of a source on: only if somebody says so.
#[test]
fn rules_that_change_in_the_middle_of_a_source_are_told() {
    let story = with_files(Story::new().state("lease = \"1s\""));
    assert!(story.is_killed_at("before-commit", 2));
    let before = story.objects();
    let story = story.fields("more = { type = \"text\", required = false }");
    story.run(&[]).exit(2).says("--accept-new-rules");
    assert_eq!(story.objects(), before);
    story.run(&["--accept-new-rules"]).exit(3);
    let ids = |story: &Story| {
        let mut ids: Vec<i64> = story.rows().iter().map(|row| row["id"].as_i64().unwrap()).collect();
        ids.sort_unstable();
        ids
    };
    let whole = with_files(Story::new());
    whole.run(&[]).exit(3);
    assert_eq!(ids(&story), ids(&whole));
    assert!(story.rows().iter().any(|row| row.get("more").is_some()));
    assert!(story.rows().iter().any(|row| row.get("more").is_none()), "what was committed stays as it was");
}

#[test]
fn a_redis_that_comes_back_in_the_middle_is_gone_on_with() {
    let expected = undisturbed();
    for redis in [Redis::start(), Redis::valkey()] {
        let story = with_files(Story::new()).state(&format!("url = \"redis://127.0.0.1:{}\"", redis.port()));
        let mut going = story.start(&[], "before-commit=2*off->1*return(stop)").wait_stopped();
        redis.again();
        going.wake();
        assert_eq!(going.wait(), Some(3), "{}", going.said());
        story.check_complete();
        assert_eq!(story.objects(), expected);
    }
}

#[test]
fn a_bucket_that_comes_back_in_the_middle_is_gone_on_with() {
    needs_failpoints();
    let expected = undisturbed();
    let cloud: &'static Cloud = Box::leak(Box::new(Cloud::own_seaweed()));
    for point in ["after-object", "before-commit"] {
        let story = with_files(Story::new().to(cloud)).pipeline("retry_for = \"60s\"");
        let mut going = story.start(&[], &format!("{point}=2*off->1*return(stop)")).wait_stopped();
        cloud.again();
        going.wake();
        assert_eq!(going.wait(), Some(3), "{}", going.said());
        story.check_complete();
        assert_eq!(story.objects(), expected, "{point}");
    }
    cloud.stop();
}

/// Objects, and nothing that knows of them: nobody can say which records they hold.
#[test]
fn a_state_that_is_lost_stops_the_next_load_wherever_it_was() {
    let database = Server::shared().database();
    let is_stopped = |story: Story, lose: &dyn Fn(&Story)| {
        let story = with_files(story);
        story.run(&[]).exit(3);
        let before = story.objects();
        lose(&story);
        story.run(&[]).exit(2).says("the state is lost");
        story.command("plan", &[]).exit(2).says("the state is lost");
        assert_eq!(story.objects(), before);
    };
    is_stopped(Story::new().to(Cloud::moto()), &|story| story.remove_state());
    is_stopped(Story::new().state("url = \"sqlite:state.db\""), &|story| {
        std::fs::remove_file(story.path("state.db")).unwrap();
    });
    is_stopped(Story::new().state(&format!("url = \"{}\"", database.url())), &|_| {
        database.client().batch_execute("DROP TABLE logmill.state").unwrap();
    });
}
