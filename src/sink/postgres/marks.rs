//! The marks of a batch: the dates whose metrics become stale, in its own transaction.
//!
//! Before its rows a batch takes a share lock on the row without a name in `rollups`, then on the row of its
//! target. Registering the first metric of a target locks the former, registering another the latter, so that
//! no batch is in progress that would not mark for it. The marks come last, in the order of their dates, and
//! each is locked and raised even if it exists already: the computation of its date has then either seen the
//! rows of the batch or runs again.

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveDateTime};
use postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::ask::date_text;
use super::catalog::Target;
use super::link::Link;
use super::names::literal;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::error::{Error, ErrorKind};
use crate::schema::{Time, TimeKind};
use crate::sink::key::quote;
use crate::sink::rollup::{Dates, Rollups, start};

/// The statements that mark the dates of a target's rows.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    /// The time of a record, if the job names it.
    time: Option<Time>,
    /// The same, as registered.
    days: Option<(String, String)>,
    /// The target, as a literal.
    target: String,
    /// Dead letters are counted, by the data dates of their sources.
    counts_rejects: bool,
    /// Takes a share lock on the target's row of rollups, and returns how its days are defined.
    pub(super) lock_sql: String,
}

impl Marks {
    pub(super) fn new(target: &Target, rollups: &Rollups) -> Marks {
        let literal = literal(&target.remembered());
        Marks {
            time: rollups.time.clone(),
            days: rollups.days(),
            counts_rejects: rollups.counts_rejects(),
            lock_sql: format!(
                "SELECT FROM logmill.rollups WHERE target = '' FOR KEY SHARE;
                 SELECT time, zone FROM logmill.rollups WHERE target = {literal} FOR KEY SHARE"
            ),
            target: literal,
        }
    }

    /// Whether the dates of a batch must be marked, by the answer to `lock_sql`. A metric may have been
    /// registered since the run began, with days by another clock.
    pub(super) fn are_wanted(&self, said: &[SimpleQueryMessage]) -> Result<bool, Trouble> {
        let is_own =
            |row: &&SimpleQueryRow| row.columns().first().is_some_and(|column| column.name() == "time");
        let row = said.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row).filter(is_own),
            _ => None,
        });
        let Some(row) = row else { return Ok(false) };
        let now = row.get(0).zip(row.get(1)).map(|(time, zone)| (time.to_owned(), zone.to_owned()));
        match now {
            None => Ok(false),
            Some(_) if now == self.days => Ok(true),
            Some((time, zone)) => Err(Trouble::Ours(
                ErrorKind::Server {
                    doing: Step::Compare.doing().to_owned(),
                    sqlstate: None,
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

    /// The query for the dates of rows that the rows of a stage replace. `joined` is the condition that pairs
    /// them. A row that keeps its date is marked with its successor.
    pub(super) fn replaced_sql(&self, table: &str, stage: &str, joined: &str) -> Option<String> {
        let time = self.time.as_ref()?;
        let name = quote(&time.name);
        Some(format!(
            "SELECT DISTINCT {} FROM {stage} s JOIN {table} t ON {joined}
             WHERE t.{name} IS DISTINCT FROM s.{name} AND {}",
            date_of(time),
            is_on_a_day(time)
        ))
    }

    /// The dates of the target's rows that satisfy a condition on `t`.
    pub(super) fn days_where(
        &self,
        client: &mut Client,
        table: &str,
        condition: &str,
    ) -> Result<BTreeSet<NaiveDate>, Trouble> {
        let Some(time) = &self.time else { return Ok(BTreeSet::new()) };
        let sql = format!(
            "SELECT DISTINCT {} FROM {table} t WHERE {condition} AND {}",
            date_of(time),
            is_on_a_day(time)
        );
        self.days_of(client, &sql)
    }

    /// The data dates of sources whose letters are counted. Only their own job counts letters.
    pub(super) fn days_of_letters(
        &self,
        client: &mut Client,
        sources: Vec<i32>,
    ) -> Result<Vec<NaiveDate>, Trouble> {
        if !self.counts_rejects {
            return Ok(Vec::new());
        }
        let sql =
            "SELECT DISTINCT data_date FROM logmill.sources WHERE id = ANY($1) AND data_date IS NOT NULL";
        Ok(at(Step::Marks, client.query(sql, &[&sources]))?.iter().map(|row| row.get(0)).collect())
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

    /// The dates that a query returns.
    pub(super) fn days_of(&self, client: &mut Client, sql: &str) -> Result<BTreeSet<NaiveDate>, Trouble> {
        let mut days = BTreeSet::new();
        for message in at(Step::Marks, client.simple_query(sql))? {
            let SimpleQueryMessage::Row(row) = message else { continue };
            let number = row.get(0).and_then(|text| text.parse().ok());
            // In another program's row the year can have more digits than a record's can.
            let Some(date) = number.and_then(NaiveDate::from_num_days_from_ce_opt) else { continue };
            match &self.time {
                Some(time) => days.extend(time.days_of(date)),
                None => drop(days.insert(date)),
            }
        }
        Ok(days)
    }

    /// Marks dates for each job with metrics on the target.
    pub(super) fn write(&self, link: &mut Link, days: &BTreeSet<NaiveDate>) -> Result<(), Trouble> {
        self.write_for(&mut link.client, "true", days)?;
        link.pulse.beat();
        Ok(())
    }

    /// The same for the jobs that satisfy a condition on `m`.
    pub(super) fn write_for(
        &self,
        client: &mut Client,
        whose: &str,
        days: &BTreeSet<NaiveDate>,
    ) -> Result<(), Trouble> {
        if days.is_empty() {
            return Ok(());
        }
        let days: Vec<String> = days.iter().map(|day| format!("\"{}\"", date_text(*day, ""))).collect();
        let sql = format!(
            "INSERT INTO logmill.dirty_dates AS d (target, job, date, seq)
             SELECT m.target, m.job, n.date, 1
             FROM (SELECT DISTINCT m.target, m.job FROM logmill.metrics m WHERE m.target = {} AND {whose}) m
             CROSS JOIN unnest('{{{}}}'::date[]) n (date)
             ORDER BY n.date, m.job
             ON CONFLICT (target, job, date) DO UPDATE SET seq = d.seq + 1",
            self.target,
            days.join(",")
        );
        at(Step::Marks, client.batch_execute(&sql))
    }
}

/// The date of a row `t`, as a number of days of our era. For an instant it is the UTC date, which can be two
/// dates by another clock.
fn date_of(time: &Time) -> String {
    let name = quote(&time.name);
    let date = match time.kind {
        TimeKind::Instant => format!("(t.{name} AT TIME ZONE 'UTC')::date"),
        TimeKind::Local | TimeKind::Day => format!("t.{name}::date"),
    };
    format!("{date} - '0001-12-31 BC'::date")
}

fn is_on_a_day(time: &Time) -> String {
    format!("pg_catalog.isfinite(t.{})", quote(&time.name))
}

/// A point in time, in the type of the column of times.
pub(super) fn moment(kind: TimeKind, at: NaiveDateTime) -> String {
    let text = |zone: &str| date_text(at.date(), &format!("{}{zone}", at.format("T%H:%M:%S")));
    match kind {
        TimeKind::Instant => format!("CAST('{}' AS pg_catalog.timestamptz)", text("Z")),
        TimeKind::Local => format!("CAST('{}' AS pg_catalog.timestamp)", text("")),
        TimeKind::Day => day(at.date()),
    }
}

/// A date, as a literal.
pub(super) fn day(date: NaiveDate) -> String {
    format!("CAST('{}' AS pg_catalog.date)", date_text(date, ""))
}

/// Why nothing can be computed: the job does not name the time of a record.
pub(super) fn no_time() -> Trouble {
    Trouble::Ours(Error::broken("a job with rollups says when its records happened"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_neither_a_sign_nor_a_year_0() {
        for (of, expected) in [
            ("2024-02-29", "CAST('2024-02-29' AS pg_catalog.date)"),
            ("0001-01-01", "CAST('0001-01-01' AS pg_catalog.date)"),
            ("0000-12-31", "CAST('0001-12-31 BC' AS pg_catalog.date)"),
            ("-0001-12-31", "CAST('0002-12-31 BC' AS pg_catalog.date)"),
            ("+10000-01-01", "CAST('10000-01-01' AS pg_catalog.date)"),
        ] {
            assert_eq!(day(of.parse().expect("a date")), expected);
        }
    }
}
