//! The cost of a piece of work: time, processor time, peak memory.

use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::statistics;
use crate::report::BenchSeries;

/// The cost of one run, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) wall: f64,
    /// User and system time, of all threads together.
    pub(super) cpu: f64,
}

impl Cost {
    /// Runs `work`, and returns its cost.
    pub(super) fn of<T>(who: UsageWho, work: impl FnOnce() -> T) -> (Cost, T) {
        let (began, before) = (Instant::now(), cpu_seconds(who));
        let result = work();
        (Cost { wall: began.elapsed().as_secs_f64(), cpu: cpu_seconds(who) - before }, result)
    }

    /// The cost of one of this many passes.
    pub(super) fn per(self, passes: u64) -> Cost {
        let passes = passes.max(1) as f64;
        Cost { wall: self.wall / passes, cpu: self.cpu / passes }
    }
}

fn cpu_seconds(who: UsageWho) -> f64 {
    let Ok(usage) = getrusage(who) else { return 0.0 };
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

/// The costs of several runs, as one series each.
pub(super) fn series(costs: &[Cost]) -> (BenchSeries, BenchSeries) {
    let of = |figure: fn(&Cost) -> f64| statistics::series(costs.iter().map(figure).collect());
    (of(|cost| cost.wall), of(|cost| cost.cpu))
}

/// Resets the process's peak memory to what is resident now.
pub(super) fn forget_peak() {
    // The kernel's command for it (`man 5 proc`). If it is refused, the peak is that of the whole process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that was resident since then, in MiB.
pub(super) fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024.0)
}
