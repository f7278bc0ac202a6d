//! A column must hold exactly what the server makes of the text: every type of field in every type of column
//! that accepts it, with values at the limits and random ones, by COPY and through the stage.
//!
//! The rows are loaded from NDJSON. The server also casts each value from a literal, and both results must
//! be equal to the last byte.

use fastrand::Rng;
use serde_json::json;

use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::postgres::Server;
use crate::harness::trials::factor;

/// A column, its field, and values for it.
struct Pair {
    /// In the notation of a job.
    field: String,
    column: &'static str,
    /// The intermediate type, where the server needs more than one cast from text to the value.
    by_way_of: &'static str,
    /// Values as JSON and as literals.
    good: Vec<(String, String)>,
    /// Values that the column cannot hold, as JSON.
    bad: Vec<String>,
}

/// Values that are written alike as a literal and in JSON, there with or without quotes.
fn bare(values: &[&str]) -> Vec<(String, String)> {
    values.iter().map(|value| (value.to_string(), value.to_string())).collect()
}

fn quoted(values: &[&str]) -> Vec<(String, String)> {
    values.iter().map(|value| (json!(value).to_string(), value.to_string())).collect()
}

fn pair(kind: &str, column: &'static str, good: Vec<(String, String)>, bad: &[&str]) -> Pair {
    let field = format!("type = \"{kind}\", required = false");
    Pair { field, column, by_way_of: "", good, bad: bad.iter().map(ToString::to_string).collect() }
}

impl Pair {
    fn rule(mut self, rule: &str) -> Pair {
        self.field = format!("{}, {rule}", self.field);
        self
    }

    fn by_way_of(mut self, cast: &'static str) -> Pair {
        self.by_way_of = cast;
        self
    }

    /// Adds random values.
    fn and(mut self, count: usize, mut value: impl FnMut() -> (String, String)) -> Pair {
        self.good.extend((0..count * factor()).map(|_| value()));
        self
    }

    /// Lists of these values, in an array of this column's type.
    fn listed(&self, column: &'static str, rng: &mut Rng) -> Pair {
        let items = self.field.replace(", required = false", ", nullable = true");
        let list = |values: &[Option<&(String, String)>]| {
            let json: Vec<&str> = values.iter().map(|value| value.map_or("null", |(json, _)| json)).collect();
            let literals = values.iter().map(|value| match value {
                None => "NULL".to_owned(),
                Some((_, literal)) => format!("\"{}\"", literal.replace('\\', "\\\\").replace('"', "\\\"")),
            });
            (format!("[{}]", json.join(",")), format!("{{{}}}", literals.collect::<Vec<_>>().join(",")))
        };
        let all: Vec<Option<&(String, String)>> = self.good.iter().map(Some).collect();
        let mut good = vec![list(&[]), list(&[None]), list(&all)];
        for _ in 0..10 * factor() {
            let some: Vec<_> = (0..rng.usize(..5))
                .map(|_| rng.choice(&all).copied().unwrap().filter(|_| rng.u8(..5) > 0))
                .collect();
            good.push(list(&some));
        }
        Pair {
            field: format!("type = \"list\", items = {{ {items} }}, required = false"),
            column,
            by_way_of: if self.by_way_of.is_empty() { "" } else { "::float8[]" },
            good,
            bad: self.bad.iter().map(|bad| format!("[{bad}]")).collect(),
        }
    }
}

const RANDOM: usize = 20;

/// A random whole number of up to `count` digits.
fn digits(rng: &mut Rng, count: usize) -> String {
    (0..rng.usize(1..=count)).map(|_| rng.digit(10)).collect()
}

fn text(rng: &mut Rng, chars: usize) -> String {
    const PARTS: [&str; 16] = [
        "a",
        "Z",
        " ",
        "\t",
        "\n",
        "\r",
        "\\",
        "\\N",
        "\"",
        "'",
        ",",
        "{}",
        "\u{e4}",
        "\u{1f980}",
        "e\u{301}",
        "\u{ffff}",
    ];
    let text: String = (0..rng.usize(..=chars)).map(|_| *rng.choice(&PARTS).unwrap()).collect();
    text.chars().take(chars).collect()
}

fn stamp(rng: &mut Rng, zones: &[&str]) -> String {
    let (year, month, day) = (rng.u32(1..9999), rng.u32(1..13), rng.u32(1..29));
    let fraction = ["", ".5", ".123", ".999999", ".000001", ".1235"];
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{}{}",
        rng.u32(..24),
        rng.u32(..60),
        rng.u32(..60),
        rng.choice(fraction).unwrap(),
        rng.choice(zones).unwrap()
    )
}

fn text_value(text: String) -> (String, String) {
    (json!(text).to_string(), text)
}

/// Numbers around powers of two, and random ones.
fn ints(column: &'static str, bits: u32, rng: &mut Rng) -> Pair {
    let (min, max) = (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1);
    let number = |value: i128| (value.to_string(), value.to_string());
    pair("int", column, [min, min + 1, -1, 0, 1, max - 1, max].map(number).into(), &[])
        .and(RANDOM, || number(i128::from(rng.i64(..)) >> (64 - bits)))
        .refusing([min - 1, max + 1, max * 1000].map(|value| value.to_string()))
}

impl Pair {
    fn refusing(mut self, bad: impl IntoIterator<Item = String>) -> Pair {
        self.bad.extend(bad);
        self
    }
}

fn floats(column: &'static str, rng: &mut Rng) -> Pair {
    let good = bare(&[
        "0",
        "0.0",
        "-0.0",
        "1",
        "0.1",
        "-1.5",
        "1e10",
        "3.4028234663852886e38",
        "1.1754943508222875e-38",
        "1e-45",
    ]);
    let special = quoted(&["NaN", "Infinity", "-Infinity"]);
    let pair = pair("float", column, [good, special].concat(), &[]).by_way_of("::float8");
    match column {
        "real" => pair
            .and(RANDOM, || {
                let value = f32::from_bits(rng.u32(..) & !0x4000_0000);
                (format!("{value:e}"), format!("{value:e}"))
            })
            .refusing(["3.5e38", "-1e300", "1e-46", "-1e-300"].map(str::to_owned)),
        _ => pair.and(RANDOM, || {
            let value = f64::from_bits(rng.u64(..) & !(1 << 62));
            (format!("{value:e}"), format!("{value:e}"))
        }),
    }
}

fn decimals(column: &'static str, whole: usize, fraction: usize, bad: &[&str], rng: &mut Rng) -> Pair {
    pair("decimal", column, quoted(&["0", "-0", "0.00", "1", "-1.5", "7.10"]), bad).and(RANDOM, || {
        let sign = rng.choice(["", "-"]).unwrap();
        text_value(format!("{sign}{}.{}", digits(rng, whole), digits(rng, fraction)))
    })
}

/// Every type of field in every column that takes it in binary.
fn pairs(rng: &mut Rng) -> Vec<Pair> {
    let mut pairs = vec![
        ints("smallint", 16, rng),
        ints("integer", 32, rng),
        ints("bigint", 64, rng),
        pair(
            "int",
            "numeric",
            bare(&[
                "0",
                "-1",
                "10000",
                "99999999",
                "9223372036854775808",
                "-100000000000000000000000000000000",
            ]),
            &[],
        ),
        pair("int", "numeric(5,0)", bare(&["0", "99999", "-99999"]), &["100000", "-100000"]),
        pair("int", "numeric(3,-2)", bare(&["0", "100", "99900", "-1200"]), &["150", "100000"]),
        pair("int", "positive", bare(&["1", "32767"]), &["0", "-5", "32768"]),
        floats("real", rng),
        floats("double precision", rng),
        pair("bool", "boolean", bare(&["true", "false"]), &["\"perhaps\""]),
        decimals("numeric", 40, 30, &[], rng),
        decimals("numeric(10,2)", 8, 2, &["\"1.005\"", "\"123456789\"", "\"99999999.999\""], rng),
        pair(
            "decimal",
            "numeric",
            quoted(&["1E5", "1.5E-3", "0.0000000001", "123456789012345678901234567890.1234567890"]),
            &[],
        ),
        pair("decimal", "numeric(10,2)", quoted(&["1.500000", "99999999.99", "1E2"]), &[]),
        pair("decimal", "numeric(3,5)", quoted(&["0.00123", "-0.00999", "0"]), &["\"0.0123\"", "\"1\""]),
        pair("text", "text", quoted(&["", " ", "\\.", "null", "\u{10ffff}"]), &["\"a\\u0000b\""])
            .and(RANDOM, || text_value(text(rng, 40))),
        pair("text", "varchar", quoted(&[""]), &[]).and(RANDOM, || text_value(text(rng, 40))),
        pair(
            "text",
            "varchar(5)",
            quoted(&["", "12345", "\u{1f980}\u{1f980}\u{1f980}\u{1f980}\u{1f980}", "   "]),
            &["\"123456\"", "\"12345 \""],
        )
        .and(RANDOM, || text_value(text(rng, 5))),
        pair("text", "char(5)", quoted(&["", "12345", "a ", "\u{1f980}"]), &["\"123456\""])
            .and(RANDOM, || text_value(text(rng, 5))),
        pair("text", "bpchar", quoted(&["", "a", "abc"]), &[]),
        pair("text", "word", quoted(&["", "abc"]), &["\"abcdef\""]),
        pair("text", "mood", quoted(&["sad", "it's", "\u{fc}ber"]), &["\"glad\"", "\"\"", "\"SAD\""]),
        pair("text", "feeling", quoted(&["sad"]), &["\"glad\"", "\"it's\""]),
        pair("enum", "text", quoted(&["sad", "it's"]), &["\"glad\""]).rule("values = [\"sad\", \"it's\"]"),
        pair("enum", "mood", quoted(&["sad"]), &["\"glad\"", "\"other\""])
            .rule("values = [\"sad\", \"other\"]"),
        pair(
            "date",
            "date",
            quoted(&["0001-01-01", "1999-12-31", "2000-01-01", "2000-02-29", "9999-12-31"]),
            &["\"2001-02-29\"", "\"now\""],
        )
        .and(RANDOM, || text_value(stamp(rng, &[""])[..10].to_owned())),
        pair(
            "time",
            "time",
            quoted(&["00:00:00", "00:00:00.000001", "23:59:59.999999"]),
            &["\"24:00\"", "\"now\""],
        )
        .and(RANDOM, || text_value(stamp(rng, &[""])[11..].to_owned())),
        pair("time", "time(3)", quoted(&["12:34:56.1234", "12:34:56.1235", "23:59:59.9999"]), &[]),
        pair(
            "timestamp",
            "timestamptz",
            quoted(&[
                "0001-01-01T00:00:00Z",
                "1969-12-31T23:59:59.999999Z",
                "2000-01-01T00:00:00Z",
                "9999-12-31T23:59:59.999999Z",
            ]),
            &["\"now\"", "\"2016-12-31T23:59:60Z\""],
        )
        .and(RANDOM, || text_value(stamp(rng, &["Z", "+05:30", "-11:00"]))),
        pair(
            "timestamp",
            "timestamptz(3)",
            quoted(&["2023-10-27T12:34:56.1235Z", "1969-12-31T23:59:59.9999Z"]),
            &[],
        )
        .and(RANDOM, || text_value(stamp(rng, &["Z"]))),
        pair(
            "timestamp",
            "timestamp",
            quoted(&["0001-01-01T00:00:00", "2000-01-01T00:00:00", "9999-12-31T23:59:59.999999"]),
            &["\"2023-10-27T12:34:56Z\""],
        )
        .rule("zone = \"naive\"")
        .and(RANDOM, || text_value(stamp(rng, &[""]))),
        pair(
            "uuid",
            "uuid",
            quoted(&[
                "00000000-0000-0000-0000-000000000000",
                "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
                "{12345678-9abc-def0-1234-56789abcdef0}",
            ]),
            &["\"1234\""],
        )
        .and(RANDOM, || text_value(format!("{:032x}", rng.u128(..)))),
        pair(
            "ip",
            "inet",
            quoted(&[
                "0.0.0.0",
                "255.255.255.255",
                "::",
                "::1",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "::ffff:1.2.3.4",
            ]),
            &["\"1.2.3.4/24\"", "\"1.2.3\""],
        ),
        pair("ip", "cidr", quoted(&["10.0.0.1", "2001:db8::1"]), &[]),
    ];
    for column in ["json", "jsonb"] {
        let texts = [
            "null",
            "{}",
            "[]",
            "0",
            "-0.0",
            "1e5",
            "1.10",
            "\"\"",
            "\"\\u00e4\\n\\\\\"",
            "{\"b\": 1, \"a\": [1,2 , {}]}",
            "[null,true,false]",
            "12345678901234567890123.5",
        ];
        // A null is not JSON here, because the field is optional.
        pairs.push(pair("json", column, bare(&texts[1..]), &["\"\\ud800\""]));
    }
    let names = [
        ("smallint", "smallint[]"),
        ("bigint", "bigint[]"),
        ("numeric(10,2)", "numeric(10,2)[]"),
        ("numeric", "numeric[]"),
        ("real", "real[]"),
        ("double precision", "double precision[]"),
        ("boolean", "boolean[]"),
        ("text", "text[]"),
        ("text", "words"),
        ("varchar(5)", "varchar(5)[]"),
        ("char(5)", "char(5)[]"),
        ("mood", "mood[]"),
        ("date", "date[]"),
        ("time", "time[]"),
        ("timestamptz", "timestamptz[]"),
        ("timestamp", "timestamp[]"),
        ("uuid", "uuid[]"),
        ("inet", "inet[]"),
        ("cidr", "cidr[]"),
    ];
    for (item, column) in names {
        let item = pairs.iter().find(|pair| pair.column == item).unwrap().listed(column, rng);
        pairs.push(item);
    }
    pairs
}

const TYPES: &str = "
    CREATE DOMAIN positive AS smallint CHECK (VALUE > 0);
    CREATE DOMAIN word AS varchar(5);
    CREATE DOMAIN words AS text[];
    CREATE TYPE mood AS ENUM ('sad', 'it''s', 'über');
    CREATE DOMAIN feeling AS mood CHECK (VALUE <> 'it''s');
";

/// Loads all values, each in its own row, and compares. `more` adds a column.
fn compare(pairs: &[Pair], before: &str, more: Option<(&str, &str)>) {
    let mut columns = String::new();
    let mut load = Load::empty();
    for (number, pair) in pairs.iter().enumerate() {
        load = load.field(&format!("c{number} = {{ {} }}", pair.field));
        columns += &format!("c{number} {}, ", pair.column);
    }
    if let Some((field, column)) = more {
        load = load.field(field);
        columns += &format!("{column}, ");
    }
    let load = load.given(before).given(&format!("CREATE TABLE t ({columns} {{key}})"));
    let (mut log, mut places, mut literals, mut bad) = (String::new(), Vec::new(), Vec::new(), Vec::new());
    let mut line = 0;
    for (number, pair) in pairs.iter().enumerate() {
        for (json, literal) in &pair.good {
            line += 1;
            places.push((i32::try_from(number).unwrap(), i64::try_from(log.len()).unwrap()));
            literals.push(literal.as_str());
            log += &format!("{{\"c{number}\":{json}}}\n");
        }
        for json in &pair.bad {
            line += 1;
            bad.push((line, format!("{} into {}", json, pair.column)));
            log += &format!("{{\"c{number}\":{json}}}\n");
        }
    }
    load.write("log.ndjson", &log);
    load.run().exit(if bad.is_empty() { 0 } else { 3 });

    let rejects = load.rejects();
    let lines: Vec<&str> = log.lines().collect();
    for (line, why) in &rejects {
        assert!(
            bad.iter().any(|(bad, _)| bad == line),
            "refused: {} ({why})",
            lines[usize::try_from(*line).unwrap() - 1]
        );
    }
    for (line, what) in &bad {
        assert!(rejects.iter().any(|(reject, _)| reject == line), "stored: {what}");
    }
    let mut client = load.client();
    let (columns, offsets): (Vec<i32>, Vec<i64>) = places.into_iter().unzip();
    client.batch_execute("CREATE TABLE expected (number int, source_offset bigint, literal text)").unwrap();
    let insert = "INSERT INTO expected SELECT * FROM unnest($1::int[], $2::bigint[], $3::text[])";
    client.execute(insert, &[&columns, &offsets, &literals]).unwrap();
    for (number, pair) in pairs.iter().enumerate() {
        let cast = format!("literal{}::{}", pair.by_way_of, pair.column);
        let sql = format!(
            "SELECT literal, c{number}::text, ({cast})::text FROM expected LEFT JOIN t USING (source_offset)
             WHERE number = {number} AND (c{number} IS NULL OR NOT ROW(c{number})::record *= ROW({cast})::record)"
        );
        let wrong = client.query(&sql, &[]).unwrap_or_else(|error| panic!("{}: {error:?}", pair.column));
        let wrong: Vec<(String, Option<String>, String)> =
            wrong.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        assert!(
            wrong.is_empty(),
            "{} in {}: literal, ours, the server's: {wrong:#?}",
            pair.field,
            pair.column
        );
    }
}

#[test]
fn binary_copy_equals_the_servers_reading_of_text() {
    compare(&pairs(&mut Rng::with_seed(1)), TYPES, None);
}

#[test]
fn staged_values_equal_the_servers_reading_of_text() {
    let more = ("more = { type = \"text\", required = false }", "more bytea");
    compare(&pairs(&mut Rng::with_seed(2)), TYPES, Some(more));
}

#[test]
fn a_text_is_cast_into_types_without_a_known_binary_form() {
    Server::shared().needs("citext");
    Server::shared().needs("hstore");
    Server::shared().needs("ltree");
    let texts = |column, good: &[&str], bad: &[&str]| {
        let bad: Vec<String> = bad.iter().map(|bad| json!(bad).to_string()).collect();
        pair("text", column, quoted(good), &[]).refusing(bad)
    };
    let pairs = [
        texts("citext", &["", "Abc", "\u{1f980}"], &[]),
        texts("macaddr", &["08:00:2b:01:02:03", "08002b010203"], &["08:00", "now"]),
        texts("macaddr8", &["08:00:2b:01:02:03:04:05"], &[""]),
        texts("interval", &["1 day", "P1Y2M", "-00:00:01.5"], &["soon"]),
        texts("money", &["$1,234.50", "-5"], &["much"]),
        texts("bytea", &["", "abc", "\\x00ff"], &["\\xzz"]),
        texts("bit(3)", &["101", "000"], &["1", "10101", "12a"]),
        texts("varbit(5)", &["", "1", "10101"], &["101010", "2"]),
        texts("point", &["(1,2)", "3.5,4"], &["1"]),
        texts("int4range", &["[1,5)", "empty"], &["5"]),
        texts("tsvector", &["a b c", "'x':1A"], &[]),
        texts("pg_lsn", &["16/B374D848"], &["z"]),
        texts("hstore", &["a=>1, b=>NULL", ""], &[]),
        texts("ltree", &["a.b.c"], &[]),
        texts("pair", &["(1,a)", "(,b)"], &["(1)"]),
        texts("wait", &["1 hour"], &["-1 hour", "?"]),
    ];
    let before = "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
                  CREATE TYPE pair AS (n int, w text); CREATE DOMAIN wait AS interval CHECK (VALUE > '0 s')";
    compare(&pairs, before, None);
}

#[test]
fn a_column_of_another_type_is_refused_with_the_expected_type() {
    let refused = [
        (
            "type = \"text\"",
            "text",
            &[
                "bigint",
                "numeric(10,2)",
                "real",
                "boolean",
                "date",
                "time with time zone",
                "timestamp with time zone",
                "uuid",
                "jsonb",
                "inet",
                "text[]",
                "name",
                "\"char\"",
            ][..],
        ),
        (
            "type = \"int\"",
            "bigint, integer, smallint or numeric",
            &["text", "double precision", "boolean", "integer[]"],
        ),
        ("type = \"float\"", "double precision or real", &["numeric", "integer", "text"]),
        ("type = \"bool\"", "boolean", &["integer", "text"]),
        (
            "type = \"timestamp\"",
            "timestamptz (or the field zone = \"naive\", for timestamp)",
            &["timestamp without time zone", "date", "text"],
        ),
        (
            "type = \"timestamp\", zone = \"naive\"",
            "timestamp (zone = \"naive\")",
            &["timestamp with time zone"],
        ),
        ("type = \"date\"", "date", &["timestamp without time zone"]),
        ("type = \"time\"", "time", &["time with time zone", "interval"]),
        ("type = \"uuid\"", "uuid", &["text", "bytea"]),
        ("type = \"decimal\"", "numeric", &["double precision", "money"]),
        ("type = \"json\"", "jsonb or json", &["text"]),
        ("type = \"ip\"", "inet or cidr", &["text"]),
        ("type = \"list\", items = \"float\"", "jsonb, json or an array", &["point", "text"]),
        (
            "type = \"list\", items = \"float\"",
            "jsonb, json or an array of the items' type",
            &["numeric[]", "text[]"],
        ),
        ("type = \"list\", items = \"json\"", "jsonb, json or an array", &["jsonb[]"]),
    ];
    let (mut load, mut columns, mut findings) = (Load::of("{}\n"), String::new(), Vec::new());
    for (field, wanted, types) in refused {
        for column in types {
            let number = findings.len();
            load = load.field(&format!("c{number} = {{ {field} }}"));
            columns += &format!("c{number} {column}, ");
            findings.push(format!("column c{number} is {column}, and should be {wanted}; change the type of the field or of the column\n"));
        }
    }
    let load = load.given(&format!("CREATE TABLE t ({columns} {{key}})"));
    let ended = load.run();
    ended.exit(2).says(&format!("{} things stand in the way", findings.len()));
    for finding in findings {
        ended.says(&finding);
    }
}

#[test]
fn every_destination_keeps_the_last_of_members_with_one_key() {
    let log = r#"{"n":1,"j":{"a":1,"a":2,"b":[{"c":1,"c":2}]},"x":{"a":1,"a":2},"x":{"a":3,"a":4}}"#;
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let load = Load::of(log).to(kind).schema("n int").field("j = \"json\"").record("extra = \"keep\"");
        load.run().exit(0);
        let sql = "SELECT j->>'a', j->'b'->0->>'c', extra->'x'->>'a' FROM t";
        assert_eq!(crate::tables::select(&load, sql), ["2 2 4"], "{kind:?}");
    }
}
