//! `verify`: compares the content of the files with that of the destination.

use std::cell::Cell;

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
    let options = VerifyOptions { date: args.date.date, strict: args.strict, is_part: given.is_some() };
    let mut watch = Watch { stop: stop.clone(), ..speech.watch() };
    let told = Cell::new(false);
    let job = |date| {
        // The job is read for each day, but its warnings are printed once.
        let of_job = if told.replace(true) { Watch::default() } else { speech.watch() };
        let overrides = Overrides {
            files: given.clone(),
            date,
            threads: args.work.threads,
            chunk_size: args.work.chunk_size,
            ..args.job.destination.overrides()
        };
        engine::read_job(&args.job.job, &overrides, &of_job)
    };
    let progress = Progress::start(speech, args.progress, &watch.stats)?;
    watch.observer = progress.observer();
    let verified = engine::verify(&job, options, &watch);
    drop(progress);
    let verified = verified?;
    speech.show_differences(&verified)?;
    Ok(verified.head.exit)
}
