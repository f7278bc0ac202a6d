//! `forget`: removes sources from a job's memory, so that they are loaded again.

use super::args::ForgetArgs;
use super::next::{Advised, next_command};
use super::speech::Speech;
use crate::engine::{self, ForgetOptions, Meant};
use crate::error::{ErrorKind, Unclear};
use crate::report::{Exit, Forget};

pub(super) fn forget(args: &ForgetArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &speech.watch())?;
    let meant = Meant { files: args.files.clone(), date: args.date, ids: args.id.clone() };
    let destination = &args.job.destination;
    let status =
        next_command("status --all", &args.job.job, destination.into.as_ref(), destination.table.as_ref());
    let options = ForgetOptions { is_rehearsal: args.dry_run, deletes_rows: args.delete_rows };
    let mut consent = |forget: &Forget| {
        speech.inform(&forget.intent());
        !args.delete_rows || args.yes || speech.agrees("Delete the rows?")
    };
    let forgotten = engine::forget(&config, &meant, options, &speech.watch(), &mut consent);
    let forgotten = forgotten.map_err(|error| {
        let show = format!("`{status}` shows what there is");
        match error.kind() {
            ErrorKind::Unclear(Unclear::Several { .. }) => {
                let next = format!("say which with --date or --id ({show})");
                anyhow::Error::from(Advised { error, next })
            }
            ErrorKind::Unclear(_) => Advised { error, next: show }.into(),
            _ => error.into(),
        }
    })?;
    if forgotten.dry_run && !args.dry_run {
        speech.inform("nothing was forgotten");
    }
    speech.show_unless_quiet(&forgotten)?;
    Ok(Exit::Success)
}
