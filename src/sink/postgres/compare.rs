//! Compares the target with the job before the first row, and reports all findings at once.

use postgres::{Client, GenericClient, Row};

use super::Settings;
use super::ask::Ask as _;
use super::catalog::{self, KeyIndex, Target};
use super::constants::must_stage;
use super::fit;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use super::wire::Column;
use crate::error::ErrorKind;
use crate::sink::Key;
use crate::sink::key::quote;

/// Compares the target with the job. All findings are reported at once.
pub(super) fn compare(
    client: &mut Client,
    target: &Target,
    settings: &Settings,
) -> Result<(Vec<Column>, KeyIndex), Trouble> {
    let name = &target.name;
    let kind = match target.kind {
        'r' | 'p' => None,
        'v' => Some("a view"),
        'm' => Some("a materialized view"),
        'f' => Some("a foreign table"),
        _ => Some("not a table"),
    };
    if let Some(kind) = kind {
        return Err(unfit(vec![format!("{name} is {kind}; rows can only be loaded into a table")]));
    }
    let mut findings = Vec::new();
    let types = catalog::read_types(client, target)?;
    let columns = match fit::fit(target, settings, &types) {
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
    let key_index = match catalog::find_key_index(client, target, &settings.key)? {
        Ok(index) => index,
        // Already reported.
        Err(_) if lacks_key_columns => KeyIndex::default(),
        Err(missing) => {
            findings.push(missing);
            KeyIndex::default()
        }
    };
    look_at_table(client, target, settings, must_stage(&columns), &mut findings)?;
    if findings.is_empty() { Ok((columns, key_index)) } else { Err(unfit(findings)) }
}

/// Checks what holds for the table whatever its columns are, and what the role may do with it.
fn look_at_table(
    client: &mut Client,
    target: &Target,
    settings: &Settings,
    must_stage: bool,
    findings: &mut Vec<String>,
) -> Result<(), Trouble> {
    let name = &target.name;
    let row = client.ask_one(
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
    );
    let row = at(Step::Prepare, row)?;
    if let Some(unlogged) = row.get::<_, Option<String>>(0) {
        findings.push(format!(
            "{unlogged} is not a logged table: a crash of the server would empty it, and keep the checkpoints \
             (ALTER TABLE … SET LOGGED)"
        ));
    }
    if let Some(rules) = row.get::<_, Option<String>>(1) {
        findings.push(format!("{name} has rules ({rules}), which can turn rows into something else; drop them, or load another table"));
    }
    if row.get(2) {
        findings.push(hidden_rows(name));
    }
    look_at_rights(&row, target, settings, must_stage, findings);
    Ok(())
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

fn look_at_rights(
    row: &Row,
    target: &Target,
    settings: &Settings,
    must_stage: bool,
    findings: &mut Vec<String>,
) {
    let name = &target.name;
    let role: String = row.get(7);
    if !row.get::<_, bool>(10) {
        findings.push(format!(
            "role {role} may not use what is in schema {schema} (GRANT USAGE ON SCHEMA {} TO {})",
            quote(&target.schema),
            quote(&role),
            schema = target.schema
        ));
    }
    let mut missing = Vec::new();
    let rights = [
        ("INSERT", 3, true),
        ("SELECT", 4, settings.key != Key::None),
        ("UPDATE", 5, settings.changes_rows()),
        // A rerun under other rules moves rows to other partitions.
        ("DELETE", 6, settings.is_rebuild || settings.key == Key::Position && target.kind == 'p'),
    ];
    for (right, index, is_needed) in rights {
        if is_needed && !row.get::<_, bool>(index) {
            missing.push(right);
        }
    }
    if !missing.is_empty() {
        let missing = missing.join(", ");
        findings.push(format!(
            "role {role} lacks {missing} on {name} (GRANT {missing} ON {} TO {})",
            target.quoted(),
            quote(&role)
        ));
    }
    // Rows that may meet others wait in a temporary table, and so do the letters of a rebuild.
    if !row.get::<_, bool>(8) && (settings.key != Key::None || must_stage || settings.is_rebuild) {
        findings.push(format!(
            "role {role} may not make temporary tables (GRANT TEMPORARY ON DATABASE {} TO {})",
            quote(row.get(9)),
            quote(&role)
        ));
    }
}

pub(super) fn unfit(findings: Vec<String>) -> Trouble {
    Trouble::Ours(ErrorKind::Unfit(findings).into())
}
