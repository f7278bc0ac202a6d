//! Days that are longer or shorter than 24 hours or do not exist, and turns of the year.

use super::*;
use crate::stories::on_each_destination;

on_each_destination! {
    days_of_23_and_25_hours_have_all_their_records
    a_day_that_never_existed_has_no_file_and_no_second
    no_record_is_lost_at_the_turn_of_the_year
}

const FIELDS: &str = "at = \"timestamp\"";
const COLUMNS: &str = "columns = { data_date = \"{date}\" }";

impl Days {
    /// Writes the log of a day, with a record for each of these stamps.
    fn stamps(&self, day: &str, stamps: &[&str]) {
        let records = stamps.iter().map(|at| format!("{{\"at\":\"{at}\"}}\n"));
        self.place.write(format!("logs/{day}.log"), records.collect::<String>());
    }

    /// The stored moments, each with its day.
    fn moments(&self) -> Vec<String> {
        let at = match self.kind {
            Kind::Postgres => "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')",
            Kind::Sqlite => "substr(at, 1, 19)",
        };
        self.query(&format!("SELECT CAST(data_date AS text), {at} FROM t ORDER BY source_id, source_offset"))
    }

    /// Loads these days and returns how many stamps fell into an hour that occurred twice or never.
    #[track_caller]
    fn unsure(&self, range: &str) -> i64 {
        let mut unsure = 0;
        for day in range.split(' ') {
            let (code, result) = self.json(&format!("load --date {day}"));
            assert_eq!(code, 0, "{result}");
            unsure += result["unsure_stamps"].as_i64().unwrap();
        }
        unsure
    }
}

fn days_of_23_and_25_hours_have_all_their_records(kind: Kind) {
    // The clock goes from 2:00 to 3:00, and from 3:00 to 2:00.
    let days = Days::new(kind)
        .files("files = [\"logs/{date}.log\"]\ntimezone = \"Europe/Berlin\"")
        .of_fields(FIELDS)
        .lines(COLUMNS);
    days.stamps("2024-03-31", &["2024-03-31T01:59:59", "2024-03-31T02:30:00", "2024-03-31T03:00:00"]);
    days.stamps("2024-10-27", &["2024-10-27T01:59:59", "2024-10-27T02:30:00", "2024-10-27T03:00:00"]);
    assert_eq!(days.unsure("2024-03-31 2024-10-27"), 2);
    let moments = [
        "2024-03-31|2024-03-31T00:59:59",
        // It was never 2:30; by the offset before the change, that is 3:30.
        "2024-03-31|2024-03-31T01:30:00",
        "2024-03-31|2024-03-31T01:00:00",
        "2024-10-27|2024-10-26T23:59:59",
        // It was 2:30 twice; the earlier one counts.
        "2024-10-27|2024-10-27T00:30:00",
        "2024-10-27|2024-10-27T02:00:00",
    ];
    assert_eq!(days.moments(), moments);
    // All days in between are absent, and each occurs exactly once.
    let (code, result) = days.json("backfill --from 2024-03-30 --to 2024-10-29");
    assert_eq!((code, &result["counts"]["records"]), (0, &0.into()), "{result}");
    let dates = result["dates"].as_array().unwrap();
    let done = dates.iter().filter(|date| date["state"] == "done").count();
    let absent = dates.iter().filter(|date| date["state"] == "absent").count();
    assert_eq!((dates.len(), done, absent), (213, 2, 211));

    // A clock that changes by half an hour, and one with an offset of half an hour.
    for (zone, day, stamp, moment) in [
        ("Australia/Lord_Howe", "2024-04-07", "2024-04-07T01:45:00", "2024-04-06T14:45:00"),
        ("Australia/Lord_Howe", "2024-10-06", "2024-10-06T02:15:00", "2024-10-05T15:45:00"),
        ("America/St_Johns", "2024-03-10", "2024-03-10T02:15:00", "2024-03-10T05:45:00"),
        ("America/St_Johns", "2024-11-03", "2024-11-03T01:15:00", "2024-11-03T03:45:00"),
    ] {
        let days = Days::new(kind)
            .files(&format!("files = [\"logs/{{date}}.log\"]\ntimezone = \"{zone}\""))
            .of_fields(FIELDS)
            .lines(COLUMNS);
        days.stamps(day, &[stamp]);
        assert_eq!(days.unsure(day), 1, "{zone} {stamp}");
        assert_eq!(days.moments(), [format!("{day}|{moment}")], "{zone} {stamp}");
    }
}

fn a_day_that_never_existed_has_no_file_and_no_second(kind: Kind) {
    // Samoa crossed the date line: 31 December 2011 followed the 29th.
    let days = Days::new(kind)
        .files("files = [\"logs/{date}.log\"]\ntimezone = \"Pacific/Apia\"")
        .of_fields(FIELDS)
        .lines(COLUMNS);
    days.stamps("2011-12-29", &["2011-12-29T23:59:59"]);
    days.stamps("2011-12-31", &["2011-12-31T00:00:00"]);
    let range = "backfill --from 2011-12-29 --to 2012-01-01";
    let (code, result) = days.json(range);
    assert_eq!((code, &result["counts"]["inserted"]), (0, &2.into()), "{result}");
    let states: Vec<&Value> = result["dates"].as_array().unwrap().iter().map(|date| &date["state"]).collect();
    assert_eq!(states, ["done", "absent", "done"]);
    // They are one second apart.
    assert_eq!(days.moments(), ["2011-12-29|2011-12-30T09:59:59", "2011-12-31|2011-12-30T10:00:00"]);
    // A file that claims that day is a file of a day like any other; its stamps use the offset before the
    // change.
    days.stamps("2011-12-30", &["2011-12-30T12:00:00"]);
    let (_, result) = days.json(range);
    assert_eq!(result["counts"]["inserted"], 1, "{result}");
    assert_eq!(days.moments()[2], "2011-12-30|2011-12-30T22:00:00");
}

fn no_record_is_lost_at_the_turn_of_the_year(kind: Kind) {
    let days = Days::new(kind)
        .files("files = [\"logs/{yyyy}/{mm}/{dd}.log\"]")
        .of_fields("at = { type = \"timestamp\", format = \"syslog\" }")
        .lines(COLUMNS);
    // A line that was held back at midnight is in the file of the new year.
    days.stamps("2023/12/31", &["Dec 31 23:59:59"]);
    days.stamps("2024/01/01", &["Dec 31 23:59:58", "Jan  1 00:00:00"]);
    days.stamps("2024/02/29", &["Feb 29 12:00:00", "Mar  1 00:00:00"]);
    let range = "backfill --from 2023-12-31 --to 2024-03-01";
    let (code, result) = days.json(range);
    assert_eq!((code, &result["counts"]["inserted"]), (0, &5.into()), "{result}");
    assert_eq!(result["dates"].as_array().unwrap().len(), 61);
    assert_eq!(
        days.moments(),
        [
            "2023-12-31|2023-12-31T23:59:59",
            "2024-01-01|2023-12-31T23:59:58",
            "2024-01-01|2024-01-01T00:00:00",
            "2024-02-29|2024-02-29T12:00:00",
            "2024-02-29|2024-03-01T00:00:00",
        ]
    );
}
