//! Cutting: whatever the bytes of a file, and wherever its chunks end, its lines are the same.

use std::sync::Arc;

use logmill::source::{Body, Chunks, Lines, Settings, Source, Start};

pub const SEEDS: &[&[u8]] = &[
    b"\x10{\"a\":1}\n{\"a\":2}\r\n\n\r\n{\"a\":3}",
    b"\x01\n\n\n\r\r\n\r",
    b"\x40a line that is longer than any chunk, and than the longest record too: so it is only counted\nb\n",
];

/// A longer record is counted and hashed, and never in memory at once.
const RECORD_BYTES_MAX: usize = 64;

/// What is known of a line: where it starts, how long it is, and the hash of its bytes.
type Line = (u64, u64, [u8; 32]);

pub fn run(data: &[u8]) {
    let Some((&chunk_bytes, text)) = data.split_first() else { return };
    // A first line of ours, so that the file is no archive and has no byte order mark.
    let bytes = [b"x\n", text].concat();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &bytes).expect("written");
    let expected = lines_of(&bytes);
    for chunk_bytes in [usize::from(chunk_bytes).max(1), 1 << 16] {
        let settings = Settings { chunk_bytes, record_bytes_max: RECORD_BYTES_MAX, ..Settings::default() };
        assert_eq!(read(file.path(), &settings), expected, "in chunks of {chunk_bytes} bytes");
    }
}

/// The lines as the first sentence of their definition has them.
fn lines_of(bytes: &[u8]) -> Vec<Line> {
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

fn read(path: &std::path::Path, settings: &Settings) -> Vec<Line> {
    let source = Arc::new(Source::open(path).expect("opened"));
    let mut chunks = Chunks::new(&source, Start::zero(), None, settings).expect("started");
    let (mut found, mut end) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next_chunk().expect("read") {
        assert_eq!(chunk.span.start, end, "a chunk starts where the one before it ends");
        end = chunk.span.end;
        match chunk.body {
            Body::Records(bytes) => {
                for line in Lines::new(&bytes) {
                    let start = chunk.span.start + line.start as u64;
                    found.push((start, line.bytes.len() as u64, *blake3::hash(line.bytes).as_bytes()));
                }
            }
            Body::TooLong { length, hash, .. } => {
                assert!(length > RECORD_BYTES_MAX as u64, "a record of {length} bytes is not too long");
                found.push((chunk.span.start, length, hash));
            }
        }
    }
    found
}
