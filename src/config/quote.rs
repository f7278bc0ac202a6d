//! What a person wrote, as a message repeats it.

use crate::error::secret;

/// How much of a given text is quoted in a message.
const QUOTE_CHARS_MAX: usize = 60;

/// A text as it is quoted in a message: without passwords, on one line, not endless.
pub(super) fn quoted(text: &str) -> String {
    let text = secret::masked(text);
    let mut shown: String = text.chars().take(QUOTE_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        shown.push('…');
    }
    // What a person would type between single quotes.
    format!("'{}'", shown.replace("\\'", "'").replace("\\\"", "\""))
}
