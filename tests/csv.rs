//! CSV files of hostile values, written and read by Python's csv module (`cases/csv/make.py`) and read by
//! the Rust crate `csv`. However a file is cut into chunks and splits, its rows are the same.

use std::path::Path;
use std::sync::Arc;

use logmill::format::{AnyFormat, Chunk, Dialect, Extras, Memory, Preamble, Raw, Spec, of};
use logmill::source::{Body, Chunks, Settings, Source, Start};
use serde_json::Value;

struct Case {
    dialect: Dialect,
    text: String,
    rows: Vec<Vec<String>>,
}

fn cases() -> Vec<Case> {
    let cases = include_str!("cases/csv/rows.ndjson").lines().map(|line| {
        let case: Value = serde_json::from_str(line).unwrap();
        let byte = |name: &str| case[name].as_str().map(|text| text.as_bytes()[0]);
        let dialect = Dialect {
            delimiter: byte("delimiter").unwrap(),
            quote: byte("quote"),
            escape: byte("escape"),
            ..Dialect::default()
        };
        let text = case["text"].as_str().unwrap().to_owned();
        Case { dialect, text, rows: serde_json::from_value(case["rows"].clone()).unwrap() }
    });
    cases.collect()
}

impl Case {
    /// The rows below the header. A row that is wider or narrower than the header is no record.
    fn expected(&self) -> Rows {
        let (header, rows) = self.rows.split_first().unwrap();
        let row = |row: &Vec<String>| match row.len() == header.len() {
            true => Ok(row.clone()),
            false => Err("column_count".to_owned()),
        };
        rows.iter().map(row).collect()
    }
}

/// The values of each record, or the code of its fault.
type Rows = Vec<Result<Vec<String>, String>>;

/// The rows in a range of a file that follows `preamble`, the preamble after the range, and the borders of
/// records.
fn read(
    format: &AnyFormat,
    path: &Path,
    (start, end): (u64, Option<u64>),
    chunk_bytes: usize,
    mut preamble: Preamble,
) -> (Rows, Preamble, Vec<u64>) {
    let settings = Settings { framing: format.framing().clone(), chunk_bytes, ..Settings::default() };
    let source = Arc::new(Source::open(path).unwrap());
    let start = Start { position: start, record: start, ..Start::zero() };
    let mut chunks = Chunks::new(&source, start, end, &settings).unwrap();
    let (mut found, mut borders, mut copy) = (Vec::new(), Vec::new(), Vec::new());
    let mut memory = Memory::default();
    while let Some(chunk) = chunks.next_chunk().unwrap() {
        let behind = format.behind(&preamble, &chunk.body, usize::MAX, &mut copy);
        let Body::Records(bytes) = chunk.body else { panic!("no record is too long") };
        borders.push(chunk.span.end);
        let chunk = Chunk { bytes: &bytes, preamble: &preamble, record_bytes_max: usize::MAX };
        format.each_record(chunk, &mut memory, |_, record, _| {
            let values = record.map(|record| {
                let members = record.root().members().map(|(_, item)| match item.raw() {
                    Raw::Text(text) => text.to_owned(),
                    other => panic!("{other:?} is no text"),
                });
                members.collect()
            });
            found.push(values.map_err(|fault| fault.code.to_string()));
        });
        preamble = behind;
    }
    (found, preamble, borders)
}

#[test]
fn rows_match_python_however_a_file_is_cut() {
    for case in cases() {
        let format = of::<&str>(&Spec::Csv(case.dialect.clone()), &[], Extras::Gathered);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &case.text).unwrap();
        let expected = case.expected();
        for bytes in 1..=case.text.len() {
            let whole = (0, None);
            let (found, _, borders) = read(&format, file.path(), whole, bytes, Preamble::default());
            assert_eq!(found, expected, "{:?} in chunks of {bytes} bytes", case.text);
            // Two splits, cut at the first record that starts after this many bytes.
            let first = (0, Some(borders[0]));
            let (mut found, behind, _) = read(&format, file.path(), first, 7, Preamble::default());
            found.extend(read(&format, file.path(), (borders[0], None), 7, behind).0);
            assert_eq!(found, expected, "{:?} in two splits, cut at byte {}", case.text, borders[0]);
        }
    }
}

/// The crate recognises an escape only within quotes.
#[test]
fn rows_match_the_csv_crate() {
    for case in cases().into_iter().filter(|case| case.dialect.escape.is_none()) {
        let mut reader = csv::ReaderBuilder::new();
        reader.has_headers(false).flexible(true).delimiter(case.dialect.delimiter);
        reader.quote(case.dialect.quote.unwrap());
        let rows = reader.from_reader(case.text.as_bytes()).into_records();
        let rows: Vec<Vec<String>> =
            rows.map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(rows, case.rows, "{:?}", case.text);
    }
}
