//! Before the first row: everything that can be known by then is found here, and reported at once.

use postgres::Client;

use super::apart::Apart;
use super::ask::{Answer, Ask as _, ask_all};
use super::catalog::{Target, TargetColumn, signature_sql};
use super::compare::{compare, unfit};
use super::connect::Server;
use super::constants::{Constants, copy_sql, must_stage};
use super::encode::CopyEncoder;
use super::fit::{self, exists_already};
use super::ledger::{fence_of, fence_question};
use super::link::{Link, begin_sql, path_of_target};
use super::look::{Look, past_of, past_question};
use super::marks::Marks;
use super::merge::Merge;
use super::names::Operator;
use super::pooler::{self, Between};
use super::role::{Role, place_of};
use super::trouble::{Refusal, Trouble, at, pass};
use super::verdict::Step;
use super::wire::Wire;
use super::words::Operators;
use super::{Settings, metrics, tables};
use crate::sink::OnConflict;
use crate::sink::claim::Scope;
use crate::sink::constant::hash_key;
use crate::sink::findings::{self, Past};
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
    pass(Step::Prepare, "before-prepare")?;
    let found = find(link, server, settings)?;
    found.refuse_pooler()?;
    found.server.refuse(true)?;
    let Link { client, schemas, .. } = link;
    let target = find_or_make(client, schemas, settings, found)?;
    let look = look(client, &target, settings)?;
    let mut warnings = Vec::new();
    look_at_past(client, &look.past, &target, look.is_empty, settings, &mut warnings)?;
    let (mut columns, key_index) = compare(&target, settings, &look.types, look.indexes, &look.rights)?;
    // No null equals another, so no index would find a row again by one.
    let key_columns = target.identity(&settings.key);
    for column in columns.iter_mut().filter(|column| key_columns.contains(&column.name)) {
        column.not_null = true;
    }
    if target.refers_to_itself {
        warnings.push(findings::refers_to_itself(&target.name));
    }
    let demands = look.checks.demands(&target, &columns)?;
    let operators = Operators { equals: key_index.equals.clone(), order: look.order };
    let marks = Marks::new(&target, &settings.rollups);
    warnings.extend(metrics::register(client, settings, &target, &marks, &look.known)?);
    let provenance = Provenance::of(settings);
    let day = provenance.and_then(Provenance::day);
    let stage_checks = look.checks.of_stage(&columns);
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

/// What is known from the first message of a load.
pub(super) struct Found {
    is_pooled: bool,
    pub(super) server: ServerFacts,
    pub(super) tables: tables::Described,
    pub(super) target: Option<Target>,
}

/// Reads the catalog, where all of this can be asked whether it exists or not. With a `server`, also looks for
/// a pooler before it.
pub(super) fn find(link: &mut Link, server: Option<&Server>, settings: &Settings) -> Result<Found, Trouble> {
    let between = server.map_or(Ok(None), Between::begin)?;
    let before = link.backend.pid;
    let [table, columns] = Target::questions(&link.schemas, &settings.table);
    let questions =
        [ServerFacts::QUESTION.to_owned(), tables::DESCRIBED.to_owned(), fence_question(), table, columns];
    let [server, tables, fence, table, columns] = ask_all(&mut link.client, Step::Prepare, questions)?;
    let server = ServerFacts::of(&server)?;
    let is_pooled = between.map_or(Ok(false), |between| between.shows_pooler(before, server.backend))?;
    link.fence = fence_of(&fence)?;
    let (tables, target) = (tables::Described::of(&tables)?, Target::of(&table, &columns)?);
    Ok(Found { is_pooled, server, tables, target })
}

impl Found {
    /// Refuses a pooler between us and the server.
    pub(super) fn refuse_pooler(&self) -> Result<(), Trouble> {
        if self.is_pooled { Err(pooler::refusal()) } else { Ok(()) }
    }
}

/// The properties of a server on which it depends whether it can accept the load.
pub(super) struct ServerFacts {
    backend: i32,
    version_num: i32,
    version: String,
    takes_no_writes: bool,
    is_standby: bool,
    encoding: String,
}

impl ServerFacts {
    const QUESTION: &str =
        "SELECT pg_backend_pid(), current_setting('server_version_num'), current_setting('server_version'),
                pg_is_in_recovery() OR current_setting('transaction_read_only')::bool,
                pg_is_in_recovery(), current_setting('server_encoding')";

    fn of(answer: &Answer) -> Result<ServerFacts, Trouble> {
        let line = answer.only()?;
        Ok(ServerFacts {
            backend: line.get(0)?,
            version_num: line.get(1)?,
            version: line.get(2)?,
            takes_no_writes: line.get(3)?,
            is_standby: line.get(4)?,
            encoding: line.get(5)?,
        })
    }

    /// Refuses a server that cannot accept the load. A standby becomes the primary after a failover; until then
    /// `is_waited_for` applies to it as to a server that accepts no writes.
    pub(super) fn refuse(&self, is_waited_for: bool) -> Result<(), Trouble> {
        if is_waited_for && self.is_standby {
            let message =
                "the server is a standby, and takes no writes until it is made the primary".to_owned();
            return Err(Trouble::Server(Box::new(Refusal::taking_no_writes(message))));
        }
        let mut findings = Vec::new();
        if self.version_num < SERVER_VERSION_MIN {
            let version = &self.version;
            findings.push(format!("the server is PostgreSQL {version}; 12 or newer is needed"));
        }
        if self.takes_no_writes {
            findings.push(
                "the server takes no writes: it is a standby, or default_transaction_read_only is on for this role"
                    .to_owned(),
            );
        }
        let encoding = &self.encoding;
        if encoding != "UTF8" {
            findings.push(format!(
                "the database's encoding is {encoding}; logs are UTF-8, and only UTF8 holds them all"
            ));
        }
        if findings.is_empty() { Ok(()) } else { Err(unfit(findings)) }
    }
}

/// The target. What is missing of it and of logmill's tables is created.
fn find_or_make(
    client: &mut Client,
    schemas: &[String],
    settings: &Settings,
    found: Found,
) -> Result<Target, Trouble> {
    let had_tables = found.tables.have_version();
    let ready = if had_tables { found.tables.check() } else { make_tables(client, settings) };
    if let Err(trouble) = ready {
        return Err(and_at_target(client, schemas, settings, trouble));
    }
    match found.target {
        Some(target) if had_tables => return Ok(target),
        Some(_) => {}
        None => {
            if had_tables && let Some(version) = tables::version(client)? {
                refuse_lost_target(&past(client, settings, version)?, schemas, settings)?;
            }
            make_target(client, schemas, settings)?;
        }
    }
    let [table, columns] = Target::questions(schemas, &settings.table);
    let [tables, table, columns] =
        ask_all(client, Step::Prepare, [tables::DESCRIBED.to_owned(), table, columns])?;
    tables::Described::of(&tables)?.check()?;
    let name = &settings.table;
    Target::of(&table, &columns)?
        .ok_or_else(|| unfit(vec![format!("the table {name} was created, but then not found")]))
}

/// Looks at the target, and at logmill's tables. These are taken to be of the present version, and migrated if
/// they are not.
fn look(client: &mut Client, target: &Target, settings: &Settings) -> Result<Look, Trouble> {
    let look = Look::at(client, target, settings, Some(tables::VERSION));
    match &look {
        Ok(look) if look.version != Some(tables::VERSION) => {}
        Err(Trouble::Server(_)) if tables::version(client)? != Some(tables::VERSION) => {}
        _ => return look,
    }
    make_tables(client, settings)?;
    check_tables(client)?;
    Look::at(client, target, settings, Some(tables::VERSION))
}

/// Creates logmill's tables, once: under a lock, so that first runs do not race.
fn make_tables(client: &mut Client, settings: &Settings) -> Result<(), Trouble> {
    let sql = tables::begin_making(client, &begin_sql(settings.timeouts))?;
    pass(Step::Prepare, "before-tables-commit")?;
    match at(Step::Prepare, client.batch_execute(&format!("{sql}; SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))) {
        Ok(()) => {}
        Err(Trouble::Server(refusal)) if refusal.code.code() == "42501" => {
            at(Step::Prepare, client.batch_execute("ROLLBACK"))?;
            let lacks = Role::of(client, &[], &settings.table)?.lacks_tables();
            return Err(lacks.map_or(Trouble::Server(refusal), |lacks| unfit(vec![lacks])));
        }
        Err(trouble) => return Err(trouble),
    }
    pass(Step::Prepare, "after-tables")
}

/// Refuses logmill's tables if they cannot be used.
pub(super) fn check_tables(client: &mut Client) -> Result<(), Trouble> {
    let [tables] = ask_all(client, Step::Prepare, [tables::DESCRIBED.to_owned()])?;
    tables::Described::of(&tables)?.check()
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
        Some(target) => {
            let look = Look::at(client, &target, settings, None)?;
            match compare(&target, settings, &look.types, look.indexes, &look.rights) {
                Ok(_) => Ok(Vec::new()),
                Err(trouble) => trouble.findings().map(<[String]>::to_vec).ok_or(trouble),
            }
        }
        None => Ok(Role::of(client, schemas, &settings.table)?.lacks_target(settings)),
    }
}

/// Creates the target, unless another session does so at the same time.
fn make_target(client: &mut Client, schemas: &[String], settings: &Settings) -> Result<(), Trouble> {
    let table = &settings.table;
    let place = place_of(table, schemas).filter(|_| settings.create);
    let Some(place) = place else {
        return Err(unfit(Role::of(client, schemas, table)?.lacks_target(settings)));
    };
    pass(Step::Prepare, "before-target-commit")?;
    let made = client.batch_execute(&format!(
        "{}; {}; {}; SET CONSTRAINTS ALL IMMEDIATE; COMMIT",
        begin_sql(settings.timeouts),
        tables::DDL_LOCK,
        fit::create_table(&place, settings)
    ));
    match at(Step::Prepare, made) {
        Ok(()) => {}
        Err(Trouble::Server(refusal)) => {
            at(Step::Prepare, client.batch_execute("ROLLBACK"))?;
            if !exists_already(&refusal.code) {
                let lacks = Role::of(client, schemas, table)?.lacks_target(settings);
                return Err(if lacks.is_empty() { Trouble::Server(refusal) } else { unfit(lacks) });
            }
        }
        Err(trouble) => return Err(trouble),
    }
    pass(Step::Prepare, "after-target")
}

/// What the job has loaded before, in tables of this version.
pub(super) fn past(client: &mut Client, settings: &Settings, version: i32) -> Result<Past, Trouble> {
    let [past] = ask_all(client, Step::Prepare, [past_question(settings, version)])?;
    past_of(&past)
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
    is_empty: bool,
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<(), Trouble> {
    let (remembered, job) = (target.remembered(), &settings.job);
    warnings.extend(past.emptied(&remembered, &target.name, job, || is_empty));
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
