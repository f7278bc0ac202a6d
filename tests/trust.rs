//! Files that belong to other users: what someone who may write where the logs are cannot make us read, use
//! or write, and what other users cannot read of what we write.
//!
//! The other user has the id 12345. Only root can give a file to that user; without root, a test reports
//! what it skipped.
#![cfg(all(feature = "sqlite", feature = "gzip", feature = "zstd"))]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;

use crate::cli::Place;
use crate::harness::run::needs_failpoints;
use crate::harness::skip_here;
use crate::sources::{Logs, Piped, log};

const OTHER: u32 = 12_345;

/// Gives a file to the other user.
fn give_away(path: &Path) {
    if lchown(path, Some(OTHER), None).is_err() {
        skip_here("only root can give a file to another user");
    }
}

fn link_of_another(target: impl AsRef<Path>, path: &Path) {
    symlink(target, path).unwrap();
    give_away(path);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_link_of_another_user_is_skipped_and_counted() {
    for source in ["files = [\"logs\"]", "files = [\"logs/*.log\"]", "files = [\"*/*.log\"]"] {
        let logs = Logs::new().source(source);
        logs.write("logs/a.log", log(1..=10)).write("secret/shadow", log(900..=999));
        symlink("../secret/shadow", logs.path("logs/ours.log")).unwrap();
        for name in ["logs/b.log", "logs/c.log"] {
            link_of_another(logs.path("secret/shadow"), &logs.path(name));
        }
        fs::remove_file(logs.path("logs/ours.log")).unwrap();
        let loaded = logs.load();
        loaded.exit(0).did(10, 0);
        let notice = loaded.result("/notices/0/notice").as_str().unwrap();
        assert!(notice.starts_with("a link of another user, which is not followed"), "{notice}");
        assert!(notice.ends_with("(1 more link like it)"), "{notice}");
        assert_eq!(logs.sources(), ["a.log 1-10"]);
        // If the user names the link, it is followed; and so are our own links.
        logs.load_with("logs/b.log").exit(0).did(100, 0);
    }
    // If nothing else is found, the message mentions the ignored link.
    let logs = Logs::new().source("files = [\"logs\"]");
    logs.write("secret", log(1..=1)).write("logs/.keep", "");
    link_of_another("../secret", &logs.path("logs/a.log"));
    let said = logs.load().exit(2).result("/error").as_str().unwrap().to_owned();
    assert!(said.contains("no file was found, but"), "{said}");
}

#[test]
fn a_file_that_becomes_a_link_of_another_user_before_it_is_opened_is_refused() {
    needs_failpoints();
    for is_folder in [false, true] {
        let logs = Logs::new().source("files = [\"logs\"]");
        // As long and as similar as possible, so that only the link gives it away.
        logs.write("logs/sub/a.log", log(1..=10)).write("secret/a.log", log(1..=10));
        let mut command = logs.command("");
        command.env("FAILPOINTS", "before-open=1*return(stop)");
        let child = Piped::start(command).stopped();
        match is_folder {
            true => {
                fs::rename(logs.path("logs/sub"), logs.path("logs/.sub")).unwrap();
                link_of_another(logs.path("secret"), &logs.path("logs/sub"));
            }
            false => {
                logs.remove("logs/sub/a.log");
                link_of_another(logs.path("secret/a.log"), &logs.path("logs/sub/a.log"));
            }
        }
        child.signal("CONT");
        child.wait().failed("a.log", "its path contains a link of another user").did(0, 0);
    }
}

#[test]
fn a_new_database_is_readable_by_its_owner_only() {
    let place = Place::new();
    place.write("app.ndjson", "{\"a\":1}\n");
    place.run("load app.ndjson").ended(0, &[]);
    assert_eq!(mode(&place.path("logmill.db")), 0o600);
    // SQLite's auxiliary files exist as long as a reader has the database open.
    let reader = rusqlite::Connection::open(place.path("logmill.db")).unwrap();
    let count = |table: &str| {
        let sql = format!("select count(*) from {table}");
        reader.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    count("app");
    place.write("app.ndjson", "{\"a\":1}\n{\"a\":2}\n");
    place.run("load app.ndjson").ended(0, &[]);
    assert_eq!(count("app"), 2);
    for name in ["logmill.db-wal", "logmill.db-shm"] {
        assert_eq!(mode(&place.path(name)), 0o600, "{name}");
    }
    // An existing database keeps its permissions.
    drop(reader);
    fs::set_permissions(place.path("logmill.db"), Permissions::from_mode(0o644)).unwrap();
    place.run("load app.ndjson").ended(0, &[]);
    assert_eq!(mode(&place.path("logmill.db")), 0o644);
}

#[test]
fn a_database_is_not_created_through_a_dangling_link() {
    let place = Place::new();
    place.write("app.ndjson", "{\"a\":1}\n");
    symlink("elsewhere.db", place.path("x.db")).unwrap();
    place.run("load app.ndjson --into sqlite:x.db").ended(1, &["x.db"]);
    assert!(!place.path("elsewhere.db").exists());
}

#[test]
fn verdicts_are_private_and_never_written_through_a_link() {
    let place = Place::new();
    place.write("app.ndjson", "{\"a\":1}\n");
    place.write("precious", "text");
    symlink("precious", place.path("link")).unwrap();
    symlink("nowhere", place.path("broken")).unwrap();
    for out in ["link", "broken"] {
        place.run(&format!("check app.ndjson --verdicts {out}")).ended(1, &["it is a link"]);
    }
    assert_eq!((place.read("precious").as_str(), place.path("nowhere").exists()), ("text", false));
    place.run("check app.ndjson --verdicts out").ended(0, &[]);
    assert_eq!(mode(&place.path("out")), 0o600);
    // A file with content is not overwritten; an empty one is filled.
    place.run("check app.ndjson --verdicts precious").ended(2, &["precious exists; name another file"]);
    assert_eq!(place.read("precious"), "text");
    place.write("precious", "");
    fs::set_permissions(place.path("precious"), Permissions::from_mode(0o644)).unwrap();
    place.run("check app.ndjson --verdicts precious").ended(0, &[]);
    assert_eq!(mode(&place.path("precious")), 0o600);
    place.run("check app.ndjson --verdicts /dev/null").ended(0, &[]);
    // The file of another user is refused too, because its owner could read it.
    place.write("theirs", "");
    give_away(&place.path("theirs"));
    place.run("check app.ndjson --verdicts theirs").ended(1, &["it belongs to another user"]);
}

#[test]
fn a_found_job_is_used_only_if_no_other_user_could_have_put_it_there() {
    let place = Place::new();
    place.write("app.ndjson", "{\"a\":1}\n");
    place.run("infer app.ndjson").ended(0, &[]);
    let job = place.path("app.logmill.toml");
    let refused = |why: &str| {
        for command in ["load app.ndjson", "check app.ndjson"] {
            place.run(command).ended(2, &["app.logmill.toml was not named, but exists, and", why]);
        }
        assert!(!place.path("logmill.db").exists());
    };
    fs::set_permissions(&job, Permissions::from_mode(0o666)).unwrap();
    refused("can be written by others (mode 666)");
    fs::set_permissions(&job, Permissions::from_mode(0o644)).unwrap();
    fs::rename(&job, place.path("elsewhere.toml")).unwrap();
    symlink("elsewhere.toml", &job).unwrap();
    refused("is a link");
    fs::remove_file(&job).unwrap();
    fs::rename(place.path("elsewhere.toml"), &job).unwrap();
    if chown(&job, Some(OTHER), Some(OTHER)).is_ok() {
        refused("belongs to another user (uid 12345)");
        chown(&job, Some(0), Some(OTHER)).unwrap();
        fs::set_permissions(&job, Permissions::from_mode(0o664)).unwrap();
        refused("can be written by others (mode 664)");
    }
    // A user who names the job is trusted to have read it.
    place.run("check -j app.logmill.toml").ended(0, &[]);
    fs::set_permissions(&job, Permissions::from_mode(0o644)).unwrap();
    place.run("load app.ndjson").ended(0, &["exists, and is used"]);
}

#[test]
fn a_found_database_is_used_only_if_no_other_user_could_have_put_it_there() {
    let place = Place::new();
    place.write("app.ndjson", "{\"a\":1}\n");
    place.write("elsewhere.db", "");
    let db = place.path("logmill.db");
    let refused = |why: &str| {
        let said = ["logmill.db was not named, but exists, and", why];
        place.run("load app.ndjson").ended(2, &said);
        assert!(!place.path("app.logmill.toml").exists());
    };
    symlink("elsewhere.db", &db).unwrap();
    refused("is a link");
    fs::remove_file(&db).unwrap();
    place.write("logmill.db", "");
    fs::set_permissions(&db, Permissions::from_mode(0o666)).unwrap();
    refused("can be written by others");
    fs::set_permissions(&db, Permissions::from_mode(0o644)).unwrap();
    place.run("load app.ndjson").ended(0, &[]);
    // A database that the user names is used.
    fs::set_permissions(&db, Permissions::from_mode(0o666)).unwrap();
    place.run("load -j app.logmill.toml").ended(0, &[]);
    place.run("load app.ndjson --into sqlite:logmill.db").ended(0, &[]);
    fs::remove_file(place.path("app.logmill.toml")).unwrap();
    fs::set_permissions(&db, Permissions::from_mode(0o644)).unwrap();
    give_away(&db);
    refused("belongs to another user (uid 12345)");
}

#[test]
fn a_database_replaced_while_it_is_opened_is_not_written_to() {
    needs_failpoints();
    let place = Place::new();
    place.write("app.ndjson", "{\"a\":1}\n");
    place.run("load app.ndjson").ended(0, &[]);
    place.write("app.ndjson", "{\"a\":1}\n{\"a\":2}\n");
    place.write("theirs.db", "");
    give_away(&place.path("theirs.db"));
    let ours = fs::read(place.path("logmill.db")).unwrap();
    let rename = |from: &str, to: &str| fs::rename(place.path(from), place.path(to)).unwrap();
    let start = |command: &str| {
        let mut command = place.command(command);
        command.env("FAILPOINTS", "before-database=return(stop);after-database=return(stop)");
        let child = Piped::start(command).stopped();
        rename("logmill.db", "ours.db");
        rename("theirs.db", "logmill.db");
        child.signal("CONT");
        child.stopped()
    };
    // It was ours when it was checked, and belongs to another user when it is opened.
    let child = start("load app.ndjson");
    child.signal("CONT");
    child.wait().exit(2).says("belongs to another user (uid 12345)");
    rename("logmill.db", "theirs.db");
    rename("ours.db", "logmill.db");
    // The opened file is theirs, although a later check finds ours; this also holds for a named file.
    for command in ["load app.ndjson", "load -j app.logmill.toml"] {
        let child = start(command);
        rename("logmill.db", "theirs.db");
        rename("ours.db", "logmill.db");
        child.signal("CONT");
        child.wait().exit(1).says("was replaced while it was being opened");
        assert_eq!(fs::read(place.path("theirs.db")).unwrap(), b"", "{command}");
        assert_eq!(fs::read(place.path("logmill.db")).unwrap(), ours, "{command}");
    }
    place.run("load app.ndjson").ended(0, &[]);
    assert_eq!(place.query("select count(*) from app"), ["2"]);
}

#[test]
fn a_log_that_another_user_put_beside_a_database_is_refused() {
    let place = Place::new();
    place.write("app.ndjson", "{\"a\":1}\n");
    place.run("load app.ndjson").ended(0, &[]);
    let rows = || place.query("select count(*) from app");
    place.write("more.ndjson", "{\"a\":2}\n");
    for end in ["-wal", "-shm", "-journal"] {
        let name = format!("logmill.db{end}");
        let refused = |why: &str| {
            for command in ["load -j app.logmill.toml more.ndjson", "status -j app.logmill.toml"] {
                place.run(command).ended(1, &[&format!("has a file beside it, {name}, that {why}")]);
            }
            fs::remove_file(place.path(&name)).unwrap();
            assert_eq!(rows(), ["1"], "{end}");
        };
        symlink("elsewhere", place.path(&name)).unwrap();
        refused("is not a plain file");
        assert!(!place.path("elsewhere").exists());
        place.write(&name, "");
        fs::set_permissions(place.path(&name), Permissions::from_mode(0o666)).unwrap();
        refused("can be written by others (mode 666)");
        place.write(&name, "");
        give_away(&place.path(&name));
        refused("belongs to another user (uid 12345)");
    }
    // A new database is no exception,
    fs::remove_file(place.path("logmill.db")).unwrap();
    place.write("logmill.db-wal", "");
    give_away(&place.path("logmill.db-wal"));
    place.run("load -j app.logmill.toml").ended(1, &["belongs to another user (uid 12345)"]);
    fs::remove_file(place.path("logmill.db-wal")).unwrap();
    // and those of the owner of a database are theirs.
    place.run("load -j app.logmill.toml").ended(0, &[]);
    for name in ["logmill.db", "logmill.db-wal"] {
        if !place.path(name).exists() {
            place.write(name, "");
        }
        give_away(&place.path(name));
    }
    place.run("load -j app.logmill.toml more.ndjson --into sqlite:logmill.db").ended(0, &[]);
    assert_eq!(rows(), ["2"]);
}

#[test]
fn what_came_from_a_variable_is_not_shown() {
    let place = Place::new();
    place.write("app.ndjson", "{\"a\":1}\n");
    let job = |url: &str, table: &str| {
        format!(
            "name = \"app\"\n[source]\nfiles = [\"app.ndjson\"]\nformat = \"ndjson\"\n[record.fields]\na = \"int\"\n\
             [destination]\nurl = \"{url}\"\ntable = '{table}'\n"
        )
    };
    for (url, table, value) in [
        ("host=localhost password=${NAME}", "t", "a service=geheim"),
        ("host=localhost password=${NAME}", "t", "a sslmode=geheim"),
        ("postgres://localhost/d?sslmode=${NAME}", "t", "geheim"),
        ("postgres://localhost/d?${NAME}=x", "t", "geheim"),
        ("postgres://localhost/d?connect_timeout=${NAME}", "t", "geheim"),
        ("postgres://localhost/d?target_session_attrs=${NAME}", "t", "geheim"),
        ("service=${NAME}", "t", "geheim"),
        ("sqlite:x.db", "t${NAME}; x", "geheim"),
    ] {
        place.write("app.toml", job(url, table));
        let mut command = place.command("load -j app.toml");
        let said = crate::cli::Said::of(command.env("NAME", value), b"").ended(2, &[]);
        assert!(!said.stderr.contains("geheim"), "{url} {table}: {}", said.stderr);
    }
}

#[test]
fn a_readable_job_with_a_password_causes_a_warning() {
    let place = Place::new();
    place.write("app.ndjson", "{\"a\":1}\n");
    let job = |url: &str| {
        format!(
            "name = \"app\"\n[source]\nfiles = [\"app.ndjson\"]\nformat = \"ndjson\"\n[record.fields]\na = \"int\"\n\
             password = {{ type = \"text\", required = false }}\n[destination]\nurl = \"{url}\"\ntable = \"t\"\n"
        )
    };
    let warning = "app.toml holds a password, and others may read it";
    for (url, mode, is_warned) in [
        ("postgres://ada:geheim@localhost/app", 0o644, true),
        ("host=localhost user=ada password=geheim", 0o604, true),
        ("postgres://ada:geheim@localhost/app", 0o600, false),
        ("postgres://ada:${NAME}@localhost/app", 0o644, false),
        ("postgres://ada@localhost/app", 0o644, false),
    ] {
        place.write("app.toml", job(url));
        fs::set_permissions(place.path("app.toml"), Permissions::from_mode(mode)).unwrap();
        let mut command = place.command("check -j app.toml");
        let said = crate::cli::Said::of(command.env("NAME", "x"), b"").ended(0, &[]);
        assert_eq!(said.stderr.contains(warning), is_warned, "{url} {mode:o}: {}", said.stderr);
        assert!(!said.stderr.contains("geheim"), "{}", said.stderr);
    }
}
