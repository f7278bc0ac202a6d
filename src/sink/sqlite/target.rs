//! The target in SQLite: creating it, and comparing an existing one with what the job writes.
//!
//! In a table that is not STRICT, a column's affinity silently changes values: '007' becomes 7 in a NUMERIC
//! column. A column where that could happen is refused.

use std::fmt::Write as _;

use bumpalo::Bump;
use rusqlite::{Connection, OptionalExtension as _};

use super::Settings;
use super::encode::{self, Column};
use crate::schema::{Bounds, Float, Kind, Owned, Text, Value};
use crate::sink::key::{Origin, columns_into, columns_of, quote};
use crate::sink::{Constant, Key, TableName};

/// SQLite's description of a table.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) name: String,
    /// Its definition, to see whether it changed.
    pub(super) definition: String,
    kind: String,
    is_strict: bool,
    has_rowid: bool,
    columns: Vec<TargetColumn>,
    pub(super) foreign_keys: Vec<ForeignKey>,
}

/// Columns whose values must exist in a row of another table, or of the same one.
#[derive(Clone, Debug)]
pub(super) struct ForeignKey {
    pub(super) parent: String,
    /// Each with the column of the parent.
    pub(super) columns: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct TargetColumn {
    name: String,
    type_name: String,
    not_null: bool,
    has_default: bool,
    is_generated: bool,
    /// Its position in the primary key, from 1; 0 if it is not in it.
    key_place: i64,
}

/// What a column does to its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Affinity {
    Integer,
    Real,
    Numeric,
    Text,
    /// Keeps every value unchanged.
    None,
}

impl TargetColumn {
    /// SQLite's own rules, in order.
    fn affinity(&self, is_strict: bool) -> Affinity {
        let name = self.type_name.to_ascii_uppercase();
        let has = |word: &str| name.contains(word);
        match () {
            () if is_strict && name == "ANY" => Affinity::None,
            () if has("INT") => Affinity::Integer,
            () if has("CHAR") || has("CLOB") || has("TEXT") => Affinity::Text,
            () if has("BLOB") || name.is_empty() => match is_strict {
                // A strict BLOB column accepts nothing but bytes.
                true => Affinity::Numeric,
                false => Affinity::None,
            },
            () if has("REAL") || has("FLOA") || has("DOUB") => Affinity::Real,
            () => Affinity::Numeric,
        }
    }
}

impl Target {
    /// Finds a table by name. `None` if there is none.
    pub(super) fn find(connection: &Connection, table: &str) -> rusqlite::Result<Option<Target>> {
        let found = connection
            .query_row(
                "SELECT l.name, l.type, l.strict, NOT l.wr, coalesce(m.sql, '') FROM pragma_table_list l
                 LEFT JOIN sqlite_schema m ON m.name = l.name AND m.type IN ('table', 'view')
                 WHERE l.schema = 'main' AND l.name = ?1 COLLATE NOCASE",
                [table],
                |row| {
                    Ok(Target {
                        name: row.get(0)?,
                        kind: row.get(1)?,
                        is_strict: row.get(2)?,
                        has_rowid: row.get(3)?,
                        definition: row.get(4)?,
                        columns: Vec::new(),
                        foreign_keys: Vec::new(),
                    })
                },
            )
            .optional()?;
        let Some(mut target) = found else { return Ok(None) };
        let mut statement = connection.prepare(
            "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, hidden IN (2, 3), pk FROM pragma_table_xinfo(?1)",
        )?;
        let columns = statement.query_map([&target.name], |row| {
            Ok(TargetColumn {
                name: row.get(0)?,
                type_name: row.get(1)?,
                not_null: row.get(2)?,
                has_default: row.get(3)?,
                is_generated: row.get(4)?,
                key_place: row.get(5)?,
            })
        })?;
        target.columns = columns.collect::<rusqlite::Result<_>>()?;
        target.foreign_keys = read_foreign_keys(connection, &target.name)?;
        Ok(Some(target))
    }

    /// Whether a foreign key may be checked only at COMMIT. SQLite reports this nowhere else.
    pub(super) fn may_defer(&self) -> bool {
        self.definition.to_ascii_uppercase().contains("DEFERRED")
    }

    /// Whether a foreign key refers to the table itself.
    pub(super) fn is_own(&self, foreign_key: &ForeignKey) -> bool {
        foreign_key.parent.eq_ignore_ascii_case(&self.name)
    }

    /// Whether a column is an alias of the rowid, which is filled in if it is null.
    fn is_rowid(&self, column: &TargetColumn) -> bool {
        let key = self.columns.iter().filter(|column| column.key_place > 0).count();
        self.has_rowid && key == 1 && column.key_place > 0 && column.type_name.eq_ignore_ascii_case("INTEGER")
    }

    pub(super) fn column(&self, name: &str) -> Option<&TargetColumn> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// The name under which the sources of the job's table are remembered, even if the table is gone.
pub(super) fn remembered(connection: &Connection, table: &TableName) -> rusqlite::Result<String> {
    let found = connection
        .query_row(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            [&table.name],
            |row| row.get(0),
        )
        .optional()?;
    let name = found.unwrap_or_else(|| table.name.clone());
    Ok(TableName { schema: None, name }.remembered())
}

fn read_foreign_keys(connection: &Connection, table: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    // Without named columns of the parent, they are those of its primary key.
    let mut statement = connection.prepare(
        "SELECT seq, \"table\", \"from\",
                coalesce(\"to\", (SELECT name FROM pragma_table_info(f.\"table\") WHERE pk = f.seq + 1), '')
         FROM pragma_foreign_key_list(?1) f ORDER BY id, seq",
    )?;
    let mut rows = statement.query([table])?;
    let mut foreign_keys: Vec<ForeignKey> = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? == 0 {
            foreign_keys.push(ForeignKey { parent: row.get(1)?, columns: Vec::new() });
        }
        if let Some(last) = foreign_keys.last_mut() {
            last.columns.push((row.get(2)?, row.get(3)?));
        }
    }
    Ok(foreign_keys)
}

/// The statement that creates a missing target.
pub(super) fn create_table(settings: &Settings) -> String {
    let Settings { table, schema, constants, key, .. } = settings;
    let mut sql = format!("CREATE TABLE {} (", quote(&table.name));
    for (name, origin) in columns_of(schema, constants, key) {
        let not_null = match origin {
            Origin::Field(index) => !schema.fields[index].may_be_null(),
            Origin::Extra(_) => false,
            Origin::Constant(_) | Origin::SourceId | Origin::SourceOffset | Origin::RecordHash => true,
        };
        let not_null = if not_null { " NOT NULL" } else { "" };
        let _ = write!(sql, "\n    {} {}{not_null},", quote(&name), wanted_type(settings, origin));
    }
    let key_columns: Vec<String> = key.columns().into_iter().map(quote).collect();
    if key_columns.is_empty() {
        sql.pop();
    } else {
        let _ = write!(sql, "\n    PRIMARY KEY ({})", key_columns.join(", "));
    }
    sql.push_str("\n) STRICT");
    if let Some(time) = settings.rollups.indexed() {
        let index = quote(&format!("{}_{time}", table.name));
        let _ = write!(sql, ";\nCREATE INDEX {index} ON {} ({})", quote(&table.name), quote(time));
    }
    sql
}

/// The type of a new column, and the type that an existing one should have.
fn wanted_type(settings: &Settings, origin: Origin) -> &'static str {
    match origin {
        Origin::Field(index) => type_of(&settings.schema.fields[index].kind.column()),
        Origin::Constant(index) => type_of(&settings.constants[index].kind),
        Origin::SourceId | Origin::SourceOffset => "INTEGER",
        Origin::Extra(_) | Origin::RecordHash => "TEXT",
    }
}

fn type_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Int(_) | Kind::Bool => "INTEGER",
        Kind::Float(_) => "REAL",
        _ => "TEXT",
    }
}

/// The kind of a constant in an existing column: that of a new column, if the column can hold it.
fn kind_of(constant: &Constant, affinity: Affinity) -> Kind {
    match (affinity, type_of(&constant.kind)) {
        (Affinity::Integer, "TEXT") => Kind::Int(Bounds::default()),
        (Affinity::Real, _) => Kind::Float(Float::default()),
        (Affinity::Text, "INTEGER") => Kind::Text(Text::default()),
        _ => constant.kind.clone(),
    }
}

/// A constant in the form for binding, or the reason why it does not fit.
fn constant_bytes(constant: &Constant, kind: &Kind) -> Result<Vec<u8>, String> {
    let value = constant.read(kind)?.unwrap_or(Owned::Plain(Value::Null));
    let mut bytes = Vec::new();
    let put = encode::put(kind, value.value(&Bump::new()), false, &mut bytes);
    put.map(|()| bytes).map_err(|(_, why)| why.to_owned())
}

/// Whether a column stores values unchanged.
fn keeps(wanted: &str, kind: Option<&Kind>, affinity: Affinity, is_strict: bool) -> bool {
    let is_never_a_number = matches!(
        kind,
        Some(Kind::Timestamp(_) | Kind::Date | Kind::Time | Kind::Uuid { .. } | Kind::Ip { .. })
    );
    match (wanted, affinity) {
        (_, Affinity::None) => true,
        ("INTEGER", Affinity::Integer) | ("REAL", Affinity::Real) | ("TEXT", Affinity::Text) => true,
        // People declare DATETIME and BOOLEAN, which SQLite treats as NUMERIC.
        ("INTEGER", Affinity::Numeric) => !is_strict,
        ("TEXT", Affinity::Numeric) => !is_strict && is_never_a_number,
        _ => false,
    }
}

/// The columns that the job writes into an existing target.
fn columns_of_job(target: &Target, settings: &Settings) -> Vec<(String, Origin)> {
    let Settings { schema, constants, key, is_rebuild, .. } = settings;
    columns_into((schema, constants, key), *is_rebuild, |name| target.column(name).is_some())
}

/// The statements that add the columns a target lacks, each with the name of its column. logmill itself runs
/// none of them. A new column accepts nulls, because there may be rows.
pub(super) fn missing_columns(target: &Target, settings: &Settings) -> Vec<(String, String)> {
    let columns = columns_of_job(target, settings).into_iter();
    let missing = columns.filter(|(name, _)| target.column(name).is_none()).map(|(name, origin)| {
        let wanted = wanted_type(settings, origin);
        let statement = format!("ALTER TABLE {} ADD COLUMN {} {wanted}", quote(&target.name), quote(&name));
        (name, statement)
    });
    missing.collect()
}

/// How each column is written, or every reason why it cannot be.
pub(super) fn fit(
    connection: &Connection,
    target: &Target,
    settings: &Settings,
) -> rusqlite::Result<Result<Vec<Column>, Vec<String>>> {
    let Settings { schema, constants, key, .. } = settings;
    let name = &target.name;
    if target.kind != "table" {
        return Ok(Err(vec![format!("{name} is a {}; rows can only be loaded into a table", target.kind)]));
    }
    let missing = missing_columns(target, settings);
    let mut findings = Vec::new();
    let mut written = Vec::new();
    for (column_name, origin) in columns_of_job(target, settings) {
        let wanted = wanted_type(settings, origin);
        let Some(column) = target.column(&column_name) else {
            let add = missing.iter().find(|(missing, _)| *missing == column_name);
            let add = add.map_or("", |(_, statement)| statement);
            findings.push(format!("column {column_name} is missing from {name}; add it ({add})"));
            continue;
        };
        if column.is_generated {
            let what = if matches!(origin, Origin::Constant(_)) { "column" } else { "field" };
            findings
                .push(format!("column {column_name} is generated and takes no values; leave the {what} out"));
            continue;
        }
        let affinity = column.affinity(target.is_strict);
        let kind = match origin {
            Origin::Field(index) => Some(schema.fields[index].kind.column().into_owned()),
            Origin::Constant(index) => Some(kind_of(&constants[index], affinity)),
            _ => None,
        };
        let wanted = kind.as_ref().map_or(wanted, type_of);
        if !keeps(wanted, kind.as_ref(), affinity, target.is_strict) {
            findings.push(format!(
                "column {column_name} is {}, which turns values into others, and should be {wanted}; change the type of the \
                 field or of the column",
                if column.type_name.is_empty() { "without a type" } else { &column.type_name }
            ));
        }
        written.push(Column {
            name: column.name.clone(),
            origin,
            kind,
            not_null: column.not_null,
            constant: Vec::new(),
        });
    }
    findings.extend(fill(target, &mut written, constants));
    let names: Vec<String> = columns_of_job(target, settings).into_iter().map(|(name, _)| name).collect();
    for column in &target.columns {
        let is_left_out = !names.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
        let must_be_given = column.not_null && !column.has_default && !column.is_generated;
        if is_left_out && must_be_given && !target.is_rowid(column) {
            findings.push(format!(
                "column {} takes no null, has no default, and no field is written to it; add a field or a default",
                column.name
            ));
        }
    }
    // A missing key column has already been reported.
    if key.columns().iter().all(|name| target.column(name).is_some())
        && let Some(missing) = missing_index(connection, target, key)?
    {
        findings.push(missing);
    }
    Ok(if findings.is_empty() { Ok(written) } else { Err(findings) })
}

/// Encodes the values of the constant columns, and returns every reason why one does not fit.
pub(super) fn fill(target: &Target, columns: &mut [Column], constants: &[Constant]) -> Vec<String> {
    let mut findings = Vec::new();
    for column in columns {
        let (Origin::Constant(index), Some(kind)) = (column.origin, &column.kind) else { continue };
        match constant_bytes(&constants[index], kind) {
            Ok(bytes) => column.constant = bytes,
            Err(why) => {
                let Column { name, .. } = column;
                let type_name = target.column(name).map_or("", |column| &column.type_name);
                findings.push(format!(
                    "the value of column {name} in `columns` does not fit its type, {type_name}: {why}"
                ));
            }
        }
    }
    findings
}

/// The message if the key has no unique index that finds its rows.
fn missing_index(connection: &Connection, target: &Target, key: &Key) -> rusqlite::Result<Option<String>> {
    let mut wanted: Vec<(String, String)> = Vec::new();
    for name in key.columns() {
        let collation = connection.column_metadata(Some("main"), target.name.as_str(), name)?.1;
        let collation = collation.map(|name| name.to_string_lossy().to_ascii_lowercase());
        wanted.push((name.to_ascii_lowercase(), collation.unwrap_or_default()));
    }
    if wanted.is_empty() {
        return Ok(None);
    }
    wanted.sort();
    let mut primary: Vec<String> = target
        .columns
        .iter()
        .filter(|column| column.key_place > 0)
        .map(|column| column.name.to_ascii_lowercase())
        .collect();
    primary.sort();
    let are_wanted = |columns: &[String]| columns.iter().eq(wanted.iter().map(|(name, _)| name));
    let mut is_found = are_wanted(&primary);
    let mut indexes =
        connection.prepare("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND NOT partial")?;
    let names: Vec<String> =
        indexes.query_map([&target.name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for index in names {
        let mut columns = connection.prepare(
            "SELECT coalesce(lower(name), ''), coalesce(lower(coll), '') FROM pragma_index_xinfo(?1) WHERE key",
        )?;
        let columns = columns.query_map([&index], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut columns: Vec<(String, String)> = columns.collect::<rusqlite::Result<_>>()?;
        columns.sort();
        let (names, _): (Vec<String>, Vec<String>) = columns.iter().cloned().unzip();
        if columns == wanted {
            is_found = true;
        } else if are_wanted(&names) {
            // A row that it refuses could not be found by its key.
            return Ok(Some(format!(
                "{}: the unique index {index} calls other texts equal than its columns do; give both the same COLLATE",
                target.name
            )));
        }
    }
    if is_found {
        return Ok(None);
    }
    let columns: Vec<String> = key.columns().into_iter().map(quote).collect();
    Ok(Some(format!(
        "{}: no unique index on ({columns}); the key needs one (CREATE UNIQUE INDEX {} ON {} ({columns}))",
        target.name,
        quote(&format!("{}_key", target.name)),
        quote(&target.name),
        columns = columns.join(", ")
    )))
}
