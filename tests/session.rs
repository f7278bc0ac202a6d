//! Defaults that a session inherits from the server, the database and the role (date styles, commit
//! settings), and a pooler between us and the server.

use crate::harness::load::Load;
use crate::harness::log::{SCHEMA, log};
use crate::harness::oracle::check_complete;
use crate::harness::pooler::Pooler;

/// Defaults of a role, each of which would change what a load stores or promises.
const HOSTILE: [(&str, &str); 8] = [
    ("DateStyle", "'SQL, DMY'"),
    ("TimeZone", "'Asia/Kolkata'"),
    ("client_encoding", "LATIN1"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-15"),
    ("standard_conforming_strings", "off"),
    ("default_transaction_isolation", "serializable"),
    ("synchronous_commit", "off"),
];

/// The URL of the load's database for a role with these defaults.
fn hostile_role(load: &Load) -> String {
    let role = format!("{}_hostile", load.database().name());
    load.sql(&format!("CREATE ROLE {role} LOGIN SUPERUSER"));
    for (setting, value) in HOSTILE {
        load.sql(&format!("ALTER ROLE {role} SET {setting} = {value}"));
    }
    load.database().url().replace("postgres@", &format!("{role}@"))
}

/// A table with a statement trigger, which does not change the path of rows; it records how a transaction
/// began.
const NOTED: &str = "CREATE TABLE noted (what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO noted VALUES (concat_ws(' ', split_part(current_query(), ' ', 1),
            current_setting('synchronous_commit'), current_setting('transaction_isolation')));
        RETURN NULL;
    END $$;
    CREATE TRIGGER note AFTER INSERT ON t EXECUTE FUNCTION note()";

fn noted(load: &Load) -> String {
    load.ask("SELECT string_agg(DISTINCT what, ', ') FROM noted")
}

#[test]
fn a_role_with_hostile_defaults_loads_the_same() {
    let whole = log(51, 90);
    let load = Load::of(&whole[..whole.len() * 2 / 3])
        .schema(SCHEMA)
        .given(&format!(
            "CREATE TABLE t (id bigint, level text, message text, ratio double precision, at {{timestamp}}, {{key}});
             {NOTED}"
        ))
        .batches_of(20);
    let url = hostile_role(&load);
    load.call().into(&url).run().exit(3);
    check_complete(&load);
    // What was stored about the end of the file must be read back correctly, too.
    load.write("log.ndjson", &whole);
    load.call().into(&url).run().exit(3);
    check_complete(&load);
    assert_eq!(noted(&load), "COPY on read committed");
}

#[test]
fn a_role_with_hostile_defaults_casts_the_same() {
    let row = r#"{"id":1,"ratio":0.1234567890123456,"at":"2023-10-27T12:34:56.789+02:00","#;
    let load = Load::of(format!("{row}\"span\":\"[2023-03-04 05:06:07,)\",\"days\":\"[04/03/02,)\"}}\n"))
        .schema("id int, ratio float, at timestamp")
        .field("span = { type = \"text\" }\ndays = { type = \"text\" }")
        .given(&format!(
            "CREATE TABLE t (id bigint, ratio double precision, at {{timestamp}}, span tstzrange, days daterange, {{key}});
             {NOTED}"
        ));
    load.call().into(&hostile_role(&load)).run().exit(0);
    check_complete(&load);
    let text = "SELECT to_char(lower(span) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS ') || to_char(lower(days), 'YYYY-MM-DD') FROM t";
    assert_eq!(load.ask::<String>(text), "2023-03-04 05:06:07 2004-03-02");
    assert_eq!(noted(&load), "INSERT on read committed");
}

#[test]
fn a_pooler_in_transaction_mode_is_refused() {
    let load = Load::of(log(52, 20)).schema(SCHEMA);
    let pooler = Pooler::before(load.database());
    let refused = load.call().into(pooler.url()).run();
    refused.exit(2).says("transaction pooler");
    assert!(load.ask::<bool>("SELECT to_regnamespace('logmill') IS NULL"), "something was made");
}
