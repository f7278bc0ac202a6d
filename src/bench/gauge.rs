//! What a piece of work cost: time, time of the processors, memory at its peak.

use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::statistics;
use crate::report::BenchSeries;

/// What one run of something cost, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) wall: f64,
    /// Of user and system, of all threads together.
    pub(super) cpu: f64,
}

impl Cost {
    /// Runs `work`, and says what that cost.
    pub(super) fn of<T>(who: UsageWho, work: impl FnOnce() -> T) -> (Cost, T) {
        let (began, before) = (Instant::now(), cpu_seconds(who));
        let result = work();
        (Cost { wall: began.elapsed().as_secs_f64(), cpu: cpu_seconds(who) - before }, result)
    }

    /// What one of so many passes cost.
    pub(super) fn per(self, passes: u64) -> Cost {
        let passes = passes.max(1) as f64;
        Cost { wall: self.wall / passes, cpu: self.cpu / passes }
    }
}

fn cpu_seconds(who: UsageWho) -> f64 {
    let Ok(usage) = getrusage(who) else { return 0.0 };
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

/// The costs of several runs, as a series each.
pub(super) fn series(costs: &[Cost]) -> (BenchSeries, BenchSeries) {
    let of = |figure: fn(&Cost) -> f64| statistics::series(costs.iter().map(figure).collect());
    (of(|cost| cost.wall), of(|cost| cost.cpu))
}

/// Has the system count the peak of our memory anew, from what is resident now.
pub(super) fn forget_peak() {
    // The word of the kernel for it (`man 5 proc`). Where it is refused, the peak is that of the process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most that was resident since then, in MiB.
pub(super) fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024.0)
}
