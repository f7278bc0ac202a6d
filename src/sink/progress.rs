//! How far a lane is and how it got there, as a destination keeps it beside the checkpoints. The last
//! statement of a commit writes it, one row per lane, so that lanes do not wait for each other.
//!
//! No decision depends on it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The progress of a lane after a commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Its run.
    pub run: i64,
    /// Its number in the run, from zero.
    pub lane: i32,
    /// Records that are committed, including those of the batch.
    pub records: u64,
    /// Rejects among them, except those that the destination adds for the batch.
    pub rejected: u64,
    /// Bytes of its files that are committed, in compressed size.
    pub bytes: u64,
    /// The bytes to be read; excludes streams, whose size is unknown.
    pub bytes_total: u64,
    /// Records per second, over the last few seconds.
    pub records_per_second: u64,
    /// Bytes per second, over the last few seconds.
    pub bytes_per_second: u64,
    /// Its course so far.
    pub series: Series,
}

impl Progress {
    /// The points, as stored.
    pub(super) fn stored_points(&self) -> String {
        serde_json::to_string(&self.series.points).expect("numbers")
    }
}

/// The maximum number of points kept.
const POINTS_MAX: usize = 200;

/// Points are at least this far apart, except the last.
const CLOSEST_MS: u64 = 1000;

/// The course of a lane in a bounded number of points: when there are too many, every second one is dropped,
/// and the rest are twice as far apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    points: Vec<Point>,
    apart_ms: u64,
}

impl Default for Series {
    fn default() -> Series {
        Series { points: Vec::new(), apart_ms: CLOSEST_MS }
    }
}

/// A point in the history of a lane, counted from its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 5]", into = "[u64; 5]")]
pub struct Point {
    /// Milliseconds.
    pub ms: u64,
    /// Records that were committed.
    pub records: u64,
    /// Bytes of the files that were committed, in compressed size.
    pub bytes: u64,
    /// Milliseconds that the writer has waited for workers.
    pub waited_ms: u64,
    /// Milliseconds that the writer has waited for the destination.
    pub commit_ms: u64,
}

impl From<[u64; 5]> for Point {
    fn from([ms, records, bytes, waited_ms, commit_ms]: [u64; 5]) -> Point {
        Point { ms, records, bytes, waited_ms, commit_ms }
    }
}

impl From<Point> for [u64; 5] {
    fn from(point: Point) -> [u64; 5] {
        [point.ms, point.records, point.bytes, point.waited_ms, point.commit_ms]
    }
}

impl Series {
    /// Adds the newest point. The point before it is dropped if it is too close to its own predecessor.
    pub fn add(&mut self, point: Point) {
        if let [.., before, last] = self.points[..]
            && last.ms.saturating_sub(before.ms) < self.apart_ms
        {
            self.points.pop();
        }
        self.points.push(point);
        if self.points.len() > POINTS_MAX {
            let mut number = 0;
            // The first and the last stay: there is an odd number of points.
            self.points.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.apart_ms *= 2;
        }
    }
}

/// The progress of a lane when it last committed.
#[derive(Clone, Debug, Serialize)]
pub struct LaneStatus {
    /// Its number in the run, from zero.
    pub lane: i32,
    /// Records that it had committed, including rejects.
    pub records: u64,
    /// Rejects among them.
    pub rejected: u64,
    /// Bytes of its files that it had committed, in compressed size.
    pub bytes: u64,
    /// Bytes to be read, except for streams, whose size is unknown.
    pub bytes_total: u64,
    /// Records per second, over the last few seconds.
    pub records_per_second: u64,
    /// Bytes per second, over the last few seconds.
    pub bytes_per_second: u64,
    /// Its history, in at most 200 points.
    #[serde(skip)]
    pub points: Vec<Point>,
}

impl LaneStatus {
    /// How long the rest will take at the present rate, if that can be estimated.
    pub fn left(&self) -> Option<Duration> {
        let bytes = self.bytes_total.checked_sub(self.bytes)?;
        bytes.checked_div(self.bytes_per_second).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_bounded_and_keeps_its_ends_and_its_order() {
        let mut series = Series::default();
        for second in 0..100_000_u64 {
            let point = Point { ms: second * 700, records: second * 10, ..Point::default() };
            series.add(point);
            assert!(series.points.len() <= POINTS_MAX);
            assert_eq!((series.points[0].ms, series.points.last()), (0, Some(&point)));
        }
        assert!(series.points.len() > POINTS_MAX / 3, "{}", series.points.len());
        let apart = series.points.windows(2).map(|pair| pair[1].ms - pair[0].ms);
        let (most, all) = (apart.clone().max().unwrap_or(0), apart.collect::<Vec<_>>());
        assert!(
            all[..all.len() - 1].iter().all(|apart| *apart >= CLOSEST_MS && 3 * apart >= most),
            "{all:?}"
        );
    }

    #[test]
    fn points_are_stored_as_lists_of_numbers() {
        let point = Point { ms: 1, records: 2, bytes: 3, waited_ms: 4, commit_ms: 5 };
        let mut progress = Progress::default();
        progress.series.add(point);
        assert_eq!(progress.stored_points(), "[[1,2,3,4,5]]");
        let points: Vec<Point> = serde_json::from_str("[[1,2,3,4,5]]").expect("points");
        assert_eq!(points, [point]);
    }
}
