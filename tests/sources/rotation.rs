//! Logs that rotate while they are loaded: nothing is doubled, nothing lost, and the run tells the
//! truth about it.

use super::*;
use crate::harness::run::needs_failpoints;

/// Where the load stands when the log rotates, and how often it has passed there.
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
    /// The file gets another name, and a new one is in its place.
    Renames,
    /// The same, and who writes to it has not noticed yet.
    RenamesAndGrows,
    /// A copy is made, and the file begins anew.
    Copies,
}

/// The records that are there in the end: of the old log first, then of the new one.
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
    // What it has not loaded it names.
    let report = ended.result("");
    let says = [&report["sources"]["failed"], &report["error"]]
        .iter()
        .any(|said| said.to_string().contains("app.log"));
    assert_eq!(ended.code(), i32::from(says), "{told}: {ended:?}");
    assert_eq!(ended.count("/counts/inserted"), rows() - before, "{told}: {ended:?}");
    // Whatever it was, the next runs find everything, each record once.
    let more = logs.load();
    assert_eq!(more.code(), 0, "{told}: {ended:?} {more:?}");
    logs.load().exit(0).did(0, 2);
    let every: Vec<String> = (1..=all).map(|n| n.to_string()).collect();
    assert_eq!(logs.query("select n from t order by n"), every, "{told}");
}

fn rotates_at_every_moment(make: impl Fn() -> Logs) {
    needs_failpoints();
    // Below the length by which a file is known anywhere, and far above.
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
fn a_log_that_rotates_while_it_is_loaded_is_loaded_once() {
    rotates_at_every_moment(Logs::new);
}

#[test]
fn a_log_that_rotates_while_it_is_loaded_into_a_server_is_loaded_once() {
    rotates_at_every_moment(|| Logs::new().on_postgres());
}
