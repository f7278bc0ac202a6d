//! Formats whose records need the lines before them: however a file is cut, and whatever header it repeats
//! in the middle, its records are the same.

use std::sync::Arc;

use logmill::format::{AnyFormat, AwsLog, Chunk, Dialect, Extras, Memory, Pattern, Preamble, Spec, of};
use logmill::source::{Body, Chunks, Objects, Runtime, Settings, Source, Start};

pub const SEEDS: &[&[u8]] = &[
    b"\x10#Software: IIS\r\n#Fields: date time c-ip\r\n2023-10-27 00:00:01 ::1\r\n#Fields: c-ip\r\n::1\r\n#Remark: x",
    b"\x05#Version: 1.0\n#Fields: date time x\n2023-10-27\t00:00:01\t\"a \"\"b\"\"\"\n#Date: 2023-10-27 1",
    b"\x08#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#fields\ta\tb\n#types\tset[int]\tstring\n1,2\t-\n",
    b"\x20#fields\ta\n\\x41\n#separator \\x7c\n#fields|a|b\n1|(empty)\n#close\n",
    b"\x03[{\"a\":1},\n{\"b\":[{}]}]\n{\"Records\":[{\"c\":\"}\"}]}",
    b"\x04version srcaddr tcp-flags\n3 10.0.0.1 2\n\"3\" - \"a b\"\n2 1 e 1 2 3 4 5 6 7 8 9 ACCEPT OK\n",
    b"\x21{\"log\":\"1 a\\n\",\"stream\":\"stdout\"}\n{\"log\":\"\\tb\",\"stream\":\"stdout\"}\n{\"log\":\"c\\n\",\"stream\":\"stderr\"}",
    b"\x15 2023-10-27T12:34:56Z stdout P 1\n2023-10-27T12:34:56Z stdout F 2\n2023-10-27T12:34:56Z stderr F \nweb-1 | \x1b[0m1\n",
    b"\x07a,\"b\n\"\"c\"\n1,\"2\n3\"\n#,\n4\n",
];

/// A longer record is not parsed.
const RECORD_BYTES_MAX: usize = 256;

pub fn run(data: &[u8]) {
    let Some((&chunk_bytes, text)) = data.split_first() else { return };
    // Our own first line, so that the file is no archive and has no byte order mark.
    let bytes = [b"#x\n", text].concat();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &bytes).expect("written");
    let csv = Spec::Csv(Dialect { comment: Some(b'#'), ..Dialect::default() });
    let [objects, records] = [None, Some("Records")].map(|list| Spec::Json(Objects { list }));
    let flows = Spec::Aws(AwsLog::named("vpc_flow").expect("a log of AWS"));
    let pattern = Pattern::new("^(?P<message>(?s:.*))$").expect("a pattern");
    let digit = regex::bytes::Regex::new("^[0-9]").expect("a pattern");
    let contained = [Runtime::Cri, Runtime::Docker, Runtime::Compose].into_iter().flat_map(|runtime| {
        [None, Some(&digit)].map(|start| {
            let payload = Spec::Regex { pattern: pattern.clone(), record_start: start.cloned() };
            Spec::Contained { runtime, payload: Box::new(payload) }
        })
    });
    let tables = [Spec::W3c, Spec::Zeek, csv, objects, records, flows];
    for spec in tables.into_iter().chain(contained) {
        let format = of(&spec, &[["timestamp"], ["a"]].map(|path| path.to_vec()), Extras::Gathered);
        let whole = read(&format, file.path(), 1 << 16);
        let cut = read(&format, file.path(), usize::from(chunk_bytes).max(1));
        assert_eq!(whole, cut, "{spec}, in chunks of {chunk_bytes} bytes");
    }
}

/// Each record of a file with its offset, and the numbers of records, skipped lines and blank lines.
fn read(format: &AnyFormat, path: &std::path::Path, chunk_bytes: usize) -> (Vec<String>, [u64; 3]) {
    let settings = Settings {
        framing: format.framing().clone(),
        chunk_bytes,
        record_bytes_max: RECORD_BYTES_MAX,
        ..Settings::default()
    };
    let source = Arc::new(Source::open(path).expect("opened"));
    let mut chunks = Chunks::new(&source, Start::zero(), None, &settings).expect("started");
    let (mut found, mut counts, mut copy) = (Vec::new(), [0; 3], Vec::new());
    let (mut memory, mut preamble) = (Memory::default(), Preamble::default());
    while let Some(chunk) = chunks.next_chunk().expect("read") {
        let behind = format.behind(&preamble, &chunk.body, RECORD_BYTES_MAX, &mut copy);
        let start = chunk.span.start;
        match chunk.body {
            Body::Records(bytes) => {
                let chunk = Chunk { bytes: &bytes, preamble: &preamble, record_bytes_max: RECORD_BYTES_MAX };
                let counted = format.each_record(chunk, &mut memory, |place, record, arena| {
                    let what = match record {
                        Ok(record) => {
                            let json = record.root().json(arena);
                            let value: serde_json::Value = serde_json::from_slice(json).expect("JSON");
                            assert!(value.is_object(), "{value}");
                            String::from_utf8_lossy(json).into_owned()
                        }
                        Err(fault) => fault.code.to_string(),
                    };
                    found.push(format!("{}: {what}", start + place.start as u64));
                });
                let of_chunk = [counted.records, counted.skipped, counted.blank];
                of_chunk.iter().zip(&mut counts).for_each(|(more, count)| *count += u64::from(*more));
            }
            Body::TooLong { lead, .. } => {
                counts[0] += 1;
                found.push(format!("{}: record_too_long", start + lead));
            }
        }
        preamble = behind;
    }
    (found, counts)
}
