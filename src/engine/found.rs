//! The days for which a job has files.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::Watch;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::source::discover;

/// The days in the names of files, in order.
pub fn found_dates(config: &Config, watch: &Watch) -> Result<Vec<NaiveDate>> {
    let patterns = config.source.of_any_day().map_err(|text| {
        Error::usage(format!(
            "{text:?} in `files` names no whole day, so --found cannot tell which there are; say which with --from and --to"
        ))
    })?;
    let mut dates = BTreeSet::new();
    for pattern in &patterns {
        let found =
            discover(std::slice::from_ref(&pattern.glob), &config.source.selection, &watch.reach(config))?;
        dates.extend(found.files.iter().filter_map(|file| pattern.day_of(&file.path)));
    }
    Ok(dates.into_iter().collect())
}
