//! How the command speaks: results to stdout, everything else to stderr.
//!
//! Text from logs (names, values, messages of a server) can hold escape sequences that forge
//! or wipe what a terminal shows, so nothing goes out with control characters in it.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use super::args::{LogFormat, Output, SpeechArgs};
use crate::event::{Event, Level, Observer};

/// How loud, and in which form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speech {
    pub(super) output: Output,
    is_quiet: bool,
    is_verbose: bool,
    log_format: LogFormat,
    /// stderr is a terminal that takes colours.
    pub(super) has_colour: bool,
    /// stderr is a terminal.
    pub(super) is_terminal: bool,
}

impl Speech {
    pub(super) fn new(args: &SpeechArgs) -> Speech {
        let is_terminal = io::stderr().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Speech {
            output: args.output,
            is_quiet: args.quiet,
            is_verbose: args.verbose,
            log_format: args.log_format,
            has_colour: is_terminal && !no_colour,
            is_terminal,
        }
    }

    /// Whether a progress bar is shown.
    pub(super) fn shows_bar(&self) -> bool {
        self.is_terminal && self.speaks()
    }

    /// Whether anything but errors is said to people.
    pub(super) fn speaks(&self) -> bool {
        !self.is_quiet && self.log_format == LogFormat::Text
    }

    /// Something that went wrong for good.
    pub(super) fn error(&self, text: &str) {
        self.say("error", text, None);
    }

    /// Something to know, though the work goes on.
    pub(super) fn warn(&self, text: &str) {
        self.event(&Event::Warning { text: text.to_owned() });
    }

    /// What goes on.
    pub(super) fn inform(&self, text: &str) {
        if !self.is_quiet {
            self.say("info", text, None);
        }
    }

    /// Something that happened during a run, as a line of its own.
    pub(super) fn event(&self, event: &Event) {
        if self.hears(event) {
            let level = match event.level() {
                Level::Debug => "debug",
                Level::Info => "info",
                Level::Warning => "warning",
            };
            self.say(level, &event.to_string(), Some(("event", json!(event))));
        }
    }

    /// Whether an event gets a line.
    pub(super) fn hears(&self, event: &Event) -> bool {
        match event.level() {
            Level::Debug => self.is_verbose,
            Level::Info | Level::Warning => !self.is_quiet,
        }
    }

    /// A line of the log for everything that happens.
    pub(super) fn observer(self) -> Observer {
        Observer::new(move |event| self.event(event))
    }

    /// What came of the work. `text` is for people and stands by itself; where messages are JSON,
    /// its first line is one and carries `object`.
    pub(super) fn summarize(&self, text: &str, object: impl FnOnce() -> Value) {
        match self.log_format {
            _ if self.is_quiet => {}
            LogFormat::Text => self.tell(text),
            LogFormat::Json => {
                let first = text.lines().next().unwrap_or_default();
                self.say("info", first, Some(("summary", object())));
            }
        }
    }

    /// A text for people that stands by itself.
    pub(super) fn tell(&self, text: &str) {
        let _ = io::stderr().lock().write_all(printable(text).as_bytes());
    }

    fn say(&self, level: &str, text: &str, fields: Option<(&str, Value)>) {
        let line = match self.log_format {
            LogFormat::Text => {
                let prefix = match level {
                    "warning" => "warning: ",
                    _ => "",
                };
                // A message of several lines is indented under its first.
                format!("logmill: {prefix}{}\n", printable(text).replace('\n', "\n         "))
            }
            LogFormat::Json => {
                let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
                let mut line = json!({"time": now, "level": level, "message": text});
                if let Some((name, fields)) = fields {
                    line[name] = fields;
                }
                format!("{line}\n")
            }
        };
        // Nobody is left to be told that stderr is gone.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

/// Writes a result to stdout. A reader that went away is a normal end.
pub(super) fn print(text: &str) -> io::Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes bytes to stdout as they are.
pub(super) fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => {
            result.map_err(|cause| io::Error::new(cause.kind(), format!("cannot write to stdout: {cause}")))
        }
    }
}

/// The text without anything that a terminal would act upon: control characters but the
/// newline, and those that turn the direction of writing.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '\n' => out.push('\n'),
            '\t' => out.push_str("\\t"),
            ch if is_unsafe(ch) => {
                let _ = write!(out, "{}", ch.escape_default());
            }
            ch => out.push(ch),
        }
    }
    out
}

/// A name of a file or of a field, on one line whatever it holds.
pub(super) fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

fn is_unsafe(ch: char) -> bool {
    ch.is_control()
        || matches!(ch, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_upon_goes_out() {
        assert_eq!(printable("a\x1b[2Jb\r\u{9b}c\u{202e}d\te"), "a\\u{1b}[2Jb\\r\\u{9b}c\\u{202e}d\\te");
        assert_eq!(printable("ä\n日本"), "ä\n日本");
        assert_eq!(one_line("ä\n日本\r"), "ä\\n日本\\r");
    }
}
