//! An object of Parquet, made in memory: its columns are encoded side by side, and then put together.
//!
//! Row groups and pages begin where the rows alone decide, and what the file says of who wrote it is fixed,
//! so the same rows are the same bytes.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type as Physical, ZstdLevel};
use parquet::column::writer::{
    ColumnCloseResult, ColumnWriter, get_column_writer, get_typed_column_writer_mut,
};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, ColumnPath};
use rayon::prelude::*;

use super::columns::{Column, Columns, FIXED, From, LENGTH, NULL};
use super::encode::{Placed, pieces};
use crate::error::{Error, Result};

/// How many rows a group has: what a reader takes in one go.
const GROUP_ROWS: usize = 128 << 10;
/// How many bytes it has at most, where rows are long, but for the last of them: it is in memory until it is whole.
const GROUP_BYTES: usize = 16 << 20;
/// So long a name is given to the program that wrote the file, in whichever version.
const CREATED_BY: &str = "logmill";
const ZSTD_LEVEL: i32 = 1;

/// A column of a group: its pages, and what the file says of them.
type Chunk = (Bytes, ColumnCloseResult);

/// Rows of one source as a file.
pub(super) fn object(columns: &Columns, source: &str, rows: &[Placed<'_>]) -> Result<Vec<u8>> {
    let properties = Arc::new(properties(columns)?);
    let mut file = SerializedFileWriter::new(Vec::new(), columns.schema.clone(), Arc::clone(&properties))
        .map_err(broken)?;
    let descriptor = file.schema_descr().clone();
    let encode = |rows: &[Placed<'_>]| -> parquet::errors::Result<Vec<Chunk>> {
        let fields = Fields::of(columns, rows);
        let encode = |(number, column)| {
            let values = Values::gather(column, &fields, source);
            values.write(column, descriptor.column(number), &properties)
        };
        columns.columns.par_iter().enumerate().map(encode).collect()
    };
    let groups =
        pieces(rows, GROUP_ROWS, GROUP_BYTES).into_par_iter().map(encode).collect::<Result<Vec<_>, _>>();
    for chunks in groups.map_err(broken)? {
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
        // Values that come once are only slowed down by a dictionary, and those that grow are small as steps.
        if column.grows() {
            builder = builder
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED);
        } else if column.physical == Physical::FIXED_LEN_BYTE_ARRAY {
            builder = builder.set_column_dictionary_enabled(path(), false);
        }
    }
    Ok(builder.build())
}

/// Where the value of each field begins in each row: a column is gathered without a look at the others.
struct Fields<'r> {
    rows: &'r [Placed<'r>],
    starts: Vec<u32>,
    per_row: usize,
}

impl<'r> Fields<'r> {
    fn of(columns: &Columns, rows: &'r [Placed<'r>]) -> Fields<'r> {
        let fields: Vec<&Column> = columns.columns.iter().filter(|column| column.is_of_row()).collect();
        let mut starts = Vec::with_capacity(fields.len() * rows.len());
        for (row, _) in rows {
            let mut start = 0;
            for column in &fields {
                starts.push(u32::try_from(start).expect("a row is shorter than 4 GiB"));
                start += column.size(&row[start..]);
            }
        }
        Fields { rows, starts, per_row: fields.len() }
    }

    /// The values of a field, by its number among those that stand in rows, each with what follows it.
    fn values(&self, field: usize) -> impl Iterator<Item = &'r [u8]> {
        let starts = self.starts.iter().skip(field).step_by(self.per_row);
        self.rows.iter().zip(starts).map(|((row, _), &start)| &row[start as usize..])
    }
}

/// The values of a column, in a group.
#[derive(Default)]
struct Values {
    /// For each row, whether it has a value.
    levels: Vec<i16>,
    /// Those that are there, one after the other,
    bytes: Vec<u8>,
    /// and where each ends, if they are of different lengths.
    ends: Vec<usize>,
}

impl Values {
    fn gather(column: &Column, fields: &Fields<'_>, source: &str) -> Values {
        let mut values = Values::default();
        match &column.origin {
            From::Field { stands, .. } => fields.values(*stands).for_each(|row| values.take(column, row)),
            From::Constant(constant) => fields.rows.iter().for_each(|_| values.take(column, constant)),
            From::SourceId => fields.rows.iter().for_each(|_| values.put_text(source.as_bytes())),
            From::SourceOffset => {
                fields
                    .rows
                    .iter()
                    .for_each(|(_, offset)| values.bytes.extend_from_slice(&offset.to_le_bytes()));
            }
        }
        values
    }

    /// Takes the value that a row begins with.
    fn take(&mut self, column: &Column, row: &[u8]) {
        let (&tag, rest) = row.split_first().expect("a row has a value for each column");
        self.levels.push(i16::from(tag != NULL));
        if tag == NULL {
            return;
        }
        let value = &rest[..column.size(row) - 1];
        match column.physical {
            Physical::BYTE_ARRAY => self.put_text(&value[LENGTH..]),
            _ => self.bytes.extend_from_slice(value),
        }
    }

    fn put_text(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    fn write(
        self,
        column: &Column,
        descriptor: ColumnDescPtr,
        properties: &WriterPropertiesPtr,
    ) -> parquet::errors::Result<Chunk> {
        let mut pages = TrackedWrite::new(Vec::new());
        let page_writer = Box::new(SerializedPageWriter::new(&mut pages));
        let mut writer = get_column_writer(descriptor, Arc::clone(properties), page_writer);
        self.write_to(column, &mut writer)?;
        let close = writer.close()?;
        Ok((pages.into_inner()?.into(), close))
    }

    fn write_to(self, column: &Column, writer: &mut ColumnWriter<'_>) -> parquet::errors::Result<usize> {
        let Values { levels, bytes, ends } = self;
        let levels = (!column.is_required()).then_some(&levels[..]);
        match column.physical {
            Physical::BOOLEAN => {
                let values: Vec<bool> = bytes.iter().map(|&byte| byte != 0).collect();
                write_batch::<BoolType>(writer, &values, levels)
            }
            Physical::INT32 => {
                let values: Vec<i32> = numbers(&bytes).map(i32::from_le_bytes).collect();
                write_batch::<Int32Type>(writer, &values, levels)
            }
            Physical::DOUBLE => {
                let values: Vec<f64> = numbers(&bytes).map(f64::from_le_bytes).collect();
                write_batch::<DoubleType>(writer, &values, levels)
            }
            Physical::BYTE_ARRAY => {
                // Slices of one buffer: no value is allocated by itself.
                let (bytes, mut start) = (Bytes::from(bytes), 0);
                let values = ends.into_iter().map(|end| {
                    let value = bytes.slice(start..end);
                    start = end;
                    ByteArray::from(value)
                });
                let values: Vec<ByteArray> = values.collect();
                write_batch::<ByteArrayType>(writer, &values, levels)
            }
            Physical::FIXED_LEN_BYTE_ARRAY => {
                let bytes = Bytes::from(bytes);
                let values = (0..bytes.len())
                    .step_by(FIXED)
                    .map(|start| FixedLenByteArray::from(ByteArray::from(bytes.slice(start..start + FIXED))));
                let values: Vec<FixedLenByteArray> = values.collect();
                write_batch::<FixedLenByteArrayType>(writer, &values, levels)
            }
            _ => {
                let values: Vec<i64> = numbers(&bytes).map(i64::from_le_bytes).collect();
                write_batch::<Int64Type>(writer, &values, levels)
            }
        }
    }
}

fn write_batch<T: DataType>(
    writer: &mut ColumnWriter<'_>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> parquet::errors::Result<usize> {
    get_typed_column_writer_mut::<T>(writer).write_batch(values, levels, None)
}

fn numbers<const SIZE: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; SIZE]> {
    bytes.chunks_exact(SIZE).map(|number| number.try_into().expect("a chunk has its size"))
}

/// Nothing but memory is written to.
fn broken(cause: ParquetError) -> Error {
    Error::broken(format!("writing Parquet: {cause}"))
}
