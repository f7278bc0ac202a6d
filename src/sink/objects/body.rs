//! What an object holds: rows one after the other, as a file of its own.

use std::io::{self, Write as _};
use std::sync::Arc;

#[cfg(feature = "buckets")]
use super::columns::{ColumnEncoder, Columns};
use super::encode::{JsonEncoder, close};
use super::layout::Form;
#[cfg(feature = "buckets")]
use super::parquet::Table;
use super::time;
use crate::error::{Error, ErrorKind, Result};
use crate::sink::destination::Settings;
use crate::sink::{Constant, Key};
use crate::work::{self, Recipe, Work};

/// How the rows of a job are encoded and written.
#[derive(Clone)]
pub(super) enum Encoding {
    Lines(Form, Arc<JsonEncoder>),
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
        Lines::new(form)?;
        let encoder = JsonEncoder::new(settings, constants, time).map_err(unfit)?;
        Ok(Encoding::Lines(form, Arc::new(encoder)))
    }

    pub(super) fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        match self {
            Encoding::Lines(_, encoder) => work::with(recipe, Arc::clone(encoder)),
            #[cfg(feature = "buckets")]
            Encoding::Columns(encoder) => work::with(recipe, Arc::clone(encoder)),
        }
    }
}

/// An object that is being written, in memory.
pub(super) enum Body {
    Lines {
        lines: Box<Lines>,
        has_place: bool,
        line: Vec<u8>,
    },
    #[cfg(feature = "buckets")]
    Table(Box<Table>),
}

impl Body {
    pub(super) fn new(encoding: &Encoding, settings: &Settings) -> Result<Body> {
        match encoding {
            Encoding::Lines(form, _) => Ok(Body::Lines {
                lines: Box::new(Lines::new(*form)?),
                has_place: settings.key == Key::Position,
                line: Vec::new(),
            }),
            #[cfg(feature = "buckets")]
            Encoding::Columns(encoder) => {
                Ok(Body::Table(Box::new(Table::new(Arc::clone(&encoder.columns))?)))
            }
        }
    }

    /// Adds a row with its place, and says how many bytes that is before they are compressed.
    pub(super) fn add(&mut self, row: &[u8], place: (&str, u64)) -> Result<usize> {
        match self {
            Body::Lines { lines, has_place, line } => {
                line.clear();
                close(row, has_place.then_some(place), line);
                lines.add(line)?;
                Ok(line.len())
            }
            #[cfg(feature = "buckets")]
            Body::Table(table) => table.add(row, place),
        }
    }

    /// The object, whole.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        match self {
            Body::Lines { lines, .. } => lines.finish(),
            #[cfg(feature = "buckets")]
            Body::Table(table) => table.finish(),
        }
    }
}

/// Lines, compressed.
pub(super) enum Lines {
    Plain(Vec<u8>),
    #[cfg(feature = "gzip")]
    Gz(flate2::write::GzEncoder<Vec<u8>>),
    #[cfg(feature = "zstd")]
    Zst(zstd::stream::Encoder<'static, Vec<u8>>),
}

/// Fast: the network or the disk has its part of the work to do as well.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 1;

impl Lines {
    fn new(form: Form) -> Result<Lines> {
        match form {
            Form::Ndjson => Ok(Lines::Plain(Vec::new())),
            #[cfg(feature = "gzip")]
            // Without a name and a time, so that the same rows are the same bytes.
            Form::NdjsonGz => {
                Ok(Lines::Gz(flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::default())))
            }
            #[cfg(not(feature = "gzip"))]
            Form::NdjsonGz => Err(ErrorKind::NotCompiled { what: "gzip", feature: "gzip" }.into()),
            #[cfg(feature = "zstd")]
            Form::NdjsonZst => Ok(Lines::Zst(zstd(Vec::new()).map_err(broken)?)),
            #[cfg(not(feature = "zstd"))]
            Form::NdjsonZst => Err(ErrorKind::NotCompiled { what: "Zstandard", feature: "zstd" }.into()),
            Form::Parquet => Err(Error::broken("columns were taken for lines")),
        }
    }

    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match self {
            Lines::Plain(out) => out.write_all(bytes),
            #[cfg(feature = "gzip")]
            Lines::Gz(out) => out.write_all(bytes),
            #[cfg(feature = "zstd")]
            Lines::Zst(out) => out.write_all(bytes),
        };
        written.map_err(broken)
    }

    fn finish(self) -> Result<Vec<u8>> {
        match self {
            Lines::Plain(out) => Ok(out),
            #[cfg(feature = "gzip")]
            Lines::Gz(out) => out.finish().map_err(broken),
            #[cfg(feature = "zstd")]
            Lines::Zst(out) => out.finish().map_err(broken),
        }
    }
}

#[cfg(feature = "zstd")]
fn zstd(out: Vec<u8>) -> io::Result<zstd::stream::Encoder<'static, Vec<u8>>> {
    let mut encoder = zstd::stream::Encoder::new(out, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

/// Nothing but memory is written to.
fn broken(cause: io::Error) -> Error {
    Error::broken(format!("compressing rows: {cause}"))
}
