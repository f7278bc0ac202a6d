//! `[dead_letters] to`: the text that names a target, with its password protected.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::bucket;
use crate::redis::{self, decoded, word};

/// The target of dead letters. `Display` and `Debug` hide the password.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A folder.
    Folder(PathBuf),
    /// A Redis stream.
    Redis(StreamAddress),
    /// A bucket.
    Bucket(CloudUrl),
    /// An SQS queue.
    Queue(CloudUrl),
}

/// The URL of a cloud service. It holds no credentials, and the settings in it are not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct CloudUrl(String);

impl CloudUrl {
    /// The text as given.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// A stream of a Redis server.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamAddress {
    pub(super) server: redis::Address,
    pub(super) stream: String,
}

/// The accepted forms.
const FORMS: &str = "'to' takes a folder (a path, or file:///PATH), a bucket (s3://BUCKET/PREFIX, gs://…, az://…), a \
                     queue (sqs://NAME.fifo?region=NAME) or redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]/STREAM";

impl Address {
    /// Reads the text of a job. A relative path starts at `folder`. `Err` says what is wrong with the text,
    /// and quotes nothing from it.
    pub fn read(text: &str, folder: &Path) -> Result<Address, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text.trim().is_empty() {
                true => Err(FORMS.to_owned()),
                false => Ok(Address::Folder(folder.join(text))),
            };
        };
        match scheme {
            "file" => match decoded(rest) {
                Some(path) if path.starts_with('/') && !path.contains('\0') => {
                    Ok(Address::Folder(path.into()))
                }
                _ => Err("a file URL has three slashes and then an absolute path, as in file:///var/spool"
                    .to_owned()),
            },
            "redis" | "rediss" => StreamAddress::read(text).map(Address::Redis),
            "s3" | "gs" | "az" => match bucket::Bucket::check(text) {
                Ok(()) => Ok(Address::Bucket(CloudUrl(text.to_owned()))),
                Err(error) => Err(error.to_string()),
            },
            "sqs" => queue(text),
            "kafka" => Err(
                "Kafka is reached by way of a folder or a stream: the manual has a recipe under \"Delivered \
                            elsewhere\""
                    .to_owned(),
            ),
            _ => Err(FORMS.to_owned()),
        }
    }

    /// Whether it contains a password.
    pub fn has_password(&self) -> bool {
        matches!(self, Address::Redis(stream) if stream.server.has_password())
    }

    /// Whether what is sent there crosses a network in clear text.
    pub fn is_open_to_others(&self) -> bool {
        matches!(self, Address::Redis(stream) if stream.server.is_open_to_others())
    }
}

impl StreamAddress {
    fn read(url: &str) -> Result<StreamAddress, String> {
        let wrong = |what: &str| format!("{what}; {FORMS}");
        let (mut server, path) = redis::Address::read(url).map_err(|what| wrong(&what))?;
        let path = path.ok_or_else(|| wrong("the URL names no stream"))?;
        let (database, stream) = match path.split_once('/') {
            Some((database, stream)) => (Some(database), stream),
            None => (None, path),
        };
        server.database = match database.map(str::parse) {
            Some(Ok(database)) => Some(database),
            Some(Err(_)) => {
                return Err(wrong("the database is a number; a / in the name of a stream is written as %2F"));
            }
            None => None,
        };
        if stream.contains('/') {
            return Err(wrong("the URL has a host and one stream"));
        }
        let stream = word(stream).map_err(|what| wrong(&what))?;
        Ok(StreamAddress { server, stream: stream.ok_or_else(|| wrong("the URL names no stream"))? })
    }
}

/// Only a queue that keeps an order recognises a message that comes twice.
fn queue(text: &str) -> Result<Address, String> {
    #[cfg(feature = "buckets")]
    bucket::aws::Named::read(bucket::aws::Service::Sqs, text)?;
    let name = text.split('?').next().unwrap_or_default();
    match name.ends_with(".fifo") && !name.contains('@') {
        true => Ok(Address::Queue(CloudUrl(text.to_owned()))),
        false => {
            Err("the queue must be a FIFO queue, whose name ends with .fifo; credentials come from the \
                      environment"
                .to_owned())
        }
    }
}

impl fmt::Display for CloudUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for CloudUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_string().fmt(f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Folder(path) => path.display().fmt(f),
            Address::Redis(stream) => stream.fmt(f),
            Address::Bucket(url) | Address::Queue(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for StreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.stream)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_string().fmt(f)
    }
}

impl fmt::Debug for StreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_string().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Address, String> {
        Address::read(text, Path::new("/jobs"))
    }

    #[test]
    fn a_folder_is_named_by_a_path_or_a_url() {
        for (text, path) in [
            ("letters", "/jobs/letters"),
            ("../letters", "/jobs/../letters"),
            ("/var/spool/a b", "/var/spool/a b"),
            ("file:///var/a%20b%2Fc", "/var/a b/c"),
        ] {
            assert_eq!(read(text), Ok(Address::Folder(path.into())), "{text}");
        }
        for text in ["", "  ", "file://host/var", "file:///a%0", "file:///a%zz", "file:///a%00", "ftp://h/x"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_stream_is_named_by_a_url() {
        let stream =
            |host: &str, port, user: Option<&str>, password: Option<&str>, database, stream: &str| {
                Ok(Address::Redis(StreamAddress {
                    server: redis::Address {
                        host: host.to_owned(),
                        port,
                        user: user.map(str::to_owned),
                        password: password.map(str::to_owned),
                        database,
                    },
                    stream: stream.to_owned(),
                }))
            };
        for (text, expected) in [
            ("redis://h/dead", stream("h", 6379, None, None, None, "dead")),
            ("redis://h:7000/3/dead%2Fa", stream("h", 7000, None, None, Some(3), "dead/a")),
            ("redis://:p%40ss@h/dead", stream("h", 6379, None, Some("p@ss"), None, "dead")),
            ("redis://ada:p:a@s@[::1]:7/0/x", stream("::1", 7, Some("ada"), Some("p:a@s"), Some(0), "x")),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for text in [
            "redis://h",
            "redis://h/",
            "redis://h/3/",
            "redis:///x",
            "redis://h:0/x",
            "redis://h:x/x",
            "redis://h:65536/x",
            "redis://[::1/x",
            "redis://[::1]x/x",
            "redis://ada@h/x",
            "redis://h/a/b",
            "redis://h/0/a/b",
            "redis://h/x?db=1",
            "redis://h/x%",
            "rediss://h/x",
            "kafka://b/x",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bucket_and_a_queue_are_named_by_urls_without_secrets() {
        let bucket = read("s3://b/x?endpoint=http://h&allow_http=true").expect("a bucket");
        assert_eq!((bucket.to_string().as_str(), bucket.has_password()), ("s3://b/x", false));
        let queue = read("sqs://dead.fifo?region=eu-west-1").expect("a queue");
        assert_eq!(format!("{queue:?}"), "\"sqs://dead.fifo\"");
        for text in ["s3://", "s3://key:geheim@b/x", "sqs://dead", "sqs://key:geheim@dead.fifo", "nats://h/x"]
        {
            let why = read(text).expect_err(text);
            assert!(!why.contains("geheim"), "{why}");
        }
    }

    #[test]
    fn only_this_machine_is_between_us_and_a_stream_here() {
        for (text, is_open) in [
            ("redis://localhost/x", false),
            ("redis://127.0.0.1/x", false),
            ("redis://[::1]/x", false),
            ("redis://cache.internal/x", true),
            ("redis://10.0.0.1/x", true),
            ("letters", false),
        ] {
            assert_eq!(read(text).expect(text).is_open_to_others(), is_open, "{text}");
        }
    }

    #[test]
    fn its_password_is_not_shown() {
        let address = read("redis://ada:geheim@h:7/1/dead").expect("a stream");
        assert!(address.has_password());
        assert_eq!(address.to_string(), "redis://h:7/1/dead");
        assert_eq!(format!("{address:?}"), "\"redis://h:7/1/dead\"");
        let wrong = read("redis://ada:geheim@h:x/1/dead").expect_err("no port");
        assert!(!wrong.contains("geheim"), "{wrong}");
    }
}
