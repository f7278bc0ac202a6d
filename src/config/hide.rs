//! The parts of a job file that must not be shown: passwords, found by their place in the TOML.
//!
//! An excerpt shows lines of the file, and they can contain a password in any form that TOML has for a text:
//! over several lines, with escapes, in a list, under a dotted key. So values of the tree are hidden, by
//! their places. If the file is not TOML there is no tree to trust; then every line that could contain part
//! of a password is hidden.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys;
use crate::error::secret;

/// The parts of `source` to hide; `tree` is what was parsed from it.
pub(super) fn of_tree(source: &str, tree: &DeTable<'_>) -> Vec<Range<usize>> {
    let mut hiding = Hiding { source, hidden: Vec::new() };
    for (key, value) in tree {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("record", DeValue::Table(record)) => hiding.record(record),
            (name, _) => hiding.value(value, secret::is_name(name)),
        }
    }
    hiding.hidden
}

struct Hiding<'s> {
    source: &'s str,
    hidden: Vec<Range<usize>>,
}

impl Hiding<'_> {
    fn record(&mut self, record: &DeTable<'_>) {
        for (key, value) in record {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("fields", DeValue::Table(fields)) => self.fields(fields),
                (name, _) => self.value(value, secret::is_name(name)),
            }
        }
    }

    /// The fields of a record are named after what is in the logs: a field `token` is not a secret, but its
    /// default may be one.
    fn fields(&mut self, fields: &DeTable<'_>) {
        for (name, field) in fields {
            let is_secret = secret::is_name(name.get_ref());
            match field.get_ref() {
                DeValue::Table(rules) => {
                    for (key, value) in rules {
                        match (key.get_ref().as_ref(), value.get_ref()) {
                            ("fields", DeValue::Table(fields)) => self.fields(fields),
                            (key, _) => {
                                self.value(value, secret::is_name(key) || is_secret && key == "default");
                            }
                        }
                    }
                }
                DeValue::String(text) if keys::TYPES.iter().any(|word| word.name == text) => {}
                _ => self.value(field, is_secret),
            }
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, is_secret: bool) {
        match value.get_ref() {
            DeValue::String(text) => self.text(text, value.span(), is_secret),
            DeValue::Array(items) => items.iter().for_each(|item| self.value(item, is_secret)),
            DeValue::Table(members) => {
                for (key, member) in members {
                    self.value(member, is_secret || secret::is_name(key.get_ref()));
                }
            }
            _ if is_secret => self.hidden.push(value.span()),
            _ => {}
        }
    }

    fn text(&mut self, text: &str, place: Range<usize>, is_secret: bool) {
        let inside = inside(self.source, place);
        if is_secret {
            if !secret::is_reference(text) {
                self.hidden.push(inside);
            }
            return;
        }
        let passwords = secret::find(text);
        match self.source.get(inside.clone()) {
            Some(written) if written == text => {
                let place = |range: Range<usize>| inside.start + range.start..inside.start + range.end;
                self.hidden.extend(passwords.into_iter().map(place));
            }
            // With escapes, the password is not located; the whole text is hidden.
            _ if !passwords.is_empty() => self.hidden.push(inside),
            _ => {}
        }
    }
}

/// A text without its quotes.
pub(super) fn inside(source: &str, place: Range<usize>) -> Range<usize> {
    let Some(literal) = source.get(place.clone()) else { return place };
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let quote = quotes.into_iter().find(|quote| {
        literal.len() >= 2 * quote.len() && literal.starts_with(quote) && literal.ends_with(quote)
    });
    let width = quote.map_or(0, str::len);
    place.start + width..place.end - width
}

/// The parts of a text to hide if it is not TOML.
pub(super) fn of_broken(source: &str) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    // Whether a multi-line text is open, and whether a word that hints at a secret came before.
    let (mut is_open, mut was_hinted) = (false, false);
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        let end = start + line.trim_end().len();
        let is_hinted = secret::is_hint(line);
        let value = line.find('=').map(|equals| start + equals + 1);
        let is_plain = line.trim().is_empty() || line.trim_start().starts_with(['[', '#']);
        match value {
            _ if is_open && (was_hinted || is_hinted) => hidden.push(start..end),
            Some(value) if is_hinted => hidden.push(value + blank(&source[value..end])..end),
            None if is_hinted || was_hinted && !is_plain => hidden.push(start + blank(line)..end),
            _ => {}
        }
        let opens = line.matches("\"\"\"").count() + line.matches("'''").count();
        is_open ^= opens % 2 == 1;
        was_hinted |= is_hinted;
        start += line.len();
    }
    hidden
}

/// The number of leading white space bytes.
fn blank(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Overrides;
    use super::super::tests::{complaint, read_job, small_with};
    use super::*;
    use crate::error::Complaint;

    #[test]
    fn a_password_is_hidden_however_it_is_written() {
        for (table, line) in [
            ("destination", "url = \"\"\"\npostgres://ada:geheim@host/db\"\"\""),
            ("destination", "url = \"postgres://ada:geheim\\u0040host/db\""),
            ("destination", "url = \"postgres://ada:ge\\\"heim@host/db\""),
            ("destination", "url = 'postgres://ada:ge\"heim@host/db'"),
            ("destination", "url = ['postgres://ada:geheim@host/db']"),
            ("destination", "url = { x = 'postgres://ada:geheim@host/db' }"),
            ("destination", "password = \"\"\"geheim\nand more\"\"\""),
            ("destination", "password = '''\ngeheim'''"),
            ("destination", "pass = \"geheim\""),
            ("destination", "pwd = 'geheim'"),
            ("destination", "\"pass\\u0077ord\" = \"geheim\""),
            ("destination", "passwords = [\"geheim\", \"geheim too\"]"),
            ("destination", "password.value = \"geheim\""),
            ("destination", "auth = { user = \"ada\", password = \"geheim\" }"),
            ("destination", "url = { password = \"geheim\" }"),
            ("destination", "create = \"host=h pass=geheim\""),
            ("source", "order = \"postgres://ada:geheim\\u0040host\""),
            ("source", "password = { fields = \"geheim\" }"),
            ("record", "token = \"geheim\""),
            ("record.fields", "password = \"geheim\""),
            ("record.fields", "password = { type = \"int\", default = \"geheim\" }"),
            ("password", "a = \"geheim\""),
            ("dead_letters", "secret_key = \"geheim\""),
            // Not TOML.
            ("destination", "url = \"postgres://ada:x\"geheim@host/db\""),
            ("destination", "password = \"geheim"),
            ("destination", "password = geheim"),
            ("destination", "password = \"\"\"\ngeheim\" x\"\"\" geheim"),
            ("destination", "password = [\n\"geheim\" \"geheim\"]"),
            ("destination", "password: geheim"),
            ("destination", "password = \"\"\"\na = geheim\"\"\" x = \"geheim\""),
        ] {
            let text = small_with(table, line);
            let told = read_job(&text, &Overrides::default()).err().map(|complaint| complaint.to_string());
            assert!(!told.as_deref().unwrap_or_default().contains("geheim"), "{text}\n{told:?}");
            let shown = every_line(&text);
            assert!(!shown.contains("geheim"), "{text}\n{shown}");
        }
    }

    /// Each line of a job as an error message would show it.
    fn every_line(text: &str) -> String {
        let (tree, errors) = DeTable::parse_recoverable(text);
        let mut hidden = of_tree(text, tree.get_ref());
        if !errors.is_empty() {
            hidden.extend(of_broken(text));
        }
        let mut start = 0;
        let mut shown = String::new();
        for line in text.split_inclusive('\n') {
            let finding = ("wrong".to_owned(), Some(start..start + 1));
            shown += &Complaint::new(Path::new("job.toml"), text, vec![finding], &hidden).to_string();
            start += line.len();
        }
        shown
    }

    #[test]
    fn what_is_no_password_is_shown() {
        for line in [
            "token = \"strnig\"",
            "secret = { type = \"text\", from = \"/a~2\" }",
            "password = { type = \"str\" }",
        ] {
            let shown = complaint(&small_with("record.fields", line));
            assert!(shown.contains(line) || line.starts_with("token"), "{shown}");
        }
        // Without a word that hints at a secret, a broken line is shown as it is.
        let shown = complaint(&small_with("source", "order = \"name"));
        assert!(shown.contains("order = \"name"), "{shown}");
    }
}
