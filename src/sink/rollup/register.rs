//! The owners of a target's metrics, and what a job must register before it loads.
//!
//! Every batch marks the days of its rows for each job that has metrics on the target, its own job or not. So
//! all jobs that write the target must mean the same days, and each metric belongs to one job.

use super::{Metric, Rollups};
use crate::source::Hash16;

/// What is registered for a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sink) struct Known {
    /// Whether it has a row.
    pub(in crate::sink) has_row: bool,
    /// The column of times and the clock of its days; `None` if it has no metrics.
    pub(in crate::sink) days: Option<(String, String)>,
    /// Its metrics, and those of other targets in the same tables.
    pub(in crate::sink) metrics: Vec<KnownMetric>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sink) struct KnownMetric {
    /// The full name of the table of its values.
    pub(in crate::sink) table: String,
    pub(in crate::sink) name: String,
    pub(in crate::sink) target: String,
    pub(in crate::sink) job: String,
    pub(in crate::sink) hash: Vec<u8>,
}

/// The owner of metrics.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink) struct Whose<'a> {
    pub(in crate::sink) job: &'a str,
    /// Its full name.
    pub(in crate::sink) target: &'a str,
    /// The table in which metrics are registered, as a statement names it.
    pub(in crate::sink) taken_down_in: &'static str,
}

impl Whose<'_> {
    /// How to remove the metrics of a job that no longer exists, or now has another name or table.
    fn way_out(&self, other: &KnownMetric) -> String {
        let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
        format!(
            "; if there is no such job any more: DELETE FROM {} WHERE job = {} AND target = {}",
            self.taken_down_in,
            literal(&other.job),
            literal(&other.target)
        )
    }
}

/// What to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sink) struct Changes {
    /// Metrics that the job no longer has, by table and name.
    pub(in crate::sink) gone: Vec<(String, String)>,
    /// Metrics that are new to the job.
    pub(in crate::sink) new: Vec<(String, String, Hash16)>,
    /// The new days of the target, if they change.
    pub(in crate::sink) days: Option<Option<(String, String)>>,
    /// Every day with rows must be computed: a metric is new, or the days have changed.
    pub(in crate::sink) marks_all: bool,
    /// Metrics whose definition differs from that of their stored values.
    pub(in crate::sink) changed: Vec<(String, String, Hash16)>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub(in crate::sink) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty() && self.days.is_none()
    }

    /// A load's warnings about metrics that are defined differently now.
    pub(in crate::sink) fn warnings(&self) -> Vec<String> {
        let warn = |(table, name, _): &(String, String, Hash16)| {
            format!(
                "the metric {name} of {table} has a new definition: dates that are not loaded again keep \
                their old values until `logmill rollup` computes them"
            )
        };
        self.changed.iter().map(warn).collect()
    }
}

impl Rollups {
    /// The column of times and the clock of its days, as registered.
    pub(in crate::sink) fn days(&self) -> Option<(String, String)> {
        self.time.as_ref().map(|time| (time.name.clone(), time.clock.to_string()))
    }

    /// What to change for the job, or why it may not load. `table_of` returns the full name of a metric's
    /// table.
    pub(in crate::sink) fn changes(
        &self,
        whose: Whose<'_>,
        known: &Known,
        table_of: &dyn Fn(&Metric) -> String,
    ) -> Result<Changes, Vec<String>> {
        let Whose { job, target, .. } = whose;
        let is_own = |metric: &&KnownMetric| metric.job == job && metric.target == target;
        let wanted: Vec<(String, String, Hash16)> = self
            .metrics
            .iter()
            .map(|metric| (table_of(metric), metric.name.clone(), metric.hash()))
            .collect();
        let mut findings = Vec::new();
        for (table, name, _) in &wanted {
            let mut others = known.metrics.iter().filter(|metric| !is_own(metric));
            if let Some(other) = others.find(|other| (&other.table, &other.name) == (table, name)) {
                findings.push(format!(
                    "the metric {name} of {table} is that of job {}, from {}; give it another name, or a table of its own{}",
                    other.job,
                    other.target,
                    whose.way_out(other)
                ));
            }
        }
        let neighbour = known.metrics.iter().find(|metric| metric.target == target && metric.job != job);
        if let (Some(neighbour), Some((time, zone))) = (neighbour, &known.days)
            && self.days().as_ref() != known.days.as_ref()
        {
            findings.push(format!(
                "job {} has rollups of {target} by the days of {time} in {zone}, so every job that loads it must use the same \
                 days: write time = {time:?} in [record], and timezone = {zone:?} in [source]{}",
                neighbour.job,
                whose.way_out(neighbour)
            ));
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let own: Vec<&KnownMetric> = known.metrics.iter().filter(is_own).collect();
        let of_wanted = |known: &KnownMetric| {
            wanted.iter().find(|(table, name, _)| (table, name) == (&known.table, &known.name))
        };
        let mut changes = Changes::default();
        for metric in &own {
            match of_wanted(metric) {
                None => changes.gone.push((metric.table.clone(), metric.name.clone())),
                Some(found) if found.2.0[..] != metric.hash => changes.changed.push(found.clone()),
                Some(_) => {}
            }
        }
        let is_known = |(table, name, _): &(String, String, Hash16)| {
            own.iter().any(|known| (&known.table, &known.name) == (table, name))
        };
        changes.new = wanted.iter().filter(|wanted| !is_known(wanted)).cloned().collect();
        let has_metrics = neighbour.is_some() || !wanted.is_empty();
        let days = if neighbour.is_some() { known.days.clone() } else { self.days() }.filter(|_| has_metrics);
        changes.marks_all = !changes.new.is_empty() || !wanted.is_empty() && days != known.days;
        changes.days = (days != known.days).then_some(days);
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Clock, Time, TimeKind};
    use crate::sink::TableName;
    use crate::sink::rollup::{Of, Ready};

    const WHOSE: Whose<'_> = Whose { job: "a", target: "public.t", taken_down_in: "logmill.metrics" };

    fn rollups(names: &[&str], zone: Option<i32>) -> Rollups {
        let metric = |name: &&str| Metric {
            name: (*name).to_owned(),
            of: Of::Ready(Ready::Rows),
            by: Vec::new(),
            table: TableName { schema: None, name: "m".to_owned() },
        };
        let time = |seconds| Time {
            field: 0,
            name: "at".to_owned(),
            kind: TimeKind::Instant,
            clock: Clock::ahead(seconds),
        };
        Rollups { time: zone.map(time), metrics: names.iter().map(metric).collect() }
    }

    fn known(metrics: &[(&str, &str)], days: Option<&str>) -> Known {
        let metric = |(job, name): &(&str, &str)| KnownMetric {
            table: "m".to_owned(),
            name: (*name).to_owned(),
            target: "public.t".to_owned(),
            job: (*job).to_owned(),
            hash: rollups(&["x"], None).metrics[0].hash().0.to_vec(),
        };
        Known {
            has_row: true,
            days: days.map(|zone| ("at".to_owned(), zone.to_owned())),
            metrics: metrics.iter().map(metric).collect(),
        }
    }

    fn changes(rollups: &Rollups, known: &Known) -> Result<Changes, Vec<String>> {
        rollups.changes(WHOSE, known, &|metric| metric.table.name.clone())
    }

    #[test]
    fn what_is_taken_down_already_is_not_written_again() {
        assert!(changes(&rollups(&[], None), &Known::default()).expect("fits").is_empty());
        assert!(
            changes(&rollups(&["n"], Some(0)), &known(&[("a", "n")], Some("UTC"))).expect("fits").is_empty()
        );
    }

    #[test]
    fn a_metric_that_is_new_is_computed_of_all_days() {
        let first = changes(&rollups(&["n"], Some(0)), &Known::default()).expect("fits");
        assert!(first.marks_all && first.new.len() == 1);
        assert_eq!(first.days, Some(Some(("at".to_owned(), "UTC".to_owned()))));
        let second =
            changes(&rollups(&["n", "o"], Some(0)), &known(&[("a", "n")], Some("UTC"))).expect("fits");
        assert!(second.marks_all && second.new.len() == 1 && second.days.is_none());
    }

    #[test]
    fn a_metric_that_is_gone_is_forgotten_and_the_last_takes_the_days_along() {
        let gone = changes(&rollups(&[], Some(0)), &known(&[("a", "n")], Some("UTC"))).expect("fits");
        assert_eq!((gone.gone.len(), gone.days, gone.marks_all), (1, Some(None), false));
        let others = known(&[("a", "n"), ("b", "o")], Some("UTC"));
        let gone = changes(&rollups(&[], Some(0)), &others).expect("fits");
        assert_eq!((gone.gone.len(), gone.days), (1, None));
    }

    #[test]
    fn who_loads_a_table_with_rollups_means_the_same_days() {
        let others = known(&[("b", "o")], Some("UTC"));
        for rollups in [rollups(&[], None), rollups(&[], Some(3600)), rollups(&["n"], Some(3600))] {
            let findings = changes(&rollups, &others).expect_err("refused");
            assert!(
                findings[0].contains("job b") && findings[0].contains("timezone = \"UTC\""),
                "{findings:?}"
            );
        }
        assert!(changes(&rollups(&[], Some(0)), &others).expect("fits").is_empty());
        // A job that is alone may change the days, and starts over.
        let alone = changes(&rollups(&["n"], Some(3600)), &known(&[("a", "n")], Some("UTC"))).expect("fits");
        assert!(alone.marks_all && alone.days.is_some());
    }

    #[test]
    fn a_metric_is_of_one_job() {
        let findings = changes(&rollups(&["n"], Some(0)), &known(&[("b", "n")], Some("UTC")));
        assert!(findings.expect_err("refused")[0].contains("that of job b"));
    }
}
