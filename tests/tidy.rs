//! Checks what the architecture page promises about the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use circles::Crate;

use crate::harness::skip_here;

mod circles;

/// `a → b, c`: a may use b and c. A folder uses nothing that is not listed.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "bench",
            "config",
            "engine",
            "error",
            "event",
            "failpoint",
            "figure",
            "lineage",
            "metrics",
            "printable",
            "report",
            "sink",
            "source",
            "split",
            "stop",
            "trust",
        ],
    ),
    (
        "bench",
        &[
            "config",
            "engine",
            "error",
            "failpoint",
            "format",
            "reject",
            "report",
            "sink",
            "source",
            "split",
            "stop",
            "work",
        ],
    ),
    (
        "engine",
        &[
            "config",
            "delivery",
            "error",
            "event",
            "failpoint",
            "figure",
            "format",
            "infer",
            "pipeline",
            "printable",
            "report",
            "schema",
            "sink",
            "source",
            "split",
            "stop",
            "trust",
            "work",
        ],
    ),
    ("infer", &["figure", "format", "reject", "schema", "sink", "source"]),
    ("config", &["delivery", "error", "format", "printable", "schema", "sink", "source"]),
    (
        "pipeline",
        &[
            "error",
            "event",
            "failpoint",
            "format",
            "reject",
            "schema",
            "sink",
            "source",
            "split",
            "stop",
            "work",
        ],
    ),
    ("source", &["bucket", "error", "event", "outage", "printable", "span", "stop", "trust"]),
    ("outage", &["error", "event", "stop"]),
    ("format", &["reject", "source"]),
    ("schema", &["format", "reject"]),
    (
        "sink",
        &[
            "bucket",
            "counts",
            "error",
            "event",
            "failpoint",
            "outage",
            "printable",
            "redis",
            "reject",
            "schema",
            "source",
            "span",
            "split",
            "stop",
            "trust",
            "work",
        ],
    ),
    ("delivery", &["bucket", "error", "failpoint", "printable", "redis", "sink", "source", "stop", "trust"]),
    ("work", &["error", "failpoint", "format", "reject", "schema", "source", "span", "split"]),
    ("bucket", &["error"]),
    ("redis", &[]),
    ("error", &[]),
    ("report", &["error", "figure", "pipeline", "printable", "reject", "sink"]),
    ("event", &["counts", "figure", "printable"]),
    ("metrics", &["counts", "event"]),
    ("lineage", &["counts", "event", "schema"]),
    ("counts", &[]),
    ("reject", &["span"]),
    ("figure", &[]),
    ("printable", &[]),
    ("span", &[]),
    ("split", &[]),
    ("stop", &[]),
    ("trust", &[]),
    ("failpoint", &[]),
    ("manual", &[]),
];

/// The files that may start threads, with reasons.
const THREADS: &[&str] = &[
    "pipeline/",
    // The clients of object stores are asynchronous; the rest of the program is not.
    "bucket/runtime.rs",
    // The heartbeat of a run must not depend on what the run is doing.
    "sink/objects/pulse.rs",
    // The driver blocks, and has no deadline.
    "sink/postgres/session.rs",
    "sink/postgres/connect/dial.rs",
    // The progress line, and signals.
    "cli/",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The source files below a directory, with their text.
fn sources(directory: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![root().join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// The code of a file without its tests, to which these rules do not apply.
fn without_tests(text: &str) -> &str {
    // `mod tests;` may come in the middle of a file; only an inline module ends the code.
    let starts = text.match_indices("#[cfg(test)]\nmod ");
    let mut starts = starts.filter(|(at, mark)| {
        let rest = &text[at + mark.len()..];
        rest.find(['{', ';']).is_some_and(|end| rest.as_bytes()[end] == b'{')
    });
    starts.next().map_or(text, |(start, _)| &text[..start])
}

#[test]
fn arrows_point_one_way() {
    let src = root().join("src");
    for (path, text) in sources("src") {
        let inside = path.strip_prefix(&src).unwrap();
        let first = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if matches!(first, "lib" | "main") || inside.ends_with("tests.rs") {
            continue;
        }
        let (_, allowed) =
            ARROWS.iter().find(|(from, _)| *from == first).expect("every folder is in the table");
        let used: BTreeSet<&str> = without_tests(&text)
            .split("crate::")
            .skip(1)
            .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
            .filter(|used| *used != first && ARROWS.iter().any(|(name, _)| name == used))
            .collect();
        for used in used {
            assert!(
                allowed.contains(&used),
                "{} uses {used}, and {first} → {used} is no arrow",
                inside.display()
            );
        }
    }
}

/// Files that use each other cannot be understood one by one.
#[test]
fn files_are_in_no_circle() {
    let src = root().join("src");
    let files = sources("src");
    let files = files.iter().filter_map(|(path, text)| {
        let name = path.strip_prefix(&src).unwrap().to_str().unwrap();
        let is_code = !["lib.rs", "main.rs"].contains(&name) && !name.ends_with("tests.rs");
        is_code.then(|| (name, without_tests(text)))
    });
    let files = Crate::of(files);
    assert_eq!(files.circles(), Vec::<Vec<&str>>::new(), "these files use each other");
}

#[test]
fn circles_are_found_through_re_exports() {
    let files = Crate::of([
        ("a/mod.rs", "mod b; mod c; pub use c::{Thing as Renamed, other}; use b::B;"),
        ("a/b.rs", "use super::Renamed; // use crate::d::D;"),
        ("a/c.rs", "pub(super) struct Thing(crate::d::D);"),
        ("d.rs", "fn f() { crate::a::other::<u8>() }"),
        ("e.rs", "use crate::{a::{self, b}, d::D};"),
    ]);
    // `b` uses `c` through `mod.rs`. That `mod.rs` uses its own files counts as no circle.
    assert_eq!(files.circles(), [["a/c.rs", "d.rs"]]);
}

#[test]
fn the_page_of_the_architecture_has_the_same_arrows() {
    let page = std::fs::read_to_string(root().join("src/manual/architecture.md")).unwrap();
    for (from, to) in ARROWS.iter().filter(|(_, to)| !to.is_empty()) {
        let line = format!("\n{from:<8} → {}\n", to.join(", "));
        assert!(page.contains(&line), "not in the page: {line}");
    }
}

#[test]
fn every_file_says_why_it_exists() {
    for directory in ["src", "tests", "benches", "datasets", "fuzz"] {
        for (path, text) in sources(directory) {
            assert!(text.starts_with("//! "), "{} does not begin with a //! line", path.display());
        }
    }
}

#[test]
fn only_the_command_prints() {
    for (path, text) in sources("src") {
        let is_ours = path.starts_with(root().join("src/cli"));
        for word in ["println!", "print!(", "eprint", "dbg!"] {
            assert!(is_ours || !without_tests(&text).contains(word), "{} prints", path.display());
        }
    }
}

/// That file escapes control characters.
#[test]
fn all_output_passes_through_one_file() {
    for (path, text) in sources("src") {
        let inside = path.strip_prefix(root().join("src")).unwrap();
        let text = without_tests(&text);
        let names = |word: &str| {
            text.match_indices(word)
                .any(|(at, _)| !text[..at].ends_with(|ch: char| ch.is_alphanumeric() || ch == '_'))
        };
        let writes = ["stdout()", "stderr()", "Stdout", "Stderr"].into_iter().any(names);
        assert!(inside.ends_with("cli/speech.rs") || !writes, "{} writes out", inside.display());
    }
}

#[test]
fn threads_start_where_the_page_says() {
    for (path, text) in sources("src") {
        let inside = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap();
        let starts = ["thread::spawn", "thread::Builder", "thread::scope"];
        let starts = starts.iter().any(|word| without_tests(&text).contains(word));
        assert!(!starts || THREADS.iter().any(|home| inside.starts_with(home)), "{inside} starts a thread");
    }
}

#[test]
fn only_the_map_is_unsafe() {
    for (path, text) in sources("src") {
        let is_map = path.ends_with("source/map.rs");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let is_unsafe = code.into_iter().any(|line| line.contains("unsafe {") || line.contains("unsafe fn"));
        assert!(is_map || !is_unsafe, "{} has unsafe code", path.display());
    }
}

#[test]
fn only_the_destinations_know_sql() {
    for (path, text) in sources("src") {
        let inside = path.strip_prefix(root().join("src")).unwrap();
        if inside.starts_with("sink") || inside.ends_with("tests.rs") {
            continue;
        }
        for line in without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            // In any case of letters: SQL that is shown to users is written in lower case.
            let line = line.to_lowercase();
            let is_query = line.contains("select ") && line.contains(" from ");
            let words = ["insert into", "update logmill", "delete from", " from logmill", "create table"];
            let knows = is_query || words.iter().any(|word| line.contains(word));
            assert!(!knows, "{} knows SQL: {line}", inside.display());
        }
    }
}

/// The toolchain is the oldest that Cargo.toml promises, so every run tests that version.
#[test]
fn the_toolchain_is_the_promised_rust_version() {
    let value = |file: &str, key: &str| {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("the key");
        line.trim_matches([' ', '=', '"']).to_owned()
    };
    let channel = value("rust-toolchain.toml", "channel");
    let promised = value("Cargo.toml", "rust-version");
    assert!(
        channel == promised || channel.starts_with(&format!("{promised}.")),
        "{channel} is not {promised}"
    );
}

/// A destination is known only in its own folder. Besides the tables of all destinations and of all stores,
/// one is named where users are told which there are, and where a file is recognised as something other than
/// a log.
#[test]
fn sqlite_is_named_in_only_five_other_files() {
    let named = sources("src").into_iter().filter_map(|(path, text)| {
        let inside = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
        let code = without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
        let is_feature = |line: &str| line.contains("feature = \"");
        let names =
            code.into_iter().any(|line| line.to_ascii_lowercase().contains("sqlite") && !is_feature(line));
        (names && !inside.starts_with("sink/sqlite/") && !inside.ends_with("tests.rs")).then_some(inside)
    });
    let mut named: Vec<String> = named.collect();
    named.sort();
    let tables = ["sink/kinds.rs", "sink/ledger/stores/mod.rs"];
    assert_eq!(named, ["config/keys.rs", tables[0], tables[1], "sink/mod.rs", "source/stranger.rs"]);
}

/// The plantable bugs: names, patches, and the tests that must catch them.
fn planted() -> Vec<(String, PathBuf, Vec<String>)> {
    let directory = root().join("tests/planted");
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let patches = paths.filter(|path| path.extension().is_some_and(|extension| extension == "patch"));
    let mut planted: Vec<_> = patches
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let tests = text.lines().filter_map(|line| line.strip_prefix("Caught-by: ").map(str::to_owned));
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), path.clone(), tests.collect())
        })
        .collect();
    planted.sort();
    planted
}

/// A patch that no longer applies proves nothing, and nobody notices until all bugs are planted.
#[test]
fn the_planted_bugs_can_still_be_planted() {
    // Without its own `.git`, git may find another repository around this folder and ignore all files.
    if !root().join(".git").exists() {
        skip_here("this is no git checkout");
    }
    for (name, path, _) in planted() {
        let git = Command::new("git").current_dir(root()).args(["apply", "--check"]).arg(path).output();
        let git = git.unwrap();
        assert!(git.status.success(), "plant {name} anew: {}", String::from_utf8_lossy(&git.stderr));
    }
}

#[test]
fn the_page_of_planted_bugs_matches_the_patches() {
    let page = std::fs::read_to_string(root().join("tests/planted/README.md")).unwrap();
    let found: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let expected: Vec<String> = planted()
        .into_iter()
        .map(|(name, _, tests)| {
            assert!(!tests.is_empty(), "{name}: nobody is to catch it");
            let (number, bug) = name.split_once('-').unwrap();
            format!("| {number} | {} | `{}` |", bug.replace('-', " "), tests.join("`, `"))
        })
        .collect();
    assert_eq!(found, expected);
}
