//! Dead letters by reason, with a sample of each: bytes from a log, which can contain anything.

use super::html::Html;
use super::plot;
use super::table::{self, Column};
use crate::figure;
use crate::reject::reason as reason_words;
use crate::report::{ShownLetter, Status};
use crate::sink::history::ReasonCount;

/// How many reasons are listed one by one, the most frequent first.
const REASONS_MAX: usize = 40;

/// How many samples are open from the start.
const OPEN_SAMPLES: usize = 3;

/// How many bytes of a record are shown on either side of the fault.
const AROUND: usize = 240;

pub(super) fn section(html: &mut Html, status: &Status, samples: &[ShownLetter]) {
    html.element("section", &[("aria-labelledby", &"letters")], |html| {
        html.leaf("h2", &[("id", &"letters")], "Dead letters");
        if status.open_dead_letters == 0 {
            html.leaf("p", &[("class", &"lead")], "None is open.");
            return;
        }
        let open = figure::what(status.open_dead_letters, "is open", "are open");
        html.leaf("p", &[("class", &"lead")], format!("{open}. One can have several reasons."));
        reasons(html, status);
        if !samples.is_empty() {
            html.leaf("h3", &[], "The first of each");
            let of_reason = |reason: &ReasonCount| {
                samples.iter().find(|sample| Some(sample.letter.id) == reason.first.id)
            };
            let pairs = status.reasons.iter().filter_map(|reason| Some((reason, of_reason(reason)?)));
            for (index, (reason, sample)) in pairs.enumerate() {
                self::sample(html, reason, sample, index < OPEN_SAMPLES);
            }
        }
    });
}

fn reasons(html: &mut Html, status: &Status) {
    let columns =
        [Column::name("Reason"), Column::number("Open"), Column::picture(""), Column::name("First")];
    table::table(html, "Dead letters by reason", &columns, |html| {
        let most = status.reasons.first().map_or(0, |reason| reason.count);
        for reason in status.reasons.iter().take(REASONS_MAX) {
            html.element("tr", &[], |html| {
                table::cell(html, &columns[0], reason_words(&reason.field, &reason.code));
                table::cell(html, &columns[1], figure::count(reason.count));
                table::cell_of(html, &columns[2], |html| {
                    plot::share(html, &figure::some(reason.count, "dead letter"), "f5", reason.count, most);
                });
                table::cell(html, &columns[3], format!("{}:{}", reason.first.file, reason.first.line));
            });
        }
        if status.reasons.len() > REASONS_MAX {
            let more = figure::some(status.reasons.len() - REASONS_MAX, "reason");
            table::rest(html, &columns, &format!("and {more} more, each less frequent"));
        }
    });
}

fn sample(html: &mut Html, reason: &ReasonCount, sample: &ShownLetter, is_open: bool) {
    let (class, open): ((_, &dyn std::fmt::Display), (_, &dyn std::fmt::Display)) =
        (("class", &"sample"), ("open", &""));
    let attributes = [class, open];
    html.element("details", if is_open { &attributes } else { &attributes[..1] }, |html| {
        html.element("summary", &[], |html| {
            html.leaf("bdi", &[], reason_words(&reason.field, &reason.code));
            let place =
                format!("dead letter {}, {}:{}", sample.letter.id, sample.letter.source, sample.letter.line);
            html.leaf("span", &[("class", &"soft")], place);
        });
        let all = sample.letter.reasons.as_array();
        let index = all.and_then(|all| {
            all.iter().position(|one| {
                one["code"] == *reason.code && one["field"].as_str().unwrap_or_default() == reason.field
            })
        });
        let said = index.and_then(|index| all?.get(index));
        if let Some(message) = said.and_then(|said| said["message"].as_str()) {
            html.leaf("p", &[("class", &"name")], message);
        }
        record(html, sample, index);
    });
}

/// The record, or the part of it around the fault.
fn record(html: &mut Html, sample: &ShownLetter, reason: Option<usize>) {
    let Some(bytes) = sample.tried() else {
        html.leaf("p", &[("class", &"soft")], sample.not_kept());
        return;
    };
    let place = sample.places.iter().find(|place| Some(place.reason) == reason);
    let (at, end) = place.map_or((0, 0), |place| (place.offset, place.offset + place.length));
    let (at, end) = (at.min(bytes.len()), end.min(bytes.len()));
    let (from, to) =
        (at.saturating_sub(AROUND), end.min(at + AROUND).saturating_add(AROUND).min(bytes.len()));
    let fault = at..end.min(at + AROUND);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    html.element("pre", &[], |html| {
        html.text(if from > 0 { "…" } else { "" });
        html.text(text(&bytes[from..fault.start]));
        if !fault.is_empty() {
            html.leaf("mark", &[], text(&bytes[fault.clone()]));
        }
        html.text(text(&bytes[fault.end..to]));
        html.text(if to < bytes.len() { "…" } else { "" });
    });
}
