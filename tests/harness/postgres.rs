//! Private PostgreSQL servers, each in its own directory, removed with the test.
//!
//! A server listens only on a unix socket in its own directory, so any number of test runs can share a
//! machine. A test that needs TCP gets a free port of 127.0.0.1. `initdb` runs once per process, and every
//! server starts from a copy of its result. PostgreSQL refuses to run as root, so root runs it as another
//! user.
//!
//! No server outlives the test run, however that run ends. Destructors do not run on SIGKILL, so there is a
//! watchdog: a shell that reads from a pipe whose other end we hold. When we are gone, it reads end of file,
//! stops the remaining servers and removes our directory.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use postgres::{Client, NoTls};

use super::{skip_here, wait_for, wait_until, without_pg_variables};

/// A running server. Clones share it; it stops when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Server(Arc<Inner>);

struct Inner {
    /// Holds its socket, its log and its data.
    directory: PathBuf,
    port: u16,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    postmaster: Mutex<Option<Child>>,
}

/// Options of a private server.
#[derive(Default)]
pub(crate) struct Options {
    /// Whether commits reach the disk. This is slow, so only tests that need it set it.
    pub(crate) fsync: bool,
    /// Whether it also listens on a port of 127.0.0.1.
    pub(crate) tcp: bool,
    /// Further settings, as in postgresql.conf.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// The lines of pg_hba.conf. By default the server trusts everyone.
    pub(crate) hba: Option<String>,
    /// TLS on the port.
    pub(crate) tls: Option<Tls>,
    /// Environment variables of the server.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// The files of a server that speaks TLS. The server gets copies.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// The authority that signs client certificates.
    pub(crate) client_authority: Option<PathBuf>,
}

impl Server {
    /// The server that tests share. Its commits do not reach the disk.
    pub(crate) fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Server::start(Options::default()))
    }

    /// Starts a server for one test.
    pub(crate) fn start(options: Options) -> Server {
        let grounds = Grounds::get();
        let directory = grounds.new_directory(if options.fsync { &grounds.disk } else { &grounds.root });
        let data = directory.join("data");
        grounds.copy(grounds.template(), &data);
        let mut arguments = vec![
            "fsync=".to_owned() + if options.fsync { "on" } else { "off" },
            "full_page_writes=".to_owned() + if options.fsync { "on" } else { "off" },
            "max_connections=50".to_owned(),
            "shared_buffers=32MB".to_owned(),
        ];
        if let Some(tls) = &options.tls {
            arguments.push("ssl=on".to_owned());
            let files = [
                ("ssl_cert_file", Some(&tls.certificate)),
                ("ssl_key_file", Some(&tls.key)),
                ("ssl_ca_file", tls.client_authority.as_ref()),
            ];
            for (setting, file) in files {
                let Some(file) = file else { continue };
                grounds.copy(file, &data.join(setting));
                arguments.push(format!("{setting}={setting}"));
            }
        }
        if let Some(hba) = &options.hba {
            fs::write(data.join("pg_hba.conf"), hba).unwrap();
        }
        arguments.extend(options.settings.iter().map(|(name, value)| format!("{name}={value}")));
        let listening = if options.tcp { "127.0.0.1" } else { "" };
        arguments.push(format!("listen_addresses={listening}"));

        // Another process can take the port between our look and the server's.
        for _ in 0..5 {
            let port = if options.tcp { free_port() } else { 5432 };
            let inner = Inner {
                directory: directory.clone(),
                port,
                arguments: arguments.clone(),
                environment: options.environment.clone(),
                postmaster: Mutex::new(None),
            };
            let server = Server(Arc::new(inner));
            if server.try_launch() {
                return server;
            }
            // The next attempt uses the same directory.
            std::mem::forget(server);
        }
        if log(&directory).contains("not supported by this build") {
            skip_here("this server was built without what the test needs");
        }
        panic!("the server does not start:\n{}", log(&directory));
    }

    /// Creates a database for one test.
    pub(crate) fn database(&self) -> Database {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.client("postgres").batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        Database { server: self.clone(), name }
    }

    /// A superuser connection over the socket.
    pub(crate) fn client(&self, database: &str) -> Client {
        self.try_client(database).unwrap()
    }

    pub(crate) fn try_client(&self, database: &str) -> Result<Client, postgres::Error> {
        let mut config = postgres::Config::new();
        config.host_path(self.directory()).port(self.port()).user("postgres").dbname(database).connect(NoTls)
    }

    /// The URL of a database, over the socket.
    pub(crate) fn url(&self, database: &str) -> String {
        let directory = self.directory().display().to_string().replace('%', "%25").replace('/', "%2F");
        format!("postgres://postgres@{directory}:{}/{database}", self.port())
    }

    /// psql, as another client built on libpq. It comes with the client package and may be missing.
    pub(crate) fn psql(&self) -> Option<Command> {
        let program = Grounds::get().binaries.join("psql");
        program.exists().then(|| {
            let mut command = Command::new(program);
            without_pg_variables(&mut command);
            command
        })
    }

    /// Skips a test if the server lacks this extension or was built without ICU.
    pub(crate) fn needs(&self, part: &str) {
        let mut client = self.client("postgres");
        let has = match part {
            "ICU" => client
                .batch_execute("BEGIN; CREATE COLLATION c (provider = icu, locale = 'und'); ROLLBACK")
                .is_ok(),
            _ => {
                let sql = "SELECT count(*) > 0 FROM pg_available_extensions WHERE name = $1";
                client.query_one(sql, &[&part]).unwrap().get(0)
            }
        };
        if !has {
            skip_here(&format!("this server has no {part}"));
        }
    }

    /// The directory of its socket.
    pub(crate) fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// The number in its socket's name and, if it listens on 127.0.0.1, its port there.
    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory().join(format!(".s.PGSQL.{}", self.port()))
    }

    /// The server's log.
    pub(crate) fn log(&self) -> String {
        log(self.directory())
    }

    /// Stops the server like a power cut: unwritten data is lost, and the next start recovers.
    pub(crate) fn stop_immediate(&self) {
        self.stop("QUIT");
    }

    /// Shuts the server down cleanly, without waiting for its clients.
    pub(crate) fn stop_fast(&self) {
        self.stop("INT");
    }

    /// Starts the server again in the same place, stopping it first if it runs.
    pub(crate) fn restart(&self) {
        self.stop_fast();
        assert!(self.try_launch(), "the server does not start again:\n{}", self.log());
    }

    /// Saves a copy of the data, for which the server is down for a moment. `put_back` restores it.
    pub(crate) fn back_up(&self) {
        self.stop_fast();
        let older = self.directory().join("older");
        let _ = fs::remove_dir_all(&older);
        Grounds::get().copy(&self.directory().join("data"), &older);
        self.restart();
    }

    /// Makes the server lose everything since `back_up`, as a fail-over to a lagging standby does.
    pub(crate) fn put_back(&self) {
        self.stop_immediate();
        let (data, older) = (self.directory().join("data"), self.directory().join("older"));
        fs::remove_dir_all(&data).unwrap();
        Grounds::get().copy(&older, &data);
        self.restart();
    }

    /// Waits until the server accepts clients, for instance after it lost a backend.
    pub(crate) fn wait_ready(&self) {
        wait_until("the server to let us in", || self.try_client("postgres").is_ok());
    }

    /// Gives a file or directory to the user who runs the server.
    pub(crate) fn adopt(&self, path: &Path) {
        Grounds::get().give(path);
    }

    /// Kills a backend with SIGKILL, which sends the whole server into recovery. Returns once the server has
    /// noticed.
    pub(crate) fn kill_backend(&self, pid: i32) {
        let mut witness = self.client("postgres");
        signal("KILL", pid);
        wait_until("the server to notice", || witness.batch_execute("SELECT").is_err());
    }

    /// Freezes a backend with SIGSTOP until the guard is dropped.
    pub(crate) fn freeze_backend(&self, pid: i32) -> Frozen {
        signal("STOP", pid);
        Frozen(pid)
    }

    /// Starts the server and waits until it accepts clients. Returns false if it ends first.
    fn try_launch(&self) -> bool {
        let mut command = Grounds::get().command("postgres");
        let log = File::options().create(true).append(true).open(self.directory().join("log")).unwrap();
        command.arg("-D").arg(self.directory().join("data")).arg("-k").arg(self.directory());
        command.args(["-p", &self.port().to_string()]);
        for argument in &self.0.arguments {
            command.args(["-c", argument]);
        }
        command.envs(self.0.environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let ready = wait_for("the server to start", || {
            if child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            self.try_client("postgres").is_ok().then_some(true)
        });
        if ready {
            *self.0.postmaster.lock().unwrap() = Some(child);
        }
        ready
    }

    fn stop(&self, how: &str) {
        self.0.stop(how);
    }
}

impl Inner {
    fn stop(&self, how: &str) {
        let Some(mut postmaster) = self.postmaster.lock().unwrap().take() else { return };
        signal(how, postmaster.id().try_into().unwrap());
        wait_until("the server to stop", || postmaster.try_wait().unwrap().is_some());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A second panic would hide the first. The watchdog stops the server.
            eprintln!("the log of the server of the test that failed:\n{}", log(&self.directory));
            return;
        }
        self.stop("QUIT");
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

/// An empty folder on a fast file system. It is removed with the returned value or, if the test run is
/// killed, together with the servers.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(&Grounds::get().root).unwrap()
}

/// A database that is dropped with this value.
pub(crate) struct Database {
    server: Server,
    name: String,
}

impl Database {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The URL of the database, over the socket.
    pub(crate) fn url(&self) -> String {
        self.server.url(&self.name)
    }

    pub(crate) fn client(&self) -> Client {
        self.server.client(&self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A test may have stopped the server.
        if let Ok(mut client) = self.server.try_client("postgres") {
            // This must not hang on a server whose commits do.
            let _ = client.batch_execute("SET synchronous_commit = local");
            let _ = client.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// A backend frozen by SIGSTOP. Dropping this resumes it.
pub(crate) struct Frozen(i32);

impl Drop for Frozen {
    fn drop(&mut self) {
        // It may be gone: stopping a server kills frozen backends.
        let _ = send("CONT", self.0);
    }
}

/// State shared by all servers of this process.
struct Grounds {
    binaries: PathBuf,
    /// The user who runs the servers, if we must not.
    owner: Option<Owner>,
    /// The directory of everything. Its path is short because socket paths are limited. It is in memory if
    /// there is room: ext4 creates files slowly when many were deleted in the last minutes, and a server is
    /// a thousand files (1 s per start instead of 0.2 s).
    root: PathBuf,
    /// The directory of servers whose commits must reach a disk.
    disk: PathBuf,
    /// Holds the pipe that tells the watchdog that we are alive.
    _watchdog: Child,
    count: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Grounds {
    fn get() -> &'static Grounds {
        static GROUNDS: OnceLock<Grounds> = OnceLock::new();
        GROUNDS.get_or_init(Grounds::prepare)
    }

    fn prepare() -> Grounds {
        let binaries = find_binaries();
        let usual = std::env::temp_dir();
        let on_disk = if usual.as_os_str().len() <= 40 { &usual } else { Path::new("/tmp") };
        let disk = new_root(on_disk);
        let memory = Path::new("/dev/shm");
        let root = if free_bytes(memory) > 4 << 30 { new_root(memory) } else { disk.clone() };
        // The owner of a new file is the user we run as.
        let owner = (fs::metadata(&root).unwrap().uid() == 0).then(unprivileged);
        if let Some(owner) = owner {
            for root in [&root, &disk] {
                chown(root, Some(owner.uid), Some(owner.gid)).unwrap();
            }
        }
        let script = r#"cat
            for root; do
                for data in "$root"/*/data; do "$0"/pg_ctl stop -s -m immediate -D "$data"; done
                rm -rf "$root"
            done"#;
        let mut watchdog = prepared("sh".as_ref(), owner, Path::new("/"));
        watchdog.args(["-c", script]).arg(&binaries).arg(&root).arg(&disk).stdin(Stdio::piped());
        let watchdog = watchdog.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Grounds { binaries, owner, root, disk, _watchdog: watchdog, count: AtomicUsize::new(0) }
    }

    /// The cluster from initdb that every server copies.
    fn template(&self) -> &'static Path {
        static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
        TEMPLATE.get_or_init(|| {
            let data = self.root.join("template");
            let output = self
                .command("initdb")
                .args(["-N", "-A", "trust", "-E", "UTF8", "--no-locale", "-U", "postgres", "-D"])
                .arg(&data)
                .output()
                .unwrap();
            assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
            data
        })
    }

    fn new_directory(&self, root: &Path) -> PathBuf {
        let directory = root.join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
        self.make_directory(&directory);
        directory
    }

    fn make_directory(&self, path: &Path) {
        DirBuilder::new().mode(0o700).create(path).unwrap();
        self.give(path);
    }

    /// Copies a file or directory, owned by the user who runs the servers.
    fn copy(&self, from: &Path, to: &Path) {
        if !from.is_dir() {
            fs::copy(from, to).unwrap();
            fs::set_permissions(to, fs::Permissions::from_mode(0o600)).unwrap();
            return self.give(to);
        }
        self.make_directory(to);
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            self.copy(&entry.path(), &to.join(entry.file_name()));
        }
    }

    fn give(&self, path: &Path) {
        if let Some(owner) = self.owner {
            chown(path, Some(owner.uid), Some(owner.gid)).unwrap();
        }
    }

    /// A server program, run by the owner of the servers.
    fn command(&self, program: &str) -> Command {
        prepared(self.binaries.join(program).as_os_str(), self.owner, &self.root)
    }
}

fn prepared(program: &OsStr, owner: Option<Owner>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    without_pg_variables(&mut command);
    // In its own process group, so that Ctrl-C reaches only us. We, or the watchdog, stop the rest.
    command.env("TZ", "UTC").current_dir(directory).stdin(Stdio::null()).process_group(0);
    if let Some(owner) = owner {
        command.uid(owner.uid).gid(owner.gid);
    }
    command
}

fn new_root(base: &Path) -> PathBuf {
    tempfile::Builder::new().prefix("lm").tempdir_in(base).unwrap().keep()
}

fn free_bytes(directory: &Path) -> u64 {
    let output = Command::new("df").arg("-Pk").arg(directory).output();
    let table =
        output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned());
    let kibibytes = table.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    kibibytes.unwrap_or(0) << 10
}

fn unprivileged() -> Owner {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user = |wanted| {
        users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let owner =
                || Some(Owner { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? });
            if fields[0] == wanted { owner() } else { None }
        })
    };
    user("postgres").or_else(|| user("nobody")).expect("a user other than root to run the server")
}

fn find_binaries() -> PathBuf {
    let has_server =
        |directory: &PathBuf| directory.join("initdb").exists() && directory.join("postgres").exists();
    if let Some(named) = std::env::var_os("PG_BIN") {
        let named = PathBuf::from(named);
        assert!(has_server(&named), "PG_BIN is {}, where there is no initdb and postgres", named.display());
        return named;
    }
    let mut candidates = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        candidates.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    // Debian installs one directory per version and puts none of them in PATH.
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map_or_else(|_| Vec::new(), |entries| entries.flatten().map(|entry| entry.path()).collect());
    versions.sort_by_key(|path| std::cmp::Reverse(version(path)));
    candidates.extend(versions.iter().map(|path| path.join("bin")));
    for directory in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        // A link points to where the other programs are.
        candidates.extend(
            directory.join("initdb").canonicalize().ok().and_then(|it| Some(it.parent()?.to_owned())),
        );
    }
    candidates.into_iter().find(has_server).unwrap_or_else(|| {
        panic!("these tests start their own PostgreSQL: install its server (Debian: apt-get install postgresql), or name the directory of its programs by PG_BIN")
    })
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[track_caller]
fn signal(name: &str, pid: i32) {
    assert!(send(name, pid), "no process {pid} to send SIG{name}");
}

/// Sends a signal through the shell, which spares us unsafe code.
pub(crate) fn send(name: &str, pid: i32) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", "kill -s \"$0\" \"$1\"", name, &pid.to_string()]).stderr(Stdio::null());
    command.status().unwrap().success()
}

fn log(directory: &Path) -> String {
    fs::read_to_string(directory.join("log")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::time::Duration;

    use super::*;

    /// The processes whose working directory is below `directory`; a server changes into its data directory.
    fn processes_in(directory: &Path) -> Vec<String> {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter(|process| {
                fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
            })
            .map(|process| process.file_name().to_string_lossy().into_owned())
            .collect()
    }

    fn number(client: &mut Client, question: &str) -> i64 {
        client.query_one(question, &[]).unwrap().get(0)
    }

    #[test]
    fn every_database_is_new_and_dropped_afterwards() {
        let server = Server::shared();
        let (one, other) = (server.database(), server.database());
        one.client().batch_execute("CREATE TABLE t (n bigint); INSERT INTO t VALUES (7)").unwrap();
        assert_eq!(number(&mut one.client(), "SELECT n FROM t"), 7);
        assert!(other.client().query_one("SELECT n FROM t", &[]).is_err());
        let name = one.name().to_owned();
        drop(one);
        assert!(server.try_client(&name).is_err());
        assert!(server.try_client(other.name()).is_ok());
    }

    #[test]
    fn the_url_of_a_database_works() {
        let database = Server::shared().database();
        let mut client = Client::connect(&database.url(), NoTls).unwrap();
        let name: String = client.query_one("SELECT current_database()::text", &[]).unwrap().get(0);
        assert_eq!(name, database.name());
    }

    #[test]
    fn ten_servers_in_a_row_leave_no_process_behind() {
        for round in 0..10 {
            let server = Server::start(Options { tcp: round % 2 == 1, ..Options::default() });
            let directory = server.directory().to_owned();
            let database = server.database();
            assert_eq!(number(&mut database.client(), "SELECT 1::bigint"), 1);
            assert!(!processes_in(&directory).is_empty());
            drop(database);
            drop(server);
            assert_eq!(processes_in(&directory), [""; 0]);
            assert!(!directory.exists());
        }
    }

    #[test]
    fn a_server_recovers_its_commits_in_place_after_a_power_loss() {
        let database = Server::start(Options { fsync: true, ..Options::default() }).database();
        let mut client = database.client();
        client.batch_execute("CREATE TABLE t (n bigint); INSERT INTO t VALUES (1)").unwrap();
        client.batch_execute("BEGIN; INSERT INTO t VALUES (2)").unwrap();
        database.server().stop_immediate();
        assert!(client.batch_execute("COMMIT").is_err());
        database.server().restart();
        assert_eq!(
            number(&mut Client::connect(&database.url(), NoTls).unwrap(), "SELECT sum(n)::bigint FROM t"),
            1
        );
    }

    #[test]
    fn a_killed_backend_takes_the_others_down_and_the_server_recovers() {
        let database = Server::start(Options::default()).database();
        let (mut victim, mut bystander) = (database.client(), database.client());
        let pid: i32 = victim.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        database.server().kill_backend(pid);
        wait_until("the bystander to be thrown out", || bystander.batch_execute("SELECT 1").is_err());
        database.server().wait_ready();
        assert_eq!(number(&mut database.client(), "SELECT 1::bigint"), 1);
    }

    #[test]
    fn a_frozen_backend_answers_when_it_is_thawed() {
        let database = Server::shared().database();
        let mut client = database.client();
        let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        let frozen = database.server().freeze_backend(pid);
        let asking = std::thread::spawn(move || number(&mut client, "SELECT 1::bigint"));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!asking.is_finished());
        drop(frozen);
        assert_eq!(asking.join().unwrap(), 1);
    }

    /// The test starts itself once more as the run to be killed; a variable tells it to play that part.
    #[test]
    fn no_server_outlives_a_test_run_that_is_killed() {
        if std::env::var_os("LOGMILL_TO_BE_KILLED").is_some() {
            let server = Server::start(Options::default());
            println!("\nserver in {}", server.directory().display());
            std::thread::sleep(Duration::from_secs(600));
        }
        let test = "harness::postgres::tests::no_server_outlives_a_test_run_that_is_killed";
        let mut run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", test])
            .env("LOGMILL_TO_BE_KILLED", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(run.stdout.take().unwrap()).lines();
        let directory = lines
            .map_while(Result::ok)
            .find_map(|line| Some(PathBuf::from(line.strip_prefix("server in ")?)));
        let directory = directory.expect("a server");
        assert!(!processes_in(&directory).is_empty());
        run.kill().unwrap();
        run.wait().unwrap();
        wait_until("the watchdog to clean up", || processes_in(&directory).is_empty() && !directory.exists());
    }
}
