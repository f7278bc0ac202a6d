//! A server that refuses nearly every row: exactly the refused rows become dead letters, whether logmill or
//! the server isolates them.

use crate::harness::load::Load;
use crate::harness::logmill;
use crate::harness::proxy::Proxy;
use crate::tables::select;

/// Records of which only those below one hundred, and every thousandth, satisfy the foreign key or CHECK.
fn needy(count: usize) -> String {
    (0..count)
        .map(|n| format!("{{\"n\":{n},\"d\":\"{}\"}}\n", if is_fed(n) { "2024-01-01" } else { "2030-01-01" }))
        .collect()
}

fn is_fed(n: usize) -> bool {
    n < 100 || n.is_multiple_of(1000)
}

#[test]
fn exactly_the_refused_rows_become_dead_letters_when_nearly_all_are_refused() {
    const COUNT: usize = 5000;
    let fed = (0..COUNT).filter(|&n| is_fed(n)).count();
    let trigger = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.n >= 100 AND NEW.n % 1000 <> 0 THEN RAISE EXCEPTION 'hungry'; END IF; RETURN NEW;
        END $$;";
    let host = "CREATE TABLE host (n bigint PRIMARY KEY); INSERT INTO host SELECT n FROM generate_series(0, 100000) n WHERE n < 100 OR n % 1000 = 0;";
    for (given, code, constraint) in [
        (
            "CREATE TABLE t (n bigint, d date, {key}) PARTITION BY RANGE (d); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')".to_owned(),
            "server_23514",
            "",
        ),
        (format!("{host} CREATE TABLE t (n bigint CONSTRAINT fed REFERENCES host, d date, {{key}})"), "server_23503", "fed"),
        (
            format!("{host} CREATE TABLE t (n bigint CONSTRAINT fed REFERENCES host DEFERRABLE INITIALLY DEFERRED, d date, {{key}})"),
            "server_23503",
            "fed",
        ),
        (
            format!("{trigger} CREATE TABLE t (n bigint, d date, {{key}}); CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION refuse()"),
            "server_p0001",
            "",
        ),
    ] {
        for key in ["position", "[\"n\"]"] {
            let is_partitioned = given.contains("PARTITION");
            let given = match (key, is_partitioned) {
                ("position", true) => given.replace("{key}", "source_id integer, source_offset bigint, PRIMARY KEY (source_id, source_offset, d)"),
                ("position", false) => given.clone(),
                (_, true) => given.replace("{key}", "PRIMARY KEY (n, d)"),
                (_, false) => given.replace("{key}", "PRIMARY KEY (n)"),
            };
            let key = if key != "position" && is_partitioned { "[\"n\", \"d\"]" } else { key };
            let load = Load::of(needy(COUNT)).schema("n int, d date").key(key).given(&given).pipeline("batch_rows = 2000");
            load.run().exit(3).counts(&format!("{fed} inserted, {} rejected", COUNT - fed));
            let told = select(&load, "SELECT r ->> 'code', coalesce(r ->> 'constraint', ''), count(*), min(source_offset) > 0 FROM logmill.dead_letters, jsonb_array_elements(reasons) r GROUP BY 1, 2");
            assert_eq!(told, [format!("{code} {constraint} {} 1", COUNT - fed)], "{given}, {key}");
            // The server's words about a row are kept, whoever isolated the row.
            let details = select(&load, "SELECT count(*) FROM logmill.dead_letters WHERE reasons -> 0 ->> 'detail' LIKE 'Key (n)=(' || (convert_from(raw, 'UTF8')::json ->> 'n') || ') is not present%'");
            let expected = if code == "server_23503" { COUNT - fed } else { 0 };
            assert_eq!(details, [expected.to_string()], "{given}, {key}");
            assert_eq!(select(&load, "SELECT count(*), sum(n)::bigint FROM t"), [format!("{fed} {}", (0..COUNT).filter(|&n| is_fed(n)).sum::<usize>())]);
        }
    }
}

#[test]
fn a_batch_taken_apart_gives_the_same_result_as_pieces() {
    // Each key occurs three times, with two refused rows in between, over rows that exist already.
    let line = |n: usize, v: usize| format!("{{\"k\":\"k{}\",\"n\":{n},\"v\":{v}}}\n", n % 50);
    let log: String = (0..600).map(|n| if n % 3 == 0 { line(n, n) } else { line(n, 1_000_000) }).collect();
    for on_conflict in ["update", "keep", "newest(v)"] {
        let mut tables = Vec::new();
        for rows in [1, 40, 1000] {
            let load = Load::of(&log)
                .schema("k text, n int, v int")
                .key(r#"["k"]"#)
                .destination(&format!("on_conflict = \"{on_conflict}\""))
                .pipeline(&format!("batch_rows = {rows}"))
                .given(
                    "CREATE TABLE limits (v bigint); INSERT INTO limits VALUES (1000);
                     CREATE FUNCTION below(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT $1 < v FROM limits';
                     CREATE TABLE t (k varchar(9) PRIMARY KEY, n bigint, v integer CONSTRAINT low CHECK (below(v)));
                     INSERT INTO t SELECT 'k' || n, -1, 7 FROM generate_series(0, 24) n",
                );
            load.run().exit(3);
            assert_eq!(load.ask::<i64>("SELECT count(*) FROM logmill.dead_letters"), 400);
            tables.push(select(&load, "SELECT k, n, v FROM t ORDER BY k"));
        }
        assert_eq!(tables[0], tables[1], "{on_conflict}");
        assert_eq!(tables[0], tables[2], "{on_conflict}");
    }
}

#[test]
fn a_plan_lists_what_can_refuse_rows() {
    let load = Load::of(needy(3)).schema("n int, d date").given(
        "CREATE TABLE host (n bigint PRIMARY KEY); CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TABLE t (n bigint CONSTRAINT fed REFERENCES host CONSTRAINT more CHECK (n > 0), d date, source_id integer, source_offset bigint,
                         PRIMARY KEY (source_id, source_offset, d), UNIQUE (n, d)) PARTITION BY RANGE (d);
         CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
         CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    // Runs only to write the job file.
    load.call().arg("--table").arg("a b").run().exit(2);
    let output =
        logmill().args(["plan", "--output", "json", "-j"]).arg(load.path("job.toml")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for part in [
        "what has none of its partitions: RANGE (d), FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "more: CHECK ((n > 0))",
        "fed: FOREIGN KEY (n) REFERENCES public.host(n)",
        "t_n_d_key: UNIQUE btree (n, d)",
        "the trigger refuse",
        "A row that loses its key to a later one within a batch is judged by CHECKs alone",
    ] {
        assert!(said.contains(part), "{part} is not said: {said}");
    }
    assert!(!said.contains("t_pkey"), "{said}");
}

#[test]
fn a_plan_lists_columns_narrower_than_their_fields() {
    let table = "CREATE TYPE mood AS ENUM ('calm', 'loud'); CREATE DOMAIN port AS integer CHECK (VALUE < 65536);
         CREATE TABLE t (host varchar(3), mood mood, word varchar(4), n smallint, p port, cost numeric(4,1), m bigint NOT NULL,
                         level text, d date, source_id integer, source_offset bigint, PRIMARY KEY (source_id, source_offset, d))
             PARTITION BY RANGE (d);
         CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')";
    let good = r#"{"host":"abc","mood":"calm","word":"INFO","n":1,"p":1,"cost":"123.4","m":1,"level":"a","d":"2024-05-05"}"#;
    let amiss = [
        ("\"abc\"", "\"abcd\"", "not_storable host"),
        ("calm", "wild", "not_storable mood"),
        ("\"n\":1", "\"n\":40000", "not_storable n"),
        ("\"p\":1", "\"p\":70000", "server_23514 p"),
        ("123.4", "1234.5", "not_storable cost"),
        ("\"m\":1,", "", "not_storable m"),
        ("2024-05-05", "2025-01-01", "server_23514"),
    ];
    let lines = amiss.iter().map(|(from, to, _)| good.replace(from, to));
    let log = std::iter::once(good.to_owned()).chain(lines).map(|line| line + "\n").collect::<String>();
    let load = Load::of(log)
        .schema("host text, mood text, word enum(INFO|WARN), n int, p int, cost decimal, m int?, level text, d date")
        .given(table);
    let plan = |load: &Load| {
        load.call().arg("--table").arg("a b").run().exit(2);
        let mut plan = logmill();
        plan.args(["plan", "--output", "json", "-j"]).arg(load.path("job.toml"));
        String::from_utf8(plan.output().unwrap().stdout).unwrap()
    };
    let said = plan(&load);
    let whats = "t can refuse records, which become dead letters then, by host: character varying(3); mood: one of calm, loud; \
                 n: smallint; p: public.port; cost: numeric(4,1); m: NOT NULL; what has none of its partitions: RANGE (d)";
    assert!(said.contains(whats), "{said}");
    // The plan is right: this is what happens to those records.
    let expected: Vec<(i64, String)> =
        (2..).zip(amiss).map(|(line, (.., why))| (line, why.to_owned())).collect();
    load.run().exit(3).counts(&format!("1 inserted, {} rejected", amiss.len()));
    assert_eq!(load.rejects(), expected);
    // The plan says nothing about fields as narrow as their columns.
    let narrow = Load::of("{}\n")
        .field("host = { type = \"text\", max_length = 3 }")
        .field("mood = { type = \"enum\", values = [\"loud\"] }")
        .field("n = { type = \"int\", ge = 0, lt = 100 }")
        .field("cost = { type = \"decimal\", max_digits = 4, decimal_places = 1 }")
        .field("m = \"int\"")
        .given(
            "CREATE TYPE mood AS ENUM ('calm', 'loud');
             CREATE TABLE t (host varchar(3), mood mood, n smallint, cost numeric(4,1), m bigint NOT NULL,
                             source_id integer, source_offset bigint, PRIMARY KEY (source_id, source_offset))",
        );
    assert!(!plan(&narrow).contains("can refuse records"), "{}", plan(&narrow));
}

/// The client sends the same number of messages however many rows are refused.
#[test]
fn a_batch_taken_apart_sends_no_message_per_row() {
    let sent = |count: usize| {
        let host = "CREATE TABLE host (n bigint PRIMARY KEY); INSERT INTO host SELECT generate_series(0, 99)";
        let load = Load::of(needy(count)).schema("n int, d date").pipeline("batch_rows = 100000").given(&format!(
            "{host}; CREATE TABLE t (n bigint REFERENCES host, d date, source_id integer, source_offset bigint,
                                     PRIMARY KEY (source_id, source_offset))"
        ));
        let proxy = Proxy::on_tcp(load.database(), vec![]);
        load.call()
            .into(proxy.url())
            .run()
            .exit(3)
            .counts(&format!("100 inserted, {} rejected", count - 100));
        // Not counting the rows and the dead letters themselves, nor the goodbye, which the proxy may miss.
        proxy.traffic()[0].client.iter().filter(|&&kind| !matches!(kind, b'd' | b'X')).count()
    };
    let (few, many) = (sent(2_000), sent(16_000));
    // One statement more tries the rows above 10,000.
    assert!(many < few + 20, "{few} messages for 2,000 rows, {many} for 16,000");
}
