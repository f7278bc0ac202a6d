//! Which day a record belongs to: by which clock, at the ends of time, and without any record.

use super::*;

on_each_destination! {
    days_follow_the_jobs_time_zone
    a_day_at_the_end_of_time_is_a_day_like_others
    rejects_are_counted_by_their_data_date
}

fn days_follow_the_jobs_time_zone(kind: Kind) {
    let source = "files = [\"*.log\"]\ntimezone = \"Europe/Berlin\"".to_owned();
    let job = Job { source, ..Job::new(kind) };
    // A day of 23 hours, one of 25, and the moments just outside them.
    job.log(
        "1.log",
        &[
            ("2024-03-30T22:59:59.999Z", "INFO", 1),
            ("2024-03-30T23:00:00Z", "INFO", 2),
            ("2024-03-31T21:59:59.999Z", "INFO", 3),
            ("2024-03-31T22:00:00Z", "INFO", 4),
            ("2024-10-27T00:30:00+02:00", "INFO", 5),
            ("2024-10-27T02:30:00+02:00", "INFO", 6),
            ("2024-10-27T02:30:00+01:00", "INFO", 7),
            ("2024-10-27T23:30:00+01:00", "INFO", 8),
        ],
    );
    job.loads(4);
    assert_eq!(job.metric("rows"), ["2024-03-30|1", "2024-03-31|2", "2024-04-01|1", "2024-10-27|4"]);
    job.is_computed();
    // If all metrics belong to this job, it may change the time zone, and everything is recomputed.
    let job = Job { source: "files = [\"*.log\"]\ntimezone = \"UTC\"".to_owned(), ..job };
    job.run("load").ended(0, &[]);
    assert_eq!(job.metric("rows"), ["2024-03-30|2", "2024-03-31|2", "2024-10-26|1", "2024-10-27|3"]);
    job.is_computed();
}

fn a_day_at_the_end_of_time_is_a_day_like_others(kind: Kind) {
    // Values that programs write for an unknown time: the first moment of all, and the last.
    let instants = ["0001-01-01T00:00:00Z", "2024-03-01T10:00:00Z", "9999-12-31T23:59:59.999999Z"];
    for (at, zone, cut) in [
        ("\"timestamp\"", "UTC", 27),
        ("\"timestamp\"", "America/New_York", 27),
        ("\"timestamp\"", "Europe/Berlin", 27),
        ("{ type = \"timestamp\", zone = \"naive\" }", "Europe/Berlin", 19),
        ("\"date\"", "America/New_York", 10),
    ] {
        let source = format!("files = [\"*.log\"]\ntimezone = \"{zone}\"");
        let job = Job { source, at, ..Job::new(kind) };
        let records = instants.map(|instant| (&instant[..instant.len().min(cut)], "INFO", 1));
        job.log("1.log", &records);
        job.loads(3);
        let ones = |metric: &str| {
            let values = job.metric(metric);
            assert!(
                values.len() == 3 && values.iter().all(|value| value.ends_with("|1")),
                "{at} {zone}: {values:?}"
            );
        };
        ["rows", "total"].into_iter().for_each(ones);
        job.is_computed();
        // These days are found again in rows and in marks.
        let known = |arguments: &str| {
            let (code, result) = job.json(arguments);
            assert_eq!(code, 0, "{at} {zone}: {result}");
            job.is_computed();
        };
        known("rollup");
        known("rollup --from 0001-01-01 --to 9999-12-31");
        known("load --rebuild");
        ["rows", "total"].into_iter().for_each(ones);
        job.loads(0);
        job.run("forget --delete-rows 1.log").ended(0, &[]);
        known("rollup");
        assert_eq!(job.metric("rows"), Vec::<String>::new(), "{at} {zone}");
    }
}

fn rejects_are_counted_by_their_data_date(kind: Kind) {
    let metrics =
        "[[rollup]]\nmetric = \"rejects\"\nof = \"rejects\"\n[[rollup]]\nmetric = \"rows\"\nof = \"rows\"\n";
    let source = "files = [\"{date}.log\"]".to_owned();
    let job = Job { source, metrics: metrics.to_owned(), ..Job::new(kind) };
    job.place
        .write("2024-03-01.log", "no\n{\"at\":\"2024-03-01T00:00:00Z\",\"level\":\"INFO\",\"n\":\"x\"}\n");
    job.log("2024-03-02.log", &FIRST);
    let said = job.run("backfill --from 2024-03-01 --to 2024-03-03");
    assert_eq!(said.code, 3, "{said:?}");
    assert_eq!(job.metric("rejects"), ["2024-03-01|2", "2024-03-02|0", "2024-03-04|0"]);
    job.is_computed();
    // A reject that becomes a row no longer counts.
    job.run("dead-letters export -o letters.ndjson").ended(0, &[]);
    let letters = job.place.read("letters.ndjson").replace("\\\"x\\\"", "9");
    job.place.write("letters.ndjson", letters);
    job.run("dead-letters replay --from letters.ndjson");
    assert_eq!(job.metric("rejects")[0], "2024-03-01|1");
    assert_eq!(job.metric("rows")[0], "2024-03-01|4");
    job.is_computed();
}
