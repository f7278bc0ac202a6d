//! The raw command line, for what must be known even if it cannot be parsed: which command it is about, and
//! how to print the complaint.

use clap::error::{ContextKind, ContextValue};

use super::args;
use super::speech::{complain, print};
use crate::error::secret::masked;
use crate::printable::printable;
use crate::report::{Bare, Exit, Head, Report as _};

/// The requested use of colours. Help is printed before anything is parsed.
pub(super) fn colour() -> clap::ColorChoice {
    match flag("--color", "LOGMILL_COLOR").as_deref() {
        Some("always") => clap::ColorChoice::Always,
        Some("never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    }
}

/// Reports what is wrong with the command line. A caller that asked for one object on stdout gets one.
pub(super) fn refuse(error: clap::Error) -> Exit {
    let text = shown(error).render().to_string();
    complain(&text);
    if flag("--output", "LOGMILL_OUTPUT").as_deref() == Some("json") {
        let what = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        let (head, error) = (Head::new(&command(), None, Exit::Usage), Some(what.trim_end().to_owned()));
        // It may be stdout that failed, and the exit code says the same.
        let _ = print(&Bare { head, error, error_kind: Some("usage") }.json());
    }
    Exit::Usage
}

/// The words of the line, as far as they are flags and commands.
fn words() -> impl Iterator<Item = String> {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    words.take_while(|word| word != "--")
}

/// The value of a flag, or of the variable that replaces it.
fn flag(name: &str, variable: &str) -> Option<String> {
    let (mut words, mut found) = (words(), None);
    while let Some(word) = words.next() {
        match word.strip_prefix(name) {
            Some("") => found = words.next(),
            Some(rest) if rest.starts_with('=') => found = Some(rest[1..].to_owned()),
            _ => {}
        }
    }
    found.or_else(|| std::env::var(variable).ok())
}

/// The intended command, as far as such a command exists.
fn command() -> String {
    let (mut command, mut names) = (args::command_line(), Vec::new());
    for word in words() {
        if let Some(found) = command.find_subcommand(&word).cloned() {
            names.push(word);
            command = found;
        }
    }
    names.join(" ")
}

/// The complaint about a command line, which quotes what was typed, possibly an invalid destination with its
/// password, or a name with control characters. Each quotation is masked and escaped by itself: the text
/// around it has quotes of its own, and a rendered complaint has already lost its escape sequences.
fn shown(mut error: clap::Error) -> clap::Error {
    let shown = |text: &String| printable(&masked(text));
    let quoted: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(shown(text)))),
            ContextValue::Strings(texts) => {
                Some((kind, ContextValue::Strings(texts.iter().map(shown).collect())))
            }
            _ => None,
        })
        .collect();
    for (kind, value) in quoted {
        error.insert(kind, value);
    }
    error
}
