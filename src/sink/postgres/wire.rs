//! The wire form: how a column travels in COPY BINARY.

use super::numeric;
use crate::schema::Kind;
use crate::sink::key::Origin;

/// The start of every COPY BINARY: signature, no flags, no extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The end of a COPY.
pub(super) const TRAILER: &[u8] = &(-1_i16).to_be_bytes();

/// A null field.
pub(super) const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// Microseconds from 1970-01-01 to PostgreSQL's own epoch, 2000-01-01.
pub(super) const EPOCH_US: i64 = 946_684_800_000_000;

/// Days between the two.
pub(super) const EPOCH_DAYS: i32 = 10_957;

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) wire: Wire,
    /// The kind of its values, unless logmill writes them; a list in a JSON column is written by it.
    pub(super) kind: Option<Kind>,
    /// Its type as the server writes it, for messages and casts.
    pub(super) type_name: String,
    /// The same without a length: a cast to `bit(3)` would make three bits of five.
    pub(super) plain_type: String,
    /// The type below all domains, without a length, which determines the wire form.
    pub(super) base_type: String,
    /// Texts with different bytes can be equal in it.
    pub(super) equates_texts: bool,
    /// Its type is a domain.
    pub(super) is_domain: bool,
    pub(super) not_null: bool,
    /// The content of a constant column, with its length.
    pub(super) constant: Vec<u8>,
}

/// The wire form of a type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wire {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric(Option<numeric::Limits>),
    /// Text of any type that stores it unchanged: `text`, `varchar(n)`, `char(n)`.
    Text {
        chars_max: Option<usize>,
    },
    /// An enum type, with its labels.
    Label(Vec<String>),
    Timestamp,
    Date,
    Time,
    Uuid,
    Json,
    Jsonb,
    Inet {
        is_cidr: bool,
    },
    /// An array, with the type of its items.
    Array {
        item_oid: u32,
        item: Box<Wire>,
    },
    /// A type whose binary form is not known here: the text is staged and the server casts it.
    Cast,
}

/// How to tell that two values in a column are the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sameness {
    /// The server considers them equal.
    Equal,
    /// Equal, and the same to this function, if they are zero or not a number.
    Float(&'static str),
    /// Equal, and of the same scale.
    Scaled,
    /// Only by their bytes.
    Image,
}

impl Column {
    pub(super) fn sameness(&self) -> Sameness {
        match self.wire {
            Wire::Text { .. } if self.equates_texts => Sameness::Image,
            // An enum below a domain has no `=`.
            Wire::Label(_) if self.is_domain => Sameness::Image,
            Wire::Text { .. } | Wire::Label(_) => Sameness::Equal,
            Wire::Bool | Wire::Int2 | Wire::Int4 | Wire::Int8 => Sameness::Equal,
            Wire::Timestamp | Wire::Date | Wire::Time | Wire::Uuid | Wire::Inet { .. } => Sameness::Equal,
            Wire::Float4 => Sameness::Float("float4send"),
            Wire::Float8 => Sameness::Float("float8send"),
            // A column with a scale gives it to all of its values.
            Wire::Numeric(Some(_)) => Sameness::Equal,
            Wire::Numeric(None) => Sameness::Scaled,
            // A type that is made of numbers has their properties.
            Wire::Json | Wire::Jsonb | Wire::Array { .. } | Wire::Cast => Sameness::Image,
        }
    }

    /// Whether its values are long, and compared after the short ones.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.wire, Wire::Text { .. })
    }
}

/// The most bytes of a fixed-length value: a UUID, or a hash.
const FIXED_BYTES_MAX: usize = 16;

/// Appends a fixed-length field together with its length: each separate append to a vector checks the
/// capacity again.
#[inline]
pub(super) fn put_fixed<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    let mut field = [0; 4 + FIXED_BYTES_MAX];
    field[3] = N as u8;
    field[4..4 + N].copy_from_slice(&bytes);
    out.extend_from_slice(&field[..4 + N]);
}

/// Appends a field: its length and its bytes.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a value is shorter than 4 GiB");
    // Most texts are short, and for those a call that copies takes longer than to append sixteen bytes
    // and cut off what is none of theirs.
    if let Some(short) = short(bytes) {
        let mut field = [0; 4 + SHORT_BYTES_MAX];
        field[..4].copy_from_slice(&length.to_be_bytes());
        field[4..].copy_from_slice(&short.to_le_bytes());
        out.extend_from_slice(&field);
        out.truncate(out.len() - (SHORT_BYTES_MAX - bytes.len()));
        return;
    }
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

const SHORT_BYTES_MAX: usize = 16;

/// A few bytes as one number, of which the first is the lowest byte; nothing if they are too many.
#[inline(always)]
fn short(bytes: &[u8]) -> Option<u128> {
    // Two numbers that overlap agree where they do.
    match (bytes.first_chunk(), bytes.last_chunk(), bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last), ..) if bytes.len() <= SHORT_BYTES_MAX => {
            let last = u128::from(u64::from_le_bytes(*last)) << (8 * (bytes.len() - 8));
            Some(u128::from(u64::from_le_bytes(*first)) | last)
        }
        (Some(_), ..) => None,
        (.., Some(first), Some(last)) => {
            let last = u64::from(u32::from_le_bytes(*last)) << (8 * (bytes.len() - 4));
            Some(u128::from(u64::from(u32::from_le_bytes(*first)) | last))
        }
        _ => Some(u128::from(match *bytes {
            [one, two, three] => u32::from_le_bytes([one, two, three, 0]),
            [one, two] => u32::from_le_bytes([one, two, 0, 0]),
            [one] => u32::from(one),
            _ => 0,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_its_length_and_its_bytes() {
        let bytes: Vec<u8> = (1..=40).collect();
        for length in 0..=bytes.len() {
            let mut out = b"before".to_vec();
            put(&mut out, &bytes[..length]);
            let expected = [b"before", &(length as u32).to_be_bytes()[..], &bytes[..length]].concat();
            assert_eq!(out, expected, "{length} bytes");
        }
    }
}
