//! Cutting: whatever the bytes of a file and wherever its chunks end, its records are the same, be they
//! lines, multi-line records with a start pattern, quoted records, or JSON objects.

use std::sync::Arc;

use logmill::source::{Body, Chunks, Framing, Objects, Quotes, Settings, Source, Start};

pub const SEEDS: &[&[u8]] = &[
    b"\x10{\"a\":1}\n{\"a\":2}\r\n\n\r\n{\"a\":3}",
    b"\x01\n\n\n\r\r\n\r",
    b"\x031 a\n  at\r\n2 b\n\n3\n",
    b"\x07a,\"b\n\"\"c\",d\n5\" e,f\r\n\"g",
    b"\x02[\n {\"a\": [{}]},\r\n {\"b\":\"x\n}, {}]{\"Records\":[{},{\"c\":\"}\\\"\"}]}",
    b"\x40a line that is longer than any chunk, and than the longest record too: so it is only counted\nb\n",
];

/// A longer record is counted and hashed, but never in memory at once.
const RECORD_BYTES_MAX: usize = 64;

/// The facts about a record: its start, its length, and the hash of its bytes.
type Known = (u64, u64, [u8; 32]);

pub fn run(data: &[u8]) {
    let Some((&chunk_bytes, text)) = data.split_first() else { return };
    // Our own first line, so that the file is no archive and has no byte order mark.
    let bytes = [b"x\n", text].concat();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &bytes).expect("written");
    let quotes = Quotes { delimiter: b',', quote: b'"', escape: None, comment: None };
    let starts = regex::bytes::Regex::new("^[0-9]").expect("a pattern");
    assert_eq!(records_of(&bytes, &Framing::Lines), lines_of(&bytes));
    let [objects, records] = [None, Some("Records")].map(|list| Framing::Objects(Objects { list }));
    for framing in [Framing::Lines, Framing::Starts(starts), Framing::Quoted(quotes), objects, records] {
        let expected = records_of(&bytes, &framing);
        for chunk_bytes in [usize::from(chunk_bytes).max(1), 1 << 16] {
            let settings = Settings {
                framing: framing.clone(),
                chunk_bytes,
                record_bytes_max: RECORD_BYTES_MAX,
                ..Settings::default()
            };
            assert_eq!(
                read(file.path(), &settings),
                expected,
                "{framing:?}, in chunks of {chunk_bytes} bytes"
            );
        }
    }
}

fn records_of(bytes: &[u8], framing: &Framing) -> Vec<Known> {
    let known =
        |start: usize, record: &[u8]| (start as u64, record.len() as u64, *blake3::hash(record).as_bytes());
    // Commas and brackets between objects are no records.
    let records = framing.records(bytes).filter(|record| !framing.is_comment(record.bytes));
    records.map(|record| known(record.start, record.bytes)).collect()
}

/// The lines, by the first sentence of their definition.
fn lines_of(bytes: &[u8]) -> Vec<Known> {
    let mut start = 0;
    let mut lines = Vec::new();
    for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
        let line = piece.strip_suffix(b"\n").unwrap_or(piece);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        lines.push((start, line.len() as u64, *blake3::hash(line).as_bytes()));
        start += piece.len() as u64;
    }
    lines
}

fn read(path: &std::path::Path, settings: &Settings) -> Vec<Known> {
    let source = Arc::new(Source::open(path).expect("opened"));
    let mut chunks = Chunks::new(&source, Start::zero(), None, settings).expect("started");
    let (mut found, mut end) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next_chunk().expect("read") {
        assert_eq!(chunk.span.start, end, "a chunk starts where the one before it ends");
        end = chunk.span.end;
        match chunk.body {
            Body::Records(bytes) => {
                let first = chunk.span.start;
                let records = records_of(&bytes, &settings.framing).into_iter();
                found.extend(records.map(|(start, length, hash)| (first + start, length, hash)));
            }
            Body::TooLong { lead, length, hash, .. } => {
                assert!(length > RECORD_BYTES_MAX as u64, "a record of {length} bytes is not too long");
                found.push((chunk.span.start + lead, length, hash));
            }
        }
    }
    found
}
