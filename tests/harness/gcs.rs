//! An in-memory Google Cloud Storage, as far as the tests need it: the XML API with conditions and
//! generations. It rejects requests that it does not know.
//!
//! No other emulator speaks the XML API; they imitate the JSON API. So this proves that we send what the
//! documentation asks for and understand the answers it describes, not that Google behaves that way.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::web::message;

/// An object: its generation and its content.
type Object = (u64, Vec<u8>);

/// One map for all buckets: a key begins with the bucket's name.
pub(crate) struct Gcs {
    port: u16,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    objects: BTreeMap<String, Object>,
    generation: u64,
    /// Requests that this server does not know.
    odd: Vec<String>,
}

/// The maximum number of objects on a page, whatever the client asks for.
const PAGE: usize = 7;

impl Gcs {
    pub(crate) fn start() -> Gcs {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let served = Arc::clone(&kept);
        std::thread::spawn(move || {
            for line in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&served);
                std::thread::spawn(move || serve(&line, &kept));
            }
        });
        Gcs { port, kept }
    }

    /// The URL of the objects below a prefix of the bucket.
    pub(crate) fn url(&self, prefix: &str) -> String {
        format!("gs://shelf/{prefix}?endpoint=http://127.0.0.1:{}&allow_http=true&anonymous=true", self.port)
    }

    pub(crate) fn put(&self, key: &str, content: &[u8]) {
        self.kept.lock().unwrap().put(format!("shelf/{key}"), content.to_vec());
    }

    /// All objects of the bucket. Panics if a request was unknown.
    #[track_caller]
    pub(crate) fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let kept = self.kept.lock().unwrap();
        assert!(kept.odd.is_empty(), "asked for what is not known: {:?}", kept.odd);
        let objects = kept.objects.iter();
        objects.map(|(key, (_, bytes))| (key["shelf/".len()..].to_owned(), bytes.clone())).collect()
    }
}

impl Kept {
    fn put(&mut self, key: String, content: Vec<u8>) -> u64 {
        self.generation += 1;
        self.objects.insert(key, (self.generation, content));
        self.generation
    }
}

/// An answer: its status, its headers, and its body.
type Answer = (u16, String, Vec<u8>);

fn serve(line: &TcpStream, kept: &Mutex<Kept>) -> io::Result<()> {
    let mut reader = BufReader::new(line);
    while let Some((head, body)) = message(&mut reader)? {
        let is_head = head.starts_with("HEAD ");
        let (status, headers, body) = answer(&head, body, &mut kept.lock().unwrap());
        let length = if headers.contains("Content-Length") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let mut out = format!("HTTP/1.1 {status} so\r\n{headers}{length}\r\n").into_bytes();
        out.extend_from_slice(if is_head { &[] } else { &body });
        (&*line).write_all(&out)?;
    }
    Ok(())
}

fn no(status: u16, code: &str) -> Answer {
    (status, String::new(), format!("<Error><Code>{code}</Code></Error>").into_bytes())
}

fn answer(head: &str, body: Vec<u8>, kept: &mut Kept) -> Answer {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = decoded(path.trim_start_matches('/'));
    let header = |name: &str| {
        let of_name = |line: &str| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        head.lines().skip(1).find_map(of_name)
    };
    let found = kept.objects.get(&key).cloned();
    match method {
        "GET" if !key.contains('/') && query.starts_with("list-type=2") => list(&key, query, kept),
        "GET" | "HEAD" if query.is_empty() => match found {
            None => no(404, "NoSuchKey"),
            Some(object) => read(&object, header("if-match"), header("range")),
        },
        "PUT" if query.is_empty() && header("if-match").is_none() => {
            let now = found.map_or(0, |(generation, _)| generation);
            let wanted = header("x-goog-if-generation-match");
            if wanted.is_some_and(|wanted| wanted.parse() != Ok(now)) {
                return no(412, "PreconditionFailed");
            }
            let generation = kept.put(key, body);
            (200, described(generation), Vec::new())
        }
        "DELETE" if query.is_empty() => match kept.objects.remove(&key) {
            None => no(404, "NoSuchKey"),
            Some(_) => (204, String::new(), Vec::new()),
        },
        _ => {
            kept.odd.push(format!("{method} {target}"));
            no(400, "InvalidArgument")
        }
    }
}

fn etag(generation: u64) -> String {
    format!("\"e{generation}\"")
}

fn described(generation: u64) -> String {
    format!(
        "ETag: {}\r\nx-goog-generation: {generation}\r\nLast-Modified: Thu, 29 Feb 2024 12:00:00 GMT\r\n",
        etag(generation)
    )
}

fn read((generation, bytes): &Object, wanted: Option<String>, range: Option<String>) -> Answer {
    if wanted.is_some_and(|wanted| wanted != etag(*generation)) {
        return no(412, "PreconditionFailed");
    }
    let Some(range) = range else {
        let headers = format!("{}Content-Length: {}\r\n", described(*generation), bytes.len());
        return (200, headers, bytes.clone());
    };
    let (start, end) = range.trim_start_matches("bytes=").split_once('-').unwrap();
    let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
    if start >= bytes.len() {
        return no(416, "InvalidRange");
    }
    let end = (end + 1).min(bytes.len());
    let content = format!("Content-Range: bytes {start}-{}/{}\r\n", end - 1, bytes.len());
    (206, described(*generation) + &content, bytes[start..end].to_vec())
}

fn list(bucket: &str, query: &str, kept: &Kept) -> Answer {
    let of = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        decoded(value.unwrap_or_default())
    };
    let (prefix, from) = (format!("{bucket}/{}", of("prefix")), of("continuation-token"));
    let mut found =
        kept.objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > from).peekable();
    let (mut body, mut last) = ("<ListBucketResult>".to_owned(), String::new());
    for (key, (generation, bytes)) in found.by_ref().take(PAGE) {
        body += &format!(
            "<Contents><Key>{}</Key><Generation>{generation}</Generation><ETag>{}</ETag><Size>{}</Size>\
             <LastModified>2024-02-29T12:00:00.000Z</LastModified></Contents>",
            escaped(&key[bucket.len() + 1..]),
            escaped(&etag(*generation)),
            bytes.len()
        );
        last.clone_from(key);
    }
    if found.peek().is_some() {
        body += &format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(&last));
    }
    (200, String::new(), (body + "</ListBucketResult>").into_bytes())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Decodes `%XX`, and `+` in the query of a URL.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, others)) = rest.split_first() {
        rest = others;
        bytes.push(match (byte, others) {
            (b'%', [high, low, others @ ..]) => {
                rest = others;
                u8::from_str_radix(std::str::from_utf8(&[*high, *low]).unwrap(), 16).unwrap()
            }
            (b'+', _) => b' ',
            _ => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}
