//! What is said of a key: its name, the values that it takes, its default and what it means.

use crate::config::units;

/// A table of the job file.
#[derive(Debug)]
pub(in crate::config) struct Table {
    /// As it is called in messages: `[source]`.
    pub(in crate::config) called: &'static str,
    pub(in crate::config) doc: &'static str,
    pub(in crate::config) keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub(in crate::config) struct Key {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) takes: Takes,
    pub(in crate::config) default: Fallback,
    /// What it means, for people. Complete sentences in Markdown.
    pub(in crate::config) doc: &'static str,
    /// The flag that sets it on the command line.
    pub(in crate::config) flag: Option<&'static str>,
}

/// What a key's value is when the job does not give it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::config) enum Fallback {
    /// There is none.
    None,
    /// It must be given.
    Required,
    /// This value, in the form that a job would give it in, without quotes.
    Is(&'static str),
    /// What these words say.
    Said(&'static str),
}

/// What a key's value may be.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Takes {
    /// Any text.
    Text,
    /// A list of texts.
    Texts,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [Word]),
    /// A whole number.
    Count { min: u64, max: u64 },
    /// A number of bytes.
    Size { min: u64, max: u64 },
    /// A time span, in milliseconds.
    Duration { min_ms: u64, max_ms: u64 },
    /// `UTC`, an offset from it, or the name of a zone.
    Zone,
    /// A number of the field's own type.
    Number,
    /// Any value that the field's type can have.
    Value,
    /// Which version of IP, or of UUIDs.
    Version,
    /// Texts, whole numbers and booleans.
    Constants,
    /// A list of fields.
    Kinds,
    /// A count, or a share.
    Bar,
    /// A word, or the columns that identify a row.
    Identity,
    /// What happens to a row that is there already.
    Conflict,
    /// One field: the name of a type, or a table of `[record.fields.X]`.
    Field,
    /// Fields by their names.
    Fields,
    /// Values of columns by their names.
    Columns,
    /// A table.
    Table(&'static Table),
    /// Any number of tables.
    Tables(&'static Table),
}

/// A word that a key takes.
#[derive(Debug)]
pub(in crate::config) struct Word {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) doc: &'static str,
}

impl Key {
    pub(super) const fn new(name: &'static str, takes: Takes, doc: &'static str) -> Key {
        Key { name, takes, default: Fallback::None, doc, flag: None }
    }

    pub(super) const fn required(mut self) -> Key {
        self.default = Fallback::Required;
        self
    }

    pub(super) const fn default(mut self, text: &'static str) -> Key {
        self.default = Fallback::Is(text);
        self
    }

    pub(super) const fn otherwise(mut self, words: &'static str) -> Key {
        self.default = Fallback::Said(words);
        self
    }

    pub(super) const fn flag(mut self, flag: &'static str) -> Key {
        self.flag = Some(flag);
        self
    }

    /// The default, where it is a value.
    pub(in crate::config) fn default_text(&self) -> Option<&'static str> {
        match self.default {
            Fallback::Is(text) => Some(text),
            _ => None,
        }
    }
}

impl Word {
    pub(super) const fn new(name: &'static str, doc: &'static str) -> Word {
        Word { name, doc }
    }
}

impl Table {
    /// A key of this table that the program knows by name.
    pub(in crate::config) fn key(&self, name: &str) -> &Key {
        self.find(name).unwrap_or_else(|| panic!("{} has no key '{name}'", self.called))
    }

    /// The key that is called `name`, if there is one.
    pub(in crate::config) fn find(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Takes {
    /// The value that a key takes, as an object in a sentence: `'threads' takes …`.
    pub(in crate::config) fn describe(&self) -> String {
        match self {
            Takes::Text => "text".to_owned(),
            Takes::Texts => "a list of texts".to_owned(),
            Takes::Flag => "true or false".to_owned(),
            Takes::Word(words) => any_word(words),
            Takes::Count { min, max } => {
                format!("a whole number from {} to {}", units::print_count(*min), units::print_count(*max))
            }
            Takes::Size { min, max } => format!(
                "a size from {} to {}, as in \"64KiB\"",
                units::print_size(*min),
                units::print_size(*max)
            ),
            Takes::Duration { min_ms, max_ms } => {
                let print = |ms| units::print_duration(std::time::Duration::from_millis(ms));
                format!("a duration from {} to {}, as in \"1m30s\"", print(*min_ms), print(*max_ms))
            }
            Takes::Zone => {
                "'UTC', an offset from it as in \"+02:00\", or a name such as \"Europe/Berlin\"".to_owned()
            }
            Takes::Number => "a number".to_owned(),
            Takes::Value => "a value".to_owned(),
            Takes::Version => "4 or 6".to_owned(),
            Takes::Constants => "a list of texts, whole numbers and booleans".to_owned(),
            Takes::Kinds => "a list of types or tables".to_owned(),
            Takes::Bar => "a count or a share, as in 1000 or \"5%\"".to_owned(),
            Takes::Identity => "'position', 'content', 'none' or a list of fields".to_owned(),
            Takes::Conflict => "'update', 'keep' or 'newest(column)'".to_owned(),
            Takes::Field => "the name of a type or a table".to_owned(),
            Takes::Fields => "a table of fields".to_owned(),
            Takes::Columns => "a table of columns and their values".to_owned(),
            Takes::Table(_) => "a table".to_owned(),
            Takes::Tables(table) => format!("tables, each under {}", table.called),
        }
    }
}

/// The words, as a list with "or".
pub(in crate::config) fn any_word(words: &[Word]) -> String {
    any_of(&words.iter().map(|word| format!("'{}'", word.name)).collect::<Vec<_>>())
}

/// `a, b or c`.
pub(in crate::config) fn any_of<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
