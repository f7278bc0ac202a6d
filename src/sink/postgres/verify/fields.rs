//! The fields of a row in its wire form, and single values of any type sent to the server and back unchanged.

use std::error::Error;

use bytes::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::super::wire::put;

/// The fields of a row; `None` for a null.
pub(super) fn fields(tuple: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = tuple.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        let (field, after) = after.split_at_checked(length.unwrap_or(0))?;
        rest = after;
        Some(length.map(|_| field))
    })
}

/// An integer of any width.
pub(super) fn whole(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        2 => bytes.try_into().ok().map(|bytes| i16::from_be_bytes(bytes).into()),
        4 => bytes.try_into().ok().map(|bytes| i32::from_be_bytes(bytes).into()),
        8 => bytes.try_into().ok().map(i64::from_be_bytes),
        _ => None,
    }
}

/// Values as an array.
pub(super) fn list<'v>(item_oid: u32, values: impl ExactSizeIterator<Item = Option<&'v [u8]>>) -> Vec<u8> {
    let mut out = Vec::new();
    let count = i32::try_from(values.len()).expect("a few thousand keys");
    // One dimension, possibly with nulls; the item type; its length and lower bound.
    for number in [1, 1] {
        out.extend_from_slice(&i32::to_be_bytes(number));
    }
    out.extend_from_slice(&item_oid.to_be_bytes());
    for number in [count, 1] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    for value in values {
        Field(value).put(&mut out);
    }
    out
}

/// A value of any type, in its wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'v>(pub(super) Option<&'v [u8]>);

impl Field<'_> {
    pub(super) fn put(self, out: &mut Vec<u8>) {
        match self.0 {
            Some(bytes) => put(out, bytes),
            None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }
}

impl ToSql for Field<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        Ok(match self.0 {
            Some(bytes) => {
                out.extend_from_slice(bytes);
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'v> FromSql<'v> for Field<'v> {
    fn from_sql(_: &Type, raw: &'v [u8]) -> Result<Field<'v>, Box<dyn Error + Sync + Send>> {
        Ok(Field(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Field<'v>, Box<dyn Error + Sync + Send>> {
        Ok(Field(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_what_was_put() {
        let mut tuple = 3_i16.to_be_bytes().to_vec();
        for field in [Some(&b"one"[..]), None, Some(&b""[..])] {
            Field(field).put(&mut tuple);
        }
        assert_eq!(fields(&tuple).collect::<Vec<_>>(), [Some(&b"one"[..]), None, Some(&b""[..])]);
    }

    #[test]
    fn integers_of_any_width_are_read() {
        assert_eq!(whole(&(-2_i16).to_be_bytes()), Some(-2));
        assert_eq!(whole(&(-3_i32).to_be_bytes()), Some(-3));
        assert_eq!(whole(&i64::MIN.to_be_bytes()), Some(i64::MIN));
        assert_eq!(whole(b"abc"), None);
    }
}
