//! The line between us and the server: cut before or behind any message, or silent.
//!
//! The worst place is around COMMIT: whether it was done is then known to the server alone.
//! A run must find out, not guess, and go on by itself.

use crate::harness::load::Load;
use crate::harness::log::{SCHEMA, log};
use crate::harness::oracle::{check, check_complete};
use crate::harness::proxy::{At, Fault, Proxy, Rule, Sender};
use crate::harness::trials::{some_of, trials};

fn two_files() -> Load {
    Load::empty()
        .file("a.ndjson", log(41, 35))
        .file("b.ndjson", log(42, 35))
        .schema(SCHEMA)
        .batches_of(15)
        .audited()
}

/// What stands in the last message of each batch, with its COMMIT, and nowhere else.
const END_OF_BATCH: &str = "with moved as";

/// Runs the load by way of a proxy that obeys these rules, one for each connection.
fn run_through(load: &Load, rules: Vec<Rule>) -> Proxy {
    load.reset();
    let proxy = Proxy::on_tcp(load.database(), rules);
    load.call().into(proxy.url()).run().exit(3);
    check_complete(load);
    proxy
}

#[test]
fn a_commit_whose_fate_is_unknown_is_neither_lost_nor_done_twice() {
    let load = two_files();
    let honest = run_through(&load, vec![]);
    assert!(!honest.traffic().is_empty());
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
fn a_line_that_falls_silent_around_a_commit_is_given_up() {
    // On a busy machine a connection may be given up before it comes so far; that is right too.
    let load = two_files().pipeline("deadline = \"300ms\"");
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        for number in [0, 2] {
            run_through(&load, vec![Rule { at: At::Query(END_OF_BATCH, number), fault }]);
        }
    }
}

#[test]
fn a_claim_whose_answer_never_comes_is_ours_all_the_same() {
    let load = two_files().pipeline("deadline = \"300ms\"");
    for fault in [Fault::CutAfter, Fault::CutAnswer, Fault::HangAfter] {
        run_through(&load, vec![Rule { at: At::Query("set next_source_id", 0), fault }]);
    }
}

#[test]
fn any_message_can_be_the_last_of_a_connection() {
    let load = two_files();
    let honest = run_through(&load, vec![]).traffic().remove(0);
    let mut cases = Vec::new();
    for (sender, count) in [(Sender::Client, honest.client.len()), (Sender::Server, honest.server.len())] {
        for number in 0..count {
            cases.extend(
                [Fault::CutBefore, Fault::CutAfter].map(|fault| (At::Message(sender, number), fault)),
            );
        }
    }
    for (at, fault) in some_of(cases, 40) {
        run_through(&load, vec![Rule { at, fault }]);
    }
}

#[test]
fn any_message_can_be_the_last_that_arrives() {
    let load = two_files().pipeline("deadline = \"300ms\"").pipeline("connect_timeout = \"1s\"");
    let honest = run_through(&load, vec![]).traffic().remove(0);
    // Connecting has a deadline of its own, which is longer.
    let cases = (5..honest.client.len()).flat_map(|number| {
        [Fault::HangBefore, Fault::HangAfter].map(|fault| (At::Message(Sender::Client, number), fault))
    });
    for (at, fault) in some_of(cases.collect(), 10) {
        run_through(&load, vec![Rule { at, fault }]);
    }
}

#[test]
fn a_line_that_breaks_again_and_again_is_outlived() {
    trials("wire::a_line_that_breaks_again_and_again_is_outlived", 15, |mut rng| {
        let load = two_files();
        let rules = (0..rng.usize(2..6)).map(|_| {
            let at = match rng.u8(..3) {
                0 => At::Query(END_OF_BATCH, rng.usize(..3)),
                1 => At::Message(Sender::Client, rng.usize(..120)),
                _ => At::Message(Sender::Server, rng.usize(..200)),
            };
            let fault = match &at {
                At::Query(..) => [Fault::CutBefore, Fault::CutAfter, Fault::CutAnswer][rng.usize(..3)],
                At::Message(..) => [Fault::CutBefore, Fault::CutAfter][rng.usize(..2)],
            };
            Rule { at, fault }
        });
        run_through(&load, rules.collect());
    });
}
