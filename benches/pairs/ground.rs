//! The setting of the pairs: a private server that writes to disk, a log file, and its rows in files that
//! psql can copy.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use logmill::bench::dataset::{self, Amount, Recipe};
use postgres::Client;

use crate::harness::postgres::{Database, Options, Server};
use crate::harness::{logmill, without_the_machine};
use crate::measure::{self, Cost};

/// Rows per transaction, on both sides.
const PIECE_ROWS: u64 = 100_000;

/// The fields, in the job's notation.
const FIELDS: &str = r#"
[record.fields]
timestamp  = "timestamp"
severity   = { type = "enum", values = ["INFO", "WARN", "ERROR"] }
module     = { type = "text", min_length = 1 }
message    = "text"
user_id    = { type = "int", ge = 0 }
latency_ms = "float"
ok         = "bool"
trace      = "uuid"
"#;

/// The columns of the fields, in order.
pub(crate) const COLUMNS: &str = "timestamp, severity, module, message, user_id, latency_ms, ok, trace";

pub(crate) struct Ground {
    pub(crate) directory: tempfile::TempDir,
    database: Database,
    pub(crate) lines: u64,
    /// Another build of the program, while that build is measured.
    program: RefCell<Option<PathBuf>>,
}

impl Ground {
    /// Starts a server and writes a log of `lines` lines.
    pub(crate) fn prepare(lines: u64) -> Ground {
        let settings = [("shared_buffers", "2GB"), ("max_wal_size", "8GB"), ("autovacuum", "off")];
        let options = Options {
            fsync: true,
            settings: settings.map(|(name, value)| (name, value.to_owned())).to_vec(),
            ..Options::default()
        };
        let database = Server::start(options).database();
        let ground = Ground {
            directory: tempfile::tempdir().expect("a directory"),
            database,
            lines,
            program: RefCell::default(),
        };
        let log = fs::File::create(ground.log()).expect("a file");
        let recipe = Recipe { amount: Amount::Records(lines), bad_per_million: 0, ..Recipe::default() };
        dataset::write(recipe, log).expect("written");
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The log file.
    pub(crate) fn log(&self) -> PathBuf {
        self.path("big.ndjson")
    }

    pub(crate) fn client(&self) -> Client {
        self.database.client()
    }

    pub(crate) fn sql(&self, sql: &str) {
        self.client().batch_execute(sql).expect("SQL that runs");
    }

    /// The bytes of WAL written so far.
    pub(crate) fn wal_bytes(&self) -> f64 {
        let sql = "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8";
        self.client().query_one(sql, &[]).expect("SQL that runs").get(0)
    }

    /// Forgets everything loaded, so that the same file becomes a new source with the same id. Checkpoints
    /// now rather than in the middle of either side.
    pub(crate) fn begin_anew(&self, prepare: &str) {
        self.sql("DROP SCHEMA IF EXISTS logmill CASCADE");
        self.sql(prepare);
        self.sql("CHECKPOINT");
    }

    /// Makes a newly filled table look like an old one that is settled on disk.
    pub(crate) fn settle(&self, table: &str) {
        self.sql(&format!("VACUUM {table}"));
        self.sql("CHECKPOINT");
    }

    /// Our side: loads one file into one table, every row of it.
    pub(crate) fn load(&self, table: &str, destination: &str, more: &[&str]) -> Cost {
        let cost = self.load_file(&self.log(), table, destination, more);
        assert_eq!(cost.exit, 0, "the load into {table}");
        cost
    }

    pub(crate) fn load_file(&self, file: &Path, table: &str, destination: &str, more: &[&str]) -> Cost {
        let into = if destination.contains("url") {
            String::new()
        } else {
            format!("url = \"{}\"\n", self.database.url())
        };
        let cost = measure::run(self.command("load", table, &(into + destination)).arg(file).args(more));
        assert!(cost.exit == 0 || cost.exit == 3, "the load into {table} ended with {}", cost.exit);
        cost
    }

    /// Switches to another build of the program, or back to this one.
    pub(crate) fn run_program(&self, program: Option<&Path>) {
        self.program.replace(program.map(Path::to_owned));
    }

    /// The command, with its own job file.
    pub(crate) fn command(&self, verb: &str, table: &str, destination: &str) -> Command {
        let job = self.path(&format!("{table}.toml"));
        let text = format!(
            "name = \"{table}\"\n[source]\nformat = \"ndjson\"\nfiles = []\n{FIELDS}\n\
             [destination]\ntable = \"{table}\"\n{destination}\n"
        );
        fs::write(&job, text).expect("written");
        let mut command = logmill();
        if let Some(program) = &*self.program.borrow() {
            command = Command::new(program);
            without_the_machine(&mut command);
        }
        command.args([verb, "--quiet", "-j"]).arg(job);
        command
    }

    /// Cuts the rows of a table into files for psql to copy, one per transaction.
    pub(crate) fn cut(&self, table: &str, columns: &str, order: &str) -> Pieces {
        let mut script = String::new();
        let mut files = Vec::new();
        for start in (0..self.lines).step_by(PIECE_ROWS as usize) {
            let file = self.path(&format!("{table}.{start}.bin"));
            let _ = writeln!(
                script,
                "\\copy (select {columns} from {table} order by {order} limit {PIECE_ROWS} offset {start}) \
                 to '{}' (format binary)",
                file.display()
            );
            files.push(file);
        }
        assert_eq!(self.psql(&script).exit, 0);
        Pieces { columns: columns.to_owned(), files }
    }

    /// The other side: psql with a script.
    pub(crate) fn psql(&self, script: &str) -> Cost {
        let file = self.path("script.sql");
        fs::write(&file, script).expect("written");
        let server = self.database.server();
        let mut psql = server.psql().expect("psql");
        psql.arg("-h").arg(server.directory()).args(["-p", &server.port().to_string(), "-U", "postgres"]);
        psql.args(["-d", self.database.name(), "-qX", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file);
        let cost = measure::run(&mut psql);
        assert_eq!(cost.exit, 0, "psql failed");
        cost
    }
}

/// Ready rows, one file per transaction.
pub(crate) struct Pieces {
    columns: String,
    files: Vec<PathBuf>,
}

impl Pieces {
    /// A script that copies them into a table.
    pub(crate) fn copied_into(&self, table: &str) -> String {
        self.script(|copy| copy(table))
    }

    /// A script that upserts them, as people write it by hand.
    pub(crate) fn upserted_into(&self, table: &str, key: &str) -> String {
        let sets: Vec<String> =
            self.columns.split(", ").map(|column| format!("{column} = excluded.{column}")).collect();
        let (columns, sets) = (&self.columns, sets.join(", "));
        format!("create temp table stage as select {columns} from {table} with no data;\n")
            + &self.script(|copy| {
                format!(
                    "begin;\ntruncate stage;\n{}insert into {table} ({columns}) select {columns} from stage \
                     on conflict ({key}) do update set {sets};\ncommit;\n",
                    copy("stage")
                )
            })
    }

    fn script(&self, each: impl Fn(&dyn Fn(&str) -> String) -> String) -> String {
        let scripts = self.files.iter().map(|file| {
            each(&|table| {
                format!("\\copy {table} ({}) from '{}' (format binary)\n", self.columns, file.display())
            })
        });
        scripts.collect()
    }
}
