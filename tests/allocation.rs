//! Proves that a valid record costs no allocation once the buffers are warm.
//!
//! This is a separate test binary because it counts with the allocator of the whole process. It reads fields
//! of every type, among them those that build new values: lower-cased text, text without NULs, decimals,
//! objects, and JSON inside a text.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use logmill::format::{AwsLog, Chunk, Dialect, LogFormat, Memory, Pattern, Preamble, Spec, of};
use logmill::reject::Faults;
use logmill::schema::{self, Again, Bounds, Constant, Decimal, Enum, Extra, Field, Float, Kind, List, Nul};
use logmill::schema::{Object, Schema, StampFormat, Strptime, Text, Timestamp, Union, Values};
use logmill::source::{Objects, Runtime};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is forwarded unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is exactly what the system allocator requires.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is exactly what the system allocator requires.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is exactly what the system allocator requires.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn schema() -> Schema {
    let text = || Kind::Text(Text::default());
    let pattern = regex::Regex::new("^[a-z0-9.ä]+$").expect("a pattern");
    let layout = Strptime::new("%d/%b/%Y:%H:%M:%S %z").expect("a layout");
    let stamps = |format| Kind::Timestamp(Timestamp { format, ..Timestamp::default() });
    let inner = vec![
        Field::new("user", text()),
        Field::new("tags", Kind::List(Box::new(List::of(Field::new("", text()))))),
        Field::new("at", stamps(StampFormat::Any)).with_default("\"2023-10-27\"").expect("a date"),
    ];
    let inner = Object::new(Schema { fields: inner, extra: Extra::Keep, ..Schema::default() });
    let fields = vec![
        Field::new("text", Kind::Text(Text { trim: true, lower: true, ..Text::default() })),
        Field::new("host", Kind::Text(Text { pattern: Some(pattern), ..Text::default() })),
        Field::new("level", Kind::Enum(Enum { lower: true, ..Enum::new(["info", "warn"]) })),
        Field::new("int", Kind::Int(Bounds { ge: Some(0), ..Bounds::default() })),
        Field::new("float", Kind::Float(Float::default())),
        Field::new("bool", Kind::Bool),
        Field::new("stamp", stamps(StampFormat::Any)),
        Field::new("epoch", stamps(StampFormat::EpochMs)),
        Field::new("access", stamps(StampFormat::Strptime(layout))),
        Field::new("date", Kind::Date),
        Field::new("time", Kind::Time),
        Field::new("uuid", Kind::Uuid { version: None }),
        Field::new("cost", Kind::Decimal(Decimal { max_digits: Some(30), ..Decimal::default() })),
        Field::new("any", Kind::Json(schema::Json::default())),
        Field::new("raw", Kind::Json(schema::Json { text: true, like: None })),
        Field::new("ip", Kind::Ip { version: None }),
        Field::new("object", Kind::Object(Box::new(inner))),
        Field::new("list", Kind::List(Box::new(List::of(Field::new("", Kind::Int(Bounds::default())))))),
    ];
    let fields = fields.into_iter().chain(fields_of_models()).collect();
    Schema { fields, extra: Extra::Keep, nul: Nul::Strip, ..Schema::default() }
}

/// Fields of the kinds that Pydantic models have. Several kinds are tried on some of the values.
fn fields_of_models() -> Vec<Field> {
    let int = |name| Field::new(name, Kind::Int(Bounds::default()));
    let text = || Field::new("text", Kind::Text(Text::default()));
    let mixed = Values::Mixed(vec![Constant::Text("x\"".into()), Constant::Int(2), Constant::Bool(true)]);
    let literal = || Kind::Enum(Enum { literal: true, ..Enum::of(mixed.clone()) });
    let inner = Kind::Union(Union::new([int("int"), Field::new("float", Kind::Float(Float::default()))]));
    let union = Union::new([Field::new("literal", literal()), Field::new("union", inner), text()]);
    let again = Field::new("next", Kind::Again(Again::default())).optional();
    let node = Schema { fields: vec![int("v"), again], ..Schema::default() };
    let object = |name, fields| {
        let object = Object::new(Schema { fields, ..Schema::default() });
        Field::new(name, Kind::Object(Box::new(object)))
    };
    let several = Kind::Union(Union::new([
        object("model", vec![int("a")]),
        object("model", vec![int("b")]),
        int("int"),
    ]));
    let like = schema::Json { text: false, like: Some(Box::new(Field::new("like", several))) };
    let in_text =
        Object { text: true, ..Object::new(Schema { fields: vec![int("a"), text()], ..Schema::default() }) };
    let list_in_text = List { text: true, ..List::of(text()) };
    vec![
        Field::new("numbers", Kind::Enum(Enum::of(Values::Ints(vec![1, 2])))),
        Field::new("mixed", Kind::Enum(Enum::of(mixed.clone()))),
        Field::new("union", Kind::Union(union)),
        Field::new("dictionary", Kind::Object(Box::new(Object::of(int("members"))))),
        Field::new("tree", Kind::Object(Box::new(Object::new(node)))),
        Field::new("kept", Kind::Json(like)),
        Field::new("in_text", Kind::Object(Box::new(in_text))),
        Field::new("list_in_text", Kind::List(Box::new(list_in_text))),
        Field::new("uuid4", Kind::Uuid { version: Some(4) }),
    ]
}

/// Records for the fast paths, for coercion, and for the plain JSON reader.
const LINES: [&str; 3] = [
    r#"{"text":"plain","host":"web.1","level":"info","int":1,"float":1.5,"bool":true,"stamp":"2023-10-27T12:34:56.789Z","epoch":1698410096789,"access":"27/Oct/2023:12:34:56 +0200","date":"2023-10-27","time":"12:34","uuid":"b91d39e4-b81a-4ac6-8048-7a967ab2af2b","cost":"12.50","any":{"a":[1,null]},"raw":"{\"b\":2}","ip":"::1","object":{"user":"bob","tags":["x"]},"list":[1,2],"extra":[1],"numbers":1,"mixed":"x\"","union":"x\"","dictionary":{"a":1},"tree":{"v":1,"next":{"v":2,"next":null}},"kept":{"a":1},"in_text":"{\"a\":1,\"text\":\"t\"}","list_in_text":"[\"a\",\"b\"]","uuid4":"b91d39e4-b81a-4ac6-8048-7a967ab2af2b"}"#,
    r#"{"text":" ÄÖ\u0000Ü ","host":"web.ä","level":"WARN","int":"1_000","float":" 2 ","bool":"yes","stamp":"2023-10-27 12:34","epoch":"1698410096789.5","access":"27/Oct/2023:12:34:56 +0000","date":"2023-10-27T00:00:00","time":7.5,"uuid":"{b91d39e4-b81a-4ac6-8048-7a967ab2af2b}","cost":1e2,"any":"\u0000","raw":"[\"\\u0000\"]","ip":7,"object":{"user":"\u0000","tags":[],"at":0,"y":{}},"list":["1",true],"numbers":"2","mixed":2,"union":"2","dictionary":{},"tree":{"v":"1"},"kept":{"b":2,"c":[]},"in_text":" {\"text\":\"\\u00e4\",\"a\":\"7\"}","list_in_text":"[]","uuid4":"{b91d39e4-b81a-4ac6-8048-7a967ab2af2b}"}"#,
    r#"{"text":"x","host":"a","level":"info","int":123456789012345678901234567890,"float":NaN,"bool":0,"stamp":1698410096.5,"epoch":0.5,"access":"27/Oct/2023:12:34:56 +0000","date":0,"time":0,"uuid":"b91d39e4b81a4ac680487a967ab2af2b","cost":[0,[1],2],"any":123456789012345678901234567890,"raw":" 1 ","ip":"1.2.3.4","object":{"user":"u","tags":["t"]},"list":[],"numbers":true,"mixed":true,"union":"no number","dictionary":{"a":"1","b":2.0},"tree":{"v":1,"next":{"v":1,"next":{"v":1}}},"kept":"3","in_text":"{\"a\":1,\"text\":\"\",\"x\":{}}","list_in_text":"[\"\\n\"]","uuid4":"b91d39e4b81a4ac680487a967ab2af2b"}"#,
];

/// Texts whose values can be borrowed, and texts whose values must be assembled.
const TEXTS: [(&str, &str, &str); 2] = [
    (
        r"^(?P<at>\S+) (?P<level>[A-Z]+) (?:(?P<n>\d+) )?(?P<message>.*)$",
        "",
        "2023-10-27T12:34:56Z INFO 7 it is up\n2023-10-27T12:34:56Z WARN größe\n",
    ),
    (
        "",
        "at,level,n,message,more",
        "2023-10-27T12:34:56Z,INFO,7,\"it\nis \"\"up\"\"\",x\n2023-10-27T12:34:56Z,WARN,8,,\"\"\n",
    ),
];

#[test]
fn a_valid_record_allocates_nothing_once_the_buffers_are_warm() {
    let schema = schema();
    let json = Spec::Ndjson { record_start: None };
    let lines = LINES.join("\n");
    assert_eq!(allocations(&json, &schema, "", &lines), 0, "allocations in 150 records");

    let text = || Kind::Text(Text::default());
    let fields = vec![
        Field::new("at", Kind::Timestamp(Timestamp::default())),
        Field::new("level", Kind::Enum(Enum::new(["INFO", "WARN"]))),
        Field::new("n", Kind::Int(Bounds::default())).optional(),
        Field { strict: true, ..Field::new("message", text()) },
    ];
    let schema = Schema { fields, extra: Extra::Keep, ..Schema::default() };
    for (pattern, header, records) in TEXTS {
        let spec = match Pattern::new(pattern) {
            Ok(pattern) => Spec::Regex { pattern, record_start: None },
            Err(_) => Spec::Csv(Dialect::default()),
        };
        assert_eq!(allocations(&spec, &schema, header, records), 0, "allocations in 100 records, {spec}");
    }
    for (spec, fields, header, records) in tables() {
        let schema = Schema { fields, extra: Extra::Keep, ..Schema::default() };
        assert_eq!(allocations(&spec, &schema, header, records), 0, "allocations in 100 records, {spec}");
    }
    for (spec, fields, records) in logs() {
        let schema = Schema { fields, extra: Extra::Keep, ..Schema::default() };
        assert_eq!(allocations(&spec, &schema, "", records), 0, "allocations in 100 records, {spec}");
    }
}

/// Logs whose header describes their layout, with escapes to undo, and lists.
fn tables() -> [(Spec, Vec<Field>, &'static str, &'static str); 4] {
    let text = |name| Field::new(name, Kind::Text(Text::default())).optional();
    let stamp = |name| Field::new(name, Kind::Timestamp(Timestamp::default()));
    let list = Kind::List(Box::new(List::of(Field::new("", Kind::Int(Bounds::default())))));
    [
        (
            Spec::W3c,
            vec![stamp("timestamp"), text("cs(Referer)")],
            "#Fields: date time cs-method cs(Referer)",
            "2023-10-27 12:34:56 GET -\n2023-10-27 12:34:57 GET \"a \"\"b\"\"\"\n2023-10-27\t12:34:57\tx\t%20\n",
        ),
        (
            Spec::Zeek,
            vec![stamp("ts"), text("uid"), Field::new("ports", list)],
            "#fields\tts\tuid\tports\tx\n#types\ttime\tstring\tset[port]\tstring",
            "1698364800.5\tC\\x09x\t1,2\t-\n1698364801.5\t-\t(empty)\tx\n",
        ),
        (
            Spec::Aws(AwsLog::named("elb").expect("a name")),
            vec![stamp("time"), text("client_ip"), text("request_url")],
            "",
            "2023-10-27T12:34:56.1Z lb 1.2.3.4:5 - 0 0 0 200 200 0 1 \"GET http://h/ HTTP/1.1\" \"a \"b\"\" - - more\n",
        ),
        (
            Spec::Json(Objects::default()),
            vec![stamp("ts"), text("a")],
            "",
            "[{\"ts\":1698364800,\"a\":null},\n {\n  \"a\": \"\\u00e4\", \"ts\": 1.5, \"x\": [{}]\n }\n]",
        ),
    ]
}

/// Logs whose format knows its fields, with escapes to undo and members to collect.
fn logs() -> [(Spec, Vec<Field>, &'static str); 5] {
    let text = |name| Field::new(name, Kind::Text(Text::default())).optional();
    let int = |name| Field::new(name, Kind::Int(Bounds::default()));
    let letters = Strptime::new("%d/%b/%Y:%H:%M:%S %z").expect("a layout");
    let stamp = Timestamp { format: StampFormat::Strptime(letters), ..Timestamp::default() };
    let stamp_of = |name| Field::new(name, Kind::Timestamp(Timestamp::default()));
    let json = Kind::Json(schema::Json::default());
    let port = Field {
        from: ["structured_data", "o@1", "port"].map(str::to_owned).to_vec(),
        ..int("port").optional()
    };
    [
        (
            Spec::Access(LogFormat::named("combined").expect("a name")),
            vec![
                Field::new("timestamp", Kind::Timestamp(stamp)),
                int("status"),
                text("method"),
                text("user_agent"),
            ],
            concat!(
                "::1 - Grace Hopper [27/Oct/2023:12:34:56 +0200] \"GET / HTTP/1.1\" 200 1 \"-\" \"curl \\\"x\\\"\"\n",
                "::1 - - [27/Oct/2023:12:34:56 +0200] \"\\x16\\x03\\x00\" 400 - \"\\xc3\\xa4\" \"-\"\n",
            ),
        ),
        (
            Spec::Logfmt,
            vec![int("n"), text("msg")],
            "n=1 msg=\"it is \\\"up\\\" \\u00e4\" bare x= y=z\nn=1 n=2 y.z=\"\\\\\" msg=größe\n",
        ),
        (
            Spec::Syslog,
            vec![text("hostname"), text("procid"), port, Field::new("structured_data", json).optional()],
            concat!(
                "Aug  9 02:14:38 upload postfix/smtpd[22442]: connect\n",
                "<34>1 2023-10-27T12:34:56Z h a - - [o@1 ip=\"1\" port=\"7\" ip=\"\\\"2\"][p] it\n",
            ),
        ),
        (
            Spec::Contained {
                runtime: Runtime::Docker,
                payload: Box::new(Spec::Ndjson { record_start: None }),
            },
            vec![int("n"), text("msg"), text("container_stream")],
            concat!(
                "{\"log\":\"{\\\"n\\\":1,\\\"msg\\\":\\\"\\u00e4\\\"}\\n\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"x\"}}\n",
                "{\"log\":\"{\\\"n\\\":1,\",\"stream\":\"stdout\"}\n{\"log\":\"\\\"o\\\":{}}\\n\",\"stream\":\"stdout\"}\n",
            ),
        ),
        (
            Spec::Contained { runtime: Runtime::Cri, payload: Box::new(Spec::Logfmt) },
            vec![int("n"), text("msg"), stamp_of("container_time")],
            concat!(
                "2023-10-27T12:34:56.7Z stdout F n=1 msg=\"a \\\"b\\\"\"\n",
                "2023-10-27T12:34:56.7Z stdout P n=1 \n2023-10-27T12:34:56.7Z stdout F msg=x y=z\n",
            ),
        ),
    ]
}

/// Counts the allocations of fifty rounds over these records, after fifty warm-up rounds.
fn allocations(spec: &Spec, schema: &Schema, header: &str, records: &str) -> u64 {
    let format = of(spec, &schema.paths(), schema.extras());
    let preamble = Preamble::new(header.as_bytes());
    let chunk = Chunk { bytes: records.as_bytes(), preamble: &preamble, record_bytes_max: usize::MAX };
    let (mut memory, mut faults) = (Memory::default(), Faults::default());
    let mut warm = 0;
    for round in 0..100 {
        if round == 50 {
            warm = ALLOCATIONS.load(Ordering::Relaxed);
        }
        format.each_record(chunk, &mut memory, |_, record, arena| {
            faults.clear();
            let row = schema.bind(record.expect("a record"), arena, &mut faults);
            assert!(
                row.is_some(),
                "{:?}",
                faults.iter().map(|(code, field)| format!("{field}: {code}")).collect::<Vec<_>>()
            );
        });
    }
    assert!(warm > 0, "the counter does not count");
    ALLOCATIONS.load(Ordering::Relaxed) - warm
}
