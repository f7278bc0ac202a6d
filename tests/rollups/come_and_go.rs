//! Metrics that are added later, removed, or belong to another job.

use super::*;

on_each_destination! {
    a_metric_added_later_is_computed_for_all_dates
    two_jobs_on_one_table_agree_on_days
    metrics_of_a_removed_job_are_deleted_by_the_suggested_statement
    a_metric_added_later_or_again_covers_every_date
    a_table_of_values_that_lacks_a_column_is_named
}

fn a_metric_added_later_is_computed_for_all_dates(kind: Kind) {
    let job = Job { metrics: String::new(), ..Job::new(kind) };
    job.log("1.log", &FIRST);
    job.loads(0);
    let job = Job { metrics: METRICS.to_owned(), ..job };
    job.loads(3);
    assert_eq!(job.metric("rows"), ["2024-03-01|3", "2024-03-02|2", "2024-03-04|1"]);
    job.is_computed();
    // A load reports a changed definition; `rollup` recomputes the metric.
    let job = Job { metrics: METRICS.replace("'ERROR'", "'INFO'"), ..job };
    let said = job.run("load").ended(0, &["the metric errors of"]);
    assert!(said.stderr.contains("`logmill rollup`"), "{said:?}");
    let (code, result) = job.json("rollup --check");
    assert_eq!((code, result["differences"].as_array().map(Vec::len)), (5, Some(3)), "{result}");
    let (code, result) = job.json("rollup");
    assert_eq!((code, &result["dates"]), (0, &3.into()), "{result}");
    assert_eq!(job.metric("errors"), ["2024-03-01|1", "2024-03-02|2", "2024-03-04|1"]);
    job.is_computed();
    let said = job.run("load").ended(0, &[]);
    assert!(!said.stderr.contains("the metric errors"), "{said:?}");
    // A removed metric no longer marks dates.
    let job = Job { metrics: String::new(), ..job };
    job.log("2.log", &[("2024-03-02T09:00:00Z", "WARN", 7)]);
    job.loads(0);
    assert_eq!(job.marked(), Vec::<String>::new());
}

fn a_table_of_values_that_lacks_a_column_is_named(kind: Kind) {
    let job = Job::new(kind);
    job.log("1.log", &FIRST);
    job.loads(3);
    job.destination.execute("ALTER TABLE by_level RENAME COLUMN level TO was");
    job.log("2.log", &[("2024-03-02T09:00:00Z", "WARN", 7)]);
    let said = job.run("load").ended(1, &["by_level", "has no column \"level\"; add it"]);
    assert!(!said.stderr.contains("SELECT"), "{said:?}");
    assert_eq!(job.run("rollup --check").code, 1);
}

fn two_jobs_on_one_table_agree_on_days(kind: Kind) {
    let job = Job::new(kind);
    job.log("1.log", &FIRST);
    job.loads(3);
    let other = job.beside("b");
    other.log("1.log", &[("2024-03-02T09:00:00Z", "ERROR", 7)]);
    for (record, source) in [("", ""), ("time = \"at\"", "timezone = \"+01:00\"")] {
        let source = format!("files = [\"*.log\"]\n{source}");
        let wrong = Job { record: record.to_owned(), source, ..other.beside("b") };
        wrong.log("1.log", &FIRST);
        wrong
            .run("load")
            .ended(2, &["job a has rollups of", "time = \"at\" in [record]", "timezone = \"UTC\""]);
    }
    assert_eq!(job.query("SELECT count(*) FROM t"), ["6"]);
    // It marks dates for the job that has metrics, and cannot compute them.
    other.loads(0);
    assert_eq!(job.marked(), ["a|2024-03-02"]);
    job.loads(1);
    assert_eq!(job.metric("rows"), ["2024-03-01|3", "2024-03-02|3", "2024-03-04|1"]);
    job.is_computed();
    // A metric belongs to one job.
    let other = Job { metrics: METRICS.to_owned(), ..other };
    other.run("load").ended(2, &["the metric rows of", "that of job a"]);
    let own = "[[rollup]]\nmetric = \"of b\"\nof = \"rows\"\n".to_owned();
    let other = Job { metrics: own, ..other };
    other.loads(3);
    other.log("2.log", &[("2024-03-05T09:00:00Z", "ERROR", 8)]);
    other.loads(1);
    assert_eq!(job.marked(), ["a|2024-03-05"]);
    assert_eq!(other.metric("of b"), ["2024-03-01|3", "2024-03-02|3", "2024-03-04|1", "2024-03-05|1"]);
}

fn metrics_of_a_removed_job_are_deleted_by_the_suggested_statement(kind: Kind) {
    let job = Job::new(kind);
    job.log("1.log", &FIRST);
    job.loads(3);
    let renamed = Job { metrics: METRICS.to_owned(), ..job.beside("b") };
    renamed.log("1.log", &[("2024-03-05T09:00:00Z", "ERROR", 7)]);
    let said = renamed.run("load").ended(2, &["the metric rows of", "if there is no such job any more: "]);
    let (_, told) = said.stderr.split_once("any more: ").unwrap();
    let statement = told.lines().next().unwrap();
    assert!(statement.starts_with("DELETE FROM"), "{said:?}");
    job.destination.execute(statement);
    renamed.loads(4);
    assert_eq!(renamed.metric("rows"), ["2024-03-01|3", "2024-03-02|2", "2024-03-04|1", "2024-03-05|1"]);
    renamed.is_computed();
}

fn a_metric_added_later_or_again_covers_every_date(kind: Kind) {
    const ROWS: &str = "[[rollup]]\nmetric = \"rows\"\nof = \"rows\"\n";
    let source = "files = [\"{date}.log\"]".to_owned();
    let mut job = Job { source, metrics: ROWS.to_owned(), ..Job::new(kind) };
    // A date with nothing but dead letters, and one with nothing but rows.
    job.place.write("2024-03-01.log", "no\nno\n");
    job.log("2024-03-02.log", &FIRST[3..5]);
    job.run("backfill --from 2024-03-01 --to 2024-03-03").ended(3, &[]);
    job.metrics = format!("{ROWS}[[rollup]]\nmetric = \"rejects\"\nof = \"rejects\"\n");
    job.run("load --date 2024-03-02").ended(0, &[]);
    assert_eq!(job.metric("rejects"), ["2024-03-01|2", "2024-03-02|0"]);
    job.is_computed();
    // While a metric is removed its rows change, and nothing marks their dates for it.
    job.metrics = format!("{ROWS}[[rollup]]\nmetric = \"total\"\nof = \"sum(n)\"\n");
    job.run("load --date 2024-03-02").ended(0, &[]);
    assert_eq!(job.metric("total"), ["2024-03-02|9"]);
    job.metrics = ROWS.to_owned();
    job.run("load --date 2024-03-02").ended(0, &[]);
    job.run("forget --delete-rows --date 2024-03-02 2024-03-02.log").ended(0, &[]);
    job.run("rollup").ended(0, &[]);
    job.metrics = format!("{ROWS}[[rollup]]\nmetric = \"total\"\nof = \"sum(n)\"\n");
    job.log("2024-03-03.log", &FIRST[5..]);
    job.run("load --date 2024-03-03").ended(0, &[]);
    assert_eq!(job.metric("total"), ["2024-03-04|6"]);
    job.is_computed();
}
