//! Figures after a destination has lost commits, or a rebuild has begun anew: whatever is taken back and
//! loaded again counts once in all of them.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use super::tests::{Cut, Form, InMemory, load_counted, write_files};
use super::*;
use crate::error::ErrorKind;
use crate::sink::{Answer, Asked, Batch, Committed, Counts, Ending, OpenLetters, Setback};
use crate::work::Work;

/// A destination that once falls back to an earlier state.
struct Forgetful {
    now: InMemory,
    /// After how many batches it was in the state that it falls back to.
    keeps: usize,
    kept: InMemory,
    /// After this many further batches the next one shows the loss; without a value, the look at the end
    /// does.
    shows_at: Option<usize>,
    has_forgotten: bool,
}

impl Forgetful {
    fn new(keeps: usize, shows_at: Option<usize>) -> Forgetful {
        let (now, kept) = (InMemory::default(), InMemory::default());
        Forgetful { now, keeps, kept, shows_at, has_forgotten: false }
    }
}

impl Sink for Forgetful {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        self.now.work(recipe)
    }

    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        let answers = self.now.claim(asked)?;
        if self.now.batches == 0 {
            self.kept = self.now.clone();
        }
        Ok(answers)
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        if !self.has_forgotten && self.shows_at == Some(self.now.batches) {
            return Err(ErrorKind::WentBack.into());
        }
        let committed = self.now.commit(batch)?;
        if self.now.batches == self.keeps {
            self.kept = self.now.clone();
        }
        Ok(committed)
    }

    fn look_again(&mut self) -> Result<Option<Vec<Setback>>> {
        if std::mem::replace(&mut self.has_forgotten, true) {
            return Ok(None);
        }
        let before = std::mem::replace(&mut self.now, self.kept.clone());
        let setbacks = before.remembered.iter().filter_map(|memory| {
            let (source, was) = (memory.source_id, memory.checkpoints.last().expect("one split"));
            let is = self.now.tables.positions.get(&source).copied().unwrap_or_default();
            let counts = |of: &InMemory| of.tables.counts.get(&source).copied().unwrap_or_default();
            (is < was.position).then(|| Setback {
                split: was.split,
                position: is,
                lost: counts(&before).minus(&counts(&self.now)),
                bytes: was.position - is,
                was_complete: was.complete,
            })
        });
        Ok(Some(setbacks.collect()))
    }

    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters> {
        self.now.open_dead_letters(sources)
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
        self.now.finish(ending)
    }
}

/// A destination whose connection is lost once during a rebuild.
struct Interrupted(Forgetful);

impl Sink for Interrupted {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        self.0.work(recipe)
    }

    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        self.0.claim(asked)
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        self.0.commit(batch).map_err(|_| ErrorKind::Interrupted.into())
    }

    fn abandon(&mut self) -> Result<()> {
        self.0.has_forgotten = true;
        self.0.now = self.0.kept.clone();
        Ok(())
    }

    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters> {
        self.0.open_dead_letters(sources)
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
        self.0.finish(ending)
    }
}

/// What an observer that receives all events counts.
#[derive(Default)]
struct Heard {
    counts: Counts,
    bytes: u64,
    raw_bytes: u64,
    claimed: u64,
    finished: u64,
}

impl Heard {
    fn of(events: &[Event]) -> Heard {
        let mut heard = Heard::default();
        for event in events {
            match event {
                Event::Claimed { bytes, again_bytes, .. } => {
                    heard.claimed = heard.claimed + bytes - again_bytes;
                }
                Event::Committed { counts, bytes, raw_bytes, .. } => {
                    heard.counts.add(counts);
                    heard.bytes += bytes;
                    heard.raw_bytes += raw_bytes;
                }
                Event::TakenBack { counts, bytes, raw_bytes, finished, .. } => {
                    heard.counts = heard.counts.minus(counts);
                    heard.bytes -= bytes;
                    heard.raw_bytes -= raw_bytes;
                    heard.finished -= finished;
                }
                Event::Finished { .. } => heard.finished += 1,
                _ => {}
            }
        }
        heard
    }
}

/// Loads two files in small batches, and requires all figures to be those of a load without any incident.
#[track_caller]
fn counts_once(sink: &mut dyn Sink, form: Form, rebuild: Option<Rebuild>) {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = |range: std::ops::Range<u32>| -> Vec<u8> {
        range.flat_map(|n| format!("{{\"n\":{n},\"t\":\"x\"}}\n").into_bytes()).collect()
    };
    let files = [[lines(0..100), b"no\n".to_vec()].concat(), lines(100..150)];
    write_files(folder.path(), &files, form);
    let sizes = std::fs::read_dir(folder.path()).expect("readable");
    let size: u64 = sizes.map(|file| file.expect("readable").metadata().expect("there").len()).sum();
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let cut = Cut {
        threads: 2,
        chunk_bytes: 100,
        window_bytes: 5_000,
        batch_rows: 10,
        batch_bytes: 5_000,
        mmap: false,
    };
    let settings = Settings {
        rebuild,
        observer: Observer::new(move |event| seen.lock().expect("nobody panicked").push(event.clone())),
        ..cut.settings()
    };
    let stats = Arc::default();
    let outcome = load_counted(sink, folder.path(), &settings, &stats).expect("it ends");
    assert_eq!(outcome.setbacks, 1);
    let text: u64 = files.iter().map(|file| file.len() as u64).sum();
    let heard = Heard::of(&told.lock().expect("nobody panicked"));
    assert_eq!((outcome.counts.records, outcome.counts.rejected, outcome.loaded), (151, 1, 2));
    assert_eq!((outcome.bytes, outcome.raw_bytes), (text, size));
    assert_eq!((heard.counts, heard.bytes, heard.raw_bytes), (outcome.counts, text, size));
    assert_eq!((heard.claimed, heard.finished), (size, 2));
    let stat = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!((stat(&stats.bytes_done), stat(&stats.bytes_total)), (size, size));
    assert_eq!((stat(&stats.records), stat(&stats.rejected)), (151, 1));
}

fn forms() -> Vec<Form> {
    vec![
        Form::Plain,
        #[cfg(feature = "gzip")]
        Form::Gzip { member_bytes: 700 },
    ]
}

#[test]
fn commits_that_were_lost_count_once() {
    for form in forms() {
        for (keeps, shows_at) in [(2, Some(4)), (0, Some(6)), (3, Some(7)), (1, None), (4, None), (0, None)] {
            let mut sink = Forgetful::new(keeps, shows_at);
            counts_once(&mut sink, form, None);
            assert!(sink.has_forgotten);
        }
    }
}

#[test]
fn a_rebuild_that_began_anew_counts_once() {
    for form in forms() {
        for at in [1, 4, 6] {
            let mut sink = Interrupted(Forgetful::new(0, Some(at)));
            let rebuild = Rebuild { is_whole: true, allow_missing: false };
            counts_once(&mut sink, form, Some(rebuild));
            assert!(sink.0.has_forgotten);
        }
    }
}
