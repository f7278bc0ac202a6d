//! Folders of dead letters are not logs: a job that reads the folder to which its own letters are delivered
//! would load them, and deliver more.

use std::ffi::OsStr;
use std::path::Path;

use crate::trust::is_ours;

/// The folder that a delivery creates, with one folder below it for each job, and in that one for each table.
pub const LETTERS: &str = "dead-letters";

/// The file in a table's folder that a writer locks.
pub const LETTERS_LOCK: &str = ".lock";

/// Whether a delivery by logmill has created this folder of a table.
pub(super) fn are_letters(folder: &Path) -> bool {
    let is_lock = |lock: std::fs::Metadata| lock.is_file() && is_ours(&lock);
    folder.join(LETTERS_LOCK).symlink_metadata().is_ok_and(is_lock)
        && folder.canonicalize().is_ok_and(|folder| {
            folder.parent().and_then(Path::parent).and_then(Path::file_name) == Some(OsStr::new(LETTERS))
        })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn letters_are_known_by_their_place_and_their_lock() {
        let top = tempfile::tempdir().expect("a folder");
        for (name, are) in [
            ("out/dead-letters/job/t", true),
            ("out/dead-letters/job/t/below", false),
            ("dead-letters/t", false),
            ("letters/job/t", false),
        ] {
            let folder = top.path().join(name);
            fs::create_dir_all(&folder).expect("made");
            assert!(!are_letters(&folder), "{name} without a lock");
            fs::write(folder.join(LETTERS_LOCK), "").expect("written");
            assert_eq!(are_letters(&folder), are, "{name}");
        }
    }
}
