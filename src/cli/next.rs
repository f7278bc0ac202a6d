//! What to type next: commands of ours, as a shell takes them.

use std::path::Path;

use crate::config::Url;
use crate::error::Error;
use crate::sink::statement::shell_word;

/// An error, and what to type next.
#[derive(Debug, thiserror::Error)]
#[error("{error}; {next}")]
pub(super) struct Advised {
    pub(super) error: Error,
    pub(super) next: String,
}

/// The command of ours that goes on with a job, in the destination that `into` put into the
/// place of the job's.
pub(super) fn next_command(command: &str, job: &Path, into: Option<&Url>) -> String {
    let job = shell_word(&job.to_string_lossy());
    match into {
        Some(url) => format!("logmill {command} -j {job} --into {}", shell_word(&url.without_password())),
        None => format!("logmill {command} -j {job}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed() {
        let into = "host=db user=ada password='pa ss'".parse().expect("a destination");
        assert_eq!(
            next_command("status --all", Path::new("my job.toml"), Some(&into)),
            "logmill status --all -j 'my job.toml' --into 'host=db user=ada'"
        );
        assert_eq!(next_command("load", Path::new("a.toml"), None), "logmill load -j a.toml");
    }
}
