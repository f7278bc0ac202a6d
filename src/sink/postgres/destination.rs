//! PostgreSQL as a destination: the operations on a server for one job.

use std::sync::Arc;

use chrono::NaiveDate;

use super::connect::{Limits, Server};
use super::outbox::PostgresOutbox;
use super::spares::Spares;
use super::{Postgres, PostgresHistory};
use crate::error::Result;
use crate::event::{Dataset, Event};
use crate::sink::dates::Calendar;
use crate::sink::destination::{Address, Destination, Settings};
use crate::sink::forecast::Forecast;
use crate::sink::history::{Filter, Forgotten, History};
use crate::sink::outbox::Outbox;
use crate::sink::rollup::{CheckedRollups, Dates, StoredMetric};
use crate::sink::statement::shell_word;
use crate::sink::verify::{Verify, Verifying};
use crate::sink::{Asked, Sink};

struct PostgresDestination {
    server: Arc<Server>,
    /// The connection string for display, without its password.
    shown: String,
    settings: Settings,
    spares: Spares,
    /// Whether a load leaves its connection there.
    leaves: bool,
}

/// Whether `text` is a PostgreSQL URL or a libpq connection string.
pub(in crate::sink) fn is_named(text: &str) -> bool {
    match is_connection_string(text) {
        true => true,
        false => text.starts_with("postgres://") || text.starts_with("postgresql://"),
    }
}

/// Whether `text` begins like a libpq connection string: `name = value`.
pub(super) fn is_connection_string(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        let name = name.trim();
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    })
}

pub(in crate::sink) fn make(address: &Address, settings: Settings) -> Result<Box<dyn Destination>> {
    let limits = Limits { connect: settings.connect_timeout, ..Limits::default() };
    let environment = |name: &str| std::env::var(name).ok();
    let server = Arc::new(Server::new(&address.text, address.is_shown, &environment, limits)?);
    Ok(Box::new(PostgresDestination {
        server,
        shown: address.shown.clone(),
        settings,
        spares: Spares::default(),
        leaves: false,
    }))
}

/// The name of a table in lineage.
pub(super) fn dataset(server: &Server, table: &str) -> Dataset {
    let (host, database) = server.place();
    Dataset { namespace: format!("postgres://{host}"), name: format!("{database}.{table}") }
}

impl PostgresDestination {
    fn warn_if_unverified(&self) {
        if self.server.is_unverified() {
            let text = format!(
                "the connection to {} is not verified: others on the way could read it (sslmode=verify-full)",
                self.server.describe()
            );
            self.settings.observer.tell(&Event::Unsafe { text });
        }
    }
}

impl Destination for PostgresDestination {
    fn open(&self) -> Result<Box<dyn Sink>> {
        self.warn_if_unverified();
        let spares = self.leaves.then(|| self.spares.clone());
        Ok(Box::new(Postgres::open_with(Arc::clone(&self.server), self.settings.clone(), spares)?))
    }

    fn dataset(&self) -> Dataset {
        dataset(&self.server, &self.settings.table.remembered())
    }

    fn again(&self, settings: Settings) -> Option<Box<dyn Destination>> {
        let (server, shown, spares) = (Arc::clone(&self.server), self.shown.clone(), self.spares.clone());
        Some(Box::new(PostgresDestination { server, shown, settings, spares, leaves: true }))
    }

    fn forecast(&self, asked: &Asked) -> Result<Forecast> {
        self.warn_if_unverified();
        super::forecast::forecast(&self.server, &self.settings, asked)
    }

    fn history(&self) -> Result<Box<dyn History>> {
        self.warn_if_unverified();
        Ok(Box::new(PostgresHistory::open(&self.server, &self.settings.table, self.settings.rules_hash)?))
    }

    fn calendar(&self) -> Result<Calendar> {
        super::calendar::calendar(&self.server, &self.settings)
    }

    fn note_absent(&self, dates: &[NaiveDate]) -> Result<()> {
        super::dates::note_absent(&self.server, &self.settings, dates)
    }

    fn outbox(&self) -> Result<Box<dyn Outbox>> {
        Ok(Box::new(PostgresOutbox::open(&self.server, &self.settings)?))
    }

    fn rows_of(&self, sources: &[i32], deletes_rows: bool) -> Result<Option<u64>> {
        super::forget::rows_of(&self.server, &self.settings, sources, deletes_rows)
    }

    fn forget(&self, sources: &[i32], deletes_rows: bool) -> Result<Forgotten> {
        super::forget::forget(&self.server, &self.settings, sources, deletes_rows)
    }

    fn discard(&self, filter: &Filter, note: Option<&str>) -> Result<u64> {
        let Settings { table, timeouts, .. } = &self.settings;
        super::discard::discard(&self.server, table, filter, note, *timeouts)
    }

    fn verify(&self, verifying: Verifying) -> Result<Box<dyn Verify>> {
        super::verify::open(&self.server, &self.settings, verifying)
    }

    fn check_rollups(&self, dates: &Dates) -> Result<CheckedRollups> {
        super::rollup::check(&self.server, &self.settings, dates)
    }

    fn metrics(&self) -> Result<Vec<StoredMetric>> {
        super::stored::metrics(&self.server, &self.settings)
    }

    fn describe(&self) -> String {
        format!("{} at {}", self.settings.table, self.server.describe())
    }

    fn table(&self) -> String {
        self.settings.table.to_string()
    }

    fn shell(&self, sql: &str) -> String {
        format!("psql {} -c {}", shell_word(&self.shown), shell_word(sql))
    }

    fn rests_on(&self) -> &'static str {
        "one transaction per batch with synchronous_commit on, logged tables, and a server that keeps what \
         it has acknowledged"
    }
}
