//! Environment variables that give a program another time of day.

use std::path::PathBuf;

use super::skip;

/// Variables that make a program believe that it starts at this moment of this zone, such as `2031-02-28
/// 06:00:00`. Only wall clocks are faked: the monotonic clock, which measures durations, runs as usual.
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
        // Without this, each killed process would leave a segment of shared memory behind.
        ("FAKETIME_DISABLE_SHM", set),
    ]
}

/// Debian installs the library in a folder per architecture.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.exists())
}
