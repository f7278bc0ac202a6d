//! What a load must know of its target besides its columns, and of what it has loaded there before: asked in
//! one message, because over a slow line each wait costs more than the question.

use postgres::GenericClient;

use super::ask::{Answer, Line, ask_all, with_values};
use super::catalog::{Target, Types, order_of, order_question};
use super::check::Demands;
use super::compare::Rights;
use super::key_index::Indexes;
use super::names::Order;
use super::staging::STAGE;
use super::trouble::Trouble;
use super::verdict::Step;
use super::wire::{Column, Wire};
use super::{Settings, metrics, tables};
use crate::sink::OnConflict;
use crate::sink::findings::{Loaded, Past};
use crate::sink::key::quote;
use crate::sink::rollup::Known;

/// What was asked.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) types: Types,
    pub(super) indexes: Indexes,
    pub(super) rights: Rights,
    /// How the column that decides between rows is ordered.
    pub(super) order: Order,
    /// The table is known to be empty.
    pub(super) is_empty: bool,
    /// The version of logmill's tables, if there are any.
    pub(super) version: Option<i32>,
    /// What the job has loaded before.
    pub(super) past: Past,
    /// The registered metrics, if logmill's tables are of the present version.
    pub(super) known: Known,
    pub(super) checks: Checks,
}

/// The constraints of the target.
#[derive(Debug)]
pub(super) struct Checks {
    of_worker: [Answer; 3],
    of_stage: Vec<StageCheck>,
}

/// A CHECK of the target.
#[derive(Debug)]
struct StageCheck {
    name: String,
    definition: String,
    /// The columns it is about; `None` is one that the server has not named.
    columns: Vec<Option<String>>,
}

impl Look {
    /// Looks at a target, and at logmill's tables if there are any, which are taken to be of this version.
    pub(super) fn at(
        client: &mut impl GenericClient,
        target: &Target,
        settings: &Settings,
        version: Option<i32>,
    ) -> Result<Look, Trouble> {
        let [labels, items] = Types::questions(target);
        let [indexes, parts, equals, heir] = Indexes::questions(target, &settings.key);
        let [collated, checks, partitions] = Demands::questions(target);
        let order = match &settings.on_conflict {
            OnConflict::Newest(column) => order_question(target, column),
            _ => String::new(),
        };
        let is_empty = match target.is_readable {
            true => format!("SELECT NOT EXISTS (SELECT FROM {})", target.quoted()),
            // The comparison reports the missing right.
            false => String::new(),
        };
        let [actual, past] = match version {
            Some(version) => [tables::VERSION_QUESTION.to_owned(), past_question(settings, version)],
            None => Default::default(),
        };
        let [days, registered] = match version {
            Some(tables::VERSION) => metrics::questions(settings, target),
            _ => Default::default(),
        };
        let questions = [
            actual,
            past,
            labels,
            items,
            indexes,
            parts,
            equals,
            heir,
            Rights::question(target),
            order,
            collated,
            checks,
            partitions,
            with_values(STAGE_CHECKS, &[&target.oid]),
            is_empty,
            days,
            registered,
        ];
        let answers = ask_all(client, Step::Prepare, questions)?;
        let [
            actual,
            past,
            labels,
            items,
            indexes,
            parts,
            equals,
            heir,
            rights,
            order,
            collated,
            checks,
            partitions,
            stage_checks,
            is_empty,
            days,
            registered,
        ] = answers;
        Ok(Look {
            types: Types::of(&labels, &items)?,
            indexes: Indexes::of(&[indexes, parts, equals, heir])?,
            rights: Rights::of(&rights)?,
            order: order_of(&order)?,
            is_empty: is_empty.first().map_or(Ok(false), |line| line.get(0))?,
            version: actual.first().map(|line| line.get(0)).transpose()?,
            past: past_of(&past)?,
            known: metrics::known_of(&days, &registered)?,
            checks: Checks {
                of_worker: [collated, checks, partitions],
                of_stage: stage_checks.rows().map(StageCheck::of).collect::<Result<_, _>>()?,
            },
        })
    }
}

impl StageCheck {
    fn of(line: Line<'_>) -> Result<StageCheck, Trouble> {
        Ok(StageCheck { name: line.get(0)?, definition: line.get(1)?, columns: line.get(2)? })
    }
}

impl Checks {
    /// What the target demands of a record, as far as it is understood.
    pub(super) fn demands(&self, target: &Target, columns: &[Column]) -> Result<Demands, Trouble> {
        Demands::of(&self.of_worker, target, columns)
    }

    /// Statements that copy the CHECKs of the target to the stage.
    ///
    /// A row that loses to another with its key never reaches the target. Whether it is a reject must not
    /// depend on that: with other batch sizes it would have been tried. So it is judged in the stage, where all
    /// rows pass; and there the server names the line, which it does not in a merge.
    pub(super) fn of_stage(&self, columns: &[Column]) -> String {
        let is_typed = |name: &Option<String>| {
            columns.iter().any(|column| Some(&column.name) == name.as_ref() && column.wire != Wire::Cast)
        };
        let checks = self.of_stage.iter().filter(|check| check.columns.iter().all(is_typed));
        // The table is empty, so it need not be validated: the functions that the CHECK calls may need the
        // target's path, which is not set here.
        let statements = checks.map(|StageCheck { name, definition, .. }| {
            format!("; ALTER TABLE pg_temp.{STAGE} ADD CONSTRAINT {} {definition} NOT VALID", quote(name))
        });
        statements.collect()
    }
}

/// A trigger may repair a row before it is checked. A CHECK that is not validated need not hold for existing
/// rows, which may be staged again.
const STAGE_CHECKS: &str = "WITH RECURSIVE part (oid) AS (
         SELECT $1::oid UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
     )
     SELECT conname::text, pg_get_constraintdef(oid),
            array_to_json(ARRAY(SELECT a.attname::text FROM unnest(conkey) k (attnum)
                                LEFT JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.attnum))
     FROM pg_constraint
     WHERE conrelid = $1 AND contype = 'c' AND convalidated
       AND NOT EXISTS (SELECT FROM pg_trigger g JOIN part ON part.oid = g.tgrelid
                       WHERE NOT g.tgisinternal AND g.tgtype & 3 = 3)
     ORDER BY conname";

/// What is asked about the loads of a job, in logmill's tables of this version.
pub(super) fn past_question(settings: &Settings, version: i32) -> String {
    let (sources, checkpoints) = tables::of_version(version);
    with_values(&Past::sql(sources, checkpoints), &[&settings.job])
}

/// What the job has loaded before.
pub(super) fn past_of(answer: &Answer) -> Result<Past, Trouble> {
    let loaded = answer
        .rows()
        .map(|line| Ok(Loaded { target: line.get(0)?, sources: line.get(1)?, inserted: line.get(2)? }));
    Ok(Past(loaded.collect::<Result<_, Trouble>>()?))
}
