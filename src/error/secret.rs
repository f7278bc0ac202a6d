//! Finds passwords in texts, so that they are never shown.
//!
//! A password can be in a job file (`url = "postgres://ada:pass@host/db"`), and messages show lines of that
//! file. The search works on any text, including a line of broken TOML, because that is when lines are shown.
//! It hides too much rather than too little: the result is only ever read by a person.

use std::ops::Range;

/// The replacement for a password in output.
pub(crate) const MASK: &str = "***";

/// Parts of the names of settings whose values are secret, wherever they occur.
const NAMES: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "secret",
    "token",
    "credential",
    "api_key",
    "access_key",
    "private_key",
];

/// Whether a setting with this name is secret.
pub(crate) fn is_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    NAMES.iter().any(|secret| name.contains(secret))
}

/// Whether a password may be near: the name of one, or a URL.
pub(crate) fn is_hint(text: &str) -> bool {
    text.contains("://") || is_name(text)
}

/// A password in a text.
struct Secret {
    /// The password alone, which is masked.
    value: Range<usize>,
    /// With its name and closing delimiter, which is removed.
    whole: Range<usize>,
    /// The end of its name, or of whatever precedes it.
    name_end: usize,
}

/// The places of passwords in `text`, sorted and without overlaps.
pub(crate) fn find(text: &str) -> Vec<Range<usize>> {
    apart(secrets(text).into_iter().map(|secret| secret.value).collect())
}

fn secrets(text: &str) -> Vec<Secret> {
    let mut found: Vec<Secret> = in_urls(text).chain(in_settings(text)).collect();
    // A password can look like the name of another: `password=mytoken= user=ada`.
    let values: Vec<Range<usize>> = found.iter().map(|secret| secret.value.clone()).collect();
    found.retain(|secret| {
        let name = secret.name_end - 1;
        !values.iter().any(|value| value.contains(&name) && value.end <= secret.value.start)
    });
    // A reference to a variable is not a secret, and helps the reader of the line.
    found.retain(|Secret { value, .. }| !value.is_empty() && !is_reference(&text[value.clone()]));
    found
}

/// The same parts of a text, sorted and without overlaps.
pub(super) fn apart(mut parts: Vec<Range<usize>>) -> Vec<Range<usize>> {
    parts.sort_by_key(|part| part.start);
    parts.dedup_by(|later, earlier| {
        let overlap = later.start < earlier.end;
        if overlap {
            earlier.end = earlier.end.max(later.end);
        }
        overlap
    });
    parts
}

/// `text` with every password hidden.
pub(crate) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for range in find(text) {
        shown.push_str(&text[from..range.start]);
        shown.push_str(MASK);
        from = range.end;
    }
    shown.push_str(&text[from..]);
    shown
}

/// `text` without its passwords: `postgres://ada:pass@host` becomes `postgres://ada@host`,
/// and `user=ada password=pass` becomes `user=ada`.
pub(crate) fn removed(text: &str) -> String {
    let mut kept = text.to_owned();
    let cuts = apart(secrets(text).into_iter().map(|secret| secret.whole).collect());
    for Range { start, end } in cuts.into_iter().rev() {
        let (before, after) = (&kept[..start], &kept[end..]);
        // The separator to its neighbour is removed too. The first parameter of a URL leaves its question
        // mark to the next one.
        let (start, end) = match before.chars().next_back() {
            Some('?') if after.starts_with('&') => (start, end + 1),
            Some('?' | '&' | ' ') => (start - 1, end),
            _ => (start, end),
        };
        kept.replace_range(start..end, "");
    }
    kept.trim().to_owned()
}

/// `scheme://user:PASSWORD@host`. A password that should have been escaped may contain any character, so it
/// extends to the last `@` of its literal.
fn in_urls(text: &str) -> impl Iterator<Item = Secret> {
    text.match_indices("://").filter_map(|(index, separator)| {
        let start = index + separator.len();
        let end = literal_end(text, start);
        let at = start + text[start..end].rfind('@')?;
        let colon = start + text[start..at].find(':')?;
        Some(Secret { value: colon + 1..at, whole: colon..at, name_end: colon })
    })
}

/// `password=PASSWORD`, in a connection string, the parameters of a URL, or a line of TOML.
fn in_settings(text: &str) -> impl Iterator<Item = Secret> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for name in NAMES {
        for (index, _) in lower.match_indices(name) {
            let after = &text[index + name.len()..];
            // The name may be quoted, like a key in TOML.
            let after = after.strip_prefix(['"', '\'']).unwrap_or(after).trim_start();
            let Some(value) = after.strip_prefix('=') else { continue };
            let value = value.trim_start();
            let start = text.len() - value.len();
            let end = match value.chars().next() {
                // Not a value but a table or list of them, each with its own name.
                Some('{' | '[') => continue,
                Some(quote @ ('"' | '\'')) => {
                    // Three quotes also open a literal.
                    let body = value.trim_start_matches(quote);
                    let body_start = text.len() - body.len();
                    body_start + unescaped(body, |ch| ch == quote)
                }
                _ => {
                    let literal_end = literal_end(text, start);
                    start + unescaped(&text[start..literal_end], |ch| ch.is_whitespace() || ch == '&')
                }
            };
            let quotes = text[start..end].len() - text[start..end].trim_start_matches(['"', '\'']).len();
            // `sslpassword` ends with such a name.
            let is_of_name = |ch: char| ch.is_ascii_alphanumeric() || ch == '_';
            let name_start = text[..index].trim_end_matches(is_of_name).len();
            let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
            let closing = text[end..].bytes().take(quotes).take_while(is_quote).count();
            let name_end = index + name.len();
            found.push(Secret { value: start + quotes..end, whole: name_start..end + closing, name_end });
        }
    }
    found.into_iter()
}

/// The end of the string literal that contains `at`: the next quote of the kind that last precedes it, or the
/// end of the line.
fn literal_end(text: &str, at: usize) -> usize {
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    match text[line_start..at].chars().rev().find(|ch| matches!(ch, '"' | '\'')) {
        Some(quote) => at + unescaped(&text[at..line_end], |ch| ch == quote),
        None => line_end,
    }
}

/// The first character in `text` that satisfies `is_end` and is not preceded by a backslash.
fn unescaped(text: &str, is_end: impl Fn(char) -> bool) -> usize {
    let mut escaped = false;
    for (index, ch) in text.char_indices() {
        if is_end(ch) && !escaped {
            return index;
        }
        escaped = ch == '\\' && !escaped;
    }
    text.len()
}

/// Whether `text` is `${NAME}` and nothing else.
pub(crate) fn is_reference(text: &str) -> bool {
    text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_wherever_they_stand() {
        for (text, shown) in [
            (r#"url = "postgres://ada:pass@host:5432/db""#, r#"url = "postgres://ada:***@host:5432/db""#),
            (
                r#"url = "postgres://ada:p/a:s@s#?@host/db" # x@y"#,
                r#"url = "postgres://ada:***@host/db" # x@y"#,
            ),
            (r#"url = 'postgres://ada:pa"ss@host/db'"#, "url = 'postgres://ada:***@host/db'"),
            (r#"url = "postgres://ada:pa\"ss@host/db""#, r#"url = "postgres://ada:***@host/db""#),
            (r#"url = "postgres://ada:pass@host"#, r#"url = "postgres://ada:***@host"#),
            (r#"url = "postgres://:pass@host""#, r#"url = "postgres://:***@host""#),
            (r#"url = "host=h password=pass user=ada""#, r#"url = "host=h password=*** user=ada""#),
            (r#"url = "host=h password = 'pa ss' user=ada""#, r#"url = "host=h password = '***' user=ada""#),
            (r#"url = "host=h password='p\'s' x=1""#, r#"url = "host=h password='***' x=1""#),
            (
                r#"url = "postgres://h/db?user=ada&password=pass&x=1""#,
                r#"url = "postgres://h/db?user=ada&password=***&x=1""#,
            ),
            (r#"url = "host=h sslpassword=pass""#, r#"url = "host=h sslpassword=***""#),
            (r#"url = 'host=h password=pa"ss'"#, "url = 'host=h password=***'"),
            (r#"password = "pass""#, r#"password = "***""#),
            (r#"password = """pass""""#, r#"password = """***""""#),
            (r#""Password"="pass" # mine"#, r#""Password"="***" # mine"#),
            (r#"password = "pass"#, r#"password = "***"#),
            ("postgres://ada:pass@host/db", "postgres://ada:***@host/db"),
            ("host=h password=pass\\ word user=ada", "host=h password=*** user=ada"),
            ("a://b:c@d e://f:g@h", "a://b:***@h"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_password_is_shown() {
        for text in [
            r#"url = "postgres://localhost:5432/db" # ask ada@example.org"#,
            r#"url = "postgres://ada@host/db""#,
            r#"url = "postgres://ada:${DB_PASSWORD}@host/db""#,
            r#"url = "host=h password=${DB_PASSWORD} user=ada""#,
            r#"password = { type = "text", from = "/user/password" }"#,
            r#"url = "sqlite:logs.db""#,
            r#"token = { type = "text" }"#,
            "",
            "password",
            "password =",
            "://",
            "ä://ö:ü",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn a_text_without_its_password_is_still_whole() {
        for (text, kept) in [
            ("postgres://ada:pass@host/db", "postgres://ada@host/db"),
            ("postgres://host/db?password=pass", "postgres://host/db"),
            ("postgres://host/db?password=pass&x=1", "postgres://host/db?x=1"),
            ("postgres://host/db?x=1&password=pass&y=2", "postgres://host/db?x=1&y=2"),
            ("password=pass user=ada", "user=ada"),
            ("user=ada password=pass dbname=x", "user=ada dbname=x"),
            ("password='pa ss' user=ada", "user=ada"),
            ("host=h password = 'pa ss' user=ada", "host=h user=ada"),
            ("host=h password = geheim user=ada", "host=h user=ada"),
            ("host=h sslpassword='p\\'s' user=ada", "host=h user=ada"),
            ("host=h password='pass'", "host=h"),
            ("password='\"p'ä", "ä"),
            ("host=h password='unclosed", "host=h"),
            ("password=a sslpassword='b c' user=ada", "user=ada"),
            ("sqlite:logs.db", "sqlite:logs.db"),
            ("host=h password=mytoken= user=ada", "host=h user=ada"),
            ("host=h password=mytoken= user=ada dbname=x", "host=h user=ada dbname=x"),
            ("password='topsecret=' user=ada", "user=ada"),
            ("postgres://u:mysecret=@host/db", "postgres://u@host/db"),
            ("postgres://u:pw@h/db?password=a@b", "postgres://u"),
        ] {
            assert_eq!(removed(text), kept, "{text}");
        }
    }
}
