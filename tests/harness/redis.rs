//! A Redis server of a test's own, which can be stopped and comes back with what it had.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::run::Process;
use super::{skip, wait_until};

/// A server that writes everything down before it answers.
pub(crate) struct Redis {
    folder: tempfile::TempDir,
    port: u16,
    password: Option<String>,
    process: Option<Process>,
}

/// An entry of a stream of dead letters: the id that they were sent with, and the letter.
pub(crate) type Entry = (String, Value);

impl Redis {
    pub(crate) fn start() -> Redis {
        Redis::new(None)
    }

    pub(crate) fn with_password(password: &str) -> Redis {
        Redis::new(Some(password.to_owned()))
    }

    #[track_caller]
    fn new(password: Option<String>) -> Redis {
        if !Path::new("/usr/bin/redis-server").exists() {
            skip("redis-server is not installed");
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut redis = Redis { folder: tempfile::tempdir().unwrap(), port, password, process: None };
        redis.again();
        redis
    }

    /// Starts it, with what it had when it was stopped.
    #[track_caller]
    pub(crate) fn again(&mut self) {
        let mut command = Command::new("/usr/bin/redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(self.folder.path());
        if let Some(password) = &self.password {
            command.args(["--requirepass", password]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        self.process = Some(Process::spawn(&mut command));
        wait_until("Redis to answer", || self.ask(&["PING"]).trim() == "PONG");
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// The URL of a stream, with a login before the host.
    pub(crate) fn url(&self, login: &str, stream: &str) -> String {
        format!("redis://{login}127.0.0.1:{}/{stream}", self.port)
    }

    /// What it answers, a value a line.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let mut command = Command::new("/usr/bin/redis-cli");
        command.args(["-p", &self.port.to_string()]).args(words);
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        String::from_utf8(command.stdin(Stdio::null()).output().unwrap().stdout).unwrap()
    }

    /// All entries of a stream, in their order.
    #[track_caller]
    pub(crate) fn entries(&self, stream: &str) -> Vec<Entry> {
        let said = self.ask(&["XRANGE", stream, "-", "+"]);
        let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
        let entries = lines.chunks(5).map(|entry| {
            let [_, "id", id, "letter", letter] = entry else { panic!("no letter: {entry:?}") };
            ((*id).to_owned(), serde_json::from_str(letter).unwrap())
        });
        entries.collect()
    }
}
