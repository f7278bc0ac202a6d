//! Metrics for jobs that write no SQL.

use std::fmt;

use crate::sink::key::quote;

/// A metric that needs no SQL from the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The number of rows.
    Rows,
    /// The number of records in the date's sources that are dead letters and have not become rows since.
    Rejects,
    /// The number of rows with a value in this column.
    Count(String),
    /// The number of different values.
    Distinct(String),
    /// The sum of the values.
    Sum(String),
    /// The smallest value.
    Min(String),
    /// The greatest value.
    Max(String),
}

/// The forms, for a person who has written none of them.
pub const FORMS: &str =
    "rows, rejects, count(COLUMN), distinct(COLUMN), sum(COLUMN), min(COLUMN) or max(COLUMN)";

impl Ready {
    /// The metric with this name.
    pub fn read(text: &str) -> Option<Ready> {
        let text = text.trim();
        let of = |make: fn(String) -> Ready, column: &str| Some(make(column.trim().to_owned()));
        match text.split_once('(') {
            None if text == "rows" => Some(Ready::Rows),
            None if text == "rejects" => Some(Ready::Rejects),
            None => None,
            Some((word, rest)) => {
                let column = rest.strip_suffix(')').filter(|column| !column.trim().is_empty())?;
                match word.trim_end() {
                    "count" => of(Ready::Count, column),
                    "distinct" => of(Ready::Distinct, column),
                    "sum" => of(Ready::Sum, column),
                    "min" => of(Ready::Min, column),
                    "max" => of(Ready::Max, column),
                    _ => None,
                }
            }
        }
    }

    /// The column it is about.
    pub fn column(&self) -> Option<&str> {
        match self {
            Ready::Rows | Ready::Rejects => None,
            Ready::Count(column)
            | Ready::Distinct(column)
            | Ready::Sum(column)
            | Ready::Min(column)
            | Ready::Max(column) => Some(column),
        }
    }

    /// Whether its column must hold numbers.
    pub fn is_of_numbers(&self) -> bool {
        matches!(self, Ready::Sum(_) | Ready::Min(_) | Ready::Max(_))
    }

    /// The expression selected for it from the rows of a day; `None` if it is not made from rows. `schema` precedes
    /// the names of functions.
    pub(in crate::sink) fn selected(&self, schema: &str) -> Option<String> {
        let of = |function: &str, column: &str| format!("{schema}{function}{})", quote(column));
        Some(match self {
            Ready::Rows => format!("{schema}count(*)"),
            Ready::Rejects => return None,
            Ready::Count(column) => of("count(", column),
            Ready::Distinct(column) => of("count(DISTINCT ", column),
            Ready::Sum(column) => of("sum(", column),
            Ready::Min(column) => of("min(", column),
            Ready::Max(column) => of("max(", column),
        })
    }
}

/// As a job writes it.
impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Ready::Rows => return f.write_str("rows"),
            Ready::Rejects => return f.write_str("rejects"),
            Ready::Count(_) => "count",
            Ready::Distinct(_) => "distinct",
            Ready::Sum(_) => "sum",
            Ready::Min(_) => "min",
            Ready::Max(_) => "max",
        };
        write!(f, "{word}({})", self.column().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_read_as_it_is_written() {
        for text in ["rows", "rejects", "count(a)", "distinct(user id)", "sum(cost)", "min(a(b))", "max(a)"] {
            assert_eq!(Ready::read(text).map(|ready| ready.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Ready::read(" sum ( cost ) "), Some(Ready::Sum("cost".to_owned())));
        for text in ["", "row", "sum", "sum()", "sum(a", "avg(a)", "rows()", "rows(a)"] {
            assert_eq!(Ready::read(text), None, "{text}");
        }
    }
}
