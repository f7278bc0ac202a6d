//! The fuzz bodies (`fuzz/src/lib.rs`) in a form that every test run can afford: one second each, with
//! randomly altered seeds, and without a nightly compiler.
//!
//! The random choices are the same in every run. `LOGMILL_FUZZ_SECONDS` sets the duration, and
//! `LOGMILL_FUZZ_SEED` the choices.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "there it is a crate of its own")]
mod bodies;

/// Runs a body on altered seeds until the time is up. Prints the input on which it fails.
fn smoke(run: impl Fn(&[u8]), seeds: &[&[u8]]) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let time = Duration::from_secs(number("LOGMILL_FUZZ_SECONDS").unwrap_or(1));
    let mut chance = fastrand::Rng::with_seed(number("LOGMILL_FUZZ_SEED").unwrap_or(5));
    let start = Instant::now();
    let mut inputs = seeds.iter().map(|seed| seed.to_vec()).collect::<Vec<_>>();
    let mut round = 0;
    while start.elapsed() < time {
        let input = match inputs.get(round) {
            Some(seed) => seed.clone(),
            None => altered(&inputs, &mut chance),
        };
        round += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&input))) {
            eprintln!("in round {round}, of {}", input.escape_ascii());
            resume_unwind(panic);
        }
        // Some altered inputs are altered further.
        if inputs.len() < 256 && round % 64 == 0 && input.len() < 4096 {
            inputs.push(input);
        }
    }
    eprintln!("{round} inputs in {time:?}");
}

/// Tokens of the formats, and values at limits.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    "\\u",
    "\\ud800",
    "\\u0000",
    "null",
    "true",
    "NaN",
    "Infinity",
    "-",
    "-0",
    ".",
    "e",
    "E+",
    "1e400",
    "18446744073709551616",
    "9223372036854775808",
    "\n",
    "\r\n",
    "\r",
    "\0",
    "\t",
    " ",
    "_",
    "T",
    "Z",
    "+23:59",
    "24:00",
    ":60",
    ".999999999",
    "0000",
    "9999",
    "02-29",
    "%Y",
    "%",
    "%:z",
    "$ref",
    "#/",
    "anyOf",
    "type",
    "=",
    "'",
    "${",
    "{date}",
    "ä",
    "\u{10ffff}",
    "\u{feff}",
    "#",
    "[[",
    "]]",
    "\"\"\"",
];

fn altered(inputs: &[Vec<u8>], chance: &mut fastrand::Rng) -> Vec<u8> {
    let mut input = inputs[chance.usize(..inputs.len())].clone();
    for _ in 0..1 << chance.u32(..4) {
        let at = chance.usize(..=input.len());
        let to = (at + chance.usize(..8)).min(input.len());
        match chance.u8(..7) {
            0 => input.insert(at, chance.u8(..)),
            1 => drop(input.drain(at..to)),
            2 if at < input.len() => input[at] ^= 1 << chance.u8(..8),
            3 => drop(input.splice(at..to, WORDS[chance.usize(..WORDS.len())].bytes())),
            4 => drop(input.splice(at..at, WORDS[chance.usize(..WORDS.len())].bytes())),
            5 => {
                let piece = input[at..to].repeat(1 << chance.u32(..9));
                drop(input.splice(at..at, piece));
            }
            _ => {
                let other = &inputs[chance.usize(..inputs.len())];
                let from = chance.usize(..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
    input
}

#[test]
fn all_json_readers_agree() {
    smoke(bodies::json::run, bodies::json::SEEDS);
}

#[test]
fn lines_are_the_same_wherever_a_file_is_cut() {
    smoke(bodies::lines::run, bodies::lines::SEEDS);
}

#[test]
fn records_with_a_preamble_are_the_same_wherever_a_file_is_cut() {
    smoke(bodies::tables::run, bodies::tables::SEEDS);
}

#[test]
fn reading_a_damaged_archive_ends_within_small_chunks() {
    smoke(bodies::inflate::run, bodies::inflate::SEEDS);
}

#[test]
fn positional_and_slow_timestamp_readers_agree() {
    smoke(bodies::stamps::run, bodies::stamps::SEEDS);
}

#[test]
fn lines_of_text_are_records_or_faults() {
    smoke(bodies::text::run, bodies::text::SEEDS);
}

#[test]
fn a_job_file_of_any_text_gives_a_job_or_a_message() {
    smoke(bodies::job::run, bodies::job::SEEDS);
}

#[test]
fn a_json_schema_of_any_text_gives_a_schema_or_a_place() {
    smoke(bodies::json_schema::run, bodies::json_schema::SEEDS);
}
