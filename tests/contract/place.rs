//! The places that keep a ledger, and the interface that a clause uses.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use logmill::error::Result;
use logmill::event::{Event, Observer};
use logmill::schema::{Bounds, Extra, Field, Kind, Nul, Schema};
use logmill::sink::destination::{Address, Settings, Timeouts};
use logmill::sink::history::SourceStatus;
use logmill::sink::{
    Answer, Asked, Batch, Committed, Destination, Ending, Key, OnConflict, OpenLetters, Setback, Sink,
};
use logmill::source::Hash16;
use logmill::stop::Stop;

use super::map::{Fault, InMemory, LEASE, Mapped, prefix};
use crate::harness::postgres::{Server, folder};

/// The rules of every run that sets no others.
pub(super) const RULES: Hash16 = Hash16([7; 16]);

/// The ledger of a destination.
pub(super) trait Kept {
    /// Starts a run.
    fn open(&self) -> Result<Box<dyn Run>>;

    /// The sources it remembers.
    fn sources(&self) -> Result<Vec<SourceStatus>>;

    /// Forgets sources and returns how many there were.
    fn forget(&self, sources: &[i32]) -> Result<u64>;
}

/// The ledger of a run.
pub(super) trait Run: Send {
    /// As [`Sink::claim`].
    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>>;

    /// As [`Sink::commit`].
    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed>;

    /// As [`Sink::look_again`].
    fn look_again(&mut self) -> Result<Option<Vec<Setback>>>;

    /// As [`Sink::open_dead_letters`].
    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters>;

    /// As [`Sink::finish`].
    fn finish(&mut self, ending: &Ending<'_>) -> Result<()>;
}

impl Kept for Box<dyn Destination> {
    fn open(&self) -> Result<Box<dyn Run>> {
        Ok(Box::new((**self).open()?))
    }

    fn sources(&self) -> Result<Vec<SourceStatus>> {
        let status = self.history()?.status("job")?;
        Ok(status.map(|status| status.sources).unwrap_or_default())
    }

    fn forget(&self, sources: &[i32]) -> Result<u64> {
        Ok((**self).forget(sources, false)?.sources)
    }
}

impl Run for Box<dyn Sink> {
    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        (**self).claim(asked)
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        (**self).commit(batch)
    }

    fn look_again(&mut self) -> Result<Option<Vec<Setback>>> {
        (**self).look_again()
    }

    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters> {
        (**self).open_dead_letters(sources)
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
        (**self).finish(ending)
    }
}

/// A place that keeps a ledger, with a folder of files.
pub(super) struct Place {
    pub(super) folder: tempfile::TempDir,
    pub(super) kept: Box<dyn Fn(Settings) -> Box<dyn Kept>>,
    /// Adds a second split to source 1, starting at this offset.
    pub(super) cut: Box<dyn Fn(u64)>,
    /// Saves the ledger for `put_back`.
    pub(super) keep: Box<dyn Fn()>,
    pub(super) put_back: Box<dyn Fn()>,
}

impl Place {
    pub(super) fn postgres() -> Place {
        let database = Arc::new(Server::shared().database());
        let (url, folder) = (database.url(), folder());
        let do_sql = |sql: String| {
            let database = Arc::clone(&database);
            Box::new(move || database.client().batch_execute(&sql).unwrap())
        };
        let (keep, put_back) = (do_sql(keep_sql("logmill.")), do_sql(put_back_sql("logmill.")));
        Place {
            folder,
            kept: Box::new(move |settings| Box::new(named(&url, settings))),
            keep,
            put_back,
            cut: Box::new(move |at| database.client().batch_execute(&cut_sql("logmill.", at)).unwrap()),
        }
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn sqlite() -> Place {
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
            kept: Box::new(move |settings| Box::new(named(&url, settings))),
            keep: do_sql(keep_sql("logmill_")),
            put_back: do_sql(put_back_sql("logmill_")),
            cut: Box::new(move |at| {
                let connection = rusqlite::Connection::open(&path).unwrap();
                connection.execute_batch(&cut_sql("logmill_", at)).unwrap();
            }),
        }
    }

    pub(super) fn map(fault: Fault) -> Place {
        Place::in_store(Arc::new(InMemory::new(fault)))
    }

    pub(super) fn in_store(store: Arc<InMemory>) -> Place {
        let letters = Arc::default();
        let [for_cut, for_keep, to_put_back] = [(); 3].map(|()| Arc::clone(&store));
        Place {
            folder: folder(),
            kept: Box::new(move |settings| {
                let (store, letters) = (Arc::<InMemory>::clone(&store), Arc::clone(&letters));
                Box::new(Mapped { store, prefix: prefix(), lease: LEASE, letters, settings })
            }),
            keep: Box::new(move || for_keep.keep()),
            put_back: Box::new(move || to_put_back.put_back()),
            cut: Box::new(move |at| for_cut.cut(at)),
        }
    }

    fn kept(&self, stop: &Stop, observer: Observer) -> Box<dyn Kept> {
        (self.kept)(Settings { stop: stop.clone(), observer, ..self.settings() })
    }

    pub(super) fn settings(&self) -> Settings {
        let field = Field::new("n", Kind::Int(Bounds::default()));
        let seconds = Duration::from_secs;
        Settings {
            job: "job".to_owned(),
            data_date: None,
            command: "contract".to_owned(),
            table: "t".parse().unwrap(),
            create: true,
            key: Key::Position,
            on_conflict: OnConflict::Update,
            has_company: false,
            schema: Arc::new(Schema {
                fields: vec![field],
                extra: Extra::Ignore,
                nul: Nul::Reject,
                ..Schema::default()
            }),
            constants: Vec::new(),
            rollups: Default::default(),
            objects: Default::default(),
            state: Default::default(),
            rules_hash: RULES,
            is_rebuild: false,
            raw_max: 1 << 20,
            connect_timeout: seconds(10),
            timeouts: Timeouts { statement: seconds(60), lock: seconds(30) },
            reach_for: seconds(30),
            retry_for: seconds(30),
            deadline: seconds(60),
            stop: Stop::default(),
            observer: Observer::default(),
        }
    }

    pub(super) fn open(&self) -> Box<dyn Run> {
        self.kept(&Stop::default(), Observer::default()).open().unwrap()
    }

    /// A run that leaves as soon as another one holds the source it wants.
    pub(super) fn open_impatient(&self) -> Box<dyn Run> {
        let stop = Stop::default();
        let for_observer = stop.clone();
        let observer = Observer::new(move |event| {
            if matches!(event, Event::Held { .. }) {
                for_observer.ask(libc::SIGTERM);
            }
        });
        self.kept(&stop, observer).open().unwrap()
    }

    pub(super) fn forget(&self, sources: &[i32]) -> Result<u64> {
        self.kept(&Stop::default(), Observer::default()).forget(sources)
    }

    pub(super) fn sources(&self) -> Vec<SourceStatus> {
        self.kept(&Stop::default(), Observer::default()).sources().unwrap()
    }

    /// The only source: its id, its position, and whether it is complete.
    #[track_caller]
    pub(super) fn source(&self) -> (i32, u64, bool) {
        match &self.sources()[..] {
            [source] => (source.id, source.position, source.complete),
            others => panic!("{} sources", others.len()),
        }
    }

    /// A file of blank lines.
    pub(super) fn file(&self, name: &str, lines: usize) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, "\n".repeat(lines)).unwrap();
        path
    }
}

fn named(url: &str, settings: Settings) -> Box<dyn Destination> {
    let address = Address {
        is_shown: true,
        text: url.to_owned(),
        shown: url.to_owned(),
        folder: Path::new("/").to_owned(),
        is_found: false,
    };
    logmill::sink::of(&address, settings).unwrap()
}

fn cut_sql(ours: &str, at: u64) -> String {
    format!(
        "UPDATE {ours}checkpoints SET split_end = {at};
         INSERT INTO {ours}checkpoints (source_id, split_start, position, tail_hash, rules_hash)
         SELECT source_id, {at}, {at}, tail_hash, rules_hash FROM {ours}checkpoints"
    )
}

const OUR_TABLES: [&str; 7] =
    ["meta", "sources", "containers", "checkpoints", "dead_letters", "runs", "dates"];

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
