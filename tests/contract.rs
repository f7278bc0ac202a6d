//! The contract of a ledger: what each place that remembers sources has to keep.
//!
//! One function per clause. Each goes through PostgreSQL, SQLite, and a map in memory, which is
//! asked again with a store that loses answers, and with one that is away now and then. Batches
//! are made by hand here: lines that are blank, and one that is a reject, so that only the
//! bookkeeping is at work.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::Duration;

use logmill::error::{ErrorKind, Result};
use logmill::event::{Event, Observer};
use logmill::reject::{self, Faults, Rejects, Stage, code};
use logmill::schema::{Bounds, Extra, Field, Kind, Nul, Schema};
use logmill::sink::destination::{Address, Settings, Timeouts};
use logmill::sink::forecast::Forecast;
use logmill::sink::history::{DeadLetter, Filter, Forgotten, History, OwnerStatus, SourceStatus, Status};
use logmill::sink::ledger::{self, Entry, Failure, MapLedger, Store, Swap, Version};
use logmill::sink::verify::Verify;
use logmill::sink::{
    Advance, Answer, Asked, Batch, Committed, Counts, Destination, Ending, Key, OnConflict, OpenLetters,
    Setback, Sink, Task,
};
use logmill::source::{Candidate, Framing, Hash16, Pattern, Preamble, Selection, discover, hash16};
use logmill::span::Span;
use logmill::split::Split;
use logmill::stop::Stop;
use logmill::work::{Parcel, Recipe, Rows, Work};

use crate::harness::postgres::{Server, folder};

/// Puts a place through all clauses, each in a place of its own.
macro_rules! clauses {
    ($($clause:ident)*) => {
        #[test]
        fn postgres_keeps_the_contract() {
            $(eprintln!(stringify!($clause)); $clause(&Place::postgres());)*
        }

        #[cfg(feature = "sqlite")]
        #[test]
        fn sqlite_keeps_the_contract() {
            $(eprintln!(stringify!($clause)); $clause(&Place::sqlite());)*
        }

        #[test]
        fn a_map_keeps_the_contract() {
            $(eprintln!(stringify!($clause)); $clause(&Place::map(Fault::Never));)*
        }

        #[test]
        fn a_map_that_loses_answers_keeps_the_contract() {
            $(eprintln!(stringify!($clause)); $clause(&Place::map(Fault::LosesAnswers));)*
        }

        #[test]
        fn a_map_that_is_away_now_and_then_keeps_the_contract() {
            $(eprintln!(stringify!($clause)); $clause(&Place::map(Fault::IsAway));)*
        }
    };
}

clauses! {
    a_new_source_is_made_and_loaded_to_its_end
    a_source_is_held_while_its_run_lives
    a_run_that_died_is_gone_on_from
    a_run_that_ended_gives_its_sources_back
    a_run_that_was_taken_over_moves_nothing
    a_move_from_elsewhere_is_refused
    a_move_is_not_made_twice
    of_two_runs_that_begin_at_once_one_makes_the_source
    a_source_is_complete_with_the_last_of_its_splits
    counters_add_up_and_open_letters_are_counted
    an_id_is_never_given_twice
    what_is_held_is_not_forgotten
    a_copy_is_a_duplicate
    a_name_that_changed_is_told_anew
    a_small_file_is_known_by_where_it_lies
    other_rules_are_not_mixed
    what_was_acknowledged_and_is_missing_is_told
    a_batch_behind_what_is_missing_is_refused
    a_source_that_was_lost_is_made_again
}

/// A place that remembers, with a folder of files.
struct Place {
    folder: tempfile::TempDir,
    destination: Box<dyn Fn(Settings) -> Box<dyn Destination>>,
    /// Makes a second split of source 1, from an offset on.
    cut: Box<dyn Fn(u64)>,
    /// Keeps what is remembered now, for `put_back`.
    keep: Box<dyn Fn()>,
    put_back: Box<dyn Fn()>,
}

impl Place {
    fn postgres() -> Place {
        let database = Arc::new(Server::shared().database());
        let (url, folder) = (database.url(), folder());
        let do_sql = |sql: String| {
            let database = Arc::clone(&database);
            Box::new(move || database.client().batch_execute(&sql).unwrap())
        };
        let (keep, put_back) = (do_sql(keep_sql("logmill.")), do_sql(put_back_sql("logmill.")));
        Place {
            folder,
            destination: Box::new(move |settings| named(&url, settings)),
            keep,
            put_back,
            cut: Box::new(move |at| database.client().batch_execute(&cut_sql("logmill.", at)).unwrap()),
        }
    }

    #[cfg(feature = "sqlite")]
    fn sqlite() -> Place {
        let folder = folder();
        let path = folder.path().join("logmill.db");
        let url = format!("sqlite:{}", path.display());
        let do_sql = |sql: String| {
            let path = path.clone();
            Box::new(move || {
                let connection = rusqlite::Connection::open(&path).unwrap();
                connection.execute_batch(&sql).unwrap();
            })
        };
        Place {
            folder,
            destination: Box::new(move |settings| named(&url, settings)),
            keep: do_sql(keep_sql("logmill_")),
            put_back: do_sql(put_back_sql("logmill_")),
            cut: Box::new(move |at| {
                let connection = rusqlite::Connection::open(&path).unwrap();
                connection.execute_batch(&cut_sql("logmill_", at)).unwrap();
            }),
        }
    }

    fn map(fault: Fault) -> Place {
        let store = Arc::new(InMemory { fault, ..InMemory::default() });
        let letters = Arc::default();
        let [for_cut, for_keep, to_put_back] = [(); 3].map(|()| Arc::clone(&store));
        Place {
            folder: folder(),
            destination: Box::new(move |settings| {
                let (store, letters) = (Arc::clone(&store), Arc::clone(&letters));
                Box::new(Mapped { store, letters, settings })
            }),
            keep: Box::new(move || *for_keep.older.lock().unwrap() = for_keep.entries().clone()),
            put_back: Box::new(move || {
                let older = to_put_back.older.lock().unwrap().clone();
                *to_put_back.entries() = older;
            }),
            cut: Box::new(move |at| for_cut.cut(at)),
        }
    }

    fn destination(&self) -> Box<dyn Destination> {
        self.destination_until(&Stop::default(), Observer::default())
    }

    fn destination_until(&self, stop: &Stop, observer: Observer) -> Box<dyn Destination> {
        let field = Field::new("n", Kind::Int(Bounds::default()));
        let seconds = Duration::from_secs;
        (self.destination)(Settings {
            job: "job".to_owned(),
            data_date: None,
            command: "contract".to_owned(),
            table: "t".parse().unwrap(),
            create: true,
            key: Key::Position,
            on_conflict: OnConflict::Update,
            schema: Arc::new(Schema {
                fields: vec![field],
                extra: Extra::Ignore,
                nul: Nul::Reject,
                ..Schema::default()
            }),
            rules_hash: RULES,
            raw_max: 1 << 20,
            connect_timeout: seconds(10),
            timeouts: Timeouts { statement: seconds(60), lock: seconds(30) },
            retry_for: seconds(30),
            deadline: seconds(60),
            stop: stop.clone(),
            observer,
        })
    }

    fn open(&self) -> Box<dyn Sink> {
        self.destination().open().unwrap()
    }

    /// A run that leaves as soon as it meets one that holds what it wants.
    fn open_impatient(&self) -> Box<dyn Sink> {
        let stop = Stop::default();
        let for_observer = stop.clone();
        let observer = Observer::new(move |event| {
            if matches!(event, Event::Held { .. }) {
                for_observer.ask(libc::SIGTERM);
            }
        });
        self.destination_until(&stop, observer).open().unwrap()
    }

    /// A file of blank lines.
    fn file(&self, name: &str, lines: usize) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, "\n".repeat(lines)).unwrap();
        path
    }

    fn sources(&self) -> Vec<SourceStatus> {
        let status = self.destination().history().unwrap().status("job").unwrap();
        status.map(|status| status.sources).unwrap_or_default()
    }

    /// The only source: its id, its position, and whether it is complete.
    #[track_caller]
    fn source(&self) -> (i32, u64, bool) {
        match &self.sources()[..] {
            [source] => (source.id, source.position, source.complete),
            others => panic!("{} sources", others.len()),
        }
    }
}

const RULES: Hash16 = Hash16([7; 16]);

fn named(url: &str, settings: Settings) -> Box<dyn Destination> {
    let address = Address { text: url.to_owned(), shown: url.to_owned(), folder: Path::new("/").to_owned() };
    logmill::sink::of(&address, settings).unwrap()
}

fn cut_sql(ours: &str, at: u64) -> String {
    format!(
        "UPDATE {ours}checkpoints SET split_end = {at};
         INSERT INTO {ours}checkpoints (source_id, split_start, position, tail_hash, rules_hash)
         SELECT source_id, {at}, {at}, tail_hash, rules_hash FROM {ours}checkpoints"
    )
}

const OUR_TABLES: [&str; 6] = ["meta", "sources", "containers", "checkpoints", "dead_letters", "runs"];

fn keep_sql(ours: &str) -> String {
    let tables =
        OUR_TABLES.iter().map(|table| format!("CREATE TABLE older_{table} AS SELECT * FROM {ours}{table};"));
    tables.collect()
}

fn put_back_sql(ours: &str) -> String {
    let overriding = if ours.ends_with('.') { "OVERRIDING SYSTEM VALUE" } else { "" };
    let tables = OUR_TABLES.iter().map(|table| {
        format!(
            "DELETE FROM {ours}{table}; INSERT INTO {ours}{table} {overriding} SELECT * FROM older_{table};"
        )
    });
    format!("BEGIN; {} COMMIT", tables.collect::<String>())
}

fn candidate(path: &Path) -> Candidate {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let pattern = Pattern { text: name.into(), base: path.parent().unwrap().to_owned() };
    let found = discover(&[pattern], &Selection::default()).unwrap().files;
    Candidate::open(&found[0], &Stop::default()).unwrap()
}

fn asked(files: &[&Path]) -> Asked {
    Asked {
        files: files.iter().map(|path| candidate(path)).collect(),
        allow_duplicates: false,
        accept_new_rules: false,
        take_over: false,
        key_is_position: true,
        framing: Framing::Lines,
        rules_hash: RULES,
    }
}

/// Claims files, and gives the tasks of the only one that is to be loaded.
#[track_caller]
fn tasks(sink: &mut dyn Sink, asked: &Asked) -> Vec<Task> {
    let mut claimed = sink.claim(asked).unwrap();
    match claimed.pop() {
        Some(Answer::Load { source_id, tasks }) if claimed.is_empty() => {
            assert!(tasks.iter().all(|task| task.split.source == source_id));
            tasks
        }
        other => panic!("{other:?} and {claimed:?}"),
    }
}

#[track_caller]
fn task(sink: &mut dyn Sink, asked: &Asked) -> Task {
    let [task] = <[Task; 1]>::try_from(tasks(sink, asked)).unwrap();
    task
}

/// A batch of the lines `from..to` of a file of blank lines, of which the first is a reject if
/// `has_reject` says so.
fn batch(path: &Path, split: Split, (from, to): (u64, u64), has_reject: bool) -> Arc<Batch> {
    let source = candidate(path).reopen().unwrap();
    let size = fs::metadata(path).unwrap().len();
    let mut rejects = Rejects::default();
    if has_reject {
        let mut faults = Faults::default();
        faults.push(code::INT_PARSING, &reject::Path::Record, "bad", None);
        rejects.push(Span::new(from, from), 0, Stage::Schema, &faults, b"", 100);
    }
    let (lines, rejected) = (to - from, u64::from(has_reject));
    let parcel = Parcel {
        source: Arc::clone(&source),
        split,
        span: Span::new(from, to),
        ends: (to == size).then_some(size),
        completes: to == size,
        raw: lines,
        kept: None,
        rows: Rows::default(),
        rejects,
        first_line: from - split.start,
        lines,
        blank: lines - rejected,
        skipped: 0,
        records: rejected,
        record_lines: rejected,
        altered: Default::default(),
        check: xxhash_rust::xxh3::xxh3_64(&vec![b'\n'; usize::try_from(lines).unwrap()]),
        tail: (0, hash16(b"")),
        preamble: Preamble::default(),
        unterminated: None,
        is_intact: true,
    };
    let number = |count: u64| i64::try_from(count).unwrap();
    let advance = Advance {
        split,
        from,
        start: from,
        to,
        counts: Counts {
            lines: number(lines),
            blank: number(lines - rejected),
            records: number(rejected),
            rejected: number(rejected),
            ..Counts::default()
        },
        tail: parcel.tail,
        ends: parcel.ends,
        completes: parcel.completes,
        unterminated: None,
        again: None,
        preamble: Preamble::default(),
    };
    Arc::new(Batch::new(vec![parcel], vec![advance]))
}

/// The batch of a part of a source that ends with its split, and not with the source.
fn last_of_split(path: &Path, split: Split, range: (u64, u64)) -> Arc<Batch> {
    let mut batch = Arc::into_inner(batch(path, split, range, false)).unwrap();
    batch.parcels[0].completes = true;
    batch.advances[0].completes = true;
    Arc::new(batch)
}

const ENDING: Ending<'static> = Ending { outcome: "finished", exit_code: 0, counts: &NOTHING, bytes: 0 };

const NOTHING: Counts = Counts {
    lines: 0,
    blank: 0,
    skipped: 0,
    records: 0,
    inserted: 0,
    updated: 0,
    unchanged: 0,
    superseded: 0,
    rejected: 0,
};

/// Another run has it, or so it seems.
#[track_caller]
fn is_held<T>(result: Result<T>) {
    let Err(error) = result else { panic!("it was not held") };
    assert!(
        matches!(error.kind(), ErrorKind::Held { .. } | ErrorKind::TakenOver | ErrorKind::Stopped(_)),
        "{error}"
    );
}

fn a_new_source_is_made_and_loaded_to_its_end(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    assert_eq!(first, Task::whole(1));
    assert_eq!(place.source(), (1, 0, false));
    assert!(run.commit(&batch(&path, first.split, (0, 6), false)).unwrap().completed.is_empty());
    assert_eq!(place.source(), (1, 6, false));
    assert_eq!(run.commit(&batch(&path, first.split, (6, 10), false)).unwrap().completed, [1]);
    assert_eq!(place.source(), (1, 10, true));
    run.finish(&ENDING).unwrap();
    assert_eq!(
        place.open().claim(&asked(&[&path])).unwrap(),
        [Answer::Finished { source_id: 1, has_other_rules: false }]
    );
}

fn a_source_is_held_while_its_run_lives(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    task(&mut *run, &asked(&[&path]));
    let mut other = place.open_impatient();
    is_held(other.claim(&asked(&[&path])));
    assert!(place.sources()[0].owner.is_some());
    run.commit(&batch(&path, Split::whole(1), (0, 10), false)).unwrap();
}

fn a_run_that_died_is_gone_on_from(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 4), false)).unwrap();
    drop(run);
    let mut next = place.open();
    let second = task(&mut *next, &asked(&[&path]));
    assert_eq!((second.split, second.start.position, second.lines), (first.split, 4, 4));
    assert_eq!(next.commit(&batch(&path, second.split, (4, 10), false)).unwrap().completed, [1]);
}

fn a_run_that_ended_gives_its_sources_back(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.finish(&ENDING).unwrap();
    assert!(place.sources()[0].owner.is_none());
    // The process is still there, and its connection.
    assert_eq!(task(&mut *place.open(), &asked(&[&path])), first);
    is_held(run.commit(&batch(&path, first.split, (0, 10), false)));
}

fn a_run_that_was_taken_over_moves_nothing(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 4), false)).unwrap();
    let mut next = place.open();
    let second = task(&mut *next, &Asked { take_over: true, ..asked(&[&path]) });
    assert_eq!(second.start.position, 4);
    is_held(run.commit(&batch(&path, first.split, (4, 8), false)));
    assert_eq!(place.source(), (1, 4, false));
    next.commit(&batch(&path, second.split, (4, 10), false)).unwrap();
    is_held(run.commit(&batch(&path, first.split, (4, 8), false)));
    assert_eq!(place.source(), (1, 10, true));
}

fn a_move_from_elsewhere_is_refused(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    is_held(run.commit(&batch(&path, first.split, (3, 6), true)));
    assert_eq!(place.source(), (1, 0, false));
    assert_eq!(run.open_dead_letters(&[1]).unwrap().selected, 0);
}

fn a_move_is_not_made_twice(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    let again = batch(&path, first.split, (0, 4), true);
    run.commit(&again).unwrap();
    is_held(run.commit(&again));
    let counts = place.sources()[0].counts;
    assert_eq!((counts.lines, counts.rejected), (4, 1));
}

fn of_two_runs_that_begin_at_once_one_makes_the_source(place: &Place) {
    let path = place.file("a", 10);
    let both = Barrier::new(2);
    let mut runs = [place.open_impatient(), place.open_impatient()];
    let claimed = std::thread::scope(|scope| {
        let threads = runs.each_mut().map(|run| {
            scope.spawn(|| {
                both.wait();
                run.claim(&asked(&[&path]))
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    let loads = claimed.iter().filter(|claimed| claimed.is_ok()).count();
    assert_eq!(loads, 1, "{claimed:?}");
    assert_eq!(place.source(), (1, 0, false));
}

fn a_source_is_complete_with_the_last_of_its_splits(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    task(&mut *run, &asked(&[&path]));
    drop(run);
    (place.cut)(4);
    let (first, second) = (Split::whole(1), Split { source: 1, start: 4 });
    let mut run = place.open();
    let both = tasks(&mut *run, &asked(&[&path]));
    let ranges: Vec<_> = both.iter().map(|task| (task.split, task.start.position, task.end)).collect();
    assert_eq!(ranges, [(first, 0, Some(4)), (second, 4, None)]);
    assert!(run.commit(&batch(&path, second, (4, 10), true)).unwrap().completed.is_empty());
    assert_eq!(place.source(), (1, 6, false));
    assert!(run.commit(&batch(&path, first, (0, 2), false)).unwrap().completed.is_empty());
    assert_eq!(run.commit(&last_of_split(&path, first, (2, 4))).unwrap().completed, [1]);
    assert_eq!(place.source(), (1, 10, true));
    assert_eq!(place.sources()[0].counts.lines, 10);
    run.finish(&ENDING).unwrap();
    assert_eq!(
        place.open().claim(&asked(&[&path])).unwrap(),
        [Answer::Finished { source_id: 1, has_other_rules: false }]
    );
}

fn counters_add_up_and_open_letters_are_counted(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    for range in [(0, 3), (3, 5), (5, 10)] {
        let committed = run.commit(&batch(&path, first.split, range, range.0 != 3)).unwrap();
        assert_eq!(committed.counts[0].rejected, i64::from(range.0 != 3));
    }
    assert_eq!(run.open_dead_letters(&[1]).unwrap(), OpenLetters { selected: 2, job: 2 });
    let counts = place.sources()[0].counts;
    assert_eq!((counts.lines, counts.blank, counts.records, counts.rejected), (10, 8, 2, 2));
    assert!(counts.is_conserved());
}

fn an_id_is_never_given_twice(place: &Place) {
    let [one, two] = ["a", "b"].map(|name| place.file(name, 10));
    let mut run = place.open();
    task(&mut *run, &asked(&[&one]));
    run.finish(&ENDING).unwrap();
    drop(run);
    assert_eq!(place.destination().forget(&[1, 7]).unwrap().sources, 1);
    assert!(place.sources().is_empty());
    let mut run = place.open();
    assert_eq!(task(&mut *run, &asked(&[&two])).split, Split::whole(2));
    run.finish(&ENDING).unwrap();
    drop(run);
    assert_eq!(task(&mut *place.open(), &asked(&[&one])).split, Split::whole(3));
}

fn what_is_held_is_not_forgotten(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    task(&mut *run, &asked(&[&path]));
    is_held(place.destination().forget(&[1]));
    assert_eq!(place.source(), (1, 0, false));
}

fn a_copy_is_a_duplicate(place: &Place) {
    let (path, mut run) = (place.file("a", 10_000), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 10_000), false)).unwrap();
    run.finish(&ENDING).unwrap();
    let copy = place.file("b", 10_000);
    let mut run = place.open();
    let claimed = run.claim(&asked(&[&path, &copy])).unwrap();
    assert_eq!(claimed[0], Answer::Finished { source_id: 1, has_other_rules: false });
    assert!(matches!(claimed[1], Answer::Duplicate(_)), "{claimed:?}");
    let allowed = Asked { allow_duplicates: true, ..asked(&[&path, &copy]) };
    let claimed = run.claim(&allowed).unwrap();
    assert!(matches!(claimed[1], Answer::Load { source_id: 2, .. }), "{claimed:?}");
}

fn a_name_that_changed_is_told_anew(place: &Place) {
    let (path, mut run) = (place.file("a", 10_000), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 10_000), false)).unwrap();
    run.finish(&ENDING).unwrap();
    let renamed = place.folder.path().join("b");
    fs::rename(&path, &renamed).unwrap();
    assert_eq!(
        place.open().claim(&asked(&[&renamed])).unwrap(),
        [Answer::Finished { source_id: 1, has_other_rules: false }]
    );
    assert_eq!(place.sources()[0].name, renamed.to_string_lossy());
}

fn a_small_file_is_known_by_where_it_lies(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 10), false)).unwrap();
    run.finish(&ENDING).unwrap();
    // Each time it is known under the name that it has now.
    for (from, to, position) in [("a", "b", 10), ("b", "c", 12)] {
        let to = place.folder.path().join(to);
        fs::rename(place.folder.path().join(from), &to).unwrap();
        let size = position + 2;
        fs::write(&to, "\n".repeat(usize::try_from(size).unwrap())).unwrap();
        let mut run = place.open();
        let task = task(&mut *run, &asked(&[&to]));
        assert_eq!((task.split, task.start.position), (first.split, position));
        run.commit(&batch(&to, task.split, (position, size), false)).unwrap();
        run.finish(&ENDING).unwrap();
    }
    let copy = place.folder.path().join("d");
    fs::write(&copy, "\n".repeat(20)).unwrap();
    assert_eq!(task(&mut *place.open(), &asked(&[&copy])).split, Split::whole(2));
}

fn other_rules_are_not_mixed(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 4), false)).unwrap();
    run.finish(&ENDING).unwrap();
    let others = Asked { rules_hash: Hash16([9; 16]), ..asked(&[&path]) };
    let error = place.open().claim(&others).unwrap_err();
    assert!(error.to_string().contains("--accept-new-rules"), "{error}");
    assert!(place.sources()[0].owner.is_none(), "nothing was taken");
    let accepted = Asked { accept_new_rules: true, ..others };
    assert_eq!(task(&mut *place.open(), &accepted).start.position, 4);
}

/// What a look again says: split, position, lines and rejects that were lost, and whether the end was.
#[track_caller]
fn missing(run: &mut dyn Sink) -> Vec<(i32, u64, i64, i64, bool)> {
    let setbacks = run.look_again().unwrap().expect("something is missing");
    setbacks
        .iter()
        .map(|it| (it.split.source, it.position, it.lost.lines, it.lost.rejected, it.was_complete))
        .collect()
}

fn what_was_acknowledged_and_is_missing_is_told(place: &Place) {
    let (a, b, mut run) = (place.file("a", 10), place.file("b", 12), place.open());
    let both = asked(&[&a, &b]);
    assert_eq!(run.claim(&both).unwrap().len(), 2);
    run.commit(&batch(&a, Split::whole(1), (0, 6), true)).unwrap();
    (place.keep)();
    assert_eq!(run.look_again().unwrap(), None);
    run.commit(&batch(&a, Split::whole(1), (6, 10), true)).unwrap();
    run.commit(&batch(&b, Split::whole(2), (0, 5), false)).unwrap();
    run.commit(&batch(&b, Split::whole(2), (5, 12), false)).unwrap();
    assert_eq!(run.look_again().unwrap(), None);
    (place.put_back)();
    let error = run.finish(&ENDING).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WentBack), "{error}");
    assert_eq!(missing(&mut *run), [(1, 6, 4, 1, true), (2, 0, 12, 0, true)]);
    // It is told once, and the run goes on from there.
    assert_eq!(run.look_again().unwrap(), None);
    let claimed = run.claim(&both).unwrap();
    let starts = claimed.iter().map(|claim| match claim {
        Answer::Load { source_id, tasks } => (*source_id, tasks[0].start.position),
        other => panic!("{other:?}"),
    });
    assert_eq!(starts.collect::<Vec<_>>(), [(1, 6), (2, 0)]);
    assert_eq!(run.commit(&batch(&a, Split::whole(1), (6, 10), true)).unwrap().completed, [1]);
    assert_eq!(run.commit(&batch(&b, Split::whole(2), (0, 12), false)).unwrap().completed, [2]);
    assert_eq!(run.look_again().unwrap(), None);
    run.finish(&ENDING).unwrap();
    let counts = place.sources()[0].counts;
    assert_eq!((counts.lines, counts.rejected), (10, 2));
}

fn a_batch_behind_what_is_missing_is_refused(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 4), false)).unwrap();
    (place.keep)();
    run.commit(&batch(&path, first.split, (4, 8), false)).unwrap();
    (place.put_back)();
    let error = run.commit(&batch(&path, first.split, (8, 10), true)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WentBack), "{error}");
    assert_eq!(place.source(), (1, 4, false));
    assert_eq!(missing(&mut *run), [(1, 4, 4, 0, false)]);
    assert_eq!(task(&mut *run, &asked(&[&path])).start.position, 4);
    run.commit(&batch(&path, first.split, (4, 10), false)).unwrap();
    run.finish(&ENDING).unwrap();
    assert_eq!(place.sources()[0].counts.lines, 10);
}

fn a_source_that_was_lost_is_made_again(place: &Place) {
    let (path, mut run) = (place.file("a", 10), place.open());
    (place.keep)();
    let first = task(&mut *run, &asked(&[&path]));
    run.commit(&batch(&path, first.split, (0, 10), false)).unwrap();
    (place.put_back)();
    assert_eq!(missing(&mut *run), [(1, 0, 10, 0, true)]);
    assert_eq!(task(&mut *run, &asked(&[&path])), first);
    run.commit(&batch(&path, first.split, (0, 10), false)).unwrap();
    // One that somebody forgets, where the run does not hold it to its end, is another matter.
    place.destination().forget(&[1]).map_or_else(|error| is_held::<()>(Err(error)), drop);
    assert_eq!(run.look_again().unwrap(), None);
    run.finish(&ENDING).unwrap();
}

/// How a store fails.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Fault {
    #[default]
    Never,
    /// It does what it is asked, and the answer to every other change is lost.
    LosesAnswers,
    /// It does not answer every third question, and does nothing.
    IsAway,
}

/// A store in memory.
#[derive(Default)]
struct InMemory {
    entries: Mutex<BTreeMap<String, (u64, Vec<u8>)>>,
    older: Mutex<BTreeMap<String, (u64, Vec<u8>)>>,
    fault: Fault,
    asked: AtomicU64,
    changed: AtomicU64,
}

impl InMemory {
    fn ask(&self) -> Result<(), Failure> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        match self.fault == Fault::IsAway && asked % 3 == 1 {
            true => Err(Failure("away".to_owned())),
            false => Ok(()),
        }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (u64, Vec<u8>)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a second split of source 1.
    fn cut(&self, at: u64) {
        let mut entries = self.entries();
        let (version, value) = entries["source/1/0"].clone();
        let mut first: serde_json::Value = serde_json::from_slice(&value).unwrap();
        let mut second = first.clone();
        first["end"] = at.into();
        second["position"] = at.into();
        second["owner"] = serde_json::Value::Null;
        entries.insert("source/1/0".to_owned(), (version + 1000, first.to_string().into_bytes()));
        entries.insert(format!("source/1/{at}"), (version + 1001, second.to_string().into_bytes()));
    }
}

fn entry((version, value): &(u64, Vec<u8>)) -> Entry {
    Entry { version: Version(version.to_string()), value: value.clone() }
}

impl Store for InMemory {
    fn get(&self, key: &str) -> Result<Option<Entry>, Failure> {
        self.ask()?;
        Ok(self.entries().get(key).map(entry))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure> {
        self.ask()?;
        let entries = self.entries();
        let found = entries.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, value)| (key.clone(), entry(value))).collect())
    }

    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure> {
        self.ask()?;
        let mut entries = self.entries();
        if entries.get(key).map(|(version, _)| version.to_string()) != expected.map(|it| it.0.clone()) {
            return Ok(Swap::Refused);
        }
        let changed = self.changed.fetch_add(1, Ordering::Relaxed);
        let version = changed + 1;
        match value {
            Some(value) => entries.insert(key.to_owned(), (version, value.to_vec())),
            None => entries.remove(key),
        };
        match self.fault == Fault::LosesAnswers && changed.is_multiple_of(2) {
            true => Err(Failure("no answer".to_owned())),
            false => Ok(Swap::Done(value.map(|_| Version(version.to_string())))),
        }
    }
}

type Letters = Arc<Mutex<BTreeSet<(i32, u64)>>>;

/// A destination that keeps its ledger in a map: what it writes can be written twice, and is there
/// before a checkpoint stands for it.
struct Mapped {
    store: Arc<InMemory>,
    letters: Letters,
    settings: Settings,
}

/// A run whose heart stands still for this long is dead.
const LEASE: Duration = Duration::from_millis(300);

impl Mapped {
    fn ledger(&self) -> Result<MapLedger> {
        let Settings { data_date, retry_for, stop, observer, .. } = self.settings.clone();
        let settings = ledger::Settings { data_date, lease: LEASE, retry_for, stop, observer };
        let store: Arc<dyn Store> = Arc::<InMemory>::clone(&self.store);
        MapLedger::begin(store, settings)
    }
}

impl Destination for Mapped {
    fn open(&self) -> Result<Box<dyn Sink>> {
        let ledger = self.ledger()?;
        let heart = ledger.heart();
        let (life, lives) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            while lives.recv_timeout(LEASE / 4) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = heart.beat();
            }
        });
        Ok(Box::new(MappedSink { ledger, letters: Arc::clone(&self.letters), _life: life }))
    }

    fn forecast(&self, _: &Asked) -> Result<Forecast> {
        unimplemented!("no clause asks for it")
    }

    fn history(&self) -> Result<Box<dyn History>> {
        Ok(Box::new(MappedHistory(self.ledger()?)))
    }

    fn forget(&self, sources: &[i32]) -> Result<Forgotten> {
        Ok(Forgotten { sources: self.ledger()?.forget(sources)?, dead_letters: 0 })
    }

    fn verify(&self) -> Result<Box<dyn Verify>> {
        unimplemented!("no clause asks for it")
    }

    fn describe(&self) -> String {
        "a map".to_owned()
    }

    fn table(&self) -> String {
        "t".to_owned()
    }

    fn shell(&self, _: &str) -> String {
        String::new()
    }

    fn rests_on(&self) -> &'static str {
        "memory"
    }
}

struct MappedSink {
    ledger: MapLedger,
    letters: Letters,
    /// The heart stops with it.
    _life: std::sync::mpsc::Sender<()>,
}

impl Sink for MappedSink {
    fn work(&self, _: Recipe) -> Arc<dyn Work> {
        unimplemented!("batches are made by hand")
    }

    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        self.ledger.claim(asked)
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        self.ledger.fence(&batch.advances)?;
        for letter in batch.dead_letters(&[], usize::MAX)? {
            self.letters.lock().unwrap().insert((letter.source_id, letter.span.start));
        }
        batch.still_holds()?;
        let counts: Vec<Counts> = batch.advances.iter().map(|advance| advance.counts).collect();
        let completed = self.ledger.advance(&batch.advances, &counts)?;
        Ok(Committed { counts, refused: Vec::new(), completed })
    }

    fn look_again(&mut self) -> Result<Option<Vec<Setback>>> {
        self.ledger.look_again()
    }

    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters> {
        let letters = self.letters.lock().unwrap();
        let selected = letters.iter().filter(|(source, _)| sources.contains(source)).count();
        Ok(OpenLetters { selected: selected as u64, job: letters.len() as u64 })
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
        self.ledger.finish(ending)
    }
}

struct MappedHistory(MapLedger);

impl History for MappedHistory {
    fn status(&mut self, _: &str) -> Result<Option<Status>> {
        let mut sources: BTreeMap<i32, SourceStatus> = BTreeMap::new();
        for split in self.0.status()? {
            let source = sources.entry(split.split.source).or_insert_with(|| SourceStatus {
                id: split.split.source,
                name: split.name.clone(),
                data_date: None,
                size: 0,
                position: 0,
                complete: split.source_is_complete,
                containers: Vec::new(),
                counts: Counts::default(),
                open_dead_letters: 0,
                owner: None,
                updated_at: chrono::Utc::now(),
            });
            source.position += split.position - split.split.start;
            source.counts.add(&split.counts);
            source.owner =
                split.owner.map(|run| OwnerStatus { run, pid: 0, is_alive: true }).or(source.owner.take());
        }
        Ok(Some(Status { sources: sources.into_values().collect(), ..Status::default() }))
    }

    fn dead_letters(&mut self, _: &Filter, _: &mut dyn FnMut(DeadLetter) -> ControlFlow<()>) -> Result<()> {
        unimplemented!("no clause asks for it")
    }
}
