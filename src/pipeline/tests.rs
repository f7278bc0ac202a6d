//! The pipeline into a destination that is a map: any file, cut anywhere, gives the same result.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::format::{AnyFormat, Json};
use crate::reject::Faults;
use crate::schema::{Bounds, Field, Kind, Row, Text};
use crate::sink::bar::Standing;
use crate::sink::{
    Answer, Asked, Batch, Checkpoint, Committed, Counts, Ending, OpenLetters, Remembered, decide,
};
use crate::source::{Pattern, Reach, Selection, discover, hash16};
use crate::work::{self, Encoder, Place, Work};

/// Rows as text: here only their content matters.
struct Plain;

impl Encoder for Plain {
    type Rows = Vec<u8>;

    fn encode(&self, row: &Row<'_>, place: Place<'_>, out: &mut Vec<u8>, _: &mut Faults) -> bool {
        write!(out, "{}:{:?}", place.offset, row.values()).expect("a vector takes everything");
        true
    }
}

/// The committed data: the tables of a destination, in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tables {
    pub(super) rows: BTreeMap<(i32, u64), String>,
    /// By place: line, reasons, bytes.
    rejects: BTreeMap<(i32, u64), (u64, String, Vec<u8>)>,
    pub(super) counts: BTreeMap<i32, Counts>,
    pub(super) positions: BTreeMap<i32, u64>,
}

impl Tables {
    /// Leaves out the number of a source's blank lines, and with it how far the source is.
    pub(super) fn without_blanks(&mut self, source: i32) {
        self.positions.remove(&source);
        let counts = self.counts.entry(source).or_default();
        (counts.lines, counts.blank) = (0, 0);
    }
}

#[derive(Clone, Default)]
pub(super) struct InMemory {
    pub(super) tables: Tables,
    pub(super) remembered: Vec<Remembered>,
    pub(super) batches: usize,
    /// Fails before the batch with this number.
    pub(super) fails_at: Option<usize>,
    /// How many dead letters of the first source are no longer open.
    pub(super) closed: u64,
}

impl Sink for InMemory {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        work::with(recipe, Arc::new(Plain))
    }

    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        let mut result = Vec::new();
        for (file, decision) in asked.files.iter().zip(decide(asked, &self.remembered)?) {
            let mut answer = decision.answer;
            if let Answer::Load { source_id: 0, .. } = answer {
                let id = i32::try_from(self.remembered.len()).expect("few") + 1;
                answer.give_id(id);
                let print = &file.fingerprint;
                let head = (print.head_len, print.head_hash);
                let mut memory = Remembered::new(id, "job".to_owned(), file.name.clone(), head, None);
                memory.known.containers.extend(print.container);
                memory.push(Checkpoint {
                    split: Split::whole(id),
                    end: None,
                    position: 0,
                    lines: 0,
                    tail: (0, hash16(b"")),
                    preamble: crate::source::Preamble::default(),
                    complete: false,
                    rules_hash: asked.rules_hash,
                    rules_since: 0,
                    epoch: 1,
                    owner: None,
                });
                self.remembered.push(memory);
            }
            result.push(answer);
        }
        Ok(result)
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        if self.fails_at == Some(self.batches) {
            return Err(ErrorKind::Unreachable { what: "planned".into(), waited: None }.into());
        }
        batch.still_holds()?;
        self.batches += 1;
        for number in 0..batch.rows() {
            let place = batch.place(number);
            let split = batch.parcels[place.parcel].split;
            let bytes: Vec<u8> = batch.slices(number..number + 1).flatten().copied().collect();
            let row = String::from_utf8(bytes).expect("text");
            let old = self.tables.rows.insert((split.source, place.span.start), row);
            let again = batch.advances[batch.advance_of(split)].again;
            assert!(old.is_none() || again.is_some_and(|again| again.offset == place.span.start), "twice");
        }
        self.advance(batch)
    }

    fn standing(&mut self, sources: &[i32]) -> Result<Vec<Standing>> {
        let standing = |memory: &Remembered| {
            let id = memory.source_id;
            let mut rejects = self.tables.rejects.keys().filter(|(source, _)| *source == id);
            let counts = self.tables.counts.get(&id).copied().unwrap_or_default();
            let closed = if id == 1 { self.closed } else { 0 };
            Standing {
                split: Split::whole(id),
                records: u64::try_from(counts.records).expect("not negative"),
                letters: rejects.clone().count() as u64 - closed,
                last_letter: rejects.next_back().map(|(_, offset)| *offset),
                is_complete: memory.known.complete,
            }
        };
        let asked = self.remembered.iter().filter(|memory| sources.contains(&memory.source_id));
        Ok(asked.map(standing).collect())
    }

    fn open_dead_letters(&mut self, _: &[i32]) -> Result<OpenLetters> {
        let open = self.tables.rejects.len() as u64;
        Ok(OpenLetters { selected: open, job: open })
    }

    fn finish(&mut self, _: &Ending<'_>) -> Result<()> {
        Ok(())
    }
}

impl InMemory {
    /// Every step of a commit except the rows.
    pub(super) fn advance(&mut self, batch: &Batch) -> Result<Committed> {
        let mut counts = Vec::new();
        for advance in &batch.advances {
            let source_id = advance.split.source;
            let memory = self.remembered.iter_mut().find(|memory| memory.source_id == source_id);
            let memory = memory.expect("claimed");
            let mut checkpoint = memory.checkpoints.pop().expect("one split");
            assert_eq!(checkpoint.position, advance.from, "a gap");
            checkpoint.position = advance.to;
            checkpoint.tail = advance.tail;
            checkpoint.complete = advance.completes;
            memory.tail_start = advance.unterminated;
            let mut found = advance.counts;
            found.inserted = found.records - found.rejected;
            let total = self.tables.counts.entry(source_id).or_default();
            total.add(&found);
            if let Some(again) = advance.again {
                total.lines -= 1;
                match self.tables.rejects.remove(&(source_id, again.offset)) {
                    _ if again.was_blank => total.blank -= 1,
                    Some(_) => (total.records, total.rejected) = (total.records - 1, total.rejected - 1),
                    None => (total.records, total.inserted) = (total.records - 1, total.inserted - 1),
                }
            }
            checkpoint.lines = u64::try_from(total.lines).expect("not negative");
            memory.known.complete = true;
            memory.push(checkpoint);
            self.tables.positions.insert(source_id, advance.to);
            counts.push(found);
        }
        for letter in batch.dead_letters(&[], usize::MAX)? {
            let raw = match letter.record {
                crate::sink::dead_letter::Evidence::Raw(raw) => raw.into_owned(),
                crate::sink::dead_letter::Evidence::Hash(hash) => hash.to_vec(),
            };
            let value = (letter.line, letter.reasons.into_owned(), raw);
            self.tables.rejects.insert((letter.source_id, letter.span.start), value);
        }
        let complete = batch.advances.iter().filter(|advance| advance.completes);
        let completed = complete.map(|advance| advance.split.source).collect();
        Ok(Committed { counts, refused: Vec::new(), completed })
    }
}

pub(super) fn schema() -> Arc<Schema> {
    let fields =
        vec![Field::new("n", Kind::Int(Bounds::default())), Field::new("t", Kind::Text(Text::default()))];
    Arc::new(Schema { fields, ..Schema::default() })
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) threads: usize,
    pub(super) chunk_bytes: usize,
    pub(super) window_bytes: usize,
    pub(super) batch_rows: usize,
    pub(super) batch_bytes: usize,
    pub(super) mmap: bool,
}

impl Cut {
    pub(super) fn settings(self) -> Settings {
        Settings {
            threads: self.threads,
            source: source::Settings {
                chunk_bytes: self.chunk_bytes,
                window_bytes: self.window_bytes,
                record_bytes_max: 300,
                mmap: self.mmap,
                // Small, but longer than a byte order mark: mapped and read input must give the same result.
                map_bytes_min: 4,
                growing: false,
                ..source::Settings::default()
            },
            batch_rows: self.batch_rows,
            batch_bytes: self.batch_bytes,
            allow_duplicates: true,
            accept_new_rules: false,
            take_over: false,
            stop_above: None,
            key_is_position: true,
            order_decides: false,
            lanes: 1,
            only: None,
            beside: Arc::default(),
            wait: None,
            rules_hash: hash16(b""),
            rebuild: None,
            rebuild_advice: None,
            turn: None,
            observer: Observer::default(),
        }
    }
}

pub(super) fn any_cut() -> impl Strategy<Value = Cut> {
    (1..4_usize, 1..2_000_usize, 5_000..20_000_usize, 1..50_usize, 1..5_000_usize, any::<bool>()).prop_map(
        |(threads, chunk_bytes, window_bytes, batch_rows, batch_bytes, mmap)| Cut {
            threads,
            chunk_bytes,
            window_bytes,
            batch_rows,
            batch_bytes,
            mmap,
        },
    )
}

pub(super) fn load_into(sink: &mut dyn Sink, folder: &std::path::Path, cut: Cut) -> Result<Outcome> {
    load_with(sink, folder, &cut.settings())
}

pub(super) fn load_with(
    sink: &mut dyn Sink,
    folder: &std::path::Path,
    settings: &Settings,
) -> Result<Outcome> {
    load_counted(sink, folder, settings, &Arc::default())
}

/// The same with readable counters.
pub(super) fn load_counted(
    sink: &mut dyn Sink,
    folder: &std::path::Path,
    settings: &Settings,
    stats: &Arc<Stats>,
) -> Result<Outcome> {
    let pattern = Pattern { text: "*".into(), base: folder.to_owned() };
    let files = discover(&[pattern], &Selection::default(), &Reach::default()).expect("readable").files;
    let mut outcome = Outcome::default();
    let recipe = recipe(schema(), settings);
    run(&files, recipe, sink, settings, &Stop::default(), stats, &mut outcome)?;
    Ok(outcome)
}

pub(super) fn recipe(schema: Arc<Schema>, settings: &Settings) -> Recipe {
    let format = AnyFormat::Ndjson(Json::new(&schema.paths(), schema.extras()));
    Recipe {
        format,
        schema,
        time: None,
        record_bytes_max: settings.source.record_bytes_max,
        raw_bytes_max: usize::MAX,
    }
}

/// The tables as a slow and simple reader makes them.
pub(super) fn expected(files: &[Vec<u8>]) -> Tables {
    let mut tables = Tables::default();
    for (index, content) in files.iter().enumerate() {
        let source_id = i32::try_from(index).expect("few") + 1;
        let mut counts = Counts::default();
        let mut offset = 0_usize;
        for line in content.split_inclusive(|&byte| byte == b'\n') {
            let start = if offset == 0 && line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            let text = &line[start..];
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if !line[start..].is_empty() {
                counts.lines += 1;
                let place = (offset + start) as u64;
                let value: Option<serde_json::Value> = serde_json::from_slice(text).ok();
                let row = value.as_ref().and_then(|value| {
                    let (n, t) = (value.get("n")?.as_i64()?, value.get("t")?.as_str()?);
                    Some(format!("{place}:[Int({n}), Text({t:?})]"))
                });
                if text.iter().all(|byte| b" \t\r".contains(byte)) {
                    counts.blank += 1;
                } else if let (Some(row), true) = (row, text.len() <= 300) {
                    counts.inserted += 1;
                    tables.rows.insert((source_id, place), row);
                } else {
                    counts.rejected += 1;
                    let kept = if text.len() <= 300 {
                        text.to_vec()
                    } else {
                        blake3::hash(text).as_bytes().to_vec()
                    };
                    let line = u64::try_from(counts.lines).expect("positive");
                    tables.rejects.insert((source_id, place), (line, String::new(), kept));
                }
            }
            offset += line.len();
        }
        counts.records = counts.inserted + counts.rejected;
        tables.counts.insert(source_id, counts);
        tables.positions.insert(source_id, content.len() as u64);
    }
    tables
}

pub(super) fn without_reasons(mut tables: Tables) -> Tables {
    tables.rejects.values_mut().for_each(|(_, reasons, _)| reasons.clear());
    tables
}

/// How a file is stored. Its name never says so: the content decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Plain,
    #[cfg(feature = "gzip")]
    Gzip {
        member_bytes: usize,
    },
    #[cfg(feature = "zstd")]
    Zstd {
        frame_bytes: usize,
    },
}

impl Form {
    fn store(self, content: &[u8]) -> Vec<u8> {
        match self {
            Form::Plain => content.to_vec(),
            #[cfg(feature = "gzip")]
            Form::Gzip { member_bytes } => {
                let member = |piece: &[u8]| {
                    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    encoder.write_all(piece).expect("compressed");
                    encoder.finish().expect("compressed")
                };
                match content {
                    [] => member(b""),
                    content => content.chunks(member_bytes).flat_map(member).collect(),
                }
            }
            #[cfg(feature = "zstd")]
            Form::Zstd { frame_bytes } => {
                let frame = |piece: &[u8]| zstd::encode_all(piece, 1).expect("compressed");
                match content {
                    [] => frame(b""),
                    content => content.chunks(frame_bytes).flat_map(frame).collect(),
                }
            }
        }
    }
}

pub(super) fn any_form() -> impl Strategy<Value = Form> {
    prop_oneof![
        Just(Form::Plain),
        #[cfg(feature = "gzip")]
        (1..5_000_usize).prop_map(|member_bytes| Form::Gzip { member_bytes }),
        #[cfg(feature = "zstd")]
        (1..5_000_usize).prop_map(|frame_bytes| Form::Zstd { frame_bytes }),
    ]
}

pub(super) fn write_files(folder: &std::path::Path, files: &[Vec<u8>], form: Form) {
    for (index, content) in files.iter().enumerate() {
        std::fs::write(folder.join(format!("log.{index}")), form.store(content)).expect("written");
    }
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (any::<i64>(), "[a-zA-Z\"\\\\\n\u{e4}\u{1f600} ]{0,40}").prop_map(|(n, t)| {
            serde_json::json!({"n": n, "t": t}).to_string().into_bytes()
        }),
        1 => Just(br#"{"n":1}"#.to_vec()),
        1 => Just(Vec::new()),
        1 => Just(b" \t".to_vec()),
        1 => proptest::collection::vec(any::<u8>().prop_filter("no newline", |&byte| byte != b'\n'), 0..30),
        1 => (250..800_usize).prop_map(|length| {
            let filler = "x".repeat(length);
            format!("{{\"n\":5,\"t\":\"{filler}\"}}").into_bytes()
        }),
    ]
}

pub(super) fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let line = || (any_line(), prop_oneof![5 => Just(&b"\n"[..]), 1 => Just(&b"\r\n"[..])]);
    // Only a long file has more than one window, and one such file in some cases is enough: each of its lines
    // can be a batch.
    let lines = prop_oneof![
        12 => proptest::collection::vec(line(), 0..40),
        1 => proptest::collection::vec(line(), 150..300),
    ];
    (lines, prop_oneof![4 => Just(None), 1 => any_line().prop_map(Some)], any::<bool>()).prop_map(
        |(lines, last, has_mark)| {
            let mut content = if has_mark { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
            for (line, end) in lines {
                content.extend_from_slice(&line);
                content.extend_from_slice(end);
            }
            content.extend_from_slice(&last.unwrap_or_default());
            // Files that begin like another encoding or an archive belong to another test.
            let others: [&[u8]; 4] = [b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"];
            if others.iter().any(|other| content.starts_with(other)) {
                content.insert(0, b'\n');
            }
            content
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_files_cut_anywhere_give_the_same_tables(
        files in proptest::collection::vec(any_file(), 1..4),
        cut in any_cut(),
        form in any_form(),
    ) {
        let folder = tempfile::tempdir().expect("a directory");
        write_files(folder.path(), &files, form);
        let mut sink = InMemory::default();
        let outcome = load_into(&mut sink, folder.path(), cut).expect("loaded");
        prop_assert_eq!(outcome.failed, vec![]);
        prop_assert_eq!(without_reasons(sink.tables), expected(&files));
    }

    #[test]
    fn a_load_that_fails_anywhere_goes_on_to_the_same_tables(
        files in proptest::collection::vec(any_file(), 1..4),
        cuts in proptest::collection::vec(any_cut(), 1..4),
        fails_at in 0..6_usize,
        form in any_form(),
    ) {
        let folder = tempfile::tempdir().expect("a directory");
        write_files(folder.path(), &files, form);
        let mut sink = InMemory { fails_at: Some(fails_at), ..InMemory::default() };
        for &cut in &cuts {
            sink.batches = 0;
            let failed = load_into(&mut sink, folder.path(), cut).is_err();
            let committed = without_reasons(sink.tables.clone());
            for (&source_id, &position) in &committed.positions {
                let whole = &files[source_id as usize - 1];
                let prefix = expected(&[whole[..position as usize].to_vec()]);
                let rows: Vec<_> = committed.rows.range((source_id, 0)..(source_id + 1, 0)).map(|(_, row)| row).collect();
                prop_assert_eq!(rows, prefix.rows.values().collect::<Vec<_>>());
            }
            if !failed {
                break;
            }
        }
        sink.fails_at = None;
        load_into(&mut sink, folder.path(), cuts[0]).expect("loaded");
        prop_assert_eq!(without_reasons(sink.tables), expected(&files));
    }

    #[test]
    fn a_file_that_grows_between_loads_gives_the_tables_of_the_whole(
        file in any_file(),
        ends in proptest::collection::vec((any::<prop::sample::Index>(), any_form()), 2..5),
        cut in any_cut(),
    ) {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("log.0");
        // It may be compressed in between, or stored in another way: it is the same source.
        let mut ends: Vec<(usize, Form)> = ends.iter().map(|(end, form)| (end.index(file.len() + 1), *form)).collect();
        ends.sort_by_key(|(end, _)| *end);
        ends.last_mut().expect("two at least").0 = file.len();
        // A file that was seen with half a byte order mark began with a bad record.
        prop_assume!(!file.starts_with(b"\xef\xbb\xbf") || ends.iter().all(|&(end, _)| end == 0 || end >= 3));
        let mut sink = InMemory::default();
        for (end, form) in ends {
            std::fs::write(&path, form.store(&file[..end])).expect("written");
            let outcome = load_into(&mut sink, folder.path(), cut).expect("loaded");
            prop_assert_eq!(outcome.failed, vec![]);
        }
        prop_assert_eq!(without_reasons(sink.tables), expected(&[file]));
    }
}

#[test]
fn a_panic_in_a_worker_ends_the_run_and_leaves_what_is_whole() {
    struct Bomb(Plain);
    impl Encoder for Bomb {
        type Rows = Vec<u8>;

        fn encode(&self, row: &Row<'_>, place: Place<'_>, out: &mut Vec<u8>, faults: &mut Faults) -> bool {
            assert!(place.offset < 500, "boom");
            self.0.encode(row, place, out, faults)
        }
    }
    struct Mined(InMemory);
    impl Sink for Mined {
        fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
            work::with(recipe, Arc::new(Bomb(Plain)))
        }
        fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
            self.0.claim(asked)
        }
        fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
            self.0.commit(batch)
        }
        fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters> {
            self.0.open_dead_letters(sources)
        }
        fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
            self.0.finish(ending)
        }
    }
    let folder = tempfile::tempdir().expect("a directory");
    let content: String = (0..100).map(|n| format!("{{\"n\":{n},\"t\":\"\"}}\n")).collect();
    write_files(folder.path(), &[content.into_bytes()], Form::Plain);
    let files = discover(
        &[Pattern { text: "*".into(), base: folder.path().to_owned() }],
        &Selection::default(),
        &Reach::default(),
    )
    .expect("found")
    .files;
    let schema = schema();
    let cut = Cut {
        threads: 2,
        chunk_bytes: 50,
        window_bytes: 8192,
        batch_rows: 5,
        batch_bytes: 1000,
        mmap: false,
    };
    let mut sink = Mined(InMemory::default());
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (settings, mut outcome) = (cut.settings(), Outcome::default());
    let recipe = recipe(schema, &settings);
    let result = run(&files, recipe, &mut sink, &settings, &Stop::default(), &Arc::default(), &mut outcome);
    std::panic::set_hook(previous);
    let error = result.expect_err("the worker panicked");
    assert!(error.to_string().contains("a worker panicked over bytes"), "{error}");
    let position = *sink.0.tables.positions.get(&1).expect("some batches were committed");
    assert!(position <= 516 && sink.0.tables.rows.keys().all(|&(_, offset)| offset < position));
}
