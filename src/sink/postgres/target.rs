//! The target: creating it, and comparing one that exists with what the job writes.
//!
//! Everything that can be known before the first row is found here and told at once, with
//! the name of each column, what it is and what it should be. What remains are the rows'
//! own faults.

use std::collections::HashMap;
use std::fmt::Write as _;

use postgres::{GenericClient, Row, error::SqlState};

use super::copy::{Column, Wire};
use super::numeric;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::schema::{Field, Kind, Schema, Zone};
use crate::sink::Key;
use crate::sink::key::{Origin, columns_of, quote};

/// A table as the server describes it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    /// Its columns, those that are dropped left out.
    pub(super) columns: Vec<TargetColumn>,
    /// Columns, types and modifiers in one text, to see whether they changed.
    pub(super) signature: String,
    /// `r` for a table, `p` for a partitioned one; anything else cannot be loaded.
    pub(super) kind: char,
    /// The columns by which it is partitioned; `None` where that is an expression. Parts that
    /// are partitioned again bring theirs along.
    pub(super) partition_columns: Vec<Option<String>>,
    /// The user has triggers that fire for rows.
    pub(super) has_row_triggers: bool,
    /// It has a foreign key to itself.
    pub(super) refers_to_itself: bool,
}

/// A column as the server describes it.
#[derive(Clone, Debug)]
pub(super) struct TargetColumn {
    pub(super) name: String,
    /// The type as people write it: `character varying(10)`.
    pub(super) type_name: String,
    /// The same without a length.
    plain_type: String,
    pub(super) not_null: bool,
    /// Its type is a domain.
    is_domain: bool,
    /// And takes no null.
    domain_not_null: bool,
    pub(super) has_default: bool,
    /// Written by the server always: generated, or an identity that takes no values.
    pub(super) is_generated: bool,
    /// Texts of different bytes can be equal in it: by its collation, or but for blanks at the
    /// end.
    pub(super) equates_texts: bool,
    /// The type below all domains.
    base_oid: u32,
    base_modifier: i32,
    base_kind: char,
    item_oid: u32,
}

impl TargetColumn {
    /// Texts in it end in blanks that do not count.
    pub(super) fn is_padded(&self) -> bool {
        self.base_oid == oid::BPCHAR
    }

    /// It rounds stamps and times to fewer than six digits.
    pub(super) fn rounds(&self) -> bool {
        matches!(self.base_oid, oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::TIME) && self.base_modifier >= 0
    }

    /// Values of different bytes can be one value in it.
    pub(super) fn equates(&self) -> bool {
        self.equates_texts || self.rounds()
    }

    /// Its stamps are instants.
    pub(super) fn has_zone(&self) -> bool {
        self.base_oid == oid::TIMESTAMPTZ
    }
}

impl Target {
    /// `"schema"."name"`.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }

    /// The columns by which two rows are the same: those of the key, and on a partitioned
    /// target those of the partitions, without which no index can be unique.
    pub(super) fn identity(&self, key: &Key) -> Vec<String> {
        let mut columns: Vec<String> = key.columns().into_iter().map(str::to_owned).collect();
        if !columns.is_empty() {
            for column in self.partition_columns.iter().flatten() {
                if !columns.contains(column) {
                    columns.push(column.clone());
                }
            }
        }
        columns
    }

    pub(super) fn column(&self, name: &str) -> Option<&TargetColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Finds a table by the name that a job gives, under the role's own path. `None` if
    /// there is none.
    pub(super) fn find(client: &mut impl GenericClient, table: &str) -> Result<Option<Target>, Trouble> {
        let found = client.query_opt(
            "WITH RECURSIVE part (oid) AS (
                 SELECT to_regclass($1)::oid UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
             )
             SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text,
                    EXISTS (SELECT FROM part JOIN pg_trigger g ON g.tgrelid = part.oid
                            WHERE NOT g.tgisinternal AND g.tgtype & 1 = 1),
                    EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = c.oid AND f.confrelid = c.oid)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.oid = to_regclass($1)",
            &[&table],
        );
        let Some(row) = at(Step::Prepare, found)? else { return Ok(None) };
        let oid: u32 = row.get(0);
        let kind: String = row.get(3);
        let columns = read_columns(client, oid)?;
        let signature = at(Step::Prepare, client.query_one(&signature_sql(oid), &[]))?.get(0);
        let partition = client.query(
            "WITH RECURSIVE part (oid) AS (
                 SELECT $1::oid UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
             )
             SELECT DISTINCT a.attname::text FROM part JOIN pg_partitioned_table p ON p.partrelid = part.oid
             CROSS JOIN unnest(p.partattrs::int2[]) k (attnum)
             LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.attnum AND k.attnum > 0
             ORDER BY 1",
            &[&oid],
        );
        Ok(Some(Target {
            oid,
            schema: row.get(1),
            name: row.get(2),
            kind: kind.chars().next().unwrap_or('?'),
            columns,
            signature,
            partition_columns: at(Step::Prepare, partition)?.iter().map(|row| row.get(0)).collect(),
            has_row_triggers: row.get(4),
            refers_to_itself: row.get(5),
        }))
    }
}

/// The columns of a table in one text; asked again, under a lock, in every batch.
pub(super) fn signature_sql(oid: u32) -> String {
    format!(
        "SELECT coalesce(string_agg(
             concat_ws(' ', attnum, quote_ident(attname), atttypid, atttypmod), ',' ORDER BY attnum), '')
         FROM pg_attribute WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped"
    )
}

fn read_columns(client: &mut impl GenericClient, oid: u32) -> Result<Vec<TargetColumn>, Trouble> {
    let rows = client.query(
        "WITH RECURSIVE base (attnum, oid, modifier, not_null) AS (
             SELECT attnum, atttypid, atttypmod, false FROM pg_attribute
             WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
             UNION ALL
             SELECT b.attnum, t.typbasetype, t.typtypmod, b.not_null OR t.typnotnull
             FROM base b JOIN pg_type t ON t.oid = b.oid
             WHERE t.typtype = 'd'
         )
         SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef,
                a.attgenerated <> '' OR a.attidentity = 'a', a.attidentity <> '',
                t.oid, b.modifier, t.typtype::text,
                -- Some types have elements and are no arrays: points, and names.
                coalesce((SELECT i.oid FROM pg_type i WHERE i.oid = t.typelem AND i.typarray = t.oid), 0::oid),
                b.not_null,
                NOT coalesce((SELECT collisdeterministic FROM pg_collation c WHERE c.oid = a.attcollation), true),
                format_type(a.atttypid, -1), a.atttypid <> t.oid
         FROM pg_attribute a
         JOIN base b ON b.attnum = a.attnum
         JOIN pg_type t ON t.oid = b.oid AND t.typtype <> 'd'
         WHERE a.attrelid = $1 ORDER BY a.attnum",
        &[&oid],
    );
    let rows = at(Step::Prepare, rows)?;
    let columns = rows.iter().map(|row| TargetColumn {
        name: row.get(0),
        type_name: row.get(1),
        plain_type: row.get(12),
        not_null: row.get(2),
        has_default: row.get::<_, bool>(3) || row.get::<_, bool>(5),
        is_generated: row.get(4),
        base_oid: row.get(6),
        base_modifier: row.get(7),
        base_kind: row.get::<_, String>(8).chars().next().unwrap_or('?'),
        item_oid: row.get(9),
        is_domain: row.get(13),
        domain_not_null: row.get(10),
        equates_texts: row.get::<_, u32>(6) == oid::BPCHAR || row.get(11),
    });
    Ok(columns.collect())
}

/// The statement that makes a missing target.
pub(super) fn create_table(table: &str, schema: &Schema, key: &Key) -> String {
    let mut sql = format!("CREATE TABLE {table} (");
    for (name, origin) in columns_of(schema, key) {
        let (type_name, not_null) = match origin {
            Origin::Field(index) => {
                let field = &schema.fields[index];
                (sql_type(&field.kind), !field.may_be_null())
            }
            Origin::Extra(_) => ("jsonb".to_owned(), false),
            Origin::SourceId => ("integer".to_owned(), true),
            Origin::SourceOffset => ("bigint".to_owned(), true),
            Origin::RecordHash => ("uuid".to_owned(), true),
        };
        let not_null = if not_null { " NOT NULL" } else { "" };
        let _ = write!(sql, "\n    {} {type_name}{not_null},", quote(&name));
    }
    let key_columns: Vec<String> = key.columns().into_iter().map(quote).collect();
    if key_columns.is_empty() {
        sql.pop();
    } else {
        let _ = write!(sql, "\n    PRIMARY KEY ({})", key_columns.join(", "));
    }
    sql.push_str("\n)");
    sql
}

/// The type of a new column.
fn sql_type(kind: &Kind) -> String {
    match kind {
        Kind::Text(_) | Kind::Enum(_) => "text".to_owned(),
        Kind::Int(_) => "bigint".to_owned(),
        Kind::Float(_) => "double precision".to_owned(),
        Kind::Bool => "boolean".to_owned(),
        Kind::Timestamp(rules) if rules.zone == Zone::Naive => "timestamp".to_owned(),
        Kind::Timestamp(_) => "timestamptz".to_owned(),
        Kind::Date => "date".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::Uuid => "uuid".to_owned(),
        Kind::Decimal(rules) => match (rules.max_digits, rules.decimal_places) {
            (Some(digits), Some(places)) => format!("numeric({digits},{places})"),
            _ => "numeric".to_owned(),
        },
        Kind::Json(_) | Kind::Object(_) => "jsonb".to_owned(),
        Kind::Ip { .. } => "inet".to_owned(),
        Kind::List(list) if list.items.kind.is_scalar() => format!("{}[]", sql_type(&list.items.kind)),
        Kind::List(_) => "jsonb".to_owned(),
    }
}

/// How each column is written, or every reason why that cannot be.
pub(super) fn fit(
    target: &Target,
    schema: &Schema,
    key: &Key,
    types: &Types,
) -> Result<Vec<Column>, Vec<String>> {
    let mut findings = Vec::new();
    let mut written = Vec::new();
    for (name, origin) in columns_of(schema, key) {
        let field = match origin {
            Origin::Field(index) => Some(&schema.fields[index]),
            _ => None,
        };
        let Some(column) = target.column(&name) else {
            let wanted = match (field, origin) {
                (Some(field), _) => sql_type(&field.kind),
                (None, Origin::SourceId) => "integer".to_owned(),
                (None, Origin::SourceOffset) => "bigint".to_owned(),
                (None, Origin::RecordHash) => "uuid".to_owned(),
                (None, Origin::Field(_) | Origin::Extra(_)) => "jsonb".to_owned(),
            };
            findings.push(format!(
                "column {name} is missing from {}; add it (ALTER TABLE {} ADD COLUMN {} {wanted})",
                target.name,
                target.quoted(),
                quote(&name)
            ));
            continue;
        };
        if column.is_generated {
            findings.push(format!(
                "column {name} is generated by the server and takes no values; leave the field out"
            ));
            continue;
        }
        let wire = match (origin, field) {
            (_, Some(field)) => wire_of(field, column, types),
            (Origin::Field(_) | Origin::Extra(_), None) => json_wire(column).ok_or("json or jsonb"),
            (Origin::SourceId, _) => (column.base_oid == oid::INT4).then_some(Wire::Int4).ok_or("integer"),
            (Origin::SourceOffset, _) => (column.base_oid == oid::INT8).then_some(Wire::Int8).ok_or("bigint"),
            (Origin::RecordHash, _) => (column.base_oid == oid::UUID).then_some(Wire::Uuid).ok_or("uuid"),
        };
        match wire {
            Ok(wire) => written.push(Column {
                name,
                origin,
                wire,
                kind: field.map(|field| field.kind.clone()),
                type_name: column.type_name.clone(),
                plain_type: column.plain_type.clone(),
                equates_texts: column.equates_texts,
                is_domain: column.is_domain,
                // A trigger can put something in the place of a null, but not before the
                // value has passed its domain.
                not_null: column.domain_not_null || column.not_null && !target.has_row_triggers,
            }),
            Err(wanted) => {
                findings.push(format!("column {name} is {}, and should be {wanted}", column.type_name));
            }
        }
    }
    let names: Vec<String> = columns_of(schema, key).into_iter().map(|(name, _)| name).collect();
    for column in &target.columns {
        let is_left_out = !names.contains(&column.name) && !target.has_row_triggers;
        if is_left_out && column.not_null && !column.has_default && !column.is_generated {
            findings.push(format!(
                "column {} takes no null, has no default, and no field is written to it; add a field or a default",
                column.name
            ));
        }
    }
    if findings.is_empty() { Ok(written) } else { Err(findings) }
}

/// The ids of types, which are the same on every server.
mod oid {
    pub(super) const BOOL: u32 = 16;
    /// `"char"`, which is one byte.
    pub(super) const CHAR: u32 = 18;
    pub(super) const NAME: u32 = 19;
    pub(super) const INT8: u32 = 20;
    pub(super) const INT2: u32 = 21;
    pub(super) const INT4: u32 = 23;
    pub(super) const TEXT: u32 = 25;
    pub(super) const JSON: u32 = 114;
    pub(super) const CIDR: u32 = 650;
    pub(super) const FLOAT4: u32 = 700;
    pub(super) const FLOAT8: u32 = 701;
    pub(super) const INET: u32 = 869;
    pub(super) const BPCHAR: u32 = 1042;
    pub(super) const VARCHAR: u32 = 1043;
    pub(super) const DATE: u32 = 1082;
    pub(super) const TIME: u32 = 1083;
    pub(super) const TIMESTAMP: u32 = 1114;
    pub(super) const TIMESTAMPTZ: u32 = 1184;
    pub(super) const TIMETZ: u32 = 1266;
    pub(super) const NUMERIC: u32 = 1700;
    pub(super) const UUID: u32 = 2950;
    pub(super) const JSONB: u32 = 3802;
}

/// How a field is written into a column, or what the column should be.
fn wire_of(field: &Field, column: &TargetColumn, types: &Types) -> Result<Wire, &'static str> {
    let numeric = || Wire::Numeric(numeric::Limits::of_modifier(column.base_modifier));
    let base = column.base_oid;
    match &field.kind {
        Kind::Text(_) | Kind::Enum(_) => text_wire(column, types),
        Kind::Int(_) => match base {
            oid::INT8 => Ok(Wire::Int8),
            oid::INT4 => Ok(Wire::Int4),
            oid::INT2 => Ok(Wire::Int2),
            oid::NUMERIC => Ok(numeric()),
            _ => Err("bigint, integer, smallint or numeric"),
        },
        Kind::Float(_) => match base {
            oid::FLOAT8 => Ok(Wire::Float8),
            oid::FLOAT4 => Ok(Wire::Float4),
            _ => Err("double precision or real"),
        },
        Kind::Bool => (base == oid::BOOL).then_some(Wire::Bool).ok_or("boolean"),
        Kind::Timestamp(rules) if rules.zone == Zone::Naive => {
            (base == oid::TIMESTAMP).then_some(Wire::Timestamp).ok_or("timestamp (zone = \"naive\")")
        }
        Kind::Timestamp(_) => (base == oid::TIMESTAMPTZ)
            .then_some(Wire::Timestamp)
            .ok_or("timestamptz (or the field zone = \"naive\", for timestamp)"),
        Kind::Date => (base == oid::DATE).then_some(Wire::Date).ok_or("date"),
        Kind::Time => (base == oid::TIME).then_some(Wire::Time).ok_or("time"),
        Kind::Uuid => (base == oid::UUID).then_some(Wire::Uuid).ok_or("uuid"),
        Kind::Decimal(_) => (base == oid::NUMERIC).then(numeric).ok_or("numeric"),
        Kind::Json(_) | Kind::Object(_) => json_wire(column).ok_or("jsonb or json"),
        Kind::Ip { .. } => match base {
            oid::INET => Ok(Wire::Inet { is_cidr: false }),
            oid::CIDR => Ok(Wire::Inet { is_cidr: true }),
            _ => Err("inet or cidr"),
        },
        Kind::List(list) => {
            if let Some(json) = json_wire(column) {
                return Ok(json);
            }
            let item = types.items.get(&column.item_oid).filter(|_| list.items.kind.is_scalar());
            let Some(item) = item else { return Err("jsonb, json or an array") };
            // The modifier of an array's column is that of its items.
            let item = TargetColumn { base_modifier: column.base_modifier, ..item.clone() };
            match wire_of(&list.items, &item, types) {
                Ok(Wire::Cast) | Err(_) => Err("jsonb, json or an array of the items' type"),
                Ok(item) => Ok(Wire::Array { item_oid: column.item_oid, item: Box::new(item) }),
            }
        }
    }
}

fn json_wire(column: &TargetColumn) -> Option<Wire> {
    match column.base_oid {
        oid::JSON => Some(Wire::Json),
        oid::JSONB => Some(Wire::Jsonb),
        _ => None,
    }
}

/// How a text is written. A type that has a field of its own takes no text: what the server
/// makes of one is not what we promise (it rounds, and knows words like `now`). Others are
/// cast, but for those that would cut a text off without a word.
fn text_wire(column: &TargetColumn, types: &Types) -> Result<Wire, &'static str> {
    let chars_max = usize::try_from(column.base_modifier - 4).ok();
    match column.base_oid {
        oid::TEXT => Ok(Wire::Text { chars_max: None }),
        oid::VARCHAR | oid::BPCHAR => Ok(Wire::Text { chars_max }),
        oid::INT2 | oid::INT4 | oid::INT8 | oid::NUMERIC | oid::FLOAT4 | oid::FLOAT8 | oid::BOOL => {
            Err("text")
        }
        oid::DATE | oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ => Err("text"),
        oid::UUID | oid::JSON | oid::JSONB | oid::INET | oid::CIDR | oid::NAME | oid::CHAR => Err("text"),
        _ if column.item_oid != 0 => Err("text"),
        _ => match types.labels.get(&column.base_oid) {
            Some(labels) if column.base_kind == 'e' => Ok(Wire::Label(labels.clone())),
            _ => Ok(Wire::Cast),
        },
    }
}

/// What `fit` needs to know of the server besides the table.
#[derive(Debug, Default)]
pub(super) struct Types {
    /// The labels of enum types.
    labels: HashMap<u32, Vec<String>>,
    /// The types of the items of arrays, each as if it were a column of no modifier.
    items: HashMap<u32, TargetColumn>,
}

/// Reads the types that the columns of `target` are made of.
pub(super) fn read_types(client: &mut impl GenericClient, target: &Target) -> Result<Types, Trouble> {
    let bases: Vec<u32> = target.columns.iter().map(|column| column.base_oid).collect();
    let mut labels: HashMap<u32, Vec<String>> = HashMap::new();
    let rows = client.query(
        "SELECT enumtypid, enumlabel::text FROM pg_enum
         WHERE enumtypid = ANY($1) OR enumtypid IN (SELECT typelem FROM pg_type WHERE oid = ANY($1))
         ORDER BY enumtypid, enumsortorder",
        &[&bases],
    );
    for row in at(Step::Prepare, rows)? {
        labels.entry(row.get(0)).or_default().push(row.get(1));
    }
    let mut items = HashMap::new();
    for column in target.columns.iter().filter(|column| column.item_oid != 0) {
        let row = client.query_one(
            "SELECT format_type(oid, NULL), typtype::text FROM pg_type WHERE oid = $1",
            &[&column.item_oid],
        );
        let row = at(Step::Prepare, row)?;
        items.insert(
            column.item_oid,
            TargetColumn {
                name: column.name.clone(),
                type_name: row.get(0),
                plain_type: row.get(0),
                not_null: false,
                is_domain: false,
                domain_not_null: false,
                has_default: false,
                is_generated: false,
                equates_texts: false,
                base_oid: column.item_oid,
                base_modifier: -1,
                base_kind: row.get::<_, String>(1).chars().next().unwrap_or('?'),
                item_oid: 0,
            },
        );
    }
    Ok(Types { labels, items })
}

/// An index by its whole name: a trigger can write to a table of another schema, which has one
/// of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexName {
    pub(super) schema: String,
    pub(super) name: String,
}

/// Finds the unique index that the key needs: it and, on a partitioned target, its parts; or
/// what stands in the way of using one.
pub(super) fn find_key_index(
    client: &mut impl GenericClient,
    target: &Target,
    key: &Key,
) -> Result<Result<Vec<IndexName>, String>, Trouble> {
    let mut wanted = target.identity(key);
    if wanted.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    if let (Key::Columns(columns), true) = (key, wanted.len() > key.columns().len()) {
        let missing = wanted.split_off(columns.len()).join(", ");
        return Ok(Err(format!(
            "{} is partitioned by {missing}, which is not in the key: rows of the same key could stand in two partitions; \
             add it to the key",
            target.name
        )));
    }
    wanted.sort();
    let rows = client.query(
        "SELECT c.relname::text, i.indexrelid,
                array_agg(a.attname::text ORDER BY a.attname) FILTER (WHERE k.n <= i.indnkeyatts),
                i.indisvalid AND i.indisready, i.indimmediate, i.indpred IS NULL, i.indexprs IS NULL
         FROM pg_index i
         JOIN pg_class c ON c.oid = i.indexrelid
         CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, n)
         LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE i.indrelid = $1 AND i.indisunique
         GROUP BY c.relname, i.indexrelid, i.indisvalid, i.indisready, i.indimmediate, i.indpred, i.indexprs, i.indisprimary
         ORDER BY i.indisprimary DESC, c.relname",
        &[&target.oid],
    );
    let columns = wanted.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let mut nearly = None;
    for row in at(Step::Prepare, rows)? {
        let mut columns: Vec<String> =
            row.get::<_, Option<Vec<Option<String>>>>(2).unwrap_or_default().into_iter().flatten().collect();
        columns.sort();
        if columns != wanted {
            continue;
        }
        let name: String = row.get(0);
        let flaw = match (row.get(3), row.get(4), row.get(5), row.get(6)) {
            (false, ..) => "it is not valid yet",
            (_, false, ..) => "it is deferrable",
            (_, _, false, _) => "it is partial",
            (.., false) => "it has expressions",
            _ => {
                let parts = client.query(
                    "WITH RECURSIVE part (oid) AS (
                         SELECT $1::oid UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
                     ) SELECT n.nspname::text, c.relname::text
                     FROM part JOIN pg_class c ON c.oid = part.oid JOIN pg_namespace n ON n.oid = c.relnamespace",
                    &[&row.get::<_, u32>(1)],
                );
                let parts = at(Step::Prepare, parts)?;
                let name = |row: &Row| IndexName { schema: row.get(0), name: row.get(1) };
                return Ok(Ok(parts.iter().map(name).collect()));
            }
        };
        nearly = Some(format!("the unique index {name} cannot be used: {flaw}"));
    }
    let missing = nearly.unwrap_or_else(|| format!("no unique index on ({columns})"));
    Ok(Err(format!(
        "{}: {missing}; the key needs one (CREATE UNIQUE INDEX ON {} ({columns}))",
        target.name,
        target.quoted()
    )))
}

/// Whether an error says that a table of that name was made by somebody else just now.
pub(super) fn exists_already(code: &SqlState) -> bool {
    *code == SqlState::DUPLICATE_TABLE
        || *code == SqlState::DUPLICATE_OBJECT
        || *code == SqlState::UNIQUE_VIOLATION
}
