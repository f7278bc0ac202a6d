//! How fast is the whole command, compared with the best that can be done by hand?
//!
//! `cargo bench --bench pairs -- [--pairs N] [--lines N] [--beside PROGRAM] [--record] [NAME…]`
//!
//! Both sides of a pair run one after the other on the same machine, alternating who goes first, against the
//! same private server, which writes to disk. The result is the ratio within each pair, because a noisy
//! machine slows both sides. The table is Markdown for `benches/runs`. With `--record`, every single figure
//! is added to `<date>-<machine>/raw.tsv` there. With `--beside`, the other side of every pair is another
//! build of logmill.

mod ground;
mod measure;
mod raw;
mod scenarios;

/// The private server.
#[path = "../../tests/harness/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::all,
    clippy::unwrap_used,
    reason = "made for tests, and looked at there"
)]
mod harness;

use std::path::{Path, PathBuf};

use ground::Ground;
use measure::{Cost, spread};
use raw::Raw;
use scenarios::{SCENARIOS, Scenario, Sides};

fn main() {
    let (mut pairs, mut lines, mut names) = (7, 1_000_000, Vec::new());
    let (mut beside, mut is_recorded) = (None, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number follows");
        match argument.as_str() {
            "--pairs" => pairs = number(),
            "--lines" => lines = number(),
            "--by-hand" => {
                let mut path = || PathBuf::from(arguments.next().expect("a path follows"));
                return scenarios::by_hand(&path(), &path());
            }
            "--beside" => beside = Some(PathBuf::from(arguments.next().expect("a path follows"))),
            "--record" => is_recorded = true,
            // Cargo passes this to every bench.
            "--bench" => {}
            name => names.push(name.to_owned()),
        }
    }
    let selected: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| names.is_empty() || names.iter().any(|name| name == scenario.name))
        .collect();
    if selected.is_empty() {
        let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        eprintln!("no such pair; there are: {}", names.join(", "));
        std::process::exit(2);
    }
    let ground = Ground::prepare(lines);
    let mut raw = is_recorded.then(|| Raw::open(lines, beside.as_deref()));
    println!("{lines} lines, {} bytes, {pairs} pairs\n", ground.log().metadata().expect("a file").len());
    println!(
        "| what | ratio: median (spread) | ours s | other s | ours krows/s | CPU s | peak MiB | other CPU s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for scenario in selected {
        report(scenario, &ground, pairs, beside.as_deref(), raw.as_mut());
    }
}

fn report(scenario: &Scenario, ground: &Ground, pairs: u64, beside: Option<&Path>, raw: Option<&mut Raw>) {
    let mut sides = match beside {
        Some(program) => beside_another(scenario, ground, program),
        None => (scenario.prepare)(ground),
    };
    let (mut ours, mut other) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        // The second side finds the machine as the first left it.
        if pair % 2 == 0 {
            ours.push((sides.ours)());
            other.push((sides.other)());
        } else {
            other.push((sides.other)());
            ours.push((sides.ours)());
        }
    }
    if let Some(raw) = raw {
        raw.write(scenario.name, &ours, &other);
    }
    let ratios: Vec<f64> =
        ours.iter().zip(&other).map(|(ours, other)| other.seconds / ours.seconds).collect();
    let (least, median, most) = spread(&ratios);
    let middle =
        |costs: &[Cost], figure: fn(&Cost) -> f64| spread(&costs.iter().map(figure).collect::<Vec<_>>()).1;
    let seconds = middle(&ours, |cost| cost.seconds);
    println!(
        "| {}: {} | **{median:.2}** ({least:.2}–{most:.2}) | {seconds:.3} | {:.3} | {:.0} | {:.2} | {:.0} | {:.2} |",
        scenario.name,
        scenario.what,
        middle(&other, |cost| cost.seconds),
        sides.rows as f64 / seconds / 1e3,
        middle(&ours, |cost| cost.cpu_seconds),
        middle(&ours, |cost| cost.peak_mib),
        middle(&other, |cost| cost.cpu_seconds),
    );
    for note in (sides.notes)() {
        println!("<!-- {}: {note} -->", scenario.name);
    }
}

/// Compares this build with another one.
fn beside_another<'g>(scenario: &Scenario, ground: &'g Ground, program: &'g Path) -> Sides<'g> {
    let (new, old) = ((scenario.prepare)(ground), (scenario.prepare)(ground));
    let mut old_side = old.ours;
    let other = Box::new(move || {
        ground.run_program(Some(program));
        let cost = old_side();
        ground.run_program(None);
        cost
    });
    Sides { ours: new.ours, other, rows: new.rows, notes: new.notes }
}
