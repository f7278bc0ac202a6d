//! Partitions: the worker refuses a record that fits none of the target's partitions, as the server would.
//!
//! A level of partitions is understood if a single column determines it, by ranges or lists, in the server's
//! own order for the type. Anything else accepts every row, and is left to the server. Adjoining ranges are
//! merged, so that years of months take a comparison or two.

use std::cmp::Ordering;

use super::super::ask::{Answer, Line};
use super::compile::KnownColumn;
use super::{CHECK_VIOLATION, Constant, Subject};
use crate::reject::{Faults, Path};
use crate::schema::Value;
use crate::sink::postgres::catalog::Target;
use crate::sink::postgres::trouble::Trouble;

/// What a table accepts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// Everything, as far as is known.
    All,
    Level(Box<Level>),
}

/// A table that is partitioned by one column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    subject: Subject,
    /// Sorted, and without overlaps.
    ranges: Vec<Range>,
    /// What accepts a null.
    null: Option<Part>,
    /// What accepts everything that nothing else accepts.
    default: Option<Part>,
}

/// Values from one on, and below another. A list value is a range that holds only this value.
#[derive(Clone, Debug, PartialEq)]
struct Range {
    from: Option<Constant>,
    to: Option<Constant>,
    is_value: bool,
    part: Part,
}

/// The partitions of a target that an answer describes, if some record may fit none.
pub(super) fn part(
    tree: &Answer,
    target: &Target,
    known: &[KnownColumn<'_>],
) -> Result<Option<Part>, Trouble> {
    let tables = tree.rows().map(Table::of).collect::<Result<Vec<_>, _>>()?;
    let part = part_of(target.oid, &tables, known);
    Ok(Some(part).filter(|part| *part != Part::All))
}

/// The target and its partitions. A single column must determine them, in the server's own order.
pub(super) const TREE: &str = "SELECT t.relid::oid, t.parentrelid::oid, pg_get_expr(c.relpartbound, c.oid), p.partstrat::text, a.attname::text,
           coalesce(p.partnatts = 1 AND p.partexprs IS NULL, false)
               AND EXISTS (SELECT FROM pg_opclass o WHERE o.oid = p.partclass[0] AND o.opcdefault
                           AND o.opcnamespace = 'pg_catalog'::regnamespace)
               AND NOT EXISTS (SELECT FROM pg_collation k WHERE k.oid = p.partcollation[0] AND NOT k.collisdeterministic)
    FROM pg_partition_tree($1::oid::regclass) t JOIN pg_class c ON c.oid = t.relid
    LEFT JOIN pg_partitioned_table p ON p.partrelid = t.relid
    LEFT JOIN pg_attribute a ON a.attrelid = t.relid AND a.attnum = p.partattrs[0]";

struct Table {
    oid: u32,
    parent: Option<u32>,
    bound: Option<String>,
    /// How it is partitioned, if it is.
    strategy: Option<String>,
    column: Option<String>,
    is_plain: bool,
}

impl Table {
    fn of(line: Line<'_>) -> Result<Table, Trouble> {
        Ok(Table {
            oid: line.get(0)?,
            parent: line.get(1)?,
            bound: line.get(2)?,
            strategy: line.get(3)?,
            column: line.get(4)?,
            is_plain: line.get(5)?,
        })
    }
}

fn part_of(oid: u32, tables: &[Table], known: &[KnownColumn<'_>]) -> Part {
    let level = tables.iter().find(|table| table.oid == oid).and_then(|table| level_of(table, tables, known));
    level.map_or(Part::All, |level| Part::Level(Box::new(level)))
}

/// The level below a table; `None` if there is none, or none that is understood.
fn level_of(table: &Table, tables: &[Table], known: &[KnownColumn<'_>]) -> Option<Level> {
    let strategy = table.strategy.as_deref().filter(|_| table.is_plain)?;
    let column = known.iter().find(|known| Some(known.name) == table.column.as_deref())?;
    if !(strategy == "l" || strategy == "r" && column.is_ordered()) {
        return None;
    }
    let mut level = Level { subject: column.subject()?, ranges: Vec::new(), null: None, default: None };
    for child in tables.iter().filter(|child| child.parent == Some(table.oid)) {
        let part = part_of(child.oid, tables, known);
        match bound(child.bound.as_deref()?)? {
            Bound::Default => level.default = Some(part),
            Bound::Range(from, to) => {
                let edge = |item: Item| match item {
                    Item::Min | Item::Max => Some(None),
                    Item::Value(text) => column.constant(&text).map(Some),
                    Item::Null => None,
                };
                level.ranges.push(Range { from: edge(from)?, to: edge(to)?, is_value: false, part });
            }
            Bound::List(items) => {
                for item in items {
                    let Item::Value(text) = item else {
                        level.null = Some(part.clone());
                        continue;
                    };
                    let value = Some(column.constant(&text)?);
                    let part = part.clone();
                    level.ranges.push(Range { from: value.clone(), to: value, is_value: true, part });
                }
            }
        }
    }
    level.ranges.sort_by(|one, other| match (&one.from, &other.from) {
        (Some(one), Some(other)) => one.order(other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    });
    level.ranges.dedup_by(|next, range| {
        let adjoins = !next.is_value && next.from == range.to && next.part == range.part;
        if adjoins {
            range.to = next.to.take();
        }
        adjoins
    });
    Some(level)
}

impl Part {
    /// Adds a fault if no partition accepts the values of a row.
    #[inline]
    pub(super) fn judge(&self, table: &str, values: &[Value<'_>], faults: &mut Faults) {
        if !self.takes(values) {
            refuse(table, faults);
        }
    }

    fn takes(&self, values: &[Value<'_>]) -> bool {
        let mut part = self;
        while let Part::Level(level) = part {
            match level.part_for(values) {
                Some(Some(next)) => part = next,
                Some(None) => return false,
                None => return true,
            }
        }
        true
    }
}

#[cold]
fn refuse(table: &str, faults: &mut Faults) {
    let message = format_args!("no partition of relation \"{table}\" found for row");
    faults.push(CHECK_VIOLATION, &Path::Record, message, None);
}

impl Level {
    /// The part that accepts these values, if one does; an outer `None` if that is unknown.
    fn part_for(&self, values: &[Value<'_>]) -> Option<Option<&Part>> {
        if values[self.subject.index()] == Value::Null {
            return Some(self.null.as_ref().or(self.default.as_ref()));
        }
        let mut is_known = true;
        let mut order = |constant: &Constant| {
            let order = self.subject.compare(values, constant);
            is_known &= order.is_some();
            order.unwrap_or(Ordering::Less)
        };
        let behind =
            self.ranges.partition_point(|range| range.from.as_ref().is_none_or(|from| order(from).is_ge()));
        let found = behind.checked_sub(1).map(|index| &self.ranges[index]).filter(|range| match &range.to {
            Some(to) if range.is_value => order(to).is_eq(),
            Some(to) => order(to).is_lt(),
            None => true,
        });
        is_known.then(|| found.map(|range| &range.part).or(self.default.as_ref()))
    }
}

/// What a partition accepts, as the server prints it.
#[derive(Debug, PartialEq)]
enum Bound {
    Default,
    Range(Item, Item),
    List(Vec<Item>),
}

#[derive(Debug, PartialEq)]
enum Item {
    Min,
    Max,
    Null,
    Value(String),
}

/// Reads a bound. `None` for one of hashes, of several columns, or in another form.
fn bound(text: &str) -> Option<Bound> {
    if text == "DEFAULT" {
        return Some(Bound::Default);
    }
    let rest = text.strip_prefix("FOR VALUES ")?;
    if let Some(list) = rest.strip_prefix("IN ") {
        let (items, rest) = items(list)?;
        return rest.is_empty().then_some(Bound::List(items));
    }
    let (from, rest) = items(rest.strip_prefix("FROM ")?)?;
    let (to, rest) = items(rest.strip_prefix(" TO ")?)?;
    let [from] = <[Item; 1]>::try_from(from).ok()?;
    let [to] = <[Item; 1]>::try_from(to).ok()?;
    rest.is_empty().then_some(Bound::Range(from, to))
}

/// The items in parentheses, and what follows.
fn items(text: &str) -> Option<(Vec<Item>, &str)> {
    let mut rest = text.strip_prefix('(')?;
    let mut items = Vec::new();
    loop {
        let item;
        (item, rest) = match rest.strip_prefix('\'') {
            Some(quoted) => {
                let (value, rest) = quoted_text(quoted)?;
                (Item::Value(value), rest)
            }
            None => {
                let (word, rest) = rest.split_at(rest.find([',', ')'])?);
                let item = match word {
                    "MINVALUE" => Item::Min,
                    "MAXVALUE" => Item::Max,
                    "NULL" => Item::Null,
                    number => Item::Value(number.to_owned()),
                };
                (item, rest)
            }
        };
        items.push(item);
        match rest.strip_prefix(", ") {
            Some(next) => rest = next,
            None => return Some((items, rest.strip_prefix(')')?)),
        }
    }
}

/// A text up to its closing quote, and what follows.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (part, behind) = rest.split_once('\'')?;
        value.push_str(part);
        match behind.strip_prefix('\'') {
            Some(next) => {
                value.push('\'');
                rest = next;
            }
            None => return Some((value, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_the_server_prints_them() {
        let value = |text: &str| Item::Value(text.to_owned());
        for (text, expected) in [
            ("DEFAULT", Some(Bound::Default)),
            (
                "FOR VALUES FROM ('2024-01-01') TO (MAXVALUE)",
                Some(Bound::Range(value("2024-01-01"), Item::Max)),
            ),
            ("FOR VALUES FROM (MINVALUE) TO (10)", Some(Bound::Range(Item::Min, value("10")))),
            (
                "FOR VALUES IN ('a, b', 'it''s', NULL, -1)",
                Some(Bound::List(vec![value("a, b"), value("it's"), Item::Null, value("-1")])),
            ),
            ("FOR VALUES FROM (1, 2) TO (3, 4)", None),
            ("FOR VALUES WITH (modulus 4, remainder 0)", None),
        ] {
            assert_eq!(bound(text), expected, "{text}");
        }
    }

    fn range(from: Option<i64>, to: Option<i64>, part: Part) -> Range {
        Range { from: from.map(Constant::Int), to: to.map(Constant::Int), is_value: false, part }
    }

    #[test]
    fn a_value_has_the_part_that_takes_it() {
        let inner = Level {
            subject: Subject::Value(1),
            ranges: ["a", "b"]
                .map(|text| {
                    let value = Some(Constant::Text(text.to_owned()));
                    Range { from: value.clone(), to: value, is_value: true, part: Part::All }
                })
                .into(),
            null: Some(Part::All),
            default: None,
        };
        let inner = Part::Level(Box::new(inner));
        let level = |default| {
            let ranges = vec![range(None, Some(0), Part::All), range(Some(10), Some(20), inner.clone())];
            Part::Level(Box::new(Level { subject: Subject::Value(0), ranges, null: None, default }))
        };
        for (number, text, alone, with_default) in [
            (Value::Int(-1), Value::Text("z"), true, true),
            (Value::Int(0), Value::Text("a"), false, true),
            (Value::Int(10), Value::Text("a"), true, true),
            (Value::Int(19), Value::Text("b"), true, true),
            (Value::Int(19), Value::Text("aa"), false, false),
            (Value::Int(19), Value::Null, true, true),
            (Value::Int(20), Value::Text("a"), false, true),
            (Value::Null, Value::Text("a"), false, true),
            // A value that cannot be compared is left to the server.
            (Value::Text("x"), Value::Text("z"), true, true),
        ] {
            let values = [number, text];
            assert_eq!(level(None).takes(&values), alone, "{values:?}");
            assert_eq!(level(Some(Part::All)).takes(&values), with_default, "{values:?}");
        }
    }
}
