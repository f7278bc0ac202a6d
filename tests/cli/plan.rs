//! `plan`: what a load would do.

use super::*;
use crate::harness::postgres::Server;
use crate::harness::run::needs_failpoints;

fn place(url: &str) -> Place {
    let place = Place::new();
    place.write("job.toml", JOB.replace("URL", url));
    place.write("logs/a.ndjson", "{\"n\":1}\n");
    place.write("logs/b.ndjson", "{\"n\":2}\n");
    place.write("logs/copy.ndjson", "{\"n\":1}\n");
    place
}

/// Every file of the folder, with its bytes.
fn content(place: &Place) -> Vec<(PathBuf, Vec<u8>)> {
    let files = [place.path(""), place.path("logs")].map(|folder| std::fs::read_dir(folder).unwrap());
    let files = files.into_iter().flatten().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let mut files: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_plan_shows_inputs_and_promises_and_writes_nothing() {
    let place = place("sqlite:logmill.db");
    let before = content(&place);
    place.play(
        r#"
        $ logmill plan -j job.toml -v
        app → app in logmill.db

        2 files would be read
          logs/a.ndjson: 8 B
          logs/b.ndjson: 8 B

        1 file would be left out
          logs/copy.ndjson: holds the same as [..]/logs/a.ndjson

        would be made first (--print-sql shows the statements)
          the database logmill.db
          the tables logmill_*
          the table app

        guaranteed, with key "position"
          a row is          one record of one source
          a second run      changes nothing, because sources are recognised by their content, not by their names
          a stopped file    resumes after its last commit
          a changed file    appended lines are loaded, and the row of a last line that has grown is updated; if anything else
                            before the checkpoint has changed, the file is refused by name
          the same key      of two loads of a record, the later wins
          --rebuild         replaces the rows of its files in one transaction
          bad records       each becomes a dead letter, and costs no other record
          lost checkpoints  can duplicate rows, because new sources get new ids: restore checkpoints and table together
          a restored table  needs the tables of logmill from the same backup
          this rests on     one transaction per batch in WAL mode, and a file system with working locks. A power failure can
                            undo the last batches of an unfinished run, always together with their checkpoints
        "#,
    );
    // Without `-v`, the plan shows the two promises that everyone asks about.
    let said = place.run("plan -j job.toml").ended(0, &[]).stdout;
    let promises = "\nguaranteed, with key \"position\"\n  a row is      one record of one source\n  a second run  changes nothing, \
                    because sources are recognised by their content, not by their names\n  and 8 more (-v)\n";
    assert!(said.ends_with(promises), "{said}");
    assert_eq!(content(&place), before);
    place.run("load -j job.toml").ended(0, &[]);
    // The plan recognises loaded sources and new data.
    place.write("logs/a.ndjson", "{\"n\":1}\n{\"n\":3}\n");
    place.write("logs/b.ndjson", "{\"n\":9}\n");
    let before = content(&place);
    let (code, object) = place.json("plan -j job.toml logs gone");
    assert_eq!(code, 1);
    let sources = object["sources"].as_array().unwrap().iter();
    let sources: Vec<String> = sources
        .map(|source| {
            format!("{} {} {}", source["file"], source["action"], source["position"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        sources,
        [
            "logs/a.ndjson read 8",
            "logs/b.ndjson refuse null",
            "logs/copy.ndjson leave_out null",
            "gone refuse null"
        ]
    );
    assert_eq!((&object["target_exists"], &object["would_make"]), (&true.into(), &Value::Array(Vec::new())));
    assert_eq!(content(&place), before);
    // The statements are those that a load would run.
    let sql = place.run("plan -j job.toml --into sqlite:other.db --print-sql").ended(0, &[]).stdout;
    let connection = rusqlite::Connection::open(place.path("other.db")).unwrap();
    connection.execute_batch(&sql).unwrap();
    connection.execute_batch(&sql).unwrap();
    drop(connection);
    let (code, object) = place.json("plan -j job.toml --into sqlite:other.db");
    assert_eq!((code, &object["would_make"]), (0, &Value::Array(Vec::new())));
}

#[test]
fn a_plan_takes_nothing_from_a_stream() {
    let place = place("sqlite:logmill.db");
    nix::unistd::mkfifo(&place.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    place.write("utf16", "\u{feff}{\"n\":1}\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    let said = place.run("plan -v -j job.toml fifo - utf16").ended(1, &[]);
    for words in [
        "2 files would be read\n  fifo: a stream, which only a load can look at\n  -: a stream",
        "utf16: it is UTF-16, and logs are read as UTF-8",
        "a stopped stream  must be sent again from its beginning",
    ] {
        assert!(said.stdout.contains(words), "{}", said.stdout);
    }
    // A refused file is not remembered.
    place.run("load -j job.toml utf16").ended(1, &["it is UTF-16"]);
    assert_eq!(place.query("select count(*) from logmill_sources"), ["0"]);
}

#[test]
fn all_obstacles_are_reported_at_once() {
    let place = place("sqlite:logmill.db");
    let connection = rusqlite::Connection::open(place.path("logmill.db")).unwrap();
    connection.execute_batch("create table app (n text, word text)").unwrap();
    drop(connection);
    let said = place.run("plan -j job.toml").ended(2, &[]);
    for obstacle in [
        "stands in the way\n  column n is TEXT, which turns values into others, and should be INTEGER; change the type of the field or of the column\n",
        "  column source_id is missing from app; add it",
    ] {
        assert!(said.stdout.contains(obstacle), "{}", said.stdout);
    }
    // The load fails in the same way.
    place.run("load -j job.toml").ended(2, &["column n is TEXT", "column source_id is missing"]);
    place.run("plan -j job.toml --into sqlite:no/where.db").ended(2, &[]);
    // The rules changed in the middle of a source.
    place.run("load -j job.toml --into sqlite:other.db").ended(0, &[]);
    place.write("logs/a.ndjson", "{\"n\":1}\n{\"n\":3}\n");
    place
        .write("job.toml", JOB.replace("URL", "sqlite:other.db").replace("max_length = 3", "max_length = 4"));
    let said = place.run("plan -j job.toml").ended(2, &[]);
    assert!(said.stdout.contains("--accept-new-rules loads the rest by the new rules"), "{}", said.stdout);
    place.run("plan -j job.toml --accept-new-rules").ended(0, &[]);
}

#[test]
fn a_plan_creates_nothing_on_a_server_and_prints_missing_rights() {
    let database = Server::shared().database();
    let mut owner = database.client();
    let role = format!("loader_{}", database.name());
    owner
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
             REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC",
            database.name()
        ))
        .unwrap();
    let mut relations = || -> i64 {
        let sql = "SELECT count(*) FROM pg_class WHERE relnamespace NOT IN
                   (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\\_%' OR nspname = 'information_schema')";
        owner.query_one(sql, &[]).unwrap().get(0)
    };
    let place = place(&database.url());
    let as_role = format!("postgres://{role}@{}", database.url().split_once('@').unwrap().1);
    let (code, object) = place.json("plan -j job.toml");
    assert_eq!((code, &object["would_make"][0]), (0, &"the schema logmill and its tables".into()));
    assert_eq!(relations(), 0);

    let said = place.run(&format!("plan -j job.toml --into {as_role}")).ended(2, &[]);
    for obstacle in [
        format!("role {role} may not create the schema logmill and its tables"),
        format!("role {role} may not create the table app (GRANT CREATE ON SCHEMA \"public\" TO \"{role}\")"),
    ] {
        assert!(said.stdout.contains(&obstacle), "{}", said.stdout);
    }
    let sql = place
        .run(&format!("plan -j job.toml --into {as_role} --print-sql"))
        .ended(0, &["may not create"])
        .stdout;
    assert_eq!(relations(), 0);
    // The printed statements grant everything the role needs, and can run twice.
    database.client().batch_execute(&sql).unwrap();
    database.client().batch_execute(&sql).unwrap();
    let (code, object) = place.json(&format!("plan -j job.toml --into {as_role}"));
    assert_eq!(
        (code, &object["obstacles"], &object["warnings"]),
        (0, &Value::Array(vec![]), &Value::Array(vec![]))
    );
    place.run(&format!("load -j job.toml --into {as_role}")).ended(0, &["inserted                2"]);
    let (_, object) = place.json(&format!("plan -j job.toml --into {as_role}"));
    assert_eq!(object["sources"][0]["action"], "leave_out");

    // A right that only some loads need is a warning; a right that most need is an obstacle.
    let revoke = |what: &str| database.client().batch_execute(&format!("REVOKE {what} FROM {role}")).unwrap();
    revoke("DELETE ON app");
    let (code, object) = place.json(&format!("plan -j job.toml --into {as_role}"));
    assert_eq!(code, 0);
    assert!(object["warnings"][0].as_str().unwrap().contains("GRANT DELETE"), "{object}");
    revoke(&format!("TEMPORARY ON DATABASE {}", database.name()));
    let (code, object) = place.json(&format!("plan -j job.toml --into {as_role}"));
    assert_eq!(code, 2);
    assert!(object["obstacles"][0].as_str().unwrap().contains("GRANT TEMPORARY"), "{object}");
    database.client().batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
}

/// For a large job, the plan estimates the speed from a parsed sample and from earlier loads.
#[test]
fn a_plan_estimates_the_speed_and_gives_advice() {
    needs_failpoints();
    let place = Place::new();
    place.write("job.toml", JOB.replace("URL", "sqlite:logmill.db"));
    let line = format!("{{\"n\":1,\"more\":\"{}\"}}\n", "x".repeat(4000));
    place.write("logs/small.ndjson", line.repeat(10));
    let pace = || place.json("plan -j job.toml").1["pace"].clone();
    assert_eq!(pace(), Value::Null, "40 kB are loaded before that is read");
    let large = line.repeat((64 << 20) / line.len() + 1);
    place.write("logs/large.ndjson", &large);
    let told = pace();
    let number = |key: &str| told[key].as_f64().unwrap_or_else(|| panic!("{key}: {told}"));
    assert!(number("bytes") >= large.len() as f64 && number("bytes") < 1.01 * large.len() as f64);
    assert!(
        number("sample_bytes") >= f64::from(8 << 20) && number("sample_bytes") < 0.8 * large.len() as f64
    );
    assert!(number("parsed_per_second") > 0.0);
    assert!(
        told["cores"].is_null() && told["advice"].as_str().unwrap().contains("load one large file first")
    );
    // A slow load, and as much data again to read.
    let mut load = place.command("load -j job.toml");
    assert!(load.env("FAILPOINTS", "before-commit=sleep(1000)").output().unwrap().status.success());
    place.write("logs/next.ndjson", large.replace("\"n\":1", "\"n\":2"));
    let told = pace();
    let number = |key: &str| told[key].as_f64().unwrap_or_else(|| panic!("{key}: {told}"));
    let (stored, parsed) = (number("stored_per_second"), number("parsed_per_second"));
    assert!((number("cores") * parsed / stored - 1.0).abs() < 0.01, "{told}");
    assert!(number("seconds") >= 0.99 * number("bytes") / stored, "{told}");
    assert!(stored < 64e6, "a second and more for each of several commits: {told}");
    assert!(told["advice"].as_str().unwrap().contains("one core is enough"), "{told}");
    let said = place.run("plan -j job.toml").ended(0, &[]).stdout;
    for words in
        ["how fast\n  a core parses ", "the destination took ", "cores keep it busy", "one core is enough"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
}
