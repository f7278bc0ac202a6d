//! Extracts the string literals of Rust code, without those in comments.

/// A string literal with its continued lines joined and its escapes unchanged.
pub(super) struct Literal {
    pub(super) text: String,
    /// The last name before it: the function or macro it is passed to, or the name it is assigned to.
    pub(super) after: String,
}

/// All string literals, in order.
pub(super) fn literals(code: &str) -> Vec<Literal> {
    let mut found = Vec::new();
    let mut after = String::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if let Some((text, behind)) = quoted(rest).or_else(|| raw(rest)) {
            found.push(Literal { text, after: after.clone() });
            rest = behind;
        } else if let Some(behind) = character(rest) {
            rest = behind;
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|ch: char| !ch.is_alphanumeric() && ch != '_').unwrap_or(rest.len());
            rest[..end].clone_into(&mut after);
            rest = &rest[end..];
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

/// Reads a quoted literal. Returns its text and the rest of the code.
fn quoted(code: &str) -> Option<(String, &str)> {
    let inner = code.strip_prefix('b').unwrap_or(code).strip_prefix('"')?;
    let mut text = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, ch)) = chars.next() {
        match ch {
            '"' => return Some((text, &inner[at + 1..])),
            '\\' => match chars.next()? {
                // The text continues after the leading blanks of the next line.
                (at, '\n') => {
                    let blanks = inner[at..].len() - inner[at..].trim_start().len();
                    while chars.clone().next().is_some_and(|(next, _)| next < at + blanks) {
                        chars.next();
                    }
                }
                (_, escaped) => text.extend(['\\', escaped]),
            },
            _ => text.push(ch),
        }
    }
    None
}

/// Reads a raw string with any number of `#`.
fn raw(code: &str) -> Option<(String, &str)> {
    let inner = code.strip_prefix('b').unwrap_or(code).strip_prefix('r')?;
    let hashes = inner.len() - inner.trim_start_matches('#').len();
    let inner = inner[hashes..].strip_prefix('"')?;
    let (text, behind) = inner.split_once(&format!("\"{}", "#".repeat(hashes)))?;
    Some((text.to_owned(), behind))
}

/// The code after a character literal, which may itself be a quote. `None` for a lifetime.
fn character(code: &str) -> Option<&str> {
    let inner = code.strip_prefix('\'')?;
    match inner.strip_prefix('\\') {
        Some(escaped) => {
            let end = escaped.char_indices().skip(1).find(|(_, ch)| *ch == '\'')?.0;
            Some(&escaped[end + 1..])
        }
        None => inner[inner.chars().next()?.len_utf8()..].strip_prefix('\''),
    }
}
