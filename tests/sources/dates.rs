//! The data date, in names and in what is remembered.

use super::*;

#[test]
fn the_date_is_put_into_names_and_kept_with_the_sources() {
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
    said.ended(2, &["`files` of the job has a placeholder for the data date; say which day with --date"]);
    logs.load_with("--date 2023-10-27").exit(0).did(3, 0);
    assert_eq!(logs.sources(), ["a.log 1", "app-27.log 3", "odd{1}.log 5"]);
    // The other day has a file less, and the one without a date is loaded for it too.
    logs.load_with("--date 2023-10-28").failed("2023/10/app-28.log", "No such file").did(2, 0);
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
fn a_job_takes_a_date_or_refuses_one_whichever_files_it_is_given() {
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
    assert!(!logs.path("app.logmill.toml").exists() && !logs.path("logmill.db").exists());
    let logs = logs.source("files = [\"{date}/*.log\"]");
    logs.command("");
    for command in ["load", "load app.log", "check app.log", "plan app.log"] {
        let said = logs.place.run(&format!("{command} -j job.toml"));
        said.ended(2, &["`files` of the job has a placeholder for the data date; say which day with --date"]);
    }
    logs.load_with("app.log --date 2023-10-27").exit(0).did(10, 0);
    logs.load_with("app.log --date 2023-10-28").exit(0).did(10, 0);
}

#[test]
fn a_day_that_is_not_there_is_said() {
    let logs = Logs::new().source("files = [\"{date}/*.log\"]");
    let said = Said::of(&mut logs.command("--date 2023-10-27"), b"");
    said.ended(2, &["no file matches", "2023-10-27/*.log"]);
    Said::of(&mut logs.command("--date 2023-02-30"), b"").ended(2, &["2023-02-30"]);
}
