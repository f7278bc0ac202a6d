//! A Redis stream as a target: `XADD stream * id … letter …` for each letter, a page at a time.
//!
//! A page is sent in one piece and its answers are read afterwards, so that a letter costs no round trip. A
//! letter counts as delivered when its own answer and those of all letters before it have arrived.

use std::io;
use std::time::{Duration, Instant};

use super::address::StreamAddress;
use super::envelope::Envelope;
use super::{Target, mark, undelivered};
use crate::error::{Error, Result};
use crate::redis::{Answer, Connection, NotOpened, meaning, no_answer, put, why};
use crate::sink::outbox::{Delivered, Outbox};
use crate::stop::Stop;

/// How long a page may take, including the answers.
const PAGE_MAX: Duration = Duration::from_secs(30);

/// A stream of a server that has accepted the login.
pub(super) struct Stream {
    address: StreamAddress,
    connection: Connection,
}

impl Stream {
    /// Connects, and logs in.
    pub(super) fn open(address: &StreamAddress) -> Result<Stream> {
        let connection = Connection::open(&address.server).map_err(|error| match error {
            NotOpened::Line(cause) => undelivered(address, why(&cause)),
            NotOpened::Refused(word) => refused(address, &word),
        })?;
        Ok(Stream { address: address.clone(), connection })
    }

    /// The next answer: the id of an entry, or the first word of a refusal.
    fn answer(&mut self, until: Instant) -> io::Result<Result<(), String>> {
        match self.connection.answer(until)? {
            Answer::Done | Answer::Bytes(_) => Ok(Ok(())),
            Answer::Refused(word) => Ok(Err(word)),
            _ => Err(no_answer()),
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
            let mut ended =
                self.connection.send(&page).map_err(|cause| undelivered(&self.address, why(&cause)));
            let mut delivered = Delivered::default();
            for letter in &letters {
                if ended.is_err() {
                    break;
                }
                ended = match self.answer(until) {
                    Ok(Ok(())) => {
                        delivered.add(letter);
                        Ok(())
                    }
                    Ok(Err(word)) => Err(refused(&self.address, &word)),
                    Err(cause) => Err(undelivered(&self.address, why(&cause))),
                };
            }
            // Letters acknowledged before the line broke are delivered.
            mark(outbox, &delivered)?;
            ended?;
        }
        Ok(())
    }
}

/// The meaning of a refusal, by its first word.
fn refused(address: &StreamAddress, word: &str) -> Error {
    let meaning = match word {
        "WRONGTYPE" => "the key of that name is not a stream (WRONGTYPE)".to_owned(),
        word => meaning(word, "AUTH, SELECT, PING and XADD on the stream"),
    };
    undelivered(address, meaning)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Parses what a server sends.
    fn said(bytes: &[u8]) -> io::Result<Result<(), String>> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let socket = TcpStream::connect(listener.local_addr().expect("an address")).expect("a line");
        let (mut server, _) = listener.accept().expect("a line");
        server.write_all(bytes).expect("sent");
        drop(server);
        let (server, path) = crate::redis::Address::read("redis://h:1/s").expect("an address");
        let address = StreamAddress { server, stream: path.expect("a stream").to_owned() };
        let mut stream = Stream { address, connection: Connection::over(socket) };
        stream.answer(Instant::now() + Duration::from_secs(5))
    }

    #[test]
    fn answers_are_read_and_nothing_of_a_refusal_but_its_first_word() {
        assert_eq!(said(b"+OK\r\n").expect("an answer"), Ok(()));
        assert_eq!(said(b"$3\r\n1-0\r\n").expect("an answer"), Ok(()));
        let refusal = |word: &str| Err(word.to_owned());
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
