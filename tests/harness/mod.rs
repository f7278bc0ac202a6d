//! The test harness: private servers, a misbehaving proxy, certificate authorities, and the program itself.
//!
//! Nothing here uses logmill's code: a harness that shared code with the program would share its bugs. The
//! tests drive servers with the plain driver and with signals.

mod audit;
#[cfg(feature = "tls")]
pub(crate) mod authority;
pub(crate) mod browser;
pub(crate) mod clock;
pub(crate) mod cloud;
pub(crate) mod destination;
mod field;
mod fold;
mod found;
#[cfg(feature = "buckets")]
pub(crate) mod gcs;
pub(crate) mod impostor;
pub(crate) mod load;
pub(crate) mod local;
pub(crate) mod log;
#[cfg(feature = "buckets")]
pub(crate) mod lossy;
pub(crate) mod oracle;
pub(crate) mod pooler;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod reading;
pub(crate) mod redis;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod screen;
pub(crate) mod trials;
pub(crate) mod twin;
#[cfg(feature = "buckets")]
pub(crate) mod web;

use std::process::Command;
use std::time::{Duration, Instant};

/// The program, built with the features of this test run and shielded from this machine's settings.
pub(crate) fn logmill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logmill"));
    without_the_machine(&mut command);
    command
}

/// Removes every variable with which a user configures the program, or what it builds on, on this machine.
/// Each test sets what it needs.
pub(crate) fn without_the_machine(command: &mut Command) {
    without_pg_variables(command);
    without(command, |name| {
        name.starts_with("LOGMILL_") || ["HOME", "FAILPOINTS", "TZ", "NO_COLOR", "COLUMNS"].contains(&name)
    });
}

/// Removes the variables that configure this machine's own PostgreSQL.
pub(crate) fn without_pg_variables(command: &mut Command) {
    without(command, |name| name.starts_with("PG"));
}

fn without(command: &mut Command, is_taken: impl Fn(&str) -> bool) {
    for (name, _) in std::env::vars_os() {
        if is_taken(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
}

/// The payload with which a skipped test unwinds: the reason.
pub(crate) struct Lacking(pub(crate) String);

/// Skips a test because something is not installed or not built. With `LOGMILL_NO_SKIPS=1` this is a
/// failure.
#[track_caller]
pub(crate) fn skip(why: &str) -> ! {
    assert!(std::env::var_os("LOGMILL_NO_SKIPS").is_none_or(|value| value != "1"), "skipped: {why}");
    skip_here(why)
}

/// Skips a test because of what this machine forbids or cannot have, whatever `LOGMILL_NO_SKIPS` says.
pub(crate) fn skip_here(why: &str) -> ! {
    // Not a panic: only the reason is to be reported.
    std::panic::resume_unwind(Box::new(Lacking(why.to_owned())))
}

/// Waits until `condition` holds. The test fails after `PATIENCE`.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Waits until `value` returns `Some`.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut value: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = value() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_is_there() {
        assert!(super::logmill().arg("--version").status().unwrap().success());
    }
}
