//! Rows of an object of Parquet, read back into the form in which the encoder writes them: group by group.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Type as Physical;
use parquet::column::reader::{ColumnReader, get_typed_column_reader};
use parquet::data_type::{
    AsBytes as _, BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::columns::{Column, Columns, From, NULL, VALUE};
use super::{Origin, damaged};
use crate::error::{ErrorKind, Result};

/// A file of columns that is read.
pub(super) struct HeldColumns {
    reader: SerializedFileReader<Bytes>,
    columns: Arc<Columns>,
    day: [u8; 4],
    url: String,
    /// The number of the next group,
    group: usize,
    /// and what is left of the one before.
    values: Vec<Vec<Option<Vec<u8>>>>,
    row: usize,
    rows: usize,
}

/// What stands behind a row of which a constant is not that of the job, and before the number of its column.
pub(super) const ANOTHER_CONSTANT: u8 = 2;

impl HeldColumns {
    pub(super) fn open(bytes: Bytes, columns: Arc<Columns>, day: i32, url: &str) -> Result<HeldColumns> {
        let reader = SerializedFileReader::new(bytes).map_err(|cause| damaged(url, &cause))?;
        if reader.metadata().file_metadata().schema().get_fields() != columns.schema.get_fields() {
            return Err(ErrorKind::Unfit(vec![format!(
                "{url} has other columns than the job writes; verify it with the job as it was"
            )])
            .into());
        }
        let day = day.to_le_bytes();
        let (url, values) = (url.to_owned(), Vec::new());
        Ok(HeldColumns { reader, columns, day, url, group: 0, values, row: 0, rows: 0 })
    }

    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<Origin>> {
        while self.row == self.rows {
            if self.group == self.reader.num_row_groups() {
                return Ok(None);
            }
            self.read_group().map_err(|cause| damaged(&self.url, &cause))?;
        }
        out.extend_from_slice(&self.day);
        let (mut label, mut offset, mut another) = (None, None, None);
        for (number, (column, values)) in self.columns.columns.iter().zip(&mut self.values).enumerate() {
            let value = values.get_mut(self.row).and_then(Option::take);
            match &column.origin {
                From::Field { .. } => put(column, value.as_deref(), out),
                From::Constant(constant) => {
                    let mut held = Vec::new();
                    put(column, value.as_deref(), &mut held);
                    if held != *constant {
                        another.get_or_insert(number);
                    }
                }
                From::SourceId => label = value.and_then(|label| String::from_utf8(label).ok()),
                From::SourceOffset => {
                    let bytes = value.and_then(|value| value.try_into().ok());
                    offset = bytes.and_then(|bytes| u64::try_from(i64::from_le_bytes(bytes)).ok());
                }
            }
        }
        if let Some(number) = another {
            out.push(ANOTHER_CONSTANT);
            out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        }
        self.row += 1;
        Ok(Some(label.zip(offset)))
    }

    fn read_group(&mut self) -> Result<(), ParquetError> {
        let group = self.reader.get_row_group(self.group)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        self.values.clear();
        for (number, column) in self.columns.columns.iter().enumerate() {
            self.values.push(read(column, group.get_column_reader(number)?, rows)?);
        }
        (self.group, self.row, self.rows) = (self.group + 1, 0, rows);
        Ok(())
    }
}

/// The values of a column in a group, each as the encoder writes it, without what stands before it.
fn read(column: &Column, reader: ColumnReader, rows: usize) -> Result<Vec<Option<Vec<u8>>>, ParquetError> {
    match column.physical {
        Physical::BOOLEAN => of_type::<BoolType>(column, reader, rows, |value| vec![u8::from(*value)]),
        Physical::INT32 => of_type::<Int32Type>(column, reader, rows, |value| value.to_le_bytes().to_vec()),
        Physical::DOUBLE => of_type::<DoubleType>(column, reader, rows, |value| value.to_le_bytes().to_vec()),
        Physical::BYTE_ARRAY => of_type::<ByteArrayType>(column, reader, rows, |value| value.data().to_vec()),
        Physical::FIXED_LEN_BYTE_ARRAY => {
            of_type::<FixedLenByteArrayType>(column, reader, rows, |value| value.as_bytes().to_vec())
        }
        _ => of_type::<Int64Type>(column, reader, rows, |value| value.to_le_bytes().to_vec()),
    }
}

fn of_type<T: DataType>(
    column: &Column,
    reader: ColumnReader,
    rows: usize,
    bytes: impl Fn(&T::T) -> Vec<u8>,
) -> Result<Vec<Option<Vec<u8>>>, ParquetError> {
    let mut reader = get_typed_column_reader::<T>(reader);
    let (mut values, mut levels, mut read) = (Vec::new(), Vec::new(), 0);
    while read < rows {
        let levels = (!column.is_required()).then_some(&mut levels);
        let (records, ..) = reader.read_records(rows - read, levels, None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF("a column has fewer values than its group has rows".to_owned()));
        }
        read += records;
    }
    if column.is_required() {
        return Ok(values.iter().map(|value| Some(bytes(value))).collect());
    }
    let mut values = values.iter();
    Ok(levels.iter().map(|level| if *level > 0 { values.next().map(&bytes) } else { None }).collect())
}

/// Writes a value as the encoder does.
fn put(column: &Column, value: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(value) = value else { return out.push(NULL) };
    out.push(VALUE);
    if column.physical == Physical::BYTE_ARRAY {
        out.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    out.extend_from_slice(value);
}
