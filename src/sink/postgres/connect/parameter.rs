//! libpq's parameters, each with its value and origin.
//!
//! An unknown parameter is an error, and so is a known one that cannot be honoured (`requirepeer`,
//! `gssencmode=require`): its author relies on it, and would not notice otherwise.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The given parameters, whatever their origin.
#[derive(Default)]
pub(super) struct Parameters(BTreeMap<&'static str, Given>);

struct Given {
    value: String,
    origin: Origin,
}

/// The origin of a value, for messages.
#[derive(Clone)]
pub(super) enum Origin {
    String {
        /// Whether its values may be shown: not what came from an environment variable, nor what may be a part of
        /// a password.
        is_shown: bool,
    },
    Service {
        file: PathBuf,
        line: usize,
    },
    Environment(&'static str),
}

impl Parameters {
    pub(super) fn put(&mut self, key: &str, value: String, origin: Origin, replace: Replace) -> Result<()> {
        let Some(parameter) = find(key) else {
            return Err(Error::connection(match nearest(key) {
                Some(near) if !origin.is_shown() => {
                    format!("there is an unknown key {origin}; did you mean {near:?}?")
                }
                None if !origin.is_shown() => {
                    format!("there is an unknown key {origin}; the keys are those of libpq")
                }
                Some(near) => format!("unknown key {key:?} {origin}; did you mean {near:?}?"),
                None => format!("unknown key {key:?} {origin}; the keys are those of libpq"),
            }));
        };
        if value.contains('\0') {
            return Err(Error::connection(format!(
                "{} {origin} holds a NUL, which no value can",
                parameter.name
            )));
        }
        if matches!(replace, Replace::Earlier) || !self.0.contains_key(parameter.name) {
            self.0.insert(parameter.name, Given { value, origin });
        }
        Ok(())
    }

    /// The value of a parameter. As in libpq, an empty one counts as not given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        debug_assert!(find(name).is_some(), "{name}");
        self.0.get(name).map(|given| given.value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        self.text(name)
            .map(|value| value.trim().parse().map_err(|_| self.complaint(name, "a whole number")))
            .transpose()
    }

    /// One of a closed set of words.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.text(name) else { return Ok(None) };
        match choices.iter().find(|(word, _)| *word == value) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                Err(self.complaint(name, &format!("one of {}", words.join(", "))))
            }
        }
    }

    /// 0 or 1.
    pub(super) fn switch(&self, name: &str) -> Result<Option<bool>> {
        self.choice(name, &[("0", false), ("1", true)])
    }

    /// A complaint about the value of a given parameter.
    pub(super) fn complaint(&self, name: &str, expected: &str) -> Error {
        Error::connection(format!("{} must be {expected}", self.quote(name)))
    }

    /// Whether a message may show the value of a parameter.
    pub(super) fn shows(&self, name: &str) -> bool {
        self.0.get(name).is_none_or(|given| given.origin.is_shown())
    }

    /// The origin of a parameter's value, in words.
    pub(super) fn origin(&self, name: &str) -> String {
        self.0.get(name).map(|given| given.origin.to_string()).unwrap_or_default()
    }

    /// A parameter for a message, with its value unless that is or may contain a secret.
    pub(super) fn quote(&self, name: &str) -> String {
        match self.0.get(name) {
            None => name.to_owned(),
            Some(given)
                if matches!(name, "password" | "sslpassword" | "port") || !given.origin.is_shown() =>
            {
                format!("{name} {}", given.origin)
            }
            Some(given) => format!("{name} {:?} {}", given.value, given.origin),
        }
    }

    pub(super) fn refuse_what_we_cannot_honour(&self) -> Result<()> {
        for &(name, harmless, why) in NOT_SUPPORTED {
            if self.text(name).is_some_and(|value| !harmless.contains(&value.to_ascii_lowercase().as_str())) {
                return Err(Error::connection(format!("{} is not supported: {why}", self.quote(name))));
            }
        }
        Ok(())
    }
}

/// Whether a later value of the same parameter counts.
pub(super) enum Replace {
    Earlier,
    Nothing,
}

impl Origin {
    fn is_shown(&self) -> bool {
        !matches!(self, Origin::String { is_shown: false })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::String { .. } => f.write_str("in the connection string"),
            Origin::Service { file, line } => write!(f, "in {}, line {line}", file.display()),
            Origin::Environment(variable) => write!(f, "from {variable}"),
        }
    }
}

/// A parameter of libpq.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// The environment variable that sets it.
    pub(super) variable: Option<&'static str>,
}

const fn parameter(name: &'static str, variable: &'static str) -> Parameter {
    Parameter { name, variable: Some(variable) }
}

const fn without_variable(name: &'static str) -> Parameter {
    Parameter { name, variable: None }
}

/// The parameters of libpq 17, and `servicefile` of 18. The variables of GSSAPI are left out, and so is
/// PGCLIENTENCODING, which is about psql's terminal.
pub(super) const PARAMETERS: &[Parameter] = &[
    parameter("application_name", "PGAPPNAME"),
    parameter("channel_binding", "PGCHANNELBINDING"),
    without_variable("client_encoding"),
    parameter("connect_timeout", "PGCONNECT_TIMEOUT"),
    parameter("dbname", "PGDATABASE"),
    without_variable("fallback_application_name"),
    without_variable("gssdelegation"),
    parameter("gssencmode", "PGGSSENCMODE"),
    without_variable("gsslib"),
    parameter("host", "PGHOST"),
    parameter("hostaddr", "PGHOSTADDR"),
    without_variable("keepalives"),
    without_variable("keepalives_count"),
    without_variable("keepalives_idle"),
    without_variable("keepalives_interval"),
    without_variable("krbsrvname"),
    parameter("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    parameter("options", "PGOPTIONS"),
    parameter("passfile", "PGPASSFILE"),
    parameter("password", "PGPASSWORD"),
    parameter("port", "PGPORT"),
    without_variable("replication"),
    parameter("require_auth", "PGREQUIREAUTH"),
    parameter("requirepeer", "PGREQUIREPEER"),
    parameter("service", "PGSERVICE"),
    parameter("servicefile", "PGSERVICEFILE"),
    parameter("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    parameter("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    parameter("sslcert", "PGSSLCERT"),
    parameter("sslcertmode", "PGSSLCERTMODE"),
    parameter("sslcompression", "PGSSLCOMPRESSION"),
    parameter("sslcrl", "PGSSLCRL"),
    parameter("sslcrldir", "PGSSLCRLDIR"),
    parameter("sslkey", "PGSSLKEY"),
    parameter("sslmode", "PGSSLMODE"),
    parameter("sslnegotiation", "PGSSLNEGOTIATION"),
    without_variable("sslpassword"),
    parameter("sslrootcert", "PGSSLROOTCERT"),
    parameter("sslsni", "PGSSLSNI"),
    parameter("target_session_attrs", "PGTARGETSESSIONATTRS"),
    without_variable("tcp_user_timeout"),
    parameter("user", "PGUSER"),
];

/// Parameters that cannot be honoured, their values that change nothing, and why.
const NOT_SUPPORTED: &[(&str, &[&str], &str)] = &[
    (
        "client_encoding",
        &["utf8", "utf-8", "unicode", "auto"],
        "the connection always speaks UTF-8; leave it out",
    ),
    ("gssencmode", &["disable", "prefer"], "there is no GSSAPI here; use TLS (sslmode=verify-full)"),
    (
        "replication",
        &["false", "off", "no", "0"],
        "rows are not loaded over a replication connection; leave it out",
    ),
    (
        "require_auth",
        &[],
        "the method of authentication cannot be demanded; use sslmode=verify-full and leave it out",
    ),
    (
        "requirepeer",
        &[],
        "the owner of a socket is not looked at; use TLS (sslmode=verify-full) and leave it out",
    ),
    ("sslcertmode", &["allow"], "leave it out; sslcert='' and no file in ~/.postgresql send no certificate"),
    ("sslcrldir", &[], "give one file of revoked certificates by sslcrl"),
    ("sslnegotiation", &["postgres"], "TLS is asked for as before PostgreSQL 17; leave it out"),
    (
        "sslpassword",
        &[],
        "encrypted keys cannot be used; decrypt the key (openssl pkey -in … -out …) and keep it at mode 0600",
    ),
];

pub(super) fn find(key: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name == key)
}

/// The known key that was probably meant.
fn nearest(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    // The names that other drivers use.
    let elsewhere = [
        ("database", "dbname"),
        ("db", "dbname"),
        ("hostname", "host"),
        ("username", "user"),
        ("pass", "password"),
        ("pwd", "password"),
        ("timeout", "connect_timeout"),
        ("keepalives_retries", "keepalives_count"),
        ("sslca", "sslrootcert"),
    ];
    if let Some((_, name)) = elsewhere.iter().find(|(other, _)| *other == key) {
        return Some(name);
    }
    PARAMETERS
        .iter()
        .map(|parameter| (distance(&key, parameter.name), parameter.name))
        .min()
        .filter(|(distance, name)| distance * 3 <= name.len())
        .map(|(_, name)| name)
}

/// The number of letters to insert, delete, change or swap to turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut table = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            if i == 0 || j == 0 {
                table[i][j] = i + j;
                continue;
            }
            let change = table[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            table[i][j] = change.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                table[i][j] = table[i][j].min(table[i - 2][j - 2] + 1);
            }
        }
    }
    table[one.len()][other.len()]
}
