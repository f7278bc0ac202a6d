//! The manual page about job files, made from the table of keys.
//!
//! The page is kept in the source tree, so that it can be read there and in the crate's documentation; the
//! test below checks that it matches the table. To rewrite it: `UPDATE_MANUAL=1 cargo test manual`.

use std::fmt::Write as _;

use super::keys::{self, Fallback, Key, Table, Takes};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/configuration.md");

const HEAD: &str = r#"# The job file

<!-- Generated from src/config/keys.rs; a test compares the two. To regenerate: UPDATE_MANUAL=1 cargo test manual -->

A job file defines what to load, by which rules, and where to. It is written in TOML:

```toml
name = "app-logs"

[source]
files  = ["logs/{date}/*.ndjson"]
format = "ndjson"

[record.fields]
timestamp = "timestamp"
severity  = { type = "enum", values = ["INFO", "WARN", "ERROR"] }
message   = "text"
user_id   = { type = "int", from = "/user/id", required = false, ge = 0 }

[destination]
url   = "postgres://ada:${DB_PASSWORD}@localhost/app"
table = "log_entries"
```

- Precedence: flag, environment variable, job file, default. The help of a flag shows its variable, if it has one: `--batch-rows` has `LOGMILL_BATCH_ROWS`.
- Relative paths in a job file start at its folder; those on the command line start at the current directory.
- `${NAME}` in a text stands for the environment variable `NAME`, which must be set. `$$` is a dollar sign; other dollar signs stand for themselves. Values of variables are never printed.
- Sizes are bytes (`1048576`) or texts with a unit: `"64KiB"`, `"16MiB"`, `"1GiB"`, or by thousands `"64KB"`, `"16MB"`, `"1GB"`.
- Durations are texts with units: `"500ms"`, `"60s"`, `"10m"`, `"1h30m"`, `"1d"`.
- A key that is not listed here is an error, which suggests the most similar key.

Editors complete and check job files by their JSON Schema: `logmill config --json-schema`.
"#;

fn page() -> String {
    let mut page = HEAD.to_owned();
    for table in keys::tables() {
        section(&mut page, table);
    }
    page
}

fn section(page: &mut String, table: &Table) {
    let title = match table.called {
        called if called.starts_with('[') => format!("`{called}`"),
        _ => "At the top".to_owned(),
    };
    let doc = if std::ptr::eq(table, &keys::JOB) { "" } else { table.doc };
    line(page, format_args!("\n## {title}\n"));
    if !doc.is_empty() {
        line(page, format_args!("{doc}\n"));
    }
    line(page, "| key | takes | default | meaning |\n|---|---|---|---|");
    for key in table.keys.iter().filter(|key| !matches!(key.takes, Takes::Table(_) | Takes::Tables(_))) {
        row(page, key);
    }
    if std::ptr::eq(table, &keys::FIELD) {
        types(page);
    }
}

fn row(page: &mut String, key: &Key) {
    let takes = match key.takes {
        Takes::Word(words) if words.len() > 10 => format!("one of the {} below", words.len()),
        Takes::Word(words) => {
            let words = words.iter().map(|word| format!("`\"{}\"`", word.name));
            words.collect::<Vec<_>>().join(", ")
        }
        takes => takes.describe(),
    };
    let default = match key.default {
        Fallback::None => String::new(),
        Fallback::Required => "*required*".to_owned(),
        Fallback::Said(words) => words.to_owned(),
        Fallback::Is(text) => match key.takes {
            Takes::Flag | Takes::Count { .. } => format!("`{text}`"),
            _ => format!("`{text:?}`"),
        },
    };
    let mut meaning = key.doc.to_owned();
    if let Takes::Word(words) = key.takes
        && words.len() <= 10
    {
        let words = words.iter().map(|word| format!("`{}`: {}", word.name, word.doc));
        write!(meaning, " {}.", words.collect::<Vec<_>>().join("; ")).expect("a text");
    }
    if let Some(flag) = key.flag {
        write!(meaning, " On the command line: `{flag}`.").expect("a text");
    }
    let cells = [format!("`{}`", key.name), takes, default, meaning];
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    line(page, format_args!("| {} |", cells.join(" | ")));
}

/// The types of fields, with the keys that only some of them accept.
fn types(page: &mut String) {
    let is_common = |key: &&Key| keys::types(key.name).is_empty();
    let common: Vec<String> =
        keys::FIELD.keys.iter().filter(is_common).map(|key| format!("`{}`", key.name)).collect();
    let common = common.join(", ");
    line(page, format_args!("\nEvery type takes {common}; the other keys are for these types:\n"));
    line(page, "| type | is | also takes |\n|---|---|---|");
    for word in keys::TYPES {
        let takes = keys::FIELD.keys.iter().filter(|key| keys::types(key.name).contains(&word.name));
        let takes = takes.map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ");
        line(page, format_args!("| `{}` | {} | {takes} |", word.name, word.doc));
    }
}

fn line(page: &mut String, text: impl std::fmt::Display) {
    writeln!(page, "{text}").expect("writing to a text does not fail");
}

#[test]
fn the_manual_says_what_the_table_of_keys_says() {
    let page = page();
    if std::env::var_os("UPDATE_MANUAL").is_some() {
        std::fs::write(PAGE, &page).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(PAGE).expect("the page is there");
    let differ = kept.lines().zip(page.lines()).find(|(kept, page)| kept != page);
    assert_eq!(differ, None, "write it anew: UPDATE_MANUAL=1 cargo test manual");
    assert_eq!(kept.len(), page.len(), "write it anew: UPDATE_MANUAL=1 cargo test manual");
}

#[test]
fn the_job_in_the_manual_is_a_job() {
    let (_, rest) = HEAD.split_once("```toml\n").expect("an example");
    let (job, _) = rest.split_once("```").expect("its end");
    assert!(super::json_schema::tests::is_accepted(job), "an editor would refuse it");
    let job = job.replace("DB_PASSWORD", "SECRET");
    let config = super::tests::config(&job);
    assert_eq!(config.name, "app-logs");
    assert!(config.source.needs_date.is_some());
}
