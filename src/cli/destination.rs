//! From a job to its destination.

use std::path::Path;
use std::sync::Arc;

use crate::config::{Config, Url};
use crate::error::Result;
use crate::event::Observer;
use crate::sink::destination::{Address, Settings, Timeouts};
use crate::sink::statement::shell_word;
use crate::sink::{self, Destination};
use crate::source::Hash16;
use crate::stop::Stop;

/// The destination of a job.
pub(super) fn destination(config: &Config, stop: &Stop, observer: Observer) -> Result<Box<dyn Destination>> {
    let (destination, pipeline) = (&config.destination, &config.pipeline);
    let address = Address {
        text: destination.url.reveal().to_owned(),
        shown: destination.url.without_password(),
        folder: destination.folder.clone(),
    };
    let settings = Settings {
        job: config.name.clone(),
        data_date: config.date,
        command: "load".to_owned(),
        table: destination.table.clone(),
        create: destination.create,
        key: destination.key.clone(),
        on_conflict: destination.on_conflict.clone(),
        schema: Arc::new(config.record.schema.clone()),
        rules_hash: Hash16(config.rules_hash()),
        raw_max: config.dead_letters.raw_bytes_max,
        connect_timeout: pipeline.connect_timeout,
        timeouts: Timeouts { statement: pipeline.statement_timeout, lock: pipeline.lock_timeout },
        retry_for: pipeline.retry_for,
        deadline: pipeline.deadline,
        stop: stop.clone(),
        observer,
    };
    sink::of(&address, settings)
}

/// The same, for a command that only looks and waits for nobody.
pub(super) fn looked_at(config: &Config, observer: Observer) -> Result<Box<dyn Destination>> {
    destination(config, &Stop::default(), observer)
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
