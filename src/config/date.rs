//! The data date in the names of files, `logs/{date}/*.ndjson`, and in constant columns.
//!
//! A job keeps its texts as they are written, because a backfill runs one job for many
//! dates. The date is put in when a run asks for its files and columns, and it comes from whoever
//! started the run, never from a clock.

use chrono::{Datelike as _, Days, NaiveDate};

/// What may stand in the name of a file.
const PLACEHOLDERS: [&str; 4] = ["{date}", "{yyyy}", "{mm}", "{dd}"];

/// What may stand in the value of a column besides.
const NEXT_DATE: &str = "{next_date}";

/// Whether a name depends on the data date, or the piece of it that is no placeholder.
pub(super) fn needs_date(text: &str) -> Result<bool, &str> {
    has_placeholder(text, |name| PLACEHOLDERS.contains(&name))
}

/// The same for the value of a column.
pub(super) fn value_needs_date(text: &str) -> Result<bool, &str> {
    has_placeholder(text, |name| PLACEHOLDERS.contains(&name) || name == NEXT_DATE)
}

fn has_placeholder(text: &str, is_known: impl Fn(&str) -> bool) -> Result<bool, &str> {
    let mut has_placeholder = false;
    for piece in pieces(text) {
        match piece {
            Piece::Braced(name) if is_known(name) => has_placeholder = true,
            Piece::Braced(name) => return Err(name),
            Piece::Text(_) => {}
        }
    }
    Ok(has_placeholder)
}

/// The value of a column, with its placeholders replaced by the parts of `date`.
pub(super) fn put_date_into_value(text: &str, date: NaiveDate) -> String {
    let mut dated = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Braced(NEXT_DATE) => dated.push_str(&(date + Days::new(1)).to_string()),
            Piece::Braced(name) => dated.push_str(&put_date(name, date)),
            Piece::Text(text) => dated.push_str(text),
        }
    }
    plain_value(&dated)
}

/// The value of a column that has no placeholders: `[{]` is a brace.
pub(super) fn plain_value(text: &str) -> String {
    text.replace("[{]", "{")
}

/// `text` with its placeholders replaced by the parts of `date`.
pub fn put_date(text: &str, date: NaiveDate) -> String {
    let mut dated = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Braced("{date}") => dated.push_str(&date.to_string()),
            Piece::Braced("{yyyy}") => dated.push_str(&format!("{:04}", date.year())),
            Piece::Braced("{mm}") => dated.push_str(&format!("{:02}", date.month())),
            Piece::Braced("{dd}") => dated.push_str(&format!("{:02}", date.day())),
            Piece::Text(text) | Piece::Braced(text) => dated.push_str(text),
        }
    }
    dated
}

/// The name of a file as a job can hold it, whatever characters are in it.
pub fn escape(name: &str) -> String {
    match name.contains('{') {
        // A glob from here on, so what else means something in globs needs it too.
        true => glob::Pattern::escape(name).replace('{', "[{]"),
        // A name with a star or a bracket that exists is found as it is.
        false => name.to_owned(),
    }
}

enum Piece<'t> {
    Text(&'t str),
    Braced(&'t str),
}

/// What stands in braces, with them, and what stands between that. `[{]` is a brace to a glob.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let brace = rest.match_indices('{').map(|(index, _)| index).find(|&index| {
            let is_escaped = rest[..index].ends_with('[') && rest[index + 1..].starts_with(']');
            !is_escaped
        });
        let Some(brace) = brace else { break };
        let end = rest[brace..].find('}').map_or(rest.len(), |index| brace + index + 1);
        pieces.push(Piece::Text(&rest[..brace]));
        pieces.push(Piece::Braced(&rest[brace..end]));
        rest = &rest[end..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(text: &str) -> String {
        put_date(text, NaiveDate::from_ymd_opt(2023, 1, 9).expect("a date"))
    }

    #[test]
    fn the_parts_of_a_date_are_padded() {
        assert_eq!(dated("logs/{date}/{yyyy}/{mm}-{dd}*.gz"), "logs/2023-01-09/2023/01-09*.gz");
        assert_eq!(dated("{date}"), "2023-01-09");
        assert_eq!(dated("plain"), "plain");
        assert_eq!(dated(""), "");
    }

    #[test]
    fn a_brace_in_brackets_is_a_brace() {
        assert_eq!(dated("a[{]date}.log"), "a[{]date}.log");
        assert_eq!(needs_date("a[{]date}.log"), Ok(false));
        for name in ["a{date}.log", "{", "a{b}[1]*?.log", "a[1].log"] {
            let escaped = escape(name);
            assert_eq!(needs_date(&escaped), Ok(false));
            assert!(escaped == name || glob::Pattern::new(&escaped).expect("a glob").matches(name), "{name}");
        }
    }

    #[test]
    fn the_value_of_a_column_knows_the_next_day_too() {
        let value = |text: &str, (year, month, day)| {
            put_date_into_value(text, NaiveDate::from_ymd_opt(year, month, day).expect("a date"))
        };
        assert_eq!(value("{date}", (2024, 2, 28)), "2024-02-28");
        assert_eq!(value("[{date}, {next_date})", (2024, 2, 28)), "[2024-02-28, 2024-02-29)");
        assert_eq!(value("{next_date}", (2023, 12, 31)), "2024-01-01");
        assert_eq!(value("[{]date}/{yyyy}{mm}", (2023, 1, 9)), "{date}/202301");
        assert_eq!(value_needs_date("{next_date}"), Ok(true));
        assert_eq!(value_needs_date("prod[{]x"), Ok(false));
        assert_eq!(value_needs_date("{day}"), Err("{day}"));
    }

    #[test]
    fn other_placeholders_are_found() {
        assert_eq!(needs_date("logs/{date}"), Ok(true));
        assert_eq!(needs_date("logs"), Ok(false));
        for (text, piece) in [
            ("{date}/{next_date}", "{next_date}"),
            ("{day}", "{day}"),
            ("x{a,b}", "{a,b}"),
            ("x{}", "{}"),
            ("x{date", "{date"),
        ] {
            assert_eq!(needs_date(text), Err(piece));
            assert!(dated(text).ends_with(piece));
        }
    }
}
