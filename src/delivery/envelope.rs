//! The envelope: a dead letter as it is sent, as one JSON object.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::printable::printable_json;
use crate::sink::history::Line;
use crate::sink::outbox::Outgoing;

/// The common parts of all envelopes of a job.
pub(super) struct Envelope {
    pub(super) job: String,
    pub(super) table: String,
}

impl Envelope {
    pub(super) fn new(job: &str, table: String) -> Envelope {
        Envelope { job: job.to_owned(), table }
    }

    /// The id by which a receiver can recognise a letter that arrives twice. A replay keeps it, a rebuild of
    /// the source does not.
    pub(super) fn id(&self, letter: &Outgoing) -> String {
        format!("{}/{}/{}/{}", encoded(&self.job), letter.source_id, letter.offset, letter.generation)
    }

    /// The letter for a file that lists all letters of a stretch: apart from its state, nothing in it depends
    /// on when it was written or tried.
    pub(super) fn for_file(&self, letter: &Outgoing) -> String {
        printable_json(&self.of(letter).to_string())
    }

    /// The letter for a queue, whose readers do not see the table.
    pub(super) fn for_queue(&self, letter: &Outgoing) -> String {
        let mut envelope = self.of(letter);
        envelope["first_seen"] =
            letter.first_seen.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true).into();
        envelope["attempts"] = letter.attempts.into();
        envelope["logmill"] = env!("CARGO_PKG_VERSION").into();
        printable_json(&envelope.to_string())
    }

    fn of(&self, letter: &Outgoing) -> Value {
        let mut envelope = json!({
            "id": self.id(letter),
            "job": self.job,
            "table": self.table,
            "data_date": letter.data_date.map(|date| date.to_string()),
            "source": letter.source,
            "line": letter.line.line,
            "offset": letter.offset,
            "length": letter.length,
        });
        // While the line in the file is unknown because something before it is not loaded.
        if let Line { line: None, line_of_split, split_start } = letter.line {
            envelope["line_of_split"] = line_of_split.into();
            envelope["split_start"] = split_start.into();
        }
        match &letter.raw {
            Some(raw) => put_bytes(&mut envelope, "raw", raw),
            None => {
                envelope["raw"] = Value::Null;
                let hash = letter.raw_hash.as_deref().unwrap_or_default();
                let digits = hash.iter().fold(String::new(), |mut digits, byte| {
                    let _ = write!(digits, "{byte:02x}");
                    digits
                });
                envelope["raw_blake3"] = digits.into();
            }
        }
        if let Some(fixed) = &letter.fixed {
            put_bytes(&mut envelope, "fixed", fixed);
        }
        envelope["reasons"] = letter.reasons.clone();
        envelope["stage"] = letter.stage.as_str().into();
        envelope["state"] = letter.state.as_str().into();
        envelope
    }
}

/// Inserts bytes as text or, if they are not text, as base64.
fn put_bytes(envelope: &mut Value, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => envelope[name] = text.into(),
        Err(_) => envelope[format!("{name}_base64")] = STANDARD.encode(bytes).into(),
    }
}

/// A name as one part of an id or of a path: anything but letters, digits, `-`, `_`, `~` and inner dots
/// becomes `%XX`, so that no name can reach another folder, or be hidden.
pub(super) fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            b'.' if index > 0 => out.push('.'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Outgoing {
        Outgoing {
            id: 7,
            source_id: 3,
            source: "a\u{202e}.ndjson".to_owned(),
            data_date: "2024-02-29".parse().ok(),
            generation: 1,
            offset: 1 << 40,
            line: Line::of(12, 0, Some(0)),
            length: 4,
            raw: Some(b"{\"n\"".to_vec()),
            raw_hash: None,
            fixed: None,
            stage: "parse".to_owned(),
            reasons: json!([{"code": "json_invalid"}]),
            state: "open".to_owned(),
            attempts: 2,
            first_seen: "2024-03-01T00:00:00.5Z".parse().expect("a stamp"),
            is_due: true,
        }
    }

    #[test]
    fn names_stay_in_their_place() {
        for (name, part) in [
            ("app-logs_1.x~", "app-logs_1.x~"),
            ("..", "%2E."),
            (".hidden", "%2Ehidden"),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            ("public.\"a b\"", "public.%22a%20b%22"),
            ("ä", "%C3%A4"),
            ("100%", "100%25"),
        ] {
            assert_eq!(encoded(name), part);
        }
    }

    #[test]
    fn a_letter_is_one_object_on_one_line() {
        let envelope = Envelope::new("app/x", "public.t".to_owned());
        let expected = r#"{"id":"app%2Fx/3/1099511627776/1","job":"app/x","table":"public.t","data_date":"2024-02-29","source":"a\u202e.ndjson","line":12,"offset":1099511627776,"length":4,"raw":"{\"n\"","reasons":[{"code":"json_invalid"}],"stage":"parse","state":"open"}"#;
        assert_eq!(envelope.for_file(&letter()), expected);
        let queued = envelope.for_queue(&letter());
        let more = format!(
            r#","first_seen":"2024-03-01T00:00:00.500Z","attempts":2,"logmill":"{}"}}"#,
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(queued, format!("{}{more}", expected.trim_end_matches('}').to_owned()));
    }

    #[test]
    fn a_line_of_a_split_says_so() {
        let envelope = Envelope::new("app", "t".to_owned());
        let late = Outgoing { line: Line::of(12, 100, None), ..letter() };
        let line =
            r#""line":null,"offset":1099511627776,"length":4,"line_of_split":12,"split_start":100,"raw":"#;
        assert!(envelope.for_file(&late).contains(line), "{}", envelope.for_file(&late));
    }

    #[test]
    fn what_was_mended_stands_beside_the_record() {
        let envelope = Envelope::new("app", "t".to_owned());
        let fixed = |bytes: &[u8]| envelope.for_file(&Outgoing { fixed: Some(bytes.to_vec()), ..letter() });
        assert!(fixed(b"{}").contains(r#""raw":"{\"n\"","fixed":"{}","reasons""#), "{}", fixed(b"{}"));
        assert!(fixed(b"\xff").contains(r#""raw":"{\"n\"","fixed_base64":"/w==","reasons""#));
    }

    #[test]
    fn what_is_no_text_is_base64_and_what_is_not_kept_is_its_hash() {
        let envelope = Envelope::new("app", "t".to_owned());
        let raw = Outgoing { raw: Some(b"\xff\0".to_vec()), ..letter() };
        assert!(envelope.for_file(&raw).contains(r#""raw_base64":"/wA=","reasons""#));
        let hashed = Outgoing { raw: None, raw_hash: Some(vec![0, 0xab]), ..letter() };
        assert!(envelope.for_file(&hashed).contains(r#""raw":null,"raw_blake3":"00ab","reasons""#));
    }
}
