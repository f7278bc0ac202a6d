//! What does a load cost besides processing its lines? The line of seats, the merge, and the whole.
//!
//! One question each. `place in line`: what does a chunk cost besides the work on it, if each record is its
//! own chunk (cut, seat, hand over, take out, give back)? `merge`: how long does a batch take if all of its
//! rows exist already, with the same values or with others? `load`: how long does a small load take, with
//! everything it asks and creates? `logmill bench run` measures the stages of a large load, and the bench
//! `pairs` compares whole commands.

/// The private server.
#[path = "../tests/harness/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::all,
    clippy::unwrap_used,
    reason = "made for tests, and looked at there"
)]
mod harness;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logmill::bench::dataset::{self, Amount, Recipe};
use logmill::config::{Config, Overrides};
use logmill::engine::{self, Discovered, LoadOptions, Watch};
use logmill::report::Exit;
use tempfile::TempDir;

const RECORDS: u64 = 20_000;

/// A folder with a file of records, and a job that loads them into `url`.
fn ground(records: u64, url: &str) -> (TempDir, Config, Discovered) {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = Recipe { amount: Amount::Records(records), bad_per_million: 0, ..Recipe::default() };
    let file = fs::File::create(folder.path().join("app.ndjson")).expect("a file");
    dataset::write(recipe, file).expect("written");
    let job = include_str!("../datasets/samples/service.toml");
    let job = job.replace("service-dirty.ndjson", "app.ndjson").replace("sqlite:logmill.db", url);
    let config = Config::of_text(&folder.path().join("app.toml"), &job, &Overrides::default());
    let config = config.expect("a job");
    let files = engine::files(&config, &Watch::default()).expect("files");
    (folder, config, files)
}

/// Runs a load and returns its duration.
fn load(config: &Config, files: &Discovered) -> Duration {
    let began = Instant::now();
    let loaded = engine::load(config, files, LoadOptions::default(), &Watch::default()).expect("a load");
    let took = began.elapsed();
    assert_eq!(loaded.head.exit, Exit::Success, "{:?}", loaded.error);
    took
}

fn place_in_line(criterion: &mut Criterion) {
    let records = 2_000;
    let (_folder, mut config, files) = ground(records, "sqlite:none.db");
    // A chunk ends after the record that reaches this size.
    config.source.settings.chunk_bytes = 1;
    config.pipeline.threads = Some(1);
    let mut group = criterion.benchmark_group("place in line");
    group.throughput(Throughput::Elements(records)).sample_size(20);
    group.bench_function("a chunk", |bencher| {
        bencher.iter(|| engine::check(&config, &files, None, &Watch::default()).expect("a check"));
    });
    group.finish();
}

fn merge(criterion: &mut Criterion) {
    let database = harness::postgres::Server::start(harness::postgres::Options::default()).database();
    let (_folder, config, files) = ground(RECORDS, &database.url());
    load(&config, &files);
    let table = &config.destination.table;
    let mut client = database.client();
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Elements(RECORDS)).sample_size(10);
    group.bench_function("every row is there, and another", |bencher| {
        bencher.iter_custom(|iterations| {
            let all = (0..iterations).map(|_| {
                let before = format!(
                    "DROP SCHEMA logmill CASCADE; UPDATE {table} SET latency_ms = -1; VACUUM {table}"
                );
                for statement in before.split("; ") {
                    client.batch_execute(statement).expect("SQL that runs");
                }
                load(&config, &files)
            });
            all.sum()
        });
    });
    group.finish();
}

fn whole(criterion: &mut Criterion) {
    let database = harness::postgres::Server::start(harness::postgres::Options::default()).database();
    let mut client = database.client();
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    for records in [10, RECORDS] {
        group.throughput(Throughput::Elements(records));
        let (_folder, config, files) = ground(records, &database.url());
        let before = format!(
            "DROP SCHEMA IF EXISTS logmill CASCADE; DROP TABLE IF EXISTS {}",
            config.destination.table
        );
        group.bench_function(format!("{records} into PostgreSQL"), |bencher| {
            bencher.iter_custom(|iterations| {
                let all = (0..iterations).map(|_| {
                    client.batch_execute(&before).expect("SQL that runs");
                    load(&config, &files)
                });
                all.sum()
            });
        });
        let (folder, config, files) = ground(records, "sqlite:app.db");
        group.bench_function(format!("{records} into SQLite"), |bencher| {
            bencher.iter_custom(|iterations| {
                let all = (0..iterations).map(|_| {
                    remove_databases(folder.path());
                    load(&config, &files)
                });
                all.sum()
            });
        });
    }
    group.finish();
}

fn remove_databases(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        if entry.file_name().to_string_lossy().starts_with("app.db") {
            fs::remove_file(entry.path()).expect("a file");
        }
    }
}

criterion_group!(benches, place_in_line, merge, whole);
criterion_main!(benches);
