//! Objects in buckets as sources: they give the same records as files, are recognised without being read,
//! and load completely despite faults on the way.
//!
//! moto is the quick store, with a proxy in front of it that fails on demand. SeaweedFS checks signatures
//! and conditions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::harness::cloud::{Bucket, Cloud};
use crate::harness::gcs::Gcs;
use crate::harness::web::{Fate, Request, Web, send};

/// A bucket with objects, and a job that loads them.
struct Shelf<'c> {
    bucket: Bucket<'c>,
    logs: Logs,
    variables: Vec<(&'static str, String)>,
}

impl<'c> Shelf<'c> {
    /// A job for the matching objects of a new bucket in moto.
    fn new(files: &str) -> Shelf<'static> {
        Shelf::of(Cloud::moto(), files)
    }

    fn of(cloud: &'c Cloud, files: &str) -> Shelf<'c> {
        let bucket = cloud.bucket();
        let logs = Logs::new().source(&format!("files = [\"{}\"]", bucket.url(files)));
        Shelf { variables: cloud.variables(), bucket, logs }
    }

    /// Changes the job.
    fn with(mut self, change: impl FnOnce(Logs) -> Logs) -> Self {
        self.logs = change(self.logs);
        self
    }

    /// Sends requests through a proxy.
    fn through(&mut self, web: &Web) -> &Self {
        for (name, value) in &mut self.variables {
            if *name == "AWS_ENDPOINT" {
                *value = web.endpoint();
            }
        }
        self
    }

    fn put(&self, key: &str, content: impl AsRef<[u8]>) -> &Self {
        put(self.bucket.cloud.port(), &self.bucket.name, key, content.as_ref());
        self
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = self.logs.command(arguments);
        command.envs(self.variables.iter().cloned());
        command
    }

    #[track_caller]
    fn load(&self) -> Loaded {
        self.load_with("")
    }

    #[track_caller]
    fn load_with(&self, arguments: &str) -> Loaded {
        Loaded::of(Said::of(&mut self.command(arguments), b""))
    }

    /// Runs another command of the program.
    fn run(&self, arguments: &str) -> Said {
        drop(self.logs.command(""));
        let mut command = self.logs.place.command(arguments);
        Said::of(command.envs(self.variables.iter().cloned()), b"")
    }

    /// All rows with their offsets, but without the ids of their sources.
    fn rows(&self) -> Vec<String> {
        rows(&self.logs)
    }
}

fn rows(logs: &Logs) -> Vec<String> {
    logs.query(
        "select s.name, t.source_offset, t.n, t.t from t join logmill_sources s on s.id = t.source_id order by t.n",
    )
    .iter()
    .map(|row| row.rsplit_once('/').map_or(row.as_str(), |(_, row)| row).to_owned())
    .collect()
}

/// Puts an object into moto.
fn put(port: u16, bucket: &str, key: &str, content: &[u8]) {
    assert_eq!(send(port, "PUT", &format!("/{bucket}/{key}"), content), 200);
}

/// Keys and contents of objects as people store them.
fn archives() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a.log", log(1..=9000)),
        ("b.log.gz", [gzip(&log(9001..=12_000), 6), gzip(&log(12_001..=13_000), 1)].concat()),
        ("c.log.zst", zstd(&log(13_001..=20_000))),
        #[cfg(feature = "bzip2")]
        ("d.log.bz2", bzip2(&log(20_001..=21_000))),
        ("e.log", Vec::new()),
        ("f.log", b"{\"n\":21001,\"t\":\"no line end\"}".to_vec()),
    ]
}

#[test]
fn objects_give_the_same_rows_as_files() {
    let files = Logs::new();
    for (name, content) in archives() {
        files.write(name, content);
    }
    files.load().exit(0).did(21_001, 0);
    let shelf = Shelf::new("logs/*.log*");
    for (name, content) in archives() {
        shelf.put(&format!("logs/{name}"), content);
    }
    shelf
        .put("logs/deeper/x.log", log(1..=1))
        .put("logs/.hidden.log", log(2..=2))
        .put("other.log", log(3..=3));
    shelf.load().exit(0).did(21_001, 0);
    assert_eq!(shelf.rows(), rows(&files));
    shelf.load().exit(0).did(0, 6);
}

#[test]
fn a_store_that_checks_everything_gives_the_same_rows() {
    let cloud = Cloud::seaweed();
    let mut shelf = Shelf::of(cloud, "logs/");
    cloud.boto(&["put", &shelf.bucket.name, "logs/a.log", std::str::from_utf8(&log(1..=800)).unwrap()]);
    cloud.boto(&["put", &shelf.bucket.name, "logs/deeper/b.log", "{\"n\":3001,\"t\":\"x\"}\n"]);
    shelf.load().exit(0).did(801, 0);
    shelf.load().exit(0).did(0, 2);
    // Written anew, with more at its end.
    cloud.boto(&[
        "put",
        &shelf.bucket.name,
        "logs/deeper/b.log",
        "{\"n\":3001,\"t\":\"x\"}\n{\"n\":3002,\"t\":\"y\"}\n",
    ]);
    shelf.load().exit(0).did(1, 1);
    // Replaced by something else.
    cloud.boto(&["put", &shelf.bucket.name, "logs/deeper/b.log", "{\"n\":7,\"t\":\"z\"}\n"]);
    shelf.load().failed("logs/deeper/b.log", "forget");
    for (name, value) in &mut shelf.variables {
        if *name == "AWS_SECRET_ACCESS_KEY" {
            *value = "another".to_owned();
        }
    }
    shelf.load().exit(1).says("credentials");
}

#[test]
fn loaded_objects_are_recognised_without_being_read() {
    for is_postgres in [false, true] {
        let mut shelf = Shelf::new("logs/");
        if is_postgres {
            shelf = shelf.with(Logs::on_postgres);
        }
        for n in 1..=20 {
            shelf.put(&format!("logs/{n}.log"), log(n..=n));
        }
        let web = Web::before(shelf.bucket.cloud.port(), |_| Fate::Passes);
        shelf.through(&web);
        shelf.load().exit(0).did(20, 0);
        let asked = web.asked();
        // One request per object to recognise it, and another one to read it.
        assert_eq!(asked.iter().filter(|asked| asked.is_read()).count(), 40);
        assert!(asked.iter().filter(|asked| asked.is_read()).all(|asked| asked.headers.contains("if-match")));
        shelf.load().exit(0).did(0, 20);
        assert!(web.asked().iter().all(Request::is_list));
        let plan = shelf.run("plan -j job.toml");
        assert_eq!(plan.code, 0, "{plan:?}");
        assert!(web.asked().iter().all(Request::is_list));
        // Only a new object and a forgotten one are read.
        shelf.put("logs/21.log", log(21..=21));
        let url = shelf.bucket.url("logs/20.log");
        shelf.run(&format!("forget -j job.toml {url} --delete-rows")).ended(0, &[]);
        web.asked();
        shelf.load().exit(0).did(2, 19);
        let read = web.asked().into_iter().filter(Request::is_read);
        assert!(read.clone().all(|asked| asked.target.contains("/logs/2")), "{:?}", read.collect::<Vec<_>>());
        // Under another key, an object is recognised by its content.
        shelf.put("logs/22.log", log(21..=21));
        shelf.load().exit(0).did(0, 21).duplicates(["22.log = 21.log"]);
    }
}

#[test]
fn azure_blobs_are_loaded_and_recognised() {
    let cloud = Cloud::azurite();
    let shelf = Shelf::of(cloud, "logs/");
    let put = |key: &str, content: Vec<u8>| {
        cloud.boto(&["blob", &shelf.bucket.name, key, std::str::from_utf8(&content).unwrap()]);
    };
    put("logs/a.log", log(1..=800));
    put("logs/deeper/b c.log", log(801..=801));
    shelf.load().exit(0).did(801, 0);
    shelf.load().exit(0).did(0, 2);
    // Grown, and written anew with something else.
    put("logs/deeper/b c.log", log(801..=803));
    shelf.load().exit(0).did(2, 1);
    put("logs/deeper/b c.log", log(7001..=7001));
    shelf.load().failed("logs/deeper/b c.log", "forget");
}

/// For a single object GCS reports a generation, and in a listing an entity tag. Either one identifies the
/// object.
#[test]
fn gcs_objects_are_loaded_and_recognised() {
    let gcs = Gcs::start();
    let logs = Logs::new().source(&format!("files = [\"{}\"]", gcs.url("logs/*.log*")));
    for n in 1..=20 {
        gcs.put(&format!("logs/{n}.log"), &log(n..=n));
    }
    gcs.put("logs/21.log.gz", &gzip(&log(21..=9000), 6));
    gcs.put("logs/odd & <name>.log", &log(9001..=9001));
    logs.load().exit(0).did(9001, 0);
    logs.load().exit(0).did(0, 22);
    // One object has grown; then one is replaced.
    gcs.put("logs/1.log", &[log(1..=1), log(9002..=9003)].concat());
    logs.load().exit(0).did(2, 21);
    gcs.put("logs/2.log", &log(70_001..=70_001));
    logs.load().failed("logs/2.log", "forget");
    let one = Logs::new().source(&format!("files = [\"{}\"]", gcs.url("logs/3.log")));
    one.load().exit(0).did(1, 0);
    one.load().exit(0).did(0, 1);
    gcs.objects();
}

#[test]
fn an_object_of_the_same_size_is_read_again() {
    let shelf = Shelf::new("a.log");
    shelf.put("a.log", log(11..=20)).load().exit(0).did(10, 0);
    shelf.put("a.log", log(21..=30)).load().failed("a.log", "forget");
    // With its old content back, the object is the one that was loaded.
    shelf.put("a.log", log(11..=20)).load().exit(0).did(0, 1);
}

#[test]
fn thousands_of_objects_are_listed_in_pages_and_loaded_in_portions() {
    let mut shelf = Shelf::new("**/*.log");
    let (port, bucket) = (shelf.bucket.cloud.port(), shelf.bucket.name.clone());
    let next = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if n > 3000 {
                        return;
                    }
                    put(port, &bucket, &format!("{}/{n}.log", n % 7), &log(n..=n));
                }
            });
        }
    });
    let web = Web::before(port, |_| Fate::Passes);
    shelf.through(&web);
    shelf.load().exit(0).did(3000, 0);
    let asked = web.asked();
    assert!(asked.iter().filter(|asked| asked.is_list()).count() >= 3);
    // The first objects were loaded before the last ones were looked at.
    let place = |what: &str, nth: usize| {
        let reads = asked.iter().filter(|asked| asked.is_read() && asked.target.contains(what));
        reads.clone().nth(nth).unwrap_or_else(|| panic!("{what} was read {} times", reads.count())).number
    };
    assert!(place("/0/7.log", 1) < place("/6/2995.log", 0));
    assert_eq!(shelf.logs.number("select count(distinct source_id) from t"), 3000);
    shelf.load().exit(0).did(0, 3000);
    assert!(web.asked().iter().all(Request::is_list));
}

/// If the date follows a prefix that all days share, one listing finds all days.
#[test]
fn a_folder_shared_by_all_days_is_listed_once() {
    let mut shelf = Shelf::new("logs/*-{date}.log");
    for day in 1..=28 {
        shelf.put(&format!("logs/app-2024-02-{day:02}.log"), log(day..=day));
    }
    let web = Web::before(shelf.bucket.cloud.port(), |_| Fate::Passes);
    shelf.through(&web);
    shelf.run("backfill -j job.toml --from 2024-02-01 --to 2024-02-29").ended(0, &[]);
    assert_eq!(shelf.logs.number("select count(*) from t"), 28);
    let lists = web.asked().iter().filter(|asked| asked.is_list()).count();
    assert!((1..=3).contains(&lists), "{lists} listings");
    shelf.put("logs/more-2024-02-07.log", log(100..=100));
    shelf.run("backfill -j job.toml --from 2024-02-01 --to 2024-02-29").ended(0, &[]);
    assert_eq!(shelf.logs.number("select count(*) from t"), 29);
}

/// A bucket with a large object followed by a small one, behind a proxy.
fn large(judge: impl Fn(&Request) -> Fate + Send + Sync + 'static) -> (Shelf<'static>, Web) {
    let mut shelf = Shelf::new("*.log*")
        .with(|logs| logs.pipeline("batch_rows = 5000\nchunk_size = \"256KiB\"\nretry_for = \"20s\""));
    shelf.put("a.log", log(1..=60_000)).put("b.log.gz", gzip(&log(60_001..=61_000), 1));
    let web = Web::before(shelf.bucket.cloud.port(), judge);
    shelf.through(&web);
    (shelf, web)
}

#[test]
fn failed_requests_are_repeated() {
    for fate in [
        Fate::Fails(500),
        Fate::Fails(503),
        Fate::IsCut,
        Fate::IsHalfAnswered,
        Fate::Waits(Duration::from_millis(300)),
    ] {
        let (shelf, _web) = large(move |asked| if asked.number % 3 == 1 { fate } else { Fate::Passes });
        shelf.load().exit(0).did(61_000, 0);
        assert_eq!(shelf.logs.number("select count(distinct n) from t"), 61_000, "{fate:?}");
    }
}

#[test]
fn an_unavailable_bucket_is_waited_for() {
    let (is_away, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (away, counted) = (Arc::clone(&is_away), Arc::clone(&reads));
    let (shelf, _web) = large(move |asked| {
        if asked.is_read() && counted.fetch_add(1, Ordering::Relaxed) == 4 {
            away.store(true, Ordering::Relaxed);
        }
        if away.load(Ordering::Relaxed) { Fate::Fails(503) } else { Fate::Passes }
    });
    let load = Piped::start(shelf.command(""));
    wait_for("the bucket to be away", || is_away.load(Ordering::Relaxed).then_some(()));
    std::thread::sleep(Duration::from_secs(4));
    is_away.store(false, Ordering::Relaxed);
    load.wait().exit(0).did(61_000, 0).says("trying again").says("no longer waiting");
}

#[test]
fn a_long_outage_of_a_bucket_ends_the_run_and_loses_nothing() {
    let is_away = Arc::new(AtomicBool::new(true));
    let (away, reads) = (Arc::clone(&is_away), AtomicUsize::new(0));
    let (shelf, _web) = large(move |asked| {
        let is_late = asked.is_read() && reads.fetch_add(1, Ordering::Relaxed) >= 9;
        if is_late && away.load(Ordering::Relaxed) { Fate::IsCut } else { Fate::Passes }
    });
    let loaded = shelf.load_with("--retry-for 2s");
    loaded.exit(1).says("gave up after");
    assert!(loaded.count("/counts/inserted") > 0);
    is_away.store(false, Ordering::Relaxed);
    shelf.load().exit(0);
    assert_eq!(shelf.logs.number("select count(distinct n) from t"), 61_000);
    assert_eq!(shelf.logs.number("select count(*) from t"), 61_000);
}

#[test]
fn an_object_overwritten_during_its_load_is_refused_alone() {
    let (port, once) = (Cloud::moto().port(), AtomicBool::new(false));
    let grown = log(1..=60_100);
    let (shelf, _web) = large(move |asked| {
        let is_third = asked.target.contains("a.log") && asked.headers.contains("range: bytes=327680-");
        if is_third && !once.swap(true, Ordering::Relaxed) {
            assert_eq!(send(port, "PUT", &asked.target, &grown), 200);
        }
        Fate::Passes
    });
    let loaded = shelf.load();
    loaded.failed("a.log", "was rewritten since it was listed");
    // The other object was loaded, and the committed part of this one stays, because the new one begins the
    // same.
    let before = loaded.count("/counts/inserted");
    assert!((1000..61_000).contains(&before), "{before}");
    shelf.load().exit(0).did(61_100 - before, 1);
    // The hundred new records have numbers that the other object has too.
    assert_eq!(shelf.logs.number("select count(*) from t"), 61_100);
    assert_eq!(shelf.logs.number("select count(distinct n) from t"), 61_000);
}

#[test]
fn an_object_deleted_during_its_load_is_a_failed_source() {
    let (port, once) = (Cloud::moto().port(), AtomicBool::new(false));
    let (shelf, _web) = large(move |asked| {
        let is_third = asked.target.contains("a.log") && asked.headers.contains("range: bytes=327680-");
        if is_third && !once.swap(true, Ordering::Relaxed) {
            assert_eq!(send(port, "DELETE", &asked.target, b""), 204);
        }
        Fate::Passes
    });
    let loaded = shelf.load();
    loaded.failed("a.log", "no such object");
    let before = loaded.count("/counts/inserted");
    shelf.put("a.log", log(1..=60_000));
    shelf.load().exit(0).did(61_000 - before, 1);
    assert_eq!(shelf.logs.number("select count(distinct n) from t"), 61_000);
}

#[test]
fn a_run_killed_anywhere_resumes() {
    crate::harness::run::needs_failpoints();
    let undisturbed = Shelf::new("*");
    let all = [
        ("a.log", log(1..=6000)),
        ("b.log.gz", gzip(&log(6001..=12_000), 6)),
        ("c.log.zst", zstd(&log(12_001..=15_000))),
    ];
    for (name, content) in &all {
        undisturbed.put(name, content);
    }
    undisturbed.load().exit(0).did(15_000, 0);
    for point in [
        "before-claim",
        "before-claim-commit",
        "after-claim",
        "before-open",
        "after-open",
        "1*off->between-batches",
        "3*off->between-batches",
        "9*off->between-batches",
    ] {
        let (passed, point) = point.split_once("->").unwrap_or(("0*off", point));
        let shelf = Shelf::new("*").with(|logs| logs.pipeline("batch_rows = 1000\nchunk_size = \"64KiB\""));
        for (name, content) in &all {
            shelf.put(name, content);
        }
        let mut command = shelf.command("");
        command.env("FAILPOINTS", format!("{point}={passed}->return(kill)"));
        let killed = Said::of(&mut command, b"");
        assert_eq!(killed.code, -1, "{point}: {killed:?}");
        shelf.load().exit(0);
        assert_eq!(shelf.rows(), undisturbed.rows(), "{passed} {point}");
    }
}

#[test]
fn every_command_accepts_objects() {
    let shelf = Shelf::new("{date}/*.log")
        .with(|logs| logs.fields("word = { type = \"text\", required = false, max_length = 3 }\n"));
    shelf
        .put("2024-01-01/a.log", log(1..=5))
        .put("2024-01-02/a.log", [log(6..=9), b"{\"n\":\"x\"}\n".to_vec()].concat());
    shelf.put("2024-01-02/none.txt", "x");
    let url = |key: &str| shelf.bucket.url(key);
    shelf.run("backfill -j job.toml --found").ended(3, &[]);
    assert_eq!(shelf.logs.number("select count(*) from t"), 9);
    let again = shelf.run("backfill -j job.toml --found");
    assert_eq!(again.code, 3, "{again:?}");
    // A day without objects.
    let none = shelf.load_with("--date 2024-01-03");
    none.exit(0).did(0, 0);
    let status = shelf.run(&format!("status -j job.toml {}", url("2024-01-01/a.log"))).ended(0, &[]);
    assert!(
        status.stdout.contains(&url("2024-01-01/a.log")) && status.stdout.contains("complete"),
        "{status:?}"
    );
    let letters = shelf.run("dead-letters list -j job.toml").ended(0, &[]);
    assert!(letters.stdout.contains(&format!("{}:5", url("2024-01-02/a.log"))), "{letters:?}");
    shelf.run("verify -j job.toml").ended(0, &[]);
    shelf.run("dead-letters replay -j job.toml").ended(3, &[]);
    let check = shelf.run(&format!("check -j job.toml --date 2024-01-01 {}", url("2024-01-01/a.log")));
    assert_eq!(check.code, 0, "{check:?}");
    let inferred = shelf.run(&format!("infer {}", url("2024-01-01/a.log"))).ended(0, &[]);
    assert!(shelf.logs.place.read("a.logmill.toml").contains(&url("2024-01-01/a.log")), "{inferred:?}");
    // Without a job.
    let loaded = shelf.run(&format!("load {} --into sqlite:other.db", url("2024-01-01/a.log"))).ended(0, &[]);
    drop(loaded);
    assert_eq!(shelf.logs.place.query_of("other.db", "select count(*) from a"), ["5"]);
    // By a pattern, although nothing asks the bucket.
    let forgotten = shelf.run(&format!("forget -j job.toml {} --delete-rows", url("2024-01-0?/*.log")));
    assert_eq!(forgotten.code, 0, "{forgotten:?}");
    assert_eq!(shelf.logs.number("select count(*) from t"), 0);
    shelf.run(&format!("forget -j job.toml {}", url("2024-01-01/a.log"))).ended(2, &["has loaded no s3://"]);
}

#[test]
fn memory_is_bounded_however_large_a_bucket_is() {
    let shelf = Shelf::new("*.log*");
    let line = format!("{{\"n\":1,\"t\":\"{}\"}}\n", "x".repeat(4000));
    let large = line.repeat(10_000);
    for n in 1..=4 {
        shelf.put(&format!("{n}.log"), &large).put(&format!("{n}.log.gz"), gzip(large.as_bytes(), 1));
    }
    drop(shelf.logs.command(""));
    let mut command = shelf.logs.place.command("check -j job.toml --output json");
    command.envs(shelf.variables.iter().cloned());
    let checked = hostile::within_bounds(command);
    assert_eq!(checked.exit(0).count("/counts/valid"), 80_000);
}

#[test]
fn missing_objects_and_buckets_are_reported() {
    let shelf = Shelf::new("a.log");
    shelf.load().failed("a.log", "no such object");
    let shelf = Shelf::new("none/*.log");
    shelf.load().exit(2).says("no file matches s3://");
    let missing = Shelf::new("x").with(|logs| logs.source("files = [\"s3://there-is-no-such-bucket/a*\"]"));
    missing.load().exit(1).says("s3://there-is-no-such-bucket/a*").says("bucket");
    let wild = Shelf::new("x").with(|logs| logs.source("files = [\"s3://b*/a.log\"]"));
    wild.load().exit(2).says("has no wildcards");
}

#[test]
fn settings_in_the_url_order_and_globs_work() {
    let mut shelf = Shelf::new("x");
    let endpoint = shelf.bucket.cloud.endpoint();
    let files = shelf.bucket.url(&format!("logs/?endpoint={endpoint}&allow_http=true&region=us-east-1"));
    shelf = shelf.with(|logs| {
        logs.source(&format!("files = [\"{files}\"]\norder = \"name-reverse\"\nexclude = [\"*.tmp\"]"))
    });
    shelf.variables.retain(|(name, _)| !["AWS_ENDPOINT", "AWS_REGION", "AWS_ALLOW_HTTP"].contains(name));
    for n in [1, 2, 10] {
        shelf.put(&format!("logs/{n}.log"), log(n..=n));
    }
    shelf.put("logs/x.tmp", "no\n");
    shelf.load().exit(0).did(3, 0);
    assert_eq!(shelf.logs.sources(), ["10.log 10", "2.log 2", "1.log 1"]);
    shelf.run("verify -j job.toml").ended(0, &[]);
}

#[test]
fn a_file_url_is_a_path() {
    let logs = Logs::new();
    logs.write("a.log", log(1..=3));
    let logs = logs.source("files = [\"*.log\"]");
    logs.load().exit(0).did(3, 0);
    let url = format!("file://{}/*.log", logs.path("").canonicalize().unwrap().display());
    let logs = logs.source(&format!("files = [\"{url}\"]"));
    logs.load().exit(0).did(0, 1);
}
