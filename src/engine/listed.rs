//! Lists of file names, as written by other programs.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, unnumbered};

/// A longer list is not read: all its names are in memory at once.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// The file names in a list, which can contain any bytes but their separator: a NUL, if `is_null`, or a
/// newline. `-` is the standard input.
pub fn listed(path: &Path, is_null: bool) -> Result<Vec<PathBuf>> {
    let failed = |cause| match path.as_os_str() == "-" {
        true => Error::usage(format!("cannot read the names of files from stdin: {}", unnumbered(&cause))),
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
    // No file name contains a NUL.
    let is_null = is_null || memchr::memchr(0, &bytes).is_some();
    Ok(names(bytes, is_null))
}

fn names(bytes: Vec<u8>, is_null: bool) -> Vec<PathBuf> {
    let separator = if is_null { 0 } else { b'\n' };
    let names = bytes.split(|&byte| byte == separator).map(|name| match name {
        // The list may have been written on another system.
        [rest @ .., b'\r'] if !is_null => rest,
        name => name,
    });
    names.filter(|name| !name.is_empty()).map(|name| OsString::from_vec(name.to_vec()).into()).collect()
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
