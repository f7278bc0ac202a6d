//! The calendar of a job in PostgreSQL: its days, and their remembered sources.

use std::sync::Arc;

use super::catalog;
use super::connect::Server;
use super::dates::statuses;
use super::memories::remembered_of_days;
use super::session::Session;
use super::tables;
use super::trouble::Trouble;
use super::verdict::Step;
use crate::error::Result;
use crate::sink::claim::Scope;
use crate::sink::dates::Calendar;
use crate::sink::destination::Settings;

/// The states of the days, and their remembered sources.
pub(super) fn calendar(server: &Arc<Server>, settings: &Settings) -> Result<Calendar> {
    let session = Session::visit(server, settings.timeouts)?;
    let settings = settings.clone();
    let look = session.run(Step::Look, move |link| {
        let mut calendar = Calendar::default();
        let Some(version) = tables::version(&mut link.client)? else { return Ok(calendar) };
        tables::check_version(version)?;
        let target = catalog::remembered(&mut link.client, &link.schemas, &settings.table)?;
        let scope = Scope { job: settings.job, target, data_date: None };
        let of = (&scope.job[..], &scope.target[..]);
        for status in statuses(&mut link.client, of, settings.rules_hash, version)? {
            let date = status.date;
            calendar.entry(date).or_default().status = Some(status);
        }
        for source in remembered_of_days(&mut link.client, &scope, version)? {
            if let Some(date) = source.data_date {
                calendar.entry(date).or_default().sources.push(source);
            }
        }
        Ok(calendar)
    });
    look.map_err(Trouble::into_error)
}
