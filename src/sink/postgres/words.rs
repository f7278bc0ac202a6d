//! The words of the statements that compare staged with existing rows.
//!
//! In a statement over two tables, `t` is the existing row; the new one is `s`, as it is staged, or
//! `excluded`, as the server was about to store it.

use super::names::{Operator, Order};
use super::staging::STAGE_ROW;
use super::wire::{Column, Sameness, Wire};
use crate::sink::OnConflict;
use crate::sink::key::{SOURCE_ID, SOURCE_OFFSET, quote};

/// What a job writes, and what identifies a row of it.
pub(super) struct Words<'a> {
    pub(super) columns: &'a [Column],
    pub(super) key_columns: Vec<String>,
    pub(super) on_conflict: &'a OnConflict,
    pub(super) operators: &'a Operators,
    /// The stage has only the base types of the target's types.
    pub(super) is_raw: bool,
}

/// How the server compares values of the target, where it is asked to. The search path is that of the
/// target's triggers, where any user may have created an operator, so every operator is qualified with its
/// schema.
#[derive(Clone, Debug)]
pub(super) struct Operators {
    /// For the columns of the key, as their index has it: `=` of citext is not that of text.
    pub(super) equals: Vec<(String, Operator)>,
    /// For the column that decides which row is newer, if there is one.
    pub(super) order: Order,
}

/// Whether two values differ; both can be null.
fn distinct(equal: &Operator, one: &str, other: &str) -> String {
    format!("({one} {equal} {other}) IS NOT TRUE AND ({one} IS NOT NULL OR {other} IS NOT NULL)")
}

impl<'a> Words<'a> {
    pub(super) fn list<'c>(
        &self,
        columns: impl IntoIterator<Item = &'c Column>,
        word: impl Fn(&Column) -> String,
    ) -> String {
        columns.into_iter().map(word).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn names(&self) -> String {
        self.list(self.columns, |column| quote(&column.name))
    }

    /// The values for all columns.
    pub(super) fn new_row(&self) -> String {
        self.list(self.columns, |column| self.stored("s", column))
    }

    /// Whether an existing row can be changed.
    pub(super) fn can_change(&self) -> bool {
        !self.key_columns.is_empty() && !self.rest().is_empty() && *self.on_conflict != OnConflict::Keep
    }

    /// The assignments that turn the existing row into the new one.
    pub(super) fn set(&self, from: &str) -> String {
        self.list(&self.rest(), |column| format!("{} = {}", quote(&column.name), self.stored(from, column)))
    }

    /// What to do instead of an insertion that meets a row with its key.
    pub(super) fn instead(&self) -> String {
        let keys = self.key_columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        let action = match self.can_change() {
            true => format!("UPDATE SET {} WHERE {}", self.set("excluded"), self.wins("excluded")),
            false => "NOTHING".to_owned(),
        };
        format!("ON CONFLICT ({keys}) DO {action}")
    }

    /// The columns outside the key.
    pub(super) fn rest(&self) -> Vec<Column> {
        let is_key = |column: &&Column| self.key_columns.contains(&column.name);
        self.columns.iter().filter(|column| !is_key(column)).cloned().collect()
    }

    /// The new value of a column. A staged text is cast; `excluded` has the target's own type.
    fn value(&self, from: &str, column: &Column) -> String {
        match column.wire {
            _ if from == "s" && (self.is_raw || column.wire == Wire::Cast) => {
                format!("s.{}::{}", quote(&column.name), column.type_name)
            }
            _ => format!("{from}.{}", quote(&column.name)),
        }
    }

    /// The same, as the column stores it; a column refuses a value that is too long for it.
    pub(super) fn stored(&self, from: &str, column: &Column) -> String {
        match column.wire {
            Wire::Cast if from == "s" => format!("s.{}::{}", quote(&column.name), column.plain_type),
            _ => format!("{from}.{}", quote(&column.name)),
        }
    }

    pub(super) fn value_of(&self, from: &str, name: &str) -> String {
        let column = self.columns.iter().find(|column| column.name == name);
        self.value(from, column.expect("keys and ages are columns that are written"))
    }

    /// The columns besides the key as one value, compared byte by byte: two rows with the same image are the
    /// same row, whatever `=` of their types says.
    fn image(&self, from: &str) -> String {
        let rest = self.rest();
        format!("ROW({})::record", self.list(&rest, |column| self.value(from, column)))
    }

    pub(super) fn join(&self) -> String {
        let equal = self
            .key_columns
            .iter()
            .map(|name| format!("t.{} {} {}", quote(name), self.equal(name), self.value_of("s", name)));
        equal.collect::<Vec<_>>().join(" AND ")
    }

    /// The condition that joins a row with the one it replaces, in whatever partition; `None` if existing
    /// rows win.
    pub(super) fn replaced(&self, is_position: bool) -> Option<String> {
        if *self.on_conflict == OnConflict::Keep || self.key_columns.is_empty() {
            return None;
        }
        if !is_position {
            return Some(self.join());
        }
        let same = [SOURCE_ID, SOURCE_OFFSET].map(|name| format!("t.{name} {} s.{name}", self.equal(name)));
        Some(same.join(" AND "))
    }

    /// The operator that compares values of a key column.
    pub(super) fn equal(&self, name: &str) -> Operator {
        let known = self.operators.equals.iter().find(|(column, _)| column == name);
        known.map_or_else(|| Operator::own("="), |(_, operator)| operator.clone())
    }

    /// The condition for rows that are at a position of the stage in another partition; `None` if positions
    /// alone determine the partition.
    pub(super) fn has_moved(&self) -> Option<String> {
        let is_position = |name: &&String| [SOURCE_ID, SOURCE_OFFSET].contains(&name.as_str());
        let (position, parts): (Vec<&String>, Vec<&String>) = self.key_columns.iter().partition(is_position);
        let same = position.iter().map(|name| format!("t.{0} {1} s.{0}", quote(name), self.equal(name)));
        let other = parts.iter().map(|name| {
            distinct(&self.equal(name), &format!("t.{}", quote(name)), &self.value_of("s", name))
        });
        (!parts.is_empty()).then(|| {
            format!(
                "{} AND ({})",
                same.collect::<Vec<_>>().join(" AND "),
                other.collect::<Vec<_>>().join(" OR ")
            )
        })
    }

    /// Whether the images differ. A record of all columns would express it in one word, and cost more than
    /// the rest of the join; so it is made only of the columns for which nothing simpler is known, and comes
    /// last.
    pub(super) fn differs(&self, new: &str) -> String {
        let rest = self.rest();
        let (images, mut simple): (Vec<&Column>, Vec<&Column>) =
            rest.iter().partition(|column| column.sameness() == Sameness::Image);
        simple.sort_by_key(|column| column.is_text());
        let mut words: Vec<String> = simple
            .into_iter()
            .map(|column| {
                let (old, new) = (self.value("t", column), self.value(new, column));
                let equal = Operator::own("=");
                let differs = distinct(&equal, &old, &new);
                match column.sameness() {
                    // Zero has a sign, and not-a-number has many forms.
                    Sameness::Float(send) => format!(
                        "{differs} OR ({old} {equal} '0' OR {old} {equal} 'NaN')
                            AND pg_catalog.{send}({old}) OPERATOR(pg_catalog.<>) pg_catalog.{send}({new})"
                    ),
                    Sameness::Scaled => {
                        let scale = |value: &str| format!("pg_catalog.scale({value})");
                        format!("{differs} OR {}", distinct(&equal, &scale(&old), &scale(&new)))
                    }
                    Sameness::Equal | Sameness::Image => differs,
                }
            })
            .collect();
        if !images.is_empty() {
            let image = |from| {
                format!(
                    "ROW({})::record",
                    self.list(images.iter().copied(), |column| self.value(from, column))
                )
            };
            words.push(format!("{} OPERATOR(pg_catalog.*<>) {}", image("t"), image(new)));
        }
        format!("({})", words.join(" OR "))
    }

    /// Counts the rows that are already equal.
    pub(super) fn count_equal(&self) -> String {
        if self.rest().is_empty() || *self.on_conflict == OnConflict::Keep {
            return "pg_catalog.count(*)".to_owned();
        }
        format!("pg_catalog.count(*) - pg_catalog.count(*) FILTER (WHERE {})", self.differs("s"))
    }

    /// Whether the new row replaces the existing one.
    pub(super) fn wins(&self, new: &str) -> String {
        if self.rest().is_empty() {
            return "false".to_owned();
        }
        let (old_image, new_image) = (self.image("t"), self.image(new));
        match self.on_conflict {
            OnConflict::Update => self.differs(new),
            OnConflict::Keep => "false".to_owned(),
            OnConflict::Newest(column) => {
                let (old, new) = (format!("t.{}", quote(column)), self.value_of(new, column));
                let Order { equal, greater } = &self.operators.order;
                format!(
                    "({new} IS NOT NULL AND ({old} IS NULL OR {new} {greater} {old})
                      OR ({new} {equal} {old} OR {new} IS NULL AND {old} IS NULL)
                         AND {new_image} OPERATOR(pg_catalog.*>) {old_image})"
                )
            }
        }
    }

    /// The order that puts, among rows with the same key, the winning one first.
    pub(super) fn first_is_best(&self) -> String {
        match self.on_conflict {
            OnConflict::Update => format!("{STAGE_ROW} DESC"),
            OnConflict::Keep => STAGE_ROW.to_owned(),
            OnConflict::Newest(column) => format!(
                "{} DESC NULLS LAST, {} USING OPERATOR(pg_catalog.*>), {STAGE_ROW} DESC",
                self.value_of("s", column),
                self.image("s")
            ),
        }
    }
}
