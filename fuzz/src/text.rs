//! Text formats: an arbitrary line is either a record or has a fault, and every value of a record can be
//! bound. An arbitrary log format is either accepted or refused.

use bumpalo::Bump;
use logmill::format::{AnyFormat, Chunk, Extras, LogFormat, Memory, Preamble, Spec, of};

pub const SEEDS: &[&[u8]] = &[
    b"::1 - Jane Doe [10/Oct/2000:13:55:36 -0700] \"GET /a?b HTTP/1.0\" 200 2326 \"-\" \"a \\\"b\\\" \\x16\\xc3\\xa4\"",
    b"a.example:80 1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"\" 400 - \"-\" \"-\"",
    b"ts=2023-10-27T12:34:56Z level=info msg=\"it is \\\"up\\\" \\u00e4\" a.b= bare a=1 a=2",
    b"<34>Oct 11 22:14:15 mymachine su[7]: 'su root' failed",
    b"Aug  9 02:14:38 upload postfix/smtpd[22442]: connect\nAug 19 02:14:38 h Foo::Bar: x",
    b"<165>1 2003-10-11T22:14:15.003Z h app 7 ID47 [a@1 ip=\"1\" x=\"\\]\\\\\" ip=\"2\"][b][a@1] \xef\xbb\xbfmessage",
    b"log_format main '$remote_addr:$remote_port [$time_local] \"$request\" ' '$upstream_addr \"$http_a\"';",
    b"log_format x escape=json '{\"a\":\"$http_a\",\"b\":$status}';",
    b"LogFormat \"%h %l %u %t \\\"%r\\\" %>s %{Referer}i %{%F %T}t.%{msec_frac}t %U%q\" x",
    b"$scheme://$host$uri$is_args$args $msec",
];

pub fn run(data: &[u8]) {
    let named = ["common", "combined", "vhost_combined"];
    let mut specs: Vec<_> =
        named.iter().filter_map(|name| LogFormat::named(name)).map(Spec::Access).collect();
    specs.extend([Spec::Logfmt, Spec::Syslog]);
    // The first line may also define the format of the others.
    let (first, lines) = data.split_at(data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len()));
    if let Some(format) = std::str::from_utf8(first).ok().and_then(|text| LogFormat::new(text).ok()) {
        let spec = Spec::Access(format);
        assert!(!spec.usual_fields().is_empty(), "a log format has a variable");
        read(&of::<&str>(&spec, &[], Extras::Gathered), lines);
    }
    for spec in specs {
        let format = of::<&str>(&spec, &[], Extras::Gathered);
        let whole = read(&format, data);
        // A line gives the same result whatever surrounds it.
        let lines = data.split_inclusive(|&byte| byte == b'\n');
        let single: Vec<_> = lines.flat_map(|line| read(&format, line)).collect();
        assert_eq!(whole, single, "{spec}");
    }
}

/// Each record as JSON, or the code of its fault.
fn read(format: &AnyFormat, bytes: &[u8]) -> Vec<String> {
    let preamble = Preamble::default();
    let chunk = Chunk { bytes, preamble: &preamble, record_bytes_max: usize::MAX };
    let mut found = Vec::new();
    format.each_record(chunk, &mut Memory::default(), |place, record, arena: &Bump| {
        found.push(match record {
            Ok(record) => {
                let json = record.root().json(arena);
                let value: serde_json::Value =
                    serde_json::from_slice(json).expect("what is written as JSON is JSON");
                assert!(value.is_object(), "{value}");
                assert!(std::str::from_utf8(place.raw).is_ok(), "a record of text is text");
                String::from_utf8_lossy(json).into_owned()
            }
            Err(fault) => {
                assert!(fault.at <= place.raw.len(), "{fault:?} is within the record");
                format!("{} at {}", fault.code, fault.at)
            }
        });
    });
    found
}
