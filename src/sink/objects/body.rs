//! The content of an object: a file of rows in their order, assembled from pieces that are encoded independently.

#[cfg(any(feature = "gzip", feature = "zstd"))]
use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;

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
    /// The encoding of a job, with the constants of a run.
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
        // If this build cannot write the form, the run fails before anything is remembered.
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

    /// Whether a piece ends here. Only its rows decide, so that the bytes of an object are always the same.
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

    /// Assembles an object from its pieces. Frames stay separate buffers: joining them would copy the object.
    pub(super) fn object(&self, pieces: Vec<Encoded>) -> Result<Vec<Bytes>> {
        match self {
            Encoding::Lines(..) => {
                let frame = |piece| match piece {
                    Encoded::Frame(frame) => Some(frame.into()),
                    #[cfg(feature = "buckets")]
                    Encoded::Group(..) => None,
                };
                Ok(pieces.into_iter().filter_map(frame).collect())
            }
            #[cfg(feature = "buckets")]
            Encoding::Columns(encoder) => {
                let group = |piece| match piece {
                    Encoded::Group(group) => Some(group),
                    Encoded::Frame(..) => None,
                };
                let groups = pieces.into_iter().filter_map(group).collect();
                parquet::object(&encoder.columns, groups).map(|file| vec![file.into()])
            }
        }
    }
}

/// An encoded piece.
pub(super) enum Encoded {
    /// A complete compressed file; several of them in a row are one file, too.
    Frame(Vec<u8>),
    /// A row group.
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

/// The number of rows in a frame. Some programs read only the first frame of a file, so a small object has one.
const FRAME_ROWS: usize = 16 << 10;
/// The size at which a frame ends earlier. While a frame is compressed, its rows are in memory twice.
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

/// The fastest level. At level 3 DuckDB's Parquet of the same rows was 7 % smaller (58.9 of 63.6 MB), but here
/// compression shares the cores with the workers.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 1;

/// Compresses lines as the form requires.
fn compressed(form: Form, lines: Vec<u8>) -> Result<Vec<u8>> {
    match form {
        Form::Ndjson => Ok(lines),
        #[cfg(feature = "gzip")]
        Form::NdjsonGz => {
            // The header has no name and no time, so that the same rows give the same bytes.
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

/// Compresses in one call, because a stream would first copy its input into a window.
#[cfg(feature = "zstd")]
fn zstd(lines: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
    compressor.include_checksum(true)?;
    let mut frame = compressor.compress(lines)?;
    // The buffer was sized for input that does not compress.
    frame.shrink_to_fit();
    Ok(frame)
}

/// Compression writes only to memory, so an error is a defect of the program.
#[cfg(any(feature = "gzip", feature = "zstd"))]
fn broken(cause: io::Error) -> Error {
    Error::broken(format!("compressing rows: {cause}"))
}
