//! What a bucket remembers, for people: sources from its state, dead letters from their objects.

use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Place, letters, state};
use crate::error::{Error, ErrorKind, Result};
use crate::sink::OpenLetters;
use crate::sink::destination::Settings;
use crate::sink::history::{
    DeadLetter, Filter, FirstLetter, History, Line, ReasonCount, SourceStatus, Status,
};
use crate::sink::ledger::{MapLedger, SplitStatus};
use crate::sink::replay::{OpenLetter, Page};

/// A bucket that is only looked at.
pub(super) struct ObjectsHistory {
    pub(super) place: Place,
    pub(super) settings: Settings,
}

/// All that its state says of splits.
pub(super) fn splits(place: &Place, settings: &Settings) -> Result<Vec<SplitStatus>> {
    MapLedger::status(state::store(place), state::settings(place, settings))
}

/// How many dead letters are open: a record that was refused is one, since none is replayed here.
pub(super) fn open_dead_letters(place: &Place, settings: &Settings, sources: &[i32]) -> Result<OpenLetters> {
    let mut open = OpenLetters::default();
    for split in splits(place, settings)? {
        let letters = u64::try_from(split.counts.rejected).unwrap_or(0);
        open.job += letters;
        if sources.contains(&split.split.source) {
            open.selected += letters;
        }
    }
    Ok(open)
}

impl History for ObjectsHistory {
    fn status(&mut self, _job: &str) -> Result<Option<Status>> {
        let splits = splits(&self.place, &self.settings)?;
        if splits.is_empty() {
            return Ok(None);
        }
        let sources = splits.into_iter().map(|split| SourceStatus {
            id: split.split.source,
            name: split.name,
            data_date: split.data_date,
            size: split.position,
            position: split.position - split.split.start,
            complete: split.complete,
            containers: Vec::new(),
            open_dead_letters: u64::try_from(split.counts.rejected).unwrap_or(0),
            counts: split.counts,
            other_rules: false,
            rules: vec![split.rules],
            owner: split.owner.map(|run| crate::sink::history::OwnerStatus {
                run,
                pid: 0,
                is_alive: split.is_held,
            }),
            updated_at: split.moved_at,
        });
        let sources = SourceStatus::of_splits(sources);
        let open_dead_letters = sources.iter().map(|source| source.open_dead_letters).sum();
        let reasons = if open_dead_letters > 0 { self.reasons()? } else { Vec::new() };
        Ok(Some(Status { sources, reasons, open_dead_letters, ..Status::default() }))
    }

    fn open_letters(&mut self, _: &Filter, _: Page) -> Result<Vec<OpenLetter>> {
        Err(not_yet("dead-letters replay of what is in a bucket"))
    }

    fn dead_letters(
        &mut self,
        filter: &Filter,
        visit: &mut dyn FnMut(DeadLetter) -> ControlFlow<()>,
    ) -> Result<()> {
        self.each(&mut |letter| match is_meant(&letter, filter) {
            true => visit(letter),
            false => ControlFlow::Continue(()),
        })
    }
}

impl ObjectsHistory {
    /// Visits all letters, object by object. Those of a range that is not committed yet are left out.
    fn each(&self, visit: &mut dyn FnMut(DeadLetter) -> ControlFlow<()>) -> Result<()> {
        let Self { place, settings } = self;
        let open: Vec<String> = splits(place, settings)?.into_iter().flat_map(|split| split.stems).collect();
        let folder = letters::folder(&place.table);
        let keys = place.ask(settings, "listing dead letters", |bucket| {
            bucket.list(&folder).try_fold(Vec::new(), |mut keys, page| {
                keys.extend(page?.into_iter().map(|listed| (listed.key, listed.head.modified)));
                Ok(keys)
            })
        })?;
        for (key, modified) in keys {
            if open
                .iter()
                .any(|stem| key.strip_prefix(stem.as_str()).is_some_and(|rest| rest.starts_with('.')))
            {
                continue;
            }
            let object = place.ask(settings, "reading dead letters", |bucket| bucket.get(&key))?;
            let bytes = object.map(|object| object.bytes).unwrap_or_default();
            for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                let letter = letter(line, modified).ok_or_else(|| {
                    Error::from(ErrorKind::Unfit(vec![format!(
                        "{} holds a line that is no dead letter; was it changed by hand?",
                        place.bucket.url_of(&key)
                    )]))
                })?;
                if visit(letter).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Why letters are open, the most frequent reason first.
    fn reasons(&self) -> Result<Vec<ReasonCount>> {
        let mut counts: Vec<ReasonCount> = Vec::new();
        self.each(&mut |letter| {
            for reason in letter.reasons.as_array().into_iter().flatten() {
                let text = |name: &str| reason[name].as_str().unwrap_or_default();
                let same =
                    |count: &&mut ReasonCount| count.code == text("code") && count.field == text("field");
                match counts.iter_mut().find(same) {
                    Some(count) => {
                        count.count += 1;
                        count.oldest = count.oldest.min(letter.first_seen);
                        count.newest = count.newest.max(letter.first_seen);
                    }
                    None => counts.push(ReasonCount {
                        code: text("code").to_owned(),
                        field: text("field").to_owned(),
                        count: 1,
                        oldest: letter.first_seen,
                        newest: letter.first_seen,
                        first: FirstLetter {
                            id: Some(letter.id),
                            file: letter.source.clone(),
                            line: letter.line,
                        },
                    }),
                }
            }
            ControlFlow::Continue(())
        })?;
        counts.sort_by_key(|count| std::cmp::Reverse(count.count));
        Ok(counts)
    }
}

fn is_meant(letter: &DeadLetter, filter: &Filter) -> bool {
    let Filter { job: _, ids, state, code, field, source, since, has_raw: _ } = filter;
    let has = |name: &str, wanted: &Option<String>| {
        wanted.as_deref().is_none_or(|wanted| {
            letter
                .reasons
                .as_array()
                .into_iter()
                .flatten()
                .any(|reason| reason[name].as_str() == Some(wanted))
        })
    };
    (ids.is_empty() || ids.contains(&letter.id))
        && state.as_deref().is_none_or(|state| state == letter.state)
        && has("code", code)
        && has("field", field)
        && source.as_deref().is_none_or(|end| letter.source.ends_with(end))
        && since.is_none_or(|since| letter.last_seen >= since)
}

/// A letter from its line, if it is one.
fn letter(line: &[u8], written: chrono::DateTime<chrono::Utc>) -> Option<DeadLetter> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let raw =
        text("raw").map(String::into_bytes).or_else(|| STANDARD.decode(value["raw_base64"].as_str()?).ok());
    Some(DeadLetter {
        id: id(value["id"].as_str()?),
        source: text("source")?,
        offset: value["offset"].as_u64()?,
        line: Line::of(value["line"].as_u64()?, 0, Some(0)),
        length: value["length"].as_u64()?,
        raw,
        raw_hash: text("raw_blake3")
            .and_then(|hex| blake3::Hash::from_hex(hex).ok())
            .map(|hash| hash.as_bytes().to_vec()),
        fixed: None,
        stage: text("stage")?,
        reasons: value["reasons"].clone(),
        state: text("state")?,
        attempts: 1,
        first_seen: written,
        last_seen: written,
        note: None,
    })
}

/// A number for a letter, by which a person can name it: there is no counter that could give one.
fn id(text: &str) -> i64 {
    let hash = blake3::hash(text.as_bytes());
    let bytes = *hash.as_bytes().first_chunk().expect("32 bytes have a first 8");
    // Short enough to be typed, and for a reader of JSON to keep.
    i64::try_from(u64::from_le_bytes(bytes) >> 16).expect("48 bits")
}

pub(super) fn not_yet(what: &str) -> Error {
    ErrorKind::NotYet { what: what.to_owned() }.into()
}
