//! What an object holds: rows one after the other, as a file of its own, encoded by all threads at once.

#[cfg(any(feature = "gzip", feature = "zstd"))]
use std::io::{self, Write as _};
use std::sync::Arc;

use rayon::prelude::*;

#[cfg(feature = "buckets")]
use super::columns::{ColumnEncoder, Columns};
use super::encode::{JsonEncoder, Placed, close, pieces};
use super::layout::Form;
#[cfg(feature = "buckets")]
use super::parquet;
use super::time;
use crate::error::{Error, ErrorKind, Result};
use crate::sink::destination::Settings;
use crate::sink::{Constant, Key};
use crate::work::{self, Recipe, Work};

/// How the rows of a job are encoded and written.
#[derive(Clone)]
pub(super) enum Encoding {
    Lines(Lines),
    #[cfg(feature = "buckets")]
    Columns(Arc<ColumnEncoder>),
}

impl Encoding {
    /// That of a job, with the constants of a run.
    pub(super) fn new(settings: &Settings, constants: &[Constant]) -> Result<Encoding> {
        let unfit = |why| Error::from(ErrorKind::Unfit(vec![why]));
        let (form, time) = (settings.objects.form, time(settings));
        if form == Form::Parquet {
            #[cfg(feature = "buckets")]
            {
                let columns = Arc::new(Columns::new(settings, constants).map_err(unfit)?);
                return Ok(Encoding::Columns(Arc::new(ColumnEncoder { columns, time })));
            }
            #[cfg(not(feature = "buckets"))]
            return Err(ErrorKind::NotCompiled { what: "Parquet", feature: "buckets" }.into());
        }
        // Whoever cannot write the form finds out before anything is remembered.
        compressed(form, Vec::new())?;
        let encoder = Arc::new(JsonEncoder::new(settings, constants, time).map_err(unfit)?);
        Ok(Encoding::Lines(Lines { form, has_place: settings.key == Key::Position, encoder }))
    }

    pub(super) fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        match self {
            Encoding::Lines(lines) => work::with(recipe, Arc::clone(&lines.encoder)),
            #[cfg(feature = "buckets")]
            Encoding::Columns(encoder) => work::with(recipe, Arc::clone(encoder)),
        }
    }

    /// An object of rows of one source, whole. The threads of the pool that it is called in share its
    /// pieces. Where these begin is fixed, so that the number of threads decides no byte.
    pub(super) fn object(&self, source: &str, rows: &[Placed<'_>]) -> Result<Vec<u8>> {
        match self {
            Encoding::Lines(lines) => {
                let frames = pieces(rows, FRAME_ROWS, FRAME_BYTES).into_par_iter();
                let frames = frames.map(|rows| lines.frame(source, rows));
                Ok(put_together(frames.collect::<Result<_>>()?))
            }
            #[cfg(feature = "buckets")]
            Encoding::Columns(encoder) => parquet::object(&encoder.columns, source, rows),
        }
    }
}

/// Rows as lines.
#[derive(Clone)]
pub(super) struct Lines {
    form: Form,
    has_place: bool,
    encoder: Arc<JsonEncoder>,
}

/// How many rows are compressed by themselves. Some programs read the first frame of a file and no other,
/// so a small object has only one.
const FRAME_ROWS: usize = 16 << 10;
/// And so many bytes, where rows are long: each is in memory twice while it is compressed.
const FRAME_BYTES: usize = 4 << 20;

impl Lines {
    fn frame(&self, source: &str, rows: &[Placed<'_>]) -> Result<Vec<u8>> {
        let place_bytes = if self.has_place { source.len() + 48 } else { 0 };
        let bytes = rows.iter().map(|(row, _)| row.len() + place_bytes + 2).sum();
        let mut lines = Vec::with_capacity(bytes);
        for &(row, offset) in rows {
            close(row, self.has_place.then_some((source, offset)), &mut lines);
        }
        compressed(self.form, lines)
    }
}

/// Fast: the network or the disk has its part of the work to do as well.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 1;

/// Lines as a file of this form.
fn compressed(form: Form, lines: Vec<u8>) -> Result<Vec<u8>> {
    match form {
        Form::Ndjson => Ok(lines),
        #[cfg(feature = "gzip")]
        Form::NdjsonGz => {
            // Without a name and a time, so that the same rows are the same bytes.
            let mut out = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::default());
            out.write_all(&lines).and_then(|()| out.finish()).map_err(broken)
        }
        #[cfg(not(feature = "gzip"))]
        Form::NdjsonGz => Err(ErrorKind::NotCompiled { what: "gzip", feature: "gzip" }.into()),
        #[cfg(feature = "zstd")]
        Form::NdjsonZst => zstd(&lines).map_err(broken),
        #[cfg(not(feature = "zstd"))]
        Form::NdjsonZst => Err(ErrorKind::NotCompiled { what: "Zstandard", feature: "zstd" }.into()),
        Form::Parquet => Err(Error::broken("columns were taken for lines")),
    }
}

/// In one go: a stream copies what it compresses into a window first.
#[cfg(feature = "zstd")]
fn zstd(lines: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
    compressor.include_checksum(true)?;
    let mut frame = compressor.compress(lines)?;
    // It was given room for what does not compress.
    frame.shrink_to_fit();
    Ok(frame)
}

/// The frames one behind the other. Each is gone as soon as it has its place.
fn put_together(frames: Vec<Vec<u8>>) -> Vec<u8> {
    let mut object = Vec::with_capacity(frames.iter().map(Vec::len).sum());
    frames.into_iter().for_each(|frame| object.extend_from_slice(&frame));
    object
}

/// Nothing but memory is written to.
#[cfg(any(feature = "gzip", feature = "zstd"))]
fn broken(cause: io::Error) -> Error {
    Error::broken(format!("compressing rows: {cause}"))
}
