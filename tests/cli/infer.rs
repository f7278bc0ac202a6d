//! Loading without a job, and inference.

use super::*;
use crate::harness::run::needs_failpoints;

const LINES: &str = r#"{"at":"2023-10-27T12:34:56.789Z","level":"INFO","userId":7,"ctx":{"a":1},"took":1}
{"at":"2023-10-28T00:00:00+02:00","level":"WARN","userId":null,"took":0.25}
"#;

#[test]
fn a_file_loads_without_a_job_and_every_decision_is_reported() {
    let place = Place::new();
    place.write("app.ndjson", LINES);
    let said = place.run("load app.ndjson").ended(
        0,
        &[
            "wrote app.logmill.toml, inferred from all 2 records of app.ndjson, 159 B",
            "the format is ndjson: it explains 2 of 2 lines that were looked at\n",
            "at       timestamp  2023-10-27",
            "ctx      json       objects; absent in 1 of 2 records",
            "app: 1 file, 159 B into app in logmill.db",
            "look at the rows: sqlite3 logmill.db 'select at, level, user_id, took from app limit 5'",
        ],
    );
    assert_eq!(said.stdout, "");
    assert_eq!(
        place.query(
            "select at, level, user_id, ctx, took, extra, source_offset from app order by source_offset"
        ),
        [
            "2023-10-27T12:34:56.789000Z|INFO|7|{\"a\":1}|1|{}|0",
            "2023-10-27T22:00:00.000000Z|WARN|null|null|0.25|{}|83",
        ]
    );
    // Run again: the job file is used, and nothing is loaded twice.
    place
        .run("load app.ndjson")
        .ended(0, &["app.logmill.toml exists, and is used as it is", "1 file was loaded to the end before"]);
    // The job file works like any other.
    place.run("load -j app.logmill.toml").ended(0, &["1 file was loaded to the end before"]);
}

#[test]
fn later_misfits_become_dead_letters_and_new_members_are_kept() {
    let place = Place::new();
    place.write("app.ndjson", "{\"n\":1,\"ok\":true,\"f\":0.5}\n");
    place.run("load app.ndjson").ended(0, &[]);
    let later = "{\"n\":2,\"ok\":false,\"f\":1,\"new\":[1]}\n{\"n\":1.0,\"ok\":false,\"f\":1}\n\
                 {\"n\":\"3\",\"ok\":false,\"f\":1}\n{\"n\":3,\"ok\":1,\"f\":1}\n{\"n\":3,\"ok\":true,\"f\":true}\n\
                 {\"n\":3,\"ok\":true}\n";
    place.write("app.ndjson", format!("{{\"n\":1,\"ok\":true,\"f\":0.5}}\n{later}"));
    place
        .run("load app.ndjson")
        .ended(3, &["5 dead letters open: logmill dead-letters list -j app.logmill.toml"]);
    assert_eq!(place.query("select n, ok, f, extra from app"), ["1|1|0.5|{}", "2|0|1|{\"new\":[1]}"]);
}

#[test]
fn values_of_several_kinds_are_kept_as_they_are() {
    let place = Place::new();
    let lines = r#"{"id":1,"v":1,"who":{"name":"a","tags":["x"]},"deep":{"a":{"b":null}},"big":18446744073709551616,"l":[1]}
{"id":2,"v":"two","who":{"name":1},"deep":{"a":null},"big":2.5,"when":"2023-10-27","nothing":null}
{"id":3,"v":null,"who":null,"deep":null,"big":1,"when":"then","l":["x",null]}
"#;
    place.write("mixed.ndjson", lines);
    place
        .run("load mixed.ndjson")
        .ended(0, &["texts in 1, numbers in 1; null in 1", "never anything but null"]);
    let columns = "select id, v, who, deep, big, \"when\", \"nothing\", l, extra from mixed order by id";
    let rows = [
        r#"1|1|{"name":"a","tags":["x"]}|{"a":{"b":null}}|18446744073709551616|null|null|[1]|{}"#,
        r#"2|"two"|{"name":1}|{"a":null}|2.5|2023-10-27|null|null|{}"#,
        r#"3|null|null|null|1|then|null|["x",null]|{}"#,
    ];
    assert_eq!(place.query(columns), rows);
    // Later values that do not fit are not coerced.
    let later = r#"{"id":"4","v":1,"who":{},"deep":{},"big":0}
{"id":5,"v":{},"who":{},"deep":{},"big":0,"nothing":1}
"#;
    place.write("mixed.ndjson", format!("{lines}{later}"));
    place.run("load mixed.ndjson").ended(
        3,
        &["id: not an integer (int_type)", "inserted                1", "rejected                1"],
    );
    assert_eq!(place.query("select v, \"nothing\" from mixed where id = 5"), ["{}|1"]);
}

#[test]
fn an_archive_and_the_standard_input_have_jobs_too() {
    let place = Place::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(LINES.as_bytes()).unwrap();
    place.write("app.ndjson.gz", encoder.finish().unwrap());
    place
        .run("load app.ndjson.gz")
        .ended(0, &["wrote app.logmill.toml, inferred from all 2 records of app.ndjson.gz, 159 B"]);
    place.run("load app.ndjson.gz").ended(0, &["1 file was loaded to the end before"]);
    Said::of(&mut place.command("load -"), LINES.as_bytes()).ended(
        0,
        &["wrote stdin.logmill.toml, inferred from all 2 records of stdin", "inserted                2"],
    );
    // The same stream again is read, and changes nothing.
    Said::of(&mut place.command("load -"), LINES.as_bytes()).ended(0, &["stdin.logmill.toml exists"]);
    assert_eq!(place.query("select count(*) from app union all select count(*) from stdin"), ["2", "2"]);
    // Inference would consume another kind of stream.
    nix::unistd::mkfifo(&place.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for arguments in ["check fifo", "load fifo", "infer - app.ndjson.gz"] {
        place
            .run(arguments)
            .ended(2, &["can be read only once, so no job can be inferred from it; name a job with -j"]);
    }
}

#[test]
fn several_files_are_one_job() {
    let place = Place::new();
    place.write("logs/web-1.ndjson", "{\"a\":1}\n");
    place.write("logs/web-2.ndjson", "{\"a\":0.5,\"b\":\"x\"}\n");
    place.write("logs/empty.ndjson", "");
    place.run("load logs/web-1.ndjson logs/web-2.ndjson --table t").ended(0, &["wrote web.logmill.toml"]);
    assert_eq!(place.query("select a, b from t order by 1"), ["0.5|x", "1|null"]);
    assert!(place.read("web.logmill.toml").contains("\"logs/web-1.ndjson\",\n"));
    // A directory lends the job its name.
    let (code, object) = place.json("load logs --into sqlite:other.db");
    assert_eq!((code, &object["job_file"], &object["job"]), (0, &"logs.logmill.toml".into(), &"logs".into()));
    assert_eq!(object["inferred"]["records"], 2);
    assert_eq!(object["inferred"]["fields"][0]["type"], "float");
    assert_eq!(object["sources"]["loaded"], 3);
    assert!(place.path("other.db").exists());
}

#[test]
fn files_with_and_without_a_header_are_not_one_job() {
    let place = Place::new();
    place.write("x/a.csv", "id,name,ok\n1,a,true\n2,b,true\n");
    place.write("x/b.csv", "4,d,true\n5,e,true\n");
    let record = "b.csv begins with a record where x/a.csv has a header: its first record would name columns; load them apart, or give `columns` in a job";
    for files in ["x/a.csv x/b.csv", "x"] {
        place.run(&format!("load {files}")).ended(2, &[record]);
    }
    place.run("load x/b.csv x/a.csv").ended(
        2,
        &["x/a.csv begins with a header where x/b.csv has a record: its header would be a record; load"],
    );
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 1);
    // This also holds for files beyond those that are read in full.
    for n in 0..20 {
        place.write(format!("many/{n:02}.csv"), format!("id,name,ok\n{n},a,true\n"));
    }
    place.write("many/99.csv", "99,d,true\n");
    place.run("load many").ended(2, &["many/99.csv begins with a record where many/00.csv has a header"]);
    // A lone header, an empty file and reordered names are compatible with the first file.
    place.write("many/99.csv", "id,name,ok\n");
    place.write("many/98.csv", "");
    place.write("many/97.csv", "ok,id,name\nfalse,97,z\n");
    place.run("load many").ended(0, &["inserted               21"]);
    assert_eq!(place.query("select name, ok from many where id > 19"), ["z|0"]);
}

#[test]
fn other_files_than_ndjson_are_refused_in_one_line_and_nothing_is_touched() {
    let place = Place::new();
    let utf16: Vec<u8> = "\u{feff}{\"a\":1}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, content, code, said) in [
        ("empty.log", &b""[..], 2, "empty.log is empty, so there is nothing to infer a job from"),
        ("blank.log", b"\n\n", 2, "blank.log is empty"),
        (
            "plain.log",
            b"starting up\nlistening on port 80\n",
            2,
            "plain.log looks like plain text, and no format explains most of its lines; write a job with a `format`",
        ),
        (
            "half.log",
            b"{\"a\":1}\nno\nnor\n",
            2,
            "half.log looks like lines in braces that are not JSON, and no format explains most of its lines; the best, ndjson, explains 33 % of 3 lines",
        ),
        (
            "d.csv",
            b"7,g\n8,h\n",
            2,
            "d.csv looks like CSV, and no format explains most of its lines; two columns without a header could be prose; write `columns` in a job",
        ),
        ("a.seq", b"\x1e{\"a\":1}\n\x1e{\"a\":2}\n", 2, "a JSON text sequence (RFC 7464)"),
        ("a.bin", b"\x7fELF\0\0", 2, "a.bin looks like a program"),
        ("a.gz", b"\x1f\x8b\x08", 1, "a.gz: the gzip data is damaged"),
        (
            "a.zip",
            b"PK\x03\x04\x14",
            1,
            "a.zip: it is a zip archive, which is not read; give logmill what is in it: unzip -p a.zip | logmill load -j JOB -",
        ),
        ("none.log", b"{}\n{}\n", 2, "the records of none.log are empty objects"),
        ("utf16.log", &utf16, 1, "it is UTF-16"),
    ] {
        place.write(name, content);
        let said = place.run(&format!("load {name}")).ended(code, &[said]);
        assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
        std::fs::remove_file(place.path(name)).unwrap();
    }
    place.run("load nothing.ndjson").ended(1, &["cannot open nothing.ndjson"]);
    place.run("load *.ndjson").ended(2, &["no file matches *.ndjson"]);
    place.run("load").ended(2, &["name files, or a job with -j"]);
    place.run("infer").ended(2, &["name files to infer a job from"]);
    std::fs::create_dir(place.path("empty")).unwrap();
    place.run("load empty").ended(2, &["there is no log in empty"]);
    std::fs::remove_dir(place.path("empty")).unwrap();
    place.run("load -").ended(2, &["- is empty, so there is nothing to infer a job from"]);
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0);
}

#[test]
fn bad_lines_are_reported_and_become_dead_letters() {
    let place = Place::new();
    place.write("mixed.ndjson", "started\n{\"a\":1}\n{\"a\":2}\n");
    place.run("load mixed.ndjson").ended(
        3,
        &[
            "1 of 3 lines is not a JSON object and becomes a dead letter; the first, at byte 0 of mixed.ndjson, is",
            "(json_invalid)",
            "1 dead letter open",
        ],
    );
    assert_eq!(place.query("select a from mixed"), ["1", "2"]);
}

#[test]
fn members_with_names_unfit_for_columns_are_still_read() {
    let place = Place::new();
    place.write(
        "order.ndjson",
        "{\"source_id\":1,\"Source_ID\":2,\"extra\":3,\"a b\":4,\"\":5,\"user\":6,\"rowid\":7,\"n\\u0000\":8,\"/x\":9}\n",
    );
    place.run("load order.ndjson").ended(0, &["wrote order.logmill.toml"]);
    // The suggested query can be pasted, whatever the columns are called.
    place.write("words.ndjson", "{\"index\":1,\"values\":2,\"user\":3,\"name\":4}\n");
    let shown = "sqlite3 logmill.db 'select \"index\", \"values\", \"user\", name from words limit 5'";
    place.run("load words.ndjson").ended(0, &[shown]);
    assert_eq!(
        place.query(
            "select source_id_2, source_id_3, extra_2, a_b, field, user, \"rowid\", n, x, extra, source_id from order_log"
        ),
        ["1|2|3|4|5|6|7|8|9|{}|1"]
    );
}

#[test]
fn a_file_of_any_name_has_a_job_and_a_table_that_a_load_takes() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let long = format!("{}.ndjson", "x".repeat(248));
    let names: [(&[u8], &str); 7] = [
        (b"sqlite_master.ndjson", "log_sqlite_master"),
        (b"SQLite_x.ndjson", "log_sqlite_x"),
        (b"logmill_sources.ndjson", "log_logmill_sources"),
        (b"select.ndjson", "select_log"),
        (b"-n.ndjson", "n"),
        (b"a\xff.ndjson", "axff"),
        (b"a\xfe.ndjson", "axfe"),
    ];
    let names = names.into_iter().chain([(long.as_bytes(), &long[..63])]);
    for (number, (name, table)) in (1..).zip(names) {
        let name = OsStr::from_bytes(name);
        place.write(name, format!("{{\"a\":1,\"A\":{number}}}\n"));
        let mut path = OsString::from("./");
        path.push(name);
        Said::of(place.command("load").arg(path), b"").ended(0, &["inserted                1"]);
        assert_eq!(place.query(&format!("select a, a_2 from \"{table}\"")), [format!("1|{number}")]);
    }
    place.run("load -j ./-n.logmill.toml").ended(0, &["1 file was loaded to the end before"]);
}

#[test]
fn names_that_sqlite_does_not_take_are_refused_before_anything_is_written() {
    let place = Place::new();
    place.write("app.ndjson", "{\"a\":1}\n");
    for table in ["sqlite_x", "LOGMILL_sources"] {
        for command in ["load", "infer"] {
            place.run(&format!("{command} app.ndjson --table {table}")).ended(2, &["choose another"]);
        }
    }
    let job = |fields: &str| JOB.replace("n    = \"int\"", fields).replace("URL", "sqlite:logmill.db");
    place.write("job.toml", job("n = \"int\"\nN = \"int\""));
    for command in ["load -j job.toml app.ndjson", "plan -j job.toml app.ndjson"] {
        place.run(command).ended(2, &["field 'N' differs from 'n' only in case"]);
    }
    let left = std::fs::read_dir(place.path("")).unwrap().count();
    assert_eq!(left, 2, "more than the log and the job");
}

#[test]
fn infer_writes_a_job_and_loads_nothing() {
    let place = Place::new();
    place.write("app.ndjson", LINES);
    place
        .run("infer app.ndjson")
        .ended(0, &["wrote app.logmill.toml", "to load: logmill load -j app.logmill.toml"]);
    assert!(!place.path("logmill.db").exists());
    let before = place.read("app.logmill.toml");
    place.run("infer app.ndjson").ended(2, &["app.logmill.toml already exists"]);
    assert_eq!(place.read("app.logmill.toml"), before);
    let said = place.run("infer app.ndjson -o - --table other").ended(0, &[]);
    assert_eq!(said.stdout, before.replace("table       = \"app\"", "table       = \"other\""));
    // A job file in another folder still finds its files.
    std::fs::create_dir(place.path("jobs")).unwrap();
    place.run("infer app.ndjson -o jobs/app.toml").ended(0, &["wrote jobs/app.toml"]);
    place.run("load -j jobs/app.toml").ended(0, &["2 "]);
    assert!(place.path("jobs/logmill.db").exists());
}

#[test]
fn a_job_file_is_written_whole_or_not_at_all() {
    needs_failpoints();
    let place = Place::new();
    place.write("a.ndjson", "{\"n\":1}\n");
    for (fault, code) in [("return", 1), ("return(kill)", -1)] {
        let mut infer = place.command("infer a.ndjson");
        let said = Said::of(infer.env("FAILPOINTS", format!("job-file={fault}")), b"");
        assert!(!place.path("a.logmill.toml").exists(), "{said:?}");
        assert_eq!(said.code, code, "{said:?}");
    }
    let said = Said::of(&mut place.command("infer a.ndjson"), b"").ended(0, &[]);
    assert!(place.read("a.logmill.toml").contains("table       = \"a\""), "{said:?}");
    let is_left = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".tmp");
    let left = std::fs::read_dir(place.path("")).unwrap().filter(|entry| entry.as_ref().is_ok_and(is_left));
    // The temporary file of the killed run.
    assert_eq!(left.count(), 1);
    Said::of(&mut place.command("infer a.ndjson"), b"").ended(2, &["already exists"]);
}

#[test]
fn values_with_a_delimiter_are_loaded_with_no_job() {
    let place = Place::new();
    place.write(
        "people.csv",
        "userId,name,joined,balance,active,zip\n1,\"Ada, née B\",2023-10-27 12:00:00,1.50,true,01234\n2,\"x\ny\",NULL,,false,99\n",
    );
    place.run("load people.csv").ended(
        0,
        &[
            "the format is csv: it explains 4 of 4 lines that were looked at",
            "user_id  int        1 to 2",
            "joined   timestamp  2023-10-27; no zone is given, read as UTC",
            "balance  float      always 1.5; null in 1",
            "zip      text       up to 5 characters",
        ],
    );
    assert_eq!(
        place.query("select user_id, name, joined, balance, active, zip from people order by 1"),
        ["1|Ada, née B|2023-10-27T12:00:00.000000Z|1.5|1|01234", "2|x\ny|null|null|0|99"]
    );
    let job = place.read("people.logmill.toml");
    for line in [
        "format = \"csv\"\n# These texts mean null in every field.\nnulls = [\"\", \"NULL\"]\n",
        "# timezone = \"Europe/Berlin\"  # otherwise timestamps without a zone are in UTC: joined\n",
    ] {
        assert!(job.contains(line), "{job}");
    }
    // Without a header, and with other delimiters.
    place.write("nohead.tsv", "1\ta\t2\n2\tb\t3\n");
    place.run("load nohead.tsv").ended(0, &["the format is tsv", "column_1", "inserted                2"]);
    place.write("semi.txt", "n;word\n1;a\n2;b\n");
    place.run("load semi.txt").ended(0, &["the format is csv with semicolons", "inserted                2"]);
}

#[test]
fn a_few_odd_values_do_not_decide_a_type_and_are_reported() {
    let place = Place::new();
    let line = |n: usize| match n {
        700 => "{\"at\":\"n/a\",\"n\":700}\n".to_owned(),
        1_400 => "{\"at\":\"2023-10-27T12:00:00Z\",\"n\":\"many\"}\n".to_owned(),
        n => format!("{{\"at\":\"2023-10-27T12:{:02}:00Z\",\"n\":{n}}}\n", n % 60),
    };
    place.write("app.ndjson", (0..2_000).map(line).collect::<String>());
    place.run("load app.ndjson").ended(
        3,
        &[
            "field at is timestamp in all but 1 of 2,000 (0.05 %), which would become dead letters: \"n/a\" at byte ",
            "type = \"text\" takes them all",
            "field n is int in all but 1 of 2,000 (0.05 %), which would become dead letters: \"many\" at byte ",
            "type = \"json\" takes them all",
            "inserted            1,998",
            "2 dead letters open",
        ],
    );
    let job = place.read("app.logmill.toml");
    assert!(job.contains("1 of 2,000 (0.05 %) are none, as \"n/a\", and would become dead letters"), "{job}");
    // In a small file, a single value decides.
    place.write("few.ndjson", (600..1_500).map(line).collect::<String>());
    place.run("load few.ndjson").ended(0, &["at  text", "n   json  numbers in 899, texts in 1"]);
}

#[test]
fn values_that_no_column_can_hold_are_predicted() {
    let place = Place::new();
    place.write(
        "app.ndjson",
        "{\"a\":\"x\\u0000\",\"f\":1.5}\n{\"a\":\"y\",\"f\":NaN}\n{\"a\":\"z\",\"f\":2}\n",
    );
    place.run("load app.ndjson").ended(
        3,
        &[
            "1 value of field a holds a NUL, which no column can hold: dead letters, the first at byte 0 of app.ndjson; nul = \"strip\"",
            "1 value of field f holds NaN, which no column can hold: dead letters, the first at byte 24",
            "inserted                1",
            "rejected                2",
        ],
    );
    // An infinity fits into a column of floats, but not into JSON.
    place.write("infinite.ndjson", "{\"f\":1e400}\n{\"f\":2.5}\n");
    let said = place.run("load infinite.ndjson").ended(0, &["inserted                2"]);
    assert!(!said.stderr.contains("no column can hold"), "{}", said.stderr);
    assert_eq!(place.query("select count(*) from infinite where f > 1e308"), ["1"]);
    place.write("mixed.ndjson", "{\"f\":1e400}\n{\"f\":\"x\"}\n{\"f\":{\"a\":NaN}}\n{\"f\":NaN}\n");
    place.run("load mixed.ndjson").ended(
        3,
        &[
            "3 values of field f hold a number that is not finite, which no column can hold",
            "rejected                3",
        ],
    );
}

#[test]
fn an_inferred_job_suggests_what_it_does_not_decide() {
    let place = Place::new();
    let line = |n: usize| {
        format!(
            "{{\"requestId\":\"r-{n}\",\"ts\":{},\"user\":{{\"id\":{n},\"geo\":{{\"city\":\"x\"}}}},\"tags\":[\"a\",\"b\"],\"day\":\"12:30:0{}\"}}\n",
            1_698_410_096_000_u64 + n as u64,
            n % 10
        )
    };
    place.write("app-2023-10-27.ndjson", (0..200).map(line).collect::<String>());
    place.run("load app-2023-10-27.ndjson").ended(
        0,
        &[
            "into app in logmill.db",
            "ts          timestamp  2023-10-27; milliseconds since 1970",
            "tags        list       lists of texts",
        ],
    );
    let job = place.read("app-2023-10-27.logmill.toml");
    for line in [
        "# files  = [\"app-{date}.ndjson\"]  # any day: logmill load -j … --date 2023-10-27\n",
        "# user_id       = { type = \"int\", from = \"/user/id\", required = false }",
        "# user_geo_city = { type = \"text\", from = \"/user/geo/city\", required = false }",
        "# key         = [\"request_id\"]  # all its values were different\n",
        "ts         = { type = \"timestamp\", format = \"epoch_ms\" }",
        "day        = { type = \"time\" }",
        "tags       = { type = \"list\", items = { type = \"text\" } }",
    ] {
        assert!(job.contains(line), "{line} is not in\n{job}");
    }
    // The commented suggestions can be enabled.
    let taken = job
        .replace("\n# user_", "\nuser_")
        .replace("\nfiles  = [\"app-2023", "\n# ")
        .replace("\n# files ", "\nfiles ");
    place.write("taken.toml", taken);
    place
        .run("load -j taken.toml --date 2023-10-27 --into sqlite:taken.db")
        .ended(0, &["inserted              200"]);
}

#[test]
fn a_found_job_applies_to_the_files_of_its_folder() {
    let place = Place::new();
    place.write("one/app.ndjson", "{\"a\":1}\n");
    place.write("two/app.ndjson", "{\"b\":\"x\"}\n");
    place.run("load one/app.ndjson").ended(0, &["wrote app.logmill.toml"]);
    place.run("load one/app.ndjson").ended(0, &["app.logmill.toml exists, and is used"]);
    place.write("one/app.ndjson.1", "{\"a\":0}\n");
    place.run("load one/app.ndjson.1").ended(0, &["inserted                1"]);
    place
        .run("load two/app.ndjson")
        .ended(2, &["app.logmill.toml exists, but is for files in another folder than two/app.ndjson"]);
    place.run("load -j app.logmill.toml two/app.ndjson").ended(3, &["a: missing"]);
    place.run("infer two/app.ndjson -o other.toml").ended(0, &["wrote other.toml"]);
}

/// The jobs of both logs would have the same file name.
#[test]
fn a_job_found_for_one_log_applies_to_no_other() {
    let place = Place::new();
    place.write("app.log", "level=info n=1\nlevel=warn n=2\n");
    place.write("app.ndjson", "{\"level\":\"info\",\"n\":1}\n");
    place.run("load app.log").ended(0, &["wrote app.logmill.toml"]);
    let said = place.run("load app.ndjson").ended(
        2,
        &["app.logmill.toml exists, but is for app.log, not for app.ndjson; if it is the right job"],
    );
    assert!(!said.stderr.contains("is used"), "{}", said.stderr);
    // The same log after rotation.
    place.write("app.log.1", "level=info n=0\n");
    place.run("load app.log.1").ended(0, &["inserted                1"]);
    // A pattern may cover any file.
    let job = place.read("app.logmill.toml");
    place.write("app.logmill.toml", job.replace("\"app.log\"", "\"app.*\""));
    place.run("load app.ndjson").ended(3, &["no_match"]);
}
