//! From a job to its destination: the one place where the kind of destination is matched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Config, Url};
use crate::error::{Error, Result};
use crate::event::Observer;
use crate::infer::is_reserved;
use crate::sink::Claims;
use crate::sink::forecast::Forecast;
use crate::sink::history::{Forgotten, History};
use crate::sink::postgres::connect::{Target, Timeouts as ConnectTimeouts};
use crate::sink::postgres::{self, PostgresHistory, Timeouts};
#[cfg(feature = "sqlite")]
use crate::sink::sqlite::{self, SqliteHistory};
use crate::source::Hash16;
use crate::stop::Stop;

/// A destination, ready to be opened.
pub(super) enum Destination {
    /// PostgreSQL.
    Postgres(Box<postgres::Settings>),
    /// A file.
    #[cfg(feature = "sqlite")]
    Sqlite(Box<sqlite::Settings>),
}

impl Destination {
    /// The destination of a job.
    pub(super) fn of(config: &Config, stop: &Stop, observer: Observer) -> Result<Destination> {
        #[cfg(feature = "sqlite")]
        if let Some(path) = sqlite_path(config) {
            return Ok(Destination::Sqlite(Box::new(sqlite::Settings {
                path,
                job: config.name.clone(),
                data_date: config.date,
                command: "load".to_owned(),
                table: config.destination.table.clone(),
                create: config.destination.create,
                key: config.destination.key.clone(),
                on_conflict: config.destination.on_conflict.clone(),
                schema: Arc::new(config.record.schema.clone()),
                rules_hash: Hash16(config.rules_hash()),
                raw_max: config.dead_letters.raw_bytes_max,
                retry_for: config.pipeline.retry_for,
                stop: stop.clone(),
                observer,
            })));
        }
        let server = server(config)?;
        if server.is_unverified() {
            observer.warn(format!(
                "the connection to {} is not verified: anybody in between could read it (sslmode=verify-full)",
                server.describe()
            ));
        }
        Ok(Destination::Postgres(Box::new(postgres::Settings {
            server: Arc::new(server),
            job: config.name.clone(),
            data_date: config.date,
            command: "load".to_owned(),
            table: config.destination.table.clone(),
            create: config.destination.create,
            key: config.destination.key.clone(),
            on_conflict: config.destination.on_conflict.clone(),
            schema: Arc::new(config.record.schema.clone()),
            rules_hash: Hash16(config.rules_hash()),
            raw_max: config.dead_letters.raw_bytes_max,
            timeouts: timeouts(config),
            retry_for: config.pipeline.retry_for,
            deadline: config.pipeline.deadline,
            stop: stop.clone(),
            observer,
        })))
    }
}

/// The memory of a job's destination.
pub(super) fn history(config: &Config) -> Result<Box<dyn History>> {
    #[cfg(feature = "sqlite")]
    if let Some(path) = sqlite_path(config) {
        return Ok(Box::new(SqliteHistory::open(&path)?));
    }
    Ok(Box::new(PostgresHistory::open(&Arc::new(server(config)?))?))
}

/// What a load of these files would find and make.
pub(super) fn forecast(
    config: &Config,
    claims: &Claims,
    stop: &Stop,
    observer: Observer,
) -> Result<Forecast> {
    match Destination::of(config, stop, observer)? {
        Destination::Postgres(settings) => postgres::forecast(&settings, claims),
        #[cfg(feature = "sqlite")]
        Destination::Sqlite(settings) => sqlite::forecast(&settings, claims),
    }
}

/// Forgets sources of a job.
pub(super) fn forget(config: &Config, sources: &[i32]) -> Result<Forgotten> {
    let timeouts = timeouts(config);
    #[cfg(feature = "sqlite")]
    if let Some(path) = sqlite_path(config) {
        return sqlite::forget(&path, &config.name, sources, timeouts.lock);
    }
    postgres::forget(&Arc::new(server(config)?), &config.name, sources, timeouts)
}

/// The destination in words, without secrets.
pub(super) fn describe(config: &Config) -> String {
    if let Some(path) = sqlite_path(config) {
        return format!("{} in {}", config.destination.table, path.display());
    }
    match server(config) {
        Ok(server) => format!("{} at {}", config.destination.table, server.describe()),
        Err(_) => config.destination.table.clone(),
    }
}

/// The command that shows the first rows, for somebody who has just loaded them.
pub(super) fn query(config: &Config) -> String {
    let columns = config.record.schema.fields.iter().filter(|field| field.kind.is_scalar());
    let columns: Vec<String> = columns.take(COLUMNS_SHOWN).map(|field| quoted(&field.name)).collect();
    let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
    run_sql(config, &format!("select {columns} from {} limit 5", table(config)))
}

/// The command that runs a statement in the destination.
pub(super) fn run_sql(config: &Config, sql: &str) -> String {
    match sqlite_path(config) {
        Some(path) => format!("sqlite3 {} {}", shell_word(&path.to_string_lossy()), shell_word(sql)),
        None => {
            let url = config.destination.url.without_password();
            format!("psql {} -c {}", shell_word(&url), shell_word(sql))
        }
    }
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

/// Whether the destination is a file.
pub(super) fn is_sqlite(config: &Config) -> bool {
    sqlite_path(config).is_some()
}

/// The target as a statement names it.
pub(super) fn table(config: &Config) -> String {
    let table = &config.destination.table;
    match sqlite_path(config) {
        Some(_) => quoted(table),
        // It stands in the job as SQL has it.
        None => table.clone(),
    }
}

/// So many columns fit onto a line.
const COLUMNS_SHOWN: usize = 4;

/// An identifier, in quotes where it needs them.
fn quoted(name: &str) -> String {
    let is_plain =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && !name.starts_with(|ch: char| ch.is_ascii_digit())
            && !is_reserved(name);
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A word as a shell takes it.
fn shell_word(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+=,".contains(&byte);
    match word.bytes().all(is_plain) && !word.is_empty() {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

fn timeouts(config: &Config) -> Timeouts {
    Timeouts { statement: config.pipeline.statement_timeout, lock: config.pipeline.lock_timeout }
}

fn server(config: &Config) -> Result<Target> {
    if sqlite_path(config).is_some() {
        return Err(Error::usage(
            "this logmill was built without SQLite; build it with the feature `sqlite`",
        ));
    }
    let timeouts = ConnectTimeouts { connect: config.pipeline.connect_timeout, ..ConnectTimeouts::default() };
    let environment = |name: &str| std::env::var(name).ok();
    Target::new(config.destination.url.reveal(), &environment, timeouts)
}

/// The file, if the destination is one. A relative path starts where the job file is.
pub(super) fn sqlite_path(config: &Config) -> Option<PathBuf> {
    let path = config.destination.url.reveal().strip_prefix("sqlite:")?;
    Some(config.destination.folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_typed() {
        assert_eq!([quoted("level"), quoted("user"), quoted("a b")], ["level", "\"user\"", "\"a b\""]);
        assert_eq!([shell_word("logmill.db"), shell_word("it's")], ["logmill.db", "'it'\\''s'"]);
        let into = "host=db user=ada password='pa ss'".parse().expect("a destination");
        assert_eq!(
            next_command("status --all", Path::new("my job.toml"), Some(&into)),
            "logmill status --all -j 'my job.toml' --into 'host=db user=ada'"
        );
        assert_eq!(next_command("load", Path::new("a.toml"), None), "logmill load -j a.toml");
    }
}
