//! The output and the exit codes of a load.

use super::*;

fn job() -> String {
    JOB.replace("URL", "sqlite:logmill.db")
}

fn place() -> Place {
    let place = Place::new();
    place.write("job.toml", job());
    place.write("logs/a.ndjson", "{\"n\":1}\n\n{\"n\":\"x\"}\n{\"n\":3,\"word\":\"secret\"}\n");
    place.write("logs/b.ndjson", "{\"n\":4}");
    place
}

#[test]
fn a_summary_accounts_for_every_record_and_suggests_commands() {
    let place = place();
    place.play(
        r"
        $ logmill load -j job.toml
        ? 3
        ! app: 2 files, 50 B into app in logmill.db in [..]
        !
        !   records                   4   [..]/s, [..]/s
        !     inserted                2
        !     rejected                2   50 %
        !   blank lines               1
        !
        !   rejected because
        !               1  n: not an integer (int_parsing)   first at logs/a.ndjson:3
        !               1  word: too long (string_too_long)  first at logs/a.ndjson:4
        !
        !   2 dead letters open: logmill dead-letters list -j job.toml
        # It is the state of the sources that the exit code tells, so again it is 3.
        $ logmill load -j job.toml
        ? 3
        ! app: nothing new for app in logmill.db
        !
        !   2 files were loaded to the end before
        !
        !   2 dead letters open: logmill dead-letters list -j job.toml
        $ logmill load -j job.toml -q --allow-rejects
        $ logmill load -j job.toml -q logs/b.ndjson
        # A failure is told even to who wants to hear of nothing.
        $ logmill load -j job.toml -q logs/gone
        ? 1
        ! logmill: logs/gone: cannot open it: [..]
        $ logmill check -j job.toml -q logs/gone --verdicts -
        ? 1
        ! logmill: logs/gone: cannot open it: [..]
        ",
    );
}

#[test]
fn verbose_says_more_and_quiet_says_nothing() {
    let place = place();
    place.write("logs/copy.ndjson", "{\"n\":4}");
    let said = place.run("load -j job.toml -v").ended(3, &[]).stderr;
    for words in [
        "logs/a.ndjson: source 1, from byte 0, 43 B to read",
        "logs/a.ndjson: loaded to its end, 3 records",
        "logs/copy.ndjson: left out, it holds the same as ",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    // The single steps take `-vv`.
    assert!(!said.contains("committed") && !said.contains("run 1"), "{said}");
    std::fs::remove_file(place.path("logs/copy.ndjson")).unwrap();
    let said = place.run("load -j job.toml -vv --into sqlite:other.db").ended(3, &[]).stderr;
    for words in ["load of app into app in other.db, run 1", "committed ", "run 1 ended: rejects (3)"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    let said = place.run("load -j job.toml -v").ended(3, &[]).stderr;
    assert!(said.contains("logs/a.ndjson: left out, it was loaded to the end before"), "{said}");
    let said = place.run("check -j job.toml -v").ended(3, &[]);
    assert!(said.stderr.contains("logs/a.ndjson: loaded to its end, 3 records") && !said.stdout.is_empty());
    // `status -v` also names sources without anything to report.
    let named = |arguments: &str| place.run(arguments).ended(0, &[]).stdout.contains("b.ndjson");
    assert!(named("status -j job.toml -v") && !named("status -j job.toml"));
    for (arguments, code) in
        [("check -j job.toml -q", 3), ("status -j job.toml -q", 0), ("status -j job.toml logs -q", 0)]
    {
        let said = place.run(arguments).ended(code, &[]);
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""), "{arguments}");
    }
    place.run("check -j job.toml -q logs gone").ended(1, &["logmill: gone: cannot open it"]);
    place.run("status -j job.toml -q --fail-if-open").ended(3, &["logmill: 2 dead letters open"]);
    place.run("load -q -v").ended(2, &["--quiet", "--verbose"]);
}

#[test]
fn a_load_without_a_loaded_file_says_so_and_its_advice_can_be_typed() {
    let place = place();
    place.run("load -j job.toml").ended(3, &[]);
    place.write("logs/a.ndjson", "{\"n\":9}\n");
    let headline = "app: FAILED, 1 of 1 file was not loaded into app in logmill.db\n";
    let advice = "`logmill forget -j job.toml logs/a.ndjson` forgets the old one";
    place.run("load -j job.toml logs/a.ndjson").ended(1, &[headline, advice]);
    assert!(place.run("plan -j job.toml logs/a.ndjson").ended(1, &[]).stdout.contains(advice));
}

#[test]
fn a_quiet_command_prints_nothing_but_errors_and_failures() {
    let place = place();
    place.run("load -j job.toml -q").ended(3, &[]);
    for (arguments, code) in [
        ("plan -j job.toml -q", 0),
        ("verify -j job.toml -q", 0),
        ("dead-letters export -j job.toml -q -o bad.ndjson", 0),
        ("dead-letters replay -j job.toml -q", 3),
        ("dead-letters discard -j job.toml -q --code int_parsing", 0),
        ("report -j job.toml -q -o page.html", 0),
        ("infer logs/a.ndjson -q -o other.toml", 0),
        ("forget -j job.toml -q --dry-run logs/b.ndjson", 0),
        ("forget -j job.toml -q logs/b.ndjson", 0),
    ] {
        let said = place.run(arguments).ended(code, &[]);
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""), "{arguments}");
    }
    // What was asked for is no message.
    assert!(!place.run("dead-letters list -j job.toml -q").ended(0, &[]).stdout.is_empty());
    let said = place.run("plan -j job.toml -q logs gone").ended(1, &["logmill: gone: cannot open it"]);
    assert_eq!((said.stdout.as_str(), said.stderr.lines().count()), ("", 1));
    let url = "sqlite:gone/logmill.db";
    let said = place.run(&format!("plan -j job.toml -q --into {url}")).ended(2, &["there is no directory"]);
    assert_eq!(said.stdout, "");
    rusqlite::Connection::open(place.path("logmill.db")).unwrap().execute("DELETE FROM app", []).unwrap();
    let said = place.run("verify -j job.toml -q logs/a.ndjson").ended(5, &[]);
    assert!(said.stdout.contains("the row is missing"), "{}", said.stdout);
}

#[test]
fn a_name_that_is_not_utf_8_is_preserved() {
    use base64::Engine as _;
    use std::os::unix::ffi::OsStrExt as _;

    let place = place();
    let name = std::ffi::OsStr::from_bytes(b"logs/\xff.ndjson");
    std::fs::write(
        place.path("").join(name),
        "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
    )
    .unwrap();
    // The bytes of `logs/\xff.ndjson`.
    let encoded = "bG9ncy//Lm5kanNvbg==";
    let (_, plan) = place.json("plan -j job.toml");
    let file = plan["sources"].as_array().unwrap().iter().find(|file| file["file_base64"].is_string());
    assert_eq!(file.unwrap()["file_base64"], encoded, "{plan}");
    let (code, load) = place.json("load -j job.toml");
    assert_eq!((code, &load["sources"]["failed"][0]["file_base64"]), (1, &encoded.into()), "{load}");
    let said = place.run("load -j job.toml --log-format json").stderr;
    assert!(said.contains(&format!("\"file_base64\":\"{encoded}\"")), "{said}");
    // The same for a record.
    std::fs::remove_file(place.path("").join(name)).unwrap();
    place.write("logs/c.ndjson", b"{\"n\":\xff}\n");
    place.run("load -j job.toml -q").ended(3, &[]);
    let (_, letter) = place.json("dead-letters show -j job.toml 3");
    assert_eq!((&letter["raw"], &letter["raw_base64"]), (&"{\"n\":\u{fffd}}".into(), &"eyJuIjr/fQ==".into()));
    let (_, letter) = place.json("dead-letters show -j job.toml 1");
    assert!(letter["raw_base64"].is_null() && letter["raw"].is_string(), "{letter}");
    // Nor is the name of what was loaded, whoever tells of it.
    std::fs::write(place.path("").join(name), "{\"n\":5}\n{\"n\":\"x\"}\n").unwrap();
    place.run("load -j job.toml -q").ended(3, &[]);
    let whole = place.path("").join(name);
    let encoded = base64::engine::general_purpose::STANDARD.encode(whole.as_os_str().as_bytes());
    let (_, status) = place.json("status -j job.toml --all");
    let source = status["sources"].as_array().unwrap().iter().find(|it| it["name_base64"] == encoded);
    assert!(source.is_some_and(|it| it["name"].as_str().unwrap().ends_with(r"logs/\xff.ndjson")), "{status}");
    for command in ["dead-letters show -j job.toml 4", "verify -j job.toml", "dead-letters list -j job.toml"]
    {
        let told = place.run(&format!("{command} --output json")).stdout;
        assert!(told.contains(&format!("_base64\":\"{encoded}\"")), "{command}: {told}");
    }
}

#[test]
fn suggested_commands_can_be_pasted() {
    let place = place();
    std::fs::rename(place.path("job.toml"), place.path("my job.toml")).unwrap();
    let run = |arguments: &str| {
        Said::of(
            place.command(arguments).env("LOGMILL_JOB", "my job.toml").args(["--into", "sqlite:my.db"]),
            b"",
        )
    };
    let goes_on = "-j 'my job.toml' --into sqlite:my.db";
    run("load").ended(3, &[&format!("2 dead letters open: logmill dead-letters list {goes_on}\n")]);
    run("dead-letters show 99").ended(2, &[&format!("`logmill dead-letters list {goes_on}` shows them")]);
    run("forget elsewhere").ended(2, &[&format!("`logmill status --all {goes_on}` shows what there is")]);
}

#[test]
fn a_line_that_is_still_being_written_waits() {
    let place = place();
    place.write("job.toml", job().replace("format =", "growing = true\nformat ="));
    place.write("logs/b.ndjson", "{\"n\":4}\n{\"n\":");
    place
        .run("load -j job.toml logs/b.ndjson")
        .ended(0, &["app: 1 file (1 with an unfinished last line), 8 B into"]);
    place.write("logs/b.ndjson", "{\"n\":4}\n{\"n\":5}\n");
    place
        .run("load -j job.toml logs/b.ndjson")
        .ended(0, &["app: 1 file, 8 B into", "inserted                1"]);
}

#[test]
fn json_output_is_one_object_without_record_contents() {
    let place = place();
    let said = place.run("load -j job.toml --output json").ended(3, &[]);
    assert_eq!(said.stderr, "");
    let object: Value = serde_json::from_str(&said.stdout).unwrap();
    for (pointer, expected) in [
        ("/schema_version", Value::from(1)),
        ("/command", "load".into()),
        ("/job", "app".into()),
        ("/outcome", "rejects".into()),
        ("/exit_code", 3.into()),
        ("/sources/loaded", 2.into()),
        ("/counts/records", 4.into()),
        ("/counts/blank", 1.into()),
        ("/counts/lines", 5.into()),
        ("/counts/inserted", 2.into()),
        ("/counts/rejected", 2.into()),
        ("/open_dead_letters", 2.into()),
        ("/reasons/0/code", "int_parsing".into()),
        ("/reasons/0/first/line", 3.into()),
        ("/bytes", 50.into()),
    ] {
        assert_eq!(object.pointer(pointer), Some(&expected), "{pointer} of {object}");
    }
    assert!(!said.stdout.contains("secret"));
}

#[test]
fn json_output_of_a_failure_is_one_object_too() {
    let place = place();
    for (arguments, code, outcome, kind, error) in [
        ("load -j gone.toml", 2, "refused", "job_file", "cannot read the job file gone.toml"),
        (
            "load -j job.toml --into sqlite:no/where.db",
            1,
            "failed",
            "database_file",
            "its directory must be there",
        ),
        (
            "load -j job.toml --into postgres://db?hots=x",
            2,
            "refused",
            "connection",
            "did you mean \"host\"?",
        ),
        ("forget -j job.toml --id 7", 2, "refused", "unclear", "app has no source 7; `logmill status"),
        ("dead-letters show -j job.toml 7", 2, "refused", "usage", "app has no dead letter 7"),
        ("check", 2, "refused", "usage", "name files, or a job with -j"),
    ] {
        let (said, object) = place.json(arguments);
        assert_eq!((said, &object["exit_code"], &object["outcome"]), (code, &code.into(), &outcome.into()));
        assert!(object["error"].as_str().unwrap().contains(error), "{object}");
        assert_eq!(object["error_kind"], kind, "{object}");
    }
}

#[test]
fn an_environment_variable_sets_a_flag_and_the_flag_overrides_it() {
    let place = place();
    let run = |arguments: &str, variables: &[(&str, &str)]| {
        Said::of(place.command(arguments).envs(variables.iter().copied()), b"")
    };
    let job = ("LOGMILL_JOB", "job.toml");
    let said =
        run("load", &[job, ("LOGMILL_INTO", "sqlite:one.db"), ("LOGMILL_OUTPUT", "json")]).ended(3, &[]);
    let object: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(object["destination"], "app in one.db");
    run("load --into sqlite:two.db", &[job, ("LOGMILL_INTO", "sqlite:one.db"), ("LOGMILL_TABLE", "other")])
        .ended(3, &["into other in two.db"]);
    run("load", &[job, ("LOGMILL_BATCH_ROWS", "none")]).ended(2, &["--batch-rows"]);
    run("load -q logs/b.ndjson", &[job, ("LOGMILL_LOG_FORMAT", "json")]).ended(0, &[]);
}

#[test]
fn messages_are_json_lines_on_request() {
    let place = place();
    let said = place.run("load -j job.toml --log-format json -v logs gone").ended(1, &[]);
    let messages: Vec<Value> = said.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        messages.iter().any(|message| {
            message["level"] == "debug"
                && message["event"]["kind"] == "refused"
                && message["event"]["file"] == "gone"
                && message["message"].as_str().unwrap().starts_with("gone: cannot open")
        }),
        "{}",
        said.stderr
    );
    // The summary appears once too: on stderr or on stdout.
    let summary = &messages.last().unwrap()["summary"];
    assert_eq!((&summary["counts"]["inserted"], &summary["exit_code"]), (&2.into(), &1.into()));
    let said = place.run("load -j job.toml --log-format json --output json").ended(3, &[]);
    assert!(!said.stderr.contains("summary"), "{}", said.stderr);
    assert_eq!(place.run("load -j job.toml --log-format json -q").ended(3, &[]).stderr, "");
}

#[test]
fn an_invalid_destination_is_reported_in_one_line() {
    let place = place();
    place.write("no.db", "something else");
    for command in ["load", "status", "plan", "dead-letters list", "forget logs/a.ndjson"] {
        for (url, said) in [
            ("sqlite:no.db", "no.db: file is not a database; name another file, or remove this one"),
            (
                "postgres://nobody@127.0.0.1:1/x?connect_timeout=2",
                "cannot connect to 127.0.0.1:1/x as nobody",
            ),
        ] {
            let said = match (command, url) {
                // Only a load waits for a server.
                ("load", "sqlite:no.db") => {
                    place.run(&format!("load -j job.toml --into {url}")).ended(1, &[said])
                }
                ("load", _) => {
                    place.run(&format!("load -q -j job.toml --retry-for 0s --into {url}")).ended(1, &[said])
                }
                _ => place.run(&format!("{command} -j job.toml --into {url}")).ended(1, &[said]),
            };
            assert!(said.stderr.lines().count() <= 2, "{command}: {}", said.stderr);
        }
    }
    place
        .run("load -j job.toml --into sqlite:no/where.db")
        .ended(1, &["its directory must be there, and writable"]);
}

#[test]
fn values_stripped_of_nul_are_counted() {
    let place = place();
    place.write("job.toml", job().replace("[record.fields]", "[record]\nnul = \"strip\"\n[record.fields]"));
    place.write("logs/a.ndjson", "{\"n\":1,\"word\":\"a\\u0000b\"}\n{\"n\":2,\"word\":\"c\"}\n");
    let said = place.run("load -j job.toml");
    assert!(said.stderr.contains("  NULs removed              1\n"), "{said:?}");
    assert_eq!(place.query("select word from app order by n"), ["ab", "c", "null"]);
    assert_eq!(place.json("check -j job.toml logs/a.ndjson").1["altered_values"], 1);
}

#[test]
fn a_signal_ends_a_command_cleanly_and_what_was_committed_stays() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let place = place();
        let fifo = place.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut command = place.command("load -j job.toml fifo --output json");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut writer = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
        writer.write_all(&b"{\"n\":1}\n".repeat(300_000)).unwrap();
        let committed = || place.json("status -j job.toml").1["sources"][0]["position"].as_u64().unwrap_or(0);
        crate::harness::wait_until("a commit", || committed() > 0);
        // Through the shell, where `kill` is built in: a bare machine has no such program.
        assert!(crate::harness::postgres::send(signal, child.id().try_into().unwrap()));
        // The program is blocked in a read; more bytes wake it.
        let _ = writer.write_all(&b"{\"n\":1}\n".repeat(300_000));
        drop(writer);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let object: Value = serde_json::from_slice(&output.stdout).expect("one object");
        assert_eq!((&object["outcome"], &object["exit_code"]), (&"interrupted".into(), &code.into()));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("everything committed so far is kept. To resume, run the same command again"),
            "{said}"
        );
        let rows = place.query("select count(*) from app")[0].parse::<u64>().unwrap();
        assert_eq!(rows * 8, committed());
    }
}

#[test]
fn an_unwritable_result_is_reported_and_the_loaded_rows_stay() {
    let place = place();
    let run = |stdout: Stdio| {
        let mut command = place.command("load -j job.toml --output json");
        command.stdout(stdout).stderr(Stdio::piped()).output().unwrap()
    };
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let said = run(full.into());
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("No space left on device"), "{said:?}");
    let rows = place.query("select count(*) from app");
    assert_ne!(rows, ["0"]);
    // A reader that went away is a normal end.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let said = run(writer.into());
    assert_eq!(said.status.code(), Some(3), "{said:?}");
    assert_eq!(place.query("select count(*) from app"), rows);
}
