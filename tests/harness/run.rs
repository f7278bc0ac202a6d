//! A run of the program: the faults it suffers, its progress, and how it ended.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::Value;

use super::destination::Cell;
use super::load::Load;
use super::postgres::send;
use super::{skip, wait_until};

/// Skips a test if the program was built without failpoints.
#[track_caller]
pub(crate) fn needs_failpoints() {
    if !cfg!(feature = "failpoints") {
        skip("the program was built without --features failpoints");
    }
}

/// A run that has not started yet.
pub(crate) struct Call<'l> {
    load: &'l Load,
    command: Command,
    failpoints: Vec<String>,
}

impl<'l> Call<'l> {
    pub(super) fn new(load: &'l Load, command: Command) -> Call<'l> {
        Call { load, command, failpoints: Vec::new() }
    }

    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    /// Writes output for people instead of JSON.
    pub(crate) fn for_people(mut self) -> Self {
        let mut command = Command::new(self.command.get_program());
        command.args(self.command.get_args().filter(|arg| *arg != "--output" && *arg != "json"));
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.command = command;
        self
    }

    /// Connects to another address, such as a proxy's.
    pub(crate) fn into(self, url: &str) -> Self {
        self.arg("--into").arg(url)
    }

    /// Dies of SIGKILL at a failpoint that it has passed this many times.
    pub(crate) fn kill_at(self, point: &str, passed: usize) -> Self {
        self.at(point, passed, "return(kill)")
    }

    /// Stops by SIGSTOP at a failpoint that it has passed this many times.
    pub(crate) fn stop_at(self, point: &str, passed: usize) -> Self {
        self.at(point, passed, "1*return(stop)")
    }

    /// Stops like [`Call::stop_at`], and once more after `then` further passes.
    pub(crate) fn stop_twice_at(self, point: &str, passed: usize, then: usize) -> Self {
        self.at(point, passed, &format!("1*return(stop)->{then}*off->1*return(stop)"))
    }

    /// Treats the connection as lost at a failpoint that it has passed this many times.
    pub(crate) fn lose_at(self, point: &str, passed: usize) -> Self {
        self.at(point, passed, "1*return")
    }

    pub(crate) fn panic_at(self, point: &str, passed: usize) -> Self {
        self.at(point, passed, "1*return(panic)")
    }

    fn at(mut self, point: &str, passed: usize, action: &str) -> Self {
        let before = if passed == 0 { String::new() } else { format!("{passed}*off->") };
        self.failpoints.push(format!("{point}={before}{action}"));
        self
    }

    pub(crate) fn run(self) -> Ended<'l> {
        self.start().wait()
    }

    pub(crate) fn start(mut self) -> Running<'l> {
        let (stdout, stderr) = self.load.next_outputs();
        if !self.failpoints.is_empty() {
            needs_failpoints();
            self.command.env("FAILPOINTS", self.failpoints.join(";"));
        }
        self.command.stdin(Stdio::null());
        self.command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Running { load: self.load, process: Process::spawn(&mut self.command), stdout, stderr }
    }
}

/// A process of the program. Dropping it before it ended kills it.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Process {
        Process(command.spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Takes its piped stdout and stderr; works once.
    pub(crate) fn pipes(&mut self) -> (ChildStdout, ChildStderr) {
        (self.0.stdout.take().unwrap(), self.0.stderr.take().unwrap())
    }

    /// Its exit status, if it has ended.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Waits until it stops at a failpoint. Returns false if it ends instead.
    #[track_caller]
    pub(crate) fn stops(&mut self) -> bool {
        let stat = format!("/proc/{}/stat", self.id());
        let mut stopped = false;
        wait_until("the program to stop at its failpoint", || {
            // The state follows the name, which is in parentheses and may contain anything.
            let text = fs::read_to_string(&stat).unwrap_or_default();
            stopped = text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'));
            stopped || self.status().is_some()
        });
        stopped
    }

    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        assert!(send(name, self.id().try_into().unwrap()), "no process to send SIG{name}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A run in progress.
pub(crate) struct Running<'l> {
    load: &'l Load,
    process: Process,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl<'l> Running<'l> {
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended<'l> {
        wait_until("the program to end", || self.has_ended());
        Ended {
            load: self.load,
            status: self.process.status().unwrap(),
            stdout: fs::read_to_string(&self.stdout).unwrap(),
            stderr: self.stderr(),
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.status().is_some()
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap()).into_owned()
    }

    /// Waits until stderr contains this text.
    #[track_caller]
    pub(crate) fn wait_says(&mut self, text: &str) {
        wait_until(&format!("the program to say {text:?}"), || {
            assert!(!self.has_ended(), "it ended instead:\n{}", self.stderr());
            self.stderr().contains(text)
        });
    }

    /// Waits until it stops at a failpoint. Returns false if it ends instead.
    #[track_caller]
    pub(crate) fn stops(&mut self) -> bool {
        self.process.stops()
    }

    /// Waits until it stops at a failpoint.
    #[track_caller]
    pub(crate) fn wait_stopped(mut self) -> Self {
        assert!(self.stops(), "it ended instead:\n{}", self.stderr());
        self
    }

    /// Resumes it.
    pub(crate) fn wake(&self) {
        self.signal("CONT");
    }

    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Kills it, wherever it is.
    #[track_caller]
    pub(crate) fn kill(mut self) -> Ended<'l> {
        self.process.0.kill().unwrap();
        self.wait()
    }
}

/// A run that has ended.
pub(crate) struct Ended<'l> {
    load: &'l Load,
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Ended<'_> {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exit(&self, code: i32) -> &Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}; it said:\n{}{}",
            self.status,
            self.stderr,
            self.stdout
        );
        self
    }

    /// Asserts that it finished its work, with or without rejects.
    #[track_caller]
    pub(crate) fn done(&self) -> &Self {
        let code = self.status.code();
        assert!(matches!(code, Some(0 | 3)), "{}; it said:\n{}{}", self.status, self.stderr, self.stdout);
        self
    }

    /// Asserts that a signal killed it.
    #[track_caller]
    pub(crate) fn killed(&self) -> &Self {
        assert!(self.is_killed(), "{}; it said:\n{}{}", self.status, self.stderr, self.stdout);
        self
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Asserts that stderr contains this text.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "not said: {text:?}; it said:\n{}", self.stderr);
        self
    }

    /// Asserts that stderr contains this text exactly once.
    #[track_caller]
    pub(crate) fn says_once(&self, text: &str) -> &Self {
        assert_eq!(self.stderr.matches(text).count(), 1, "of {text:?}; it said:\n{}", self.stderr);
        self
    }

    /// Asserts that stderr or stdout contains this text.
    #[track_caller]
    pub(crate) fn tells(&self, text: &str) -> &Self {
        let told = format!("{}{}", self.stderr, self.stdout);
        assert!(told.contains(text), "not told: {text:?}; it said:\n{told}");
        self
    }

    /// Asserts that neither stderr nor stdout contains this text.
    #[track_caller]
    pub(crate) fn never_says(&self, text: &str) -> &Self {
        assert!(!self.stderr.contains(text) && !self.stdout.contains(text), "said: {text:?}");
        self
    }

    /// The whole of stdout.
    pub(crate) fn stdout(&self) -> &str {
        &self.stdout
    }

    /// The value at a JSON pointer of the result on stdout.
    #[track_caller]
    pub(crate) fn result(&self, pointer: &str) -> Value {
        let object: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in {:?}; it said:\n{}", self.stdout, self.stderr));
        object.pointer(pointer).cloned().unwrap_or_else(|| panic!("no {pointer} in {object}"))
    }

    /// Asserts the rows of the target in key order: the fields as text, separated by spaces.
    #[track_caller]
    pub(crate) fn rows<const N: usize>(&self, expected: [&str; N]) -> &Self {
        assert_eq!(self.load.rows(), expected, "it said:\n{}", self.stderr);
        self
    }

    /// Asserts the open dead letters in file order: the line, and every reason as `code field`.
    #[track_caller]
    pub(crate) fn rejects<const N: usize>(&self, expected: [(i64, &str); N]) -> &Self {
        let found = self.load.rejects();
        let found: Vec<(i64, &str)> = found.iter().map(|(line, why)| (*line, why.as_str())).collect();
        assert_eq!(found, expected, "it said:\n{}", self.stderr);
        self
    }

    /// Asserts the counters summed over all checkpoints, as in `2 inserted, 1 rejected`. Counters that are
    /// not named must be zero.
    #[track_caller]
    pub(crate) fn counts(&self, expected: &str) -> &Self {
        const NAMES: [&str; 7] =
            ["inserted", "updated", "unchanged", "superseded", "rejected", "blank", "skipped"];
        let sums: Vec<String> = NAMES.iter().map(|name| format!("CAST(sum({name}) AS bigint)")).collect();
        let sql = format!("SELECT {} FROM {}", sums.join(", "), self.load.ours("checkpoints"));
        let sums = self.load.made().look(|snapshot| snapshot.query(&sql)).remove(0);
        let named = sums.iter().map(Cell::int).zip(NAMES);
        let found: Vec<String> =
            named.filter(|(count, _)| *count != 0).map(|(count, name)| format!("{count} {name}")).collect();
        assert_eq!(found.join(", "), expected, "it said:\n{}", self.stderr);
        self
    }
}
