//! How fast does a line become a row? For NDJSON and for each text format.
//!
//! Step by step, what does it cost to count the newlines (the floor of everything), to find the lines, to
//! run simd-json over each (the floor of parsing), to mark the wanted values, to read every value by the
//! rules of its field, and to encode the row for the server? One core, generated lines, everything in the
//! cache. The encoder belongs to a table in a private PostgreSQL, which only reports the columns. Each text
//! format is compared with a regular expression that finds the same values.

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
use logmill::bench::dataset::{self, Amount, Recipe};
use logmill::event::Observer;
use logmill::format::{
    Chunk, Dialect, Json, LogFormat, Memory, Pattern, Preamble, Record, Spec, each_record, of,
};
use logmill::reject::Faults;
use logmill::schema::{Bounds, Enum, Field, Float, Kind, Schema, StampFormat, Strptime, Text, Timestamp};
use logmill::sink::destination::{Settings, Timeouts};
use logmill::sink::postgres::connect::{Limits, Server};
use logmill::sink::postgres::{CopyEncoder, Postgres};
use logmill::sink::{Key, OnConflict};
use logmill::source::{Framing, Hash16, Objects, Runtime};
use logmill::stop::Stop;
use logmill::work::{Encoder, Place};

/// How many lines one iteration parses: more than fit into the L2 cache.
const LINES: usize = 20_000;

/// Eight fields, like those of a web service's job.
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
            Field::new("request_id", Kind::Uuid { version: None }),
        ],
        ..Schema::default()
    }
}

/// Lines of 333 bytes on average; one message in twenty has an escape or a letter beyond ASCII. The seed is
/// fixed, so the lines are the same everywhere.
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

/// The encoder of `schema` for a table made for it.
fn encoder(url: &str, table: &str, schema: Schema) -> Arc<CopyEncoder> {
    let second = Duration::from_secs(1);
    let server = Arc::new(Server::new(url, true, &|_| None, Limits::default()).expect("a URL"));
    let settings = Settings {
        job: "bench".to_owned(),
        data_date: None,
        command: "bench".to_owned(),
        table: table.parse().expect("a name"),
        create: true,
        key: Key::Position,
        on_conflict: OnConflict::Update,
        has_company: false,
        schema: Arc::new(schema),
        constants: Vec::new(),
        rollups: Default::default(),
        objects: Default::default(),
        state: Default::default(),
        rules_hash: Hash16([0; 16]),
        is_rebuild: false,
        raw_max: 0,
        connect_timeout: second,
        timeouts: Timeouts { statement: 10 * second, lock: 10 * second },
        reach_for: second,
        retry_for: second,
        deadline: 10 * second,
        stop: Stop::default(),
        observer: Observer::default(),
    };
    Postgres::open(server, settings).expect("a server").encoder()
}

/// Runs `visit` over every line, as a worker does for the lines of a chunk.
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
    let encoder = encoder(&database.url(), "ndjson", schema.clone());
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

/// A pattern for logfmt lines, as a job would have it.
const PAIRS: &str = r#"^ts=(?<ts>\S+) level=(?<level>\S+) caller=(?<caller>\S+) msg="(?<msg>(?:[^"\\]|\\.)*)" user\.id=(?<user>\S+) took=(?<took>\S+) trace=(?<trace>\S+)"#;

/// A text format: its lines, the fields to read, and a pattern that finds the same.
struct Log {
    name: &'static str,
    spec: Spec,
    written: dataset::Format,
    fields: Vec<Field>,
    pattern: &'static str,
}

fn logs() -> [Log; 10] {
    let text = |name| Field::new(name, Kind::Text(Text::default())).optional();
    let int = |name| Field::new(name, Kind::Int(Bounds::default())).optional();
    let letters = Strptime::new("%d/%b/%Y:%H:%M:%S %z").expect("a layout");
    let stamp = Timestamp { format: StampFormat::Strptime(letters), ..Timestamp::default() };
    [
        Log {
            name: "combined",
            spec: Spec::Access(LogFormat::named("combined").expect("a name")),
            written: dataset::Format::Combined,
            fields: vec![
                Field::new("client", Kind::Ip { version: None }),
                text("user"),
                Field::new("timestamp", Kind::Timestamp(stamp)),
                text("method"),
                text("target"),
                int("status"),
                text("bytes"),
                text("referer"),
                text("user_agent"),
            ],
            pattern: r#"^(?<client>[^ ]+) ([^ ]+) (?<user>.*?) \[([^\]]+)\] "(?:(\S+) (.*?) (\S+)|((?:[^"\\]|\\.)*))" ([0-9]{3}) ([0-9]+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"$"#,
        },
        Log {
            name: "logfmt",
            spec: Spec::Logfmt,
            written: dataset::Format::Logfmt,
            fields: vec![
                Field::new("ts", Kind::Timestamp(Timestamp::default())),
                Field::new("level", Kind::Enum(Enum::new(["info", "warn", "error"]))),
                text("caller"),
                text("msg"),
                int("user.id"),
                Field::new("took", Kind::Float(Float::default())),
                text("trace"),
            ],
            pattern: r#"^ts=(\S+) level=(\S+) caller=(\S+) msg="((?:[^"\\]|\\.)*)" user\.id=(\S+) took=(\S+) trace=(\S+)"#,
        },
        Log {
            name: "regex",
            spec: Spec::Regex { pattern: Pattern::new(PAIRS).expect("a pattern"), record_start: None },
            written: dataset::Format::Logfmt,
            fields: vec![
                Field::new("ts", Kind::Timestamp(Timestamp::default())),
                Field::new("level", Kind::Enum(Enum::new(["info", "warn", "error"]))),
                text("caller"),
                text("msg"),
                int("user"),
                Field::new("took", Kind::Float(Float::default())),
                text("trace"),
            ],
            pattern: PAIRS,
        },
        Log {
            name: "syslog",
            spec: Spec::Syslog,
            written: dataset::Format::Syslog,
            fields: vec![
                text("timestamp"),
                text("hostname"),
                text("appname"),
                text("procid"),
                text("message"),
            ],
            pattern: r"^(?:(...............) (\S+) ([^ :\[]+)(?:\[([0-9]+)\])?: ?(.*)|<([0-9]+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) (-|\[.*\])(?: (.*))?)$",
        },
        Log {
            name: "csv",
            spec: Spec::Csv(Dialect::default()),
            written: dataset::Format::Csv,
            fields: vec![
                Field::new("at", Kind::Timestamp(Timestamp::default())),
                int("order"),
                text("customer"),
                int("items"),
                Field::new("total", Kind::Float(Float::default())),
                text("currency"),
                text("note"),
                text("state"),
            ],
            pattern: r#"^([^,]*),([^,]*),([^,]*),([^,]*),([^,]*),([^,]*),([^,"]*|"(?:[^"]|"")*"),([^,\r]*)\r?$"#,
        },
        Log {
            name: "w3c",
            spec: Spec::W3c,
            written: dataset::Format::W3c,
            fields: vec![
                Field::new("timestamp", Kind::Timestamp(Timestamp::default())),
                text("cs-method"),
                text("cs-uri-stem"),
                Field::new("c-ip", Kind::Ip { version: None }),
                text("cs(User-Agent)"),
                int("sc-status"),
                int("sc-bytes"),
                int("time-taken"),
            ],
            pattern: r"^(\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\r?$",
        },
        Log {
            name: "zeek",
            spec: Spec::Zeek,
            written: dataset::Format::Zeek,
            fields: vec![
                Field::new("ts", Kind::Timestamp(Timestamp::default())),
                text("uid"),
                Field::new("id.orig_h", Kind::Ip { version: None }),
                int("id.orig_p"),
                Field::new("id.resp_h", Kind::Ip { version: None }),
                int("id.resp_p"),
                Field::new("duration", Kind::Float(Float::default())),
                int("orig_bytes"),
            ],
            pattern: r"^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$",
        },
        Log {
            name: "json",
            spec: Spec::Json(Objects::default()),
            written: dataset::Format::Json,
            fields: vec![
                Field::new("timestamp", Kind::Timestamp(Timestamp::default())),
                text("severity"),
                text("module"),
                text("message"),
                int("user_id"),
                Field::new("latency_ms", Kind::Float(Float::default())),
                Field::new("ok", Kind::Bool),
                Field::new("trace", Kind::Uuid { version: None }),
            ],
            pattern: r#"^\{"timestamp":"([^"]*)","severity":"([^"]*)","module":"([^"]*)","message":"((?:[^"\\]|\\.)*)","user_id":([^,]*),"latency_ms":([^,]*),"ok":([^,]*),"trace":"([^"]*)"\},?$"#,
        },
        Log {
            name: "docker",
            spec: Spec::Contained { runtime: Runtime::Docker, payload: Box::new(Spec::Logfmt) },
            written: dataset::Format::Docker,
            fields: vec![
                Field::new("container_time", Kind::Timestamp(Timestamp::default())),
                text("container_stream"),
                Field::new("level", Kind::Enum(Enum::new(["info", "warn", "error"]))),
                text("msg"),
                int("user.id"),
                text("trace"),
            ],
            pattern: r#"^\{"log":"((?:[^"\\]|\\.)*)","stream":"([a-z]+)","time":"([^"]*)"\}$"#,
        },
        Log {
            name: "cri",
            spec: Spec::Contained {
                runtime: Runtime::Cri,
                payload: Box::new(Spec::Ndjson { record_start: None }),
            },
            written: dataset::Format::Cri,
            fields: vec![
                Field::new("container_time", Kind::Timestamp(Timestamp::default())),
                text("container_stream"),
                text("severity"),
                text("module"),
                text("message"),
                int("user_id"),
                Field::new("trace", Kind::Uuid { version: None }),
            ],
            pattern: r#"^(\S+) (stdout|stderr) ([PF]) (.*)$"#,
        },
    ]
}

fn texts(criterion: &mut Criterion) {
    let database = harness::postgres::Server::start(harness::postgres::Options::default()).database();
    for Log { name, spec, written, fields, pattern } in logs() {
        let schema = Schema { fields, ..Schema::default() };
        let format = of(&spec, &schema.paths(), schema.extras());
        let mut lines = Vec::new();
        let amount = Amount::Records(LINES as u64);
        let recipe = Recipe { format: written, amount, bad_per_million: 0, ..Recipe::default() };
        dataset::write(recipe, &mut lines).expect("written to memory");
        println!("{name}: {} bytes per line", lines.len() / LINES);
        let pattern = regex::bytes::Regex::new(pattern).expect("a pattern");
        let mut locations = pattern.capture_locations();
        let preamble = Preamble::default();
        let chunk = Chunk { bytes: &lines, preamble: &preamble, record_bytes_max: usize::MAX };
        let mut memory = Memory::default();

        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(lines.len() as u64)).sample_size(20);
        group.bench_function("newlines", |bencher| {
            bencher.iter(|| memchr::memchr_iter(b'\n', black_box(&lines)).count());
        });
        group.bench_function("regex captures", |bencher| {
            bencher.iter(|| {
                let mut start = 0;
                for end in memchr::memchr_iter(b'\n', &lines) {
                    black_box(pattern.captures_read(&mut locations, &lines[start..end]));
                    start = end + 1;
                }
            });
        });
        if let Spec::Csv(_) = spec {
            group.bench_function("the crate csv", |bencher| {
                let mut record = csv::ByteRecord::new();
                bencher.iter(|| {
                    let mut reader = csv::Reader::from_reader(lines.as_slice());
                    while reader.read_byte_record(&mut record).expect("rows as wide as the header") {
                        black_box(record.len());
                    }
                });
            });
        }
        group.bench_function("cut", |bencher| {
            bencher.iter(|| format.framing().cut(black_box(&lines), lines.len(), usize::MAX, true));
        });
        group.bench_function("framing", |bencher| {
            bencher.iter(|| format.framing().records(black_box(&lines)).map(|record| record.start).max());
        });
        group.bench_function("parse", |bencher| {
            bencher.iter(|| {
                format.each_record(chunk, &mut memory, |_, record, _| {
                    black_box(record.expect("a valid line").get(0).is_some());
                });
            });
        });
        let encoder = encoder(&database.url(), name, schema.clone());
        group.bench_function("parse, bind and encode", |bencher| {
            let (mut rows, mut offset) = (Vec::new(), 0);
            bencher.iter(|| {
                let mut faults = Faults::default();
                rows.clear();
                format.each_record(chunk, &mut memory, |_, record, arena| {
                    let record = record.expect("a valid line");
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
}

criterion_group!(benches, bind, texts);
criterion_main!(benches);
