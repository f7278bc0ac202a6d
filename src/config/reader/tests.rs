//! The faults that a reader finds in a job, and where it says they are.

use super::super::tests::{SMALL, assert_wrong, complaint, findings, small_with};

#[test]
fn an_unknown_key_names_the_nearest() {
    assert_eq!(
        complaint(&small_with("source", "fromat = \"ndjson\"")),
        "unknown key 'fromat' in [source]; did you mean 'format'?\n --> jobs/app.toml:3:1\n  |\n\
         3 | fromat = \"ndjson\"\n  | ^^^^^^"
    );
    assert_wrong(
        "record.fields",
        "a = { type = \"text\", min_len = 1 }",
        "unknown key 'min_len' in field 'a'; did you mean 'min_length'?",
        "min_len",
    );
    assert_wrong(
        "destinatoin",
        "",
        "unknown key 'destinatoin' in the job file; did you mean 'destination'?",
        "destinatoin",
    );
}

#[test]
fn a_key_of_another_table_is_sent_there() {
    assert_wrong(
        "source",
        "threads = 4",
        "unknown key 'threads' in [source]; it belongs to [pipeline]",
        "threads",
    );
    assert_wrong(
        "dead_letters",
        "on_conflict = \"keep\"",
        "unknown key 'on_conflict' in [dead_letters]; it belongs to [destination]",
        "on_conflict",
    );
}

#[test]
fn a_key_like_no_other_is_told_what_there_is() {
    assert_wrong(
        "dead_letters",
        "colour = 1",
        "unknown key 'colour' in [dead_letters]; known are stop_above, max_raw, to",
        "colour",
    );
    assert_wrong(
        "dead_letters",
        "\"a\\nb\" = 1",
        "unknown key 'a\\nb' in [dead_letters]; known are stop_above, max_raw, to",
        "\"a\\nb\"",
    );
}

#[test]
fn a_word_names_the_nearest_one() {
    assert_wrong(
        "record",
        "mode = \"strikt\"",
        "unknown mode 'strikt'; did you mean 'strict'?",
        "\"strikt\"",
    );
    assert_wrong(
        "record",
        "extra = \"drop\"",
        "unknown extra 'drop'; it is 'ignore', 'forbid' or 'keep'",
        "\"drop\"",
    );
    assert_wrong("source", "order = \"NAME\"", "unknown order 'NAME'; did you mean 'name'?", "\"NAME\"");
}

#[test]
fn a_value_of_another_kind_is_told_what_belongs_there() {
    for (table, line, message, marked) in [
        ("source", "mmap = \"yes\"", "'mmap' takes true or false, not 'yes'", "\"yes\""),
        ("source", "order = 1", "'order' takes 'name' or 'name-reverse', not 1", "1"),
        (
            "source",
            "max_record = \"16M\"",
            "'max_record' takes a size from 1B to 1GiB, as in \"64KiB\", not '16M'",
            "\"16M\"",
        ),
        (
            "source",
            "max_record = -1",
            "'max_record' takes a size from 1B to 1GiB, as in \"64KiB\", not -1",
            "-1",
        ),
        (
            "source",
            "max_record = \"2GiB\"",
            "'max_record' takes a size from 1B to 1GiB, as in \"64KiB\", not '2GiB'",
            "\"2GiB\"",
        ),
        ("pipeline", "batch_rows = 0", "'batch_rows' takes a whole number from 1 to 10_000_000, not 0", "0"),
        (
            "pipeline",
            "batch_rows = 1.5",
            "'batch_rows' takes a whole number from 1 to 10_000_000, not 1.5",
            "1.5",
        ),
        (
            "pipeline",
            "batch_rows = \"1\"",
            "'batch_rows' takes a whole number from 1 to 10_000_000, not '1'",
            "\"1\"",
        ),
        (
            "pipeline",
            "batch_rows = 99999999999999999999",
            "'batch_rows' takes a whole number from 1 to 10_000_000, not 99999999999999999999",
            "99999999999999999999",
        ),
        (
            "pipeline",
            "retry_for = 600",
            "'retry_for' takes a duration from 0s to 7d, as in \"1m30s\", not 600",
            "600",
        ),
        (
            "pipeline",
            "retry_for = \"8d\"",
            "'retry_for' takes a duration from 0s to 7d, as in \"1m30s\", not '8d'",
            "\"8d\"",
        ),
        (
            "pipeline",
            "deadline = 2020-01-01",
            "'deadline' takes a duration from 100ms to 1d, as in \"1m30s\", not 2020-01-01",
            "2020-01-01",
        ),
        ("destination", "create = [1]", "'create' takes true or false, not a list", "[1]"),
        ("destination", "create = {}", "'create' takes true or false, not a table", "{}"),
    ] {
        assert_wrong(table, line, message, marked);
    }
    assert_eq!(
        findings(&format!("pipeline = 1\n{SMALL}")),
        [("'pipeline' takes a table, not 1".to_owned(), "1".to_owned())]
    );
}

#[test]
fn what_a_variable_holds_is_never_shown() {
    for (table, line) in [
        ("source", "max_record = \"${SECRET}\""),
        ("source", "order = \"${SECRET}\""),
        ("source", "timezone = \"${SECRET}\""),
        ("source", "include = [\"[${SECRET}\"]"),
        ("source", "files = [\"{${SECRET}}\"]"),
        ("pipeline", "deadline = \"${SECRET}\""),
        ("destination", "url = \"${SECRET}\""),
        ("destination", "key = \"${SECRET}\""),
        ("destination", "key = [\"${SECRET}\"]"),
        ("destination", "on_conflict = \"${SECRET}\""),
        ("destination", "on_conflict = \"newest(${SECRET})\""),
        ("record.fields", "a = \"${SECRET}\""),
        ("record.fields", "a = { type = \"${SECRET}\" }"),
        ("record.fields", "a = { type = \"int\", default = \"${SECRET}\" }"),
        ("record.fields", "a = { type = \"enum\", values = [\"${SECRET}\"], default = \"x${SECRET}\" }"),
        ("record.fields", "a = { type = \"timestamp\", format = \"${SECRET}%Q\" }"),
        ("record.fields", "a = { type = \"text\", pattern = \"(${SECRET}\" }"),
        ("record.fields", "a = { type = \"text\", from = \"/~${SECRET}\" }"),
    ] {
        let complaint = complaint(&small_with(table, line));
        assert!(!complaint.contains("geheim"), "{complaint}");
    }
    let schema = SMALL.replace("[record.fields]\nid = \"int\"", "[record]\nschema = \"${SECRET}.json\"");
    assert!(complaint(&schema).contains("cannot read the schema '${SECRET}.json'"), "{}", complaint(&schema));
}

#[test]
fn a_password_in_the_file_is_not_shown() {
    assert_eq!(
        complaint(&small_with("destination", "url = \"mysql://ada:geheim@host/db\"")),
        "a destination is a URL (postgres://HOST/DATABASE), a connection string (host=HOST dbname=DATABASE), \
         sqlite:PATH or a bucket (s3://BUCKET/FOLDER)\n --> jobs/app.toml:7:7\n  |\n\
         7 | url = \"mysql://ada:***@host/db\"\n  |       ^^^^^^^^^^^^^^^^^^^^^^^^^"
    );
    assert_eq!(
        complaint(&small_with("destination", "password = \"geheim\"")),
        "unknown key 'password' in [destination]; known are url, table, key, on_conflict, columns, create, as, object_size, path\n \
         --> jobs/app.toml:7:1\n  |\n7 | password = \"***\"\n  | ^^^^^^^^"
    );
    assert_wrong(
        "source",
        "order = \"postgres://ada:geheim@host\"",
        "unknown order 'postgres://ada:***@host'; it is 'name' or 'name-reverse'",
        "\"postgres://ada:***@host\"",
    );
}

#[test]
fn a_mistake_of_syntax_is_told_where_it_is() {
    assert_eq!(
        complaint("name = \"app\n"),
        "not valid TOML: invalid basic string, expected `\"`\n --> jobs/app.toml:1:12\n  |\n\
         1 | name = \"app\n  |            ^"
    );
    assert_eq!(
        complaint("name = 'x'\nname = 'y'\n[source\n"),
        "2 things are wrong with jobs/app.toml:\n\n\
         the key 'name' is given twice\n --> jobs/app.toml:2:1\n  |\n2 | name = 'y'\n  | ^^^^\n\n\
         not valid TOML: unclosed table, expected `]`\n --> jobs/app.toml:3:8\n  |\n3 | [source\n  |        ^"
    );
}
