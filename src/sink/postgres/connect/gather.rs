//! Gathers the settings by precedence: the connection string over the service file, that over the
//! environment. Settings that are not given get their default where they are used.

use std::path::Path;

use super::parameter::{Origin, PARAMETERS, Parameters, Replace, find};
use super::{service, string};
use crate::error::{Error, Result};

/// Gathers the settings of the connection string, the service and the environment. Unless the string `is_shown`,
/// no complaint quotes a value of it.
pub(super) fn gather(
    text: &str,
    is_shown: bool,
    env: &dyn Fn(&str) -> Option<String>,
    home: Option<&Path>,
) -> Result<Parameters> {
    let mut given = Parameters::default();
    let (mut after_secret, mut is_shown) = (false, is_shown);
    for (key, value) in string::parse(text)? {
        // An unquoted password with a space, or an unencoded one with an &, ends in what looks like a key.
        if after_secret && find(&key).is_none() {
            return Err(Error::connection(
                "the password in the connection string is followed by something that is not a key; quote it (password='…'), or in a URL write & as %26",
            ));
        }
        after_secret = key.ends_with("password");
        is_shown &= !after_secret;
        given.put(&key, value, Origin::String { is_shown }, Replace::Earlier)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str, env: &[(&str, &str)]) -> Result<Parameters> {
        let env = |name: &str| {
            env.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        gather(text, true, &env, None)
    }

    fn complaint(text: &str, env: &[(&str, &str)]) -> String {
        given(text, env).err().expect("a complaint").to_string()
    }

    #[test]
    fn the_string_wins_over_the_environment_and_the_last_word_in_it_counts() {
        let both = given("host=a host=b", &[("PGHOST", "c"), ("PGUSER", "me")]).expect("good");
        assert_eq!(both.text("host"), Some("b"));
        assert_eq!(both.text("user"), Some("me"));
        // An empty value means the default, not the environment's value.
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
        for text in [
            "password=a s3cr3t=b",
            "postgres://me@db?password=a&s3cr3t=b",
            "sslpassword=s3cr3t",
            "password=a service=s3cr3t",
            "password=a host=b s3cr3t=c",
            "password=a requirepeer=s3cr3t",
        ] {
            let message = complaint(text, &[]);
            assert!(!message.contains("s3cr3t"), "{message}");
        }
    }

    #[test]
    fn no_value_of_a_string_that_is_not_shown_is_quoted() {
        for text in [
            "s3cr3t=b",
            "service=s3cr3t",
            "requirepeer=s3cr3t",
            "postgres://me@db?s3cr3t=b",
            "postgres://me@db?sslnegotiation=s3cr3t",
        ] {
            let message = gather(text, false, &|_| None, None).err().expect("a complaint").to_string();
            assert!(!message.contains("s3cr3t"), "{message}");
        }
        let given =
            gather("connect_timeout=s3cr3t keepalives=s3cr3t", false, &|_| None, None).expect("gathered");
        for error in
            [given.number::<u16>("connect_timeout").map(|_| ()), given.switch("keepalives").map(|_| ())]
        {
            let message = error.expect_err("a complaint").to_string();
            assert!(
                message.contains("in the connection string must be") && !message.contains("s3cr3t"),
                "{message}"
            );
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
        // Someone wrote user:password without the @, so the password looks like a port.
        assert_eq!(
            given.number::<u16>("port").expect_err("no number").to_string(),
            "port in the connection string must be a whole number"
        );
    }
}
