//! Constant columns.

use super::*;
use crate::stories::on_each_destination;

on_each_destination! {
    every_row_has_the_jobs_constants_for_its_day
    a_constant_has_the_type_of_the_column_that_is_there
    a_misfit_constant_is_reported_before_the_first_row
    the_same_record_on_another_day_has_another_content_key
    a_constant_can_be_part_of_a_key
    a_replayed_letter_gets_the_constants_of_its_day
    among_letters_of_several_days_the_last_source_wins
    a_letter_without_a_day_stays_if_one_is_needed
}

const COLUMNS: &str = "columns = { data_date = \"{date}\", until = \"{next_date}\", \
                       place = \"eu/{yyyy}/{mm}-{dd}\", shard = 7, live = true }";

fn every_row_has_the_jobs_constants_for_its_day(kind: Kind) {
    let days = Days::new(kind).lines(COLUMNS);
    days.log("2023-12-31", 1..=2);
    days.log("2024-02-28", 3..=3);
    days.run("load").ended(2, &["`files` of the job has a placeholder"]);
    for day in ["2023-12-31", "2024-02-28"] {
        days.run(&format!("load --date {day}")).ended(0, &[]);
    }
    let rows = "SELECT n, CAST(data_date AS text), CAST(until AS text), place, shard, live FROM t ORDER BY n";
    assert_eq!(
        days.query(rows),
        [
            "1|2023-12-31|2024-01-01|eu/2023/12-31|7|1",
            "2|2023-12-31|2024-01-01|eu/2023/12-31|7|1",
            "3|2024-02-28|2024-02-29|eu/2024/02-28|7|1"
        ]
    );
    if kind == Kind::Postgres {
        let types = "SELECT string_agg(data_type::text || ' ' || is_nullable, ', ' ORDER BY ordinal_position)
                     FROM information_schema.columns WHERE table_name = 't'";
        assert_eq!(
            days.query(types),
            ["bigint NO, date NO, date NO, text NO, bigint NO, boolean NO, integer NO, bigint NO"]
        );
    }
    // The job needs a date only for a column.
    let days = Days::new(kind).files("files = [\"logs/a.log\"]").lines("columns = { of_day = \"{date}\" }");
    days.log("a", 1..=1);
    days.run("load")
        .ended(2, &["column 'of_day' in `columns` of the job has a placeholder for the data date"]);
    days.run("load --date 2024-02-29").ended(0, &[]);
    assert_eq!(days.query("SELECT CAST(of_day AS text) FROM t"), ["2024-02-29"]);
    // Printing the statements needs no date.
    assert_eq!(days.run("plan --print-sql").code, 0);
}

fn a_constant_has_the_type_of_the_column_that_is_there(kind: Kind) {
    let days = Days::new(kind)
        .lines("columns = { a = \"{yyyy}\", b = 7, c = \"{date}\", d = \"{date}T00:00:00Z\", e = \"1.50\" }");
    days.destination.execute(match kind {
        Kind::Postgres => {
            "CREATE TABLE t (n bigint, a smallint, b text, c text, d timestamptz, e numeric(8,3),
                             source_id int, source_offset bigint, PRIMARY KEY (source_id, source_offset))"
        }
        Kind::Sqlite => {
            "CREATE TABLE t (n INTEGER, a INTEGER, b TEXT, c DATE, d TEXT, e REAL, source_id INTEGER,
                             source_offset INTEGER, PRIMARY KEY (source_id, source_offset))"
        }
    });
    days.log("2023-12-31", 1..=1);
    days.run("load --date 2023-12-31").ended(0, &[]);
    let rows =
        days.query("SELECT CAST(a AS integer), b, CAST(c AS text), CAST(d AS text), CAST(e AS text) FROM t");
    assert_eq!(
        rows,
        [match kind {
            Kind::Postgres => "2023|7|2023-12-31|2023-12-31 00:00:00+00|1.500",
            Kind::Sqlite => "2023|7|2023-12-31|2023-12-31T00:00:00Z|1.5",
        }]
    );
}

fn a_misfit_constant_is_reported_before_the_first_row(kind: Kind) {
    let days = Days::new(kind).lines("columns = { a = \"x{yyyy}\", missing = \"x\" }");
    days.destination.execute(
        "CREATE TABLE t (n bigint, a integer, source_id int, source_offset bigint,
                         PRIMARY KEY (source_id, source_offset))",
    );
    days.log("2023-12-31", 1..=1);
    days.run("load --date 2023-12-31").ended(
        2,
        &["the value of column a in `columns` does not fit its type", "column missing is missing from"],
    );
    assert_eq!(days.query("SELECT count(*) FROM t"), ["0"]);
}

fn the_same_record_on_another_day_has_another_content_key(kind: Kind) {
    let days = Days::new(kind).lines("key = \"content\"\ncolumns = { data_date = \"{date}\" }");
    for day in ["2024-01-01", "2024-01-02"] {
        days.log(day, [1, 1]);
        days.run(&format!("load --date {day}")).ended(0, &[]);
    }
    assert_eq!(
        days.query("SELECT n, CAST(data_date AS text) FROM t ORDER BY 2"),
        ["1|2024-01-01", "1|2024-01-02"]
    );
    // Without a column that tells the days apart, the record is the same, with the same hash as ever.
    let days = Days::new(kind).lines("key = \"content\"");
    for day in ["2024-01-01", "2024-01-02"] {
        days.log(day, [1]);
        days.run(&format!("load --date {day}")).ended(0, &[]);
    }
    let hash = uuid::Uuid::from_slice(&blake3::hash(b"{\"n\":1}").as_bytes()[..16]).unwrap().to_string();
    assert_eq!(days.query("SELECT CAST(record_hash AS text) FROM t"), [hash]);
}

fn a_constant_can_be_part_of_a_key(kind: Kind) {
    let days = Days::new(kind).lines("key = [\"data_date\", \"n\"]\ncolumns = { data_date = \"{date}\" }");
    for day in ["2024-01-01", "2024-01-02"] {
        days.log(day, [1, 2, 1]);
        days.run(&format!("load --date {day}")).ended(0, &["inserted                2"]);
    }
    assert_eq!(
        days.query("SELECT n, CAST(data_date AS text) FROM t ORDER BY 2, 1"),
        ["1|2024-01-01", "2|2024-01-01", "1|2024-01-02", "2|2024-01-02"]
    );
}

fn a_replayed_letter_gets_the_constants_of_its_day(kind: Kind) {
    let days = Days::new(kind).lines("columns = { data_date = \"{date}\" }");
    for (day, letter) in [("2024-01-01", "{\"n\":\"x1\"}"), ("2024-01-02", "{\"n\":\"x2\"}")] {
        days.place.write(format!("logs/{day}.log"), format!("{letter}\n"));
        days.run(&format!("load --date {day}")).ended(3, &[]);
    }
    days.place.run("dead-letters export -j job.toml -o letters.ndjson").ended(0, &[]);
    let mended = days
        .place
        .read("letters.ndjson")
        .replace("\\\"x", "")
        .replace("1\\\"}", "1}")
        .replace("2\\\"}", "2}");
    days.place.write("letters.ndjson", mended);
    days.place.run("dead-letters replay -j job.toml --from letters.ndjson").ended(0, &[]);
    assert_eq!(
        days.query("SELECT n, CAST(data_date AS text) FROM t ORDER BY n"),
        ["1|2024-01-01", "2|2024-01-02"]
    );
}

/// The second file of a day is loaded after the next day's file.
fn among_letters_of_several_days_the_last_source_wins(kind: Kind) {
    let days = || {
        let days = Days::new(kind)
            .files("files = [\"logs/{date}*.log\"]")
            .lines("key = [\"n\"]\ncolumns = { data_date = \"{date}\" }");
        for (day, file) in
            [("2024-01-01", "2024-01-01"), ("2024-01-02", "2024-01-02"), ("2024-01-01", "2024-01-01-b")]
        {
            // A record with two letters, one in each of two files, and one that only this file has.
            days.place.write(format!("logs/{file}.log"), format!("{{\"n\":\"x\"}}\nno {file}\n"));
            days.run(&format!("load --date {day}")).ended(3, &[]);
        }
        days.place.run("dead-letters export -j job.toml -o letters.ndjson").ended(0, &[]);
        let numbers = [1, 2, 1, 3, 1, 4];
        let exported = days.place.read("letters.ndjson");
        let mended = exported.lines().zip(numbers).map(|(line, n)| {
            let mut letter: Value = serde_json::from_str(line).unwrap();
            letter["raw"] = format!("{{\"n\":{n}}}").into();
            format!("{letter}\n")
        });
        days.place.write("letters.ndjson", mended.collect::<String>());
        days
    };
    for flag in ["", "--overwrite"] {
        let days = days();
        let said = days.place.run(&format!("dead-letters replay -j job.toml --from letters.ndjson {flag}"));
        assert!(said.ended(0, &[]).stdout.contains("6 replayed"));
        let rows = days.query("SELECT n, CAST(data_date AS text) FROM t ORDER BY n");
        assert_eq!(rows, ["1|2024-01-01", "2|2024-01-01", "3|2024-01-02", "4|2024-01-01"], "{flag}");
        // It is one run, and each letter was tried once.
        assert_eq!(
            days.query(&format!(
                "SELECT count(*) FROM {} WHERE command <> 'load'",
                kind.table("logmill", "runs")
            )),
            ["1"]
        );
    }
}

fn a_letter_without_a_day_stays_if_one_is_needed(kind: Kind) {
    let days = Days::new(kind).files("files = [\"logs/a.log\"]").lines("");
    days.place.write("logs/a.log", "{\"n\":\"x1\"}\n");
    days.run("load").ended(3, &[]);
    days.destination.execute(&format!("ALTER TABLE t ADD COLUMN data_date {}", kind.word("date", "TEXT")));
    let days = days.files("files = [\"logs/{date}.log\"]").lines("columns = { data_date = \"{date}\" }");
    days.place.write("logs/2024-01-02.log", "{\"n\":\"x2\"}\n");
    days.run("load --date 2024-01-02").ended(3, &[]);
    days.place.run("dead-letters export -j job.toml -o letters.ndjson").ended(0, &[]);
    let mended = days
        .place
        .read("letters.ndjson")
        .replace("\\\"x", "")
        .replace("1\\\"}", "1}")
        .replace("2\\\"}", "2}");
    days.place.write("letters.ndjson", mended);
    let said = days.place.run("dead-letters replay -j job.toml --from letters.ndjson");
    let said = said.ended(1, &[]);
    for text in [
        "1 replayed, 0 refused again, 1 open",
        "loaded without a date, and the value of column 'data_date' needs one",
    ] {
        assert!(said.stdout.contains(text), "{}", said.stdout);
    }
    assert_eq!(days.query("SELECT n, CAST(data_date AS text) FROM t"), ["2|2024-01-02"]);
}
