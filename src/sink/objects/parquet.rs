//! An object of Parquet that is being written, in memory.
//!
//! Row groups and pages begin at fixed numbers of rows, and what the file says of who wrote it is fixed,
//! so the same rows are the same bytes.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Type as Physical, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

use super::columns::{Column, Columns, FIXED, From, NULL};
use crate::error::{Error, Result};

/// A file of columns.
pub(super) struct Table {
    columns: Arc<Columns>,
    writer: SerializedFileWriter<Vec<u8>>,
    values: Vec<Values>,
    rows: usize,
}

/// How many rows a group has: what a reader takes in one go.
const GROUP_ROWS: usize = 128 << 10;
/// So long a name is given to the program that wrote the file, in whichever version.
const CREATED_BY: &str = "logmill";
const ZSTD_LEVEL: i32 = 1;

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

impl Table {
    pub(super) fn new(columns: Arc<Columns>) -> Result<Table> {
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(broken)?;
        let properties = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_compression(Compression::ZSTD(level))
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), columns.schema.clone(), Arc::new(properties));
        let values = columns.columns.iter().map(|_| Values::default()).collect();
        Ok(Table { columns, writer: writer.map_err(broken)?, values, rows: 0 })
    }

    /// Adds a row, and says how many bytes it has.
    pub(super) fn add(&mut self, mut row: &[u8], (source, offset): (&str, u64)) -> Result<usize> {
        let mut size = row.len();
        for (column, values) in self.columns.columns.iter().zip(&mut self.values) {
            match &column.origin {
                From::Field(_) => row = values.take(column, row),
                From::Constant(constant) => {
                    values.take(column, constant);
                }
                From::SourceId => values.put_text(source.as_bytes()),
                From::SourceOffset => values.bytes.extend_from_slice(&offset.to_le_bytes()),
            }
        }
        size += if self.columns.columns.iter().any(Column::is_required) { source.len() + 8 } else { 0 };
        self.rows += 1;
        if self.rows == GROUP_ROWS {
            self.end_group()?;
        }
        Ok(size)
    }

    /// The file, whole.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        if self.rows > 0 {
            self.end_group()?;
        }
        self.writer.into_inner().map_err(broken)
    }

    fn end_group(&mut self) -> Result<()> {
        let mut group = self.writer.next_row_group().map_err(broken)?;
        for (column, values) in self.columns.columns.iter().zip(&mut self.values) {
            let Some(mut writer) = group.next_column().map_err(broken)? else { break };
            std::mem::take(values).write(column, &mut writer).map_err(broken)?;
            writer.close().map_err(broken)?;
        }
        group.close().map_err(broken)?;
        self.rows = 0;
        Ok(())
    }
}

impl Values {
    /// Takes the value of a column off the front of a row, and gives the rest of it.
    fn take<'r>(&mut self, column: &Column, row: &'r [u8]) -> &'r [u8] {
        let (&tag, rest) = row.split_first().expect("a row has a value for each column");
        self.levels.push(i16::from(tag != NULL));
        if tag == NULL {
            return rest;
        }
        let size = match column.physical {
            Physical::BOOLEAN => 1,
            Physical::INT32 => 4,
            Physical::FIXED_LEN_BYTE_ARRAY => FIXED,
            Physical::BYTE_ARRAY => {
                let (length, rest) = rest.split_first_chunk().expect("a text has a length");
                let (text, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
                self.put_text(text);
                return rest;
            }
            _ => 8,
        };
        let (value, rest) = rest.split_at(size);
        self.bytes.extend_from_slice(value);
        rest
    }

    fn put_text(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    fn write(
        self,
        column: &Column,
        writer: &mut SerializedColumnWriter<'_>,
    ) -> parquet::errors::Result<usize> {
        let Values { levels, bytes, ends } = self;
        let levels = (!column.is_required()).then_some(&levels[..]);
        match column.physical {
            Physical::BOOLEAN => {
                let values: Vec<bool> = bytes.iter().map(|&byte| byte != 0).collect();
                writer.typed::<BoolType>().write_batch(&values, levels, None)
            }
            Physical::INT32 => {
                let values: Vec<i32> = numbers(&bytes).map(i32::from_le_bytes).collect();
                writer.typed::<Int32Type>().write_batch(&values, levels, None)
            }
            Physical::DOUBLE => {
                let values: Vec<f64> = numbers(&bytes).map(f64::from_le_bytes).collect();
                writer.typed::<DoubleType>().write_batch(&values, levels, None)
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
                writer.typed::<ByteArrayType>().write_batch(&values, levels, None)
            }
            Physical::FIXED_LEN_BYTE_ARRAY => {
                let bytes = Bytes::from(bytes);
                let values = (0..bytes.len())
                    .step_by(FIXED)
                    .map(|start| FixedLenByteArray::from(ByteArray::from(bytes.slice(start..start + FIXED))));
                let values: Vec<FixedLenByteArray> = values.collect();
                writer.typed::<FixedLenByteArrayType>().write_batch(&values, levels, None)
            }
            _ => {
                let values: Vec<i64> = numbers(&bytes).map(i64::from_le_bytes).collect();
                writer.typed::<Int64Type>().write_batch(&values, levels, None)
            }
        }
    }
}

fn numbers<const SIZE: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; SIZE]> {
    bytes.chunks_exact(SIZE).map(|number| number.try_into().expect("a chunk has its size"))
}

/// Nothing but memory is written to.
fn broken(cause: ParquetError) -> Error {
    Error::broken(format!("writing Parquet: {cause}"))
}
