//! The text that names a destination, with its password protected.
//!
//! It is inspected only as far as needed to reject at once a text that names nothing known; the sink that it
//! names parses it.

use std::fmt;
use std::str::FromStr;

use super::units::Misread;
use crate::error::secret;
use crate::sink;

/// Where rows go. `Display` and `Debug` hide the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    /// It was found rather than named.
    is_found: bool,
    /// A part of it came from an environment variable.
    has_variable: bool,
}

const URL: Misread = Misread(sink::kinds::FORMS);

impl Url {
    /// The text as given, with its password: only for the sink.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Whether it comes from a job that was merely found: then it may lead to what belongs to another user.
    pub fn is_found(&self) -> bool {
        self.is_found
    }

    /// The same, marked as coming from a job that was merely found.
    pub fn found(self) -> Url {
        Url { is_found: true, ..self }
    }

    /// Whether a part of it came from an environment variable: then no message may quote it.
    pub fn has_variable(&self) -> bool {
        self.has_variable
    }

    /// The same, marked so.
    pub(super) fn with_variable(self) -> Url {
        Url { has_variable: true, ..self }
    }

    /// The text without its password: for a command that is shown to a person, who may run it.
    pub fn without_password(&self) -> String {
        secret::removed(&self.text)
    }
}

impl FromStr for Url {
    type Err = Misread;

    fn from_str(text: &str) -> Result<Url, Misread> {
        if sink::kinds::is_named(text) {
            Ok(Url { text: text.to_owned(), is_found: false, has_variable: false })
        } else {
            Err(URL)
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&secret::masked(&self.text))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        secret::masked(&self.text).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_named_in_one_of_three_ways() {
        for text in [
            "postgres://localhost/app",
            "postgresql://",
            "postgres://h/db?application_name=x",
            "host=/run/postgresql dbname=app",
            " user = ada",
            "service=logs options='-c x=y://z'",
            "sqlite:logmill.db",
            "sqlite:/var/lib/a b.db",
        ] {
            assert!(Url::from_str(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "localhost",
            "mysql://h/db",
            "sqlite:",
            "sqlite::memory:",
            "logs.db",
            "http://h/?a=b",
            "=x",
            "Host=x",
        ] {
            assert_eq!(Url::from_str(text), Err(URL), "{text}");
        }
    }

    #[test]
    fn its_password_is_not_shown() {
        let url = Url::from_str("postgres://ada:pass@host/db").expect("a destination");
        assert_eq!(url.to_string(), "postgres://ada:***@host/db");
        assert_eq!(format!("{url:?}"), "\"postgres://ada:***@host/db\"");
        assert_eq!(url.reveal(), "postgres://ada:pass@host/db");
    }
}
