//! The state of a job, as stored in its destination.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Exit, Head, OldRows, OtherRules, Report, text};
use crate::figure;
use crate::sink::dates::DateStatus;
use crate::sink::history::{self, ReasonCount, RunStatus, SourceStatus, maybe_moment};

/// The state of a job.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The destination, without secrets.
    pub destination: String,
    /// The sources, in the order of their ids.
    pub sources: Vec<SourceStatus>,
    /// Those of them that were loaded under other rules than the current ones.
    pub other_rules: Option<OtherRules>,
    /// The number of open dead letters.
    pub open_dead_letters: u64,
    /// How many of them are not delivered; null if the job delivers none.
    pub undelivered: Option<u64>,
    /// Their reasons, the most frequent first.
    pub reasons: Vec<ReasonCount>,
    /// The data dates, in order.
    pub dates: Vec<DateStatus>,
    /// Whether the job has also loaded into other tables. Its runs are those into all of them.
    pub other_tables: bool,
    /// The last runs, the newest first.
    pub runs: Vec<RunStatus>,
    /// The last run that failed, even if others have succeeded since.
    pub last_failure: Option<RunStatus>,
    /// When a load last finished its sources, with exit code 0 or 3.
    #[serde(serialize_with = "maybe_moment")]
    pub last_success: Option<DateTime<Utc>>,
    /// Why the exit code is not 0, if the flags require that.
    pub alarms: Vec<String>,
    /// Whether there is no state yet.
    #[serde(skip)]
    pub is_new: bool,
    /// Whether to show all sources.
    #[serde(skip)]
    pub shows_all: bool,
}

/// The state of some sources.
#[derive(Clone, Debug, Serialize)]
pub struct SourcesStatus {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The requested sources.
    pub sources: Vec<SourceStatus>,
    /// Requested files that the job has never loaded.
    pub unknown: Vec<String>,
}

impl Status {
    /// The report on what the destination remembers of a job; `None` if it has no tables of logmill.
    pub fn new(
        job: &str,
        destination: String,
        found: Option<history::Status>,
        rows: OldRows,
        shows_all: bool,
    ) -> Status {
        let is_new = found.is_none();
        let found = found.unwrap_or_default();
        Status {
            head: Head::new("status", Some(job), Exit::Success),
            destination,
            other_rules: OtherRules::of(&found.sources, rows),
            sources: found.sources,
            open_dead_letters: found.open_dead_letters,
            undelivered: None,
            reasons: found.reasons,
            dates: found.dates,
            other_tables: found.has_other_tables,
            runs: found.runs,
            last_failure: found.last_failure,
            last_success: found.last_success,
            alarms: Vec::new(),
            is_new,
            shows_all,
        }
    }
}

/// The conditions that a monitor checks by the exit code.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alarm {
    /// Whether an open dead letter is a reason.
    pub is_open: bool,
    /// How long ago the last complete load may be.
    pub is_older: Option<Duration>,
}

impl Status {
    /// When a load into this table last succeeded. Runs do not record their table, so if the job has others, the last
    /// commit to this table counts: a load of another table must not silence an alarm.
    fn last_load(&self) -> Option<DateTime<Utc>> {
        let committed = self.sources.iter().map(|source| source.updated_at).max()?;
        self.last_success.map(|last| if self.other_tables { last.min(committed) } else { last })
    }

    /// The same with the exit code that says whether there is reason for alarm at `now`, and why.
    pub fn with(mut self, alarm: Alarm, now: DateTime<Utc>) -> Status {
        let mut exit = Exit::Success;
        if alarm.is_open && self.open_dead_letters > 0 {
            self.alarms.push(format!("{} open", figure::some(self.open_dead_letters, "dead letter")));
            exit = exit.graver(Exit::Rejects);
        }
        if let Some(bound) = alarm.is_older {
            let age = self.last_load().map(|last| (now - last).to_std().unwrap_or_default());
            if age.is_none_or(|age| age > bound) {
                let bound = figure::time(bound);
                self.alarms.push(match age {
                    Some(age) => format!(
                        "the last load that finished its sources ended {} ago, more than {bound}",
                        figure::time(age)
                    ),
                    None => {
                        format!("no load has ever finished its sources, and one was expected within {bound}")
                    }
                });
                exit = exit.graver(Exit::Failed);
            }
        }
        self.head = Head::new("status", self.head.job.as_deref(), exit);
        self
    }
}

impl Report for Status {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::status(self)
    }
}

impl Report for SourcesStatus {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::sources(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Counts;

    #[test]
    fn a_load_of_another_table_silences_no_alarm() {
        let now = Utc::now();
        let ago = |hours: i64| now - chrono::Duration::hours(hours);
        let source = SourceStatus {
            id: 1,
            name: "/a.log".to_owned(),
            data_date: None,
            size: 1,
            position: 1,
            complete: true,
            containers: Vec::new(),
            counts: Counts::default(),
            open_dead_letters: 0,
            other_rules: false,
            rules: Vec::new(),
            owner: None,
            updated_at: ago(30),
        };
        let status = |has_other_tables, sources: &[SourceStatus]| {
            let found = history::Status {
                sources: sources.to_vec(),
                has_other_tables,
                last_success: Some(ago(1)),
                ..history::Status::default()
            };
            let bound = Alarm { is_open: false, is_older: Some(Duration::from_secs(24 * 3600)) };
            let status = Status::new("app", "t".to_owned(), Some(found), OldRows::default(), false);
            status.with(bound, now).head.exit
        };
        // A load that finds nothing new is one.
        assert_eq!(status(false, std::slice::from_ref(&source)), Exit::Success);
        assert_eq!(status(true, std::slice::from_ref(&source)), Exit::Failed);
        let recent = SourceStatus { updated_at: ago(2), ..source };
        assert_eq!(status(true, &[recent]), Exit::Success);
        assert_eq!(status(true, &[]), Exit::Failed);
    }
}
