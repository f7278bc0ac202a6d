//! The name of a table, as a job writes it and PostgreSQL reads it.
//!
//! A name is never pasted into a statement: it is split into identifiers here, and each is quoted where it is
//! used. So `select` is a table like any other, and nothing else can be injected in place of a name.

use std::fmt;
use std::str::FromStr;

use super::key::quote;
use super::word::quoted;

/// PostgreSQL truncates longer identifiers, so two of them could become one table.
const IDENTIFIER_BYTES_MAX: usize = 63;

/// One identifier, or two: `events`, `logs.events`, `"Events of ""today"""`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TableName {
    /// The schema, where one is named.
    pub schema: Option<String>,
    pub name: String,
}

impl TableName {
    /// The name for a statement, with every part in quotes.
    pub fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(&self.name)),
            None => quote(&self.name),
        }
    }

    /// The name as it is remembered, by which sources are found again; so it does not depend on which words a
    /// language reserves.
    pub(super) fn remembered(&self) -> String {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let part =
            |name: &str| match name.bytes().all(plain) && !name.starts_with(|ch: char| ch.is_ascii_digit()) {
                true => name.to_owned(),
                false => quote(name),
            };
        let schema = self.schema.as_ref().map(|schema| part(schema) + ".").unwrap_or_default();
        schema + &part(&self.name)
    }

    /// The name of a table whose identifier is exactly this.
    pub fn exactly(name: &str) -> Result<TableName, NoTableName> {
        quote(name).parse()
    }
}

/// As a person would write it, with quotes only where they are needed.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", quoted(schema))?;
        }
        f.write_str(&quoted(&self.name))
    }
}

/// Why a text is not the name of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTableName(String);

impl fmt::Display for NoTableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoTableName {}

impl FromStr for TableName {
    type Err = NoTableName;

    fn from_str(text: &str) -> Result<TableName, NoTableName> {
        let (first, rest) = identifier(text)?;
        let Some(rest) = rest else { return Ok(TableName { schema: None, name: first }) };
        match identifier(rest)? {
            (name, None) => Ok(TableName { schema: Some(first), name }),
            (_, Some(_)) => {
                Err(NoTableName("has more than two parts; it is a table, or a schema and a table".to_owned()))
            }
        }
    }
}

/// The identifier at the start of a text, and what follows the dot after it.
fn identifier(text: &str) -> Result<(String, Option<&str>), NoTableName> {
    let text = text.trim_matches(' ');
    let (identifier, rest) = match text.strip_prefix('"') {
        Some(quoted) => in_quotes(quoted)?,
        None => bare(text)?,
    };
    let bytes = identifier.len();
    if bytes > IDENTIFIER_BYTES_MAX {
        return Err(NoTableName(format!(
            "has an identifier of {bytes} bytes, and {IDENTIFIER_BYTES_MAX} is the most that a server tells apart"
        )));
    }
    match rest.trim_start_matches(' ').strip_prefix('.') {
        Some(rest) => Ok((identifier, Some(rest))),
        None if rest.trim_matches(' ').is_empty() => Ok((identifier, None)),
        None => Err(NoTableName(
            "has something after its name; put a name that is not only letters, digits and _ in quotes, as in \"my table\""
                .to_owned(),
        )),
    }
}

/// The text in quotes, whose opening quote is already consumed, and what follows.
fn in_quotes(text: &str) -> Result<(String, &str), NoTableName> {
    let mut identifier = String::new();
    let mut rest = text;
    loop {
        let Some(quote) = rest.find('"') else {
            return Err(NoTableName("has a quote that does not end".to_owned()));
        };
        identifier.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                identifier.push('"');
                rest = after;
            }
            None => break,
        }
    }
    if identifier.is_empty() || identifier.contains(char::is_control) {
        return Err(NoTableName("has an identifier that is empty or holds control characters".to_owned()));
    }
    Ok((identifier, rest))
}

/// The text without quotes, in the server's case, and what follows.
fn bare(text: &str) -> Result<(String, &str), NoTableName> {
    let begins = |ch: char| ch.is_ascii_alphabetic() || ch == '_' || !ch.is_ascii() && !ch.is_whitespace();
    let goes_on = |ch: char| begins(ch) || ch.is_ascii_digit() || ch == '$';
    let end = text.find(|ch| !goes_on(ch)).unwrap_or(text.len());
    if !text.starts_with(begins) || text[..end].contains(char::is_control) {
        return Err(NoTableName(
            "is not the name of a table: letters, digits and _ (or anything, in quotes), after a schema and a dot or alone"
                .to_owned(),
        ));
    }
    Ok((text[..end].to_ascii_lowercase(), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Option<String>, String), String> {
        text.parse().map(|TableName { schema, name }| (schema, name)).map_err(|error: NoTableName| error.0)
    }

    #[test]
    fn a_name_is_read_as_the_server_reads_it() {
        for (text, schema, name) in [
            ("events", None, "events"),
            ("Events", None, "events"),
            ("select", None, "select"),
            ("_a$1", None, "_a$1"),
            ("größe", None, "größe"),
            ("ÄRGER", None, "ÄrGER".to_lowercase().replace('ä', "Ä").as_str()),
            ("logs.Events", Some("logs"), "events"),
            ("\"Logs\".\"a.b\"", Some("Logs"), "a.b"),
            (" logs . events ", Some("logs"), "events"),
            ("\"a \"\"b\"\"\"", None, "a \"b\""),
            ("\"x; DROP TABLE y\"", None, "x; DROP TABLE y"),
        ] {
            assert_eq!(parse(text), Ok((schema.map(str::to_owned), name.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "x".repeat(64);
        for (text, why) in [
            ("", "not the name"),
            (" ", "not the name"),
            ("1a", "not the name"),
            ("a b", "has something after"),
            ("a;b", "has something after"),
            ("a-b", "has something after"),
            ("a.b.c", "more than two"),
            ("a.", "not the name"),
            (".a", "not the name"),
            ("\"a", "does not end"),
            ("\"\"", "empty"),
            ("\"a\0\"", "control"),
            ("\"a\"b", "has something after"),
            (&long, "64 bytes"),
            (&format!("\"{}\"", "ä".repeat(32)), "64 bytes"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(parse(&long[1..]).is_ok());
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for text in ["events", "Logs.\"Events\"", "\"select\"", "\"a b\".\"c\"\"d\"", "\"1\"", "größe"] {
            let name: TableName = text.parse().expect(text);
            assert_eq!(name.to_string().parse(), Ok(name.clone()), "{text}");
            assert_eq!(name.remembered().parse(), Ok(name.clone()), "{text}");
            assert_eq!(name.quoted().parse(), Ok(name), "{text}");
        }
    }
}
