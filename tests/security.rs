//! The page of the manual that says what must hold, held against the tests that there are.

use std::path::Path;

use crate::runner;

/// The rows of the table: the id, and what stands in the column of the tests.
fn rows() -> Vec<(&'static str, &'static str)> {
    let page = include_str!("../src/manual/security.md");
    let rows = page.lines().filter(|line| line.starts_with("| S"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [id, _, tests] = cells[..] else { panic!("not three columns: {row}") };
        (id, tests)
    })
    .collect()
}

/// Whether there is a test of this path, here or beside the code.
fn is_test(path: &str) -> bool {
    if runner::paths().any(|test| test == path) {
        return true;
    }
    let Some((module, name)) = path.rsplit_once("::tests::") else { return false };
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module.replace("::", "/"));
    let text = [src.with_extension("rs"), src.join("mod.rs")]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    text.is_some_and(|text| text.contains(&format!("    #[test]\n    fn {name}()")))
}

#[test]
fn everything_that_must_hold_has_its_tests_or_a_reason() {
    let rows = rows();
    let ids: Vec<String> = (1..=22).map(|number| format!("S{number:02}")).collect();
    assert_eq!(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    for (id, tests) in rows {
        if tests.starts_with("not built yet: ") || tests.starts_with("no test: ") {
            continue;
        }
        let named: Vec<&str> =
            tests.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect();
        assert!(!named.is_empty(), "{id} has neither a test nor a reason");
        for test in named {
            assert!(is_test(test), "{id}: there is no test {test}");
        }
    }
}
