//! `[source]`: the format of records, and the keys that only some formats have.

use super::reader::Reader;
use super::scope::{Scope, TextRange};
use crate::format::{self, AwsLog, Dialect, LogFormat, Pattern, Preset, Spec};
use crate::schema::Nulls;
use crate::source::{Objects, Runtime};

use regex::bytes::Regex;

/// The format within the lines of a container if no other is named.
const TEXT: &str = "text";

/// A pattern that matches any text.
const ANY_TEXT: &str = "^(?P<message>(?s:.*))$";

/// Keys that apply only to some formats.
const KEYS: [(&str, &[&str]); 11] = [
    ("pattern", &["regex"]),
    ("preset", &["regex", "logfmt", "ndjson"]),
    ("record_start", &["ndjson", "regex", TEXT]),
    ("delimiter", &["csv"]),
    ("quote", &["csv", "tsv"]),
    ("escape", &["csv", "tsv"]),
    ("header", &["csv", "tsv"]),
    ("columns", &["csv", "tsv"]),
    ("comment", &["csv", "tsv"]),
    ("log_format", &["access"]),
    (
        "nulls",
        &[
            "regex",
            TEXT,
            "csv",
            "tsv",
            "combined",
            "common",
            "vhost_combined",
            "access",
            "logfmt",
            "syslog",
            "w3c",
            "alb",
            "elb",
            "s3_access",
            "vpc_flow",
        ],
    ),
];

/// Reads the format of records, and which texts mean null in it. Faults are reported, and replaced by a
/// default.
pub(super) fn read(reader: &mut Reader<'_>, scope: &Scope<'_>) -> (Spec, Nulls) {
    let format = reader.word(scope, "format");
    if !scope.has("format") {
        reader.find_absent("[source] has no format; add format = \"ndjson\"", scope);
    }
    let runtime = Runtime::named(format);
    let payload = reader.word_given(scope, "payload");
    if let (None, Some((_, place))) = (runtime, &payload) {
        let message = format!(
            "'payload' is the format within the lines of cri, docker or compose, and this job has the format '{format}'"
        );
        reader.find(message, place);
    }
    let name = match runtime {
        Some(_) => payload.map_or(TEXT, |(name, _)| name),
        None => format,
    };
    for (key, formats) in KEYS {
        if let Some(place) = scope.place_of(key)
            && !formats.contains(&name)
        {
            let formats: Vec<_> = formats.iter().copied().filter(|format| *format != TEXT).collect();
            let message =
                format!("'{key}' is for the format {}, and this job has '{name}'", formats.join(" or "));
            reader.find(message, &place);
        }
    }
    let nulls = nulls(reader, scope, name);
    let spec = spec(reader, scope, name);
    match runtime {
        Some(runtime) => (Spec::Contained { runtime, payload: Box::new(spec) }, nulls),
        None => (spec, nulls),
    }
}

fn spec(reader: &mut Reader<'_>, scope: &Scope<'_>, name: &str) -> Spec {
    let preset = preset(reader, scope, name);
    match name {
        "regex" => {
            let pattern = match preset {
                Some(preset) => Some(Pattern::new(preset.pattern).expect("a pattern of ours")),
                // An unknown preset has been reported.
                None if scope.has("preset") => None,
                None => pattern(reader, scope),
            };
            let start = preset.and_then(|preset| preset.record_start).map(Regex::new);
            let start = start.map(|start| start.expect("a pattern of ours"));
            let record_start = record_start(reader, scope).or(start);
            match pattern {
                Some(pattern) => Spec::Regex { pattern, record_start },
                None => Spec::Ndjson { record_start },
            }
        }
        TEXT => Spec::Regex {
            pattern: Pattern::new(ANY_TEXT).expect("a pattern of ours"),
            record_start: record_start(reader, scope),
        },
        "csv" => Spec::Csv(dialect(reader, scope, b',')),
        "tsv" => Spec::Csv(dialect(reader, scope, b'\t')),
        "json" => Spec::Json(Objects::default()),
        "cloudtrail" => Spec::Json(Objects { list: Some("Records") }),
        "w3c" => Spec::W3c,
        "zeek" => Spec::Zeek,
        "logfmt" => Spec::Logfmt,
        "syslog" => Spec::Syslog,
        "access" => log_format(reader, scope).map_or(Spec::Ndjson { record_start: None }, Spec::Access),
        _ => match (LogFormat::named(name), AwsLog::named(name)) {
            (Some(log_format), _) => Spec::Access(log_format),
            (None, Some(log)) => Spec::Aws(log),
            (None, None) => Spec::Ndjson { record_start: record_start(reader, scope) },
        },
    }
}

/// The texts that mean null: those of `nulls`, else the text that the format itself writes for missing values.
fn nulls(reader: &mut Reader<'_>, scope: &Scope<'_>, name: &str) -> Nulls {
    match reader.texts(scope, "nulls") {
        Some(texts) => Nulls::new(texts.into_iter().map(|(text, _)| text)),
        None if DASHED.contains(&name) => Nulls::new(["-"]),
        None => Nulls::default(),
    }
}

/// Formats that write `-` for missing values.
const DASHED: [&str; 10] = [
    "combined",
    "common",
    "vhost_combined",
    "access",
    "syslog",
    "w3c",
    "alb",
    "elb",
    "s3_access",
    "vpc_flow",
];

fn log_format(reader: &mut Reader<'_>, scope: &Scope<'_>) -> Option<LogFormat> {
    // Taken literally: its dollars are nginx's.
    let Some(written) = reader.written(scope, "log_format") else {
        if !scope.has("log_format") {
            reader.find_absent(
                "[source] has no log_format, which says what is in an access log; paste the server's, such as log_format = '%h %l %u %t \"%r\" %>s %b', or name a format that needs none: combined, common, vhost_combined",
                scope,
            );
        }
        return None;
    };
    told(reader, LogFormat::new(written.text), "a log format", &written.place)
}

/// The well-known log that a job of the format `format` names. If it has a pattern, no other is allowed.
fn preset(reader: &mut Reader<'_>, scope: &Scope<'_>, format: &str) -> Option<&'static Preset> {
    let (name, place) = reader.word_given(scope, "preset")?;
    let preset = format::preset(name)?;
    if !["regex", "logfmt", "ndjson"].contains(&format) {
        // Already reported.
        return None;
    }
    if preset.format != format {
        let message =
            format!("the preset '{name}' is for format = \"{}\", and this job has '{format}'", preset.format);
        reader.find(message, &place);
        return None;
    }
    if scope.has("pattern") && preset.format == "regex" {
        reader.find(
            "a preset brings its own pattern, and the job has one too; leave one of the two out",
            &place,
        );
    }
    Some(preset)
}

fn pattern(reader: &mut Reader<'_>, scope: &Scope<'_>) -> Option<Pattern> {
    let Some((text, place)) = reader.text(scope, "pattern") else {
        if !scope.has("pattern") {
            reader.find_absent(
                "[source] has no pattern, which the format regex is made of; add a preset, or a pattern with named groups such as pattern = '^(?P<level>[A-Z]+) (?P<message>.*)$'",
                scope,
            );
        }
        return None;
    };
    told(reader, Pattern::new(&text), "a pattern", &place)
}

fn record_start(reader: &mut Reader<'_>, scope: &Scope<'_>) -> Option<Regex> {
    let (text, place) = reader.text(scope, "record_start")?;
    let regex = Regex::new(&text).map_err(|error| error.to_string());
    told(reader, regex, "a regular expression", &place)
}

/// The value that was read, or `None` after reporting what is wrong.
fn told<T>(reader: &mut Reader<'_>, read: Result<T, String>, what: &str, place: &TextRange) -> Option<T> {
    read.map_err(|error| {
        // The crate draws the pattern over several lines; the last line says what is wrong.
        let error = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        reader.find(format!("this is not {what}: {error}"), place);
    })
    .ok()
}

fn dialect(reader: &mut Reader<'_>, scope: &Scope<'_>, delimiter: u8) -> Dialect {
    let delimiter = match character(reader, scope, "delimiter") {
        Some(Some(given)) => given,
        Some(None) => {
            if let Some(place) = scope.place_of("delimiter") {
                reader.find("the delimiter is empty; it takes one character, such as \";\"", &place);
            }
            delimiter
        }
        None => delimiter,
    };
    let quote = character(reader, scope, "quote").unwrap_or(Some(b'"'));
    let escape = character(reader, scope, "escape").flatten();
    let comment = character(reader, scope, "comment").flatten();
    let signs = [("delimiter", Some(delimiter)), ("quote", quote), ("escape", escape), ("comment", comment)];
    tell_apart(reader, scope, &signs);
    let columns = reader.texts(scope, "columns").map(|names| {
        for (at, (name, place)) in names.iter().enumerate() {
            if names[..at].iter().any(|(before, _)| before == name) {
                let given = reader.quoted_part(name, place);
                reader
                    .find(format!("{given} names a second column; each column has a name of its own"), place);
            }
        }
        names.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    });
    match (reader.flag_given(scope, "header"), &columns, scope.place_of("header")) {
        (Some(true), Some(_), Some(place)) => {
            reader.find("a header names the columns, and so does 'columns'; leave one of them out", &place);
        }
        (Some(false), None, Some(place)) => {
            reader.find("without a header the job must name the columns; add columns = [\"…\"]", &place);
        }
        _ => {}
    }
    Dialect { delimiter, quote, escape, comment, columns }
}

/// Refuses a character with two meanings.
fn tell_apart(reader: &mut Reader<'_>, scope: &Scope<'_>, signs: &[(&str, Option<u8>)]) {
    for (at, (key, sign)) in signs.iter().enumerate() {
        let taken = signs[..at].iter().find(|(_, other)| sign.is_some() && other == sign);
        let Some((taken, _)) = taken else { continue };
        let message = match *key {
            "quote" => "the quote cannot be the delimiter",
            "escape" => "the escape cannot be the delimiter or the quote; a doubled quote needs no escape",
            _ => {
                "the comment cannot be the delimiter, the quote or the escape, with which a record may begin"
            }
        };
        if let Some(place) = scope.place_of(key) {
            reader.find(message, &place);
        } else if let Some(place) = scope.place_of(taken) {
            reader.find(
                format!("the {taken} cannot be the {key}; give the {key} another character too"),
                &place,
            );
        }
    }
}

/// The character of a key: `None` if the key is not given, `Some(None)` if it is empty.
fn character(reader: &mut Reader<'_>, scope: &Scope<'_>, key: &str) -> Option<Option<u8>> {
    let (text, place) = reader.text(scope, key)?;
    match text.as_bytes() {
        [] => Some(None),
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(Some(*byte)),
        _ => {
            let given = reader.quoted_part(&text, &place);
            reader.find(format!("{given} is not one character of ASCII"), &place);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SMALL, assert_wrong, config, findings};

    fn spec(lines: &str) -> String {
        config(&SMALL.replace("format = \"ndjson\"", lines)).source.format.to_string()
    }

    #[test]
    fn a_format_has_the_keys_that_belong_to_it() {
        assert_eq!(
            spec("format = \"ndjson\"\nrecord_start = '^[{]'"),
            "format ndjson\nrecord_start \"^[{]\""
        );
        assert_eq!(spec("format = \"regex\"\npattern = '%{INT:id}'"), "format regex\npattern \"%{INT:id}\"");
        assert!(
            spec("format = \"regex\"\npreset = \"python_basic\"")
                .starts_with("format regex\nrecord_start \"^(?:DEBUG|INFO|WARNING|ERROR|CRITICAL):")
        );
        assert_eq!(spec("format = \"logfmt\"\npreset = \"go_slog\""), "format logfmt");
        assert_eq!(spec("format = \"ndjson\"\npreset = \"postgresql_jsonlog\""), "format ndjson");
        assert_eq!(spec("format = \"csv\""), "format csv\ndelimiter 44\nquote 34");
        assert_eq!(
            spec("format = \"tsv\"\nquote = \"\"\ncomment = \"#\"\ncolumns = [\"id\"]"),
            "format csv\ndelimiter 9\ncomment 35\ncolumns [\"id\"]"
        );
        assert_eq!(spec("format = \"csv\"\nescape = '\\'"), "format csv\ndelimiter 44\nquote 34\nescape 92");
        assert_eq!(spec("format = \"cloudtrail\""), "format json\nlist \"Records\"");
        assert_eq!(spec("format = \"w3c\""), "format w3c");
        assert_eq!(spec("format = \"vpc_flow\""), "format vpc_flow");
        assert_eq!(spec("format = \"combined\""), "format combined");
        assert_eq!(spec("format = \"logfmt\""), "format logfmt");
        assert_eq!(spec("format = \"syslog\""), "format syslog");
        // Its dollars do not name environment variables.
        assert_eq!(
            spec("format = \"access\"\nlog_format = '${host} $status'"),
            "format access\nlog_format \"${host} $status\""
        );
    }

    #[test]
    fn a_container_has_the_keys_of_what_is_within() {
        assert_eq!(spec("format = \"docker\"\npayload = \"ndjson\""), "container docker\nformat ndjson");
        assert_eq!(
            spec("format = \"cri\"\nrecord_start = '^\\d'"),
            "container cri\nformat regex\nrecord_start \"^\\\\d\"\npattern \"^(?P<message>(?s:.*))$\""
        );
        assert_eq!(
            spec("format = \"compose\"\npayload = \"access\"\nlog_format = '$status'\nnulls = []"),
            "container compose\nformat access\nlog_format \"$status\""
        );
        let message = "'payload' is the format within the lines of cri, docker or compose, and this job has the format 'ndjson'";
        assert_wrong("source", "payload = \"text\"", message, "\"text\"");
        for (lines, expected) in [
            (
                "format = \"cri\"\npattern = '(?P<a>.)'",
                "'pattern' is for the format regex, and this job has 'text'",
            ),
            ("format = \"cri\"\npayload = \"csv\"", "unknown payload 'csv'; "),
        ] {
            let found = findings(&SMALL.replace("format = \"ndjson\"", lines));
            assert!(found[0].0.starts_with(expected), "{found:?}");
        }
    }

    #[test]
    fn what_belongs_to_another_format_is_refused() {
        let message = "'nulls' is for the format regex or csv or tsv or combined or common or vhost_combined or access or logfmt or syslog or w3c or alb or elb or s3_access or vpc_flow, and this job has 'ndjson'";
        assert_wrong("source", "nulls = [\"-\"]", message, "nulls");
        let message = "'delimiter' is for the format csv, and this job has 'ndjson'";
        assert_wrong("source", "delimiter = \";\"", message, "delimiter");
    }

    /// When two keys need different characters, the finding points at one that the job has.
    #[test]
    fn a_character_with_two_meanings_is_told_with_its_place() {
        for (lines, place) in [
            ("delimiter = '\"'", "delimiter"),
            ("comment = ','", "comment"),
            ("quote = ';'\ndelimiter = ';'", "quote"),
            ("columns = ['a', 'b', 'a']", "'a'"),
            ("delimiter = ''", "delimiter"),
        ] {
            let text = SMALL.replace("format = \"ndjson\"", &format!("format = \"csv\"\n{lines}"));
            let found = findings(&text);
            assert_eq!(found.len(), 1, "{lines}: {found:?}");
            assert_eq!(found[0].1, place, "{lines}");
        }
    }

    #[test]
    fn what_cannot_be_is_told() {
        let told = |lines: &str| {
            let found = findings(&SMALL.replace("format = \"ndjson\"", lines));
            found.into_iter().map(|(message, _)| message).collect::<Vec<_>>().join("; ")
        };
        let cases = [
            ("format = \"regex\"", "[source] has no pattern"),
            ("format = \"regex\"\npattern = '('", "this is not a pattern: unclosed group"),
            ("format = \"regex\"\npattern = 'a'", "this is not a pattern: it has no named group"),
            (
                "format = \"regex\"\npattern = '(?P<a>.)'\nrecord_start = '['",
                "this is not a regular expression: ",
            ),
            (
                "format = \"regex\"\npreset = \"go\"\npattern = '(?P<a>.)'",
                "a preset brings its own pattern, and",
            ),
            ("format = \"regex\"\npreset = \"golang\"", "unknown preset 'golang'"),
            (
                "format = \"regex\"\npreset = \"go_slog\"",
                "the preset 'go_slog' is for format = \"logfmt\", and",
            ),
            (
                "format = \"ndjson\"\npreset = \"go\"",
                "the preset 'go' is for format = \"regex\", and this job",
            ),
            (
                "format = \"csv\"\npreset = \"go\"",
                "'preset' is for the format regex or logfmt or ndjson, and",
            ),
            ("format = \"csv\"\ndelimiter = \"ab\"", "'ab' is not one character of ASCII"),
            ("format = \"csv\"\nquote = \",\"", "the quote cannot be the delimiter"),
            ("format = \"csv\"\nescape = '\"'", "the escape cannot be the delimiter or the quote"),
            ("format = \"csv\"\ndelimiter = \"\"", "the delimiter is empty; it takes one character"),
            ("format = \"csv\"\ndelimiter = \"\\n\"", "'\\\\n' is not one character of ASCII"),
            ("format = \"csv\"\ndelimiter = '\"'", "the delimiter cannot be the quote; give the quote"),
            ("format = \"csv\"\ncomment = \",\"", "the comment cannot be the delimiter, the quote or"),
            ("format = \"csv\"\ncomment = '\"'", "the comment cannot be the delimiter, the quote or"),
            ("format = \"csv\"\nescape = \"#\"\ncomment = \"#\"", "the comment cannot be the delimiter,"),
            ("format = \"tsv\"\ncomment = \"\t\"", "the comment cannot be the delimiter, the quote or"),
            ("format = \"csv\"\ncolumns = [\"a\", \"b\", \"a\"]", "'a' names a second column; each"),
            ("format = \"csv\"\nheader = false", "without a header the job must name the columns"),
            ("format = \"csv\"\nheader = true\ncolumns = [\"a\"]", "a header names the columns"),
            ("format = \"access\"", "[source] has no log_format"),
            ("format = \"access\"\nlog_format = \"main\"", "this is not a log format: it has no variable"),
        ];
        for (lines, expected) in cases {
            let told = told(lines);
            assert!(told.starts_with(expected), "{lines}: {told}");
        }
    }
}
