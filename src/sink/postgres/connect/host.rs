//! The places that a connection string names, each with its credentials.
//!
//! `host`, `hostaddr` and `port` are three parallel lists; an empty entry means the default. The password is
//! per place, because the password file distinguishes places.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::parameter::Parameters;
use super::passfile::{Login, Passfile};
use crate::error::{Error, Result};

/// One place to connect to.
pub(super) struct Host {
    pub(super) address: Address,
    pub(super) port: u16,
    pub(super) password: Option<Vec<u8>>,
    /// The origin of the password, for a message that says that it is wrong.
    pub(super) password_origin: String,
}

#[derive(Debug, PartialEq)]
pub(super) enum Address {
    /// The directory of a unix socket.
    Socket(PathBuf),
    /// A name to look up and to verify, and the address if one was given. The name is empty if only the
    /// address was.
    Network { name: String, ip: Option<IpAddr> },
}

impl Host {
    pub(super) fn is_socket(&self) -> bool {
        matches!(self.address, Address::Socket(_))
    }

    /// Its name alone.
    pub(super) fn name(&self) -> String {
        match &self.address {
            Address::Socket(_) => "a socket".to_owned(),
            Address::Network { name, ip: Some(ip) } if name.is_empty() => ip.to_string(),
            Address::Network { name, .. } => Printable(name).to_string(),
        }
    }

    /// Host and port. Anyone who knows a local server by another name does not know its socket.
    pub(super) fn public(&self) -> String {
        if self.is_socket() { format!("localhost:{}", self.port) } else { self.to_string() }
    }

    /// Whether the connection never leaves this machine.
    pub(super) fn is_local(&self) -> bool {
        match &self.address {
            Address::Socket(_) => true,
            Address::Network { ip: Some(ip), .. } => ip.is_loopback(),
            Address::Network { name, ip: None } => {
                name.eq_ignore_ascii_case("localhost")
                    || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Socket(directory) => write!(f, "{}", Printable(&directory.to_string_lossy()))?,
            Address::Network { name, ip: Some(ip) } if name.is_empty() => bracketed(f, &ip.to_string())?,
            Address::Network { name, .. } => bracketed(f, name)?,
        }
        write!(f, ":{}", self.port)
    }
}

fn bracketed(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if name.contains(':') { write!(f, "[{}]", Printable(name)) } else { write!(f, "{}", Printable(name)) }
}

/// Text for a terminal: names come from outside, and must not move the cursor.
pub(super) struct Printable<'a>(pub(super) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character.is_control() {
            true => write!(f, "{}", character.escape_default()),
            false => write!(f, "{character}"),
        })
    }
}

/// Where servers on this machine keep their sockets: Debian's directory, and PostgreSQL's own.
pub(super) const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

const PORT: u16 = 5432;

pub(super) fn hosts(given: &Parameters, socket_directories: &[&Path]) -> Result<Vec<Host>> {
    let list = |name| given.text(name).map_or_else(Vec::new, |text| text.split(',').map(str::trim).collect());
    let (names, ips, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = names.len().max(ips.len()).max(1);
    if !names.is_empty() && !ips.is_empty() && names.len() != ips.len() {
        return Err(Error::connection(format!(
            "{} and {} must name equally many hosts",
            given.quote("host"),
            given.quote("hostaddr")
        )));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::connection(format!(
            "there are {} ports for {count} hosts; give one, or one each",
            ports.len()
        )));
    }
    let host = |index: usize| {
        let port = match ports.get(if ports.len() == 1 { 0 } else { index }) {
            None | Some(&"") => PORT,
            Some(port) => port.parse().ok().filter(|&port| port > 0).ok_or_else(|| {
                given.complaint(
                    "port",
                    "a number from 1 to 65535 (in a URL, user:password are followed by an @ and the host)",
                )
            })?,
        };
        let name = names.get(index).copied().unwrap_or_default();
        let ip = match ips.get(index).copied().unwrap_or_default() {
            "" => None,
            ip => Some(ip.parse().map_err(|_| given.complaint("hostaddr", "an IP address"))?),
        };
        let address = match (name, ip) {
            ("", None) => default_address(port, socket_directories),
            (name, None) if name.starts_with('/') => Address::Socket(name.into()),
            (name, None) if name.starts_with('@') => {
                return Err(
                    given.complaint("host", "a name or a directory; abstract sockets are not supported")
                );
            }
            (name, ip) => Address::Network { name: name.to_owned(), ip },
        };
        Ok(Host { address, port, password: None, password_origin: String::new() })
    };
    (0..count).map(host).collect()
}

/// libpq has one directory compiled in, which cannot be known here; so each is tried.
fn default_address(port: u16, socket_directories: &[&Path]) -> Address {
    match socket_directories.iter().find(|directory| directory.join(format!(".s.PGSQL.{port}")).exists()) {
        Some(directory) => Address::Socket(directory.to_path_buf()),
        None => Address::Network { name: "localhost".to_owned(), ip: None },
    }
}

pub(super) fn set_passwords(
    hosts: &mut [Host],
    given: &Parameters,
    home: Option<&Path>,
    socket_directories: &[&Path],
    user: &str,
    database: &str,
) -> Result<()> {
    if let Some(password) = given.text("password") {
        for host in hosts {
            host.password = Some(password.as_bytes().to_vec());
            host.password_origin = given.origin("password");
        }
        return Ok(());
    }
    let path = given.text("passfile").map(PathBuf::from).or_else(|| Some(home?.join(".pgpass")));
    let Some(passfile) = path.as_deref().map(Passfile::read).transpose()?.flatten() else { return Ok(()) };
    for host in hosts {
        let name = match &host.address {
            Address::Socket(directory) if socket_directories.contains(&directory.as_path()) => {
                "localhost".into()
            }
            Address::Socket(directory) => directory.to_string_lossy(),
            Address::Network { name, ip: Some(ip) } if name.is_empty() => ip.to_string().into(),
            Address::Network { name, .. } => name.into(),
        };
        host.password = passfile.find(&Login { host: &name, port: host.port, database, user })?;
        host.password_origin = format!("from {}", passfile.path().display());
    }
    Ok(())
}
