//! The pairs: each scenario has our side and the side it is compared with.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::ground::{COLUMNS, Ground};
use crate::measure::{self, Cost};

/// A pair to measure.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What the two sides are.
    pub(crate) what: &'static str,
    pub(crate) prepare: for<'g> fn(&'g Ground) -> Sides<'g>,
}

/// Both sides. Each restores its initial state before the clock starts.
pub(crate) struct Sides<'g> {
    pub(crate) ours: Box<dyn FnMut() -> Cost + 'g>,
    pub(crate) other: Box<dyn FnMut() -> Cost + 'g>,
    /// How many rows our side moves.
    pub(crate) rows: u64,
    /// Further remarks for the report.
    pub(crate) notes: Box<dyn Fn() -> Vec<String> + 'g>,
}

impl<'g> Sides<'g> {
    fn new(
        ground: &'g Ground,
        ours: impl FnMut() -> Cost + 'g,
        other: impl FnMut() -> Cost + 'g,
    ) -> Sides<'g> {
        let notes = Box::new(Vec::new);
        Sides { ours: Box::new(ours), other: Box::new(other), rows: ground.lines, notes }
    }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "direct", what: "position key, fresh table, against psql COPY BINARY", prepare: direct },
    Scenario {
        name: "staged",
        what: "every row there and changed, against psql stage + ON CONFLICT DO UPDATE",
        prepare: staged,
    },
    Scenario {
        name: "lanes",
        what: "two lanes, position key, against psql's one COPY BINARY",
        prepare: lanes,
    },
    Scenario { name: "lanes-direct", what: "two lanes, position key, against one", prepare: lanes_direct },
    Scenario {
        name: "lanes-staged",
        what: "two lanes, every row changed, against one",
        prepare: lanes_staged,
    },
    Scenario {
        name: "replay",
        what: "every row there and unchanged, against every row changed",
        prepare: replay,
    },
    Scenario {
        name: "uuid",
        what: "named random uuid key, against psql COPY BINARY with that key",
        prepare: uuid,
    },
    Scenario { name: "none", what: "no key, against psql COPY BINARY into the keyed table", prepare: none },
    Scenario {
        name: "peer",
        what: "position key, fresh table, against psql that lets the server read the JSON and upserts",
        prepare: peer,
    },
    Scenario { name: "refused", what: "0.1 % refused by the server, against none", prepare: refused },
    Scenario {
        name: "known",
        what: "0.1 % break a CHECK that the program knows, against one that only the server does",
        prepare: known,
    },
    Scenario { name: "sqlite", what: "SQLite, against a prepared loop over ready rows", prepare: sqlite },
    Scenario { name: "check", what: "check on two threads, against one", prepare: check },
    Scenario { name: "gzip", what: "a .gz, against the plain file", prepare: gzip },
    Scenario { name: "zstd", what: "a .zst, against the plain file", prepare: zstd },
    Scenario {
        name: "finished",
        what: "1,000 finished files, against `psql -c 'select 1'`",
        prepare: finished,
    },
];

fn direct(ground: &Ground) -> Sides<'_> {
    ground.begin_anew("DROP TABLE IF EXISTS direct, direct_floor");
    ground.load("direct", "", &[]);
    ground.sql("CREATE TABLE direct_floor (LIKE direct INCLUDING ALL)");
    let script = ground
        .cut("direct", &format!("{COLUMNS}, source_id, source_offset"), "source_id, source_offset")
        .copied_into("direct_floor");
    Sides::new(
        ground,
        || {
            ground.begin_anew("TRUNCATE direct");
            ground.load("direct", "", &[])
        },
        move || {
            ground.begin_anew("TRUNCATE direct_floor");
            ground.psql(&script)
        },
    )
}

const TWO_LANES: &[&str] = &["--lanes", "2"];

fn lanes(ground: &Ground) -> Sides<'_> {
    let Sides { other, .. } = direct(ground);
    let ours = || {
        ground.begin_anew("TRUNCATE direct");
        ground.load("direct", "", TWO_LANES)
    };
    Sides::new(ground, ours, other)
}

fn lanes_direct(ground: &Ground) -> Sides<'_> {
    ground.begin_anew("DROP TABLE IF EXISTS direct");
    ground.load("direct", "", &[]);
    let loaded = |more| {
        ground.begin_anew("TRUNCATE direct");
        ground.load("direct", "", more)
    };
    Sides::new(ground, move || loaded(TWO_LANES), move || loaded(&[]))
}

fn lanes_staged(ground: &Ground) -> Sides<'_> {
    prepare_staged(ground);
    let loaded = |more| {
        ground.begin_anew(CHANGED);
        ground.settle("staged");
        ground.load("staged", "", more)
    };
    Sides::new(ground, move || loaded(TWO_LANES), move || loaded(&[]))
}

/// Restores rows identical to those of the load.
const UNCHANGED: &str = "TRUNCATE staged; INSERT INTO staged SELECT * FROM staged_before";

/// Restores rows that differ from those of the load in their latency.
const CHANGED: &str = "TRUNCATE staged; INSERT INTO staged SELECT * FROM staged_changed";

fn prepare_staged(ground: &Ground) {
    ground.begin_anew("DROP TABLE IF EXISTS staged, staged_before, staged_changed");
    ground.load("staged", "", &[]);
    ground.sql("CREATE TABLE staged_before AS SELECT * FROM staged ORDER BY source_id, source_offset");
    ground.sql("UPDATE staged SET latency_ms = -1");
    ground.sql("CREATE TABLE staged_changed AS SELECT * FROM staged ORDER BY source_id, source_offset");
}

fn staged(ground: &Ground) -> Sides<'_> {
    prepare_staged(ground);
    let script = ground
        .cut("staged", &format!("{COLUMNS}, source_id, source_offset"), "source_id, source_offset")
        .upserted_into("staged", "source_id, source_offset");
    Sides::new(
        ground,
        || {
            ground.begin_anew(CHANGED);
            ground.settle("staged");
            ground.load("staged", "", &[])
        },
        move || {
            ground.begin_anew(CHANGED);
            ground.settle("staged");
            ground.psql(&script)
        },
    )
}

fn replay(ground: &Ground) -> Sides<'_> {
    prepare_staged(ground);
    let load = |prepare: &str| {
        ground.begin_anew(prepare);
        ground.settle("staged");
        let before = ground.wal_bytes();
        (ground.load("staged", "", &[]), ground.wal_bytes() - before)
    };
    let wal = std::rc::Rc::new(std::cell::Cell::new(0.0));
    let seen = std::rc::Rc::clone(&wal);
    let ours = move || {
        let (cost, bytes) = load(UNCHANGED);
        seen.set(bytes);
        cost
    };
    let other = move || load(CHANGED).0;
    let notes = move || vec![format!("{:.0} bytes of WAL for {} unchanged rows", wal.get(), ground.lines)];
    Sides { notes: Box::new(notes), ..Sides::new(ground, ours, other) }
}

fn uuid(ground: &Ground) -> Sides<'_> {
    ground.begin_anew("DROP TABLE IF EXISTS named, named_floor");
    ground.load("named", "key = [\"trace\"]", &[]);
    ground.sql("CREATE TABLE named_floor (LIKE named INCLUDING ALL)");
    // In the order of the file, in which the keys are random.
    let script = ground.cut("named", COLUMNS, "ctid").copied_into("named_floor");
    Sides::new(
        ground,
        || {
            ground.begin_anew("TRUNCATE named");
            ground.load("named", "key = [\"trace\"]", &[])
        },
        move || {
            ground.begin_anew("TRUNCATE named_floor");
            ground.psql(&script)
        },
    )
}

fn none(ground: &Ground) -> Sides<'_> {
    let mut sides = direct(ground);
    ground.begin_anew("DROP TABLE IF EXISTS keyless");
    ground.load("keyless", "key = \"none\"", &[]);
    sides.ours = Box::new(|| {
        ground.begin_anew("TRUNCATE keyless");
        ground.load("keyless", "key = \"none\"", &[])
    });
    sides
}

/// The other side is what people do who need each line exactly once and have only psql: copy raw lines into
/// a temporary table and convert them with SQL, all in one transaction.
fn peer(ground: &Ground) -> Sides<'_> {
    let mut sides = direct(ground);
    ground.sql("DROP TABLE IF EXISTS by_sql; CREATE TABLE by_sql (LIKE direct INCLUDING ALL)");
    let columns = "timestamp timestamptz, severity text, module text, message text, user_id bigint, \
                   latency_ms float8, ok bool, trace uuid";
    let script = format!(
        "begin;\n\
         create temp table lines (number bigint generated always as identity, line text) on commit drop;\n\
         \\copy lines (line) from '{}' (format csv, delimiter E'\\x01', quote E'\\x02')\n\
         insert into by_sql ({COLUMNS}, source_id, source_offset) select r.*, 1, number \
         from lines, jsonb_to_record(line::jsonb) as r ({columns}) \
         on conflict (source_id, source_offset) do nothing;\n\
         commit;\n",
        ground.log().display()
    );
    sides.other = Box::new(move || {
        ground.begin_anew("TRUNCATE by_sql");
        ground.psql(&script)
    });
    sides
}

/// A load into a table with this CHECK; it must exit with `exit`.
fn load_checked(ground: &Ground, check: &str, exit: i32) -> Cost {
    ground.begin_anew("TRUNCATE refusing; ALTER TABLE refusing DROP CONSTRAINT IF EXISTS odd");
    ground.sql(&format!("ALTER TABLE refusing ADD CONSTRAINT odd CHECK ({check})"));
    let cost = ground.load_file(&ground.log(), "refusing", "", &[]);
    assert_eq!(cost.exit, exit, "{check}");
    cost
}

fn refused(ground: &Ground) -> Sides<'_> {
    ground.begin_anew("DROP TABLE IF EXISTS refusing");
    ground.load("refusing", "", &[]);
    // Only the server can evaluate this, and it does so on both sides: no remainder is 1024.
    let load = |remainder: u32, exit| {
        load_checked(ground, &format!("hashtext(trace::text) & 1023 <> {remainder}"), exit)
    };
    Sides::new(ground, move || load(7, 3), move || load(1024, 0))
}

/// Both sides refuse the same rows. The pair shows what is gained by CHECKs that a worker can evaluate.
fn known(ground: &Ground) -> Sides<'_> {
    ground.begin_anew("DROP TABLE IF EXISTS refusing");
    ground.load("refusing", "", &[]);
    // Bounds that enclose one row in a thousand.
    let (low, high): (i64, i64) = {
        let row = ground
            .client()
            .query_one(
                "SELECT (percentile_disc(0.5) WITHIN GROUP (ORDER BY user_id)),
                        (percentile_disc(0.501) WITHIN GROUP (ORDER BY user_id)) FROM refusing",
                &[],
            )
            .expect("SQL that runs");
        (row.get(0), row.get(1))
    };
    let ours = format!("user_id <= {low} OR user_id > {high}");
    let other = ours.replace("user_id", "(user_id # 0::bigint)");
    Sides::new(ground, move || load_checked(ground, &ours, 3), move || load_checked(ground, &other, 3))
}

fn sqlite(ground: &Ground) -> Sides<'_> {
    let (database, floor) = (ground.path("ours.db"), ground.path("floor.db"));
    let clear = |path: &Path| {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", path.display()));
        }
    };
    let url = format!("url = \"sqlite:{}\"", database.display());
    Sides::new(
        ground,
        move || {
            clear(&database);
            ground.load("lite", &url, &[])
        },
        move || {
            clear(&floor);
            // In its own process, because a child starts with the peak memory of its parent.
            let mut command = Command::new(std::env::current_exe().expect("a path"));
            let output = command.arg("--by-hand").arg(ground.log()).arg(&floor).output().expect("it runs");
            let seconds = String::from_utf8_lossy(&output.stdout).trim().parse().expect("seconds");
            Cost { seconds, cpu_seconds: 0.0, peak_mib: 0.0, exit: 0 }
        },
    )
}

/// Loads a log into SQLite as an expert would by hand. Returns the time from ready rows to the end.
pub(crate) fn by_hand(log: &Path, database: &Path) {
    let rows: Vec<Ready> = fs::read(log)
        .expect("readable")
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .scan(0, |offset, line| {
            let start = *offset;
            *offset += i64::try_from(line.len()).expect("a line") + 1;
            Some(Ready::of(line, start))
        })
        .collect();
    let began = Instant::now();
    insert(database, &rows);
    println!("{}", began.elapsed().as_secs_f64());
}

/// A row as SQLite stores it.
struct Ready {
    texts: [String; 5],
    user: i64,
    latency: f64,
    ok: bool,
    offset: i64,
}

impl Ready {
    fn of(line: &[u8], offset: i64) -> Ready {
        let value: serde_json::Value = serde_json::from_slice(line).expect("JSON");
        let text = |key: &str| value[key].as_str().expect("a text").to_owned();
        let stamp = format!("{}000Z", text("timestamp").trim_end_matches('Z'));
        Ready {
            texts: [stamp, text("severity"), text("module"), text("message"), text("trace")],
            user: value["user_id"].as_i64().expect("an int"),
            latency: value["latency_ms"].as_f64().expect("a float"),
            ok: value["ok"].as_bool().expect("a bool"),
            offset,
        }
    }
}

fn insert(path: &Path, rows: &[Ready]) {
    let mut connection = rusqlite::Connection::open(path).expect("a database");
    connection
        .execute_batch(
            // The same settings that our side loads with.
            "PRAGMA page_size = 8192; PRAGMA cache_size = -32768;
             PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE t (timestamp TEXT NOT NULL, severity TEXT NOT NULL, module TEXT NOT NULL,
                 message TEXT NOT NULL, user_id INTEGER NOT NULL, latency_ms REAL NOT NULL,
                 ok INTEGER NOT NULL, trace TEXT NOT NULL, source_id INTEGER NOT NULL,
                 source_offset INTEGER NOT NULL, PRIMARY KEY (source_id, source_offset)) STRICT",
        )
        .expect("SQL that runs");
    for piece in rows.chunks(100_000) {
        let transaction = connection.transaction().expect("a transaction");
        {
            let sql = "INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9)";
            let mut insert = transaction.prepare(sql).expect("SQL that runs");
            for row in piece {
                let [stamp, severity, module, message, trace] = &row.texts;
                let values = rusqlite::params![
                    stamp,
                    severity,
                    module,
                    message,
                    row.user,
                    row.latency,
                    row.ok,
                    trace,
                    row.offset
                ];
                insert.execute(values).expect("a row that fits");
            }
        }
        transaction.commit().expect("committed");
    }
}

fn check(ground: &Ground) -> Sides<'_> {
    let run = |threads: &str| {
        let mut command = ground.command("check", "checked", "url = \"sqlite:none.db\"");
        let cost = measure::run(command.arg(ground.log()).args(["--threads", threads]));
        assert_eq!(cost.exit, 0);
        cost
    };
    Sides::new(ground, move || run("2"), move || run("1"))
}

fn compressed<'g>(ground: &'g Ground, packed: &str, by: &[&str]) -> Sides<'g> {
    let packed = ground.path(packed);
    if !packed.exists() {
        let out = fs::File::create(&packed).expect("a file");
        let status = Command::new(by[0]).args(&by[1..]).arg(ground.log()).stdout(out).status();
        assert!(status.expect("the program is there").success());
    }
    ground.begin_anew("DROP TABLE IF EXISTS packed");
    ground.load("packed", "", &[]);
    let load = |file: &Path| {
        ground.begin_anew("TRUNCATE packed");
        ground.load_file(file, "packed", "", &[])
    };
    let inflate = {
        let mut command = Command::new(by[0]);
        command.args(&by[1..]).arg("-d").arg(&packed);
        measure::run(&mut command).seconds
    };
    let notes = move || vec![format!("the decompressor alone: {inflate:.3} s")];
    let sides = Sides::new(ground, move || load(&packed), move || load(&ground.log()));
    Sides { notes: Box::new(notes), ..sides }
}

fn gzip(ground: &Ground) -> Sides<'_> {
    compressed(ground, "big.ndjson.gz", &["gzip", "-c"])
}

fn zstd(ground: &Ground) -> Sides<'_> {
    compressed(ground, "big.ndjson.zst", &["zstd", "-q", "-c"])
}

fn finished(ground: &Ground) -> Sides<'_> {
    let many = ground.path("many");
    fs::create_dir_all(&many).expect("a directory");
    let log = fs::read(ground.log()).expect("readable");
    let lines: Vec<&[u8]> = log.split_inclusive(|&byte| byte == b'\n').take(20_000).collect();
    for (index, lines) in lines.chunks(20).enumerate() {
        fs::write(many.join(format!("{index}.ndjson")), lines.concat()).expect("written");
    }
    ground.begin_anew("DROP TABLE IF EXISTS many");
    ground.load_file(&many, "many", "", &[]);
    let ours = move || ground.load_file(&many, "many", "", &[]);
    Sides { rows: 0, ..Sides::new(ground, ours, || ground.psql("select 1")) }
}
