//! `report`: the page about a job.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::guarantees::{Kinds, guarantees};
use super::status::status_at;
use super::{Watch, destination};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::report::{Exit, Head, Page, PageWritten, ShownLetter, Status};
use crate::sink::history::{Filter, History, SourceStatus};
use crate::source::is_in_bucket;
use crate::trust::Draft;

/// What to put on the page.
#[derive(Clone, Copy, Debug)]
pub struct ReportOptions {
    /// The time that the page states as its own.
    pub made_at: DateTime<Utc>,
    /// Whether refused records are shown, even in part.
    pub has_samples: bool,
}

/// The target of the page.
#[derive(Debug)]
pub enum ReportTo<'a> {
    /// A file, which gets its name when it is complete. Replaces an older page.
    File(&'a Path),
    /// A text.
    Text(&'a mut String),
}

/// Makes the page about the job. Writes nothing but the page.
pub fn report(
    config: &Config,
    to: ReportTo<'_>,
    options: ReportOptions,
    watch: &Watch,
) -> Result<PageWritten> {
    let page = page(config, options, watch)?;
    let html = page.html();
    let (bytes, state) = (html.len() as u64, page.state());
    let file = match to {
        ReportTo::File(path) => {
            write(path, &html)?;
            path.display().to_string()
        }
        ReportTo::Text(text) => {
            *text = html;
            "stdout".to_owned()
        }
    };
    let head = Head::new("report", Some(&config.name), Exit::Success);
    Ok(PageWritten { head, file, bytes, state })
}

fn write(path: &Path, html: &str) -> Result<()> {
    const WHAT: &str = "write the page to";
    let mut draft = Draft::renew(path, Page::FIRST_BYTES.as_bytes())
        .map_err(|cause| Error::new_file(WHAT, path, cause))?;
    let written = draft.write_all(html.as_bytes()).and_then(|()| draft.finish());
    written.map_err(|cause| Error::file(WHAT, path, cause))
}

fn page(config: &Config, options: ReportOptions, watch: &Watch) -> Result<Page> {
    let destination = destination(config, watch)?;
    let mut history = destination.history()?;
    let status = status_at(config, &*destination, &mut *history)?;
    let samples = match options.has_samples {
        true => samples(config, &status, &mut *history)?,
        false => Vec::new(),
    };
    Ok(Page {
        guarantees: guarantees(config, kinds(&status), destination.rests_on()),
        samples,
        made_at: options.made_at,
        metrics: destination.metrics()?,
        status,
    })
}

/// The first dead letter of each of the most frequent reasons. A letter that is gone by now has no sample.
fn samples(config: &Config, status: &Status, history: &mut dyn History) -> Result<Vec<ShownLetter>> {
    let reasons = status.reasons.iter().take(Page::SAMPLES_MAX);
    let ids: BTreeSet<i64> = reasons.filter_map(|reason| reason.first.id).collect();
    let mut samples = Vec::new();
    if ids.is_empty() {
        return Ok(samples);
    }
    let ids = ids.into_iter().collect();
    let filter = Filter { job: config.name.clone(), ids, has_raw: true, ..Filter::default() };
    history.dead_letters(&filter, &mut |letter| {
        let head = Head::new("report", Some(&config.name), Exit::Success);
        samples.push(ShownLetter::new(head, letter));
        ControlFlow::Continue(())
    })?;
    Ok(samples)
}

/// The kinds of sources that were loaded.
fn kinds(status: &Status) -> Kinds {
    let archive = status.sources.iter().any(|source| !source.containers.is_empty());
    let stream = status.sources.iter().any(|source| source.name == "-");
    let is_plain = |source: &SourceStatus| source.containers.is_empty() && source.name != "-";
    let plain = status.sources.is_empty() || status.sources.iter().any(is_plain);
    let object = status.sources.iter().any(|source| is_in_bucket(Path::new(&source.name)));
    Kinds { plain, archive, stream, object }
}
