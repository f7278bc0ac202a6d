//! Counts how often a batch waits for the server.
//!
//! Nothing is written during a round trip, and over a slow line round trips are the cost of a small batch.
//! The numbers are fixed in these tests, so that an additional statement in the commit is a visible change.

use crate::harness::load::Load;
use crate::harness::proxy::{At, Fault, Proxy, Rule};

/// How often a load waited on the connection that commits.
#[derive(Clone, Copy, Debug)]
struct Waited {
    trips: usize,
    batches: usize,
}

/// Runs a load in batches of this many rows, through a proxy that sees the answers: ReadyForQuery, and the
/// server's readiness for the rows of a COPY.
fn waited(load: Load, rows: usize) -> Waited {
    let load = load.batches_of(rows);
    let proxy = Proxy::on_tcp(load.database(), vec![]);
    let ended = load.call().into(proxy.url()).run();
    let batches = ended.done().result("/batches").as_u64().unwrap();
    let answers = proxy.traffic().remove(0).server;
    let trips = answers.iter().filter(|&&kind| matches!(kind, b'Z' | b'G')).count();
    Waited { trips, batches: usize::try_from(batches).unwrap() }
}

/// The round trips per batch: the difference between two loads that differ only in how often they commit.
/// All batches are too small for the sample that a merge takes when it has many rows.
#[track_caller]
fn trips_per_batch(prepare: impl Fn() -> Load) -> usize {
    let [few, many] = [40, 20].map(|rows| waited(prepare(), rows));
    let (trips, batches) = (many.trips - few.trips, many.batches - few.batches);
    assert!(batches > 10, "{few:?} {many:?}");
    assert_eq!(trips % batches, 0, "not every batch waits as often: {few:?} {many:?}");
    trips / batches
}

/// Lines of twelve bytes; the bad ones become dead letters.
fn records(is_bad: impl Fn(usize) -> bool) -> Load {
    let line =
        |id: usize| if is_bad(id) { "{\"id\":null}\n".to_owned() } else { format!("{{\"id\":{id}}}\n") };
    let lines: String = (1000..3000).map(line).collect();
    Load::of(lines).schema("id int")
}

fn good() -> Load {
    records(|_| false)
}

/// Loads, and then forgets the source while its rows stay, under the same ids.
fn loaded_and_forgotten(load: Load) -> Load {
    load.run().exit(0);
    load.sql(
        "TRUNCATE logmill.checkpoints, logmill.sources CASCADE; UPDATE logmill.meta SET next_source_id = 1",
    );
    load
}

/// BEGIN with the look at the target, the fence and the probe for existing rows; COPY and its end; the
/// constraints with the checkpoint move and COMMIT.
const DIRECT: usize = 4;

/// Preparing the stage, and the comparison that finds all rows equal.
const MERGE: usize = 2;

/// The constraints by themselves, another COPY, and its end.
const LETTERS: usize = 3;

#[test]
fn a_direct_batch_waits_four_times() {
    assert_eq!(trips_per_batch(|| good().key("none")), DIRECT);
    assert_eq!(trips_per_batch(|| good().key("[\"id\"]")), DIRECT);
    assert_eq!(trips_per_batch(|| good().key("position")), DIRECT);
}

#[test]
fn no_row_is_sent_before_its_own_fence_has_answered() {
    let load = good().key("position").batches_of(40);
    // The fence of the second batch is executed, and its answer does not arrive.
    let rule = Rule { at: At::Query("EXECUTE logmill_fence_", 1), fault: Fault::CutAnswer };
    let proxy = Proxy::on_tcp(load.database(), vec![rule]);
    load.call().into(proxy.url()).run().done();
    let traffic = proxy.traffic().remove(0);
    assert!(traffic.struck);
    assert_eq!(traffic.client.last(), Some(&b'Q'), "something was sent behind the fence");
    assert_eq!(load.rows().len(), 2000);
}

#[test]
fn dead_letters_cost_one_more_copy() {
    assert_eq!(trips_per_batch(|| records(|id| id % 10 == 0).key("none")), DIRECT + LETTERS);
}

#[test]
fn a_staged_batch_waits_for_its_merge() {
    let trips = trips_per_batch(|| loaded_and_forgotten(good().key("position")));
    assert_eq!(trips, DIRECT + MERGE);
}

/// The waits of a load of ten new records, from the login on: before the first row, and in all. A new run of the
/// job that was loaded before has another file.
fn waits(load: &Load) -> (usize, usize) {
    let proxy = Proxy::on_tcp(load.database(), vec![]);
    load.call().into(proxy.url()).run().done();
    let answers = proxy.traffic().remove(0).server;
    let is_wait = |kind: &&u8| matches!(kind, b'Z' | b'G');
    let before = answers.iter().take_while(|&&kind| kind != b'G').filter(is_wait);
    (before.count(), answers.iter().filter(is_wait).count())
}

/// Login, settings, the catalog in two; the run; the claim in two, and the sources of other jobs between them; the
/// beginning of the batch, and its COPY in two. A first load makes logmill's tables and the target before that.
#[test]
fn a_small_load_waits_little() {
    let load = || Load::of("{\"id\":1}\n".repeat(10)).schema("id int").key("none");
    let first = load();
    assert_eq!(waits(&first), (14, 21), "the first load of a job");
    first.write("second.ndjson", "{\"id\":2}\n".repeat(10));
    assert_eq!(waits(&first), (10, 17), "a later one");
}
