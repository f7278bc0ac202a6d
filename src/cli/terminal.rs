//! The terminal that a person looks at: whether there is one, how wide it is, and the line at its bottom.
//!
//! That line says how far we are. Whatever else is written to stderr passes here, so that it takes the place of the
//! line, and the line stands below it again.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The line, as it is drawn; nothing where there is none.
static BOTTOM: Mutex<String> = Mutex::new(String::new());

/// Back to the beginning of the line, which may be folded since the window was made narrower, and all that
/// stands there away. The cursor rests at the beginning, so what a person types (^C) wraps nothing.
const AWAY: &str = "\r\x1b[J";

/// How wide a terminal is, if there is one.
pub(super) fn width_of(stream: &(impl AsFd + IsTerminal)) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(stream).filter(|_| stream.is_terminal())?;
    Some(usize::from(width.0)).filter(|width| *width > 0)
}

/// Draws the line at the bottom. It has no more characters than the terminal is wide.
pub(super) fn draw(out: impl Write, line: &str) {
    let mut bottom = bottom();
    write(out, &format!("{AWAY}{line}\r"));
    line.clone_into(&mut bottom);
}

/// Takes the line away.
pub(super) fn clear(out: impl Write) {
    let mut bottom = bottom();
    if !bottom.is_empty() {
        write(out, AWAY);
        bottom.clear();
    }
}

/// The same for good, for a process that is about to end: who would draw it again waits for that end.
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

/// There is no way left to say that stderr is gone.
fn write(mut out: impl Write, text: &str) {
    let _ = out.write_all(text.as_bytes());
}
