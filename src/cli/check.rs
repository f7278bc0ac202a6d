//! `check`: judges every record, without a destination.

use std::path::Path;

use super::args::CheckArgs;
use super::files::{self, EMPTY_LIST, is_allowed_to_be_empty, nothing_to_do};
use super::inferred::tell_unwritten;
use super::progress::Progress;
use super::speech::{Speech, json_lines, refuse_two_results};
use crate::config::{Config, Overrides};
use crate::engine::{self, Job, Watch};
use crate::error::{Error, ErrorKind, Result};
use crate::report::Exit;
use crate::sink::judge::Verdicts;
use crate::source::Found;
use crate::stop::Stop;
use crate::trust::create_new_private;

pub(super) fn check(args: &CheckArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let to_stdout = args.verdicts.as_deref() == Some(Path::new("-"));
    if to_stdout {
        refuse_two_results("--verdicts -", speech)?;
    }
    let given = files::given(&args.files)?;
    if args.job.is_none() && given.as_ref().is_some_and(Vec::is_empty) {
        return nothing_to_do("check", EMPTY_LIST, speech);
    }
    let overrides = Overrides {
        files: given,
        date: args.date.date,
        threads: args.work.threads,
        chunk_size: args.work.chunk_size,
        ..Overrides::default()
    };
    let mut watch = Watch { stop: stop.clone(), ..speech.watch() };
    let job = engine::choose_job(args.job.as_deref(), &overrides, &watch)
        .and_then(|job| Ok((engine::files(&job.config, &watch)?, job)));
    let (files, job) = match job {
        Err(error) if is_allowed_to_be_empty(&error, args.allow_empty) => {
            return nothing_to_do("check", &error.to_string(), speech);
        }
        job => job?,
    };
    let Job { config, path, inferred, .. } = job;
    if let Some(inferred) = &inferred {
        tell_unwritten(&inferred.report, speech);
    }
    let verdicts = args.verdicts.as_deref().map(|out| open(out, &config, &path, &files.files)).transpose()?;
    let progress = Progress::start(speech, args.progress, &watch.stats)?;
    watch.observer = progress.observer();
    let checked = engine::check(&config, &files, verdicts, &watch);
    drop(progress);
    let mut report = match checked {
        Ok(report) => report,
        // The reader of the verdicts is gone: a normal end, with no one left to tell.
        Err(error) if matches!(error.kind(), ErrorKind::Stopped(libc::SIGPIPE)) => {
            return Ok(Exit::Stopped(libc::SIGPIPE));
        }
        Err(error) => {
            if let Some(path) = args.verdicts.as_deref().filter(|_| !to_stdout) {
                speech.warn(&format!("{} is not complete", path.display()));
            }
            return Err(error.into());
        }
    };
    report.job_file = inferred.is_none().then(|| path.display().to_string());
    report.inferred = inferred.map(|inferred| inferred.report);
    // This is the result, in whatever form messages are written, unless the verdicts are.
    if to_stdout {
        speech.summarize(&report)?
    } else {
        speech.show_unless_quiet(&report)?
    }
    if let Exit::Stopped(_) = report.head.exit {
        speech.inform("stopped; this is what was checked until then");
    }
    Ok(report.head.exit)
}

/// Opens the file for verdicts before any work, so that a bad path is reported at once.
fn open(path: &Path, config: &Config, job: &Path, files: &[Found]) -> Result<Verdicts> {
    if path == Path::new("-") {
        return Ok(Verdicts { path: "stdout".into(), out: json_lines(None) });
    }
    if let Some((file, what)) = engine::input_at(path, config, job, files) {
        return Err(Error::usage(format!(
            "--verdicts {} would overwrite {}, which is {what}; name another file",
            path.display(),
            file.display()
        )));
    }
    let file = create_new_private(path).map_err(|cause| Error::new_file("write verdicts to", path, cause))?;
    Ok(Verdicts { path: path.to_owned(), out: json_lines(Some(file)) })
}
