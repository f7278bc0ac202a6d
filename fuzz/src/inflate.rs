//! Archives: for arbitrary bytes, reading ends with all good data or with an error, in order and in bounded
//! memory.

use std::sync::Arc;

use logmill::source::{Chunks, Settings, Source, Start, TAIL_BYTES};

/// One gzip member and two, one zstd frame and two, a skippable frame, a frame that claims more than it
/// holds, and a bzip2 stream.
pub const SEEDS: &[&[u8]] = &[
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabVJT\xb22\xac\xe5\x02\x00F\xa3\xe8t\x08\x00\x00\x00",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabVJT\xb22\xac\xe5\x02\x00F\xa3\xe8t\x08\x00\x00\x00\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabVJT\xb22\xac\xe5\xaa\x1e\xa5\xc9\xa2+F\xc1(\x18\x05\xa3`\x14\x8c\x82Q0\xe4\x01\x17\x00o\xe0;\xf4\x11\x09\x00\x00",
    b"(\xb5/\xfd\x04XA\x00\x00{\x22a\x22:1}\x0a\xe2\xef\xec\xe0",
    b"(\xb5/\xfd\x00XA\x00\x00{\x22a\x22:1}\x0a(\xb5/\xfd\x04X\xa5\x00\x00H{\x22a\x22:2}\x0ay\x02\x00\xb4\xc3\xf9\xa2*\xf3\x0b\x17\xce\xfe\xc5\xf9",
    b"\x50\x2a\x4d\x18\x02\x00\x00\x00xx(\xb5/\xfd\x00XA\x00\x00{\x22a\x22:1}\x0a",
    b"(\xb5/\xfd\x80\x58\xff\xff\xff\x7fA\x00\x00{\x22a\x22:1}\x0a",
    b"BZh91AY&SY\xba\xc6M\xdb\x00\x00\x03Y\x80\x00\x10\x10\x00 \x10 \x00\x00\n \x00\"\x03e\x08`\x11J\x1f\x17rE8P\x90\xba\xc6M\xdb",
];

const CHUNK_BYTES: usize = 256;
const RECORD_BYTES_MAX: usize = 1024;

/// A few bytes can expand to gigabytes; beyond this limit nothing new happens.
const BYTES_MAX: u64 = 4 << 20;

pub fn run(data: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), data).expect("written");
    let settings =
        Settings { chunk_bytes: CHUNK_BYTES, record_bytes_max: RECORD_BYTES_MAX, ..Settings::default() };
    let Ok(source) = Source::open(file.path()) else { return };
    let Ok(mut chunks) = Chunks::new(&Arc::new(source), Start::zero(), None, &settings) else { return };
    let mut end = None;
    while let Ok(Some(chunk)) = chunks.next_chunk() {
        assert!(end.is_none_or(|end| end == chunk.span.start), "chunks follow each other");
        assert!(
            chunk.bytes() <= (CHUNK_BYTES + RECORD_BYTES_MAX + 2).max(TAIL_BYTES),
            "a chunk of {} bytes",
            chunk.bytes()
        );
        end = Some(chunk.span.end);
        if chunk.span.end > BYTES_MAX {
            return;
        }
    }
}
