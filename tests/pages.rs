//! The pages for people show commands over `datasets/month`. They are run as they are written, and what they are
//! said to print is what they print.

use std::fs;
use std::path::Path;

use regex::Regex;

use crate::cli::Place;

/// The pages, and how many commands of theirs are to be run at least.
const PAGES: [(&str, usize); 2] = [("README.md", 5), ("src/manual/operations.md", 4)];

#[test]
fn the_commands_of_the_pages_print_what_the_pages_say() {
    for (page, at_least) in PAGES {
        let place = Place::new();
        for entry in fs::read_dir(root().join("datasets/month")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            // A database may lie there, of whoever has read the page.
            if name.ends_with(".log") || name.ends_with(".toml") {
                place.write(format!("datasets/month/{name}"), fs::read(&path).unwrap());
            }
        }
        let text = fs::read_to_string(root().join(page)).unwrap();
        let commands: usize = consoles(&text)
            .filter(|block| block.contains("datasets/month"))
            .map(|block| play(&place, page, block))
            .sum();
        assert!(commands >= at_least, "only {commands} commands of {page} were run");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between the fences of what is typed into a terminal.
fn consoles(page: &str) -> impl Iterator<Item = &str> {
    page.split("```console\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0))
}

/// Runs the commands of a block, and tells how many they are.
#[track_caller]
fn play(place: &Place, page: &str, block: &str) -> usize {
    let mut commands = 0;
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("{page}: no command: {line}"));
        let mut expected = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            expected.push(timeless(line));
        }
        let heard: Vec<String> = heard(place, command).iter().map(|line| timeless(line)).collect();
        assert!(
            is_shown(&expected, &heard),
            "{page}: {command}\nis said to print\n{}\n\nand prints\n{}",
            expected.join("\n"),
            heard.join("\n")
        );
        commands += 1;
    }
    commands
}

/// What a command prints, as in a terminal: what is for people first.
#[track_caller]
fn heard(place: &Place, command: &str) -> Vec<String> {
    let command = command.split(" #").next().unwrap_or_default().trim_end();
    if let Some(arguments) = command.strip_prefix("logmill ") {
        let said = place.run(arguments);
        return said.stderr.lines().chain(said.stdout.lines()).map(str::to_owned).collect();
    }
    let query =
        command.strip_prefix("sqlite3 datasets/month/logmill.db '").and_then(|it| it.strip_suffix('\''));
    let sql = query.unwrap_or_else(|| panic!("no command that a page may show: {command}"));
    place.query_of("datasets/month/logmill.db", sql)
}

/// A line without how long it took.
fn timeless(line: &str) -> String {
    let time = Regex::new(r"\bin \d[\d.,]* (ms|s|min)\b").unwrap();
    time.replace_all(line, "in a while").into_owned()
}

/// Whether all lines that are shown were heard, one behind the other, with more only where there is `...`; a page
/// that shows none leaves it at that.
fn is_shown(shown: &[String], heard: &[String]) -> bool {
    match shown {
        [] => heard.is_empty(),
        [dots, rest @ ..] if dots == "..." => (0..=heard.len()).any(|at| is_shown(rest, &heard[at..])),
        [line, rest @ ..] => heard.first() == Some(line) && is_shown(rest, &heard[1..]),
    }
}

#[test]
fn what_is_not_printed_is_not_shown() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let heard = lines("a\nb\nc");
    for shown in ["a\nb\nc", "...", "a\n...", "...\nc", "...\nb\n...", "a\n...\nb\nc"] {
        assert!(is_shown(&lines(shown), &heard), "{shown:?}");
    }
    for shown in ["", "a", "a\nb", "a\nc", "...\nd", "...\nb", "c\n...\na"] {
        assert!(!is_shown(&lines(shown), &heard), "{shown:?}");
    }
    assert_eq!(timeless("3 records in 811 ms"), timeless("3 records in 1.2 s"));
    assert_ne!(timeless("in 3 days"), timeless("in 4 days"));
}
