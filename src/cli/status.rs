//! `status`: how far a job is, from any machine.

use super::args::StatusArgs;
use super::speech::Speech;
use crate::engine;
use crate::report::{Alarm, Exit};

pub(super) fn status(args: &StatusArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &speech.watch())?;
    if args.files.is_empty() {
        let mut status = engine::status(&config, &speech.watch())?;
        status.shows_all = args.all || speech.is_verbose();
        let alarm = Alarm { is_open: args.fail_if_open, is_older: args.fail_if_older };
        let status = status.with(alarm, chrono::Utc::now());
        speech.show_unless_quiet(&status)?;
        status.alarms.iter().for_each(|alarm| speech.error(alarm));
        return Ok(status.head.exit);
    }
    speech.show_unless_quiet(&engine::status_of(&config, &args.files, &speech.watch())?)?;
    Ok(Exit::Success)
}
