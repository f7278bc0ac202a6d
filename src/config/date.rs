//! The data date in file names, `logs/{date}/*.ndjson`, and in constant columns.
//!
//! A job keeps its texts as written, because a backfill runs one job for many dates. The date is inserted
//! when a run asks for its files and columns, and it comes from the user, never from a clock.

use std::path::Path;

use chrono::{Datelike as _, Days, NaiveDate};
use regex::Regex;

use crate::source::{self, Pattern};

/// The placeholders for the name of a file.
const PLACEHOLDERS: [&str; 4] = ["{date}", "{yyyy}", "{mm}", "{dd}"];

/// The additional placeholder for the value of a column.
const NEXT_DATE: &str = "{next_date}";

/// Whether a name depends on the data date; the error is a piece that is not a placeholder.
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

/// Whether the value of a column depends on the day after the data date.
pub(super) fn asks_for_next(text: &str) -> bool {
    pieces(text).iter().any(|piece| matches!(piece, Piece::Braced(NEXT_DATE)))
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

/// A column's value without placeholders: `[{]` is a brace.
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

/// A pattern with placeholders, for all days at once.
#[derive(Clone, Debug)]
pub struct OfAnyDay {
    /// A glob that matches the files of every day, and perhaps others.
    pub glob: Pattern,
    /// Matches the part of a path that the pattern names, and captures the day in it.
    regex: Regex,
}

impl OfAnyDay {
    /// `None` if a name does not say which day it belongs to.
    pub(super) fn of(text: &str, folder: &Path) -> Option<OfAnyDay> {
        let (mut glob, mut regex) = (String::new(), String::from("^"));
        let mut found = String::new();
        let (text, settings) = source::apart(text);
        for piece in pieces(text) {
            let (of_glob, groups) = match piece {
                Piece::Text(text) => {
                    glob.push_str(text);
                    regex.push_str(&regex_of_glob(text));
                    continue;
                }
                Piece::Braced("{date}") => ("????-??-??", "yyyy-mm-dd"),
                Piece::Braced("{yyyy}") => ("????", "yyyy"),
                Piece::Braced("{mm}") => ("??", "mm"),
                Piece::Braced(_) => ("??", "dd"),
            };
            glob.push_str(of_glob);
            for part in groups.split('-') {
                let separator = if part == "yyyy" || groups.len() < 5 { "" } else { "-" };
                let name = format!("{part}{}", found.matches(part).count());
                found.push_str(part);
                regex.push_str(&format!("{separator}(?P<{name}>[0-9]{{{}}})", part.len()));
            }
        }
        regex.push_str("(?:/|$)");
        let says_day = ["yyyy", "mm", "dd"].iter().all(|part| found.contains(part));
        let glob = Pattern::new(glob + settings, folder);
        Some(OfAnyDay { glob, regex: Regex::new(&regex).ok()? }).filter(|_| says_day)
    }

    /// The day that a path belongs to.
    pub fn day_of(&self, path: &Path) -> Option<NaiveDate> {
        // A pattern that starts at the root names the whole path, even if that leads into the job's folder.
        let below = path.strip_prefix(&self.glob.base).ok().filter(|_| self.glob.text.is_relative());
        let path = below.unwrap_or(path).to_string_lossy();
        let captures = self.regex.captures(&path)?;
        let (mut parts, mut is_one_day) = ([None; 3], true);
        for name in self.regex.capture_names().flatten() {
            let value: u32 = captures.name(name)?.as_str().parse().ok()?;
            let part = &mut parts[["yyyy", "mm", "dd"].iter().position(|part| name.starts_with(part))?];
            is_one_day &= part.replace(value).is_none_or(|before| before == value);
        }
        let [Some(year), Some(month), Some(day)] = parts else { return None };
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day);
        date.filter(|_| is_one_day)
    }
}

/// The regular expression for a piece of a glob.
fn regex_of_glob(text: &str) -> String {
    let mut regex = String::new();
    let mut rest = text;
    while let Some(ch) = rest.chars().next() {
        let length = if let Some(class) = class_at(rest) {
            let (not, chars) = class.strip_prefix('!').map_or(("", class), |chars| ("^", chars));
            let chars = ['\\', '[', ']', '^', '&', '~']
                .iter()
                .fold(chars.to_owned(), |chars, special| chars.replace(*special, &format!("\\{special}")));
            regex.push_str(&format!("[{not}{chars}]"));
            class.len() + 2
        } else if rest.starts_with("**/") {
            regex.push_str("(?:.*/)?");
            3
        } else {
            match ch {
                '*' => regex.push_str("[^/]*"),
                '?' => regex.push_str("[^/]"),
                ch => regex.push_str(&regex::escape(ch.encode_utf8(&mut [0; 4]))),
            }
            ch.len_utf8()
        };
        rest = &rest[length..];
    }
    regex
}

/// The inside of the class that a glob begins with. A bracket in first position is one of its characters.
fn class_at(glob: &str) -> Option<&str> {
    let inner = glob.strip_prefix('[')?;
    let first = if inner.starts_with('!') { 2 } else { 1 };
    let (end, _) = inner.char_indices().skip(first).find(|(_, ch)| *ch == ']')?;
    Some(&inner[..end])
}

/// The name of a file as a job can hold it, whatever characters it contains.
pub fn escape(name: &str) -> String {
    match name.contains('{') {
        // It is a glob from here on, so everything else with a meaning in globs must be escaped too.
        true => glob::Pattern::escape(name).replace('{', "[{]"),
        // An existing name with a star or a bracket is found as it is.
        false => name.to_owned(),
    }
}

enum Piece<'t> {
    Text(&'t str),
    Braced(&'t str),
}

/// The pieces in braces, braces included, and the pieces between them. `[{]` is a brace to a glob.
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
    fn the_day_of_a_name_is_found_where_the_pattern_has_it() {
        let day = |pattern: &str, path: &str| {
            let of = OfAnyDay::of(pattern, Path::new("/logs")).expect("a day");
            of.day_of(Path::new(path)).map(|date| date.to_string())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(day("{date}.log", "/logs/2024-02-29.log"), some("2024-02-29"));
        assert_eq!(day("{date}.log", "/logs/2023-02-29.log"), None);
        assert_eq!(day("{date}.log", "/logs/2024-02-29.log.bak"), None);
        assert_eq!(day("app/{date}", "/logs/app/2024-01-02/a/b.log"), some("2024-01-02"));
        assert_eq!(day("/logs/{date}.log", "/logs/2024-02-29.log"), some("2024-02-29"));
        assert_eq!(day("/other/{date}.log", "/other/2024-02-29.log"), some("2024-02-29"));
        assert_eq!(day("{yyyy}/{mm}/x{dd}-*.gz", "/logs/2024/01/x02-7.gz"), some("2024-01-02"));
        assert_eq!(day("{yyyy}/{date}.log", "/logs/2024/2024-01-02.log"), some("2024-01-02"));
        assert_eq!(day("{yyyy}/{date}.log", "/logs/2023/2024-01-02.log"), None);
        assert_eq!(day("**/{date}.log", "/logs/a/b/2024-01-02.log"), some("2024-01-02"));
        assert_eq!(day("[!a]{date}[]x].l?g", "/logs/b2024-01-02].log"), some("2024-01-02"));
        assert_eq!(day("[!a]{date}[]x].l?g", "/logs/a2024-01-02].log"), None);
        assert_eq!(day("/elsewhere/{date}", "/elsewhere/2024-01-02"), some("2024-01-02"));
        assert!(OfAnyDay::of("{yyyy}-{mm}.log", Path::new("")).is_none());
        let of = OfAnyDay::of("s3://logs/{date}/?.gz?region=x", Path::new("/jobs")).expect("a day");
        assert_eq!(of.glob.text, Path::new("s3://logs/????-??-??/?.gz?region=x"));
        let day = of.day_of(Path::new("s3://logs/2023-01-02/a.gz"));
        assert_eq!(day.map(|day| day.to_string()).as_deref(), Some("2023-01-02"));
        assert!(of.day_of(Path::new("s3://other/2023-01-02/a.gz")).is_none());
        let of = OfAnyDay::of("file:///logs/{date}.gz", Path::new("/jobs")).expect("a day");
        assert!(of.day_of(Path::new("/logs/2023-01-02.gz")).is_some());
        let of = OfAnyDay::of("a/{date}/{yyyy}{mm}{dd}.log", Path::new("")).expect("a day");
        assert_eq!(of.glob.text, Path::new("a/????-??-??/????????.log"));
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
