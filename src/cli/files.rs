//! The files of a command: those of its line, of a list, or of the job.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::args::FileArgs;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::figure;
use crate::source::{Discovered, discover};

/// A longer list is not read: all its names are in memory at once.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// The names that were given, if any were. Those of the line come first.
pub(super) fn given(args: &FileArgs) -> Result<Option<Vec<PathBuf>>> {
    let mut names = args.files.clone();
    if let Some(list) = &args.files_from {
        names.extend(read_list(list, args.null)?);
    } else if names.is_empty() {
        return Ok(None);
    }
    Ok(Some(names))
}

/// Reads names, which can be any bytes but their separator.
fn read_list(path: &Path, is_null: bool) -> Result<Vec<PathBuf>> {
    let failed = |cause| match path.as_os_str() == "-" {
        true => Error::usage(format!("cannot read the names of files from stdin: {cause}")),
        false => Error::file("read the names of files from", path, cause),
    };
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(LIST_BYTES_MAX + 1).read_to_end(&mut bytes),
        false => {
            std::fs::File::open(path).and_then(|file| file.take(LIST_BYTES_MAX + 1).read_to_end(&mut bytes))
        }
    };
    let read = read.map_err(failed)?;
    if read as u64 > LIST_BYTES_MAX {
        return Err(Error::usage(format!(
            "{} has more than 64 MiB, too much for a list of files; divide it, or name its directories; \
             a file to load is named without --files-from",
            path.display()
        )));
    }
    // No name of a file has a NUL in it.
    let is_null = is_null || memchr::memchr(0, &bytes).is_some();
    Ok(names(bytes, is_null))
}

fn names(bytes: Vec<u8>, is_null: bool) -> Vec<PathBuf> {
    let separator = if is_null { 0 } else { b'\n' };
    let names = bytes.split(|&byte| byte == separator).map(|name| match name {
        // A list that was written elsewhere.
        [rest @ .., b'\r'] if !is_null => rest,
        name => name,
    });
    names.filter(|name| !name.is_empty()).map(|name| OsString::from_vec(name.to_vec()).into()).collect()
}

/// The files of a job, or those that were given in their place.
pub(super) fn of(config: &Config) -> Result<Discovered> {
    let patterns = config.patterns()?;
    let found = discover(&patterns, &config.source.selection)?;
    if found.files.is_empty() && !patterns.is_empty() {
        let names: Vec<PathBuf> = patterns.iter().map(|pattern| pattern.base.join(&pattern.text)).collect();
        return Err(nothing_found(&names, &found.passed_over));
    }
    Ok(found)
}

/// Why a link is passed over.
pub(super) const LINK_OF_ANOTHER: &str =
    "a link of another user, which is not followed; name it to load what it leads to";

/// What the summary says of links that were passed over, all at once: there can be many.
pub(super) fn notice_of_links(links: &[PathBuf]) -> Option<(PathBuf, String)> {
    let (first, more) = links.split_first()?;
    let more = match more.len() {
        0 => String::new(),
        more => format!(" ({} like it)", figure::some(more, "more link")),
    };
    Some((first.clone(), format!("{LINK_OF_ANOTHER}{more}")))
}

/// What to say of names that stand for no file at all.
pub(super) fn nothing_found(names: &[PathBuf], passed_over: &[PathBuf]) -> Error {
    if let Some((link, what)) = notice_of_links(passed_over) {
        return Error::usage(format!("no file was found, but {}: {what}", link.display()));
    }
    let shown: Vec<String> = names.iter().map(|name| name.display().to_string()).collect();
    let shown = shown.join(", ");
    Error::usage(match names.iter().all(|name| name.is_dir()) {
        true => format!("there is no file in {shown} (hidden ones are left out)"),
        false => format!("no file matches {shown}"),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn names_are_any_bytes() {
        let lines = |text: &[u8], is_null| -> Vec<Vec<u8>> {
            let names = names(text.to_vec(), is_null).into_iter();
            names.map(|name| name.as_os_str().as_bytes().to_vec()).collect()
        };
        assert_eq!(
            lines(b"a.log\n\n./b c.log\r\n\xff.log", false),
            [&b"a.log"[..], b"./b c.log", b"\xff.log"]
        );
        assert_eq!(lines(b"a\nb\0-\0\0c\r\0", true), [&b"a\nb"[..], b"-", b"c\r"]);
        assert!(lines(b"", false).is_empty());
    }
}
