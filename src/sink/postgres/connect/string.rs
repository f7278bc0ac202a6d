//! The two forms of a connection string: `postgres://…` and `key=value …`.
//!
//! The grammar is libpq's, oddities included, so that a string that works in psql works here: several hosts
//! with commas, IPv6 addresses in brackets, percent-encoded sockets as host, quotes and backslashes in
//! values, `ssl=true` as in JDBC.
//!
//! The string may contain a password, and an unencoded password can end up anywhere: after the wrong `@`, in
//! place of the port, as a word of its own. So no complaint quotes a piece of the string. Where libpq would
//! look up half a password as a host name (a second `@`), the string is refused, because hosts are printed.

use crate::error::{Error, Result};

/// A key and its value from the string, decoded.
pub(super) type Pair = (String, String);

/// Splits a connection string into keys and values. Keys are validated elsewhere.
pub(super) fn parse(text: &str) -> Result<Vec<Pair>> {
    match ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme)) {
        Some(rest) => url(rest),
        None => key_values(text),
    }
}

fn url(text: &str) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();

    // Credentials end at the first `@` before any `/`.
    let (credentials, text) = match text.find(['@', '/']) {
        Some(at) if text.as_bytes()[at] == b'@' => (Some(&text[..at]), &text[at + 1..]),
        _ => (None, text),
    };
    if let Some(credentials) = credentials {
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials, None),
        };
        add(&mut pairs, "user", decode(user)?);
        add(&mut pairs, "password", decode(password.unwrap_or_default())?);
    }

    let (text, query) = match text.split_once('?') {
        Some((text, query)) => (text, Some(query)),
        None => (text, None),
    };
    let (hosts, database) = match text.split_once('/') {
        Some((hosts, database)) => (hosts, Some(database)),
        None => (text, None),
    };
    if text.contains('@') {
        return Err(complaint(
            "there is a second @ in it; in a user name or password write @ as %40, / as %2F, : as %3A and % as %25",
        ));
    }
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for place in hosts.split(',') {
        let (name, port) = name_and_port(place)?;
        names.push(decode(name)?);
        ports.push(decode(port)?);
    }
    // With several hosts an empty entry counts, and means the default.
    add(&mut pairs, "host", names.join(","));
    add(&mut pairs, "port", ports.join(","));
    add(&mut pairs, "dbname", decode(database.unwrap_or_default())?);

    for parameter in query.unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty()) {
        let Some((key, value)) = parameter.split_once('=') else {
            return Err(complaint("a parameter after the ? has no =; write ?key=value&key=value"));
        };
        if value.contains('=') {
            return Err(complaint("a parameter after the ? has two =; write an = in a value as %3D"));
        }
        let (key, value) = (decode(key)?, decode(value)?);
        // As in JDBC.
        if key == "ssl" && value == "true" {
            pairs.push(("sslmode".to_owned(), "require".to_owned()));
        } else {
            pairs.push((key, value));
        }
    }
    Ok(pairs)
}

/// `name:port`, `[v6 address]:port`; both may be absent.
fn name_and_port(place: &str) -> Result<(&str, &str)> {
    let Some(rest) = place.strip_prefix('[') else {
        return Ok(place.split_once(':').unwrap_or((place, "")));
    };
    match rest.split_once(']') {
        Some((address, "")) if !address.is_empty() => Ok((address, "")),
        Some((address, port)) if !address.is_empty() && port.starts_with(':') => Ok((address, &port[1..])),
        _ => Err(complaint("an IPv6 address is not closed; write it as [::1] or [::1]:5432")),
    }
}

/// An absent part of the URL leaves the key to the service and the environment.
fn add(pairs: &mut Vec<Pair>, key: &str, value: String) {
    if !value.is_empty() {
        pairs.push((key.to_owned(), value));
    }
}

fn decode(text: &str) -> Result<String> {
    let wrong = || complaint("a % is not followed by two hex digits; write a % itself as %25");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
        rest = after;
        // `from_str_radix` would accept a sign.
        let digits = digits.iter().map(|&digit| char::from(digit).to_digit(16)).collect::<Option<Vec<_>>>();
        let byte = digits.and_then(|digits| u8::try_from(digits[0] * 16 + digits[1]).ok());
        match byte.ok_or_else(wrong)? {
            0 => return Err(complaint("it holds %00, which no value can")),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| complaint("its percent-encoded bytes are not UTF-8"))
}

fn key_values(text: &str) -> Result<Vec<Pair>> {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let key_end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (key, after) = rest.split_at(key_end);
        let Some(after) = after.trim_start().strip_prefix('=') else {
            return Err(complaint(if pairs.is_empty() {
                "write it as postgres://user@host/database or as key=value"
            } else {
                "a value is followed by a word without =; a value with spaces needs quotes, as in key='a value'"
            }));
        };
        let (value, after) = value(after.trim_start())?;
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// One value, quoted or not, and what follows it.
fn value(text: &str) -> Result<(String, &str)> {
    let (quoted, text) = match text.strip_prefix('\'') {
        Some(inside) => (true, inside),
        None => (false, text),
    };
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            _ if !quoted && character.is_ascii_whitespace() => return Ok((value, &text[at..])),
            _ => value.push(character),
        }
    }
    if quoted {
        return Err(complaint("a quoted value is not closed; end it with '"));
    }
    Ok((value, ""))
}

fn complaint(what: &str) -> Error {
    Error::connection(format!("the connection string cannot be read: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match parse(text) {
            Ok(pairs) => {
                pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
            }
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn urls_are_split_as_libpq_splits_them() {
        for (url, expected) in [
            ("postgres://", ""),
            ("postgresql:///", ""),
            ("postgres:///app", "dbname=app"),
            ("postgres://db", "host=db"),
            ("postgres://db:6432/app", "host=db port=6432 dbname=app"),
            ("postgres://me@db/app", "user=me host=db dbname=app"),
            ("postgres://me:pw@db/app", "user=me password=pw host=db dbname=app"),
            ("postgres://me:@db", "user=me host=db"),
            ("postgres://@db", "host=db"),
            ("postgres://:pw@db", "password=pw host=db"),
            ("postgres://me:a:b?c@db", "user=me password=a:b?c host=db"),
            ("postgres://me:p%40s%2Fs%25@db", "user=me password=p@s/s% host=db"),
            ("postgres://m%C3%A9@db", "user=mé host=db"),
            ("postgres://[::1]/app", "host=::1 dbname=app"),
            ("postgres://[fe80::1]:6432", "host=fe80::1 port=6432"),
            ("postgres://a:1,b,[::1]:3/app", "host=a,b,::1 port=1,,3 dbname=app"),
            ("postgres://a,b", "host=a,b port=,"),
            ("postgres://%2Fvar%2Frun%2Fpostgresql/app", "host=/var/run/postgresql dbname=app"),
            ("postgres:///app?host=/tmp&port=1", "dbname=app host=/tmp port=1"),
            ("postgres://db?sslmode=verify-full", "host=db sslmode=verify-full"),
            ("postgres://db/?ssl=true", "host=db sslmode=require"),
            ("postgres://db/app?options=-c%20a%3Db", "host=db dbname=app options=-c a=b"),
            ("postgres://db/app?password=p@ss", "host=db dbname=app password=p@ss"),
        ] {
            assert_eq!(parsed(url), expected, "{url}");
        }
    }

    #[test]
    fn key_values_are_split_as_libpq_splits_them() {
        for (text, expected) in [
            ("", ""),
            ("  ", ""),
            ("host=db", "host=db"),
            ("host = db  dbname =app", "host=db dbname=app"),
            ("password='a b' user=me", "password=a b user=me"),
            (r"password='it\'s \\ ' user=me", r"password=it's \  user=me"),
            (r"password=a\ b user=me", "password=a b user=me"),
            ("password='' user=me", "password= user=me"),
            ("password= user=me", "password=user=me"),
            ("host=/tmp port=1", "host=/tmp port=1"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_quoting_a_secret() {
        for (text, expected) in [
            ("postgres://me:s3cr3t@ss@db/app", "a second @"),
            ("postgres://me:s3cr3t/ss@db/app", "a second @"),
            ("postgres://me:s3cr3t%zz@db", "two hex digits"),
            ("postgres://me:s3cr3t%@db", "two hex digits"),
            ("postgres://me:s3cr3t%+1@db", "two hex digits"),
            ("postgres://me:s3cr3t%00@db", "%00"),
            ("postgres://me:s3cr3t%ff@db", "not UTF-8"),
            ("postgres://[::1/app", "IPv6"),
            ("postgres://[::1]x/app", "IPv6"),
            ("postgres://db/app?s3cr3t", "has no ="),
            ("postgres://db/app?password=s3cr3t=", "two ="),
            ("s3cr3t", "write it as postgres://"),
            ("me:s3cr3t@db/app", "write it as postgres://"),
            ("user=me password=a s3cr3t", "needs quotes"),
            ("user=me password='s3cr3t", "not closed"),
        ] {
            let message = parsed(text);
            assert!(message.starts_with("error: ") && message.contains(expected), "{text}: {message}");
            assert!(!message.contains("s3cr3t"), "{message}");
        }
    }
}
