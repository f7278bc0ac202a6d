//! Rows of an object, read back into the form in which the encoder writes them.

#[cfg(any(feature = "gzip", feature = "zstd"))]
use std::io::BufReader;
use std::io::{BufRead, Cursor};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::body::Encoding;
#[cfg(feature = "buckets")]
use super::held_columns::HeldColumns;
use super::layout::Form;
use super::{Origin, damaged};
#[cfg(feature = "zstd")]
use crate::error::Error;
use crate::error::{ErrorKind, Result};

/// An object that is read.
pub(super) enum Held {
    Lines(HeldLines),
    #[cfg(feature = "buckets")]
    Columns(Box<HeldColumns>),
}

impl Held {
    /// Opens an object that has a name of this form. `day` is what its rows begin with.
    pub(super) fn open(bytes: Bytes, form: Form, encoding: &Encoding, day: i32, url: &str) -> Result<Held> {
        match (encoding, form) {
            #[cfg(feature = "buckets")]
            (Encoding::Columns(encoder), Form::Parquet) => {
                let columns = std::sync::Arc::clone(&encoder.columns);
                Ok(Held::Columns(Box::new(HeldColumns::open(bytes, columns, day, url)?)))
            }
            (Encoding::Lines(..), Form::Ndjson | Form::NdjsonGz | Form::NdjsonZst) => {
                let day = day.to_le_bytes();
                Ok(Held::Lines(HeldLines { lines: lines(bytes, form)?, day, url: url.to_owned() }))
            }
            _ => Err(ErrorKind::Unfit(vec![format!(
                "{url} was written under another `as` of [destination]; verify it with the job as it was"
            )])
            .into()),
        }
    }

    /// Puts the next row into `out`, which is empty, and says where it is from. `None` at the end.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<Origin>> {
        match self {
            Held::Lines(lines) => lines.next(out),
            #[cfg(feature = "buckets")]
            Held::Columns(columns) => columns.next(out),
        }
    }
}

/// An object of lines.
pub(super) struct HeldLines {
    lines: Box<dyn BufRead + Send>,
    day: [u8; 4],
    url: String,
}

fn lines(bytes: Bytes, form: Form) -> Result<Box<dyn BufRead + Send>> {
    match form {
        Form::Ndjson => Ok(Box::new(Cursor::new(bytes))),
        #[cfg(feature = "gzip")]
        Form::NdjsonGz => {
            Ok(Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(Cursor::new(bytes)))))
        }
        #[cfg(feature = "zstd")]
        Form::NdjsonZst => {
            let decoder = zstd::stream::read::Decoder::with_buffer(Cursor::new(bytes));
            let decoder = decoder.map_err(|cause| Error::broken(format!("Zstandard: {cause}")))?;
            Ok(Box::new(BufReader::new(decoder)))
        }
        _ => Err(ErrorKind::NotCompiled { what: form.word(), feature: "gzip or zstd" }.into()),
    }
}

impl HeldLines {
    fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<Origin>> {
        let read = self.lines.read_until(b'\n', out).map_err(|cause| damaged(&self.url, &cause))?;
        if read == 0 {
            return Ok(None);
        }
        if out.last() == Some(&b'\n') {
            out.pop();
        }
        let (rest, origin) = apart(out);
        out.clear();
        out.extend_from_slice(&self.day);
        out.extend_from_slice(&rest);
        Ok(Some(origin))
    }
}

/// A line without its place and its brace, as the encoder writes it; and the place.
fn apart(line: &[u8]) -> (Vec<u8>, Origin) {
    if let Some((rest, label, offset)) = as_written(line) {
        return (rest.to_vec(), Some((label.to_owned(), offset)));
    }
    let Ok(mut row) = serde_json::from_slice::<Map<String, Value>>(line) else {
        return (line.to_vec(), None);
    };
    let label = row.remove("source_id").and_then(|label| label.as_str().map(str::to_owned));
    let offset = row.remove("source_offset").and_then(|offset| offset.as_u64());
    let mut rest = Value::Object(row).to_string().into_bytes();
    rest.pop();
    (rest, label.zip(offset))
}

/// The same of a line that nobody has touched.
fn as_written(line: &[u8]) -> Option<(&[u8], &str, u64)> {
    let line = line.strip_suffix(b"}")?;
    // Both together are shorter than this.
    let from = line.len().saturating_sub(128);
    let tail =
        std::str::from_utf8(&line[line[from..].iter().position(u8::is_ascii).map(|at| from + at)?..]).ok()?;
    let (before, place) = tail.rsplit_once("\"source_id\":\"")?;
    let (label, offset) = place.split_once("\",\"source_offset\":")?;
    let rest = &line[..line.len() - tail.len() + before.len()];
    let rest = if rest == b"{" { &[][..] } else { rest.strip_suffix(b",")? };
    Some((rest, label, offset.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_as_it_was_put_together() {
        let place = Some(("ab12n0".to_owned(), 77));
        for (row, line) in [
            (&b"{\"a\":1"[..], "{\"a\":1,\"source_id\":\"ab12n0\",\"source_offset\":77}"),
            (b"", "{\"source_id\":\"ab12n0\",\"source_offset\":77}"),
            // Written anew by somebody, in another order.
            (b"{\"a\":1", "{\"source_offset\": 77, \"source_id\": \"ab12n0\", \"a\": 1}"),
        ] {
            assert_eq!(apart(line.as_bytes()), (row.to_vec(), place.clone()), "{line}");
        }
        let long = format!("{{\"a\":\"{}\"", "\u{fc}".repeat(300));
        let line = format!("{long},\"source_id\":\"ab12n0\",\"source_offset\":77}}");
        assert_eq!(apart(line.as_bytes()), (long.into_bytes(), place));
        assert_eq!(apart(b"nothing"), (b"nothing".to_vec(), None));
        assert_eq!(apart(b"{\"a\":1}").1, None);
    }
}
