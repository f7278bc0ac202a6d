//! Text, and one of several texts.

use super::super::{Enum, Nul, Text};
use super::{At, Context};
use crate::format::{Item, Raw, is_same};
use crate::reject::code;

/// Reads a text for a field that takes any, as most do, and says nothing about anything else.
#[inline(always)]
pub(in crate::schema) fn read_any<'a>(rules: &Text, item: Item<'a>) -> Option<&'a str> {
    match item.raw() {
        Raw::Text(text) if rules.takes_all() && !item.may_hold_nul() => Some(text),
        _ => None,
    }
}

/// Reads a text.
#[inline]
pub(super) fn read<'a>(rules: &'a Text, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<&'a str> {
    match read_any(rules, at.item) {
        Some(text) => Some(text),
        None => read_by_rules(rules, at, context),
    }
}

/// The same with rules. The order is Pydantic's: white space, lengths, pattern, lower case.
#[inline(never)]
fn read_by_rules<'a>(rules: &'a Text, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<&'a str> {
    let Raw::Text(text) = at.item.raw() else {
        return context.refuse(at, code::STRING_TYPE, format_args!("not text"));
    };
    let has_nul = at.item.may_hold_nul() && has_nul(text);
    let text = if has_nul { context.without_nul(text) } else { text };
    let text = if rules.trim { text.trim() } else { text };
    if let Some(min) = rules.min_length
        && !has_at_least(text, min)
    {
        let message = format_args!("shorter than {min} {}", characters(min));
        return context.refuse(at, code::STRING_TOO_SHORT, message);
    }
    if let Some(max) = rules.max_length
        && has_at_least(text, max.saturating_add(1))
    {
        let message = format_args!("longer than {max} {}", characters(max));
        return context.refuse(at, code::STRING_TOO_LONG, message);
    }
    if let Some(pattern) = &rules.pattern
        && !pattern.is_match(text)
    {
        let message = format_args!("does not match the pattern {pattern}");
        return context.refuse(at, code::STRING_PATTERN_MISMATCH, message);
    }
    if has_nul && context.nul == Nul::Reject {
        return context.refuse(at, code::NUL, format_args!("a NUL character, which no column can hold"));
    }
    Some(if rules.lower { lower(text, context) } else { text })
}

/// Reads one of several texts.
#[inline]
pub(super) fn read_enum<'a>(
    rules: &'a Enum,
    values: &'a [String],
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<&'a str> {
    if let Raw::Text(text) = at.item.raw() {
        let text = settled(text, rules.trim, rules.lower, context);
        if let Some(value) = values.iter().find(|value| is_same(value.as_bytes(), text.as_bytes())) {
            return Some(value);
        }
    }
    let code = if rules.literal { code::LITERAL_ERROR } else { code::ENUM };
    context.refuse(at, code, format_args!("none of {}", Listed(values)))
}

/// A text in the form in which it is searched for in an enum. No value of an enum contains a NUL, so a NUL
/// only matters where it is removed.
#[inline]
pub(super) fn settled<'a>(text: &'a str, trim: bool, lowers: bool, context: &mut Context<'a, '_>) -> &'a str {
    let may_go = context.nul != Nul::Reject && memchr::memchr(0, text.as_bytes()).is_some();
    let text = if may_go { context.without_nul(text) } else { text };
    let text = if trim { text.trim() } else { text };
    if lowers { lower(text, context) } else { text }
}

impl<'a> Context<'a, '_> {
    /// `text` without its NULs, if these are not faults.
    #[cold]
    pub(super) fn without_nul(&mut self, text: &'a str) -> &'a str {
        let replacement = match self.nul {
            Nul::Reject => return text,
            Nul::Strip => None,
            Nul::Replace => Some('\u{fffd}'),
        };
        self.altered.nuls += 1;
        let kept = text.chars().filter_map(|ch| if ch == '\0' { replacement } else { Some(ch) });
        bumpalo::collections::String::from_iter_in(kept, self.arena).into_bump_str()
    }
}

/// Whether there is a NUL in `text`. Most texts are short, and scanned before a call of a vectorised search
/// would have begun.
#[inline]
fn has_nul(text: &str) -> bool {
    if text.len() > 32 {
        return memchr::memchr(0, text.as_bytes()).is_some();
    }
    text.bytes().fold(false, |found, byte| found | (byte == 0))
}

/// Whether `text` has at least `count` characters. Counting is rarely needed: a character has one to four
/// bytes.
#[inline]
fn has_at_least(text: &str, count: usize) -> bool {
    if text.len() < count {
        false
    } else if text.len().div_ceil(4) >= count {
        true
    } else {
        text.chars().count() >= count
    }
}

fn characters(count: usize) -> &'static str {
    if count == 1 { "character" } else { "characters" }
}

/// `text` in lower case, copied to the arena if it changes.
fn lower<'a>(text: &'a str, context: &Context<'a, '_>) -> &'a str {
    if text.is_ascii() {
        if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return text;
        }
        let text = context.arena.alloc_str(text);
        text.make_ascii_lowercase();
        return text;
    }
    // Only the whole text shows which sigma ends a word; no other character depends on its context.
    if text.contains('Σ') {
        return context.arena.alloc_str(&text.to_lowercase());
    }
    let chars = text.chars().flat_map(char::to_lowercase);
    bumpalo::collections::String::from_iter_in(chars, context.arena).into_bump_str()
}

/// The allowed values, as a message lists them.
pub(super) struct Listed<'v, V>(pub(super) &'v [V]);

/// How many of the allowed texts a message lists.
const LISTED_MAX: usize = 10;

impl<V: std::fmt::Debug> std::fmt::Display for Listed<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, value) in self.0.iter().take(LISTED_MAX).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{value:?}")?;
        }
        match self.0.len().saturating_sub(LISTED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::probe::{check, given, given_with, quoted};
    use super::super::super::{Field, Kind};
    use super::*;

    fn text(rules: Text) -> Field {
        Field::new("f", Kind::Text(rules))
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        let field = text(Text { min_length: Some(2), max_length: Some(3), ..Text::default() });
        check(
            &field,
            &[
                (r#""ä""#, "string_too_short"),
                (r#""😀😀""#, r#""😀😀""#),
                (r#""äää""#, r#""äää""#),
                (r#""e\u0301x""#, r#""éx""#),
                (r#""aaaa""#, "string_too_long"),
                (r#""""#, "string_too_short"),
                ("1", "string_type"),
                ("null", "string_type"),
            ],
        );
    }

    #[test]
    fn white_space_goes_first_and_case_last() {
        let pattern = Some(regex::Regex::new("^[A-Z]+$").expect("a pattern"));
        let field = text(Text { trim: true, lower: true, max_length: Some(2), pattern, ..Text::default() });
        check(
            &field,
            &[
                (r#"" \u00a0AB\n""#, r#""ab""#),
                (r#""ab""#, "string_pattern_mismatch"),
                (r#""ABC""#, "string_too_long"),
            ],
        );
    }

    #[test]
    fn a_pattern_is_searched_for() {
        let pattern = Some(regex::Regex::new("b").expect("a pattern"));
        check(&text(Text { pattern, ..Text::default() }), &[(r#""abc""#, r#""abc""#)]);
    }

    #[test]
    fn a_nul_is_a_fault_or_goes() {
        let field = text(Text { min_length: Some(2), ..Text::default() });
        assert_eq!(given(&field, r#""a\u0000b""#), "nul");
        assert_eq!(given(&field, r#""\u0000""#), "string_too_short");
        assert_eq!(given_with(&field, r#""a\u0000b""#, Nul::Strip), r#""ab""#);
        assert_eq!(given_with(&field, r#""a\u0000""#, Nul::Strip), "string_too_short");
        assert_eq!(given_with(&field, r#""a\u0000""#, Nul::Replace), r#""a�""#);
    }

    #[test]
    fn an_enum_takes_its_values_as_they_are_written() {
        let plain = Field::new("f", Kind::Enum(Enum::new(["INFO", "WARN"])));
        check(
            &plain,
            &[(r#""WARN""#, r#""WARN""#), (r#""warn""#, "enum"), (r#""WARN ""#, "enum"), ("0", "enum")],
        );
        let rules = Enum { literal: true, trim: true, lower: true, ..Enum::new(["info"]) };
        let folded = Field::new("f", Kind::Enum(rules));
        check(&folded, &[(r#"" INFO""#, r#""info""#), (r#""x""#, "literal_error")]);
    }

    #[test]
    fn a_message_lists_the_values() {
        let values: Vec<_> = (0..12).map(|n| n.to_string()).collect();
        let message = Listed(&values).to_string();
        assert!(message.starts_with(r#""0", "1", "#) && message.ends_with(r#""9" and 2 more"#), "{message}");
    }

    proptest! {
        #[test]
        fn lengths_and_case_are_those_of_the_standard_library(given_text in any::<String>(), count in 0_usize..40) {
            prop_assert_eq!(has_at_least(&given_text, count), given_text.chars().count() >= count);
            let field = text(Text { lower: true, ..Text::default() });
            if !given_text.contains('\0') {
                let lower = given(&field, &quoted(&given_text));
                let lower: String = serde_json::from_str(&lower).expect("JSON");
                prop_assert_eq!(lower, given_text.to_lowercase());
            }
        }
    }
}
