//! A pooler in transaction mode: a client keeps a backend for one transaction, and the next transaction may
//! run on another.
//!
//! It knows just enough of the protocol for the program to detect it: queries and their answers, but no
//! COPY. It hands out backends last in, first out, as common poolers do.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use super::postgres::Database;
use super::proxy::{read_message, read_packet};

/// A pooler in front of a database. Dropping it closes its backends.
pub(crate) struct Pooler {
    url: String,
    pool: Arc<Pool>,
}

struct Pool {
    upstream: PathBuf,
    idle: Mutex<Vec<Backend>>,
}

struct Backend {
    socket: UnixStream,
    /// The server's answer to the startup packet, up to ReadyForQuery.
    greeting: Vec<u8>,
}

impl Pooler {
    pub(crate) fn before(database: &Database) -> Pooler {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://postgres@{}/{}", listener.local_addr().unwrap(), database.name());
        let pool = Arc::new(Pool { upstream: database.server().socket(), idle: Mutex::default() });
        let shared = Arc::clone(&pool);
        // Waits for the next client as long as the tests run.
        thread::spawn(move || {
            for client in listener.incoming() {
                let pool = Arc::clone(&shared);
                // An error only ends the connection.
                thread::spawn(move || client.and_then(|client| serve(&pool, client)));
            }
        });
        Pooler { url, pool }
    }

    /// Where to connect to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.pool.idle.lock().unwrap().clear();
    }
}

impl Pool {
    /// An idle backend, or a new one.
    fn take(&self, startup: &[u8]) -> io::Result<Backend> {
        if let Some(backend) = self.idle.lock().unwrap().pop() {
            return Ok(backend);
        }
        let mut backend = Backend { socket: UnixStream::connect(&self.upstream)?, greeting: Vec::new() };
        backend.socket.write_all(startup)?;
        let mut greeting = Vec::new();
        backend.answer(&mut greeting)?;
        backend.greeting = greeting;
        Ok(backend)
    }

    fn give_back(&self, backend: Backend) {
        self.idle.lock().unwrap().push(backend);
    }
}

impl Backend {
    /// Forwards an answer. Returns whether the transaction is over.
    fn answer(&mut self, to: &mut impl Write) -> io::Result<bool> {
        loop {
            let (kind, message) = read_message(&mut self.socket)?;
            to.write_all(&message)?;
            if kind == b'Z' {
                return Ok(message[5] == b'I');
            }
        }
    }
}

fn serve(pool: &Pool, mut client: TcpStream) -> io::Result<()> {
    let startup = loop {
        let packet = read_packet(&mut client)?;
        match packet[4..8] {
            // Requests for TLS or GSSAPI: refused.
            [0x04, 0xd2, 0x16, 0x2f | 0x30] => client.write_all(b"N")?,
            // A cancel request.
            [0x04, 0xd2, 0x16, 0x2e] => return Ok(()),
            _ => break packet,
        }
    };
    let backend = pool.take(&startup)?;
    client.write_all(&backend.greeting)?;
    pool.give_back(backend);
    loop {
        let Some(question) = question(&mut client)? else { return Ok(()) };
        let mut backend = pool.take(&startup)?;
        backend.socket.write_all(&question)?;
        while !backend.answer(&mut client)? {
            let Some(question) = self::question(&mut client)? else { return Ok(()) };
            backend.socket.write_all(&question)?;
        }
        pool.give_back(backend);
    }
}

/// Reads until the client waits for an answer. `None` if the client leaves.
fn question(client: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut question = Vec::new();
    loop {
        let (kind, message) = read_message(client)?;
        question.extend(message);
        match kind {
            b'Q' | b'S' => return Ok(Some(question)),
            b'X' => return Ok(None),
            _ => {}
        }
    }
}
