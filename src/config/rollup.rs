//! `[[rollup]]` and `[record] time`: which metrics are kept for each day.

use std::collections::HashSet;

use super::nearest::nearest;
use super::quote::quoted;
use super::reader::Reader;
use super::scope::{Scope, TextRange};
use super::source::Source;
use super::{Destination, Record, is_name};
use crate::schema::{Kind, Time};
use crate::sink::TableName;
use crate::sink::rollup::{COLUMNS, FORMS, Metric, Of, Ready, Rollups, Sql, TABLE};

/// The relevant parts of the rest of the job.
pub(super) struct OfJob<'a> {
    pub(super) source: &'a Source,
    pub(super) record: &'a Record,
    pub(super) destination: &'a Destination,
}

/// Reads all rollups. A job without rollups may still have a time: other jobs that load the same table may
/// have rollups.
pub(super) fn read(reader: &mut Reader<'_>, job: &Scope<'_>, record: &Scope<'_>, of: OfJob<'_>) -> Rollups {
    let time = time(reader, record, &of);
    let scopes = reader.tables(job, "rollup");
    if !scopes.is_empty() && !record.has("time") {
        reader.find_absent(
            "the job has rollups but no time in [record]; add time = \"…\", one of its timestamps or dates",
            record,
        );
    }
    let (mut metrics, mut seen): (Vec<Metric>, _) = (Vec::new(), HashSet::new());
    for scope in &scopes {
        let Some(metric) = metric(reader, scope, time.as_ref(), &of) else { continue };
        let place = scope.place_of("metric").unwrap_or_default();
        if !seen.insert((metric.table.clone(), metric.name.clone())) {
            let message = format!("the metric {} is in {} already", quoted(&metric.name), metric.table);
            reader.find(message, &place);
        }
        let other = metrics.iter().find(|other| other.table == metric.table && other.by != metric.by);
        if other.is_some() {
            let message = format!(
                "all metrics in {} must have the same columns in 'by'; give this one a table of its own",
                metric.table
            );
            reader.find(message, &place);
        }
        metrics.push(metric);
    }
    Rollups { time, metrics: metrics.into() }
}

/// The field with the time of records.
fn time(reader: &mut Reader<'_>, record: &Scope<'_>, of: &OfJob<'_>) -> Option<Time> {
    let (name, place) = reader.text(record, "time")?;
    let schema = &of.record.schema;
    let time = Time::of(schema, &name, of.source.clock);
    if time.is_none() {
        let fields = schema.fields.iter();
        let message = match fields.clone().find(|field| field.name == name) {
            Some(field) => format!(
                "'time' takes a timestamp or a date; field {} is of type {}",
                quoted(&name),
                field.kind.name()
            ),
            // Faults in the fields have been reported.
            None if schema.fields.is_empty() => return None,
            None => no_column(reader, "'time'", &name, &place, fields.map(|field| field.name.as_str())),
        };
        reader.find(message, &place);
    }
    time
}

fn metric(reader: &mut Reader<'_>, scope: &Scope<'_>, time: Option<&Time>, of: &OfJob<'_>) -> Option<Metric> {
    let name = match reader.text(scope, "metric") {
        Some((name, place)) => {
            if !is_name(&name) {
                reader
                    .find("'metric' takes a name with visible characters, and no control characters", &place);
            }
            Some(name)
        }
        None if scope.has("metric") => None,
        None => {
            reader.find_absent("the rollup has no name; add metric = \"…\"", scope);
            None
        }
    };
    let by: Vec<String> = by(reader, scope, of);
    let table = table(reader, scope, of);
    if !by.is_empty() && !scope.has("table") {
        reader.find(
            format!("a rollup with 'by' needs a table of its own, other than {TABLE}; add table = \"…\""),
            &scope.place_of("by").unwrap_or_default(),
        );
    }
    let allow_clock = reader.flag(scope, "allow_clock");
    let made_of = match (reader.written(scope, "sql"), reader.text(scope, "of")) {
        (Some(written), None) => {
            let time = time.map_or("", |time| time.name.as_str());
            match Sql::read(written.text, time, allow_clock) {
                Ok(sql) => Some(Of::Sql(sql)),
                Err(why) => {
                    reader.find(format!("'sql' {why}"), &written.place);
                    None
                }
            }
        }
        (None, Some((text, place))) => ready(reader, &text, &place, of).map(Of::Ready),
        (Some(_), Some((_, place))) => {
            reader.find("a rollup takes either 'of' or 'sql'; leave out one of the two", &place);
            None
        }
        (None, None) => {
            if !scope.has("sql") && !scope.has("of") {
                reader.find_absent(
                    format!("the rollup has neither sql nor of; add sql = \"…\", or of = \"…\" with {FORMS}"),
                    scope,
                );
            }
            None
        }
    };
    if matches!(made_of, Some(Of::Ready(Ready::Rejects))) && !by.is_empty() {
        let message = "'rejects' are not rows and have no columns to group by; leave out 'by'";
        reader.find(message, &scope.place_of("by").unwrap_or_default());
    }
    Some(Metric { name: name?, of: made_of?, by, table: table? })
}

/// The columns that a metric is grouped by.
fn by(reader: &mut Reader<'_>, scope: &Scope<'_>, of: &OfJob<'_>) -> Vec<String> {
    let given = reader.texts(scope, "by").unwrap_or_default();
    let mut seen = HashSet::new();
    for (name, place) in &given {
        if COLUMNS.contains(&name.to_ascii_lowercase().as_str()) {
            let message =
                format!("every rollup has a column {}; give the query another name for it", quoted(name));
            reader.find(message, place);
        } else if !seen.insert(name.to_ascii_lowercase()) {
            reader.find(format!("'by' names {} twice", quoted(name)), place);
        } else if !scope.has("sql") && !columns(of).any(|column| column == name) {
            let message = no_column(reader, "'by'", name, place, columns(of));
            reader.find(message, place);
        }
    }
    given.into_iter().map(|(name, _)| name).collect()
}

fn table(reader: &mut Reader<'_>, scope: &Scope<'_>, of: &OfJob<'_>) -> Option<TableName> {
    let Some((text, place)) = reader.text(scope, "table") else {
        return (!scope.has("table")).then(|| TableName { schema: None, name: TABLE.to_owned() });
    };
    let table: TableName = match text.parse() {
        Ok(table) => table,
        Err(why) => {
            reader.find(format!("'table' {why}"), &place);
            return None;
        }
    };
    if table == of.destination.table {
        reader.find("'table' is that of the rows; a metric needs another", &place);
    }
    Some(table)
}

/// A predefined metric.
fn ready(reader: &mut Reader<'_>, text: &str, place: &TextRange, of: &OfJob<'_>) -> Option<Ready> {
    let Some(ready) = Ready::read(text) else {
        let given = reader.quoted_part(text, place);
        reader.find(format!("'of' takes {FORMS}, not {given}"), place);
        return None;
    };
    if ready == Ready::Rejects && of.source.needs_date.is_none() {
        let message = "'rejects' are counted by their data date, and this job has none; its names of files, or a column, \
                       would hold {date}";
        reader.find(message, place);
    }
    let Some(column) = ready.column() else { return Some(ready) };
    if !columns(of).any(|known| known == column) {
        let message = no_column(reader, "'of'", column, place, columns(of));
        reader.find(message, place);
        return None;
    }
    let field = of.record.schema.fields.iter().find(|field| field.name == column);
    let constant = of.destination.columns.iter().find(|constant| constant.name == column);
    let kind = field.map(|field| &field.kind).or(constant.map(|constant| &constant.kind));
    let is_number = matches!(kind, Some(Kind::Int(_) | Kind::Float(_) | Kind::Decimal(_)));
    if ready.is_of_numbers() && !is_number {
        let type_name = kind.map_or("another", Kind::name);
        reader.find(
            format!("'of' takes a column of numbers here, and {} is of type {type_name}", quoted(column)),
            place,
        );
    }
    Some(ready)
}

/// The columns that the job writes, without logmill's own.
fn columns<'a>(of: &OfJob<'a>) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
    let fields = of.record.schema.fields.iter().map(|field| field.name.as_str());
    fields.chain(of.destination.columns.iter().map(|column| column.name.as_str()))
}

fn no_column<'k>(
    reader: &Reader<'_>,
    what: &str,
    given: &str,
    place: &TextRange,
    known: impl Iterator<Item = &'k str> + Clone,
) -> String {
    let start = format!("{what} names {}, which is not a field", reader.quoted_part(given, place));
    match nearest(given, known) {
        Some(nearest) => format!("{start}; did you mean '{nearest}'?"),
        None => format!("{start}; add it to [record.fields]"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::json_schema::tests::is_accepted;
    use super::super::tests::{config, findings, small_with};

    /// A small job with a time, a number and a text, and these rollups.
    fn job(rollups: &str) -> String {
        let job = small_with("record.fields", "at = \"timestamp\"\ncost = \"decimal\"\nword = \"text\"");
        format!("{}{rollups}", job.replace("[record.fields]", "[record]\ntime = \"at\"\n[record.fields]"))
    }

    #[track_caller]
    fn assert_wrong(text: &str, message: &str, marked: &str) {
        let findings = findings(text);
        let [(told, at)] = &findings[..] else { panic!("{text} is wrong in one way: {findings:?}") };
        assert!(told.contains(message), "{text}: {told}");
        assert_eq!(at, marked, "{text}");
    }

    #[test]
    fn metrics_are_read_in_their_order() {
        let text = job("[[rollup]]\nmetric = \"n\"\nof = \"rows\"\n\
             [[rollup]]\nmetric = \"c\"\nof = \"sum(cost)\"\nby = [\"word\"]\ntable = \"by_word\"\n\
             [[rollup]]\nmetric = \"x\"\ntable = '\"X\".y'\nallow_clock = true\n\
             sql = \"select $$now()$$ where at >= {date};\"\n");
        assert!(is_accepted(&text), "{text}");
        let rollups = config(&text).rollups;
        let metrics: Vec<_> = rollups
            .metrics
            .iter()
            .map(|metric| (&*metric.name, metric.table.to_string(), metric.by.len()))
            .collect();
        assert_eq!(
            metrics,
            [
                ("n", "daily_metrics".to_owned(), 0),
                ("c", "by_word".to_owned(), 1),
                ("x", "\"X\".y".to_owned(), 0)
            ]
        );
        let hashes: std::collections::HashSet<_> =
            rollups.metrics.iter().map(|metric| metric.hash().0).collect();
        assert_eq!(hashes.len(), 3);
    }

    #[test]
    fn a_rollup_is_no_rule_of_the_records() {
        let with = config(&job("[[rollup]]\nmetric = \"n\"\nof = \"rows\"\n"));
        let without = config(&job("").replace("time = \"at\"\n", ""));
        assert_eq!(with.rules_hash(), without.rules_hash());
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        let rollup = |lines: &str| job(&format!("[[rollup]]\nmetric = \"n\"\n{lines}\n"));
        for (lines, message, marked) in [
            ("of = \"avg(cost)\"", "'of' takes rows, rejects", "\"avg(cost)\""),
            ("of = \"sum(word)\"", "'word' is of type text", "\"sum(word)\""),
            ("of = \"sum(costs)\"", "did you mean 'cost'?", "\"sum(costs)\""),
            ("of = \"rejects\"", "data date", "\"rejects\""),
            ("of = \"rows\"\nsql = \"select {date}\"", "leave out one", "\"rows\""),
            (
                "sql = \"select now() where at >= {date}\"",
                "asks now()",
                "\"select now() where at >= {date}\"",
            ),
            ("sql = \"select 1\"", "selects no day", "\"select 1\""),
            ("of = \"rows\"\nby = [\"word\"]", "a table of its own", "by"),
            ("of = \"rows\"\ntable = \"x\"\nby = [\"wort\"]", "did you mean 'word'?", "\"wort\""),
            ("of = \"rows\"\ntable = \"x\"\nby = [\"value\"]", "every rollup has a column", "\"value\""),
            ("of = \"rows\"\ntable = \"x\"\nby = [\"word\", \"word\"]", "twice", "\"word\""),
            ("of = \"rows\"\ntable = \"t\"", "that of the rows", "\"t\""),
            ("of = \"rows\"\ntable = \"a b\"", "'table' has something after", "\"a b\""),
            ("of = \"rows\"\n[[rollup]]\nmetric = \"n\"\nof = \"count(id)\"", "already", "metric"),
            (
                "of = \"rows\"\ntable = \"x\"\nby = [\"word\"]\n[[rollup]]\nmetric = \"m\"\nof = \"rows\"\ntable = \"x\"",
                "same columns",
                "metric",
            ),
            ("off = \"rows\"\nof = \"rows\"", "unknown key 'off' in [[rollup]]", "off"),
        ] {
            assert_wrong(&rollup(lines), message, marked);
        }
        assert_wrong(&job("[[rollup]]\nof = \"rows\"\n"), "has no name", "[[rollup]]");
        assert_wrong(&job("[[rollup]]\nmetric = \"n\"\n"), "neither sql nor of", "[[rollup]]");
        let time = |name: &str| job("").replace("time = \"at\"", &format!("time = \"{name}\""));
        assert_wrong(&time("word"), "is of type text", "\"word\"");
        assert_wrong(&time("att"), "did you mean 'at'?", "\"att\"");
        let without = job("[[rollup]]\nmetric = \"n\"\nof = \"rows\"\n").replace("time = \"at\"\n", "");
        assert_wrong(&without, "no time in [record]", "[record]");
    }
}
