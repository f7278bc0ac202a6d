//! A destination that takes columns, in batches that close at fixed places of a source: the content of a
//! batch is a function of the source alone.

use std::any::Any;

use proptest::prelude::*;

use super::tests::{
    Cut, Form, InMemory, any_cut, any_file, any_form, expected, load_into, load_with, write_files,
};
use super::*;
use crate::reject::Faults;
use crate::schema::{Row, Value};
use crate::sink::{Answer, Asked, Batch, Committed, Ending, OpenLetters};
use crate::work::{self, Encoder, Gather, Gathered, Place, Work};

/// The rows of a chunk, as one vector per field.
#[derive(Debug, Default, PartialEq)]
struct Columns {
    offsets: Vec<u64>,
    n: Vec<i64>,
    t: Vec<String>,
}

impl Gather for Columns {
    fn end(&self) -> usize {
        self.offsets.len()
    }

    fn cut(&mut self, end: usize) {
        self.offsets.truncate(end);
        self.n.truncate(end);
        self.t.truncate(end);
    }

    fn bytes(&self) -> usize {
        self.end() * 40
    }

    fn reserve(&mut self, bytes: usize) {
        self.offsets.reserve(bytes / 40);
    }

    fn out_of(gathered: Gathered) -> Option<Columns> {
        match gathered {
            Gathered::Bytes(_) => None,
            Gathered::Columns(columns) => (columns as Box<dyn Any>).downcast().ok().map(|columns| *columns),
        }
    }

    fn into_gathered(self) -> Gathered {
        Gathered::Columns(Box::new(self))
    }
}

struct IntoColumns;

impl Encoder for IntoColumns {
    type Rows = Columns;

    fn encode(&self, row: &Row<'_>, place: Place<'_>, out: &mut Columns, _: &mut Faults) -> bool {
        // One column is longer than the others until the row is complete.
        out.offsets.push(place.offset);
        let &[Value::Int(n), Value::Text(t)] = row.values() else { return false };
        out.n.push(n);
        out.t.push(t.to_owned());
        true
    }
}

/// The content of one object: its range of the source, and its rows.
type Object = (i32, u64, u64, Columns);

/// A destination of objects.
struct Ranges {
    bytes: u64,
    ledger: InMemory,
    objects: Vec<Object>,
    /// The rows that were taken ahead of their batch, where that is done.
    ahead: Option<Columns>,
}

impl Columns {
    fn add(&mut self, parcel: &Parcel) {
        if parcel.rows.is_empty() {
            return;
        }
        let columns: &Columns = parcel.rows.columns().expect("what the encoder makes");
        assert_eq!(columns.end(), parcel.rows.len());
        self.offsets.extend_from_slice(&columns.offsets);
        self.n.extend_from_slice(&columns.n);
        self.t.extend_from_slice(&columns.t);
    }
}

impl Sink for Ranges {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        work::with(recipe, Arc::new(IntoColumns))
    }

    fn closes(&self) -> Closes {
        Closes::At(self.bytes)
    }

    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        self.forget_ahead();
        self.ledger.claim(asked)
    }

    fn take_ahead(&mut self, parcel: &Parcel) -> bool {
        self.ahead.iter_mut().for_each(|ahead| ahead.add(parcel));
        self.ahead.is_some()
    }

    fn forget_ahead(&mut self) {
        self.ahead.iter_mut().for_each(|ahead| *ahead = Columns::default());
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        if self.ledger.fails_at == Some(self.ledger.batches) {
            return Err(Error::broken("planned"));
        }
        self.ledger.batches += 1;
        let [advance] = batch.advances.as_slice() else { panic!("a batch is of one source") };
        let mut all = self.ahead.as_mut().map(std::mem::take).unwrap_or_default();
        batch.parcels.iter().for_each(|parcel| all.add(parcel));
        if advance.to > advance.from {
            self.objects.push((advance.split.source, advance.from, advance.to, all));
        }
        self.ledger.advance(batch)
    }

    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters> {
        self.ledger.open_dead_letters(sources)
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
        self.ledger.finish(ending)
    }
}

fn ranges(bytes: u64, takes_ahead: bool) -> Ranges {
    let ahead = takes_ahead.then(Columns::default);
    Ranges { bytes, ledger: InMemory::default(), objects: Vec::new(), ahead }
}

/// The objects of some files, from a slow and simple reader: a range ends at the first line that begins in
/// another one.
fn objects(files: &[Vec<u8>], bytes: u64) -> Vec<Object> {
    let rows = expected(files).rows;
    let mut objects = Vec::new();
    for (index, content) in files.iter().enumerate() {
        let source = i32::try_from(index).expect("few") + 1;
        let mark = if content.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let (mut from, mut first, mut start) = (0, mark, mark);
        let mut ends = Vec::new();
        for line in content[usize::try_from(mark).expect("three")..].split_inclusive(|&byte| byte == b'\n') {
            if start / bytes != first / bytes {
                ends.push(start);
                first = start;
            }
            start += line.len() as u64;
        }
        ends.push(content.len() as u64);
        for to in ends.into_iter().filter(|&to| to > 0) {
            let rows = rows.range((source, from)..(source, to));
            let mut columns = Columns::default();
            for ((_, offset), row) in rows {
                let (n, t) =
                    row.split_once("[Int(").expect("as it is written").1.split_once("), Text(").expect("two");
                columns.offsets.push(*offset);
                columns.n.push(n.parse().expect("a number"));
                columns.t.push(t.strip_suffix(")]").expect("as it is written").to_owned());
            }
            objects.push((source, from, to, columns));
            from = to;
        }
    }
    objects
}

/// The same with displayable texts.
fn shown(mut objects: Vec<Object>) -> Vec<Object> {
    for text in objects.iter_mut().flat_map(|(.., columns)| &mut columns.t) {
        *text = format!("{text:?}");
    }
    objects
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn batches_at_fixed_places_are_the_same_however_a_source_is_read(
        files in proptest::collection::vec(any_file(), 1..4),
        cut in any_cut(),
        form in any_form(),
        bytes in prop_oneof![1..200_u64, 200..5_000_u64, Just(1 << 40)],
        takes_ahead in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().expect("a directory");
        write_files(folder.path(), &files, form);
        let mut sink = ranges(bytes, takes_ahead);
        let outcome = load_into(&mut sink, folder.path(), cut).expect("loaded");
        prop_assert_eq!(outcome.failed, vec![]);
        prop_assert_eq!(shown(sink.objects), objects(&files, bytes));
    }

    #[test]
    fn batches_at_fixed_places_are_the_same_after_a_load_that_failed(
        files in proptest::collection::vec(any_file(), 1..3),
        cuts in (any_cut(), any_cut()),
        fails_at in 0..6_usize,
        form in any_form(),
        bytes in 1..2_000_u64,
        takes_ahead in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().expect("a directory");
        write_files(folder.path(), &files, form);
        let mut sink = ranges(bytes, takes_ahead);
        sink.ledger.fails_at = Some(fails_at);
        let _ = load_into(&mut sink, folder.path(), cuts.0);
        sink.ledger.fails_at = None;
        load_into(&mut sink, folder.path(), cuts.1).expect("loaded");
        prop_assert_eq!(shown(sink.objects), objects(&files, bytes));
    }
}

/// Half a range is not a batch: it waits for the rest.
#[test]
fn of_a_source_that_is_still_written_only_whole_ranges_are_committed() {
    let line = |n: usize| format!("{{\"n\":{n},\"t\":\"{}\"}}\n", "x".repeat(80)).into_bytes();
    let content: Vec<u8> = (10..60).flat_map(line).collect();
    let folder = tempfile::tempdir().expect("a directory");
    let cut =
        Cut { threads: 2, chunk_bytes: 300, window_bytes: 8_192, batch_rows: 1, batch_bytes: 1, mmap: false };
    for takes_ahead in [false, true] {
        let mut sink = ranges(1_000, takes_ahead);
        // A last line without its end waits, so the source does not end.
        write_files(folder.path(), &[content[..3_100].to_vec()], Form::Plain);
        let mut settings = cut.settings();
        settings.source.growing = true;
        load_with(&mut sink, folder.path(), &settings).expect("loaded");
        let ends: Vec<u64> = sink.objects.iter().map(|&(_, _, to, _)| to).collect();
        assert_eq!(ends.len(), 3, "{ends:?}");
        assert!(
            ends.iter()
                .zip([1_000, 2_000, 3_000])
                .all(|(&end, border)| (border..border + 100).contains(&end))
        );
        write_files(folder.path(), std::slice::from_ref(&content), Form::Plain);
        load_into(&mut sink, folder.path(), cut).expect("loaded");
        assert_eq!(shown(sink.objects), objects(std::slice::from_ref(&content), 1_000));
    }
}
