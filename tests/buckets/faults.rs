//! Faults on the way to the objects and to the state: an outage is waited out, a denial is said, and whatever
//! happens every record is there once, under the names and in the bytes of an undisturbed run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::story::{self, Story};
use crate::harness::cloud::Cloud;
use crate::harness::lossy::losing_answers;
use crate::harness::postgres::Server;
use crate::harness::proxy::{At, Fault, Proxy, Rule};
use crate::harness::redis::Redis;
use crate::harness::web::{Fate, Request, Web};

/// Which requests are meant.
type Which = fn(&Request) -> bool;

/// What becomes of every third of some requests.
#[derive(Clone, Copy)]
struct Trouble(Fate, Which);

fn any(_: &Request) -> bool {
    true
}

fn with_files(story: Story) -> Story {
    story.write("a.ndjson", &story::lines(0, 150));
    story.write("b.ndjson", &story::lines(700, 30));
    story.pipeline("retry_for = \"60s\"")
}

/// What a load leaves that nothing happens to.
fn undisturbed() -> BTreeMap<String, Vec<u8>> {
    let story = with_files(Story::new());
    story.run(&[]).exit(3);
    story.check_complete();
    story.objects()
}

/// A proxy before a server that troubles, and how often it has.
fn troubling(server: u16, Trouble(fate, which): Trouble) -> (Web, Arc<AtomicUsize>) {
    let (seen, struck) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&struck);
    let web = Web::before(server, move |asked| {
        let strikes = which(asked) && seen.fetch_add(1, Ordering::Relaxed) % 3 == 1;
        counted.fetch_add(usize::from(strikes), Ordering::Relaxed);
        if strikes { fate } else { Fate::Passes }
    });
    (web, struck)
}

/// Killed once in the midst of it, and gone on with; then as an undisturbed run leaves it.
#[track_caller]
fn is_whole(story: &Story, expected: &BTreeMap<String, Vec<u8>>, what: &str) {
    assert!(story.is_killed_at("after-object", 2), "{what}");
    story.check_partial();
    story.run(&["--take-over"]).exit(3);
    story.check_complete();
    assert_eq!(story.objects(), *expected, "{what}");
}

fn on_objects(cloud: &'static Cloud, troubles: &[Trouble]) {
    let expected = undisturbed();
    for &trouble in troubles {
        let (web, struck) = troubling(cloud.port(), trouble);
        let story = with_files(Story::new().to(cloud)).through(Some(web.endpoint()));
        is_whole(&story, &expected, &format!("{:?}", trouble.0));
        let struck = struck.load(Ordering::Relaxed);
        assert!(struck >= 5, "{:?} befell {struck} requests", trouble.0);
    }
}

#[test]
fn lines_that_break_on_the_way_to_a_bucket_change_nothing() {
    on_objects(
        Cloud::moto(),
        &[Trouble(Fate::IsCut, any), Trouble(Fate::IsHalfAnswered, any), Trouble(Fate::IsUnheard, any)],
    );
}

#[test]
fn a_bucket_that_is_slow_or_too_busy_changes_nothing() {
    on_objects(
        Cloud::moto(),
        &[
            Trouble(Fate::Waits(Duration::from_millis(200)), any),
            Trouble(Fate::Fails(500), any),
            Trouble(Fate::Fails(503), any),
            Trouble(Fate::IsDoneAndFails(503), any),
        ],
    );
}

/// By 409 and 412 S3 says that another was faster, also where the other was one's own first try.
#[test]
fn a_conditional_write_that_is_refused_for_nothing_is_settled() {
    on_objects(
        Cloud::moto(),
        &[
            Trouble(Fate::Fails(409), Request::is_conditional),
            Trouble(Fate::Fails(412), Request::is_conditional),
            Trouble(Fate::IsDoneAndFails(409), Request::is_conditional),
            Trouble(Fate::IsDoneAndFails(412), Request::is_conditional),
        ],
    );
}

#[test]
fn a_bucket_that_checks_everything_loses_nothing_where_answers_are_lost() {
    on_objects(Cloud::seaweed(), &[Trouble(Fate::IsUnheard, any), Trouble(Fate::IsDoneAndFails(500), any)]);
}

#[test]
fn a_denial_is_said_and_nothing_is_lost() {
    let expected = undisturbed();
    let kinds: [(&str, Which); 3] = [
        ("objects", Request::is_plain_put),
        ("state", Request::is_conditional),
        ("listings", Request::is_list),
    ];
    for (what, which) in kinds {
        let cloud = Cloud::moto();
        // After some that pass, but for the state, of which the first one is denied.
        let seen = AtomicUsize::new(if what == "objects" { 0 } else { 2 });
        let web = Web::before(cloud.port(), move |asked| {
            let is_late = which(asked) && seen.fetch_add(1, Ordering::Relaxed) >= 2;
            if is_late { Fate::Fails(403) } else { Fate::Passes }
        });
        let story = with_files(Story::new().to(cloud)).through(Some(web.endpoint()));
        let began = Instant::now();
        story.run(&[]).exit(1).says("AccessDenied");
        assert!(began.elapsed() < Duration::from_secs(30), "{what}: a denial is not waited for");
        story.check_partial();
        let story = story.through(None);
        story.run(&["--take-over"]).exit(3);
        story.check_complete();
        assert_eq!(story.objects(), expected, "{what}");
    }
}

/// The run gives its sources back at its end; what it still had on its way would come behind the next run.
#[test]
fn no_object_is_on_its_way_when_a_load_has_failed() {
    let (cloud, puts) = (Cloud::moto(), AtomicUsize::new(0));
    let web = Web::before(cloud.port(), move |asked| match asked.is_plain_put() {
        true if puts.fetch_add(1, Ordering::Relaxed) == 0 => Fate::Fails(403),
        true => Fate::Waits(Duration::from_secs(2)),
        false => Fate::Passes,
    });
    let story = with_files(Story::new().to(cloud)).through(Some(web.endpoint()));
    story.run(&[]).exit(1).says("AccessDenied");
    let begun = web.asked().iter().filter(|asked| asked.is_plain_put()).count();
    assert!(begun > 1, "nothing was on its way beside the first object");
    assert_eq!(story.objects().len(), begun - 1);
}

#[test]
fn a_bucket_that_goes_away_in_the_midst_is_waited_for_or_given_up() {
    let expected = undisturbed();
    for retry_for in ["60s", "1s"] {
        let (since, is_back) = (Mutex::new(None), Arc::new(AtomicBool::new(false)));
        let back = Arc::clone(&is_back);
        let puts = AtomicUsize::new(0);
        let web = Web::before(Cloud::moto().port(), move |asked| {
            let mut since = since.lock().unwrap();
            if asked.is_plain_put() && puts.fetch_add(1, Ordering::Relaxed) == 4 {
                since.get_or_insert_with(Instant::now);
            }
            let is_away = since.is_some_and(|since: Instant| since.elapsed() < Duration::from_secs(8));
            if is_away && !back.load(Ordering::Relaxed) { Fate::Fails(503) } else { Fate::Passes }
        });
        let story = with_files(Story::new().to(Cloud::moto())).through(Some(web.endpoint()));
        let ended = story.run(&["--retry-for", retry_for]);
        if retry_for == "60s" {
            ended.exit(3).says("trying again");
            ended.says("no longer waiting");
        } else {
            ended.exit(1).says("gave up after");
            story.check_partial();
            is_back.store(true, Ordering::Relaxed);
            story.run(&["--take-over"]).exit(3);
        }
        story.check_complete();
        assert_eq!(story.objects(), expected);
    }
}

#[test]
fn a_state_in_dynamodb_is_moved_once_whatever_becomes_of_the_answers() {
    let (expected, cloud) = (undisturbed(), Cloud::moto());
    for fate in [
        Fate::IsCut,
        Fate::IsUnheard,
        Fate::Fails(500),
        // By this one it says that it is asked for too much.
        Fate::Fails(400),
        Fate::IsDoneAndFails(500),
    ] {
        let (web, struck) = troubling(cloud.port(), Trouble(fate, any));
        let url = format!("dynamodb://{}?endpoint={}", cloud.name("troubled"), web.endpoint());
        let story = with_files(Story::new().to(cloud)).state(&format!("url = \"{url}\""));
        is_whole(&story, &expected, &format!("{fate:?}"));
        assert!(struck.load(Ordering::Relaxed) >= 5, "{fate:?}");
    }
    let web =
        Web::before(
            cloud.port(),
            |asked| if asked.is_for("PutItem") { Fate::Fails(403) } else { Fate::Passes },
        );
    let url = format!("dynamodb://{}?endpoint={}", cloud.name("denied"), web.endpoint());
    // The table has to be there: that it may not be written is told of it alone.
    let ready = with_files(Story::new().to(cloud))
        .state(&format!("url = \"{}\"", url.replace(&web.endpoint(), &cloud.endpoint())));
    ready.run(&[]).exit(3);
    let story = with_files(Story::new().to(cloud)).state(&format!("url = \"{url}\""));
    story.run(&[]).exit(1).says("AccessDenied");
    assert!(story.objects().is_empty(), "nothing is written that nothing knows of");
}

#[test]
fn a_state_in_redis_is_moved_once_where_answers_are_lost() {
    let (expected, redis) = (undisturbed(), Redis::start());
    let url = format!("redis://127.0.0.1:{}", losing_answers(redis.port()));
    for _ in 0..3 {
        let story = with_files(Story::new()).state(&format!("url = \"{url}\""));
        is_whole(&story, &expected, "redis");
    }
}

#[test]
fn a_state_in_postgres_is_moved_once_where_commits_are_unheard() {
    let (expected, database) = (undisturbed(), Server::shared().database());
    let rule =
        |connection: usize| Rule { at: At::Query("commit", 1 + connection % 6), fault: Fault::CutAnswer };
    let proxy = Proxy::on_tcp(&database, (0..100).map(rule).collect());
    let story = with_files(Story::new()).state(&format!("url = \"{}\"", proxy.url()));
    is_whole(&story, &expected, "postgres");
    let struck = proxy.traffic().iter().filter(|traffic| traffic.struck).count();
    assert!(struck >= 3, "{struck} answers were lost");
}
