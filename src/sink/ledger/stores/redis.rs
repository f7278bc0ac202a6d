//! Redis, or Valkey, as a store of keys: a hash of all values, and their keys in order beside it.
//!
//! A move is one script, which the server runs alone: it compares the version, and changes both. A server acknowledges
//! what it has in memory, and on the disk is what its log has; so where it can be asked (WAITAOF), a move counts once
//! it is there. The log is in order: whoever waits for a move has waited for all that was made before.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::ErrorKind;
use crate::redis::{Address, Answer, Connection, NotOpened, meaning, no_answer, why};
use crate::sink::ledger::{Entry, Failure, Store, Swap, Version, behind};

/// The hash of the values, and the set of their keys. On a cluster both are on one node.
const KEYS: [&[u8]; 2] = [b"{logmill}state", b"{logmill}state:keys"];

/// Compares, and changes. The expected and the new version are empty where there is none; a value stands behind its
/// version and a space.
const SET: &str = "local found = redis.call('HGET', KEYS[1], ARGV[1])
local version = found and string.sub(found, 1, (string.find(found, ' ', 1, true) or 0) - 1) or ''
if version ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('ZREM', KEYS[2], ARGV[1])
else
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[3] .. ' ' .. ARGV[4])
    redis.call('ZADD', KEYS[2], 0, ARGV[1])
end
return 1";

/// Keys from one on and before another, each with what stands there: so many at most.
const LIST: &str = "local keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
if #keys == 0 then return {} end
local found = {}
for index, value in ipairs(redis.call('HMGET', KEYS[1], unpack(keys))) do
    if value then found[#found + 1] = keys[index]; found[#found + 1] = value end
end
return {keys[#keys], found}";

/// So many keys of a list are read at once.
const PAGE: &[u8] = b"500";

/// How long a question may take, there and back.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long the server may take to write its log, in milliseconds: it does so each second.
const LOG_MAX: &[u8] = b"3000";

/// What a user of the server must be allowed.
const RIGHTS: &str = "AUTH, SELECT, PING, EVAL, HGET, HMGET, HSET, HDEL, ZADD, ZREM and ZRANGEBYLEX on {logmill}*, and \
                      better CONFIG GET, INFO and WAITAOF";

/// A store in a server.
pub(super) struct RedisState {
    address: Address,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    connection: Option<Connection>,
    /// Whether moves are waited for. Found out once, and again on every new connection.
    log: Option<Log>,
    /// A move was acknowledged, and is perhaps not on the disk.
    is_behind: bool,
}

/// What the server does with what it has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    /// It has written it down before it answers, or cannot be asked whether it has.
    Believed,
    /// It can be asked.
    Asked,
}

impl RedisState {
    /// Connects to nothing yet.
    pub(super) fn new(address: Address) -> RedisState {
        RedisState { address, line: Mutex::default() }
    }

    /// Asks the server. A connection that broke is not used again.
    fn with<T>(
        &self,
        ask: impl FnOnce(&mut Connection, &mut Line) -> Result<T, Trouble>,
    ) -> Result<T, Failure> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match line.connection.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(&self.address).map_err(Trouble::from).inspect(|_| line.log = None),
        }
        .and_then(|mut connection| Ok((ask(&mut connection, &mut line)?, connection)));
        let (answer, connection) = answer.map_err(|trouble| self.failure(trouble))?;
        line.connection = Some(connection);
        Ok(answer)
    }

    fn failure(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Line(cause) => Failure::Away(format!("{}: {}", self.address, why(&cause))),
            Trouble::Behind => Failure::Away(format!(
                "{}: it acknowledged a write, but has not saved it after {} ms; is its disk too slow?",
                self.address,
                String::from_utf8_lossy(LOG_MAX)
            )),
            Trouble::Refused(word) => {
                let what = format!("{}: {}", self.address, meaning(&word, RIGHTS));
                match word.as_str() {
                    // These go by, or somebody is at them.
                    "LOADING" | "MASTERDOWN" | "READONLY" | "BUSY" | "OOM" | "MISCONF" | "TRYAGAIN"
                    | "NOREPLICAS" | "CLUSTERDOWN" => Failure::Away(what),
                    _ => Failure::Final(
                        ErrorKind::Server {
                            doing: "keeping the state".to_owned(),
                            sqlstate: None,
                            message: what,
                        }
                        .into(),
                    ),
                }
            }
        }
    }
}

enum Trouble {
    Line(io::Error),
    Refused(String),
    /// The log is not written.
    Behind,
}

impl From<io::Error> for Trouble {
    fn from(cause: io::Error) -> Trouble {
        Trouble::Line(cause)
    }
}

impl From<NotOpened> for Trouble {
    fn from(error: NotOpened) -> Trouble {
        match error {
            NotOpened::Line(cause) => Trouble::Line(cause),
            NotOpened::Refused(word) => Trouble::Refused(word),
        }
    }
}

fn asked(connection: &mut Connection, words: &[&[u8]]) -> Result<Answer, Trouble> {
    match connection.ask(words, Instant::now() + ANSWER_MAX)? {
        Answer::Refused(word) => Err(Trouble::Refused(word)),
        answer => Ok(answer),
    }
}

fn run(connection: &mut Connection, script: &str, arguments: &[&[u8]]) -> Result<Answer, Trouble> {
    let mut words: Vec<&[u8]> = vec![b"EVAL", script.as_bytes(), b"2", KEYS[0], KEYS[1]];
    words.extend(arguments);
    asked(connection, &words)
}

fn odd() -> Trouble {
    Trouble::Line(no_answer())
}

/// What stands behind a version and a space.
fn entry(bytes: &[u8]) -> Result<Entry, Trouble> {
    let space = memchr::memchr(b' ', bytes).ok_or_else(odd)?;
    let version = String::from_utf8(bytes[..space].to_vec()).map_err(|_| odd())?;
    Ok(Entry { version: Version(version), value: bytes[space + 1..].to_vec() })
}

/// Waits until what this connection has written is on the disk.
fn write_down(connection: &mut Connection, line: &mut Line) -> Result<(), Trouble> {
    let log = match line.log {
        Some(log) => log,
        None => {
            let settings = settings(connection)?;
            *line.log.insert(log_of(connection, settings.as_ref())?)
        }
    };
    if log == Log::Believed {
        line.is_behind = false;
        return Ok(());
    }
    match asked(connection, &[b"WAITAOF", b"1", b"0", LOG_MAX]) {
        Ok(Answer::List(parts)) if matches!(parts.first(), Some(Answer::Int(1..))) => {}
        Ok(Answer::List(_)) => return Err(Trouble::Behind),
        Ok(_) => return Err(odd()),
        // It keeps no log, and has not said so.
        Err(Trouble::Refused(_)) => line.log = Some(Log::Believed),
        Err(trouble) => return Err(trouble),
    }
    line.is_behind = false;
    Ok(())
}

/// What the server does with what it acknowledges.
fn log_of(connection: &mut Connection, settings: Option<&Settings>) -> Result<Log, Trouble> {
    // Of a server that does not say, it is tried.
    let is_behind = settings.is_none_or(|settings| {
        let is = |name: &str, value: &str| settings.get(name).is_some_and(|found| found == value);
        is("appendonly", "yes") && !is("appendfsync", "always")
    });
    if !is_behind {
        return Ok(Log::Believed);
    }
    // What is older than the word refuses it.
    match asked(connection, &[b"WAITAOF", b"0", b"0", b"1"]) {
        Ok(_) => Ok(Log::Asked),
        Err(Trouble::Refused(_)) => Ok(Log::Believed),
        Err(trouble) => Err(trouble),
    }
}

type Settings = std::collections::BTreeMap<String, String>;

/// How it persists; none if it does not say.
fn settings(connection: &mut Connection) -> Result<Option<Settings>, Trouble> {
    let mut found = Settings::new();
    for name in ["appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy"] {
        let parts = match asked(connection, &[b"CONFIG", b"GET", name.as_bytes()]) {
            Ok(Answer::List(parts)) => parts,
            Ok(_) | Err(Trouble::Refused(_)) => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        if let [_, Answer::Bytes(value)] = &parts[..] {
            found.insert(name.to_owned(), String::from_utf8_lossy(value).into_owned());
        }
    }
    Ok(Some(found))
}

/// What may become of what the server has acknowledged.
fn doubts(settings: Option<&Settings>, replication: &str, is_asked: bool, shown: &Address) -> Vec<String> {
    let mut doubts = Vec::new();
    let value = |name: &str| settings.and_then(|settings| settings.get(name)).map_or("", String::as_str);
    match settings {
        None => doubts.push(format!(
            "{shown} does not tell whether it saves what it acknowledges (CONFIG is not available); make sure that it has appendonly yes"
        )),
        Some(_) if value("appendonly") != "yes" => doubts.push(format!(
            "{shown} keeps no log (appendonly no){}: a restart loses the state, and a load that finds objects and no \
             state stops with exit 2; set appendonly yes",
            match value("save") {
                "" => "",
                _ => ", only a snapshot now and then",
            }
        )),
        Some(_) if value("appendfsync") == "no" || value("appendfsync") == "everysec" && !is_asked => {
            doubts.push(format!(
                "{shown} may lose the last writes when its machine fails (appendfsync {}); set appendfsync always",
                value("appendfsync")
            ));
        }
        _ => {}
    }
    if value("maxmemory-policy").starts_with("allkeys") && value("maxmemory") != "0" {
        doubts.push(format!(
            "{shown} evicts keys when it is full (maxmemory-policy {}), and could evict the state; set noeviction",
            value("maxmemory-policy")
        ));
    }
    let replicas = replication.lines().find_map(|line| line.strip_prefix("connected_slaves:"));
    if replicas.is_some_and(|count| count.trim() != "0") {
        doubts.push(format!(
            "{shown} has replicas: if one takes over, acknowledged writes may be lost, because they are \
             replicated after the answer"
        ));
    }
    doubts
}

impl Store for RedisState {
    fn check(&self) -> Result<Vec<String>, Failure> {
        self.with(|connection, line| {
            let settings = settings(connection)?;
            let replication = match asked(connection, &[b"INFO", b"replication"]) {
                Ok(Answer::Bytes(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
                Ok(_) | Err(Trouble::Refused(_)) => String::new(),
                Err(trouble) => return Err(trouble),
            };
            let log = *line.log.insert(log_of(connection, settings.as_ref())?);
            Ok(doubts(settings.as_ref(), &replication, log == Log::Asked, &self.address))
        })
    }

    fn get(&self, key: &str) -> Result<Option<Entry>, Failure> {
        self.with(|connection, line| {
            settle(connection, line)?;
            match asked(connection, &[b"HGET", KEYS[0], key.as_bytes()])? {
                Answer::Bytes(bytes) => entry(&bytes).map(Some),
                Answer::Nothing => Ok(None),
                _ => Err(odd()),
            }
        })
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure> {
        let behind = format!("({}", behind(prefix));
        self.with(|connection, line| {
            settle(connection, line)?;
            let (mut entries, mut from) = (Vec::new(), format!("[{prefix}"));
            loop {
                let Answer::List(page) = run(connection, LIST, &[from.as_bytes(), behind.as_bytes(), PAGE])?
                else {
                    return Err(odd());
                };
                let [Answer::Bytes(last), Answer::List(found)] = &page[..] else {
                    return if page.is_empty() { Ok(entries) } else { Err(odd()) };
                };
                for pair in found.chunks(2) {
                    let [Answer::Bytes(key), Answer::Bytes(value)] = pair else { return Err(odd()) };
                    entries.push((String::from_utf8_lossy(key).into_owned(), entry(value)?));
                }
                from = format!("({}", String::from_utf8_lossy(last));
            }
        })
    }

    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure> {
        let fresh = value.map(|_| Version::fresh());
        let word = |version: Option<&Version>| version.map_or("", |version| version.0.as_str()).to_owned();
        let (old, new) = (word(expected), word(fresh.as_ref()));
        self.with(|connection, line| {
            let words = [key.as_bytes(), old.as_bytes(), new.as_bytes(), value.unwrap_or_default()];
            // If the answer is lost, it may have been done.
            let was_behind = line.is_behind;
            line.is_behind |= expected.is_some();
            match run(connection, SET, &words)? {
                Answer::Int(0) => {
                    line.is_behind = was_behind;
                    settle(connection, line)?;
                    Ok(Swap::Refused)
                }
                Answer::Int(1) => {
                    if line.is_behind {
                        write_down(connection, line)?;
                    }
                    Ok(Swap::Done(fresh))
                }
                _ => Err(odd()),
            }
        })
    }
}

/// Before anything is read upon which somebody acts: a move that was acknowledged on a connection that is gone is
/// written down with the next one that is made.
fn settle(connection: &mut Connection, line: &mut Line) -> Result<(), Trouble> {
    if !line.is_behind {
        return Ok(());
    }
    // Something must be written, for this connection to wait for.
    asked(connection, &[b"HSET", KEYS[0], b"", b" "])?;
    write_down(connection, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_may_lose_is_told() {
        let (shown, _) = Address::read("redis://ada:geheim@h").expect("an address");
        let told = |settings: &[(&str, &str)], replication: &str, is_asked| {
            let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let doubts = doubts(Some(&settings.collect()), replication, is_asked, &shown);
            assert!(!doubts.concat().contains("geheim"));
            doubts
        };
        let everysec = [("appendonly", "yes"), ("appendfsync", "everysec"), ("save", "")];
        assert_eq!(told(&everysec, "role:master\r\nconnected_slaves:0\r\n", true), [""; 0]);
        assert!(told(&everysec, "", false)[0].contains("appendfsync everysec"));
        assert!(told(&everysec, "connected_slaves:2\r\n", true)[0].contains("replicas"));
        let always = [("appendonly", "yes"), ("appendfsync", "always")];
        assert_eq!(told(&always, "", false), [""; 0]);
        let never = told(&[("appendonly", "no"), ("save", "3600 1")], "", false);
        assert!(never[0].contains("appendonly no") && never[0].contains("snapshot"));
        let evicting = [&always[..], &[("maxmemory", "100"), ("maxmemory-policy", "allkeys-lru")]].concat();
        assert!(told(&evicting, "", false)[0].contains("allkeys-lru"));
        assert!(doubts(None, "", false, &shown)[0].contains("CONFIG is not available"));
    }
}
