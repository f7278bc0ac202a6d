//! What an object holds: rows one after the other, as a file of its own, put together from pieces that are encoded by
//! themselves.

#[cfg(any(feature = "gzip", feature = "zstd"))]
use std::io::{self, Write as _};
use std::sync::Arc;

#[cfg(feature = "buckets")]
use super::columns::{ColumnEncoder, Columns};
use super::encode::{JsonEncoder, Piece, before_offset, close};
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

    /// Whether the rows are to be encoded by themselves. It depends on nothing but them.
    pub(super) fn is_whole(&self, piece: &Piece) -> bool {
        match self {
            Encoding::Lines(..) => piece.is_whole(FRAME_ROWS, FRAME_BYTES),
            #[cfg(feature = "buckets")]
            Encoding::Columns(..) => piece.is_whole(parquet::GROUP_ROWS, parquet::GROUP_BYTES),
        }
    }

    /// Encodes rows of one source.
    pub(super) fn piece(&self, source: &str, piece: Piece) -> Result<Encoded> {
        match self {
            Encoding::Lines(lines) => lines.frame(source, &piece).map(Encoded::Frame),
            #[cfg(feature = "buckets")]
            Encoding::Columns(encoder) => parquet::group(&encoder.columns, source, piece).map(Encoded::Group),
        }
    }

    /// An object of these pieces.
    pub(super) fn object(&self, pieces: Vec<Encoded>) -> Result<Vec<u8>> {
        match self {
            Encoding::Lines(..) => Ok(put_together(pieces)),
            #[cfg(feature = "buckets")]
            Encoding::Columns(encoder) => {
                let group = |piece| match piece {
                    Encoded::Group(group) => Some(group),
                    Encoded::Frame(..) => None,
                };
                parquet::object(&encoder.columns, pieces.into_iter().filter_map(group).collect())
            }
        }
    }
}

/// Rows in the form of their object.
pub(super) enum Encoded {
    /// As a file that can stand behind another.
    Frame(Vec<u8>),
    /// As columns.
    #[cfg(feature = "buckets")]
    Group(parquet::Group),
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
    fn frame(&self, source: &str, piece: &Piece) -> Result<Vec<u8>> {
        let before = before_offset(source);
        let place_bytes = if self.has_place { before.len() + 20 } else { 0 };
        let mut lines = Vec::with_capacity(piece.bytes.len() + piece.rows.len() * (place_bytes + 3));
        for (row, offset) in piece.iter() {
            close(row, self.has_place.then_some((&before, offset)), &mut lines);
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
fn put_together(pieces: Vec<Encoded>) -> Vec<u8> {
    let bytes = |piece: &Encoded| match piece {
        Encoded::Frame(frame) => frame.len(),
        #[cfg(feature = "buckets")]
        Encoded::Group(..) => 0,
    };
    let mut object = Vec::with_capacity(pieces.iter().map(bytes).sum());
    for piece in pieces {
        match piece {
            Encoded::Frame(frame) => object.extend_from_slice(&frame),
            #[cfg(feature = "buckets")]
            Encoded::Group(..) => {}
        }
    }
    object
}

/// Nothing but memory is written to.
#[cfg(any(feature = "gzip", feature = "zstd"))]
fn broken(cause: io::Error) -> Error {
    Error::broken(format!("compressing rows: {cause}"))
}
