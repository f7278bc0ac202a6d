//! Output in windows of 50, 80 and 200 columns, compared with stored transcripts, and the screen during a
//! run with a progress bar. `UPDATE_SCREENS=1` rewrites the transcripts; then review them.

use regex::Regex;

use super::*;
use crate::harness::run::needs_failpoints;
use crate::harness::screen::{Screen, Window};

/// The commands of a transcript, in order, with their exit codes.
const COMMANDS: [(&str, i32); 19] = [
    ("plan -j job.toml", 1),
    ("plan -j job.toml -v", 1),
    ("plan -j job.toml -q", 1),
    ("check -j job.toml", 1),
    ("check -j job.toml -q", 1),
    ("load -j job.toml --color always", 1),
    ("load -j job.toml -v logs/2023-10-02.ndjson", 0),
    ("load -j job.toml -q logs/2023-10-02.ndjson", 0),
    ("status -j job.toml", 0),
    ("status -j job.toml -q", 0),
    ("status -j job.toml --fail-if-open", 3),
    ("dead-letters list -j job.toml", 0),
    ("dead-letters list -j job.toml --counts", 0),
    ("dead-letters show -j job.toml 1", 0),
    ("verify -j job.toml logs/2023-10-01.ndjson", 0),
    ("forget -j job.toml logs/2023-10-01.ndjson --dry-run", 0),
    ("load -j jbo.toml", 2),
    ("load --fiels-from x", 2),
    ("status -j job.toml --into postgres://nobody@127.0.0.1:1/x?connect_timeout=2", 1),
];

/// A folder with logs, one of them unreadable. Its path has the same length wherever the tests run.
fn place() -> Place {
    let place = Place(tempfile::tempdir_in("/tmp").unwrap());
    place
        .write("job.toml", JOB.replace("URL", "sqlite:application.db").replace("\"app\"", "\"application\""));
    let lines = |first: u32| (0..40).map(move |n| format!("{{\"n\":{}}}\n", first + n)).collect::<String>();
    let bad = "{\"n\":\"four\",\"word\":\"long\"}\nno\n{\"word\":\"longer\"}\n";
    place.write("logs/2023-10-01.ndjson", lines(1_000) + bad);
    place.write("logs/2023-10-02.ndjson", lines(2_000));
    place.write("logs/copy of 2023-10-02.ndjson", lines(2_000));
    let utf16 = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes);
    place.write("logs/broken.ndjson", utf16.collect::<Vec<_>>());
    place
}

/// The text with everything variable replaced: the folder's path, times and speeds.
fn steady(text: &str) -> String {
    let mut text = text.to_owned();
    for (what, steady) in [
        (r"/tmp/\.tmp[A-Za-z0-9]{6}", "/tmp/.tmp______"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "2023-11-14 22:13:20 UTC"),
        (r"seen(\s+)\d{4}-\d\d-\d\d", "seen${1}2023-11-14"),
        (r"(?m)^( +records +[\d,]+) +[\d,]+/s,\s+[\d.]+ k?M?B/s", "$1   1,000/s, 10.0 kB/s"),
        (r"\b(in|after) \d[\d.]* (ms|s)\b", "$1 10 ms"),
        (r"process \d+", "process 1"),
    ] {
        text = Regex::new(what).unwrap().replace_all(&text, steady).into_owned();
    }
    text
}

/// The transcript in a window of `columns` columns.
fn transcript(columns: u16) -> String {
    let place = place();
    let mut transcript = String::new();
    for (arguments, code) in COMMANDS {
        let (ended, screen) = Window::open(&place.command(arguments), columns).ended();
        assert_eq!(ended, code, "{arguments}:\n{}", screen.text());
        let text = screen.text();
        // A wrapped line would break a word.
        assert_eq!(screen.wraps, 0, "{arguments} at {columns}:\n{text}");
        transcript += &format!("$ logmill {arguments}\n{}", steady(&text));
        transcript += "\n";
    }
    transcript
}

fn is_as_kept(columns: u16) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cli/screens/{columns}.txt"));
    let seen = transcript(columns);
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &seen).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differ = kept.lines().zip(seen.lines()).find(|(kept, seen)| kept != seen);
    assert_eq!(differ, None, "at {columns} columns; look at it, and write it anew: UPDATE_SCREENS=1");
    assert_eq!(kept.len(), seen.len(), "at {columns} columns; write it anew: UPDATE_SCREENS=1");
}

#[test]
fn a_window_of_50_columns_shows_whole_words() {
    is_as_kept(50);
}

#[test]
fn a_window_of_80_columns_shows_whole_words() {
    is_as_kept(80);
}

#[test]
fn a_window_of_200_columns_folds_little() {
    is_as_kept(200);
}

/// A load in a window that pauses between its batches.
fn resting(place: &Place, arguments: &str, columns: u16) -> Window {
    needs_failpoints();
    let lines: String = (0..3_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    place.write("many/a.ndjson", lines);
    let mut command =
        place.command(&format!("load -j job.toml many --chunk-size 1KiB --batch-rows 100 {arguments}"));
    command.env("FAILPOINTS", "between-batches=sleep(150)");
    Window::open(&command, columns)
}

/// The characters of the bar.
const BAR: [char; 3] = ['━', '╸', '─'];

#[track_caller]
fn has_no_ghost(screen: &Screen) {
    let text = screen.text();
    assert!(!text.contains(BAR) && !text.contains(" % of "), "a bar stays:\n{text}");
}

#[test]
fn progress_stays_on_one_line_and_leaves_no_ghost() {
    for columns in [50, 80, 200] {
        let place = place();
        let mut window = resting(&place, "", columns);
        window.look_for(" % of ");
        // The user interrupts it: the messages stand alone and complete.
        window.press("\u{3}");
        window.look_for("stopping: ");
        let (code, screen) = window.ended();
        let text = screen.text();
        assert_eq!((code, screen.wraps), (130, 0), "{text}");
        has_no_ghost(&screen);
        let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains(
                "logmill: stopping: what has been read is committed first; a second signal stops at once"
            ),
            "{text}"
        );
        assert!(screen.bars.len() > 1 && screen.bars.iter().all(|bar| bar.chars().count() < columns.into()));
        // A bar is drawn where the words leave room.
        assert!(columns == 50 || screen.bars.iter().any(|bar| bar.contains(BAR)), "{:?}", screen.bars.last());
    }
}

#[test]
fn a_second_stop_leaves_no_ghost_either() {
    let place = place();
    let mut window = resting(&place, "", 80);
    window.look_for(" % of ");
    window.press("\u{3}");
    window.look_for("stopping: ");
    window.press("\u{3}");
    let (code, screen) = window.ended();
    assert_eq!(code, 130);
    has_no_ghost(&screen);
}

#[test]
fn colours_are_for_terminals_or_on_request() {
    let place = place();
    let has_colour = |arguments: &str, variables: &[(&str, &str)]| {
        let mut command = place.command(arguments);
        command.envs(variables.iter().copied());
        let said = Said::of(&mut command, b"");
        (said.stdout + &said.stderr).contains('\u{1b}')
    };
    let check = "check -j job.toml";
    assert!(!has_colour(check, &[]));
    assert!(has_colour(&format!("{check} --color always"), &[("NO_COLOR", "1")]));
    assert!(has_colour(check, &[("LOGMILL_COLOR", "always")]));
    assert!(has_colour("load -j gone.toml --color always", &[]));
    assert!(!has_colour("load -j gone.toml", &[]));
    for help in ["--color always --help", "check --color=always -h"] {
        assert!(has_colour(help, &[]), "{help}");
    }
    // JSON is for programs.
    assert!(!has_colour(&format!("{check} --color always --output json"), &[]));
    // Coloured on a terminal, unless the user says otherwise.
    for (arguments, variable, is_coloured) in [
        (check, None, true),
        ("check -j job.toml --color never", None, false),
        (check, Some(("NO_COLOR", "1")), false),
        (check, Some(("NO_COLOR", "")), true),
        ("--help", None, true),
        ("--color never --help", None, false),
    ] {
        let mut command = place.command(arguments);
        command.envs(variable);
        let (_, screen) = Window::open(&command, 80).ended();
        assert_eq!(screen.has_colour, is_coloured, "{arguments} {variable:?}");
    }
}
