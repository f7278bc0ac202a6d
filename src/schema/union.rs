//! The names of a union's kinds in faults.
//!
//! If no kind of a union accepts a value, each fault names its kind, as in `f.int`, with Pydantic's names.

use std::borrow::Cow;

use super::kind::{Constant, Enum, Float, Text, Values};
use super::{Bounds, Kind};

/// Pydantic's name for a kind in the path of a fault.
pub fn branch_name(kind: &Kind) -> String {
    let named = match kind {
        Kind::Text(rules) if !rules.takes_all() => "constrained-str",
        Kind::Text(Text { .. }) => "str",
        Kind::Int(limits) => constrained("int", "constrained-int", *limits == Bounds::default()),
        Kind::Float(Float { bounds, .. }) => {
            constrained("float", "constrained-float", *bounds == Bounds::default())
        }
        Kind::Timestamp(_) => "datetime",
        Kind::Object(object) if !object.is_model() => "dict",
        Kind::Object(_) | Kind::Again(_) => "model",
        Kind::Union(rules) => {
            let names: Vec<&str> = rules.fields().map(|field| field.name.as_str()).collect();
            return format!("union[{}]", names.join(","));
        }
        Kind::Enum(Enum { literal: true, values, .. }) => return literal(values),
        Kind::Enum(Enum { values, class: Some(class), .. }) => {
            let base = match values {
                Values::Texts(_) => "str-enum",
                Values::Ints(_) => "int-enum",
                Values::Mixed(_) => "enum",
            };
            return format!("{base}[{class}]");
        }
        other => other.name(),
    };
    named.to_owned()
}

fn constrained(plain: &'static str, limited: &'static str, is_plain: bool) -> &'static str {
    if is_plain { plain } else { limited }
}

/// `literal['a',1]`.
fn literal(values: &Values) -> String {
    let shown = values.constants().into_iter().map(|value| match value {
        Constant::Text(text) => quoted(&text),
        Constant::Int(number) => number.to_string(),
        Constant::Bool(true) => "True".to_owned(),
        Constant::Bool(false) => "False".to_owned(),
    });
    format!("literal[{}]", shown.collect::<Vec<_>>().join(","))
}

/// A text as Python shows it.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for ch in text.chars() {
        let escaped = match ch {
            '\\' => Cow::Borrowed("\\\\"),
            '\n' => Cow::Borrowed("\\n"),
            '\r' => Cow::Borrowed("\\r"),
            '\t' => Cow::Borrowed("\\t"),
            ch if ch == quote => Cow::Owned(format!("\\{ch}")),
            ch if ch.is_control() => Cow::Owned(format!("\\x{:02x}", u32::from(ch))),
            ch => Cow::Owned(ch.to_string()),
        };
        shown.push_str(&escaped);
    }
    shown.push(quote);
    shown
}
