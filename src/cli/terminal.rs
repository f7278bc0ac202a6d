//! The user's terminal: whether there is one, how wide it is, and the line at its bottom.
//!
//! That line shows progress. Everything else that is written to stderr passes through here: it replaces the
//! line, which is then drawn again below.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The line, as drawn; empty if there is none.
static BOTTOM: Mutex<String> = Mutex::new(String::new());

/// Returns to the beginning of the line, which may wrap if the window was made narrower since, and clears
/// everything after it. The cursor rests at the beginning, so typed characters (^C) cause no wrapping.
const AWAY: &str = "\r\x1b[J";

/// The width of a terminal, if there is one.
pub(super) fn width_of(stream: &(impl AsFd + IsTerminal)) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(stream).filter(|_| stream.is_terminal())?;
    Some(usize::from(width.0)).filter(|width| *width > 0)
}

/// Draws the line at the bottom. It must not be longer than the terminal is wide.
pub(super) fn draw(out: impl Write, line: &str) {
    let mut bottom = bottom();
    write(out, &format!("{AWAY}{line}\r"));
    line.clone_into(&mut bottom);
}

/// Removes the line.
pub(super) fn clear(out: impl Write) {
    let mut bottom = bottom();
    if !bottom.is_empty() {
        write(out, AWAY);
        bottom.clear();
    }
}

/// The same for good, for a process that is about to end: a thread that would draw it again blocks until
/// then.
pub(super) fn close(out: impl Write) {
    let bottom = bottom();
    if !bottom.is_empty() {
        write(out, AWAY);
    }
    std::mem::forget(bottom);
}

/// Writes a text above the line.
pub(super) fn write_above(out: impl Write, text: &str) {
    let bottom = bottom();
    match bottom.as_str() {
        "" => write(out, text),
        line => write(out, &format!("{AWAY}{text}{line}\r")),
    }
}

fn bottom() -> MutexGuard<'static, String> {
    BOTTOM.lock().unwrap_or_else(PoisonError::into_inner)
}

/// If stderr is gone, there is no way left to say so.
fn write(mut out: impl Write, text: &str) {
    let _ = out.write_all(text.as_bytes());
}
