//! Runs one command and measures its wall time, CPU time and peak memory.

use std::io;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The cost of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    /// User and system time together.
    pub(crate) cpu_seconds: f64,
    /// The peak of resident memory.
    pub(crate) peak_mib: f64,
    pub(crate) exit: i32,
}

/// Runs a command to its end. Discards its stdout and passes its stderr on.
pub(crate) fn run(command: &mut Command) -> Cost {
    let began = Instant::now();
    #[expect(clippy::zombie_processes, reason = "wait4 is the wait")]
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("the program is there");
    let pid = libc::pid_t::try_from(child.id()).expect("a pid");
    let mut status = 0;
    // SAFETY: zeros are a valid `rusage`, and both pointers are to local values that live until the call
    // returns. Only this call reaps the child: `child` is dropped without a wait.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        while libc::wait4(pid, &raw mut status, 0, &raw mut usage) < 0 {
            assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::Interrupted);
        }
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Cost {
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        peak_mib: usage.ru_maxrss as f64 / 1024.0,
        exit: match libc::WIFEXITED(status) {
            true => libc::WEXITSTATUS(status),
            false => -libc::WTERMSIG(status),
        },
    }
}

/// The minimum, the median and the maximum of some figures.
pub(crate) fn spread(figures: &[f64]) -> (f64, f64, f64) {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median =
        if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
    (sorted[0], median, sorted[sorted.len() - 1])
}
