//! Partitioned targets, as people have them: by month on the time column, with and without a default, by
//! lists and hashes, and in two levels.

use crate::harness::load::Load;
use crate::harness::oracle::check_complete;
use crate::tables::{lines, select};

/// A table of events partitioned by month, as people have them.
const BY_MONTH: &str = "CREATE TABLE t (n bigint, at timestamptz, source_id integer, source_offset bigint,
                     UNIQUE (source_id, source_offset, at)) PARTITION BY RANGE (at);
    CREATE TABLE t_2023_09 PARTITION OF t FOR VALUES FROM ('2023-09-01') TO ('2023-10-01');
    CREATE TABLE t_2023_10 PARTITION OF t FOR VALUES FROM ('2023-10-01') TO ('2023-11-01');
    CREATE TABLE t_2023_11 PARTITION OF t FOR VALUES FROM ('2023-11-01') TO ('2023-12-01')";

fn event(n: i32, at: &str) -> String {
    format!("{{\"n\":{n},\"at\":\"{at}\"}}\n")
}

#[test]
fn rows_go_to_their_month_and_a_row_without_one_is_rejected() {
    let log = [
        event(1, "2023-09-30T23:59:59.999999Z"),
        event(2, "2023-10-01T00:00:00Z"),
        event(3, "2023-12-01T00:00:00Z"),
        event(4, "2023-11-30T23:59:59Z"),
        event(5, "2021-01-01T00:00:00Z"),
    ];
    for rows in [1, 2, 100] {
        let load = Load::of(log.concat())
            .schema("n int, at timestamp")
            .given(BY_MONTH)
            .batches_of(rows)
            .pipeline("chunk_size = 1");
        load.run()
            .exit(3)
            .rejects([(3, "server_23514"), (5, "server_23514")])
            .counts("3 inserted, 2 rejected");
        assert_eq!(
            select(&load, "SELECT tableoid::regclass::text, n FROM t ORDER BY n"),
            ["t_2023_09 1", "t_2023_10 2", "t_2023_11 4"]
        );
    }
    let load = Load::of(log.concat())
        .schema("n int, at timestamp")
        .given(&format!("{BY_MONTH}; CREATE TABLE t_rest PARTITION OF t DEFAULT"));
    load.run().exit(0).counts("5 inserted");
    assert_eq!(select(&load, "SELECT n FROM t_rest ORDER BY n"), ["3", "5"]);
}

#[test]
fn a_row_with_a_null_partition_key_is_rejected() {
    // Two nulls are never equal, so no index would find the row again.
    let load = Load::of([event(1, "2023-10-01T00:00:00Z"), "{\"n\":2}\n".to_owned()].concat())
        .schema("n int, at timestamp?")
        .given(&format!("{BY_MONTH}; CREATE TABLE t_rest PARTITION OF t DEFAULT"));
    load.run().exit(3).rejects([(2, "not_storable at")]);
}

/// The same file under other rules, as after the loss of its checkpoint: rows with the same positions are in
/// other months.
#[test]
fn a_rerun_under_other_rules_moves_rows_between_months() {
    let log: String = (0..60).map(|n| event(n, &format!("2023-{:02}-15T00:00:00Z", 9 + n / 20))).collect();
    // All rows of a batch move by a month, or some of them by days.
    for (rows, shift) in [(100, "1 month"), (7, "1 month"), (100, "-1 month"), (7, "10 days"), (1, "20 days")]
    {
        let load = Load::of(&log)
            .schema("n int, at timestamp")
            .given(&format!("{BY_MONTH}; CREATE TABLE t_rest PARTITION OF t DEFAULT"))
            .batches_of(rows);
        load.run().exit(0).counts("60 inserted");
        load.sql(&format!(
            "UPDATE t SET at = at + '{shift}'; DROP SCHEMA logmill CASCADE; TRUNCATE audit.moves"
        ));
        load.run().exit(0);
        assert_eq!(
            select(&load, "SELECT count(*), count(DISTINCT source_offset) FROM t"),
            ["60 60"],
            "{shift}, batches of {rows}"
        );
        check_complete(&load);
    }
}

#[test]
fn partitions_of_every_kind_take_rows() {
    for (partitions, key) in [
        (
            "PARTITION BY LIST (level); CREATE TABLE t_info PARTITION OF t FOR VALUES IN ('INFO');
             CREATE TABLE t_rest PARTITION OF t DEFAULT",
            "level",
        ),
        (
            "PARTITION BY HASH (source_offset); CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0);
             CREATE TABLE t_1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
            "",
        ),
        (
            "PARTITION BY RANGE (day); CREATE TABLE t_2023 PARTITION OF t FOR VALUES FROM ('2023-01-01') TO ('2024-01-01') PARTITION BY LIST (level);
             CREATE TABLE t_2023_info PARTITION OF t_2023 FOR VALUES IN ('INFO'); CREATE TABLE t_2023_rest PARTITION OF t_2023 DEFAULT",
            "day, level",
        ),
    ] {
        let comma = if key.is_empty() { "" } else { "," };
        let log: String = (0..20).map(|n| format!("{{\"n\":{n},\"day\":\"2023-01-{:02}\",\"level\":\"{}\"}}\n", 1 + n, ["INFO", "WARN"][n % 2])).collect();
        let load = Load::of(log)
            .schema("n int, level enum(INFO|WARN)")
            .field("day = \"date\"")
            .given(&format!(
                "CREATE TABLE t (n bigint, day date, level text, source_id integer, source_offset bigint,
                                 PRIMARY KEY (source_id, source_offset{comma} {key})) {partitions}"
            ));
        load.run().exit(0).counts("20 inserted");
        check_complete(&load);
        // A second load through the stage changes nothing.
        load.sql("DROP SCHEMA logmill CASCADE; TRUNCATE audit.moves");
        load.run().exit(0).counts("20 unchanged");
        assert_eq!(load.rows().len(), 20);
    }
}

#[test]
fn unsuitable_partitioning_is_refused() {
    let table = "CREATE TABLE t (k bigint, n bigint, at timestamptz, more text DEFAULT 'x', source_id integer, source_offset bigint,";
    for (key, given, finding) in [
        (
            r#"["k"]"#,
            "UNIQUE (k, n)) PARTITION BY RANGE (n)",
            "t is partitioned by n, which is not in the key",
        ),
        (
            "position",
            "UNIQUE (source_id, source_offset, more)) PARTITION BY LIST (more)",
            "t is partitioned by more, and no field is written to it",
        ),
        ("position", "n2 bigint) PARTITION BY RANGE ((n % 5))", "t is partitioned by an expression"),
        (
            "position",
            "UNIQUE (source_id, source_offset, n)) PARTITION BY RANGE (n); CREATE UNLOGGED TABLE t_1 PARTITION OF t DEFAULT",
            "t_1 is not a logged table",
        ),
    ] {
        Load::of("{\"k\":1,\"n\":1}\n")
            .schema("k int, n int")
            .key(key)
            .given(&format!("{table} {given}"))
            .run()
            .exit(2)
            .says(finding);
    }
}

/// Whether a row of such a table was changed depended on which other rows were in the batch.
#[test]
fn rows_of_a_table_that_inherits_are_never_taken_for_the_targets() {
    let table = "CREATE TABLE t (n bigint PRIMARY KEY, level text, record_hash uuid UNIQUE, source_id integer, source_offset bigint,
                                 UNIQUE (source_id, source_offset));
                 CREATE TABLE heir (PRIMARY KEY (n)) INHERITS (t); INSERT INTO heir VALUES (1, 'of the heir')";
    let log = "{\"n\":1,\"level\":\"a\"}\n{\"n\":2,\"level\":\"b\"}\n{\"n\":2,\"level\":\"c\"}\n";
    for key in [r#"["n"]"#, "content"] {
        let load = Load::of(log).schema("n int, level text").key(key).given(table);
        load.run().exit(2).says("heir inherits from t");
        assert_eq!(load.ask::<String>("SELECT level FROM heir"), "of the heir", "{key}");
    }
    let load = Load::of("{\"n\":1,\"level\":\"a\"}\n").schema("n int, level text").given(table);
    load.run().exit(0);
    assert_eq!(
        load.ask::<String>("SELECT string_agg(level, ' ' ORDER BY level) FROM t WHERE n = 1"),
        "a of the heir"
    );
}

#[test]
fn a_trigger_on_a_nested_partition_is_seen_too() {
    let load = Load::of(lines([1, 2, 3])).schema("n int").given(
        "CREATE TABLE t (n bigint, source_id integer, source_offset bigint, UNIQUE (source_id, source_offset, n)) PARTITION BY RANGE (n);
         CREATE TABLE t_a PARTITION OF t FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (n);
         CREATE TABLE t_b PARTITION OF t_a DEFAULT;
         CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.n = 2 THEN RETURN NULL; END IF; RETURN NEW;
         END $$;
         CREATE TRIGGER swallow BEFORE INSERT ON t_b FOR EACH ROW EXECUTE FUNCTION swallow()",
    );
    load.run().exit(1).says("a trigger drops rows without an error");
}

/// Ranges with a gap, lists within ranges, and a level with a default: a row without a partition never
/// reaches the server, and the worker decides as the server would.
#[test]
fn a_record_without_a_partition_is_refused_before_it_is_sent() {
    let line =
        |n: i32, at: &str, level: &str| format!("{{\"n\":{n},\"day\":\"{at}\",\"level\":\"{level}\"}}\n");
    let log = [
        line(1, "2023-01-31", "INFO"),
        line(2, "2023-02-01", "INFO"),
        line(3, "2023-03-01", "WARN"),
        line(4, "2023-03-31", "it's"),
        line(5, "2023-03-31", "none"),
        line(6, "2022-12-31", "WARN"),
        line(7, "2024-05-01", "none"),
        line(8, "2023-04-01", "INFO"),
    ];
    let load = Load::of(log.concat()).schema("n int, day date, level text").given(
        "CREATE TABLE t (n bigint, day date, level text, source_id integer, source_offset bigint,
                         PRIMARY KEY (source_id, source_offset, day, level)) PARTITION BY RANGE (day);
         CREATE TABLE t_01 PARTITION OF t FOR VALUES FROM ('2023-01-01') TO ('2023-02-01');
         CREATE TABLE t_03 PARTITION OF t FOR VALUES FROM ('2023-03-01') TO ('2023-04-01') PARTITION BY LIST (level);
         CREATE TABLE t_03_warn PARTITION OF t_03 FOR VALUES IN ('WARN', 'it''s');
         CREATE TABLE t_04 PARTITION OF t FOR VALUES FROM ('2023-04-01') TO ('2023-05-01');
         CREATE TABLE t_24 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO (MAXVALUE) PARTITION BY LIST (level);
         CREATE TABLE t_24_rest PARTITION OF t_24 DEFAULT",
    );
    load.run()
        .exit(3)
        .rejects([(2, "server_23514"), (5, "server_23514"), (6, "server_23514")])
        .counts("5 inserted, 3 rejected");
    assert_eq!(
        select(&load, "SELECT tableoid::regclass::text, n FROM t ORDER BY n"),
        ["t_01 1", "t_03_warn 3", "t_03_warn 4", "t_24_rest 7", "t_04 8"]
    );
    assert_eq!(
        select(
            &load,
            "SELECT DISTINCT stage, r ->> 'message' FROM logmill.dead_letters, jsonb_array_elements(reasons) r"
        ),
        ["schema no partition of relation \"t\" found for row"]
    );
}

#[test]
fn a_partition_attached_during_a_load_is_used_by_the_next() {
    let log: String = (1..=20)
        .map(|n| event(n, if n % 2 == 0 { "2023-12-05T00:00:00Z" } else { "2023-10-05T00:00:00Z" }))
        .collect();
    let load =
        Load::of(&log).schema("n int, at timestamp").given(BY_MONTH).batches_of(5).pipeline("chunk_size = 1");
    let december = "CREATE TABLE t_2023_12 PARTITION OF t FOR VALUES FROM ('2023-12-01') TO ('2024-01-01')";
    let run = load.call().stop_at("between-batches", 0).start().wait_stopped();
    load.sql(december);
    run.wake();
    run.wait().exit(3).counts("10 inserted, 10 rejected");
    assert_eq!(select(&load, "SELECT count(*), min(n % 2) FROM t"), ["10 1"]);
    load.write("log.ndjson", [log, event(21, "2023-12-06T00:00:00Z")].concat());
    load.run().exit(3).counts("11 inserted, 10 rejected");
    assert_eq!(select(&load, "SELECT n FROM t_2023_12"), ["21"]);
}
