//! Runs the commands in the README and the manual as written, and compares their output with what the page
//! shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use regex::Regex;

use crate::cli::Place;
use crate::harness::without_the_machine;

/// Pages whose commands on `datasets/month` are run, and the least number of such commands.
const PAGES: [(&str, usize); 2] = [("README.md", 5), ("src/manual/operations.md", 4)];

/// The page of which every command is run.
const TUTORIAL: &str = "src/manual/tutorial.md";

/// The programs that a page may use besides `logmill` and `sqlite3`.
const PROGRAMS: [&str; 5] = ["cat", "cp", "ls", "mkdir", "sed"];

#[test]
fn commands_on_the_pages_print_what_the_pages_show() {
    for (page, at_least) in PAGES {
        let text = read(page);
        let mut reader = Reader::new(page);
        let commands: usize = consoles(&text)
            .filter(|block| block.contains("datasets/month"))
            .map(|block| reader.play(block))
            .sum();
        assert!(commands >= at_least, "only {commands} commands of {page} were run");
    }
}

#[test]
fn the_tutorial_works_as_written() {
    let text = read(TUTORIAL);
    let mut reader = Reader::new(TUTORIAL);
    let mut commands = 0;
    for (language, block) in blocks(&text) {
        match language {
            "console" => commands += reader.play(block),
            "toml" => reader.save(block),
            other => panic!("{TUTORIAL}: nobody knows what to do with a block of {other:?}"),
        }
    }
    assert!(commands >= 25, "only {commands} commands of the tutorial were run");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

/// The fenced blocks, each with its language.
fn blocks(page: &str) -> impl Iterator<Item = (&str, &str)> {
    let fenced = page.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap_or((block, "")))
}

/// The blocks of terminal sessions.
fn consoles(page: &str) -> impl Iterator<Item = &str> {
    page.split("```console\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0))
}

/// A reader of a page, with a clone of the repository.
struct Reader {
    page: &'static str,
    place: Place,
    /// The current folder, relative to the clone.
    folder: PathBuf,
}

impl Reader {
    fn new(page: &'static str) -> Reader {
        let place = Place::new();
        for folder in ["datasets/month", "datasets/samples"] {
            for entry in fs::read_dir(root().join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                // Someone who followed the page may have left a database there.
                if !name.contains(".db") && !name.ends_with(".logmill.toml") {
                    place.write(format!("{folder}/{name}"), fs::read(&path).unwrap());
                }
            }
        }
        Reader { page, place, folder: PathBuf::new() }
    }

    /// Saves a block as the file named in its first line.
    #[track_caller]
    fn save(&self, block: &str) {
        let name = block.lines().next().and_then(|line| line.strip_prefix("# "));
        let name = name.unwrap_or_else(|| panic!("{}: a file without a name: {block}", self.page));
        self.place.write(self.folder.join(name), block);
    }

    /// Runs the commands of a block and returns their number.
    #[track_caller]
    fn play(&mut self, block: &str) -> usize {
        let page = self.page;
        let mut commands = 0;
        let mut lines = block.lines().peekable();
        while let Some(line) = lines.next() {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("{page}: no command: {line}"));
            let mut expected = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                expected.push(timeless(line));
            }
            let heard: Vec<String> = self.heard(command).iter().map(|line| timeless(line)).collect();
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

    /// The output of a command, with messages first as in a terminal.
    #[track_caller]
    fn heard(&mut self, command: &str) -> Vec<String> {
        let command = command.split(" #").next().unwrap_or_default().trim_end();
        let (program, rest) = command.split_once(' ').unwrap_or((command, ""));
        match program {
            "cd" => {
                self.folder.push(rest);
                Vec::new()
            }
            "sqlite3" => {
                let (database, sql) = rest.split_once(' ').unwrap_or_default();
                let inner = |quote: char| sql.strip_prefix(quote)?.strip_suffix(quote);
                let sql = inner('\'').or_else(|| inner('"')).unwrap_or(sql);
                self.place.query_of(self.folder.join(database).to_str().unwrap(), sql)
            }
            "logmill" => self.run(command),
            _ if PROGRAMS.contains(&program) => self.run(command),
            _ => panic!("{}: no command that a page may show: {command}", self.page),
        }
    }

    /// Runs a command in a shell.
    fn run(&self, command: &str) -> Vec<String> {
        let programs = Path::new(env!("CARGO_BIN_EXE_logmill")).parent().unwrap().to_str().unwrap();
        let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        without_the_machine(&mut shell);
        shell.arg("-c").arg(command).current_dir(self.place.path("").join(&self.folder));
        let Output { stdout, stderr, .. } = shell.env("PATH", path).output().unwrap();
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        stderr.lines().chain(stdout.lines()).map(str::to_owned).collect()
    }
}

/// A line without its duration.
fn timeless(line: &str) -> String {
    let time = Regex::new(r"\bin \d[\d.,]* (ms|s|min)\b").unwrap();
    time.replace_all(line, "in a while").into_owned()
}

/// Whether all shown lines were printed, one after the other, with further lines only at `...`. A page that
/// shows no line expects no output.
fn is_shown(shown: &[String], heard: &[String]) -> bool {
    match shown {
        [] => heard.is_empty(),
        [dots, rest @ ..] if dots == "..." => (0..=heard.len()).any(|at| is_shown(rest, &heard[at..])),
        [line, rest @ ..] => heard.first() == Some(line) && is_shown(rest, &heard[1..]),
    }
}

#[test]
fn output_that_is_not_printed_is_not_accepted() {
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

/// Compares the manual's page about our tables with the tables.
mod tables {
    use std::collections::BTreeMap;

    use super::{Reader, blocks, read};

    const PAGE: &str = "src/manual/tables.md";

    /// The columns of each table, from the SQL that creates it.
    fn made() -> BTreeMap<String, Vec<String>> {
        let sql = read("src/sink/sqlite/tables.sql");
        let tables = sql.split("CREATE TABLE IF NOT EXISTS logmill_").skip(1);
        let columns_of = |table: &str| {
            let lines = table.lines().skip(1).take_while(|line| !line.starts_with(')'));
            let names = lines.filter_map(|line| line.split_whitespace().next());
            names
                .filter(|name| name.starts_with(|ch: char| ch.is_ascii_lowercase()))
                .map(str::to_owned)
                .collect()
        };
        tables
            .map(|table| (table.split([' ', '(']).next().unwrap_or_default().to_owned(), columns_of(table)))
            .collect()
    }

    /// The columns of each table, from the page.
    fn told() -> BTreeMap<String, Vec<String>> {
        let page = read(PAGE);
        let sections = page.split("\n### `").skip(1);
        let columns_of = |section: &str| {
            let section = section.split("\n## ").next().unwrap_or_default();
            let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
            rows.map(|(name, _)| name.to_owned()).collect()
        };
        sections
            .map(|section| (section.split('`').next().unwrap_or_default().to_owned(), columns_of(section)))
            .collect()
    }

    #[test]
    fn the_page_explains_every_column_of_our_tables() {
        let (made, told) = (made(), told());
        assert_eq!(made.keys().collect::<Vec<_>>(), told.keys().collect::<Vec<_>>());
        for (table, mut columns) in made {
            let mut explained = told[&table].clone();
            columns.sort();
            explained.sort();
            assert_eq!(columns, explained, "{table}");
        }
    }

    /// The queries are the same on both destinations once SQLite's table names replace PostgreSQL's.
    #[test]
    fn the_queries_on_the_page_return_rows() {
        let reader = Reader::new(PAGE);
        reader.run("logmill backfill -j datasets/month/month.toml --from 2023-12-16 --to 2024-01-15 -q");
        let page = read(PAGE);
        let queries: Vec<&str> =
            blocks(&page).filter(|(language, _)| *language == "sql").map(|(_, sql)| sql).collect();
        assert!(queries.len() >= 6, "{queries:?}");
        for sql in queries {
            let sql = sql.replace("logmill.", "logmill_");
            let rows = reader.place.query_of("datasets/month/logmill.db", &sql);
            // No run is in progress, and the only day that is not done is absent.
            let is_empty = sql.contains("ended_at is null");
            assert_eq!(rows.is_empty(), is_empty, "{sql}\n{rows:?}");
        }
    }
}
