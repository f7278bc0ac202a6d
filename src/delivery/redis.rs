//! A stream of Redis as a target: `XADD stream * id … letter …` for each letter, a page at a time.
//!
//! A page goes out in one piece and its answers are read behind it, so that a letter costs no round
//! trip. A letter counts as delivered when its own answer is there, and all before it. The protocol
//! is a handful of lines (RESP2, as every version of Redis and Valkey speaks it), so it is spoken
//! here. Nothing waits without a bound, and nothing that the server says is repeated but the first
//! word of a refusal: it may quote what was sent.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::address::StreamAddress;
use super::envelope::Envelope;
use super::{Target, mark, undelivered};
use crate::error::{Error, Result};
use crate::sink::outbox::{Delivered, Outbox};
use crate::stop::Stop;

/// How long the server may take to let us in.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How long a page may take, there and back.
const PAGE_MAX: Duration = Duration::from_secs(30);

/// How long the server may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// No answer to what is asked here is as long.
const ANSWER_BYTES_MAX: usize = 1_024;

/// A stream of a server that has let us in.
pub(super) struct Stream {
    address: StreamAddress,
    answers: BufReader<TcpStream>,
}

/// What the server said to one command.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// It did it.
    Done,
    /// It did not; the first word of why.
    Refused(String),
}

impl Stream {
    /// Connects, and logs in.
    pub(super) fn open(address: &StreamAddress) -> Result<Stream> {
        let until = Instant::now() + CONNECT_MAX;
        let failed = |cause: &io::Error| undelivered(address, why(cause));
        let socket = connect(address, until).map_err(|cause| failed(&cause))?;
        let mut stream = Stream { address: address.clone(), answers: BufReader::new(socket) };
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
        stream.send(&greeting).map_err(|cause| failed(&cause))?;
        for _ in 0..asked {
            match stream.answer(until).map_err(|cause| failed(&cause))? {
                Answer::Done => {}
                Answer::Refused(word) => return Err(refused(address, &word)),
            }
        }
        Ok(stream)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.answers.get_mut().write_all(bytes)
    }

    /// The next answer: a status, a refusal, or the id of an entry.
    fn answer(&mut self, until: Instant) -> io::Result<Answer> {
        let line = self.line(until)?;
        let (kind, rest) = line.split_first().ok_or_else(no_answer)?;
        match kind {
            b'+' => Ok(Answer::Done),
            b'-' => {
                let word = rest.split(|byte| !byte.is_ascii_uppercase()).next().unwrap_or_default();
                Ok(Answer::Refused(String::from_utf8_lossy(&word[..word.len().min(20)]).into_owned()))
            }
            // An id, on a line of its own behind its length.
            b'$' if rest.first().is_some_and(u8::is_ascii_digit) => self.line(until).map(|_| Answer::Done),
            _ => Err(no_answer()),
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
            if line.len() > ANSWER_BYTES_MAX {
                return Err(no_answer());
            }
            if end.is_some() {
                line.truncate(line.trim_ascii_end().len());
                return Ok(line);
            }
        }
    }
}

impl Target for Stream {
    fn take(&mut self, outbox: &mut dyn Outbox, envelope: &Envelope, stop: &Stop) -> Result<()> {
        let mut after = 0;
        while stop.asked().is_none() {
            let letters = outbox.next_due(after)?;
            let Some(last) = letters.last() else { break };
            after = last.id;
            let mut page = Vec::new();
            for letter in &letters {
                let (id, object) = (envelope.id(letter), envelope.for_queue(letter));
                let stream = self.address.stream.as_bytes();
                put(&mut page, &[b"XADD", stream, b"*", b"id", id.as_bytes(), b"letter", object.as_bytes()]);
            }
            let until = Instant::now() + PAGE_MAX;
            let mut ended = self.send(&page).map_err(|cause| undelivered(&self.address, why(&cause)));
            let mut delivered = Delivered::default();
            for letter in &letters {
                if ended.is_err() {
                    break;
                }
                ended = match self.answer(until) {
                    Ok(Answer::Done) => {
                        delivered.add(letter);
                        Ok(())
                    }
                    Ok(Answer::Refused(word)) => Err(refused(&self.address, &word)),
                    Err(cause) => Err(undelivered(&self.address, why(&cause))),
                };
            }
            // What has arrived before the line broke has arrived.
            mark(outbox, &delivered)?;
            ended?;
        }
        Ok(())
    }
}

/// A command, as the protocol has it.
fn put(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

fn connect(address: &StreamAddress, until: Instant) -> io::Result<TcpStream> {
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

fn no_answer() -> io::Error {
    io::Error::other("it answers as no Redis server does")
}

/// What went wrong on the line.
fn why(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "it does not answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => cause.to_string(),
    }
}

/// What a refusal means, by its first word.
fn refused(address: &StreamAddress, word: &str) -> Error {
    let meaning = match word {
        "NOAUTH" => "it asks for a password",
        "WRONGPASS" => "it does not take the user or the password",
        "NOPERM" => "the user may not do that: it needs AUTH, SELECT, PING and XADD on the stream",
        "WRONGTYPE" => "the key of that name is no stream",
        "OOM" => "it has no room",
        "READONLY" => "it is a replica, and takes no writes",
        "LOADING" => "it is starting",
        "MISCONF" => "it cannot write to its disk",
        "MOVED" | "CLUSTERDOWN" => "it is a cluster, and the stream is not on this node",
        _ => "it refused, see its log",
    };
    undelivered(address, format!("{meaning} ({})", if word.is_empty() { "ERR" } else { word }))
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

    /// What is made of what a server sends.
    fn said(bytes: &[u8]) -> io::Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let socket = TcpStream::connect(listener.local_addr().expect("an address")).expect("a line");
        let (mut server, _) = listener.accept().expect("a line");
        server.write_all(bytes).expect("sent");
        drop(server);
        let address = StreamAddress {
            host: "h".to_owned(),
            port: 1,
            user: None,
            password: None,
            database: None,
            stream: "s".to_owned(),
        };
        let mut stream = Stream { address, answers: BufReader::new(socket) };
        stream.answer(Instant::now() + Duration::from_secs(5))
    }

    #[test]
    fn answers_are_read_and_nothing_of_a_refusal_but_its_first_word() {
        assert_eq!(said(b"+OK\r\n").expect("an answer"), Answer::Done);
        assert_eq!(said(b"$3\r\n1-0\r\n").expect("an answer"), Answer::Done);
        let refusal = |word: &str| Answer::Refused(word.to_owned());
        assert_eq!(said(b"-ERR unknown command 'geheim'\r\n").expect("an answer"), refusal("ERR"));
        assert_eq!(said(b"-geheim\r\n").expect("an answer"), refusal(""));
        assert_eq!(
            said(&[b"-", &[b'A'; 900][..], b"\r\n"].concat()).expect("an answer"),
            refusal(&"A".repeat(20))
        );
        for bytes in [
            &b""[..],
            b"\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"$-1\r\n",
            b":1\r\n",
            b"*1\r\n",
            b"$3\r\n",
            b"+OK",
            &[b'+'; 2_000],
        ] {
            said(bytes).expect_err("no answer");
        }
    }
}
