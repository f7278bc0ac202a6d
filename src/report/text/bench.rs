//! The result of a measurement, for people: a table, with each stage beside its lower bound.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::table::table;
use crate::figure;
use crate::report::{BenchCompared, BenchComparison, BenchDataset, BenchRun, BenchSeries, BenchStage};

/// What was made.
pub(in crate::report) fn bench_dataset(made: &BenchDataset) -> String {
    let BenchDataset { file, format, records, bytes, bad, duplicates, blake3, .. } = made;
    format!(
        "{file}: {} of {format}, {} ({} bad, {} that come again)\nblake3 {blake3}\n",
        figure::some(*records, "record"),
        figure::bytes(*bytes),
        figure::count(*bad),
        figure::count(*duplicates),
    )
}

/// What was measured.
pub(in crate::report) fn bench_run(run: &BenchRun, width: usize) -> String {
    let BenchRun { host, build, data, settings, stages, .. } = run;
    let mut out = format!(
        "{}, {}, {} GiB, {}\nlogmill {} for {}, program {}\n{}, {}, {} of {}, blake3 {}\n{}, key {}, parsed in {}\n\n",
        host.cpu,
        figure::some(host.cores, "core"),
        host.memory_gib,
        host.system,
        build.version,
        build.target,
        build.program,
        figure::some(data.files, "file"),
        figure::bytes(data.bytes),
        figure::some(data.records, "record"),
        data.format,
        &data.blake3[..16.min(data.blake3.len())],
        settings.destination,
        settings.key,
        figure::some(settings.threads, "thread"),
    );
    let names = ["stage", "krecords/s", "MB/s", "ns/record", "spread", "CPU s", "MiB", "beside its floor"];
    let rows: Vec<Vec<Value>> =
        stages.iter().map(|stage| row(stage, data.records as f64, data.bytes as f64)).collect();
    out.push_str(&table(&names.map(str::to_owned), &rows, width));
    out.push('\n');
    for stage in stages {
        if let (Some(rows), Some(times)) = (stage.rows, stage.times) {
            let time = |seconds: f64| figure::time(Duration::from_secs_f64(seconds.max(0.0)));
            let _ = writeln!(
                out,
                "{}: {} counted in the table; the writer waited {} for workers, the destination worked {}, the \
                 workers {}, the planner {}",
                stage.stage,
                figure::some(rows, "row"),
                time(times.writer_waited),
                time(times.commit),
                time(times.work),
                time(times.plan),
            );
        }
    }
    out.push_str("Each stage contains those before it. The floor is the least that any program would have to do: above 1 is faster.\n");
    out
}

fn row(stage: &BenchStage, records: f64, bytes: f64) -> Vec<Value> {
    let BenchSeries { median, least, most, .. } = stage.seconds;
    let floor = match &stage.floor {
        Some(floor) => format!("{:.2} of {}", floor.ratio, floor.what),
        None => "not measured".to_owned(),
    };
    vec![
        json!(stage.stage),
        json!((records / median / 1e3).round() as u64),
        json!((bytes / median / 1e6).round() as u64),
        json!((median / records.max(1.0) * 1e9).round() as u64),
        json!(format!("{:.0} %", (most - least) / median * 100.0)),
        json!((stage.cpu_seconds.median * 1e4).round() / 1e4),
        json!(stage.peak_mib.map(|peak| peak.round() as u64)),
        json!(floor),
    ]
}

/// How two measurements compare.
pub(in crate::report) fn bench_comparison(comparison: &BenchComparison, width: usize) -> String {
    let BenchComparison { old, new, fail_below, silent, stages, .. } = comparison;
    let mut out = format!("old: {old}\nnew: {new}\n\n");
    for name in silent {
        let _ = writeln!(
            out,
            "{name} does not say which server and filesystem it was measured on, so that is not compared: see to it \
             that they are the same\n"
        );
    }
    let names =
        ["stage", "speed", "certainly within", "by", "pairs", "old s", "new s", "instructions", "verdict"];
    let rows: Vec<Vec<Value>> = stages.iter().map(compared).collect();
    out.push_str(&table(&names.map(str::to_owned), &rows, width));
    out.push('\n');
    for stage in stages {
        let lost = |ratio: f64| (1.0 - ratio) * 100.0;
        match (stage.verdict, stage.ratio, stage.low) {
            ("slower", Some(ratio), _) => {
                let _ = writeln!(
                    out,
                    "{} got slower: {:.1} % less speed, and {:.1} % are tolerated",
                    stage.stage,
                    lost(ratio),
                    lost(*fail_below)
                );
            }
            ("unclear", Some(_), Some(low)) => {
                let _ = writeln!(
                    out,
                    "{} cannot be told: it may have lost {:.1} %; to find out, use an otherwise idle \
                     machine, more runs (--runs, --pairs), more data (--size), or --instructions",
                    stage.stage,
                    lost(low),
                );
            }
            ("unclear", ..) => {
                let _ = writeln!(
                    out,
                    "{} cannot be told from so few runs; measure with more (--runs, --pairs)",
                    stage.stage
                );
            }
            _ => {}
        }
    }
    out
}

fn compared(stage: &BenchCompared) -> Vec<Value> {
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
    let seconds = |seconds: Option<f64>| seconds.map(|seconds| (seconds * 1e5).round() / 1e5);
    vec![
        json!(stage.stage),
        json!(ratio(stage.ratio)),
        json!(format!("{} to {}", ratio(stage.low), ratio(stage.high))),
        json!(stage.by),
        json!(stage.pairs),
        json!(seconds(stage.old_seconds)),
        json!(seconds(stage.new_seconds)),
        json!(ratio(stage.instructions)),
        json!(stage.verdict),
    ]
}
