//! Names: of columns from keys, of jobs from files, of tables from jobs.
//!
//! A good name works in SQL without quotes, on every destination, however the query writes it: `select
//! userId` finds the column `userid` in PostgreSQL, which folds unquoted names, and elsewhere, where case
//! does not matter. So letters become lower case (ASCII letters only, as in both databases) and everything
//! that needs quotes becomes an underscore. Reserved SQL words are kept: `user` in quotes is still better
//! than an unfamiliar name.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::sink::is_reserved;
use crate::sink::key::{EXTRA, RECORD_HASH, SOURCE_ID, SOURCE_OFFSET};
use crate::sink::kinds::is_free;

/// PostgreSQL truncates longer names.
const NAME_BYTES_MAX: usize = 63;

/// Names that no column can have, or that logmill's own columns have, whatever the job's key becomes when
/// someone edits it.
const TAKEN: [&str; 10] =
    [SOURCE_ID, SOURCE_OFFSET, RECORD_HASH, EXTRA, "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// The names of columns assigned so far.
#[derive(Debug)]
pub(super) struct Names(HashSet<String>);

impl Default for Names {
    fn default() -> Names {
        Names(TAKEN.map(str::to_owned).into())
    }
}

impl Names {
    /// A name for the column of `key` that no other column has.
    pub(super) fn column(&mut self, key: &str) -> String {
        let plain = plain(&apart(key), "field");
        let mut name = plain.clone();
        let mut number = 2;
        while !self.0.insert(name.clone()) {
            let suffix = format!("_{number}");
            name = format!("{}{suffix}", cut(&plain, NAME_BYTES_MAX - suffix.len()));
            number += 1;
        }
        name
    }
}

/// The words of a key, in lower case.
pub(super) fn words(key: &str) -> Vec<String> {
    let words = apart(key);
    let words = words.split(|ch: char| !ch.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect()
}

/// A key with its words separated: `sourceIPAddress` becomes `source_IP_Address`.
fn apart(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    let mut out = String::with_capacity(key.len() + 4);
    for (at, &ch) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let is_start = ch.is_uppercase()
            && before.is_some_and(|before| {
                let behind = chars.get(at + 1).is_some_and(|behind| behind.is_lowercase());
                before.is_lowercase() || before.is_ascii_digit() && behind || before.is_uppercase() && behind
            });
        if is_start {
            out.push('_');
        }
        out.push(ch);
    }
    out
}

/// The name of the table for the records of a job. A date in the job's name belongs to one file, and is left
/// out.
pub fn table_name(job: &str) -> String {
    let undated = undated(job);
    let name = plain(if undated.chars().any(char::is_alphabetic) { &undated } else { job }, "records");
    // The table name in a job is in SQL syntax, so quotes are not a way out here.
    if is_reserved(&name) {
        return format!("{name}_log");
    }
    match is_free(&name) {
        true => name,
        false => cut(&format!("log_{name}"), NAME_BYTES_MAX).to_owned(),
    }
}

/// A name without the date in it, and without the separator between the two.
fn undated(name: &str) -> String {
    let Some(date) = date_in(name) else { return name.to_owned() };
    let is_joint = |ch: char| matches!(ch, '-' | '_' | '.' | ' ');
    let (before, behind) = (&name[..date.start], &name[date.end..]);
    match (before.trim_end_matches(is_joint), behind.trim_start_matches(is_joint)) {
        ("", behind) => behind.to_owned(),
        (before, "") => before.to_owned(),
        (before, behind) => format!("{before}-{behind}"),
    }
}

/// The place of a date in a name: `app-2024-10-27`, `app.20241027`.
fn date_in(name: &str) -> Option<Range<usize>> {
    static DATE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:^|[^0-9])((?:19|20)[0-9]{2}(?:-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])))(?:[^0-9]|$)")
            .expect("a pattern of ours")
    });
    DATE.captures(name).and_then(|found| found.get(1)).map(|date| date.range())
}

/// A path with placeholders for its date, and that date: `logs/app-{date}.log`.
pub fn dated(path: &str) -> Option<(String, String)> {
    let start = path.rfind('/').map_or(0, |slash| slash + 1);
    let found = date_in(&path[start..])?;
    let (from, to) = (start + found.start, start + found.end);
    let date = &path[from..to];
    let (placeholder, plain) = match date.split('-').collect::<Vec<_>>().as_slice() {
        [_, _, _] => ("{date}", date.to_owned()),
        _ => ("{yyyy}{mm}{dd}", format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])),
    };
    Some((format!("{}{placeholder}{}", &path[..from], &path[to..]), plain))
}

/// `text` as a name that needs no quotes; `empty` if nothing remains.
fn plain(text: &str, empty: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut is_apart = false;
    for ch in text.chars() {
        if ch.is_alphanumeric() || ch == '_' {
            if is_apart && !name.is_empty() {
                name.push('_');
            }
            is_apart = false;
            name.push(ch.to_ascii_lowercase());
        } else {
            is_apart = true;
        }
    }
    if name.is_empty() {
        name.push_str(empty);
    }
    if name.starts_with(|ch: char| ch.is_numeric()) {
        name.insert(0, '_');
    }
    cut(&name, NAME_BYTES_MAX).to_owned()
}

/// At most this many bytes of a name, and no half characters.
fn cut(name: &str, bytes_max: usize) -> &str {
    let mut end = name.len().min(bytes_max);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// The name of a job over these files: that of the file without its ending; or what the names of several have
/// in common; or their directory; or the first of them. `None` if there is no file.
pub fn job_name(files: &[&Path]) -> Option<String> {
    common_stem(files).map(|name| fitting(&name))
}

/// The name of a job over everything in `directory`.
pub fn job_name_of_directory(directory: &Path) -> Option<String> {
    directory.file_name().map(|name| fitting(&readable(name)))
}

/// A name suitable for a message, and as the beginning of a file name.
fn fitting(name: &str) -> String {
    let name: String = name.chars().map(|ch| if ch.is_control() { '_' } else { ch }).collect();
    if name.len() <= JOB_NAME_BYTES_MAX {
        return name;
    }
    // The part that is cut off may be all that distinguishes two files.
    let hash = xxhash_rust::xxh3::xxh3_64(name.as_bytes());
    let hash = format!("-{hash:016x}");
    format!("{}{hash}", cut(&name, JOB_NAME_BYTES_MAX - hash.len()))
}

/// Linux allows names of 255 bytes, and `.logmill.toml` is appended to this one.
const JOB_NAME_BYTES_MAX: usize = 255 - ".logmill.toml".len();

/// The name of a file as text. Different non-UTF-8 bytes stay distinguishable.
fn readable(name: &OsStr) -> String {
    let mut text = String::new();
    for piece in name.as_bytes().utf8_chunks() {
        text.push_str(piece.valid());
        for byte in piece.invalid() {
            text.push_str(&format!("x{byte:02x}"));
        }
    }
    text
}

fn common_stem(files: &[&Path]) -> Option<String> {
    let (first, others) = files.split_first()?;
    let first_stem = stem(first);
    if others.is_empty() {
        return Some(first_stem);
    }
    let mut common = first_stem.clone();
    for other in others {
        let other = stem(other);
        let same = common.chars().zip(other.chars()).take_while(|(one, other)| one == other);
        common = same.map(|(ch, _)| ch).collect();
    }
    // The remains of a date or a number in which they differ are not a name.
    let is_whole = files.iter().all(|file| stem(file) == common);
    let common = match is_whole {
        true => common.as_str(),
        false => common.trim_end_matches(|ch: char| !ch.is_alphabetic()),
    };
    if common.chars().count() > 1 || is_whole {
        return Some(common.to_owned());
    }
    let parents: HashSet<_> = files.iter().map(|file| file.parent()).collect();
    let directory = first.parent().and_then(Path::file_name).filter(|_| parents.len() == 1);
    Some(directory.map_or(first_stem, readable))
}

/// Whether two files that give a job the same name are the same log, now or before a rotation: `app.log.1.gz`
/// and `app.log` are, `app.ndjson` is another one.
pub fn is_same_log(one: &Path, other: &Path) -> bool {
    let formats = |path: &Path| {
        let name = path.file_name().map_or_else(String::new, readable);
        let (_, endings) = apart_from_endings(&name);
        let formats = endings.into_iter().filter(|ending| !is_among(&ARCHIVES, ending));
        formats.map(str::to_ascii_lowercase).collect::<Vec<_>>()
    };
    formats(one) == formats(other)
}

/// The name of a file without the endings that describe its format, and without the number that a rotation
/// added: `web.ndjson.1.gz` becomes `web`.
fn stem(path: &Path) -> String {
    let name = path.file_name().map_or_else(String::new, readable);
    match apart_from_endings(&name).0 {
        "" => "records".to_owned(),
        stem => stem.to_owned(),
    }
}

/// A name without its endings, and those endings that are not numbers, the last one first.
fn apart_from_endings(name: &str) -> (&str, Vec<&str>) {
    let is_known = |ending: &str| is_among(&FORMATS, ending) || is_among(&ARCHIVES, ending);
    let (mut stem, mut endings) = (name, Vec::new());
    while let Some((rest, ending)) = stem.rsplit_once('.') {
        let is_number = !ending.is_empty() && ending.bytes().all(|byte| byte.is_ascii_digit());
        let is_rotated = is_number && rest.rsplit_once('.').is_some_and(|(_, before)| is_known(before));
        if rest.is_empty() || !(is_known(ending) || is_rotated) {
            break;
        }
        endings.extend(Some(ending).filter(|_| !is_rotated));
        stem = rest;
    }
    (stem, endings)
}

fn is_among(endings: &[&str], ending: &str) -> bool {
    endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Endings that describe a file's format.
const FORMATS: [&str; 8] = ["ndjson", "jsonl", "jsonlines", "json", "csv", "tsv", "log", "txt"];

/// Endings that describe its compression.
const ARCHIVES: [&str; 6] = ["gz", "zst", "zstd", "bz2", "xz", "gzip"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_can_be_named_without_quotes() {
        let mut names = Names::default();
        for (key, expected) in [
            ("level", "level"),
            ("requestId", "request_id"),
            ("sourceIPAddress", "source_ip_address"),
            ("HTTPStatus", "http_status"),
            ("eventID", "event_id"),
            ("EventTime2Live", "event_time2_live"),
            ("md5Sum", "md5_sum"),
            ("ALLCAPS", "allcaps"),
            ("user.id", "user_id"),
            ("@timestamp", "timestamp"),
            ("log-level", "log_level"),
            ("_id", "_id"),
            ("a b", "a_b"),
            ("404", "_404"),
            ("größe", "größe"),
            ("GRÖSSE", "grÖsse"),
            ("", "field"),
            ("!", "field_2"),
            ("a\0\"b", "a_b_2"),
            ("user", "user"),
        ] {
            assert_eq!(names.column(key), expected, "{key:?}");
        }
    }

    #[test]
    fn no_two_columns_have_one_name_and_none_has_ours() {
        let mut names = Names::default();
        let given: Vec<String> =
            ["ID", "id", "Id", "id_2", "source_id", "EXTRA", "xmin"].map(|key| names.column(key)).into();
        assert_eq!(given, ["id", "id_2", "id_3", "id_2_2", "source_id_2", "extra_2", "xmin_2"]);
    }

    #[test]
    fn a_long_key_is_cut_and_still_told_apart() {
        let mut names = Names::default();
        let one = names.column(&"ä".repeat(100));
        let other = names.column(&"ä".repeat(101));
        assert_eq!((one.len(), other.len()), (62, 62));
        assert!(one != other && other.ends_with("_2"));
    }

    #[test]
    fn a_table_is_called_like_its_job() {
        assert_eq!(table_name("app"), "app");
        assert_eq!(table_name("web-2024.10"), "web_2024_10");
        assert_eq!(table_name("2024-10-27"), "_2024_10_27");
        for name in ["app-2024-10-27", "app.20241027", "2024-10-27_app", "20241027-app"] {
            assert_eq!(table_name(name), "app");
        }
        assert_eq!(table_name("app-2024-10-27-web"), "app_web");
        assert_eq!(table_name("app-20241327"), "app_20241327");
        assert_eq!(table_name("order"), "order_log");
        assert_eq!(table_name("…"), "records");
        assert_eq!(table_name("sqlite-master"), "log_sqlite_master");
        assert_eq!(table_name("logmill_sources"), "log_logmill_sources");
        assert_eq!(table_name(&format!("sqlite_{}", "x".repeat(80))).len(), NAME_BYTES_MAX);
    }

    #[test]
    fn a_date_in_a_name_is_a_placeholder() {
        for (path, expected) in [
            ("logs/app-2024-10-27.log", Some(("logs/app-{date}.log", "2024-10-27"))),
            ("20241027.ndjson.gz", Some(("{yyyy}{mm}{dd}.ndjson.gz", "2024-10-27"))),
            ("2024-10-27/app.log", None),
            ("app-1234567890.log", None),
        ] {
            let found = dated(path);
            assert_eq!(found.as_ref().map(|(text, date)| (text.as_str(), date.as_str())), expected);
        }
    }

    #[test]
    fn a_job_is_called_like_its_files() {
        for (files, expected) in [
            (&["app.ndjson"][..], "app"),
            (&["logs/web.ndjson.1.gz"], "web"),
            (&["/var/log/access.log.12"], "access"),
            (&["app-2024-10-27.jsonl"], "app-2024-10-27"),
            (&["v1.2.json"], "v1.2"),
            (&["app.1.ndjson", "app.2.ndjson"], "app"),
            (&[".log"], ".log"),
            (&["app"], "app"),
            (&["app.log", "app.log.1", "app.log.2.gz"], "app"),
            (&["app-2024-10-27.jsonl", "app-2024-10-28.jsonl"], "app"),
            (&["logs/2024-10-27.jsonl", "logs/2024-10-28.jsonl"], "logs"),
            (&["logs/a.jsonl", "logs/b.jsonl"], "logs"),
            (&["a.jsonl", "b.jsonl"], "a"),
            (&["x/a.jsonl", "y/b.jsonl"], "a"),
            (&["day1/app.log", "day2/app.log"], "app"),
        ] {
            let paths: Vec<&Path> = files.iter().map(Path::new).collect();
            assert_eq!(job_name(&paths).as_deref(), Some(expected), "{files:?}");
        }
        assert_eq!(job_name(&[]), None);
    }

    #[test]
    fn a_log_is_the_same_after_a_rotation_and_in_an_archive() {
        let is_same = |one: &str, other: &str| is_same_log(Path::new(one), Path::new(other));
        for other in ["logs/app.log", "app.log.1", "app.log.2.gz", "app.LOG.zst", "app.1.log"] {
            assert!(is_same("app.log", other), "{other}");
        }
        for other in ["app.ndjson", "app", "app.log.json", "app.json.gz"] {
            assert!(!is_same("app.log", other), "{other}");
        }
    }

    #[test]
    fn a_job_over_any_name_of_a_file_has_a_name_of_its_own_that_fits() {
        let name = |bytes: &[u8]| job_name(&[Path::new(OsStr::from_bytes(bytes))]).expect("a file");
        assert_eq!([name(b"a\xff.log"), name(b"a\xfe.log"), name(b"a\n.log")], ["axff", "axfe", "a_"]);
        let long = ["a", "b"].map(|end| name(format!("{}{end}.x", "ä".repeat(126)).as_bytes()));
        assert!(long.iter().all(|name| name.len() <= JOB_NAME_BYTES_MAX), "{long:?}");
        assert_ne!(long[0], long[1]);
    }
}
