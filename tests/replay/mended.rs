//! Mending letters: export them, edit them, and replay the file.

use super::*;

on_each_destination! {
    mended_bytes_are_kept_and_become_the_row
    raw_records_can_be_mended_with_a_file_of_ids
    an_export_overwrites_nothing_and_leaves_nothing_when_it_fails
    an_export_can_go_to_stdout
    every_command_reports_a_missing_letter
    a_mistake_in_a_mended_file_is_reported_with_its_line_and_changes_nothing
    a_mended_letter_refused_again_shows_reasons_in_the_mended_bytes
}

/// Exports letters, applies `mend` to the file and returns its name.
fn exported(load: &Load, flags: &[&str], mend: impl Fn(&str) -> String) -> String {
    let path = load.path("letters.jsonl");
    let file = path.to_str().unwrap();
    let call = load.command("dead-letters export").arg("-o").arg(file);
    flags.iter().fold(call, |call, flag| call.arg(flag)).run().exit(0);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, mend(&text)).unwrap();
    file.to_owned()
}

pub(super) fn fixed(load: &Load) -> Vec<String> {
    let sql = format!(
        "SELECT raw, fixed FROM {} WHERE fixed IS NOT NULL ORDER BY source_id, source_offset",
        load.ours("dead_letters")
    );
    let rows = load.made().look(|snapshot| snapshot.query(&sql));
    let text = |cell: &Cell| match cell {
        Cell::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("no bytes: {other:?}"),
    };
    rows.iter().map(|row| format!("{} -> {}", text(&row[0]), text(&row[1]))).collect()
}

fn mended_bytes_are_kept_and_become_the_row(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    let file = exported(&load, &[], |text| {
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(
            (
                &lines[1]["raw"],
                &lines[1]["valid"],
                &lines[1]["line"],
                &lines[1]["stage"],
                &lines[1]["attempts"]
            ),
            (&json!("no"), &json!(false), &json!(3), &json!("parse"), &json!(1))
        );
        // From last to first; one letter is left out, and one is still bad.
        let mended = lines.iter().rev().filter(|line| line["raw"] != json!("{\"n\":\"x\"}"));
        let mended = mended.map(|line| {
            let mut line = line.clone();
            line["raw"] = match line["raw"].as_str().unwrap() {
                "no" => json!("{\"n\":3}"),
                raw => json!(raw.replace("longer", "lgr").replace("long", "lng").replace("large", "lrg")),
            };
            format!("{line}\n")
        });
        mended.collect()
    });
    let ended = load.command("dead-letters replay").arg("--from").arg(&file).run();
    ended.exit(3);
    assert_eq!(counts(&ended), json!({"replayed": 4, "again_bad": 1, "not_replayable": 0}));
    assert_eq!(numbers(&load), [1, 2, 3, 4, 5, 11, 13]);
    let kept = fixed(&load);
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert!(kept.contains(&"no -> {\"n\":3}".to_owned()), "{kept:?}");
    // Replayed letters stay replayed, and nothing is inserted twice.
    let again = load.command("dead-letters replay").arg("--from").arg(&file).run();
    again.exit(3);
    assert_eq!(counts(&again), json!({"replayed": 0, "again_bad": 1, "not_replayable": 0}));
    // Two records in place of one, and a letter that does not exist.
    let two = format!(
        "{}\n{{\"id\":9999,\"raw\":\"{{}}\"}}\n",
        json!({"id": ids(&load)[4], "raw": "{\"n\":12}\n{\"n\":13}"})
    );
    fs::write(&file, two).unwrap();
    let several = load.command("dead-letters replay").arg("--from").arg(&file).run();
    several.exit(1);
    assert_eq!(counts(&several)["not_replayable"], json!(2));
    assert_eq!(numbers(&load), [1, 2, 3, 4, 5, 11, 13]);
    fs::write(&file, "{\"raw\":\"no id\"}\n").unwrap();
    load.command("dead-letters replay").arg("--from").arg(&file).run().exit(2);
}

fn raw_records_can_be_mended_with_a_file_of_ids(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    let file = exported(&load, &["--raw"], |text| {
        assert_eq!(text.lines().nth(1), Some("no"));
        text.replace("no\n", "{\"n\":3}\n").replace("{\"n\":\"x\"}", "{\"n\":12}")
    });
    let ended = load.command("dead-letters replay").arg("--from").arg(&file).run();
    ended.exit(3);
    assert_eq!(counts(&ended), json!({"replayed": 2, "again_bad": 4, "not_replayable": 0}));
    assert_eq!(numbers(&load), [1, 3, 5, 12, 13]);
    // With an extra line, nothing is touched.
    let before = load.versions();
    fs::write(&file, fs::read_to_string(&file).unwrap() + "{\"n\":99}\n").unwrap();
    load.command("dead-letters replay").arg("--from").arg(&file).run().exit(2);
    assert!(before == load.versions(), "something was written");
}

fn an_export_overwrites_nothing_and_leaves_nothing_when_it_fails(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    let export = |file: &str, flag: &str| {
        let path = load.path(file);
        load.command("dead-letters export").arg(flag).arg("-o").arg(path.to_str().unwrap()).run()
    };
    let folder = load.path("");
    let names = || {
        let names =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> =
            names.filter(|name| name.contains("letters") || name.contains(".tmp")).collect();
        names.sort();
        names
    };
    // The source itself and, for SQLite, the destination.
    let before = fs::read(load.path("a.ndjson")).unwrap();
    export("a.ndjson", "--state=any").exit(2).says("a.ndjson exists; name another file");
    assert_eq!(fs::read(load.path("a.ndjson")).unwrap(), before);
    if let Some(database) = load.made().url().strip_prefix("sqlite:") {
        load.command("dead-letters export").arg("-o").arg(database).run().exit(2).says("name another file");
    }
    assert_eq!(ids(&load).len(), 6);

    // If the file of ids exists, the records are not written either.
    fs::write(load.path("letters.ids"), "1\n").unwrap();
    export("letters", "--raw").exit(2).says("letters.ids exists; name another file");
    assert_eq!(names(), ["letters.ids"]);
    fs::remove_file(load.path("letters.ids")).unwrap();
    // A record of several lines is only found on the way.
    let ours = load.ours("dead_letters");
    let last = ids(&load)[5];
    let bytes = kind.word("'\\x610a62'::bytea", "X'610a62'");
    load.sql(&format!("UPDATE {ours} SET fixed = {bytes} WHERE id = {last}"));
    export("letters", "--raw").exit(2).says("has several lines");
    assert!(names().is_empty(), "{:?}", names());
    export("letters", "--state=open").exit(0);
    assert_eq!(names(), ["letters"]);
    load.command("dead-letters export").arg("-o").arg("/dev/null").run().exit(0);
}

fn an_export_can_go_to_stdout(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    let file = load.path("letters");
    load.command("dead-letters export").arg("-o").arg(file.to_str().unwrap()).run().exit(0);
    let export = |flags: &[&str]| {
        let call = load.command("dead-letters export").arg("-o").arg("-").for_people();
        flags.iter().fold(call, |call, flag| call.arg(flag)).run()
    };
    let ended = export(&[]);
    ended.exit(0).says("6 dead letters written to stdout");
    assert_eq!(ended.stdout(), fs::read_to_string(&file).unwrap());
    export(&["--raw"]).exit(2).says("--raw writes the ids to a file beside the records");
    let both = load.command("dead-letters export").arg("-o").arg("-").run();
    both.exit(2).says("-o - and --output json both use stdout");
    assert!(!load.path("-").exists());
}

fn every_command_reports_a_missing_letter(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    by_long_rules(&load);
    let first = ids(&load)[0].to_string();
    let file = exported(&load, &[], str::to_owned);
    let before = load.versions();
    for command in ["list", "discard", "replay", "export"] {
        let call = || load.command(&format!("dead-letters {command}")).arg("--id").arg(&first);
        let call = || {
            if command == "export" {
                call().arg("-o").arg(load.path("new").to_str().unwrap())
            } else {
                call()
            }
        };
        let ended = call().arg("--id").arg("9999").run();
        ended.exit(2).says("job job has no dead letter 9999").says("logmill dead-letters list -j");
        assert_eq!(load.versions(), before, "{command}");
    }
    load.command("dead-letters show").arg("9999").run().exit(2).says("job job has no dead letter 9999");
    assert!(!load.path("new").exists());
    // A letter that the file does not contain.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let ended = load.command("dead-letters replay").arg("--from").arg(&file).arg("--id").arg(&first).run();
    ended.exit(2).says(&format!("has no dead letter {first}; leave out its --id"));
    assert_eq!(load.versions(), before);
    // A letter that exists but is not open is reported too.
    load.command("dead-letters discard").arg("--id").arg(&first).run().exit(0);
    let ended = load.command("dead-letters replay").arg("--id").arg(&first).run();
    ended.exit(1);
    assert_eq!(ended.result("/not_replayable/0/why"), json!("it is discarded"));
}

fn a_mistake_in_a_mended_file_is_reported_with_its_line_and_changes_nothing(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    by_long_rules(&load);
    let file = exported(&load, &[], str::to_owned);
    let text = fs::read_to_string(&file).unwrap();
    let before = load.versions();
    let third = text.lines().nth(2).unwrap();
    let id = ids(&load)[2];
    for (line, why) in [
        ("no".to_owned(), ":3: no object of `dead-letters export`".to_owned()),
        (third.replace("\"raw\"", "\"raw_base64\""), format!(":3: raw_base64 of letter {id} is not base64")),
        (
            third.replace("\"raw\"", "\"raw_base64\":\"\",\"raw\""),
            format!(":3: letter {id} has both raw and raw_base64"),
        ),
        (text.lines().next().unwrap().to_owned(), format!(":3: letter {} is in line 1, too", ids(&load)[0])),
    ] {
        fs::write(&file, text.replace(third, &line)).unwrap();
        load.command("dead-letters replay").arg("--from").arg(&file).run().exit(2).says(&why);
        assert_eq!(load.versions(), before, "{why}");
    }
}

fn a_mended_letter_refused_again_shows_reasons_in_the_mended_bytes(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    let id = ids(&load)[1];
    let file = load.path("letters");
    fs::write(&file, format!("{}\n", json!({"id": id, "raw": "{\"n\":\"three\"}"}))).unwrap();
    load.command("dead-letters replay").arg("--from").arg(file.to_str().unwrap()).run().exit(3);
    let shown = load.command("dead-letters show").arg(&id.to_string()).run();
    shown.exit(0);
    assert_eq!((shown.result("/raw"), shown.result("/fixed")), (json!("no"), json!("{\"n\":\"three\"}")));
    assert_eq!(shown.result("/places/0"), json!({"reason": 0, "offset": 6, "length": 5}));
    let raw = load.command("dead-letters show").arg(&id.to_string()).arg("--raw").run();
    assert_eq!(raw.stdout(), "no", "the source's record is another");
}
