//! Compares the manual's pages of promises and faults with the existing tests.

use std::path::{Path, PathBuf};

use crate::runner;

/// The table rows of a page whose ids begin with this letter: the id, and the column of tests.
fn rows(page: &'static str, letter: char) -> Vec<(&'static str, &'static str)> {
    let is_row = |line: &&str| {
        let id = line.strip_prefix("| ").and_then(|line| line.strip_prefix(letter));
        id.is_some_and(|id| id.starts_with(|ch: char| ch.is_ascii_digit()))
    };
    let rows = page.lines().filter(is_row);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [id, _, tests] = cells[..] else { panic!("not three columns: {row}") };
        (id, tests)
    })
    .collect()
}

/// Whether a test has this path, in this binary or beside the code.
fn is_test(path: &str) -> bool {
    if runner::paths().any(|test| test == path) {
        return true;
    }
    let Some((module, name)) = path.rsplit_once("::tests::") else { return false };
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module.replace("::", "/"));
    let holds = |path: PathBuf, indent: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.contains(&format!("{indent}#[test]\n{indent}fn {name}()"))
    };
    // In the file itself, or in a file of tests beside it.
    holds(src.with_extension("rs"), "    ")
        || holds(src.join("mod.rs"), "    ")
        || holds(src.join("tests.rs"), "")
}

/// Asserts that each id has existing tests or a reason.
#[track_caller]
fn has_tests(page: &'static str, letter: char, count: usize) {
    let rows = rows(page, letter);
    let ids: Vec<String> = (1..=count).map(|number| format!("{letter}{number:02}")).collect();
    assert_eq!(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    for (id, tests) in rows {
        let named: Vec<&str> =
            tests.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect();
        let has_reason = tests.starts_with("not built yet: ") || tests.starts_with("no test");
        assert!(has_reason || !named.is_empty(), "{id} has neither a test nor a reason");
        for test in named {
            assert!(is_test(test), "{id}: there is no test {test}");
        }
    }
}

#[test]
fn every_promise_has_tests_or_a_reason() {
    has_tests(include_str!("../src/manual/security.md"), 'S', 26);
}

#[test]
fn every_fault_has_tests_or_a_reason() {
    has_tests(include_str!("../src/manual/faults.md"), 'F', 66);
}
