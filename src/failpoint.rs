//! Named points at which a test makes the process die, stop or fail.
//!
//! They lie between the steps whose order the promises depend on. A test names one in the environment,
//! `FAILPOINTS='before-commit=2*off->return(kill)'`, and starts the command as a child. Without the feature
//! `failpoints` they compile to nothing.

/// Passes a point. True if the caller is to fail here as if the connection had been lost.
#[inline]
pub(crate) fn reached(name: &'static str) -> bool {
    let _ = name;
    #[cfg(feature = "failpoints")]
    fail::fail_point!(name, |action| {
        match action.as_deref() {
            Some("kill") => signal(libc::SIGKILL),
            Some("stop") => signal(libc::SIGSTOP),
            Some("panic") => panic!("failpoint {name}"),
            _ => return true,
        }
        false
    });
    false
}

/// How much longer a measured stage is to take, as a fraction of its time. A test sets it in the environment,
/// `LOGMILL_SLOWER='bind=0.1'`.
pub(crate) fn slower(stage: &str) -> f64 {
    let _ = stage;
    #[cfg(feature = "failpoints")]
    if let Some((slow, part)) =
        std::env::var("LOGMILL_SLOWER").ok().as_deref().and_then(|text| text.split_once('='))
        && slow == stage
    {
        return part.parse().expect("a number");
    }
    0.0
}

#[cfg(feature = "failpoints")]
fn signal(signal: i32) {
    signal_hook::low_level::raise(signal).expect("a process may signal itself");
}

/// Reads the points from the environment. Called once, by the command.
pub(crate) fn setup() {
    #[cfg(feature = "failpoints")]
    std::mem::forget(fail::FailScenario::setup());
}
