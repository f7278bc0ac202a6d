//! One of several values: the values of an enum, or of a list of literals.

use std::fmt::{self, Write as _};

/// One of several values.
#[derive(Clone, Debug)]
pub struct Enum {
    /// The values.
    pub values: Values,
    /// Whether it was written as a list of literals, which Pydantic reports as `literal_error`, or as a type
    /// of its own, which it reports as `enum`.
    pub literal: bool,
    /// Its name in the path of a fault within a union: the class of a model, if it is one.
    pub class: Option<String>,
    /// White space at both ends is removed first.
    pub trim: bool,
    /// Upper case is converted to lower case first.
    pub lower: bool,
}

impl Enum {
    /// One of `values`, each taken literally.
    pub fn new<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Enum {
        Enum::of(Values::Texts(values.into_iter().map(Into::into).collect()))
    }

    /// One of `values`.
    pub fn of(values: Values) -> Enum {
        Enum { values, literal: false, class: None, trim: false, lower: false }
    }
}

/// The values of an enum. The variants differ in the type of their column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Texts, stored as text.
    Texts(Vec<String>),
    /// Integers, stored as integers.
    Ints(Vec<i64>),
    /// Values of several types, or booleans, stored as JSON.
    Mixed(Vec<Constant>),
}

impl Values {
    /// These values, in the variant that fits them.
    pub fn new(values: Vec<Constant>) -> Values {
        let text = |value: &Constant| match value {
            Constant::Text(text) => Some(text.clone()),
            _ => None,
        };
        let int = |value: &Constant| match value {
            Constant::Int(number) => Some(*number),
            _ => None,
        };
        if let Some(texts) = values.iter().map(text).collect() {
            Values::Texts(texts)
        } else if let Some(numbers) = values.iter().map(int).collect() {
            Values::Ints(numbers)
        } else {
            Values::Mixed(values)
        }
    }

    /// The values, one by one.
    pub fn constants(&self) -> Vec<Constant> {
        match self {
            Values::Texts(texts) => texts.iter().cloned().map(Constant::Text).collect(),
            Values::Ints(numbers) => numbers.iter().copied().map(Constant::Int).collect(),
            Values::Mixed(values) => values.clone(),
        }
    }
}

/// A value in a schema. Displayed as JSON.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Constant {
    /// A text.
    Text(String),
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
}

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Constant::Text(text) => write_json_text(text, f),
            Constant::Int(number) => number.fmt(f),
            Constant::Bool(value) => value.fmt(f),
        }
    }
}

/// Writes a text as JSON, without allocating: it may be a value of a record.
fn write_json_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for ch in text.chars() {
        match ch {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(ch))?,
            ch => f.write_char(ch)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::Constant;

    #[test]
    fn a_text_is_shown_as_json() {
        let text: String = ('\0'..='\u{a0}').chain("ä€😀".chars()).collect();
        let json = serde_json::to_string(&text).expect("a text is JSON");
        assert_eq!(Constant::Text(text).to_string(), json);
    }
}
