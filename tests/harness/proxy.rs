//! A proxy between client and server that fails at a chosen message.
//!
//! It cuts both directions into messages of the PostgreSQL protocol, so that a fault falls exactly before or
//! after one: a COMMIT that never arrived, a COMMIT that was executed and whose answer was lost, a line that
//! goes dead in the middle of a COPY. It counts messages from zero in each direction; the startup packet is
//! the client's first. It forwards what precedes that packet (requests for TLS) without counting it, and
//! lets connections through that only cancel another one. It cannot see into TLS, so the server must not
//! offer it.
//!
//! The first connections obey one rule each; later ones find an honest proxy.
//!
//! To cut, the proxy shuts down its side of both sockets and discards what arrives until the peers have
//! closed. Closing at once would send a reset where there is unread data, and a reset destroys what the peer
//! has not read yet: a message that was "forwarded, then cut" would sometimes not have been.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::postgres::Database;
use super::wait_until;

/// The sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

/// Where a fault strikes.
#[derive(Clone, Debug)]
pub(crate) enum At {
    /// At the n-th message of a sender.
    Message(Sender, usize),
    /// At the client's n-th query that contains this text, ignoring case.
    Query(&'static str, usize),
}

/// What the fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection breaks before the message arrives.
    CutBefore,
    /// The message arrives, and then the connection breaks.
    CutAfter,
    /// The message arrives and the server answers it completely (up to ReadyForQuery), but the answer is
    /// dropped and the connection breaks. Only for messages of the client.
    CutAnswer,
    /// Neither the message nor anything after it arrives, and neither side is told.
    HangBefore,
    /// The message arrives, and nothing after it does.
    HangAfter,
    /// From this message on, the sender's bytes arrive one by one, this far apart.
    Drip(Duration),
    /// From this message on, the proxy takes a few kilobytes at a time from the sender, this far apart. The
    /// sender waits for a line that does move.
    Crawl(Duration),
}

/// The rule that a connection obeys.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) at: At,
    pub(crate) fault: Fault,
}

/// What passed through a connection: the types of its messages, in order. The startup packet has no type and
/// is written `^`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) client: Vec<u8>,
    pub(crate) server: Vec<u8>,
    /// Whether the connection's rule has struck.
    pub(crate) struck: bool,
}

/// A proxy in front of a database. Dropping it closes all connections.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    url: String,
    /// Wakes the accepting thread.
    visit: Box<dyn Fn()>,
    _directory: Option<tempfile::TempDir>,
}

struct Shared {
    upstream: PathBuf,
    rules: Vec<Rule>,
    state: Mutex<State>,
    /// Notified when the proxy is dropped.
    gone: Condvar,
}

#[derive(Default)]
struct State {
    is_gone: bool,
    /// One entry per counted connection.
    traffic: Vec<Traffic>,
    /// Clones of all sockets, for closing them at the end.
    sockets: Vec<Socket>,
}

impl Proxy {
    /// A proxy on a port of 127.0.0.1, so that the client believes in a network.
    pub(crate) fn on_tcp(database: &Database, rules: Vec<Rule>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Proxy {
            shared: Shared::new(database, rules),
            url: format!("postgres://postgres@{address}/{}", database.name()),
            visit: Box::new(move || drop(TcpStream::connect(address))),
            _directory: None,
        };
        proxy.accept(move || {
            let (socket, _) = listener.accept()?;
            socket.set_nodelay(true)?;
            Ok(Socket::Tcp(socket))
        });
        proxy
    }

    /// A proxy on a unix socket.
    pub(crate) fn on_socket(database: &Database, rules: Vec<Rule>) -> Proxy {
        let directory = tempfile::Builder::new().prefix("lm").tempdir_in("/tmp").unwrap();
        let path = directory.path().join(".s.PGSQL.5432");
        let listener = UnixListener::bind(&path).unwrap();
        let host = directory.path().display().to_string().replace('/', "%2F");
        let proxy = Proxy {
            shared: Shared::new(database, rules),
            url: format!("postgres://postgres@{host}/{}", database.name()),
            visit: Box::new(move || drop(UnixStream::connect(&path))),
            _directory: Some(directory),
        };
        proxy.accept(move || Ok(Socket::Unix(listener.accept()?.0)));
        proxy
    }

    fn accept(&self, accept: impl Fn() -> io::Result<Socket> + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            while let Ok(client) = accept() {
                if shared.state.lock().unwrap().is_gone {
                    break;
                }
                let shared = Arc::clone(&shared);
                // An error only ends the connection, and breaking connections is the point.
                thread::spawn(move || drop(serve(&shared, client)));
            }
        });
    }

    /// Where to connect to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The traffic so far, by connection.
    pub(crate) fn traffic(&self) -> Vec<Traffic> {
        self.shared.state.lock().unwrap().traffic.clone()
    }

    /// Waits until the rule of a connection has struck.
    #[track_caller]
    pub(crate) fn wait_struck(&self, connection: usize) {
        wait_until("the proxy to strike", || {
            self.traffic().get(connection).is_some_and(|traffic| traffic.struck)
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let sockets = {
            let mut state = self.shared.state.lock().unwrap();
            state.is_gone = true;
            std::mem::take(&mut state.sockets)
        };
        self.shared.gone.notify_all();
        for socket in sockets {
            // Shut down first: a thread that reads from a socket keeps it open.
            let _ = socket.shutdown(Shutdown::Both);
        }
        (self.visit)();
    }
}

impl Shared {
    fn new(database: &Database, rules: Vec<Rule>) -> Arc<Shared> {
        let upstream = database.server().socket();
        Arc::new(Shared { upstream, rules, state: Mutex::default(), gone: Condvar::new() })
    }
}

/// Serves one connection from its first byte, on the thread of the client's direction.
fn serve(shared: &Arc<Shared>, mut client: Socket) -> io::Result<()> {
    let mut server = Socket::Unix(UnixStream::connect(&shared.upstream)?);
    {
        let mut state = shared.state.lock().unwrap();
        if state.is_gone {
            return Ok(());
        }
        state.sockets.push(client.try_clone()?);
        state.sockets.push(server.try_clone()?);
    }
    let startup = loop {
        let packet = read_packet(&mut client)?;
        match packet.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes) {
            // Requests for TLS or GSSAPI: the server answers with one byte, a no.
            Some(80_877_103 | 80_877_104) => {
                server.write_all(&packet)?;
                let mut answer = [0];
                server.read_exact(&mut answer)?;
                client.write_all(&answer)?;
            }
            // A cancel request: the server closes the connection without an answer.
            Some(80_877_102) => {
                server.write_all(&packet)?;
                return client.shutdown(Shutdown::Both);
            }
            _ => break packet,
        }
    };
    let number = {
        let mut state = shared.state.lock().unwrap();
        state.traffic.push(Traffic::default());
        state.traffic.len() - 1
    };
    let link = Arc::new(Link {
        shared: Arc::clone(shared),
        number,
        rule: shared.rules.get(number).cloned(),
        phase: Mutex::new(Phase::Honest),
        client: client.try_clone()?,
        server: server.try_clone()?,
    });
    let answers = Pump::new(&link, Sender::Server, server.try_clone()?, client.try_clone()?);
    thread::spawn(move || answers.run(None));
    Pump::new(&link, Sender::Client, client, server).run(Some(startup));
    Ok(())
}

/// State shared by both directions of a connection.
struct Link {
    shared: Arc<Shared>,
    number: usize,
    rule: Option<Rule>,
    phase: Mutex<Phase>,
    client: Socket,
    server: Socket,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Honest,
    /// The rest of the server's answer is dropped.
    DroppingAnswer,
    /// Nothing passes and nothing ends.
    Hanging,
    /// The proxy ended the connection; what still arrives is dropped.
    Cut,
}

impl Link {
    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap()
    }

    fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap() = phase;
    }

    fn cut(&self) {
        self.enter(Phase::Cut);
        let _ = self.client.shutdown(Shutdown::Write);
        let _ = self.server.shutdown(Shutdown::Write);
    }

    /// Waits until the server is ready for a query. The driver does not wait: it sends the next query as
    /// soon as a command is complete, and the end of that answer could be mistaken for the end of the next.
    fn wait_until_idle(&self) {
        let last = || self.shared.state.lock().unwrap().traffic[self.number].server.last().copied();
        wait_until("the server to be ready", || last() == Some(READY_FOR_QUERY));
    }

    fn wait_until_gone(&self) {
        let state = self.shared.state.lock().unwrap();
        drop(self.shared.gone.wait_while(state, |state| !state.is_gone).unwrap());
    }

    fn note(&self, sender: Sender, kind: u8) {
        let traffic = &mut self.shared.state.lock().unwrap().traffic[self.number];
        match sender {
            Sender::Client => traffic.client.push(kind),
            Sender::Server => traffic.server.push(kind),
        }
    }

    fn note_strike(&self) {
        self.shared.state.lock().unwrap().traffic[self.number].struck = true;
    }
}

/// One direction of a connection.
struct Pump {
    link: Arc<Link>,
    sender: Sender,
    from: BufReader<Paced>,
    to: Socket,
    /// How many messages it has seen.
    count: usize,
    /// How many queries matched the rule's text.
    matches: usize,
    /// The pause between bytes, once they drip.
    pause: Option<Duration>,
}

impl Pump {
    fn new(link: &Arc<Link>, sender: Sender, from: Socket, to: Socket) -> Pump {
        let (link, from) =
            (Arc::clone(link), BufReader::with_capacity(64 << 10, Paced { socket: from, pause: None }));
        Pump { link, sender, from, to, count: 0, matches: 0, pause: None }
    }

    fn run(mut self, startup: Option<Vec<u8>>) {
        // An error only means that one of the sockets has ended.
        let _ = self.pass_all(startup);
        // When one side closes, tell the other, unless the rule forbids it.
        match self.link.phase() {
            Phase::Hanging => self.link.wait_until_gone(),
            Phase::Cut => {}
            Phase::Honest | Phase::DroppingAnswer => {
                let _ = self.to.shutdown(Shutdown::Write);
            }
        }
    }

    fn pass_all(&mut self, startup: Option<Vec<u8>>) -> io::Result<()> {
        if let Some(startup) = startup {
            self.pass(b'^', startup)?;
        }
        loop {
            // A dead line does not read: the sender fills its buffers and waits.
            if self.link.phase() == Phase::Hanging {
                return Ok(());
            }
            let (kind, message) = read_message(&mut self.from)?;
            self.pass(kind, message)?;
        }
    }

    /// Forwards a message, or applies the rule.
    fn pass(&mut self, kind: u8, message: Vec<u8>) -> io::Result<()> {
        match self.link.phase() {
            Phase::Honest => {}
            Phase::DroppingAnswer if self.sender == Sender::Server => {
                self.link.note(self.sender, kind);
                if kind == READY_FOR_QUERY {
                    self.link.cut();
                }
                return Ok(());
            }
            Phase::DroppingAnswer => {}
            Phase::Hanging | Phase::Cut => return Ok(()),
        }
        let fault = self.fault(kind, &message);
        self.link.note(self.sender, kind);
        let Some(fault) = fault else { return self.forward(&message) };
        match fault {
            Fault::CutBefore => self.link.cut(),
            // Set the phase first: the answer can be faster than this thread.
            Fault::CutAfter => {
                self.link.enter(Phase::Cut);
                self.forward(&message)?;
                self.link.cut();
            }
            Fault::CutAnswer => {
                if kind == QUERY {
                    self.link.wait_until_idle();
                }
                self.link.enter(Phase::DroppingAnswer);
                self.forward(&message)?;
            }
            Fault::HangBefore => self.link.enter(Phase::Hanging),
            Fault::HangAfter => {
                self.link.enter(Phase::Hanging);
                self.forward(&message)?;
            }
            Fault::Drip(pause) => {
                self.pause = Some(pause);
                // The drip counts as begun even if the connection is abandoned before its end.
                self.link.note_strike();
                self.forward(&message)?;
            }
            Fault::Crawl(pause) => {
                self.from.get_mut().pause = Some(pause);
                self.forward(&message)?;
            }
        }
        self.link.note_strike();
        Ok(())
    }

    /// The fault that strikes at this message, if any.
    fn fault(&mut self, kind: u8, message: &[u8]) -> Option<Fault> {
        let rule = self.link.rule.as_ref()?;
        let number = self.count;
        self.count += 1;
        let falls = match &rule.at {
            At::Message(sender, n) => *sender == self.sender && *n == number,
            At::Query(text, n) => {
                let is_match = self.sender == Sender::Client && kind == QUERY && contains(message, text);
                self.matches += usize::from(is_match);
                is_match && self.matches == n + 1
            }
        };
        falls.then_some(rule.fault)
    }

    fn forward(&mut self, message: &[u8]) -> io::Result<()> {
        let Some(pause) = self.pause else { return self.to.write_all(message) };
        for byte in message {
            thread::sleep(pause);
            self.to.write_all(&[*byte])?;
        }
        Ok(())
    }
}

/// A socket that may be read slowly.
struct Paced {
    socket: Socket,
    /// The pause between pieces.
    pause: Option<Duration>,
}

impl Read for Paced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(pause) = self.pause else { return self.socket.read(buffer) };
        thread::sleep(pause);
        let length = buffer.len().min(8 << 10);
        self.socket.read(&mut buffer[..length])
    }
}

const QUERY: u8 = b'Q';
const READY_FOR_QUERY: u8 = b'Z';

fn contains(message: &[u8], text: &str) -> bool {
    message.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

/// Reads a message: a type byte, and a length that includes itself.
pub(crate) fn read_message(from: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    let mut message = kind.to_vec();
    message.extend(read_packet(from)?);
    Ok((kind[0], message))
}

/// Reads a packet without a type, as sent before startup completes: a length that includes itself.
pub(super) fn read_packet(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet)?;
    let length = u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]) as usize;
    packet.resize(length.max(4), 0);
    from.read_exact(&mut packet[4..])?;
    Ok(packet)
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn try_clone(&self) -> io::Result<Socket> {
        match self {
            Socket::Tcp(socket) => socket.try_clone().map(Socket::Tcp),
            Socket::Unix(socket) => socket.try_clone().map(Socket::Unix),
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.shutdown(how),
            Socket::Unix(socket) => socket.shutdown(how),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.read(buffer),
            Socket::Unix(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.write(buffer),
            Socket::Unix(socket) => socket.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::Instant;

    use postgres::{Client, NoTls};

    use super::super::postgres::Server;
    use super::*;

    fn connect(url: &str) -> Result<Client, postgres::Error> {
        Client::connect(url, NoTls)
    }

    /// A database with an empty table.
    fn database() -> Database {
        let database = Server::shared().database();
        database.client().batch_execute("CREATE TABLE t (n int)").unwrap();
        database
    }

    fn rows(database: &Database) -> i64 {
        database.client().query_one("SELECT count(*) FROM t", &[]).unwrap().get(0)
    }

    /// The number of sessions in the database, without the one that asks.
    fn sessions(database: &Database) -> i64 {
        let question = "SELECT count(*) FROM pg_stat_activity \
                        WHERE backend_type = 'client backend' AND datname = current_database() \
                        AND pid <> pg_backend_pid()";
        database.client().query_one(question, &[]).unwrap().get(0)
    }

    /// A session like the program's: a transaction, a COPY, and a COMMIT in one message with the statement
    /// before it.
    fn load(url: &str) -> Result<(), Box<dyn std::error::Error>> {
        let mut client = connect(url)?;
        client.batch_execute("BEGIN")?;
        let mut copy = client.copy_in("COPY t FROM STDIN")?;
        for n in 0..3 {
            copy.write_all(format!("{n}\n").as_bytes())?;
            copy.flush()?;
        }
        copy.finish()?;
        client.batch_execute("UPDATE t SET n = n + 1; COMMIT")?;
        client.close()?;
        Ok(())
    }

    fn commit(fault: Fault) -> Rule {
        Rule { at: At::Query("commit", 0), fault }
    }

    #[test]
    fn an_honest_proxy_forwards_and_counts_everything() {
        let database = database();
        for proxy in [Proxy::on_tcp(&database, vec![]), Proxy::on_socket(&database, vec![])] {
            load(proxy.url()).unwrap();
            wait_until("the goodbye", || proxy.traffic()[0].client.ends_with(b"X"));
            let traffic = proxy.traffic().remove(0);
            let client = String::from_utf8_lossy(&traffic.client);
            assert!(
                client.starts_with("^QP") && client.contains("dddc") && client.ends_with("QX"),
                "{client}"
            );
            let server = String::from_utf8_lossy(&traffic.server);
            assert!(server.starts_with('R') && server.ends_with("CCZ"), "{server}");
            assert!(!traffic.struck);
        }
        assert_eq!(rows(&database), 6);
    }

    #[test]
    fn a_commit_happens_or_not_and_the_client_learns_neither() {
        for (fault, expected) in [(Fault::CutBefore, 0), (Fault::CutAfter, 3), (Fault::CutAnswer, 3)] {
            let database = database();
            for proxy in [
                Proxy::on_tcp(&database, vec![commit(fault)]),
                Proxy::on_socket(&database, vec![commit(fault)]),
            ] {
                database.client().batch_execute("TRUNCATE t").unwrap();
                assert!(load(proxy.url()).is_err(), "{fault:?}");
                proxy.wait_struck(0);
                // After a cut, the server still executes what has arrived.
                wait_until("the outcome", || rows(&database) == expected);
                // The next connection meets no fault.
                load(proxy.url()).unwrap();
            }
        }
    }

    #[test]
    fn a_hanging_line_notifies_neither_side() {
        for (fault, expected) in [(Fault::HangBefore, 0), (Fault::HangAfter, 3)] {
            let database = database();
            let proxy = Proxy::on_tcp(&database, vec![commit(fault)]);
            let url = proxy.url().to_owned();
            let client = thread::spawn(move || load(&url).is_err());
            proxy.wait_struck(0);
            wait_until("the outcome", || rows(&database) == expected);
            thread::sleep(Duration::from_millis(200));
            assert!(!client.is_finished());
            assert_eq!(rows(&database), expected);
            // The server has not noticed an end either.
            wait_until("our own sessions to end", || sessions(&database) == 1);
            drop(proxy);
            assert!(client.join().unwrap());
        }
    }

    #[test]
    fn every_message_of_both_directions_can_be_the_last() {
        let database = database();
        let honest = Proxy::on_tcp(&database, vec![]);
        load(honest.url()).unwrap();
        let traffic = honest.traffic().remove(0);
        let client = (0..traffic.client.len()).map(|n| At::Message(Sender::Client, n));
        let server = (0..traffic.server.len()).map(|n| At::Message(Sender::Server, n));
        for at in client.chain(server) {
            for fault in [Fault::CutBefore, Fault::CutAfter] {
                let rule = Rule { at: at.clone(), fault };
                database.client().batch_execute("TRUNCATE t").unwrap();
                let proxy = Proxy::on_tcp(&database, vec![rule.clone()]);
                let outcome = load(proxy.url());
                proxy.wait_struck(0);
                wait_until("the session to end", || sessions(&database) == 0);
                let rows = rows(&database);
                assert!(rows == 0 || rows == 3, "{rule:?} left {rows} rows");
                assert!(outcome.is_err() || rows == 3, "{rule:?} was reported as done");
            }
        }
    }

    #[test]
    fn a_dripping_line_is_slow_but_correct() {
        let database = database();
        let pause = Duration::from_millis(2);
        let dripping = |sender| Rule { at: At::Message(sender, 0), fault: Fault::Drip(pause) };
        let proxy = Proxy::on_tcp(&database, vec![dripping(Sender::Client), dripping(Sender::Server)]);
        for _ in 0..2 {
            let start = Instant::now();
            load(proxy.url()).unwrap();
            assert!(start.elapsed() > 100 * pause);
        }
        assert_eq!(rows(&database), 6);
    }

    #[test]
    fn a_query_is_chosen_by_its_text_and_number_and_each_connection_by_its_own_rule() {
        let database = database();
        let second = Rule { at: At::Query("select 7", 1), fault: Fault::CutBefore };
        let proxy = Proxy::on_tcp(&database, vec![second.clone(), second]);
        for number in 0..3 {
            let mut client = connect(proxy.url()).unwrap();
            client.batch_execute("SELECT 7").unwrap();
            assert_eq!(client.batch_execute("SELECT 7").is_ok(), number == 2);
        }
        let struck: Vec<bool> = proxy.traffic().iter().map(|traffic| traffic.struck).collect();
        assert_eq!(struck, [true, true, false]);
    }

    #[test]
    fn a_request_to_cancel_passes_and_is_not_a_connection() {
        let database = database();
        let proxy = Proxy::on_tcp(&database, vec![]);
        let mut client = connect(proxy.url()).unwrap();
        let token = client.cancel_token();
        let sleeper = thread::spawn(move || client.batch_execute("SELECT pg_sleep(60)").unwrap_err());
        wait_until("the query", || proxy.traffic()[0].client.ends_with(b"Q"));
        // If the query has not begun yet, the request cancels nothing, so repeat it.
        wait_until("the query to end", || {
            token.cancel_query(NoTls).unwrap();
            thread::sleep(Duration::from_millis(20));
            sleeper.is_finished()
        });
        let error = sleeper.join().unwrap();
        assert_eq!(error.code(), Some(&postgres::error::SqlState::QUERY_CANCELED));
        assert_eq!(proxy.traffic().len(), 1);
    }
}
