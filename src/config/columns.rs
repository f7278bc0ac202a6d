//! `[destination] columns`: columns with the same value in every row.
//!
//! They hold what the records do not say: the host of a log, or its day. A value stays as written until a run
//! inserts its data date.

use chrono::{Datelike as _, NaiveDate};
use toml::Spanned;
use toml::de::DeValue;

use super::date;
use super::quote::quoted;
use super::reader::Reader;
use super::scope::{Scope, as_integer, as_text};
use crate::schema::{Bounds, Kind, Text};
use crate::sink::Constant;

/// A constant column of the job.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its value, which may contain placeholders.
    pub(super) written: String,
    /// Its type, where the table is created.
    pub(super) kind: Kind,
}

impl Column {
    /// Whether its value depends on the data date.
    pub(super) fn needs_date(&self) -> bool {
        date::value_needs_date(&self.written).unwrap_or(false)
    }

    /// The column on a day; without a known day, perhaps without its value.
    pub(super) fn on(&self, date: Option<NaiveDate>) -> Constant {
        let text = match date {
            Some(date) => Some(date::put_date_into_value(&self.written, date)),
            None => (!self.needs_date()).then(|| date::plain_value(&self.written)),
        };
        Constant { name: self.name.clone(), kind: self.kind.clone(), text }
    }
}

/// Reads the constant columns, in the order of the file.
pub(super) fn read(reader: &mut Reader<'_>, scope: &Scope<'_>) -> Vec<Column> {
    let Some(value) = scope.value("columns") else { return Vec::new() };
    let Some(values) = value.get_ref().as_table() else {
        reader.refuse(scope, "columns");
        return Vec::new();
    };
    let mut columns = Vec::new();
    for (name, value) in values {
        if name.get_ref().trim().is_empty() || name.get_ref().contains(char::is_control) {
            reader
                .find("the name of a column has visible characters, and no control characters", &name.span());
        }
        if let Some((written, kind)) = read_value(reader, value) {
            columns.push(Column { name: name.get_ref().to_string(), written, kind });
        }
    }
    columns
}

/// Refuses a day whose next day cannot be written, if a column needs it.
pub(super) fn check_date(reader: &mut Reader<'_>, scope: &Scope<'_>, columns: &[Column], date: NaiveDate) {
    let is_last = date.succ_opt().is_none_or(|next| next.year() > 9999);
    let asks = columns.iter().find(|column| date::asks_for_next(&column.written));
    if let (true, Some(column), Some(value)) = (is_last, asks, scope.value("columns")) {
        let message = format!(
            "column {} holds {{next_date}}, and the day after {date} has no year of four digits; \
             leave it out, or load another day",
            quoted(&column.name)
        );
        reader.find(message, &value.span());
    }
}

fn read_value(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Option<(String, Kind)> {
    if let Some(written) = as_text(value) {
        let text = reader.expand(&written)?;
        if let Err(piece) = date::value_needs_date(&text) {
            let given = reader.quoted_part(piece, &written.place);
            let message = format!(
                "{given} is not known; a column may hold {{date}}, {{yyyy}}, {{mm}}, {{dd}} and {{next_date}}, and \
                 '[{{]' for a brace"
            );
            reader.find(message, &written.place);
        }
        if text.contains('\0') {
            reader.find("a NUL, which no database can hold", &written.place);
        }
        let is_day = matches!(text.as_str(), "{date}" | "{next_date}");
        let kind = if is_day { Kind::Date } else { Kind::Text(Text::default()) };
        return Some((text, kind));
    }
    if let Some(flag) = value.get_ref().as_bool() {
        return Some((flag.to_string(), Kind::Bool));
    }
    if let Some(number) = as_integer(value) {
        return Some((number.to_string(), Kind::Int(Bounds::default())));
    }
    let given = reader.describe(value);
    let message = format!("a constant column takes a text, a whole number, true or false, not {given}");
    reader.find(message, &value.span());
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_wrong, config, findings, read_job, small_with};
    use super::super::{Overrides, rules};

    fn constants(lines: &str, date: Option<&str>) -> Vec<(String, &'static str, Option<String>)> {
        let date = date.map(|date| date.parse().expect("a date"));
        let overrides = Overrides { date, ..Overrides::default() };
        let job = small_with("destination", lines);
        let config = read_job(&job, &overrides).unwrap_or_else(|error| panic!("{error}"));
        let constants = config.constants().into_iter();
        constants.map(|constant| (constant.name, constant.kind.name(), constant.text)).collect()
    }

    #[test]
    fn a_day_is_a_date_and_what_depends_on_none_is_known() {
        let lines =
            "columns = { b = \"{date}\", a = \"x-{yyyy}\", host = \"${HOST}[{]\", n = 0x10, f = false }";
        let name = |name: &str| name.to_owned();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            constants(lines, Some("2024-02-29")),
            [
                (name("b"), "date", text("2024-02-29")),
                (name("a"), "text", text("x-2024")),
                (name("host"), "text", text("db.example.org{")),
                (name("n"), "int", text("16")),
                (name("f"), "bool", text("false")),
            ]
        );
        let unknown: Vec<bool> = constants(lines, None).iter().map(|(.., text)| text.is_none()).collect();
        assert_eq!(unknown, [true, true, false, false, false]);
    }

    #[test]
    fn what_is_no_column_or_no_value_is_refused() {
        let takes = "a constant column takes a text, a whole number, true or false, not";
        for (line, message, marked) in [
            ("columns = 1", "'columns' takes a table of columns and their values, not 1".to_owned(), "1"),
            ("columns = { a = 1.5 }", format!("{takes} 1.5"), "1.5"),
            ("columns = { a = 2024-01-01 }", format!("{takes} 2024-01-01"), "2024-01-01"),
            (
                "columns = { id = 1 }",
                "column 'id' has the name of a field of the record; give it another".to_owned(),
                "id",
            ),
            (
                "columns = { source_id = 1 }",
                "column 'source_id' has the name of a column that logmill adds; give it another".to_owned(),
                "source_id",
            ),
            (
                "columns = { a = 1, A = 1 }",
                "column 'A' has the name of another column, but for its case; give it another".to_owned(),
                "A",
            ),
            ("columns = { \" \" = 1 }", "the name of a column has visible characters, and no control characters".to_owned(), "\" \""),
            (
                "columns = { a = \"{day}\" }",
                "'{day}' is not known; a column may hold {date}, {yyyy}, {mm}, {dd} and {next_date}, and '[{]' for a \
                 brace"
                    .to_owned(),
                "\"{day}\"",
            ),
            ("columns = { a = \"\\u0000\" }", "a NUL, which no database can hold".to_owned(), "\"\\u0000\""),
        ] {
            assert_wrong("destination", line, &message, marked);
        }
    }

    #[test]
    fn behind_the_last_day_there_is_no_next_one() {
        let on = |line: &str, date: &str| {
            let overrides = Overrides { date: date.parse().ok(), ..Overrides::default() };
            read_job(&small_with("destination", line), &overrides)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        let next = "columns = { until = \"x{next_date}\" }";
        let refused = on(next, "9999-12-31").expect_err("no next day");
        assert!(refused.contains("the day after 9999-12-31 has no year of four digits"), "{refused}");
        on(next, "9999-12-30").expect("a day");
        on("columns = { day = \"{date}\" }", "9999-12-31").expect("a day");
    }

    #[test]
    fn a_key_may_have_a_constant_and_a_row_may_be_newer_by_one() {
        let job = small_with(
            "destination",
            "key = [\"day\", \"id\"]\non_conflict = \"newest(day)\"\ncolumns = { day = \"{date}\" }",
        );
        assert_eq!(config(&job).destination.columns.len(), 1);
        let job = small_with("destination", "key = \"day\"\ncolumns = { week = \"1\" }");
        assert_eq!(findings(&job).len(), 1);
    }

    #[test]
    fn constants_are_rules_as_they_are_written() {
        let rules = |lines: &str| rules::canonical(&config(&small_with("destination", lines)));
        let with = rules("columns = { b = \"{date}\", a = 1 }");
        assert!(with.contains("column \"a\" int \"1\"\ncolumn \"b\" date \"{date}\"\n"), "{with}");
        assert_eq!(with, rules("columns = { a = 1, b = \"{date}\" }"));
        assert!(!rules("").contains("column"));
    }
}
