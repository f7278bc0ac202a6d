//! What `--version` tells: with what, and from which commit, this program was built.

use std::sync::LazyLock;

const FEATURES: &[&str] = &[
    #[cfg(feature = "tls")]
    "tls",
    #[cfg(feature = "sqlite")]
    "sqlite",
    #[cfg(feature = "gzip")]
    "gzip",
    #[cfg(feature = "zstd")]
    "zstd",
    #[cfg(feature = "bzip2")]
    "bzip2",
    #[cfg(feature = "xz")]
    "xz",
    #[cfg(feature = "buckets")]
    "buckets",
    #[cfg(feature = "failpoints")]
    "failpoints",
];

/// The number, and on lines of their own the rest. `-V` tells the number alone.
pub(super) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let commit = option_env!("LOGMILL_COMMIT").unwrap_or("not told to this build");
        let features = if FEATURES.is_empty() { "none".to_owned() } else { FEATURES.join(", ") };
        format!("{}\ncommit:   {commit}\nfeatures: {features}", env!("CARGO_PKG_VERSION"))
    });
    &VERSION
}
