//! Another time, for a program that is started with these variables.

use std::path::PathBuf;

use super::skip;

/// What lets a program believe that it begins at this moment, as `2031-02-28 06:00:00` of this zone. Only clocks that
/// tell a time are another: what measures how long something takes goes as ever.
#[track_caller]
pub(crate) fn at(moment: &str, zone: &str) -> Vec<(&'static str, String)> {
    let Some(library) = library() else { skip("libfaketime is not installed") };
    let set = "1".to_owned();
    vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", format!("@{moment}")),
        ("TZ", zone.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", set.clone()),
        ("NO_FAKE_STAT", set.clone()),
        // What it would leave in memory, one thing for each process that is killed.
        ("FAKETIME_DISABLE_SHM", set),
    ]
}

/// Debian has it in a folder for each kind of machine.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.exists())
}
