//! Delivery of dead letters to buckets and queues, on servers that stand in for cloud services.

use std::collections::BTreeMap;
#[cfg(all(feature = "buckets", feature = "sqlite"))]
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{POINTS, delivering, lines, objects, unmarked};
use crate::harness::cloud::{Bucket, Cloud, SECRET};
use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::run::needs_failpoints;
use crate::harness::wait_until;
#[cfg(all(feature = "buckets", feature = "sqlite"))]
use crate::harness::web::{Fate, Web};
use crate::stories::on_each_destination;

on_each_destination! {
    a_bucket_holds_all_letters_of_a_stretch_and_follows_from_the_table
    a_bucket_is_the_same_wherever_a_delivery_is_killed
    a_queue_has_every_letter_once_and_in_order
    a_sent_but_unmarked_message_is_sent_again_and_arrives_once
}

/// A bucket gets the same content as a folder.
fn a_bucket_holds_all_letters_of_a_stretch_and_follows_from_the_table(kind: Kind) {
    let bucket = Cloud::seaweed().bucket();
    let files = |load: Load| {
        load.file("a.ndjson", "{\"n\":1}\n{\"n\":\"x\"}\nno\u{202e}\n")
            .file("b.ndjson", "{\"n\":2}\n")
            .file("c.ndjson", [&b"{\"n\":3}\n\xff\n"[..], lines(7).as_bytes()].concat())
    };
    let load = files(delivering(kind, &bucket.url("out"))).with(bucket.cloud.variables());
    let ended = load.run();
    ended.exit(3).never_says(SECRET);
    assert_eq!((ended.result("/undelivered"), ended.result("/delivery/delivered")), (json!(0), json!(6)));
    assert_eq!(
        (ended.result("/delivery/error"), ended.result("/delivery/to")),
        (Value::Null, json!(bucket.url("out")))
    );
    assert_eq!(unmarked(&load), 0);
    let table = kind.word("public.t", "t");
    let objects = bucket.objects();
    let names: Vec<_> = objects.keys().cloned().collect();
    let name = |source: i32| format!("out/dead-letters/job/{table}/{source}-0.ndjson");
    assert_eq!(names, [name(1), name(3)]);
    let letters = super::objects(std::str::from_utf8(&objects[&name(1)]).unwrap());
    assert_eq!((&letters[0]["id"], &letters[0]["raw"]), (&json!("job/1/8/0"), &json!("{\"n\":\"x\"}")));

    // Nothing is due, so nothing is written.
    bucket.cloud.boto(&["put", &bucket.name, &name(1), "mine"]);
    load.run().exit(3);
    load.command("dead-letters deliver").run().exit(0);
    assert_eq!(bucket.objects()[&name(1)], b"mine");
    // One more letter: the object holds all of them again, whoever wrote the existing one.
    let ours = load.ours("dead_letters");
    load.sql(&format!("UPDATE {ours} SET state = 'discarded' WHERE source_id = 1 AND source_offset = 8"));
    load.write("a.ndjson", "{\"n\":1}\n{\"n\":\"x\"}\nno\u{202e}\nyes\n");
    assert_eq!(load.run().exit(3).result("/delivery/delivered"), json!(1));
    let text = String::from_utf8(bucket.objects()[&name(1)].clone()).unwrap();
    let states: Vec<_> = super::objects(&text).iter().map(|letter| letter["state"].clone()).collect();
    assert_eq!(states, ["discarded", "open", "open"]);
}

fn a_bucket_is_the_same_wherever_a_delivery_is_killed(kind: Kind) {
    needs_failpoints();
    let bucket = Cloud::seaweed().bucket();
    let load = delivering(kind, &bucket.url("out")).with(bucket.cloud.variables());
    let load = load.file("a.ndjson", lines(60)).file("b.ndjson", lines(45));
    load.run().exit(3);
    let whole = bucket.objects();
    assert_eq!(whole.len(), 2);
    for point in POINTS {
        load.reset();
        bucket.cloud.boto(&["remove", &bucket.name, "out"]);
        load.call().kill_at(point, 1).run().killed();
        load.wait_alone();
        for (key, bytes) in bucket.objects() {
            assert!(whole[&key] == bytes, "{key} after {point}");
        }
        load.command("dead-letters deliver").run().exit(0);
        assert_eq!(bucket.objects(), whole, "{point}");
        assert_eq!(unmarked(&load), 0);
    }
}

/// A FIFO queue of moto.
struct Queue {
    url: String,
    to: String,
}

impl Queue {
    fn new() -> Queue {
        let cloud = Cloud::moto();
        let name = format!("{}.fifo", cloud.name("dead"));
        let url = cloud.boto(&["queue", &name, "FifoQueue=true"]).as_str().unwrap().to_owned();
        Queue { url, to: format!("sqs://{name}?endpoint={}", cloud.endpoint()) }
    }

    /// Receives the letters that have arrived, in order, and removes them.
    fn letters(&self) -> Vec<Value> {
        let Value::Array(messages) = Cloud::moto().boto(&["messages", &self.url]) else {
            panic!("no messages")
        };
        let letter = |message: &Value| STANDARD.decode(message["body"].as_str().unwrap()).unwrap();
        messages.iter().map(|message| serde_json::from_slice(&letter(message)).unwrap()).collect()
    }
}

fn ids(letters: &[Value]) -> Vec<&str> {
    letters.iter().map(|letter| letter["id"].as_str().unwrap()).collect()
}

fn a_queue_has_every_letter_once_and_in_order(kind: Kind) {
    let queue = Queue::new();
    let long = format!("\"{}\"\n", "x".repeat(300_000));
    let load = delivering(kind, &queue.to).with(Cloud::moto().variables());
    let load = load.file("a.ndjson", lines(36)).file("b.ndjson", format!("no\n{long}"));
    let ended = load.run();
    ended.exit(3).never_says(SECRET);
    assert_eq!((ended.result("/undelivered"), ended.result("/delivery/delivered")), (json!(0), json!(14)));
    let letters = queue.letters();
    assert_eq!(letters.len(), 14);
    let of = |source: &str| -> Vec<u64> {
        let own = letters.iter().filter(|letter| letter["id"].as_str().unwrap().starts_with(source));
        own.map(|letter| letter["offset"].as_u64().unwrap()).collect()
    };
    assert!(of("job/1/").is_sorted() && of("job/1/").len() == 12, "{letters:?}");
    assert_eq!(of("job/2/"), [0, 3]);
    let first = letters.iter().find(|letter| letter["id"] == "job/1/0/0").unwrap();
    assert_eq!((&first["raw"], &first["attempts"]), (&json!("{\"n\":\"x0\"}"), &json!(1)));
    // A record too long for a message is replaced by its length and hash.
    let long = letters.iter().find(|letter| letter["id"] == "job/2/3/0").unwrap();
    assert_eq!((&long["raw"], &long["length"]), (&Value::Null, &json!(300_002)));
    assert_eq!(long["raw_blake3"].as_str().unwrap().len(), 64);
    // Nothing is due, so nothing is sent.
    load.run().exit(3);
    load.command("dead-letters deliver").run().exit(0);
    assert_eq!(queue.letters(), [] as [Value; 0]);
}

fn a_sent_but_unmarked_message_is_sent_again_and_arrives_once(kind: Kind) {
    needs_failpoints();
    let queue = Queue::new();
    let load = delivering(kind, &queue.to).with(Cloud::moto().variables());
    let load = load.file("a.ndjson", "no\n{\"n\":1}\nno\n");
    load.call().kill_at("before-mark", 0).run().killed();
    load.wait_alone();
    assert_eq!(unmarked(&load), 2);
    load.command("dead-letters deliver").run().exit(0);
    assert_eq!(unmarked(&load), 0);
    // The message id consists of the letter's id and its attempts.
    assert_eq!(ids(&queue.letters()), ["job/1/0/0", "job/1/11/0"]);
    let ours = load.ours("dead_letters");
    load.sql(&format!("UPDATE {ours} SET attempts = 2, delivered_at = NULL WHERE source_offset = 11"));
    load.command("dead-letters deliver").run().exit(0);
    let again = queue.letters();
    assert_eq!((ids(&again), &again[0]["attempts"]), (vec!["job/1/11/0"], &json!(2)));
}

/// An unavailable bucket does not stop loads, and gets the letters when it is back.
#[test]
fn an_unavailable_bucket_gets_the_letters_later() {
    let cloud = Cloud::own_seaweed();
    let bucket = cloud.bucket();
    let load = delivering(Kind::Postgres, &bucket.url("out")).with(cloud.variables());
    let load = load.file("a.ndjson", lines(9));
    cloud.stop();
    let ended = load.run();
    ended.exit(3);
    assert_eq!((ended.result("/undelivered"), ended.result("/delivery/delivered")), (json!(3), json!(0)));
    assert!(ended.result("/delivery/error").as_str().unwrap().contains("dead-letters/job"));
    load.command("dead-letters deliver").run().exit(1).says("`logmill dead-letters deliver` tries again");
    cloud.again();
    wait_until("the bucket", || load.command("dead-letters deliver").run().code() == Some(0));
    assert_eq!(unmarked(&load), 0);
    assert_eq!(bucket.objects().len(), 1);
}

/// When two deliveries write one object, the one that read the table earlier does not win.
#[test]
fn the_more_recent_of_two_simultaneous_deliveries_wins() {
    needs_failpoints();
    let bucket = Cloud::seaweed().bucket();
    let load = delivering(Kind::Postgres, &bucket.url("out")).with(bucket.cloud.variables());
    let load = load.file("a.ndjson", "no\n");
    let early = load.call().stop_at("before-letters-file", 0).start().wait_stopped();
    // Meanwhile another letter of the same stretch is added and delivered.
    load.write("a.ndjson", "no\nyes\n");
    load.command("load --take-over").run().exit(3);
    assert_eq!(letters_in(&bucket), [2]);
    early.wake();
    early.wait();
    assert_eq!(letters_in(&bucket), [2]);
    assert_eq!(unmarked(&load), 0);
}

/// The number of letters in each object.
fn letters_in(bucket: &Bucket<'_>) -> Vec<usize> {
    let held: BTreeMap<String, Vec<u8>> = bucket.objects();
    held.values().map(|bytes| objects(std::str::from_utf8(bytes).unwrap()).len()).collect()
}

#[test]
fn a_wrong_secret_is_reported_but_not_shown() {
    let bucket = Cloud::seaweed().bucket();
    let mut variables = bucket.cloud.variables();
    for (name, value) in &mut variables {
        if *name == "AWS_SECRET_ACCESS_KEY" {
            *value = "another-secret".to_owned();
        }
    }
    let load = delivering(Kind::Postgres, &bucket.url("out")).with(variables).file("a.ndjson", "no\n");
    let ended = load.call().arg("-v").run();
    ended.exit(3).tells("are the credentials in the environment right").never_says("another-secret");
    let ended = load.command("dead-letters deliver").run();
    ended.exit(1).says("dead-letters/job").never_says("another-secret").never_says(SECRET);
    // A missing queue is reported too.
    let to = format!("sqs://nowhere.fifo?endpoint={}", Cloud::moto().endpoint());
    let load = delivering(Kind::Postgres, &to).with(Cloud::moto().variables()).file("a.ndjson", "no\n");
    load.run().exit(3).tells("sqs://nowhere.fifo").never_says(SECRET);
}

/// A queue that is busy, cuts connections, or does what it is asked and loses the answer.
#[cfg(all(feature = "buckets", feature = "sqlite"))]
#[test]
fn a_queue_in_trouble_gets_every_letter_once() {
    for fate in [Fate::Fails(500), Fate::Fails(400), Fate::IsCut, Fate::IsUnheard, Fate::IsDoneAndFails(500)]
    {
        let (queue, sent) = (Queue::new(), AtomicUsize::new(0));
        let web = Web::before(Cloud::moto().port(), move |asked| {
            let strikes = asked.is_for("SendMessageBatch") && sent.fetch_add(1, Ordering::Relaxed) % 2 == 0;
            if strikes { fate } else { Fate::Passes }
        });
        let to = queue.to.replace(&Cloud::moto().endpoint(), &web.endpoint());
        let load = delivering(Kind::Sqlite, &to).with(Cloud::moto().variables()).file("a.ndjson", lines(75));
        load.run().exit(3);
        let mut tries = 0;
        while load.command("dead-letters deliver").run().code() != Some(0) {
            tries += 1;
            assert!(tries < 20, "{fate:?}");
        }
        assert_eq!(unmarked(&load), 0);
        let letters = queue.letters();
        let offsets: Vec<u64> = letters.iter().map(|letter| letter["offset"].as_u64().unwrap()).collect();
        assert_eq!(offsets.len(), 25, "{fate:?}");
        assert!(offsets.windows(2).all(|two| two[0] < two[1]), "{fate:?}: {offsets:?}");
    }
}
