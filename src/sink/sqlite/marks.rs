//! The marks of a batch in SQLite: the dates whose metrics it makes stale. Writers are serialised here, so
//! whatever is registered stays true until COMMIT.

use std::collections::BTreeSet;

use chrono::{Datelike as _, NaiveDate, NaiveDateTime};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::Trouble;
use crate::error::ErrorKind;
use crate::schema::{Time, TimeKind};
use crate::sink::key::quote;
use crate::sink::rollup::{Dates, Rollups, start};

/// The statements that mark the dates of a target's rows.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    /// The time of a record, if the job names it.
    pub(super) time: Option<Time>,
    /// The same, as registered.
    days: Option<(String, String)>,
    /// Its full name.
    pub(super) target: String,
    /// Dead letters are counted, by the data dates of their sources.
    counts_rejects: bool,
}

impl Marks {
    pub(super) fn new(target: String, rollups: &Rollups) -> Marks {
        Marks {
            time: rollups.time.clone(),
            days: rollups.days(),
            target,
            counts_rejects: rollups.counts_rejects(),
        }
    }

    /// Whether the dates of a batch must be marked. A metric may have been registered since the run began,
    /// with days by another clock.
    pub(super) fn are_wanted(&self, connection: &Connection) -> Result<bool, Trouble> {
        let mut statement =
            connection.prepare_cached("SELECT time, zone FROM logmill_rollups WHERE target = ?1")?;
        let row: Option<(Option<String>, Option<String>)> =
            statement.query_row([&self.target], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let now = row.and_then(|(time, zone)| time.zip(zone));
        match now {
            None => Ok(false),
            Some(_) if now == self.days => Ok(true),
            Some((time, zone)) => Err(Trouble::Ours(
                ErrorKind::DatabaseFile {
                    doing: "marking dates".to_owned(),
                    code: None,
                    message: format!(
                        "{} has had rollups since this run began, by the days of {time} in {zone}. What was committed is kept: \
                         write the same into [record] time and [source] timezone, and run the same command again",
                        self.target
                    ),
                }
                .into(),
            )),
        }
    }

    /// The SQL for the date of a row `t`. For an instant it is the UTC date, which can be two dates by
    /// another clock.
    pub(super) fn date_sql(&self) -> Option<String> {
        self.time.as_ref().map(|time| format!("substr(t.{}, 1, 10)", quote(&time.name)))
    }

    /// The dates of rows, from those that the SQL has returned.
    pub(super) fn days_of<'a>(&self, dates: impl IntoIterator<Item = &'a String>) -> BTreeSet<NaiveDate> {
        let dates = dates.into_iter().filter_map(|date| date.parse().ok());
        match &self.time {
            Some(time) => dates.flat_map(|date| time.days_of(date)).collect(),
            None => BTreeSet::new(),
        }
    }

    /// The dates of the target's rows that satisfy a condition on `t`.
    pub(super) fn days_where(
        &self,
        connection: &Connection,
        table: &str,
        condition: &str,
    ) -> Result<BTreeSet<NaiveDate>, Trouble> {
        let Some(date) = self.date_sql() else { return Ok(BTreeSet::new()) };
        let sql = format!(
            "SELECT DISTINCT {date} FROM {} AS t WHERE {condition} AND {date} IS NOT NULL",
            quote(table)
        );
        let mut statement = connection.prepare(&sql)?;
        let dates = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        Ok(self.days_of(&dates))
    }

    /// The condition that rows `t` are on the selected dates.
    pub(super) fn are_on(&self, dates: &Dates) -> String {
        match (&self.time, dates) {
            (Some(time), Dates::Within(range)) => {
                let name = quote(&time.name);
                let [start, end] = [range.start, range.end].map(|date| start(time, date, moment));
                format!("t.{name} >= {start} AND t.{name} < {end}")
            }
            _ => "true".to_owned(),
        }
    }

    /// The data dates of sources whose letters are counted. Only their own job counts letters.
    pub(super) fn days_of_letters(
        &self,
        connection: &Connection,
        sources: impl Iterator<Item = i32>,
    ) -> Result<BTreeSet<NaiveDate>, Trouble> {
        let mut days = BTreeSet::new();
        if !self.counts_rejects {
            return Ok(days);
        }
        let mut statement =
            connection.prepare_cached("SELECT data_date FROM logmill_sources WHERE id = ?1")?;
        for source in sources {
            let date: Option<Option<String>> = statement.query_row([source], |row| row.get(0)).optional()?;
            days.extend(date.flatten().and_then(|date| date.parse::<NaiveDate>().ok()));
        }
        Ok(days)
    }

    /// Marks dates for each job with metrics on the target, or for one of them.
    pub(super) fn write(
        &self,
        connection: &Connection,
        job: Option<&str>,
        days: &BTreeSet<NaiveDate>,
    ) -> Result<(), Trouble> {
        let mut statement = connection.prepare_cached(
            "INSERT INTO logmill_dirty_dates AS d (target, job, date, seq)
             SELECT DISTINCT m.target, m.job, ?2, 1 FROM logmill_metrics m
             WHERE m.target = ?1 AND m.job = coalesce(?3, m.job)
             ON CONFLICT (target, job, date) DO UPDATE SET seq = d.seq + 1",
        )?;
        for day in days {
            statement.execute(params![self.target, day.to_string(), job])?;
        }
        Ok(())
    }
}

/// A point in time in the text form of the column of times. Without a zone and a fraction it sorts before
/// every value that begins with it. A time that no record can have sorts after every digit or, by its sign,
/// before.
pub(super) fn moment(kind: TimeKind, at: NaiveDateTime) -> String {
    match kind {
        _ if at.year() > 9999 => "':'".to_owned(),
        TimeKind::Day => day(at.date()),
        TimeKind::Local | TimeKind::Instant => format!("'{}'", at.format("%Y-%m-%dT%H:%M:%S")),
    }
}

/// A date, as a literal.
pub(super) fn day(date: NaiveDate) -> String {
    format!("'{date}'")
}
