//! Before the first row: everything that can be known by then is found here, and reported at once.

use postgres::{Client, SimpleQueryMessage};

use super::apart::Apart;
use super::ask::Ask as _;
use super::catalog::{self, Target, TargetColumn, signature_sql};
use super::compare::{compare, unfit};
use super::connect::Server;
use super::constants::{Constants, copy_sql, must_stage};
use super::encode::CopyEncoder;
use super::fit::{self, exists_already};
use super::link::{APPLICATION_NAME, Link, begin_sql, path_of_target};
use super::marks::Marks;
use super::merge::Merge;
use super::metrics;
use super::names::Operator;
use super::role::{Role, place_of};
use super::staging::STAGE;
use super::tables;
use super::trouble::{Refusal, Trouble, at, pass};
use super::verdict::Step;
use super::wire::{Column, Wire};
use super::words::Operators;
use super::{Settings, check};
use crate::sink::OnConflict;
use crate::sink::claim::Scope;
use crate::sink::constant::hash_key;
use crate::sink::findings::{self, Loaded, Past};
use crate::sink::key::quote;
use crate::sink::rebuild::{Provenance, conflict_of_letters};

/// A destination that is ready.
pub(super) struct Prepared {
    pub(super) constants: Constants,
    pub(super) encoder: CopyEncoder,
    /// What a person should know, though it does not stop the run.
    pub(super) warnings: Vec<String>,
}

/// The oldest server that has every feature used.
const SERVER_VERSION_MIN: i32 = 120_000;

/// Checks the server, creates what is missing, and compares what exists with the job. `server` is where the
/// connection was made to, unless a load has used it before: that load has already checked for a pooler in
/// between.
pub(super) fn prepare(
    link: &mut Link,
    server: Option<&Server>,
    settings: &Settings,
) -> Result<Prepared, Trouble> {
    let Link { client, schemas, .. } = link;
    pass(Step::Prepare, "before-prepare")?;
    if let Some(server) = server {
        refuse_pooler(client, server)?;
    }
    look_at_server(client, true)?;
    if let Err(trouble) = make_tables(client, settings) {
        return Err(and_at_target(client, schemas, settings, trouble));
    }

    let mut warnings = Vec::new();
    let past = past(client, settings, tables::VERSION)?;
    let target = match Target::find(client, schemas, &settings.table)? {
        Some(target) => {
            look_at_past(client, &past, &target, settings, &mut warnings)?;
            target
        }
        None => make_target(client, &past, schemas, settings)?,
    };
    let (mut columns, key_index) = compare(client, &target, settings)?;
    // No null equals another, so no index would find a row again by one.
    let key_columns = target.identity(&settings.key);
    for column in columns.iter_mut().filter(|column| key_columns.contains(&column.name)) {
        column.not_null = true;
    }
    if target.refers_to_itself {
        warnings.push(findings::refers_to_itself(&target.name));
    }
    let demands = check::read(client, &target, &columns)?;
    let operators = Operators {
        equals: key_index.equals.clone(),
        order: match &settings.on_conflict {
            OnConflict::Newest(column) => catalog::order_of(client, &target, column)?,
            _ => Default::default(),
        },
    };
    let marks = Marks::new(&target, &settings.rollups);
    warnings.extend(metrics::register(client, settings, &target, &marks)?);
    let provenance = Provenance::of(settings);
    let day = provenance.and_then(Provenance::day);
    let stage_checks = stage_checks(client, &target, &columns)?;
    let writers = |on_conflict: &OnConflict| {
        let mut merge = Merge::new(&target, &columns, &settings.key, on_conflict, &operators, day, &marks);
        merge.create_sql.push_str(&stage_checks);
        (merge, Apart::new(&target, &columns, &settings.key, on_conflict, &operators, &marks))
    };
    let of_letters = settings.is_rebuild.then(|| writers(&conflict_of_letters(settings)));
    let (merge, apart) = writers(&settings.on_conflict);
    let place_of = |name: &str| columns.iter().position(|column| column.name == name);
    let key_numbers: Vec<usize> = key_columns.iter().filter_map(|name| place_of(name)).collect();
    let begin_sql = begin_sql(settings.timeouts);
    let constants = Constants {
        scope: Scope {
            job: settings.job.clone(),
            target: target.remembered(),
            data_date: settings.data_date,
        },
        rules_hash: settings.rules_hash,
        look_sql: format!(
            "LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE; {}; {}",
            target.quoted(),
            signature_sql(&target.schema, &target.name),
            marks.lock_sql
        ),
        marks: marks.clone(),
        target_path: path_of_target(&target.schema, schemas),
        begin_sql,
        copy_sql: copy_sql(&target, &columns),
        must_stage: must_stage(&columns),
        upserts: target.has_row_triggers || settings.has_company && !settings.key.has_places(),
        merge,
        apart,
        of_letters,
        raw_max: settings.raw_max,
        server_equates_keys: key_numbers.iter().any(|&number| columns[number].wire == Wire::Cast)
            || key_columns.iter().filter_map(|name| target.column(name)).any(TargetColumn::equates)
            || operators.equals.iter().any(|(_, operator)| *operator != Operator::own("=")),
        key_columns: key_numbers,
        columns: columns.clone(),
        key: settings.key.clone(),
        provenance,
        key_index,
        target,
    };
    Ok(Prepared {
        constants,
        encoder: CopyEncoder::new(columns, demands, hash_key(&settings.constants)),
        warnings,
    })
}

/// Refuses a server that cannot accept the load. A standby becomes the primary after a failover; until then
/// `is_waited_for` applies to it as to a server that accepts no writes.
pub(super) fn look_at_server(client: &mut Client, is_waited_for: bool) -> Result<(), Trouble> {
    let row = client.ask_one(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
                pg_is_in_recovery() OR current_setting('transaction_read_only')::bool,
                current_setting('server_encoding'), pg_is_in_recovery()",
        &[],
    );
    let row = at(Step::Prepare, row)?;
    if is_waited_for && row.get(4) {
        let message = "the server is a standby, and takes no writes until it is made the primary".to_owned();
        return Err(Trouble::Server(Box::new(Refusal::taking_no_writes(message))));
    }
    let mut findings = Vec::new();
    if row.get::<_, i32>(0) < SERVER_VERSION_MIN {
        let version: String = row.get(1);
        findings.push(format!("the server is PostgreSQL {version}; 12 or newer is needed"));
    }
    if row.get(2) {
        findings.push(
            "the server takes no writes: it is a standby, or default_transaction_read_only is on for this role"
                .to_owned(),
        );
    }
    let encoding: String = row.get(3);
    if encoding != "UTF8" {
        findings.push(format!(
            "the database's encoding is {encoding}; logs are UTF-8, and only UTF8 holds them all"
        ));
    }
    if findings.is_empty() { Ok(()) } else { Err(unfit(findings)) }
}

/// Creates logmill's tables, once: under a lock, so that first runs do not race.
fn make_tables(client: &mut Client, settings: &Settings) -> Result<(), Trouble> {
    match tables::version(client) {
        Ok(Some(tables::VERSION)) => return check_tables(client),
        Ok(_) => {}
        // A role that cannot read the version lacks more rights than that.
        Err(trouble) => return Err(check_tables(client).err().unwrap_or(trouble)),
    }
    at(Step::Prepare, client.batch_execute(&begin_sql(settings.timeouts)))?;
    at(Step::Prepare, client.batch_execute(tables::DDL_LOCK))?;
    match tables::make(client) {
        Ok(()) => {}
        Err(Trouble::Server(refusal)) if refusal.code.code() == "42501" => {
            at(Step::Prepare, client.batch_execute("ROLLBACK"))?;
            let lacks = Role::of(client, &[], &settings.table)?.lacks_tables();
            return Err(lacks.map_or(Trouble::Server(refusal), |lacks| unfit(vec![lacks])));
        }
        Err(trouble) => return Err(trouble),
    }
    pass(Step::Prepare, "before-tables-commit")?;
    at(Step::Prepare, client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))?;
    pass(Step::Prepare, "after-tables")?;
    check_tables(client)
}

/// Bookkeeping tables whose rows a crash can undo without undoing the target's are worthless, and so are those
/// that this role cannot write.
pub(super) fn check_tables(client: &mut Client) -> Result<(), Trouble> {
    let rows = client.ask(
        "SELECT c.relname::text, c.relpersistence <> 'p',
                NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                     AND has_table_privilege(c.oid, 'UPDATE')),
                NOT has_schema_privilege(n.oid, 'USAGE')
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'logmill' AND c.relkind = 'r' ORDER BY 1",
        &[],
    );
    let rows = at(Step::Prepare, rows)?;
    let (mut findings, mut closed, mut is_hidden) = (Vec::new(), Vec::new(), false);
    for row in &rows {
        let name: String = row.get(0);
        if row.get(1) {
            findings.push(format!(
                "logmill.{name} is UNLOGGED, and would be emptied by a crash while the target is not; \
                 ALTER TABLE logmill.{name} SET LOGGED"
            ));
        }
        if row.get(2) {
            closed.push(format!("logmill.{name}"));
        }
        is_hidden |= row.get::<_, bool>(3);
    }
    if is_hidden {
        findings
            .push("this role may not use the schema logmill; GRANT USAGE ON SCHEMA logmill TO it".to_owned());
    }
    if !closed.is_empty() {
        let are_all = closed.len() == rows.len();
        let closed = if are_all { "ALL TABLES IN SCHEMA logmill".to_owned() } else { closed.join(", ") };
        findings.push(format!(
            "this role lacks rights on {closed}; GRANT SELECT, INSERT, UPDATE, DELETE ON {closed} TO it"
        ));
    }
    if findings.is_empty() { Ok(()) } else { Err(unfit(findings)) }
}

/// The same trouble, and what stands in the way at the target: a role that lacks one right often lacks more.
fn and_at_target(client: &mut Client, schemas: &[String], settings: &Settings, trouble: Trouble) -> Trouble {
    let Some(mut findings) = trouble.findings().map(<[String]>::to_vec) else { return trouble };
    // Where the target cannot be looked at, what is known already is told.
    if let Ok(more) = lacks_at_target(client, schemas, settings) {
        findings.extend(more);
    }
    unfit(findings)
}

fn lacks_at_target(
    client: &mut Client,
    schemas: &[String],
    settings: &Settings,
) -> Result<Vec<String>, Trouble> {
    match Target::find(client, schemas, &settings.table)? {
        Some(target) => match compare(client, &target, settings) {
            Ok(_) => Ok(Vec::new()),
            Err(trouble) => trouble.findings().map(<[String]>::to_vec).ok_or(trouble),
        },
        None => Ok(Role::of(client, schemas, &settings.table)?.lacks_target(settings)),
    }
}

fn make_target(
    client: &mut Client,
    past: &Past,
    schemas: &[String],
    settings: &Settings,
) -> Result<Target, Trouble> {
    let table = &settings.table;
    let place = place_of(table, schemas).filter(|_| settings.create);
    let Some(place) = place else {
        return Err(unfit(Role::of(client, schemas, table)?.lacks_target(settings)));
    };
    refuse_lost_target(past, schemas, settings)?;
    at(Step::Prepare, client.batch_execute(&begin_sql(settings.timeouts)))?;
    at(Step::Prepare, client.batch_execute(tables::DDL_LOCK))?;
    // Another session may have created it during the wait for the lock.
    if Target::find(client, schemas, table)?.is_none() {
        let sql = fit::create_table(&place, settings);
        match at(Step::Prepare, client.batch_execute(&sql)) {
            Ok(()) => {}
            Err(Trouble::Server(refusal)) if exists_already(&refusal.code) => {}
            Err(Trouble::Server(refusal)) => {
                at(Step::Prepare, client.batch_execute("ROLLBACK"))?;
                let lacks = Role::of(client, schemas, table)?.lacks_target(settings);
                return Err(if lacks.is_empty() { Trouble::Server(refusal) } else { unfit(lacks) });
            }
            Err(trouble) => return Err(trouble),
        }
    }
    pass(Step::Prepare, "before-target-commit")?;
    at(Step::Prepare, client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))?;
    pass(Step::Prepare, "after-target")?;
    Target::find(client, schemas, table)?
        .ok_or_else(|| unfit(vec![format!("the table {table} was created, but then not found")]))
}

/// What the job has loaded before, in tables of this version.
pub(super) fn past(client: &mut Client, settings: &Settings, version: i32) -> Result<Past, Trouble> {
    let (sources, checkpoints) = tables::of_version(version);
    let loaded = client.ask(&Past::sql(sources, checkpoints), &[&settings.job]);
    let loaded = at(Step::Prepare, loaded)?;
    let loaded =
        loaded.iter().map(|row| Loaded { target: row.get(0), sources: row.get(1), inserted: row.get(2) });
    Ok(Past(loaded.collect()))
}

/// Refuses to create a target for a job that has loaded rows into it before.
pub(super) fn refuse_lost_target(
    past: &Past,
    schemas: &[String],
    settings: &Settings,
) -> Result<(), Trouble> {
    let table = &settings.table;
    let target = place_of(table, schemas).unwrap_or_else(|| table.clone()).remembered();
    match past.lost(&target, table, &settings.job) {
        Some(finding) => Err(unfit(vec![finding])),
        None => Ok(()),
    }
}

/// What earlier loads of the job imply about the target, and where it seems to be a mistake.
pub(super) fn look_at_past(
    client: &mut Client,
    past: &Past,
    target: &Target,
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<(), Trouble> {
    let (remembered, job) = (target.remembered(), &settings.job);
    if matches!(target.kind, 'r' | 'p') {
        warnings.extend(past.emptied(&remembered, &target.name, job, || {
            let empty = client.ask_one(&format!("SELECT NOT EXISTS (SELECT FROM {})", target.quoted()), &[]);
            // If the right to read is missing, the following comparison reports it.
            empty.is_ok_and(|row| row.get(0))
        }));
    }
    let renamed = past.renamed(&remembered, job, "logmill.sources", |table| {
        let found = client.ask_one(
            "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                            WHERE n.nspname = $1 AND c.relname = $2)",
            &[&table.schema, &table.name],
        );
        Ok::<_, Trouble>(at(Step::Prepare, found)?.get(0))
    })?;
    match renamed {
        Some(finding) => Err(unfit(vec![finding])),
        None => Ok(()),
    }
}

/// Statements that copy the CHECKs of the target to the stage.
///
/// A row that loses to another with its key never reaches the target. Whether it is a reject must not depend
/// on that: with other batch sizes it would have been tried. So it is judged in the stage, where all rows
/// pass; and there the server names the line, which it does not in a merge.
fn stage_checks(client: &mut Client, target: &Target, columns: &[Column]) -> Result<String, Trouble> {
    let typed: Vec<&str> = columns
        .iter()
        .filter(|column| column.wire != Wire::Cast)
        .map(|column| column.name.as_str())
        .collect();
    // A trigger may repair a row before it is checked. A CHECK that is not validated need not hold for
    // existing rows, which may be staged again.
    let rows = client.ask(
        "WITH RECURSIVE part (oid) AS (
             SELECT $1::oid UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
         )
         SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE conrelid = $1 AND contype = 'c' AND convalidated
           AND NOT EXISTS (SELECT FROM unnest(conkey) k (attnum)
                           LEFT JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.attnum
                           WHERE a.attname IS NULL OR a.attname::text <> ALL($2))
           AND NOT EXISTS (SELECT FROM pg_trigger g JOIN part ON part.oid = g.tgrelid
                           WHERE NOT g.tgisinternal AND g.tgtype & 3 = 3)
         ORDER BY conname",
        &[&target.oid, &typed],
    );
    let rows = at(Step::Prepare, rows)?;
    let statements = rows.iter().map(|row| {
        let (name, definition): (&str, &str) = (row.get(0), row.get(1));
        // The table is empty, so it need not be validated: the functions that the CHECK calls may need the
        // target's path, which is not set here.
        format!("; ALTER TABLE pg_temp.{STAGE} ADD CONSTRAINT {} {definition} NOT VALID", quote(name))
    });
    Ok(statements.collect())
}

/// Refuses a pooler that gives every transaction a different backend: locks and ownership would have no
/// stable holder. Such a pooler shows when a second connection comes in between: it hands the first one's
/// backend to the second.
pub(super) fn refuse_pooler(first: &mut Client, server: &Server) -> Result<(), Trouble> {
    let Ok(mut second) = server.connect(APPLICATION_NAME) else {
        // Not a finding: a server with only one connection left can still be loaded.
        return Ok(());
    };
    let before = backend_pid(first, "")?;
    let other = backend_pid(&mut second, "BEGIN; ")?;
    let after = backend_pid(first, "")?;
    at(Step::Prepare, second.batch_execute("ROLLBACK"))?;
    if before == after && before != other {
        return Ok(());
    }
    Err(unfit(vec![
        "the connection goes through a transaction pooler, which gives every transaction another backend; \
         connect to the server itself, or to a pool in session mode"
            .to_owned(),
    ]))
}

/// Uses the simple protocol: a pooler may not know prepared statements.
fn backend_pid(client: &mut Client, before: &str) -> Result<String, Trouble> {
    let sql = format!("{before}SELECT pg_catalog.pg_backend_pid()");
    let messages = at(Step::Prepare, client.simple_query(&sql))?;
    let pid = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    Ok(pid.unwrap_or_default())
}
