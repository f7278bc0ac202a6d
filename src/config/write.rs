//! Writes a job file for a person to edit.
//!
//! What `logmill load FILE` and `logmill infer` find out about files is kept as a job file, so that it is
//! guessed once and then belongs to a person. The text is laid out as one would write it by hand: settings
//! that are likely to be changed are written even with their defaults, and a comment says what else exists.
//!
//! What is written can be read back and means the same; a test enforces that. The rules of a field are those
//! that the schema lists.

use std::fmt::Write as _;

use bumpalo::Bump;

use crate::error::secret;
use crate::printable::is_unsafe;
use crate::schema::{Constant, Extra, Field, Kind, Owned, Rule, Value, Zone};

/// The content of a job file.
#[derive(Clone, Debug, Default)]
pub struct Draft<'d> {
    /// The name of the job.
    pub name: &'d str,
    /// Its `files`, relative to the folder of the job file. Names that may contain any character are passed
    /// through [`super::escape`] first.
    pub files: &'d [String],
    /// The lines of `[source]` that define the format of records.
    pub format: &'d str,
    /// Texts that mean null, besides those of the format.
    pub nulls: &'d [&'d str],
    /// Lines of `[source]` that only a person can decide: a key with a likely value, and a remark.
    pub asked: &'d [(String, String)],
    /// The fields, in order.
    pub fields: &'d [Proposed],
    /// Fields that are offered as comments, for a person to enable.
    pub offered: &'d [Proposed],
    /// Fields that could be keys.
    pub keys: &'d [String],
    /// The handling of members that no field names.
    pub extra: Extra,
    /// The destination. A password in it is not written.
    pub url: &'d str,
    /// The table.
    pub table: &'d str,
}

/// A field, with remarks.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// The field.
    pub field: Field,
    /// A one-line remark, such as what it was inferred from; may be empty.
    pub note: String,
    /// An alternative, and what it requires.
    pub instead: Option<(Field, String)>,
}

impl Proposed {
    /// A field without remarks.
    pub fn new(field: Field) -> Proposed {
        Proposed { field, note: String::new(), instead: None }
    }
}

/// The text of the job file.
pub fn write(draft: &Draft<'_>) -> String {
    let mut out = format!(
        "# A job for logmill, inferred from the files. It is yours to edit:\n\
         # from now on logmill follows this job and guesses nothing.\n\
         name = {}\n",
        string(draft.name)
    );
    write_source(&mut out, draft);
    write_record(&mut out, draft);
    write_destination(&mut out, draft);
    out
}

fn write_source(out: &mut String, draft: &Draft<'_>) {
    let Draft { files, format, nulls, asked, .. } = draft;
    let files = files.iter().map(|file| string(file)).collect::<Vec<_>>();
    let files = match files.as_slice() {
        [] => "[]".to_owned(),
        [file] => format!("[{file}]"),
        files => format!("[\n    {},\n]", files.join(",\n    ")),
    };

    out.push_str(&format!("\n[source]\nfiles  = {files}\n{format}"));
    if !nulls.is_empty() {
        let nulls: Vec<String> = nulls.iter().map(|null| string(null)).collect();
        out.push_str(&format!("# These texts mean null in every field.\nnulls = [{}]\n", nulls.join(", ")));
    }
    for (line, why) in *asked {
        out.push_str(&format!("# {line}  # {}\n", remark(why)));
    }
}

fn write_record(out: &mut String, draft: &Draft<'_>) {
    let Draft { fields, offered, extra, .. } = draft;
    out.push_str("\n[record]\n");
    let mode = if fields.iter().all(|proposed| proposed.field.strict) { Mode::Strict } else { Mode::Lax };
    if mode == Mode::Strict {
        out.push_str(
            "# A value of the wrong type makes a dead letter; \"lax\" converts it if possible.\n\
             mode  = \"strict\"\n",
        );
    }
    write!(
        out,
        "# Members that no field asks for: \"ignore\" them, \"forbid\" them, or \"keep\" them as JSON.\n\
         extra = {}\n\
         \n\
         # Each field is a column. If it may be absent, add required = false. A member of an\n\
         # object is a field too: user_id = {{ type = \"int\", from = \"/user/id\" }}.\n\
         [record.fields]\n",
        string(extra.word())
    )
    .expect("writing to a text does not fail");
    write_fields(out, fields, mode);
    if !offered.is_empty() {
        out.push_str("# Members that could be columns too:\n");
        let mut lines = String::new();
        write_fields(&mut lines, offered, mode);
        lines.lines().for_each(|line| out.push_str(&format!("# {line}\n")));
    }
}

fn write_destination(out: &mut String, draft: &Draft<'_>) {
    let Draft { url, table, keys, .. } = draft;
    let safe_url = secret::removed(url);
    out.push_str("\n[destination]\n");
    if safe_url != *url {
        out.push_str(
            "# The password was left out: put it into ~/.pgpass or PGPASSWORD, or write ${VARIABLE} here.\n",
        );
    }
    write!(
        out,
        "url         = {}\n\
         table       = {}\n\
         # Two rows are the same if they come from the same place (\"position\"), have the same\n\
         # text (\"content\"), or agree in some fields, as in key = [\"tenant\", \"event_id\"].\n\
         key         = \"position\"\n",
        string(&safe_url),
        string(table)
    )
    .expect("writing to a text does not fail");
    for key in *keys {
        out.push_str(&format!("# key         = [{}]  # all its values were different\n", string(key)));
    }
    out.push_str("on_conflict = \"update\"\n");
}

/// A remark in a form that fits into a comment.
fn remark(text: &str) -> String {
    text.chars().map(|ch| if is_unsafe(ch) { ' ' } else { ch }).collect()
}

/// The record's conversion mode; a field only states a different one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Lax,
    Strict,
}

/// One field per line, with equal signs and notes aligned.
fn write_fields(out: &mut String, fields: &[Proposed], mode: Mode) {
    let chars = |text: &str| text.chars().count();
    let lines: Vec<(String, String, String)> = fields
        .iter()
        .map(|Proposed { field, note, .. }| (key(&field.name), value(field, mode), remark(note)))
        .collect();
    let key_width = lines.iter().map(|(key, _, _)| chars(key)).max().unwrap_or(0);
    let noted = lines.iter().filter(|(_, _, note)| !note.is_empty());
    let value_width = noted.map(|(_, value, _)| chars(value)).max().unwrap_or(0);
    for ((key, value, note), proposed) in lines.iter().zip(fields) {
        out.push_str(key);
        out.extend(std::iter::repeat_n(' ', key_width - chars(key)));
        out.push_str(" = ");
        out.push_str(value);
        if !note.is_empty() {
            out.extend(std::iter::repeat_n(' ', value_width - chars(value)));
            out.push_str("  # ");
            out.push_str(note);
        }
        out.push('\n');
        if let Some((instead, what)) = &proposed.instead {
            out.push_str(&format!("# {key} = {}  # {}\n", self::value(instead, mode), remark(what)));
        }
    }
}

/// A field as an inline table.
fn value(field: &Field, mode: Mode) -> String {
    let Field { name, from, required, nullable, default, strict, may_be_absent: _, kind } = field;
    let mut keys = vec![("type", string(kind.name()))];
    kind.clone().rules(&mut |name, given| keys.extend(rule(given, mode).map(|value| (name, value))));
    if let [key] = from.as_slice()
        && !key.is_empty()
        && !key.starts_with('/')
    {
        if key != name {
            keys.push(("from", string(key)));
        }
    } else if !from.is_empty() {
        let steps = from.iter().map(|step| step.replace('~', "~0").replace('/', "~1"));
        keys.push(("from", string(&steps.map(|step| format!("/{step}")).collect::<String>())));
    }
    // TOML has no null: a field that is null when absent is optional.
    let written = default.as_ref().and_then(|default| toml_of(kind, default));
    let is_optional = !required && written.is_none();
    match written {
        Some(written) => keys.push(("default", written)),
        None if is_optional => keys.push(("required", "false".to_owned())),
        None => {}
    }
    // A field that may be absent may be null, unless stated otherwise.
    if *nullable != is_optional {
        keys.push(("nullable", nullable.to_string()));
    }
    if *strict != (mode == Mode::Strict) {
        keys.push(("strict", strict.to_string()));
    }
    let keys: Vec<String> = keys.into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", keys.join(", "))
}

/// A rule as TOML, if it must be written.
fn rule(rule: Rule<'_>, mode: Mode) -> Option<String> {
    match rule {
        Rule::Flag(is_so) => is_so.then(|| "true".to_owned()),
        Rule::Length(length) => number(length),
        Rule::Digits(digits) => number(digits),
        Rule::Pattern(pattern) => pattern.as_ref().map(|pattern| string(pattern.as_str())),
        Rule::Int(limit) => number(limit),
        Rule::Float(limit) => number(limit),
        Rule::Decimal(limit) => limit.as_ref().map(ToString::to_string),
        Rule::Name(name) => name.as_deref().map(string),
        Rule::Version(version) => number(version),
        Rule::Values(values) => {
            let values: Vec<String> = values.constants().iter().map(constant).collect();
            Some(format!("[{}]", values.join(", ")))
        }
        Rule::Format(format) => format.word().map(string),
        Rule::Zone(zone) => (*zone != Zone::Any).then(|| string(zone.word())),
        Rule::Extra(extra) => Some(string(extra.word())),
        // An object with any members is expressed by `extra` or `members`.
        Rule::Fields(object) if !object.is_model() => None,
        Rule::Fields(object) => {
            let fields = object.schema.fields.iter();
            let fields: Vec<String> =
                fields.map(|field| format!("{} = {}", key(&field.name), value(field, mode))).collect();
            Some(format!("{{ {} }}", fields.join(", ")))
        }
        Rule::Items(items) => Some(inner(items, mode)),
        Rule::Members(field) | Rule::Like(field) => field.as_ref().map(|field| inner(field, mode)),
        Rule::Branches(rules) => {
            let kinds = rules.fields().map(|field| inner(field, mode));
            Some(format!("[{}]", kinds.collect::<Vec<_>>().join(", ")))
        }
        // Not a setting of the field.
        Rule::OfSource(_) => None,
    }
}

/// Whether a default can be expressed in TOML.
pub fn can_write(kind: &Kind, default: &Owned) -> bool {
    toml_of(kind, default).is_some()
}

fn toml_of(kind: &Kind, default: &Owned) -> Option<String> {
    match default {
        Owned::Plain(Value::Float(number)) => Some(format!("{number:?}").to_lowercase()),
        Owned::BigInt(digits) => Some(digits.clone()),
        default => {
            let mut json = Vec::new();
            kind.write_json(default.value(&Bump::new()), &mut json).ok()?;
            match kind.is_in_text() {
                true => Some(string(std::str::from_utf8(&json).ok()?)),
                false => toml_of_json(&serde_json::from_slice(&json).ok()?),
            }
        }
    }
}

fn toml_of_json(json: &serde_json::Value) -> Option<String> {
    use serde_json::Value as Json;
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => string(text),
        Json::Array(items) => {
            let items = items.iter().map(toml_of_json).collect::<Option<Vec<_>>>()?;
            format!("[{}]", items.join(", "))
        }
        Json::Object(members) => {
            let member =
                |(name, json): (&String, &Json)| Some(format!("{} = {}", key(name), toml_of_json(json)?));
            let members = members.iter().map(member).collect::<Option<Vec<_>>>()?;
            format!("{{ {} }}", members.join(", "))
        }
    })
}

/// The rules for values within a field: these are not found by a name.
fn inner(field: &Field, mode: Mode) -> String {
    value(&Field { from: Vec::new(), ..field.clone() }, mode)
}

fn constant(constant: &Constant) -> String {
    match constant {
        Constant::Text(text) => string(text),
        Constant::Int(number) => number.to_string(),
        Constant::Bool(value) => value.to_string(),
    }
}

/// A number as Rust writes it, which TOML can read.
fn number<T: std::fmt::Debug>(number: &Option<T>) -> Option<String> {
    number.as_ref().map(|number| format!("{number:?}"))
}

/// A key, quoted if it needs quotes.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_bare { name.to_owned() } else { quote(name) }
}

/// A text in quotes, in which nothing is taken for a variable.
fn string(text: &str) -> String {
    match text.contains("$$") || text.contains("${") {
        true => quote(&text.replace('$', "$$")),
        false => quote(text),
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for ch in text.chars() {
        match ch {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            ch if is_unsafe(ch) => {
                write!(quoted, "\\u{:04X}", u32::from(ch)).expect("writing to a text does not fail");
            }
            ch => quoted.push(ch),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::rules::canonical;
    use super::super::tests::{config, read_job};
    use super::super::{Config, Overrides};
    use super::*;

    fn proposed(config: &Config) -> Vec<Proposed> {
        let fields = config.record.schema.fields.iter().cloned();
        fields.map(Proposed::new).collect()
    }

    fn draft() -> Draft<'static> {
        Draft { format: "format = \"ndjson\"\n", ..Draft::default() }
    }

    #[test]
    fn a_written_job_reads_as_one_by_hand() {
        let config = config(
            r#"
                name = "web"
                [source]
                format = "ndjson"
                [record.fields]
                timestamp = "timestamp"
                status = { type = "int", ge = 100, lt = 600 }
                user_id = { type = "int", from = "/user/id", required = false }
                "odd name" = { type = "enum", values = ["a", "b"], nullable = true }
                [destination]
                table = "web"
            "#,
        );
        let mut fields = proposed(&config);
        fields[0].note = "2023-10-27 to 2023-11-02".to_owned();
        fields[2].note = "absent in 12 of\n1_000 records".to_owned();
        let draft = Draft {
            name: "web",
            files: &["web.ndjson".to_owned()],
            fields: &fields,
            extra: Extra::Ignore,
            url: "sqlite:logmill.db",
            table: "web",
            ..draft()
        };
        assert_eq!(
            write(&draft),
            r#"# A job for logmill, inferred from the files. It is yours to edit:
# from now on logmill follows this job and guesses nothing.
name = "web"

[source]
files  = ["web.ndjson"]
format = "ndjson"

[record]
# Members that no field asks for: "ignore" them, "forbid" them, or "keep" them as JSON.
extra = "ignore"

# Each field is a column. If it may be absent, add required = false. A member of an
# object is a field too: user_id = { type = "int", from = "/user/id" }.
[record.fields]
timestamp  = { type = "timestamp" }                                 # 2023-10-27 to 2023-11-02
status     = { type = "int", ge = 100, lt = 600 }
user_id    = { type = "int", from = "/user/id", required = false }  # absent in 12 of 1_000 records
"odd name" = { type = "enum", values = ["a", "b"], nullable = true }

[destination]
url         = "sqlite:logmill.db"
table       = "web"
# Two rows are the same if they come from the same place ("position"), have the same
# text ("content"), or agree in some fields, as in key = ["tenant", "event_id"].
key         = "position"
on_conflict = "update"
"#
        );
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        let before = config(
            r#"
                name = "all"
                [source]
                format = "ndjson"
                [record.fields]
                a = { type = "text", from = "/a/~0~1/b", min_length = 1, max_length = 20, trim = true, lower = true }
                b = { type = "float", ge = -1e300, lt = 0.1, multiple_of = 1, finite = true, strict = true }
                c = { type = "timestamp", zone = "required" }
                d = { type = "timestamp", zone = "naive", required = false }
                e = { type = "decimal", max_digits = 10, decimal_places = 2, nullable = true }
                f = { type = "json", json_text = true, from = "~/x" }
                g = { type = "ip", version = 6 }
                h = { type = "list", items = { type = "int", gt = 0, nullable = true }, min_items = 1, max_items = 9 }
                i = { type = "enum", values = ["$${x}", "\"", "\\", "\t\u0001", "$$$", "a$", "ä"] }
                "j.k \"\u0001" = { type = "date", from = "/" }
                l = { type = "int", from = "/~1x" }
                q = { type = "int", required = false, nullable = false }
                r = { type = "enum", values = [1, "x"], literal = true }
                s = { type = "union", of = [{ type = "union", of = ["int", "date"] }, "bool"] }
                x = { type = "union", of = [{ type = "enum", values = ["a", "b"], class = "Colour" }, "int"] }
                t = { type = "json", like = { type = "union", of = ["int", { type = "list", items = "int" }, { type = "object", fields = { a = "int" } }] } }
                u = { type = "list", items = "int", json_text = true, default = "[1, 2]" }
                v = { type = "object", fields = { a = "int" }, json_text = true, default = "{\"a\": 1}" }
                w = { type = "json", json_text = true, default = "{\"a\": 1}" }
                [record.fields.m]
                type = "object"
                extra = "forbid"
                fields.n = "bool"
                fields."o p" = { type = "object", fields = { q = "uuid", r = { type = "time", required = false } } }
                [destination]
                table = "all"
            "#,
        );
        let text = write(&Draft {
            name: "all $${of} them",
            files: &["a".to_owned(), super::super::escape("b{date}*.log")],
            fields: &proposed(&before),
            extra: before.record.schema.extra,
            url: "postgres://ada:pass@host/db",
            table: "\"a\"\"b\"",
            ..draft()
        });
        let after = read_job(&text, &Overrides::default()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(canonical(&after), canonical(&before), "{text}");
        assert!(crate::config::json_schema::tests::is_accepted(&text), "an editor would refuse it: {text}");
        let names = |config: &Config| -> Vec<String> {
            config.record.schema.fields.iter().map(|field| field.name.clone()).collect()
        };
        assert_eq!(names(&after), names(&before));
        assert_eq!(after.name, "all $${of} them");
        assert_eq!(after.destination.table.name, "a\"b");
        let patterns = after.patterns().expect("no date is needed");
        let texts: Vec<_> = patterns.iter().map(|pattern| pattern.text.as_path()).collect();
        assert_eq!(texts, [Path::new("a"), Path::new("b[{]date}[*].log")]);
    }

    #[test]
    fn what_holds_for_all_fields_is_said_once() {
        let before = config(
            r#"
                name = "strict"
                [source]
                format = "ndjson"
                [record]
                mode = "strict"
                extra = "keep"
                [record.fields]
                a = "int"
                b = { type = "list", items = { type = "int", strict = false } }
                [destination]
                table = "t"
            "#,
        );
        let text = write(&Draft {
            name: "strict",
            files: &[],
            fields: &proposed(&before),
            extra: Extra::Keep,
            url: "sqlite:logmill.db",
            table: "t",
            ..draft()
        });
        assert!(text.contains("\nmode  = \"strict\"\n"), "{text}");
        assert!(text.contains("\na = { type = \"int\" }\n"), "{text}");
        let after = read_job(&text, &Overrides::default()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(canonical(&after), canonical(&before), "{text}");
    }

    #[test]
    fn a_password_is_not_written_down() {
        let draft = Draft {
            name: "a",
            files: &[],
            fields: &[],
            extra: Extra::Ignore,
            url: "postgres://ada:pass@host/db",
            table: "a",
            ..draft()
        };
        let text = write(&draft);
        assert!(
            !text.contains("pass@") && text.contains("url         = \"postgres://ada@host/db\""),
            "{text}"
        );
        assert!(text.contains("# The password was left out"), "{text}");
    }
}
