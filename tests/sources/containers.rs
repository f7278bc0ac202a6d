//! Logs of containers, in files that end within a line.

use super::*;

fn line(stream: &str, text: &str) -> String {
    format!("2023-10-27T12:34:56Z {stream} F {text}\n")
}

/// Records of several lines, numbered.
fn containers() -> Logs {
    let source = "files = [\"*.log\"]\npayload = \"regex\"\npattern = '^(?P<n>\\d+) (?P<t>(?s:.*))$'\nrecord_start = '^\\d'";
    Logs::new().format("cri").source(source)
}

/// Everything that a load has stored.
fn left(logs: &Logs) -> [Vec<String>; 3] {
    [
        "select n, t, source_offset from t order by source_offset",
        "select line, source_offset, length from logmill_dead_letters where state = 'open' order by 2",
        "select position, lines, blank, skipped, rejected, inserted + updated + unchanged from logmill_checkpoints",
    ]
    .map(|sql| logs.query(sql))
}

/// The record before a torn line is loaded at once. When the line has grown, both must equal what a first
/// load of the grown file gives: the line may continue that record or begin another.
#[test]
fn a_torn_line_is_read_again_with_the_record_before_it() {
    // As long as the shorter chunks, so that a chunk would end there.
    let within = format!("\tat {}", "x".repeat(1100));
    let young =
        line("stderr", "1 a") + &line("stderr", "2 b") + &line("stderr", &within) + "2023-10-27T12:34";
    for growth in [
        ":56Z stderr F \tat y\n".to_owned() + &line("stderr", "3 c"),
        ":56Z stdout F \tat y\n".to_owned() + &line("stderr", "3 c"),
        ":56Z stderr F 3 c\n".to_owned() + &line("stderr", "\tat z"),
        " nonsense\n".to_owned() + &line("stderr", "\tat z"),
        ":5".to_owned(),
        "\n".to_owned() + &line("stderr", "3 c"),
    ] {
        for (chunk, on_postgres) in [("1MiB", false), ("1MiB", true), ("1KiB", false)] {
            let logs = || {
                let logs = containers().pipeline(&format!("chunk_size = \"{chunk}\""));
                if on_postgres { logs.on_postgres() } else { logs }
            };
            let (once, twice) = (logs(), logs());
            twice.write("pod.log", &young);
            twice.load().exit(3).did(2, 0);
            assert_eq!(left(&twice)[0], ["1|a|0".to_owned(), format!("2|b\n{within}|34")]);
            assert_eq!(left(&twice)[1].len(), 1);
            twice.append("pod.log", &growth);
            once.write("pod.log", young.clone() + &growth);
            let code = once.load().code();
            twice.load().exit(code);
            assert_eq!(left(&twice), left(&once), "{growth:?} on {chunk}, postgres: {on_postgres}");
        }
    }
}

/// A record without any text is none, until more text arrives.
#[test]
fn a_formerly_empty_record_is_read_again() {
    let young = line("stderr", "1 a") + &line("stdout", "");
    for growth in
        [line("stdout", "\tat y") + &line("stdout", "2 b"), line("stdout", " ") + &line("stderr", "2 b")]
    {
        for on_postgres in [false, true] {
            let logs = || if on_postgres { containers().on_postgres() } else { containers() };
            let (once, twice) = (logs(), logs());
            twice.write("pod.log", &young);
            twice.load().exit(0).did(1, 0);
            twice.append("pod.log", &growth);
            once.write("pod.log", young.clone() + &growth);
            let code = once.load().code();
            twice.load().exit(code);
            assert_eq!(left(&twice), left(&once), "{growth:?}, postgres: {on_postgres}");
        }
    }
}
