//! The data date, in names and in stored sources.

use super::*;

#[test]
fn the_date_expands_in_names_and_is_stored_with_the_sources() {
    let source = "files = [\"{date}/*.log\", \"{yyyy}/{mm}/app-{dd}.log\", \"odd[{]1}.log\"]";
    let logs = Logs::new().source(source);
    for (n, name) in (1..).zip([
        "2023-10-27/a.log",
        "2023-10-28/a.log",
        "2023/10/app-27.log",
        "2024/10/app-27.log",
        "odd{1}.log",
    ]) {
        logs.write(name, log(n..=n));
    }
    let said = Said::of(&mut logs.command(""), b"");
    said.ended(2, &["`files` of the job has a placeholder for the data date; give the day with --date"]);
    logs.load_with("--date 2023-10-27").exit(0).did(3, 0);
    assert_eq!(logs.sources(), ["a.log 1", "app-27.log 3", "odd{1}.log 5"]);
    // The second day has one file less, and the file without a date is loaded for it too.
    logs.load_with("--date 2023-10-28").exit(0).did(2, 0);
    logs.load_with("--date 2023-10-27").exit(0).did(0, 3);
    assert_eq!(
        logs.query("select data_date, count(*) from logmill_sources group by 1 order by 1"),
        ["2023-10-27|3", "2023-10-28|2"]
    );
    assert_eq!(
        logs.query("select distinct data_date from logmill_runs order by 1"),
        ["2023-10-27", "2023-10-28"]
    );
}

#[test]
fn a_job_needs_or_refuses_a_date_whatever_files_it_is_given() {
    let logs = Logs::new();
    logs.write("app.log", log(1..=10));
    let ended = |command: &str, date: Option<&str>, code: i32, said: &str| {
        logs.command("");
        let mut command = logs.place.command(command);
        Said::of(command.envs(date.map(|date| ("LOGMILL_DATE", date))), b"").ended(code, &[said]);
    };
    let refused =
        "nothing in the job depends on a data date, and --date 2023-10-27 would load the same files again";
    for command in ["load", "load app.log", "check", "plan", "check app.log"] {
        ended(&format!("{command} -j job.toml --date 2023-10-27"), None, 2, refused);
        ended(&format!("{command} -j job.toml"), Some("2023-10-27"), 2, refused);
    }
    ended("load app.log --date 2023-10-27", None, 2, refused);
    let never =
        "nothing in the job depends on a data date, so it has no day 2023-10-27 to verify; leave out --date";
    for command in ["verify", "verify app.log"] {
        ended(&format!("{command} -j job.toml --date 2023-10-27"), None, 2, never);
    }
    assert!(!logs.path("app.logmill.toml").exists() && !logs.path("logmill.db").exists());
    let logs = logs.source("files = [\"{date}/*.log\"]");
    logs.command("");
    for command in ["load", "load app.log", "check app.log", "plan app.log"] {
        let said = logs.place.run(&format!("{command} -j job.toml"));
        said.ended(2, &["`files` of the job has a placeholder for the data date; give the day with --date"]);
    }
    logs.load_with("app.log --date 2023-10-27").exit(0).did(10, 0);
    logs.load_with("app.log --date 2023-10-28").exit(0).did(10, 0);
}

#[test]
fn a_missing_day_is_reported() {
    let logs = Logs::new().source("files = [\"{date}/*.log\"]");
    let loaded = logs.load_with("--date 2023-10-27");
    loaded.exit(0).did(0, 0);
    let notice = loaded.result("/notices/0");
    assert!(notice["file"].as_str().unwrap().ends_with("2023-10-27/*.log"), "{notice}");
    assert_eq!(notice["notice"], "there is no such file for this day");
    assert_eq!(logs.query("select date, state from logmill_dates"), ["2023-10-27|absent"]);
    Said::of(&mut logs.command("--date 2023-02-30"), b"").ended(2, &["2023-02-30"]);
}

/// A log of timestamps without a year, and a job for it with these lines in `[source]`.
fn yearless(place: &Place, of_source: &str) {
    place.write(
        "app.log",
        "Dec 31 23:59:59 web -\nJan  1 00:30:00 web 7\nMar 26 02:30:00 - 8\nOct 29 02:30:00 db 9\nFeb 29 12:00:00 db 1\n",
    );
    place.write(
        "job.toml",
        format!(
            r#"
            name = "app"
            [source]
            files = ["app.log"]
            format = "regex"
            pattern = '^(?P<at>\w+ [ \d]\d [\d:]+) (?P<host>\S+) (?P<n>\S+)$'
            {of_source}
            [record.fields]
            at   = {{ type = "timestamp", format = "%b %e %H:%M:%S" }}
            host = {{ type = "text", nullable = true }}
            n    = {{ type = "int", nullable = true }}
            [destination]
            table = "app"
            "#
        ),
    );
}

#[test]
fn incomplete_stamps_are_completed_from_the_job_or_the_data_date() {
    let place = Place::new();
    yearless(&place, "");
    place.run("load -j job.toml").ended(
        2,
        &["the timestamps of field 'at' have no year; add year = … to [source], or give the day of the files with --date"],
    );
    // A command that reads no stamps needs no date.
    place.run("status -j job.toml").ended(0, &[]);
    let rows = "select at, host, n from app order by source_offset";

    yearless(&place, "year = 2023\ntimezone = \"Europe/Berlin\"\nnulls = [\"-\"]");
    place.run("load -j job.toml --date 2023-12-31").ended(2, &["nothing in the job depends on a data date"]);
    // An hour that never came and one that came twice are counted, and 2023 had no 29 February.
    place
        .run("load -j job.toml")
        .ended(3, &["at: not a timestamp (datetime_parsing)", "  unsure times              2\n"]);
    assert_eq!(
        place.query(rows),
        [
            "2023-12-31T22:59:59.000000Z|web|null",
            "2022-12-31T23:30:00.000000Z|web|7",
            "2023-03-26T01:30:00.000000Z|null|8",
            "2023-10-29T00:30:00.000000Z|db|9",
        ]
    );

    // A stamp far after the data date belongs to the year before.
    std::fs::remove_file(place.path("logmill.db")).unwrap();
    yearless(&place, "nulls = [\"-\", \"db\"]");
    place.run("load -j job.toml --date 2024-01-01").ended(0, &["inserted                5"]);
    assert_eq!(
        place.query(rows),
        [
            "2023-12-31T23:59:59.000000Z|web|null",
            "2024-01-01T00:30:00.000000Z|web|7",
            "2024-03-26T02:30:00.000000Z|null|8",
            "2023-10-29T02:30:00.000000Z|null|9",
            "2024-02-29T12:00:00.000000Z|null|1",
        ]
    );
}
