//! A connection to Redis or Valkey, with the commands that logmill needs.
//!
//! The protocol is a handful of lines (RESP2, which every version speaks), so it is implemented here. No wait
//! is unbounded, and of a refusal only the first word is repeated, because the rest may quote what was sent.

mod address;

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

pub use address::Address;
pub(crate) use address::{decoded, word};

/// How long connecting and logging in may take.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How long the server may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// The maximum length of a line in an answer.
const LINE_BYTES_MAX: usize = 1_024;

/// The maximum size of an answer, all of its parts together.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection to a server that has accepted the login.
pub struct Connection {
    answers: BufReader<TcpStream>,
}

/// The server's answer to one command.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It succeeded.
    Done,
    /// It failed; the first word of the reason.
    Refused(String),
    /// A number.
    Int(i64),
    /// A text, or bytes.
    Bytes(Vec<u8>),
    /// There is no such value.
    Nothing,
    /// Several answers.
    List(Vec<Answer>),
}

/// The reason why there is no connection.
#[derive(Debug)]
pub enum NotOpened {
    /// The connection broke, or could not be made.
    Line(io::Error),
    /// The server refuses the login; its first word.
    Refused(String),
}

impl From<io::Error> for NotOpened {
    fn from(cause: io::Error) -> NotOpened {
        NotOpened::Line(cause)
    }
}

impl Connection {
    /// Connects, and logs in.
    pub fn open(address: &Address) -> Result<Connection, NotOpened> {
        let until = Instant::now() + CONNECT_MAX;
        let mut connection = Connection { answers: BufReader::new(connect(address, until)?) };
        let mut greeting = Vec::new();
        match (&address.user, &address.password) {
            (Some(user), Some(password)) => {
                put(&mut greeting, &[b"AUTH", user.as_bytes(), password.as_bytes()])
            }
            (None, Some(password)) => put(&mut greeting, &[b"AUTH", password.as_bytes()]),
            _ => {}
        }
        if let Some(database) = address.database {
            put(&mut greeting, &[b"SELECT", database.to_string().as_bytes()]);
        }
        put(&mut greeting, &[b"PING"]);
        let asked = 1 + usize::from(address.password.is_some()) + usize::from(address.database.is_some());
        connection.send(&greeting)?;
        for _ in 0..asked {
            match connection.answer(until)? {
                Answer::Done => {}
                Answer::Refused(word) => return Err(NotOpened::Refused(word)),
                _ => return Err(no_answer().into()),
            }
        }
        Ok(connection)
    }

    #[cfg(test)]
    pub(crate) fn over(socket: TcpStream) -> Connection {
        Connection { answers: BufReader::new(socket) }
    }

    /// Sends commands, concatenated, as written by [`put`].
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.answers.get_mut().write_all(bytes)
    }

    /// Sends a command, and waits for its answer.
    pub fn ask(&mut self, words: &[&[u8]], until: Instant) -> io::Result<Answer> {
        let mut command = Vec::new();
        put(&mut command, words);
        self.send(&command)?;
        self.answer(until)
    }

    /// The next answer.
    pub fn answer(&mut self, until: Instant) -> io::Result<Answer> {
        self.part(until, &mut ANSWER_BYTES_MAX.clone(), 0)
    }

    /// A part of an answer that may take up to `left` more bytes, nested in `depth` lists.
    fn part(&mut self, until: Instant, left: &mut usize, depth: usize) -> io::Result<Answer> {
        let line = self.line(until)?;
        *left = left.checked_sub(line.len()).ok_or_else(no_answer)?;
        let (kind, rest) = line.split_first().ok_or_else(no_answer)?;
        let number = || std::str::from_utf8(rest).ok().and_then(|text| text.parse::<i64>().ok());
        match kind {
            b'+' => Ok(Answer::Done),
            b'-' => {
                let word = rest.split(|byte| !byte.is_ascii_uppercase()).next().unwrap_or_default();
                Ok(Answer::Refused(String::from_utf8_lossy(&word[..word.len().min(20)]).into_owned()))
            }
            b':' => number().map(Answer::Int).ok_or_else(no_answer),
            b'$' | b'*' if number() == Some(-1) => Ok(Answer::Nothing),
            b'$' => {
                let length =
                    number().and_then(|length| usize::try_from(length).ok()).ok_or_else(no_answer)?;
                *left = left.checked_sub(length).ok_or_else(no_answer)?;
                self.bytes(length, until).map(Answer::Bytes)
            }
            b'*' if depth < 4 => {
                let count = number().and_then(|count| usize::try_from(count).ok()).ok_or_else(no_answer)?;
                // Not all of them at once: the count may be false.
                let mut parts = Vec::new();
                for _ in 0..count {
                    parts.push(self.part(until, left, depth + 1)?);
                }
                Ok(Answer::List(parts))
            }
            _ => Err(no_answer()),
        }
    }

    /// This many bytes, and the line end after them.
    fn bytes(&mut self, length: usize, until: Instant) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            if Instant::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let wanted = (length - bytes.len()).min(64 << 10) as u64;
            if self.answers.by_ref().take(wanted).read_to_end(&mut bytes)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        match self.line(until)?.is_empty() {
            true => Ok(bytes),
            false => Err(no_answer()),
        }
    }

    /// A line without its end.
    fn line(&mut self, until: Instant) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            if Instant::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let bytes = self.answers.fill_buf()?;
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let end = memchr::memchr(b'\n', bytes);
            let taken = end.map_or(bytes.len(), |end| end + 1);
            line.extend_from_slice(&bytes[..taken]);
            self.answers.consume(taken);
            if line.len() > LINE_BYTES_MAX {
                return Err(no_answer());
            }
            if end.is_some() {
                line.truncate(line.trim_ascii_end().len());
                return Ok(line);
            }
        }
    }
}

/// A command in the protocol's form.
pub fn put(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

fn connect(address: &Address, until: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for place in (address.host.as_str(), address.port).to_socket_addrs()? {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&place, left) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                socket.set_read_timeout(Some(SILENCE_MAX))?;
                socket.set_write_timeout(Some(SILENCE_MAX))?;
                return Ok(socket);
            }
            Err(cause) => failure = cause,
        }
    }
    Err(failure)
}

/// The error for a malformed answer.
pub fn no_answer() -> io::Error {
    io::Error::other("its answer is not that of a Redis server")
}

/// What went wrong on the connection.
pub fn why(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "it does not answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => cause.to_string(),
    }
}

/// The meaning of a refusal, by its first word; `rights` are the rights needed.
pub fn meaning(word: &str, rights: &str) -> String {
    let meaning = match word {
        "NOAUTH" => "it asks for a password",
        "WRONGPASS" => "it does not take the user or the password",
        "NOPERM" => return format!("the user may not do that: it needs {rights} ({word})"),
        "WRONGTYPE" => "the key of that name is another kind of value",
        "OOM" => "it has no room",
        "READONLY" => "it is a replica, and takes no writes",
        "LOADING" => "it is starting",
        "MISCONF" => "it cannot write to its disk",
        "MOVED" | "CLUSTERDOWN" => "it is a cluster, and this node does not have the key",
        _ => "it refused, see its log",
    };
    format!("{meaning} ({})", if word.is_empty() { "ERR" } else { word })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_command_is_counted_strings() {
        let mut out = Vec::new();
        put(&mut out, &[b"XADD", "ä\r\n".as_bytes()]);
        assert_eq!(out, "*2\r\n$4\r\nXADD\r\n$4\r\nä\r\n\r\n".as_bytes());
    }

    /// Parses what a server sends.
    fn said(bytes: &[u8]) -> io::Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let socket = TcpStream::connect(listener.local_addr().expect("an address")).expect("a line");
        let (mut server, _) = listener.accept().expect("a line");
        server.write_all(bytes).expect("sent");
        drop(server);
        Connection::over(socket).answer(Instant::now() + Duration::from_secs(5))
    }

    #[test]
    fn answers_are_read_and_nothing_of_a_refusal_but_its_first_word() {
        let text = |text: &str| Answer::Bytes(text.as_bytes().to_vec());
        let refusal = |word: &str| Answer::Refused(word.to_owned());
        for (bytes, answer) in [
            (&b"+OK\r\n"[..], Answer::Done),
            (b"$3\r\n1-0\r\n", text("1-0")),
            (b"$4\r\na\r\nb\r\n", text("a\r\nb")),
            (b"$0\r\n\r\n", text("")),
            (b":-7\r\n", Answer::Int(-7)),
            (b"$-1\r\n", Answer::Nothing),
            (b"*-1\r\n", Answer::Nothing),
            (
                b"*2\r\n:1\r\n*1\r\n$1\r\na\r\n",
                Answer::List(vec![Answer::Int(1), Answer::List(vec![text("a")])]),
            ),
            (b"-ERR unknown command 'geheim'\r\n", refusal("ERR")),
            (b"-geheim\r\n", refusal("")),
            (&[b"-", &[b'A'; 900][..], b"\r\n"].concat(), refusal(&"A".repeat(20))),
        ] {
            assert_eq!(said(bytes).expect("an answer"), answer);
        }
        let large = format!("${}\r\n", ANSWER_BYTES_MAX + 1);
        for bytes in [
            &b""[..],
            b"\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"$-2\r\n",
            b"$3\r\nabcd\r\n",
            b"$9\r\nabc\r\n",
            b":x\r\n",
            b"*9999999999\r\n",
            b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
            large.as_bytes(),
            b"+OK",
            &[b'+'; 2_000],
        ] {
            said(bytes).expect_err("no answer");
        }
    }
}
