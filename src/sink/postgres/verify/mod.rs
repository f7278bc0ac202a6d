//! What PostgreSQL keeps, read in one snapshot for comparison with the sources.
//!
//! The rows come by COPY BINARY, the form that the encoder produces: if a column stores exactly what it was
//! sent, the bytes are equal. If it does not (the order of keys in jsonb, the scale of a number, a length),
//! the server is asked what the column makes of the value that was sent.

mod fields;

use std::io::{BufReader, Read as _};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use postgres::{Row, Statement};

use self::fields::{Field, fields, list, whole};
use super::catalog::{self, Target};
use super::compare::refuse_row_security;
use super::connect::Server;
use super::encode::CopyEncoder;
use super::key_index::KeyIndex;
use super::link::{Link, begin_sql};
use super::look::Look;
use super::memories::remembered;
use super::prepare::{past, refuse_lost_target};
use super::role::place_of;
use super::session::{Pull, Session};
use super::trouble::{Trouble, at};
use super::verdict::Step;
use super::wire::{Column, HEADER, Wire};
use super::{Settings, Timeouts, fit, tables};
use crate::error::{ErrorKind, Result};
use crate::sink::Remembered;
use crate::sink::claim::{Scope, Whose, hash, unsigned};
use crate::sink::constant::hash_key;
use crate::sink::findings::no_places;
use crate::sink::key::{SOURCE_ID, quote};
use crate::sink::replay::preamble_of_letter;
use crate::sink::verify::{
    HeldLetter, HeldRows, Kept, LETTER_BYTES, LetterState, NO_SOURCES, Pair, Place, Verifier, Verify,
    Verifying, of_sources,
};
use crate::source::Preamble;
use crate::work::{self, Recipe, Work};

/// Reading a whole table may take a long time; a reader does not cause the locks it waits for.
const TIMEOUTS: Timeouts = Timeouts { statement: Duration::ZERO, lock: Duration::from_secs(30) };

/// Rows are passed on in blocks of about this size.
const BLOCK_BYTES: usize = 256 << 10;

/// How many letters are read in one go.
const LETTERS_MAX: usize = 10_000;

/// How many values are cast in one query.
const CASTS_MAX: usize = 500;

/// Opens the database for comparison with the sources.
pub(super) fn open(
    server: &Arc<Server>,
    settings: &Settings,
    verifying: Verifying,
) -> Result<Box<dyn Verify>> {
    let session = visit(server)?;
    let for_thread = settings.clone();
    let looked = session.run(Step::Look, move |link| look(link, &for_thread));
    let looked = looked.map_err(Trouble::into_error)?;
    let kept = PostgresKept { server: Arc::clone(server), session, rows: None, looked: Arc::new(looked) };
    Ok(Box::new(Verifier::new(kept, verifying, &settings.key, settings.data_date)))
}

/// Opens one of the two sessions. A role that may have only one is told why that does not suffice.
fn visit(server: &Arc<Server>) -> Result<Session> {
    Session::visit(server, TIMEOUTS).map_err(|error| match error.kind() {
        ErrorKind::Server { doing, sqlstate, message } if sqlstate.as_deref() == Some("53300") => {
            let (doing, sqlstate) = (doing.clone(), sqlstate.clone());
            let message = format!("{message}; verify needs two connections at a time");
            ErrorKind::Server { doing, sqlstate, message }.into()
        }
        _ => error,
    })
}

/// The ids of all remembered sources.
const ALL_SOURCES: &str =
    "SELECT id FROM logmill.sources INTERSECT SELECT source_id FROM logmill.checkpoints";

/// The database, unchanging while it is read.
struct PostgresKept {
    server: Arc<Server>,
    /// Holds the snapshot, and answers queries.
    session: Session,
    /// Reads the rows, in the same snapshot.
    rows: Option<Pull<HeldRows>>,
    looked: Arc<Looked>,
}

/// The facts that are read before anything is compared.
struct Looked {
    scope: Scope,
    /// The version of logmill's tables, if they exist.
    version: Option<i32>,
    snapshot: String,
    /// `None` if the job has not created its target yet.
    target: Option<Target>,
    columns: Vec<Column>,
    /// The indexes of the key's columns.
    key_columns: Vec<usize>,
    key_index: KeyIndex,
    equates_keys: bool,
    encoder: Arc<CopyEncoder>,
    /// Rows name their place.
    has_places: bool,
    changes_values: Option<String>,
}

/// Begins a read-only transaction that sees one point in time.
fn begin(link: &mut Link) -> Result<(), Trouble> {
    let sql = format!("{}; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", begin_sql(TIMEOUTS));
    at(Step::Look, link.client.batch_execute(&sql))
}

fn look(link: &mut Link, settings: &Settings) -> Result<Looked, Trouble> {
    begin(link)?;
    let Link { client, schemas, .. } = link;
    let snapshot = at(Step::Look, client.query_one("SELECT pg_export_snapshot()", &[]))?.get(0);
    let version = tables::version(client)?;
    version.map_or(Ok(()), tables::check_version)?;
    let Some(target) = Target::find(client, schemas, &settings.table)? else {
        if let Some(version) = version {
            let past = past(client, settings, version)?;
            refuse_lost_target(&past, schemas, settings)?;
        }
        let place = place_of(&settings.table, schemas).unwrap_or_else(|| settings.table.clone());
        return Ok(Looked {
            scope: scope(settings, place.remembered()),
            version,
            snapshot,
            target: None,
            columns: Vec::new(),
            key_columns: Vec::new(),
            key_index: KeyIndex::default(),
            equates_keys: false,
            encoder: Arc::new(CopyEncoder::new(Vec::new(), Default::default(), None)),
            has_places: false,
            changes_values: None,
        });
    };
    let unfit = |findings| Trouble::Ours(ErrorKind::Unfit(findings).into());
    refuse_row_security(client, &target, Step::Look)?;
    if settings.key.has_places() && target.column(SOURCE_ID).is_none() {
        return Err(unfit(vec![no_places(&target.name, "compared")]));
    }
    let look = Look::at(client, &target, settings, None)?;
    let mut columns = fit::fit(&target, settings, &look.types).map_err(unfit)?;
    let key_names = target.identity(&settings.key);
    for column in columns.iter_mut().filter(|column| key_names.contains(&column.name)) {
        column.not_null = true;
    }
    let key_index = look.indexes.for_key(&target, &settings.key).map_err(|missing| unfit(vec![missing]))?;
    let place_of = |name: &str| columns.iter().position(|column| column.name == name);
    let key_columns: Vec<usize> = settings.key.columns().into_iter().filter_map(place_of).collect();
    let demands = look.checks.demands(&target, &columns)?;
    Ok(Looked {
        scope: scope(settings, target.remembered()),
        version,
        snapshot,
        equates_keys: key_columns.iter().any(|&number| {
            let column = target.column(&columns[number].name);
            columns[number].wire == Wire::Cast || column.is_some_and(catalog::TargetColumn::equates)
        }),
        key_columns,
        key_index,
        changes_values: triggers(client, &target)?,
        encoder: Arc::new(CopyEncoder::new(columns.clone(), demands, hash_key(&settings.constants))),
        has_places: settings.key.extra_columns().contains(&SOURCE_ID),
        columns,
        target: Some(target),
    })
}

fn scope(settings: &Settings, target: String) -> Scope {
    Scope { job: settings.job.clone(), target, data_date: settings.data_date }
}

/// What a trigger on rows may do to them before they are stored.
fn triggers(client: &mut postgres::Client, target: &Target) -> Result<Option<String>, Trouble> {
    let names = client.query_one(
        "WITH RECURSIVE part (oid) AS (
             SELECT $1::oid UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
         )
         SELECT string_agg(DISTINCT g.tgname::text, ', ') FROM part JOIN pg_trigger g ON g.tgrelid = part.oid
         WHERE NOT g.tgisinternal AND g.tgtype & 3 = 3",
        &[&target.oid],
    );
    let names: Option<String> = at(Step::Look, names)?.get(0);
    Ok(names.map(|names| {
        format!("{} has triggers ({names}) that may change a row before it is stored", target.name)
    }))
}

impl PostgresKept {
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Link) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T> {
        self.session.run(Step::Look, question).map_err(Trouble::into_error)
    }
}

impl Kept for PostgresKept {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        work::with(recipe, Arc::clone(&self.looked.encoder))
    }

    fn remembered(&mut self) -> Result<Vec<Remembered>> {
        let looked = Arc::clone(&self.looked);
        let Some(version) = looked.version else { return Ok(Vec::new()) };
        self.ask(move |link| remembered(&mut link.client, &looked.scope, Whose::Own, version))
    }

    fn changes_values(&self) -> Option<&str> {
        self.looked.changes_values.as_deref()
    }

    fn begin(&mut self, sources: &[i32], reads_strays: bool) -> Result<()> {
        let Some(target) = &self.looked.target else { return Ok(()) };
        let columns: Vec<String> = self.looked.columns.iter().map(|column| shown(column, "t.")).collect();
        let ids: Vec<String> = sources.iter().map(ToString::to_string).collect();
        let all = if self.looked.version.is_some() { ALL_SOURCES } else { NO_SOURCES };
        // In the order of the index, if there is one: sorting would write all of it to disk.
        let sql = format!(
            "COPY (SELECT {} FROM {} t
                   WHERE {}
                   ORDER BY t.source_id, t.source_offset) TO STDOUT BINARY",
            columns.join(", "),
            target.quoted(),
            of_sources(
                "t.source_id",
                &format!("= ANY ('{{{}}}'::int[])", ids.join(",")),
                reads_strays.then_some(all)
            )
        );
        let snapshot = format!(
            "SET TRANSACTION SNAPSHOT '{}'; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off",
            self.looked.snapshot
        );
        let session = visit(&self.server)?;
        let pull = session.pull(Step::Look, move |link, give| {
            begin(link)?;
            at(Step::Look, link.client.batch_execute(&snapshot))?;
            copy_out(link, &sql, give)
        });
        self.rows = Some(pull.map_err(Trouble::into_error)?);
        Ok(())
    }

    fn more_rows(&mut self, rows: &mut HeldRows) -> Result<()> {
        let Some(pull) = &mut self.rows else { return Ok(()) };
        if let Some(more) = pull.next().map_err(Trouble::into_error)? {
            *rows = more;
        }
        Ok(())
    }

    fn letters_behind(
        &mut self,
        sources: &[i32],
        reads_strays: bool,
        behind: Place,
    ) -> Result<Vec<HeldLetter>> {
        let Some(version) = self.looked.version.filter(|_| reads_strays || !sources.is_empty()) else {
            return Ok(Vec::new());
        };
        let (sources, job) = (sources.to_vec(), self.looked.scope.job.clone());
        self.ask(move |link| {
            let (letters, (_, checkpoints)) =
                (tables::letters_of_version(version), tables::of_version(version));
            // In the order of the index: a server without statistics would sort all remaining letters for
            // each page.
            let in_order = "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off";
            at(Step::Look, link.client.batch_execute(in_order))?;
            let rows = link.client.query(
                &format!(
                    "SELECT d.source_id, d.source_offset, d.line, d.state, d.stage, d.rules_hash, d.raw, d.raw_hash, d.fixed,
                            CASE WHEN d.fixed IS NOT NULL THEN {} END
                     FROM (
                         SELECT q.*, row_number() OVER w AS number,
                                sum(coalesce(octet_length(q.raw), 0) + coalesce(octet_length(q.fixed), 0)) OVER w AS total
                         FROM (
                             SELECT * FROM {letters} l
                             WHERE state <> 'superseded' AND (source_id, source_offset) > ($1, $2)
                               AND (source_id = ANY ($3) OR $4 AND job = $5 AND source_id NOT IN ({ALL_SOURCES}))
                             ORDER BY source_id, source_offset LIMIT {LETTERS_MAX}
                         ) q WINDOW w AS (ORDER BY q.source_id, q.source_offset)
                     ) d WHERE d.number = 1 OR d.total <= {LETTER_BYTES} ORDER BY d.source_id, d.source_offset",
                    preamble_of_letter(checkpoints)
                ),
                &[&behind.source, &behind.offset, &sources, &reads_strays, &job],
            );
            Ok(at(Step::Look, rows)?.iter().map(letter).collect())
        })
    }

    fn find(&mut self, rows: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>> {
        let looked = Arc::clone(&self.looked);
        self.ask(move |link| find(link, &looked, &rows))
    }

    fn key_hash(&self, row: &[u8]) -> u128 {
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        for (number, field) in fields(row).enumerate() {
            if self.looked.key_columns.contains(&number) {
                let field = field.unwrap_or_default();
                hasher.update(&field.len().to_le_bytes());
                hasher.update(field);
            }
        }
        hasher.digest128()
    }

    fn equates_keys(&self) -> bool {
        self.looked.equates_keys
    }

    fn differing(&mut self, pairs: Vec<Pair>) -> Result<(Vec<Pair>, Vec<Option<usize>>)> {
        let looked = Arc::clone(&self.looked);
        self.ask(move |link| {
            let columns = differing(link, &looked.columns, &pairs)?;
            Ok((pairs, columns))
        })
    }

    fn column(&self, number: usize) -> &str {
        &self.looked.columns[number].name
    }

    fn without_source<'r>(&self, row: &'r [u8]) -> (&'r [u8], &'r [u8]) {
        // Source and offset are the last fields, of four and of eight bytes.
        match row.len().checked_sub(20) {
            Some(end) if self.looked.has_places => (&row[..end], &row[end + 8..]),
            _ => (row, &[]),
        }
    }
}

fn letter(row: &Row) -> HeldLetter {
    HeldLetter {
        place: Place { source: row.get(0), offset: row.get(1) },
        line: unsigned(row.get(2)),
        state: LetterState::of(row.get(3)),
        is_of_server: row.get::<_, &str>(4) == "server",
        rules: row.get::<_, Option<&[u8]>>(5).map(hash),
        raw: row.get(6),
        raw_hash: row.get(7),
        fixed: row.get(8),
        preamble: Preamble::new(row.get::<_, Option<&[u8]>>(9).unwrap_or_default()),
    }
}

/// A column as it is compared: a type without a known binary form is read as text.
fn shown(column: &Column, of: &str) -> String {
    let name = quote(&column.name);
    match column.wire {
        Wire::Cast => format!("{of}{name}::text"),
        _ => format!("{of}{name}"),
    }
}

/// Copies rows out, and returns them in blocks.
fn copy_out(
    link: &mut Link,
    sql: &str,
    give: &mut dyn FnMut(HeldRows) -> ControlFlow<()>,
) -> Result<(), Trouble> {
    let fail = |error| Trouble::of_write(Step::Look, error);
    let mut reader = BufReader::with_capacity(64 << 10, at(Step::Look, link.client.copy_out(sql))?);
    let mut header = [0; HEADER.len()];
    reader.read_exact(&mut header).map_err(fail)?;
    let mut block = HeldRows::default();
    loop {
        let mut count = [0; 2];
        reader.read_exact(&mut count).map_err(fail)?;
        let Ok(count) = u16::try_from(i16::from_be_bytes(count)) else { break };
        let start = block.bytes.len();
        block.bytes.extend_from_slice(&count.to_be_bytes());
        for _ in 0..count {
            let mut length = [0; 4];
            reader.read_exact(&mut length).map_err(fail)?;
            block.bytes.extend_from_slice(&length);
            let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(0);
            let from = block.bytes.len();
            block.bytes.resize(from + length, 0);
            reader.read_exact(&mut block.bytes[from..]).map_err(fail)?;
        }
        let place = place(&block.bytes[start..], usize::from(count));
        block.ends.push((place, block.bytes.len()));
        if block.bytes.len() >= BLOCK_BYTES && give(std::mem::take(&mut block)).is_break() {
            return Ok(());
        }
    }
    if !block.ends.is_empty() {
        let _ = give(block);
    }
    Ok(())
}

/// The place of a row: its last two fields.
fn place(tuple: &[u8], count: usize) -> Place {
    let mut last = fields(tuple).skip(count.saturating_sub(2)).map(|field| field.and_then(whole));
    let (source, offset) = (last.next().flatten(), last.next().flatten());
    // A null sorts after all others.
    let source = source.and_then(|source| i32::try_from(source).ok()).unwrap_or(i32::MAX);
    Place { source, offset: offset.unwrap_or(i64::MAX) }
}

/// The rows that have the keys of the given rows.
fn find(link: &mut Link, looked: &Looked, rows: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Trouble> {
    let Some(target) = &looked.target else { return Ok(vec![None; rows.len()]) };
    let columns: Vec<String> = looked.columns.iter().map(|column| shown(column, "t.")).collect();
    let (mut lists, mut conditions, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (place, &number) in looked.key_columns.iter().enumerate() {
        let column = &looked.columns[number];
        let (item, oid) = match (&column.wire, target.column(&column.name)) {
            (Wire::Cast, _) | (_, None) => ("text", catalog::oid::TEXT),
            (_, Some(of_target)) => (column.base_type.as_str(), of_target.base_oid),
        };
        lists.push(format!("${}::{item}[]", place + 1));
        let operator = looked.key_index.equals.iter().find(|(name, _)| *name == column.name);
        let operator = operator.map_or_else(|| "=".to_owned(), |(_, operator)| operator.to_string());
        let name = quote(&column.name);
        // As the column stores it: with its modifier, which the plain type lacks.
        conditions
            .push(format!("t.{name} {operator} k.k{place}::{}::{}", column.plain_type, column.type_name));
        let of_column = rows.iter().map(|row| fields(row).nth(number).flatten());
        values.push(list(oid, of_column));
    }
    let names: Vec<String> = (0..looked.key_columns.len()).map(|place| format!("k{place}")).collect();
    let sql = format!(
        "SELECT k.place, {} FROM unnest({}) WITH ORDINALITY k ({}, place) JOIN {} t ON {}",
        columns.join(", "),
        lists.join(", "),
        names.join(", "),
        target.quoted(),
        conditions.join(" AND ")
    );
    // A join by the index of the key, whatever the planner believes about the size of the table.
    at(
        Step::Look,
        link.client.batch_execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"),
    )?;
    let values: Vec<Field<'_>> = values.iter().map(|list| Field(Some(list))).collect();
    let parameters: Vec<&(dyn postgres::types::ToSql + Sync)> =
        values.iter().map(|value| value as &(dyn postgres::types::ToSql + Sync)).collect();
    let mut found = vec![None; rows.len()];
    for row in at(Step::Look, link.client.query(&sql, &parameters))? {
        let mut tuple = Vec::new();
        let count = i16::try_from(looked.columns.len()).expect("PostgreSQL has at most 1,600 columns");
        tuple.extend_from_slice(&count.to_be_bytes());
        for number in 1..row.len() {
            row.get::<_, Field<'_>>(number).put(&mut tuple);
        }
        let place = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(0);
        found[place] = Some(tuple);
    }
    Ok(found)
}

/// Whether a column turns the expected value into the held one.
#[derive(Clone, Copy)]
struct Question<'p> {
    /// The index of the pair.
    index: usize,
    expected: &'p [u8],
    held: &'p [u8],
}

/// For each pair, the first column in which the held value is not what the column makes of the expected one.
fn differing(link: &mut Link, columns: &[Column], pairs: &[Pair]) -> Result<Vec<Option<usize>>, Trouble> {
    let mut first: Vec<Option<usize>> = vec![None; pairs.len()];
    let note = |first: &mut Option<usize>, number| *first = Some(first.map_or(number, |it| it.min(number)));
    let mut questions: Vec<Vec<Question<'_>>> = vec![Vec::new(); columns.len()];
    for (index, pair) in pairs.iter().enumerate() {
        let both = fields(&pair.expected).zip(fields(&pair.held)).enumerate();
        for (number, (expected, held)) in both.filter(|(_, (expected, held))| expected != held) {
            match (expected, held) {
                (Some(expected), Some(held)) => questions[number].push(Question { index, expected, held }),
                _ => note(&mut first[index], number),
            }
        }
    }
    for (number, questions) in questions.iter().enumerate().filter(|(_, questions)| !questions.is_empty()) {
        let statement = cast(link, &columns[number])?;
        for questions in questions.chunks(CASTS_MAX) {
            let expected = questions.iter().map(|question| Field(Some(question.expected)));
            let mut values: Vec<Field<'_>> = expected.collect();
            values.resize_with(CASTS_MAX, || Field(None));
            let parameters: Vec<&(dyn postgres::types::ToSql + Sync)> =
                values.iter().map(|value| value as &(dyn postgres::types::ToSql + Sync)).collect();
            let row = at(Step::Look, link.client.query_one(&statement, &parameters))?;
            for (place, &Question { index, held, .. }) in questions.iter().enumerate() {
                if row.get::<_, Field<'_>>(place) != Field(Some(held)) {
                    note(&mut first[index], number);
                }
            }
        }
    }
    Ok(first)
}

/// The statement that returns what a column makes of the values sent to it.
fn cast(link: &mut Link, column: &Column) -> Result<Statement, Trouble> {
    let one = |number: usize| match column.wire {
        Wire::Cast => format!("${number}::text::{}::{}::text", column.plain_type, column.type_name),
        _ => format!("${number}::{}::{}", column.base_type, column.type_name),
    };
    let casts: Vec<String> = (1..=CASTS_MAX).map(one).collect();
    at(Step::Look, link.client.prepare(&format!("SELECT {}", casts.join(", "))))
}
