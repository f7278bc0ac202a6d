//! Printing: results go to stdout, everything else to stderr.
//!
//! Text from logs (names, values, messages of a server) can contain escape sequences that forge or erase what
//! a terminal shows. Everything that is written passes through this file, and text leaves it without control
//! characters, wherever it came from. Only output that is requested byte by byte (a record, a statement, a
//! job file) is written unchanged, and not to a terminal.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

use serde_json::{Value, json};

use super::args::{Colour, LogFormat, Output, SpeechArgs};
use super::terminal;
use crate::engine::Watch;
use crate::error::{Error, Result};
use crate::event::{Event, Level, Observer};
use crate::printable::{PrintableJson, printable, printable_json};
use crate::report::{Exit, Report, folded, folded_under};

/// More failures than this are only counted.
const FAILURES_TOLD: usize = 10;

/// Verbosity and form of the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speech {
    pub(super) output: Output,
    is_quiet: bool,
    /// How often more output was asked for.
    verbosity: u8,
    log_format: LogFormat,
    /// A program follows the run by its events: JSON messages then include more than people need to know.
    is_followed: bool,
    colour: Colour,
    /// stderr is a terminal.
    pub(super) is_terminal: bool,
}

impl Speech {
    pub(super) fn new(args: &SpeechArgs) -> Speech {
        Speech {
            output: args.output,
            is_quiet: args.quiet,
            verbosity: args.verbose,
            log_format: args.log_format,
            is_followed: false,
            colour: args.color,
            is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Whether a person asked for more.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbosity > 0
    }

    /// Whether output to `stream` is coloured. A flag takes precedence over a variable.
    pub(super) fn has_colour(&self, stream: &impl IsTerminal) -> bool {
        let no_colour = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self.colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => stream.is_terminal() && !no_colour(),
        }
    }

    /// The same for a run: with JSON messages a program follows it by its events, and gets all of them.
    pub(super) fn following(self) -> Speech {
        Speech { is_followed: true, ..self }
    }

    /// Whether a progress bar is shown.
    pub(super) fn shows_bar(&self) -> bool {
        // A terminal that cannot move its cursor (an editor's, a log's) gets lines instead.
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        self.is_terminal && !is_dumb && self.speaks()
    }

    /// Whether anything besides errors is printed for people.
    pub(super) fn speaks(&self) -> bool {
        !self.is_quiet && self.log_format == LogFormat::Text
    }

    /// Reports a final failure.
    pub(super) fn error(&self, text: &str) {
        self.say("error", text, None);
    }

    /// Reports something to know, though the work continues.
    pub(super) fn warn(&self, text: &str) {
        self.event(&Event::Warning { text: text.to_owned() });
    }

    /// Reports what is going on.
    pub(super) fn inform(&self, text: &str) {
        if !self.is_quiet {
            self.say("info", text, None);
        }
    }

    /// Prints an event of a run as a line of its own.
    pub(super) fn event(&self, event: &Event) {
        self.event_as(event, &event.to_string());
    }

    /// The same in other words than its own.
    pub(super) fn event_as(&self, event: &Event, text: &str) {
        if self.hears(event) {
            let level = match event.level() {
                Level::Debug | Level::File => "debug",
                Level::Info => "info",
                Level::Warning | Level::Alarm => "warning",
            };
            self.say(level, text, Some(("event", json!(event))));
        }
    }

    /// Whether an event is printed.
    pub(super) fn hears(&self, event: &Event) -> bool {
        let is_followed = self.is_followed && self.log_format == LogFormat::Json && !self.is_quiet;
        match event.level() {
            Level::Debug => self.verbosity > 1 || is_followed,
            Level::File => self.verbosity > 0 || is_followed,
            Level::Info | Level::Warning => !self.is_quiet,
            Level::Alarm => true,
        }
    }

    /// For a command that only reads: events are printed as log lines.
    pub(super) fn watch(self) -> Watch {
        Watch { observer: self.observer(), ..Watch::default() }
    }

    /// Prints every event as a log line.
    pub(super) fn observer(self) -> Observer {
        Observer::new(move |event| self.event(event))
    }

    /// Draws the progress line. `line` receives the number of characters, and whether to use colours.
    pub(super) fn draw(&self, line: impl FnOnce(usize, bool) -> String) {
        let stderr = io::stderr();
        let width = terminal::width_of(&stderr).unwrap_or(LINE_CHARS);
        terminal::draw(stderr.lock(), &line(width, self.has_colour(&stderr)));
    }

    /// Asks a person. If there is none, the command line counts as consent.
    pub(super) fn agrees(&self, question: &str) -> bool {
        if !(self.is_terminal && io::stdin().is_terminal()) {
            return true;
        }
        write_above(&format!("{} [y/N] ", printable(question)));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// Prints a report as the result of the command, in the requested form.
    pub(super) fn show(&self, report: &impl Report) -> io::Result<()> {
        match self.output {
            Output::Json => print(&report.json()),
            Output::Text => write_out(self.for_people(report, &io::stdout()).as_bytes()),
        }
    }

    /// The same for a command whose exit code tells a quiet user enough.
    pub(super) fn show_unless_quiet(&self, report: &impl Report) -> io::Result<()> {
        if self.is_quiet && self.output == Output::Text {
            self.tell_failures(&report.failures());
            return Ok(());
        }
        self.show(report)
    }

    /// The same for a command that compares: differences are failures.
    pub(super) fn show_differences(&self, report: &impl Report) -> io::Result<()> {
        match report.head().exit {
            Exit::Success => self.show_unless_quiet(report),
            _ => self.show(report),
        }
    }

    /// Prints a result for people that is not a report, or part of one.
    pub(super) fn show_text(&self, text: &str) -> io::Result<()> {
        write_out(fitted(printable(text), &io::stdout()).as_bytes())
    }

    /// A report as text for `stream`: in its width, and with colours if it supports them.
    fn for_people(&self, report: &impl Report, stream: &(impl AsFd + IsTerminal)) -> String {
        let piped = if report.is_verbatim() { usize::MAX } else { PIPED_CHARS };
        let text = printable(&report.text(terminal::width_of(stream).unwrap_or(piped)));
        let text = if report.is_verbatim() { text } else { fitted(text, stream) };
        match self.has_colour(stream) {
            true => headed(&text, report.head().exit),
            false => text,
        }
    }

    /// Prints a report on work whose result is elsewhere: in a destination, or already on stdout. With JSON
    /// messages, its first line is a message and carries all of it.
    pub(super) fn summarize(&self, report: &impl Report) -> io::Result<()> {
        match (self.output, self.log_format) {
            (Output::Json, _) => print(&report.json())?,
            _ if self.is_quiet => self.tell_failures(&report.failures()),
            (Output::Text, LogFormat::Text) => write_above(&self.for_people(report, &io::stderr())),
            (Output::Text, LogFormat::Json) => {
                let text = report.text(PIPED_CHARS);
                let first = text.lines().next().unwrap_or_default();
                self.say("info", first, Some(("summary", json!(report))));
            }
        }
        Ok(())
    }

    /// Reports what failed, for users who want to see nothing else.
    fn tell_failures(&self, failures: &[String]) {
        failures.iter().take(FAILURES_TOLD).for_each(|failure| self.error(failure));
        if failures.len() > FAILURES_TOLD {
            self.error(&format!("and {} more like these", failures.len() - FAILURES_TOLD));
        }
    }

    /// A text for people that stands alone.
    pub(super) fn tell(&self, text: &str) {
        complain(text);
    }

    /// Prints a complete line for programs.
    pub(super) fn line(&self, line: &str) {
        write_above(line);
    }

    fn say(&self, level: &str, text: &str, fields: Option<(&str, Value)>) {
        let line = match self.log_format {
            LogFormat::Text => {
                let word = if level == "warning" { WARNING } else { "" };
                // The lines of a message after the first are indented.
                let text = format!("{NAME}{word}{}\n", printable(text).replace('\n', "\n         "));
                let text = match terminal::width_of(&io::stderr()) {
                    Some(width) => folded_under(&text, width, NAME.len()),
                    None => text,
                };
                match (self.has_colour(&io::stderr()), level) {
                    (true, "error") => text.replacen(NAME, &format!("{BAD}{NAME}{PLAIN}"), 1),
                    (true, "warning") => text.replacen(WARNING, &format!("{WARN}{WARNING}{PLAIN}"), 1),
                    _ => text,
                }
            }
            LogFormat::Json => {
                let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
                let mut line = json!({"time": now, "level": level, "message": text});
                if let Some((name, fields)) = fields {
                    line[name] = fields;
                }
                printable_json(&format!("{line}\n"))
            }
        };
        write_above(&line);
    }
}

/// The prefix of a message.
const NAME: &str = "logmill: ";

/// The prefix of a warning.
const WARNING: &str = "warning: ";

/// Colours where they add to the words: how something ended.
const GOOD: &str = "\u{1b}[1;32m";
const WARN: &str = "\u{1b}[1;33m";
const BAD: &str = "\u{1b}[1;31m";
const PLAIN: &str = "\u{1b}[0m";

/// A text in lines that fit `stream`, if that is a terminal. Other output is also read by programs, and keeps
/// one line per thing.
fn fitted(text: String, stream: &(impl AsFd + IsTerminal)) -> String {
    match terminal::width_of(stream) {
        Some(width) => folded(&text, width),
        None => text,
    }
}

/// A report whose first word, the name of the job, is coloured by how it ended.
fn headed(text: &str, exit: Exit) -> String {
    let colour = match exit {
        Exit::Success => GOOD,
        Exit::Rejects | Exit::Stopped(_) | Exit::Held => WARN,
        Exit::Failed | Exit::Usage | Exit::GivenUp | Exit::Differs => BAD,
    };
    let line = text.lines().next().unwrap_or_default();
    match line.find(": ").or_else(|| line.find(" →")) {
        Some(end) => format!("{colour}{}{PLAIN}{}", &text[..end], &text[end..]),
        None => text.to_owned(),
    }
}

/// The assumed width of a terminal that does not report it.
const LINE_CHARS: usize = 80;

/// Removes the progress line.
pub(super) fn clear_line() {
    terminal::clear(io::stderr().lock());
}

/// The same for good, because the process is about to end.
pub(super) fn close_line() {
    terminal::close(io::stderr().lock());
}

fn write_above(text: &str) {
    terminal::write_above(io::stderr().lock(), text);
}

/// Prints a result.
pub(super) fn print(text: &str) -> io::Result<()> {
    write_out(printable(text).as_bytes())
}

/// Prints a result that is used byte by byte: a record, a statement, a job file, a script. On a terminal it
/// is only displayed, and so escaped.
pub(super) fn print_as_is(bytes: &[u8]) -> io::Result<()> {
    if io::stdout().is_terminal() { print(&String::from_utf8_lossy(bytes)) } else { write_out(bytes) }
}

/// Reports an unreadable command line, when the settings of the output are not known yet.
pub(super) fn complain(text: &str) {
    write_above(&fitted(printable(text), &io::stderr()));
}

/// Writes to stdout. A reader that went away is a normal end.
fn write_out(bytes: &[u8]) -> io::Result<()> {
    clear_line();
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => {
            result.map_err(|cause| io::Error::new(cause.kind(), format!("cannot write to stdout: {cause}")))
        }
    }
}

/// Refuses a flag whose output would go to stdout along with the JSON report.
pub(super) fn refuse_two_results(flag: &str, speech: Speech) -> Result<()> {
    if speech.output != Output::Json {
        return Ok(());
    }
    // A user who has not typed the flag would not think of the variable.
    let output = match std::env::var("LOGMILL_OUTPUT").as_deref() {
        Ok("json") => "LOGMILL_OUTPUT=json",
        _ => "--output json",
    };
    Err(Error::usage(format!("{flag} and {output} both use stdout; name a file instead of -")))
}

/// A writer for many objects, one per line: into a file, or to stdout.
pub(super) fn json_lines(file: Option<File>) -> Box<dyn Write + Send> {
    let out: Box<dyn Write + Send> = match file {
        Some(file) => Box::new(file),
        None => Box::new(io::stdout()),
    };
    Box::new(PrintableJson(BufWriter::with_capacity(WRITE_BYTES, out)))
}

/// Lines are written in pieces of this size.
const WRITE_BYTES: usize = 256 << 10;

/// The maximum width of a table if there is no terminal.
const PIPED_CHARS: usize = 120;
