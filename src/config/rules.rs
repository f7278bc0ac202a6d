//! A hash of everything that determines the rows of a job.
//!
//! The hash is stored with every checkpoint. If it differs when a run resumes in the middle of a source, the
//! first part was loaded under other rules than the rest would be, and the run stops and says so. So it
//! covers everything that affects the resulting rows (format, fields and their rules, key, conflicts, zone,
//! what is too long) and nothing that does not: names of files, the destination and its table, threads and
//! sizes of batches, the order in which the fields are written.
//!
//! It is the first half of BLAKE3 over a text that mentions only what is not the default. A new rule
//! therefore leaves the hash of every job that does not use it unchanged. A change of this text for existing
//! jobs would stop all their runs; it needs a new number in its first line, and a way for those jobs to
//! continue. Every struct is destructured with all its fields, and the rules of a field are those that the
//! schema lists, so a forgotten new rule does not compile.

use std::fmt::Write as _;

use bumpalo::Bump;
use regex::Regex;

use super::{Column, Config, Destination, Record, Source};
use crate::schema::{
    Extra, Field, Group, Kind, Nul, Object, OfSource, Rule, Schema, StampFormat, Value, Year, Zone,
};
use crate::sink::{Key, OnConflict};
use crate::source::Settings;

impl Config {
    /// A hash of everything in the job that affects its rows, and of nothing else. It is the same on every
    /// machine, in every run and in every version of the program that produces the same rows.
    pub fn rules_hash(&self) -> [u8; 16] {
        let hash = blake3::hash(canonical(self).as_bytes());
        *hash.as_bytes().first_chunk().expect("32 bytes have a first 16")
    }
}

/// The rules of a job in the form that is hashed.
pub(super) fn canonical(config: &Config) -> String {
    let Config {
        source,
        record,
        destination,
        name: _,
        date: _,
        state: _,
        dead_letters: _,
        pipeline: _,
        rollups: _,
    } = config;
    // Zone and year are included with each field they affect; the rest is about files and how they are read.
    let Source {
        format,
        settings,
        files: _,
        folders: _,
        instead_of: _,
        needs_date: _,
        selection: _,
        clock: _,
        year: _,
        nulls: _,
    } = source;
    let Settings {
        // Determined by the format.
        framing: _,
        record_bytes_max,
        chunk_bytes: _,
        lines_max: _,
        border_bytes: _,
        window_bytes: _,
        mmap: _,
        map_bytes_min: _,
        follow_bytes_max: _,
        growing: _,
    } = settings;
    let Record { schema, schema_file: _, weaker: _, unsaid: _ } = record;
    let Schema {
        fields,
        extra,
        nul,
        nulls,
        // Determined by their rules.
        lacking: _,
        groups,
    } = schema;
    let Destination {
        key,
        on_conflict,
        columns,
        url: _,
        folder: _,
        table: _,
        create: _,
        has_password: _,
        // The names of objects contain what determines them.
        objects: _,
    } = destination;

    let mut out = Canonical("rules 1\n".to_owned());
    out.line(format);
    out.line(format_args!("max_record {record_bytes_max}"));
    match key {
        Key::Position => out.line("key position"),
        Key::Content => out.line("key content"),
        Key::Columns(columns) => out.line(format_args!("key {}", json(columns))),
        Key::None => out.line("key none"),
    }
    match on_conflict {
        OnConflict::Update => out.line("on_conflict update"),
        OnConflict::Keep => out.line("on_conflict keep"),
        OnConflict::Newest(column) => out.line(format_args!("on_conflict newest {}", json(column))),
    }
    match nul {
        Nul::Reject => {}
        Nul::Strip => out.line("nul strip"),
        Nul::Replace => out.line("nul replace"),
    }
    if nulls.texts().next().is_some() {
        let mut texts: Vec<&str> = nulls.texts().collect();
        texts.sort_unstable();
        out.line(format_args!("nulls {}", json(&texts)));
    }
    // The data date is stored with the source, and is not a rule of the job.
    let mut constants: Vec<&Column> = columns.iter().collect();
    constants.sort_by(|one, other| one.name.cmp(&other.name));
    for Column { name, written, kind } in constants {
        out.line(format_args!("column {} {} {}", json(name), kind.name(), json(written)));
    }
    // The order of columns has no effect.
    let mut sorted: Vec<&Field> = fields.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    out.extra(*extra);
    for Group { field, extra, keys: _, fields: _ } in groups {
        out.add("flat ");
        out.field(field);
        out.line("");
        out.extra(*extra);
    }
    out.fields(sorted.into_iter());
    out.0
}

struct Canonical(String);

impl Canonical {
    fn line(&mut self, text: impl std::fmt::Display) {
        self.add(text);
        self.0.push('\n');
    }

    fn add(&mut self, text: impl std::fmt::Display) {
        write!(self.0, "{text}").expect("writing to a text does not fail");
    }

    /// ` name value`, if there is a value.
    fn option(&mut self, name: &str, value: Option<impl std::fmt::Debug>) {
        if let Some(value) = value {
            self.add(format_args!(" {name} {value:?}"));
        }
    }

    /// The same, with the value as a person sees it.
    fn shown(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.add(format_args!(" {name} {value}"));
        }
    }

    /// ` name`, if the flag is set.
    fn flag(&mut self, name: &str, is_so: bool) {
        if is_so {
            self.add(format_args!(" {name}"));
        }
    }

    fn extra(&mut self, extra: Extra) {
        match extra {
            Extra::Ignore => {}
            Extra::Forbid | Extra::Keep => self.line(format_args!("extra {}", extra.word())),
        }
    }

    fn fields<'f>(&mut self, fields: impl Iterator<Item = &'f Field>) {
        for field in fields {
            self.field(field);
            self.0.push('\n');
        }
    }

    fn field(&mut self, field: &Field) {
        // What may be absent follows from the object that it was flattened from.
        let Field { name, from, required, nullable, default, strict, may_be_absent: _, kind } = field;
        self.add(format_args!("field {} from {}", json(name), json(from)));
        self.flag("required", *required);
        self.flag("nullable", *nullable);
        self.flag("strict", *strict);
        if let Some(default) = default {
            self.add(" default ");
            self.value(default.value(&Bump::new()));
        }
        self.add(": ");
        self.kind(kind);
    }

    fn kind(&mut self, kind: &Kind) {
        self.add(kind.name());
        kind.clone().rules(&mut |name, rule| self.rule(name, rule));
    }

    fn rule(&mut self, name: &str, rule: Rule<'_>) {
        match rule {
            Rule::Flag(is_so) => self.flag(name, *is_so),
            Rule::Length(length) => self.option(name, *length),
            Rule::Digits(digits) => self.option(name, *digits),
            Rule::Pattern(pattern) => self.option(name, pattern.as_ref().map(Regex::as_str)),
            Rule::Int(limit) => self.option(name, *limit),
            Rule::Float(limit) => self.option(name, *limit),
            Rule::Decimal(limit) => self.shown(name, limit.as_ref()),
            // No value depends on what it is called.
            Rule::Name(_) => {}
            Rule::Version(version) => self.option(name, *version),
            // In a fixed order: only the set of values counts.
            Rule::Values(values) => {
                let mut values = values.constants();
                values.sort();
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                self.add(format_args!(" [{}]", values.join(",")));
            }
            // Text that a person wrote is quoted; a word of logmill's is not.
            Rule::Format(StampFormat::Strptime(letters)) => {
                self.add(format_args!(" {name} {}", json(letters.letters())));
            }
            Rule::Format(format) => self.shown(name, format.word()),
            Rule::Zone(Zone::Any) => {}
            Rule::Zone(zone) => self.add(format_args!(" {name} {}", zone.word())),
            Rule::OfSource(OfSource::Clock(clock)) => {
                self.option("offset_s", clock.offset_s().filter(|offset_s| *offset_s != 0));
                self.option("timezone", clock.place());
            }
            // The data date is stored with the source, and is not a rule of the job.
            Rule::OfSource(OfSource::Year(year)) => match year {
                Some(Year::Fixed(year)) => self.option(name, Some(*year)),
                Some(Year::OfDate(_)) | None => {}
            },
            Rule::Extra(extra) => {
                self.line(" {");
                self.extra(*extra);
            }
            Rule::Fields(object) => {
                // The order of members is that of the stored JSON. Where they are found follows from them,
                // and the handling of NUL is a rule of the whole record.
                let Object {
                    schema: Schema { fields, extra: _, nul: _, nulls: _, lacking: _, groups: _ },
                    members: _,
                    flatten: _,
                    text: _,
                    wanted: _,
                } = object;
                self.fields(fields.iter());
                self.add("}");
            }
            Rule::Items(items) => {
                self.add(" [");
                self.field(items);
                self.add("]");
            }
            Rule::Members(given) | Rule::Like(given) => {
                if let Some(field) = given {
                    self.add(format_args!(" {name} ["));
                    self.field(field);
                    self.add("]");
                }
            }
            Rule::Branches(rules) => {
                for field in rules.fields() {
                    self.add(" [");
                    self.field(field);
                    self.add("]");
                }
            }
        }
    }

    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Null => self.add("null"),
            Value::Bool(value) => self.add(value),
            Value::Int(value) => self.add(format_args!("int {value}")),
            Value::BigInt(digits) => self.add(format_args!("int {digits}")),
            Value::Float(value) => self.add(format_args!("float {value:?}")),
            Value::Text(text) => self.add(format_args!("text {}", json(text))),
            Value::Timestamp(us) => self.add(format_args!("timestamp {us}")),
            Value::Date(days) => self.add(format_args!("date {days}")),
            Value::Time(us) => self.add(format_args!("time {us}")),
            Value::Uuid(bytes) => self.add(format_args!("uuid {:032x}", u128::from_be_bytes(bytes))),
            Value::Decimal(digits) => self.add(format_args!("decimal {digits}")),
            Value::Json(text) => self.add(format_args!("json {}", json(&*String::from_utf8_lossy(text)))),
            Value::Ip(address) => self.add(format_args!("ip {address}")),
            Value::List(items) => {
                self.add("[");
                for item in items {
                    self.value(*item);
                    self.add(",");
                }
                self.add("]");
            }
        }
    }
}

/// A text, or texts, with quotes and escapes, so that no name can look like a rule.
fn json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("texts can be written as JSON")
}

#[cfg(test)]
mod tests;
