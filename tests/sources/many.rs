//! Many files in one run: they share batches, and finished files cost nothing.

use super::*;

#[test]
fn small_files_share_a_batch() {
    let logs = Logs::new().on_postgres();
    for n in 1..=300 {
        logs.write(format!("{n}.log"), log(n..=n));
    }
    let loaded = logs.load();
    loaded.exit(0).did(300, 0);
    // The reported batches equal the transactions that moved checkpoints. A batch also ends when nothing
    // arrives for a while, so a busy machine has many, but not one per file.
    let moves = "select count(distinct xmin::text) from logmill_checkpoints";
    assert_eq!(loaded.count("/batches"), logs.number(moves));
    assert!(logs.number(moves) < 150, "{}", logs.number(moves));
    // They are loaded in the order of the numbers in their names.
    assert_eq!(logs.number("select count(*) from t where n = source_id"), 300);

    // A second run moves no checkpoint.
    let versions = "select xmin, ctid from logmill_checkpoints order by source_id";
    let before = logs.query(versions);
    logs.load().exit(0).did(0, 300);
    assert_eq!(logs.query(versions), before);
    // If one file has grown, only that one is loaded.
    logs.append("150.log", log(301..=301));
    logs.load().exit(0).did(1, 299);
}

#[test]
fn a_large_file_among_small_ones_keeps_its_place() {
    let logs = Logs::new().pipeline("batch_rows = 500\nchunk_size = \"8KiB\"");
    for n in 1..=20 {
        logs.write(format!("{n}.log"), log(n..=n));
    }
    logs.write("10.log", log(1001..=6000)).write("11.log.gz", gzip(&log(6001..=9000), 6));
    logs.load().exit(0).did(8019, 0);
    let sources = logs.sources();
    assert_eq!(sources.len(), 21);
    assert_eq!(sources[8..12], ["9.log 9", "10.log 1001-6000", "11.log 11", "11.log.gz 6001-9000"]);
}
