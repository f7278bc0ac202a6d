//! The text of the metrics, in the exposition format of Prometheus.
//!
//! A test compares the manual's table of metrics with this file.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::{BOUNDS, Figures, Histogram};

/// The values of `logmill_run_state`: what is going on, and how it ended.
const STATES: [&str; 10] = [
    "starting",
    "running",
    "waiting",
    "finished",
    "rejects",
    "given_up",
    "failed",
    "refused",
    "held",
    "interrupted",
];

const LAST_SUCCESS: &str = "logmill_run_last_success_timestamp_seconds";
const OPEN_DEAD_LETTERS: &str = "logmill_open_dead_letters";

/// The parts of an earlier text that outlive its command.
#[derive(Debug, Default)]
pub(super) struct Previous {
    pub(super) last_success: Option<f64>,
    pub(super) open_dead_letters: Option<u64>,
}

impl Previous {
    /// Reads it from a text that logmill wrote.
    pub(super) fn read(text: &str, job: &str) -> Previous {
        let value = |name: &str| {
            let start = format!("{name}{{job_name=\"{}\"}} ", escaped(job));
            text.lines().find_map(|line| line.strip_prefix(&start))
        };
        Previous {
            last_success: value(LAST_SUCCESS).and_then(|value| value.parse().ok()),
            open_dead_letters: value(OPEN_DEAD_LETTERS).and_then(|value| value.parse().ok()),
        }
    }
}

/// The text of these metrics.
pub(super) fn of(job: &str, figures: &Figures) -> String {
    let mut page = Page { text: String::with_capacity(8 << 10), job: escaped(job) };
    page.metric("logmill_build_info", "gauge", "The program.");
    let _ = writeln!(page.text, "logmill_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    page.of_the_run(figures);
    page.of_records(figures);
    page.of_commits(figures);
    page.text
}

struct Page {
    text: String,
    /// As a label value.
    job: String,
}

impl Page {
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{name}{{job_name=\"{}\"", self.job);
        for (label, of) in labels {
            let _ = write!(self.text, ",{label}=\"{}\"", escaped(of));
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    /// A metric with one value, if there is one.
    fn one(&mut self, name: &str, kind: &str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.metric(name, kind, help);
            self.sample(name, &[], value);
        }
    }

    /// A metric with one value for each of some words.
    fn each<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, impl Display)>,
    ) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.metric(name, "counter", help);
            values.for_each(|(word, value)| self.sample(name, &[(label, word)], value));
        }
    }

    fn of_the_run(&mut self, figures: &Figures) {
        let name = "logmill_run_info";
        if !figures.command.is_empty() {
            self.metric(name, "gauge", "The command, and its destination.");
            let labels = [("command", &*figures.command), ("destination", &*figures.destination)];
            self.sample(name, &labels, 1);
        }
        let name = "logmill_run_state";
        self.metric(name, "gauge", "1 for the current state or the outcome of the run, 0 for all others.");
        let now = figures.state();
        STATES.iter().for_each(|state| self.sample(name, &[("state", state)], u8::from(*state == now)));
        let name = "logmill_run_started_timestamp_seconds";
        self.one(name, "gauge", "When the command began.", figures.began.map(seconds));
        let help = "When a command last finished its sources: exit code 0 or 3.";
        self.one(LAST_SUCCESS, "gauge", help, figures.last_success.map(seconds));
        let code = figures.end.map(|end| end.exit_code);
        self.one("logmill_run_exit_code", "gauge", "The exit code.", code);
        let help = "Bytes of the claimed files that are not committed, in compressed size.";
        self.one("logmill_lag_bytes", "gauge", help, Some(figures.lag()));
        let help = "Open dead letters of the job, as counted at the end of the last run.";
        self.one(OPEN_DEAD_LETTERS, "gauge", help, figures.open_dead_letters);
    }

    fn of_records(&mut self, figures: &Figures) {
        let counts = &figures.counts;
        let help = "Committed records, including rejects.";
        self.one("logmill_records_total", "counter", help, Some(counts.records));
        let help = "Records that became rows, by result.";
        let rows = [
            ("inserted", counts.inserted),
            ("updated", counts.updated),
            ("unchanged", counts.unchanged),
            ("superseded", counts.superseded),
        ];
        self.each("logmill_rows_total", help, "result", rows);
        let help = "Records that became dead letters.";
        self.one("logmill_rejected_records_total", "counter", help, Some(counts.rejected));
        let help = "Reasons of rejects; a record with several reasons counts for each.";
        let rejects = figures.rejects.iter().map(|(code, count)| (code.as_str(), count));
        self.each("logmill_rejects_total", help, "code", rejects);
        let help = "Committed bytes, decompressed.";
        self.one("logmill_bytes_total", "counter", help, Some(figures.bytes));
        let help = "Committed bytes, as stored in the files.";
        self.one("logmill_source_bytes_total", "counter", help, Some(figures.raw_bytes));
        let help = "Sources that ended, by result.";
        self.each(
            "logmill_sources_total",
            help,
            "result",
            figures.sources.iter().map(|(word, n)| (*word, n)),
        );
        let help = "Days of a backfill that ended, by state.";
        self.each("logmill_dates_total", help, "state", figures.dates.iter().map(|(word, n)| (*word, n)));
    }

    fn of_commits(&mut self, figures: &Figures) {
        let help = "Committed batches.";
        self.one("logmill_batches_total", "counter", help, Some(figures.batches));
        self.histogram(&figures.commits);
        let help = "Failed attempts that were retried.";
        let retries = figures.retries.iter().map(|(word, count)| (*word, count));
        self.each("logmill_retries_total", help, "cause", retries);
        let mut waited = figures.waited.clone();
        for (trouble, since) in &figures.waiting {
            *waited.entry(trouble).or_default() += since.elapsed();
        }
        let help = "Time spent only waiting, summed over all lanes.";
        let waited = waited.iter().map(|(word, time)| (*word, time.as_secs_f64()));
        self.each("logmill_waiting_seconds_total", help, "cause", waited);
    }

    fn histogram(&mut self, commits: &Histogram) {
        let name = "logmill_commit_duration_seconds";
        self.metric(name, "histogram", "The time that the destination took for a batch.");
        let (bucket, mut count) = (format!("{name}_bucket"), 0);
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, within) in bounds.zip(commits.buckets) {
            count += within;
            self.sample(&bucket, &[("le", &bound)], count);
        }
        self.sample(&format!("{name}_sum"), &[], commits.sum.as_secs_f64());
        self.sample(&format!("{name}_count"), &[], count);
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// A text as a label value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{End, Metrics};
    use crate::counts::Counts;
    use crate::event::{CodeCount, Dataset, Event};

    use super::*;

    /// A run with every kind of event.
    fn metrics() -> Metrics {
        let metrics = Metrics::new("a \"b\"\\\n", None);
        let counts = Counts {
            records: 10,
            inserted: 5,
            updated: 1,
            unchanged: 1,
            superseded: 1,
            rejected: 2,
            ..Counts::default()
        };
        let reasons = vec![CodeCount { code: "missing".to_owned(), count: 2 }];
        let took = Duration::from_millis(30);
        let committed = Event::Committed { counts, reasons, bytes: 900, raw_bytes: 90, took };
        for event in [
            Event::RunStarted {
                run: Some(1),
                command: "load".to_owned(),
                job: "j".to_owned(),
                date: None,
                destination: "t in d".to_owned(),
                dataset: Dataset::default(),
            },
            Event::Claimed { sources: 1, bytes: 90, again_bytes: 0 },
            Event::Retried { trouble: "connection", cause: "gone".to_owned(), attempt: 1 },
            Event::Resumed { trouble: "connection", after: Duration::from_secs(2) },
            committed.clone(),
            committed,
            Event::TakenBack {
                counts,
                reasons: vec![CodeCount { code: "missing".to_owned(), count: 2 }],
                bytes: 900,
                raw_bytes: 90,
                batches: 1,
                finished: 0,
                refused: 0,
                given_up: 0,
            },
            Event::Finished { file: "a".into(), records: 10 },
            Event::DayEnded {
                date: "2023-10-01".to_owned(),
                state: "done",
                records: 10,
                rejected: 2,
                took,
                reason: None,
            },
        ] {
            metrics.see(&event);
        }
        metrics
    }

    #[test]
    fn the_text_is_the_sum_of_the_events() {
        let metrics = metrics();
        let text = metrics.text();
        let job = r#"job_name="a \"b\"\\\n""#;
        for line in [
            "logmill_records_total{J} 10",
            "logmill_rows_total{J,result=\"superseded\"} 1",
            "logmill_rejected_records_total{J} 2",
            "logmill_rejects_total{J,code=\"missing\"} 2",
            "logmill_bytes_total{J} 900",
            "logmill_source_bytes_total{J} 90",
            "logmill_lag_bytes{J} 0",
            "logmill_batches_total{J} 1",
            "logmill_commit_duration_seconds_bucket{J,le=\"0.025\"} 0",
            "logmill_commit_duration_seconds_bucket{J,le=\"0.05\"} 2",
            "logmill_commit_duration_seconds_bucket{J,le=\"+Inf\"} 2",
            "logmill_commit_duration_seconds_count{J} 2",
            "logmill_retries_total{J,cause=\"connection\"} 1",
            "logmill_waiting_seconds_total{J,cause=\"connection\"} 2",
            "logmill_run_state{J,state=\"running\"} 1",
            "logmill_run_state{J,state=\"failed\"} 0",
        ] {
            let line = line.replace('J', job);
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
        metrics.end(End { outcome: "failed", exit_code: 1, is_success: false });
        let text = metrics.text();
        assert!(
            text.contains("state=\"failed\"} 1")
                && text.contains(&format!("logmill_run_exit_code{{{job}}} 1"))
        );
        assert!(!text.contains(LAST_SUCCESS), "{text}");
    }

    #[test]
    fn what_is_taken_back_and_claimed_again_counts_once() {
        let metrics = Metrics::new("j", None);
        let of = |records: i64| Counts { records, inserted: records, ..Counts::default() };
        let committed = |records: i64, raw_bytes: u64| Event::Committed {
            counts: of(records),
            reasons: Vec::new(),
            bytes: 2 * raw_bytes,
            raw_bytes,
            took: Duration::ZERO,
        };
        let claimed = |bytes, again_bytes| Event::Claimed { sources: 2, bytes, again_bytes };
        let finished = || Event::Finished { file: "a".into(), records: 6 };
        let has = |lag: u64, raw: u64, records: i64, finished: u64| {
            let text = metrics.text();
            for line in [
                format!("logmill_lag_bytes{{job_name=\"j\"}} {lag}"),
                format!("logmill_source_bytes_total{{job_name=\"j\"}} {raw}"),
                format!("logmill_bytes_total{{job_name=\"j\"}} {}", 2 * raw),
                format!("logmill_records_total{{job_name=\"j\"}} {records}"),
                format!("logmill_sources_total{{job_name=\"j\",result=\"finished\"}} {finished}"),
            ] {
                assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
            }
        };
        [claimed(100, 0), committed(6, 60), finished(), committed(1, 10)]
            .iter()
            .for_each(|it| metrics.see(it));
        has(30, 70, 7, 1);
        // The server loses a part of it, some of which another run may have loaded meanwhile.
        metrics.see(&Event::TakenBack {
            counts: of(4),
            reasons: Vec::new(),
            bytes: 80,
            raw_bytes: 40,
            batches: 0,
            finished: 1,
            refused: 0,
            given_up: 0,
        });
        has(70, 30, 3, 0);
        metrics.see(&claimed(65, 70));
        has(65, 30, 3, 0);
        [committed(3, 30), finished(), committed(3, 35)].iter().for_each(|it| metrics.see(it));
        has(0, 95, 9, 1);
    }

    #[test]
    fn a_success_and_open_letters_outlive_their_command() {
        let metrics = metrics();
        metrics.see(&Event::RunEnded {
            run: Some(1),
            outcome: "rejects",
            exit_code: 3,
            counts: Counts::default(),
            bytes: 0,
            raw_bytes: 0,
            batches: 0,
            open_dead_letters_of_job: Some(7),
            took: Duration::ZERO,
            error: None,
        });
        metrics.end(End { outcome: "rejects", exit_code: 3, is_success: true });
        let text = metrics.text();
        let line =
            |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        let next = Metrics::new("a \"b\"\\\n", Some(&text)).text();
        for name in [LAST_SUCCESS, OPEN_DEAD_LETTERS] {
            assert!(line(&text, name).is_some(), "{text}");
            assert_eq!(line(&next, name), line(&text, name));
            assert_eq!(line(&Metrics::new("other", Some(&text)).text(), name), None);
        }
    }

    #[test]
    fn the_manual_the_dashboard_and_the_rules_know_the_same_metrics() {
        let metrics = metrics();
        metrics.see(&Event::RunEnded {
            run: None,
            outcome: "finished",
            exit_code: 0,
            counts: Counts::default(),
            bytes: 0,
            raw_bytes: 0,
            batches: 0,
            open_dead_letters_of_job: Some(0),
            took: Duration::ZERO,
            error: None,
        });
        metrics.end(End { outcome: "finished", exit_code: 0, is_success: true });
        let text = metrics.text();
        let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let there: BTreeSet<(&str, &str)> = kinds.filter_map(|line| line.split_once(' ')).collect();
        let page = include_str!("../manual/monitoring.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `logmill_")?.split_once("` | "));
        let told: BTreeSet<(String, &str)> = rows
            .map(|(name, rest)| (format!("logmill_{name}"), rest.split(' ').next().unwrap_or_default()))
            .collect();
        let told: BTreeSet<(&str, &str)> = told.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        assert_eq!(told, there);
        for file in [
            include_str!("../manual/monitoring/dashboard.json"),
            include_str!("../manual/monitoring/alerts.yml"),
        ] {
            for at in file.match_indices("logmill_").map(|(at, _)| at) {
                let end =
                    file[at..].find(|ch: char| !ch.is_ascii_alphanumeric() && ch != '_').unwrap_or_default();
                let name = &file[at..at + end];
                let base = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end))
                    .unwrap_or(name);
                assert!(
                    there.iter().any(|(known, _)| *known == base || *known == name),
                    "{name} is no metric"
                );
            }
        }
    }
}
