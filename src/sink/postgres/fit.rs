//! How the fields of a job fit the columns of a target: an existing one, or one to be created.
//!
//! Everything that can be known before the first row is found here and reported at once, with the name of
//! each column, what it is and what it should be. Only the faults of single rows remain.

use std::fmt::Write as _;

use postgres::error::SqlState;

use super::Settings;
use super::catalog::{Target, TargetColumn, Types, oid};
use super::numeric;
use super::wire::{Column, NULL, Wire};
use crate::schema::{Bounds, Decimal, Float, Kind, Text, Timestamp, Zone};
use crate::sink::TableName;
use crate::sink::key::{Origin, columns_into, columns_of, quote};

/// The statement that creates a missing target.
pub(super) fn create_table(table: &TableName, settings: &Settings) -> String {
    let Settings { schema, constants, key, .. } = settings;
    let mut sql = format!("CREATE TABLE {} (", table.quoted());
    for (name, origin) in columns_of(schema, constants, key) {
        let (type_name, not_null) = match origin {
            Origin::Field(index) => {
                let field = &schema.fields[index];
                (sql_type(&field.kind.column()), !field.may_be_null())
            }
            Origin::Constant(index) => (sql_type(&constants[index].kind), true),
            Origin::Extra(_) => (type_of_ours(origin).to_owned(), false),
            _ => (type_of_ours(origin).to_owned(), true),
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
    // Small, and enough to find the rows of a day if they arrived in order of time.
    if let Some(time) = settings.rollups.indexed() {
        let _ = write!(sql, ";\nCREATE INDEX ON {} USING brin ({})", table.quoted(), quote(time));
    }
    sql
}

/// The type of a new column whose values logmill writes itself.
fn type_of_ours(origin: Origin) -> &'static str {
    match origin {
        Origin::SourceId => "integer",
        Origin::SourceOffset => "bigint",
        Origin::RecordHash => "uuid",
        Origin::Field(_) | Origin::Extra(_) | Origin::Constant(_) => "jsonb",
    }
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
        Kind::Uuid { .. } => "uuid".to_owned(),
        Kind::Decimal(rules) => match (rules.max_digits, rules.decimal_places) {
            (Some(digits), Some(places)) => format!("numeric({digits},{places})"),
            _ => "numeric".to_owned(),
        },
        Kind::Json(_) | Kind::Object(_) | Kind::Union(_) | Kind::Again(_) => "jsonb".to_owned(),
        Kind::Ip { .. } => "inet".to_owned(),
        Kind::List(list) if list.items.kind.is_scalar() => format!("{}[]", sql_type(&list.items.kind)),
        Kind::List(_) => "jsonb".to_owned(),
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
    let Settings { schema, constants, .. } = settings;
    let columns = columns_of_job(target, settings).into_iter();
    let missing = columns.filter(|(name, _)| target.column(name).is_none()).map(|(name, origin)| {
        let wanted = match origin {
            Origin::Field(index) => sql_type(&schema.fields[index].kind.column()),
            Origin::Constant(index) => sql_type(&constants[index].kind),
            _ => type_of_ours(origin).to_owned(),
        };
        let statement = format!("ALTER TABLE {} ADD COLUMN {} {wanted}", target.quoted(), quote(&name));
        (name, statement)
    });
    missing.collect()
}

/// How each column is written, or every reason why it cannot be.
pub(super) fn fit(target: &Target, settings: &Settings, types: &Types) -> Result<Vec<Column>, Vec<String>> {
    let Settings { schema, constants, .. } = settings;
    let missing = missing_columns(target, settings);
    let mut findings = Vec::new();
    let mut written = Vec::new();
    for (name, origin) in columns_of_job(target, settings) {
        let Some(column) = target.column(&name) else {
            let add = missing.iter().find(|(missing, _)| *missing == name);
            let add = add.map_or("", |(_, statement)| statement);
            findings.push(format!("column {name} is missing from {}; add it ({add})", target.name));
            continue;
        };
        if column.is_generated {
            let what = if matches!(origin, Origin::Constant(_)) { "column" } else { "field" };
            findings.push(format!(
                "column {name} is generated by the server and takes no values; leave the {what} out"
            ));
            continue;
        }
        let kind = match origin {
            Origin::Field(index) => Some(schema.fields[index].kind.column().into_owned()),
            Origin::Constant(_) => Some(kind_of(column)),
            _ => None,
        };
        let wire = match (origin, &kind) {
            (_, Some(kind)) => wire_of(kind, column, types),
            (Origin::SourceId, _) => (column.base_oid == oid::INT4).then_some(Wire::Int4).ok_or("integer"),
            (Origin::SourceOffset, _) => (column.base_oid == oid::INT8).then_some(Wire::Int8).ok_or("bigint"),
            (Origin::RecordHash, _) => (column.base_oid == oid::UUID).then_some(Wire::Uuid).ok_or("uuid"),
            (_, None) => json_wire(column).ok_or("json or jsonb"),
        };
        let wire = match wire {
            Ok(wire) => wire,
            Err(wanted) => {
                findings.push(format!(
                    "column {name} is {}, and should be {wanted}; change the type of the field or of the column",
                    column.type_name
                ));
                continue;
            }
        };
        let mut fitted = fitted(target, column, origin, wire, kind);
        if let Err(finding) = fitted.fill(constants) {
            findings.push(finding);
        }
        written.push(fitted);
    }
    let names: Vec<String> = columns_of_job(target, settings).into_iter().map(|(name, _)| name).collect();
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

/// A column of the target that is written this way.
fn fitted(target: &Target, column: &TargetColumn, origin: Origin, wire: Wire, kind: Option<Kind>) -> Column {
    Column {
        name: column.name.clone(),
        origin,
        wire,
        kind,
        type_name: column.type_name.clone(),
        plain_type: column.plain_type.clone(),
        base_type: column.base_type.clone(),
        equates_texts: column.equates_texts,
        is_domain: column.is_domain,
        // A trigger can replace a null, but only after the value has passed its domain.
        not_null: column.domain_not_null || column.not_null && !target.has_row_triggers,
        constant: NULL.to_vec(),
    }
}

/// The kind that a constant is read as for an existing column.
fn kind_of(column: &TargetColumn) -> Kind {
    match column.base_oid {
        oid::INT2 | oid::INT4 | oid::INT8 => Kind::Int(Bounds::default()),
        oid::NUMERIC => Kind::Decimal(Decimal::default()),
        oid::FLOAT4 | oid::FLOAT8 => Kind::Float(Float::default()),
        oid::BOOL => Kind::Bool,
        oid::DATE => Kind::Date,
        oid::TIME => Kind::Time,
        oid::TIMESTAMP => Kind::Timestamp(Timestamp { zone: Zone::Naive, ..Timestamp::default() }),
        oid::TIMESTAMPTZ => Kind::Timestamp(Timestamp::default()),
        oid::UUID => Kind::Uuid { version: None },
        oid::INET | oid::CIDR => Kind::Ip { version: None },
        _ => Kind::Text(Text::default()),
    }
}

/// How values are written into a column, or what the column should be instead.
fn wire_of(kind: &Kind, column: &TargetColumn, types: &Types) -> Result<Wire, &'static str> {
    let numeric = || Wire::Numeric(numeric::Limits::of_modifier(column.base_modifier));
    let base = column.base_oid;
    match kind {
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
        Kind::Uuid { .. } => (base == oid::UUID).then_some(Wire::Uuid).ok_or("uuid"),
        Kind::Decimal(_) => (base == oid::NUMERIC).then(numeric).ok_or("numeric"),
        Kind::Json(_) | Kind::Object(_) | Kind::Union(_) | Kind::Again(_) => {
            json_wire(column).ok_or("jsonb or json")
        }
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
            // The modifier of an array column is that of its items.
            let item = TargetColumn { base_modifier: column.base_modifier, ..item.clone() };
            match wire_of(&list.items.kind, &item, types) {
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

/// How a text is written. A type that has its own kind of field accepts no text: the server's conversion is
/// not what logmill promises (it rounds, and knows words like `now`). Other types are cast, except those that
/// would silently truncate a text.
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

/// Whether an error says that another session has just created a table of that name.
pub(super) fn exists_already(code: &SqlState) -> bool {
    *code == SqlState::DUPLICATE_TABLE
        || *code == SqlState::DUPLICATE_OBJECT
        || *code == SqlState::UNIQUE_VIOLATION
}
