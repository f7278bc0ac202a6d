//! The ledger in each store that a job can name: real servers, with one connection per run.
//!
//! Environment variables tell a cloud store's client how to reach it, so such a test starts itself again in
//! a process that has them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use base64::Engine as _;
use logmill::sink::Answer;
use logmill::sink::ledger::{self, Entry, Failure, Store, Swap, Version, stores};
use logmill::split::Split;

use super::CLAUSES;
use super::batches::{ENDING, asked, batch, task};
use super::map::{Mapped, cut};
use super::place::Place;
use crate::harness::cloud::Cloud;
use crate::harness::lossy::losing_answers;
use crate::harness::postgres::{Database, Server, folder};
use crate::harness::proxy::{At, Fault, Proxy, Rule};
use crate::harness::redis::Redis;
use crate::harness::web::{Fate, Web};
use crate::harness::{wait_for, wait_until};

/// A running store, with the URL by which a job names it.
struct Real {
    url: String,
    variables: Vec<(&'static str, String)>,
    _holds: Holds,
}

/// Resources that live as long as the store.
#[expect(dead_code, reason = "they are there to be dropped")]
enum Holds {
    Nothing,
    Database(Database),
    Folder(tempfile::TempDir),
    Redis(Box<Redis>),
}

fn postgres() -> Real {
    let database = Server::shared().database();
    Real { url: database.url(), variables: Vec::new(), _holds: Holds::Database(database) }
}

fn sqlite() -> Real {
    let folder = folder();
    let url = format!("sqlite:{}", folder.path().join("state.db").display());
    Real { url, variables: Vec::new(), _holds: Holds::Folder(folder) }
}

fn redis() -> Real {
    let redis = Redis::start();
    Real {
        url: format!("redis://127.0.0.1:{}", redis.port()),
        variables: Vec::new(),
        _holds: Holds::Redis(Box::new(redis)),
    }
}

fn of_cloud(cloud: &'static Cloud, url: String) -> Real {
    Real { url, variables: cloud.variables(), _holds: Holds::Nothing }
}

fn seaweed() -> Real {
    of_cloud(Cloud::seaweed(), Cloud::seaweed().bucket().url("state"))
}

fn moto() -> Real {
    of_cloud(Cloud::moto(), Cloud::moto().bucket().url("state"))
}

fn azure() -> Real {
    of_cloud(Cloud::azurite(), Cloud::azurite().bucket().url("state"))
}

fn dynamodb() -> Real {
    let named = format!("dynamodb://{}?endpoint={}", Cloud::moto().name("state"), Cloud::moto().endpoint());
    of_cloud(Cloud::moto(), named)
}

/// Names the store that a child process is to test.
const STORE: &str = "LOGMILL_STORE";

impl Real {
    /// Runs `work` on the store, in a process that can reach it.
    #[track_caller]
    fn with(&self, test: &str, work: impl FnOnce(&str)) {
        if self.variables.is_empty() {
            return work(&self.url);
        }
        let output = self.command(test).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
    }

    /// A command that runs this test again.
    fn command(&self, test: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("contract::stores::{test}")]).env(STORE, &self.url);
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command
    }
}

/// The store given to this process, if a test started it for one.
fn given() -> Option<String> {
    std::env::var(STORE).ok()
}

#[track_caller]
fn open(url: &str) -> Arc<dyn Store> {
    stores::open(url, "/".as_ref(), Duration::from_secs(10)).unwrap().store
}

/// Repeats a request until there is an answer.
#[track_caller]
fn answer<T>(ask: impl Fn() -> Result<T, Failure>) -> T {
    wait_for("the store", || match ask() {
        Ok(answer) => Some(answer),
        Err(Failure::Away(_)) => None,
        Err(Failure::Final(error)) => panic!("{error}"),
    })
}

/// A key prefix that no other test uses.
fn own_prefix() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    ledger::prefix(&format!("test {} {count}", std::process::id()), "t")
}

/// Longer than for memory, because heartbeats over a network are slower.
const LEASE: Duration = Duration::from_millis(1_000);

/// A place in a store. Each run has its own connection.
fn place(url: &str) -> Place {
    let (url, prefix, letters) = (url.to_owned(), own_prefix(), Arc::default());
    let (store, kept) = (open(&url), Arc::new(std::sync::Mutex::new(Vec::new())));
    let all = {
        let (store, prefix) = (Arc::clone(&store), prefix.clone());
        move || answer(|| store.list(&prefix))
    };
    let (for_cut, for_put_back, all_again, older) =
        (Arc::clone(&store), store, all.clone(), Arc::clone(&kept));
    let source = format!("{prefix}source/1/");
    Place {
        folder: folder(),
        kept: Box::new(move |settings| {
            let (prefix, letters) = (prefix.clone(), Arc::clone(&letters));
            Box::new(Mapped { store: open(&url), prefix, lease: LEASE, letters, settings })
        }),
        keep: Box::new(move || *kept.lock().unwrap() = all()),
        put_back: Box::new(move || {
            let older: Vec<(String, Entry)> = older.lock().unwrap().clone();
            for (key, entry) in all_again() {
                if !older.iter().any(|(kept, _)| *kept == key) {
                    set(&*for_put_back, &key, Some(&entry.version), None);
                }
            }
            for (key, entry) in older {
                put_back(&*for_put_back, &key, &entry.value);
            }
        }),
        cut: Box::new(move |at| {
            let [from, to] = [0, at].map(|start| format!("{source}{start}"));
            let entry = answer(|| for_cut.get(&from)).unwrap();
            let (first, second) = cut(&entry.value, at);
            set(&*for_cut, &from, Some(&entry.version), Some(&first));
            set(&*for_cut, &to, None, Some(&second));
        }),
    }
}

/// Sets a key that nobody else writes. If the store refuses, an earlier attempt succeeded and lost its
/// answer.
#[track_caller]
fn set(store: &dyn Store, key: &str, expected: Option<&Version>, value: Option<&[u8]>) -> Option<Version> {
    if let Swap::Done(version) = answer(|| store.compare_and_set(key, expected, value)) {
        return version;
    }
    let now = answer(|| store.get(key));
    assert_eq!(now.as_ref().map(|now| &now.value[..]), value, "{key} is not what it was");
    now.map(|now| now.version)
}

/// Restores a key's earlier value, even if a heartbeat writes it meanwhile.
fn put_back(store: &dyn Store, key: &str, value: &[u8]) {
    wait_until("the key to be put back", || {
        let now = answer(|| store.get(key));
        let is_so = now.as_ref().is_some_and(|now| now.value == value);
        let version = now.map(|now| now.version);
        is_so || matches!(answer(|| store.compare_and_set(key, version.as_ref(), Some(value))), Swap::Done(_))
    });
}

/// Runs all clauses against a store, each in a new place, and the tests of stores themselves.
fn keeps_the_contract(url: &str) {
    values_change_only_as_they_are_expected_to_be(&*open(url));
    one_of_many_is_first(url);
    keeps_the_clauses(url);
}

fn values_change_only_as_they_are_expected_to_be(store: &dyn Store) {
    let prefix = own_prefix();
    let key = |name: &str| format!("{prefix}{name}");
    let refused = |key: &str, expected: Option<&Version>, value: Option<&[u8]>| {
        assert!(matches!(answer(|| store.compare_and_set(key, expected, value)), Swap::Refused));
    };
    assert!(answer(|| store.check()).is_empty());
    assert!(answer(|| store.get(&key("run/1"))).is_none());
    assert!(answer(|| store.list(&prefix)).is_empty());
    let one = key("run/1");
    // Made once, and then changed only by a writer that knows its version.
    let first = set(store, &one, None, Some(b"a")).unwrap();
    refused(&one, None, Some(b"b"));
    let second = set(store, &one, Some(&first), Some(b"a")).unwrap();
    assert_ne!(first, second, "the same bytes under another version");
    refused(&one, Some(&first), Some(b"c"));
    refused(&one, Some(&first), None);
    let found = answer(|| store.get(&one)).unwrap();
    assert_eq!((found.version, found.value), (second.clone(), b"a".to_vec()));
    // A removed key is gone, and can be made again.
    assert!(set(store, &one, Some(&second), None).is_none());
    assert!(answer(|| store.get(&one)).is_none());
    assert!(answer(|| store.list(&prefix)).is_empty());
    refused(&one, Some(&second), Some(b"d"));
    let third = set(store, &one, None, Some(b"a")).unwrap();
    assert!(third != first && third != second);
    refused(&one, None, Some(b"e"));
    // Values keep every byte.
    let odd: Vec<u8> = (0..=255).chain(*b"\n\r\n ").collect();
    set(store, &one, Some(&third), Some(&odd));
    assert_eq!(answer(|| store.get(&one)).unwrap().value, odd);
    // A listing has every key with the prefix and no other.
    for name in ["run/2", "run", "runs/3", "source/1", "source/1/0", "source/10"] {
        set(store, &key(name), None, Some(name.as_bytes()));
    }
    let listed = |begin: &str| -> Vec<String> {
        let listed = answer(|| store.list(&key(begin)));
        let mut names: Vec<String> = listed.iter().map(|(key, _)| key[prefix.len()..].to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(listed("run/"), ["run/1", "run/2"]);
    assert_eq!(listed("source/1/"), ["source/1/0"]);
    assert_eq!(listed("").len(), 7);
    // More keys than fit on a page of any store, and a large value.
    let large = vec![b'x'; 200_000];
    set(store, &key("large/1"), None, Some(&large));
    assert_eq!(answer(|| store.list(&key("large/")))[0].1.value, large);
}

/// The number of concurrent runs that race to be first.
const RACERS: usize = 8;

fn one_of_many_is_first(url: &str) {
    let (key, together) = (own_prefix() + "job", Barrier::new(RACERS));
    let mut known = None;
    for _ in 0..5 {
        let won: Vec<Version> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS)
                .map(|racer| {
                    let (key, together, known) = (&key, &together, &known);
                    scope.spawn(move || {
                        let store = open(url);
                        together.wait();
                        let value = racer.to_string();
                        match answer(|| store.compare_and_set(key, known.as_ref(), Some(value.as_bytes()))) {
                            Swap::Done(version) => version,
                            Swap::Refused => None,
                        }
                    })
                })
                .collect();
            racers.into_iter().filter_map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(won.len(), 1, "{won:?}");
        known = won.into_iter().next();
        assert_eq!(answer(|| open(url).get(&key)).map(|entry| entry.version), known);
    }
}

macro_rules! stores {
    ($($store:ident: $contract:ident, $race:ident;)*) => { $(
        #[test]
        fn $contract() {
            match given() {
                Some(url) => keeps_the_contract(&url),
                None => $store().with(stringify!($contract), keeps_the_contract),
            }
        }

        #[test]
        fn $race() {
            match given() {
                Some(url) => play(&url),
                None => race(&$store(), stringify!($race)),
            }
        }
    )* };
}

stores! {
    postgres: postgres_keeps_the_ledger_of_others, of_two_processes_over_postgres_one_loads;
    sqlite: sqlite_keeps_the_ledger_of_others, of_two_processes_over_sqlite_one_loads;
    redis: redis_keeps_a_ledger, of_two_processes_over_redis_one_loads;
    seaweed: a_bucket_of_seaweedfs_keeps_a_ledger, of_two_processes_over_a_bucket_one_loads;
    moto: a_bucket_of_moto_keeps_a_ledger, of_two_processes_over_moto_one_loads;
    azure: a_bucket_of_azure_keeps_a_ledger, of_two_processes_over_azure_one_loads;
    dynamodb: dynamodb_keeps_a_ledger, of_two_processes_over_dynamodb_one_loads;
}

/// Tell a racing process the file and the key prefix.
const FILE: &str = "LOGMILL_FILE";
const PREFIX: &str = "LOGMILL_PREFIX";

/// Races two processes for one file. One loads all of it; the other learns in one way or another that it may
/// not.
fn race(real: &Real, test: &str) {
    let folder = folder();
    let file = folder.path().join("a");
    std::fs::write(&file, "\n".repeat(40)).unwrap();
    let prefix = own_prefix();
    let processes = [(); 2].map(|()| {
        let mut command = real.command(test);
        command.env(FILE, &file).env(PREFIX, &prefix).arg("--nocapture").stdout(Stdio::piped());
        command.spawn().unwrap()
    });
    let said = processes.map(|process| {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        said.lines().find_map(|line| line.strip_prefix("loaded ").map(|count| count.parse::<u64>().unwrap()))
    });
    let loaded: Vec<u64> = said.iter().flatten().copied().collect();
    assert_eq!(loaded.iter().sum::<u64>(), 40, "{said:?}");
}

/// Plays one of the two processes: prints by how many lines it moved the checkpoint.
fn play(url: &str) {
    let file = PathBuf::from(std::env::var(FILE).unwrap());
    let mut place = place(url);
    let (prefix, url) = (std::env::var(PREFIX).unwrap(), url.to_owned());
    place.kept = Box::new(move |settings| {
        let letters = Arc::default();
        Box::new(Mapped { store: open(&url), prefix: prefix.clone(), lease: LEASE, letters, settings })
    });
    let mut run = place.open_impatient();
    let mut loaded = 0;
    if let Ok(answers) = run.claim(&asked(&[&file]))
        && let [Answer::Load { tasks, .. }] = &answers[..]
    {
        for from in (tasks[0].start.position..40).step_by(4) {
            match run.commit(&batch(&file, tasks[0].split, (from, from + 4), false)) {
                Ok(_) => loaded += 4,
                Err(_) => break,
            }
        }
        let _ = run.finish(&ENDING);
    }
    println!("\nloaded {loaded}");
}

/// A server that is killed and restarted repeatedly during a run.
fn a_restart_in_the_middle_loses_nothing(place: &Place, restart: &dyn Fn()) {
    let (path, mut run) = (place.file("a", 60), place.open());
    let first = task(&mut *run, &asked(&[&path]));
    for from in (0..60).step_by(10) {
        if from % 20 == 10 {
            restart();
        }
        run.commit(&batch(&path, first.split, (from, from + 10), false)).unwrap();
    }
    run.finish(&ENDING).unwrap();
    assert_eq!(place.source(), (1, 60, true));
    let split = Split::whole(1);
    assert_eq!(first.split, split);
}

#[test]
fn a_restart_of_redis_in_the_middle_loses_nothing() {
    let redis = Redis::start();
    let url = format!("redis://127.0.0.1:{}", redis.port());
    a_restart_in_the_middle_loses_nothing(&place(&url), &|| redis.again());
}

/// Valkey syncs its log once a second, and can be asked to confirm it.
#[test]
fn a_move_acknowledged_by_valkey_is_in_its_log() {
    let valkey = Redis::valkey();
    let url = format!("redis://127.0.0.1:{}", valkey.port());
    let (store, key) = (open(&url), own_prefix() + "run/1");
    assert!(answer(|| store.check()).is_empty(), "it can be asked");
    let mut version = set(&*store, &key, None, Some(b"0")).unwrap();
    for number in 1..4 {
        // The server's report of what it has still to sync lags behind its answer. It counts at once that it
        // was asked to sync and did not fail.
        let before = waits(&valkey);
        version = set(&*store, &key, Some(&version), Some(number.to_string().as_bytes())).unwrap();
        let (asked, failed) = waits(&valkey);
        assert!(asked > before.0 && failed == before.1, "{before:?}, {asked}, {failed}");
    }
    valkey.again();
    assert_eq!(answer(|| store.get(&key)).unwrap().value, b"3");
    a_restart_in_the_middle_loses_nothing(&place(&url), &|| valkey.again());
}

/// How often a server was asked to wait for a sync, and how often it failed to.
fn waits(valkey: &Redis) -> (u64, u64) {
    let stats = valkey.ask(&["INFO", "commandstats"]);
    let line =
        stats.lines().find_map(|line| line.trim().strip_prefix("cmdstat_waitaof:")).unwrap_or_default();
    let number = |name: &str| {
        let value = line.split(',').find_map(|pair| pair.strip_prefix(name));
        value.map_or(0, |value| value.parse().unwrap())
    };
    (number("calls="), number("failed_calls=") + number("rejected_calls="))
}

#[test]
fn a_redis_without_a_log_causes_a_warning() {
    let redis = Redis::forgetful();
    let doubts = answer(|| open(&format!("redis://127.0.0.1:{}", redis.port())).check());
    assert!(doubts[0].contains("appendonly no"), "{doubts:?}");
}

#[test]
fn a_restart_of_postgres_in_the_middle_loses_nothing() {
    use crate::harness::postgres::Options;
    let database = Server::start(Options { fsync: true, ..Options::default() }).database();
    a_restart_in_the_middle_loses_nothing(&place(&database.url()), &|| {
        database.server().stop_immediate();
        database.server().restart();
    });
}

#[test]
fn a_restart_of_a_bucket_in_the_middle_loses_nothing() {
    if let Some(url) = given() {
        let restarts = PathBuf::from(std::env::var(FILE).unwrap());
        // The process that started this one controls the server.
        return a_restart_in_the_middle_loses_nothing(&place(&url), &|| {
            std::fs::write(&restarts, "").unwrap();
            wait_until("the restart", || !restarts.exists());
        });
    }
    let cloud = Cloud::own_seaweed();
    let real =
        Real { url: cloud.bucket().url("state"), variables: cloud.variables(), _holds: Holds::Nothing };
    let folder = folder();
    let restarts = folder.path().join("restart");
    let mut command = real.command("a_restart_of_a_bucket_in_the_middle_loses_nothing");
    let mut process = command.env(FILE, &restarts).spawn().unwrap();
    let status = wait_for("the load to end", || {
        if restarts.exists() {
            cloud.again();
            std::fs::remove_file(&restarts).unwrap();
        }
        process.try_wait().unwrap()
    });
    assert!(status.success());
}

/// A store that accepts conditional writes and ignores the condition would let two runs each believe that
/// they own a source.
#[test]
fn a_store_that_ignores_conditions_is_refused() {
    const TEST: &str = "a_store_that_ignores_conditions_is_refused";
    if let Some(url) = given() {
        match open(&url).check() {
            Err(Failure::Final(error)) => {
                assert!(error.to_string().contains("ignores the conditions of writes"), "{error}");
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    let cloud = Cloud::rclone();
    let real =
        Real { url: cloud.bucket().url("state"), variables: cloud.variables(), _holds: Holds::Nothing };
    real.with(TEST, |_| ());
}

/// Runs all clauses over a connection that fails.
fn keeps_the_clauses(url: &str) {
    for (name, clause) in CLAUSES {
        eprintln!("{name}");
        clause(&place(url));
    }
}

#[test]
fn redis_keeps_the_ledger_despite_lost_answers() {
    let redis = Redis::start();
    keeps_the_clauses(&format!("redis://127.0.0.1:{}", losing_answers(redis.port())));
}

#[test]
fn postgres_keeps_another_destinations_ledger_despite_lost_answers() {
    let database = Server::shared().database();
    // BEGIN contains the word too, in its settings, as COMMIT does.
    let rule =
        |connection: usize| Rule { at: At::Query("commit", 1 + connection % 6), fault: Fault::CutAnswer };
    let proxy = Proxy::on_tcp(&database, (0..150).map(rule).collect());
    keeps_the_clauses(proxy.url());
    let struck = proxy.traffic().iter().filter(|traffic| traffic.struck).count();
    assert!(struck > 30, "{struck} answers were lost");
}

/// A proxy in front of moto that executes every fourth write and drops the answer; and a counter of dropped
/// answers.
fn losing_writes() -> (Web, Arc<AtomicUsize>) {
    let (writes, lost) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&lost);
    let web = Web::before(Cloud::moto().port(), move |asked| {
        let is_write = asked.method == "PUT" || asked.is_for("PutItem") || asked.is_for("DeleteItem");
        match is_write && writes.fetch_add(1, Ordering::Relaxed) % 4 == 1 {
            true => {
                counted.fetch_add(1, Ordering::Relaxed);
                Fate::IsUnheard
            }
            false => Fate::Passes,
        }
    });
    (web, lost)
}

#[test]
fn a_bucket_keeps_the_ledger_despite_lost_answers() {
    const TEST: &str = "a_bucket_keeps_the_ledger_despite_lost_answers";
    if let Some(url) = given() {
        return keeps_the_clauses(&url);
    }
    let ((web, lost), mut real) = (losing_writes(), moto());
    for (name, value) in &mut real.variables {
        if *name == "AWS_ENDPOINT" {
            *value = web.endpoint();
        }
    }
    real.with(TEST, |_| ());
    let lost = lost.load(Ordering::Relaxed);
    assert!(lost > 30, "{lost} answers were lost");
}

#[test]
fn dynamodb_keeps_the_ledger_despite_lost_answers() {
    const TEST: &str = "dynamodb_keeps_the_ledger_despite_lost_answers";
    if let Some(url) = given() {
        return keeps_the_clauses(&url);
    }
    let ((web, lost), mut real) = (losing_writes(), dynamodb());
    real.url = real.url.replace(&Cloud::moto().endpoint(), &web.endpoint());
    real.with(TEST, |_| ());
    let lost = lost.load(Ordering::Relaxed);
    assert!(lost > 30, "{lost} answers were lost");
}

#[test]
fn a_stores_password_works_and_is_never_shown() {
    let redis = Redis::with_password("geheim");
    let url = |login: &str| format!("redis://{login}127.0.0.1:{}/2", redis.port());
    assert!(answer(|| open(&url(":geheim@")).get("a/b")).is_none());
    for (login, word) in [("", "NOAUTH"), (":geheimer@", "WRONGPASS"), ("ada:geheim@", "WRONGPASS")] {
        match open(&url(login)).get("a/b") {
            Err(Failure::Final(error)) => {
                let said = error.to_string();
                assert!(said.contains(word) && !said.contains("geheim"), "{said}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Answers like an AWS service, given the operation and the number of earlier requests.
type Service = fn(&str, usize) -> (u16, &'static str);

/// The raw requests that such a service received.
type Requests = Arc<std::sync::Mutex<Vec<Vec<u8>>>>;

/// Starts a fake service. Returns its endpoint and a log of its requests.
fn acting(service: Service) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked = Requests::default();
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for (number, line) in listener.incoming().map_while(Result::ok).enumerate() {
            let request = request(&line);
            log.lock().unwrap().push(request.clone());
            let request = String::from_utf8_lossy(&request).to_lowercase();
            let operation = request.split("x-amz-target: dynamodb_20120810.").nth(1);
            let operation = operation.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
            let (status, body) = service(operation, number);
            let head =
                format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = (&line).write_all((head + body).as_bytes());
        }
    });
    (endpoint, asked)
}

/// Reads a raw request with its complete body.
fn request(mut line: &TcpStream) -> Vec<u8> {
    let (mut request, mut part) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let count = line.read(&mut part).unwrap_or(0);
        request.extend_from_slice(&part[..count]);
        let head = request.windows(4).position(|end| end == b"\r\n\r\n").map(|end| end + 4);
        let text = String::from_utf8_lossy(&request[..head.unwrap_or(0)]).to_lowercase();
        let length =
            text.split("content-length:").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
        let is_whole = head.is_some_and(|head| request.len() >= head + length.unwrap_or(0));
        if count == 0 || is_whole {
            return request;
        }
    }
}

/// A table in a service that only acts like DynamoDB.
fn table_of(service: Service) -> (Real, Requests) {
    let (endpoint, asked) = acting(service);
    let mut real = dynamodb();
    real.url = format!("dynamodb://state?endpoint={endpoint}");
    (real, asked)
}

#[test]
fn a_table_that_cannot_be_created_is_reported_with_the_command_for_it() {
    const TEST: &str = "a_table_that_cannot_be_created_is_reported_with_the_command_for_it";
    if let Some(url) = given() {
        let store = open(&url);
        assert!(answer(|| store.get("a/b")).is_none(), "who only looks makes nothing");
        let Err(Failure::Final(error)) = store.compare_and_set("a/b", None, Some(b"x")) else {
            panic!("it was made")
        };
        let said = error.to_string();
        assert!(said.contains("aws dynamodb create-table --table-name state"), "{said}");
        assert!(said.contains("AccessDeniedException"), "{said}");
        return;
    }
    let denies = |operation: &str, _| match operation {
        "createtable" => (400, r#"{"__type":"x#AccessDeniedException","message":"no"}"#),
        _ => (400, r#"{"__type":"x#ResourceNotFoundException","message":"no table"}"#),
    };
    table_of(denies).0.with(TEST, |_| ());
}

#[test]
fn throttled_requests_to_a_table_are_repeated() {
    const TEST: &str = "throttled_requests_to_a_table_are_repeated";
    if let Some(url) = given() {
        let store = open(&url);
        assert!(matches!(store.get("a/b"), Err(Failure::Away(_))));
        assert!(matches!(store.get("a/b"), Err(Failure::Away(_))));
        assert!(answer(|| store.get("a/b")).is_none());
        return;
    }
    let throttles = |_: &str, number| match number {
        0 => (400, r#"{"__type":"x#ProvisionedThroughputExceededException","message":"slowly"}"#),
        1 => (500, ""),
        _ => (200, "{}"),
    };
    table_of(throttles).0.with(TEST, |_| ());
}

/// moto checks no signature, so this compares ours with the one that AWS's own client makes.
#[test]
fn requests_to_a_table_are_signed_as_aws_does() {
    const TEST: &str = "requests_to_a_table_are_signed_as_aws_does";
    if let Some(url) = given() {
        let store = open(&url);
        assert!(answer(|| store.get("a/b")).is_none());
        set(&*store, "a/b", None, Some("ä\u{1f600} and more".as_bytes()));
        set(&*store, "a/b", Some(&Version("1".to_owned())), None);
        return;
    }
    let (real, asked) = table_of(|_, _| (200, "{}"));
    real.with(TEST, |_| ());
    let requests = asked.lock().unwrap();
    assert_eq!(requests.len(), 3);
    for request in requests.iter() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(request);
        assert_eq!(Cloud::moto().boto(&["is_signed", "dynamodb", &encoded]), true);
        let forged = String::from_utf8_lossy(request).replace("x-amz-date: 2", "x-amz-date: 3");
        let encoded = base64::engine::general_purpose::STANDARD.encode(forged);
        assert_eq!(Cloud::moto().boto(&["is_signed", "dynamodb", &encoded]), false);
    }
}
