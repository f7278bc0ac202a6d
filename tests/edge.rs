//! The program knows the target's constraints before it sends a row: a worker refuses what the server would
//! refuse, and nothing else.
//!
//! The server is the oracle. Every record is also inserted, one by one, into a table with the same
//! constraints, and must meet the same fate in the load.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Output;

use postgres::Client;
use postgres::error::SqlState;
use serde_json::{Map, Value, json};

use crate::harness::logmill;
use crate::harness::postgres::{Database, Server};

/// A table and a job that loads it, with values for its columns.
struct Story {
    /// Columns and constraints. `before` creates what these need.
    table: &'static str,
    before: &'static str,
    /// For each column, its field in the job file and values on both sides of every limit.
    columns: Vec<(&'static str, String, Vec<Value>)>,
    /// SQL that runs after the table is created.
    after: &'static str,
}

/// A refused record.
#[derive(Debug)]
struct Refused {
    stage: String,
    /// The codes, and the constraints that the reasons name.
    codes: BTreeSet<String>,
    constraints: BTreeSet<String>,
}

const RECORDS: usize = 1_500;

impl Story {
    /// Records of all sorts: first every value with nulls beside it, then random values.
    fn records(&self) -> Vec<Value> {
        let mut records = Vec::new();
        for (name, _, values) in &self.columns {
            records.extend(values.iter().map(|value| json!({ *name: value })));
        }
        let mut chance = fastrand::Rng::with_seed(5);
        while records.len() < RECORDS {
            let mut record = Map::new();
            for (name, _, values) in &self.columns {
                if chance.u8(..4) > 0 {
                    record.insert((*name).to_owned(), values[chance.usize(..values.len())].clone());
                }
            }
            records.push(Value::Object(record));
        }
        records
    }

    /// Loads the records. Returns the refused ones by line.
    fn load(&self, database: &Database, records: &[Value]) -> BTreeMap<i64, Refused> {
        let folder = tempfile::tempdir().unwrap();
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        fs::write(folder.path().join("log.ndjson"), lines).unwrap();
        let fields: String =
            self.columns.iter().map(|(name, field, _)| format!("\"{name}\" = {{ {field} }}\n")).collect();
        let job = format!(
            "name = \"edge\"\n[source]\nfiles = [\"log.ndjson\"]\nformat = \"ndjson\"\n[record.fields]\n{fields}
             [destination]\nurl = \"{}\"\ntable = \"edge\"\n",
            database.url()
        );
        fs::write(folder.path().join("job.toml"), job).unwrap();
        let Output { status, stderr, .. } =
            logmill().current_dir(folder.path()).args(["load", "-j", "job.toml"]).output().unwrap();
        assert_eq!(status.code(), Some(3), "{}", String::from_utf8_lossy(&stderr));
        let letters =
            database.client().query("SELECT line, stage, reasons::text FROM logmill.dead_letters", &[]);
        let letters = letters.unwrap().into_iter().map(|row| {
            let reasons: Vec<Value> = serde_json::from_str(row.get(2)).unwrap();
            let all = |key: &str| {
                reasons.iter().filter_map(|reason| reason[key].as_str().map(str::to_owned)).collect()
            };
            (row.get(0), Refused { stage: row.get(1), codes: all("code"), constraints: all("constraint") })
        });
        letters.collect()
    }

    /// Creates both tables, loads, and compares with the oracle. Returns the refused records.
    #[track_caller]
    fn agrees_with_the_server(&self) -> BTreeMap<i64, Refused> {
        let database = Server::shared().database();
        let mut client = database.client();
        client.batch_execute(self.before).unwrap();
        for (name, more) in [
            ("edge", ", source_id int, source_offset bigint, PRIMARY KEY (source_id, source_offset)"),
            ("oracle", ""),
        ] {
            let table = self.table.replace("{table}", name).trim_end().strip_suffix(')').unwrap().to_owned();
            client.batch_execute(&format!("{table}{more})")).unwrap();
            client.batch_execute(&self.after.replace("{table}", name)).unwrap();
        }
        let records = self.records();
        let refused = self.load(&database, &records);
        let loaded: i64 = client.query_one("SELECT count(*) FROM edge", &[]).unwrap().get(0);
        assert_eq!(usize::try_from(loaded).unwrap() + refused.len(), records.len());
        for (number, record) in (1..).zip(&records) {
            let verdict = ask(&mut client, record);
            match (&verdict, refused.get(&number)) {
                (Ok(()), None) => {}
                (Err(None), Some(_)) => {}
                (Err(Some(check)), Some(refused)) if refused.constraints.contains(check) => {}
                (verdict, refused) => panic!("{record}\nthe server: {verdict:?}\nwe: {refused:?}"),
            }
        }
        assert!(!refused.is_empty() && refused.len() < records.len());
        refused
    }
}

/// The server's verdict on one record; if a CHECK refuses it, the name of the CHECK.
fn ask(client: &mut Client, record: &Value) -> Result<(), Option<String>> {
    let inserted = client.execute(
        "INSERT INTO oracle SELECT * FROM json_populate_record(NULL::oracle, $1::text::json)",
        &[&record.to_string()],
    );
    inserted.map(drop).map_err(|error| {
        let error = error.as_db_error().unwrap();
        error.constraint().filter(|_| *error.code() == SqlState::CHECK_VIOLATION).map(str::to_owned)
    })
}

/// A nullable field.
fn optional(kind: &str) -> String {
    format!("type = \"{kind}\", required = false, nullable = true")
}

#[test]
fn checks_against_constants_are_evaluated_before_sending() {
    let texts = || {
        ["", "INFO", "it's", "Info", "äöüäö", "äöüäöü", "no", "a", "ab", "ä", "äö"].map(Value::from).to_vec()
    };
    let story = Story {
        before: "CREATE DOMAIN positive AS bigint CHECK (VALUE > 0);
            CREATE DOMAIN small AS positive CONSTRAINT up_to_9 CHECK (VALUE <= 9);
            CREATE DOMAIN word AS varchar(8) CHECK (length(VALUE) >= 2 AND VALUE <> 'no');",
        table: r#"CREATE TABLE {table} (
            i bigint CONSTRAINT i1 CHECK (i > 0 AND i <= 5000000000) CONSTRAINT i2 CHECK (i NOT IN (7, 8)),
            s smallint CONSTRAINT s1 CHECK (s BETWEEN -5 AND 5) CONSTRAINT s2 CHECK (NOT (s = 3)),
            n numeric(12,2) CONSTRAINT n1 CHECK (n >= 0 AND n < 99.5) CONSTRAINT n2 CHECK (n <> 50),
            m numeric CONSTRAINT m1 CHECK (m >= -0.001 AND m < 123456789012345678901234567890),
            k numeric CONSTRAINT k1 CHECK (k > -1 AND 2 > k),
            f double precision CONSTRAINT f1 CHECK (f > -0.5 AND f <= 1e3) CONSTRAINT f2 CHECK (f <> 0),
            r real CONSTRAINT r1 CHECK (r <= 0.1),
            t text CONSTRAINT t1 CHECK (t <> '' AND char_length(t) <= 5),
            v varchar(10) CONSTRAINT v1 CHECK (v IN ('INFO', 'it''s', '')),
            w text CONSTRAINT w1 CHECK (octet_length(w) < 10 OR w = 'äöüäöü')
                   CONSTRAINT w2 CHECK (w = 'INFO' OR w IS NULL OR 2 < length(w)),
            d date CONSTRAINT d1 CHECK (d >= '2020-02-29'),
            z timestamptz CONSTRAINT z1 CHECK (z > '2020-01-01T00:00Z' AND z <= '2030-01-01 00:00:00.000001+02'),
            l timestamp CONSTRAINT l1 CHECK (l >= '2020-01-01 00:00:00.5'),
            "P q" small,
            x word,
            b boolean,
            CONSTRAINT any_of CHECK (i IS NOT NULL OR s IS NOT NULL OR b IS NULL),
            CONSTRAINT mixed CHECK ((b IS NULL OR i < 100 AND "P q" > 1) OR s = -5)
        )"#,
        columns: vec![
            (
                "i",
                optional("int"),
                [0, 1, -1, 7, 8, 99, 100, 5_000_000_000_i64, 5_000_000_001_i64].map(Value::from).to_vec(),
            ),
            ("s", optional("int"), [-6, -5, 0, 3, 5, 6].map(Value::from).to_vec()),
            (
                "n",
                optional("decimal"),
                ["-0.01", "0", "-0.00", "50.00", "99.49", "99.5", "99.50", "99.51"].map(Value::from).to_vec(),
            ),
            (
                "m",
                optional("decimal"),
                [
                    "-0.001",
                    "-0.0010000000000000000001",
                    "123456789012345678901234567889.9999",
                    "123456789012345678901234567890",
                    "123456789012345678901234567890.0000",
                ]
                .map(Value::from)
                .to_vec(),
            ),
            ("k", optional("int"), [-1, 0, 1, 2].map(Value::from).to_vec()),
            (
                "f",
                optional("float"),
                vec![
                    json!(-0.5),
                    json!(-0.499_999_999_999_999_9),
                    json!(0),
                    json!(-0.0),
                    json!(5e-324),
                    json!(1000),
                    json!(1_000.000_000_000_000_1),
                    json!("NaN"),
                    json!("Infinity"),
                    json!("-Infinity"),
                ],
            ),
            (
                "r",
                optional("float"),
                vec![
                    json!(0.1),
                    json!(0.099_999_99),
                    json!(0.100_000_001_490_116_12),
                    json!(0.25),
                    json!("NaN"),
                    json!(-1),
                ],
            ),
            ("t", optional("text"), texts()),
            ("v", optional("text"), texts()),
            ("w", optional("text"), texts()),
            (
                "d",
                optional("date"),
                ["2020-02-28", "2020-02-29", "2020-03-01", "0001-01-01", "9999-12-31"]
                    .map(Value::from)
                    .to_vec(),
            ),
            (
                "z",
                optional("timestamp"),
                [
                    "2020-01-01T00:00:00Z",
                    "2020-01-01T00:00:00.000001Z",
                    "2029-12-31T22:00:00.000001Z",
                    "2029-12-31T22:00:00.000002Z",
                    "2020-01-01T01:00:00+02:00",
                ]
                .map(Value::from)
                .to_vec(),
            ),
            (
                "l",
                format!("{}, zone = \"naive\"", optional("timestamp")),
                ["2020-01-01T00:00:00.499999", "2020-01-01T00:00:00.5", "2019-12-31T23:59:59"]
                    .map(Value::from)
                    .to_vec(),
            ),
            ("P q", optional("int"), [0, 1, 2, 9, 10].map(Value::from).to_vec()),
            ("x", optional("text"), texts()),
            ("b", optional("bool"), vec![json!(true), json!(false)]),
        ],
        after: "",
    };
    for (line, refused) in story.agrees_with_the_server() {
        assert_eq!(refused.stage, "schema", "line {line} reached the server: {refused:?}");
        assert!(refused.codes.contains("server_23514"), "line {line}: {refused:?}");
    }
    // The oracle table met such a row; the target never did.
    let is_logged = |table: &str| {
        let said = format!("new row for relation \"{table}\" violates check constraint \"mixed\"");
        Server::shared().log().contains(&said)
    };
    assert!(is_logged("oracle") && !is_logged("edge"));
}

#[test]
fn checks_not_fully_understood_are_left_to_the_server() {
    Server::shared().needs("ICU");
    let texts = || ["abc", "ABC", "abc  ", "xyz", "b", "zz"].map(Value::from).to_vec();
    let story = Story {
        before: "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
            CREATE FUNCTION length(text, int DEFAULT 0) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
            CREATE FUNCTION odd(bigint) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 % 2 = 1';
            CREATE SCHEMA mine;
            CREATE FUNCTION mine.always(bigint, bigint) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
            CREATE OPERATOR mine.< (leftarg = bigint, rightarg = bigint, function = mine.always);
            CREATE DOMAIN no_case AS text COLLATE any_case CHECK (VALUE <> 'abc');
            SET search_path = mine, pg_catalog, public;
            DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = mine, pg_catalog, public',
                current_database()); END $$;",
        table: "CREATE TABLE {table} (
            a text COLLATE any_case CONSTRAINT a1 CHECK (a = 'abc' OR a = 'xyz'),
            b char(5) CONSTRAINT b1 CHECK (b = 'abc' OR b = 'xyz' OR length(b) < 2),
            c text CONSTRAINT c1 CHECK (c ~ '^a'),
            d text CONSTRAINT d1 CHECK (d < 'b'),
            e no_case,
            i bigint CONSTRAINT i1 CHECK (odd(i)) CONSTRAINT i2 CHECK (i < 3::bigint),
            j bigint CONSTRAINT j1 CHECK (j + 1 > 3 OR j < i),
            g text CONSTRAINT g1 CHECK (CASE WHEN g = 'abc' THEN false ELSE true END),
            h timestamptz(0) CONSTRAINT h1 CHECK (h >= '2030-01-01 00:00:00+00')
        )",
        columns: vec![
            ("a", optional("text"), texts()),
            ("b", optional("text"), texts()),
            ("c", optional("text"), texts()),
            ("d", optional("text"), texts()),
            ("e", optional("text"), texts()),
            ("i", optional("int"), [1, 2, 3, 4, 5].map(Value::from).to_vec()),
            ("j", optional("int"), [1, 2, 3, 4, 5].map(Value::from).to_vec()),
            ("g", optional("text"), texts()),
            (
                "h",
                optional("timestamp"),
                ["2029-12-31T23:59:59.6Z", "2029-12-31T23:59:59.4Z", "2030-01-01T00:00:00Z"]
                    .map(Value::from)
                    .to_vec(),
            ),
        ],
        after: "",
    };
    for (line, refused) in story.agrees_with_the_server() {
        assert_eq!(refused.stage, "server", "line {line}: {refused:?}");
    }
}

#[test]
fn a_partly_understood_check_is_partly_enforced() {
    let story = Story {
        before: "",
        table: "CREATE TABLE {table} (f text CONSTRAINT f1 CHECK (f LIKE 'a%' AND f <> 'abc'))",
        columns: vec![("f", optional("text"), ["a", "abc", "b"].map(Value::from).to_vec())],
        after: "",
    };
    let refused = story.agrees_with_the_server();
    let stages: Vec<&str> = refused.values().take(2).map(|refused| refused.stage.as_str()).collect();
    assert_eq!(stages, ["schema", "server"]);
}

#[test]
fn rows_that_a_trigger_mends_are_not_refused() {
    let story = Story {
        before: "CREATE FUNCTION mend() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                NEW.n := coalesce(NEW.n, 1);
                IF NEW.m < 0 THEN NEW.m := -NEW.m; END IF;
                RETURN NEW;
            END $$;
            CREATE DOMAIN positive AS bigint CHECK (VALUE > 0);",
        table: "CREATE TABLE {table} (
            n bigint NOT NULL CONSTRAINT n1 CHECK (n < 5),
            m bigint CONSTRAINT m1 CHECK (m >= 0 AND m <> 3),
            p positive
        )",
        columns: vec![
            ("n", optional("int"), [1, 4, 5].map(Value::from).to_vec()),
            ("m", optional("int"), [-3, -2, 2, 3].map(Value::from).to_vec()),
            ("p", optional("int"), [0, 1].map(Value::from).to_vec()),
        ],
        after: "CREATE TRIGGER mend BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION mend()",
    };
    let refused = story.agrees_with_the_server();
    assert!(
        refused
            .values()
            .any(|refused| refused.stage == "schema" && refused.constraints.contains("positive_check"))
    );
}

#[test]
fn values_that_no_column_can_hold_are_refused_before_sending() {
    let story = Story {
        before: "CREATE TYPE level AS ENUM ('INFO', 'WARN'); CREATE DOMAIN present AS text NOT NULL;",
        table: "CREATE TABLE {table} (
            a varchar(3), b smallint, c integer NOT NULL, d numeric(4,1), e level, f present, g real, h varchar(2)[]
        )",
        columns: vec![
            ("a", optional("text"), ["abc", "äöü", "abcd", "äöüx"].map(Value::from).to_vec()),
            ("b", optional("int"), [-32_769, -32_768, 32_767, 32_768].map(Value::from).to_vec()),
            ("c", optional("int"), [-2_147_483_649_i64, -2_147_483_648, 2_147_483_647, 2_147_483_648].map(Value::from).to_vec()),
            ("d", optional("decimal"), ["999.9", "1000", "-999.90", "-1000.0"].map(Value::from).to_vec()),
            ("e", optional("text"), ["INFO", "WARN", "info", ""].map(Value::from).to_vec()),
            ("f", optional("text"), ["", "x"].map(Value::from).to_vec()),
            ("g", optional("float"), vec![json!(1e38), json!(1e39), json!(-1e39), json!("Infinity")]),
            ("h", format!("{}, items = {{ type = \"text\" }}", optional("list")), vec![json!([]), json!(["ab"]), json!(["abc"])]),
        ],
        after: "",
    };
    for (line, refused) in story.agrees_with_the_server() {
        assert_eq!(refused.stage, "schema", "line {line} reached the server: {refused:?}");
        assert_eq!(refused.codes, BTreeSet::from(["not_storable".to_owned()]), "line {line}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn on_sqlite_only_not_null_is_evaluated_before_sending() {
    let folder = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(folder.path().join("edge.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE edge (n INTEGER NOT NULL CHECK (n > 0), source_id INTEGER, source_offset INTEGER,
                                PRIMARY KEY (source_id, source_offset)) STRICT",
        )
        .unwrap();
    fs::write(folder.path().join("log.ndjson"), "{\"n\":1}\n{\"n\":0}\n{\"n\":null}\n").unwrap();
    let field = optional("int");
    let job = format!(
        "name = \"edge\"\n[source]\nfiles = [\"log.ndjson\"]\nformat = \"ndjson\"\n[record.fields]\nn = {{ {field} }}
         [destination]\nurl = \"sqlite:edge.db\"\ntable = \"edge\"\n"
    );
    fs::write(folder.path().join("job.toml"), job).unwrap();
    let output = logmill().current_dir(folder.path()).args(["load", "-j", "job.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let mut letters = database.prepare("SELECT line, stage FROM logmill_dead_letters ORDER BY line").unwrap();
    let letters = letters.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let letters: Vec<(i64, String)> = letters.map(Result::unwrap).collect();
    assert_eq!(letters, [(2, "server".to_owned()), (3, "schema".to_owned())]);
}
