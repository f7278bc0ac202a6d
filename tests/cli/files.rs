//! Which files are read and in what order, and unreadable files.

use std::os::unix::ffi::OsStrExt as _;

use super::*;

#[test]
fn names_come_from_a_list() {
    let place = Place::new();
    let odd = std::ffi::OsStr::from_bytes(b"new\nline \xff.ndjson");
    place.write("a.ndjson", "{\"n\":1}\n");
    place.write(odd, "{\"n\":2}\n");
    place.write("logs/b.ndjson", "{\"n\":3}\n");
    let list = [b"a.ndjson\0".as_slice(), odd.as_bytes(), b"\0logs/b.ndjson\0"].concat();
    // The program recognises that names end with NUL.
    let mut command = place.command("load --files-from -");
    Said::of(&mut command, &list).ended(0, &["wrote a.logmill.toml", "1 name is not in the job", "3 files"]);
    assert_eq!(place.query("select n from a order by source_id"), ["1", "2", "3"]);
    // The same files again, from a list with one name per line: nothing is new.
    place.write("list", "a.ndjson\nlogs/b.ndjson\n");
    place
        .run("load -j a.logmill.toml --files-from list")
        .ended(0, &["2 files were loaded to the end before"]);
}

#[test]
fn an_empty_list_means_nothing_to_do() {
    let place = Place::new();
    place.write("list", "\n");
    place.run("load --files-from list").ended(0, &["the list names no files"]);
    place.run("load --files-from /dev/zero").ended(2, &["/dev/zero has more than 64 MiB"]);
    place.run("load --files-from nothing").ended(1, &["cannot read the names of files from nothing"]);
    place.run("load -0 a.ndjson").ended(2, &["--files-from"]);
}

#[test]
fn names_without_files_are_reported_and_an_error_only_if_none_has_one() {
    let place = Place::new();
    place.write("job.toml", JOB);
    place.run("load -j job.toml").ended(2, &["no file matches log.*"]);
    place
        .run("load -j job.toml --allow-empty")
        .ended(0, &["no file matches log.*, so there is nothing to load"]);
    place.run("check -j job.toml --allow-empty").ended(0, &["so there is nothing to check"]);
    place.run("load none*").ended(2, &["no file matches none*"]);
    place.run("load none* --allow-empty").ended(0, &["so there is nothing to load"]);
    let (code, object) = place.json("load -j job.toml --allow-empty");
    assert_eq!((code, &object["outcome"]), (0, &"finished".into()));
    place.write("log.1", "{\"n\":1}\n");
    place.run("load -j job.toml log.* none.*").ended(0, &["none.*: no file matches this name"]);
    place.run("load -j job.toml log.1 gone --allow-empty").ended(1, &["gone: cannot open it"]);
}

#[test]
fn files_left_out_by_include_are_reported() {
    let place = Place::new();
    place.write("job.toml", JOB.replace("[\"log.*\"]", "[\"logs\"]\ninclude = [\"*.log\", \"*.lgo\"]"));
    place.write("logs/a.txt", "{\"n\":1}\n");
    place.run("load -j job.toml").ended(2, &["`include` and `exclude` of the job leave out the only file"]);
    place.write("logs/b.txt", "{\"n\":1}\n");
    place.run("load -j job.toml").ended(2, &["no file in logs is selected", "leave out all 2 files"]);
    place.write("logs/a.log", "{\"n\":1}\n");
    place.run("load -j job.toml").ended(0, &["`include` has '*.lgo', which matches no file"]);
}

/// The files of a check, in the order in which it read them.
#[track_caller]
fn order(place: &Place, arguments: &str) -> Vec<String> {
    let said = place.run(&format!("check -q -j job.toml --verdicts - {arguments}"));
    let verdicts = said.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    verdicts.map(|verdict| verdict["source"].as_str().unwrap().to_owned()).collect()
}

const JOB: &str = r#"
name = "job"
[source]
files  = ["log.*"]
format = "ndjson"
[record.fields]
n = "int"
[destination]
url   = "sqlite:logmill.db"
table = "t"
"#;

#[test]
fn files_are_read_in_the_order_of_the_numbers_in_their_names() {
    let place = Place::new();
    place.write("job.toml", JOB);
    for number in [1, 10, 2] {
        place.write(format!("log.{number}"), format!("{{\"n\":{number}}}\n"));
    }
    assert_eq!(order(&place, ""), ["log.1", "log.2", "log.10"]);
    // Files on the command line keep their order.
    assert_eq!(order(&place, "log.2 log.10 log.1"), ["log.2", "log.10", "log.1"]);
    place.write("job.toml", JOB.replace("format =", "order  = \"name-reverse\"\nformat ="));
    assert_eq!(order(&place, ""), ["log.10", "log.2", "log.1"]);
}

#[test]
fn an_unreadable_file_is_named_and_does_not_affect_the_others() {
    let place = Place::new();
    place.write("job.toml", JOB);
    place.write("log.1", "{\"n\":1}\n");
    place.write("log.2", "\u{feff}{\"n\":2}\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    place.write("log.3", "{\"n\":3}\n".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>());
    place.write("log.4", "{\"n\":4}\n");
    std::os::unix::fs::symlink("nowhere", place.path("log.5")).unwrap();
    place.run("load -j job.toml").ended(
        1,
        &[
            "3 files not loaded",
            "log.2: it is UTF-16, and logs are read as UTF-8; convert it first (iconv -f UTF-16 -t UTF-8)",
            "log.3: it is UTF-16BE",
            "log.5: cannot open it: No such file or directory",
        ],
    );
    assert_eq!(place.query("select n from t"), ["1", "4"]);
    let (code, object) = place.json("load -j job.toml gone log.1");
    assert_eq!((code, &object["sources"]["failed"][0]["file"]), (1, &"gone".into()));
}

#[test]
fn lines_ending_with_cr_alone_are_explained() {
    let place = Place::new();
    place.write("job.toml", JOB);
    place.write("log.1", "{\"n\":1}\r{\"n\":2}\r");
    // A CR before the end of the file is a line end that lost its newline.
    place.write("log.2", "{\"n\":1}\r");
    let notice = "log.1: it looks like lines end with CR only (classic Mac OS), and a line here ends with LF, so it is one \
                  record; convert it first (tr '\\r' '\\n')";
    let said = place.run("check -j job.toml");
    assert!(said.stdout.contains("  1 file to look at\n"), "{}", said.stdout);
    assert!(said.stdout.contains(notice), "{}", said.stdout);
    place.run("load -j job.toml").ended(3, &[notice]);
    let (_, object) = place.json("check -j job.toml");
    assert_eq!(object["notices"][0]["file"], "log.1");
    std::fs::remove_file(place.path("log.2")).unwrap();
    place.run("infer log.1 -o new.toml").ended(
        2,
        &[
            "log.1 looks like text whose lines end in a carriage return alone",
            "`tr '\\r' '\\n'` turns it into lines",
        ],
    );
}

#[test]
fn files_are_discovered_in_the_folder_that_the_job_is_in() {
    let place = Place::new();
    for name in ["a.ndjson", "sub/b.ndjson", "sub/deep/c.ndjson"] {
        place.write(name, "{\"n\":1}\n");
    }
    for (pattern, count) in
        [("**/*.ndjson", 3), ("**", 3), ("**/a.ndjson", 1), ("**/sub/*.ndjson", 1), ("*/*.ndjson", 1)]
    {
        place.write("job.toml", JOB.replace("log.*", pattern));
        let read = order(&place, "");
        let count_read = read.iter().filter(|name| name.ends_with(".ndjson")).count();
        assert_eq!(count_read, count, "{pattern}: {read:?}");
    }
}

#[test]
fn a_folder_stands_for_the_logs_in_it() {
    let place = Place::new();
    place.write("app.ndjson", "{\"n\":1}\n{\"n\":2}\n");
    place.write("old.zip", "PK\u{3}\u{4}\0\0");
    place.write("app.lock", "4711\n");
    place.write("_logmill/app/job.state", "{}\n");
    // The first load creates a job file and a database beside the log.
    let said = place.run("load .");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(place.path("logmill.db").exists());
    place.write("logmill.db-shm", "\0\0\0");
    let again = place.run("load .");
    again.ended(0, &["nothing new", "1 file was loaded to the end before"]);
    let said = place.run("load -v .");
    for word in ["app.lock: left out, it is a lock", "logmill.db: left out, it is an SQLite database"] {
        assert!(said.stderr.contains(word), "{said:?}");
    }
    // A file that the user names is read, whatever it is.
    place.run("load old.zip").ended(1, &["old.zip: it is a zip archive"]);
    std::fs::remove_file(place.path("app.ndjson")).unwrap();
    place.run("infer . -o new.toml").ended(2, &["there is no log in ."]);
}
