//! Serves the metrics at an address: as much of HTTP/1.1 as a scraper needs.
//!
//! Each client gets a thread, and their number is limited. A request is short and has a deadline, so a slow
//! or silent client does not keep others out for long, and does not affect the run.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::speech::Speech;
use crate::error::unnumbered;
use crate::event::Event;
use crate::metrics::Metrics;

/// At most this many clients are served at a time.
const ANSWERED_MAX: usize = 16;

/// The time limit for a request and its response.
const DEADLINE: Duration = Duration::from_secs(5);

/// A longer request does not come from a scraper.
const REQUEST_BYTES_MAX: usize = 8 << 10;

/// Listens until the process ends. If the address is not available, this is reported, and the run continues.
pub(super) fn listen(address: SocketAddr, metrics: Arc<Metrics>, speech: Speech) {
    let started = TcpListener::bind(address).and_then(|listener| {
        let address = listener.local_addr()?;
        std::thread::Builder::new().name("listen".into()).spawn(move || serve(&listener, &metrics))?;
        Ok(address)
    });
    match started {
        Ok(address) => speech.event(&Event::Listening { url: format!("http://{address}/metrics") }),
        Err(cause) => speech.warn(&format!(
            "--metrics-listen: cannot listen at {address} ({}); the run continues, and serves no metrics",
            unnumbered(&cause)
        )),
    }
}

fn serve(listener: &TcpListener, metrics: &Arc<Metrics>) {
    let answered = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Perhaps out of descriptors, which may become free.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        // Only this thread counts up.
        if answered.load(Ordering::Relaxed) >= ANSWERED_MAX {
            continue;
        }
        answered.fetch_add(1, Ordering::Relaxed);
        let (metrics, of_thread) = (Arc::clone(metrics), Arc::clone(&answered));
        let thread = std::thread::Builder::new().name("scrape".into()).spawn(move || {
            // A client that went away has lost no more than the response.
            let _ = answer(stream, &metrics);
            of_thread.fetch_sub(1, Ordering::Relaxed);
        });
        if thread.is_err() {
            answered.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn answer(mut stream: TcpStream, metrics: &Metrics) -> io::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    let request = request(&mut stream, deadline)?;
    let (status, body) = match request {
        None => ("431 Request Header Fields Too Large", "the request is too long\n".to_owned()),
        Some(Request { is_http: false, .. }) => ("400 Bad Request", "this is HTTP/1.1\n".to_owned()),
        Some(Request { is_get: false, .. }) => {
            ("405 Method Not Allowed", "only GET is answered\n".to_owned())
        }
        Some(Request { is_metrics: false, .. }) => {
            ("404 Not Found", "the metrics are at /metrics\n".to_owned())
        }
        Some(_) => ("200 OK", metrics.text()),
    };
    let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         {allow}Connection: close\r\n\r\n{body}",
        body.len()
    );
    let mut left = answer.as_bytes();
    while !left.is_empty() {
        stream.set_write_timeout(Some(time_until(deadline)?))?;
        match stream.write(left)? {
            0 => break,
            written => left = &left[written..],
        }
    }
    Ok(())
}

/// The parts of a request that matter.
struct Request {
    is_http: bool,
    is_get: bool,
    is_metrics: bool,
}

/// Reads a request to the end of its head. `None` if it is too long.
fn request(stream: &mut TcpStream, deadline: Instant) -> io::Result<Option<Request>> {
    let (mut head, mut piece) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > REQUEST_BYTES_MAX {
            return Ok(None);
        }
        stream.set_read_timeout(Some(time_until(deadline)?))?;
        match stream.read(&mut piece)? {
            0 => break,
            read => head.extend_from_slice(&piece[..read]),
        }
    }
    let line =
        String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    let mut words = line.split(' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let path = target.map(|target| target.split('?').next().unwrap_or_default());
    Ok(Some(Request {
        is_http: version.is_some_and(|version| version.starts_with("HTTP/1.")),
        is_get: method == Some("GET"),
        is_metrics: path == Some("/metrics"),
    }))
}

/// The remaining time, which is never zero.
fn time_until(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
