//! Format detection: which format a file is found to be in, and that the generated job loads the file.

use std::path::{Path, PathBuf};

use logmill::config::{Config, Overrides};
use logmill::engine::{self, Inferred, LoadOptions, Unwritten, Watch};
use logmill::error::Result;
use logmill::format::PRESETS;
use logmill::stop::Stop;

use crate::cli::Place;
use crate::corpus::corpus;
use crate::harness::postgres::Server;
use crate::harness::skip_here;

fn infer(path: &Path, threads: u64) -> Result<Inferred> {
    let overrides = Overrides { threads: Some(threads), ..Overrides::default() };
    let job = path.with_extension("logmill.toml");
    Unwritten::of(&[path.to_owned()])?.infer(&job, &overrides, &Stop::default())
}

/// The detected format, or the error for a file without one.
fn format_of(path: &Path) -> String {
    match infer(path, 2) {
        Ok(inferred) => inferred.report.candidates[0].format.clone(),
        Err(error) => error.to_string(),
    }
}

/// Real logs and their formats.
const CORPUS: &[(&str, &str)] = &[
    ("text/apache_combined.log", "combined"),
    ("text/combined_small.log", "combined"),
    ("text/sftp_syslog.log", "syslog"),
    ("text/rsyncd.log", "go"),
    ("text/postgres.log", "postgresql"),
    ("text/w3c_small.log", "w3c"),
    ("text/logfmt_small.log", "logfmt"),
    ("text/logfmt_agrind.log", "logfmt"),
    ("json/lnav_docker_compose.0", "compose"),
    ("json/lnav_json.json", "ndjson"),
    ("json/lnav_invalid_json.json", "ndjson"),
    ("json/lnav_json_invalid.json", "ndjson"),
    ("json/lnav_mixed_json2.json", "ndjson"),
    ("json/lnav_nested_json.json", "ndjson"),
    ("json/lnav_rust_tracing.0", "ndjson"),
    ("json/lnav_journald.json", "ndjson"),
    ("json/lnav_mongodb.0", "ndjson"),
    ("json/gharchive.ndjson", "ndjson"),
    ("json/traefik.ndjson", "ndjson"),
    ("json/fluentbit_multiline_java.ndjson", "ndjson"),
    ("framing/crlf.ndjson", "ndjson"),
    ("framing/bom.ndjson", "ndjson"),
    ("framing/nul_tail.ndjson", "ndjson"),
    ("framing/last_line_truncated.ndjson", "ndjson"),
    ("framing/json_array_file.json", "json"),
    ("framing/pretty_printed.json", "json"),
    ("framing/concatenated.ndjson", "json"),
];

/// Files that no format explains.
const NONE: &[&str] = &[
    "text/w3c_mismatch.log",
    "encoding/blns.txt",
    "encoding/generic_enc_sjis.log",
    "encoding/generic_enc_win1251.log",
    "encoding/unicode_c.log",
    "framing/utf16le_bom.ndjson",
    "framing/cr_only.ndjson",
    "framing/rs_json_seq.ndjson",
    "framing/empty.ndjson",
];

#[test]
fn files_of_several_formats_are_refused_by_name() {
    let place = Place::new();
    let access = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/samples/access.log")).unwrap();
    place.write("logs/access.log", &access);
    place.write("logs/app.ndjson", "{\"n\":1}\n".repeat(200));
    // This holds even if one format explains most of all lines.
    for lines in [200, 2_000] {
        place.write("logs/app.ndjson", "{\"n\":1}\n".repeat(lines));
        place.run("load logs").ended(
            2,
            &[
                "these 2 files are in several formats",
                "logs/access.log is combined, logs/app.ndjson is ndjson;",
            ],
        );
    }
    place.run("load logs/app.ndjson").ended(0, &["2,000"]);
}

#[test]
fn real_logs_are_recognised() {
    let mut missed = Vec::new();
    for (name, expected) in CORPUS {
        let found = format_of(&corpus(name));
        if found != *expected {
            missed.push(format!("{name} is {expected}, not: {found}"));
        }
    }
    assert!(missed.len() * 20 <= CORPUS.len(), "{}", missed.join("\n"));
    for name in NONE {
        let said = infer(&corpus(name), 2).expect_err(name).to_string();
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
    }
}

/// The name of a format, the beginning of its file, and its records, which `n` makes different.
type Made = (&'static str, &'static str, fn(usize) -> String);

/// Records of each format, as a program might write them.
const MADE: &[Made] = &[
    ("ndjson", "", |n| {
        format!("{{\"at\":\"2023-10-27T12:00:{:02}Z\",\"n\":{n},\"who\":{{\"id\":{n}}}}}\n", n % 60)
    }),
    ("combined", "", |n| {
        format!(
            "192.0.2.{} - - [27/Oct/2023:12:34:{:02} +0000] \"GET /x?a={n} HTTP/1.1\" 200 {n} \"-\" \"curl/8.0 (x; y)\"\n",
            n % 250,
            n % 60
        )
    }),
    ("common", "", |n| {
        format!(
            "host{n}.example.org - ada [27/Oct/2023:12:34:{:02} +0200] \"POST /x HTTP/1.0\" 404 -\n",
            n % 60
        )
    }),
    ("access as nginx.conf has it", "", |n| {
        format!(
            "192.0.2.{} - - [27/Oct/2023:12:34:{:02} +0000] \"GET /x HTTP/1.1\" 200 {n} \"-\" \"curl/8.0\" \"10.0.0.1, 10.0.0.{}\"\n",
            n % 250,
            n % 60,
            n % 250
        )
    }),
    ("access as httpd.conf has it", "", |n| {
        format!(
            "192.0.2.{} - - [27/Oct/2023:12:34:{:02} +0000] \"GET /x HTTP/1.1\" 200 {n} \"-\" \"curl/8.0\" {} {}\n",
            n % 250,
            n % 60,
            n + 90,
            n + 700
        )
    }),
    ("vhost_combined", "", |n| {
        format!(
            "shop.example.org:443 192.0.2.{} - - [27/Oct/2023:12:34:{:02} +0000] \"GET / HTTP/2.0\" 200 {n} \"https://example.org/\" \"Mozilla/5.0\"\n",
            n % 250,
            n % 60
        )
    }),
    ("logfmt", "", |n| {
        format!(
            "ts=2023-10-27T12:34:{:02}.123Z level=info msg=\"got a request\" n={n} took={n}.5ms\n",
            n % 60
        )
    }),
    ("go_slog", "", |n| {
        format!(
            "time=2023-10-27T12:34:{:02}.123Z level=INFO msg=\"got a request\" n={n} took={n}.5ms\n",
            n % 60
        )
    }),
    ("syslog", "", |n| {
        format!("Oct {:2} 12:34:56 web-1 sshd[{n}]: Accepted publickey for ada\n", n % 27 + 1)
    }),
    ("syslog", "", |n| {
        format!(
            "<34>1 2023-10-27T12:34:{:02}.003Z web-1 su {n} ID47 [a@1 k=\"v\"] 'su root' failed\n",
            n % 60
        )
    }),
    ("alb", "", |n| {
        format!(
            "https 2023-10-27T12:34:{:02}.123456Z app/my-lb/50dc6c495c0c9188 192.0.2.7:{} 10.0.0.1:80 0.086 0.048 0.037 200 200 {n} 57 \"GET https://example.org:443/ HTTP/1.1\" \"curl/8.0\" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/t/73e2d6bc24d8a067 \"Root=1-58337281-1d84f3d73c47ec4e58577259\" \"example.org\" \"arn:aws:acm:us-east-2:123456789012:certificate/12345678\" 1 2023-10-27T12:34:22.364000Z \"authenticate,forward\" \"-\" \"-\" \"10.0.0.1:80\" \"200\" \"-\" \"-\"\n",
            n % 60,
            1024 + n
        )
    }),
    ("elb", "", |n| {
        format!(
            "2023-10-27T12:34:{:02}.945958Z my-lb 192.0.2.7:{} 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 {n} \"GET http://example.org:80/ HTTP/1.1\" \"curl/8.0\" - -\n",
            n % 60,
            1024 + n
        )
    }),
    ("s3_access", "", |n| {
        format!(
            "{} bucket [27/Oct/2023:12:34:{:02} +0000] 192.0.2.3 {} 3E57427F3EXAMPLE REST.GET.VERSIONING - \"GET /bucket?versioning HTTP/1.1\" 200 - {n} - 7 - \"-\" \"S3Console/0.4\" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader bucket.s3.us-west-1.amazonaws.com TLSV1.2 - -\n",
            "79a5".repeat(16),
            n % 60,
            "79a5".repeat(16)
        )
    }),
    (
        "vpc_flow",
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n",
        |n| {
            format!(
                "2 123456789012 eni-1235b8ca123456789 192.0.2.1 10.0.0.1 {} 22 6 20 {n} 1698410096 1698410156 ACCEPT OK\n",
                1024 + n
            )
        },
    ),
    ("csv", "id,name,at\n", |n| format!("{n},\"a, b\",2023-10-27 12:00:{:02}\n", n % 60)),
    // Header names: an unnamed index, a repeated name, a number and a question.
    ("csv", ",name,name,2019,ok?\n", |n| format!("{n},a{n},b{n},{},true\n", n * 7)),
    ("csv with semicolons", "id;name;preis\n", |n| format!("{n};x{n};{n},5\n")),
    ("tsv", "id\tname\n", |n| format!("{n}\tx\n")),
    ("w3c", "#Version: 1.0\n#Fields: date time c-ip cs-method sc-status\n", |n| {
        format!("2023-10-27 12:34:{:02} 192.0.2.1 GET {}\n", n % 60, 200 + n % 2)
    }),
    (
        "zeek",
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\n#types\ttime\tstring\taddr\tport\n",
        |n| format!("1698410096.{n:06}\tC{n}\t192.0.2.1\t{}\n", 1024 + n),
    ),
    ("json", "[\n", |n| {
        format!("{}{{\n  \"n\": {n},\n  \"s\": \"x}}{{\"\n}}\n", if n == 0 { "" } else { "," })
    }),
    ("postgresql csvlog", "", |n| {
        if n % 2 == 0 {
            return format!(
                "2023-10-27 12:34:56.790 UTC,,,1,,653bb0e0.1,{n},,2023-10-27 12:00:00 UTC,,0,LOG,00000,\"checkpoint\",,,,,,,,,\"\",\"checkpointer\",,0\n"
            );
        }
        format!(
            "2023-10-27 12:34:{:02}.789 UTC,\"app\",\"shop\",{},\"192.0.2.7:5312\",653bb0e0.{n:x},{n},\"SELECT\",2023-10-27 12:00:00 UTC,3/{n},0,ERROR,42P01,\"no such\ntable\",,,,,,\"select *\nfrom \"\"x\"\"\",15,,\"psql\",\"client backend\",,{n}\n",
            n % 60,
            4000 + n
        )
    }),
    ("docker with ndjson", "", |n| {
        let time = format!("2023-10-27T12:34:{:02}.123456789Z", n % 60);
        format!(
            "{{\"log\":\"{{\\\"at\\\":\\\"{time}\\\",\\\"n\\\":{n}}}\\n\",\"stream\":\"stderr\",\"time\":\"{time}\"}}\n"
        )
    }),
    ("docker", "", |n| {
        format!(
            "{{\"log\":\"said \\\"{n}\\\"\\r\\n\",\"stream\":\"stdout\",\"time\":\"2023-10-27T12:34:56Z\"}}\n"
        )
    }),
    ("cri with logfmt", "", |n| {
        let tag = if n % 2 == 0 {
            "F level=info msg=\"it is up\""
        } else {
            "P level=info \n2023-10-27T12:34:56Z stdout F msg=x"
        };
        format!("2023-10-27T12:34:56.{n:09}Z stdout {tag} n={n}\n")
    }),
    ("cri with log4j", "", |n| {
        let line = |text: &str| format!("2023-10-27T12:34:56.{n:09}+02:00 stderr F {text}\n");
        let stamp = format!("2023-10-27 12:34:56,{:03}", n % 1000);
        line(&format!("{stamp} [worker-2] ERROR com.example.Shop - failed {n}"))
            + &line("java.lang.NullPointerException")
            + &line("\tat com.example.Shop.buy(Shop.java:42)")
    }),
    ("compose with combined", "", |n| {
        format!(
            "\u{1b}[36mweb-1  |\u{1b}[0m 192.0.2.1 - - [27/Oct/2023:12:34:56 +0000] \"GET / HTTP/1.1\" 200 {n} \"-\" \"curl\"\n"
        )
    }),
    ("compose", "", |n| format!("web-{}    | it said {n}\n", n % 3)),
    // S3 notifications, one list per line.
    ("ndjson", "", |n| format!("{{\"Records\":[{{\"eventTime\":\"2023-10-27T12:34:56Z\",\"n\":{n}}}]}}\n")),
    ("cloudtrail", "{\"Records\":[", |n| {
        format!(
            "{}{{\"eventTime\":\"2023-10-27T12:34:56Z\",\"eventName\":\"GetObject\",\"n\":{n}}}\n",
            if n == 0 { "" } else { "," }
        )
    }),
    // On one line, as AWS writes it.
    ("cloudtrail", "{\"Records\":[", |n| {
        format!(
            "{}{{\"eventTime\":\"2023-10-27T12:34:56Z\",\"eventName\":\"GetObject\",\"n\":{n}}}",
            if n == 0 { "" } else { "," }
        )
    }),
];

/// The end of a generated file.
fn end_of(format: &str) -> &'static str {
    match format {
        "json" => "]\n",
        "cloudtrail" => "]}\n",
        _ => "",
    }
}

/// Infers and writes the job of a file with these bytes, and loads with it. Returns the format, the numbers
/// of inserted and rejected records, and the job.
fn load(folder: &Path, name: &str, bytes: &[u8]) -> (String, i64, i64, String) {
    load_into(folder, name, bytes, &Overrides::default())
}

/// The same into another destination.
fn load_into(folder: &Path, name: &str, bytes: &[u8], overrides: &Overrides) -> (String, i64, i64, String) {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let job = folder.join(format!("{name}.logmill.toml"));
    let unwritten = Unwritten::of(&[path]).unwrap();
    let Inferred { text, report, .. } =
        unwritten.infer(&job, overrides, &Stop::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    engine::write_job(&job, &text).unwrap();
    let config = Config::load(&job, overrides).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let files = engine::files(&config, &Watch::default()).unwrap();
    let loaded = engine::load(&config, &files, LoadOptions::default(), &Watch::default()).unwrap();
    let format = report.candidates[0].format.clone();
    (format, loaded.counts.inserted, loaded.counts.rejected, text)
}

#[test]
fn the_job_inferred_for_any_format_loads_the_file() {
    let mut missed = Vec::new();
    for (number, (expected, head, record)) in MADE.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let body: String = (0..300).map(record).collect();
        let bytes = format!("{head}{body}{}", end_of(expected));
        let (format, inserted, rejected, text) =
            load(folder.path(), &format!("made{number}.log"), bytes.as_bytes());
        if format != *expected {
            missed.push(format!("{expected} is taken for {format}"));
        }
        assert_eq!((inserted, rejected), (300, 0), "{expected}:\n{text}");
    }
    assert!(missed.len() * 20 <= MADE.len(), "{}", missed.join("\n"));
}

/// What follows the values of `combined` tells Apache's logs from nginx's.
#[test]
fn the_ends_of_lines_tell_which_server_wrote_an_access_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let format_with = |end: &str| {
        let line = format!(
            "192.0.2.1 - - [27/Oct/2023:12:34:56 +0000] \"GET /x HTTP/1.1\" 200 7 \"-\" \"curl/8.0\" {end}\n"
        );
        std::fs::write(&path, line.repeat(100)).unwrap();
        format_of(&path)
    };
    for end in ["90 700", "0 0"] {
        assert_eq!(format_with(end), "access as httpd.conf has it", "{end}");
    }
    for end in ["\"-\"", "\"10.0.0.1\"", "\"2001:db8::1, 10.0.0.1:4711\""] {
        assert_eq!(format_with(end), "access as nginx.conf has it", "{end}");
    }
    for end in ["0.005 0.004", "0.005 -", "7 0.004", "\"0.005\"", "\"shop.example.org\"", "\"\"", "\"1, x\""]
    {
        let found = format_with(end);
        assert!(!found.contains("conf has it"), "{end}: {found}");
    }
}

/// A forwarded address is still one if most lines have `-` there.
#[test]
fn mostly_empty_forwarded_addresses_are_still_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let line = |end: &str| {
        format!(
            "192.0.2.1 - - [27/Oct/2023:12:34:56 +0000] \"GET /x HTTP/1.1\" 200 7 \"-\" \"curl/8.0\" \"{end}\"\n"
        )
    };
    let format_with = |odd: &str| {
        std::fs::write(&path, line("-").repeat(95) + &line(odd).repeat(5)).unwrap();
        format_of(&path)
    };
    for odd in ["10.0.0.1", "unknown, 10.0.0.1"] {
        assert_eq!(format_with(odd), "access as nginx.conf has it", "{odd}");
    }
    for odd in ["0.005", "3.52", "shop.example.org"] {
        let found = format_with(odd);
        assert!(!found.contains("conf has it"), "{odd}: {found}");
    }
}

#[test]
fn half_of_a_file_is_not_enough_for_a_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.log");
    let with = |objects: usize| "{\"a\":1}\n".repeat(objects) + &"it said nothing\n".repeat(10);
    std::fs::write(&path, with(11)).unwrap();
    assert_eq!(format_of(&path), "ndjson");
    std::fs::write(&path, with(10)).unwrap();
    let said = format_of(&path);
    assert!(said.contains("no format explains most of its lines; the best, ndjson, explains 50 %"), "{said}");
}

#[test]
fn prose_with_a_comma_per_line_is_not_csv() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let line =
        |n: usize| format!("On that day he counted {}, and then he slept.\n", ["one", "two", "ten"][n % 3]);
    std::fs::write(&path, (0..90).map(line).collect::<String>()).unwrap();
    let said = infer(&path, 1).unwrap_err().to_string();
    assert!(said.contains("no format explains most of its lines"), "{said}");
}

#[test]
fn records_on_one_line_are_explained_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail.json");
    std::fs::write(&path, format!("{{\"Records\":[{}{{\"n\":0}}]}}", "{\"n\":1},".repeat(99))).unwrap();
    let tried = &infer(&path, 1).unwrap().report.candidates[0];
    assert_eq!((tried.format.as_str(), tried.explained, tried.lines), ("cloudtrail", 100, 100));
}

#[test]
fn an_inferred_job_loads_into_postgresql_too() {
    let database = Server::shared().database();
    let into = Overrides { into: Some(database.url().parse().unwrap()), ..Overrides::default() };
    let values = |n: usize| {
        let lists = format!(
            "\"ints\":[{n},null],\"floats\":[1,0.5],\"words\":[\"a\",\"\"],\"flags\":[true],\"e\":[]"
        );
        let forms = "\"day\":\"2023-10-27\",\"clock\":\"12:00:00.5\",\"ip\":\"::1\",\"ts\":1698410096.25";
        format!("{{{lists},{forms},\"big\":18446744073709551616,\"o\":{{\"x\":{n}}}}}\n")
    };
    let mut made: Vec<Made> = vec![("ndjson", "", values)];
    made.extend(MADE);
    for (number, (format, head, record)) in made.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = format!("{head}{}{}", (0..50).map(record).collect::<String>(), end_of(format));
        let (_, inserted, rejected, text) =
            load_into(folder.path(), &format!("made{number}.log"), bytes.as_bytes(), &into);
        assert_eq!((inserted, rejected), (50, 0), "{format}:\n{text}");
    }
    let columns =
        "ints[2]::text, floats::text, words::text, flags::text, clock::text, ts::text, pg_typeof(ints)::text";
    let row =
        database.client().query_one(&format!("SELECT concat_ws('|', {columns}) FROM made0 LIMIT 1"), &[]);
    let row: String = row.unwrap().get(0);
    assert_eq!(row, "{1,0.5}|{a,\"\"}|{t}|12:00:00.5|2023-10-27 12:34:56.25+00|bigint[]");
}

#[test]
fn a_number_that_jsonb_cannot_hold_is_predicted() {
    let database = Server::shared().database();
    let into = Overrides { into: Some(database.url().parse().unwrap()), ..Overrides::default() };
    let folder = tempfile::tempdir().unwrap();
    let bytes = b"{\"n\":1,\"o\":{\"x\":1e-20000}}\n{\"n\":2,\"o\":{\"x\":1}}\n";
    let (_, inserted, rejected, _) = load_into(folder.path(), "tiny.log", bytes, &into);
    assert_eq!((inserted, rejected), (1, 1));
    let path = folder.path().join("tiny.log");
    let warnings = |overrides| {
        let job = folder.path().join("job.toml");
        Unwritten::of(std::slice::from_ref(&path))
            .unwrap()
            .infer(&job, overrides, &Stop::default())
            .unwrap()
            .report
            .warnings
    };
    let told = warnings(&into);
    assert!(
        told[0].starts_with("1 value of field o holds a number with more digits than jsonb has"),
        "{told:?}"
    );
    assert_eq!(warnings(&Overrides::default()), [""; 0]);
}

#[test]
fn a_presets_sample_is_recognised_and_loads() {
    let mut missed = Vec::new();
    for preset in PRESETS {
        let folder = tempfile::tempdir().unwrap();
        let bytes = preset.sample.repeat(20);
        let (format, inserted, rejected, text) = load(folder.path(), "app.log", bytes.as_bytes());
        if format != preset.name {
            missed.push(format!("{} is taken for {format}", preset.name));
        }
        assert_eq!((inserted, rejected), (40, 0), "{}:\n{text}", preset.name);
    }
    assert_eq!(missed, [""; 0]);
}

#[test]
fn inference_does_not_depend_on_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.ndjson");
    // More distinct keys than inference tracks, in many chunks. Some change their type late.
    let line = |n: usize| {
        let value = if n > 29_000 && n.is_multiple_of(7) { "\"late\"".to_owned() } else { n.to_string() };
        format!("{{\"id\":{n},\"pad\":\"{}\",\"k{}\":{value}}}\n", "x".repeat(100), n * 7919 % 5_000)
    };
    std::fs::write(&path, (0..30_000).map(line).collect::<String>()).unwrap();
    let one = infer(&path, 1).unwrap();
    assert!(one.report.fields.len() == 500, "{} fields", one.report.fields.len());
    for threads in [2, 3, 4, 8, 2, 4, 8] {
        assert_eq!(infer(&path, threads).unwrap().text, one.text, "{threads} threads");
    }
    // The inferred job accepts every record that was read.
    let config = Config::of_text(&folder.path().join("job.toml"), &one.text, &Overrides::default()).unwrap();
    let checked =
        engine::check(&config, &engine::files(&config, &Watch::default()).unwrap(), None, &Watch::default())
            .unwrap();
    assert_eq!((checked.counts.valid, checked.counts.rejected), (30_000, 0));
}

#[test]
fn a_mixed_file_is_reported_with_its_share_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mixed.log");
    let table = |rows| format!("n\tword\n{}", "1\tx\n".repeat(rows));
    std::fs::write(&path, table(69) + &"{\"a\":1}\n".repeat(30)).unwrap();
    let report = infer(&path, 1).unwrap().report;
    let told: Vec<_> =
        report.candidates.iter().map(|tried| (tried.format.as_str(), tried.explained)).collect();
    assert_eq!(told[..2], [("tsv", 70), ("ndjson", 30)]);
    assert!(report.warnings[0].starts_with("30 of 99 lines are not such records"), "{:?}", report.warnings);
    std::fs::write(&path, table(39) + &"{\"a\":1}\n".repeat(30) + &"a word\n".repeat(30)).unwrap();
    let said = infer(&path, 1).unwrap_err().to_string();
    assert!(
        said.contains("no format explains most of its lines; the best, tsv, explains 40 % of 100 lines"),
        "{said}"
    );
}

#[test]
fn every_file_of_the_corpus_is_either_loaded_or_refused_in_one_line() {
    let root = corpus("README.md");
    let root = root.parent().expect("a folder");
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in ["text", "json", "encoding", "framing"] {
        let entries = std::fs::read_dir(root.join(folder))
            .unwrap_or_else(|_| skip_here("the corpus has other folders"));
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    for file in files.iter().filter(|file| !file.to_string_lossy().ends_with(".verdict.ndjson")) {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("log");
        std::fs::copy(file, &copy).unwrap();
        match infer(&copy, 2) {
            Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{}: {error}", file.display()),
            Ok(Inferred { text, report, .. }) => {
                let job = folder.path().join("job.toml");
                let config = Config::of_text(&job, &text, &Overrides::default())
                    .unwrap_or_else(|error| panic!("{}: {error}\n{text}", file.display()));
                let found = engine::files(&config, &Watch::default()).unwrap();
                let checked = engine::check(&config, &found, None, &Watch::default()).unwrap();
                // Only lines that are no records are rejected, and values about which a warning was printed.
                let told = i64::try_from(report.malformed).unwrap()
                    + if report.warnings.is_empty() { 0 } else { checked.counts.rejected };
                assert!(checked.counts.rejected <= told, "{}: {:?}\n{text}", file.display(), checked.reasons);
            }
        }
    }
}
