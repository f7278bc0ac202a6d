//! Tables of text: whether lines are delimited values, and whether the first line names the columns.
//!
//! Prose has commas too, and anything can be the name of a column: nothing, a number, a name that occurs
//! twice. So the lines below decide first. A word above values that are not words is a name, and a word that
//! occurs again below is a value. The look of the first line counts only where words are above words.

use std::collections::HashSet;
use std::net::IpAddr;

/// How many lines are examined.
const LINES_MAX: usize = 200;

/// A longer word is not a name.
const NAME_CHARS_MAX: usize = 64;

/// Delimited values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// The number of values per line.
    pub width: usize,
    /// Whether the first line names them.
    pub has_header: bool,
}

/// The table that lines with this delimiter form, if they do.
pub(super) fn table(start: &[u8], delimiter: char) -> Option<Table> {
    let (first_row, rows) = rows(start, delimiter)?;
    if first_row[0].starts_with(['{', '[']) {
        // JSON has commas too, and the same number in each line.
        return None;
    }
    let width = first_row.len();
    let rows = of_width(rows, width);
    let columns = columns(&first_row, &rows);
    let has_header = is_header(&columns, &rows);
    let width_min = if has_header { 2 } else { 3 };
    let is_table = width >= width_min && !is_prose(&first_row, &rows, &columns, delimiter);
    is_table.then_some(Table { width, has_header })
}

/// Whether the first line of a further file names the columns, judged also by the rows of the first file.
/// `None` if it equals that file's first line, or if there is none.
pub(super) fn names_columns(start: &[u8], of: &[u8], has_header: bool, delimiter: char) -> Option<bool> {
    let (first, below) = rows(start, delimiter)?;
    let (first_of, below_of) = rows(of, delimiter)?;
    if first == first_of {
        return None;
    }
    let is_named = |value: &&str| first_of.iter().any(|name| name.trim().eq_ignore_ascii_case(value.trim()));
    let are_others = has_header && first.len() == first_of.len() && !first.iter().any(is_named);
    let record_of = (!has_header).then_some(first_of);
    let below = of_width(below, first.len());
    // It has as many values as there are names, and none of these names: being words is not enough then.
    let is_told = |columns: &[Column<'_>]| {
        columns.iter().all(|column| column.shape != Shape::Integer)
            && columns.iter().any(|column| column.shape == Shape::Word && column.is_typed)
    };
    let is_told_below = is_told(&columns(&first, &below));
    let all = below.into_iter().chain(record_of).chain(below_of).collect();
    let all = of_width(all, first.len());
    let columns = columns(&first, &all);
    Some(is_header(&columns, &all) && (!are_others || is_told_below || is_told(&columns)))
}

/// The values of the first line, and of the lines below that do not repeat it.
fn rows(start: &[u8], delimiter: char) -> Option<(Vec<&str>, Vec<Vec<&str>>)> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let lines = start.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut lines = lines.filter(|line| !line.is_empty()).map(std::str::from_utf8);
    let first = lines.next()?.ok()?;
    let rows = lines.take(LINES_MAX).filter_map(|line| line.ok().filter(|line| *line != first));
    Some((values(first, delimiter), rows.map(|line| values(line, delimiter)).collect()))
}

fn of_width(rows: Vec<Vec<&str>>, width: usize) -> Vec<Vec<&str>> {
    rows.into_iter().filter(|row| row.len() == width).collect()
}

fn columns<'l>(first: &[&'l str], rows: &[Vec<&'l str>]) -> Vec<Column<'l>> {
    (0..first.len()).map(|place| Column::new(first[place], rows, place)).collect()
}

/// The values of a line, without their quotes. Anything before the first letter of a value is kept.
pub(super) fn values(line: &str, delimiter: char) -> Vec<&str> {
    let mut is_quoted = false;
    let is_end = |ch: char| {
        is_quoted ^= ch == '"';
        ch == delimiter && !is_quoted
    };
    line.split(is_end).map(|value| value.trim_end().trim_matches('"')).collect()
}

/// What a value is, with regard to names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Nothing,
    Word,
    Integer,
    /// A number, a timestamp, an address: not a name.
    Typed,
}

/// Texts that mean that there is no value.
const NOTHINGS: [&str; 9] = ["", "-", "NA", "N/A", "NaN", "null", "NULL", "None", "\\N"];

fn shape(value: &str) -> Shape {
    let value = value.trim();
    if NOTHINGS.contains(&value) {
        return Shape::Nothing;
    }
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Shape::Integer;
    }
    let unsigned = value.trim_start_matches(['+', '-', '.', '$', '€', '£']);
    let is_of_figures = |ch: char| ch.is_ascii_digit() || "+-.,:/%eETZ €".contains(ch);
    let is_figures =
        unsigned.starts_with(|ch: char| ch.is_ascii_digit()) && unsigned.chars().all(is_of_figures);
    let is_uuid = value.len() == 36
        && value.char_indices().all(|(at, ch)| match at {
            8 | 13 | 18 | 23 => ch == '-',
            _ => ch.is_ascii_hexdigit(),
        });
    let is_flag = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
    match is_figures || is_uuid || is_flag || value.parse::<IpAddr>().is_ok() {
        true => Shape::Typed,
        false => Shape::Word,
    }
}

/// What people write for a missing number or timestamp. In a column of words these count as words.
fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    let words =
        ["n/a", "na", "nan", "null", "nil", "none", "unknown", "undefined", "missing", "tbd", "?", "--"];
    words.iter().any(|word| value.eq_ignore_ascii_case(word))
        || value.starts_with(['(', '<']) && value.ends_with([')', '>'])
}

/// A value of the first line, and the values below it.
struct Column<'l> {
    first: &'l str,
    shape: Shape,
    /// Almost none of the values below is a word, apart from those that mean a missing value.
    is_typed: bool,
    /// The first value occurs again.
    recurs: bool,
    /// There is always a value below, or never.
    is_even: bool,
}

impl<'l> Column<'l> {
    fn new(first: &'l str, rows: &[Vec<&'l str>], place: usize) -> Column<'l> {
        let first = first.trim();
        let shapes: Vec<Shape> = rows.iter().map(|row| shape(row[place])).collect();
        let count = |is: fn(&Shape) -> bool| shapes.iter().filter(|shape| is(shape)).count();
        let nothings = count(|shape| *shape == Shape::Nothing);
        let typed = count(|shape| matches!(shape, Shape::Integer | Shape::Typed));
        let is_missing =
            |(row, shape): &(&Vec<&str>, &Shape)| **shape == Shape::Word && is_placeholder(row[place]);
        let missing = rows.iter().zip(&shapes).filter(is_missing).count();
        Column {
            first,
            shape: shape(first),
            is_typed: typed > 0 && 10 * typed >= 9 * (shapes.len() - nothings - missing),
            recurs: rows.iter().any(|row| row[place].trim() == first),
            is_even: nothings == 0 || nothings == shapes.len(),
        }
    }
}

fn is_header(columns: &[Column<'_>], rows: &[Vec<&str>]) -> bool {
    let of = |shape: Shape| columns.iter().filter(move |column| column.shape == shape);
    if of(Shape::Typed).next().is_some() {
        return false;
    }
    let is_told =
        of(Shape::Word).any(|column| column.is_typed && column.first.chars().count() <= 2 * NAME_CHARS_MAX);
    let numbers: Vec<usize> =
        (0..columns.len()).filter(|&place| columns[place].shape == Shape::Integer).collect();
    if numbers.is_empty() {
        return is_told
            || of(Shape::Word).next().is_some()
                && of(Shape::Word)
                    .all(|column| is_name(column.first) && (rows.is_empty() || !column.recurs))
                && of(Shape::Nothing).all(|column| column.is_even && !rows.is_empty());
    }
    // Years, and the numbers that libraries give to unnamed columns, are consecutive.
    let is_counted = |row: &[&str]| {
        let numbers: Vec<u64> = numbers.iter().filter_map(|&place| row[place].trim().parse().ok()).collect();
        numbers.len() > 1 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
    };
    let first: Vec<&str> = columns.iter().map(|column| column.first).collect();
    let texts: HashSet<&str> = numbers.iter().map(|&place| columns[place].first).collect();
    let are_apart = texts.len() == numbers.len() && numbers.iter().all(|&place| !columns[place].recurs);
    let are_numbers_of_names = columns[numbers[0]].first == "0" || of(Shape::Word).next().is_some();
    let is_row_of_names = is_counted(&first)
        && are_numbers_of_names
        && 2 * rows.iter().filter(|row| is_counted(row)).count() < rows.len()
        && of(Shape::Word).all(|column| is_name(column.first) && !column.recurs);
    are_apart && (is_told || is_row_of_names)
}

/// Whether a text is a plausible name for a column.
fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|ch: char| ch.is_alphabetic() || "_@#$".contains(ch));
    let within = text.strip_suffix([':', '?', '!']).unwrap_or(text);
    let is_sentence = within.contains(": ") || within.contains("://") || within.contains(['!', '?']);
    begins
        && text.chars().any(char::is_alphabetic)
        && text.chars().count() <= NAME_CHARS_MAX
        && !is_sentence
        && !text.contains(['=', '[', '{', '"', ';', ','])
}

/// Whether lines are sentences instead: only words, with a blank after each apparent delimiter, and several
/// words on either side of it, or with the form of a sentence.
fn is_prose(first: &[&str], rows: &[Vec<&str>], columns: &[Column<'_>], delimiter: char) -> bool {
    if !matches!(delimiter, ',' | ';') || columns.iter().any(|column| column.is_typed) {
        return false;
    }
    let lines = || [first].into_iter().chain(rows.iter().map(Vec::as_slice));
    let behind = lines().flat_map(|line| &line[1..]).filter(|value| value.starts_with(' ')).count();
    let values = lines().map(<[&str]>::len).sum::<usize>();
    let words: usize = lines().flatten().map(|value| value.split_whitespace().count()).sum();
    let sentences = lines().filter(|line| is_sentence(line)).count();
    let are_sentences = rows.is_empty() || words >= 2 * values || 2 * sentences > rows.len() + 1;
    2 * behind >= values - (rows.len() + 1) && are_sentences
}

/// Whether a line begins like a sentence and continues like one, or ends like one: `Hello, world`, but not
/// `Ada, Paris`.
fn is_sentence(line: &[&str]) -> bool {
    let begins = |value: &&str, is_so: fn(char) -> bool| value.trim_start().starts_with(is_so);
    let (Some((first, behind)), Some(last)) = (line.split_first(), line.last()) else { return false };
    begins(first, char::is_uppercase) && behind.iter().all(|value| begins(value, char::is_lowercase))
        || last.ends_with(['.', '!', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the first line is a header; `None` if this is not a table.
    fn header(text: &str) -> Option<bool> {
        table(text.as_bytes(), ',').map(|table| table.has_header)
    }

    #[test]
    fn names_are_known_by_what_stands_below() {
        for text in [
            "id,name\n1,ada\n2,bob\n",
            "name,city\nada,paris\nbob,rome\n",
            // An index without a name, a name that occurs twice, and numbers as names.
            ",name\n0,ada\n1,bob\n",
            ",name,city\na1,ada,paris\na2,bob,rome\n",
            "id,name,\n1,ada,\n2,bob,\n",
            "value,value,name\n1,2,ada\n3,4,bob\n",
            "name,name\nada,lovelace\nbob,smith\n",
            "country,2019,2020\nFrance,10,20\nItaly,30,31\nSpain,4,8\n",
            "id,2019\n7,5\n8,7\n",
            "0,1,2\n0.5,x,7\n0.25,y,9\n",
            // Punctuation.
            "time:,ok?,what!\n1,true,2\n2,false,3\n",
            "xml:lang,said:\nen,yes\nde,no\n",
            "Is it: done?,n\nyes,1\nno,2\n",
            // A header that occurs again, as in concatenated files.
            "a,b\nx,y\na,b\nz,w\n",
            "a,b\n",
        ] {
            assert_eq!(header(text), Some(true), "{text}");
        }
    }

    #[test]
    fn a_row_is_no_header() {
        for text in [
            "1,2,3\n4,5,7\n",
            "1,2,3\n4,5,6\n",
            "7,unknown,x\n8,some,y\n",
            "ada,5,paris\nbob,7,rome\n",
            "2023-10-27,start,1\n2023-10-28,stop,2\n",
            "192.0.2.1,get,1\n192.0.2.2,put,2\n",
            "fe80::1,get,x\nfe80::2,put,y\n",
            "INFO,started,web\nINFO,stopped,web\nWARN,gone,db\n",
            "a.b,https://example.org/,x\nc.d,https://example.org/y,z\n",
            "ada,,paris\nbob,smith,rome\ncid,,oslo\n",
        ] {
            assert_eq!(header(text), Some(false), "{text}");
        }
    }

    #[test]
    fn further_files_begin_as_the_first_does() {
        let names =
            |text: &str, of: &str, has_header| names_columns(text.as_bytes(), of.as_bytes(), has_header, ',');
        for (text, of) in [
            ("4,d,true\n5,e,true\n", "id,name,ok\n1,a,true\n"),
            // Two columns, one line, and words under words.
            ("4,d\n5,e\n", "id,name\n1,a\n"),
            ("4,d\n", "id,name\n1,a\n"),
            ("bob,rome\ncid,oslo\n", "name,city\nada,paris\n"),
            ("7,missing\n8,5.0\n", "id,score\n1,2.5\n2,0.5\n"),
        ] {
            assert_eq!(names(text, of, true), Some(false), "{text}");
        }
        for text in ["id,name\n4,d\n", "id,name\n", "\n"] {
            assert_eq!(names(text, "id,name\n1,a\n", true), None, "{text}");
        }
        // Other names: in another order, more of them, and for other things.
        for text in ["name,id\nd,4\n", "id,name,ok\n4,d,true\n", "Id,Name\n", "user,total\nx,1.5\ny,2\n"] {
            assert_eq!(names(text, "id,name\n1,a\n", true), Some(true), "{text}");
        }
        let of = "INFO,started,web\nINFO,stopped,web\nWARN,gone,db\n";
        assert_eq!(names("WARN,up,db\nINFO,down,mail\n", of, false), Some(false));
        assert_eq!(names("id,name,ok\n1,a,true\n", "4,d,true\n5,e,true\n", false), Some(true));
        assert_eq!(names("id,name,ok\n", "4,d,true\n5,e,true\n", false), Some(true));
        assert_eq!(names("6,f,true\n", "4,d,true\n5,e,true\n", false), Some(false));
    }

    #[test]
    fn words_for_nothing_make_no_column_of_words() {
        for text in [
            "Is it: done?,n\nyes,n/a\nno,2\nwell,unknown\n",
            "Is it: done?,when\nyes,-\nno,2024-01-01\nwell,Unknown\nno,(none)\n",
            "x,count\nx,n/a\ny,5\nz,unknown\n",
            "what was said, how often\nit is up, n/a\nit is down, 7\nit is gone, unknown\n",
            "What was said, how often\nIt is up, n/a\nIt is down, 7\nIt is gone, unknown\n",
        ] {
            assert_eq!(header(text), Some(true), "{text}");
        }
        // Words alone are words.
        assert_eq!(header("it is up, n/a\nit is down, unknown\nit is so, missing\n"), None);
        assert_eq!(header("up,unknown,x\ndown,missing,y\nup,n/a,z\n"), Some(false));
    }

    #[test]
    fn prose_is_no_table() {
        let prose = [
            "He went home, then he slept.\nIt was late, and it rained.\nShe came back, as she had said.\n",
            "cannot open the file, trying again\nno answer from db, giving up\n",
            "Dear all, as you know, it is so\nMy friends, here we are, at last\n",
            "Hello, world\n",
            "Hello, world\nGoodbye, moon\nStarting, again\n",
            "hello, world!\nbye, moon!\n",
            "done, thanks\ndone, thanks\n",
        ];
        for text in prose {
            assert_eq!(header(text), None, "{text}");
            assert_eq!(table(text.replace(',', ";").as_bytes(), ';'), None, "{text}");
        }
        // With a column of numbers, or with single-word names, it is a table that contains blanks.
        assert_eq!(header("what was said, how often\nit is up, 5\nit is down, 7\n"), Some(true));
        assert_eq!(header("name, city\nada, paris\nbob, new york\n"), Some(true));
        assert_eq!(header("Name, City\nAda, Paris\nBob, New York\n"), Some(true));
        assert_eq!(header("{\"a\": 1, \"b\": 2}\n"), None);
    }
}
