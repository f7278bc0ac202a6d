//! The page: a job in pictures, in one self-contained file.
//!
//! It is made from the data of other reports, and counts nothing itself. The same values produce the same
//! bytes. It contains no script, and its own policy forbids scripts.

mod calendar;
mod course;
mod head;
mod html;
mod letters;
mod plot;
mod rollups;
mod runs;
mod sources;
mod table;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Guarantee, Head, Report, ShownLetter, Status};
use crate::figure;
use crate::sink::rollup::StoredMetric;
use html::Html;

/// The data of a page.
#[derive(Clone, Debug)]
pub struct Page {
    /// How far the job is. The page draws its runs.
    pub status: Status,
    /// The guarantees.
    pub guarantees: Vec<Guarantee>,
    /// The first dead letter of each reason, as far as they are shown.
    pub samples: Vec<ShownLetter>,
    /// The metrics of its dates.
    pub metrics: Vec<StoredMetric>,
    /// When the page was made.
    pub made_at: DateTime<Utc>,
}

/// The result of writing a page.
#[derive(Clone, Debug, Serialize)]
pub struct PageWritten {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The file, or `stdout`.
    pub file: String,
    /// The size of the page in bytes.
    pub bytes: u64,
    /// The state of the job in a few words.
    pub state: &'static str,
}

const STYLE: &str = include_str!("style.css");

/// SHA-256 of the style, which the policy allows and no other.
const STYLE_HASH: &str = "eWbOZqEKMCMPnrLXfzDK6KshrW1VvGOi45locaV7krE=";

impl Page {
    /// The beginning of every page, by which an older one is recognised.
    pub const FIRST_BYTES: &str = "<!doctype html>\n<html lang=\"en\" data-logmill=\"report\">";

    /// How many reasons get a sample.
    pub const SAMPLES_MAX: usize = 20;

    /// The state of the job.
    pub fn state(&self) -> &'static str {
        head::state(&self.status).word
    }

    /// The page.
    pub fn html(&self) -> String {
        let mut html = Html::document();
        html.element("html", &[("lang", &"en"), ("data-logmill", &"report")], |html| {
            html.element("head", &[], |html| {
                html.void("meta", &[("charset", &"utf-8")]);
                let policy = format!(
                    "default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'"
                );
                html.void("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &policy)]);
                html.void(
                    "meta",
                    &[("name", &"viewport"), ("content", &"width=device-width, initial-scale=1")],
                );
                html.void("meta", &[("name", &"referrer"), ("content", &"no-referrer")]);
                html.leaf("title", &[], format!("{}: {}", self.status.head.job(), self.state()));
                html.style(STYLE);
            });
            html.element("body", &[], |html| self.body(html));
        });
        html.into_text()
    }

    fn body(&self, html: &mut Html) {
        let status = &self.status;
        head::header(html, status, !self.metrics.is_empty());
        html.element("main", &[], |html| {
            head::tiles(html, status);
            head::attention(html, status);
            calendar::section(html, &status.dates);
            runs::throughput(html, &status.runs);
            letters::section(html, status, &self.samples);
            rollups::section(html, &self.metrics);
            sources::section(html, &status.sources);
            runs::section(html, status);
            self.job(html);
        });
        html.element("footer", &[], |html| {
            let version = env!("CARGO_PKG_VERSION");
            html.text(format!(
                "Made by logmill {version} at {}. Nothing on this page is loaded from anywhere.",
                moment(self.made_at)
            ));
        });
    }

    /// The job and its guarantees.
    fn job(&self, html: &mut Html) {
        html.element("section", &[("aria-labelledby", &"job")], |html| {
            html.leaf("h2", &[("id", &"job")], "The job, and what it promises");
            html.element("dl", &[], |html| {
                let status = &self.status;
                let facts = [("job", status.head.job()), ("destination", &status.destination)];
                let promises = self.guarantees.iter().map(|promise| (promise.what, promise.holds.as_str()));
                for (what, holds) in facts.into_iter().chain(promises) {
                    html.leaf("dt", &[], what);
                    html.leaf("dd", &[("class", &"name")], holds);
                }
            });
        });
    }
}

impl Report for PageWritten {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        let (file, size) = (crate::printable::one_line(&self.file), figure::bytes(self.bytes));
        format!("{}: {}; wrote {file}, {size}\n", self.head.job(), self.state)
    }
}

/// A point in time for a person.
fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The same without seconds, if there is little room.
fn minute(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}
