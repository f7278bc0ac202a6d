//! `report`: a page about a job, for people who prefer pictures to text.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::args::ReportArgs;
use super::speech::{Speech, print_as_is, refuse_two_results};
use crate::engine::{self, ReportOptions, ReportTo};
use crate::error::{Error, Result};
use crate::report::Exit;

/// The variable that asks programs for reproducible output: seconds since 1970.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

pub(super) fn report(args: &ReportArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &speech.watch())?;
    let options = ReportOptions { made_at: made_at()?, has_samples: !args.no_samples };
    if args.out != Path::new("-") {
        speech.show_unless_quiet(&engine::report(
            &config,
            ReportTo::File(&args.out),
            options,
            &speech.watch(),
        )?)?;
        return Ok(Exit::Success);
    }
    refuse_two_results("-o -", speech)?;
    let mut page = String::new();
    engine::report(&config, ReportTo::Text(&mut page), options, &speech.watch())?;
    print_as_is(page.as_bytes())?;
    Ok(Exit::Success)
}

/// The time shown as that of the page: now, unless reproducible output is requested.
fn made_at() -> Result<DateTime<Utc>> {
    let Some(seconds) = std::env::var_os(EPOCH) else { return Ok(Utc::now()) };
    let time = seconds.to_str().and_then(|text| text.parse().ok());
    time.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or_else(|| {
        Error::usage(format!("{EPOCH} is not a number of seconds since 1970; unset or correct it"))
    })
}
