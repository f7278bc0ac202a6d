//! Properties of all output: every JSON object begins alike, and nothing controls the reader's terminal.

use std::collections::HashMap;

use super::*;

/// A window title, a cleared screen, a bell, a C1 sequence, DEL, bidirectional controls, and line ends other
/// than LF.
const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\u{2066}\u{61c}\u{2028}\u{85}";

/// Whether a terminal acts on this character without showing it.
fn is_hostile(ch: char) -> bool {
    (ch != '\n' && ch.is_control())
        || matches!(ch, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A job, files, a field, values and lines that are all hostile.
fn place() -> Place {
    let toml: String = HOSTILE.chars().map(|ch| format!("\\U{:08x}", u32::from(ch))).collect();
    let json: String = HOSTILE.chars().map(|ch| format!("\\u{:04x}", u32::from(ch))).collect();
    let place = Place::new();
    let job = JOB.replace("URL", "sqlite:logmill.db").replace("word ", &format!("\"word{toml}\" "));
    // The job reader allows everything but control characters in a name.
    let name: String = HOSTILE.chars().filter(|ch| !ch.is_control()).collect();
    place.write("job.toml", job.replace("\"app\"\n[source]", &format!("\"app{name}\"\n[source]")));
    let bad = format!("{{\"n\":\"{json}\",\"word{json}\":\"long\"}}\nno{HOSTILE}\n");
    place.write(format!("logs/a{HOSTILE}\n2"), format!("{{\"n\":1,\"word{json}\":\"{json}\"}}\n") + &bad);
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    place.write(format!("logs/b{HOSTILE}"), utf16);
    place
}

/// Every command that prints something about the job, and some invalid ones.
fn commands() -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = [
        "plan -j job.toml",
        "check -j job.toml",
        "check -j job.toml --verdicts -",
        "check -j job.toml -v --log-format json",
        "load -j job.toml -v",
        "load -j job.toml -q",
        "load -j job.toml -v --log-format json",
        "status -j job.toml",
        "status -j job.toml --all",
        "status -j job.toml logs",
        "dead-letters list -j job.toml",
        "dead-letters list -j job.toml --state any",
        "dead-letters show -j job.toml 1",
        "dead-letters show -j job.toml 3",
        "dead-letters list -j job.toml --counts",
        "dead-letters discard -j job.toml --id 99",
        "forget -j job.toml logs --dry-run",
        "infer logs -o -",
    ]
    .map(|command| command.split(' ').map(str::to_owned).collect())
    .into();
    for command in [
        "load",
        "load -j",
        "check",
        "status -j job.toml",
        "forget -j job.toml",
        "load --threads",
        "load --into",
        "load --batch-bytes",
        "load --",
        "man",
        "",
    ] {
        let words = command.split_whitespace().map(str::to_owned);
        commands.push(words.chain([format!("-{HOSTILE}")]).collect());
        let words = command.split_whitespace().map(str::to_owned);
        commands.push(words.chain([format!("x{HOSTILE}")]).collect());
    }
    commands
}

/// Writes what a hostile user of the database could have written there.
fn spoil(place: &Place) {
    let connection = rusqlite::Connection::open(place.path("logmill.db")).unwrap();
    for sql in [
        "PRAGMA ignore_check_constraints = on",
        "UPDATE logmill_runs SET outcome = ?1, command = ?1",
        "UPDATE logmill_dead_letters SET stage = ?1, note = ?1",
        "UPDATE logmill_dead_letters SET reasons = json_array(json_object('code', ?1, 'field', ?1, 'message', ?1,
             'input', ?1, 'constraint', ?1)) WHERE id = 3",
    ] {
        let text = format!("{HOSTILE}\nlogmill: all is well");
        let parameters: &[&dyn rusqlite::ToSql] = if sql.contains("?1") { &[&text] } else { &[] };
        connection.prepare(sql).unwrap().query(parameters).unwrap().next().unwrap();
    }
}

#[test]
fn nothing_that_a_terminal_acts_upon_goes_out() {
    let place = place();
    for round in 0..2 {
        // Every valid command does its job.
        assert_eq!(place.run("load -j job.toml -q").code, 1);
        for arguments in commands() {
            for output in ["text", "json"] {
                let said = Said::of(place.command("--output").arg(output).args(&arguments), b"");
                for (stream, text) in [("stdout", &said.stdout), ("stderr", &said.stderr)] {
                    let found = text.chars().find(|&ch| is_hostile(ch));
                    assert_eq!(found, None, "{arguments:?} wrote to {stream}: {text:?}");
                    let is_forged = text.lines().any(|line| line.starts_with("logmill: all is well"));
                    assert!(!is_forged, "{arguments:?} wrote to {stream}: {text}");
                }
                assert_ne!(said.code, -1, "{arguments:?}");
            }
        }
        if round == 0 {
            spoil(&place);
        }
    }
    // The hostile text was really there to print.
    let (_, object) = place.json("dead-letters show -j job.toml 3");
    let text = format!("{HOSTILE}\nlogmill: all is well");
    assert_eq!((&object["note"], &object["raw"]), (&text.clone().into(), &format!("no{HOSTILE}").into()));
    let (_, status) = place.json("status -j job.toml");
    let mut outcomes = status["runs"].as_array().unwrap().iter().map(|run| &run["outcome"]);
    assert!(outcomes.any(|outcome| *outcome == text), "{status}");
    // Output that is requested byte by byte is unescaped, except on a terminal.
    let raw = place.run("dead-letters show -j job.toml 3 --raw");
    assert_eq!(raw.stdout, format!("no{HOSTILE}"));
}

#[test]
fn a_terminal_gets_escapes_where_a_pipe_gets_bytes() {
    let place = place();
    let in_terminal = |arguments: &[String]| {
        // Runs the program with stdin, stdout and stderr on a terminal.
        let program = place.command("").get_program().to_string_lossy().into_owned();
        let words = std::iter::once(&program).chain(arguments);
        let words: Vec<String> = words.map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-c", &words.join(" "), "/dev/null"]).current_dir(place.path(""));
        command.stdin(Stdio::null()).output()
    };
    let raw = "dead-letters show -j job.toml 3 --raw".split(' ').map(str::to_owned).collect();
    for arguments in commands().into_iter().chain([raw]) {
        let Ok(output) = in_terminal(&arguments) else {
            crate::harness::skip_here("there is no program `script`, which makes terminals");
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!said.is_empty() || arguments.contains(&"-q".to_owned()), "{arguments:?}");
        // Our progress bar moves the cursor and clears its line, so look only for the other sequences.
        for part in [
            "\u{1b}]0;",
            "\u{1b}[2J",
            "\u{7}",
            "\u{9b}",
            "\u{7f}",
            "\u{202e}",
            "\u{2066}",
            "\u{61c}",
            "\u{2028}",
            "\u{85}",
        ] {
            assert!(!said.contains(part), "{arguments:?} wrote {part:?}: {said:?}");
        }
    }
}

/// The tables of the manual's page about reports: field types by section title.
fn manual() -> HashMap<String, HashMap<String, String>> {
    let page = include_str!("../../src/manual/reports.md");
    let sections = page.split("\n## ").skip(1).map(|section| {
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let rows = rows.map(|(name, rest)| (name.to_owned(), rest.split(" | ").next().unwrap().to_owned()));
        (section.lines().next().unwrap().to_owned(), rows.collect())
    });
    sections.collect()
}

/// Asserts that an object matches its section of the manual. `head` appears in no other section.
#[track_caller]
fn is_as_told(value: &Value, section: &str, manual: &HashMap<String, HashMap<String, String>>) {
    for (name, value) in value.as_object().unwrap() {
        let told = manual[section].get(name).or_else(|| manual["How each begins"].get(name));
        let told = told.unwrap_or_else(|| panic!("the manual has no {name} in {section}"));
        let is_told = match value {
            Value::Null => told.contains("null"),
            Value::Bool(_) => told.contains("boolean"),
            Value::Number(number) => told.contains("number") || number.is_i64() && told.contains("integer"),
            Value::String(_) => told.contains("text"),
            Value::Array(_) => told.contains("list"),
            Value::Object(_) => true,
        } || told.starts_with("any");
        assert!(is_told, "{section}.{name} is {value}, and the manual says {told}");
        let Some((part, _)) = told.split_once('[').and_then(|(_, rest)| rest.split_once(']')) else {
            continue;
        };
        let parts = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        parts.iter().filter(|value| value.is_object()).for_each(|value| is_as_told(value, part, manual));
    }
}

#[test]
fn every_object_begins_alike_and_matches_the_manual() {
    let manual = manual();
    let place = Place::new();
    place.write("job.toml", JOB.replace("URL", "sqlite:logmill.db"));
    place.write("logs/a.ndjson", "{\"n\":1}\n{\"n\":\"x\"}\n");
    for (arguments, command, outcome, code) in [
        ("plan -j job.toml", "plan", "finished", 0),
        ("check -j job.toml", "check", "rejects", 3),
        ("load -j job.toml", "load", "rejects", 3),
        ("status -j job.toml", "status", "finished", 0),
        ("status -j job.toml logs", "status", "finished", 0),
        ("dead-letters list -j job.toml", "dead-letters list", "finished", 0),
        ("dead-letters show -j job.toml 1", "dead-letters show", "finished", 0),
        ("dead-letters show -j job.toml 2", "dead-letters show", "refused", 2),
        ("dead-letters discard -j job.toml --id 7", "dead-letters discard", "refused", 2),
        ("dead-letters discard -j job.toml --id 1 --field none", "dead-letters discard", "finished", 0),
        ("forget -j job.toml logs --dry-run", "forget", "finished", 0),
        ("infer logs/a.ndjson -o -", "infer", "finished", 0),
        ("infer logs/a.ndjson", "infer", "finished", 0),
        ("plan -j gone.toml", "plan", "refused", 2),
        ("load -j job.toml gone", "load", "failed", 1),
        ("load --files-from -", "load", "finished", 0),
        ("load --fiels-from x", "load", "refused", 2),
        ("dead-letters list -j job.toml --since yesterday", "dead-letters list", "refused", 2),
        ("laod", "", "refused", 2),
    ] {
        let (ended, object) = place.json(arguments);
        let section = match command {
            _ if object["error"].is_string() => {
                "A command that failed before there was anything else to report"
            }
            _ if object["job"].is_null() => "A command that failed before there was anything else to report",
            "status" if arguments.ends_with("logs") => "`status FILE…`",
            command => &format!("`{command}`"),
        };
        is_as_told(&object, section, &manual);
        let names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        let head = ["schema_version", "command", "job", "run", "outcome", "exit_code"];
        assert_eq!(names[..head.len()], head, "{arguments}");
        let runs = command == "load" && !object["job"].is_null();
        assert_eq!(object["run"].is_i64(), runs, "{arguments}");
        let found = (&object["command"], &object["outcome"], &object["exit_code"], ended);
        assert_eq!(found, (&command.into(), &outcome.into(), &code.into(), code), "{arguments}");
    }
    // A failure names its job and has a code.
    for (arguments, job, kind, said) in [
        ("dead-letters show -j job.toml 2", "app".into(), "usage", "no dead letter 2"),
        ("status -j job.toml --into mysql://x", Value::Null, "usage", "mysql://x"),
        ("load --fiels-from x", Value::Null, "usage", "--fiels-from"),
        ("load -j gone.toml", Value::Null, "job_file", "gone.toml"),
    ] {
        let (_, object) = place.json(arguments);
        assert_eq!((&object["job"], &object["error_kind"]), (&job, &kind.into()), "{object}");
        assert!(object["error"].as_str().unwrap().contains(said), "{object}");
    }
    // Neither stream shows the password.
    let secret = place.run("load x --output json --into mysql://ada:geheim@host/db");
    assert!(secret.stdout.contains("***") && !format!("{secret:?}").contains("geheim"), "{secret:?}");
}

#[test]
fn an_independent_validator_accepts_the_outputs() {
    const JUDGE: &str = "import json, sys, jsonschema
schema, objects = json.load(sys.stdin)
validator = jsonschema.Draft202012Validator
validator.check_schema(schema)
for one in objects:
    validator(schema).validate(one)
    assert not validator(schema).is_valid({**one, 'exit_code': 'none'}), one
print(len(objects))";
    if !Command::new("python3").args(["-c", "import jsonschema"]).output().is_ok_and(|it| it.status.success())
    {
        crate::harness::skip("python3-jsonschema is missing");
    }
    let place = Place::new();
    place.write("job.toml", JOB.replace("URL", "sqlite:logmill.db"));
    place.write("logs/a.ndjson", "{\"n\":1}\n{\"n\":\"x\"}\n");
    let objects: Vec<Value> = [
        "plan -j job.toml",
        "check -j job.toml",
        "load -j job.toml",
        "status -j job.toml",
        "dead-letters list -j job.toml",
        "dead-letters show -j job.toml 1",
        "dead-letters replay -j job.toml",
        "verify -j job.toml",
        "report -j job.toml -o page.html",
        "forget -j job.toml logs --dry-run",
        "infer logs/a.ndjson -o -",
        "load -j gone.toml",
        "load --fiels-from x",
    ]
    .map(|arguments| place.json(arguments).1)
    .into();
    let schema: Value = serde_json::from_str(&place.run("config --output-schema").stdout).unwrap();
    let stdin = serde_json::to_vec(&(schema, &objects)).unwrap();
    let said = Said::of(Command::new("python3").args(["-c", JUDGE]), &stdin).ended(0, &[]);
    assert_eq!(said.stdout.trim(), objects.len().to_string());
}
