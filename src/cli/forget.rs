//! `forget`: sources out of the memory of a job, so that they are loaded again.

use super::args::ForgetArgs;
use super::next::next_command;
use super::speech::Speech;
use crate::engine::{self, Meant};
use crate::report::Exit;

pub(super) fn forget(args: &ForgetArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &speech.watch())?;
    let meant = Meant { files: args.files.clone(), date: args.date, ids: args.id.clone() };
    let status = next_command("status --all", &args.job.job, args.job.destination.into.as_ref());
    let show = format!("`{status}` shows what there is");
    speech.show(&engine::forget(&config, &meant, args.dry_run, &show, &speech.watch())?)?;
    Ok(Exit::Success)
}
