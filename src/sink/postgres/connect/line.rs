//! The line to a server over a network, with TLS or without, and what may come over it.
//!
//! The driver trusts the server. It allocates whatever length a message announces, and keeps what was never
//! asked for. But a server can be hostile, and before the login anyone between it and the client can
//! impersonate it. So the driver gets a line that reads the header of each message first: a message that is
//! too long ends the connection before its bytes arrive, and unrequested messages are dropped and counted.
//!
//! The driver has one hook into the byte stream, its TLS. [`Line`] is that hook: it requests TLS itself, and
//! continues without where that is allowed. Local sockets bypass the hook; the permissions on their directory
//! determine who serves them.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::tls;

/// No honest server sends a longer message before the login.
const LENGTH_MAX_BEFORE_LOGIN: usize = 64 << 10;

/// The limit for all messages before the login.
const BYTES_MAX_BEFORE_LOGIN: usize = 1 << 20;

/// No answer to logmill's queries has a longer message.
const LENGTH_MAX: usize = 16 << 20;

/// More unrequested bytes in a row than this are a flood, unless the next limit allows them.
const UNASKED_BYTES_MAX: u64 = 16 << 20;

/// The server may be reporting on what it was sent: about a row that makes a trigger raise a warning, it may
/// send this many bytes for each byte of the row. They are dropped as they arrive, so a flood only costs
/// time, and it is no sign of life.
const UNASKED_PER_SENT: u64 = 256;

/// The maximum size of one answer's rows: enough for the sources of a job, by the million.
const ANSWER_BYTES_MAX: u64 = 512 << 20;

/// The memory of a row besides its bytes.
const ROW_BYTES: u64 = 100;

/// How much is read at once.
const READ_BYTES: usize = 16 << 10;

/// The request for TLS: its length, and a number in place of a version.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Counts the signs of life of a connection, and can hang up.
#[derive(Debug, Default)]
pub struct Pulse {
    beats: AtomicU64,
    /// The memory of the rows that have arrived and are kept.
    kept_bytes: AtomicU64,
    is_hung_up: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Pulse {
    /// Something happened.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How often something happened.
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Adds the memory of a row that has arrived, and returns the sum.
    fn keep(&self, bytes: u64) -> u64 {
        self.kept_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    /// The rows that have arrived are no longer kept: the answer is complete, or is passed on as it arrives.
    pub fn let_go(&self) {
        self.kept_bytes.store(0, Ordering::Relaxed);
    }

    /// Breaks off. A caller that is waiting for an answer gets an error.
    pub fn hang_up(&self) {
        self.is_hung_up.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker().take() {
            waker.wake();
        }
    }

    /// Whether the line was hung up; if not, `waker` is called when it is.
    fn is_hung_up(&self, waker: &Waker) -> bool {
        let mut slot = self.waker();
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
        self.is_hung_up.load(Ordering::SeqCst)
    }

    fn waker(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is decided before a line is made.
#[derive(Clone)]
pub(super) struct Line {
    /// `None`: TLS is not requested.
    pub(super) connector: Option<tls::Connector>,
    /// A server without TLS is accepted.
    pub(super) may_be_plain: bool,
    /// A password may be sent without TLS, in clear text or nearly so.
    pub(super) may_tell_password: bool,
    pub(super) pulse: Arc<Pulse>,
}

/// Why a peer is rejected.
#[derive(Debug)]
pub(super) enum Unacceptable {
    /// It has no TLS.
    Plain,
    /// It sends what no server sends, or asks for what no server should.
    Hostile(String),
}

impl fmt::Display for Unacceptable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unacceptable::Plain => {
                "the server has no TLS, which sslmode or sslrootcert asks for; turn it on there (ssl = on)"
            }
            Unacceptable::Hostile(why) => why,
        })
    }
}

impl StdError for Unacceptable {}

fn hostile(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Unacceptable::Hostile(why.into()))
}

type Tls = <tls::Maker as MakeTlsConnect<Socket>>::TlsConnect;

impl MakeTlsConnect<Socket> for Line {
    type Stream = Guarded;
    type TlsConnect = Dialled;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Dialled> {
        let tls = self.connector.as_ref().map(|connector| -> Result<Tls, _> {
            MakeTlsConnect::<Socket>::make_tls_connect(&mut connector.get(), host)
        });
        Ok(Dialled { tls: tls.transpose().map_err(of_tls)?, line: self.clone() })
    }
}

/// An error of the TLS side as a system error, which it usually is.
fn of_tls(error: impl Into<Box<dyn StdError + Send + Sync>>) -> io::Error {
    match error.into().downcast::<io::Error>() {
        Ok(error) => *error,
        Err(error) => io::Error::other(error),
    }
}

/// A line about to be made.
pub(super) struct Dialled {
    tls: Option<Tls>,
    line: Line,
}

impl TlsConnect<Socket> for Dialled {
    type Stream = Guarded;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Guarded>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(self.agree(socket))
    }
}

impl Dialled {
    async fn agree(self, mut socket: Socket) -> io::Result<Guarded> {
        let Dialled { tls, line } = self;
        let Some(tls) = tls else { return Ok(Guarded::new(Stream::Plain(socket), line)) };
        socket.write_all(&TLS_REQUEST).await?;
        match socket.read_u8().await? {
            b'S' => {
                let stream = tls.connect(socket).await.map_err(of_tls)?;
                Ok(Guarded::new(Stream::Tls(Box::new(stream)), line))
            }
            b'N' if line.may_be_plain => Ok(Guarded::new(Stream::Plain(socket), line)),
            b'N' => Err(io::Error::new(io::ErrorKind::Unsupported, Unacceptable::Plain)),
            _ => Err(hostile("it does not answer as a PostgreSQL server does; is it one?")),
        }
    }
}

enum Stream {
    Plain(Socket),
    Tls(Box<<tls::Maker as MakeTlsConnect<Socket>>::Stream>),
}

/// A line that inspects every message before it passes it to the driver.
pub(super) struct Guarded {
    stream: Stream,
    guard: Guard,
    /// What passed, and the driver has not read yet.
    passed: Vec<u8>,
    taken: usize,
}

impl Guarded {
    fn new(stream: Stream, line: Line) -> Guarded {
        let tells_password = matches!(stream, Stream::Plain(_)) && !line.may_tell_password;
        let guard = Guard { refuses_password: tells_password, pulse: line.pulse, ..Guard::default() };
        Guarded { stream, guard, passed: Vec::new(), taken: 0 }
    }
}

impl TlsStream for Guarded {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.stream {
            Stream::Plain(_) => ChannelBinding::none(),
            Stream::Tls(stream) => stream.channel_binding(),
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.taken == this.passed.len() {
            if this.guard.pulse.is_hung_up(context.waker()) {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "hung up")));
            }
            let mut bytes = [0; READ_BYTES];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(match &mut this.stream {
                Stream::Plain(stream) => Pin::new(stream).poll_read(context, &mut read),
                Stream::Tls(stream) => Pin::new(stream).poll_read(context, &mut read),
            })?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.passed.clear();
            this.taken = 0;
            this.guard.pass(read.filled(), &mut this.passed)?;
        }
        this.guard.pulse.beat();
        let some = buffer.remaining().min(this.passed.len() - this.taken);
        buffer.put_slice(&this.passed[this.taken..this.taken + some]);
        this.taken += some;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        });
        // A slow line that makes progress is not dead.
        self.guard.pulse.beat();
        self.guard.sent += written.as_ref().map_or(0, |bytes| *bytes as u64);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Inspects the messages of a server, however their bytes are split.
#[derive(Debug, Default)]
struct Guard {
    pulse: Arc<Pulse>,
    /// A server that asks for a password that others could read is refused.
    refuses_password: bool,
    /// The login has succeeded.
    is_in: bool,
    /// Bytes that arrived before that.
    before_login: usize,
    /// Bytes of unrequested messages in a row.
    unasked: u64,
    /// Bytes sent to the server.
    sent: u64,
    /// The beginning of a message, as far as it has arrived: its type, its length, and for an authentication
    /// request its method.
    head: Vec<u8>,
    /// Bytes left of the message.
    rest: usize,
    /// They are dropped instead of passed on.
    is_dropped: bool,
}

impl Guard {
    /// Passes on what is allowed.
    fn pass(&mut self, mut bytes: &[u8], passed: &mut Vec<u8>) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let (now, later) = bytes.split_at(self.rest.min(bytes.len()));
                if !self.is_dropped {
                    passed.extend_from_slice(now);
                }
                self.rest -= now.len();
                bytes = later;
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            if let Some(length) = self.length()? {
                self.judge(length)?;
                if !self.is_dropped {
                    passed.append(&mut self.head);
                }
                self.head.clear();
            }
        }
        Ok(())
    }

    /// The length of the message, without its type byte, once enough of it has arrived.
    fn length(&mut self) -> io::Result<Option<usize>> {
        let [kind, a, b, c, d, question @ ..] = &self.head[..] else { return Ok(None) };
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let length_max = if self.is_in { LENGTH_MAX } else { LENGTH_MAX_BEFORE_LOGIN };
        if !(4..=length_max).contains(&length) {
            return Err(hostile(format!(
                "the server announced a message of {length} bytes, and {length_max} is the most that is taken{}",
                if self.is_in { "" } else { " before the login; is it a PostgreSQL server?" }
            )));
        }
        if *kind == b'R' && question.len() < 4 && length >= 8 {
            return Ok(None);
        }
        self.rest = length - 4 - question.len();
        Ok(Some(length))
    }

    fn judge(&mut self, length: usize) -> io::Result<()> {
        self.is_dropped = false;
        if self.is_in {
            let kind = self.head[0];
            // Notices, notifications, and changed settings.
            self.is_dropped = matches!(kind, b'N' | b'A' | b'S');
            self.unasked = if self.is_dropped { self.unasked + 1 + length as u64 } else { 0 };
            if self.unasked > UNASKED_BYTES_MAX.max(self.sent.saturating_mul(UNASKED_PER_SENT)) {
                return Err(hostile(format!(
                    "the server sent {} MiB of notices and notifications in a row, for which nobody asked; \
                     if a trigger of the target raises them, ALTER FUNCTION … SET client_min_messages = error",
                    self.unasked >> 20
                )));
            }
            return self.count_rows(kind, length);
        }
        self.before_login += length;
        if self.before_login > BYTES_MAX_BEFORE_LOGIN {
            return Err(hostile(format!(
                "the server sent more than {BYTES_MAX_BEFORE_LOGIN} bytes before the login; is it a PostgreSQL server?"
            )));
        }
        match self.head[..] {
            [b'Z', ..] => self.is_in = true,
            // In clear text or as MD5, which an eavesdropper can use just like the password.
            [b'R', _, _, _, _, 0, 0, 0, 3 | 5] if self.refuses_password => {
                return Err(hostile(
                    "the server asks for the password in a form that others on the way could use, and the line has no TLS; \
                     use sslmode=verify-full, let the server ask by scram-sha-256, or, if the way is safe, say sslmode=disable",
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// Bounds the size of an answer: the driver keeps all of its rows.
    fn count_rows(&self, kind: u8, length: usize) -> io::Result<()> {
        match kind {
            b'D' if self.pulse.keep(length as u64 + ROW_BYTES) > ANSWER_BYTES_MAX => Err(hostile(format!(
                "the server sent rows of more than {} MiB in one answer, which no query of logmill returns",
                ANSWER_BYTES_MAX >> 20
            ))),
            b'Z' => {
                self.pulse.let_go();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("short");
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    fn pass(guard: &mut Guard, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut passed = Vec::new();
        guard.pass(bytes, &mut passed).map(|()| passed).map_err(|error| error.to_string())
    }

    fn logged_in() -> Guard {
        Guard { is_in: true, ..Guard::default() }
    }

    proptest! {
        #[test]
        fn messages_are_the_same_however_their_bytes_come_in(
            messages in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..20)), 0..20),
            cuts in prop::collection::vec(1_usize..9, 1..9),
            is_in: bool,
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|(kind, body)| message(*kind, body)).collect();
            let whole = pass(&mut Guard { is_in, ..Guard::default() }, &bytes).expect("nothing is too long");
            let (mut guard, mut rest, mut pieces) = (Guard { is_in, ..Guard::default() }, &bytes[..], Vec::new());
            for cut in cuts.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at(cut.min(rest.len()));
                pieces.extend(pass(&mut guard, now).expect("nothing is too long"));
                rest = later;
            }
            prop_assert_eq!(&pieces, &whole);
            if is_in {
                let asked = messages.iter().filter(|(kind, _)| !b"NAS".contains(kind));
                prop_assert_eq!(whole, asked.flat_map(|(kind, body)| message(*kind, body)).collect::<Vec<u8>>());
            }
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_by_its_header() {
        let announced = |kind: u8, length: usize| {
            [&[kind][..], &u32::try_from(length).expect("short").to_be_bytes()].concat()
        };
        for (length, before, after) in [
            (LENGTH_MAX_BEFORE_LOGIN, true, true),
            (LENGTH_MAX_BEFORE_LOGIN + 1, false, true),
            (LENGTH_MAX, false, true),
            (LENGTH_MAX + 1, false, false),
            (u32::MAX as usize, false, false),
            (3, false, false),
        ] {
            assert_eq!(pass(&mut Guard::default(), &announced(b'E', length)).is_ok(), before, "{length}");
            assert_eq!(pass(&mut logged_in(), &announced(b'D', length)).is_ok(), after, "{length}");
        }
    }

    #[test]
    fn a_flood_is_dropped_and_then_given_up() {
        let notice = message(b'N', &[b'x'; (64 << 10) - 5]);
        let times = |bytes: u64| 0..bytes / notice.len() as u64;
        let mut guard = logged_in();
        for _ in times(UNASKED_BYTES_MAX) {
            assert_eq!(pass(&mut guard, &notice), Ok(Vec::new()));
        }
        let answer = message(b'C', b"INSERT 0 1\0");
        let mut answered = Guard { unasked: guard.unasked, ..logged_in() };
        assert_eq!(pass(&mut answered, &answer), Ok(answer));
        assert_eq!(answered.unasked, 0);
        assert!(pass(&mut guard, &notice).expect_err("a flood").contains("notices"));

        // A server that was sent more may send more.
        let mut guard = Guard { sent: 1 << 20, ..logged_in() };
        for _ in times(UNASKED_PER_SENT << 20) {
            assert_eq!(pass(&mut guard, &notice), Ok(Vec::new()));
        }
        assert!(pass(&mut guard, &notice).expect_err("a flood").contains("256 MiB of notices"));

        let mut guard = Guard::default();
        let status = message(b'S', &[b'a'; 60_000]);
        let outcome = (0..100).try_for_each(|_| pass(&mut guard, &status).map(drop));
        assert!(outcome.expect_err("a flood").contains("before the login"));
    }

    #[test]
    fn rows_without_end_are_given_up_unless_they_are_handed_on() {
        let long = message(b'D', &[b'x'; 1 << 20]);
        let rows_max = ANSWER_BYTES_MAX / (1 << 20) - 1;
        let ready = message(b'Z', b"I");
        let mut guard = logged_in();
        let row = |guard: &mut Guard| pass(guard, &long).map(drop);
        for _ in 0..2 {
            (0..rows_max).try_for_each(|_| row(&mut guard)).expect("an answer");
            pass(&mut guard, &ready).expect("its end");
        }
        for _ in 0..2 {
            (0..rows_max).try_for_each(|_| row(&mut guard)).expect("an answer");
            guard.pulse.let_go();
        }
        let outcome = (0..rows_max + 2).try_for_each(|_| row(&mut guard));
        assert!(outcome.expect_err("a flood").contains("in one answer"));
        // Each small row takes more than its bytes.
        let (mut guard, small) = (logged_in(), message(b'D', &[0, 0]));
        assert_eq!(guard.pulse.keep(ANSWER_BYTES_MAX - 10 * ROW_BYTES), ANSWER_BYTES_MAX - 10 * ROW_BYTES);
        assert!((0..9).try_for_each(|_| pass(&mut guard, &small).map(drop)).is_ok());
        pass(&mut guard, &small).expect_err("a flood");
    }

    #[test]
    fn a_password_goes_over_no_line_that_others_can_read() {
        for (question, is_refused) in [(3_u32, true), (5, true), (10, false), (0, false)] {
            let question = message(b'R', &[&question.to_be_bytes()[..], b"salt"].concat());
            let mut guard = Guard { refuses_password: true, ..Guard::default() };
            assert_eq!(pass(&mut guard, &question).is_err(), is_refused);
            assert!(pass(&mut Guard::default(), &question).is_ok());
        }
    }
}
