//! Tables for people: aligned, and no wider than the terminal.
//!
//! A cell that is too long is cut, with an ellipsis. A column that does not fit is left out and named below:
//! a table that wraps is unreadable.

use std::fmt::Write as _;

use serde_json::Value;

use crate::printable::one_line;

/// The maximum width of a cell, even if there is more room.
const CELL_CHARS_MAX: usize = 40;

/// A column that would be narrower than this does not fit.
const CELL_CHARS_MIN: usize = 8;

/// Rows of values under their names, indented.
pub(super) fn table(names: &[String], rows: &[Vec<Value>], width: usize) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let chars = |text: &str| text.chars().count();
    let names: Vec<String> = names.iter().map(|name| one_line(name)).collect();
    let wanted: Vec<usize> = (0..names.len())
        .map(|column| {
            let longest = cells.iter().map(|row| chars(&row[column])).max().unwrap_or(0);
            longest.max(chars(&names[column])).min(CELL_CHARS_MAX)
        })
        .collect();
    let widths = fit(&wanted, width.saturating_sub(INDENT.len()));
    let is_number: Vec<bool> = (0..names.len())
        .map(|column| {
            let mut values = rows.iter().map(|row| &row[column]).filter(|value| !value.is_null()).peekable();
            values.peek().is_some() && values.all(Value::is_number)
        })
        .collect();
    let mut out = String::new();
    for row in std::iter::once(&names).chain(&cells) {
        let mut line = INDENT.to_owned();
        for ((text, &width), &is_number) in row.iter().zip(&widths).zip(&is_number) {
            let text = shortened(text, width);
            let _ = match is_number {
                true => write!(line, "{text:>width$}{GAP}"),
                false => write!(line, "{text:<width$}{GAP}"),
            };
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let left = &names[widths.len()..];
    if !left.is_empty() {
        let list = shortened(&left.join(", "), width.saturating_sub(30).max(CELL_CHARS_MIN));
        let _ = writeln!(out, "{INDENT}and {} more: {list}", left.len());
    }
    out
}

const INDENT: &str = "    ";
const GAP: &str = "  ";

/// The widths of as many columns as fit. The widest are reduced first, down to a third.
fn fit(wanted: &[usize], width: usize) -> Vec<usize> {
    for columns in (1..=wanted.len()).rev() {
        let mut widths = wanted[..columns].to_vec();
        loop {
            let gaps = GAP.len() * (columns - 1);
            if widths.iter().sum::<usize>() + gaps <= width {
                return widths;
            }
            let can_give = |&column: &usize| widths[column] > CELL_CHARS_MIN.max(wanted[column] / 3);
            match (0..columns).filter(can_give).max_by_key(|&column| widths[column]) {
                Some(widest) => widths[widest] -= 1,
                None => break,
            }
        }
    }
    wanted.first().map(|wanted| *wanted.min(&width)).into_iter().collect()
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => one_line(text),
        value => one_line(&value.to_string()),
    }
}

fn shortened(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(rows: Value) -> Vec<Vec<Value>> {
        serde_json::from_value(rows).expect("rows")
    }

    #[test]
    fn columns_are_aligned_and_numbers_to_the_right() {
        let names = ["at", "n", "text"].map(str::to_owned);
        let rows = values(json!([["2023", 1, "a\tb"], [null, 1000, "x".repeat(50)]]));
        assert_eq!(
            table(&names, &rows, 80),
            format!("    at       n  text\n    2023     1  a\\tb\n    null  1000  {}…\n", "x".repeat(39))
        );
    }

    #[test]
    fn what_has_no_room_is_cut_and_then_left_out() {
        let names = ["one", "two", "three"].map(str::to_owned);
        let rows = values(json!([["a".repeat(30), "b".repeat(30), "c"]]));
        for width in 24..90 {
            let table = table(&names, &rows, width);
            assert!(table.lines().all(|line| line.chars().count() <= width), "{width}:\n{table}");
        }
        let line = |width| table(&names, &rows, width).lines().nth(1).map(str::to_owned);
        assert_eq!(line(60), Some(format!("    {}…  {}…  c", "a".repeat(23), "b".repeat(22))));
        assert!(
            table(&names, &rows, 30).ends_with("    and 1 more: three\n"),
            "{}",
            table(&names, &rows, 30)
        );
    }

    #[test]
    fn a_table_without_rows_has_its_names() {
        assert_eq!(table(&["a".to_owned()], &[], 80), "    a\n");
        assert_eq!(table(&[], &[], 80), "\n");
    }
}
