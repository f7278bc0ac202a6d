//! The TLS settings: the `ssl…` parameters, as libpq understands them.

use std::fmt;
use std::path::{Path, PathBuf};

use super::host::{Address, Host};
use super::parameter::Parameters;
use crate::error::{Error, Result};

/// `sslmode`, from trusting to strict. `allow` is missing: it requests TLS only after the server refused a
/// plain connection, which the driver cannot do and which helps no one.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// The authorities that vouch for a server.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Authorities {
    None,
    File(PathBuf),
    System,
}

impl fmt::Display for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Authorities::None => f.write_str("no root file"),
            Authorities::File(path) => write!(f, "{}", path.display()),
            Authorities::System => f.write_str("the authorities of the system"),
        }
    }
}

/// The TLS settings, as libpq understands its parameters.
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only TLS asks for them"))]
pub(super) struct TlsSettings {
    pub(super) mode: Mode,
    pub(super) authorities: Authorities,
    /// A file of revoked certificates.
    pub(super) revoked: Option<PathBuf>,
    /// The client certificate and its key.
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
    pub(super) server_name_sent: bool,
    pub(super) tls12: bool,
    pub(super) tls13: bool,
}

impl TlsSettings {
    pub(super) fn resolve(given: &Parameters, home: Option<&Path>) -> Result<TlsSettings> {
        let in_home = |name: &str| home.map(|home| home.join(".postgresql").join(name));
        // A file that was named, or one that happens to be in the usual place.
        let file = |name: &str, usual: &str| match given.text(name) {
            Some(path) => Some(PathBuf::from(path)),
            None => in_home(usual).filter(|path| path.exists()),
        };
        let authorities = match given.text("sslrootcert") {
            Some("system") => Authorities::System,
            _ => file("sslrootcert", "root.crt").map_or(Authorities::None, Authorities::File),
        };
        if given.text("sslmode") == Some("allow") {
            return Err(Error::connection(format!(
                "{} is not supported: it protects from nothing; use prefer, or better verify-full",
                given.quote("sslmode")
            )));
        }
        let mode = given.choice(
            "sslmode",
            &[
                ("disable", Mode::Disable),
                ("prefer", Mode::Prefer),
                ("require", Mode::Require),
                ("verify-ca", Mode::VerifyCa),
                ("verify-full", Mode::VerifyFull),
            ],
        )?;
        let mode = match (mode, &authorities) {
            (None, Authorities::System) => Mode::VerifyFull,
            // Naming authorities means that they must be checked; so does asking for TLS where a root file
            // exists.
            (None | Some(Mode::Prefer), Authorities::File(_)) if given.text("sslrootcert").is_some() => {
                Mode::VerifyCa
            }
            (Some(Mode::Require), Authorities::File(_)) => Mode::VerifyCa,
            (None, _) => Mode::Prefer,
            (Some(mode), _) => mode,
        };
        let certificate = file("sslcert", "postgresql.crt").map(|certificate| {
            let key = given.text("sslkey").map(PathBuf::from).or_else(|| in_home("postgresql.key"));
            (certificate, key.unwrap_or_else(|| "postgresql.key".into()))
        });
        let versions = [("TLSv1", 0), ("TLSv1.1", 1), ("TLSv1.2", 2), ("TLSv1.3", 3)];
        let least = given.choice("ssl_min_protocol_version", &versions)?.unwrap_or(2);
        let most = given.choice("ssl_max_protocol_version", &versions)?.unwrap_or(3);
        Ok(TlsSettings {
            mode,
            authorities,
            revoked: file("sslcrl", "root.crl"),
            certificate,
            server_name_sent: given.switch("sslsni")?.unwrap_or(true),
            tls12: (least..=most).contains(&2),
            tls13: (least..=most).contains(&3),
        })
    }

    /// Finds settings that contradict each other, before anything is sent.
    pub(super) fn check(&self, given: &Parameters, hosts: &[Host]) -> Result<()> {
        if !(self.tls12 || self.tls13) {
            return Err(Error::connection(
                "ssl_min_protocol_version and ssl_max_protocol_version leave neither TLSv1.2 nor TLSv1.3, and nothing else is spoken here",
            ));
        }
        match (&self.authorities, self.mode) {
            (Authorities::System, mode) if mode != Mode::VerifyFull => Err(Error::connection(format!(
                "{} is too weak for sslrootcert=system, whose authorities vouch for everybody; use verify-full",
                given.quote("sslmode")
            ))),
            (Authorities::None, Mode::VerifyCa | Mode::VerifyFull) => Err(Error::connection(format!(
                "{} needs to know whom to trust; name a file by sslrootcert, write ~/.postgresql/root.crt, or use sslrootcert=system",
                given.quote("sslmode")
            ))),
            (Authorities::None, _) if given.text("sslcrl").is_some() => Err(Error::connection(format!(
                "{} needs sslrootcert, without which no certificate is verified",
                given.quote("sslcrl")
            ))),
            (_, Mode::VerifyFull)
                if hosts.iter().any(
                    |host| matches!(&host.address, Address::Network { name, .. } if name.is_empty()),
                ) =>
            {
                Err(Error::connection(format!(
                    "{} verifies the name of the host; give a host beside the hostaddr",
                    given.quote("sslmode")
                )))
            }
            _ => Ok(()),
        }
    }
}
