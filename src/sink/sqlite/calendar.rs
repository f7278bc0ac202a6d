//! The calendar of a job in SQLite: its days, and their remembered sources.

use std::path::Path;

use super::dates::statuses;
use super::look::Look;
use super::ownership::remembered_of_days;
use super::target::remembered;
use super::{Trouble, has_tables};
use crate::error::Result;
use crate::sink::claim::Scope;
use crate::sink::dates::Calendar;
use crate::sink::destination::Settings;

/// The states of the days, and their remembered sources.
pub(super) fn calendar(path: &Path, settings: &Settings) -> Result<Calendar> {
    let look = || -> Result<Calendar, Trouble> {
        let mut calendar = Calendar::default();
        if !path.exists() {
            return Ok(calendar);
        }
        let Look { connection, .. } = Look::open(path)?;
        if !has_tables(&connection)? {
            return Ok(calendar);
        }
        let target = remembered(&connection, &settings.table)?;
        let scope = Scope { job: settings.job.clone(), target, data_date: None };
        for status in statuses(&connection, (&scope.job, &scope.target), settings.rules_hash)? {
            let date = status.date;
            calendar.entry(date).or_default().status = Some(status);
        }
        for source in remembered_of_days(&connection, &scope)? {
            if let Some(date) = source.data_date {
                calendar.entry(date).or_default().sources.push(source);
            }
        }
        Ok(calendar)
    };
    look().map_err(|trouble| trouble.into_error(path))
}
