//! A proxy that loses answers: the server does what the client asked, and the client is cut off before the
//! answer arrives.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Returns the port of a proxy to a server that speaks in turns. Each connection is cut at one of its first
/// answers, a different one each time, but never before the client's opening questions are answered.
pub(crate) fn losing_answers(server: u16) -> u16 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
            let answers = 9 + COUNT.fetch_add(1, Ordering::Relaxed) % 7;
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(Shutdown::Both);
            });
            thread::spawn(move || pass(server, client, answers));
        }
    });
    port
}

fn pass(mut server: TcpStream, mut client: TcpStream, answers: u64) {
    let mut bytes = vec![0; 1 << 16];
    for answer in 0.. {
        let Ok(count @ 1..) = server.read(&mut bytes) else { break };
        if answer == answers || client.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    for socket in [server, client] {
        let _ = socket.shutdown(Shutdown::Both);
    }
}
