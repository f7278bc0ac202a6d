//! A fake server: it speaks just enough of the protocol to be believed, and then sends what the test wants.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::proxy::{read_message, read_packet};

/// A fake server that lives as long as the tests run.
pub(crate) struct Impostor {
    port: u16,
}

impl Impostor {
    /// Runs `says` on each connection after the greeting, and then hangs up.
    pub(crate) fn new(says: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Clone + 'static) -> Impostor {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for client in listener.incoming() {
                let says = says.clone();
                thread::spawn(move || {
                    let mut client = client?;
                    greeted(&mut client)?;
                    says(&mut client)
                });
            }
        });
        Impostor { port }
    }

    /// An impostor that accepts every login and answers each query with these bytes.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Impostor {
        let answer = answer.into();
        Impostor::new(move |client| {
            let_in(client)?;
            while read_message(client)?.0 != b'X' {
                client.write_all(&answer)?;
            }
            Ok(())
        })
    }

    /// The URL to connect to; this machine has more than one host name.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("postgres://postgres:s3cr3t@{host}:{}/postgres", self.port)
    }
}

/// Denies TLS and reads the startup packet.
fn greeted(client: &mut TcpStream) -> io::Result<()> {
    let first = read_packet(client)?;
    if first[4..] == [4, 210, 22, 47] {
        client.write_all(b"N")?;
        read_packet(client)?;
    }
    Ok(())
}

/// Accepts the login without a password.
pub(crate) fn let_in(client: &mut TcpStream) -> io::Result<()> {
    client.write_all(&[message(b'R', &[0; 4]), message(b'K', &[0; 8]), message(b'Z', b"I")].concat())
}

/// A message from the server.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = announced(kind, body.len() + 4);
    message.extend_from_slice(body);
    message
}

/// The head of a message. The length includes itself.
pub(crate) fn announced(kind: u8, length: usize) -> Vec<u8> {
    [&[kind][..], &u32::try_from(length).unwrap().to_be_bytes()].concat()
}

/// An error or, with kind `N`, a notice.
pub(crate) fn complaint(kind: u8, sqlstate: &str, text: &str) -> Vec<u8> {
    message(kind, format!("SERROR\0C{sqlstate}\0M{text}\0\0").as_bytes())
}
