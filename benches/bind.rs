//! How fast is a line of NDJSON a row?
//!
//! Step by step: what does it cost to count the newlines, which is the floor of everything, to
//! find the lines, to run simd-json over each, which is the floor of parsing, to mark the wanted
//! values, to read every value by the rules of its field, and to write the row as the server
//! wants it? One core, generated lines, everything in the cache. The encoder is that of a table
//! in a private PostgreSQL, which is asked for its columns and for nothing else.

/// The private server.
#[path = "../tests/harness/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::all,
    clippy::unwrap_used,
    reason = "made for tests, and looked at there"
)]
mod harness;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bumpalo::Bump;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logmill::event::Observer;
use logmill::format::{Chunk, Json, Memory, Preamble, Record, each_record};
use logmill::reject::Faults;
use logmill::schema::{Bounds, Enum, Field, Float, Kind, Schema, Text, Timestamp};
use logmill::sink::destination::{Settings, Timeouts};
use logmill::sink::postgres::connect::{Server, Timeouts as ConnectTimeouts};
use logmill::sink::postgres::{CopyEncoder, Postgres};
use logmill::sink::{Key, OnConflict};
use logmill::source::{Framing, Hash16};
use logmill::stop::Stop;
use logmill::work::{Encoder, Place};

/// How many lines are parsed in one go: more than fit into the second cache.
const LINES: usize = 20_000;

/// Eight fields, as the job of a web service would have them.
fn schema() -> Schema {
    let text = |min_length| Kind::Text(Text { min_length, ..Text::default() });
    let at_least = |ge| Kind::Int(Bounds { ge: Some(ge), ..Bounds::default() });
    Schema {
        fields: vec![
            Field::new("timestamp", Kind::Timestamp(Timestamp::default())),
            Field::new("severity", Kind::Enum(Enum::new(["DEBUG", "INFO", "WARN", "ERROR"]))),
            Field::new("module", text(Some(1))),
            Field::new("message", text(None)),
            Field::new("user_id", at_least(0)),
            Field::new("status", at_least(100)),
            Field::new("duration_ms", Kind::Float(Float::default())),
            Field::new("request_id", Kind::Uuid),
        ],
        ..Schema::default()
    }
}

/// The lines, of 333 bytes each on average, one message in twenty with an escape or a letter
/// beyond ASCII. The seed is fixed, so they are the same anywhere.
fn lines() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    let words = ["connection", "timeout", "user", "retry", "cache", "payment", "query", "service", "gateway"];
    let mut lines = Vec::new();
    for _ in 0..LINES {
        let mut message: Vec<_> = (0..16).map(|_| words[random.usize(..words.len())]).collect();
        match random.u32(..40) {
            0 => message.push("\\\"quoted\\\""),
            1 => message.push("größe"),
            _ => {}
        }
        let line = format!(
            r#"{{"timestamp":"2023-10-{:02}T{:02}:{:02}:{:02}.{:06}Z","severity":"{}","module":"api.{}","message":"{}","user_id":{},"status":{},"duration_ms":{:.3},"request_id":"{}"}}"#,
            random.u32(1..31),
            random.u32(..24),
            random.u32(..60),
            random.u32(..60),
            random.u32(..1_000_000),
            random.choice(["DEBUG", "INFO", "WARN", "ERROR"]).expect("not empty"),
            random.choice(["auth", "orders", "search"]).expect("not empty"),
            message.join(" "),
            random.u32(..10_000_000),
            random.u32(200..600),
            random.f64() * 1000.0,
            uuid::Uuid::from_u128(random.u128(..)),
        );
        lines.extend_from_slice(line.as_bytes());
        lines.push(b'\n');
    }
    lines
}

/// What encodes rows for a table that is made for them.
fn encoder(url: &str) -> Arc<CopyEncoder> {
    let second = Duration::from_secs(1);
    let server = Arc::new(Server::new(url, &|_| None, ConnectTimeouts::default()).expect("a URL"));
    let settings = Settings {
        job: "bench".to_owned(),
        data_date: None,
        command: "bench".to_owned(),
        table: "t".parse().expect("a name"),
        create: true,
        key: Key::Position,
        on_conflict: OnConflict::Update,
        schema: Arc::new(schema()),
        rules_hash: Hash16([0; 16]),
        raw_max: 0,
        connect_timeout: second,
        timeouts: Timeouts { statement: 10 * second, lock: 10 * second },
        retry_for: second,
        deadline: 10 * second,
        stop: Stop::default(),
        observer: Observer::default(),
    };
    Postgres::open(server, settings).expect("a server").encoder()
}

/// Runs `visit` over every line, as a worker does over those of a chunk.
fn each_line(lines: &[u8], json: &Json, memory: &mut Memory, mut visit: impl FnMut(&Record<'_>, &Bump)) {
    let chunk = Chunk { bytes: lines, preamble: &Preamble::default(), record_bytes_max: usize::MAX };
    each_record(json, chunk, memory, |_, record, arena| visit(record.expect("a valid line"), arena));
}

fn bind(criterion: &mut Criterion) {
    let (schema, lines) = (schema(), lines());
    let json = Json::new(&schema.paths(), schema.extras());
    let mut memory = Memory::default();
    println!("{} bytes per line", lines.len() / LINES);

    let mut group = criterion.benchmark_group("ndjson");
    group.throughput(Throughput::Bytes(lines.len() as u64)).sample_size(20);
    group.bench_function("newlines", |bencher| {
        bencher.iter(|| memchr::memchr_iter(b'\n', black_box(&lines)).count());
    });
    group.bench_function("lines", |bencher| {
        bencher.iter(|| {
            for line in Framing::Lines.records(black_box(&lines)) {
                black_box(line.start);
            }
        });
    });
    group.bench_function("simd-json", |bencher| {
        bencher.iter(|| {
            let mut buffers = simd_json::Buffers::new(4096);
            let (mut tape, mut copy, mut start) = (simd_json::Tape(Vec::new()), Vec::new(), 0);
            for end in memchr::memchr_iter(b'\n', &lines) {
                let line = &lines[start..end];
                start = end + 1;
                copy.clear();
                copy.extend_from_slice(line);
                copy.extend_from_slice(&[0; simd_json::INPUT_PADDING]);
                simd_json::fill_tape_padded(&mut copy, line.len(), &mut buffers, &mut tape).expect("JSON");
                black_box(tape.0.len());
                tape = tape.reset();
            }
        });
    });
    group.bench_function("parse", |bencher| {
        bencher.iter(|| {
            each_line(&lines, &json, &mut memory, |record, _| {
                black_box(record.get(0).is_some());
            });
        });
    });
    group.bench_function("parse and bind", |bencher| {
        bencher.iter(|| {
            let mut faults = Faults::default();
            each_line(&lines, &json, &mut memory, |record, arena| {
                black_box(schema.bind(record, arena, &mut faults).expect("a valid record").values());
            });
        });
    });
    let database = harness::postgres::Server::start(harness::postgres::Options::default()).database();
    let encoder = encoder(&database.url());
    group.bench_function("parse, bind and encode", |bencher| {
        let (mut rows, mut offset) = (Vec::new(), 0);
        bencher.iter(|| {
            let mut faults = Faults::default();
            rows.clear();
            each_line(&lines, &json, &mut memory, |record, arena| {
                let row = schema.bind(record, arena, &mut faults).expect("a valid record");
                let place = Place { source_id: 1, offset, raw: &[] };
                offset += 1;
                assert!(encoder.encode(&row, place, &mut rows, &mut faults));
            });
            black_box(rows.len());
        });
    });
    group.finish();
}

criterion_group!(benches, bind);
criterion_main!(benches);
