//! Forgetting sources together with their rows, all or nothing.

use std::fs;

use serde_json::json;

use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::log::{SCHEMA, log};
use crate::harness::oracle::check_complete;
use crate::harness::run::needs_failpoints;
use crate::harness::wait_until;
use crate::stories::on_each_destination;
use crate::tables::role;

on_each_destination! {
    sources_go_with_their_rows
    rows_without_a_position_stay
    a_killed_forget_removes_all_or_nothing
    a_file_is_recognised_by_every_path_to_it
    the_report_says_what_happens_to_the_rows
    a_referenced_row_keeps_everything
    a_missing_table_keeps_everything
}

fn two_files(kind: Kind) -> Load {
    Load::empty().to(kind).file("a.ndjson", log(1, 60)).file("b.ndjson", log(2, 60)).schema(SCHEMA)
}

/// The rows of each source, and its letters that are not superseded.
fn held(load: &Load) -> Vec<(i64, i64)> {
    let sql = format!(
        "SELECT (SELECT count(*) FROM t WHERE source_id = s.id),
                (SELECT count(*) FROM {} d WHERE d.source_id = s.id AND d.state <> 'superseded')
         FROM (SELECT 1 AS id UNION ALL SELECT 2) s ORDER BY s.id",
        load.ours("dead_letters")
    );
    let rows = load.made().look(|snapshot| snapshot.query(&sql));
    rows.iter().map(|row| (row[0].int(), row[1].int())).collect()
}

fn sources_go_with_their_rows(kind: Kind) {
    for key in ["position", "none"] {
        let load = two_files(kind).key(key);
        load.run().exit(3);
        let before = held(&load);
        assert!(before.iter().all(|(rows, letters)| *rows > 0 && *letters > 0));
        let forget =
            |flag: &str| load.command("forget").arg("--delete-rows").arg(flag).arg("--id").arg("1").run();
        let rehearsed = forget("--dry-run");
        rehearsed.exit(0);
        assert_eq!(rehearsed.result("/rows"), json!(before[0].0));
        assert_eq!(rehearsed.result("/deleted_rows"), json!(0));
        assert_eq!(held(&load), before);

        // A closed letter goes too, because its row may go.
        load.sql(&format!(
            "UPDATE {0} SET state = 'replayed' WHERE id = (SELECT min(id) FROM {0})",
            load.ours("dead_letters")
        ));
        let forgotten = forget("--yes");
        forgotten.exit(0).says(&format!("deletes {} rows", before[0].0));
        assert_eq!(forgotten.result("/deleted_rows"), json!(before[0].0));
        assert_eq!(forgotten.result("/superseded_dead_letters"), json!(before[0].1));
        assert_eq!(held(&load), [(0, 0), before[1]]);
        load.run().exit(3);
        load.command("verify").run().exit(0);
        let rows = load.made().look(|snapshot| snapshot.query("SELECT count(*) FROM t"));
        assert_eq!(rows[0][0].int(), before[0].0 + before[1].0);
    }
}

fn rows_without_a_position_stay(kind: Kind) {
    for key in ["content", "[\"id\"]"] {
        let load = two_files(kind).key(key);
        load.run().exit(3);
        let before = load.versions();
        let refused = load.command("forget").arg("--delete-rows").arg("--id").arg("1").run();
        refused.exit(2).says("the rows of this job do not say which source they are of");
        assert_eq!(load.versions(), before);
    }
}

fn a_killed_forget_removes_all_or_nothing(kind: Kind) {
    needs_failpoints();
    let load = two_files(kind);
    for point in ["after-rows-deleted", "before-forget-commit", "after-forget"] {
        load.reset();
        load.run().exit(3);
        let before = held(&load);
        let forget = || load.command("forget").arg("--delete-rows").arg("--id").arg("1");
        forget().kill_at(point, 0).run().killed();
        load.wait_alone();
        if point == "after-forget" {
            assert_eq!(held(&load), [(0, 0), before[1]], "{point}");
        } else {
            assert_eq!(held(&load), before, "{point}");
            check_complete(&load);
            forget().run().exit(0);
            assert_eq!(held(&load), [(0, 0), before[1]], "{point}");
        }
        load.run().exit(3);
        load.command("verify").run().exit(0);
    }
}

fn a_file_is_recognised_by_every_path_to_it(kind: Kind) {
    let load = two_files(kind);
    fs::create_dir(load.path("sub")).unwrap();
    std::os::unix::fs::symlink("sub", load.path("link")).unwrap();
    load.write("sub/c.ndjson", log(3, 20));
    let job = load.job().replace("\"*.ndjson*\"", "\"sub/../a.ndjson\", \"link/c.ndjson\"");
    let names = ["a.ndjson", "./sub/../a.ndjson", "link/../a.ndjson", "sub/c.ndjson", "link/c.ndjson", "sub"];
    load.call_with(&job).run().exit(3);
    for name in names {
        let path = load.path("").join(name);
        let command = |command: &str| load.command(command).arg(path.to_str().unwrap());
        let known = command("status").run().exit(0).result("/sources");
        assert_eq!(known.as_array().unwrap().len(), 1, "{name}");
        let verified = command("verify").run().exit(0).result("/sources");
        assert_eq!(verified.as_array().unwrap().len(), 1, "{name}");
        let forgotten = command("forget").arg("--dry-run").run().exit(0).result("/sources");
        assert_eq!(forgotten.as_array().unwrap().len(), 1, "{name}");
    }
    // A file loaded under another name than the job's is not read twice.
    load.call().arg(load.path("a.ndjson").to_str().unwrap()).run();
    let _ = load.call_with(&job);
    let verified = load.command("verify").run();
    verified.exit(0);
    assert_eq!(verified.result("/not_verifiable"), json!([]));
    // This also holds after the file is gone.
    fs::remove_file(load.path("a.ndjson")).unwrap();
    let forgotten = load.command("forget").arg(load.path("a.ndjson").to_str().unwrap()).run();
    assert_eq!(forgotten.exit(0).result("/forgotten"), json!(1));
    load.command("forget")
        .arg(load.path("sub/a.ndjson").to_str().unwrap())
        .run()
        .exit(2)
        .says("has loaded no");
}

fn the_report_says_what_happens_to_the_rows(kind: Kind) {
    for (on_conflict, stay) in [("update", false), ("keep", true), ("newest(id)", true)] {
        let load = two_files(kind).key("[\"id\"]").destination(&format!("on_conflict = \"{on_conflict}\""));
        load.run().exit(3);
        let ended = load.command("forget").arg("--id").arg("1").arg("--dry-run").for_people().run();
        let text = ended.exit(0).stdout();
        assert!(text.contains("a load finds them by their key"), "{text}");
        assert_eq!(text.contains("delete those that should change"), stay, "{on_conflict}: {text}");
    }
}

fn a_referenced_row_keeps_everything(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    load.sql(
        "CREATE TABLE child (source_id integer, source_offset bigint,
             FOREIGN KEY (source_id, source_offset) REFERENCES t (source_id, source_offset));
         INSERT INTO child SELECT source_id, source_offset FROM t WHERE source_id = 1 LIMIT 1",
    );
    let before = load.versions();
    load.command("forget").arg("--delete-rows").arg("--id").arg("1").run().exit(1);
    assert_eq!(load.versions(), before);
}

/// A replay owns no source. Of a replay and a forget of the same source, the second waits for the first.
#[test]
fn a_concurrent_replay_leaves_no_row_of_a_forgotten_source() {
    needs_failpoints();
    let load = Load::empty()
        .schema("n int")
        .field("word = { type = \"text\", max_length = 3, required = false }")
        .file("a.ndjson", "{\"n\":1}\n{\"n\":2,\"word\":\"long\"}\n");
    let forget = || load.command("forget").arg("--delete-rows").arg("--yes").arg("--id").arg("1");
    let replay = || load.command("dead-letters replay");
    let wait_for_a_lock =
        || wait_until("one to wait for the other", || load.backends("wait_event_type = 'Lock'").len() == 1);
    for is_first in [true, false] {
        load.reset();
        load.run().exit(3);
        let _ = load.call_with(&load.job().replace("max_length = 3", "max_length = 30"));
        if is_first {
            let replaying = replay().stop_at("before-commit", 0).start().wait_stopped();
            let forgetting = forget().start();
            wait_for_a_lock();
            replaying.wake();
            replaying.wait().exit(0);
            assert_eq!(forgetting.wait().exit(0).result("/deleted_rows"), json!(2));
        } else {
            let forgetting = forget().stop_at("before-forget-commit", 0).start().wait_stopped();
            let replaying = replay().start();
            wait_for_a_lock();
            forgetting.wake();
            assert_eq!(forgetting.wait().exit(0).result("/deleted_rows"), json!(1));
            replaying.wait().exit(6);
        }
        assert_eq!(load.ask::<i64>("SELECT count(*) FROM t"), 0, "the replay first: {is_first}");
        assert_eq!(
            load.ask::<i64>("SELECT count(*) FROM logmill.dead_letters WHERE state <> 'superseded'"),
            0
        );
    }
}

#[test]
fn a_trigger_that_prevents_deletion_keeps_everything() {
    let load = two_files(Kind::Postgres);
    load.run().exit(3);
    load.sql(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER keep BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION keep()",
    );
    let before = load.versions();
    let refused = load.command("forget").arg("--delete-rows").arg("--id").arg("1").run();
    refused.exit(2).says("keeps rows that are deleted, so nothing was forgotten");
    assert_eq!(load.versions(), before);
}

fn a_missing_table_keeps_everything(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    let before = held(&load);
    load.sql("ALTER TABLE t RENAME TO renamed");
    let forget = || load.command("forget").arg("--id").arg("1");
    for call in [forget().arg("--dry-run"), forget().arg("--yes")] {
        let refused = call.arg("--delete-rows").run();
        refused
            .exit(2)
            .says("there is no table t")
            .says("if its rows were removed on purpose, forget without --delete-rows");
    }
    load.sql("ALTER TABLE renamed RENAME TO t");
    assert_eq!(held(&load), before);

    load.sql("DROP TABLE t");
    assert_eq!(forget().run().exit(0).result("/forgotten"), json!(1));
}

#[test]
fn row_security_that_hides_rows_keeps_everything() {
    let load = two_files(Kind::Postgres);
    load.run().exit(3);
    let url = role(
        &load,
        "GRANT ALL ON t TO {role}; GRANT USAGE ON SCHEMA logmill TO {role};
         GRANT ALL ON ALL TABLES IN SCHEMA logmill TO {role}; GRANT pg_read_all_stats TO {role};
         ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (false)",
    );
    let before = (held(&load), load.versions());
    let forget = |flag| load.command("forget").into(&url).arg("--delete-rows").arg(flag).arg("--id").arg("1");
    for call in [forget("--dry-run"), forget("--yes"), load.command("verify").into(&url)] {
        call.run().exit(2).says("row security applies to this role on t").says("BYPASSRLS");
        assert_eq!((held(&load), load.versions()), before);
    }
    load.sql(&format!("ALTER ROLE {}_role BYPASSRLS", load.database().name()));
    load.command("verify").into(&url).run().exit(0);
    assert_eq!(forget("--yes").run().exit(0).result("/deleted_rows"), json!(before.0[0].0));
    load.sql(&format!("DROP OWNED BY {0}_role CASCADE; DROP ROLE {0}_role", load.database().name()));
}

#[test]
fn without_a_file_or_an_id_the_message_names_both() {
    let load = two_files(Kind::Sqlite);
    load.run().exit(3);
    load.command("forget").run().exit(2).says("<FILE|--id <ID>>");
}
