//! What a job says of the state, before anybody looks at it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::secret;

/// What a job says of the state.
#[derive(Clone)]
pub struct Chosen {
    /// The text that names the store, with its password; none where nobody has named one.
    pub url: Option<String>,
    /// Where a relative path in it starts.
    pub folder: PathBuf,
    /// A run that gives no sign of life for this long is dead.
    pub lease: Duration,
}

impl Default for Chosen {
    fn default() -> Chosen {
        Chosen { url: None, folder: PathBuf::new(), lease: Duration::from_secs(30) }
    }
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_deref().map(secret::masked);
        f.debug_struct("Chosen").field("url", &url).field("lease", &self.lease).finish_non_exhaustive()
    }
}
