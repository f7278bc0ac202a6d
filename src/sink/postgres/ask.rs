//! Queries that wait for the server as rarely as possible.
//!
//! The driver usually prepares a statement, which returns the types of its parameters, and then runs it. That
//! pays off for frequent queries. A query that runs once, before the first row or after the last, would only
//! wait twice: [`Ask`] gives the types instead of asking for them.
//!
//! Several such queries are the statements of one message ([`ask_all`]), whose values are pasted as literals
//! ([`with_values`]), and which the server answers in texts ([`Answer`]).

use std::fmt::Write as _;

use chrono::{Datelike as _, NaiveDate};
use postgres::types::{ToSql, Type};
use postgres::{Error, GenericClient, Row, SimpleQueryMessage, SimpleQueryRow};

use super::names::literal;
use super::trouble::{Trouble, at, odd_answer};
use super::verdict::Step;

/// A value whose server type is known.
pub(super) trait Typed: ToSql + Sync + Written {
    /// The type.
    fn type_of(&self) -> Type;

    /// The value, for the driver.
    fn value(&self) -> &(dyn ToSql + Sync);
}

/// Maps Rust types to the server's, each as itself and as nullable.
macro_rules! typed {
    ($($rust:ty => $type:ident),* $(,)?) => {$(
        impl Typed for $rust {
            fn type_of(&self) -> Type {
                Type::$type
            }

            fn value(&self) -> &(dyn ToSql + Sync) {
                self
            }
        }

        impl Typed for Option<$rust> {
            fn type_of(&self) -> Type {
                Type::$type
            }

            fn value(&self) -> &(dyn ToSql + Sync) {
                self
            }
        }
    )*};
}

typed! {
    bool => BOOL,
    i32 => INT4,
    i64 => INT8,
    u32 => OID,
    String => TEXT,
    &str => TEXT,
    &[u8] => BYTEA,
    &[i32] => INT4_ARRAY,
    NaiveDate => DATE,
    &[String] => TEXT_ARRAY,
    Vec<bool> => BOOL_ARRAY,
    Vec<i32> => INT4_ARRAY,
    Vec<i64> => INT8_ARRAY,
    Vec<Option<i64>> => INT8_ARRAY,
    Vec<u32> => OID_ARRAY,
    Vec<String> => TEXT_ARRAY,
    Vec<&str> => TEXT_ARRAY,
    Vec<Vec<u8>> => BYTEA_ARRAY,
}

/// A value that can be written as the server reads it.
pub(super) trait Written {
    /// Its text; `None` for null.
    fn written(&self) -> Option<String>;
}

macro_rules! written_plainly {
    ($($rust:ty),*) => {$(
        impl Written for $rust {
            fn written(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}

written_plainly!(bool, i32, i64, u32, String, &str);

impl Written for NaiveDate {
    fn written(&self) -> Option<String> {
        Some(date_text(*self, ""))
    }
}

impl Written for &[u8] {
    fn written(&self) -> Option<String> {
        Some(format!("\\x{}", hex(self)))
    }
}

impl Written for Vec<u8> {
    fn written(&self) -> Option<String> {
        self.as_slice().written()
    }
}

impl<T: Written> Written for &[T] {
    fn written(&self) -> Option<String> {
        let item = |item: &T| match item.written() {
            Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            None => "NULL".to_owned(),
        };
        Some(format!("{{{}}}", self.iter().map(item).collect::<Vec<_>>().join(",")))
    }
}

impl<T: Written> Written for Vec<T> {
    fn written(&self) -> Option<String> {
        self.as_slice().written()
    }
}

impl<T: Written> Written for Option<T> {
    fn written(&self) -> Option<String> {
        self.as_ref().and_then(Written::written)
    }
}

/// Queries that a client can make in one round trip.
pub(super) trait Ask: GenericClient {
    /// The rows of an answer.
    fn ask(&mut self, sql: &str, values: &[&dyn Typed]) -> Result<Vec<Row>, Error> {
        self.query_typed(sql, &with_types(values))
    }

    /// The only row.
    fn ask_one(&mut self, sql: &str, values: &[&dyn Typed]) -> Result<Row, Error> {
        self.query_typed_one(sql, &with_types(values))
    }

    /// The only row, if there is one.
    fn ask_opt(&mut self, sql: &str, values: &[&dyn Typed]) -> Result<Option<Row>, Error> {
        self.query_typed_opt(sql, &with_types(values))
    }

    /// The number of rows that a statement has written.
    fn tell(&mut self, sql: &str, values: &[&dyn Typed]) -> Result<u64, Error> {
        self.execute_typed(sql, &with_types(values))
    }
}

impl<C: GenericClient> Ask for C {}

fn with_types<'v>(values: &[&'v dyn Typed]) -> Vec<(&'v (dyn ToSql + Sync), Type)> {
    values.iter().map(|value| (value.value(), value.type_of())).collect()
}

/// A statement with its values in place of its parameters.
pub(super) fn with_values(sql: &str, values: &[&dyn Typed]) -> String {
    let mut parts = sql.split('$');
    let mut pasted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = part[..digits].parse().expect("a dollar precedes the number of a parameter");
        let value = values[number - 1];
        let text = value.written().map_or_else(|| "NULL".to_owned(), |text| literal(&text));
        // In parentheses, because a subscript may follow.
        let _ = write!(pasted, "({text}::{}){}", value.type_of().name(), &part[digits..]);
    }
    pasted
}

/// Asks several questions in one message. A question is one statement that returns rows, and any that return
/// none. An empty one is not sent, and has an empty answer.
pub(super) fn ask_all<const N: usize>(
    client: &mut impl GenericClient,
    step: Step,
    questions: [String; N],
) -> Result<[Answer; N], Trouble> {
    let sent: Vec<&str> = questions.iter().map(String::as_str).filter(|sql| !sql.is_empty()).collect();
    let said = at(step, client.simple_query(&sent.join(";\n")))?;
    let mut answers: Vec<Vec<SimpleQueryRow>> = Vec::with_capacity(N);
    for message in said {
        match (message, answers.last_mut()) {
            (SimpleQueryMessage::RowDescription(_), _) => answers.push(Vec::new()),
            (SimpleQueryMessage::Row(row), Some(rows)) => rows.push(row),
            _ => {}
        }
    }
    if answers.len() != sent.len() {
        return Err(Trouble::Ours(odd_answer(step)));
    }
    let mut answers = answers.into_iter();
    Ok(questions.map(|question| {
        let rows = if question.is_empty() { None } else { answers.next() };
        Answer { step, rows: rows.unwrap_or_default() }
    }))
}

/// The rows of an answer in texts.
#[derive(Debug)]
pub(super) struct Answer {
    step: Step,
    rows: Vec<SimpleQueryRow>,
}

impl Answer {
    pub(super) fn rows(&self) -> impl Iterator<Item = Line<'_>> {
        self.rows.iter().map(|row| Line { step: self.step, row })
    }

    /// The first row, if there is one.
    pub(super) fn first(&self) -> Option<Line<'_>> {
        self.rows().next()
    }

    /// The only row.
    pub(super) fn only(&self) -> Result<Line<'_>, Trouble> {
        self.first().ok_or_else(|| Trouble::Ours(odd_answer(self.step)))
    }
}

/// A row in texts.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    step: Step,
    row: &'a SimpleQueryRow,
}

impl Line<'_> {
    /// The value in a column. No real server gives one of another type than was asked for.
    pub(super) fn get<T: Read>(&self, column: usize) -> Result<T, Trouble> {
        let value = self.row.try_get(column).ok().and_then(T::read);
        value.ok_or_else(|| Trouble::Ours(odd_answer(self.step)))
    }
}

/// A value that can be read from the server's text for it.
pub(super) trait Read: Sized {
    /// The value; `None` if it is of another type. A null has no text.
    fn read(text: Option<&str>) -> Option<Self>;
}

macro_rules! read_plainly {
    ($($rust:ty),*) => {$(
        impl Read for $rust {
            fn read(text: Option<&str>) -> Option<Self> {
                text?.parse().ok()
            }
        }
    )*};
}

read_plainly!(i32, i64, u32, char, String);

impl Read for bool {
    fn read(text: Option<&str>) -> Option<Self> {
        match text? {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        }
    }
}

/// Bytes are asked for in hexadecimal digits: their usual form depends on a setting.
impl Read for Vec<u8> {
    fn read(text: Option<&str>) -> Option<Self> {
        let digits = text?.as_bytes().chunks(2);
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect()
    }
}

/// Arrays are asked for as JSON.
impl Read for Vec<Option<String>> {
    fn read(text: Option<&str>) -> Option<Self> {
        serde_json::from_str(text?).ok()
    }
}

impl<T: Read> Read for Option<T> {
    fn read(text: Option<&str>) -> Option<Self> {
        match text {
            Some(_) => T::read(text).map(Some),
            None => Some(None),
        }
    }
}

/// A date as the server reads it, with what follows it: no year has a sign, and there is no year 0 before our
/// era.
pub(super) fn date_text(date: NaiveDate, rest: &str) -> String {
    let (year, era) = match date.year() {
        year @ 1.. => (year, ""),
        year => (1 - year, " BC"),
    };
    format!("{year:04}{}{rest}{era}", date.format("-%m-%d"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_pasted_as_literals_and_never_read_as_parameters() {
        let names = vec!["it's", "a\\\"b", "$2"];
        let pasted = with_values("SELECT $1, $2[1], x WHERE $3", &[&"o'$2'\\", &names, &None::<i64>]);
        assert_eq!(
            pasted,
            r#"SELECT (E'o''$2''\\'::text), (E'{"it''s","a\\\\\\"b","$2"}'::_text)[1], x WHERE (NULL::int8)"#
        );
        let bytes: &[u8] = &[0, 0xfe];
        let days: NaiveDate = "2024-02-29".parse().expect("a date");
        assert_eq!(
            with_values("$1 $2 $3 $4", &[&bytes, &days, &true, &vec![Some(1_i64), None]]),
            r#"(E'\\x00fe'::bytea) ('2024-02-29'::date) ('true'::bool) ('{"1",NULL}'::_int8)"#
        );
    }
}
