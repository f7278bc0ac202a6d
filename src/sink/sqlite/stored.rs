//! Reads the stored values of metrics in SQLite.

use std::path::Path;

use super::look::Look;
use super::metrics::table_of;
use super::target::Target;
use super::{Settings, Trouble};
use crate::error::Result;
use crate::sink::key::quote;
use crate::sink::rollup::{StoredMetric, stored_sql};

/// The values of a job's metrics. A metric that is not stored yet has none.
pub(super) fn metrics(path: &Path, settings: &Settings) -> Result<Vec<StoredMetric>> {
    if settings.rollups.metrics.is_empty() || !path.exists() {
        return Ok(Vec::new());
    }
    let metrics = || -> Result<Vec<StoredMetric>, Trouble> {
        let look = Look::open(path)?;
        let connection = &look.connection;
        let mut metrics = Vec::new();
        for metric in settings.rollups.metrics.iter() {
            let mut stored = StoredMetric::new(metric);
            let table = Target::find(connection, &table_of(metric).name)?;
            let has = |table: &Target, name: &str| table.column(name).is_some();
            if let Some(table) = table.filter(|table| {
                ["date", "metric_id", "value"]
                    .into_iter()
                    .chain(metric.by.iter().map(String::as_str))
                    .all(|name| has(table, name))
            }) {
                let mut statement = connection.prepare(&stored_sql(metric, &quote(&table.name), '?'))?;
                let mut rows = statement.query([&metric.name])?;
                while let Some(row) = rows.next()? {
                    let by = (0..metric.by.len())
                        .map(|index| row.get(2 + index))
                        .collect::<rusqlite::Result<_>>()?;
                    let date = row.get::<_, Option<String>>(0)?.and_then(|date| date.parse().ok());
                    if let (Some(date), Some(value)) = (date, row.get(1)?) {
                        stored.add(by, date, value);
                    }
                }
            }
            metrics.push(stored);
        }
        Ok(metrics)
    };
    metrics().map_err(|trouble| trouble.into_error(path))
}
