//! An HTTP proxy in front of a server that fails at chosen requests.
//!
//! It logs every request, so that a test can assert what was asked and how often. It forwards each request
//! on its own connection, however the client uses its connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// How many requests came before it.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The headers, in lower case.
    pub(crate) headers: String,
}

impl Request {
    /// Whether it reads bytes of an object.
    pub(crate) fn is_read(&self) -> bool {
        self.method == "GET" && !self.target.contains("list-type") && !self.target.contains("prefix=")
    }

    /// Whether it asks for a page of a listing.
    pub(crate) fn is_list(&self) -> bool {
        self.method == "GET" && !self.is_read()
    }

    /// Whether it writes on condition that the object is as expected.
    pub(crate) fn is_conditional(&self) -> bool {
        self.method == "PUT"
            && ["\nif-match:", "\nif-none-match:"].iter().any(|name| self.headers.contains(name))
    }

    /// Whether it writes an object unconditionally.
    pub(crate) fn is_plain_put(&self) -> bool {
        self.method == "PUT" && !self.is_conditional()
    }

    /// Whether it asks for the operation of DynamoDB or SQS whose name ends with this.
    pub(crate) fn is_for(&self, operation: &str) -> bool {
        self.headers.contains(&format!(".{}\r\n", operation.to_lowercase()))
    }
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is forwarded and answered.
    Passes,
    /// It is answered late.
    Waits(Duration),
    /// The connection is cut before the request arrives.
    IsCut,
    /// It is executed, and the connection is cut in the middle of the answer.
    IsHalfAnswered,
    /// It is executed, and the connection is cut before the answer.
    IsUnheard,
    /// It is not executed, and this status is the answer.
    Fails(u16),
    /// It is executed, and this status is the answer.
    IsDoneAndFails(u16),
}

/// Decides what happens to each request.
type Judge = dyn Fn(&Request) -> Fate + Send + Sync;

pub(crate) struct Web {
    port: u16,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Web {
    /// A proxy in front of the server at this port.
    pub(crate) fn before(server: u16, judge: impl Fn(&Request) -> Fate + Send + Sync + 'static) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (judge, log): (Arc<Judge>, _) = (Arc::new(judge), Arc::clone(&asked));
        std::thread::spawn(move || {
            for line in listener.incoming().map_while(Result::ok) {
                let (judge, log) = (Arc::clone(&judge), Arc::clone(&log));
                std::thread::spawn(move || serve(&line, server, &*judge, &log));
            }
        });
        Web { port, asked }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests since the last call.
    pub(crate) fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Serves one connection until it ends.
fn serve(line: &TcpStream, server: u16, judge: &Judge, log: &Mutex<Vec<Request>>) -> io::Result<()> {
    let mut reader = BufReader::new(line);
    loop {
        let Some((head, body)) = message(&mut reader)? else { return Ok(()) };
        let request = note(&head, log);
        match judge(&request) {
            Fate::Passes => {}
            Fate::Waits(time) => std::thread::sleep(time),
            Fate::IsCut => return line.shutdown(std::net::Shutdown::Both),
            Fate::IsHalfAnswered => {
                let answer = pass(server, &head, &body)?;
                (&*line).write_all(&answer[..answer.len() - 1 - body_length(&answer) / 2])?;
                return line.shutdown(std::net::Shutdown::Both);
            }
            Fate::IsUnheard => {
                pass(server, &head, &body)?;
                return line.shutdown(std::net::Shutdown::Both);
            }
            Fate::Fails(status) => {
                (&*line).write_all(no(status, &request).as_bytes())?;
                continue;
            }
            Fate::IsDoneAndFails(status) => {
                pass(server, &head, &body)?;
                (&*line).write_all(no(status, &request).as_bytes())?;
                continue;
            }
        }
        (&*line).write_all(&pass(server, &head, &body)?)?;
        return line.shutdown(std::net::Shutdown::Both);
    }
}

/// An error answer, worded as S3 or as DynamoDB and SQS word it.
fn no(status: u16, request: &Request) -> String {
    let body = match request.headers.contains("\nx-amz-target:") {
        true => {
            let code = match status {
                400 => "ThrottlingException",
                403 => "AccessDeniedException",
                _ => "InternalServerError",
            };
            format!("{{\"__type\":\"com.amazon#{code}\",\"message\":\"no\"}}")
        }
        false => {
            let code = match status {
                403 => "AccessDenied",
                409 => "ConditionalRequestConflict",
                412 => "PreconditionFailed",
                503 => "SlowDown",
                _ => "InternalError",
            };
            format!("<Error><Code>{code}</Code><Message>no</Message></Error>")
        }
    };
    format!("HTTP/1.1 {status} no\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn note(head: &str, log: &Mutex<Vec<Request>>) -> Request {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut log = log.lock().unwrap();
    let number = log.len();
    let request = Request {
        number,
        method: method.to_owned(),
        target: target.to_owned(),
        headers: head.to_lowercase(),
    };
    log.push(request.clone());
    request
}

/// Reads a request: its head and its body.
pub(super) fn message(reader: &mut impl BufRead) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some((head, body)))
}

/// Forwards a request and returns the server's answer.
fn pass(server: u16, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut line = TcpStream::connect(("127.0.0.1", server))?;
    let lines =
        head.lines().filter(|line| !line.is_empty() && !line.to_lowercase().starts_with("connection:"));
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    line.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    line.write_all(body)?;
    let mut answer = Vec::new();
    line.read_to_end(&mut answer)?;
    Ok(answer)
}

fn body_length(answer: &[u8]) -> usize {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(answer.len(), |head| head + 4);
    answer.len() - head
}

/// Sends a request with a dummy signature, for servers that check none, and returns the status of the
/// answer.
pub(crate) fn send(server: u16, method: &str, target: &str, body: &[u8]) -> u16 {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{server}\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=logmilltest/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, \
         Signature=0\r\n\r\n",
        body.len()
    );
    let answer = pass(server, &head, body).unwrap();
    String::from_utf8_lossy(&answer[..answer.len().min(40)]).split(' ').nth(1).unwrap().parse().unwrap()
}
