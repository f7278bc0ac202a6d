//! An SQS FIFO queue as a target: a message for each letter, ten at a time.
//!
//! The deduplication id of a message is that of its letter with the number of attempts, so a letter that is
//! sent twice within five minutes arrives once. Messages of a source keep its order. A message is text
//! without most control characters, so the letter is sent as base64; one that is too long for a message is
//! sent without its record, but with the record's place and hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::envelope::{Envelope, encoded};
use super::{Target, mark, undelivered};
use crate::bucket::aws::{Aws, Named, Reply, Service};
use crate::error::{Error, Result};
use crate::sink::outbox::{Delivered, Outbox, Outgoing};
use crate::stop::Stop;

/// A longer letter is sent without its record: as base64 it would not fit into a message of 256 KiB.
const LETTER_MAX: usize = 192 << 10;

/// The limits of one request: this many messages, and this many bytes.
const MESSAGES: usize = 10;
const BYTES: usize = 256 << 10;

/// An existing queue.
pub(super) struct Queue {
    shown: String,
    aws: Aws,
    url: Value,
}

impl Queue {
    /// Looks up the queue.
    pub(super) fn open(text: &str) -> Result<Queue> {
        let named = Named::read(Service::Sqs, text).map_err(Error::usage)?;
        let (aws, shown) = (named.open()?, named.describe());
        let mut question = json!({});
        match named.name.split_once('/') {
            Some((account, name)) => {
                question["QueueOwnerAWSAccountId"] = account.into();
                question["QueueName"] = name.into();
            }
            None => question["QueueName"] = named.name.as_str().into(),
        }
        let answer = asked(&aws, &shown, "GetQueueUrl", &question)?;
        Ok(Queue { shown, aws, url: answer["QueueUrl"].clone() })
    }

    /// Sends messages, and returns which have arrived; an error if not all have.
    fn send(&self, messages: &[Value]) -> (Vec<String>, Result<()>) {
        let question = json!({ "QueueUrl": self.url, "Entries": messages });
        let answer = match asked(&self.aws, &self.shown, "SendMessageBatch", &question) {
            Ok(answer) => answer,
            Err(error) => return (Vec::new(), Err(error)),
        };
        let entries = |name: &str| answer[name].as_array().into_iter().flatten();
        let arrived: Vec<String> =
            entries("Successful").filter_map(|entry| entry["Id"].as_str().map(str::to_owned)).collect();
        let result = match entries("Failed").next() {
            None if arrived.len() == messages.len() => Ok(()),
            None => Err(undelivered(&self.shown, "its answer does not cover every message")),
            Some(entry) => {
                let code = entry["Code"].as_str().unwrap_or("no code");
                Err(undelivered(&self.shown, format!("a message was refused ({code})")))
            }
        };
        (arrived, result)
    }
}

fn asked(aws: &Aws, shown: &str, operation: &str, question: &Value) -> Result<Value> {
    match aws.ask(operation, question) {
        Ok(Reply::Done(answer)) => Ok(answer),
        Ok(Reply::Refused { code, message, .. }) => {
            Err(undelivered(shown, format!("it answers {code}: {message}")))
        }
        Err(failure) => Err(undelivered(shown, failure.to_string())),
    }
}

impl Target for Queue {
    fn take(&mut self, outbox: &mut dyn Outbox, envelope: &Envelope, stop: &Stop) -> Result<()> {
        let mut after = 0;
        while stop.asked().is_none() {
            let letters = outbox.next_due(after)?;
            let Some(last) = letters.last() else { break };
            after = last.id;
            let (mut delivered, mut ended) = (Delivered::default(), Ok(()));
            for part in parts(&letters, envelope) {
                let messages: Vec<Value> = part.iter().map(|(_, message)| message.clone()).collect();
                let (arrived, result) = self.send(&messages);
                for (letter, message) in &part {
                    if arrived.iter().any(|id| message["Id"] == *id) {
                        delivered.add(letter);
                    }
                }
                ended = result;
                if ended.is_err() || stop.asked().is_some() {
                    break;
                }
            }
            mark(outbox, &delivered)?;
            ended?;
        }
        Ok(())
    }
}

/// Letters with their messages, in parts that each fit into one request.
fn parts<'l>(letters: &'l [Outgoing], envelope: &Envelope) -> Vec<Vec<(&'l Outgoing, Value)>> {
    let mut parts: Vec<Vec<(&Outgoing, Value)>> = Vec::new();
    let mut bytes = 0;
    for letter in letters {
        let body = STANDARD.encode(text(letter, envelope));
        let is_full = |part: &Vec<_>| part.len() == MESSAGES || bytes + body.len() > BYTES;
        if parts.last().is_none_or(is_full) {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += body.len();
        let Some(part) = parts.last_mut() else { continue };
        let id = envelope.id(letter);
        let name = blake3::hash(format!("{id}\n{}", letter.attempts).as_bytes()).to_hex().to_string();
        let message = json!({
            "Id": part.len().to_string(),
            "MessageBody": body,
            "MessageGroupId": group(envelope, letter),
            "MessageDeduplicationId": name,
        });
        part.push((letter, message));
    }
    parts
}

/// The letter, without its record if it would be too long with it.
fn text(letter: &Outgoing, envelope: &Envelope) -> String {
    let whole = envelope.for_queue(letter);
    if whole.len() <= LETTER_MAX {
        return whole;
    }
    let raw_hash = letter.raw.as_ref().map(|raw| blake3::hash(raw).as_bytes().to_vec());
    let raw_hash = raw_hash.or_else(|| letter.raw_hash.clone());
    let short = Outgoing { raw: None, raw_hash, fixed: None, ..letter.clone() };
    envelope.for_queue(&short)
}

/// The group within which messages are ordered: one per source.
fn group(envelope: &Envelope, letter: &Outgoing) -> String {
    let group = format!("{}/{}", encoded(&envelope.job), letter.source_id);
    // A group's name may not be longer.
    match group.len() {
        ..=128 => group,
        _ => blake3::hash(group.as_bytes()).to_hex().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::history::Line;

    fn letter(id: i64, raw: usize) -> Outgoing {
        Outgoing {
            id,
            source_id: 3,
            source: "a.ndjson".to_owned(),
            data_date: None,
            generation: 0,
            offset: 8,
            line: Line::of(1, 0, Some(0)),
            length: 4,
            raw: Some(vec![b'x'; raw]),
            raw_hash: None,
            fixed: None,
            stage: "parse".to_owned(),
            reasons: json!([]),
            state: "open".to_owned(),
            attempts: 1,
            first_seen: Default::default(),
            is_due: true,
        }
    }

    #[test]
    fn a_request_carries_no_more_than_it_may() {
        let envelope = Envelope::new("job", "t".to_owned());
        let letters: Vec<_> = (0..25).map(|id| letter(id, 10)).collect();
        let sizes: Vec<usize> = parts(&letters, &envelope).iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 10, 5]);
        let letters: Vec<_> = (0..5).map(|id| letter(id, 100 << 10)).collect();
        for part in parts(&letters, &envelope) {
            let bytes: usize = part.iter().map(|(_, message)| message["MessageBody"].to_string().len()).sum();
            assert!(bytes <= BYTES, "{bytes}");
        }
    }

    #[test]
    fn a_letter_that_is_too_long_has_place_and_hash() {
        let envelope = Envelope::new("job", "t".to_owned());
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("an object");
        let short = read(&text(&letter(1, 10), &envelope));
        assert_eq!(short["raw"], "xxxxxxxxxx");
        let long = text(&letter(1, LETTER_MAX), &envelope);
        assert!(long.len() < 1_000);
        let long = read(&long);
        let hash = blake3::hash(&vec![b'x'; LETTER_MAX]).to_hex().to_string();
        assert_eq!(
            (&long["raw"], &long["offset"], &long["raw_blake3"]),
            (&Value::Null, &json!(8), &json!(hash))
        );
    }

    #[test]
    fn what_is_tried_again_is_another_message() {
        let envelope = Envelope::new("job", "t".to_owned());
        let name = |letter: Outgoing| {
            parts(&[letter], &envelope)[0][0].1["MessageDeduplicationId"].as_str().expect("a name").to_owned()
        };
        assert_eq!(name(letter(1, 1)), name(letter(2, 1)));
        assert_ne!(name(letter(1, 1)), name(Outgoing { attempts: 2, ..letter(1, 1) }));
        assert!(name(letter(1, 1)).len() <= 128);
        let long = Envelope::new(&"ä".repeat(100), "t".to_owned());
        assert!(group(&long, &letter(1, 1)).len() <= 128);
    }
}
