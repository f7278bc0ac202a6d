//! The constants of a run: the statements that write rows.

use chrono::NaiveDate;

use super::encode::Column;
use super::marks::Marks;
use super::order::collation;
use super::target::{ForeignKey, Target};
use crate::sink::key::quote;
use crate::sink::rebuild::DATA_DATE;
use crate::sink::{Key, OnConflict};

/// The statements of a run.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    pub(super) target: Target,
    /// Inserts a row that must be new.
    pub(super) insert_sql: String,
    /// Inserts a row unless its key exists.
    pub(super) insert_absent_sql: Option<String>,
    /// Changes the row with the key, if the new one wins and differs.
    pub(super) update_sql: Option<String>,
    /// Whether the row with the key exists and is equal.
    pub(super) compare_sql: Option<String>,
    /// Asks whether any row in a range of positions exists.
    pub(super) probe_sql: Option<String>,
    /// Asks whether a row refers to a missing row of another table.
    pub(super) orphan_sql: Option<String>,
    /// Asks whether a row refers to a missing row of any table.
    pub(super) any_orphan_sql: Option<String>,
    /// Deletes the row at a position.
    pub(super) forget_sql: String,
    /// The day that rows name, if a rebuild identifies them by it.
    pub(super) day: Option<NaiveDate>,
    /// Whether the row with the key belongs to another day.
    pub(super) of_another_day_sql: Option<String>,
    /// The date of the row with the key, which is about to be replaced.
    pub(super) replaced_sql: Option<String>,
    /// The marks of the dates of rows.
    pub(super) marks: Marks,
}

impl Statements {
    pub(super) fn new(
        target: Target,
        columns: &[Column],
        key: &Key,
        on_conflict: &OnConflict,
        day: Option<NaiveDate>,
        marks: Marks,
    ) -> Statements {
        let table = quote(&target.name);
        let names = list(columns, |column| quote(&column.name));
        // Parameters are numbered like columns, so that one set of bindings serves all statements.
        let parameters =
            (1..=columns.len()).map(|number| format!("?{number}")).collect::<Vec<_>>().join(", ");
        let parameter = |column: &Column| {
            let index =
                columns.iter().position(|other| other.name == column.name).expect("one of the columns");
            format!("?{}", index + 1)
        };
        let key_columns = key.columns();
        let is_key =
            |column: &&Column| key_columns.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
        let rest: Vec<&Column> = columns.iter().filter(|column| !is_key(column)).collect();
        let keys: Vec<&Column> = columns.iter().filter(is_key).collect();
        let of_key =
            all(keys.iter().copied(), |column| format!("{} = {}", quote(&column.name), parameter(column)));
        // Bytewise, whatever collation the column has.
        let same =
            |column: &Column| format!("{} COLLATE BINARY IS {}", quote(&column.name), parameter(column));
        let equal = match rest.is_empty() {
            true => "true".to_owned(),
            false => all(rest.iter().copied(), same),
        };
        // Overrides a constraint's own conflict clause, which could replace or skip rows.
        let insert_sql = format!("INSERT OR ABORT INTO {table} ({names}) VALUES ({parameters})");
        let key_list = list(keys.iter().copied(), |column| quote(&column.name));
        let has_key = !keys.is_empty();
        let wins = match on_conflict {
            OnConflict::Keep => None,
            OnConflict::Update => Some(format!("NOT ({equal})")),
            OnConflict::Newest(name) => {
                let column = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
                let column = column.expect("a job's newest names one of its fields");
                let (old, new, by) = (quote(&column.name), parameter(column), collation(column));
                // Compared as SQL literals, which distinguish any two values.
                let image = |of: &dyn Fn(&Column) -> String| {
                    rest.iter()
                        .map(|column| format!("quote({})", of(column)))
                        .collect::<Vec<_>>()
                        .join(" || ',' || ")
                };
                let (old_image, new_image) = (image(&|column| quote(&column.name)), image(&parameter));
                Some(format!(
                    "{new} IS NOT NULL AND ({old} IS NULL OR {new}{by} > {old})
                      OR {new}{by} IS {old} AND {new_image} > {old_image}"
                ))
            }
        };
        Statements {
            insert_absent_sql: has_key.then(|| format!("{insert_sql} ON CONFLICT ({key_list}) DO NOTHING")),
            update_sql: wins.filter(|_| has_key && !rest.is_empty()).map(|wins| {
                let set = list(rest.iter().copied(), |column| format!("{} = {}", quote(&column.name), parameter(column)));
                format!("UPDATE OR ABORT {table} SET {set} WHERE {of_key} AND ({wins})")
            }),
            compare_sql: has_key.then(|| {
                let equal = if *on_conflict == OnConflict::Keep { "true" } else { &equal };
                format!("SELECT {equal} FROM {table} WHERE {of_key}")
            }),
            probe_sql: (*key == Key::Position).then(|| {
                format!(
                    "SELECT EXISTS (SELECT 1 FROM {table} WHERE source_id = ?1 AND source_offset >= ?2 AND source_offset < ?3)"
                )
            }),
            orphan_sql: orphan_sql(&target, columns, &parameter, |key| !target.is_own(key)),
            any_orphan_sql: orphan_sql(&target, columns, &parameter, |_| true),
            replaced_sql: marks.date_sql().filter(|_| has_key && *on_conflict != OnConflict::Keep).map(|date| {
                format!("SELECT {date} FROM {table} AS t WHERE {of_key}")
            }),
            marks,
            forget_sql: format!("DELETE FROM {table} WHERE source_id = ?1 AND source_offset = ?2"),
            of_another_day_sql: day
                .filter(|_| has_key)
                .map(|day| format!("SELECT 1 FROM {table} WHERE {of_key} AND {} IS NOT '{day}'", quote(DATA_DATE))),
            day,
            insert_sql,
            target,
        }
    }
}

/// Covers the foreign keys whose columns are written, if any of them can be deferred.
fn orphan_sql(
    target: &Target,
    columns: &[Column],
    parameter: &impl Fn(&Column) -> String,
    is_asked: impl Fn(&ForeignKey) -> bool,
) -> Option<String> {
    if !target.may_defer() {
        return None;
    }
    let written = |name: &str| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
    let conditions: Vec<String> = target
        .foreign_keys
        .iter()
        .filter(|foreign_key| is_asked(foreign_key))
        .filter_map(|foreign_key| {
            let pairs = foreign_key
                .columns
                .iter()
                .map(|(own, of_parent)| Some((parameter(written(own)?), of_parent)));
            let pairs: Vec<(String, &String)> = pairs.collect::<Option<_>>()?;
            let given: Vec<String> = pairs.iter().map(|(own, _)| format!("{own} IS NOT NULL")).collect();
            let same: Vec<String> =
                pairs.iter().map(|(own, of_parent)| format!("{} = {own}", quote(of_parent))).collect();
            Some(format!(
                "{} AND NOT EXISTS (SELECT 1 FROM {} WHERE {})",
                given.join(" AND "),
                quote(&foreign_key.parent),
                same.join(" AND ")
            ))
        })
        .collect();
    (!conditions.is_empty()).then(|| format!("SELECT {}", conditions.join(" OR ")))
}

fn list<'c>(columns: impl IntoIterator<Item = &'c Column>, word: impl Fn(&Column) -> String) -> String {
    columns.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

fn all<'c>(columns: impl IntoIterator<Item = &'c Column>, word: impl Fn(&Column) -> String) -> String {
    columns.into_iter().map(word).collect::<Vec<_>>().join(" AND ")
}
