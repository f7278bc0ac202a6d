//! Surveys: the records of many files summarised in one result, on all cores, with nothing written.
//!
//! Inference reads with this. Workers summarise each chunk, and the summaries are merged in file order, so it
//! does not matter which worker saw what. Files are read from their beginnings; if they exceed the bound,
//! each contributes its share, so that none is passed over. Memory is a chunk for each worker.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bumpalo::Bump;
use rayon::iter::{ParallelBridge as _, ParallelIterator as _};

use super::workers::pool;
use crate::error::{ErrorKind, Result};
use crate::format::{self, AnyFormat, Malformed, Memory, Record, TOO_LONG};
use crate::source::{Body, Chunk, Chunks, Found, Preamble, Settings, Source, Start};
use crate::stop::Stop;

/// The settings of a survey.
#[derive(Clone, Debug)]
pub struct SurveySettings {
    /// Worker threads.
    pub threads: usize,
    /// How sources are read.
    pub source: Settings,
    /// About this many bytes are read, of all files together.
    pub bytes_max: u64,
}

/// The result of a survey.
#[derive(Debug)]
pub struct Surveyed<T> {
    /// The combined summary.
    pub seen: T,
    /// Bytes that were read, decompressed.
    pub bytes: u64,
    /// The same in the files, compressed as they are.
    pub raw_bytes: u64,
    /// The size of all the files.
    pub raw_size: u64,
    /// Whether every file was read to its end.
    pub is_all: bool,
    /// Files that could not be read, as (file, reason).
    pub failed: Vec<(PathBuf, String)>,
}

/// Summarises the records of a chunk.
pub trait Survey: Default + Send {
    /// Visits one record: the index of its file, its offset in it, and its content.
    fn see(&mut self, file: usize, offset: u64, record: Result<&Record<'_>, Malformed>, arena: &Bump);

    /// The summary of both, where `other` follows this.
    fn merge(self, other: Self) -> Self;
}

/// Passes the records of `files` to surveyors of type `T`.
pub fn survey<T: Survey>(
    files: &[Found],
    format: &AnyFormat,
    settings: &SurveySettings,
    stop: &Stop,
) -> Result<Surveyed<T>> {
    let pool = pool(settings.threads)?;
    let all: u64 = files.iter().map(Found::size).sum();
    let mut surveyed = Surveyed {
        seen: T::default(),
        bytes: 0,
        raw_bytes: 0,
        raw_size: 0,
        is_all: true,
        failed: Vec::new(),
    };
    for (number, file) in files.iter().enumerate() {
        // Only reading an archive tells what it inflates to.
        let is_small = all <= settings.bytes_max;
        let share_of = |source: &Source| match source.is_stream() || is_small && !source.is_compressed() {
            true => u64::MAX,
            false => share(source.raw_size(), settings.bytes_max, all),
        };
        match survey_one(number, file, format, settings, &share_of, stop, &pool) {
            Ok(one) => {
                surveyed.seen = surveyed.seen.merge(one.seen);
                surveyed.bytes += one.bytes;
                surveyed.raw_bytes += one.raw_bytes;
                surveyed.raw_size += one.raw_size;
                surveyed.is_all &= one.is_all;
                surveyed.failed.extend(one.failed);
            }
            Err(error) => surveyed.failed.push((file.path.clone(), error.without_path(&file.path))),
        }
        if let Some(signal) = stop.asked() {
            return Err(ErrorKind::Stopped(signal).into());
        }
    }
    Ok(surveyed)
}

/// The same for one file, of which about `share_of` its size is read. Of a damaged file, everything before
/// the damage counts, as in a load.
fn survey_one<T: Survey>(
    number: usize,
    file: &Found,
    format: &AnyFormat,
    settings: &SurveySettings,
    share_of: &dyn Fn(&Source) -> u64,
    stop: &Stop,
    pool: &rayon::ThreadPool,
) -> Result<Surveyed<T>> {
    let (source, is_cut) = Source::preview(file, stop)?;
    let source = Arc::new(source);
    let share = share_of(&source);
    let chunk_bytes = usize::try_from(share).unwrap_or(usize::MAX).min(settings.source.chunk_bytes);
    // The last line of a truncated chunk is not a record.
    let framing = format.framing().clone();
    let settings_of_chunks = Settings {
        framing,
        chunk_bytes,
        // One record can be longer than everything that is to be read.
        follow_bytes_max: share.min(settings.bytes_max),
        growing: is_cut,
        ..settings.source.clone()
    };
    let mut chunks = Chunks::new(&source, Start::zero(), None, &settings_of_chunks)?;
    let (mut read, mut raw, mut is_all, mut failed) = (0, 0, false, None);
    let (mut preamble, mut copy) = (Preamble::default(), Vec::new());
    let chunks = std::iter::from_fn(|| {
        if read >= share || stop.asked().is_some() {
            return None;
        }
        let chunk = chunks.next_chunk().unwrap_or_else(|error| {
            // A truncated archive is not a damaged one.
            failed = (!is_cut).then_some(error);
            None
        })?;
        read = chunk.span.end;
        raw += chunk.raw;
        is_all = chunk.ends.is_some() && !is_cut;
        let max = settings.source.record_bytes_max;
        let behind = format.behind(&preamble, &chunk.body, max, &mut copy);
        Some((std::mem::replace(&mut preamble, behind), chunk))
    });
    let seen = Mutex::new(InOrder::default());
    let look = |worker: &mut Worker, (place, (preamble, chunk)): (usize, (Preamble, Chunk))| {
        let mut one = T::default();
        worker.look(format, settings, number, &preamble, chunk, &mut one);
        seen.lock().unwrap_or_else(PoisonError::into_inner).put(place, one);
    };
    pool.install(|| chunks.enumerate().par_bridge().for_each_init(Worker::default, look));
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner).whole;
    Ok(Surveyed {
        seen,
        bytes: read,
        raw_bytes: if source.is_compressed() { raw } else { read },
        raw_size: source.raw_size(),
        is_all,
        failed: failed.map(|error| (file.path.clone(), error.without_path(&file.path))).into_iter().collect(),
    })
}

/// The summaries of chunks, merged in order.
#[derive(Default)]
struct InOrder<T> {
    whole: T,
    /// The next chunk.
    next: usize,
    /// The summaries of later chunks: no more than there are workers.
    waiting: BTreeMap<usize, T>,
}

impl<T: Survey> InOrder<T> {
    fn put(&mut self, place: usize, seen: T) {
        self.waiting.insert(place, seen);
        while let Some(seen) = self.waiting.remove(&self.next) {
            self.whole = std::mem::take(&mut self.whole).merge(seen);
            self.next += 1;
        }
    }
}

/// How much of a file of `size` to read if `all` exceeds the bound: its share, and at least one record.
fn share(size: u64, bytes_max: u64, all: u64) -> u64 {
    let share = u128::from(size) * u128::from(bytes_max) / u128::from(all.max(1));
    u64::try_from(share).unwrap_or(u64::MAX).max(1)
}

/// The memory of one worker.
#[derive(Default)]
struct Worker {
    block: Vec<u8>,
    memory: Memory,
}

impl Worker {
    /// Passes the records of a chunk of a file to `seen`.
    fn look<T: Survey>(
        &mut self,
        format: &AnyFormat,
        settings: &SurveySettings,
        file: usize,
        preamble: &Preamble,
        chunk: Chunk,
        seen: &mut T,
    ) {
        let start = chunk.span.start;
        let bytes = match chunk.body {
            Body::Records(bytes) => bytes,
            Body::TooLong { .. } => return seen.see(file, start, Err(TOO_LONG), &Bump::new()),
        };
        let chunk = format::Chunk {
            bytes: bytes.stable(&mut self.block),
            preamble,
            record_bytes_max: settings.source.record_bytes_max,
        };
        format.each_record(chunk, &mut self.memory, |place, record, arena| {
            seen.see(file, start + place.start as u64, record, arena);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Extras, Json};
    use crate::source::{Pattern, Reach, Selection, discover};

    /// Counts records, and other lines.
    #[derive(Default)]
    struct Counter(u64, u64);

    impl Survey for Counter {
        fn see(&mut self, _: usize, _: u64, record: Result<&Record<'_>, Malformed>, _: &Bump) {
            match record {
                Ok(_) => self.0 += 1,
                Err(_) => self.1 += 1,
            }
        }

        fn merge(self, other: Counter) -> Counter {
            Counter(self.0 + other.0, self.1 + other.1)
        }
    }

    /// The number of records and of other lines seen, and their bytes.
    fn count(texts: &[&str], bytes_max: u64) -> (u64, u64, u64, u64) {
        let folder = tempfile::tempdir().expect("a folder");
        for (number, text) in texts.iter().enumerate() {
            std::fs::write(folder.path().join(number.to_string()), text).expect("written");
        }
        let pattern = Pattern { text: folder.path().to_owned(), base: PathBuf::new() };
        let files = discover(&[pattern], &Selection::default(), &Reach::default()).expect("found").files;
        let source = Settings { chunk_bytes: 64, ..Settings::default() };
        let settings = SurveySettings { threads: 2, source, bytes_max };
        let format = AnyFormat::Ndjson(Json::new::<String>(&[], Extras::Gathered));
        let surveyed: Surveyed<Counter> = survey(&files, &format, &settings, &Stop::default()).expect("read");
        assert!(surveyed.failed.is_empty());
        let Counter(records, others) = surveyed.seen;
        assert_eq!(surveyed.is_all, surveyed.bytes == surveyed.raw_size);
        (records, others, surveyed.bytes, surveyed.raw_size)
    }

    #[test]
    fn every_record_of_every_file_is_seen_once() {
        let text = "{\"a\":1}\n\nno\n".repeat(100);
        assert_eq!(count(&[&text, "", "{}", "\u{feff}{}\n"], u64::MAX), (102, 100, 1208, 1208));
    }

    #[test]
    fn of_too_much_each_file_gives_its_share() {
        let text = "{\"a\":1}\n".repeat(1_000);
        let (records, _, bytes, size) = count(&[&text, "{}\n", &text], 1_600);
        assert_eq!(size, 16_003);
        // Half of the bound each, up to the end of a chunk, and one record of the small file.
        assert!((1_600..1_800).contains(&bytes), "{bytes} bytes");
        assert_eq!(records, (bytes - 3) / 8 + 1);
    }
}
