//! Lines no longer than a terminal is wide: they are folded between words, and continuation lines are aligned
//! with the text that they continue.

/// The text with its lines folded at `width` characters. A longer word is left whole: it is a path or a
/// command, and can be copied this way.
pub fn folded(text: &str, width: usize) -> String {
    each_line(text, width, |line| hanging(line, width))
}

/// The same, with every continuation line indented by `indent`.
pub fn folded_under(text: &str, width: usize, indent: usize) -> String {
    each_line(text, width, |_| indent.min(width / 2))
}

fn each_line(text: &str, width: usize, indent: impl Fn(&str) -> usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        fold(line, width, indent(line), &mut out);
        out.push_str(end);
    }
    out
}

fn fold(line: &str, width: usize, indent: usize, out: &mut String) {
    let (mut rest, mut room) = (line, width);
    // The blanks before the first word are not a place to fold.
    let mut first = line.chars().take_while(|ch| *ch == ' ').count();
    while rest.chars().count() > room {
        let Some((head, tail)) = parted(rest, first, room) else { break };
        // A word that does not fit at that indentation is indented less.
        let word = tail.split(' ').next().map_or(0, |word| word.chars().count());
        let indent = indent.min(width.saturating_sub(word));
        out.push_str(head);
        out.push('\n');
        out.push_str(&" ".repeat(indent));
        (rest, room, first) = (tail, width.saturating_sub(indent), 0);
    }
    out.push_str(rest);
}

/// The words that fit, and the rest. A number stays with its unit.
fn parted(line: &str, first: usize, room: usize) -> Option<(&str, &str)> {
    let blanks = line.char_indices().enumerate().filter(|(at, (_, ch))| *ch == ' ' && *at > first);
    let mut best = None;
    for (at, (index, _)) in blanks {
        let (head, tail) = (line[..index].trim_end(), line[index..].trim_start());
        if tail.is_empty() || head.is_empty() || is_number(head) && is_unit(tail) {
            continue;
        }
        // A word that does not fit is left whole, and the line is folded after it.
        if at > room && best.is_some() {
            break;
        }
        best = Some((head, tail));
        if at > room {
            break;
        }
    }
    best
}

fn is_number(head: &str) -> bool {
    head.ends_with(|ch: char| ch.is_ascii_digit())
}

fn is_unit(tail: &str) -> bool {
    let word = tail.split([' ', ',', ';', ')', '/']).next().unwrap_or_default();
    matches!(word, "%" | "bytes" | "B" | "kB" | "MB" | "GB" | "TB" | "ms" | "s" | "min" | "h")
}

/// The column at which a line continues: that of the text in its last column, if this begins in the first
/// half of the line; otherwise a little further in than the line itself.
fn hanging(line: &str, width: usize) -> usize {
    let indent = line.chars().take_while(|ch| *ch == ' ').count();
    let (mut column, mut blanks) = (indent + 2, 0);
    for (at, ch) in line.chars().enumerate().skip(indent).take_while(|(at, _)| *at <= width / 2) {
        match ch {
            ' ' => blanks += 1,
            _ if blanks >= 2 => (column, blanks) = (at, 0),
            _ => blanks = 0,
        }
    }
    column.min(width / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_between_words_and_hang() {
        for (text, width, expected) in [
            ("short\n", 20, "short\n"),
            ("one two three four\nfive", 10, "one two\n  three\n  four\nfive"),
            ("  key    a promise of several words", 24, "  key    a promise of\n         several words"),
            (
                "    1  logs/a.ndjson  complete, 41 bytes",
                24,
                "    1  logs/a.ndjson\n       complete,\n       41 bytes",
            ),
            // A number stays with its unit, and a path is left whole.
            ("it took 12 ms", 11, "it took\n  12 ms"),
            ("see /a/very/long/path/of/a/file there", 12, "see\n/a/very/long/path/of/a/file\n  there"),
            ("    indented", 4, "    indented"),
            ("ä ö ü ß", 3, "ä ö\n ü\n ß"),
            ("", 10, ""),
        ] {
            assert_eq!(folded(text, width), expected, "{text:?} at {width}");
        }
    }

    #[test]
    fn a_message_goes_on_under_its_first_word() {
        assert_eq!(folded_under("logmill: one two three\n", 16, 9), "logmill: one two\n        three\n");
    }

    #[test]
    fn no_word_is_lost_broken_or_too_far_out() {
        let text =
            "  dead letters  3 open, 2 of them from these files: logmill dead-letters list -j app.toml\n";
        for width in 24..100 {
            let folded = folded(text, width);
            assert_eq!(
                folded.split_whitespace().collect::<Vec<_>>(),
                text.split_whitespace().collect::<Vec<_>>()
            );
            assert!(folded.lines().all(|line| line.chars().count() <= width), "{width}:\n{folded}");
        }
    }
}
