//! The line to a server over a network: with TLS or without, and what may come over it.
//!
//! The driver believes the server. It makes room for whatever length a message announces, and
//! keeps what nobody asked for. But a server can be hostile, and before the login anybody who
//! stands between us and it can play the server. So the driver gets a line that reads the
//! header of each message first: a message that is too long ends the connection before its
//! bytes are here, and what nobody asked for is dropped and counted.
//!
//! The driver knows one hook on the way of the bytes, its TLS. [`Line`] stands there, asks for
//! TLS itself, and goes without where that is allowed. Sockets of this machine pass by the
//! hook; who serves them is a matter of the rights on their directory.

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

/// No honest server says more in one message before it knows who we are.
const LENGTH_MAX_BEFORE_LOGIN: usize = 64 << 10;

/// Nor more than this in all.
const BYTES_MAX_BEFORE_LOGIN: usize = 1 << 20;

/// No answer to a question of ours has a longer message.
const LENGTH_MAX: usize = 16 << 20;

/// More bytes than this that nobody asked for, in a row, are a flood,
const UNASKED_BYTES_MAX: u64 = 16 << 20;

/// unless the server may be talking about what it was sent: of a row that a trigger warns of, it says up to so many
/// bytes for each of the row's. They are dropped as they come, so what a flood costs is time, and it is no sign of life.
const UNASKED_PER_SENT: u64 = 256;

/// The rows of one answer take no more than this: the sources of a job, by the million.
const ANSWER_BYTES_MAX: u64 = 512 << 20;

/// What a row takes beside its bytes.
const ROW_BYTES: u64 = 100;

/// As much is read at once.
const READ_BYTES: usize = 16 << 10;

/// The request for TLS: its length, and a number in the place of a version.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Signs of life of a connection, counted, and the way to hang up.
#[derive(Debug, Default)]
pub struct Pulse {
    beats: AtomicU64,
    /// What the rows take that have come and are kept.
    kept_bytes: AtomicU64,
    is_hung_up: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Pulse {
    /// Something went on.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How often something went on.
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// A row has come that takes so much. Gives what all of them take.
    fn keep(&self, bytes: u64) -> u64 {
        self.kept_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    /// The rows that have come are not kept any more: the answer is at its end, or is handed on as it
    /// comes.
    pub fn let_go(&self) {
        self.kept_bytes.store(0, Ordering::Relaxed);
    }

    /// Breaks off. A caller that is waiting for an answer is told that there will be none.
    pub fn hang_up(&self) {
        self.is_hung_up.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker().take() {
            waker.wake();
        }
    }

    /// Whether it was hung up; if not, `waker` is called when it is.
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

/// What is agreed on before a line is made.
#[derive(Clone)]
pub(super) struct Line {
    /// Without one, TLS is not asked for.
    pub(super) connector: Option<tls::Connector>,
    /// A server without TLS is taken as it is.
    pub(super) may_be_plain: bool,
    /// A password may go over a line without TLS, in clear text or nearly so.
    pub(super) may_tell_password: bool,
    pub(super) pulse: Arc<Pulse>,
}

/// Why we do not go on with what answers there.
#[derive(Debug)]
pub(super) enum Unacceptable {
    /// It has no TLS.
    Plain,
    /// It says what no server says, or asks for what no server should.
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

/// An error of the TLS side as one of the system, which it mostly is.
fn of_tls(error: impl Into<Box<dyn StdError + Send + Sync>>) -> io::Error {
    match error.into().downcast::<io::Error>() {
        Ok(error) => *error,
        Err(error) => io::Error::other(error),
    }
}

/// A line that is about to be made.
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

/// A line on which every message is looked at before the driver has it.
pub(super) struct Guarded {
    stream: Stream,
    guard: Guard,
    /// What passed, and the driver has not taken yet.
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
        // A slow line that moves is not a dead one.
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

/// Looks at the messages of a server, however their bytes come in.
#[derive(Debug, Default)]
struct Guard {
    pulse: Arc<Pulse>,
    /// A server that asks for a password which others could read is refused.
    refuses_password: bool,
    /// The server has let us in.
    is_in: bool,
    /// How much was said before.
    before_login: usize,
    /// Bytes of unasked messages in a row.
    unasked: u64,
    /// Bytes that the server was sent.
    sent: u64,
    /// The beginning of a message, as far as it is here: its kind, its length, and of a question
    /// for a password what kind it is to be of.
    head: Vec<u8>,
    /// Bytes that are left of the message.
    rest: usize,
    /// They are dropped rather than passed on.
    is_dropped: bool,
}

impl Guard {
    /// Passes on what may come.
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

    /// The length of the message, without the byte for its kind, once enough of it is here.
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
            // Notices, notifications, and settings that changed.
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
            // In clear text, and by MD5, which a listener can use as he can the password.
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

    /// Bounds what an answer takes: the driver keeps all of its rows.
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

        // Who was sent more may say more.
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
        // Of small ones each takes more than its bytes.
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
