//! The course of a run: how fast it was over time, and who waited for whom.
//!
//! Each lane of a run keeps a bounded series of its progress over time. Here the lanes are mapped to the same
//! time steps and added up.

use std::time::Duration;

use super::html::Html;
use super::minute;
use super::plot::{self, Band, Line, Words};
use super::table::{self, Column};
use crate::figure;
use crate::sink::history::RunStatus;
use crate::sink::progress::{LaneStatus, Point};

/// At most this many steps are drawn.
const STEPS_MAX: usize = 60;

/// A series with fewer points has no course.
const POINTS_MIN: usize = 3;

/// What was done in a time step.
#[derive(Clone, Copy, Default)]
struct Step {
    records: f64,
    bytes: f64,
    /// The share of its time in which the writers waited for records, and the database for the writers.
    idle: f64,
    /// The share in which the writers waited for the database.
    busy: f64,
}

/// The course of a run, in steps of the same length.
struct Course<'a> {
    run: &'a RunStatus,
    step: Duration,
    steps: Vec<Step>,
}

/// Draws the newest run that lasted long enough to have a course.
pub(super) fn course(html: &mut Html, runs: &[RunStatus]) {
    let Some(course) = runs.iter().find_map(Course::of) else { return };
    let run = course.run;
    let lanes = match run.lanes.len() {
        1 => String::new(),
        lanes => format!(", its {} together", figure::some(lanes, "lane")),
    };
    let lead = format!("Run {} of {}{lanes}: records a second over time", run.id, minute(run.started_at));
    html.leaf("h3", &[], &lead);
    course.throughput(html, &lead);
    html.leaf("h3", &[], "Who waited for whom");
    course.waits(html);
}

impl Course<'_> {
    fn of(run: &RunStatus) -> Option<Course<'_>> {
        let longest =
            run.lanes.iter().map(|lane| lane.points.len()).max().filter(|&most| most >= POINTS_MIN)?;
        let end = run.lanes.iter().filter_map(|lane| lane.points.last()).map(|point| point.ms).max()?;
        // No finer than the data.
        let count = longest.min(STEPS_MAX);
        let length = end as f64 / count as f64;
        if length < 1.0 {
            return None;
        }
        let mut steps = vec![Step::default(); count];
        for lane in &run.lanes {
            let mut before = [0.0; 4];
            for (number, step) in steps.iter_mut().enumerate() {
                let now = at((number + 1) as f64 * length, lane);
                // Lost commits are not drawn as a negative rate.
                let done = |what: usize| (now[what] - before[what]).max(0.0);
                step.records += done(0);
                step.bytes += done(1);
                step.idle += done(2);
                step.busy += done(3);
                before = now;
            }
        }
        for step in &mut steps {
            // A wait that is recorded at its end can be longer than the step that contains the end.
            let all = (length * run.lanes.len() as f64).max(step.idle + step.busy);
            step.idle /= all;
            step.busy /= all;
        }
        Some(Course { run, step: Duration::from_secs_f64(length / 1000.0), steps })
    }

    fn began(&self, number: usize) -> String {
        figure::time(self.step * u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn rate(&self, amount: f64) -> f64 {
        amount / self.step.as_secs_f64()
    }

    fn throughput(&self, html: &mut Html, lead: &str) {
        let rates: Vec<f64> = self.steps.iter().map(|step| self.rate(step.records)).collect();
        let most = rates.iter().copied().fold(0.0, f64::max) as u64;
        let description =
            format!("{lead}; at most {} in a step of {}", figure::count(most), figure::time(self.step));
        let words = Words { title: "Throughput over time", description: &description };
        let line = Line { name: String::new(), values: rates.into_iter().map(Some).collect() };
        let ends = ["its beginning", &self.began(self.steps.len())];
        plot::lines(html, &words, &[line], |rate| format!("{}/s", plot::short(rate)), ends);
        let columns =
            [Column::when("From"), Column::number("Records/s"), Column::number("Bytes/s, as stored")];
        table::behind(html, "Throughput over time as a table", &columns, |html| {
            for (number, step) in self.steps.iter().enumerate() {
                html.element("tr", &[], |html| {
                    table::cell(html, &columns[0], self.began(number));
                    table::cell(html, &columns[1], figure::count(self.rate(step.records) as u64));
                    table::cell(
                        html,
                        &columns[2],
                        format!("{}/s", figure::bytes(self.rate(step.bytes) as u64)),
                    );
                });
            }
        });
    }

    fn waits(&self, html: &mut Html) {
        let shares = |of: fn(&Step) -> f64| self.steps.iter().map(of).collect::<Vec<f64>>();
        let bands = [
            Band { name: "the run waited for the database", class: "f1", shares: shares(|step| step.busy) },
            Band { name: "the database waited for records", class: "f3", shares: shares(|step| step.idle) },
            Band { name: "neither", class: "f6", shares: shares(Step::neither) },
        ];
        let of_all = |band: &Band| {
            let mean = band.shares.iter().sum::<f64>() / band.shares.len() as f64;
            format!("{} {}", band.name, percent(mean))
        };
        let description = bands.each_ref().map(of_all).join(", ");
        html.leaf("p", &[("class", &"lead")], format!("Of the time, {description}."));
        let words = Words { title: "Who waited for whom", description: &description };
        let ends = ["its beginning", &self.began(self.steps.len())];
        plot::bands(html, &words, &bands, percent, ends);
        let columns = [
            Column::when("From"),
            Column::number("Waited for the database"),
            Column::number("Waited for records"),
            Column::number("Neither"),
        ];
        table::behind(html, "Who waited for whom as a table", &columns, |html| {
            for (number, step) in self.steps.iter().enumerate() {
                html.element("tr", &[], |html| {
                    table::cell(html, &columns[0], self.began(number));
                    table::cell(html, &columns[1], percent(step.busy));
                    table::cell(html, &columns[2], percent(step.idle));
                    table::cell(html, &columns[3], percent(step.neither()));
                });
            }
        });
    }
}

impl Step {
    fn neither(&self) -> f64 {
        (1.0 - self.busy - self.idle).max(0.0)
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// What a lane had done after this many milliseconds: records, bytes, waits for records, waits for the
/// database. Progress between two points is interpolated; after the last there is none.
fn at(ms: f64, lane: &LaneStatus) -> [f64; 4] {
    let done = |point: &Point| {
        [point.records as f64, point.bytes as f64, point.waited_ms as f64, point.commit_ms as f64]
    };
    let behind = lane.points.partition_point(|point| (point.ms as f64) < ms);
    let before = behind.checked_sub(1).map(|index| lane.points[index]).unwrap_or_default();
    let Some(after) = lane.points.get(behind) else { return done(&before) };
    let length = after.ms.saturating_sub(before.ms).max(1) as f64;
    let share = ((ms - before.ms as f64) / length).clamp(0.0, 1.0);
    let (from, to) = (done(&before), done(after));
    std::array::from_fn(|what| from[what] + (to[what] - from[what]) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(number: i32, points: &[[u64; 5]]) -> LaneStatus {
        let points: Vec<Point> = points.iter().copied().map(Point::from).collect();
        let last = points.last().copied().unwrap_or_default();
        LaneStatus {
            lane: number,
            records: last.records,
            rejected: 0,
            bytes: last.bytes,
            bytes_total: last.bytes,
            records_per_second: 0,
            bytes_per_second: 0,
            points,
        }
    }

    #[test]
    fn lanes_are_added_up_step_by_step() {
        let lanes = vec![
            lane(
                0,
                &[
                    [1_000, 100, 1_000, 250, 500],
                    [2_000, 300, 3_000, 500, 1_000],
                    [4_000, 300, 3_000, 500, 3_000],
                ],
            ),
            // Between its points it progressed evenly; after the last it did nothing.
            lane(1, &[[2_000, 200, 2_000, 0, 2_000]]),
        ];
        let run = RunStatus { lanes, ..super::super::tests::run(7, 0) };
        let course = Course::of(&run).expect("a course");
        assert_eq!(course.step, Duration::from_secs_f64(4.0 / 3.0));
        let records: f64 = course.steps.iter().map(|step| step.records).sum();
        assert!((records - 500.0).abs() < 1e-6, "{records}");
        // In the first step: 100 and a third of 200 by the one, two thirds of 200 by the other.
        let first = course.steps[0];
        assert!((first.records - (100.0 + 200.0 / 3.0 + 400.0 / 3.0)).abs() < 1e-6, "{}", first.records);
        // The one waited a third of a quarter after its first point, half of it for the database.
        let all = 2.0 * 4_000.0 / 3.0;
        assert!((first.idle - (250.0 + 250.0 / 3.0) / all).abs() < 1e-6, "{}", first.idle);
        assert!((first.busy - (500.0 + 500.0 / 3.0 + 4_000.0 / 3.0) / all).abs() < 1e-6, "{}", first.busy);
        for step in &course.steps {
            assert!(step.idle + step.busy <= 1.0 + 1e-9 && step.neither() >= 0.0);
        }
        assert_eq!(course.steps[2].records, 0.0);
    }

    #[test]
    fn a_short_run_has_no_course() {
        let of = |points: &[[u64; 5]]| {
            let run = RunStatus { lanes: vec![lane(0, points)], ..super::super::tests::run(7, 0) };
            Course::of(&run).is_some()
        };
        assert!(!of(&[]) && !of(&[[900, 1, 1, 1, 1], [1_900, 2, 2, 2, 2]]) && !of(&[[0; 5]; 3]));
        assert!(of(&[[900, 1, 1, 1, 1], [1_900, 2, 2, 2, 2], [2_900, 3, 3, 3, 3]]));
    }
}
