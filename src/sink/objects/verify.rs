//! The content of a bucket, read for a comparison with the sources.
//!
//! The name of an object gives its source and range. Objects are read range by range, and those of one range are merged
//! in the order of their records. Rows are converted back to the form of the encoder, so that stored and expected rows
//! can be compared as bytes. A row at a place where its source has no record is reported as surplus.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use chrono::Datelike as _;
use serde_json::{Map, Value};

use super::body::Encoding;
#[cfg(feature = "buckets")]
use super::columns::Columns;
use super::encode::NO_DAY;
use super::held::Held;
use super::layout::{DayPart, Form, Name, Names};
use super::letters::KeptLetter;
use super::successors::{LettersObject, is_committed, objects};
use super::{Place as Where, names, state, time};
use crate::error::{Error, ErrorKind, Result};
use crate::sink::destination::Settings;
use crate::sink::key::{Origin, columns_of};
use crate::sink::ledger::{MapLedger, SplitStatus};
use crate::sink::verify::{
    HeldLetter, HeldRows, Kept, LETTER_BYTES, LetterState, Pair, Place, Verifier, Verify, Verifying,
};
use crate::sink::{Key, Remembered};
use crate::work::{Recipe, Work};

/// The number of bytes of rows that are read at a time.
const ROWS_BYTES: usize = 4 << 20;
/// The source number of objects that belong to no known source. It sorts last.
const NOBODY: i32 = i32::MAX;

/// Opens the bucket to be compared with the sources.
pub(super) fn open(place: &Where, settings: &Settings, verifying: Verifying) -> Result<Box<dyn Verify>> {
    if settings.key == Key::None {
        return Err(Error::usage(
            "a bucket with key = \"none\" cannot be verified: the name of an object says which range of a source it holds, but \
             none of its rows says which record it is from, so after one missing row every other would seem wrong; load \
             into another table with key = \"position\" and verify that one",
        ));
    }
    let kept = ObjectsKept {
        // Before the objects: what is committed behind this is not looked at.
        splits: state::splits(place, settings)?,
        place: place.clone(),
        encoding: Encoding::new(settings, &settings.constants)?,
        columns: columns(settings),
        time_column: time(settings).map_or(0, |time| time.field),
        clusters: VecDeque::new(),
        merge: None,
        last: 0,
        letters: None,
        settings: settings.clone(),
    };
    Ok(Box::new(Verifier::new(kept, verifying, &settings.key, settings.data_date)))
}

/// The names of the columns, but for those that say where a row is from.
fn columns(settings: &Settings) -> Vec<String> {
    let all = columns_of(&settings.schema, &settings.constants, &settings.key);
    let is_place =
        |origin: &Origin| matches!(origin, Origin::SourceId | Origin::SourceOffset | Origin::RecordHash);
    all.into_iter().filter(|(_, origin)| !is_place(origin)).map(|(name, _)| name).collect()
}

struct ObjectsKept {
    place: Where,
    settings: Settings,
    splits: Vec<SplitStatus>,
    encoding: Encoding,
    columns: Vec<String>,
    /// The number of the column that the day of a row is of.
    time_column: usize,
    /// What is still to be read, in its order.
    clusters: VecDeque<Cluster>,
    merge: Option<Merge>,
    /// The offset of the last row that was read.
    last: u64,
    letters: Option<Vec<LettersObject>>,
}

/// Objects of a source whose ranges overlap: as a rule those of one range, each of a day.
struct Cluster {
    source: i32,
    end: u64,
    streams: Vec<Stream>,
}

/// Objects that are the parts of one.
struct Stream {
    label: String,
    /// What their rows begin with.
    day: i32,
    start: u64,
    end: u64,
    parts: VecDeque<(String, usize, Form)>,
}

/// A cluster that is read: the next row of each of its streams, the lowest first.
struct Merge {
    source: i32,
    streams: Vec<(Stream, Option<Held>)>,
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    rows: Vec<Vec<u8>>,
}

impl ObjectsKept {
    /// How the names of objects begin of which nothing is committed.
    fn uncommitted(&self) -> Result<HashSet<String>> {
        let letters = state::letters(&self.place, &self.settings)?;
        let mut stems: HashSet<String> =
            self.splits.iter().flat_map(|split| split.stems.iter().cloned()).collect();
        for (_, (record, _)) in letters.iter() {
            stems.extend(record.abandoned.iter().cloned());
            stems.extend(record.open.iter().flat_map(|open| open.stems.iter().cloned()));
        }
        Ok(stems)
    }

    /// Whether an object is of a range that a run is writing, or may have written since we looked.
    fn is_under_way(&self, own: &[&SplitStatus], name: &Name) -> bool {
        !is_committed(own, name.start, name.end) && own.iter().any(|split| split.is_held)
    }

    /// All objects of these sources and, if asked for, of nobody, in the order in which they are read.
    fn gather(&self, sources: &[i32], reads_strays: bool) -> Result<VecDeque<Cluster>> {
        let Where { table, .. } = &self.place;
        let reader = Names::of(&self.settings.objects.path, table);
        let uncommitted = self.uncommitted()?;
        let mut by_label: HashMap<&str, Vec<&SplitStatus>> = HashMap::new();
        self.splits.iter().for_each(|split| by_label.entry(&split.label).or_default().push(split));
        let mut streams: BTreeMap<(i32, u64, String), Stream> = BTreeMap::new();
        self.place.each(&self.settings, &format!("{table}/"), |listed| {
            let Some(name) = reader.read(&listed.key) else {
                return match by_label.keys().any(|label| names(&listed.key, label)) {
                    true => Err(self.of_another_path(&listed.key)),
                    false => Ok(()),
                };
            };
            let stem = stem_of(&listed.key, &name);
            let source = match by_label.get(&name.source[..]) {
                _ if uncommitted.contains(&stem) => return Ok(()),
                // A dead rebuild has left it.
                Some(own) if own[0].is_untidy && own[0].generation != name.generation => return Ok(()),
                Some(own) if self.is_under_way(own, &name) => return Ok(()),
                Some(own) => own[0].split.source,
                None => NOBODY,
            };
            let is_read = if source == NOBODY { reads_strays } else { sources.contains(&source) };
            if is_read {
                let stream = streams.entry((source, name.start, stem)).or_insert_with(|| Stream {
                    label: name.source.clone(),
                    day: self.day_of(name.day),
                    start: name.start,
                    end: name.end.max(name.start + 1),
                    parts: VecDeque::new(),
                });
                let at = stream.parts.partition_point(|(_, number, _)| *number < name.number);
                stream.parts.insert(at, (listed.key, name.number, name.form));
            }
            Ok(())
        })?;
        Ok(clusters(streams))
    }

    fn of_another_path(&self, key: &str) -> Error {
        ErrorKind::Unfit(vec![format!(
            "{} has no name that `path` of [destination] makes; verify what was written under another one with the job as it \
             was",
            self.place.bucket.url_of(key)
        )])
        .into()
    }

    /// What the rows of a day begin with. Where the record does not decide the day, they begin with none.
    fn day_of(&self, day: DayPart) -> i32 {
        match day {
            DayPart::Day(day) if time(&self.settings).is_some() => day.num_days_from_ce(),
            _ => NO_DAY,
        }
    }

    /// Reads the next row of a stream of a cluster.
    fn advance(&self, merge: &mut Merge, number: usize) -> Result<()> {
        let (stream, held) = &mut merge.streams[number];
        loop {
            if let Some(reading) = held {
                let row = &mut merge.rows[number];
                row.clear();
                if let Some(origin) = reading.next(row)? {
                    // One that says that it is of elsewhere stands here all the same.
                    let own = origin.filter(|(label, _)| *label == stream.label).map(|(_, offset)| offset);
                    let offset = own.unwrap_or(0).clamp(stream.start, stream.end - 1);
                    stream.start = offset;
                    merge.heads.push(Reverse((offset, number)));
                    return Ok(());
                }
                *held = None;
            }
            let Some((key, _, form)) = stream.parts.pop_front() else { return Ok(()) };
            let object = self.place.ask(&self.settings, "reading an object", |bucket| bucket.get(&key))?;
            // One that was removed since it was listed is not there.
            if let Some(object) = object {
                let url = self.place.bucket.url_of(&key);
                *held = Some(Held::open(object.bytes, form, &self.encoding, stream.day, &url)?);
            }
        }
    }

    fn begin_cluster(&self, cluster: Cluster) -> Result<Merge> {
        let count = cluster.streams.len();
        let streams = cluster.streams.into_iter().map(|stream| (stream, None)).collect();
        let rows = vec![Vec::new(); count];
        let mut merge = Merge { source: cluster.source, streams, heads: BinaryHeap::new(), rows };
        (0..count).try_for_each(|number| self.advance(&mut merge, number))?;
        Ok(merge)
    }
}

/// How the names of the parts of an object begin.
fn stem_of(key: &str, name: &Name) -> String {
    let stem = key.strip_suffix(name.form.word()).and_then(|key| key.strip_suffix('.')).unwrap_or(key);
    let number = format!(".{}", name.number);
    match name.number > 1 {
        true => stem.strip_suffix(&number).unwrap_or(stem).to_owned(),
        false => stem.to_owned(),
    }
}

/// Streams in the order of their sources and places, those together whose ranges overlap.
fn clusters(streams: BTreeMap<(i32, u64, String), Stream>) -> VecDeque<Cluster> {
    let mut clusters: VecDeque<Cluster> = VecDeque::new();
    for ((source, start, _), stream) in streams {
        match clusters.back_mut().filter(|last| last.source == source && start < last.end) {
            Some(last) => {
                last.end = last.end.max(stream.end);
                last.streams.push(stream);
            }
            None => clusters.push_back(Cluster { source, end: stream.end, streams: vec![stream] }),
        }
    }
    clusters
}

impl Kept for ObjectsKept {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        self.encoding.work(recipe)
    }

    fn remembered(&mut self) -> Result<Vec<Remembered>> {
        MapLedger::remembered_of_day(state::store(&self.place), state::settings(&self.place, &self.settings))
    }

    fn changes_values(&self) -> Option<&str> {
        None
    }

    fn begin(&mut self, sources: &[i32], reads_strays: bool) -> Result<()> {
        self.clusters = self.gather(sources, reads_strays)?;
        Ok(())
    }

    fn more_rows(&mut self, rows: &mut HeldRows) -> Result<()> {
        while rows.bytes.len() < ROWS_BYTES {
            let Some(mut merge) = self.merge.take() else {
                let Some(cluster) = self.clusters.pop_front() else { return Ok(()) };
                self.merge = Some(self.begin_cluster(cluster)?);
                continue;
            };
            let Some(Reverse((offset, number))) = merge.heads.pop() else { continue };
            rows.bytes.extend_from_slice(&merge.rows[number]);
            // What is of nobody is of several sources, and has one order all the same.
            self.last = if merge.source == NOBODY { self.last.max(offset) } else { offset };
            let place = Place { source: merge.source, offset: i64::try_from(self.last).unwrap_or(i64::MAX) };
            rows.ends.push((place, rows.bytes.len()));
            self.advance(&mut merge, number)?;
            self.merge = Some(merge);
        }
        Ok(())
    }

    fn letters_behind(&mut self, sources: &[i32], _: bool, behind: Place) -> Result<Vec<HeldLetter>> {
        if self.letters.is_none() {
            self.letters = Some(objects(&self.place, &self.settings)?);
        }
        let all = self.letters.as_deref().unwrap_or_default();
        let (mut letters, mut bytes) = (Vec::new(), 0);
        for object in all.iter().filter(|object| sources.contains(&object.id.source)) {
            let last =
                Place { source: object.id.source, offset: i64::try_from(object.end).unwrap_or(i64::MAX) };
            if last <= behind {
                continue;
            }
            for letter in object.read(&self.place, &self.settings)? {
                let letter = held_letter(&letter, object);
                if letter.place > behind {
                    bytes += [&letter.raw, &letter.fixed].into_iter().flatten().map(Vec::len).sum::<usize>();
                    letters.push(letter);
                }
                if bytes >= LETTER_BYTES {
                    return Ok(letters);
                }
            }
            if !letters.is_empty() {
                return Ok(letters);
            }
        }
        Ok(letters)
    }

    /// Rows are found by their places.
    fn find(&mut self, rows: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>> {
        Ok(rows.into_iter().map(|_| None).collect())
    }

    fn key_hash(&self, _: &[u8]) -> u128 {
        0
    }

    fn equates_keys(&self) -> bool {
        false
    }

    fn differing(&mut self, pairs: Vec<Pair>) -> Result<(Vec<Pair>, Vec<Option<usize>>)> {
        let first = |pair: &Pair| match pair.expected.get(..4) == pair.held.get(..4) {
            false => Some(self.time_column),
            true => self.differing_column(&pair.expected[4..], &pair.held[4..]),
        };
        let columns = pairs.iter().map(first).collect();
        Ok((pairs, columns))
    }

    fn column(&self, number: usize) -> &str {
        self.columns.get(number).map_or("", String::as_str)
    }

    /// It is not in the form of the encoder.
    fn without_source<'r>(&self, row: &'r [u8]) -> (&'r [u8], &'r [u8]) {
        (row, &[])
    }
}

impl ObjectsKept {
    /// The number of the first column in which two rows differ.
    fn differing_column(&self, expected: &[u8], held: &[u8]) -> Option<usize> {
        match &self.encoding {
            Encoding::Lines(..) => {
                let row = |bytes: &[u8]| {
                    let open: &[u8] = if bytes.is_empty() { b"{" } else { b"" };
                    serde_json::from_slice::<Map<String, Value>>(&[open, bytes, b"}"].concat())
                };
                let (Ok(expected), Ok(held)) = (row(expected), row(held)) else { return Some(0) };
                let is_known = |name: &&String| self.columns.contains(name);
                let first = self.columns.iter().position(|name| expected.get(name) != held.get(name));
                first.or_else(|| (!held.keys().all(|name| is_known(&name))).then_some(0))
            }
            #[cfg(feature = "buckets")]
            Encoding::Columns(encoder) => Some(differing_value(&encoder.columns, expected, held)),
        }
    }
}

/// The number of the first column of which two rows, which differ, have not the same value.
#[cfg(feature = "buckets")]
fn differing_value(columns: &Columns, mut expected: &[u8], mut held: &[u8]) -> usize {
    for (number, column) in columns.columns.iter().enumerate() {
        if !column.is_of_row() {
            continue;
        }
        let (one, other) = (column.split(&mut expected), column.split(&mut held));
        if one != other {
            return number;
        }
    }
    // What is left says which constant it is.
    let number = held.get(1..).and_then(|number| number.try_into().ok()).map(u32::from_le_bytes);
    number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
}

fn held_letter(letter: &KeptLetter, object: &LettersObject) -> HeldLetter {
    let offset = i64::try_from(letter.offset()).unwrap_or(i64::MAX);
    HeldLetter {
        place: Place { source: object.id.source, offset },
        line: letter.line(),
        state: LetterState::of(letter.state()),
        is_of_server: letter.stage() == "server",
        rules: letter.rules(),
        raw: letter.raw(),
        raw_hash: letter.raw_hash(),
        fixed: letter.fixed(),
        preamble: letter.preamble(),
    }
}
