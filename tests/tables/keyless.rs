//! A job without a key can load a table with or without position columns; only with them can rows be found
//! by their source.

use super::{lines, select};
use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::stories::on_each_destination;

on_each_destination! {
    positions_are_written_if_the_table_has_columns_for_them
    without_position_columns_a_table_loads_and_commands_needing_them_fail
}

/// A table for a job without a key, with these columns besides `n`.
fn keyless(kind: Kind, columns: &str) -> Load {
    let table = format!("CREATE TABLE t (n bigint{columns})");
    Load::of(lines([7, 7, 8])).to(kind).schema("n int").key("none").given(&table)
}

fn positions_are_written_if_the_table_has_columns_for_them(kind: Kind) {
    let load = keyless(kind, ", source_id integer, source_offset bigint");
    load.run().exit(0);
    assert_eq!(
        select(&load, "SELECT n, source_offset FROM t WHERE source_id = 1 ORDER BY 2"),
        ["7 0", "7 8", "8 16"]
    );
    load.command("verify").run().exit(0);
    // One position column without the other is an error.
    keyless(kind, ", source_id integer").run().exit(2).says("column source_offset is missing from t");
}

fn without_position_columns_a_table_loads_and_commands_needing_them_fail(kind: Kind) {
    let load = keyless(kind, "");
    load.run().exit(0).counts("3 inserted");
    load.run().exit(0);
    assert_eq!(select(&load, "SELECT n FROM t ORDER BY n"), ["7", "7", "8"]);
    let untold = "the rows of t do not record their source";
    load.command("verify").run().exit(2).says(untold);
    load.command("forget").arg("--id").arg("1").arg("--delete-rows").arg("--yes").run().exit(2).says(untold);
    load.call().arg("--rebuild").run().exit(2).says("column source_id is missing from t");
    assert_eq!(select(&load, "SELECT n FROM t ORDER BY n"), ["7", "7", "8"]);
    // Without its rows, a source can be forgotten, and is then loaded once more.
    let forgotten = load.command("forget").arg("--id").arg("1").run();
    assert_eq!(forgotten.exit(0).result("/rows"), serde_json::Value::Null);
    load.run().exit(0);
    assert_eq!(select(&load, "SELECT count(*) FROM t"), ["6"]);
}
