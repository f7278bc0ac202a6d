//! The SQL of a rollup as a person wrote it: where its days are inserted, and what it must not ask.
//!
//! It is scanned only as far as needed: quotes and comments are separated from the rest, and names from the
//! functions they call. What the SQL means is left to the destination.

use std::fmt::Write as _;
use std::ops::Range;

/// SQL with the places for its day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    /// As written, without a trailing semicolon.
    text: String,
    /// The placeholders of the day, and whether each is for the next day.
    places: Vec<(Range<usize>, bool)>,
}

/// A token of SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A name or a keyword, in lower case.
    Name(String),
    /// A quoted name.
    Quoted(String),
    /// A quoted text, without its quotes.
    Text(String),
    /// `{date}`, or `{next_date}` if true.
    Day(bool),
    /// A parameter, as in `$1`.
    Parameter,
    /// A brace that is neither, with what follows it.
    Brace(String),
    /// Anything else, one character at a time, except `::`.
    Sign(&'static str),
}

const DATE: &str = "{date}";
const NEXT_DATE: &str = "{next_date}";

/// Keywords that read the clock by themselves.
const CLOCK_WORDS: [&str; 6] =
    ["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "tablesample"];

/// Functions that read the clock or are random, and those that answer differently each time.
const CLOCK_FUNCTIONS: [&str; 26] = [
    "now",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "timeofday",
    "random",
    "random_normal",
    "randomblob",
    "setseed",
    "gen_random_uuid",
    "gen_random_bytes",
    "uuidv4",
    "uuidv7",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "array_shuffle",
    "array_sample",
    "nextval",
    "lastval",
    "txid_current",
    "pg_current_xact_id",
    "pg_postmaster_start_time",
    "pg_conf_load_time",
    "pg_sleep",
    "currval",
];

/// Functions of SQLite that read the clock if they are given no time.
const CLOCK_IF_EMPTY: [&str; 5] = ["date", "time", "datetime", "julianday", "unixepoch"];

/// Texts that mean the present time when read as a time.
const CLOCK_TEXTS: [&str; 5] = ["now", "today", "yesterday", "tomorrow", "subsec"];

/// Types and functions that convert a text to a time.
const TIME_READERS: [&str; 20] = [
    "date",
    "time",
    "datetime",
    "timestamp",
    "timestamptz",
    "timetz",
    "zone",
    "interval",
    "julianday",
    "unixepoch",
    "strftime",
    "timediff",
    "date_trunc",
    "date_part",
    "date_bin",
    "extract",
    "age",
    "to_char",
    "to_timestamp",
    "to_date",
];

impl Sql {
    /// Reads SQL, or says why it cannot be a rollup's. With `allow_clock` it may ask anything. `time` is the
    /// column of times; a text that is compared with it is read as a time.
    pub fn read(text: &str, time: &str, allow_clock: bool) -> Result<Sql, String> {
        let mut tokens = tokens(text)?;
        let is_end = |token: &Token| *token == Token::Sign(";");
        let mut end = text.len();
        while let Some((_, range)) = tokens.pop_if(|(token, _)| is_end(token)) {
            end = range.start;
        }
        if tokens.is_empty() {
            return Err("has no SQL in it".to_owned());
        }
        for (token, _) in &tokens {
            match token {
                Token::Sign(";") => {
                    return Err("takes one statement, and there is more behind a semicolon".to_owned());
                }
                Token::Parameter => {
                    return Err("takes no parameters but {date} and {next_date}".to_owned());
                }
                Token::Brace(given) => {
                    return Err(format!("holds {given:?}; only {{date}} and {{next_date}} are known"));
                }
                Token::Text(text) if text.contains(DATE) || text.contains(NEXT_DATE) => {
                    return Err(
                        "has {date} or {next_date} in quotes; leave the quotes out, it is a value by itself"
                            .to_owned(),
                    );
                }
                _ => {}
            }
        }
        let places: Vec<_> = tokens
            .iter()
            .filter_map(|(token, range)| match token {
                Token::Day(is_next) => Some((range.clone(), *is_next)),
                _ => None,
            })
            .collect();
        if places.is_empty() {
            return Err("selects no day; take only the rows from {date} on and before {next_date}".to_owned());
        }
        let words: Vec<Token> = tokens.into_iter().map(|(token, _)| token).collect();
        if let Some(asked) = asks_clock(&words, time).filter(|_| !allow_clock) {
            return Err(format!(
                "asks {asked}, and a day computed again would be another; leave it out, or write allow_clock = true"
            ));
        }
        Ok(Sql { text: text[..end].trim_end().to_owned(), places })
    }

    /// The SQL for a day, given the destination's literals for its beginning and that of the next.
    pub fn on(&self, date: &str, next_date: &str) -> String {
        let (mut sql, mut from) = (String::with_capacity(self.text.len() + 64), 0);
        for (place, is_next) in &self.places {
            let day = if *is_next { next_date } else { date };
            let _ = write!(sql, "{}{day}", &self.text[from..place.start]);
            from = place.end;
        }
        sql + &self.text[from..]
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What the SQL reads of the clock or of chance.
fn asks_clock(tokens: &[Token], time: &str) -> Option<String> {
    // The owner of each open bracket.
    let mut callers: Vec<&str> = Vec::new();
    let name_at = |at: usize| match tokens.get(at) {
        Some(Token::Name(name) | Token::Quoted(name)) => Some(name.as_str()),
        _ => None,
    };
    for (at, token) in tokens.iter().enumerate() {
        let (before, next) = (at.checked_sub(1), tokens.get(at + 1));
        let is_called = next == Some(&Token::Sign("("));
        match token {
            Token::Sign("(") => callers.push(before.and_then(name_at).unwrap_or("")),
            Token::Sign(")") => drop(callers.pop()),
            Token::Name(name)
                if CLOCK_WORDS.contains(&name.as_str())
                    && before.and_then(|at| tokens.get(at)) != Some(&Token::Sign(".")) =>
            {
                return Some(name.clone());
            }
            Token::Name(name) | Token::Quoted(name) if is_called => {
                let is_empty = tokens.get(at + 2) == Some(&Token::Sign(")"));
                let has_one = arguments(&tokens[at + 2..]) == 1;
                let asks = CLOCK_FUNCTIONS.contains(&name.as_str())
                    || is_empty && CLOCK_IF_EMPTY.contains(&name.as_str())
                    || has_one && matches!(name.as_str(), "strftime" | "age");
                if asks {
                    return Some(format!("{name}()"));
                }
            }
            Token::Text(text) if CLOCK_TEXTS.contains(&text.trim().to_ascii_lowercase().as_str()) => {
                let is_cast = next == Some(&Token::Sign("::"))
                    || next == Some(&Token::Name("as".to_owned())) && callers.last() == Some(&"cast");
                let caller = callers.last().copied().unwrap_or("");
                let is_read = before.and_then(name_at).is_some_and(|name| TIME_READERS.contains(&name))
                    || TIME_READERS.contains(&caller);
                if is_cast || is_read || is_compared(tokens, at, time) {
                    return Some(format!("'{text}'"));
                }
            }
            _ => {}
        }
    }
    None
}

/// The number of arguments before the bracket that closes a call.
fn arguments(tokens: &[Token]) -> usize {
    let (mut depth, mut commas) = (0, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign("(") => depth += 1,
            Token::Sign(")") if depth == 0 => return if at == 0 { 0 } else { commas + 1 },
            Token::Sign(")") => depth -= 1,
            Token::Sign(",") if depth == 0 => commas += 1,
            _ => {}
        }
    }
    commas + 1
}

/// Whether the text there is compared with the column of times, from either side, or is in a list or a range of
/// texts that is.
fn is_compared(tokens: &[Token], at: usize, time: &str) -> bool {
    let is_time = |token: &Token| matches!(token, Token::Name(name) | Token::Quoted(name) if name == time);
    let leads_on = |token: &Token| match token {
        Token::Sign(sign) => matches!(*sign, "" | "(" | ","),
        Token::Name(name) => matches!(name.as_str(), "between" | "symmetric" | "and" | "in" | "any" | "not"),
        Token::Text(_) => true,
        _ => false,
    };
    let before = tokens[..at].iter().rposition(|token| is_time(token) || !leads_on(token));
    if let Some(before) = before.filter(|before| before + 1 < at && is_time(&tokens[*before])) {
        let count = |word: &str| {
            let is_word = |token: &&Token| matches!(token, Token::Name(name) if name == word);
            tokens[before..at].iter().filter(is_word).count()
        };
        // Every other one begins a condition of its own.
        if count("and") <= count("between") {
            return true;
        }
    }
    let signs = tokens[at + 1..].iter().take_while(|token| **token == Token::Sign("")).count();
    let behind = &tokens[at + 1 + signs..];
    // The column may be named with its table.
    let dots = behind.iter().skip(1).step_by(2).take_while(|token| **token == Token::Sign(".")).count();
    signs > 0 && behind.get(2 * dots).is_some_and(is_time)
}

/// The tokens of SQL, with their places. Comments are left out.
fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, String> {
    let (bytes, mut found, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let rest = &text[at..];
        let (token, length) = match bytes[at] {
            byte if byte.is_ascii_whitespace() => (None, 1),
            b'-' if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
            b'/' if rest.starts_with("/*") => (None, comment(rest)?),
            b'\'' => {
                // In E'…' a backslash escapes the character after it.
                let has_escapes = matches!(found.last(), Some((Token::Name(name), end)) if name == "e" && end_of(end) == at);
                let (inside, length) = quoted(rest, '\'', has_escapes)?;
                (Some(Token::Text(inside)), length)
            }
            quote @ (b'"' | b'`') => {
                let (inside, length) = quoted(rest, char::from(quote), false)?;
                (Some(Token::Quoted(inside)), length)
            }
            b'$' => dollar(rest)?,
            b'{' if rest.starts_with(DATE) => (Some(Token::Day(false)), DATE.len()),
            b'{' if rest.starts_with(NEXT_DATE) => (Some(Token::Day(true)), NEXT_DATE.len()),
            b'{' | b'}' => {
                let end = rest.find('}').map_or(1, |end| end + 1);
                (Some(Token::Brace(rest[..end].chars().take(20).collect())), end)
            }
            b':' if rest.starts_with("::") => (Some(Token::Sign("::")), 2),
            byte if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => {
                let length = rest.find(|ch: char| !is_of_name(ch)).unwrap_or(rest.len());
                (Some(Token::Name(rest[..length].to_lowercase())), length)
            }
            byte if byte.is_ascii_digit() => {
                let length = rest.find(|ch: char| !is_of_name(ch) && ch != '.').unwrap_or(rest.len());
                (Some(Token::Sign("0")), length)
            }
            b'(' => (Some(Token::Sign("(")), 1),
            b')' => (Some(Token::Sign(")")), 1),
            b';' => (Some(Token::Sign(";")), 1),
            b'.' => (Some(Token::Sign(".")), 1),
            b',' => (Some(Token::Sign(",")), 1),
            _ => (Some(Token::Sign("")), 1),
        };
        found.extend(token.map(|token| (token, at..at + length)));
        at += length;
    }
    Ok(found)
}

fn end_of(range: &Range<usize>) -> usize {
    range.end
}

fn is_of_name(ch: char) -> bool {
    ch.is_alphanumeric() || ch == '_' || ch == '$'
}

/// The length of a comment, which may have others nested in it.
fn comment(text: &str) -> Result<usize, String> {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return Ok(at);
                }
            }
            _ => at += 1,
        }
    }
    Err("has a comment that does not end".to_owned())
}

/// The content of quotes, and the length including them. A doubled quote stands for one.
fn quoted(text: &str, quote: char, has_escapes: bool) -> Result<(String, usize), String> {
    let mut inside = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, ch)) = chars.next() {
        if has_escapes && ch == '\\' {
            inside.extend(chars.next().map(|(_, ch)| ch));
        } else if ch != quote {
            inside.push(ch);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            inside.push(quote);
        } else {
            return Ok((inside, at + 1));
        }
    }
    Err("has a quote that does not end".to_owned())
}

/// A text between two dollar signs with the same tag, or a parameter.
fn dollar(text: &str) -> Result<(Option<Token>, usize), String> {
    if text[1..].starts_with(|ch: char| ch.is_ascii_digit()) {
        let digits = text[1..].find(|ch: char| !ch.is_ascii_digit()).unwrap_or(text.len() - 1);
        return Ok((Some(Token::Parameter), 1 + digits));
    }
    let tag = match text[1..].find(|ch: char| !ch.is_alphanumeric() && ch != '_') {
        Some(end) if text[1 + end..].starts_with('$') => &text[..end + 2],
        _ => return Ok((Some(Token::Parameter), 1)),
    };
    let Some(end) = text[tag.len()..].find(tag) else {
        return Err("has a text between dollars that does not end".to_owned());
    };
    let inside = text[tag.len()..tag.len() + end].to_owned();
    Ok((Some(Token::Text(inside)), tag.len() * 2 + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: &str = " and t >= {date} and t < {next_date}";

    #[test]
    fn a_day_is_put_where_it_belongs() {
        let sql =
            Sql::read("select 1 -- {x}\nwhere a = '{b}' and t >= {date} and t < {next_date} ;; ", "t", false);
        let sql = sql.expect("good");
        assert_eq!(sql.on("D", "N"), "select 1 -- {x}\nwhere a = '{b}' and t >= D and t < N");
        let sql =
            Sql::read("select \"{date}\", $q$ {x $q$, /* ' /* ; */ */ {date}", "t", false).expect("good");
        assert_eq!(sql.on("D", "N"), "select \"{date}\", $q$ {x $q$, /* ' /* ; */ */ D");
    }

    #[test]
    fn what_can_be_no_rollup_is_told() {
        for (sql, why) in [
            ("", "no SQL"),
            (" ; ", "no SQL"),
            ("select 1", "no day"),
            ("select 1 where t = {date}; drop table t", "one statement"),
            ("select 1 where t = '{date}'", "in quotes"),
            ("select 1 where t = $$ {next_date} $$", "in quotes"),
            ("select 1 where t = {day}", "\"{day}\""),
            ("select 1 where t = $1 and d = {date}", "no parameters"),
            ("select 'a where t = {date}", "quote that does not end"),
            ("select /* 1 where t = {date}", "comment that does not end"),
            ("select $a$ 1 where t = {date}", "dollars"),
        ] {
            let error = Sql::read(sql, "t", true).expect_err(sql);
            assert!(error.contains(why), "{sql}: {error}");
        }
    }

    #[test]
    fn the_clock_and_chance_are_not_asked() {
        for asked in [
            "now()",
            "NOW ( )",
            "pg_catalog.now()",
            "pg_catalog.\"now\"()",
            "current_date",
            "Current_Timestamp",
            "CURRENT_TIMESTAMP(3)",
            "localtime",
            "clock_timestamp()",
            "random()",
            "random(1, 6)",
            "gen_random_uuid()",
            "'now'::timestamptz",
            "' Today '::date",
            "E'now'::date",
            "date 'yesterday'",
            "timestamp with time zone 'tomorrow'",
            "cast('now' as timestamp)",
            "date('now')",
            "datetime( 'now', 'localtime')",
            "strftime('%Y', 'now')",
            "strftime('%Y')",
            "julianday()",
            "date()",
            "date_trunc('day', 'now')",
            "now/* here */()",
            "age(t)",
            "age(x.t)",
            "age(coalesce(t, u))",
            "u or t >= 'yesterday'",
            "u or x.t between 'yesterday' and 'today'",
            "u or t between '2024-01-01' and 'now'",
            "u or t in ('2024-01-01', 'today')",
            "u or 'yesterday' <= x.t",
        ] {
            let sql = format!("select 1 from x where t < {asked}{DAY}");
            let error = Sql::read(&sql, "t", false).expect_err(asked);
            assert!(error.contains("allow_clock"), "{asked}: {error}");
            assert!(Sql::read(&sql, "t", true).is_ok(), "{asked}");
        }
    }

    #[test]
    fn what_only_looks_like_the_clock_is_let_through() {
        for innocent in [
            "message = 'now'",
            "message in ('now', 'today')",
            "lower('NOW') = message",
            "now = 1",
            "x.random > 2",
            "message = 'select now()'",
            "message = $$now()$$",
            "\"current_date\" = 1",
            "x.current_date = 1",
            "-- now()\n true",
            "/* random() */ true",
            "date(t) = date({date})",
            "strftime('%H', t) = '10'",
            "date_trunc('day', t) = {date}",
            "age(t, u) > '1 day'",
            "age(coalesce(t, u), {date}) > '1 day'",
            "t > u and message = 'now'",
            "'now' = message and t > u",
            "t in (u) and 'now' = message",
            "t > '2024-01-01' and 'now' = message",
            "t between '2024-01-01' and '2024-02-01' and 'now' = message",
            "t between u and v and message in ('now', 'today')",
            "knowing()",
            "E'it\\'s now()' = message",
        ] {
            let sql = format!("select 1 from x where {innocent}{DAY}");
            assert!(Sql::read(&sql, "t", false).is_ok(), "{innocent}: {:?}", Sql::read(&sql, "t", false));
        }
    }
}
