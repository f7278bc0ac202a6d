//! The program's words, read from its source: every message, and every environment variable.
//!
//! `tests/messages.txt` lists the messages, so that every change of wording is visible in review.
//! `UPDATE_MESSAGES=1 cargo test --test logmill words` rewrites the list.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use literals::{Literal, literals};

mod literals;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Files whose texts are no messages: pages and tables that are read in the manual, styles, and generated
/// logs.
const ELSEWHERE: [&str; 6] = [
    "bench/dataset/",
    "config/keys",
    "config/manual.rs",
    "format/preset.rs",
    "report/manual.rs",
    "report/page/style.rs",
];

/// A text after one of these is meant for a developer who broke one of the program's rules, or is part of an
/// attribute.
const NO_MESSAGES: [&str; 9] = [
    "expect",
    "unreachable",
    "assert",
    "assert_eq",
    "debug_assert",
    "debug_assert_eq",
    "reason",
    "hit",
    "doc",
];

/// SQL words that occur in no sentence.
const SQL: [&str; 16] = [
    "SELECT",
    "FROM",
    "WHERE",
    "VALUES",
    "COALESCE",
    "CAST",
    "OPERATOR(",
    "IS NULL",
    " AND ",
    " <> ",
    "PRIMARY KEY",
    "redis.call",
    "ORDER BY",
    "RELEASE",
    "PRAGMA",
    "BEGIN",
];

/// The source files of the program, without their tests.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let root = Path::new(ROOT).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let is_code =
        |name: &str| name.ends_with(".rs") && !name.ends_with("tests.rs") && !name.contains("/tests/");
    let named = paths.into_iter().map(|path| {
        (path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
    });
    named
        .filter(|(name, _)| is_code(name))
        .map(|(name, text)| (name, text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned()))
        .collect()
}

/// Whether a text is for people: words separated by blanks, and not SQL.
fn is_message(literal: &Literal) -> bool {
    let text = literal.text.as_str();
    let is_word = |word: &str| {
        word.len() > 1 && word.chars().all(|ch| ch.is_ascii_lowercase() || "'-,;:.".contains(ch))
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let has_words = words.len() > 1 && words.iter().any(|word| is_word(word));
    let is_sentence = words.windows(3).any(|three| three.iter().all(|word| is_word(word)));
    let has_sql = SQL.iter().any(|word| text.contains(word));
    // A statement begins like one or has several lines; a fragment of one contains no sentence.
    let begins = text.trim_start().starts_with([')', '{'])
        || words.first().is_some_and(|word| word.len() > 3 && word.chars().all(|ch| ch.is_ascii_uppercase()));
    let is_sql = has_sql && (begins && words.len() > 8 || text.contains('\n') || !is_sentence);
    let is_pattern = text.starts_with('^');
    has_words && !is_sql && !is_pattern && !NO_MESSAGES.contains(&literal.after.as_str())
}

/// The messages of each file, each once, in source order.
fn messages() -> String {
    let mut page = String::new();
    for (name, text) in sources() {
        if ELSEWHERE.iter().any(|elsewhere| name.starts_with(elsewhere)) {
            continue;
        }
        let mut seen = BTreeSet::new();
        let found = literals(&text).into_iter().filter(is_message);
        let new: Vec<_> = found.filter(|literal| seen.insert(literal.text.clone())).collect();
        if !new.is_empty() {
            writeln!(page, "\n## {name}").unwrap();
        }
        for literal in new {
            writeln!(page, "{}", literal.text.replace('\n', "\\n")).unwrap();
        }
    }
    page
}

#[test]
fn every_message_is_in_the_reviewed_list() {
    let path = Path::new(ROOT).join("tests/messages.txt");
    let page = messages();
    if std::env::var_os("UPDATE_MESSAGES").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differ = kept.lines().zip(page.lines()).find(|(kept, page)| kept != page);
    let again =
        "look at the words, and write the list anew: UPDATE_MESSAGES=1 cargo test --test logmill words";
    assert_eq!(differ, None, "{again}");
    assert_eq!(kept.len(), page.len(), "{again}");
}

#[test]
fn messages_are_distinguished_from_other_texts() {
    let said =
        |code: &str| literals(code).into_iter().filter(is_message).map(|it| it.text).collect::<Vec<_>>();
    assert_eq!(said(r#"Error::usage("the table is gone")"#), ["the table is gone"]);
    assert_eq!(said("format!(\"{a} of \\\n    {b}\")"), ["{a} of {b}"]);
    assert_eq!(said(r##"let text = r#"say "no" to it"#;"##), [r#"say "no" to it"#]);
    assert_eq!(said(r#"f("it was renamed: UPDATE {ours} SET a = 1 WHERE it was so")"#).len(), 1);
    assert_eq!(said("#[error(\"it is {what}\")]").len(), 1);
    for code in [
        r#"query("SELECT id FROM sources s WHERE job = $1")"#,
        r#"x.expect("it is there")"#,
        r#"let word = "json_invalid";"#,
        "// \"a comment says so\"",
        "/// \"and so does this\"",
        r#"#[expect(dead_code, reason = "nobody reads it")]"#,
    ] {
        assert!(said(code).is_empty(), "{code}");
    }
}

#[test]
fn the_manual_names_every_variable_of_the_environment() {
    /// Names that precede the name of a variable.
    const ASKS: [&str; 7] = ["var", "var_os", "variable", "from_env", "env", "environment", "str"];
    let is_name = |text: &str| {
        text.len() > 3 && text.chars().all(|ch| ch.is_ascii_uppercase() || ch.is_ascii_digit() || ch == '_')
    };
    let mut asked = BTreeSet::new();
    for (name, text) in sources() {
        // Only test builds have failpoints, only tests write pages, and the version is set at build time.
        if name == "failpoint.rs" || name.ends_with("manual.rs") || name == "cli/version.rs" {
            continue;
        }
        for literal in literals(&text) {
            let prefixes = ["LOGMILL_", "PG", "AWS_"];
            // The command keeps some names in constants.
            let is_name_of_one = literal.after != "str" || name.starts_with("cli/");
            let is_asked = ASKS.contains(&literal.after.as_str()) && is_name_of_one
                || prefixes.iter().any(|prefix| literal.text.starts_with(prefix));
            // Cargo's variables are read at compile time.
            if is_asked && is_name(&literal.text) && !literal.text.starts_with("CARGO_") {
                asked.insert(literal.text);
            }
        }
    }
    let page = fs::read_to_string(Path::new(ROOT).join("src/manual/installing.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|line| line.trim_start_matches("| ").split(" | ").next());
    let named: BTreeSet<String> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|name| is_name(name))
        .map(str::to_owned)
        .collect();
    let untold: Vec<_> = asked.difference(&named).collect();
    let stale: Vec<_> = named.difference(&asked).collect();
    assert!(
        untold.is_empty() && stale.is_empty(),
        "not in the manual: {untold:?}; never asked for: {stale:?}"
    );
    assert!(asked.contains("LOGMILL_JOB") && asked.contains("PGPASSWORD") && asked.contains("NO_COLOR"));
}
