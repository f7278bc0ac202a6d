//! Text formats: real logs with the corpus's verdicts, and our samples from end to end.

use bumpalo::Bump;
use logmill::format::{Chunk, Extras, LogFormat, Memory, Pattern, Preamble, Raw, Spec, of};
use logmill::source::{Objects, Runtime};
use serde_json::{Map, Value};

use crate::corpus::{corpus, lines};

/// The members of each record of a corpus file, or the code of its fault.
fn records(spec: &Spec, name: &str) -> Vec<Result<Map<String, Value>, String>> {
    let bytes = std::fs::read(corpus(name)).expect("readable");
    let format = of::<&str>(spec, &[], Extras::Gathered);
    let preamble = Preamble::default();
    let chunk = Chunk { bytes: &bytes, preamble: &preamble, record_bytes_max: usize::MAX };
    let mut found = Vec::new();
    let take = |record: &logmill::format::Record<'_>, arena: &Bump| {
        let member = |(name, item): (&str, logmill::format::Item<'_>)| {
            let value = match item.raw() {
                Raw::Text("-") => Value::Null,
                _ => serde_json::from_slice(item.json(arena)).expect("JSON"),
            };
            (name.to_owned(), value)
        };
        record.root().members().map(member).collect()
    };
    format.each_record(chunk, &mut Memory::default(), |_, record, arena| {
        found.push(record.map(|record| take(record, arena)).map_err(|fault| fault.code.to_string()));
    });
    found
}

/// Compares the records of a corpus file with its verdicts. `names` maps names of the corpus to ours.
#[track_caller]
fn judged(spec: &Spec, name: &str, names: &[(&str, &str)], same: impl Fn(&str, &Value, &Value) -> bool) {
    let verdicts = lines(&format!("{name}.verdict.ndjson"));
    let records = records(spec, name);
    let verdicts = verdicts.iter().map(|line| serde_json::from_slice::<Value>(line).expect("JSON"));
    let verdicts: Vec<_> = verdicts.filter(|verdict| verdict["kind"] != "directive").collect();
    assert_eq!(records.len(), verdicts.len(), "{name}");
    for (found, verdict) in records.iter().zip(verdicts) {
        let line = &verdict["n"];
        match (found, verdict["fields"].as_object()) {
            (Ok(found), Some(expected)) => {
                for (field, expected) in expected {
                    let ours =
                        names.iter().find(|(theirs, _)| theirs == field).map_or(&**field, |(_, ours)| ours);
                    let value = found.get(ours).unwrap_or(&Value::Null);
                    assert!(
                        same(field, value, expected),
                        "{name} line {line}, {field}: {value} is not {expected}"
                    );
                }
            }
            (Err(_), None) => {}
            (found, expected) => panic!("{name} line {line}: {found:?} is not {expected:?}"),
        }
    }
}

/// A text equals a number of the corpus if it reads the same.
fn is_same(value: &Value, expected: &Value) -> bool {
    match (value, expected) {
        (Value::String(text), Value::Number(number)) => *text == number.to_string(),
        _ => value == expected,
    }
}

/// The stamp of an access log in the notation of the corpus.
fn iso(stamp: &Value) -> Value {
    let stamp = stamp.as_str().expect("text");
    chrono::DateTime::parse_from_str(stamp, "%d/%b/%Y:%H:%M:%S %z").expect("a stamp").to_rfc3339().into()
}

#[test]
fn real_access_logs_match_their_verdicts() {
    let spec = Spec::Access(LogFormat::named("combined").expect("a name"));
    for name in ["text/apache_combined.log", "text/combined_small.log"] {
        let names = [("ts", "timestamp"), ("agent", "user_agent")];
        judged(&spec, name, &names, |field, value, expected| match field {
            "ts" => iso(value) == *expected,
            // The corpus keeps this value as written.
            "agent" => value.as_str().unwrap_or("-") == *expected,
            _ => is_same(value, expected),
        });
    }
}

#[test]
fn real_logfmt_matches_its_verdicts() {
    for name in ["text/logfmt_small.log", "text/logfmt_agrind.log"] {
        judged(&Spec::Logfmt, name, &[], |_, value, expected| is_same(value, expected));
    }
}

#[test]
fn real_syslog_matches_its_verdicts() {
    let names = [("ts", "timestamp"), ("host", "hostname"), ("prog", "appname"), ("pid", "procid")];
    judged(&Spec::Syslog, "text/sftp_syslog.log", &names, |_, value, expected| is_same(value, expected));
}

#[test]
fn real_w3c_matches_its_verdicts() {
    for name in ["text/w3c_small.log", "text/w3c_mismatch.log"] {
        judged(&Spec::W3c, name, &[], |_, value, expected| is_same(value, expected));
    }
}

/// Arrays, pretty-printed objects and text sequences, which NDJSON refuses.
#[test]
fn json_objects_are_found_in_any_layout() {
    for (name, count) in [
        ("framing/json_array_file.json", 10),
        ("framing/pretty_printed.json", 1),
        ("framing/rs_json_seq.ndjson", 3),
        ("framing/concatenated.ndjson", 10),
        ("framing/mixed_eol.ndjson", 10),
        ("json/gharchive.ndjson", 49),
        ("json/traefik.ndjson", 80),
    ] {
        let objects = records(&Spec::Json(Objects::default()), name);
        assert_eq!(objects.len(), count, "{name}");
        assert!(objects.iter().all(Result::is_ok), "{name}");
    }
    for name in ["json/gharchive.ndjson", "json/lnav_nested_json.json", "json/lnav_journald.json"] {
        let lines = records(&Spec::Ndjson { record_start: None }, name);
        assert_eq!(records(&Spec::Json(Objects::default()), name), lines, "{name}");
    }
    let (good, bad): (Vec<_>, Vec<_>) =
        records(&Spec::Json(Objects::default()), "json/lnav_invalid_json.json")
            .into_iter()
            .partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (4, 1));
}

/// Lines that Docker split, and the values that its lines do not hold.
#[test]
fn split_docker_lines_are_joined() {
    let within = |runtime| {
        let pattern = Pattern::new("^(?P<message>(?s:.*))$").expect("a pattern");
        let payload = Box::new(Spec::Regex { pattern, record_start: None });
        Spec::Contained { runtime, payload }
    };
    let found = records(&within(Runtime::Docker), "json/fluentbit_docker_split.ndjson");
    let messages: Vec<_> =
        found.iter().map(|record| record.as_ref().expect("a record")["message"].clone()).collect();
    let expected = [
        "2020-03-24 Multiple lines: ",
        "first bullet point",
        "second bullet point",
        "third bullet point",
        "fourth bullet point",
        "2020-03-24 Single line",
    ];
    assert_eq!(messages, expected);
    let compose = records(&within(Runtime::Compose), "json/lnav_docker_compose.0");
    assert!(compose.len() == 22 && compose.iter().all(Result::is_ok));
    let traefik = records(&within(Runtime::Docker), "json/traefik.ndjson");
    assert!(traefik.iter().all(|record| *record == Err("no_match".to_owned())));
}

/// The lines of one format are hardly ever accepted by another. (SQL contains an `=` here and there.)
#[test]
fn no_format_accepts_the_lines_of_another() {
    let combined = Spec::Access(LogFormat::named("combined").expect("a name"));
    let common = Spec::Access(LogFormat::named("common").expect("a name"));
    let files = [
        ("text/apache_combined.log", "combined"),
        ("text/logfmt_small.log", "logfmt"),
        ("text/sftp_syslog.log", "syslog"),
        ("text/rsyncd.log", ""),
        ("text/postgres.log", ""),
    ];
    for (name, of) in files {
        for spec in [&combined, &common, &Spec::Logfmt, &Spec::Syslog] {
            let records = records(spec, name);
            let taken = records.iter().filter(|record| record.is_ok()).count();
            match spec.to_string() == format!("format {of}") {
                true => assert_eq!(taken, records.len(), "{name} as {spec}"),
                false => {
                    assert!(taken * 5 <= records.len(), "{taken} of {} of {name} as {spec}", records.len())
                }
            }
        }
    }
}

/// From a file in `datasets/samples` to rows.
mod samples {
    use std::path::Path;

    use serde_json::Value;

    use crate::harness::logmill;

    /// The report of `check` on a sample with this source and these fields, and its verdicts.
    fn check(file: &str, source: &str, record: &str) -> (Value, Vec<Value>) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/samples").join(file);
        let job = format!(
            "name = \"sample\"\n[source]\nfiles = [\"{}\"]\n{source}\n[record]\n{record}\n
             [destination]\nurl = \"sqlite:logmill.db\"\ntable = \"t\"\n",
            file.display()
        );
        std::fs::write(folder.path().join("job.toml"), job).expect("written");
        let arguments = ["check", "-j", "job.toml", "--output", "json", "--verdicts", "out"];
        let output = logmill().current_dir(folder.path()).args(arguments).output().expect("it ran");
        let said = serde_json::from_slice(&output.stdout);
        let said: Value = said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let verdicts = std::fs::read_to_string(folder.path().join("out")).expect("readable");
        (said, verdicts.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
    }

    const ACCESS: &str = r#"
        extra = "keep"
        [record.fields]
        client     = "ip"
        timestamp  = { type = "timestamp", format = "%d/%b/%Y:%H:%M:%S %z" }
        method     = { type = "text", required = false }
        target     = { type = "text", required = false }
        status     = { type = "int", ge = 100, le = 599 }
        user_agent = { type = "text", required = false }"#;

    #[test]
    fn an_access_log_is_the_same_by_name_and_by_its_configuration() {
        let (said, by_name) = check("access.log", "format = \"combined\"", ACCESS);
        let pasted = r#"format = "access"
log_format = '''
LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined'''"#;
        let (again, by_configuration) = check("access.log", pasted, ACCESS);
        assert_eq!(said["counts"], again["counts"]);
        assert_eq!(by_name, by_configuration);
        assert_eq!(by_name.len(), 300);
        let values = &by_name[0]["values"];
        assert!(values["timestamp"].as_str().expect("a stamp").starts_with("2024-01-01T00:00:"), "{values}");
        let rejected = by_name.iter().filter(|verdict| verdict["valid"] == false).count();
        assert_eq!(said["counts"]["rejected"], rejected);
        assert!((1..10).contains(&rejected), "{rejected} of 300 were spoiled");
    }

    #[test]
    fn pairs_are_found_by_their_keys() {
        let record = r#"
            [record.fields]
            ts    = "timestamp"
            level = { type = "enum", values = ["info", "warn", "error"] }
            user  = { type = "int", from = "user.id" }
            took  = "float"
            err   = { type = "text", required = false }"#;
        let (said, verdicts) = check("service.logfmt", "format = \"logfmt\"", record);
        let codes = verdicts.iter().filter_map(|verdict| verdict["reasons"][0]["code"].as_str());
        let rejected: Vec<_> = codes.collect();
        assert_eq!(said["counts"]["rejected"], rejected.len());
        assert!(!rejected.is_empty() && rejected.iter().all(|code| *code == "no_match"), "{rejected:?}");
        assert!(verdicts.iter().any(|verdict| verdict["values"]["err"] == ""));
    }

    #[test]
    fn one_file_may_mix_both_shapes_of_syslog() {
        let record = r#"
            [record.fields]
            hostname = { type = "enum", values = ["web-1", "web-2", "db-1"] }
            appname  = "text"
            priority = { type = "int", required = false, ge = 0, le = 191 }
            port     = { type = "int", required = false, from = "/structured_data/origin@32473/port" }
            structured_data = { type = "json", required = false }
            message  = "text""#;
        let (said, verdicts) = check("messages.log", "format = \"syslog\"", record);
        let valid =
            || verdicts.iter().filter(|verdict| verdict["valid"] == true).map(|verdict| &verdict["values"]);
        let (new, old): (Vec<_>, Vec<_>) = valid().partition(|values| values["priority"].is_number());
        assert!(new.len() > 20 && old.len() > 200, "{} and {}", new.len(), old.len());
        for values in new {
            let port = &values["structured_data"]["origin@32473"]["port"];
            assert_eq!(port.as_str().expect("text"), values["port"].to_string());
        }
        assert!(old.iter().all(|values| values["port"].is_null() && values["structured_data"].is_null()));
        assert!(said["counts"]["rejected"].as_u64().expect("a number") > 0);
    }

    /// The counts of a sample: lines, skipped, records and rejects.
    fn counts(said: &Value) -> [u64; 4] {
        ["lines", "skipped", "records", "rejected"]
            .map(|name| said["counts"][name].as_u64().expect("a number"))
    }

    fn codes(verdicts: &[Value]) -> Vec<&str> {
        verdicts.iter().filter_map(|verdict| verdict["reasons"][0]["code"].as_str()).collect()
    }

    #[test]
    fn orders_have_notes_of_several_lines() {
        let record = r#"
            [record.fields]
            at    = "timestamp"
            order = "int"
            total = { type = "decimal", max_digits = 8, decimal_places = 2 }
            note  = "text"
            state = { type = "enum", values = ["paid", "shipped", "open", "returned"] }"#;
        let (said, verdicts) = check("orders.csv", "format = \"csv\"", record);
        assert_eq!(counts(&said), [224, 1, 200, 2]);
        assert_eq!(codes(&verdicts), ["column_count"; 2]);
        let note = |verdict: &Value| verdict["values"]["note"].as_str().map(str::to_owned);
        assert!(
            verdicts.iter().filter_map(note).any(|note| note.starts_with('"') && note.contains("\"\r\n"))
        );
    }

    #[test]
    fn iis_date_and_time_become_one_timestamp() {
        let record = r#"
            [record.fields]
            timestamp = "timestamp"
            ip        = { type = "ip", from = "c-ip" }
            user      = { type = "text", from = "cs-username", required = false }
            status    = { type = "int", from = "sc-status" }
            taken     = { type = "int", from = "time-taken" }"#;
        let (said, verdicts) = check("iis.log", "format = \"w3c\"", record);
        assert_eq!(counts(&said), [204, 4, 200, 2]);
        assert_eq!(codes(&verdicts), ["column_count"; 2]);
        let values = || verdicts.iter().map(|verdict| &verdict["values"]);
        assert!(
            values().any(|values| values["user"] == "CORP\\ada")
                && values().any(|values| values["user"].is_null())
        );
        assert_eq!(verdicts[0]["values"]["timestamp"], "2024-01-01T00:00:00.000000Z");
    }

    #[test]
    fn connections_have_lists_and_nulls() {
        let record = r#"
            [record.fields]
            ts       = "timestamp"
            uid      = "text"
            ip       = { type = "ip", from = "id.orig_h" }
            service  = { type = "text", required = false }
            duration = "float"
            local    = { type = "bool", from = "local_orig" }
            parents  = { type = "list", from = "tunnel_parents", items = "text" }"#;
        let (said, verdicts) = check("conn.log", "format = \"zeek\"", record);
        assert_eq!(counts(&said), [209, 9, 200, 1]);
        assert_eq!(codes(&verdicts), ["column_count"]);
        let values = || verdicts.iter().map(|verdict| &verdict["values"]);
        let parents = serde_json::json!(["C1a", "C2b"]);
        assert!(values().any(|values| values["parents"] == parents && values["service"].is_null()));
        assert!(values().any(|values| values["parents"] == serde_json::json!([])));
        assert!(verdicts[0]["values"]["ts"].as_str().expect("a stamp").starts_with("2024-01-01T00:00:"));
    }

    #[test]
    fn container_lines_hold_other_formats() {
        let service = r#"
            [record.fields]
            container_time = "timestamp"
            timestamp = "timestamp"
            module    = "text"
            user_id   = "int""#;
        let (said, verdicts) = check("pod.log", "format = \"cri\"\npayload = \"ndjson\"", service);
        let [lines, skipped, records, _] = counts(&said);
        assert!(lines > 210 && skipped == 0 && records >= 200, "{said}");
        let values = || verdicts.iter().map(|verdict| &verdict["values"]).filter(|values| !values.is_null());
        assert!(values().count() > 190);
        assert!(values().all(|values| values["container_time"] == values["timestamp"]));

        let logfmt = r#"
            [record.fields]
            stream = { type = "enum", from = "container_stream", values = ["stdout", "stderr"] }
            msg    = "text""#;
        let (said, verdicts) = check("docker.log", "format = \"docker\"\npayload = \"logfmt\"", logfmt);
        assert!(
            counts(&said)[0] > 210
                && verdicts.iter().filter(|verdict| verdict["valid"] == true).count() > 190
        );
        let codes = codes(&verdicts);
        assert!(
            !codes.is_empty() && codes.iter().all(|code| ["no_match", "partial_line"].contains(code)),
            "{codes:?}"
        );

        let access = r#"
            [record.fields]
            service = { type = "enum", from = "container_service", values = ["web-1", "web-2", "proxy-1"] }
            client  = "ip"
            status  = "int""#;
        let (said, _) = check("compose.log", "format = \"compose\"\npayload = \"combined\"", access);
        let [lines, _, records, rejected] = counts(&said);
        assert_eq!([lines, records, rejected], [200, 200, 5], "{said}");
    }

    #[test]
    fn an_array_loses_only_its_bad_objects() {
        let record = r#"
            [record.fields]
            timestamp = "timestamp"
            severity  = { type = "enum", values = ["INFO", "WARN", "ERROR"] }
            module    = { type = "text", min_length = 1 }
            message   = "text"
            user_id   = "int""#;
        let (said, verdicts) = check("service.json", "format = \"json\"", record);
        let [lines, skipped, records, rejected] = counts(&said);
        assert_eq!([lines, skipped, records], [102, 2, 100]);
        assert_eq!(codes(&verdicts).len() as u64, rejected);
        assert!((1..10).contains(&rejected), "{rejected} of 100 were spoiled");
    }
}
