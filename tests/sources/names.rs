//! Which files a pattern means, and unreadable files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::*;
use crate::harness::run::needs_failpoints;

#[test]
fn a_directory_stands_for_its_files_except_excluded_ones() {
    let source = "files = [\"logs\"]\ninclude = [\"*.log*\"]\nexclude = [\"*.tmp\", \"debug*\"]";
    let logs = Logs::new().source(source);
    let names = [
        "a.log.2",
        "a.log.10",
        "deep/er/b.log",
        ".hidden.log",
        "c.log.tmp",
        "debug.log",
        "README",
        ".git/d.log",
    ];
    for (n, name) in (1..).zip(names) {
        logs.write(format!("logs/{name}"), log(n..=n));
    }
    std::os::unix::fs::symlink(".", logs.path("logs/round")).unwrap();
    std::os::unix::fs::symlink("../elsewhere.log", logs.path("logs/linked.log")).unwrap();
    logs.write("elsewhere.log", log(100..=100));
    logs.load().exit(0).did(4, 0);
    assert_eq!(logs.sources(), ["a.log.2 1", "a.log.10 2", "b.log 3", "linked.log 100"]);
}

#[test]
fn names_can_be_any_bytes() {
    let odd: [&[u8]; 6] = [
        b"new\nline.log",
        b"\xff\xfe.log",
        b"-rf.log",
        b"'; drop table t; --.log",
        b"\x1b[31m.log",
        b" .log",
    ];
    for source in ["files = [\"*.log\"]", "files = [\".\"]\ninclude = [\"*.log\"]"] {
        let logs = Logs::new().source(source);
        for (n, name) in (1..).zip(odd) {
            logs.write(OsStr::from_bytes(name), log(n..=n));
        }
        logs.load().exit(0).did(6, 0);
        logs.load().exit(0).did(0, 6);
        assert_eq!(logs.number("select count(*) from t"), 6);
        assert_eq!(logs.number("select count(*) from logmill_sources where name like '%\\xff\\xfe.log'"), 1);
    }
}

#[test]
fn a_vanished_file_is_named_and_does_not_affect_the_others() {
    needs_failpoints();
    let logs = Logs::new();
    logs.write("a.log", log(1..=10)).write("b.log", log(11..=20)).write("c.log", log(21..=30));
    // It was found and recognised, and disappears before it is read.
    let mut command = logs.command("");
    command.env("FAILPOINTS", "before-open=1*off->1*return(stop)");
    let child = Piped::start(command).stopped();
    logs.remove("b.log");
    child.0.signal("CONT");
    let loaded = child.wait();
    loaded.failed("b.log", "cannot open it: No such file or directory").did(20, 0);
    assert_eq!(logs.sources(), ["a.log 1-10", "b.log ...", "c.log 21-30"]);
    // Or it becomes another file.
    logs.write("b.log", log(11..=20));
    let mut command = logs.command("");
    command.env("FAILPOINTS", "before-open=1*return(stop)");
    let child = Piped::start(command).stopped();
    logs.write("b.log", log(31..=35));
    child.0.signal("CONT");
    child.wait().failed("b.log", "the file was replaced during the run. To load the new one, run").did(0, 2);
    logs.load().exit(0).did(5, 2);
    assert_eq!(logs.sources(), ["a.log 1-10", "b.log 31-35", "c.log 21-30"]);
}
