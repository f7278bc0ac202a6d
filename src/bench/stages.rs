//! The processing of a record, cut off after each of its steps, on one thread; and the lower bounds.
//!
//! The steps are the functions that a load calls, on the chunks that a load cuts. Everything else in a load
//! (threads, the line of seats, the writer) is in the last stage, which is a load.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use crate::config::Config;
use crate::engine::{self, Watch};
use crate::error::{ErrorKind, Result};
use crate::failpoint;
use crate::format::{self, Memory, Preamble, Spec};
use crate::reject::Faults;
use crate::source::{Body, Candidate, Chunk, Chunks, Found, Settings, Source, Start};
use crate::split::Split;
use crate::stop::Stop;
use crate::work::{Assignment, Recipe, Rows, Work, Worker};

/// How far a record is processed. Each stage includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Files are cut into chunks, and chunks into records.
    Scan,
    /// Records become fields.
    Parse,
    /// Fields become rows, or faults.
    Bind,
    /// Rows are converted for the destination, which completes a worker's task.
    Encode,
    /// A complete load.
    Load,
}

/// All of them, in order.
pub const ALL: [Stage; 5] = [Stage::Scan, Stage::Parse, Stage::Bind, Stage::Encode, Stage::Load];

impl Stage {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Scan => "scan",
            Stage::Parse => "parse",
            Stage::Bind => "bind",
            Stage::Encode => "encode",
            Stage::Load => "load",
        }
    }

    /// The stage with this name.
    pub fn named(name: &str) -> Option<Stage> {
        ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// Whether it is single-threaded and never waits: then processor time is its cost, whatever else the
    /// machine does.
    pub(super) fn waits_for_nobody(self) -> bool {
        self != Stage::Load
    }
}

/// The processing of some files' records.
pub(super) struct Way {
    files: Vec<Candidate>,
    recipe: Recipe,
    settings: Settings,
    stop: Stop,
    /// Whether each line is an object of JSON.
    is_json_lines: bool,
    /// How much of a chunk is still owed to a stage that a test makes slower, carried from pass to pass.
    owed: Cell<f64>,
}

/// A chunk, and what a worker receives with it.
struct Piece<'c> {
    source: &'c Arc<Source>,
    chunk: &'c Chunk,
    before: &'c Preamble,
    behind: &'c Preamble,
}

impl Way {
    pub(super) fn new(config: &Config, files: &[Found], watch: &Watch) -> Result<Way> {
        let files = files.iter().map(|file| Candidate::open(file, &watch.stop));
        Ok(Way {
            files: files.collect::<Result<_>>()?,
            recipe: engine::recipe(config),
            settings: config.source.settings.clone(),
            stop: watch.stop.clone(),
            is_json_lines: matches!(config.source.format, Spec::Ndjson { record_start: None }),
            owed: Cell::default(),
        })
    }

    /// Passes every chunk of every file to `visit`. A test can make a stage slower: for example, every tenth
    /// chunk is then passed twice.
    fn each_chunk(&self, stage: &str, mut visit: impl FnMut(Piece<'_>)) -> Result<()> {
        let (slower, mut copy) = (failpoint::slower(stage), Vec::new());
        for file in &self.files {
            let source = file.reopen()?;
            let mut chunks = Chunks::new(&source, Start::zero(), None, &self.settings)?;
            let mut before = Preamble::default();
            while let Some(chunk) = chunks.next_chunk()? {
                if let Some(signal) = self.stop.asked() {
                    return Err(ErrorKind::Stopped(signal).into());
                }
                let max = self.settings.record_bytes_max;
                let behind = self.recipe.format.behind(&before, &chunk.body, max, &mut copy);
                let mut owed = self.owed.get() + slower;
                visit(Piece { source: &source, chunk: &chunk, before: &before, behind: &behind });
                while owed >= 1.0 {
                    visit(Piece { source: &source, chunk: &chunk, before: &before, behind: &behind });
                    owed -= 1.0;
                }
                self.owed.set(owed);
                before = behind;
            }
        }
        Ok(())
    }

    /// Finds the records.
    pub(super) fn scan(&self) -> Result<u64> {
        let mut count = 0;
        self.each_chunk("scan", |piece| {
            if let Body::Records(bytes) = &piece.chunk.body {
                for record in self.recipe.format.framing().records(bytes) {
                    black_box(record.start);
                    count += 1;
                }
            }
        })?;
        Ok(count)
    }

    /// Reads their fields.
    pub(super) fn parse(&self) -> Result<u64> {
        let (mut memory, mut copy, mut count) = (Memory::default(), Vec::new(), 0);
        self.each_chunk("parse", |piece| {
            let Body::Records(bytes) = &piece.chunk.body else { return };
            let counted = self.recipe.format.each_record(
                self.of_format(bytes.stable(&mut copy), piece.before),
                &mut memory,
                |_, record, _| {
                    black_box(record.is_ok());
                },
            );
            count += u64::from(counted.records);
        })?;
        Ok(count)
    }

    /// Turns them into rows.
    pub(super) fn bind(&self) -> Result<u64> {
        let (mut memory, mut copy, mut faults) = (Memory::default(), Vec::new(), Faults::default());
        let mut count = 0;
        self.each_chunk("bind", |piece| {
            let Body::Records(bytes) = &piece.chunk.body else { return };
            let counted = self.recipe.format.each_record(
                self.of_format(bytes.stable(&mut copy), piece.before),
                &mut memory,
                |_, record, arena| {
                    faults.clear();
                    if let Ok(record) = record {
                        black_box(self.recipe.schema.bind(record, arena, &mut faults).is_some());
                    }
                },
            );
            count += u64::from(counted.records);
        })?;
        Ok(count)
    }

    /// Turns chunks into parcels, as a worker of a load does.
    pub(super) fn encode(&self, work: &dyn Work) -> Result<u64> {
        let (mut worker, mut rows, mut count) = (Worker::default(), Rows::default(), 0);
        self.each_chunk("encode", |piece| {
            let Body::Records(bytes) = &piece.chunk.body else { return };
            let Chunk { span, ends, is_last, raw, .. } = *piece.chunk;
            let assignment = Assignment {
                source: Arc::clone(piece.source),
                split: Split::whole(1),
                chunk: Chunk { span, body: Body::Records(bytes.clone()), ends, is_last, raw },
                before: piece.before.clone(),
                behind: piece.behind.clone(),
            };
            let mut parcel = work.work(&mut worker, assignment, std::mem::take(&mut rows));
            count += parcel.records;
            if parcel.rows.clear(2 * self.settings.chunk_bytes) {
                rows = parcel.rows;
            }
        })?;
        Ok(count)
    }

    pub(super) fn recipe(&self) -> Recipe {
        self.recipe.clone()
    }

    fn of_format<'c>(&self, bytes: &'c [u8], preamble: &'c Preamble) -> format::Chunk<'c> {
        format::Chunk { bytes, preamble, record_bytes_max: self.settings.record_bytes_max }
    }

    /// The lower bound of a stage: its description and its implementation.
    pub(super) fn floor(&self, stage: Stage) -> (&'static str, fn(&Way) -> Result<u64>) {
        match stage {
            Stage::Parse | Stage::Bind | Stage::Encode if self.is_json_lines => {
                ("simd-json's tape", Way::tapes)
            }
            _ => ("newlines counted", Way::newlines),
        }
    }

    fn newlines(&self) -> Result<u64> {
        let mut count = 0;
        self.each_chunk("floor", |piece| {
            if let Body::Records(bytes) = &piece.chunk.body {
                count += memchr::memchr_iter(b'\n', bytes).count() as u64;
            }
        })?;
        Ok(count)
    }

    fn tapes(&self) -> Result<u64> {
        let mut buffers = simd_json::Buffers::new(4096);
        let mut count = 0;
        self.each_chunk("floor", |piece| {
            let Body::Records(bytes) = &piece.chunk.body else { return };
            let (mut tape, mut copy, mut start) = (simd_json::Tape(Vec::new()), Vec::new(), 0);
            for end in memchr::memchr_iter(b'\n', bytes) {
                let line = &bytes[start..end];
                start = end + 1;
                copy.clear();
                copy.extend_from_slice(line);
                copy.extend_from_slice(&[0; simd_json::INPUT_PADDING]);
                let filled = simd_json::fill_tape_padded(&mut copy, line.len(), &mut buffers, &mut tape);
                black_box(filled.is_ok() && !tape.0.is_empty());
                tape = tape.reset();
                count += 1;
            }
        })?;
        Ok(count)
    }
}
