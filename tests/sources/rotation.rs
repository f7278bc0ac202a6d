//! Logs that rotate during their load: no record is loaded twice or lost, and the report is true.

use super::*;
use crate::harness::run::needs_failpoints;

/// The failpoint at which the log rotates, and how often the load has passed it.
const MOMENTS: [(&str, usize); 9] = [
    ("before-claim", 0),
    ("after-claim", 0),
    ("before-open", 0),
    ("after-open", 0),
    ("before-chunk", 2),
    ("before-commit", 0),
    ("before-commit", 1),
    ("after-commit", 0),
    ("between-batches", 1),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rotation {
    /// The file is renamed, and a new one takes its place.
    Renames,
    /// The same, and the writer keeps writing to the old file for a while.
    RenamesAndGrows,
    /// The file is copied and then truncated.
    Copies,
}

/// Rotates the log and returns the number of records there are in the end: those of the old log first, then
/// those of the new one.
fn rotate(logs: &Logs, rotation: Rotation, old: u64) -> u64 {
    match rotation {
        Rotation::Renames => drop(logs.rename("app.log", "app.log.1")),
        Rotation::RenamesAndGrows => {
            logs.append("app.log", log(old + 1..=old + 2)).rename("app.log", "app.log.1");
            logs.append("app.log.1", log(old + 3..=old + 3));
        }
        Rotation::Copies => drop(fs::copy(logs.path("app.log"), logs.path("app.log.1")).unwrap()),
    }
    let old = if rotation == Rotation::RenamesAndGrows { old + 3 } else { old };
    logs.write("app.log", log(old + 1..=old + 5));
    old + 5
}

fn attack(logs: &Logs, rotation: Rotation, (point, passed): (&str, usize), old: u64) {
    let told = format!("{rotation:?} at {point} {passed} of {old}");
    logs.append("app.log", log(old / 2 + 1..=old));
    let rows = || logs.number("select count(*) from t");
    let before = rows();
    let mut command = logs.command("");
    command.env("FAILPOINTS", format!("{point}={passed}*off->1*return(stop)"));
    let child = Piped::start(command).stopped();
    let all = rotate(logs, rotation, old);
    child.signal("CONT");
    let ended = child.wait();
    // The report names what was not loaded.
    let report = ended.result("");
    let says = [&report["sources"]["failed"], &report["error"]]
        .iter()
        .any(|said| said.to_string().contains("app.log"));
    assert_eq!(ended.code(), i32::from(says), "{told}: {ended:?}");
    assert_eq!(ended.count("/counts/inserted"), rows() - before, "{told}: {ended:?}");
    // Whatever happened, the next runs find everything, each record once.
    let more = logs.load();
    assert_eq!(more.code(), 0, "{told}: {ended:?} {more:?}");
    logs.load().exit(0).did(0, 2);
    let every: Vec<String> = (1..=all).map(|n| n.to_string()).collect();
    assert_eq!(logs.query("select n from t order by n"), every, "{told}");
}

fn rotates_at_every_moment(make: impl Fn() -> Logs) {
    needs_failpoints();
    // Below the length from which a file is recognised anywhere, and far above it.
    for old in [12, 100] {
        for rotation in [Rotation::Renames, Rotation::RenamesAndGrows, Rotation::Copies] {
            for moment in MOMENTS {
                let logs = make().pipeline("batch_rows = 2\nchunk_size = 1");
                logs.write("app.log", log(1..=old / 2));
                logs.load().exit(0);
                attack(&logs, rotation, moment, old);
            }
        }
    }
}

#[test]
fn a_log_that_rotates_during_its_load_is_loaded_once() {
    rotates_at_every_moment(Logs::new);
}

#[test]
fn a_log_that_rotates_during_its_load_into_a_server_is_loaded_once() {
    rotates_at_every_moment(|| Logs::new().on_postgres());
}
