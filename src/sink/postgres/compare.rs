//! Compares the target with the job before the first row, and reports all findings at once.

use postgres::GenericClient;

use super::Settings;
use super::ask::{Answer, with_values};
use super::catalog::{Target, Types};
use super::constants::must_stage;
use super::fit;
use super::key_index::{Indexes, KeyIndex};
use super::trouble::{Trouble, at};
use super::verdict::Step;
use super::wire::Column;
use crate::error::ErrorKind;
use crate::sink::Key;
use crate::sink::key::quote;

/// Compares the target with the job. All findings are reported at once.
pub(super) fn compare(
    target: &Target,
    settings: &Settings,
    types: &Types,
    indexes: Indexes,
    rights: &Rights,
) -> Result<(Vec<Column>, KeyIndex), Trouble> {
    refuse_other_kinds(target)?;
    let name = &target.name;
    let mut findings = Vec::new();
    let columns = match fit::fit(target, settings, types) {
        Ok(columns) => columns,
        Err(mismatches) => {
            findings.extend(mismatches);
            Vec::new()
        }
    };
    if target.partition_columns.contains(&None) {
        findings.push(format!("{name} is partitioned by an expression; partition it by columns"));
    }
    // A column that is missing from the target as well has already been reported.
    let is_written = |column: &String| columns.is_empty() || columns.iter().any(|it| it.name == *column);
    for column in target.identity(&settings.key).iter().filter(|column| !is_written(column)) {
        findings.push(format!(
            "{name} is partitioned by {column}, and no field is written to it; add one, so that a row can be found again"
        ));
    }
    let lacks_key_columns = target.identity(&settings.key).iter().any(|name| target.column(name).is_none());
    let key_index = match indexes.for_key(target, &settings.key) {
        Ok(index) => index,
        // Already reported.
        Err(_) if lacks_key_columns => KeyIndex::default(),
        Err(missing) => {
            findings.push(missing);
            KeyIndex::default()
        }
    };
    rights.look(target, settings, must_stage(&columns), &mut findings);
    if findings.is_empty() { Ok((columns, key_index)) } else { Err(unfit(findings)) }
}

/// Refuses what is not a table.
pub(super) fn refuse_other_kinds(target: &Target) -> Result<(), Trouble> {
    let kind = match target.kind {
        'r' | 'p' => return Ok(()),
        'v' => "a view",
        'm' => "a materialized view",
        'f' => "a foreign table",
        _ => "not a table",
    };
    Err(unfit(vec![format!("{} is {kind}; rows can only be loaded into a table", target.name)]))
}

/// What holds for the table whatever its columns are, and what the role may do with it.
#[derive(Debug)]
pub(super) struct Rights {
    /// The tables of the target that are not logged.
    unlogged: Option<String>,
    rules: Option<String>,
    has_row_security: bool,
    may_insert: bool,
    may_select: bool,
    may_update: bool,
    may_delete: bool,
    role: String,
    may_stage: bool,
    database: String,
    may_use_schema: bool,
}

impl Rights {
    /// What is asked about a target.
    pub(super) fn question(target: &Target) -> String {
        with_values(
            "WITH RECURSIVE part (oid) AS (
                 SELECT $1::oid UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
             )
             SELECT (SELECT string_agg(c.relname::text, ', ') FROM part JOIN pg_class c ON c.oid = part.oid WHERE c.relpersistence <> 'p'),
                    (SELECT string_agg(rulename::text, ', ') FROM pg_rewrite WHERE ev_class = $1 AND rulename <> '_RETURN'),
                    row_security_active($1::oid),
                    has_table_privilege($1::oid, 'INSERT'),
                    has_table_privilege($1::oid, 'SELECT'),
                    has_table_privilege($1::oid, 'UPDATE'),
                    has_table_privilege($1::oid, 'DELETE'),
                    current_user::text,
                    has_database_privilege(current_database(), 'TEMPORARY'),
                    current_database()::text,
                    has_schema_privilege($2, 'USAGE')",
            &[&target.oid, &target.schema],
        )
    }

    /// The answer.
    pub(super) fn of(answer: &Answer) -> Result<Rights, Trouble> {
        let line = answer.only()?;
        Ok(Rights {
            unlogged: line.get(0)?,
            rules: line.get(1)?,
            has_row_security: line.get(2)?,
            may_insert: line.get(3)?,
            may_select: line.get(4)?,
            may_update: line.get(5)?,
            may_delete: line.get(6)?,
            role: line.get(7)?,
            may_stage: line.get(8)?,
            database: line.get(9)?,
            may_use_schema: line.get(10)?,
        })
    }

    fn look(&self, target: &Target, settings: &Settings, must_stage: bool, findings: &mut Vec<String>) {
        let (name, role) = (&target.name, &self.role);
        if let Some(unlogged) = &self.unlogged {
            findings.push(format!(
                "{unlogged} is not a logged table: a crash of the server would empty it, and keep the checkpoints \
                 (ALTER TABLE … SET LOGGED)"
            ));
        }
        if let Some(rules) = &self.rules {
            findings.push(format!("{name} has rules ({rules}), which can turn rows into something else; drop them, or load another table"));
        }
        if self.has_row_security {
            findings.push(hidden_rows(name));
        }
        if !self.may_use_schema {
            findings.push(format!(
                "role {role} may not use what is in schema {schema} (GRANT USAGE ON SCHEMA {} TO {})",
                quote(&target.schema),
                quote(role),
                schema = target.schema
            ));
        }
        let rights = [
            ("INSERT", self.may_insert, true),
            ("SELECT", self.may_select, settings.key != Key::None),
            ("UPDATE", self.may_update, settings.changes_rows()),
            // A rerun under other rules moves rows to other partitions.
            (
                "DELETE",
                self.may_delete,
                settings.is_rebuild || settings.key == Key::Position && target.kind == 'p',
            ),
        ];
        let missing = rights.iter().filter(|(_, has_it, is_needed)| *is_needed && !has_it);
        let missing: Vec<&str> = missing.map(|(right, ..)| *right).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            findings.push(format!(
                "role {role} lacks {missing} on {name} (GRANT {missing} ON {} TO {})",
                target.quoted(),
                quote(role)
            ));
        }
        // Rows that may meet others wait in a temporary table, and so do the letters of a rebuild.
        if !self.may_stage && (settings.key != Key::None || must_stage || settings.is_rebuild) {
            findings.push(format!(
                "role {role} may not make temporary tables (GRANT TEMPORARY ON DATABASE {} TO {})",
                quote(&self.database),
                quote(role)
            ));
        }
    }
}

/// Refuses to count, compare or delete in a table if row security may hide rows from this role.
pub(super) fn refuse_row_security(
    client: &mut impl GenericClient,
    target: &Target,
    step: Step,
) -> Result<(), Trouble> {
    let is_active = at(step, client.query_one("SELECT row_security_active($1::oid)", &[&target.oid]))?;
    if is_active.get(0) { Err(unfit(vec![hidden_rows(&target.name)])) } else { Ok(()) }
}

fn hidden_rows(name: &str) -> String {
    format!(
        "row security applies to this role on {name}, so it may not see rows that are there; use a role with BYPASSRLS"
    )
}

pub(super) fn unfit(findings: Vec<String>) -> Trouble {
    Trouble::Ours(ErrorKind::Unfit(findings).into())
}
