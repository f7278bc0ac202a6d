//! A Redis or Valkey server for one test, which can be stopped and started again with its data.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::local::{Local, tool};
use super::skip;

/// A server that persists every write before it answers.
pub(crate) struct Redis {
    local: Local,
    password: Option<String>,
}

/// An entry of a dead-letter stream: its id and the letter.
pub(crate) type Entry = (String, Value);

/// Settings that persist every write.
const DURABLE: [&str; 6] = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];

impl Redis {
    #[track_caller]
    pub(crate) fn start() -> Redis {
        Redis::new(debian(), &DURABLE, None)
    }

    #[track_caller]
    pub(crate) fn with_password(password: &str) -> Redis {
        Redis::new(debian(), &DURABLE, Some(password.to_owned()))
    }

    /// A server that loses everything when it stops.
    #[track_caller]
    pub(crate) fn forgetful() -> Redis {
        Redis::new(debian(), &["--save", "", "--appendonly", "no"], None)
    }

    /// A Valkey, which reports whether acknowledged writes have reached the disk. It syncs once a second.
    #[track_caller]
    pub(crate) fn valkey() -> Redis {
        debian();
        let program = tool("valkey", "valkey-server");
        Redis::new(program, &["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"], None)
    }

    #[track_caller]
    fn new(program: PathBuf, settings: &'static [&'static str], password: Option<String>) -> Redis {
        let secret = password.clone();
        let local = Local::start("Redis", 1, is_ready, move |folder, ports| {
            let mut command = Command::new(&program);
            command.args(["--bind", "127.0.0.1", "--port", &ports[0].to_string()]).args(settings);
            command.arg("--dir").arg(folder);
            if let Some(password) = &secret {
                command.args(["--requirepass", password]);
            }
            command
        });
        Redis { local, password }
    }

    /// Starts it again with the data it had when it stopped.
    #[track_caller]
    pub(crate) fn again(&self) {
        self.local.again();
    }

    /// Kills it.
    pub(crate) fn stop(&self) {
        self.local.stop();
    }

    pub(crate) fn port(&self) -> u16 {
        self.local.port()
    }

    /// The URL of a stream, with a login before the host.
    pub(crate) fn url(&self, login: &str, stream: &str) -> String {
        format!("redis://{login}127.0.0.1:{}/{stream}", self.port())
    }

    /// Runs a command and returns the answer, one value per line.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        ask(self.port(), self.password.as_deref(), words)
    }

    /// All entries of a stream, in order.
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

/// Debian's redis-server. The tests query with its redis-cli.
#[track_caller]
fn debian() -> PathBuf {
    if !Path::new("/usr/bin/redis-server").exists() || !Path::new("/usr/bin/redis-cli").exists() {
        skip("redis-server is not installed");
    }
    "/usr/bin/redis-server".into()
}

/// A server that asks for a password is ready too.
fn is_ready(port: u16) -> bool {
    let said = ask(port, None, &["PING"]);
    said.contains("PONG") || said.contains("NOAUTH")
}

fn ask(port: u16, password: Option<&str>, words: &[&str]) -> String {
    let mut command = Command::new("/usr/bin/redis-cli");
    command.args(["-p", &port.to_string()]).args(words);
    if let Some(password) = password {
        command.env("REDISCLI_AUTH", password);
    }
    String::from_utf8(command.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap().stdout).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_comes_back_with_what_it_had_or_without() {
        for (redis, kept) in [(Redis::start(), "1"), (Redis::valkey(), "1"), (Redis::forgetful(), "")] {
            redis.ask(&["SET", "a", "1"]);
            if redis.ask(&["INFO", "server"]).contains("valkey") {
                assert!(redis.ask(&["WAITAOF", "1", "0", "5000"]).starts_with('1'));
            }
            redis.again();
            assert_eq!(redis.ask(&["GET", "a"]).trim(), kept);
        }
    }
}
