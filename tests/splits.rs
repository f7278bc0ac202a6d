//! One source in several splits: in whatever order they are loaded, and wherever a run is killed, the result
//! equals that of an unsplit load.
//!
//! These tests write the second checkpoint themselves, and so choose where it begins.

use crate::harness::destination::{Cell, Kind};
use crate::harness::load::Load;
use crate::harness::log::{CSV_SCHEMA, SCHEMA, csv_log, docker_log, log, logfmt_log};
use crate::harness::reading::Shape;
use crate::stories::on_each_destination;

/// Splits that are loaded in parallel.
mod lanes;
/// Splits that are planned, and loaded one by one.
mod planned;

on_each_destination! {
    two_splits_in_one_run_make_the_whole_source
    the_second_split_may_be_loaded_first
    two_splits_are_whole_wherever_a_load_is_killed
    a_source_that_grows_gets_a_split_from_its_old_end
    a_source_that_grows_is_whole_wherever_a_load_is_killed
    a_growing_last_line_belongs_to_the_split_with_its_first_byte
    a_source_with_one_split_keeps_one
    a_split_that_the_file_does_not_reach_is_refused
    a_source_that_is_only_cut_is_not_loaded
    a_table_is_the_same_in_two_splits_wherever_it_is_cut
    letters_show_the_line_within_the_file
}

/// The result of a load: every row, every dead letter, and the sums of the counters.
type Left = (Vec<Vec<Cell>>, Vec<Vec<Cell>>, Vec<Vec<Cell>>);

fn left(load: &Load) -> Left {
    let (letters, checkpoints) = (load.ours("dead_letters"), load.ours("checkpoints"));
    let rows =
        "SELECT source_id, source_offset, id, level, message, CAST(ratio AS text) FROM t ORDER BY 1, 2";
    let letters = format!(
        "SELECT source_id, source_offset, length, raw, stage, CAST(reasons AS text) FROM {letters} ORDER BY 1, 2"
    );
    let sums = format!(
        "SELECT source_id, CAST(sum(lines) AS bigint), CAST(sum(blank) AS bigint), CAST(sum(rejected) AS bigint),
                CAST(sum(inserted + updated + unchanged + superseded) AS bigint),
                CAST(sum(CASE WHEN complete THEN 0 ELSE 1 END) AS bigint), max(position)
         FROM {checkpoints} GROUP BY source_id ORDER BY 1"
    );
    load.made().look(|snapshot| (snapshot.query(rows), snapshot.query(&letters), snapshot.query(&sums)))
}

/// Claims a source, loads nothing of it, and cuts it at the start of a line near its middle.
fn cut(load: &Load) -> u64 {
    let content = load.files()[0].versions[0].clone();
    let place = starts(load).into_iter().find(|&place| place >= content.len() / 2);
    cut_at(load, place.unwrap_or(content.len()), "NULL")
}

/// The starts of the file's records, except the first.
fn starts(load: &Load) -> Vec<usize> {
    let content = load.files()[0].versions[0].clone();
    let (mut places, mut place) = (Vec::new(), 0);
    while place < content.len() {
        place += load.shape().first(&content[place..]).len();
        places.push(place);
    }
    places.pop();
    places
}

/// Claims a source, loads nothing of it, and cuts it at `place`. `preamble` is the second split's preamble,
/// in SQL.
fn cut_at(load: &Load, place: usize, preamble: &str) -> u64 {
    load.reset();
    let ended = load.call().kill_at("after-claim", 0).run();
    assert!(ended.is_killed());
    load.wait_alone();
    let checkpoints = load.ours("checkpoints");
    load.sql(&format!(
        "UPDATE {checkpoints} SET split_end = {place};
         INSERT INTO {checkpoints} (source_id, split_start, position, tail_hash, rules_hash, preamble)
         SELECT source_id, {place}, {place}, tail_hash, rules_hash, {preamble} FROM {checkpoints}"
    ));
    place as u64
}

/// Four loads: a file in small batches, a mapped one, a text file, and a Docker log whose lines hold others,
/// some in parts.
fn loads(kind: Kind) -> [Load; 4] {
    let small = Load::of(log(1, 90)).to(kind).schema(SCHEMA).batches_of(20).pipeline("chunk_size = \"1KiB\"");
    let mapped = Load::of(log(6, 3_000)).to(kind).schema(SCHEMA);
    let text = Load::of(logfmt_log(2, 90)).to(kind).shaped(Shape::Logfmt).schema(SCHEMA).batches_of(20);
    let parts = Load::of(docker_log(2, 90)).to(kind).shaped(Shape::Docker).schema(SCHEMA).batches_of(20);
    [
        small,
        mapped.pipeline("batch_rows = 700").pipeline("chunk_size = \"16KiB\""),
        text.pipeline("chunk_size = \"1KiB\""),
        parts.pipeline("chunk_size = \"1KiB\""),
    ]
}

fn two_splits_in_one_run_make_the_whole_source(kind: Kind) {
    for load in loads(kind) {
        load.run().exit(3);
        let whole = left(&load);
        cut(&load);
        let loaded = load.run().exit(3).result("/sources/loaded");
        assert_eq!(loaded, 1);
        assert_eq!(left(&load), whole);
        load.run().exit(3);
        assert_eq!(left(&load), whole, "a second run changes nothing");
    }
}

fn the_second_split_may_be_loaded_first(kind: Kind) {
    for load in loads(kind) {
        load.run().exit(3);
        let whole = left(&load);
        cut(&load);
        let first_is_done = |is_done: &str| {
            let checkpoints = load.ours("checkpoints");
            let is_done = kind.word("CAST({} AS boolean)", "{}").replace("{}", is_done);
            load.sql(&format!("UPDATE {checkpoints} SET complete = {is_done} WHERE split_start = 0"));
        };
        first_is_done("1");
        load.run().exit(3);
        let (rows, _, _) = left(&load);
        assert!(rows.len() < whole.0.len() && whole.0.ends_with(&rows), "{} rows", rows.len());
        first_is_done("0");
        load.run().exit(3);
        assert_eq!(left(&load), whole);
    }
}

fn two_splits_are_whole_wherever_a_load_is_killed(kind: Kind) {
    let [load, ..] = loads(kind);
    load.run().exit(3);
    let whole = left(&load);
    for point in ["before-fence", "after-rows", "before-commit", "after-commit"] {
        let mut passed = 0;
        loop {
            cut(&load);
            let ended = load.call().kill_at(point, passed).run();
            if !ended.is_killed() {
                break;
            }
            load.wait_alone();
            load.run().exit(3);
            assert_eq!(left(&load), whole, "killed at {point} after {passed}");
            passed += 1;
        }
        assert!(passed >= 4, "{point} was passed {passed} times: there were not two batches of each split");
    }
}

/// The starts of the only source's splits, in order.
fn starts_of_splits(load: &Load) -> Vec<u64> {
    let starts = format!("SELECT split_start FROM {} ORDER BY 1", load.ours("checkpoints"));
    let rows = load.made().look(|snapshot| snapshot.query(&starts));
    rows.iter().map(|row| u64::try_from(row[0].int()).unwrap()).collect()
}

/// A file, the same file after it has grown, and the result of loading all of it.
fn growing(kind: Kind) -> (Load, Vec<u8>, Vec<u8>, Left) {
    let [load, ..] = loads(kind);
    let young = load.files()[0].versions[0].clone();
    let grown = [young.clone(), log(2, 30)].concat();
    load.write("log.ndjson", &grown);
    load.run().exit(3);
    let whole = left(&load);
    load.write("log.ndjson", &young);
    (load, young, grown, whole)
}

/// A split that was reported as done stays done.
fn a_source_that_grows_gets_a_split_from_its_old_end(kind: Kind) {
    let (load, young, grown, whole) = growing(kind);
    let place = cut(&load);
    load.run().exit(3);
    let before = left(&load);
    load.run().exit(3);
    assert_eq!((starts_of_splits(&load), left(&load)), (vec![0, place], before), "it has not grown");
    load.write("log.ndjson", &grown);
    let loaded = load.run().exit(3).result("/sources/loaded");
    assert_eq!((loaded, left(&load)), (1.into(), whole));
    assert_eq!(starts_of_splits(&load), [0, place, young.len() as u64]);
    let (checkpoints, end) = (load.ours("checkpoints"), young.len());
    let ends =
        format!("SELECT count(*) FROM {checkpoints} WHERE split_start = {place} AND split_end = {end}");
    assert_eq!(load.made().look(|snapshot| snapshot.query(&ends))[0][0].int(), 1);
}

fn a_source_that_grows_is_whole_wherever_a_load_is_killed(kind: Kind) {
    let (load, young, grown, whole) = growing(kind);
    for point in
        ["before-claim-commit", "after-claim", "before-fence", "after-rows", "before-commit", "after-commit"]
    {
        load.write("log.ndjson", &young);
        let place = cut(&load);
        load.run().exit(3);
        load.write("log.ndjson", &grown);
        load.call().kill_at(point, 0).run().killed();
        load.wait_alone();
        load.run().exit(3);
        assert_eq!(left(&load), whole, "killed at {point}");
        assert_eq!(starts_of_splits(&load), [0, place, young.len() as u64], "killed at {point}");
    }
}

/// The later part of a last line is read together with the earlier part.
fn a_growing_last_line_belongs_to_the_split_with_its_first_byte(kind: Kind) {
    let (load, young, grown, whole) = growing(kind);
    for cut_off in [1, 5] {
        load.write("log.ndjson", &young);
        let place = cut(&load);
        load.write("log.ndjson", &young[..young.len() - cut_off]);
        load.run().exit(3);
        load.write("log.ndjson", &grown);
        load.run().exit(3);
        // The letter of half a line is superseded, but still stored.
        let (rows, _, sums) = left(&load);
        assert_eq!((&rows, &sums), (&whole.0, &whole.2), "without its last {cut_off} bytes");
        assert_eq!(starts_of_splits(&load), [0, place]);
    }
}

/// A file that is loaded every minute keeps a single checkpoint.
fn a_source_with_one_split_keeps_one(kind: Kind) {
    let (load, young, grown, whole) = growing(kind);
    load.reset();
    let half = young[..young.len() / 2].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for length in [half, young.len(), grown.len()] {
        load.write("log.ndjson", &grown[..length]);
        load.run().exit(3);
    }
    assert_eq!((starts_of_splits(&load), left(&load)), (vec![0], whole));
}

fn a_split_that_the_file_does_not_reach_is_refused(kind: Kind) {
    for load in loads(kind) {
        let place = cut(&load);
        let content = load.files()[0].versions[0].clone();
        let size = usize::try_from(place).unwrap() - 200;
        let newline = content[..size].iter().rposition(|&byte| byte == b'\n').unwrap();
        load.write("log.ndjson", &content[..=newline]);
        load.run().exit(1).tells("within a split that ends at byte");
        let (_, _, sums) = left(&load);
        assert_ne!(sums[0][5].int(), 0, "the source is not complete");
    }
}

/// The start of a split does not mean that anything of it was loaded.
fn a_source_that_is_only_cut_is_not_loaded(kind: Kind) {
    let [load, ..] = loads(kind);
    load.run().exit(3);
    let whole = left(&load);
    cut(&load);
    load.sql("DROP TABLE t");
    load.run().exit(3);
    assert_eq!(left(&load), whole);
    load.sql("DROP TABLE t");
    load.run().exit(2).tells("has loaded 1 source into");
}

/// Values with line ends in quotes, quotes in quotes, and short rows, after a header that the second split
/// gets from the first.
fn a_table_is_the_same_in_two_splits_wherever_it_is_cut(kind: Kind) {
    let load = Load::of(csv_log(3, 24))
        .to(kind)
        .shaped(Shape::Csv)
        .schema(CSV_SCHEMA)
        .batches_of(5)
        .pipeline("threads = 1");
    load.run().exit(3);
    let whole = left(&load);
    let header = hex("more,id,\"level\",message,ratio");
    let header = kind.word("'\\x{}'::bytea", "x'{}'").replace("{}", &header);
    for place in starts(&load) {
        cut_at(&load, place, &header);
        load.run().exit(3);
        assert_eq!(left(&load), whole, "cut at byte {place}");
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// A letter stores its line within the split; users see its line in the file once that is known.
fn letters_show_the_line_within_the_file(kind: Kind) {
    let [load, ..] = loads(kind);
    let content = load.files()[0].versions[0].clone();
    let letters = || {
        let mut command = crate::harness::logmill();
        command
            .args(["dead-letters", "list", "-n", "0", "--output", "json", "-j"])
            .arg(load.path("job.toml"));
        let said = command.output().unwrap();
        let list: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        list["dead_letters"].as_array().unwrap().clone()
    };
    let is_line_of_file = |letter: &serde_json::Value| {
        let offset = usize::try_from(letter["offset"].as_u64().unwrap()).unwrap();
        let newlines = content[..offset].iter().filter(|&&byte| byte == b'\n').count() as u64;
        letter["line"] == newlines + 1 && letter.get("split_start").is_none()
    };
    let reasons = load.run().exit(3).result("/reasons");
    let whole = letters().len();
    assert!(letters().iter().all(is_line_of_file));
    // Both in one run, which finishes the first split before it begins the second.
    cut(&load);
    assert_eq!(load.run().exit(3).result("/reasons"), reasons);
    assert!(letters().iter().all(is_line_of_file));
    // Only the second split, whose first line in the file is not known yet.
    let place = cut(&load);
    let checkpoints = load.ours("checkpoints");
    let open = |is_done: &str| {
        let is_done = kind.word("CAST({} AS boolean)", "{}").replace("{}", is_done);
        load.sql(&format!("UPDATE {checkpoints} SET complete = {is_done} WHERE split_start = 0"));
    };
    open("1");
    load.run().exit(3);
    open("0");
    let of_second = letters();
    assert!(!of_second.is_empty() && of_second.len() < whole);
    for letter in &of_second {
        assert_eq!(
            (letter["line"].as_u64(), letter["split_start"].as_u64()),
            (None, Some(place)),
            "{letter}"
        );
        assert!(letter["line_of_split"].as_u64() >= Some(1), "{letter}");
    }
    load.run().exit(3);
    assert_eq!(letters().len(), whole);
    assert!(letters().iter().all(is_line_of_file));
}
