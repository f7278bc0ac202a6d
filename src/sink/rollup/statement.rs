//! The statements that compute a metric of a day: the same for every destination, apart from a few words.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use super::{Metric, Of, Ready};
use crate::schema::{Time, TimeKind};
use crate::sink::key::quote;

/// How a destination writes operators and functions of its own. The user's query may need a search path on which
/// anyone can have created others, so a destination with such a path names the schema of each.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink) struct Dialect {
    pub(in crate::sink) equal: &'static str,
    pub(in crate::sink) at_least: &'static str,
    pub(in crate::sink) less: &'static str,
    /// Precedes the name of a function.
    pub(in crate::sink) functions: &'static str,
}

/// A destination's names for the parts of a metric.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink) struct Place<'a> {
    pub(in crate::sink) dialect: Dialect,
    /// The target, as a statement names it.
    pub(in crate::sink) target: &'a str,
    pub(in crate::sink) time: &'a Time,
    /// Writes the beginning of a day as a literal in the type of the column of times.
    pub(in crate::sink) moment: fn(TimeKind, NaiveDateTime) -> String,
    /// Writes a date as a literal that equals the stored one.
    pub(in crate::sink) date: fn(NaiveDate) -> String,
    /// The table of dead letters.
    pub(in crate::sink) letters: &'a str,
    pub(in crate::sink) sources: &'a str,
    /// The job and the target, as literals.
    pub(in crate::sink) whose: &'a (String, String),
}

impl Place<'_> {
    /// The beginnings of a day and of the next, as literals.
    fn ends(&self, date: NaiveDate) -> (String, String) {
        let next = date.succ_opt().unwrap_or(date);
        (self.start(date), self.start(next))
    }

    fn start(&self, date: NaiveDate) -> String {
        start(self.time, date, self.moment)
    }

    /// Whether a row of the target belongs to the day.
    fn is_of(&self, date: NaiveDate) -> String {
        let ((start, end), time) = (self.ends(date), quote(&self.time.name));
        let Dialect { at_least, less, .. } = self.dialect;
        format!("{time} {at_least} {start} AND {time} {less} {end}")
    }

    /// Whether any row does. A day without rows has no metrics, because a load from scratch would not know of
    /// it.
    fn has_rows(&self, date: NaiveDate) -> String {
        format!("EXISTS (SELECT 1 FROM {} WHERE {})", self.target, self.is_of(date))
    }

    /// The query for the values of a metric on a day, as the job asks it: the columns it is grouped by and
    /// the value, in any order.
    pub(in crate::sink) fn asked(&self, metric: &Metric, date: NaiveDate) -> String {
        let ready = match &metric.of {
            Of::Sql(sql) => {
                let (start, end) = self.ends(date);
                return sql.on(&start, &end);
            }
            Of::Ready(ready) => ready,
        };
        let functions = self.dialect.functions;
        let Some(selected) = ready.selected(functions) else {
            let (Place { letters, sources, whose: (job, target), .. }, date) = (self, (self.date)(date));
            return format!(
                "SELECT {functions}count(*) AS value FROM {letters} d JOIN {sources} s ON s.id = d.source_id
                 WHERE s.job = {job} AND s.target = {target} AND s.data_date = {date}
                     AND d.state NOT IN ('replayed', 'superseded')"
            );
        };
        let by: Vec<String> = metric.by.iter().map(|column| quote(column)).collect();
        let columns: String = by.iter().map(|column| format!("{column}, ")).collect();
        let group = if by.is_empty() { String::new() } else { format!(" GROUP BY {}", by.join(", ")) };
        format!("SELECT {columns}{selected} AS value FROM {} WHERE {}{group}", self.target, self.is_of(date))
    }

    /// The same in the form to be stored: the columns it is grouped by under their names, each cast to its
    /// type, then `value`.
    pub(in crate::sink) fn computed(&self, metric: &Metric, shape: &Shape, date: NaiveDate) -> String {
        let value = quote(&shape.value);
        let cast = |from: &str, kind: &Option<String>| match kind {
            Some(kind) => format!("CAST({from} AS {kind})"),
            None => from.to_owned(),
        };
        let columns: String = shape
            .by
            .iter()
            .map(|(name, kind)| format!("{} AS {}, ", cast(&format!("q.{}", quote(name)), kind), quote(name)))
            .collect();
        let counts = match metric.of {
            Of::Ready(Ready::Rejects) => format!("(q.{value} > 0 OR {})", self.has_rows(date)),
            _ => self.has_rows(date),
        };
        format!(
            "SELECT {columns}{} AS value FROM ({}\n) q WHERE q.{value} IS NOT NULL AND {counts}",
            cast(&format!("q.{value}"), &shape.value_type),
            self.asked(metric, date)
        )
    }
}

impl Place<'_> {
    /// The query for where stored and computed values of a metric differ: the columns it is grouped by, the
    /// stored value and the computed one, as texts.
    pub(in crate::sink) fn differences(
        &self,
        metric: &Metric,
        shape: &Shape,
        date: NaiveDate,
        is_there: bool,
    ) -> String {
        let equal = self.dialect.equal;
        let kind = |kind: &Option<String>| kind.clone().unwrap_or_else(|| "text".to_owned());
        let stored = match is_there {
            true => format!(
                "SELECT * FROM {} WHERE date {equal} {} AND metric_id {equal} '{}'",
                shape.table,
                (self.date)(date),
                metric.name.replace('\'', "''")
            ),
            false => {
                let nulls = shape
                    .by
                    .iter()
                    .map(|(name, of)| format!("CAST(NULL AS {}) AS {}, ", kind(of), quote(name)));
                let value = kind(&shape.value_type);
                format!("SELECT {}CAST(NULL AS {value}) AS value WHERE false", nulls.collect::<String>())
            }
        };
        let texts = |alias: &str| -> String {
            shape.by.iter().map(|(name, _)| format!("CAST({alias}.{} AS text), ", quote(name))).collect()
        };
        let is_same = shape.is_same();
        format!(
            "WITH computed AS MATERIALIZED ({}), stored AS MATERIALIZED ({stored})
             SELECT {}CAST(t.value AS text), CAST(c.value AS text) FROM computed c LEFT JOIN stored t ON {is_same}
             WHERE (t.value {equal} c.value) IS NOT TRUE
             UNION ALL
             SELECT {}CAST(t.value AS text), NULL FROM stored t
             WHERE NOT EXISTS (SELECT 1 FROM computed c WHERE {is_same})",
            self.computed(metric, shape, date),
            texts("c"),
            texts("t"),
        )
    }
}

/// The beginning of a day, as a destination writes times.
pub(in crate::sink) fn start(
    time: &Time,
    date: NaiveDate,
    moment: fn(TimeKind, NaiveDateTime) -> String,
) -> String {
    let start = match time.kind {
        TimeKind::Day => date.and_time(NaiveTime::MIN),
        TimeKind::Local | TimeKind::Instant => {
            DateTime::from_timestamp_micros(time.start_us(date)).unwrap_or_default().naive_utc()
        }
    };
    moment(time.kind, start)
}

/// The columns of a metric's values where they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sink) struct Shape {
    /// Their table, as a statement names it.
    pub(in crate::sink) table: String,
    /// The columns it is grouped by, with the types to cast them to, if any.
    pub(in crate::sink) by: Vec<(String, Option<String>)>,
    /// The query's name for the value.
    pub(in crate::sink) value: String,
    pub(in crate::sink) value_type: Option<String>,
}

impl Shape {
    /// Which column of a query is the value, or what is wrong with its columns.
    pub(in crate::sink) fn value_of(metric: &Metric, columns: &[String]) -> Result<String, String> {
        let is_by = |column: &&String| metric.by.iter().any(|by| by.eq_ignore_ascii_case(column));
        let missing =
            metric.by.iter().find(|by| !columns.iter().any(|column| column.eq_ignore_ascii_case(by)));
        let values: Vec<&String> = columns.iter().filter(|column| !is_by(column)).collect();
        match (missing, &values[..]) {
            (None, [value]) if columns.len() == metric.by.len() + 1 => Ok((*value).clone()),
            (Some(missing), _) => Err(format!("its query returns no column {missing}, which is in 'by'")),
            _ => Err(format!(
                "its query returns the columns {}; it should return those of 'by' and one more, the value",
                columns.join(", ")
            )),
        }
    }

    /// Whether a stored value `t` and a computed one `c` belong to the same group. A null is a group of its
    /// own; the first half allows a hash join.
    pub(in crate::sink) fn is_same(&self) -> String {
        let columns = self.by.iter().map(|(name, _)| {
            let text = |alias: &str| format!("coalesce(CAST({alias}.{} AS text), '')", quote(name));
            format!(
                "{} = {} AND (t.{name} IS NULL) = (c.{name} IS NULL)",
                text("t"),
                text("c"),
                name = quote(name)
            )
        });
        let columns: Vec<String> = columns.collect();
        if columns.is_empty() { "true".to_owned() } else { columns.join(" AND ") }
    }

    /// The statement that creates a missing table of values.
    pub(in crate::sink) fn create_sql(&self, table: &str, date_type: &str) -> String {
        let columns = self
            .by
            .iter()
            .map(|(name, kind)| format!("\n    {} {},", quote(name), kind.as_deref().unwrap_or_default()));
        // A primary key would require a value in each of its columns.
        let unique = if self.by.is_empty() { "PRIMARY KEY" } else { "UNIQUE" };
        let by: String = self.by.iter().map(|(name, _)| format!(", {}", quote(name))).collect();
        format!(
            "CREATE TABLE IF NOT EXISTS {table} (\n    date {date_type} NOT NULL,\n    metric_id text NOT NULL,{}\n    \
             value numeric NOT NULL,\n    {unique} (date, metric_id{by})\n)",
            columns.collect::<String>()
        )
    }

    /// The columns it is grouped by, as a list to be continued.
    pub(in crate::sink) fn by_list(&self, alias: &str) -> String {
        self.by.iter().map(|(name, _)| format!("{alias}{}, ", quote(name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::TableName;

    #[test]
    fn the_value_is_the_column_that_is_left() {
        let metric = |by: &[&str]| Metric {
            name: "n".to_owned(),
            of: Of::Ready(Ready::Rows),
            by: by.iter().map(|name| (*name).to_owned()).collect(),
            table: TableName::default(),
        };
        let value = |by: &[&str], columns: &[&str]| {
            let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
            Shape::value_of(&metric(by), &columns)
        };
        assert_eq!(value(&[], &["count"]).as_deref(), Ok("count"));
        assert_eq!(value(&["a"], &["n", "a"]).as_deref(), Ok("n"));
        for (by, columns, why) in [
            (&[][..], &["a", "b"][..], "a, b"),
            (&["a"], &["n"], "no column a"),
            (&["a"], &["a"], "one more"),
            (&["a"], &["a", "a", "n"], "one more"),
        ] {
            let error = value(by, columns).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }
}
