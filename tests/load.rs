//! Loads as people run them: the contents of the tables, and how the command ends.

use std::fs;
use std::path::Path;

use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::log::{SCHEMA, good_log, log};
use crate::harness::oracle::{check, check_complete};
use crate::harness::run::needs_failpoints;

#[test]
fn a_bad_line_becomes_a_dead_letter_with_every_reason() {
    Load::of("{\"n\":1}\n{\"n\":\"x\"}\n{\"m\":2}\n")
        .schema("n int, m int")
        .run()
        .exit(3)
        .rows([])
        .rejects([(1, "missing m"), (2, "int_parsing n, missing m"), (3, "missing n")])
        .counts("3 rejected");
}

/// What can happen to a file during its load.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Other values, with every line as long as before.
    Overwritten,
    /// Cut to this many bytes.
    Cut(u64),
}

impl Change {
    /// Applies the change without telling the oracle: nothing of the changed file may be loaded.
    fn befall(self, path: &Path) {
        match self {
            Change::Overwritten => {
                let changed = fs::read_to_string(path).unwrap().replace("\"INFO\"", "\"WARN\"");
                fs::write(path, changed).unwrap();
            }
            Change::Cut(bytes) => {
                let file = fs::File::options().write(true).open(path).unwrap();
                file.set_len(bytes).unwrap();
            }
        }
    }
}

#[test]
fn a_file_changed_during_its_load_stops_before_the_commit() {
    needs_failpoints();
    // A small file is read, and a large one mapped. The cuts fall within a page, so that the rest of the
    // page reads as NUL; on a page border, whatever the size of pages; and at zero.
    for (lines, rows, cuts) in [(60, 20, [3_000, 4_096, 0]), (5_000, 1_000, [132_000, 128 << 10, 0])] {
        let whole = good_log(0, lines);
        assert_eq!(whole.len() > 256 << 10, lines == 5_000, "{} bytes", whole.len());
        let load = Load::of(&whole).schema(SCHEMA).pipeline(&format!("batch_rows = {rows}"));
        let load = load.pipeline(&format!("chunk_size = {}", 15 * rows));
        for change in cuts.map(Change::Cut).into_iter().chain([Change::Overwritten]) {
            for point in ["before-chunk", "after-rows"] {
                eprintln!("{lines} lines, {change:?}, {point}");
                load.reset();
                load.write("log.ndjson", &whole);
                load.let_rest("log.ndjson");
                let run = load.call().stop_at(point, 1).start().wait_stopped();
                change.befall(&load.path("log.ndjson"));
                run.wake();
                // Either the writer or the planner may notice it first.
                run.wait().exit(1).tells("the file changed while it was being loaded").rejects([]);
                let state = check(&load);
                assert!(!state.is_complete, "{state:?}");
                // Everything loaded came from the original file, so the load can resume from it.
                load.write("log.ndjson", &whole);
                load.run().exit(0);
                check_complete(&load);
            }
        }
    }
}

#[test]
fn a_file_changed_under_its_batch_is_refused_alone() {
    needs_failpoints();
    let contents = [0, 1, 2].map(|seed| good_log(seed, 60));
    let end = |number: usize| contents[number].len() as u64;
    for kind in Kind::all() {
        // Everything in one batch; and the file spread over many batches, several of them in progress.
        for (rows, passed) in [(1000, 0), (10, 5)] {
            let load = Load::empty().to(kind).schema(SCHEMA).pipeline(&format!("batch_rows = {rows}"));
            let load = load.pipeline("chunk_size = 1000");
            for change in [Change::Cut(0), Change::Cut(3_000), Change::Overwritten] {
                eprintln!("{kind:?}, {rows} rows, {change:?}");
                load.reset();
                for (name, content) in ["a.ndjson", "b.ndjson", "c.ndjson"].iter().zip(&contents) {
                    load.write(name, content);
                    load.let_rest(name);
                }
                let run = load.call().stop_at("after-rows", passed).start().wait_stopped();
                change.befall(&load.path("b.ndjson"));
                run.wake();
                let ended = run.wait();
                ended.exit(1).tells("the file changed while it was being loaded").rejects([]);
                assert_eq!(ended.result("/sources/failed").as_array().unwrap().len(), 1);
                let state = check(&load);
                let at = |name: &str| state.positions[name];
                assert_eq!((at("a.ndjson"), at("c.ndjson")), (end(0), end(2)), "{state:?}");
                assert!(at("b.ndjson") < end(1), "{state:?}");
                load.write("b.ndjson", &contents[1]);
                load.run().exit(0);
                check_complete(&load);
            }
        }
    }
}

#[test]
fn a_panic_ends_a_run_cleanly_and_the_next_resumes() {
    needs_failpoints();
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
fn a_password_is_never_shown() {
    let load = Load::of("{\"n\":1}\n").schema("n int").pipeline("retry_for = \"0s\"");
    let url = load.database().url().replace("postgres@", "postgres:open-sesame@");
    load.call().into(&url).run().exit(0).never_says("sesame");
    let nowhere = "postgres://postgres:open-sesame@127.0.0.1:1/nowhere";
    load.call().into(nowhere).run().exit(1).never_says("sesame");
}

#[test]
fn a_failing_trigger_never_reveals_a_row() {
    // The program waits for a full disk, but not for an internal error.
    for code in ["XX001", "53100", "42501"] {
        let load = Load::of("{\"id\":1,\"message\":\"canary\"}\n")
            .schema("id int, message text")
            .given(&format!(
                "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     RAISE EXCEPTION 'full: %', NEW.message
                     USING ERRCODE = '{code}', DETAIL = NEW.message, HINT = NEW.message;
                 END $$;
                 CREATE TABLE t (id bigint, message text, {{key}});
                 CREATE TRIGGER tell BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tell()"
            ))
            .pipeline("retry_for = \"300ms\"");
        load.call().arg("-v").run().exit(1).rejects([]).never_says("canary").says(code);
    }
}

#[test]
fn the_content_of_a_line_is_never_shown() {
    let canary = r#"{"id":1,"level":"canary","message":"canary"}"#;
    let load = Load::of([canary, "\n{\"canary\":\n", canary.replace('1', "2").as_str(), "\n"].concat())
        .schema("id int, level text, message text")
        .given(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF NEW.id = 2 THEN RETURN NEW; END IF;
                 RAISE EXCEPTION 'refused: %', NEW.message USING DETAIL = NEW.message, HINT = NEW.message;
             END $$;
             CREATE TABLE t (id bigint, level text CHECK (level <> 'canary' OR id <> 2), message text, {key});
             CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()",
        );
    for manner in [&[][..], &["-v"], &["--log-format", "json"]] {
        load.reset();
        let call = manner.iter().fold(load.call(), |call, word| call.arg(word));
        call.run()
            .exit(3)
            .rejects([(1, "server_p0001"), (2, "json_invalid"), (3, "server_23514")])
            .never_says("canary");
    }
}
