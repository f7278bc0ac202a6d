//! The circumstances of a result: the machine, the build.

use std::fs;

use crate::report::{BenchBuild, BenchHost};

/// This machine.
pub(super) fn host() -> BenchHost {
    let line = |path: &str| {
        fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let field = |path: &str, name: &str| {
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = field("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
    let memory: u64 = memory.unwrap_or_default();
    BenchHost {
        cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        // Rounded, so that a few pages of memory do not distinguish machines of the same type.
        memory_gib: (memory as f64 / f64::from(1 << 20)).round() as u64,
        system: format!(
            "{} {}",
            std::env::consts::OS,
            line("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned())
        ),
    }
}

/// This program.
pub(super) fn build() -> BenchBuild {
    let program = std::env::current_exe().ok().and_then(|path| {
        let mut hash = blake3::Hasher::new();
        hash.update_reader(fs::File::open(path).ok()?).ok()?;
        Some(hash.finalize().to_hex()[..16].to_owned())
    });
    let features = [
        ("tls", cfg!(feature = "tls")),
        ("sqlite", cfg!(feature = "sqlite")),
        ("gzip", cfg!(feature = "gzip")),
        ("zstd", cfg!(feature = "zstd")),
        ("bzip2", cfg!(feature = "bzip2")),
        ("xz", cfg!(feature = "xz")),
        ("failpoints", cfg!(feature = "failpoints")),
    ];
    BenchBuild {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        optimised: !cfg!(debug_assertions),
        features: features.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| (*name).to_owned()).collect(),
        program: program.unwrap_or_default(),
    }
}
