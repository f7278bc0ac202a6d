//! The privileges that a role must be granted: those in the manual suffice, and each is needed.
#![cfg(feature = "sqlite")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::{fs, io};

use serde_json::Value;

use crate::cli::{Place, Said};
use crate::harness::logmill;
use crate::harness::postgres::{Database, Server};
use crate::harness::run::{Process, needs_failpoints};

/// A job whose role has the privileges listed in the manual, perhaps without one.
struct Loader {
    place: Place,
    database: Database,
    role: String,
}

impl Loader {
    /// With all documented statements except those that begin with `left_out`.
    fn without(left_out: &str) -> Loader {
        let database = Server::shared().database();
        let name = database.name().to_owned();
        let role = format!("loader_{name}");
        database
            .client()
            .batch_execute(&format!(
                "CREATE ROLE {role} LOGIN; REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {role};
                 REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE SCHEMA app;
                 CREATE TABLE app.log_entries
                     (n bigint NOT NULL, source_id integer, source_offset bigint, PRIMARY KEY (source_id, source_offset))"
            ))
            .unwrap();
        let statements = documented();
        let granted = statements.iter().filter(|statement| !is_left_out(statement, left_out));
        assert!(left_out.is_empty() || granted.clone().count() + 1 == statements.len(), "{left_out}");
        for statement in granted {
            let statement =
                statement.replace("loader", &role).replace("DATABASE app", &format!("DATABASE {name}"));
            database.client().batch_execute(&statement).unwrap();
        }
        let place = Place::new();
        place.write("logs/a.ndjson", "{\"n\":1}\n{\"n\":2}");
        place.write(
            "job.toml",
            format!(
                "name = \"app\"\n[source]\nfiles = [\"logs\"]\nformat = \"ndjson\"\n[record.fields]\nn = \"int\"\n\
                 [destination]\nurl = \"{}\"\ntable = \"app.log_entries\"\n[pipeline]\nretry_for = \"0s\"\nlock_timeout = \"2s\"\n",
                database.url().replace("postgres@", &format!("{role}@"))
            ),
        );
        Loader { place, database, role }
    }

    fn run(&self, command: &str) -> Said {
        self.place.run(&format!("{command} -j job.toml"))
    }

    /// The obstacles and warnings of a plan.
    fn plan(&self) -> (i32, Vec<String>) {
        let (code, plan) = self.place.json("plan -j job.toml");
        let findings = ["obstacles", "warnings"].iter().filter_map(|key| plan[*key].as_array());
        (code, findings.flatten().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// The last line had no line end; now it grows into an invalid record, and its row must go.
    fn grow(&self) -> Said {
        self.place.write("logs/a.ndjson", "{\"n\":1}\n{\"n\":2} and more\n");
        self.run("load")
    }

    fn sql(&self, sql: &str) {
        self.database.client().batch_execute(sql).unwrap();
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // A role belongs to the server, not to the database.
        let role = &self.role;
        let _ =
            self.database.client().batch_execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
    }
}

/// The statements on the manual's page, without comments.
fn documented() -> Vec<String> {
    let page = include_str!("../src/manual/operations.md");
    let (_, section) = page.split_once("\n## Rights on PostgreSQL\n").expect("the section");
    let sql = section.split("```").nth(1).expect("the statements").trim_start_matches("sql");
    let lines = sql.lines().filter(|line| !line.is_empty() && !line.starts_with("--"));
    lines.map(str::to_owned).collect()
}

fn is_left_out(statement: &str, left_out: &str) -> bool {
    !left_out.is_empty() && statement.starts_with(left_out)
}

#[test]
fn the_grants_of_the_manual_suffice() {
    let loader = Loader::without("");
    assert_eq!(loader.plan(), (0, vec![]));
    loader.run("load").ended(0, &["inserted                2"]);
    loader.grow().ended(3, &[]);
    // A repeated load merges; the other commands only read.
    loader.run("load --accept-new-rules").ended(3, &[]);
    for look in ["status", "plan", "dead-letters list", "verify"] {
        loader.run(look).ended(0, &[]);
    }
    loader.run("dead-letters discard --all").ended(0, &[]);
    loader.place.run("forget -j job.toml --delete-rows --yes logs/a.ndjson").ended(0, &["1 row"]);
    loader.run("load").ended(3, &[]);
    loader.run("verify").ended(0, &[]);
    loader.place.run("forget -j job.toml logs/a.ndjson").ended(0, &[]);
}

/// If our schema exists without its tables, the role needs no privilege on the database.
#[test]
fn an_existing_schema_is_not_created_again() {
    let loader = Loader::without("");
    let may_create: bool = loader
        .database
        .client()
        .query_one("SELECT has_database_privilege($1, current_database(), 'CREATE')", &[&loader.role])
        .unwrap()
        .get(0);
    assert!(!may_create);
    loader.run("load").ended(0, &[]);
}

#[test]
fn all_missing_rights_are_reported_at_once() {
    let loader = Loader::without("");
    loader.run("load").ended(0, &[]);
    let (role, database) = (&loader.role, loader.database.name());
    loader.sql(&format!(
        "REVOKE INSERT ON app.log_entries FROM {role}; REVOKE TEMPORARY ON DATABASE {database} FROM {role};
         REVOKE UPDATE ON logmill.checkpoints FROM {role}"
    ));
    loader.place.write("logs/b.ndjson", "{\"n\":3}\n");
    let says_all = |command: &str, all: &[&str]| {
        let said = loader.run(command);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert_eq!(said.code, 2, "{command}: {text}");
        for missing in all {
            assert!(text.contains(missing), "{command} does not say {missing}: {text}");
        }
    };
    says_all("plan", &["lacks INSERT on", "GRANT TEMPORARY", "logmill.checkpoints"]);
    says_all("load", &["lacks INSERT on", "GRANT TEMPORARY", "logmill.checkpoints"]);
    loader.sql(&format!("REVOKE USAGE ON SCHEMA logmill FROM {role}"));
    for command in ["plan", "load"] {
        says_all(command, &["lacks INSERT on", "GRANT TEMPORARY", "GRANT USAGE ON SCHEMA logmill"]);
    }
    loader.sql(&format!("REVOKE UPDATE ON ALL TABLES IN SCHEMA logmill FROM {role}"));
    says_all("load", &["UPDATE, DELETE ON ALL TABLES IN SCHEMA logmill TO it"]);
}

/// Missing tables of ours do not hide what is missing at a target that is not there.
#[test]
fn a_role_that_may_make_nothing_is_told_all_that_it_lacks() {
    let loader = Loader::without("CREATE SCHEMA logmill");
    loader.sql(&format!(
        "DROP TABLE app.log_entries; REVOKE TEMPORARY ON DATABASE {} FROM {}",
        loader.database.name(),
        loader.role
    ));
    for command in ["plan", "load"] {
        let said = loader.run(command);
        let text = format!("{}{}", said.stdout, said.stderr);
        for missing in ["may not create the schema logmill", "GRANT TEMPORARY", "GRANT CREATE ON SCHEMA"] {
            assert!(said.code == 2 && text.contains(missing), "{command} does not say {missing}: {text}");
        }
    }
    loader.sql(&format!("GRANT CREATE ON DATABASE {} TO {}", loader.database.name(), loader.role));
    for missing in ["GRANT TEMPORARY", "GRANT CREATE ON SCHEMA"] {
        loader.run("load").ended(2, &[missing]);
    }
}

#[test]
fn each_grant_is_needed_and_a_plan_reports_it() {
    for (left_out, missing) in [
        ("CREATE SCHEMA logmill", "may not create the schema logmill"),
        ("GRANT TEMPORARY", "GRANT TEMPORARY ON DATABASE"),
        ("GRANT USAGE", "GRANT USAGE ON SCHEMA"),
        ("GRANT SELECT", "GRANT SELECT ON"),
        ("GRANT INSERT", "GRANT INSERT ON"),
        ("GRANT UPDATE", "GRANT UPDATE ON"),
    ] {
        eprintln!("without {left_out}");
        let loader = Loader::without(left_out);
        let (code, findings) = loader.plan();
        assert_eq!(code, 2, "{findings:?}");
        assert!(findings.iter().any(|finding| finding.contains(missing)), "no {missing} in {findings:?}");
        let said = loader.run("load").ended(2, &[]);
        assert!(
            said.stderr.contains(missing) || left_out.starts_with("CREATE"),
            "no {missing} in {}",
            said.stderr
        );
        let count: i64 =
            loader.database.client().query_one("SELECT count(*) FROM app.log_entries", &[]).unwrap().get(0);
        assert_eq!(count, 0);
    }
}

#[test]
fn a_grown_line_needs_the_right_to_delete() {
    let loader = Loader::without("GRANT DELETE");
    let (code, findings) = loader.plan();
    assert!(code == 0 && findings.iter().any(|finding| finding.contains("GRANT DELETE ON")), "{findings:?}");
    loader.run("load").ended(0, &[]);
    loader.grow().ended(1, &["permission denied for table log_entries"]);
    loader.sql(&format!("GRANT DELETE ON app.log_entries TO {}", loader.role));
    loader.grow().ended(3, &[]);
}

/// Anyone can take our one advisory lock. It is only taken to create tables.
#[test]
fn a_strangers_lock_stops_no_load() {
    let loader = Loader::without("");
    let mut stranger = loader.database.client();
    let take = "SELECT pg_advisory_lock(6021020241109)";
    stranger.batch_execute(take).unwrap();
    let began = std::time::Instant::now();
    loader.run("load").ended(1, &["lock"]);
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    stranger.batch_execute("SELECT pg_advisory_unlock_all()").unwrap();
    loader.run("load").ended(0, &[]);
    stranger.batch_execute(take).unwrap();
    loader.place.write("logs/b.ndjson", "{\"n\":3}\n");
    loader.run("load").ended(0, &["inserted                1"]);
}

/// A backend with the owner's pid is alive, but started at another time: a role that may see the start time
/// knows that the owner is gone.
#[test]
fn a_dead_owner_of_another_role_is_noticed_with_the_right_to_see_it() {
    for (left_out, code) in [("", 0), ("GRANT pg_read_all_stats", 6)] {
        let loader = Loader::without(left_out);
        loader.run("load").ended(0, &[]);
        let mut other = loader.database.client();
        other
            .batch_execute(
                "UPDATE logmill.checkpoints SET complete = false, owner_run = 1, owner_pid = pg_backend_pid(),
                                                owner_start = now() - interval '1 day'",
            )
            .unwrap();
        loader.place.write("logs/a.ndjson", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
        loader.run("load").ended(code, &[]);
    }
}

#[test]
fn a_run_of_another_role_is_ended_with_the_right_to_end_it() {
    needs_failpoints();
    for (left_out, code) in [("", 0), ("GRANT pg_signal_backend", 6)] {
        let loader = Loader::without(left_out);
        let other = format!("other_{}", loader.database.name());
        // The tables exist, and both roles may write them.
        loader.run("load").ended(0, &[]);
        loader.place.write("logs/a.ndjson", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
        loader.sql(&format!("CREATE ROLE {other} LOGIN; GRANT {} TO {other}", loader.role));
        let url = loader.database.url().replace("postgres@", &format!("{other}@"));
        let mut owner = loader.place.command(&format!("load -j job.toml --into {url}"));
        let mut owner = Process::spawn(owner.env("FAILPOINTS", "before-commit=1*return(stop)"));
        assert!(owner.stops(), "it ended instead");
        let said = loader.run("load --take-over");
        drop(owner);
        let words: &[&str] = if code == 6 { &["GRANT pg_signal_backend"] } else { &[] };
        said.ended(code, words);
        loader.sql(&format!("REVOKE {} FROM {other}; DROP ROLE {other}", loader.role));
    }
}

/// Runs a command as the user `nobody`.
fn run_as_nobody(place: &Place, arguments: &str) -> Said {
    let mut command = logmill();
    command.current_dir(place.path(".")).args(arguments.split_whitespace());
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    Said::of(&mut command, b"")
}

fn set_modes(place: &Place, file: u32, folder: u32) {
    for entry in fs::read_dir(place.path(".")).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(file)).unwrap();
    }
    fs::set_permissions(place.path("."), fs::Permissions::from_mode(folder)).unwrap();
}

fn names(place: &Place) -> io::Result<Vec<String>> {
    let mut names: Vec<_> = fs::read_dir(place.path("."))?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

#[test]
fn a_read_only_user_can_inspect_a_file_and_leaves_nothing_behind() {
    let place = Place::new();
    place.write("a.ndjson", "{\"n\":1}\n{\"n\":\"x\"}\n");
    place.write(
        "job.toml",
        "name = \"app\"\n[source]\nfiles = [\"a.ndjson\"]\nformat = \"ndjson\"\n[record.fields]\nn = \"int\"\n\
         [destination]\nurl = \"sqlite:logs of ?.db\"\ntable = \"t\"\n",
    );
    place.run("load -j job.toml").ended(3, &[]);
    let before = names(&place).unwrap();
    set_modes(&place, 0o444, 0o555);
    let said = run_as_nobody(&place, "status -j job.toml").ended(0, &[]);
    assert!(said.stdout.contains("a.ndjson"), "{}", said.stdout);
    let said = run_as_nobody(&place, "dead-letters list -j job.toml").ended(0, &[]);
    assert!(said.stdout.contains("int_parsing"), "{}", said.stdout);
    let said = run_as_nobody(&place, "plan -j job.toml").ended(2, &[]);
    assert!(said.stdout.contains("must be writable"), "{}", said.stdout);
    assert_eq!(names(&place).unwrap(), before);
    set_modes(&place, 0o644, 0o755);
    place.run("status -j job.toml").ended(0, &[]);
}
