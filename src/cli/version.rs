//! The output of `--version`: the features and the commit that this program was built from.

use std::sync::LazyLock;

/// The number, followed by the rest on lines of its own. `-V` prints only the number.
pub(super) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let commit = option_env!("LOGMILL_COMMIT").unwrap_or("unknown to this build");
        let features = match env!("LOGMILL_FEATURES") {
            "" => "none",
            features => features,
        };
        format!("{}\ncommit:   {commit}\nfeatures: {features}", env!("CARGO_PKG_VERSION"))
    });
    &VERSION
}
