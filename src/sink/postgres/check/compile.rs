//! What a CHECK demands of the values of a row, as far as it is known exactly.
//!
//! Every pair of types compared here compares the same way on the server. So texts are only compared for
//! equality (their order depends on the collation), a `char(n)` column is left out because of its trailing
//! blanks, and a cast is only followed if it changes nothing. A column of `timestamp(3)` is checked after it
//! has been rounded.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::parse::{Expr, Type};
use super::{Constant, Operator, Subject, Test};
use crate::schema::Exact;
use crate::sink::postgres::catalog::TargetColumn;
use crate::sink::postgres::wire::{Column, Wire};

/// A column whose values are known to the worker.
pub(super) struct KnownColumn<'a> {
    pub(super) name: &'a str,
    pub(super) index: usize,
    class: Class,
}

/// What two expressions must have in common to be compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    Int,
    Numeric,
    /// Doubles, including those of a single-precision column.
    Double {
        is_narrow: bool,
    },
    Text,
    Date,
    Timestamp,
    Timestamptz,
    /// It can be null; nothing else is known.
    Other,
    /// For a row type not even that: it is null if all of it is.
    Nothing,
}

impl<'a> KnownColumn<'a> {
    /// `is_collated` means that texts with different bytes can be equal in it.
    pub(super) fn new(
        index: usize,
        column: &'a Column,
        target: &TargetColumn,
        is_collated: bool,
    ) -> KnownColumn<'a> {
        let class = match &column.wire {
            Wire::Int2 | Wire::Int4 | Wire::Int8 => Class::Int,
            Wire::Numeric(_) => Class::Numeric,
            Wire::Float4 => Class::Double { is_narrow: true },
            Wire::Float8 => Class::Double { is_narrow: false },
            Wire::Text { .. } if !is_collated && !target.is_padded() => Class::Text,
            Wire::Date => Class::Date,
            Wire::Timestamp if target.rounds() => Class::Other,
            Wire::Timestamp if target.has_zone() => Class::Timestamptz,
            Wire::Timestamp => Class::Timestamp,
            Wire::Cast => Class::Nothing,
            _ => Class::Other,
        };
        KnownColumn { name: &column.name, index, class }
    }
}

impl KnownColumn<'_> {
    /// What can be compared of it.
    pub(super) fn subject(&self) -> Option<Subject> {
        match self.class {
            Class::Other | Class::Nothing => None,
            Class::Double { is_narrow: true } => Some(Subject::Narrow(self.index)),
            _ => Some(Subject::Value(self.index)),
        }
    }

    /// Its values have the same order here as on the server.
    pub(super) fn is_ordered(&self) -> bool {
        !matches!(self.class, Class::Text | Class::Other | Class::Nothing)
    }

    /// A constant of its type, from a text.
    pub(super) fn constant(&self, text: &str) -> Option<Constant> {
        let to = match self.class {
            Class::Int => Type::Int,
            Class::Numeric => Type::Numeric,
            Class::Double { .. } => Type::Double,
            Class::Text => Type::Text,
            Class::Date => Type::Date,
            Class::Timestamp => Type::Timestamp,
            Class::Timestamptz => Type::Timestamptz,
            Class::Other | Class::Nothing => return None,
        };
        constant(&Expr::Cast(Box::new(Expr::Quoted(text.to_owned())), to), self.class)
    }
}

/// The test that an expression makes. `domain_of` is the column that `VALUE` stands for.
pub(super) fn compile(expr: &Expr, known: &[KnownColumn<'_>], domain_of: Option<&str>) -> Test {
    Compiler { known, domain_of }.test(expr)
}

struct Compiler<'a> {
    known: &'a [KnownColumn<'a>],
    domain_of: Option<&'a str>,
}

impl Compiler<'_> {
    fn test(&self, expr: &Expr) -> Test {
        let tests = |terms: &[Expr]| terms.iter().map(|term| self.test(term)).collect();
        let null = |expr: &Expr| self.null(expr).unwrap_or(Test::Unknown);
        match expr {
            Expr::And(terms) => Test::All(tests(terms)),
            Expr::Or(terms) => Test::Any(tests(terms)),
            Expr::Not(term) => Test::Not(Box::new(self.test(term))),
            Expr::Null(subject) => null(subject),
            Expr::NotNull(subject) => Test::Not(Box::new(null(subject))),
            Expr::Compare(left, operator, right) => self
                .compare(left, *operator, std::slice::from_ref(right), true)
                .or_else(|| self.compare(right, operator.turned(), std::slice::from_ref(left), true))
                .unwrap_or(Test::Unknown),
            Expr::CompareMany { left, operator, array, all } => items(array)
                .and_then(|items| self.compare(left, *operator, items, *all))
                .unwrap_or(Test::Unknown),
            _ => Test::Unknown,
        }
    }

    fn null(&self, subject: &Expr) -> Option<Test> {
        let known = self.column(subject)?;
        (known.class != Class::Nothing).then_some(Test::Null(known.index))
    }

    fn compare(&self, subject: &Expr, operator: Operator, constants: &[Expr], all: bool) -> Option<Test> {
        let (subject, class) = self.subject(subject)?;
        if class == Class::Text && !matches!(operator, Operator::Equal | Operator::Unequal) {
            return None;
        }
        let constants = constants.iter().map(|expr| constant(expr, class)).collect::<Option<_>>()?;
        Some(Test::Compare { subject, operator, constants, all })
    }

    /// A column, its length, or either with a cast that changes nothing.
    fn subject(&self, expr: &Expr) -> Option<(Subject, Class)> {
        match expr {
            Expr::Cast(inner, to) => {
                let (subject, class) = self.subject(inner)?;
                let class = match (class, to) {
                    (Class::Int, Type::Numeric) => Class::Numeric,
                    (Class::Int, Type::Int)
                    | (Class::Numeric, Type::Numeric)
                    | (Class::Double { .. }, Type::Double)
                    | (Class::Text, Type::Text | Type::Varchar)
                    | (Class::Date, Type::Date)
                    | (Class::Timestamp, Type::Timestamp)
                    | (Class::Timestamptz, Type::Timestamptz) => class,
                    _ => return None,
                };
                Some((subject, class))
            }
            Expr::Call(function, argument) => {
                let (Subject::Value(index), Class::Text) = self.subject(argument)? else { return None };
                let subject = match function.as_str() {
                    "length" | "char_length" | "character_length" => Subject::Chars(index),
                    "octet_length" => Subject::Bytes(index),
                    _ => return None,
                };
                Some((subject, Class::Int))
            }
            _ => {
                let known = self.column(expr)?;
                Some((known.subject()?, known.class))
            }
        }
    }

    fn column(&self, expr: &Expr) -> Option<&KnownColumn<'_>> {
        let name = match expr {
            Expr::Column(name) if self.domain_of.is_none() => name,
            Expr::Domain => self.domain_of?,
            _ => return None,
        };
        self.known.iter().find(|known| known.name == name)
    }
}

/// The items of an array, whose type may be given for all of them at once.
fn items(array: &Expr) -> Option<&[Expr]> {
    match array {
        Expr::Array(items) => Some(items),
        Expr::Cast(array, Type::TextArray) => items(array),
        _ => None,
    }
}

/// A constant that can be compared with a subject of `class`.
fn constant(expr: &Expr, class: Class) -> Option<Constant> {
    let int = |text: &str| Some(Constant::Int(text.parse().ok()?));
    let number = |text: &str| Some(Constant::Number(Exact::parse(text)?));
    match (class, expr) {
        (Class::Int, Expr::Number(digits)) => int(digits),
        (Class::Int, Expr::Cast(inner, Type::Int)) => match &**inner {
            Expr::Quoted(digits) => int(digits),
            inner => constant(inner, Class::Int),
        },
        (Class::Numeric, Expr::Number(digits)) => number(digits),
        (Class::Numeric, Expr::Cast(inner, Type::Numeric)) => match &**inner {
            Expr::Quoted(digits) => number(digits),
            inner => match constant(inner, Class::Int)? {
                Constant::Int(value) => Some(Constant::Number(Exact::from(value))),
                _ => None,
            },
        },
        (Class::Double { .. }, Expr::Cast(inner, Type::Double)) => {
            let digits = match &**inner {
                Expr::Quoted(digits) | Expr::Number(digits) => digits.clone(),
                inner => match constant(inner, Class::Int).or_else(|| constant(inner, Class::Numeric))? {
                    Constant::Int(value) => value.to_string(),
                    Constant::Number(value) => value.to_string(),
                    _ => return None,
                },
            };
            // The server's own words for non-finite numbers are not read here.
            let value: f64 = digits.parse().ok()?;
            value.is_finite().then_some(Constant::Float(value))
        }
        (Class::Text, Expr::Cast(inner, Type::Text | Type::Varchar)) => match &**inner {
            Expr::Quoted(text) => Some(Constant::Text(text.clone())),
            inner => constant(inner, Class::Text),
        },
        // Printed according to DateStyle, and read only if that is ISO, which no other style resembles.
        (Class::Date, Expr::Cast(inner, Type::Date)) => {
            let day = iso::<NaiveDate>(inner, |text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())?;
            Some(Constant::Int(day.to_epoch_days().into()))
        }
        (Class::Timestamp, Expr::Cast(inner, Type::Timestamp)) => {
            let stamp = iso(inner, |text| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok())?;
            Some(Constant::Int(stamp.and_utc().timestamp_micros()))
        }
        (Class::Timestamptz, Expr::Cast(inner, Type::Timestamptz)) => {
            let stamp = iso(inner, |text| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").ok())?;
            Some(Constant::Int(stamp.with_timezone(&Utc).timestamp_micros()))
        }
        _ => None,
    }
}

/// The text in quotes, if it begins with a four-digit year.
fn iso<T>(expr: &Expr, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let Expr::Quoted(text) = expr else { return None };
    let (year, rest) = text.split_at_checked(4)?;
    (year.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with('-')).then(|| read(text)).flatten()
}
