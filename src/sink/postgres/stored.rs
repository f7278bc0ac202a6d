//! Reads the stored values of metrics.

use std::sync::Arc;

use super::Settings;
use super::catalog::Target;
use super::connect::Server;
use super::link::Link;
use super::metrics::found_table;
use super::session::Session;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::error::Result;
use crate::sink::rollup::{StoredMetric, stored_sql};

/// The types that can be drawn.
const NUMBERS: [&str; 6] = ["smallint", "integer", "bigint", "numeric", "real", "double precision"];

/// The values of a job's metrics. A metric that is not stored yet has none.
pub(super) fn metrics(server: &Arc<Server>, settings: &Settings) -> Result<Vec<StoredMetric>> {
    if settings.rollups.metrics.is_empty() {
        return Ok(Vec::new());
    }
    let session = Session::visit(server, settings.timeouts)?;
    let settings = settings.clone();
    let metrics = session.run(Step::RollUp, move |Link { client, schemas, .. }| {
        let mut metrics = Vec::new();
        let Some(target) = Target::find(client, schemas, &settings.table)? else { return Ok(metrics) };
        for metric in settings.rollups.metrics.iter() {
            let mut stored = StoredMetric::new(metric);
            // In another program's table they may have other types.
            if let Some(table) = found_table(client, metric, &target)?.filter(has_values) {
                let sql = stored_sql(metric, &table.quoted(), '$');
                for row in at(Step::RollUp, client.query(&sql, &[&metric.name]))? {
                    let by = (0..metric.by.len()).map(|index| row.get(2 + index)).collect();
                    if let Ok(date) = row.get::<_, String>(0).parse() {
                        stored.add(by, date, row.get(1));
                    }
                }
            }
            metrics.push(stored);
        }
        Ok(metrics)
    });
    metrics.map_err(Trouble::into_error)
}

fn has_values(table: &Target) -> bool {
    let is = |name: &str, types: &[&str]| {
        table.column(name).is_some_and(|column| types.contains(&column.base_type.as_str()))
    };
    is("date", &["date"]) && is("value", &NUMBERS) && table.column("metric_id").is_some()
}
