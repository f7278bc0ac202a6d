//! Whole job files: their meaning, and every way in which they can be wrong.

use std::env::VarError;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::error::Excerpt;
use crate::schema::{Clock, TimeKind};
use crate::sink::{Key, OnConflict};
use crate::source::Order;

/// A minimal job; tests insert their lines into it.
pub(super) const SMALL: &str = "\
name = \"small\"
[source]
format = \"ndjson\"
[record.fields]
id = \"int\"
[destination]
table = \"t\"
";

pub(super) fn read_job(text: &str, overrides: &Overrides) -> Result<Config, Complaint> {
    let environment = |name: &str| match name {
        "HOST" => Ok("db.example.org".to_owned()),
        "SECRET" => Ok("geheim".to_owned()),
        "SIZE" => Ok("2MiB".to_owned()),
        "ODD" => Err(VarError::NotUnicode("x".into())),
        _ => Err(VarError::NotPresent),
    };
    read(Path::new("jobs/app.toml"), text, overrides, &environment)
}

/// The job that `text` describes.
pub(super) fn config(text: &str) -> Config {
    read_job(text, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// The complaint about `text`.
pub(super) fn complaint(text: &str) -> String {
    read_job(text, &Overrides::default()).expect_err("something is wrong").to_string()
}

/// [`SMALL`] with lines inserted at the beginning of a table. A table that it does not have is added.
pub(super) fn small_with(table: &str, lines: &str) -> String {
    let header = format!("[{table}]\n");
    match SMALL.contains(&header) {
        true => SMALL.replace(&header, &format!("{header}{lines}\n")),
        false => format!("{SMALL}{header}{lines}\n"),
    }
}

/// The findings about `text`: each message, with the text that its caret points at.
pub(super) fn findings(text: &str) -> Vec<(String, String)> {
    let complaint = read_job(text, &Overrides::default()).expect_err("something is wrong");
    let marked = |excerpt: &Excerpt| -> String {
        excerpt.text.chars().skip(excerpt.caret.start).take(excerpt.caret.len()).collect()
    };
    let findings = complaint.findings().iter();
    findings
        .map(|finding| (finding.message.clone(), finding.excerpt.as_ref().map_or_else(String::new, marked)))
        .collect()
}

/// Asserts that lines added to a table of [`SMALL`] are wrong in exactly one way.
#[track_caller]
pub(super) fn assert_wrong(table: &str, lines: &str, message: &str, marked: &str) {
    let text = small_with(table, lines);
    assert_eq!(findings(&text), [(message.to_owned(), marked.to_owned())], "{text}");
}

#[test]
fn a_small_job_is_complete() {
    let config = config(SMALL);
    assert_eq!(config.name, "small");
    assert_eq!(config.date, None);
    assert_eq!(config.source.format.to_string(), "format ndjson");
    assert_eq!(config.source.selection.order, Order::Name);
    assert_eq!(config.source.clock, Clock::default());
    assert!(!config.source.settings.growing && config.source.settings.mmap);
    assert_eq!(config.source.settings.chunk_bytes, 1 << 20);
    assert_eq!(config.source.settings.record_bytes_max, 16 << 20);
    assert_eq!(config.destination.url.reveal(), "sqlite:logmill.db");
    assert_eq!(config.destination.folder, Path::new("jobs"));
    assert_eq!(config.destination.table.name, "t");
    assert_eq!(config.destination.key, Key::Position);
    assert_eq!(config.destination.on_conflict, OnConflict::Update);
    assert!(config.destination.create);
    assert_eq!(config.dead_letters.raw_bytes_max, 1 << 20);
    assert_eq!(config.pipeline.threads, None);
    assert_eq!(config.pipeline.batch_rows, 100_000);
    assert_eq!(config.pipeline.batch_bytes, 24 << 20);
    assert_eq!(config.pipeline.retry_for, Duration::from_secs(600));
    assert_eq!(config.pipeline.deadline, Duration::from_secs(60));
    assert_eq!(config.pipeline.statement_timeout, Duration::from_secs(300));
    assert_eq!(config.pipeline.lock_timeout, Duration::from_secs(30));
    assert_eq!(config.pipeline.connect_timeout, Duration::from_secs(10));
}

#[test]
fn a_job_sets_what_it_says() {
    let config = config(
        r#"
            name = "app-logs"
            [source]
            files = ["logs/*.ndjson", "more"]
            include = ["*.ndjson"]
            exclude = ["*.tmp"]
            format = "ndjson"
            max_record = "${SIZE}"
            timezone = "-05:30"
            order = "name-reverse"
            growing = true
            mmap = false
            [record]
            mode = "strict"
            extra = "forbid"
            nul = "strip"
            [record.fields]
            timestamp = { type = "timestamp" }
            tenant = { type = "text", strict = false }
            [destination]
            url = "host=${HOST} user=ada password=${SECRET}"
            table = "log_entries"
            key = ["tenant", "timestamp"]
            on_conflict = "newest(timestamp)"
            create = false
            [dead_letters]
            max_raw = 0
            [pipeline]
            threads = 3
            chunk_size = 65536
            batch_rows = 50_000
            batch_bytes = "16MB"
            retry_for = "1h30m"
            deadline = "500ms"
            statement_timeout = "1m"
            lock_timeout = "2s"
            connect_timeout = "3s"
        "#,
    );
    assert_eq!(config.source.selection.include, [glob::Pattern::new("*.ndjson").expect("a glob")]);
    assert_eq!(config.source.selection.exclude, [glob::Pattern::new("*.tmp").expect("a glob")]);
    assert_eq!(config.source.settings.record_bytes_max, 2 << 20);
    assert_eq!(config.source.settings.chunk_bytes, 65_536);
    assert_eq!(config.source.clock, Clock::ahead(-(5 * 3600 + 30 * 60)));
    assert_eq!(config.source.selection.order, Order::NameReverse);
    assert!(config.source.settings.growing && !config.source.settings.mmap);
    let schema = &config.record.schema;
    assert_eq!(schema.extra, crate::schema::Extra::Forbid);
    assert_eq!(config.record.schema.nul, crate::schema::Nul::Strip);
    assert_eq!(schema.fields.iter().map(|field| field.strict).collect::<Vec<_>>(), [true, false]);
    let url = &config.destination.url;
    assert_eq!(url.reveal(), "host=db.example.org user=ada password=geheim");
    assert_eq!(url.to_string(), "host=db.example.org user=ada password=***");
    assert_eq!(config.destination.key, Key::Columns(vec!["tenant".to_owned(), "timestamp".to_owned()]));
    assert_eq!(config.destination.on_conflict, OnConflict::Newest("timestamp".to_owned()));
    assert!(!config.destination.create);
    assert_eq!(config.dead_letters.raw_bytes_max, 0);
    assert_eq!(config.pipeline.threads, Some(3));
    assert_eq!(config.pipeline.batch_rows, 50_000);
    assert_eq!(config.pipeline.batch_bytes, 16_000_000);
    assert_eq!(config.pipeline.retry_for, Duration::from_secs(5400));
    assert_eq!(config.pipeline.deadline, Duration::from_millis(500));
    assert!(!format!("{config:?}").contains("geheim"));
}

#[test]
fn the_fields_keep_their_order() {
    let lines: String = (0..50).rev().map(|number| format!("field_{number} = \"int\"\n")).collect();
    let config = config(&SMALL.replace("id = \"int\"\n", &lines));
    let names: Vec<&str> = config.record.schema.fields.iter().map(|field| field.name.as_str()).collect();
    let expected: Vec<String> = (0..50).rev().map(|number| format!("field_{number}")).collect();
    assert_eq!(names, expected);
}

#[test]
fn an_empty_file_is_told_what_a_job_needs() {
    assert_eq!(
        complaint(""),
        "4 things are wrong with jobs/app.toml:\n\n\
         the job has no name; add name = \"…\" at its top\n --> jobs/app.toml\n\n\
         [source] has no format; add format = \"ndjson\"\n --> jobs/app.toml\n\n\
         the job has no fields; name them under [record.fields], as in message = \"text\"\n --> jobs/app.toml\n\n\
         [destination] has no table; add table = \"…\"\n --> jobs/app.toml"
    );
}

#[test]
fn what_is_absent_from_a_table_is_told_at_its_header() {
    assert_eq!(
        complaint(&SMALL.replace("table = \"t\"\n", "")),
        "[destination] has no table; add table = \"…\"\n --> jobs/app.toml:6:1\n  |\n6 | [destination]\n  | ^^^^^^^^^^^^^"
    );
}

#[test]
fn the_job_of_the_design_is_read() {
    let text = r#"
        name = "app-logs"
        [source]
        files  = ["logs/{date}/*.ndjson.gz"]
        format = "ndjson"
        [record]
        extra = "ignore"
        time  = "timestamp"
        [record.fields]
        timestamp = { type = "timestamp" }
        severity  = { type = "enum", values = ["INFO", "WARN", "ERROR"] }
        module    = { type = "text", min_length = 1 }
        message   = { type = "text" }
        user_id   = { type = "int", from = "/user/id", required = false, ge = 0 }
        [destination]
        url         = "postgres://localhost/app"
        table       = "log_entries"
        key         = "position"
        on_conflict = "update"
        [dead_letters]
        stop_above = "5%"
        [[rollup]]
        metric = "errors"
        sql    = "select count(*) from log_entries where timestamp >= {date} and timestamp < {next_date}"
    "#;
    let config = config(text);
    let time = config.rollups.time.as_ref().map(|time| (&*time.name, time.kind));
    assert_eq!(time, Some(("timestamp", TimeKind::Instant)));
    let metrics: Vec<_> =
        config.rollups.metrics.iter().map(|metric| (&*metric.name, &*metric.table.name)).collect();
    assert_eq!(metrics, [("errors", "daily_metrics")]);
}

#[test]
fn names_can_be_read() {
    let name = |name: &str| findings(&SMALL.replace("\"small\"", name));
    for (given, marked) in [("''", "''"), ("'  '", "'  '"), ("\"a\\nb\"", "\"a\\nb\"")] {
        assert_eq!(name(given), [("'name' takes a name that can be read".to_owned(), marked.to_owned())]);
    }
}

#[test]
fn a_table_is_one_identifier_or_two() {
    let table =
        |table: &str| small_with("destination", "").replace("table = \"t\"", &format!("table = {table}"));
    for (given, schema, name) in [
        ("\"Logs.Events\"", Some("logs"), "events"),
        ("'select'", None, "select"),
        ("'\"a.B\"'", None, "a.B"),
    ] {
        let config = config(&table(given));
        assert_eq!(
            (config.destination.table.schema.as_deref(), &*config.destination.table.name),
            (schema, name)
        );
    }
    for given in ["'a; b'", "''", "'a.b.c'", "'my table'"] {
        let [(message, marked)] = &findings(&table(given))[..] else { panic!("{given} is wrong in one way") };
        assert!(message.starts_with("'table' ") && marked == given, "{given}: {message}");
    }
}

#[test]
fn the_files_of_a_job_start_at_its_folder() {
    let config = config(&small_with("source", "files = [\"a/*.log\", \"/abs\"]"));
    let patterns = config.patterns().expect("no date is needed");
    let pattern = |text: &str| Pattern { text: text.into(), base: "jobs".into() };
    assert_eq!(patterns, [pattern("a/*.log"), pattern("/abs")]);
}

#[test]
fn files_on_the_command_line_replace_those_of_the_job() {
    let overrides = Overrides { files: Some(vec!["x{date}.log".into(), "-".into()]), ..Overrides::default() };
    let text = small_with("source", "files = [\"a/${UNSET}/{date}\"]");
    let config = read_job(&text, &overrides).expect("the job's files are not looked at");
    assert_eq!(config.source.needs_date, None);
    let pattern = |text: &str| Pattern { text: text.into(), base: PathBuf::new() };
    assert_eq!(config.patterns().expect("names"), [pattern("x{date}.log"), pattern("-")]);
}

#[test]
fn the_data_date_is_put_into_the_names_of_files() {
    let text = small_with("source", "files = [\"{yyyy}/{mm}/{dd}/{date}.log\", \"all.log\"]");
    let config = read_job(&text, &Overrides::default()).expect("a job");
    assert_eq!(config.source.needs_date, Some(source::NeedsDate::Files));
    assert_eq!(
        config.patterns().expect_err("no date").to_string(),
        "`files` of the job has a placeholder for the data date; give the day with --date"
    );
    let date = NaiveDate::from_ymd_opt(2024, 2, 9);
    let names = |patterns: Vec<Pattern>| -> Vec<String> {
        patterns.iter().map(|pattern| pattern.text.display().to_string()).collect()
    };
    let expected = ["2024/02/09/2024-02-09.log", "all.log"];
    assert_eq!(names(config.source.patterns(date).expect("a date")), expected);
    let overrides = Overrides { date, ..Overrides::default() };
    let config = read_job(&text, &overrides).expect("a job");
    assert_eq!(names(config.patterns().expect("a date")), expected);
}

#[test]
fn a_job_without_files_wants_some_when_it_is_run() {
    assert_eq!(
        config(SMALL).patterns().expect_err("no files").to_string(),
        "there is nothing to load: the job names no files; name some in it, under [source], or on the command line"
    );
}

#[test]
fn names_of_files_are_looked_at() {
    assert_wrong(
        "source",
        "files = [\"\"]",
        "the name of a file is empty; for all files beside the job write \".\"",
        "\"\"",
    );
    assert_wrong(
        "source",
        "files = [\"ok\", \"{day}/x\"]",
        "'{day}' is not known; a name may hold {date}, {yyyy}, {mm} and {dd}, and '[{]' for a brace",
        "\"{day}/x\"",
    );
    assert_wrong("source", "files = \"a.log\"", "'files' takes a list of texts, not 'a.log'", "\"a.log\"");
    assert_wrong("source", "files = [\"a\", 1]", "'files' takes a list of texts, not 1", "1");
    assert_wrong("source", "include = [\"[a\"]", "not a glob: invalid range pattern", "\"[a\"");
    assert_wrong(
        "source",
        "exclude = [\"a/*\"]",
        "'exclude' matches names without their folders, so it takes no '/'",
        "\"a/*\"",
    );
}

#[test]
fn time_zones_are_offsets_and_names() {
    for (given, offset_s) in
        [("UTC", 0), ("+00:00", 0), ("+02:00", 7200), ("-05:30", -19_800), ("+23:59", 86_340)]
    {
        let config = config(&small_with("source", &format!("timezone = \"{given}\"")));
        assert_eq!(config.source.clock, Clock::ahead(offset_s), "{given}");
    }
    for given in ["Europe/Berlin", "CET", "Etc/GMT+1"] {
        let config = config(&small_with("source", &format!("timezone = \"{given}\"")));
        assert_eq!(config.source.clock.place(), Some(given));
    }
    for given in [
        "Europe/Atlantis",
        "Z",
        "",
        "utc",
        "+2:00",
        "+02:60",
        "+24:00",
        "+0200",
        "02:00",
        "+02:00:00",
        "+-1:00",
        "ä",
    ] {
        assert_wrong(
            "source",
            &format!("timezone = \"{given}\""),
            &format!(
                "'timezone' takes 'UTC', an offset from it as in \"+02:00\", or a name such as \"Europe/Berlin\", not '{given}'"
            ),
            &format!("\"{given}\""),
        );
    }
}

#[test]
fn flags_go_before_the_job() {
    let text = small_with(
        "pipeline",
        "threads = 2\nchunk_size = \"2MiB\"\nbatch_rows = 2\nbatch_bytes = \"2MiB\"\nretry_for = \"2s\"\ndeadline = \"2s\"",
    );
    let text = text.replace("[destination]", "[destination]\nurl = \"postgres://${UNSET}\"");
    let overrides = Overrides {
        into: Some("sqlite:x.db".parse().expect("a destination")),
        table: Some("other".parse().expect("a name")),
        threads: Some(5),
        chunk_size: Some(5),
        batch_rows: Some(5),
        batch_bytes: Some(5000),
        retry_for: Some(Duration::from_secs(5)),
        deadline: Some(Duration::from_secs(5)),
        ..Overrides::default()
    };
    let config = read_job(&text, &overrides).expect("the job's url is not looked at");
    assert_eq!(config.destination.url.reveal(), "sqlite:x.db");
    assert_eq!(config.destination.folder, Path::new(""));
    assert_eq!(config.destination.table.name, "other");
    assert_eq!(config.source.settings.chunk_bytes, 5);
    assert_eq!(config.pipeline.threads, Some(5));
    assert_eq!(config.pipeline.batch_rows, 5);
    assert_eq!(config.pipeline.batch_bytes, 5000);
    assert_eq!(config.pipeline.retry_for, Duration::from_secs(5));
    assert_eq!(config.pipeline.deadline, Duration::from_secs(5));
}

#[test]
fn flags_have_the_limits_of_their_keys() {
    let refusal = |overrides: Overrides| {
        Config::load(Path::new("none.toml"), &overrides).expect_err("refused").to_string()
    };
    assert_eq!(
        refusal(Overrides { batch_rows: Some(0), ..Overrides::default() }),
        "--batch-rows takes a whole number from 1 to 10_000_000, not 0"
    );
    assert_eq!(
        refusal(Overrides { chunk_size: Some(1 << 30), ..Overrides::default() }),
        "--chunk-size takes a size from 1B to 16MiB, as in \"64KiB\", not 1GiB"
    );
    assert_eq!(
        refusal(Overrides { deadline: Some(Duration::ZERO), ..Overrides::default() }),
        "--deadline takes a duration from 100ms to 1d, as in \"1m30s\", not 0s"
    );
}

/// The result of [`Config::load`] on a file with this content, with its folder left out.
fn load(content: &[u8]) -> Result<Config, String> {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("job.toml");
    std::fs::write(&path, content).expect("written");
    let prefix = format!("{}/", folder.path().display());
    Config::load(&path, &Overrides::default()).map_err(|error| error.to_string().replace(&prefix, ""))
}

#[test]
fn a_job_is_read_from_its_file() {
    assert_eq!(load(SMALL.as_bytes()).expect("a job").name, "small");
    let with_bom = format!("\u{feff}{}", SMALL.replace('\n', "\r\n"));
    assert_eq!(load(with_bom.as_bytes()).expect("a job").name, "small");
}

#[test]
fn a_file_that_is_no_job_is_refused() {
    assert_eq!(
        load(b"name = \"caf\xe9\"\n").expect_err("Latin-1"),
        "not UTF-8; save the file as UTF-8\n --> job.toml:1:12\n  |\n1 | name = \"caf\u{fffd}\"\n  |            ^"
    );
    assert_eq!(
        load(&vec![b'\n'; 2 << 20]).expect_err("a log"),
        "job.toml has more than 1MiB and is no job file; a file to load is named without -j"
    );
    let error = Config::load(Path::new("/nowhere/job.toml"), &Overrides::default()).expect_err("not there");
    assert!(matches!(error.kind(), ErrorKind::JobFile { .. }));
    assert_eq!(error.to_string(), "cannot read the job file /nowhere/job.toml: No such file or directory");
}

#[test]
fn any_text_is_a_job_or_a_complaint() {
    let mut rng = fastrand::Rng::with_seed(11);
    let pieces: Vec<&str> = vec![
        "[",
        "]",
        "source",
        "record",
        ".",
        "fields",
        "=",
        "\"",
        "'",
        "\n",
        "{",
        "}",
        "$",
        "${",
        "type",
        "int",
        "a",
        "1",
        ",",
        "key",
        "destination",
        "newest(",
        "://",
        "@",
        ":",
        "password",
        " ",
        "\t",
        "ä",
        "\u{feff}",
        "\r",
        "\\",
        "#",
        "default",
        "nan",
        "0x",
        "2020-01-01",
        "list",
        "items",
        "object",
        "[[",
        "]]",
        "_",
        "-",
    ];
    for round in 0..4000 {
        let mut text = if round % 2 == 0 { SMALL.to_owned() } else { String::new() };
        for _ in 0..rng.usize(1..30) {
            let boundaries: Vec<usize> = (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect();
            let at = boundaries[rng.usize(..boundaries.len())];
            text.insert_str(at, pieces[rng.usize(..pieces.len())]);
        }
        if let Err(complaint) = read_job(&text, &Overrides::default()) {
            assert!(!complaint.to_string().is_empty());
        }
    }
}
