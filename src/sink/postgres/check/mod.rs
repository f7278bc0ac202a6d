//! CHECKs of the target, as far as they are understood: the worker refuses the same rows.
//!
//! A row that the server refuses slows its whole batch down, because it must be found among the others. Most
//! CHECKs on a table of logs compare a column with a constant, which a worker can do as well. The server
//! prints a CHECK in one fixed form; [`parse`] reads a small part of it, and [`compile`] keeps what is known
//! to mean exactly the same here as on the server. Everything else is *unknown*, which is how SQL treats a
//! null: `unknown AND false` is false, and only false violates a CHECK. So a CHECK that is half understood is
//! half enforced, and one that is not understood at all is left to the server. The worker refuses no row that
//! the server would have accepted.

mod compile;
mod parse;
mod partition;

use std::cmp::Ordering;

use super::ask::{Answer, with_values};
use super::catalog::Target;
use super::trouble::Trouble;
use super::wire::Column;
use crate::reject::{Code, Faults, Path};
use crate::schema::{Exact, Value};
use crate::sink::key::Origin;

/// The server's code for a row that violates a CHECK. Here it is the same fault.
const CHECK_VIOLATION: Code = Code::Server(*b"23514");

/// A CHECK of the target, or of the domain of one of its columns.
#[derive(Clone, Debug)]
pub(super) struct Check {
    name: String,
    /// As the server prints it.
    text: String,
    /// The field it is about, if it is a single one.
    field: Option<String>,
    test: Test,
}

/// A condition on the values of a row.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// A part that is not understood.
    Unknown,
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    /// The value is null.
    Null(usize),
    /// The subject relates to one of the constants, or to all of them, as the operator says.
    Compare {
        subject: Subject,
        operator: Operator,
        constants: Vec<Constant>,
        all: bool,
    },
}

/// What is compared: a property of the value of the field with this index.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Subject {
    Value(usize),
    /// The value as it will be in a single-precision column.
    Narrow(usize),
    /// Its number of characters.
    Chars(usize),
    /// Its number of bytes.
    Bytes(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a subject is compared with.
#[derive(Clone, Debug, PartialEq)]
enum Constant {
    /// An integer, a length, a day, a microsecond.
    Int(i64),
    Number(Exact),
    Float(f64),
    Text(String),
}

/// What the target demands of a record, as far as it is understood.
#[derive(Clone, Debug, Default)]
pub(super) struct Demands {
    checks: Vec<Check>,
    /// The partitions, and the name of the target.
    part: Option<(partition::Part, String)>,
}

impl Demands {
    /// Adds a fault for each demand that the values of a row do not meet.
    #[inline]
    pub(super) fn judge(&self, values: &[Value<'_>], faults: &mut Faults) {
        for check in &self.checks {
            check.judge(values, faults);
        }
        if let Some((part, table)) = &self.part {
            part.judge(table, values, faults);
        }
    }
}

impl Demands {
    /// What is asked about a target: its columns in which texts can be equal without being the same, its
    /// CHECKs, its partitions.
    pub(super) fn questions(target: &Target) -> [String; 3] {
        let ask = |sql: &str| with_values(sql, &[&target.oid]);
        let partitions = if target.kind == 'p' { ask(partition::TREE) } else { String::new() };
        [ask(&with_domains(COLLATED)), ask(&with_domains(CHECKS)), partitions]
    }

    /// The CHECKs and partitions that are understood at least in part.
    pub(super) fn of(
        [collated, checks, partitions]: &[Answer; 3],
        target: &Target,
        columns: &[Column],
    ) -> Result<Demands, Trouble> {
        // Texts are equal if their bytes are, unless a collation says otherwise.
        let collated: Vec<String> = collated.rows().map(|line| line.get(0)).collect::<Result<_, _>>()?;
        let known: Vec<compile::KnownColumn<'_>> = columns
            .iter()
            .filter_map(|column| match column.origin {
                Origin::Field(index) | Origin::Extra(index) => {
                    let is_collated = collated.contains(&column.name);
                    Some(compile::KnownColumn::new(index, column, target.column(&column.name)?, is_collated))
                }
                // Values written by logmill itself are right, or the server refuses them.
                _ => None,
            })
            .collect();
        let mut understood = Vec::new();
        for line in checks.rows() {
            let domain_of: Option<String> = line.get(2)?;
            // A user trigger can repair a row before its CHECKs are evaluated; domains are enforced before that.
            if domain_of.is_some() || !target.has_row_triggers {
                understood.extend(Check::of(line.get(0)?, line.get(1)?, domain_of.as_deref(), &known));
            }
        }
        let part = partition::part(partitions, target, &known)?.map(|part| (part, target.name.clone()));
        Ok(Demands { checks: understood, part })
    }
}

/// Prepends the columns of a table with their types, including the base types of their domains.
fn with_domains(query: &str) -> String {
    format!(
        "WITH RECURSIVE typed (attname, oid, collated_by) AS (
             SELECT attname, atttypid, attcollation FROM pg_attribute
             WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
             UNION ALL
             SELECT d.attname, t.typbasetype, t.typcollation FROM typed d JOIN pg_type t ON t.oid = d.oid
             WHERE t.typtype = 'd'
         ) {query}"
    )
}

const COLLATED: &str =
    "SELECT DISTINCT d.attname::text FROM typed d JOIN pg_collation c ON c.oid = d.collated_by
    WHERE NOT c.collisdeterministic";

/// Selects only CHECKs that depend on nothing but their table or domain. A CHECK that uses a user's operator,
/// function or type depends on that; dependencies on built-in ones are not recorded. So an `=` in it is the
/// built-in one.
const CHECKS: &str = "SELECT k.conname::text, pg_get_constraintdef(k.oid), d.attname::text
    FROM pg_constraint k LEFT JOIN typed d ON d.oid = k.contypid
    WHERE k.contype = 'c' AND (k.conrelid = $1 OR d.oid IS NOT NULL)
      AND NOT EXISTS (SELECT FROM pg_depend p WHERE p.classid = 'pg_constraint'::regclass AND p.objid = k.oid
                      AND p.refclassid <> 'pg_class'::regclass AND p.refobjid <> k.contypid)
    ORDER BY 1, 3";

impl Check {
    /// A CHECK as the server prints it; `None` if nothing of it is understood.
    fn of(
        name: String,
        text: String,
        domain_of: Option<&str>,
        known: &[compile::KnownColumn<'_>],
    ) -> Option<Check> {
        let test = compile::compile(&parse::parse(&text)?, known, domain_of);
        let mut fields = Vec::new();
        test.fields(&mut fields);
        let name_of =
            |index: &usize| known.iter().find(|known| known.index == *index).map(|known| known.name);
        let field = match fields.as_slice() {
            [] => return None,
            [index, others @ ..] if others.iter().all(|other| other == index) => name_of(index),
            _ => None,
        };
        Some(Check { name, text, field: field.map(str::to_owned), test })
    }

    /// Adds a fault if the values of a row violate this CHECK.
    #[inline]
    fn judge(&self, values: &[Value<'_>], faults: &mut Faults) {
        if self.test.holds(values) == Some(false) {
            self.refuse(faults);
        }
    }

    #[cold]
    fn refuse(&self, faults: &mut Faults) {
        let field = self.field.as_ref().map(|name| Path::Field(&Path::Record, name));
        let message = format_args!("breaks the constraint {}: {}", self.name, self.text);
        faults.push_constraint(CHECK_VIOLATION, &field.unwrap_or(Path::Record), message, &self.name);
    }
}

impl Test {
    /// Whether it holds; `None` if unknown.
    fn holds(&self, values: &[Value<'_>]) -> Option<bool> {
        match self {
            Test::Unknown => None,
            Test::All(tests) => all(tests.iter().map(|test| test.holds(values))),
            Test::Any(tests) => any(tests.iter().map(|test| test.holds(values))),
            Test::Not(test) => test.holds(values).map(|holds| !holds),
            Test::Null(index) => Some(values[*index] == Value::Null),
            Test::Compare { subject, operator, constants, all: true } => {
                all(constants.iter().map(|constant| operator.accepts(subject.compare(values, constant)?)))
            }
            Test::Compare { subject, operator, constants, all: false } => {
                any(constants.iter().map(|constant| operator.accepts(subject.compare(values, constant)?)))
            }
        }
    }

    /// The fields whose values it reads.
    fn fields(&self, into: &mut Vec<usize>) {
        match self {
            Test::Unknown => {}
            Test::All(tests) | Test::Any(tests) => tests.iter().for_each(|test| test.fields(into)),
            Test::Not(test) => test.fields(into),
            Test::Null(index) => into.push(*index),
            Test::Compare { subject, .. } => into.push(subject.index()),
        }
    }
}

/// Three-valued AND: false as soon as one is false.
fn all(tests: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    any(tests.map(|test| test.map(|holds| !holds))).map(|holds| !holds)
}

/// Three-valued OR: true as soon as one is true.
fn any(tests: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(false);
    for test in tests {
        match test {
            Some(true) => return Some(true),
            Some(false) => {}
            None => result = None,
        }
    }
    result
}

impl Subject {
    fn index(self) -> usize {
        match self {
            Subject::Value(index)
            | Subject::Narrow(index)
            | Subject::Chars(index)
            | Subject::Bytes(index) => index,
        }
    }

    /// How the subject compares with a constant; `None` if the value is null.
    fn compare(self, values: &[Value<'_>], constant: &Constant) -> Option<Ordering> {
        match (self, values[self.index()], constant) {
            (Subject::Chars(_), Value::Text(text), Constant::Int(length)) => {
                Some(i64::try_from(text.chars().count()).ok()?.cmp(length))
            }
            (Subject::Bytes(_), Value::Text(text), Constant::Int(length)) => {
                Some(i64::try_from(text.len()).ok()?.cmp(length))
            }
            (Subject::Narrow(_), Value::Float(value), Constant::Float(constant)) => {
                Some(compare_floats(f64::from(value as f32), *constant))
            }
            (_, Value::Float(value), Constant::Float(constant)) => Some(compare_floats(value, *constant)),
            (_, Value::Date(days), Constant::Int(constant)) => Some(i64::from(days).cmp(constant)),
            (
                _,
                Value::Int(value) | Value::Timestamp(value) | Value::Time(value),
                Constant::Int(constant),
            ) => Some(value.cmp(constant)),
            (_, Value::Int(value), Constant::Number(number)) => Exact::from(value).partial_cmp(number),
            (_, Value::Decimal(digits) | Value::BigInt(digits), Constant::Number(number)) => {
                number.compare_to(digits).map(Ordering::reverse)
            }
            (_, Value::Text(text), Constant::Text(constant)) => Some(text.cmp(constant)),
            // A null, or a value that the column cannot hold anyway.
            _ => None,
        }
    }
}

impl Constant {
    /// How two constants of one kind compare.
    fn order(&self, other: &Constant) -> Ordering {
        match (self, other) {
            (Constant::Int(one), Constant::Int(two)) => one.cmp(two),
            (Constant::Number(one), Constant::Number(two)) => one.partial_cmp(two).unwrap_or(Ordering::Equal),
            (Constant::Float(one), Constant::Float(two)) => compare_floats(*one, *two),
            (Constant::Text(one), Constant::Text(two)) => one.cmp(two),
            _ => Ordering::Equal,
        }
    }
}

/// The PostgreSQL order of doubles: NaN equals itself and is greater than anything else.
fn compare_floats(one: f64, two: f64) -> Ordering {
    one.partial_cmp(&two).unwrap_or_else(|| one.is_nan().cmp(&two.is_nan()))
}

impl Operator {
    fn accepts(self, order: Ordering) -> Option<bool> {
        Some(match self {
            Operator::Equal => order.is_eq(),
            Operator::Unequal => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
        })
    }

    /// The operator with its sides swapped.
    fn turned(self) -> Operator {
        match self {
            Operator::Less => Operator::Greater,
            Operator::LessOrEqual => Operator::GreaterOrEqual,
            Operator::Greater => Operator::Less,
            Operator::GreaterOrEqual => Operator::LessOrEqual,
            same => same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_carried_as_sql_carries_null() {
        let of = |list: &[Option<bool>]| (all(list.iter().copied()), any(list.iter().copied()));
        assert_eq!(of(&[]), (Some(true), Some(false)));
        assert_eq!(of(&[None, Some(false)]), (Some(false), None));
        assert_eq!(of(&[None, Some(true)]), (None, Some(true)));
        assert_eq!(of(&[Some(true), Some(false)]), (Some(false), Some(true)));
    }

    #[test]
    fn doubles_are_ordered_as_the_server_orders_them() {
        assert!(compare_floats(f64::NAN, f64::INFINITY).is_gt());
        assert!(compare_floats(f64::NAN, f64::NAN).is_eq());
        assert!(compare_floats(1.0, f64::NAN).is_lt());
        assert!(compare_floats(0.0, -0.0).is_eq());
    }
}
