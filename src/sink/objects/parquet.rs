//! Parquet files, made in memory: the columns of a row group are encoded in parallel, and the groups then assembled.
//!
//! The rows alone decide where row groups and pages begin, and the name of the writing program is fixed, so the same
//! rows give the same bytes.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type as Physical, ZstdLevel};
use parquet::column::writer::{
    ColumnCloseResult, ColumnWriter, get_column_writer, get_typed_column_writer_mut,
};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, ColumnPath, SchemaDescriptor};
use rayon::prelude::*;

use super::columns::{Column, Columns, From, LENGTH, NULL};
use super::encode::Piece;
use crate::error::{Error, Result};

/// The number of rows in a group, which a reader reads as a unit.
pub(super) const GROUP_ROWS: usize = 128 << 10;
/// The size at which a group of long rows ends earlier: its rows are in memory until it is complete.
pub(super) const GROUP_BYTES: usize = 16 << 20;
/// The name of the writing program, without a version, which would change the bytes.
const CREATED_BY: &str = "logmill";
const ZSTD_LEVEL: i32 = 1;
/// The maximum size of a dictionary of numbers in a group. Beyond it they are written without one.
const NUMBERS_BYTES: usize = 64 << 10;
/// The approximate size of a file without its columns.
const REST_BYTES: usize = 64 << 10;

/// A column of a group: its pages and their metadata.
type Chunk = (Bytes, ColumnCloseResult);

/// Rows as columns.
pub(super) struct Group(Vec<Chunk>);

/// Encodes rows of one source as a row group.
pub(super) fn group(columns: &Columns, source: &str, piece: Piece) -> Result<Group> {
    let properties = Arc::new(properties(columns)?);
    let descriptor = SchemaDescriptor::new(columns.schema.clone());
    let rows = Rows::of(columns, piece);
    let encode = |(number, column)| rows.encode(column, source, descriptor.column(number), &properties);
    let chunks = columns.columns.par_iter().enumerate().map(encode).collect::<Result<_, _>>();
    chunks.map(Group).map_err(broken)
}

/// Assembles a file from its groups, and frees each one as soon as it is copied.
pub(super) fn object(columns: &Columns, groups: Vec<Group>) -> Result<Vec<u8>> {
    let bytes: usize = groups.iter().flat_map(|Group(chunks)| chunks).map(|(pages, _)| pages.len()).sum();
    let (room, properties) = (Vec::with_capacity(bytes + REST_BYTES), Arc::new(properties(columns)?));
    let mut file = SerializedFileWriter::new(room, columns.schema.clone(), properties).map_err(broken)?;
    for Group(chunks) in groups {
        let mut group = file.next_row_group().map_err(broken)?;
        for (pages, close) in chunks {
            group.append_column(&pages, close).map_err(broken)?;
        }
        group.close().map_err(broken)?;
    }
    file.into_inner().map_err(broken)
}

fn properties(columns: &Columns) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(broken)?;
    let mut builder = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(level));
    for column in &columns.columns {
        let path = || ColumnPath::from(column.name.as_str());
        // Unique values gain nothing from a dictionary, and ascending ones are small as differences.
        if column.grows() {
            builder = builder
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED);
        } else if column.physical == Physical::FIXED_LEN_BYTE_ARRAY {
            builder = builder.set_column_dictionary_enabled(path(), false);
        } else if column.physical != Physical::BYTE_ARRAY {
            // Gives up a dictionary before it takes more space than it saves.
            builder = builder.set_column_dictionary_page_size_limit(path(), NUMBERS_BYTES);
        }
    }
    Ok(builder.build())
}

/// Rows, with the start of each value, so that a column can be read without parsing the others.
struct Rows {
    bytes: Bytes,
    /// For each row, its end in `bytes` and the offset of its record in the source.
    rows: Vec<(usize, u64)>,
    /// The starts of the values, counted from the start of their row.
    starts: Vec<u32>,
    per_row: usize,
}

impl Rows {
    fn of(columns: &Columns, piece: Piece) -> Rows {
        let fields: Vec<&Column> = columns.columns.iter().filter(|column| column.is_of_row()).collect();
        let mut starts = Vec::with_capacity(fields.len() * piece.rows.len());
        for (row, _) in piece.iter() {
            let mut start = 0;
            for column in &fields {
                starts.push(u32::try_from(start).expect("a row is shorter than 4 GiB"));
                start += column.size(&row[start..]);
            }
        }
        let Piece { bytes, rows } = piece;
        Rows { bytes: bytes.into(), rows, starts, per_row: fields.len() }
    }

    /// The starts of the values of a field, by its number among the fields in rows.
    fn places(&self, field: usize) -> impl Iterator<Item = usize> {
        let row_starts = [0].into_iter().chain(self.rows.iter().map(|&(end, _)| end));
        let starts = self.starts.iter().skip(field).step_by(self.per_row);
        row_starts.zip(starts).map(|(row, &start)| row + start as usize)
    }

    /// Encodes one column.
    fn encode(
        &self,
        column: &Column,
        source: &str,
        descriptor: ColumnDescPtr,
        properties: &WriterPropertiesPtr,
    ) -> parquet::errors::Result<Chunk> {
        let mut pages = TrackedWrite::new(Vec::new());
        let page_writer = Box::new(SerializedPageWriter::new(&mut pages));
        let mut writer = get_column_writer(descriptor, Arc::clone(properties), page_writer);
        match &column.origin {
            From::Field { stands, .. } => write(&mut writer, column, &self.bytes, self.places(*stands))?,
            From::Constant(constant) => {
                let places = std::iter::repeat_n(0, self.rows.len());
                write(&mut writer, column, &Bytes::copy_from_slice(constant), places)?
            }
            From::SourceId => {
                let label = ByteArray::from(Bytes::copy_from_slice(source.as_bytes()));
                write_batch::<ByteArrayType>(&mut writer, &vec![label; self.rows.len()], None)?
            }
            From::SourceOffset => {
                let offset = |&(_, offset): &(usize, u64)| offset.cast_signed();
                let offsets: Vec<i64> = self.rows.iter().map(offset).collect();
                write_batch::<Int64Type>(&mut writer, &offsets, None)?
            }
        };
        let close = writer.close()?;
        Ok((pages.into_inner()?.into(), close))
    }
}

/// Writes the values that begin at these places in `bytes`.
fn write(
    writer: &mut ColumnWriter<'_>,
    column: &Column,
    bytes: &Bytes,
    places: impl Iterator<Item = usize>,
) -> parquet::errors::Result<usize> {
    // Slices of one buffer, so that no value is copied or allocated separately.
    let slice = |value: &[u8]| ByteArray::from(bytes.slice_ref(value));
    match column.physical {
        Physical::BOOLEAN => put::<BoolType>(writer, column, bytes, places, |value| value[0] != 0),
        Physical::INT32 => {
            put::<Int32Type>(writer, column, bytes, places, |value| i32::from_le_bytes(number(value)))
        }
        Physical::DOUBLE => {
            put::<DoubleType>(writer, column, bytes, places, |value| f64::from_le_bytes(number(value)))
        }
        Physical::BYTE_ARRAY => {
            put::<ByteArrayType>(writer, column, bytes, places, |value| slice(&value[LENGTH..]))
        }
        Physical::FIXED_LEN_BYTE_ARRAY => {
            put::<FixedLenByteArrayType>(writer, column, bytes, places, |value| slice(value).into())
        }
        _ => put::<Int64Type>(writer, column, bytes, places, |value| i64::from_le_bytes(number(value))),
    }
}

/// Writes values of one type; `read` converts the bytes of each.
fn put<T: DataType>(
    writer: &mut ColumnWriter<'_>,
    column: &Column,
    bytes: &[u8],
    places: impl Iterator<Item = usize>,
    read: impl Fn(&[u8]) -> T::T,
) -> parquet::errors::Result<usize> {
    let rows = places.size_hint().0;
    let (mut values, mut levels) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for place in places {
        let value = &bytes[place..];
        let is_there = value[0] != NULL;
        levels.push(i16::from(is_there));
        if is_there {
            values.push(read(&value[1..column.size(value)]));
        }
    }
    write_batch::<T>(writer, &values, Some(&levels))
}

fn write_batch<T: DataType>(
    writer: &mut ColumnWriter<'_>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> parquet::errors::Result<usize> {
    get_typed_column_writer_mut::<T>(writer).write_batch(values, levels, None)
}

fn number<const SIZE: usize>(value: &[u8]) -> [u8; SIZE] {
    value.try_into().expect("a number has its size")
}

/// The writer writes only to memory, so an error is a defect of the program.
fn broken(cause: ParquetError) -> Error {
    Error::broken(format!("writing Parquet: {cause}"))
}
