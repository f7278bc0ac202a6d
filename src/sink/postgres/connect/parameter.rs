//! What was asked for: libpq's parameters, each with its value and where that came from.
//!
//! The connection string wins over the service file, that over the environment, and what is
//! left has a default where it is used. A parameter that we do not know is an error, and so
//! is one that we know but cannot honour (`requirepeer`, `gssencmode=require`): whoever
//! wrote it relies on it, and would not be told otherwise.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{service, string};
use crate::error::{Error, Result};

/// The parameters that were given, by anyone.
#[derive(Default)]
pub(super) struct Parameters(BTreeMap<&'static str, Given>);

struct Given {
    value: String,
    origin: Origin,
}

/// Where a value came from, for messages.
#[derive(Clone)]
pub(super) enum Origin {
    String,
    Service { file: PathBuf, line: usize },
    Environment(&'static str),
}

impl Parameters {
    /// Gathers what the connection string, the service and the environment say.
    pub(super) fn gather(
        text: &str,
        env: &dyn Fn(&str) -> Option<String>,
        home: Option<&Path>,
    ) -> Result<Parameters> {
        let mut given = Parameters::default();
        let mut after_secret = false;
        for (key, value) in string::parse(text)? {
            // An unquoted password with a space, or an unencoded one with an &, ends in
            // what looks like a key.
            if after_secret && find(&key).is_none() {
                return Err(Error::usage(
                    "the password in the connection string is followed by something that is not a key; quote it (password='…'), or in a URL write & as %26",
                ));
            }
            after_secret = key.ends_with("password");
            given.put(&key, value, Origin::String, Replace::Earlier)?;
        }
        service::apply(&mut given, env, home)?;
        for parameter in PARAMETERS {
            if let Some((name, value)) = parameter.variable.and_then(|name| Some((name, env(name)?))) {
                given.put(parameter.name, value, Origin::Environment(name), Replace::Nothing)?;
            }
        }
        given.refuse_what_we_cannot_honour()?;
        Ok(given)
    }

    pub(super) fn put(&mut self, key: &str, value: String, origin: Origin, replace: Replace) -> Result<()> {
        let Some(parameter) = find(key) else {
            return Err(Error::usage(match nearest(key) {
                Some(near) => format!("unknown key {key:?} {origin}; did you mean {near:?}?"),
                None => format!("unknown key {key:?} {origin}; the keys are those of libpq"),
            }));
        };
        if value.contains('\0') {
            return Err(Error::usage(format!("{} {origin} holds a NUL, which no value can", parameter.name)));
        }
        if matches!(replace, Replace::Earlier) || !self.0.contains_key(parameter.name) {
            self.0.insert(parameter.name, Given { value, origin });
        }
        Ok(())
    }

    /// The value of a parameter. An empty one counts as not given, as with libpq.
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

    /// A complaint about the value of a parameter that was given.
    pub(super) fn complaint(&self, name: &str, expected: &str) -> Error {
        Error::usage(format!("{} must be {expected}", self.quote(name)))
    }

    /// A parameter as a message names it, with its value unless that is a secret or can be
    /// a part of one.
    pub(super) fn quote(&self, name: &str) -> String {
        match self.0.get(name) {
            None => name.to_owned(),
            Some(given) if matches!(name, "password" | "sslpassword" | "port") => {
                format!("{name} {}", given.origin)
            }
            Some(given) => format!("{name} {:?} {}", given.value, given.origin),
        }
    }

    fn refuse_what_we_cannot_honour(&self) -> Result<()> {
        for &(name, harmless, why) in NOT_SUPPORTED {
            if self.text(name).is_some_and(|value| !harmless.contains(&value.to_ascii_lowercase().as_str())) {
                return Err(Error::usage(format!("{} is not supported: {why}", self.quote(name))));
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

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::String => f.write_str("in the connection string"),
            Origin::Service { file, line } => write!(f, "in {}, line {line}", file.display()),
            Origin::Environment(variable) => write!(f, "from {variable}"),
        }
    }
}

/// A parameter as libpq knows it.
struct Parameter {
    name: &'static str,
    /// The variable of the environment that gives it.
    variable: Option<&'static str>,
}

const fn parameter(name: &'static str, variable: &'static str) -> Parameter {
    Parameter { name, variable: Some(variable) }
}

const fn without_variable(name: &'static str) -> Parameter {
    Parameter { name, variable: None }
}

/// The parameters of libpq 17, and `servicefile` of 18. The variables of GSSAPI are left out,
/// and so is PGCLIENTENCODING: it is about the terminal of psql.
const PARAMETERS: &[Parameter] = &[
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

/// Parameters that we cannot honour, the values that ask for nothing, and why.
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

fn find(key: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name == key)
}

/// The known key that was probably meant.
fn nearest(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    // What other drivers call them.
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

/// How many letters must be put in, left out, changed or swapped to make one word the other.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str, env: &[(&str, &str)]) -> Result<Parameters> {
        let env = |name: &str| {
            env.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        Parameters::gather(text, &env, None)
    }

    fn complaint(text: &str, env: &[(&str, &str)]) -> String {
        given(text, env).err().expect("a complaint").to_string()
    }

    #[test]
    fn the_string_wins_over_the_environment_and_the_last_word_in_it_counts() {
        let both = given("host=a host=b", &[("PGHOST", "c"), ("PGUSER", "me")]).expect("good");
        assert_eq!(both.text("host"), Some("b"));
        assert_eq!(both.text("user"), Some("me"));
        // An empty value is the default, not what the environment says.
        assert_eq!(given("host=", &[("PGHOST", "c")]).expect("good").text("host"), None);
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_known_one() {
        for (text, near) in [
            ("hots=db", "host"),
            ("postgres://db?ssl_mode=require", "sslmode"),
            ("pasword=x", "password"),
            ("database=app", "dbname"),
            ("username=me", "user"),
            ("Host=db", "host"),
            ("sslrootcerts=x", "sslrootcert"),
            ("connection_timeout=3", "connect_timeout"),
        ] {
            let message = complaint(text, &[]);
            assert!(message.contains(&format!("did you mean {near:?}?")), "{message}");
        }
        let message = complaint("wholly_different_thing=1", &[]);
        assert!(message.contains("\"wholly_different_thing\" in the connection string"), "{message}");
    }

    #[test]
    fn what_may_be_a_piece_of_a_password_is_not_quoted() {
        for text in ["password=a s3cr3t=b", "postgres://me@db?password=a&s3cr3t=b", "sslpassword=s3cr3t"] {
            let message = complaint(text, &[]);
            assert!(!message.contains("s3cr3t"), "{message}");
        }
    }

    #[test]
    fn what_we_cannot_honour_is_refused_and_what_asks_for_nothing_is_not() {
        for (text, variable) in [
            ("requirepeer=postgres", None),
            ("gssencmode=require", None),
            ("sslnegotiation=direct", None),
            ("", Some(("PGREQUIREPEER", "postgres"))),
            ("", Some(("PGREQUIREAUTH", "scram-sha-256"))),
        ] {
            let message = complaint(text, variable.as_slice());
            assert!(message.contains("is not supported"), "{message}");
        }
        given("gssencmode=prefer sslnegotiation=postgres client_encoding=UTF8 replication=false", &[])
            .map(|_| ())
            .expect("nothing is asked for");
    }

    #[test]
    fn numbers_and_choices_say_what_they_expect_and_where_the_value_came_from() {
        let given = given("port=s3cr3t keepalives=2", &[("PGCONNECT_TIMEOUT", "soon")]).expect("gathered");
        assert_eq!(
            given.number::<u16>("connect_timeout").expect_err("no number").to_string(),
            "connect_timeout \"soon\" from PGCONNECT_TIMEOUT must be a whole number"
        );
        assert_eq!(
            given.switch("keepalives").expect_err("no switch").to_string(),
            "keepalives \"2\" in the connection string must be one of 0, 1"
        );
        // Where a password should stand, somebody wrote user:password without the @.
        assert_eq!(
            given.number::<u16>("port").expect_err("no number").to_string(),
            "port in the connection string must be a whole number"
        );
    }
}
