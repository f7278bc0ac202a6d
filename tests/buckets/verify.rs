//! Objects held against the files: what is missing, what is too much, and what is another.

use std::fs;

use serde_json::Value;

use super::story::{self, Story};

fn loaded(form: &str) -> Story {
    let story = Story::new().destination(&format!("as = \"{form}\""));
    story.write("a.ndjson", &story::lines(0, 400));
    story.write("b.ndjson", &story::lines(1000, 60));
    story.run(&[]).exit(3);
    story
}

/// What a verification finds: how many differences of each kind.
fn found(story: &Story, code: i32) -> Value {
    let ended = story.command("verify", &[]);
    ended.exit(code);
    ended.json()
}

/// The first difference is of this kind.
#[track_caller]
fn differs(story: &Story, kind: &str) -> Value {
    let found = found(story, 5);
    assert_eq!(found["differences"][0]["kind"], kind, "{found}");
    found
}

/// The objects of rows, or of letters.
fn keys(story: &Story, is_letters: bool) -> Vec<String> {
    let objects = story.objects();
    objects.into_keys().filter(|key| story::is_letters(key) == is_letters).collect()
}

const FORMS: &[&str] = &[
    "ndjson",
    #[cfg(feature = "gzip")]
    "ndjson.gz",
    #[cfg(feature = "zstd")]
    "ndjson.zst",
    #[cfg(feature = "buckets")]
    "parquet",
];

#[test]
fn what_was_loaded_is_found_as_it_is_in_the_files() {
    for form in FORMS {
        let story = loaded(form);
        let verified = found(&story, 0);
        let sources = verified["sources"].as_array().unwrap();
        assert_eq!(sources.len(), 2, "{verified}");
        let (rows, letters) = (story.expected().len(), 20);
        let sum =
            |side: &str, what: &str| sources.iter().map(|of| of[side][what].as_u64().unwrap()).sum::<u64>();
        for side in ["file", "table"] {
            assert_eq!(
                (sum(side, "rows"), sum(side, "dead_letters")),
                (rows as u64, letters),
                "{form}: {verified}"
            );
        }
        assert!(sources.iter().all(|of| of["file"]["digest"] == of["table"]["digest"]));
        // What is still to be loaded is no difference, and neither is what a run has begun.
        story.write("c.ndjson", &story::lines(3000, 20));
        assert_eq!(found(&story, 0)["not_loaded"]["files"], 1);
        assert!(story.is_killed_at("before-commit", 0));
        found(&story, 0);
    }
}

#[test]
fn an_object_that_is_gone_is_missed() {
    for form in FORMS {
        let story = loaded(form);
        for is_letters in [false, true] {
            let keys = keys(&story, is_letters);
            let file = story.bucket().join(&keys[keys.len() / 2]);
            let bytes = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
            differs(&story, if is_letters { "missing_letter" } else { "missing_row" });
            fs::write(&file, bytes).unwrap();
            found(&story, 0);
        }
    }
}

#[test]
fn a_row_that_was_changed_is_found_with_its_column() {
    let story = loaded("ndjson");
    let file = story.bucket().join(&keys(&story, false)[3]);
    let text = fs::read_to_string(&file).unwrap();
    let line = text.lines().nth(1).unwrap();
    let changed = line.replacen("\"note\":\"", "\"note\":\"x", 1);
    assert_ne!(line, changed);
    fs::write(&file, text.replace(line, &changed)).unwrap();
    let verified = differs(&story, "changed_value");
    assert_eq!(verified["differences"][0]["column"], "note");
    // Other spaces and another order are no change.
    let mut row: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
    let id = row.remove("id").unwrap();
    let spaced = serde_json::to_string_pretty(&row).unwrap().replace('\n', " ").replacen(
        '{',
        &format!("{{ \"id\": {id},"),
        1,
    );
    fs::write(&file, text.replace(line, &spaced)).unwrap();
    found(&story, 0);
    // Rows of another day than that of their object are.
    fs::write(&file, &text).unwrap();
    let day = file.parent().unwrap();
    let other = day.with_file_name("day=2031-01-01");
    fs::rename(day, other).unwrap();
    assert_eq!(differs(&story, "changed_value")["differences"][0]["column"], "at");
}

#[test]
fn a_row_too_many_is_found_wherever_it_stands() {
    for form in FORMS {
        let story = loaded(form);
        // All rows of an object once more, under the name of other rules.
        let key = &keys(&story, false)[2];
        let bytes = fs::read(story.bucket().join(key)).unwrap();
        let (before, after) = key.rsplit_once('-').unwrap();
        let copy = story.bucket().join(format!("{before}-00000000{}", &after[8..]));
        fs::write(&copy, bytes).unwrap();
        let verified = differs(&story, "extra_row");
        assert!(verified["counts"]["extra_rows"].as_u64() > Some(0), "{verified}");
        fs::remove_file(copy).unwrap();
        found(&story, 0);
    }
    let story = loaded("ndjson");
    let file = story.bucket().join(&keys(&story, false)[2]);
    let text = fs::read_to_string(&file).unwrap();
    let first = text.lines().next().unwrap();
    for text in [format!("{text}{first}\n"), format!("{first}\n{text}"), format!("{text}{{\"id\":5}}\n")] {
        fs::write(&file, text).unwrap();
        differs(&story, "extra_row");
    }
}

#[cfg(feature = "buckets")]
#[test]
fn a_value_of_columns_that_was_changed_is_found() {
    let of = |word: &str| {
        let story = Story::new().destination("as = \"parquet\"").fields("word = \"text\"");
        story
            .write("a.ndjson", &format!("{{\"id\":1,\"word\":\"one\"}}\n{{\"id\":2,\"word\":\"{word}\"}}\n"));
        story.run(&[]).exit(0);
        story
    };
    let (one, other) = (of("two"), of("owt"));
    let key = &keys(&one, false)[0];
    assert_eq!(&keys(&other, false)[0], key);
    fs::copy(other.bucket().join(key), one.bucket().join(key)).unwrap();
    let verified = differs(&one, "changed_value");
    assert_eq!(
        (&verified["differences"][0]["column"], &verified["differences"][0]["line"]),
        (&"word".into(), &2.into())
    );
    fs::write(one.bucket().join(key), "no columns").unwrap();
    one.command("verify", &[]).exit(1).says("is damaged");
}

#[test]
fn rows_that_do_not_say_where_they_are_from_are_not_verified() {
    let story = Story::new().destination("key = \"none\"");
    story.write("a.ndjson", "{\"id\":1}\n");
    story.run(&[]).exit(0);
    story.command("verify", &[]).exit(2).says("none of its rows says which record it is from");
}
