//! `[state]`: where a load into a bucket keeps its progress.

use std::path::Path;

use super::reader::Reader;
use super::scope::{Scope, as_text};
use crate::error::secret;
use crate::sink::ledger::stores::{self, Chosen};

/// Where the state is kept, for a destination without transactions to keep it in.
#[derive(Clone, Debug)]
pub struct State {
    /// The job's choice.
    pub chosen: Chosen,
    /// Whether the job file contains a password for it.
    pub has_password: bool,
}

impl State {
    /// A database keeps the state in the transaction that writes the rows, and allows no other place.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        scope: &Scope<'_>,
        folder: &Path,
        keeps_its_own: bool,
    ) -> State {
        let written = scope.value("url").and_then(as_text);
        let has_password = written.is_some_and(|written| secret::removed(written.text) != written.text);
        let url = reader.text(scope, "url");
        if let Some((text, place)) = &url {
            if let Err(why) = stores::check(text) {
                reader.find(why, place);
            } else if keeps_its_own {
                let why = "a database keeps its state in the transaction that writes the rows, which is \
                           safer than any other place; leave out [state], which is for buckets";
                reader.find(why, place);
            }
        }
        let url = url.map(|(text, _)| text);
        let lease = reader.duration(scope, "lease");
        State { chosen: Chosen { url, folder: folder.to_owned(), lease }, has_password }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{config, findings, small_with};

    #[test]
    fn a_database_keeps_its_own_state() {
        let text = small_with("state", "url = \"redis://ada:geheim@h\"");
        let [(why, marked)] = &findings(&text)[..] else { panic!("one finding") };
        assert!(why.contains("leave out [state]"), "{why}");
        assert!(!why.contains("geheim") && marked.starts_with("\"redis"));
        let text = small_with("state", "url = \"state.db\"");
        assert!(findings(&text)[0].0.contains("sqlite:PATH"));
    }

    #[test]
    fn a_lease_is_half_a_minute_unless_it_is_said() {
        assert_eq!(config(&small_with("state", "")).state.chosen.lease.as_secs(), 30);
        assert_eq!(config(&small_with("state", "lease = \"5s\"")).state.chosen.lease.as_secs(), 5);
    }
}
