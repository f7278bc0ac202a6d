//! The connection to the server is cut before or after any message, or falls silent.
//!
//! The worst place is around COMMIT, because only the server knows whether it was executed. A run must find
//! out rather than guess, and then continue by itself.

use std::time::{Duration, Instant};

use crate::harness::load::Load;
use crate::harness::log::{SCHEMA, good_log, log};
use crate::harness::oracle::{check, check_complete};
use crate::harness::proxy::{At, Fault, Proxy, Rule, Sender, Traffic};
use crate::harness::trials::{factor, some_of, trials};

fn two_files() -> Load {
    Load::empty()
        .file("a.ndjson", log(41, 35))
        .file("b.ndjson", log(42, 35))
        .schema(SCHEMA)
        .batches_of(15)
        .audited()
}

/// Text that occurs only in the last message of each batch, the one with its COMMIT.
const END_OF_BATCH: &str = "with moved as";

/// Runs the load through a proxy with these rules, one per connection.
fn run_through(load: &Load, rules: Vec<Rule>) -> Proxy {
    load.reset();
    let proxy = Proxy::on_tcp(load.database(), rules);
    load.call().into(proxy.url()).run().exit(3);
    check_complete(load);
    proxy
}

/// The traffic of a connection without faults.
fn honest(load: &Load) -> Traffic {
    run_through(load, vec![]).traffic().remove(0)
}

/// Runs the load with each of these faults. Nearly all of them must strike, but not all: a run may send
/// fewer messages than the one by which they were chosen, and on a busy machine it may abandon a connection
/// before the fault.
fn sweep(load: &Load, faults: Vec<(At, Fault)>) {
    let count = faults.len();
    let mut idle = Vec::new();
    for (at, fault) in faults {
        if !run_through(load, vec![Rule { at: at.clone(), fault }]).traffic()[0].struck {
            idle.push((at, fault));
        }
    }
    assert!(idle.len() * 10 <= count, "of {count} faults these did not strike: {idle:?}");
}

#[test]
fn a_commit_whose_fate_is_unknown_is_neither_lost_nor_done_twice() {
    let load = two_files();
    assert!(!honest(&load).client.is_empty());
    let batches = check(&load).batches;
    assert!(batches > 3);
    for number in 0..batches {
        for fault in [Fault::CutBefore, Fault::CutAfter, Fault::CutAnswer] {
            let proxy = run_through(&load, vec![Rule { at: At::Query(END_OF_BATCH, number), fault }]);
            assert!(proxy.traffic()[0].struck, "batch {number}, {fault:?}: it was not reached");
        }
    }
}

#[test]
fn a_line_that_falls_silent_around_a_commit_is_abandoned() {
    let load = two_files().pipeline("deadline = \"1s\"");
    let cases = [0, 2].into_iter().flat_map(|number| {
        [Fault::HangBefore, Fault::HangAfter].map(|fault| (At::Query(END_OF_BATCH, number), fault))
    });
    sweep(&load, cases.collect());
}

/// One answer takes longer than the deadline: the run treats such a line as slow or abandons it, and the
/// result is right.
#[test]
fn a_dripping_line_loads_the_same() {
    let load = Load::of([&log(43, 12)[..], b"\nbad"].concat())
        .schema(SCHEMA)
        .batches_of(6)
        .pipeline("deadline = \"300ms\"")
        .audited();
    let honest = honest(&load);
    for (sender, count) in [(Sender::Client, honest.client.len()), (Sender::Server, honest.server.len())] {
        for number in [count / 4, count / 2] {
            let fault = Fault::Drip(Duration::from_millis(4));
            let proxy = run_through(&load, vec![Rule { at: At::Message(sender, number), fault }]);
            assert!(proxy.traffic()[0].struck, "{sender:?} {number}");
        }
    }
}

/// One message takes longer than the deadline, and most of it waits for the line.
#[test]
fn a_slow_moving_line_is_not_abandoned() {
    let raw = 12 << 20;
    let load = Load::of([&good_log(1, 3)[..], b"bad ", &vec![b'x'; raw]].concat())
        .schema(SCHEMA)
        .pipeline("deadline = \"3s\"")
        .pipeline("[dead_letters]\nmax_raw = \"16MB\"")
        .audited();
    let connections = run_through(&load, vec![]).traffic().len();
    let crawl = Rule { at: At::Message(Sender::Client, 0), fault: Fault::Crawl(Duration::from_millis(4)) };
    let began = Instant::now();
    let proxy = run_through(&load, vec![crawl]);
    // The system buffers a part of it, and the rest waits.
    assert!(began.elapsed() > Duration::from_secs(6), "{:?}: the line was not slow", began.elapsed());
    assert_eq!(proxy.traffic().len(), connections, "the line was given up");
}

#[test]
fn a_claim_without_an_answer_is_still_ours() {
    let load = two_files().pipeline("deadline = \"1s\"");
    let faults = [Fault::CutAfter, Fault::CutAnswer, Fault::HangAfter];
    sweep(&load, faults.map(|fault| (At::Query("set next_source_id", 0), fault)).into());
}

/// Alternates between two faults, one per message; in a long run every message gets both.
fn in_turn(messages: Vec<(Sender, usize)>, faults: [Fault; 2], count: usize) -> Vec<(At, Fault)> {
    let picked = some_of(messages, count).into_iter().enumerate();
    let cases = picked.flat_map(|(index, (sender, number))| {
        let faults = if factor() > 1 { &faults[..] } else { &faults[index % 2..=index % 2] };
        faults.iter().map(move |&fault| (At::Message(sender, number), fault)).collect::<Vec<_>>()
    });
    cases.collect()
}

#[test]
fn any_message_can_be_the_last_of_a_connection() {
    let load = two_files();
    let honest = honest(&load);
    let client = (0..honest.client.len()).map(|number| (Sender::Client, number));
    let server = (0..honest.server.len()).map(|number| (Sender::Server, number));
    sweep(&load, in_turn(client.chain(server).collect(), [Fault::CutBefore, Fault::CutAfter], 40));
}

#[test]
fn any_message_can_be_the_last_that_arrives() {
    let load = two_files().pipeline("deadline = \"300ms\"").pipeline("connect_timeout = \"1s\"");
    // Connecting has its own, longer deadline.
    let client = (5..honest(&load).client.len()).map(|number| (Sender::Client, number));
    sweep(&load, in_turn(client.collect(), [Fault::HangBefore, Fault::HangAfter], 10));
}

#[test]
fn a_line_that_breaks_again_and_again_is_outlived() {
    let load = two_files();
    let honest = honest(&load);
    trials("wire::a_line_that_breaks_again_and_again_is_outlived", 15, |mut rng| {
        let rules = (0..rng.usize(2..6)).map(|_| {
            // Every other connection only looks for a pooler, and is short.
            let part = if rng.bool() { 2 } else { 20 };
            let at = match rng.u8(..3) {
                0 => At::Query(END_OF_BATCH, rng.usize(..3)),
                1 => At::Message(Sender::Client, rng.usize(..honest.client.len() / part)),
                _ => At::Message(Sender::Server, rng.usize(..honest.server.len() / part)),
            };
            let fault = match &at {
                At::Query(..) => [Fault::CutBefore, Fault::CutAfter, Fault::CutAnswer][rng.usize(..3)],
                At::Message(..) => [Fault::CutBefore, Fault::CutAfter][rng.usize(..2)],
            };
            Rule { at, fault }
        });
        let traffic = run_through(&load, rules.collect()).traffic();
        // The first attempt is ended by the fault of its connection, or of the one that looks for a pooler.
        assert!(
            traffic.iter().take(2).any(|connection| connection.struck),
            "not even the first fault struck"
        );
    });
}

#[test]
fn a_server_silent_at_the_end_of_a_run_is_waited_for_and_then_left() {
    let load = two_files().pipeline("deadline = \"300ms\"").pipeline("connect_timeout = \"300ms\"");
    let honest = run_through(&load, vec![]).traffic().remove(0);
    // Messages after the last batch; the very last one is the goodbye.
    let count = honest.client.len();
    let load = load.pipeline("retry_for = \"2s\"");
    for number in [count - 2, count - 5] {
        load.reset();
        let silent = |number| Rule { at: At::Message(Sender::Client, number), fault: Fault::HangBefore };
        // The second connection looks for a pooler. Later ones get no answer.
        let mut rules = vec![silent(number), silent(usize::MAX)];
        rules.extend((0..50).map(|_| silent(0)));
        let proxy = Proxy::on_tcp(load.database(), rules);
        let began = Instant::now();
        load.call().into(proxy.url()).run();
        assert!(proxy.traffic()[0].struck);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        drop(proxy);
        load.wait_alone();
        load.run().exit(3);
        check_complete(&load);
    }
}

#[test]
fn an_empty_file_committed_without_an_answer_is_still_ours() {
    let load = Load::empty().file("a.ndjson", "").file("b.ndjson", "").schema(SCHEMA);
    for fault in [Fault::CutBefore, Fault::CutAfter, Fault::CutAnswer] {
        load.reset();
        let proxy = Proxy::on_tcp(load.database(), vec![Rule { at: At::Query(END_OF_BATCH, 0), fault }]);
        load.call().into(proxy.url()).run().exit(0);
        assert!(proxy.traffic()[0].struck, "{fault:?}: it was not reached");
        check_complete(&load);
    }
}
