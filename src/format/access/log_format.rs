//! Log formats, as people paste them from the configuration of a web server into a job.
//!
//! Accepted are a whole `log_format …;` of nginx or `LogFormat …` of Apache, with quotes and joined lines,
//! or only the string in it, or the name of a predefined format.

use std::fmt;

use super::names::{Kind, Variable, apache, nginx};

/// How a line of an access log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormat {
    /// As it was given.
    text: String,
    /// The literal before the first value.
    pub(super) head: String,
    pub(super) pieces: Vec<Piece>,
    pub(super) escape: Escape,
}

/// A value, and the literal after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) name: String,
    pub(super) holds: Kind,
    pub(super) literal: String,
    pub(super) end: End,
    /// Whether it is quoted, so that a quote ends it.
    pub(super) is_quoted: bool,
}

/// Where a value ends, given that it may contain the literal after it, or that there is no literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At the first occurrence of the literal.
    First,
    /// Not at the blanks behind the commas and around the colons of a list.
    List,
    /// After this many occurrences of the literal, which its timestamp contains.
    Behind(usize),
    /// At the last colon before the end of the next value, a port.
    LastColon,
    /// At this byte, with which the next value begins; without it, at the end of the next value.
    Before(u8),
}

/// How the server writes characters that would break a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// `\xHH`, and Apache's letters. A value that is not there is a hyphen.
    Default,
    /// As in a JSON string. A value that is not there is empty.
    Json,
    /// Nothing. A value that is not there is empty.
    None,
}

/// The predefined formats.
const NAMED: &[(&str, &str)] = &[
    ("common", r#"%h %l %u %t "%r" %>s %b"#),
    ("combined", r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#),
    ("vhost_combined", r#"%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i""#),
];

impl LogFormat {
    /// Reads a log format, or says what is wrong with it.
    pub fn new(text: &str) -> Result<LogFormat, String> {
        let named = NAMED.iter().find(|(name, _)| *name == text.trim());
        let read = match (named, text.trim()) {
            (Some((_, format)), _) => read_apache(format)?,
            (None, text) => read(text)?,
        };
        let format = LogFormat { text: text.to_owned(), ..read.compile()? };
        format.pieces.first().ok_or("it has no variable, as $remote_addr or %h")?;
        Ok(format)
    }

    /// The predefined format of this name.
    pub fn named(name: &str) -> Option<LogFormat> {
        NAMED.iter().any(|(known, _)| *known == name).then(|| LogFormat::new(name).ok()).flatten()
    }

    /// As a job calls it.
    pub fn format_name(&self) -> &str {
        NAMED.iter().map(|(name, _)| *name).find(|name| self.text == *name).unwrap_or("access")
    }

    /// The names of its values, in their order, and what they hold.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &Kind)> {
        self.pieces.iter().map(|piece| (piece.name.as_str(), &piece.holds))
    }
}

/// As it was given.
impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The parts of a log format's string, in order.
#[derive(Debug)]
enum Part {
    Literal(String),
    Variable(Variable),
}

struct Parts {
    parts: Vec<Part>,
    escape: Escape,
}

fn read(text: &str) -> Result<Parts, String> {
    if let Some(rest) = directive(text, "log_format") {
        let mut words = nginx_words(rest)?.into_iter();
        words.next().ok_or("log_format has no name and no format behind it")?;
        return read_nginx_words(words);
    }
    if let Some(rest) = directive(text, "LogFormat") {
        return read_apache(&apache_word(rest.trim_start()));
    }
    let is_nginx = text.split('$').skip(1).any(|rest| rest.starts_with(is_name_or_brace));
    match (is_nginx, text.contains('%')) {
        (true, _) if text.starts_with('\'') => read_nginx_words(nginx_words(text)?.into_iter()),
        (true, _) if is_one_word(text) => read_nginx_words(nginx_words(text)?.into_iter()),
        (true, _) => Ok(Parts { parts: nginx_parts(text)?, escape: Escape::Default }),
        (false, true) if is_one_word(text) => read_apache(&apache_word(text)),
        (false, true) => read_apache(text),
        (false, false) => Err("it has no variable, as $remote_addr or %h".to_owned()),
    }
}

/// What follows the name of a directive, if it is this one.
fn directive<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (word, rest) = text.split_once(|ch: char| ch.is_ascii_whitespace())?;
    word.eq_ignore_ascii_case(name).then_some(rest)
}

fn is_name(ch: char) -> bool {
    ch.is_ascii_alphanumeric() || ch == '_'
}

fn is_name_or_brace(ch: char) -> bool {
    is_name(ch) || ch == '{'
}

/// Whether the quotes around the text are delimiters: then a quote between them is escaped.
fn is_one_word(text: &str) -> bool {
    let Some(within) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut is_escaped = false;
    within.chars().all(|ch| {
        let is_bare_quote = ch == '"' && !is_escaped;
        is_escaped = ch == '\\' && !is_escaped;
        !is_bare_quote
    }) && !is_escaped
}

fn read_nginx_words(words: impl Iterator<Item = String>) -> Result<Parts, String> {
    let mut words = words.peekable();
    let escape = words.next_if(|word| word.starts_with("escape="));
    let escape = match escape.as_deref() {
        None | Some("escape=default") => Escape::Default,
        Some("escape=json") => Escape::Json,
        Some("escape=none") => Escape::None,
        Some(other) => return Err(format!("nginx knows escape=default, json and none, and not {other}")),
    };
    let format: String = words.collect();
    Ok(Parts { parts: nginx_parts(&format)?, escape })
}

/// The words of a directive of nginx, without their quotes.
fn nginx_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        match first {
            ';' if rest[1..].trim().is_empty() => break,
            ';' => {
                return Err("there is something behind the semicolon of log_format; leave it out".to_owned());
            }
            '#' => rest = rest.split_once('\n').map_or("", |(_, below)| below),
            '\'' | '"' => {
                let (word, behind) = nginx_word(&rest[1..], |ch| ch == first);
                rest = behind.strip_prefix(first).ok_or("a quote of log_format is not closed")?;
                words.push(word);
            }
            _ => {
                let (word, behind) = nginx_word(rest, |ch| ch == ';' || ch.is_ascii_whitespace());
                rest = behind;
                words.push(word);
            }
        }
        rest = rest.trim_start();
    }
    Ok(words)
}

/// The word that `text` begins with, and what follows it, the end included.
fn nginx_word(text: &str, is_end: impl Fn(char) -> bool) -> (String, &str) {
    let (mut word, mut chars) = (String::new(), text.char_indices());
    while let Some((at, ch)) = chars.next() {
        match ch {
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\'' | '\\'))) => word.push(escaped),
                Some((_, 't')) => word.push('\t'),
                Some((_, 'r')) => word.push('\r'),
                Some((_, 'n')) => word.push('\n'),
                Some((_, other)) => word.extend(['\\', other]),
                None => word.push('\\'),
            },
            ch if is_end(ch) => return (word, &text[at..]),
            ch => word.push(ch),
        }
    }
    (word, "")
}

fn nginx_parts(format: &str) -> Result<Vec<Part>, String> {
    let mut pieces = format.split('$');
    let mut parts = vec![Part::Literal(pieces.next().unwrap_or_default().to_owned())];
    for piece in pieces {
        let (name, literal) = match piece.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or_else(|| format!("'${{{braced}' is not closed"))?,
            None => piece.split_at(piece.find(|ch: char| !is_name(ch)).unwrap_or(piece.len())),
        };
        if name.is_empty() {
            let word = piece.split_whitespace().next().unwrap_or_default();
            return Err(format!("a dollar in front of '{word}' has no name behind it"));
        }
        parts.push(Part::Variable(nginx(name)));
        parts.push(Part::Literal(literal.to_owned()));
    }
    Ok(parts)
}

/// The first word of a directive of Apache, without its quotes.
fn apache_word(text: &str) -> String {
    let text = text.replace("\\\r\n", "").replace("\\\n", "");
    let Some(quote) = text.chars().next().filter(|ch| matches!(ch, '"' | '\'')) else {
        return text.split_ascii_whitespace().next().unwrap_or_default().to_owned();
    };
    let (mut word, mut chars) = (String::new(), text[1..].chars());
    while let Some(ch) = chars.next() {
        match ch {
            '\\' => match chars.next() {
                Some(escaped) if escaped == '\\' || escaped == quote => word.push(escaped),
                Some(other) => word.extend(['\\', other]),
                None => word.push('\\'),
            },
            ch if ch == quote => break,
            ch => word.push(ch),
        }
    }
    word
}

fn read_apache(format: &str) -> Result<Parts, String> {
    let mut parts = vec![Part::Literal(String::new())];
    let mut rest = format;
    while let Some(at) = rest.find(['%', '\\']) {
        push_literal(&mut parts, &rest[..at]);
        let is_escape = rest[at..].starts_with('\\');
        rest = &rest[at + 1..];
        if is_escape {
            let Some(escaped) = rest.chars().next() else { break };
            let literal = match escaped {
                'n' => "\n",
                'r' => "\r",
                't' => "\t",
                _ => &rest[..escaped.len_utf8()],
            };
            push_literal(&mut parts, literal);
            rest = &rest[escaped.len_utf8()..];
        } else if let Some(behind) = rest.strip_prefix('%') {
            push_literal(&mut parts, "%");
            rest = behind;
        } else {
            let (variable, is_plain_stamp, behind) = apache_directive(rest)?;
            if is_plain_stamp {
                push_literal(&mut parts, "[");
            }
            parts.push(Part::Variable(variable));
            parts.push(Part::Literal(if is_plain_stamp { "]" } else { "" }.to_owned()));
            rest = behind;
        }
    }
    push_literal(&mut parts, rest);
    Ok(Parts { parts, escape: Escape::Default })
}

fn push_literal(parts: &mut [Part], text: &str) {
    if let Some(Part::Literal(literal)) = parts.last_mut() {
        literal.push_str(text);
    }
}

/// The directive after a percent sign, whether it is a timestamp with its own brackets, and the rest.
fn apache_directive(text: &str) -> Result<(Variable, bool, &str), String> {
    let (mut rest, mut argument) = (text, None);
    // Conditions, and `<` or `>` for the first or last request, do not affect the name.
    loop {
        rest = rest.trim_start_matches(|ch: char| matches!(ch, '!' | ',' | '<' | '>') || ch.is_ascii_digit());
        let Some(braced) = rest.strip_prefix('{') else { break };
        let (within, behind) =
            braced.split_once('}').ok_or_else(|| format!("'%{{{braced}' is not closed"))?;
        (argument, rest) = (Some(within), behind);
    }
    let length = if rest.starts_with('^') { 3 } else { rest.chars().next().map_or(0, char::len_utf8) };
    let letter = rest.get(..length).unwrap_or(rest);
    let directive = &text[..text.len() - rest.len() + letter.len()];
    let variable = apache(letter, argument)
        .ok_or_else(|| format!("'%{directive}' is none of the directives that Apache's LogFormat has"))?;
    Ok((variable, letter == "t" && argument.is_none(), &rest[letter.len()..]))
}

impl Parts {
    fn compile(self) -> Result<LogFormat, String> {
        let escape = self.escape;
        let mut parts = self.parts.into_iter();
        let head = match parts.next() {
            Some(Part::Literal(head)) => head,
            _ => String::new(),
        };
        let mut values: Vec<(Variable, String)> = Vec::new();
        for part in parts {
            match (part, values.last_mut()) {
                (Part::Variable(variable), _) => values.push((variable, String::new())),
                (Part::Literal(text), Some((_, literal))) => literal.push_str(&text),
                (Part::Literal(_), None) => {}
            }
        }
        join_stamps(&mut values);
        join_arguments(&mut values);
        let mut quotes = head.matches('"').count();
        let mut pieces: Vec<Piece> = Vec::with_capacity(values.len());
        for (index, (variable, literal)) in values.iter().enumerate() {
            let next = values.get(index + 1).map(|(next, _)| next);
            let piece = Piece {
                name: free_name(variable, &pieces),
                holds: variable.holds.clone(),
                end: end(variable, literal, next)?,
                is_quoted: escape != Escape::None && quotes % 2 == 1,
                literal: literal.clone(),
            };
            quotes += literal.matches('"').count();
            pieces.push(piece);
        }
        Ok(LogFormat { text: String::new(), head, pieces, escape })
    }
}

/// Joins the parts of a timestamp, such as seconds and their fraction, into one value.
fn join_stamps(values: &mut Vec<(Variable, String)>) {
    let mut index = 1;
    while index < values.len() {
        let joined = match (&values[index - 1], &values[index].0.holds) {
            ((Variable { holds: Kind::Stamp(Some(one)), .. }, between), Kind::Stamp(Some(other))) => {
                joined(one, between, other)
            }
            _ => None,
        };
        let Some(joined) = joined else {
            index += 1;
            continue;
        };
        let (_, literal) = values.remove(index);
        values[index - 1].0.holds = Kind::Stamp(Some(joined));
        values[index - 1].1 = literal;
    }
}

/// The letters of both stamps and of what is between them, if they can be read as one.
fn joined(one: &str, between: &str, other: &str) -> Option<String> {
    match (one, between, other) {
        ("epoch_s", ".", "%3f" | "%6f") => Some(one.to_owned()),
        _ if one.starts_with("epoch_") || other.starts_with("epoch_") => None,
        _ => Some(format!("{one}{}{other}", between.replace('%', "%%"))),
    }
}

/// nginx's `$is_args` is the question mark of the arguments behind it, as Apache's `%q` has it.
fn join_arguments(values: &mut Vec<(Variable, String)>) {
    let is_mark = |(variable, literal): &(Variable, String)| variable.own == "is_args" && literal.is_empty();
    while let Some(index) = values.iter().position(is_mark).filter(|index| index + 1 < values.len()) {
        values.remove(index);
    }
}

/// A name for a value that no other value of the log format has.
fn free_name(variable: &Variable, pieces: &[Piece]) -> String {
    let is_free = |name: &str| !name.is_empty() && pieces.iter().all(|piece| piece.name != name);
    let names = [variable.usual, variable.own.as_str()].into_iter().map(str::to_owned);
    let numbered = (2..).map(|number| format!("{}_{number}", variable.own));
    names.chain(numbered).find(|name| is_free(name)).expect("there is always another number")
}

fn end(variable: &Variable, literal: &str, next: Option<&Variable>) -> Result<End, String> {
    let is_port = |next: &Variable| next.own.ends_with("_port");
    match (&variable.holds, next) {
        (_, Some(next)) if literal.is_empty() => match next.own.as_str() {
            "request_uri" | "uri" | "document_uri" => Ok(End::Before(b'/')),
            "args" | "query_string" => Ok(End::Before(b'?')),
            other => Err(format!(
                "nothing stands between '{}' and '{other}', so nothing shows where the first ends",
                variable.own
            )),
        },
        (_, Some(next)) if literal == ":" && is_port(next) => Ok(End::LastColon),
        (Kind::Stamp(Some(letters)), _) if !literal.is_empty() => {
            let letters = letters.replace("%c", "%a %b %e %H:%M:%S %Y").replace("%r", "%I:%M:%S %p");
            match letters.matches(literal).count() {
                0 => Ok(End::First),
                count => Ok(End::Behind(count)),
            }
        }
        _ if variable.is_list && literal.starts_with(' ') => Ok(End::List),
        _ => Ok(End::First),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values with what surrounds them, as `head<name>literal<name>literal`.
    fn told(text: &str) -> String {
        match LogFormat::new(text) {
            Ok(format) => {
                let pieces = format.pieces.iter().map(|piece| format!("<{}>{}", piece.name, piece.literal));
                format!("{}{}", format.head, pieces.collect::<String>())
            }
            Err(error) => format!("error: {error}"),
        }
    }

    const COMBINED: &str =
        r#"<client> <ident> <user> [<timestamp>] "<request>" <status> <bytes> "<referer>" "<user_agent>""#;

    #[test]
    fn the_same_log_is_the_same_however_it_is_pasted() {
        let nginx = r#"<client> - <user> [<timestamp>] "<request>" <status> <bytes> "<referer>" "<user_agent>" "<http_x_forwarded_for>""#;
        for text in [
            r#"log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer" '  # from here on not in CLF
                      '"$http_user_agent" "$http_x_forwarded_for"';"#,
            r#"'$remote_addr - $remote_user [$time_local] "$request" '
               '$status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for"'"#,
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for""#,
            r#""$remote_addr - ${remote_user} [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" \"$http_x_forwarded_for\"""#,
        ] {
            assert_eq!(told(text), nginx, "{text}");
        }
        for text in [
            "combined",
            r#"LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined"#,
            "logformat \"%h %l %u %t \\\"%r\\\" \\\n%>s %b \\\"%{Referer}i\\\" \\\"%{User-Agent}i\\\"\" x",
            r#"LogFormat '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'"#,
            r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#,
            r#""%a %l %u %t \"%r\" %!200,304>s %O \"%400{Referer}i\" \"%{User-agent}i\"""#,
            r#"%h %l %u [%{%d/%b/%Y:%H:%M:%S %z}t] "%r" %s %B "%{referer}i" "%{user-agent}i""#,
        ] {
            assert_eq!(told(text), COMBINED, "{text}");
        }
    }

    #[test]
    fn values_have_one_name_each() {
        for (text, expected) in [
            ("vhost_combined", &*format!("<server_name>:<server_port> {COMBINED}")),
            (
                "%h %a %b %O %I %h",
                "<client> <remote_addr> <bytes> <bytes_sent> <request_length> <remote_host>",
            ),
            ("%h %h %h", "<client> <remote_host> <remote_host_2>"),
            ("$time_local|$time_iso8601|$msec", "<timestamp>|<time_iso8601>|<msec>"),
            (
                "%D %T %{ms}T %{X-Id}i %{X-Id}o %{a.b}C %{U}e %{n}n %{SSL_PROTOCOL}x %X %%",
                "<request_time_us> <request_time> <request_time_ms> <http_x_id> <sent_http_x_id> <cookie_a_b> <env_u> <note_n> <ssl_protocol> <connection_status> %",
            ),
            ("%{%F %T}t.%{usec_frac}t %{%z}t %h", "<timestamp> <client>"),
            ("%{sec}t.%{msec_frac}t %{usec}t %{msec_frac}t", "<timestamp> <time_local> <time_local_2>"),
            (
                "$scheme://$host$uri$is_args$args $server_protocol",
                "<scheme>://<host><path><query> <protocol>",
            ),
            ("%U%q %m", "<path><query> <method>"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_log_format_is_told() {
        for (text, expected) in [
            ("", "it has no variable"),
            ("main", "it has no variable"),
            ("log_format main;", "it has no variable"),
            ("log_format main '$a", "a quote of log_format is not closed"),
            ("log_format main '$a'; access_log x;", "there is something behind the semicolon"),
            (
                "log_format main escape=xml '$a'",
                "nginx knows escape=default, json and none, and not escape=xml",
            ),
            ("$a $ b", "a dollar in front of 'b' has no name behind it"),
            ("${a", "'${a' is not closed"),
            ("%{Referer", "'%{Referer' is not closed"),
            ("%h %Z", "'%Z' is none of the directives"),
            ("%h %{x}", "'%{x}' is none of the directives"),
            ("$remote_addr$status", "nothing stands between 'remote_addr' and 'status'"),
        ] {
            let told = told(text);
            assert!(told.starts_with(&format!("error: {expected}")), "{text}: {told}");
        }
    }
}
