//! What is wrong with a job file, shown at its place.
//!
//! All faults are reported at once, each with its line and a caret, as in rustc: a person who fixes a job
//! file should not have to run the program once per mistake. The excerpt is the file's own text, never the
//! value of a `${VARIABLE}` in it. The reader of the file says which parts must be hidden; anything else that
//! looks like a password is hidden as well.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::secret;

/// The number of errors that are shown; a file with more is probably not a job file.
const FINDINGS_MAX: usize = 10;

/// The number of characters around the caret that are shown of a longer line.
const LINE_CHARS_MAX: usize = 120;

/// A job file that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Complaint {
    path: PathBuf,
    findings: Vec<Finding>,
    /// The number of further errors.
    more: usize,
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The message, with what to do about it.
    pub message: String,
    /// Its place; `None` if it is about something absent.
    pub excerpt: Option<Excerpt>,
}

/// A place in a job file, in displayable form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, counted from one.
    pub line: usize,
    /// The column in characters, counted from one.
    pub column: usize,
    /// The line's text, without passwords.
    pub text: String,
    /// The characters of `text` to point at.
    pub caret: Range<usize>,
}

impl Complaint {
    /// A complaint about the file at `path`, whose findings are at these ranges of `source`; the ranges in
    /// `hidden` are not shown.
    pub(crate) fn new(
        path: &Path,
        source: &str,
        mut findings: Vec<(String, Option<Range<usize>>)>,
        hidden: &[Range<usize>],
    ) -> Complaint {
        assert!(!findings.is_empty(), "a complaint without a finding");
        // In the order of the file; findings about something absent come last.
        findings.sort_by_key(|(_, range)| range.as_ref().map_or(usize::MAX, |range| range.start));
        let more = findings.len().saturating_sub(FINDINGS_MAX);
        findings.truncate(FINDINGS_MAX);
        let findings = findings
            .into_iter()
            .map(|(message, range)| Finding {
                message,
                excerpt: range.map(|range| Excerpt::of(source, &range, hidden)),
            })
            .collect();
        Complaint { path: path.to_owned(), findings, more }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The findings, in the order of the file; only the first ones, if there are many.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.findings.len() + self.more;
        if count > 1 {
            write!(f, "{count} things are wrong with {}:\n\n", self.path.display())?;
        }
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            finding.write(f, &self.path)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more"),
        }
    }
}

impl Finding {
    fn write(&self, f: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
        f.write_str(&self.message)?;
        let Some(excerpt) = &self.excerpt else { return write!(f, "\n --> {}", path.display()) };
        let number = excerpt.line.to_string();
        let gutter = " ".repeat(number.len());
        write!(f, "\n{gutter}--> {}:{}:{}", path.display(), excerpt.line, excerpt.column)?;
        write!(f, "\n{gutter} |")?;
        write!(f, "\n{number} | {}", excerpt.text)?;
        let indent = " ".repeat(excerpt.caret.start);
        write!(f, "\n{gutter} | {indent}{}", "^".repeat(excerpt.caret.len().max(1)))
    }
}

impl Excerpt {
    fn of(source: &str, range: &Range<usize>, hidden: &[Range<usize>]) -> Excerpt {
        let start = range.start.min(source.len());
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[line_start..].find('\n').map_or(source.len(), |newline| line_start + newline);
        let text = source[line_start..line_end].trim_end_matches('\r');
        let within = |offset: usize| offset.clamp(line_start, line_start + text.len()) - line_start;
        let line = source[..line_start].matches('\n').count() + 1;
        let column = text[..within(start)].chars().count() + 1;
        let hidden = hidden.iter().map(|range| within(range.start)..within(range.end));
        let secrets =
            secret::apart(hidden.chain(secret::find(text)).filter(|range| !range.is_empty()).collect());
        let (text, caret) = shown(text, within(start)..within(range.end), &secrets);
        Excerpt { line, column, text, caret }
    }
}

/// A line as shown, and the characters of it that `range` became: passwords and terminal control characters
/// are replaced, and a long line is cut around the caret.
fn shown(line: &str, range: Range<usize>, secrets: &[Range<usize>]) -> (String, Range<usize>) {
    let mut cells: Vec<char> = Vec::new();
    let (mut start, mut end) = (None, None);
    for (offset, ch) in line.char_indices() {
        let secret = secrets.iter().find(|secret| secret.contains(&offset));
        if secret.is_none_or(|secret| secret.start == offset) {
            start = start.or((offset >= range.start).then_some(cells.len()));
            end = end.or((offset >= range.end).then_some(cells.len()));
        }
        match (secret, ch) {
            (Some(secret), _) if secret.start == offset => cells.extend(secret::MASK.chars()),
            (Some(_), _) => {}
            (None, '\t') => cells.extend([' '; 4]),
            (None, ch) if ch.is_control() || ch == '\u{feff}' => cells.push('\u{fffd}'),
            (None, ch) => cells.push(ch),
        }
    }
    let caret = start.unwrap_or(cells.len())..end.unwrap_or(cells.len());
    if cells.len() <= LINE_CHARS_MAX {
        return (cells.into_iter().collect(), caret);
    }
    let from = caret.start.saturating_sub(LINE_CHARS_MAX / 2).min(cells.len() - LINE_CHARS_MAX);
    let mut window = cells[from..from + LINE_CHARS_MAX].to_vec();
    if from > 0 {
        window[0] = '…';
    }
    if from + LINE_CHARS_MAX < cells.len() {
        window[LINE_CHARS_MAX - 1] = '…';
    }
    let end = caret.end.min(from + LINE_CHARS_MAX) - from;
    (window.into_iter().collect(), caret.start - from..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complain(source: &str, findings: &[(&str, &str)]) -> String {
        let find = |what: &str| source.find(what).map(|start| start..start + what.len());
        let findings = findings.iter().map(|(message, what)| ((*message).to_owned(), find(what))).collect();
        Complaint::new(Path::new("app.toml"), source, findings, &[]).to_string()
    }

    #[test]
    fn a_finding_shows_its_place() {
        assert_eq!(
            complain("name = 'x'\n[sauce]\n", &[("unknown table", "[sauce]")]),
            "unknown table\n --> app.toml:2:1\n  |\n2 | [sauce]\n  | ^^^^^^^"
        );
    }

    #[test]
    fn several_findings_come_in_the_order_of_the_file() {
        assert_eq!(
            complain("a = 1\nb = 2", &[("second", "2"), ("absent", "none"), ("first", "1")]),
            "3 things are wrong with app.toml:\n\n\
             first\n --> app.toml:1:5\n  |\n1 | a = 1\n  |     ^\n\n\
             second\n --> app.toml:2:5\n  |\n2 | b = 2\n  |     ^\n\n\
             absent\n --> app.toml"
        );
    }

    #[test]
    fn more_than_ten_findings_are_counted_only() {
        let text = complain("a = 1", &[("wrong", "a"); 13]);
        assert!(text.starts_with("13 things are wrong with app.toml:\n\n"));
        assert_eq!(text.matches("wrong\n").count(), 10);
        assert!(text.ends_with("\n\nand 3 more"));
    }

    #[test]
    fn a_password_is_not_shown_and_the_caret_still_fits() {
        let source = "url = \"postgres://ada:pass word@host\" x";
        assert_eq!(
            complain(source, &[("wrong", "x")]),
            "wrong\n --> app.toml:1:39\n  |\n\
             1 | url = \"postgres://ada:***@host\" x\n  |                                 ^"
        );
        assert_eq!(
            complain(source, &[("wrong", "\"postgres://ada:pass word@host\"")]),
            "wrong\n --> app.toml:1:7\n  |\n\
             1 | url = \"postgres://ada:***@host\" x\n  |       ^^^^^^^^^^^^^^^^^^^^^^^^^"
        );
    }

    #[test]
    fn what_is_hidden_is_hidden_on_every_line_of_it() {
        let source = "a = \"\"\"one\ntwo\"\"\" b";
        let complaint = |at: Range<usize>| {
            let (finding, hidden) = (("wrong".to_owned(), Some(at)), 7..14);
            Complaint::new(Path::new("a"), source, vec![finding], std::slice::from_ref(&hidden)).to_string()
        };
        assert!(complaint(4..17).contains("1 | a = \"\"\"***\n"), "{}", complaint(4..17));
        assert!(complaint(18..19).contains("2 | ***\"\"\" b\n  |        ^"), "{}", complaint(18..19));
    }

    #[test]
    fn tabs_and_control_characters_do_not_move_the_caret() {
        assert_eq!(
            complain("\ta\t= \u{1b}[31m'ö'\r\n", &[("wrong", "'ö'")]),
            "wrong\n --> app.toml:1:11\n  |\n1 |     a    = \u{fffd}[31m'ö'\n  |                 ^^^"
        );
    }

    #[test]
    fn a_range_over_several_lines_is_shown_by_its_first() {
        assert_eq!(
            complain("a = [\n1,\n]", &[("wrong", "[\n1,\n]")]),
            "wrong\n --> app.toml:1:5\n  |\n1 | a = [\n  |     ^"
        );
    }

    #[test]
    fn the_end_of_the_file_is_a_place_too() {
        let findings = vec![("unfinished".to_owned(), Some(8..8))];
        let complaint = Complaint::new(Path::new("a"), "x\na = [1\n", findings, &[]);
        assert_eq!(complaint.to_string(), "unfinished\n --> a:2:7\n  |\n2 | a = [1\n  |       ^");
        let excerpt = complaint.findings()[0].excerpt.as_ref().expect("a place");
        assert_eq!((excerpt.line, excerpt.column), (2, 7));
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let source = format!("a = '{}' wrong '{}'", "x".repeat(300), "y".repeat(300));
        let complaint = complain(&source, &[("m", "wrong")]);
        let lines: Vec<&str> = complaint.lines().collect();
        assert_eq!(lines[1], " --> app.toml:1:308");
        assert_eq!(lines[3].chars().count(), 4 + LINE_CHARS_MAX);
        assert!(lines[3].starts_with("1 | …x") && lines[3].ends_with("y…"));
        let caret = lines[4].find('^').expect("a caret");
        assert_eq!(lines[3].chars().skip(caret).take(5).collect::<String>(), "wrong");
        assert_eq!(lines[4].matches('^').count(), 5);
    }
}
