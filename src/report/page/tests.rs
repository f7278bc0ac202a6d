//! Pages of constructed jobs: their content, and how large they can grow.

use chrono::{NaiveDate, TimeDelta};
use serde_json::json;

use super::*;
use crate::report::{Exit, OldRows};
use crate::sink::Counts;
use crate::sink::dates::{DateState, DateStatus};
use crate::sink::history::{
    self, DeadLetter, FirstLetter, Line, OwnerStatus, ReasonCount, RunStatus, SourceStatus,
};
use crate::sink::progress::LaneStatus;

const HOSTILE: &str =
    "</style></title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\0\u{202e}\u{1b}";

fn moment_at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).expect("a moment")
}

fn source(id: i32, name: &str) -> SourceStatus {
    SourceStatus {
        id,
        name: name.to_owned(),
        data_date: None,
        size: 100,
        position: 100,
        complete: true,
        containers: Vec::new(),
        counts: Counts { records: 10, inserted: 9, rejected: 1, ..Counts::default() },
        open_dead_letters: 0,
        other_rules: false,
        rules: Vec::new(),
        owner: None,
        updated_at: moment_at(0),
    }
}

fn date(day: NaiveDate, state: DateState) -> DateStatus {
    DateStatus { date: day, state, open_dead_letters: 0, other_rules: false, reason: None, is_settled: true }
}

pub(super) fn run(id: i64, exit_code: i32) -> RunStatus {
    let started_at = moment_at(id * 100);
    RunStatus {
        id,
        command: "load".to_owned(),
        started_at,
        ended_at: Some(started_at + TimeDelta::milliseconds(500 + id)),
        outcome: Some(if exit_code == 0 { "finished" } else { "failed" }.to_owned()),
        exit_code: Some(exit_code),
        counts: Counts { records: 1_000, inserted: 990, rejected: 10, ..Counts::default() },
        bytes: 300_000,
        reason: None,
        is_alive: false,
        updated_at: None,
        lanes: Vec::new(),
        activity: Vec::new(),
    }
}

fn reason(id: i64, code: &str, field: &str) -> ReasonCount {
    let first = FirstLetter { id: Some(id), file: "a.log".to_owned(), line: Line::of(3, 0, Some(0)) };
    ReasonCount {
        code: code.to_owned(),
        field: field.to_owned(),
        count: 7,
        oldest: DateTime::default(),
        newest: DateTime::default(),
        first,
    }
}

fn letter(id: i64, raw: &[u8], (code, field): (&str, &str), input: &str) -> ShownLetter {
    let letter = DeadLetter {
        id,
        source: "a.log".to_owned(),
        offset: 0,
        line: Line::of(3, 0, Some(0)),
        length: raw.len() as u64,
        raw: Some(raw.to_vec()),
        raw_hash: None,
        fixed: None,
        stage: "schema".to_owned(),
        reasons: json!([{"code": code, "field": field, "message": "no integer", "input": input}]),
        state: "open".to_owned(),
        attempts: 1,
        first_seen: moment_at(0),
        last_seen: moment_at(0),
        note: None,
    };
    ShownLetter::new(Head::new("report", None, Exit::Success), letter)
}

fn page(found: history::Status, samples: Vec<ShownLetter>) -> Page {
    Page {
        status: Status::new("app", "t in a database".to_owned(), Some(found), OldRows::Replaced, false),
        guarantees: vec![Guarantee { what: "run again", holds: "changes nothing".to_owned() }],
        samples,
        metrics: Vec::new(),
        made_at: moment_at(1_000_000),
    }
}

fn html(found: history::Status) -> String {
    page(found, Vec::new()).html()
}

#[test]
fn the_policy_lets_this_style_pass() {
    use base64::Engine as _;
    use sha2::Digest as _;

    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(STYLE));
    assert_eq!(STYLE_HASH, hash, "write the right one of them into page/mod.rs");
    assert!(!STYLE.contains('<') && !STYLE.contains("url(") && !STYLE.contains("@import"));
    assert!(html(history::Status::default()).starts_with(Page::FIRST_BYTES));
}

#[test]
fn hostile_text_is_text_wherever_it_comes_from() {
    let day = NaiveDate::from_ymd_opt(2024, 2, 29).expect("a day");
    let hostile = HOSTILE.to_owned();
    let found = history::Status {
        sources: vec![source(1, HOSTILE)],
        reasons: vec![reason(1, HOSTILE, HOSTILE)],
        open_dead_letters: 1,
        dates: vec![DateStatus { reason: Some(hostile.clone()), ..date(day, DateState::Failed) }],
        runs: vec![RunStatus { command: hostile.clone(), outcome: Some(hostile.clone()), ..run(1, 1) }],
        ..history::Status::default()
    };
    let raw = format!("{{\"n\":\"{HOSTILE}\"}}");
    let mut page = page(found, vec![letter(1, raw.as_bytes(), (HOSTILE, HOSTILE), HOSTILE)]);
    page.status.head.job = Some(hostile.clone());
    page.status.destination = hostile;
    let html = page.html();
    for forbidden in
        ["<script", "<img", "</style></title>", "\0", "\u{202e}", "\u{1b}", "onerror=alert(1)>\""]
    {
        assert!(!html.contains(forbidden), "{forbidden:?}");
    }
    // Name, title, source, reason, field, place and bytes of a letter, why a date failed, twice, a command,
    // an outcome.
    assert!(html.matches("&lt;script&gt;alert(1)").count() >= 12, "{html}");
    assert!(html.contains("<mark>&lt;/style&gt;"), "{html}");
}

#[test]
fn a_large_job_has_a_page_that_opens() {
    let first = NaiveDate::from_ymd_opt(2010, 1, 1).expect("a day");
    let states = [DateState::Done, DateState::Partial, DateState::Failed, DateState::Absent];
    let dates = first.iter_days().take(5_000).enumerate().map(|(at, day)| date(day, states[at % 4]));
    let mut sources: Vec<SourceStatus> = (1..=10_000).map(|id| source(id, &"n".repeat(5_000))).collect();
    sources[9_998].complete = false;
    sources[9_998].position = 50;
    let found = history::Status {
        sources,
        reasons: (0..1_000).map(|id| reason(id, "extra_forbidden", &format!("f{id}"))).collect(),
        open_dead_letters: 7_000,
        dates: dates.collect(),
        runs: (0..60).rev().map(|id| run(id, 0)).collect(),
        ..history::Status::default()
    };
    let html = html(found);
    assert!(html.len() < 400_000, "{} bytes", html.len());
    for text in [
        "<p class=\"figure\">9,999 of 10,000</p>",
        "and 9,950 sources more with 99,500 records, 9,950 rejected, 0 dead letters open; 0 of them not complete",
        "and 960 reasons more, each less frequent",
        "<title>2010-02: 7 done, 7 absent, 7 partial, 7 failed</title>",
        "<figcaption>2023</figcaption>",
        "and 4,800 dates before",
        "1,245 dates failed before.",
    ] {
        assert!(html.contains(text), "{text}");
    }
    // What needs attention comes first.
    let rows = html.split("Sources one by one").nth(1).expect("a table");
    let first = rows.split("<tbody>").nth(1).expect("rows");
    assert!(first.trim_start().starts_with("<tr><td class=\"n\">9999</td>"), "{}", &first[..200]);
}

#[test]
fn a_page_is_the_same_bytes_and_tells_when_it_was_made() {
    let found =
        || history::Status { sources: vec![source(1, "a")], runs: vec![run(1, 0)], ..Default::default() };
    let page = html(found());
    assert_eq!(html(found()), page);
    assert!(page.contains("at 2023-11-26 12:00:00 UTC"), "{page}");
}

#[test]
fn a_badge_tells_the_gravest() {
    let day = NaiveDate::from_ymd_opt(2024, 2, 29).expect("a day");
    let state = |found: history::Status| page(found, Vec::new()).state();
    let mut found = history::Status {
        sources: vec![source(1, "a")],
        runs: vec![run(2, 0), run(1, 1)],
        ..Default::default()
    };
    assert_eq!(state(found.clone()), "all is in");
    found.open_dead_letters = 1;
    assert_eq!(state(found.clone()), "dead letters open");
    found.sources[0].complete = false;
    assert_eq!(state(found.clone()), "not complete");
    let failed = history::Status { dates: vec![date(day, DateState::Failed)], ..found.clone() };
    assert_eq!(state(failed), "failed");
    found.runs[0] = run(2, 1);
    assert_eq!(state(found.clone()), "failed");
    // A run that has not ended yet says nothing about the one before it.
    found.runs.insert(0, RunStatus { ended_at: None, outcome: None, exit_code: None, ..run(3, 0) });
    assert_eq!(state(found.clone()), "failed");
    found.sources[0].owner = Some(OwnerStatus { run: 3, pid: 1, is_alive: true });
    assert_eq!(state(found), "a run is loading");
}

#[test]
fn a_calendar_shows_each_day_where_a_week_has_it() {
    // The month begins on a Thursday.
    let first = NaiveDate::from_ymd_opt(2024, 2, 1).expect("a day");
    let mut dates: Vec<DateStatus> =
        first.iter_days().take(29).map(|day| date(day, DateState::Done)).collect();
    dates[28].state = DateState::Failed;
    dates[28].reason = Some("gone".to_owned());
    dates[3].open_dead_letters = 2;
    let html = html(history::Status { dates, ..Default::default() });
    let square = |day: &str, x: u32, y: u32, class: &str| {
        let of = html.split(&format!("<title>{day}: ")).nth(1).expect("a square");
        let rect = format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\"");
        assert!(of[..200].contains(&rect), "{rect}\n{}", &of[..200]);
    };
    square("2024-02-01", 75, 0, "done");
    square("2024-02-04", 150, 0, "done");
    square("2024-02-05", 0, 25, "done");
    square("2024-02-29", 75, 100, "failed");
    for text in [
        "2024-02-04: done with 2 dead letters open",
        "2024-02-29: failed: gone",
        "29 dates from 2024-02-01 to 2024-02-29: 28 done, 1 failed, 2 dead letters open",
        "<circle class=\"letters\" cx=\"171\" cy=\"1\" r=\"3.5\"/>",
    ] {
        assert!(html.contains(text), "{text}\n{html}");
    }
}

#[test]
fn a_sample_shows_what_is_around_the_fault() {
    let shown = |raw: &[u8]| {
        let found = history::Status {
            reasons: vec![reason(4, "int_parsing", "n")],
            open_dead_letters: 1,
            ..Default::default()
        };
        page(found, vec![letter(4, raw, ("int_parsing", "n"), "7x")]).html()
    };
    assert!(shown(b"{\"n\":\"7x\"}").contains("<pre>{&quot;n&quot;:&quot;<mark>7x</mark>&quot;}</pre>"));
    let long = format!("{}{{\"n\":\"7x\"}}{}", "a".repeat(1 << 20), "b".repeat(1 << 20));
    let html = shown(long.as_bytes());
    assert!(html.contains("<pre>…aaa") && html.contains("bbb…</pre>") && html.contains("<mark>7x</mark>"));
    assert!(html.len() < 30_000, "{} bytes", html.len());
    // Invalid UTF-8, and a mark inside what would be one character.
    assert!(shown(b"\xff\x00{\"n\":\"7x\"}\xc3").contains("\u{fffd}\\u{0}{&quot;"));
}

#[test]
fn what_is_to_be_looked_at_says_why_and_a_killed_run_what_it_had_done() {
    let reason = Some("the disk is full".to_owned());
    let failed = RunStatus { reason, ..run(2, 1) };
    let lanes = vec![LaneStatus {
        lane: 0,
        records: 420,
        rejected: 7,
        bytes: 1,
        bytes_total: 2,
        records_per_second: 0,
        bytes_per_second: 0,
        points: Vec::new(),
    }];
    let unknown = RunStatus {
        ended_at: None,
        outcome: None,
        exit_code: None,
        counts: Counts::default(),
        lanes,
        ..run(3, 0)
    };
    let html = html(history::Status { runs: vec![unknown, failed], ..Default::default() });
    for text in [
        "The last run (2, load) ended as failed (1) at 2023-11-14 22:16:40 UTC: the disk is full</li>",
        "<span class=\"badge live\">no end yet</span></td><td class=\"n\"></td><td class=\"n\">≥ 420</td>",
    ] {
        assert!(html.contains(text), "{text}\n{html}");
    }
}
