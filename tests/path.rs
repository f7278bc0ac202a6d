//! Names in SQL, and what someone who may create objects on our search path can do with them.
//!
//! The server looks up operators, functions, types and tables on a path that the role, the database or a
//! schema's owner decides. Our names must mean what they say, whatever is on that path; names in the user's
//! triggers must mean what their author meant.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::harness::load::Load;
use crate::harness::logmill;
use crate::harness::oracle::check_complete;
use crate::tables::{lines, select};

/// The URL of the load's database for a role with the rights of a loader and no others.
fn loader(load: &Load, path: &str) -> String {
    let (database, role) = (load.database().name().to_owned(), format!("{}_loader", load.database().name()));
    load.sql(&format!(
        "CREATE ROLE {role} LOGIN;
         GRANT CREATE ON DATABASE {database} TO {role};
         GRANT CREATE, USAGE ON SCHEMA public TO {role};
         GRANT USAGE ON SCHEMA audit TO {role};
         GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA audit TO {role};
         GRANT ALL ON ALL SEQUENCES IN SCHEMA audit TO {role};
         ALTER ROLE {role} SET search_path = {path}"
    ));
    load.database().url().replace("postgres@", &format!("{role}@"))
}

/// Every word in our sources that could be a name in SQL.
fn words() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sink/postgres");
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(path).unwrap();
                let parts = text.split(|ch: char| !(ch.is_ascii_alphanumeric() || ch == '_'));
                words.extend(parts.filter(|word| !word.is_empty()).map(str::to_lowercase));
            }
        }
    }
    words
}

/// A schema that shadows every operator, function, type and table of the server that has one of our names,
/// with traps that raise an error. It also defines each operator for pairs of types for which the server has
/// none, which would be the better match.
fn traps() -> String {
    let words = words().into_iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
    let mut sql = String::from(
        "CREATE SCHEMA trap; CREATE SEQUENCE trap.sprung; GRANT USAGE ON SCHEMA trap TO PUBLIC; GRANT ALL ON SEQUENCE trap.sprung TO PUBLIC;
         CREATE FUNCTION trap.spring() RETURNS pg_catalog.int4 LANGUAGE plpgsql AS $$ BEGIN
             PERFORM pg_catalog.nextval('trap.sprung'); RAISE EXCEPTION SQLSTATE 'XX001' USING MESSAGE = 'sprung';
         END $$;",
    );
    let _ = write!(
        sql,
        "DO $do$ DECLARE f record; made int := 0; aggregates int := 0; sets int := 0;
         BEGIN
             -- In the place of an aggregate too stands a function, which a call of it would find first.
             FOR f IN SELECT proname, prokind, proretset,
                             pg_get_function_identity_arguments(oid) AS args, pg_get_function_result(oid) AS result
                      FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a')
                      AND proname::text IN ({words}) AND prorettype::regtype::text NOT IN ('internal', 'trigger', 'cstring')
                      AND pg_get_function_identity_arguments(oid) !~ 'internal|cstring|OUT|ORDER BY' LOOP
                 BEGIN
                     EXECUTE format('CREATE FUNCTION trap.%I(%s) RETURNS %s LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring(); RETURN%s; END $$',
                                    f.proname, f.args, f.result, CASE WHEN f.result = 'void' OR f.proretset THEN '' ELSE ' NULL' END);
                     made := made + 1;
                     aggregates := aggregates + (f.prokind = 'a')::int;
                     sets := sets + f.proretset::int;
                 -- A language of procedures takes no argument of any type.
                 EXCEPTION WHEN duplicate_function OR invalid_function_definition OR feature_not_supported THEN NULL; END;
             END LOOP;
             ASSERT made > 50 AND aggregates > 5 AND sets > 1,
                    format('too few functions: %s, %s aggregates, %s sets', made, aggregates, sets);
             FOR f IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'pg_catalog'::regnamespace
                      AND c.relkind IN ('r', 'v') AND c.relname::text IN ({words}) LOOP
                 EXECUTE format('CREATE VIEW trap.%I AS SELECT trap.spring()', f.relname);
             END LOOP;
             FOR f IN SELECT l.typ AS l, r.typ AS r, o.op FROM
                      unnest(ARRAY['int2','int4','int8','numeric','float4','float8','text','varchar','bpchar','name','bool','date',
                                   'timestamp','timestamptz','interval','bytea','uuid','inet','jsonb','oid']) l (typ),
                      unnest(ARRAY['int2','int4','int8','numeric','float4','float8','text','varchar','bpchar','name','bool','date',
                                   'timestamp','timestamptz','interval','bytea','uuid','inet','jsonb','oid']) r (typ),
                      unnest(ARRAY['=','<>','<','<=','>','>=','||','+','-','*','/']) o (op) LOOP
                 EXECUTE format('CREATE OR REPLACE FUNCTION trap.spring(pg_catalog.%s, pg_catalog.%s) RETURNS pg_catalog.bool LANGUAGE plpgsql
                                 AS $$ BEGIN PERFORM trap.spring(); RETURN true; END $$', f.l, f.r);
                 EXECUTE format('CREATE OPERATOR trap.%s (LEFTARG = pg_catalog.%s, RIGHTARG = pg_catalog.%s, FUNCTION = trap.spring)', f.op, f.l, f.r);
             END LOOP;
             FOR f IN SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typelem = 0
                      AND typname::text IN ({words}) LOOP
                 BEGIN
                     EXECUTE format('CREATE TYPE trap.%I AS ENUM (''sprung'')', f.typname);
                     EXECUTE format('CREATE FUNCTION trap.made_of(trap.%I) RETURNS pg_catalog.int4 LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring(); RETURN 1; END $$', f.typname);
                     EXECUTE format('CREATE CAST (trap.%1$I AS pg_catalog.int4) WITH FUNCTION trap.made_of(trap.%1$I) AS IMPLICIT', f.typname);
                 EXCEPTION WHEN duplicate_object THEN NULL; END;
             END LOOP;
         END $do$;"
    );
    sql
}

fn is_sprung(load: &Load) -> bool {
    load.ask("SELECT is_called FROM trap.sprung")
}

#[test]
fn objects_planted_on_the_path_never_run_as_us() {
    let traps = traps();
    for (key, more, columns) in [
        ("position", "", "source_id integer, source_offset bigint, PRIMARY KEY (source_id, source_offset)"),
        ("[\"word\"]", "on_conflict = \"newest(at)\"", "PRIMARY KEY (word)"),
    ] {
        let load = Load::of(
            "{\"n\":1,\"word\":\"a\",\"at\":\"2024-01-02T03:04:05Z\",\"x\":0.5,\"d\":\"1.50\",\"small\":3}\n\
             {\"n\":2,\"word\":\"b\",\"at\":\"2024-01-02T03:04:06Z\",\"x\":-0.0,\"d\":\"2\",\"small\":4}\n\
             {\"n\":2,\"word\":\"a\",\"at\":\"2024-01-02T03:04:06Z\",\"x\":1.5,\"d\":\"2\",\"small\":-1}\nbad\n",
        )
        .schema("n int, word text, at timestamp, x float, d decimal, small int")
        .key(key)
        .batches_of(2);
        load.sql(&format!(
            "{traps} CREATE TABLE t (n bigint CHECK (n > 0), word varchar(20) CHECK (length(word) < 10 AND word <> 'z'), at timestamptz, x real, d numeric,
                            small smallint CHECK (small >= 0), {columns})"
        ));
        // The server's own objects come last on this path.
        let url = loader(&load, "trap, pg_catalog, public");
        load.sql(&format!("ALTER TABLE t OWNER TO {}_loader", load.database().name()));
        let job = load.job().replace("[pipeline]", &format!("{more}\n[pipeline]"));
        let run = || load.call_with(&job).into(&url).run();
        let others = |commands: &[&str]| {
            for command in commands {
                let mut process = logmill();
                process.args(command.split(' ')).arg("-j").arg(load.path("job.toml")).args(["--into", &url]);
                let output = process.output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(!said.contains("sprung"), "{command}: {said}");
                assert!(
                    matches!(output.status.code(), Some(0 | 3)),
                    "{command}: {:?}: {said}",
                    output.status
                );
            }
        };
        run().exit(3).never_says("sprung");
        others(&[
            "status",
            "plan",
            "plan --print-sql",
            "dead-letters list",
            "dead-letters list --counts",
            "dead-letters replay",
            "verify",
            "load --lanes 2",
        ]);
        if key == "position" {
            others(&["load --rebuild"]);
        }
        // Again over existing rows: through the stage, compared and changed.
        load.sql("UPDATE t SET n = n + 10, at = at - interval '1 day', x = x + 1");
        load.sql("DROP SCHEMA logmill CASCADE");
        run().exit(3).never_says("sprung");
        assert_eq!(select(&load, "SELECT max(n) FROM t"), ["2"]);
        let id: i32 = load.ask("SELECT id FROM logmill.sources");
        others(&[&format!("forget --id {id}")]);
        assert!(!is_sprung(&load), "{key}");
    }
}

/// What is a better match than a built-in for the types of one column: functions for a text where the server's take
/// anything, and operators for types that have none of their own.
const BETTER_MATCHES: &str = "
    CREATE DOMAIN public.label AS text; GRANT USAGE ON TYPE public.label TO PUBLIC;
    DO $do$ DECLARE f text; o text; k text; BEGIN
        FOREACH f IN ARRAY ARRAY['count', 'sum', 'min', 'max', 'array_agg', 'unnest', 'to_jsonb'] LOOP
            FOREACH k IN ARRAY ARRAY['pg_catalog.text', 'pg_catalog.varchar', 'pg_catalog.name', 'pg_catalog.int2[]', 'public.label'] LOOP
                BEGIN
                    EXECUTE pg_catalog.format('CREATE FUNCTION trap.%I(%s) RETURNS pg_catalog.int8 LANGUAGE plpgsql
                                               AS $$ BEGIN PERFORM trap.spring(); RETURN 1; END $$', f, k);
                EXCEPTION WHEN duplicate_function THEN NULL; END;
            END LOOP;
        END LOOP;
        CREATE FUNCTION trap.spring(public.label, public.label) RETURNS pg_catalog.bool LANGUAGE plpgsql
            AS $$ BEGIN PERFORM trap.spring(); RETURN true; END $$;
        FOREACH o IN ARRAY ARRAY['=', '<>', '<', '>='] LOOP
            EXECUTE pg_catalog.format('CREATE OPERATOR trap.%s (LEFTARG = public.label, RIGHTARG = public.label, FUNCTION = trap.spring)', o);
        END LOOP;
    END $do$;";

#[test]
fn objects_planted_on_the_path_compute_no_metric() {
    let load = Load::of(
        "{\"at\":\"2024-01-02T03:04:05Z\",\"n\":1,\"word\":\"a\",\"label\":\"x\"}\n\
         {\"at\":\"2024-01-02T03:04:06Z\",\"n\":2,\"word\":\"b\",\"label\":\"x\"}\n",
    )
    .schema("at timestamp, n int, word text, label text");
    load.sql(&format!(
        "{}{BETTER_MATCHES}
         CREATE TABLE t (at timestamptz, n bigint, word varchar(9), label public.label, source_id integer, source_offset bigint,
                         PRIMARY KEY (source_id, source_offset));
         CREATE TABLE daily_metrics (date date, metric_id varchar(40), value numeric, UNIQUE (date, metric_id));
         CREATE TABLE by_label (date date, metric_id public.label, label public.label, value numeric)",
        traps()
    ));
    let url = loader(&load, "trap, pg_catalog, public");
    load.sql(&format!(
        "ALTER TABLE t OWNER TO {0}_loader; ALTER TABLE daily_metrics OWNER TO {0}_loader; ALTER TABLE by_label OWNER TO {0}_loader",
        load.database().name()
    ));
    let metric = |name: &str, of: &str| format!("[[rollup]]\nmetric = \"{name}\"\n{of}\n");
    let metrics = [
        metric("rows", "of = \"rows\""),
        metric("words", "of = \"count(word)\""),
        metric("labels", "of = \"distinct(label)\""),
        metric("sum", "of = \"sum(n)\""),
        metric("by_label", "of = \"rows\"\nby = [\"label\"]\ntable = \"by_label\""),
        metric("sql", "sql = \"select pg_catalog.count(*) from t where at >= {date} and at < {next_date}\""),
    ]
    .concat();
    let job = load.job().replace("[record]\n", "[record]\ntime = \"at\"\n") + "\n" + &metrics;
    load.call_with(&job).into(&url).run().exit(0).never_says("sprung");
    let values = "SELECT metric_id::text || '=' || value FROM daily_metrics UNION ALL SELECT metric_id::text || '=' || value FROM by_label ORDER BY 1";
    let expected = ["by_label=2", "labels=1", "rows=2", "sql=2", "sum=3", "words=2"];
    assert_eq!(select(&load, values), expected);
    // Once more over what is there, and compared with it.
    load.sql("UPDATE daily_metrics SET value = value + 1; UPDATE by_label SET value = 7");
    for (command, code) in [("rollup --check", 5), ("rollup", 0), ("rollup --check", 0)] {
        let mut process = logmill();
        process.args(command.split(' ')).arg("-j").arg(load.path("job.toml")).args(["--into", &url]);
        let output = process.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{command}: {said}");
    }
    assert_eq!(select(&load, values), expected);
    assert!(!is_sprung(&load));
}

#[test]
fn the_traps_spring_for_unqualified_names() {
    let load = Load::of(lines([1]));
    load.sql(&traps());
    let mut client = load.client();
    client.batch_execute("SET search_path = trap, pg_catalog").unwrap();
    for sql in [
        "SELECT 1.5 * 2",
        "SELECT pg_backend_pid()",
        "SELECT 'a'::pg_catalog.varchar = 'a'::pg_catalog.varchar",
        "SELECT * FROM pg_stat_activity",
        "SELECT max(1)",
        "SELECT * FROM unnest(ARRAY[1])",
    ] {
        let error = client.batch_execute(sql).expect_err(sql);
        assert!(error.as_db_error().is_some_and(|error| error.message() == "sprung"), "{sql}: {error:?}");
    }
    assert!(is_sprung(&load));
}

/// A trigger that finds its table and its function only on the path of the role.
const OF_THE_USER: &str = "CREATE SCHEMA app; CREATE TABLE app.noted (n bigint);
    CREATE FUNCTION app.twice(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT $1 * 2';
    CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO noted VALUES (twice(NEW.n)); RETURN NEW; END $$;";

#[test]
fn the_users_triggers_find_what_their_author_meant() {
    for (timing, path) in [
        ("TRIGGER note AFTER INSERT", "app, public"),
        ("TRIGGER note BEFORE INSERT", "\"$user\", public, app"),
        ("CONSTRAINT TRIGGER note AFTER INSERT", "app, public"),
    ] {
        let deferred = if timing.starts_with("CONSTRAINT") { "DEFERRABLE INITIALLY DEFERRED" } else { "" };
        let load = Load::of(lines([1, 2])).schema("n int").given(&format!(
            "CREATE TABLE t (n bigint, {{key}}); {OF_THE_USER}
             CREATE {timing} ON t {deferred} FOR EACH ROW EXECUTE FUNCTION app.note()"
        ));
        load.made();
        let url = loader(&load, path);
        load.sql(&format!(
            "GRANT USAGE ON SCHEMA app TO PUBLIC; GRANT INSERT ON app.noted TO PUBLIC; ALTER TABLE t OWNER TO {}_loader",
            load.database().name()
        ));
        load.call().into(&url).run().exit(0);
        check_complete(&load);
        assert_eq!(select(&load, "SELECT n FROM app.noted ORDER BY n"), ["2", "4"], "{timing}");
    }
}

#[test]
fn a_search_path_is_never_pasted_into_sql() {
    let load = Load::of(lines([1])).schema("n int");
    let role = format!("{}_loader", load.database().name());
    let evil = format!("a; ALTER ROLE {role} SUPERUSER; --");
    let url = loader(&load, &format!("'{evil}', '\"', ''"));
    load.sql(&format!("CREATE SCHEMA \"{evil}\"; GRANT ALL ON SCHEMA \"{evil}\" TO PUBLIC"));
    load.call().into(&url).run().exit(0);
    assert_eq!(select(&load, &format!("SELECT n FROM \"{evil}\".t")), ["1"]);
    assert!(!load.ask::<bool>(&format!("SELECT rolsuper FROM pg_roles WHERE rolname = '{role}'")));
}

#[test]
fn a_qualified_table_is_found_with_an_empty_path() {
    let load = Load::of(lines([1])).schema("n int");
    let url = loader(&load, "''");
    load.call().into(&url).run().exit(2).says("is in no schema");
    let job = load.job().replace("table = \"t\"", "table = \"public.t\"");
    load.call_with(&job).into(&url).run().exit(0);
    load.write("b.ndjson", lines([2]));
    load.call_with(&job).into(&url).run().exit(0);
    assert_eq!(select(&load, "SELECT n FROM t ORDER BY n"), ["1", "2"]);
}

#[test]
fn a_table_is_found_first_on_the_roles_path() {
    let load = Load::of(lines([1])).schema("n int");
    load.sql("CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE b.t (n bigint, source_id integer, source_offset bigint, PRIMARY KEY (source_id, source_offset))");
    let url = loader(&load, "nowhere, a, b, public");
    load.sql(&format!(
        "GRANT ALL ON SCHEMA a, b TO {0}_loader; ALTER TABLE b.t OWNER TO {0}_loader",
        load.database().name()
    ));
    load.call().into(&url).run().exit(0);
    assert_eq!(select(&load, "SELECT n FROM b.t"), ["1"]);
}

#[test]
fn reserved_words_work_as_table_names() {
    for name in ["select", "Select", "\"a;b\"", "public.\"order\""] {
        let load = Load::of(lines([1])).schema("n int");
        let job = load.job().replace("table = \"t\"", &format!("table = '{name}'"));
        load.call_with(&job).run().exit(0);
        load.write("b.ndjson", lines([2]));
        load.call_with(&job).run().exit(0).says("");
    }
    let load = Load::of(lines([1])).schema("n int");
    let long = "x".repeat(64);
    for (table, says) in [
        ("a b", "has something after its name"),
        ("t; DROP TABLE u", "has something after its name"),
        (long.as_str(), "64 bytes"),
        ("a.b.c", "more than two parts"),
    ] {
        load.call().arg("--table").arg(table).run().exit(2).says(says);
        let job = load.job().replace("table = \"t\"", &format!("table = \"{table}\""));
        load.call_with(&job).run().exit(2).says(says).says("job.toml:");
    }
}
