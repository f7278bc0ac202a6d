//! Objects of dead letters, and their successors.
//!
//! An object is never changed. What becomes of letters is written into a successor, `…-r{number}`, and the state says which
//! one holds. The steps are those of a batch: the successor is taken down as open, its objects are written, the
//! state moves, and the predecessor is removed. Between the last two steps a listing may show letters twice.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};

use super::letters::{self, KeptLetter};
use super::{Place, pass, state};
use crate::bucket::Listed;
use crate::error::{Error, ErrorKind, Result};
use crate::sink::destination::Settings;
use crate::sink::ledger::{AllLetters, KnownLetters, LettersId, MapLedger, SplitStatus};

/// The letters of a range that is committed: the object that holds.
#[derive(Clone)]
pub(super) struct LettersObject {
    pub(super) id: LettersId,
    /// What their source is called in names of objects.
    pub(super) label: String,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) generation: i32,
    /// The day of the source.
    pub(super) data_date: Option<NaiveDate>,
    /// When the object was written.
    pub(super) written: DateTime<Utc>,
    /// How many lines of the source come before the split that it is of, once that is known.
    pub(super) lines_before: Option<u64>,
    pub(super) known: KnownLetters,
}

/// The name of an object of letters, taken apart.
struct Name<'n> {
    /// What it has in common with its successors.
    stem: &'n str,
    label: &'n str,
    start: u64,
    end: u64,
    generation: i32,
    number: u32,
}

impl<'n> Name<'n> {
    /// Reads a name without its folder: `{label}-{start}-{end}-{rules}[-g{generation}][-r{number}].ndjson`.
    fn parse(name: &'n str) -> Option<Name<'n>> {
        let whole = name.strip_suffix(".ndjson")?;
        let (stem, number) = match whole.rsplit_once("-r") {
            Some((stem, number)) => (stem, number.parse().ok()?),
            None => (whole, 0),
        };
        let mut parts = stem.split('-');
        let (label, start, end) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let _rules = parts.next()?;
        let generation = parts.next().map(|part| part.strip_prefix('g')?.parse().ok());
        let generation = generation.unwrap_or(Some(0))?;
        Some(Name { stem, label, start, end, generation, number })
    }
}

impl LettersObject {
    /// How the name of its successor of this number begins, and that of the first object for 0.
    pub(super) fn stem_of(&self, table: &str, number: u32) -> String {
        let number = if number > 0 { format!("-r{number}") } else { String::new() };
        format!("{}{}{number}", letters::folder(table), self.id.stem)
    }

    /// The letters, in the order of their places. Where others have succeeded them since they were listed, they are as
    /// these left them.
    pub(super) fn read(&self, place: &Place, settings: &Settings) -> Result<Vec<KeptLetter>> {
        self.read_if_held(place, settings)?.ok_or_else(|| {
            ErrorKind::Held {
                source_name: format!("dead letters of {}", self.id.stem),
                holder: "a run that loaded their source anew, or forgot it, meanwhile".to_owned(),
                then: ". Run the same command again",
            }
            .into()
        })
    }

    /// The same; none if they do not hold any more, because their source was loaded anew or forgotten.
    pub(super) fn read_if_held(&self, place: &Place, settings: &Settings) -> Result<Option<Vec<KeptLetter>>> {
        let mut number = self.known.0.number;
        loop {
            let key = format!("{}.ndjson", self.stem_of(&place.table, number));
            if let Some(letters) = find(place, settings, &key)? {
                return Ok(Some(letters));
            }
            match state::letters_now(place, settings, &self.id)? {
                Some(now) if now == number => return Err(lost(place, &key)),
                Some(now) => number = now,
                None => return Ok(None),
            }
        }
    }
}

/// The letters of an object, in the order of their places.
pub(super) fn read(place: &Place, settings: &Settings, key: &str) -> Result<Vec<KeptLetter>> {
    find(place, settings, key)?.ok_or_else(|| lost(place, key))
}

/// The error for an object of letters that is missing although it holds.
fn lost(place: &Place, key: &str) -> Error {
    let url = place.bucket.url_of(key);
    let what = format!("{url} is not there, and its dead letters are only in it; put it back");
    ErrorKind::Unfit(vec![what]).into()
}

fn find(place: &Place, settings: &Settings, key: &str) -> Result<Option<Vec<KeptLetter>>> {
    let object = place.ask(settings, "reading dead letters", |bucket| bucket.get(key))?;
    let Some(object) = object else { return Ok(None) };
    let unfit = |what: String| Error::from(ErrorKind::Unfit(vec![what]));
    let lines = object.bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let parsed = lines.map(|line| {
        KeptLetter::parse(line).ok_or_else(|| {
            let url = place.bucket.url_of(key);
            unfit(format!("{url} holds a line that is no dead letter; was it changed by hand?"))
        })
    });
    parsed.collect::<Result<_>>().map(Some)
}

/// The generation of an object of letters, by its name without its folder.
pub(super) fn generation_of(name: &str) -> Option<i32> {
    Name::parse(name).map(|name| name.generation)
}

/// Whether a range of a source is committed, by its splits.
pub(super) fn is_committed(splits: &[&SplitStatus], start: u64, end: u64) -> bool {
    splits.iter().any(|split| split.split.start <= start && end <= split.position)
}

/// How many lines come before the split that a range is of: none knows it before all splits before are at their ends.
fn lines_before(splits: &[&SplitStatus], start: u64) -> Option<u64> {
    let of = splits.iter().map(|split| split.split.start).filter(|first| *first <= start).max()?;
    let before = splits.iter().filter(|split| split.split.start < of);
    let lines: Option<i64> = before.map(|split| split.complete.then_some(split.counts.lines)).sum();
    u64::try_from(lines?).ok()
}

/// Every object of letters that holds, ordered by source and offset.
pub(super) fn objects(place: &Place, settings: &Settings) -> Result<Vec<LettersObject>> {
    let splits = state::splits(place, settings)?;
    let mut sources: HashMap<&str, Vec<&SplitStatus>> = HashMap::new();
    splits.iter().for_each(|split| sources.entry(&split.label).or_default().push(split));
    let all = state::letters(place, settings)?;
    let folder = letters::folder(&place.table);
    let mut objects = Vec::new();
    place.each(settings, &folder, |listed| {
        let Some(name) = Name::parse(&listed.key[folder.len()..]) else { return Ok(()) };
        // Of a range that is not committed, and of a source that was forgotten, nothing holds.
        let Some(own) = sources.get(name.label).filter(|own| is_committed(own, name.start, name.end)) else {
            return Ok(());
        };
        let id = LettersId { source: own[0].split.source, stem: name.stem.to_owned() };
        let known = all.of(&id);
        let is_given_up = |split: &&SplitStatus| split.stems.contains(&format!("{folder}{}", name.stem));
        let counts = name.generation == own[0].generation;
        if known.0.number != name.number || !counts || own.iter().any(is_given_up) {
            return Ok(());
        }
        objects.push(LettersObject {
            id,
            label: name.label.to_owned(),
            start: name.start,
            end: name.end,
            generation: name.generation,
            data_date: own[0].data_date,
            written: listed.head.modified,
            lines_before: lines_before(own, name.start),
            known,
        });
        Ok(())
    })?;
    objects.sort_by_key(|object| (object.id.source, object.start));
    Ok(objects)
}

/// Writes successors, for a run.
pub(super) struct Succeeding<'a> {
    pub(super) place: &'a Place,
    pub(super) settings: &'a Settings,
    pub(super) ledger: &'a MapLedger,
}

/// A successor that was begun.
pub(super) struct Begun {
    pub(super) number: u32,
    /// What its letters say of when they were last seen.
    pub(super) at: DateTime<Utc>,
}

impl Succeeding<'_> {
    /// Removes the objects that other runs left behind: those that no longer hold, and abandoned ones.
    pub(super) fn tidy(&self) -> Result<()> {
        let all = state::letters(self.place, self.settings)?;
        for (id, known) in all.iter() {
            self.place.remove(self.settings, &known.0.gone)?;
            self.place.remove(self.settings, &known.0.abandoned)?;
            self.place.remove(self.settings, self.ledger.written_once_more(id, known)?)?;
            if !known.0.gone.is_empty() {
                // If another run is faster, it has removed the object as well.
                self.ledger.tidy_letters(id, known)?;
            }
        }
        self.remove_succeeded(&all)
    }

    /// Removes predecessors that a run wrote again after it was taken for dead.
    fn remove_succeeded(&self, all: &AllLetters) -> Result<()> {
        if all.is_empty() {
            return Ok(());
        }
        let holds: HashMap<&str, u32> =
            all.iter().map(|(id, (record, _))| (&id.stem[..], record.number)).collect();
        let folder = letters::folder(&self.place.table);
        let is_succeeded = |listed: &Listed| {
            let name = Name::parse(&listed.key[folder.len()..]);
            name.is_some_and(|name| holds.get(name.stem).is_some_and(|holds| name.number < *holds))
        };
        for Listed { key, .. } in self.place.list(self.settings, &folder, is_succeeded)? {
            self.place.ask(self.settings, "removing an object", |bucket| bucket.delete(&key))?;
        }
        Ok(())
    }

    /// Begins a successor; `None` if another run was faster. `stems` returns the prefixes of its objects of rows.
    pub(super) fn begin(
        &self,
        object: &mut LettersObject,
        what: &str,
        stems: &dyn Fn(u32) -> Vec<String>,
    ) -> Result<Option<Begun>> {
        let all = |number| {
            let mut all = stems(number);
            all.push(object.stem_of(&self.place.table, number));
            all
        };
        let Some(known) = self.ledger.open_letters(&object.id, &object.known, what, &all)? else {
            return Ok(None);
        };
        self.place.remove(self.settings, &known.0.abandoned)?;
        let Some(open) = &known.0.open else { return Ok(None) };
        let begun = Begun {
            number: open.number,
            at: DateTime::from_timestamp_micros(open.at_us).unwrap_or_default(),
        };
        object.known = known;
        Ok(Some(begun))
    }

    /// Writes the letters of the successor and makes it hold; false if another run was faster. `moved` is the number of
    /// letters that became rows and of those that were discarded.
    pub(super) fn end(
        &self,
        object: &mut LettersObject,
        begun: &Begun,
        letters: &[KeptLetter],
        moved: (i64, i64),
    ) -> Result<bool> {
        let Succeeding { place, settings, ledger } = self;
        let predecessor = object.stem_of(&place.table, object.known.0.number);
        let key = format!("{}.ndjson", object.stem_of(&place.table, begun.number));
        let lines: Vec<u8> = letters.iter().flat_map(KeptLetter::to_line).collect();
        let lines = Bytes::from(lines);
        place.ask(settings, "writing dead letters", |bucket| bucket.put(&key, lines.clone()))?;
        pass("after-dead-letters")?;
        pass("before-commit")?;
        let moved = ledger.move_letters(&object.id, &object.known, moved, predecessor)?;
        let Some(known) = moved else { return Ok(false) };
        object.known = known;
        pass("after-commit")?;
        place.remove(settings, &object.known.0.gone)?;
        pass("after-removal")?;
        if let Some(known) = ledger.tidy_letters(&object.id, &object.known)? {
            object.known = known;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart() {
        fn of(name: &str) -> Option<(&str, &str, u64, u64, i32, u32)> {
            let Name { stem, label, start, end, generation, number } = Name::parse(name)?;
            Some((stem, label, start, end, generation, number))
        }
        let stem = "ab12n0-00000000000000-00000000000064-77aa";
        let anew = format!("{stem}-g2");
        for (name, expected) in [
            (format!("{stem}.ndjson"), (stem, "ab12n0", 0, 64, 0, 0)),
            (format!("{stem}-r3.ndjson"), (stem, "ab12n0", 0, 64, 0, 3)),
            (format!("{anew}-r1.ndjson"), (&anew, "ab12n0", 0, 64, 2, 1)),
        ] {
            assert_eq!(of(&name), Some(expected));
        }
        for name in
            ["x.ndjson", "ab12n0-0-64-77aa.parquet", "ab12n0-0-64.ndjson", "ab12n0-0-64-77aa-rx.ndjson"]
        {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
