//! The targets of lineage events: lines of a file, or an address that accepts them by POST.
//!
//! Implements as much of HTTP/1.1 as that needs. A redirect is not followed: it could lead anywhere, and take
//! the key along.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The time limit for delivering one event.
const DEADLINE: Duration = Duration::from_secs(2);

/// A longer response is not read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The target of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file, to which they are appended, one per line.
    File(PathBuf),
    /// An address.
    Url(Url),
}

/// An address, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    is_https: bool,
    host: String,
    port: u16,
    path: String,
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Target, &'static str> {
        let (is_https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ if text.is_empty() || text.contains("://") => {
                return Err("lineage goes to a file, or to an http or https address");
            }
            _ => return Ok(Target::File(text.into())),
        };
        if is_https && cfg!(not(feature = "tls")) {
            return Err(
                "this program was built without TLS; build it with the feature `tls`, or name an http address",
            );
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') || text.contains(['\r', '\n', ' ', '#']) {
            return Err(
                "an address of lineage has no password in it; OPENLINEAGE_API_KEY is sent as a bearer token",
            );
        }
        let default = if is_https { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| "the port of the address is not a number")?)
            }
            _ => (authority, default),
        };
        if host.is_empty() {
            return Err("the address names no host");
        }
        // If only a server is named, the usual path of such servers is used.
        let path = if path.is_empty() { "api/v1/lineage" } else { path };
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Target::Url(Url { is_https, host, port, path: format!("/{path}") }))
    }
}

impl Target {
    /// Whether a key that is sent there can be read on the way.
    pub fn is_open(&self) -> bool {
        matches!(self, Target::Url(url) if !url.is_https && !["localhost", "127.0.0.1", "::1"].contains(&&*url.host))
    }
}

/// Delivers an event, with a key if there is one.
pub fn send(target: &Target, event: &str, key: Option<&str>) -> io::Result<()> {
    match target {
        Target::File(path) => {
            // Appends to whatever exists, but not through a link, which another user may have placed.
            let mut options = OpenOptions::new();
            options.append(true).create(true).mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
            options.open(path)?.write_all(format!("{event}\n").as_bytes())
        }
        Target::Url(url) => post(url, event, key),
    }
}

fn post(url: &Url, event: &str, key: Option<&str>) -> io::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    let stream = connect(url, deadline)?;
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {host}:{}\r\nUser-Agent: logmill/{}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{key}Connection: close\r\n\r\n{event}",
        url.path,
        url.port,
        env!("CARGO_PKG_VERSION"),
        event.len()
    );
    let mut line = Timed { stream, deadline };
    let answer = match url.is_https {
        true => over_tls(url, line, &request)?,
        false => exchange(&mut line, &request)?,
    };
    let status = answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
    match status {
        Some(200..300) => Ok(()),
        Some(300..400) => {
            Err(io::Error::other("it answers with a redirect, and none is followed; name where it leads to"))
        }
        Some(status) => Err(io::Error::other(format!("it answers with {status}"))),
        None => Err(io::Error::other("its answer is not HTTP")),
    }
}

fn connect(url: &Url, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::other("its name has no address");
    for address in (url.host.as_str(), url.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(cause) => last = cause,
        }
    }
    Err(last)
}

/// Sends a request and reads the first line of the response.
fn exchange(line: &mut (impl Read + Write), request: &str) -> io::Result<String> {
    line.write_all(request.as_bytes())?;
    line.flush()?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while !answer.contains(&b'\n') && answer.len() < ANSWER_BYTES_MAX {
        match line.read(&mut piece)? {
            0 => break,
            read => answer.extend_from_slice(&piece[..read]),
        }
    }
    let first = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(first).trim_end().to_owned())
}

#[cfg(feature = "tls")]
fn over_tls(url: &Url, line: Timed, request: &str) -> io::Result<String> {
    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(url.host.clone()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    exchange(&mut StreamOwned::new(connection, line), request)
}

#[cfg(not(feature = "tls"))]
fn over_tls(_: &Url, _: Timed, _: &str) -> io::Result<String> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A connection on which every step must finish before the deadline.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        self.stream.read(into)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The remaining time, which is never zero.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
