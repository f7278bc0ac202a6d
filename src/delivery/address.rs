//! `[dead_letters] to`: the text that names a target, with its password kept to itself.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where dead letters are delivered. Shown without its password, by `Display` and by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A folder.
    Folder(PathBuf),
    /// A stream of Redis.
    Redis(StreamAddress),
}

/// A stream of a Redis server.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamAddress {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<u32>,
    pub(super) stream: String,
}

/// The port on which Redis listens where nobody said otherwise.
const REDIS_PORT: u16 = 6379;

/// What can be written.
const FORMS: &str =
    "'to' takes a folder (a path, or file:///PATH) or redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]/STREAM";

/// The targets that are designed and not built.
const LATER: [&str; 6] = ["s3", "gs", "az", "sqs", "kafka", "nats"];

impl Address {
    /// Reads the text of a job. A relative path starts at `folder`. `Err` is what is wrong with it,
    /// and quotes nothing of it.
    pub fn read(text: &str, folder: &Path) -> Result<Address, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text.trim().is_empty() {
                true => Err(FORMS.to_owned()),
                false => Ok(Address::Folder(folder.join(text))),
            };
        };
        match scheme {
            "file" => match decoded(rest) {
                Some(path) if path.starts_with('/') && !path.contains('\0') => Ok(Address::Folder(path.into())),
                _ => Err("a file URL has three slashes and an absolute path behind them, file:///var/spool".to_owned()),
            },
            "redis" => StreamAddress::read(rest).map(Address::Redis),
            "rediss" => Err(
                "Redis over TLS is not built; let a tunnel (stunnel, ssh -L) listen on this machine, and name that".to_owned(),
            ),
            scheme if LATER.contains(&scheme) => Err(format!("{scheme}:// is planned and not built yet; {FORMS}")),
            _ => Err(FORMS.to_owned()),
        }
    }

    /// Whether it holds a password.
    pub fn has_password(&self) -> bool {
        matches!(self, Address::Redis(StreamAddress { password: Some(_), .. }))
    }

    /// Whether what is sent there passes others in clear text.
    pub fn is_open_to_others(&self) -> bool {
        let Address::Redis(StreamAddress { host, .. }) = self else { return false };
        let address: Option<IpAddr> = host.parse().ok();
        !address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
    }
}

impl StreamAddress {
    fn read(rest: &str) -> Result<StreamAddress, String> {
        let wrong = |what: &str| format!("{what}; {FORMS}");
        if rest.contains(['?', '#']) {
            return Err(wrong("a redis URL has no parameters; a ? or # in a name is written as %3F or %23"));
        }
        let (authority, path) = rest.split_once('/').ok_or_else(|| wrong("the URL names no stream"))?;
        // What is in a password may look like anything.
        let (login, server) = match authority.rsplit_once('@') {
            Some((login, server)) => (Some(login), server),
            None => (None, authority),
        };
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => (Some(user), Some(password)),
            None => (None, None),
        };
        let text = |text: Option<&str>| match text.filter(|text| !text.is_empty()) {
            Some(text) => decoded(text).map(Some).ok_or_else(|| wrong("a % is followed by two hex digits")),
            None => Ok(None),
        };
        let (user, password) = (text(user)?, text(password)?);
        if user.is_some() && password.is_none() {
            return Err(wrong("the URL names a user and no password"));
        }
        let (host, port) = match server.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or_else(|| wrong("a [ of the host is not closed"))?,
            None => server.split_at(server.find(':').unwrap_or(server.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0),
            None => Some(REDIS_PORT).filter(|_| port.is_empty()),
        };
        let port = port.ok_or_else(|| wrong("the port is a number up to 65535"))?;
        let (database, stream) = match path.split_once('/') {
            Some((database, stream)) => (Some(database), stream),
            None => (None, path),
        };
        let database = match database.map(str::parse) {
            Some(Ok(database)) => Some(database),
            Some(Err(_)) => {
                return Err(wrong("the database is a number; a / in the name of a stream is written as %2F"));
            }
            None => None,
        };
        let stream = text(Some(stream))?.ok_or_else(|| wrong("the URL names no stream"))?;
        if host.is_empty() || stream.contains('/') && path.matches('/').count() > 1 {
            return Err(wrong("the URL has a host and one stream"));
        }
        Ok(StreamAddress { host: host.to_owned(), port, user, password, database, stream })
    }
}

/// A text with its `%XX` put in; nothing if it is none then.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(digits[0])? << 4 | digit(digits[1])?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Folder(path) => path.display().fmt(f),
            Address::Redis(stream) => stream.fmt(f),
        }
    }
}

impl fmt::Display for StreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redis://")?;
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        if self.port != REDIS_PORT {
            write!(f, ":{}", self.port)?;
        }
        if let Some(database) = self.database {
            write!(f, "/{database}")?;
        }
        write!(f, "/{}", self.stream)
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
                    host: host.to_owned(),
                    port,
                    user: user.map(str::to_owned),
                    password: password.map(str::to_owned),
                    database,
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
            "s3://b/x",
        ] {
            assert!(read(text).is_err(), "{text}");
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
