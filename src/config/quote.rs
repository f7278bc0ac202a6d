//! Quotes what a person wrote in a message.

use crate::error::secret;

/// At most this many characters of a text are quoted.
const QUOTE_CHARS_MAX: usize = 60;

/// A text for a message: without passwords, on one line, and not too long.
pub(super) fn quoted(text: &str) -> String {
    let text = secret::masked(text);
    let mut shown: String = text.chars().take(QUOTE_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        shown.push('…');
    }
    // In the form that a person would type between single quotes.
    format!("'{}'", shown.replace("\\'", "'").replace("\\\"", "\""))
}
