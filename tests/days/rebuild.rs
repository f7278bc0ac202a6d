//! `--rebuild`: loading days again in place of their rows.

use std::process::Child;

use super::*;
use crate::harness::run::needs_failpoints;
use crate::stories::on_each_destination;

/// Rebuilds that are interrupted.
mod killed;

on_each_destination! {
    a_reader_sees_the_old_day_or_the_new_one
    a_rebuild_under_new_rules_leaves_other_days_unchanged
    a_corrected_file_replaces_the_old_one
    a_source_without_its_file_blocks_a_rebuild_or_is_removed
    decisions_about_letters_survive_a_rebuild
    a_mended_record_loses_to_a_later_record_of_its_key
    a_rebuild_that_fails_leaves_the_old_day
    a_rebuild_stops_at_a_key_of_another_day
    rows_with_a_day_column_are_identified_by_it
    impossible_rebuilds_are_explained
    files_can_be_rebuilt_alone
    a_copy_of_another_file_is_rebuilt_under_its_own_name
    an_ambiguous_file_is_not_rebuilt_alone
    a_rebuild_respects_the_owner_of_a_source
    each_day_of_a_backfill_is_rebuilt
    rows_referenced_by_others_are_not_deleted
    a_split_source_is_whole_after_a_rebuild
    a_rebuilt_archive_is_recognised_by_its_new_content
    a_rebuild_waits_for_a_running_replay
}

const DAY: &str = "2024-03-01";
const OTHER: &str = "2024-03-02";
const REBUILD: &str = "load --date 2024-03-01 --rebuild";

/// Two loaded days with ten records each.
fn two_days(kind: Kind) -> Days {
    let days = Days::new(kind);
    days.log(DAY, 0..10);
    days.log(OTHER, 10..20);
    days.run("backfill --from 2024-03-01 --to 2024-03-03").ended(0, &[]);
    days
}

impl Days {
    /// The rows of a source, with a version that shows whether a row was rewritten.
    fn rows_of(&self, source: i32) -> Vec<String> {
        let version = self.kind.word("xmin::text, ctid::text", "rowid");
        self.query(&format!(
            "SELECT n, source_offset, {version} FROM t WHERE source_id = {source} ORDER BY 2"
        ))
    }

    /// The complete state, except for owners and times.
    fn all(&self) -> Vec<Vec<String>> {
        let table = |name: &str| self.kind.table("logmill", name);
        [
            "SELECT n, source_id, source_offset FROM t ORDER BY 2, 3".to_owned(),
            format!("SELECT id, name, size, generation FROM {} ORDER BY 1", table("sources")),
            format!(
                "SELECT source_id, position, lines, complete, inserted, rejected FROM {} ORDER BY 1",
                table("checkpoints")
            ),
            format!(
                "SELECT source_id, source_offset, state, note, generation FROM {} ORDER BY id",
                table("dead_letters")
            ),
            format!("SELECT CAST(date AS text), state FROM {} ORDER BY 1", table("dates")),
        ]
        .iter()
        .map(|sql| self.query(sql))
        .collect()
    }

    fn letters(&self) -> Vec<String> {
        let letters = self.kind.table("logmill", "dead_letters");
        self.query(&format!("SELECT source_offset, state, note FROM {letters} WHERE state <> 'superseded' ORDER BY source_id, source_offset"))
    }

    /// Starts a command that is delayed at failpoints.
    fn spawn(&self, arguments: &str, failpoints: &str) -> Child {
        self.write_job();
        let mut command = self.place.command(&format!("{arguments} -j job.toml"));
        command.env("FAILPOINTS", failpoints).spawn().unwrap()
    }
}

fn a_reader_sees_the_old_day_or_the_new_one(kind: Kind) {
    needs_failpoints();
    let days = two_days(kind);
    let other = days.rows_of(2);
    days.log(DAY, 100..400);
    let mut rebuild =
        days.spawn(&format!("{REBUILD} --batch-rows 20 --chunk-size 300"), "between-batches=sleep(50)");
    let totals = ["10|0|9".to_owned(), "300|100|399".to_owned()];
    let (mut seen, mut looks) = ([false; 2], 0);
    let sql = "SELECT count(*), min(n), max(n) FROM t WHERE source_id = 1";
    while rebuild.try_wait().unwrap().is_none() {
        let found = days.query(sql);
        let place = totals.iter().position(|total| *total == found[0]);
        seen[place.unwrap_or_else(|| panic!("half a day: {found:?}"))] = true;
        looks += 1;
    }
    assert!(rebuild.wait().unwrap().success());
    assert!(seen[0] && looks > 3, "{looks} looks saw {seen:?}");
    assert_eq!(days.query(sql), totals[1..]);
    assert_eq!(days.rows_of(2), other, "rows of other sources are as they were");
}

fn a_rebuild_under_new_rules_leaves_other_days_unchanged(kind: Kind) {
    let mut days = two_days(kind);
    let (first, other) = (days.rows_of(1), days.rows_of(2));
    days.fields("n = { type = \"int\", le = 5 }");
    // A loaded day is done, whatever the rules are now; the message names the way forward.
    let said = days.run(&format!("load --date {DAY}"));
    assert!(said.stderr.contains("load --rebuild"), "{said:?}");
    assert_eq!(days.rows_of(1), first);
    let (code, result) = days.json(REBUILD);
    assert_eq!(
        (code, &result["counts"]["inserted"], &result["counts"]["rejected"]),
        (3, &6.into(), &4.into())
    );
    assert_eq!((&result["rebuilt"]["rows_removed"], &result["batches"]), (&10.into(), &1.into()), "{result}");
    assert_eq!(days.query("SELECT n FROM t WHERE source_id = 1 ORDER BY n"), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(days.rows_of(2), other);
    assert_eq!(days.letters().len(), 4);
    // A second rebuild has the same result.
    let (code, again) = days.json(REBUILD);
    assert_eq!((code, &again["rebuilt"]["dead_letters_superseded"]), (3, &4.into()), "{again}");
    assert_eq!(days.letters().len(), 4);
    let generations = format!("SELECT generation FROM {} ORDER BY id", kind.table("logmill", "sources"));
    assert_eq!(days.query(&generations), ["2", "0"]);
    let of_letters = format!(
        "SELECT DISTINCT generation FROM {} WHERE state = 'open'",
        kind.table("logmill", "dead_letters")
    );
    assert_eq!(days.query(&of_letters), ["2"]);
    // Later lines belong to the same generation and the same source.
    days.log(DAY, 0..12);
    days.run(&format!("load --date {DAY}")).ended(3, &[]);
    assert_eq!(days.query(&of_letters), ["2"]);
    days.run(&format!("verify --date {DAY}")).ended(0, &[]);
}

fn a_corrected_file_replaces_the_old_one(kind: Kind) {
    let days = two_days(kind);
    days.place.write(format!("logs/{DAY}.log"), "{\"n\":1}\nno number\n{\"n\":3}\n");
    // Without a rebuild, it is another file under the old name.
    days.run(&format!("load --date {DAY}"))
        .ended(1, &["forget", "load -j job.toml --date 2024-03-01 --rebuild logs/2024-03-01.log`"]);
    let (code, result) = days.json(&format!("load --date {DAY} --rebuild logs/{DAY}.log"));
    assert_eq!((code, &result["counts"]["records"]), (3, &3.into()), "{result}");
    assert_eq!(days.query("SELECT source_id, n FROM t WHERE source_id <> 2 ORDER BY n"), ["1|1", "1|3"]);
    let sources = kind.table("logmill", "sources");
    assert_eq!(days.query(&format!("SELECT id, size, generation FROM {sources} ORDER BY id"))[0], "1|26|1");
    // The source is identified by its new content.
    let (code, result) = days.json(&format!("load --date {DAY}"));
    assert_eq!((code, &result["sources"]["finished_before"]), (3, &1.into()), "{result}");
    days.run("verify --date 2024-03-01").ended(0, &[]);
}

fn a_source_without_its_file_blocks_a_rebuild_or_is_removed(kind: Kind) {
    let days = Days::new(kind).files("files = [\"logs/{date}*.log\"]");
    days.log(DAY, 0..3);
    days.place.write(format!("logs/{DAY}-b.log"), "{\"n\":7}\nno\n");
    days.log(OTHER, 10..13);
    days.run("backfill --from 2024-03-01 --to 2024-03-03").ended(3, &[]);
    let gone =
        days.query(&format!("SELECT id FROM {} WHERE name LIKE '%-b.log'", kind.table("logmill", "sources")));
    std::fs::remove_file(days.place.path(&format!("logs/{DAY}-b.log"))).unwrap();
    let before = days.all();
    days.run(REBUILD).ended(1, &["-b.log", "--allow-missing", "nothing was changed"]);
    assert_eq!(days.all(), before);
    let (code, result) = days.json(&format!("{REBUILD} --allow-missing"));
    assert_eq!((code, &result["rebuilt"]["sources_removed"]), (0, &1.into()), "{result}");
    assert_eq!(days.query("SELECT n FROM t ORDER BY n"), ["0", "1", "2", "10", "11", "12"]);
    let letters = kind.table("logmill", "dead_letters");
    assert!(
        days.query(&format!("SELECT note FROM {letters} WHERE source_id = {}", gone[0]))[0]
            .contains("no file")
    );
    let (_, status) = days.json("status");
    assert_eq!(status["dates"][0]["state"], "done", "{status}");
    // No file is left.
    std::fs::remove_file(days.place.path(&format!("logs/{DAY}.log"))).unwrap();
    days.run(REBUILD).ended(1, &["--allow-missing"]);
    let (code, backfill) = days.json("backfill --from 2024-03-01 --to 2024-03-03 --rebuild --allow-missing");
    assert_eq!(days.query("SELECT count(*) FROM t WHERE n < 10"), ["0"]);
    // Every command reports a day without any file as absent.
    let (_, status) = days.json("status");
    let states = |report: &Value| [0, 1].map(|day| report["dates"][day]["state"].clone());
    assert_eq!((code, states(&backfill)), (0, states(&status)), "{backfill}");
    assert_eq!(states(&status), ["absent", "done"], "{status}");
}

/// A day with one discarded and one mended letter, and another day.
fn days_with_letters(kind: Kind) -> Days {
    let days = Days::new(kind);
    days.place.write(format!("logs/{DAY}.log"), "{\"n\":1}\nnobody\n{\"n\":2}\nmendable\n{\"n\":3}\n");
    days.log(OTHER, 10..13);
    days.run("backfill --from 2024-03-01 --to 2024-03-03").ended(3, &[]);
    let id = |offset| {
        let letters = kind.table("logmill", "dead_letters");
        days.query(&format!("SELECT id FROM {letters} WHERE source_offset = {offset}"))[0].clone()
    };
    days.run(&format!("dead-letters discard --id {} --note known", id(8))).ended(0, &[]);
    days.run("dead-letters export -o mended.ndjson").ended(0, &[]);
    let text = days.place.read("mended.ndjson").replace("\"mendable\"", "\"{\\\"n\\\":99}\"");
    days.place.write("mended.ndjson", text);
    days.run("dead-letters replay --from mended.ndjson").ended(0, &[]);
    assert_eq!(days.letters(), ["8|discarded|known", "23|replayed|null"]);
    days
}

fn decisions_about_letters_survive_a_rebuild(kind: Kind) {
    let mut days = days_with_letters(kind);
    let (code, result) = days.json(REBUILD);
    let rebuilt = &result["rebuilt"];
    assert_eq!(code, 0, "{result}");
    assert_eq!(
        (&rebuilt["discarded_again"], &rebuilt["mended_again"], &rebuilt["undone"]),
        (&1.into(), &1.into(), &0.into())
    );
    // A record that is valid only because it was mended counts as rejected.
    assert_eq!(
        (&result["counts"]["rejected"], &result["counts"]["inserted"]),
        (&2.into(), &3.into()),
        "{result}"
    );
    assert_eq!(days.query("SELECT n FROM t WHERE source_id = 1 ORDER BY n"), ["1", "2", "3", "99"]);
    let letters = kind.table("logmill", "dead_letters");
    let fixed = format!("SELECT count(*) FROM {letters} WHERE state = 'replayed' AND fixed IS NOT NULL");
    assert_eq!(days.query(&fixed), ["1"]);
    // The records have moved within the file, and keep their states.
    let text = days.place.read(&format!("logs/{DAY}.log"));
    days.place.write(format!("logs/{DAY}.log"), format!("{{\"n\":0}}\n{text}"));
    days.run(REBUILD).ended(0, &["stays discarded", "row again"]);
    assert_eq!(days.letters(), ["16|discarded|known", "31|replayed|null"]);
    // Under these rules the mended record is invalid, and the discarded one has the same fault as before.
    days.fields("n = { type = \"int\", le = 50 }");
    let (code, result) = days.json(REBUILD);
    assert_eq!((code, &result["rebuilt"]["undone"]), (3, &1.into()), "{result}");
    assert_eq!(days.letters(), ["16|discarded|known", "31|open|null"]);
}

fn a_mended_record_loses_to_a_later_record_of_its_key(kind: Kind) {
    let mut days = Days::new(kind).lines("columns = { data_date = \"{date}\" }\nkey = [\"n\"]");
    days.fields("n = \"int\"\nword = { type = \"text\", required = false }");
    let log = "mendable\n{\"n\":1,\"word\":\"behind\"}\nmendable too\n";
    days.place.write(format!("logs/{DAY}.log"), log);
    days.run(&format!("load --date {DAY}")).ended(3, &[]);
    days.run("dead-letters export -o mended.ndjson").ended(0, &[]);
    let mend = |text: String, from: &str, n: u32| {
        text.replace(&format!("\"{from}\""), &format!("\"{{\\\"n\\\":{n},\\\"word\\\":\\\"mended\\\"}}\""))
    };
    let text = mend(mend(days.place.read("mended.ndjson"), "mendable", 1), "mendable too", 2);
    days.place.write("mended.ndjson", text);
    days.run("dead-letters replay --from mended.ndjson").ended(0, &[]);
    let rows = "SELECT n, word FROM t ORDER BY n";
    assert_eq!(days.query(rows), ["1|behind", "2|mended"]);
    days.run(REBUILD).ended(0, &["2 mended records are rows again"]);
    assert_eq!(days.query(rows), ["1|behind", "2|mended"]);
}

fn a_rebuild_that_fails_leaves_the_old_day(kind: Kind) {
    let days = two_days(kind);
    days.place.write(format!("logs/{DAY}.log"), "no\nno\nno\n{\"n\":1}\n");
    let before = days.all();
    let said = days.run(&format!("{REBUILD} --stop-above 1"));
    // Its letters were rolled back too, so there are none to look at or to replay.
    for of_a_load in ["(dead letter", "replay", "--accept-new-rules"] {
        assert!(!said.stdout.contains(of_a_load) && !said.stderr.contains(of_a_load), "{said:?}");
    }
    said.ended(4, &["nothing was rebuilt", "first at line 1", "--rebuild again"]);
    let (code, result) = days.json(&format!("{REBUILD} --stop-above 1"));
    assert_eq!(
        (code, &result["counts"]["records"], &result["rebuilt"]),
        (4, &0.into(), &Value::Null),
        "{result}"
    );
    let reason = &result["sources"]["given_up"][0]["reasons"][0];
    // Its letters were rolled back too: no id leads to them.
    assert_eq!((&reason["count"], &reason["first"]["id"]), (&3.into(), &Value::Null), "{result}");
    assert_eq!(days.all(), before);
    let (_, backfill) = days.json("backfill --from 2024-03-01 --to 2024-03-02 --rebuild --stop-above 1");
    let why = backfill["dates"][0]["reason"].as_str().unwrap_or_else(|| panic!("{backfill}"));
    assert!(why.ends_with("given up with 3 dead letters, nothing was rebuilt"), "{why}");
    assert_eq!(days.all(), before);
    // A file that cannot be read.
    days.place.write(format!("logs/{DAY}.log"), b"\xff\xfe{\0\"\0");
    for flags in ["", " --allow-missing"] {
        days.run(&format!("{REBUILD}{flags}")).ended(1, &["UTF-16", "nothing was changed"]);
        assert_eq!(days.all(), before);
    }
    // Afterwards the source is free.
    days.log(DAY, 5..6);
    days.run(REBUILD).ended(0, &[]);
    assert_eq!(days.query("SELECT n FROM t WHERE source_id = 1"), ["5"]);
}

fn a_rebuild_stops_at_a_key_of_another_day(kind: Kind) {
    for on_conflict in ["update", "keep", "newest(n)"] {
        let days = Days::new(kind).lines(&format!(
            "columns = {{ data_date = \"{{date}}\" }}\nkey = [\"n\"]\non_conflict = \"{on_conflict}\""
        ));
        days.log(DAY, 0..10);
        days.log(OTHER, 10..20);
        days.run("backfill --from 2024-03-01 --to 2024-03-03").ended(0, &[]);
        let rows = "SELECT n, CAST(data_date AS text) FROM t ORDER BY n";
        let before = days.query(rows);
        days.log(DAY, 5..15);
        days.run(REBUILD).ended(1, &["another data_date", "nothing was changed"]);
        assert_eq!(days.query(rows), before, "{on_conflict}");
        days.log(DAY, 5..10);
        days.run(REBUILD).ended(0, &[]);
        assert_eq!(days.query(rows), before[5..], "{on_conflict}");
    }
}

fn rows_with_a_day_column_are_identified_by_it(kind: Kind) {
    let key = "columns = { data_date = \"{date}\" }\nkey = \"content\"";
    let mut days = Days::new(kind).lines(key);
    days.log(DAY, 0..10);
    days.log(OTHER, 5..15);
    days.run("backfill --from 2024-03-01 --to 2024-03-03").ended(0, &[]);
    days.fields("n = { type = \"int\", le = 6 }");
    days.run(REBUILD).ended(3, &["in the place of 10 rows"]);
    let rows = "SELECT CAST(data_date AS text), count(*) FROM t GROUP BY 1 ORDER BY 1";
    assert_eq!(days.query(rows), ["2024-03-01|7", "2024-03-02|10"]);
    days.run(&format!("{REBUILD} logs/{DAY}.log")).ended(2, &["but not single files"]);
    // Another job writes the same table, and its rows cannot be told from ours.
    days.write_job();
    let other = days
        .place
        .read("job.toml")
        .replace("name = \"days\"", "name = \"others\"")
        .replace("logs/", "other/");
    days.place.write("other.toml", other);
    days.place.write(format!("other/{DAY}.log"), "{\"n\":1}\n{\"n\":-1}\n");
    days.place.run(&format!("load -j other.toml --date {DAY}")).ended(0, &[]);
    let before = days.query(rows);
    days.run(REBUILD).ended(2, &["job others", "nothing was changed"]);
    assert_eq!(days.query(rows), before);
}

fn impossible_rebuilds_are_explained(kind: Kind) {
    for (key, why) in
        [("key = [\"n\"]", "key = \"position\""), ("key = \"content\"", "data_date = \"{date}\"")]
    {
        let days = Days::new(kind).lines(key);
        days.log(DAY, 0..3);
        days.run(&format!("load --date {DAY}")).ended(0, &[]);
        days.run(REBUILD).ended(2, &["--rebuild: the rows of this job", why]);
        days.run("backfill --from 2024-03-01 --to 2024-03-03 --rebuild").ended(2, &[why]);
        assert_eq!(days.query("SELECT count(*) FROM t"), ["3"]);
    }
    let days = two_days(kind);
    days.write_job();
    let stdin = Said::of(
        &mut days.place.command(&format!("load -j job.toml --date {DAY} --rebuild -")),
        b"{\"n\":1}\n",
    );
    stdin.ended(2, &["is a stream"]);
    days.run(&format!("load --date {DAY} --allow-missing")).ended(2, &["--rebuild"]);
    // A rebuild replaces whole sources, not splits.
    days.run(&format!("{REBUILD} --split 1-0")).ended(2, &["--rebuild", "--split", "cannot be used with"]);
    assert_eq!(days.query("SELECT count(*) FROM t"), ["20"]);
    days.run(&format!("{REBUILD} --lanes 2")).ended(0, &["only one lane"]);
}

fn files_can_be_rebuilt_alone(kind: Kind) {
    let days = Days::new(kind).files("files = [\"logs/*.log\"]");
    days.log("a", 0..3);
    days.log("b", 3..6);
    days.run("load").ended(0, &[]);
    let b = days.rows_of(2);
    std::fs::remove_file(days.place.path("logs/b.log")).unwrap();
    days.log("a", 10..14);
    // A FILE argument concerns only its own source, so the missing file of another one does not matter.
    days.run("load --rebuild logs/a.log").ended(0, &["in the place of 3 rows"]);
    assert_eq!(days.query("SELECT n FROM t WHERE source_id = 1 ORDER BY n"), ["10", "11", "12", "13"]);
    assert_eq!(days.rows_of(2), b);
    // A job without a date is rebuilt as a whole.
    days.run("load --rebuild").ended(1, &["b.log"]);
    days.log("c", 20..21);
    days.run("load --rebuild --allow-missing").ended(0, &[]);
    assert_eq!(days.query("SELECT source_id, n FROM t ORDER BY n"), ["1|10", "1|11", "1|12", "1|13", "3|20"]);
    // Without any file, the rebuild would leave nothing, so the user must ask for it by name.
    let days = days.files("files = [\"logs/*.log\", \"one.log\"]");
    std::fs::remove_dir_all(days.place.path("logs")).unwrap();
    days.place.write("one.log", "{\"n\":30}\n");
    days.run("load one.log").ended(0, &[]);
    std::fs::remove_file(days.place.path("one.log")).unwrap();
    let before = days.all();
    days.run("load --rebuild").ended(1, &[]);
    assert_eq!(days.all(), before);
    let (code, result) = days.json("load --rebuild --allow-missing");
    assert_eq!((code, &result["rebuilt"]["sources_removed"]), (0, &3.into()), "{result}");
    assert_eq!(days.query("SELECT count(*) FROM t"), ["0"]);
    // If the job has loaded nothing, its file names must be wrong.
    days.run("load --rebuild --allow-missing").ended(1, &["one.log"]);
    days.files("files = [\"logs/*.log\"]").run("load --rebuild --allow-missing").ended(2, &["logs/*.log"]);
}

/// Two files of a job without a date; the second has become a copy of the first.
fn a_copy(kind: Kind) -> Days {
    let days = Days::new(kind).files("files = [\"logs/*.log\"]");
    days.log("a", 0..3);
    days.log("b", 3..8);
    days.run("load").ended(0, &[]);
    days.log("b", 0..3);
    days
}

fn a_copy_of_another_file_is_rebuilt_under_its_own_name(kind: Kind) {
    let rows = ["1|0", "1|1", "1|2", "2|0", "2|1", "2|2"];
    for files in ["logs/b.log", "logs/a.log logs/b.log", "logs/b.log logs/a.log", ""] {
        let days = a_copy(kind);
        let a = days.rows_of(1);
        let removed = if files == "logs/b.log" { 5 } else { 8 };
        days.run(&format!("load --rebuild {files}")).ended(0, &[&format!("in the place of {removed} rows")]);
        assert_eq!(days.query("SELECT source_id, n FROM t ORDER BY source_id, n"), rows, "{files}");
        if files == "logs/b.log" {
            assert_eq!(days.rows_of(1), a, "rows of other sources are as they were");
        }
        let sources = format!("SELECT name FROM {} ORDER BY id", kind.table("logmill", "sources"));
        let names = days.query(&sources);
        assert!(names.len() == 2 && names[0].ends_with("a.log") && names[1].ends_with("b.log"), "{names:?}");
        let (code, result) = days.json("load");
        assert_eq!((code, &result["sources"]["finished_before"]), (0, &2.into()), "{files}: {result}");
    }
}

fn an_ambiguous_file_is_not_rebuilt_alone(kind: Kind) {
    let days = a_copy(kind);
    let before = days.all();
    let refused = ["a.log", "b.log", "unclear which", "nothing was changed"];
    for instead in [None, Some(20..29)] {
        std::fs::remove_file(days.place.path("logs/a.log")).unwrap();
        if let Some(records) = instead {
            days.log("a", records);
        }
        days.run("load --rebuild logs/b.log").ended(1, &refused);
        assert_eq!(days.all(), before);
        days.log("a", 0..3);
    }
    // Once the first is back, the second is recognised as a copy.
    days.run("load --rebuild logs/b.log").ended(0, &["in the place of 5 rows"]);
    // Two files that swapped names are told apart by their content, because both exist.
    days.log("a", 0..3);
    days.log("b", 3..8);
    days.run("load --rebuild").ended(0, &[]);
    days.log("a", 3..8);
    days.log("b", 0..3);
    days.run("load --rebuild logs/a.log logs/b.log").ended(0, &["in the place of 8 rows"]);
    let rows = days.query("SELECT source_id, count(*) FROM t GROUP BY 1 ORDER BY 1");
    assert_eq!(rows, ["1|3", "2|5"]);
}

fn a_rebuild_respects_the_owner_of_a_source(kind: Kind) {
    needs_failpoints();
    let days = two_days(kind);
    // A load holds a day that has grown while another run rebuilds it.
    days.log(DAY, 0..12);
    let mut load = days.spawn(&format!("load --date {DAY}"), "after-claim=sleep(14000)");
    crate::harness::wait_until("the load holds it", || {
        let held = format!(
            "SELECT count(*) FROM {} WHERE owner_run IS NOT NULL",
            kind.table("logmill", "checkpoints")
        );
        days.query(&held)[0] == "1"
    });
    days.run(REBUILD).ended(6, &["is held by"]);
    assert!(load.wait().unwrap().success());
    assert_eq!(days.query("SELECT count(*) FROM t WHERE source_id = 1"), ["12"]);
    days.run(REBUILD).ended(0, &["in the place of 12 rows"]);
}

fn each_day_of_a_backfill_is_rebuilt(kind: Kind) {
    let mut days = two_days(kind);
    days.fields("n = { type = \"int\", le = 11 }");
    let range = "backfill --from 2024-03-01 --to 2024-03-04 --rebuild --parallel 2";
    let plan = days.run(&format!("{range} --dry-run"));
    assert!(plan.stdout.contains("2 due with 2 files"), "{plan:?}");
    let (code, result) = days.json(range);
    assert_eq!((code, &result["counts"]["inserted"]), (3, &12.into()), "{result}");
    assert_eq!(days.query("SELECT source_id, count(*) FROM t GROUP BY 1 ORDER BY 1"), ["1|10", "2|2"]);
    // A failing day keeps its rows, while the others are rebuilt.
    days.fields("n = { type = \"int\", le = 13 }");
    days.place.write(format!("logs/{DAY}.log"), "no\nno\nno\n");
    let (code, result) = days.json(&format!("{range} --stop-above 2"));
    assert_eq!(code, 4, "{result}");
    assert_eq!(days.query("SELECT source_id, count(*) FROM t GROUP BY 1 ORDER BY 1"), ["1|10", "2|2"]);
    let (code, result) = days.json(&format!("{range} --stop-above 8"));
    assert_eq!(code, 3, "{result}");
    assert_eq!(days.query("SELECT source_id, count(*) FROM t GROUP BY 1 ORDER BY 1"), ["2|4"]);
}

fn rows_referenced_by_others_are_not_deleted(kind: Kind) {
    let days = two_days(kind);
    days.destination.execute(
        "CREATE TABLE child (source_id integer, source_offset bigint,
             FOREIGN KEY (source_id, source_offset) REFERENCES t (source_id, source_offset) ON DELETE CASCADE);
         INSERT INTO child SELECT source_id, source_offset FROM t WHERE n = 3",
    );
    days.run(REBUILD).ended(2, &["child go or change with those"]);
    assert_eq!(days.query("SELECT count(*) FROM child"), ["1"]);
    assert_eq!(days.query("SELECT count(*) FROM t"), ["20"]);
}

fn a_split_source_is_whole_after_a_rebuild(kind: Kind) {
    let days = Days::new(kind);
    days.log(DAY, 0..10);
    days.run(&format!("load --date {DAY}")).ended(0, &[]);
    let checkpoints = kind.table("logmill", "checkpoints");
    let (yes, hash) = (kind.word("true", "1"), kind.word("'\\x00'", "x'00'"));
    days.destination.execute(&format!(
        "UPDATE {checkpoints} SET split_end = 40, position = 40;
         INSERT INTO {checkpoints} (source_id, split_start, position, tail_hash, rules_hash, complete, epoch)
         VALUES (1, 40, 80, {hash}, {hash}, {yes}, 7)"
    ));
    days.run(REBUILD).ended(0, &["in the place of 10 rows"]);
    let splits = format!("SELECT split_start, split_end, position, inserted FROM {checkpoints}");
    assert_eq!(days.query(&splits), ["0|null|80|10"]);
    days.run("verify").ended(0, &[]);
}

fn a_rebuilt_archive_is_recognised_by_its_new_content(kind: Kind) {
    let days = Days::new(kind).files("files = [\"logs/{date}.log.gz\"]");
    let write = |numbers: std::ops::Range<u32>| {
        let text: String = numbers.map(|n| format!("{{\"n\":{n}}}\n")).collect();
        days.place.write(format!("logs/{DAY}.log.gz"), crate::sources::gzip(text.as_bytes(), 1));
    };
    write(0..3);
    days.run(&format!("load --date {DAY}")).ended(0, &[]);
    write(5..9);
    days.run(REBUILD).ended(0, &["in the place of 3 rows"]);
    let containers = format!("SELECT count(*) FROM {}", kind.table("logmill", "containers"));
    assert_eq!(days.query(&containers), ["1"]);
    assert_eq!(days.query("SELECT source_id, n FROM t ORDER BY n"), ["1|5", "1|6", "1|7", "1|8"]);
    let (_, result) = days.json(&format!("load --date {DAY}"));
    assert_eq!(result["sources"]["finished_before"], 1, "{result}");
}

fn a_rebuild_waits_for_a_running_replay(kind: Kind) {
    needs_failpoints();
    let days = Days::new(kind);
    days.place.write(format!("logs/{DAY}.log"), "{\"n\":1}\nmendable\n");
    days.run(&format!("load --date {DAY}")).ended(3, &[]);
    days.run("dead-letters export -o mended.ndjson").ended(0, &[]);
    let text = days.place.read("mended.ndjson").replace("\"mendable\"", "\"{\\\"n\\\":99}\"");
    days.place.write("mended.ndjson", text);
    let mut replay = days.spawn("dead-letters replay --from mended.ndjson", "before-commit=sleep(4000)");
    let runs = format!("SELECT count(*) FROM {} WHERE command <> 'load'", kind.table("logmill", "runs"));
    crate::harness::wait_until("the replay is at work", || days.query(&runs)[0] == "1");
    std::thread::sleep(std::time::Duration::from_millis(500));
    // The rebuild removes what the replay wrote, and writes it again.
    days.run(REBUILD).ended(0, &["1 mended record is a row again"]);
    assert!(replay.wait().unwrap().success());
    assert_eq!(days.query("SELECT n FROM t ORDER BY n"), ["1", "99"]);
    assert_eq!(days.letters(), ["8|replayed|null"]);
    days.run("verify").ended(0, &[]);
}

#[test]
fn a_partitioned_target_is_rebuilt() {
    let days = Days::new(Kind::Postgres);
    days.destination.execute(
        "CREATE TABLE t (n bigint, source_id integer NOT NULL, source_offset bigint NOT NULL,
                         UNIQUE (source_id, source_offset, n)) PARTITION BY RANGE (n);
         CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (100);
         CREATE TABLE high PARTITION OF t FOR VALUES FROM (100) TO (1000)",
    );
    days.log(DAY, 90..110);
    days.log(OTHER, 95..105);
    days.run("backfill --from 2024-03-01 --to 2024-03-03").ended(0, &[]);
    let other = days.rows_of(2);
    days.log(DAY, 500..520);
    days.run(REBUILD).ended(0, &["in the place of 20 rows"]);
    assert_eq!(days.query("SELECT count(*), min(n) FROM t WHERE source_id = 1"), ["20|500"]);
    assert_eq!(days.rows_of(2), other);
}
