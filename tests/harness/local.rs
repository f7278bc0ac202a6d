//! A server program for one test, on loopback, on free ports and in its own folder.
//!
//! No server outlives the test run, however that run ends. The shell that started the server reads from a
//! pipe whose other end we hold; when the pipe closes, the shell kills the server and removes its folder.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use super::{skip, wait_for};

/// Builds the command for a folder and its ports.
type Start = dyn Fn(&Path, &[u16]) -> Command + Send + Sync;

/// A server that can be killed and started again with its data.
pub(crate) struct Local {
    name: &'static str,
    folder: PathBuf,
    ports: Vec<u16>,
    start: Box<Start>,
    is_ready: fn(u16) -> bool,
    /// The guarding shell, while the server runs.
    guard: Mutex<Option<Child>>,
}

/// Starts the server, prints its process id, and waits. If a word arrives, the guard kills the server and
/// keeps its folder; if the pipe closes because the test run is gone, it removes the folder too. `LITTER`
/// lists what the server leaves elsewhere.
const GUARD: &str = r#"folder=$0; : >>"$folder/log"; "$@" >>"$folder/log" 2>&1 </dev/null & server=$!
    echo $server; read -r word; kill -9 $server; wait $server
    [ -n "$word" ] || rm -rf "$folder" $LITTER"#;

impl Local {
    /// Starts the server on `ports` ports and waits until its first port reports that it is ready.
    #[track_caller]
    pub(crate) fn start(
        name: &'static str,
        ports: usize,
        is_ready: fn(u16) -> bool,
        start: impl Fn(&Path, &[u16]) -> Command + Send + Sync + Clone + 'static,
    ) -> Local {
        // Another process can take a port between our look and the server's.
        for _ in 0..5 {
            let local = Local {
                name,
                folder: tempfile::Builder::new().prefix("lm").tempdir().unwrap().keep(),
                ports: free_ports(ports),
                start: Box::new(start.clone()),
                is_ready,
                guard: Mutex::default(),
            };
            if local.launch() {
                return local;
            }
            eprintln!("{name} does not start:\n{}", local.log());
        }
        panic!("{name} does not start");
    }

    /// Starts the server again in the same folder.
    #[track_caller]
    pub(crate) fn again(&self) {
        self.stop();
        assert!(self.launch(), "{} does not start again:\n{}", self.name, self.log());
    }

    /// Kills the server.
    pub(crate) fn stop(&self) {
        let Some(mut guard) = self.guard.lock().unwrap().take() else { return };
        let _ = guard.stdin.take().unwrap().write_all(b"stop\n");
        guard.wait().unwrap();
    }

    /// The first port.
    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Starts the server. Returns false if it ends before it is ready.
    fn launch(&self) -> bool {
        let server = (self.start)(&self.folder, &self.ports);
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD]).arg(&self.folder).arg(server.get_program()).args(server.get_args());
        for (name, value) in server.get_envs() {
            guard.env(name, value.unwrap_or_default());
        }
        // In its own process group, so that Ctrl-C reaches only us. The guard stops the server when we are
        // gone.
        guard.current_dir(&self.folder).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guard = guard.spawn().unwrap();
        let mut id = String::new();
        BufReader::new(guard.stdout.take().unwrap()).read_line(&mut id).unwrap();
        *self.guard.lock().unwrap() = Some(guard);
        wait_for(self.name, || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
            // The state follows the name, which is in parentheses.
            let has_ended = stat.rsplit(") ").next().is_none_or(|rest| rest.starts_with('Z'));
            if has_ended { Some(false) } else { (self.is_ready)(self.port()).then_some(true) }
        })
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let end: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("the end of what {} said:", self.name);
            end.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        if let Some(mut guard) = self.guard.get_mut().unwrap().take() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Ports of 127.0.0.1 on which nobody listens.
fn free_ports(count: usize) -> Vec<u16> {
    let taken: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    taken.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// The program that `.ci/tools` installs under `package`. If it is missing, the test is skipped or, where
/// nothing may be skipped, the package is installed.
#[track_caller]
pub(crate) fn tool(package: &str, program: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/tools").join(package);
    if !folder.join("installed").exists() {
        if std::env::var_os("LOGMILL_NO_SKIPS").is_none_or(|value| value != "1") {
            skip(&format!("{package} is not installed: `.ci/tools {package}` does it"));
        }
        let installed = Command::new(root.join(".ci/tools")).arg(package).stdout(Stdio::null()).status();
        assert!(installed.is_ok_and(|status| status.success()), ".ci/tools cannot install {package}");
    }
    find(&folder, &OsString::from(program)).unwrap_or_else(|| panic!("{package} has no {program}"))
}

fn find(folder: &Path, name: &OsString) -> Option<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        if path.is_dir() { folders.push(path) } else { files.push(path) }
    }
    let found = files.into_iter().find(|path| path.file_name() == Some(name));
    found.or_else(|| folders.iter().find_map(|folder| find(folder, name)))
}

/// The status and body of the answer to a plain HTTP request, if there is an answer.
pub(crate) fn http(port: u16, method: &str, path: &str, headers: &str) -> Option<(u16, String)> {
    let mut line = TcpStream::connect(("127.0.0.1", port)).ok()?;
    line.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n"
    );
    line.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Some((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::wait_until;

    /// The test starts itself once more as the run to be killed; a variable tells it to play that part.
    #[test]
    fn no_program_outlives_a_test_run_that_is_killed() {
        const TEST: &str = "harness::local::tests::no_program_outlives_a_test_run_that_is_killed";
        if std::env::var_os("LOGMILL_TO_BE_KILLED").is_some() {
            let sleeper = Local::start(
                "sleep",
                1,
                |_| true,
                |_, _| {
                    let mut command = Command::new("sleep");
                    command.arg("600");
                    command
                },
            );
            println!("\nserver in {}", sleeper.folder().display());
            std::thread::sleep(Duration::from_secs(600));
        }
        let mut run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", TEST])
            .env("LOGMILL_TO_BE_KILLED", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(run.stdout.take().unwrap()).lines();
        let folder = lines
            .map_while(Result::ok)
            .find_map(|line| Some(PathBuf::from(line.strip_prefix("server in ")?)))
            .unwrap();
        let was_there = folder.join("log").exists();
        run.kill().unwrap();
        run.wait().unwrap();
        assert!(was_there);
        wait_until("the guard to clean up", || !folder.exists());
    }
}
