//! The rules change in the middle of a source: its first lines are read again under the new ones.

use super::*;
use crate::harness::run::needs_failpoints;

const NEW_RULES: &str = "--accept-new-rules";

fn on_each_destination(story: impl Fn(Logs)) {
    story(Logs::new());
    story(Logs::new().on_postgres());
}

#[test]
fn new_rules_can_turn_the_first_line_into_a_header() {
    on_each_destination(|mut logs| {
        for is_packed in [false, true] {
            let name = if is_packed { "b.log.gz" } else { "a.log" };
            let write = |logs: &Logs, rows: &str| {
                let text = format!("# of {name}\n\nn,t\n{rows}");
                logs.write(name, if is_packed { gzip(text.as_bytes(), 6) } else { text.into() });
            };
            logs = logs.format("ndjson");
            write(&logs, "1,a\n");
            logs.load_with(name).exit(3).did(0, 0);
            logs = logs.format("csv\"\ncomment = \"#");
            // The source is finished, so the rules do not matter.
            logs.load_with(name).exit(3).did(0, 1);
            write(&logs, "1,a\n2,b\n3,c\n");
            logs.load_with(name).exit(2);
            logs.load_with(&format!("{name} {NEW_RULES}")).exit(3).did(2, 0);
            write(&logs, "1,a\n2,b\n3,c\n4,d\n");
            logs.load_with(name).exit(3).did(1, 0);
        }
        assert_eq!(logs.sources(), ["a.log 2-4", "b.log.gz 2-4"]);
    });
}

#[test]
fn a_run_killed_under_new_rules_leaves_no_old_names_behind() {
    needs_failpoints();
    on_each_destination(|mut logs| {
        logs = logs.format("csv");
        logs.write("a.log", "#Fields: n t\n1 a\n");
        logs.load().exit(3).did(0, 0);
        logs = logs.format("w3c");
        // Of two sets of names, the later one counts.
        logs.append("a.log", "2 b\n#Fields: t n\n");
        let mut command = logs.command(NEW_RULES);
        command.env("FAILPOINTS", "after-claim=return(kill)");
        Piped::start(command).wait().exit(-1);
        logs.load().exit(3).did(1, 0);
        logs.append("a.log", "c 3\n");
        logs.load().exit(3).did(1, 0);
        assert_eq!(logs.sources(), ["a.log 2-3"]);
    });
}

#[test]
fn names_stay_if_the_format_stays() {
    on_each_destination(|mut logs| {
        for (format, begin, more) in [("csv", "t,n\na,1\n", "b,2\n"), ("w3c", "#Fields: t n\na 1\n", "b 2\n")]
        {
            let (name, new_rules) = (format!("{format}.log"), format!("{format}.log {NEW_RULES}"));
            logs = logs.format(format).source("files = []");
            logs.write(&name, begin);
            logs.load_with(&name).exit(0).did(1, 0);
            logs = logs.source("files = []\nmax_record = \"1KiB\"");
            logs.append(&name, more);
            logs.load_with(&name).exit(2);
            logs.load_with(&new_rules).exit(0).did(1, 0);
        }
        assert_eq!(logs.sources(), ["csv.log 1-2", "w3c.log 1-2"]);
    });
}

#[test]
fn a_stream_that_cannot_be_read_twice_is_refused() {
    let mut logs = Logs::new();
    logs.load_stdin("-", b"n,t\n1,a\n").exit(3);
    logs = logs.format("csv");
    let why = "it was partly loaded under other rules, and the new ones need its first lines again";
    logs.load_stdin(&format!("- {NEW_RULES}"), b"n,t\n1,a\n2,b\n").failed("-", why).did(0, 0);
    assert_eq!(logs.number("select count(*) from t"), 0);
}
