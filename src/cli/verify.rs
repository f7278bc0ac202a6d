//! `verify`: what is in the files, held against what is in the destination.

use super::args::VerifyArgs;
use super::files;
use super::progress::Progress;
use super::speech::Speech;
use crate::config::Overrides;
use crate::engine::{self, VerifyOptions, Watch};
use crate::report::Exit;
use crate::stop::Stop;

pub(super) fn verify(args: &VerifyArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let given = files::given(&args.files)?;
    let options = VerifyOptions { strict: args.strict, is_part: given.is_some() };
    let overrides = Overrides {
        files: given,
        date: args.date.date,
        threads: args.work.threads,
        chunk_size: args.work.chunk_size,
        ..args.job.destination.overrides()
    };
    let mut watch = Watch { stop: stop.clone(), ..speech.watch() };
    let config = engine::read_job(&args.job.job, &overrides, &watch)?;
    // What was loaded is looked for where it was, too: that the job finds nothing is no error.
    let files = engine::files_or_none(&config)?;
    let progress = Progress::start(speech, &watch.stats);
    watch.observer = progress.observer(speech);
    let verified = engine::verify(&config, files, options, &watch);
    drop(progress);
    let verified = verified?;
    speech.show(&verified)?;
    Ok(verified.head.exit)
}
