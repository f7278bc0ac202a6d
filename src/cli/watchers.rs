//! The watchers of a run: messages on stderr, Prometheus metrics in a file and at an address, lineage.
//!
//! None of them delays a batch. Each has its own thread, takes what it needs from a copy, and reports once
//! what it cannot do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::args::WatchArgs;
use super::lineage::Telling;
use super::listen::listen;
use super::progress::Progress;
use super::speech::Speech;
use crate::config::Config;
use crate::engine::Stats;
use crate::error::{Error, Result, unnumbered};
use crate::event::Observer;
use crate::metrics::{End, Metrics};
use crate::report::Exit;
use crate::trust::{publish, refuse_to_publish};

/// How often the metrics file is checked for an update.
const FILE_EVERY: Duration = Duration::from_secs(1);

/// If the disk does not accept the last metrics for this long, they are not written.
const LAST_WRITE_WAIT: Duration = Duration::from_secs(2);

/// A longer file was not written by logmill.
const PREVIOUS_BYTES_MAX: u64 = 1 << 20;

/// The watchers of a command.
pub(super) struct Watchers {
    progress: Progress,
    metrics: Option<Arc<Metrics>>,
    file: Option<MetricsFile>,
    lineage: Option<Telling>,
}

impl Watchers {
    /// Starts the requested watchers, for a run of `job`. A watcher that cannot work at all is refused before
    /// anything is touched.
    pub(super) fn start(
        args: &WatchArgs,
        speech: Speech,
        config: &Config,
        stats: &Arc<Stats>,
    ) -> Result<Watchers> {
        let speech = speech.following();
        let previous = args.metrics.as_deref().map(|path| figures_at(path).map_err(|why| refused(path, why)));
        let previous = previous.transpose()?;
        let progress = Progress::start(speech, args.progress, stats)?;
        let is_wanted = args.metrics.is_some() || args.metrics_listen.is_some();
        let metrics = is_wanted.then(|| Arc::new(Metrics::new(&config.name, previous.flatten().as_deref())));
        let mut file = None;
        if let Some(metrics) = &metrics {
            file = args.metrics.clone().map(|path| MetricsFile::keep(path, Arc::clone(metrics), speech));
            if let Some(address) = args.metrics_listen {
                listen(address, Arc::clone(metrics), speech);
            }
        }
        let lineage = args.lineage.clone().map(|to| Telling::start(to, config, speech));
        Ok(Watchers { progress, metrics, file, lineage })
    }

    /// Passes events to all of them.
    pub(super) fn observer(&self) -> Observer {
        let (said, metrics) = (self.progress.observer(), self.metrics.clone());
        let lineage = self.lineage.as_ref().map(Telling::teller);
        Observer::of_runs(move |run, event| {
            metrics.iter().for_each(|metrics| metrics.see(event));
            lineage.iter().for_each(|lineage| lineage.tell(run, event));
            said.tell(event);
        })
    }

    /// Records how the command ended.
    pub(super) fn end(self, exit: Exit) {
        if let Some(metrics) = &self.metrics {
            metrics.end(End {
                outcome: exit.outcome(),
                exit_code: exit.code(),
                is_success: matches!(exit, Exit::Success | Exit::Rejects),
            });
        }
        if let Some(file) = self.file {
            file.end();
        }
        if let Some(lineage) = self.lineage {
            lineage.end();
        }
        drop(self.progress);
    }
}

/// How a command ended, from its result.
pub(super) fn exit_of<T>(result: &Result<T>, of: impl Fn(&T) -> Exit) -> Exit {
    match result {
        Ok(report) => of(report),
        Err(error) => Exit::of_error(error),
    }
}

fn refused(path: &Path, why: &str) -> Error {
    Error::usage(format!("--metrics {}: {why}; name another file", path.display()))
}

/// The content that an earlier command left in the file, if it did. `Err` says why the file must not be
/// overwritten: it holds something else, which may be a log, a job or a database.
fn figures_at(path: &Path) -> std::result::Result<Option<String>, &'static str> {
    refuse_to_publish(path)?;
    let found = match path.metadata() {
        Ok(found) if found.len() > 0 => found,
        _ => return Ok(None),
    };
    let is_short = found.len() <= PREVIOUS_BYTES_MAX;
    match is_short.then(|| std::fs::read_to_string(path).ok()).flatten() {
        Some(text) if text.starts_with(FIRST) => Ok(Some(text)),
        _ => Err("it contains something other than metrics of logmill"),
    }
}

/// Replaces older metrics. The name is checked each time: in a run of hours something else may have taken it.
fn renew(path: &Path, text: &str) -> io::Result<()> {
    figures_at(path).map_err(io::Error::other)?;
    publish(path, text)
}

/// The beginning of every metrics file.
const FIRST: &str = "# HELP logmill_";

/// The thread that maintains the metrics file.
struct MetricsFile {
    /// Requests the last write.
    end: Sender<()>,
    /// Signals that it is done.
    written: crossbeam_channel::Receiver<()>,
}

impl MetricsFile {
    fn keep(path: PathBuf, metrics: Arc<Metrics>, speech: Speech) -> MetricsFile {
        let (end, ended) = bounded::<()>(1);
        let (tell, written) = bounded::<()>(1);
        let thread = std::thread::Builder::new().name("metrics".into()).spawn(move || {
            let (mut is_told, mut seen) = (false, None);
            loop {
                if metrics.has_changed(&mut seen)
                    && let Err(cause) = renew(&path, &metrics.text())
                {
                    tell_unwritten(&path, &cause, &mut is_told, speech);
                    seen = None;
                }
                match ended.recv_timeout(FILE_EVERY) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => break,
                }
            }
            if let Err(cause) = renew(&path, &metrics.text()) {
                tell_unwritten(&path, &cause, &mut is_told, speech);
            }
            let _ = tell.send(());
        });
        if let Err(cause) = thread {
            speech.warn(&format!(
                "--metrics: cannot start a thread ({}); no metrics are written",
                unnumbered(&cause)
            ));
        }
        MetricsFile { end, written }
    }

    /// Requests the last write; only the end of the command waits for it, and not for long.
    fn end(self) {
        let _ = self.end.try_send(());
        let _ = self.written.recv_timeout(LAST_WRITE_WAIT);
    }
}

fn tell_unwritten(path: &Path, cause: &io::Error, is_told: &mut bool, speech: Speech) {
    if !std::mem::replace(is_told, true) {
        speech.warn(&format!(
            "--metrics {}: cannot write the file ({}); the run continues, and tries again",
            path.display(),
            unnumbered(cause)
        ));
    }
}
