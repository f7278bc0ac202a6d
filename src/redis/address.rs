//! The part of a URL that names a Redis server, with its password protected.

use std::fmt;
use std::net::IpAddr;

/// A server, and the login for it. Shown without its password, by `Display` and by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: Option<u32>,
}

/// The default port of Redis.
const PORT: u16 = 6379;

impl Address {
    /// Reads `redis://[USER:PASSWORD@]HOST[:PORT]` and returns the rest after a slash. `Err` says what is
    /// wrong with the URL, and quotes nothing from it.
    pub fn read(url: &str) -> Result<(Address, Option<&str>), String> {
        let rest = match url.split_once("://") {
            Some(("redis", rest)) => rest,
            Some(("rediss", _)) => {
                return Err("Redis over TLS is not built yet; use a tunnel (stunnel, ssh -L) that listens \
                            on this machine, and name its address"
                    .to_owned());
            }
            _ => return Err("a Redis server is named redis://HOST".to_owned()),
        };
        if rest.contains(['?', '#']) {
            return Err(
                "a redis URL has no parameters; a ? or # in a name is written as %3F or %23".to_owned()
            );
        }
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        // A password may contain anything.
        let (login, server) = match authority.rsplit_once('@') {
            Some((login, server)) => (Some(login), server),
            None => (None, authority),
        };
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => (word(user)?, word(password)?),
            None => (None, None),
        };
        if user.is_some() && password.is_none() {
            return Err("the URL names a user and no password".to_owned());
        }
        let (host, port) = match server.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or("a [ of the host is not closed")?,
            None => server.split_at(server.find(':').unwrap_or(server.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0),
            None => Some(PORT).filter(|_| port.is_empty()),
        };
        let port = port.ok_or("the port is a number up to 65535")?;
        if host.is_empty() {
            return Err("the URL names no host".to_owned());
        }
        Ok((Address { host: host.to_owned(), port, user, password, database: None }, path))
    }

    /// Whether what is sent there crosses a network in clear text.
    pub fn is_open_to_others(&self) -> bool {
        let address: Option<IpAddr> = self.host.parse().ok();
        !address.map_or(self.host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
    }

    /// Whether it contains a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }
}

/// A part of a URL with its `%XX` decoded; `None` if it is empty.
pub(crate) fn word(text: &str) -> Result<Option<String>, String> {
    match text {
        "" => Ok(None),
        text => decoded(text).map(Some).ok_or_else(|| "a % is followed by two hex digits".to_owned()),
    }
}

/// A text with its `%XX` decoded; `None` if the result is not text.
pub(crate) fn decoded(text: &str) -> Option<String> {
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
        f.write_str("redis://")?;
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        if self.port != PORT {
            write!(f, ":{}", self.port)?;
        }
        match self.database {
            Some(database) => write!(f, "/{database}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_string().fmt(f)
    }
}
