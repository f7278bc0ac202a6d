//! `backfill`: one job run for many dates.

use super::*;
use crate::stories::on_each_destination;

on_each_destination! {
    done_days_are_skipped_and_a_late_file_is_loaded
    a_backfill_that_was_killed_goes_on
    a_day_that_fails_does_not_end_it
    source_ids_do_not_depend_on_parallelism
    a_day_is_forgotten_with_its_last_file
    what_is_left_to_do_is_told_whatever_was_due
}

/// The dates of a backfill's report, each with its state.
#[track_caller]
fn states(result: &Value) -> Vec<String> {
    let dates = result["dates"].as_array().unwrap_or_else(|| panic!("no dates: {result}"));
    dates.iter().map(|date| format!("{} {}", text(&date["date"]), text(&date["state"]))).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn done_days_are_skipped_and_a_late_file_is_loaded(kind: Kind) {
    let days = Days::new(kind).files("files = [\"logs/{date}*.log\"]");
    // The turn of a year, and the day on which clocks go forward.
    for (day, numbers) in [("2023-12-30", 1..=3), ("2023-12-31", 4..=5), ("2024-01-02", 6..=6)] {
        days.log(day, numbers);
    }
    let range = "backfill --from 2023-12-30 --to 2024-01-03";
    let plan = days.run(&format!("{range} --dry-run"));
    assert!(plan.stdout.contains("4 days from 2023-12-30 to 2024-01-02: 3 due with 3 files"), "{plan:?}");
    let (code, result) = days.json(range);
    assert_eq!((code, &result["counts"]["inserted"]), (0, &6.into()), "{result}");
    assert_eq!(
        states(&result),
        ["2023-12-30 done", "2023-12-31 done", "2024-01-01 absent", "2024-01-02 done"]
    );
    let dates =
        format!("SELECT CAST(date AS text), state FROM {} ORDER BY 1", days.kind.table("logmill", "dates"));
    assert_eq!(
        days.query(&dates),
        ["2023-12-30|done", "2023-12-31|done", "2024-01-01|absent", "2024-01-02|done"]
    );

    // Nothing is due, so nothing runs.
    let runs = format!("SELECT count(*) FROM {}", days.kind.table("logmill", "runs"));
    let before = days.query(&runs);
    let (code, result) = days.json(range);
    assert_eq!((code, &result["counts"]["records"]), (0, &0.into()), "{result}");
    assert_eq!(days.query(&runs), before);

    // A late file for a day that was done, and one for a day that had none.
    days.log("2023-12-31-late", 7..=8);
    days.log("2024-01-01", 9..=9);
    let (_, result) = days.json(range);
    let due = result["dates"].as_array().unwrap().iter().filter(|date| date["was_due"] == true);
    assert_eq!(due.map(|date| text(&date["date"])).collect::<Vec<_>>(), ["2023-12-31", "2024-01-01"]);
    assert_eq!(result["counts"]["inserted"], 3);
    assert_eq!(days.query("SELECT n FROM t ORDER BY n").len(), 9);

    // File names show the dates too, and a loaded day stays loaded after its file is gone.
    std::fs::remove_file(days.place.path("logs/2023-12-30.log")).unwrap();
    let (code, result) = days.json("backfill --found");
    assert_eq!(
        (code, states(&result)),
        (0, ["2023-12-31 done", "2024-01-01 done", "2024-01-02 done"].map(str::to_owned).to_vec())
    );
    let (_, result) = days.json(range);
    assert_eq!(states(&result)[0], "2023-12-30 done");
    let status = days.run("status");
    assert!(
        status.stdout.contains("dates         4 of 4 done\n  2023-12-30 to 2024-01-02  done\n"),
        "{}",
        status.stdout
    );
}

/// The days of a month.
fn month() -> Vec<String> {
    (1..=30).map(|day| format!("2024-03-{day:02}")).collect()
}

fn a_backfill_that_was_killed_goes_on(kind: Kind) {
    crate::harness::run::needs_failpoints();
    let days = Days::new(kind).lines("columns = { data_date = \"{date}\" }");
    for (number, day) in month().iter().enumerate() {
        let first = u32::try_from(number).unwrap() * 10;
        days.log(day, first..first + 10);
    }
    let range = "backfill --from 2024-03-01 --to 2024-03-31";
    // Each of these kills it on another day and at another step.
    for (point, passed) in
        [("after-rows", 0), ("before-claim-commit", 2), ("after-commit", 6), ("mid-finish", 4)]
    {
        let said = days.run_with(range, ("FAILPOINTS", &format!("{point}={passed}*off->return(kill)")));
        assert_eq!(said.code, -1, "{point}: {said:?}");
    }
    let loaded: u32 = days.query("SELECT count(*) FROM t")[0].parse().unwrap();
    assert!((100..300).contains(&loaded), "{loaded} rows after four kills");
    let (code, result) = days.json(range);
    // Only the rest is read.
    assert_eq!((code, result["counts"]["records"].as_u64()), (0, Some(u64::from(300 - loaded))), "{result}");
    assert!(states(&result).iter().all(|state| state.ends_with(" done")), "{result}");
    assert_eq!(days.query("SELECT count(*), count(DISTINCT n) FROM t"), ["300|300"]);
    let of_day = "SELECT CAST(data_date AS text), min(n), max(n) FROM t GROUP BY 1 ORDER BY 1";
    let expected =
        month().into_iter().enumerate().map(|(at, day)| format!("{day}|{}|{}", at * 10, at * 10 + 9));
    assert_eq!(days.query(of_day), expected.collect::<Vec<_>>());
}

fn a_day_that_fails_does_not_end_it(kind: Kind) {
    let days = Days::new(kind);
    days.log("2024-03-01", 1..=1);
    days.log("2024-03-02", 2..=2);
    days.place.write("logs/2024-03-03.log", "{\"n\":3}\n{\"n\":\"three\"}\n");
    let range = "backfill --from 2024-03-01 --to 2024-03-05 --stop-above 1";
    days.place.write("logs/2024-03-04.log", "no\nno\nno\n");
    let (code, result) = days.json(range);
    assert_eq!(states(&result)[2..], ["2024-03-03 done", "2024-03-04 failed"], "{result}");
    // The exit code is that of the worst day.
    assert_eq!(code, 4, "{result}");
    let dates = format!("SELECT state, reason FROM {} ORDER BY date", days.kind.table("logmill", "dates"));
    assert!(days.query(&dates)[3].starts_with("failed|"), "{:?}", days.query(&dates));
    let (_, status) = days.json("status");
    assert_eq!(status["dates"][2]["open_dead_letters"], 1, "{status}");
    assert_eq!(status["dates"][3]["state"], "failed");
    // After the file is mended, only the failed day is tried again.
    days.log("2024-03-04", 4..=4);
    let (_, result) = days.json(&format!("{range} --fail-fast"));
    assert_eq!(states(&result)[3], "2024-03-04 failed", "it changed below its checkpoint: {result}");
}

fn source_ids_do_not_depend_on_parallelism(kind: Kind) {
    let sources = |parallel: u32| {
        let days = Days::new(kind);
        for (number, day) in month().iter().enumerate() {
            let first = u32::try_from(number).unwrap() * 10;
            days.log(day, first..first + 10);
        }
        let (code, result) = days.json(&format!("backfill --found --parallel {parallel}"));
        assert_eq!((code, &result["counts"]["inserted"]), (0, &300.into()), "{result}");
        days.query(&format!(
            "SELECT s.id, CAST(s.data_date AS text), t.source_offset, t.n FROM {} s JOIN t ON t.source_id = s.id ORDER BY 1, 3",
            kind.table("logmill", "sources")
        ))
    };
    assert_eq!(sources(3), sources(1));
    // Where the order of loads decides the result, days cannot run side by side.
    let days = Days::new(kind).lines("key = [\"n\"]");
    days.log("2024-03-01", 1..=1);
    days.run("backfill --found --parallel 2").ended(2, &["the order of the days decides"]);
    days.run("backfill --found").ended(0, &[]);
}

fn a_day_is_forgotten_with_its_last_file(kind: Kind) {
    let days = Days::new(kind).files("files = [\"logs/{date}*.log\"]");
    for (name, number) in [("2024-03-01", 1), ("2024-03-01-b", 2), ("2024-03-02", 3)] {
        days.log(name, [number]);
    }
    let range = "backfill --from 2024-03-01 --to 2024-03-04";
    days.run(range).ended(0, &[]);
    let dates = || {
        let table = days.kind.table("logmill", "dates");
        days.query(&format!("SELECT CAST(date AS text), state FROM {table} ORDER BY 1"))
    };
    let [first, second, third] = ["2024-03-01|done", "2024-03-02|done", "2024-03-03|absent"];
    days.run("forget --id 1 --delete-rows").ended(0, &[]);
    assert_eq!(dates(), [first, second, third]);
    days.run("forget --id 2 --delete-rows").ended(0, &[]);
    assert_eq!(dates(), [second, third]);
    let (_, status) = days.json("status");
    assert_eq!(status["dates"].as_array().unwrap().len(), 2, "{status}");
    // The day is loaded again as if it had never been.
    let (code, result) = days.json(range);
    assert_eq!((code, &result["counts"]["inserted"]), (0, &2.into()), "{result}");
    assert_eq!(dates(), [first, second, third]);
}

/// Two concurrent days write the same thousands of keys, one in ascending and the other in descending order.
#[test]
fn days_with_shared_keys_never_deadlock() {
    for key in ["\"content\"", "[\"n\"]\non_conflict = \"newest(seen)\""] {
        let days = Days::new(Kind::Postgres)
            .of_fields("n = \"int\"\nseen = { type = \"int\", required = false }\nkind = { type = \"text\", required = false }")
            .lines(&format!("key = {key}"));
        // The type of the last column can only be staged, so no day goes straight into the table.
        let key_columns =
            if key.contains("content") { "record_hash uuid PRIMARY KEY" } else { "PRIMARY KEY (n)" };
        days.destination
            .execute(&format!("CREATE TABLE t (n bigint, seen bigint, kind bytea, {key_columns})"));
        let is_by_content = key.contains("content");
        for (number, day) in month().iter().take(8).enumerate() {
            let record = |n: u32| match is_by_content {
                true => format!("{{\"n\":{n}}}\n"),
                false => {
                    format!("{{\"n\":{n},\"seen\":{}}}\n", (n * 7 + u32::try_from(number).unwrap()) % 11)
                }
            };
            let records: String = match number % 2 {
                0 => (0..8_000).map(record).collect(),
                _ => (0..8_000).rev().map(record).collect(),
            };
            days.place.write(format!("logs/{day}.log"), records);
        }
        let (code, result) = days.json("backfill --found --parallel 4");
        assert_eq!((code, &result["counts"]["records"]), (0, &64_000.into()), "{result}");
        // The newest row of each key wins, in whatever order the days came.
        let newest = |n: u32| (0..8).map(|number| (n * 7 + number) % 11).max().unwrap();
        let expected = match is_by_content {
            true => "8000|null".to_owned(),
            false => format!("8000|{}", (0..8_000).map(newest).sum::<u32>()),
        };
        assert_eq!(days.query("SELECT count(*), CAST(sum(seen) AS bigint) FROM t"), [expected]);
        let Destination::Postgres(database) = &days.destination else { panic!("it goes to PostgreSQL") };
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(days.query(deadlocks), ["0"], "{}", database.server().log());
    }
}

#[test]
fn invalid_backfills_are_refused() {
    let days =
        Days::new(Kind::Sqlite).files("files = [\"logs/a.log\"]").lines("columns = { day = \"{date}\" }");
    days.log("a", 1..=1);
    days.run("backfill --found").ended(2, &["no name in `files` of the job has a placeholder"]);
    let days = days.files("files = [\"logs/{yyyy}-{mm}.log\"]");
    days.run("backfill --found").ended(2, &["names no whole day"]);
    days.run("backfill --from 2024-02-30 --to 2024-03-01").ended(2, &["--from"]);
    days.run("backfill --from 2024-03-02 --to 2024-03-01").ended(2, &["is after --to"]);
    days.run("backfill --from 2024-03-02").ended(2, &["--to"]);
    days.run("backfill").ended(2, &["--from"]);
    let said = days.run("backfill --from 2024-03-02 --to 2024-03-02").ended(0, &[]);
    assert!(said.stderr.contains("nothing to do"), "{said:?}");
}

fn what_is_left_to_do_is_told_whatever_was_due(kind: Kind) {
    let mut days = Days::new(kind);
    days.log("2024-03-01", 1..=2);
    days.place.write("logs/2024-03-02.log", "{\"n\":3}\nno number\n");
    let range = "backfill --from 2024-03-01 --to 2024-03-03";
    let said = days.run(range);
    assert!(
        said.stderr.contains("\n1 dead letter open: logmill dead-letters list -j job.toml\n"),
        "{said:?}"
    );
    assert!(!said.stderr.contains("other rules"), "{said:?}");
    // Nothing is due now, and it is not nothing that is left.
    days.fields("n = { type = \"int\", le = 100 }");
    let said = days.run(range);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.stderr.contains("0 due with 0 files"), "{said:?}");
    assert!(said.stderr.contains("\n2 days were loaded under other rules"), "{said:?}");
    assert!(
        said.stderr.contains("\n1 dead letter open: logmill dead-letters list -j job.toml\n"),
        "{said:?}"
    );
    // A day that is loaded anew is of the present rules.
    days.run("load --date 2024-03-01 --rebuild").ended(0, &[]);
    let said = days.run(range);
    assert!(said.stderr.contains("\n1 day was loaded under other rules"), "{said:?}");
    let (code, result) = days.json(&format!("{range} --rebuild"));
    let others = [0, 1].map(|day| result["dates"][day]["other_rules"].clone());
    assert_eq!((code, others), (3, [Value::Bool(false), Value::Bool(false)]), "{result}");
    let (_, result) = days.json(range);
    let others = [0, 1].map(|day| result["dates"][day]["other_rules"].clone());
    assert_eq!(others, [Value::Bool(false), Value::Bool(false)], "{result}");
}
