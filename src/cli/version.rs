//! What `--version` tells: with what, and from which commit, this program was built.

use std::sync::LazyLock;

/// The number, and on lines of their own the rest. `-V` tells the number alone.
pub(super) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let commit = option_env!("LOGMILL_COMMIT").unwrap_or("not told to this build");
        let features = match env!("LOGMILL_FEATURES") {
            "" => "none",
            features => features,
        };
        format!("{}\ncommit:   {commit}\nfeatures: {features}", env!("CARGO_PKG_VERSION"))
    });
    &VERSION
}
