//! Loads as people run them: what ends in the tables, and how the command ends.

use crate::harness::load::{Load, has_failpoints};
use crate::harness::log::{SCHEMA, good_log, log};
use crate::harness::oracle::{check, check_complete};

#[test]
fn a_bad_line_is_set_aside_with_its_place_and_every_reason() {
    Load::of("{\"n\":1}\n{\"n\":\"x\"}\n{\"m\":2}\n")
        .schema("n int, m int")
        .run()
        .exit(3)
        .rows([])
        .rejects([(1, "missing m"), (2, "int_parsing n, missing m"), (3, "missing n")])
        .counts("3 rejected");
}

#[test]
fn a_file_that_is_written_to_while_it_is_loaded_stops_before_the_commit() {
    if !has_failpoints() {
        return;
    }
    let whole = good_log(0, 60);
    let load = Load::of(&whole).schema(SCHEMA).batches_of(20);
    load.let_rest("log.ndjson");
    let run = load.call().stop_at("after-rows", 1).start().wait_stopped();
    // Other values, and every line as long as it was.
    let changed = String::from_utf8(whole).unwrap().replace("\"INFO\"", "\"WARN\"");
    load.write("log.ndjson", changed);
    run.wake();
    run.wait().exit(1).says("the file changed while it was being loaded");
    assert_eq!(check(&load).batches, 1);
}

#[test]
fn a_panic_ends_a_run_cleanly_and_the_next_goes_on() {
    if !has_failpoints() {
        return;
    }
    // In a worker, in the planner, on the connection, in the writer.
    for point in ["before-chunk", "after-open", "mid-copy", "between-batches"] {
        let load = Load::of(log(7, 60)).schema(SCHEMA).batches_of(10).audited();
        let passed = usize::from(point != "after-open");
        load.call().panic_at(point, passed).run().exit(1);
        check(&load);
        load.run().exit(3);
        check_complete(&load);
    }
}

#[test]
fn a_password_is_never_said() {
    let load = Load::of("{\"n\":1}\n").schema("n int").pipeline("retry_for = \"0s\"");
    let url = load.database().url().replace("postgres@", "postgres:open-sesame@");
    load.call().into(&url).run().exit(0).never_says("sesame");
    let nowhere = "postgres://postgres:open-sesame@127.0.0.1:1/nowhere";
    load.call().into(nowhere).run().exit(1).never_says("sesame");
}
