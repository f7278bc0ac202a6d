//! The names and forms of objects.
//!
//! A name is a function of the source, the range and the rules, so every run that writes a range writes objects of the
//! same names: the next run overwrites what a crash has left.

use std::fmt;

use chrono::NaiveDate;
use regex::Regex;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line.
    Ndjson,
    /// The same, gzipped.
    NdjsonGz,
    /// The same, in Zstandard.
    NdjsonZst,
    /// Columns.
    Parquet,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 4] = [Form::Ndjson, Form::NdjsonGz, Form::NdjsonZst, Form::Parquet];

    /// Its word in a job, which is also the extension of names.
    pub fn word(self) -> &'static str {
        match self {
            Form::Ndjson => "ndjson",
            Form::NdjsonGz => "ndjson.gz",
            Form::NdjsonZst => "ndjson.zst",
            Form::Parquet => "parquet",
        }
    }
}

/// The objects of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How rows are written.
    pub form: Form,
    /// The length of a range, in bytes of the source.
    pub object_bytes: u64,
    /// The template of their names.
    pub path: PathPattern,
}

impl Default for Layout {
    fn default() -> Self {
        Layout { form: Form::NdjsonZst, object_bytes: 64 << 20, path: PathPattern::default() }
    }
}

/// A template of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Part(Part),
    /// Omitted if a part in it is empty.
    Optional(Vec<Piece>),
}

/// A part of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Table,
    Day,
    Source,
    Start,
    End,
    Rules,
    Generation,
    Number,
    Form,
}

const PARTS: [(&str, Part); 9] = [
    ("table", Part::Table),
    ("day", Part::Day),
    ("source", Part::Source),
    ("start", Part::Start),
    ("end", Part::End),
    ("rules", Part::Rules),
    ("generation", Part::Generation),
    ("part", Part::Number),
    ("ext", Part::Form),
];

/// The default template.
pub const DEFAULT_PATH: &str =
    "{table}/[day={day}/]{source}-{start}-{end}-{rules}[-g{generation}][.{part}].{ext}";

impl Default for PathPattern {
    fn default() -> Self {
        PathPattern::parse(DEFAULT_PATH).expect("a pattern")
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The day of records without a time. Hive, Spark and DuckDB read it as null.
const NO_DAY: &str = "__HIVE_DEFAULT_PARTITION__";

/// The rows of one day in a range of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) table: &'a str,
    pub(super) day: DayPart,
    pub(super) source: &'a str,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) rules: &'a str,
    pub(super) generation: i32,
    /// The number of the replay of dead letters that wrote the rows; 0 for those of the load.
    pub(super) replay: u32,
}

/// The day in a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DayPart {
    /// Names have no day.
    Without,
    /// The record has no time.
    Null,
    Day(NaiveDate),
}

impl PathPattern {
    /// Parses a template; an error says what is wrong with it.
    pub fn parse(text: &str) -> Result<PathPattern, String> {
        let mut rest = text;
        let pieces = pieces(&mut rest, false)?;
        let pattern = PathPattern { text: text.to_owned(), pieces };
        if !text.starts_with("{table}/") {
            return Err("begins with {table}/, by which the objects of a table are found again".to_owned());
        }
        for (name, part) in PARTS {
            let is_needed = !matches!(part, Part::Day | Part::Table);
            let is_optional = matches!(part, Part::Generation | Part::Number);
            let count = pattern.count(part);
            if is_needed && count == 0 {
                return Err(format!(
                    "needs {{{name}}}: without it two objects could have one name (by default it is {DEFAULT_PATH})"
                ));
            }
            if is_needed && !is_optional && !pattern.pieces.contains(&Piece::Part(part)) {
                return Err(format!(
                    "has {{{name}}} in brackets, which vanish with what is empty in them: put it outside"
                ));
            }
            if is_optional && pattern.pieces.contains(&Piece::Part(part)) {
                return Err(format!(
                    "has {{{name}}}, which most objects have not: put it in brackets, as in [.{{{name}}}]"
                ));
            }
        }
        // By what stands before it the parts of a range are found again.
        if !text.ends_with("[.{part}].{ext}") || pattern.count(Part::Number) != 1 {
            return Err(
                "ends with [.{part}].{ext}, by which the objects of a range are found again".to_owned()
            );
        }
        if text.split('/').any(|part| part.is_empty() || part.starts_with('.'))
            || text.contains(char::is_control)
        {
            return Err("has a folder without a name, or one that begins with a dot".to_owned());
        }
        Ok(pattern)
    }

    fn count(&self, part: Part) -> usize {
        fn of(pieces: &[Piece], part: Part) -> usize {
            let count = |piece: &Piece| match piece {
                Piece::Text(_) => 0,
                Piece::Part(other) => usize::from(*other == part),
                Piece::Optional(pieces) => of(pieces, part),
            };
            pieces.iter().map(count).sum()
        }
        of(&self.pieces, part)
    }

    /// Whether names contain the day, so that each object has rows of one day.
    pub(super) fn has_days(&self) -> bool {
        self.count(Part::Day) > 0
    }

    /// The common prefix of the names of a place's objects, which ends before the number.
    pub(super) fn stem(&self, place: &Place<'_>) -> String {
        let name = self.name(place, 1, "");
        name.trim_end_matches('.').to_owned()
    }

    /// The name of the `number`th object of a place, counted from one.
    pub(super) fn name(&self, place: &Place<'_>, number: usize, ext: &str) -> String {
        let mut name = String::new();
        write(&self.pieces, place, number, ext, &mut name);
        name
    }
}

/// A name of an object, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) day: DayPart,
    pub(super) source: String,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) rules: String,
    pub(super) generation: i32,
    pub(super) replay: u32,
    pub(super) number: usize,
    pub(super) form: Form,
}

/// Reads the names that a pattern makes for a table.
pub(super) struct Names(Regex);

impl Names {
    pub(super) fn of(path: &PathPattern, table: &str) -> Names {
        let mut expression = "^".to_owned();
        let mut met = Vec::new();
        express(&path.pieces, table, &mut met, &mut expression);
        expression.push('$');
        Names(Regex::new(&expression).expect("an expression that is made of others"))
    }

    /// Parses a name, if the template makes such names.
    pub(super) fn read(&self, key: &str) -> Option<Name> {
        let found = self.0.captures(key)?;
        let text = |name: &str| found.name(name).map(|text| text.as_str());
        let number = |name: &str| text(name).map_or(Some(0), |text| text.parse().ok());
        let day = match text("day") {
            None => DayPart::Without,
            Some(NO_DAY) => DayPart::Null,
            Some(day) => DayPart::Day(day.parse().ok()?),
        };
        Some(Name {
            day,
            source: text("source")?.to_owned(),
            start: number("start")?,
            end: number("end")?,
            rules: text("rules")?.to_owned(),
            generation: i32::try_from(number("generation")?).ok()?,
            replay: u32::try_from(number("replay")?).ok()?,
            number: usize::try_from(number("part")?).ok()?.max(1),
            form: *Form::ALL.iter().find(|form| Some(form.word()) == text("ext"))?,
        })
    }
}

/// Writes the expression that takes what the pieces make.
fn express(pieces: &[Piece], table: &str, met: &mut Vec<Part>, out: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(&regex::escape(text)),
            Piece::Optional(pieces) => {
                out.push_str("(?:");
                express(pieces, table, met, out);
                out.push_str(")?");
            }
            Piece::Part(Part::Table) => out.push_str(&regex::escape(table)),
            Piece::Part(part) => {
                let (name, expression) = match part {
                    Part::Day => ("day", r"[+-]?\d{4,6}-\d\d-\d\d|__HIVE_DEFAULT_PARTITION__"),
                    Part::Source => ("source", r"[0-9a-f]{16}[ni]\d+"),
                    Part::Start => ("start", r"\d{14}"),
                    Part::End => ("end", r"\d{14}"),
                    Part::Rules => ("rules", r"[0-9a-f]{8}"),
                    Part::Generation => ("generation", r"\d+"),
                    Part::Number => ("part", r"\d+"),
                    Part::Form => ("ext", r"[a-z.]+"),
                    Part::Table => ("table", ""),
                };
                // One that stands there twice is read once.
                let is_first = !met.contains(part);
                met.push(*part);
                out.push_str(&if is_first {
                    format!("(?P<{name}>{expression})")
                } else {
                    format!("(?:{expression})")
                });
                if *part == Part::Rules {
                    out.push_str(if is_first { r"(?:-r(?P<replay>\d+))?" } else { r"(?:-r\d+)?" });
                }
            }
        }
    }
}

/// Reads pieces up to the end, or to a closing bracket.
fn pieces(rest: &mut &str, is_within: bool) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    while let Some(at) = rest.find(['{', '[', ']', '}']) {
        if at > 0 {
            pieces.push(Piece::Text(rest[..at].to_owned()));
        }
        let (mark, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        *rest = after;
        match mark {
            b'[' if !is_within => pieces.push(Piece::Optional(self::pieces(rest, true)?)),
            b']' if is_within => return Ok(pieces),
            b'{' => {
                let (name, after) = after.split_once('}').ok_or("has a brace that is not closed")?;
                let part = PARTS.iter().find(|(known, _)| *known == name);
                let (_, part) = part.ok_or_else(|| {
                    let known: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
                    format!("has {{{name}}}, which is not known; there are {}", known.join(", "))
                })?;
                pieces.push(Piece::Part(*part));
                *rest = after;
            }
            _ => return Err("has brackets or braces that do not fit".to_owned()),
        }
    }
    if is_within {
        return Err("has a bracket that is not closed".to_owned());
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text((*rest).to_owned()));
    }
    *rest = "";
    Ok(pieces)
}

fn write(pieces: &[Piece], place: &Place<'_>, number: usize, ext: &str, out: &mut String) -> bool {
    let mut is_whole = true;
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Part(part) => is_whole &= write_part(*part, place, number, ext, out),
            Piece::Optional(pieces) => {
                let before = out.len();
                if !write(pieces, place, number, ext, out) {
                    out.truncate(before);
                }
            }
        }
    }
    is_whole
}

/// Writes a part. False if it is empty.
fn write_part(part: Part, place: &Place<'_>, number: usize, ext: &str, out: &mut String) -> bool {
    use std::fmt::Write as _;
    let before = out.len();
    let written = match part {
        Part::Table => out.write_str(place.table),
        Part::Day => match place.day {
            DayPart::Without => Ok(()),
            DayPart::Null => out.write_str(NO_DAY),
            DayPart::Day(day) => write!(out, "{day}"),
        },
        Part::Source => out.write_str(place.source),
        // Padded, so that names sort in the order of the ranges.
        Part::Start => write!(out, "{:014}", place.start),
        Part::End => write!(out, "{:014}", place.end),
        Part::Rules if place.replay > 0 => write!(out, "{}-r{}", place.rules, place.replay),
        Part::Rules => out.write_str(place.rules),
        Part::Generation if place.generation == 0 => Ok(()),
        Part::Generation => write!(out, "{}", place.generation),
        Part::Number if number < 2 => Ok(()),
        Part::Number => write!(out, "{number}"),
        Part::Form => out.write_str(ext),
    };
    written.expect("writing to a text does not fail");
    out.len() > before
}

/// A name as one part of a key: what is no letter, digit, `-`, `_` or dot within is `%XX`, so that
/// no table reaches another one's objects.
pub(super) fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => out.push(char::from(byte)),
            // Ours begin so.
            b'_' | b'.' if index > 0 => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(day: DayPart) -> Place<'static> {
        Place {
            table: "t",
            day,
            source: "ab12n0",
            start: 0,
            end: 64,
            rules: "77aa",
            generation: 0,
            replay: 0,
        }
    }

    #[test]
    fn names_are_made_of_their_parts() {
        let path = PathPattern::default();
        let day = DayPart::Day("2024-02-29".parse().expect("a day"));
        let names = [
            path.name(&place(day), 1, "ndjson"),
            path.name(&place(DayPart::Null), 2, "parquet"),
            path.name(&Place { generation: 3, ..place(DayPart::Without) }, 1, "ndjson.gz"),
            path.name(&Place { replay: 2, ..place(DayPart::Without) }, 1, "ndjson"),
        ];
        assert_eq!(
            names,
            [
                "t/day=2024-02-29/ab12n0-00000000000000-00000000000064-77aa.ndjson",
                "t/day=__HIVE_DEFAULT_PARTITION__/ab12n0-00000000000000-00000000000064-77aa.2.parquet",
                "t/ab12n0-00000000000000-00000000000064-77aa-g3.ndjson.gz",
                "t/ab12n0-00000000000000-00000000000064-77aa-r2.ndjson",
            ]
        );
        assert_eq!(path.stem(&place(day)), "t/day=2024-02-29/ab12n0-00000000000000-00000000000064-77aa");
    }

    #[test]
    fn a_name_is_taken_apart_into_what_it_was_made_of() {
        let odd = "{table}/{rules}/{day}/x+{source}{start}{end}[-g{generation}]{day}[.{part}].{ext}";
        let long = "{table}/[day={day}/]{source}-{start}-{end}-{rules}[-g{generation}][.{part}].{ext}";
        let day = DayPart::Day("2024-02-29".parse().expect("a day"));
        for (path, days) in
            [(long, &[DayPart::Without, DayPart::Null, day][..]), (odd, &[DayPart::Null, day])]
        {
            let path = PathPattern::parse(path).expect("a path");
            let names = Names::of(&path, "t");
            for (&day, form) in days.iter().zip(Form::ALL) {
                for (generation, replay, number) in [(0, 0, 1), (3, 0, 2), (0, 2, 1), (12, 34, 56)] {
                    let source = "ab12ab12ab12ab12n0";
                    let of = Place { generation, replay, source, rules: "77aa77aa", ..place(day) };
                    let read = names.read(&path.name(&of, number, form.word())).expect("a name");
                    let (source, rules) = (source.to_owned(), "77aa77aa".to_owned());
                    let (start, end) = (of.start, of.end);
                    assert_eq!(
                        read,
                        Name { day, source, start, end, rules, generation, replay, number, form }
                    );
                }
            }
            assert_eq!(names.read("t/other"), None);
            assert_eq!(
                names.read("u/ab12ab12ab12ab12n0-00000000000000-00000000000064-77aa77aa.ndjson"),
                None
            );
        }
    }

    #[test]
    fn a_path_that_could_give_two_objects_one_name_is_refused() {
        for (path, word) in [
            ("{table}/{source}-{start}-{end}-{rules}.{ext}", "{generation}"),
            ("{table}/{source}-{end}-{rules}[-g{generation}][.{part}].{ext}", "{start}"),
            ("{day}/{source}-{start}-{end}-{rules}[-g{generation}][.{part}].{ext}", "{table}/"),
            ("{table}/{source}-{start}-{end}-{rules}-{generation}[.{part}].{ext}", "in brackets"),
            ("{table}/{source}-{start}-{end}[.{part}]-{rules}[-g{generation}].{ext}", "ends with"),
            ("{table}/{source}-{start}-{end}-{rules}[-g{generation}][-{part}].{ext}", "ends with"),
            ("{table}/{source}-{start}-{end}-{rules}[-g{generation}][.{part}]x.{ext}", "ends with"),
            (
                "{table}/[{day}/{source}/]{start}-{end}-{rules}[-g{generation}][.{part}].{ext}",
                "{source} in brackets",
            ),
            ("{table}/{start}-{end}-{rules}[-{source}-g{generation}][.{part}].{ext}", "{source} in brackets"),
            ("{table}/{sauce}-{start}", "{sauce}"),
            ("{table}/[{day}", "not closed"),
            ("{table}/[[{day}]]", "do not fit"),
            ("{table}//{source}-{start}-{end}-{rules}[-g{generation}][.{part}].{ext}", "without a name"),
        ] {
            let why = PathPattern::parse(path).expect_err(path);
            assert!(why.contains(word), "{path}: {why}");
        }
        PathPattern::parse("{table}/{day}/{rules}/{source}-{start}-{end}[-g{generation}][.{part}].{ext}")
            .expect("a path");
    }

    #[test]
    fn a_table_is_one_part_of_a_key() {
        assert_eq!(encoded("logs.events"), "logs.events");
        assert_eq!(encoded("../x y"), "%2E.%2Fx%20y");
        assert_eq!(encoded("_logmill"), "%5Flogmill");
    }
}
