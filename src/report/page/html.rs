//! The only way to write a page: text and attribute values are escaped as they are written.
//!
//! Names of elements and attributes are literals of the program, and no function accepts markup. So anything
//! from a log or a server can be seen on the page but cannot do anything there.

use std::fmt::{self, Display, Write as _};

use crate::printable::is_unsafe;

/// A text on a page is cut after this many characters: a hostile log can contain a field name of a megabyte.
const TEXT_MAX: usize = 1_000;

/// Attributes of an element.
pub(super) type Attributes<'a> = [(&'static str, &'a dyn Display)];

/// A part of a page.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// The beginning of a document.
    pub(super) fn document() -> Html {
        Html("<!doctype html>\n".to_owned())
    }

    /// An element with the content that `inside` writes.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: &Attributes<'_>,
        inside: impl FnOnce(&mut Html),
    ) {
        self.begin(name, attributes);
        self.0.push('>');
        inside(self);
        let _ = write!(self.0, "</{name}>");
        if is_block(name) {
            self.0.push('\n');
        }
    }

    /// An element that contains only a text.
    pub(super) fn leaf(&mut self, name: &'static str, attributes: &Attributes<'_>, text: impl Display) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// An element without content.
    pub(super) fn void(&mut self, name: &'static str, attributes: &Attributes<'_>) {
        self.begin(name, attributes);
        self.0.push_str("/>");
    }

    /// An SVG line through points. It is in pieces if values are missing.
    pub(super) fn path(&mut self, class: &'static str, pieces: &[Vec<(f64, f64)>]) {
        let _ = write!(self.0, "<path class=\"{class}\" d=\"");
        for piece in pieces {
            for (index, (x, y)) in piece.iter().enumerate() {
                let _ = write!(self.0, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
            }
            // A line without length is a dot.
            if let [(x, y)] = piece[..] {
                let _ = write!(self.0, "L{x:.1} {y:.1}");
            }
        }
        self.0.push_str("\"/>");
    }

    /// A text.
    pub(super) fn text(&mut self, text: impl Display) {
        let _ = write!(Escaped { out: &mut self.0, left: TEXT_MAX }, "{text}");
    }

    /// The style of the page, which a browser does not treat as text: it ends at the first end tag.
    pub(super) fn style(&mut self, css: &'static str) {
        self.0.push_str("<style>");
        self.0.push_str(css);
        self.0.push_str("</style>\n");
    }

    /// All that was written.
    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn begin(&mut self, name: &'static str, attributes: &Attributes<'_>) {
        self.0.push('<');
        self.0.push_str(name);
        for (attribute, value) in attributes {
            let _ = write!(self.0, " {attribute}=\"");
            let _ = write!(Escaped { out: &mut self.0, left: TEXT_MAX }, "{value}");
            self.0.push('"');
        }
    }
}

/// Whether a line break follows an element, so that two pages can be compared with `diff`.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "body"
            | "dd"
            | "details"
            | "div"
            | "dl"
            | "figure"
            | "g"
            | "h1"
            | "h2"
            | "h3"
            | "head"
            | "header"
            | "html"
            | "li"
            | "main"
            | "nav"
            | "p"
            | "pre"
            | "section"
            | "summary"
            | "svg"
            | "table"
            | "title"
            | "tr"
            | "ul"
    )
}

/// Escapes what is written to it, and drops everything after a number of characters.
struct Escaped<'a> {
    out: &'a mut String,
    left: usize,
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for ch in text.chars() {
            if self.left == 0 {
                return Ok(());
            }
            self.left -= 1;
            if self.left == 0 {
                self.out.push('…');
                return Ok(());
            }
            match ch {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                '\n' => self.out.push('\n'),
                // Escaped as everywhere else, because a reader may copy from the page into a terminal.
                '\t' => self.out.push_str("\\t"),
                ch if is_unsafe(ch) => write!(self.out, "{}", ch.escape_default())?,
                ch => self.out.push(ch),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        let mut html = Html::default();
        html.text(text);
        html.into_text()
    }

    #[test]
    fn nothing_that_is_written_becomes_markup() {
        let hostile = "<script>alert(1)</script>\"' onload=x &amp; \0\u{202e}\x1b[2J\u{2028}]]>-->";
        let mut html = Html::default();
        html.element("p", &[("title", &hostile)], |html| html.text(hostile));
        let out = html.into_text();
        let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39; onload=x &amp;amp; \
                       \\u{0}\\u{202e}\\u{1b}[2J\\u{2028}]]&gt;--&gt;";
        assert_eq!(out, format!("<p title=\"{escaped}\">{escaped}</p>\n"));
    }

    #[test]
    fn every_character_is_harmless_alone() {
        for ch in (0..=0x10_ffff).filter_map(char::from_u32) {
            let written = text(&ch.to_string());
            let is_plain = |ch: char| !matches!(ch, '<' | '>' | '"' | '\'') && (ch == '\n' || !is_unsafe(ch));
            assert!(written.chars().all(is_plain), "{ch:?} is {written:?}");
            assert!(!written.contains('&') || written.ends_with(';'), "{ch:?} is {written:?}");
        }
    }

    #[test]
    fn a_text_has_a_bound() {
        assert_eq!(text(&"ä".repeat(TEXT_MAX - 1)).chars().count(), TEXT_MAX - 1);
        let cut = text(&"ä".repeat(1 << 20));
        assert_eq!((cut.chars().count(), cut.chars().last()), (TEXT_MAX, Some('…')));
    }
}
