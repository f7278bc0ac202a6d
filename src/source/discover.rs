//! Names to files: turns what a job or a command line names into an ordered list of files and objects.
//!
//! The order is part of the result (a later record wins over an earlier one with the same key), so it never
//! depends on the file system: patterns in the order given, and within one the natural order of names, in
//! which `app.log.10` comes after `app.log.2`.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs::DirEntry;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::STDIN;
use super::found::{Found, Order, Pattern, Selection, is_in_bucket, is_wild};
use super::letters::are_letters;
use super::listing::list;
use super::reach::Reach;
use super::stranger::{Stranger, not_a_file, stranger};
use crate::error::{Error, Result};
use crate::printable::remembered;
use crate::trust::is_ours;

/// The files that names stand for.
#[derive(Clone, Debug, Default)]
pub struct Discovered {
    /// The files, in order.
    pub files: Vec<Found>,
    /// Links of other users that were met and skipped.
    pub passed_over: Vec<PathBuf>,
    /// Files in folders that are not logs.
    pub strangers: Vec<Stranger>,
    /// Names of a day that match no file, which is not an error: the day has none.
    pub absent: Vec<PathBuf>,
    /// Patterns and folders that match nothing.
    pub unmatched: Vec<PathBuf>,
    /// Files in folders that `include` and `exclude` leave out.
    pub not_selected: usize,
    /// The patterns of `include` that match no file in any folder, if there are files.
    pub idle: Vec<String>,
}

impl Discovered {
    /// Whether nothing at all was found that could be opened.
    pub fn is_none_there(&self) -> bool {
        self.passed_over.is_empty() && !self.files.iter().any(Found::is_there)
    }
}

/// The files that `patterns` name, each once, in order. A plain name is returned whether it exists or not: if
/// it does not, opening the file reports it.
pub fn discover(patterns: &[Pattern], selection: &Selection, reach: &Reach) -> Result<Discovered> {
    let mut found = Discovered::default();
    let (mut seen, mut used, mut has_folders) = (HashSet::new(), HashSet::new(), false);
    for pattern in patterns {
        if pattern.text == Path::new(STDIN) {
            // It is not a file: it has no location, and no other name.
            if seen.insert(Err(STDIN.into())) {
                found.files.push(Found { name: STDIN.to_owned(), ..Found::of_path(Path::new(STDIN)) });
            }
            continue;
        }
        if is_in_bucket(&pattern.text) {
            let mut objects = list(&pattern.text, selection, reach)?;
            in_order(&mut objects, selection.order, |found| &found.path);
            if objects.is_empty() {
                found.unmatched.push(pattern.text.clone());
            }
            objects.retain(|found| seen.insert(Err(found.path.clone())));
            found.files.extend(objects);
            continue;
        }
        let Met { named, mut files, passed_over, strangers, included, not_selected } =
            expand(pattern, selection)?;
        if files.is_empty() && passed_over.is_empty() {
            found.unmatched.push(pattern.base.join(&pattern.text));
        }
        has_folders |= not_selected > 0 || !included.is_empty();
        found.not_selected += not_selected;
        used.extend(included);
        found.passed_over.extend(passed_over);
        found.strangers.extend(strangers);
        in_order(&mut files, selection.order, |path| path);
        for path in files {
            // The same file under two names (a link, another spelling) is one source.
            let identity = std::fs::metadata(&path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
            let is_new = match identity {
                Some(identity) => seen.insert(Ok(identity)),
                None => seen.insert(Err(path.clone())),
            };
            if is_new {
                let name = name_of(&path)?;
                found.files.push(Found { path, name, named: named.clone(), object: None });
            }
        }
    }
    if has_folders {
        let include = selection.include.iter().map(|pattern| pattern.as_str().to_owned());
        found.idle = include.filter(|pattern| !used.contains(pattern)).collect();
    }
    Ok(found)
}

/// Sorts what one pattern has matched.
fn in_order<T>(found: &mut [T], order: Order, path: impl Fn(&T) -> &PathBuf) {
    found.sort_by(|one, other| natural(path(one).as_os_str().as_bytes(), path(other).as_os_str().as_bytes()));
    if order == Order::NameReverse {
        found.reverse();
    }
}

/// What the walk through directories has found.
#[derive(Default)]
struct Met {
    /// The part of the path that was named.
    named: PathBuf,
    files: Vec<PathBuf>,
    passed_over: Vec<PathBuf>,
    strangers: Vec<Stranger>,
    /// The patterns of `include` that matched a file.
    included: HashSet<String>,
    /// Files in folders that `include` and `exclude` leave out.
    not_selected: usize,
}

impl Met {
    /// Whether to continue with what is at `path`. A link of another user could lead to files that only this
    /// user may read, so it is skipped.
    fn follows(&mut self, path: &Path) -> bool {
        let is_ours = match path.symlink_metadata() {
            Ok(metadata) => !metadata.is_symlink() || is_ours(&metadata),
            // Opening it will report what is wrong.
            Err(_) => true,
        };
        if !is_ours {
            self.passed_over.push(path.to_owned());
        }
        is_ours
    }
}

fn expand(pattern: &Pattern, selection: &Selection) -> Result<Met> {
    let path = pattern.base.join(&pattern.text);
    let is_glob = is_wild(pattern.text.as_os_str().as_bytes());
    // If a file exists whose name contains a bracket, that file is meant.
    let (mut met, paths) = match is_glob && !path.exists() {
        true => glob(pattern)?,
        false => (Met { named: path.clone(), ..Met::default() }, vec![path]),
    };
    for path in paths {
        match is_glob && path.as_os_str().is_empty() || path.is_dir() {
            true => walk(&path, selection, &mut met),
            // Another user could make a load wait for ever; who means a pipe names it.
            false => match not_a_file(&path).filter(|_| path != met.named) {
                Some(what) => met.strangers.push(Stranger { path, what }),
                None => met.files.push(path),
            },
        }
    }
    Ok(met)
}

/// What a pattern matches, component by component. (The walk of the crate `glob` silently skips names that
/// are not UTF-8; its patterns do not, if they see such a name with its bad bytes replaced.)
fn glob(pattern: &Pattern) -> Result<(Met, Vec<PathBuf>)> {
    let shown = pattern.text.display();
    let text = pattern.text.to_str().ok_or_else(|| {
        Error::usage(format!("the pattern '{shown}' is not UTF-8; name the files or their directory"))
    })?;
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::default() };
    let start = if text.starts_with('/') { PathBuf::from("/") } else { pattern.base.clone() };
    let mut met = Met { named: start.clone(), ..Met::default() };
    let mut found = vec![start];
    let mut unreadable = Vec::new();
    let mut is_named = true;
    let mut components = text.split('/').filter(|component| !component.is_empty()).peekable();
    while let Some(component) = components.next() {
        let is_last = components.peek().is_none();
        is_named &= !is_wild(component.as_bytes());
        let pattern = glob::Pattern::new(component)
            .map_err(|error| Error::usage(format!("the pattern '{shown}' cannot be read: {error}")))?;
        let mut next = Vec::new();
        for place in found {
            if component == "**" {
                directories(place, &mut next, &mut unreadable);
            } else if !is_wild(component.as_bytes()) {
                next.extend(Some(place.join(component)).filter(|path| path.symlink_metadata().is_ok()));
            } else if place.as_os_str().is_empty() || place.is_dir() {
                let names = entries(&place, &mut unreadable).into_iter().map(|entry| entry.file_name());
                let names = names.filter(|name| pattern.matches_with(&name.to_string_lossy(), options));
                next.extend(names.map(|name| place.join(name)).filter(|path| !are_letters(path)));
            }
        }
        match is_named {
            true => met.named.push(component),
            // The current folder has no name.
            false => next.retain(|path| {
                (is_last || path.as_os_str().is_empty() || path.is_dir()) && met.follows(path)
            }),
        }
        found = next;
    }
    found.extend(unreadable);
    Ok((met, found))
}

/// A directory and all below it, without hidden ones, links and dead letters.
fn directories(top: PathBuf, found: &mut Vec<PathBuf>, unreadable: &mut Vec<PathBuf>) {
    for entry in entries(&top, unreadable) {
        let is_hidden = entry.file_name().as_bytes().starts_with(b".");
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_hidden && is_folder && !are_letters(&entry.path()) {
            directories(entry.path(), found, unreadable);
        }
    }
    found.push(top);
}

/// The entries of a directory. A directory that cannot be read costs only itself: it is treated as a file,
/// and opening it reports the error.
fn entries(directory: &Path, unreadable: &mut Vec<PathBuf>) -> Vec<DirEntry> {
    let place = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let entries = std::fs::read_dir(place).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    entries.unwrap_or_else(|_| {
        unreadable.push(directory.to_owned());
        Vec::new()
    })
}

/// All plain files below `directory`. Leaves out hidden files (`.gitkeep`, `.app.log.swp`), and dead letters
/// that were delivered there.
fn walk(directory: &Path, selection: &Selection, met: &mut Met) {
    for entry in entries(directory, &mut met.files) {
        let (name, path) = (entry.file_name(), entry.path());
        // A folder of logs can also be a destination for objects, whose state is beside them.
        if name.as_bytes().starts_with(b".") || name.as_bytes() == b"_logmill" {
            continue;
        }
        // A file that cannot be examined is opened anyway, which reports the reason.
        let kind = entry.file_type().ok();
        if kind.is_some_and(|kind| kind.is_dir()) {
            if !are_letters(&path) {
                walk(&path, selection, met);
            }
        } else if kind.is_none_or(|kind| kind.is_file() || kind.is_symlink() && path.is_file()) {
            // A link to a directory is not followed: it may lead in a circle.
            met.included.extend(selection.includes(&name).map(|pattern| pattern.as_str().to_owned()));
            if !selection.takes(&name) {
                met.not_selected += 1;
                continue;
            }
            if !met.follows(&path) {
                continue;
            }
            // A file that a pattern asks for is intended.
            match stranger(&path).filter(|_| selection.include.is_empty()) {
                Some(what) => met.strangers.push(Stranger { path, what }),
                None => met.files.push(path),
            }
        }
    }
}

/// The absolute path as text. Links are not resolved: the name is for people.
fn name_of(path: &Path) -> Result<String> {
    let absolute =
        std::path::absolute(path).map_err(|cause| Error::file("find the absolute path of", path, cause))?;
    Ok(remembered(&absolute))
}

/// Compares names so that runs of digits count by their value. Equal only if the names are.
fn natural(one: &[u8], other: &[u8]) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        let (Some(&a), Some(&b)) = (left.first(), right.first()) else {
            // Numbers that are only written differently (`1`, `01`) are distinguished at the end.
            return left.len().cmp(&right.len()).then_with(|| one.cmp(other));
        };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (first, left_rest) = split_number(left);
            let (second, right_rest) = split_number(right);
            match first.len().cmp(&second.len()).then_with(|| first.cmp(second)) {
                Ordering::Equal => (left, right) = (left_rest, right_rest),
                unequal => return unequal,
            }
        } else if a == b {
            (left, right) = (&left[1..], &right[1..]);
        } else {
            return a.cmp(&b);
        }
    }
}

/// The number at the start, without leading zeros, and what follows it.
fn split_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let zeros = number.iter().position(|&byte| byte != b'0').unwrap_or(number.len());
    (&number[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn sorted(names: &[&str]) -> Vec<String> {
        let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
        names.sort_by(|one, other| natural(one.as_bytes(), other.as_bytes()));
        names
    }

    #[test]
    fn numbers_in_names_count_by_value() {
        assert_eq!(
            sorted(&["a.10", "a.9", "a.1", "a", "a.010", "b.2"]),
            ["a", "a.1", "a.9", "a.010", "a.10", "b.2"]
        );
        assert_eq!(sorted(&["2024-1-10", "2024-1-9", "2024-01-09"]), ["2024-01-09", "2024-1-9", "2024-1-10"]);
        assert_eq!(
            sorted(&["99999999999999999999999", "100000000000000000000000"])[0],
            "99999999999999999999999"
        );
    }

    fn names_below(folder: &Path, patterns: &[&str], order: Order) -> Vec<String> {
        let patterns: Vec<Pattern> =
            patterns.iter().map(|text| Pattern { text: text.into(), base: folder.to_owned() }).collect();
        let found = discover(&patterns, &Selection { order, ..Selection::default() }, &Reach::default())
            .expect("readable");
        let files = found.files.iter();
        files.map(|file| file.path.strip_prefix(folder).expect("below").display().to_string()).collect()
    }

    #[test]
    fn files_come_by_pattern_and_then_by_name_each_once() {
        let folder = tempfile::tempdir().expect("a directory");
        let folder = folder.path();
        std::fs::create_dir_all(folder.join("sub/deep")).expect("created");
        for name in ["log.2", "log.10", "log.1", "sub/x", "sub/deep/y", "sub/.hidden", "odd[1]"] {
            std::fs::write(folder.join(name), name).expect("written");
        }
        std::fs::hard_link(folder.join("log.1"), folder.join("again")).expect("linked");
        std::os::unix::fs::symlink(folder.join("sub"), folder.join("sub/deep/circle")).expect("linked");

        assert_eq!(names_below(folder, &["log.*"], Order::Name), ["log.1", "log.2", "log.10"]);
        assert_eq!(names_below(folder, &["log.*"], Order::NameReverse), ["log.10", "log.2", "log.1"]);
        assert_eq!(
            names_below(folder, &["log.2", "log.*", "again"], Order::Name),
            ["log.2", "log.1", "log.10"]
        );
        assert_eq!(names_below(folder, &["sub"], Order::Name), ["sub/deep/y", "sub/x"]);
        assert_eq!(names_below(folder, &["**/*[xy]"], Order::Name), ["sub/deep/y", "sub/x"]);
        assert_eq!(names_below(folder, &["sub/**"], Order::Name), ["sub/deep/y", "sub/x"]);
        assert_eq!(names_below(folder, &["s*/../log.?"], Order::Name), ["sub/../log.1", "sub/../log.2"]);
        let globs = |text: &str| vec![glob::Pattern::new(text).expect("a pattern")];
        let selection = Selection { include: globs("log.*"), exclude: globs("*.1"), ..Selection::default() };
        let found =
            discover(&[Pattern { text: ".".into(), base: folder.to_owned() }], &selection, &Reach::default())
                .expect("readable");
        let names: Vec<_> = found.files.iter().map(|file| file.path.file_name().expect("a name")).collect();
        assert_eq!(names, ["log.2", "log.10"]);
        assert_eq!((found.not_selected, found.idle.len(), found.unmatched.len()), (5, 0, 0));
        assert_eq!(names_below(folder, &["odd[1]", "missing"], Order::Name), ["odd[1]", "missing"]);
        assert_eq!(names_below(folder, &["none*"], Order::Name), [""; 0]);
    }

    #[test]
    fn dead_letters_are_no_logs_unless_they_are_named() {
        let folder = tempfile::tempdir().expect("a directory");
        let folder = folder.path();
        let letters = "out/dead-letters/job/t";
        std::fs::create_dir_all(folder.join(letters)).expect("created");
        for name in ["a.log", "out/b.log", "out/dead-letters/c.log"] {
            std::fs::write(folder.join(name), name).expect("written");
        }
        for name in [".lock", "1-0.ndjson"] {
            std::fs::write(folder.join(letters).join(name), name).expect("written");
        }
        let all = ["a.log", "out/b.log", "out/dead-letters/c.log"];
        assert_eq!(names_below(folder, &["."], Order::Name), all);
        assert_eq!(names_below(folder, &["**/*"], Order::Name), all);
        assert_eq!(names_below(folder, &["out"], Order::Name), all[1..]);
        assert_eq!(names_below(folder, &["*/*/*/*/*"], Order::Name), [""; 0]);
        assert_eq!(names_below(folder, &["out/dead-letters/*"], Order::Name), all[2..]);
        let letter = [format!("{letters}/1-0.ndjson")];
        for named in [letters.to_owned(), format!("{letters}/*"), letter[0].clone()] {
            assert_eq!(names_below(folder, &[&named], Order::Name), letter, "{named}");
        }
    }

    #[test]
    fn links_of_others_are_passed_over_where_they_are_met() {
        use std::os::unix::fs::{lchown, symlink};
        let folder = tempfile::tempdir().expect("a directory");
        let base = folder.path();
        std::fs::create_dir_all(base.join("logs/sub")).expect("created");
        for name in ["secret", "logs/a.log", "logs/sub/b.log"] {
            std::fs::write(base.join(name), name).expect("written");
        }
        symlink("../secret", base.join("logs/ours.log")).expect("linked");
        for (target, name) in [("../secret", "theirs.log"), ("sub", "dir"), ("/nowhere", "broken.log")] {
            symlink(target, base.join("logs").join(name)).expect("linked");
            // Only root can change the owner of links.
            if lchown(base.join("logs").join(name), Some(12_345), None).is_err() {
                return;
            }
        }
        let discover = |text: &str| {
            let pattern = Pattern { text: text.into(), base: base.to_owned() };
            let Discovered { files, passed_over, .. } =
                discover(&[pattern], &Selection::default(), &Reach::default()).expect("readable");
            let name = |path: &PathBuf| path.strip_prefix(base).expect("below").display().to_string();
            let files = files.iter().map(|file| name(&file.path)).collect::<Vec<_>>().join(" ");
            (files, passed_over.iter().map(name).collect::<Vec<_>>().join(" "))
        };
        let pair = |files: &str, passed_over: &str| (files.to_owned(), passed_over.to_owned());
        assert_eq!(discover("logs"), pair("logs/a.log logs/ours.log logs/sub/b.log", "logs/theirs.log"));
        assert_eq!(discover("logs/t*.log"), pair("", "logs/theirs.log"));
        assert_eq!(discover("logs/*/b.log"), pair("logs/sub/b.log", "logs/dir"));
        assert_eq!(discover("*/theirs.log"), pair("", "logs/theirs.log"));
        // A named file is intended.
        assert_eq!(discover("logs/theirs.log"), pair("logs/theirs.log", ""));
        assert_eq!(discover("logs/dir/*"), pair("logs/dir/b.log", ""));
        assert_eq!(discover("logs/dir"), pair("logs/dir/b.log", ""));
    }

    #[test]
    fn a_pipe_is_passed_over_unless_it_is_named() {
        let folder = tempfile::tempdir().expect("a directory");
        let folder = folder.path();
        std::fs::write(folder.join("a.log"), "x").expect("written");
        nix::unistd::mkfifo(&folder.join("p.log"), nix::sys::stat::Mode::S_IRWXU).expect("made");
        let socket = std::os::unix::net::UnixListener::bind(folder.join("s.log")).expect("made");
        let discover = |text: &str| {
            let pattern = Pattern { text: text.into(), base: folder.to_owned() };
            discover(&[pattern], &Selection::default(), &Reach::default()).expect("readable")
        };
        for text in ["*.log", "."] {
            assert_eq!(discover(text).files.len(), 1, "{text}");
        }
        let mut whats: Vec<_> = discover("?.log").strangers.iter().map(|stranger| stranger.what).collect();
        whats.sort_unstable();
        assert_eq!(whats, ["a pipe", "a socket"]);
        assert!(discover("p.log").files[0].is_stream());
        // Whatever it was when it was found, only a named one is waited for.
        let mut met = discover("a.log").files.remove(0);
        (met.path, met.named) = (folder.join("p.log"), folder.to_owned());
        let refused = crate::source::Source::open_found(&met, &crate::stop::Stop::default());
        assert!(refused.expect_err("a pipe").to_string().contains("neither a file nor a stream"));
        drop(socket);
    }

    #[test]
    fn a_glob_finds_names_that_are_no_text() {
        let folder = tempfile::tempdir().expect("a directory");
        let base = folder.path().join(OsStr::from_bytes(b"here \xfe"));
        let name = OsStr::from_bytes(b"log.\xff\n1");
        std::fs::create_dir_all(base.join("sub")).expect("created");
        for path in [base.join(name), base.join("sub").join(name)] {
            std::fs::write(path, "x").expect("written");
        }
        for (text, count) in [("log.*", 1), ("*/log.??1", 1), ("**/*", 2), ("**/log.[a-z]*", 0)] {
            let pattern = Pattern { text: text.into(), base: base.clone() };
            let found =
                discover(&[pattern], &Selection::default(), &Reach::default()).expect("readable").files;
            assert_eq!(found.len(), count, "{text}");
            assert!(found.iter().all(|file| file.name.ends_with("/log.\\xff\n1")), "{found:?}");
        }
    }
}
