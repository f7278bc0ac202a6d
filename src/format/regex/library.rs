//! The library of named patterns, under grok's names.
//!
//! `%{NAME:field}` is the pattern NAME as a field, `%{NAME}` is the pattern alone. They are expanded when a
//! pattern is compiled, so they cost nothing later. None of them captures. What a text means, a number or
//! a point in time, is decided by the schema.

/// The patterns, by name. A pattern may use those before it.
const PATTERNS: &[(&str, &str)] = &[
    ("WORD", r"\b\w+\b"),
    ("NOTSPACE", r"\S+"),
    ("SPACE", r"\s*"),
    ("DATA", r".*?"),
    ("GREEDYDATA", r".*"),
    ("QUOTEDSTRING", r#"(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"#),
    ("QS", r"%{QUOTEDSTRING}"),
    ("INT", r"[+-]?[0-9]+"),
    ("POSINT", r"\b[1-9][0-9]*\b"),
    ("NONNEGINT", r"\b[0-9]+\b"),
    ("BASE10NUM", r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"),
    ("NUMBER", r"%{BASE10NUM}"),
    ("BASE16NUM", r"[+-]?(?:0x)?[0-9A-Fa-f]+"),
    ("UUID", r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"),
    ("USERNAME", r"[a-zA-Z0-9._-]+"),
    ("USER", r"%{USERNAME}"),
    ("IPV4", r"\b(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\b"),
    // Whether it is an address is decided by the type `ip`.
    ("IPV6", r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:%{IPV4}|[0-9A-Fa-f]{0,4})(?:%[0-9A-Za-z]+)?"),
    ("IP", r"(?:%{IPV6}|%{IPV4})"),
    ("HOSTNAME", r"\b[0-9A-Za-z](?:[0-9A-Za-z-]{0,62})(?:\.[0-9A-Za-z][0-9A-Za-z-]{0,62})*\.?"),
    ("IPORHOST", r"(?:%{IP}|%{HOSTNAME})"),
    ("HOSTPORT", r"%{IPORHOST}:%{POSINT}"),
    ("PATH", r"(?:/[^\s?*]*)+"),
    ("UNIXPATH", r"%{PATH}"),
    ("URIPROTO", r"[A-Za-z][A-Za-z0-9+.-]*"),
    ("URIPATH", r"/[^\s?#]*"),
    ("URIPATHPARAM", r"%{URIPATH}(?:\?\S*)?"),
    ("URI", r"%{URIPROTO}://\S+"),
    (
        "MONTH",
        r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b",
    ),
    ("MONTHNUM", r"(?:0?[1-9]|1[0-2])"),
    ("MONTHDAY", r"(?:0[1-9]|[12][0-9]|3[01]|[1-9])"),
    (
        "DAY",
        r"(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)",
    ),
    ("YEAR", r"[0-9]{4}"),
    ("HOUR", r"(?:2[0123]|[01]?[0-9])"),
    ("MINUTE", r"[0-5][0-9]"),
    ("SECOND", r"(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?"),
    ("TIME", r"%{HOUR}:%{MINUTE}(?::%{SECOND})?"),
    ("ISO8601_TIMEZONE", r"(?:Z|[+-]%{HOUR}(?::?%{MINUTE})?)"),
    (
        "TIMESTAMP_ISO8601",
        r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?",
    ),
    ("SYSLOGTIMESTAMP", r"%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("HTTPDATE", r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} [+-][0-9]{4}"),
    (
        "LOGLEVEL",
        r"(?i:alert|trace|debug|notice|info(?:rmation)?|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|emerg(?:ency)?)",
    ),
    ("PROG", r"[\x21-\x5a\x5c\x5e-\x7e]+"),
    ("JAVACLASS", r"(?:[a-zA-Z$_][a-zA-Z$_0-9]*\.)*[a-zA-Z$_][a-zA-Z$_0-9]*"),
];

/// `pattern` with the library's patterns expanded.
pub(super) fn expand(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(start) = rest.find("%{") {
        let Some(length) = rest[start..].find('}') else {
            return Err(format!(
                "'{}' is not closed; a pattern of the library is %{{NAME:field}}",
                &rest[start..]
            ));
        };
        out.push_str(&rest[..start]);
        let inside = &rest[start + 2..start + length];
        let (name, field) =
            inside.split_once(':').map_or((inside, None), |(name, field)| (name, Some(field)));
        let Some((_, known)) = PATTERNS.iter().find(|(known, _)| *known == name) else {
            return Err(unknown(name));
        };
        let known = expand(known)?;
        match field {
            Some(field) => out.push_str(&format!("(?P<{field}>{known})")),
            None => out.push_str(&format!("(?:{known})")),
        }
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = PATTERNS.iter().map(|(name, _)| *name).collect();
    format!("there is no pattern '{name}' in the library; it has {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn a_pattern_names_only_those_before_it() {
        for (index, (name, pattern)) in PATTERNS.iter().enumerate() {
            for used in pattern.split("%{").skip(1) {
                let used = used.split('}').next().expect("a name");
                assert!(PATTERNS[..index].iter().any(|(known, _)| *known == used), "{name} uses {used}");
            }
            let whole = Regex::new(&expand(&format!("%{{{name}}}")).expect("known")).expect(name);
            assert_eq!(whole.captures_len(), 1, "{name} captures");
        }
    }

    #[test]
    fn each_finds_what_it_is_named_for() {
        for (name, text, others) in [
            ("IP", "2001:db8::1", "host"),
            ("IPV4", "192.168.0.255", "256.1.1.1"),
            ("NUMBER", "-12.5", "x"),
            ("UUID", "b91d39e4-b81a-4ac6-8048-7a967ab2af2b", "b91d39e4"),
            ("TIMESTAMP_ISO8601", "2023-10-27T12:34:56.789+02:00", "27/10/2023"),
            ("TIMESTAMP_ISO8601", "2023-10-27 12:34:56,789", "12:34"),
            ("HTTPDATE", "27/Oct/2023:12:34:56 +0000", "27/10/2023"),
            ("SYSLOGTIMESTAMP", "Oct  7 12:34:56", "7 Oct"),
            ("LOGLEVEL", "WARNING", "loud"),
            ("QS", r#""a \"b\" c""#, "a"),
            ("HOSTPORT", "web-1.example.com:8080", "web"),
            ("URI", "https://example.com/a?b=c", "/a"),
            ("JAVACLASS", "org.apache.Main$1", "1"),
        ] {
            let regex = Regex::new(&expand(&format!("^%{{{name}:it}}$")).expect("known")).expect("a pattern");
            let found = regex.captures(text).unwrap_or_else(|| panic!("{name} does not find {text}"));
            assert_eq!(&found["it"], text);
            assert!(!regex.is_match(others), "{name} finds {others}");
        }
    }

    #[test]
    fn what_is_not_closed_or_not_known_is_said() {
        assert_eq!(expand("a%{INT:n}b").as_deref(), Ok("a(?P<n>[+-]?[0-9]+)b"));
        assert_eq!(expand("%{INT}").as_deref(), Ok("(?:[+-]?[0-9]+)"));
        assert!(expand("%{INT").expect_err("open").contains("not closed"));
        assert!(expand("%{INTEGER:n}").expect_err("unknown").contains("'INTEGER'"));
    }
}
