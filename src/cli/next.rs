//! What to type next: logmill commands, quoted for a shell.

use std::path::Path;

use crate::config::Url;
use crate::error::Error;
use crate::sink::TableName;
use crate::sink::statement::shell_word;

/// An error, and what to type next.
#[derive(Debug, thiserror::Error)]
#[error("{error}; {next}")]
pub(super) struct Advised {
    pub(super) error: Error,
    pub(super) next: String,
}

/// The logmill command that continues with a job, in the destination and the table that override the job's.
pub(super) fn next_command(
    command: &str,
    job: &Path,
    into: Option<&Url>,
    table: Option<&TableName>,
) -> String {
    format!("logmill {command}{}", flags(job, into, table))
}

/// The commands in an advice, which are for any job, as those for this one.
pub(super) fn with_job(advice: &str, job: &Path, into: Option<&Url>, table: Option<&TableName>) -> String {
    advice.replace(" -j JOB", &flags(job, into, table))
}

fn flags(job: &Path, into: Option<&Url>, table: Option<&TableName>) -> String {
    let mut flags = format!(" -j {}", shell_word(&job.to_string_lossy()));
    if let Some(url) = into {
        flags.push_str(&format!(" --into {}", shell_word(&url.without_password())));
    }
    if let Some(table) = table {
        flags.push_str(&format!(" --table {}", shell_word(&table.to_string())));
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed() {
        let into = "host=db user=ada password='pa ss'".parse().expect("a destination");
        assert_eq!(
            next_command("status --all", Path::new("my job.toml"), Some(&into), None),
            "logmill status --all -j 'my job.toml' --into 'host=db user=ada'"
        );
        let table = "logs.\"a b\"".parse().expect("a table");
        assert_eq!(
            next_command("load", Path::new("a.toml"), None, Some(&table)),
            "logmill load -j a.toml --table 'logs.\"a b\"'"
        );
        assert_eq!(
            with_job("`logmill forget -j JOB a.log` forgets it", Path::new("a.toml"), None, None),
            "`logmill forget -j a.toml a.log` forgets it"
        );
    }
}
