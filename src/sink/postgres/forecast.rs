//! What a load into PostgreSQL would find and create, and the rights it would lack.

use std::sync::Arc;

use postgres::Client;

use super::catalog::Target;
use super::compare::compare;
use super::connect::Server;
use super::fit;
use super::link::{Link, OUR_PATH};
use super::look::Look;
use super::memories::remembered;
use super::metrics;
use super::narrow::narrower;
use super::ownership::find_holder;
use super::prepare::{find, look_at_past, past, refuse_lost_target};
use super::role::Role;
use super::session::Session;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use super::{Settings, TABLES_SQL, tables};
use crate::error::Result;
use crate::sink::claim::{Scope, Whose};
use crate::sink::findings::{Past, no_index_of_times};
use crate::sink::forecast::Forecast;
use crate::sink::key::quote;
use crate::sink::ledger::wanted;
use crate::sink::{Asked, Key};

/// What a load of these files would find and create. Writes nothing.
pub(super) fn forecast(server: &Arc<Server>, settings: &Settings, asked: &Asked) -> Result<Forecast> {
    let session = Session::visit(server, settings.timeouts)?;
    let (to, for_thread) = (Arc::clone(server), settings.clone());
    let looked = session.run(Step::Look, move |link| look(link, &to, &for_thread));
    let (mut forecast, scope, version) = looked.map_err(Trouble::into_error)?;
    let remember = |whose| match version {
        Some(version) => {
            let scope = scope.clone();
            let remembered =
                session.run(Step::Look, move |link| remembered(&mut link.client, &scope, whose, version));
            remembered.map_err(Trouble::into_error)
        }
        None => Ok(Vec::new()),
    };
    let remembered = remember(Whose::Own)?;
    let decisions = forecast.decide(asked, &remembered, || remember(Whose::Others))?;
    let held = session.run(Step::Look, move |link| {
        let no_run = 0;
        find_holder(&mut link.client, &wanted(&decisions, &remembered), no_run)
    });
    forecast.held = held
        .map_err(Trouble::into_error)?
        .map(|holder| format!("{} is held by run {} ({})", holder.source, holder.owner.run, holder.who));
    Ok(forecast)
}

/// Collects the findings of a step that would stop a load.
fn pass<T>(forecast: &mut Forecast, step: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    forecast.pass(step.map_err(Trouble::into_error)).map_err(Trouble::Ours)
}

/// Returns the findings about the server, the scope of the sources to ask for, and the version of logmill's
/// tables, if they exist.
fn look(
    link: &mut Link,
    server: &Server,
    settings: &Settings,
) -> Result<(Forecast, Scope, Option<i32>), Trouble> {
    let mut result = Forecast::default();
    let forecast = &mut result;
    let found = find(link, Some(server), settings)?;
    pass(forecast, found.refuse_pooler())?;
    pass(forecast, found.server.refuse(false))?;
    let Link { client, schemas, .. } = link;
    at(Step::Look, client.batch_execute("SET default_transaction_read_only = on; SET TimeZone = 'UTC'"))?;
    let role = Role::of(client, schemas, &settings.table)?;
    // Of tables that this role cannot read, it cannot tell the version.
    let are_fit = pass(forecast, found.tables.check())?.is_some();
    let version = if are_fit { tables::version(client)? } else { None };
    match version {
        Some(version) => {
            tables::check_version(version)?;
            if version < tables::VERSION {
                forecast.makes.push("the present version of the tables in schema logmill".to_owned());
            }
        }
        None if are_fit => {
            forecast.makes.push("the schema logmill and its tables".to_owned());
            forecast.obstacles.extend(role.lacks_tables());
        }
        None => {}
    }
    let target = found.target;
    match &target {
        Some(target) => {
            forecast.has_target = true;
            look_at_target(client, target, settings, version, forecast)?;
            look_at_rarer_rights(client, target, settings, &role, forecast)?;
        }
        None => {
            let lacks = role.lacks_target(settings);
            if lacks.is_empty() {
                forecast.makes.push(format!("the table {}", settings.table));
            }
            forecast.obstacles.extend(lacks);
            let past = version.map_or(Ok(Past::default()), |version| past(client, settings, version))?;
            pass(forecast, refuse_lost_target(&past, schemas, settings))?;
        }
    }
    forecast.sql = script(settings, target.as_ref(), &role);
    let place = role.place.as_ref().unwrap_or(&settings.table);
    let target = target.map_or_else(|| place.remembered(), |target| target.remembered());
    let scope = Scope { job: settings.job.clone(), target, data_date: settings.data_date };
    Ok((result, scope, version))
}

/// Compares a target that exists, as a load would.
fn look_at_target(
    client: &mut Client,
    target: &Target,
    settings: &Settings,
    version: Option<i32>,
    forecast: &mut Forecast,
) -> Result<(), Trouble> {
    let look = Look::at(client, target, settings, version)?;
    let looked = look_at_past(client, &look.past, target, look.is_empty, settings, &mut forecast.warnings);
    pass(forecast, looked)?;
    let compared = compare(target, settings, &look.types, look.indexes, &look.rights);
    if let Some((columns, key_index)) = pass(forecast, compared)? {
        let limits = narrower(&columns, &settings.schema);
        look_at_refusals(client, target, key_index.oid, limits, forecast)?;
    }
    if version == Some(tables::VERSION)
        && let Some(changes) = pass(forecast, metrics::changes(settings, target, &look.known))?
    {
        forecast.warnings.extend(changes.warnings());
    }
    if let Some(time) = settings.rollups.indexed()
        && !has_index(client, target, time)?
    {
        forecast.warnings.push(no_index_of_times(&target.quoted(), time, "USING brin "));
    }
    Ok(())
}

/// Whether an index of the target begins with the column.
fn has_index(client: &mut Client, target: &Target, column: &str) -> Result<bool, Trouble> {
    let row = client.query_one(
        "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                        WHERE i.indrelid = $1 AND i.indisvalid AND a.attname = $2)",
        &[&target.oid, &column],
    );
    Ok(at(Step::Look, row)?.get(0))
}

/// What the target can refuse of the records, as far as it is known in advance: by the `limits` of its
/// columns, and by the constraints that the server enforces.
fn look_at_refusals(
    client: &mut Client,
    target: &Target,
    key_index: Option<u32>,
    limits: Vec<String>,
    forecast: &mut Forecast,
) -> Result<(), Trouble> {
    let rows = client.query(
        "WITH RECURSIVE part (oid) AS (
             SELECT $1::oid UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
         ), found (place, what) AS (
             SELECT CASE contype WHEN 'c' THEN 2 WHEN 'f' THEN 3 ELSE 4 END,
                    concat(conname, ': ', pg_get_constraintdef(oid))
             FROM pg_constraint WHERE conrelid = $1 AND contype IN ('c', 'f', 'x')
             UNION ALL
             SELECT 4, concat(c.relname, ': ', regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING ', 'UNIQUE '))
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             WHERE i.indrelid = $1 AND i.indisunique AND i.indexrelid IS DISTINCT FROM $2
             UNION ALL
             SELECT DISTINCT 5, concat('the trigger ', g.tgname) FROM pg_trigger g JOIN part ON part.oid = g.tgrelid
             WHERE NOT g.tgisinternal AND g.tgtype & 1 = 1
             UNION ALL
             SELECT 1, concat('what has none of its partitions: ', pg_get_partkeydef(p.partrelid), ', ',
                              (SELECT CASE WHEN count(*) > 3 THEN concat(count(*), ' partitions, the first ') ELSE '' END
                                      || coalesce(string_agg(b.bound, '; ') FILTER (WHERE b.place <= 3), 'there is none')
                               FROM (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound, row_number() OVER (ORDER BY c.relname) AS place
                                     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = p.partrelid) b))
             FROM pg_partitioned_table p WHERE p.partrelid = $1 AND p.partdefid = 0 AND p.partstrat <> 'h'
         )
         SELECT what FROM found ORDER BY place, what",
        &[&target.oid, &key_index],
    );
    let mut whats = limits;
    whats.extend(at(Step::Look, rows)?.iter().map(|row| row.get::<_, String>(0)));
    if !whats.is_empty() {
        forecast.warnings.push(format!(
            "{} can refuse records, which become dead letters then, by {}. A row that loses its key to a later one within a batch is \
             judged by CHECKs alone, not by foreign keys and triggers",
            target.name,
            whats.join("; ")
        ));
    }
    Ok(())
}

/// Rights that a load can begin without, but may need before it ends.
fn look_at_rarer_rights(
    client: &mut Client,
    target: &Target,
    settings: &Settings,
    role: &Role,
    forecast: &mut Forecast,
) -> Result<(), Trouble> {
    if settings.key == Key::Position {
        let row = client.query_one("SELECT has_table_privilege($1::oid, 'DELETE')", &[&target.oid]);
        if !at(Step::Look, row)?.get::<_, bool>(0) {
            forecast.warnings.push(format!(
                "role {} lacks DELETE on {}, which a line that grew needs (GRANT DELETE ON {} TO {})",
                role.name,
                target.name,
                target.quoted(),
                quote(&role.name)
            ));
        }
    }
    Ok(())
}

/// The statements for another user to run, who has the rights.
fn script(settings: &Settings, target: Option<&Target>, role: &Role) -> String {
    let (name, schema) = (quote(&role.name), quote(&role.schema));
    // Whoever runs it may have more rights than the role, and any search path.
    let mut sql = format!("SET search_path = {OUR_PATH};\n\n{}\n\n", TABLES_SQL.trim_end());
    let table = match target {
        Some(target) => {
            sql.push_str(&format!("-- The table {} is there.\n", target.quoted()));
            let missing = fit::missing_columns(target, settings);
            missing.iter().for_each(|(_, statement)| {
                sql.push_str(&format!("{};\n", statement.replacen("COLUMN", "COLUMN IF NOT EXISTS", 1)));
            });
            target.quoted()
        }
        None => {
            let place = role.place.as_ref().unwrap_or(&settings.table);
            let create = fit::create_table(place, settings);
            if !role.has_schema && !role.schema.is_empty() {
                sql.push_str(&format!("CREATE SCHEMA IF NOT EXISTS {schema};\n"));
            }
            sql.push_str(&format!("{};\n", create.replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)));
            place.quoted()
        }
    };
    let schema = target.map_or(schema, |target| quote(&target.schema));
    let rights = match (&settings.key, settings.changes_rows()) {
        (Key::None, _) => "INSERT",
        (_, false) => "SELECT, INSERT",
        (Key::Position, true) => "SELECT, INSERT, UPDATE, DELETE",
        (_, true) => "SELECT, INSERT, UPDATE",
    };
    sql.push_str(&format!(
        "
-- What the role needs. The owner of a table has it already.
GRANT USAGE ON SCHEMA logmill TO {name};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA logmill TO {name};
GRANT USAGE ON SCHEMA {schema} TO {name};
GRANT {rights} ON {table} TO {name};
"
    ));
    if settings.key != Key::None {
        sql.push_str(&format!("GRANT TEMPORARY ON DATABASE {} TO {name};\n", quote(&role.database)));
    }
    sql.push_str(&format!(
        "
-- To see whether runs of other roles live, and to take over from them. Not needed if all jobs
-- run as one role.
-- GRANT pg_read_all_stats, pg_signal_backend TO {name};
"
    ));
    sql
}
