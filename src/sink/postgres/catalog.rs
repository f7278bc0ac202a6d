//! The catalog: the server's description of a table, its columns and the index of its key.

use std::collections::HashMap;

use postgres::{Client, GenericClient, Row, SimpleQueryRow};

use super::ask::Ask as _;
use super::names::{IndexName, Operator, Order, literal};
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::sink::key::quote;
use crate::sink::{Key, TableName};

/// A table as the server describes it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    /// Its columns, without dropped ones.
    pub(super) columns: Vec<TargetColumn>,
    /// What must not change while rows are encoded for it.
    pub(super) signature: Signature,
    /// `r` for a table, `p` for a partitioned one; no other kind can be loaded.
    pub(super) kind: char,
    /// The columns it is partitioned by; `None` for an expression. Includes the columns of partitions that
    /// are partitioned again.
    pub(super) partition_columns: Vec<Option<String>>,
    /// It has user triggers that fire for rows.
    pub(super) has_row_triggers: bool,
    /// It has a foreign key to itself.
    pub(super) refers_to_itself: bool,
}

/// The name under which the sources of the job's table are remembered, even if the table is gone.
pub(super) fn remembered(
    client: &mut Client,
    schemas: &[String],
    table: &TableName,
) -> Result<String, Trouble> {
    let named = table.schema.as_ref().map(std::slice::from_ref);
    let found = client.ask_opt(
        "SELECT p.name FROM unnest($1::text[]) WITH ORDINALITY p (name, place)
         JOIN pg_namespace n ON n.nspname = p.name
         JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = $2
         ORDER BY p.place LIMIT 1",
        &[&named.unwrap_or(schemas), &table.name],
    );
    let schema = at(Step::Look, found)?.map(|row| row.get(0));
    let schema = schema.or_else(|| table.schema.clone()).or_else(|| schemas.first().cloned());
    Ok(TableName { schema, name: table.name.clone() }.remembered())
}

/// A column as the server describes it.
#[derive(Clone, Debug)]
pub(super) struct TargetColumn {
    pub(super) name: String,
    /// The type in the usual notation: `character varying(10)`.
    pub(super) type_name: String,
    /// The same without a length.
    pub(super) plain_type: String,
    /// The type below all domains, without a length.
    pub(super) base_type: String,
    pub(super) not_null: bool,
    /// Its type is a domain.
    pub(super) is_domain: bool,
    /// The domain does not accept nulls.
    pub(super) domain_not_null: bool,
    pub(super) has_default: bool,
    /// Always written by the server: generated, or an identity that accepts no values.
    pub(super) is_generated: bool,
    /// Texts with different bytes can be equal in it: by its collation, or because trailing blanks do not
    /// count.
    pub(super) equates_texts: bool,
    /// The type below all domains.
    pub(super) base_oid: u32,
    pub(super) base_modifier: i32,
    pub(super) base_kind: char,
    pub(super) item_oid: u32,
}

impl TargetColumn {
    /// Trailing blanks of its texts do not count.
    pub(super) fn is_padded(&self) -> bool {
        self.base_oid == oid::BPCHAR
    }

    /// It rounds timestamps and times to fewer than six digits.
    pub(super) fn rounds(&self) -> bool {
        matches!(self.base_oid, oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::TIME) && self.base_modifier >= 0
    }

    /// Values with different bytes can be equal in it.
    pub(super) fn equates(&self) -> bool {
        self.equates_texts || self.rounds()
    }

    /// Its timestamps are instants.
    pub(super) fn has_zone(&self) -> bool {
        self.base_oid == oid::TIMESTAMPTZ
    }
}

impl Target {
    /// `"schema"."name"`.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }

    /// The name under which its sources are remembered.
    pub(super) fn remembered(&self) -> String {
        TableName { schema: Some(self.schema.clone()), name: self.name.clone() }.remembered()
    }

    /// The columns that make two rows the same: those of the key, and on a partitioned target also those of
    /// the partitions, without which no index can be unique.
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

    /// Finds the table that a job names: in its schema, or in the first of `schemas` that has a table of that
    /// name. `None` if there is none.
    pub(super) fn find(
        client: &mut impl GenericClient,
        schemas: &[String],
        table: &TableName,
    ) -> Result<Option<Target>, Trouble> {
        let named = table.schema.as_ref().map(std::slice::from_ref);
        // The signature is read before the columns: the first batch detects any change in between.
        let sql = format!(
            "WITH RECURSIVE target (oid) AS (
                 SELECT c.oid FROM unnest($1::text[]) WITH ORDINALITY p (name, place)
                 JOIN pg_namespace n ON n.nspname = p.name
                 JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = $2
                 ORDER BY p.place LIMIT 1
             ), part (oid) AS (
                 SELECT oid FROM target UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
             )
             SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text,
                    EXISTS (SELECT FROM part JOIN pg_trigger g ON g.tgrelid = part.oid
                            WHERE NOT g.tgisinternal AND g.tgtype & 1 = 1),
                    EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = c.oid AND f.confrelid = c.oid),
                    ARRAY(SELECT DISTINCT a.attname::text FROM part JOIN pg_partitioned_table p ON p.partrelid = part.oid
                          CROSS JOIN unnest(p.partattrs::int2[]) k (attnum)
                          LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.attnum AND k.attnum > 0
                          ORDER BY 1),
                    {SIGNATURE}
             FROM target JOIN pg_class c ON c.oid = target.oid JOIN pg_namespace n ON n.oid = c.relnamespace"
        );
        let found = client.ask_opt(&sql, &[&named.unwrap_or(schemas), &table.name]);
        let Some(row) = at(Step::Prepare, found)? else { return Ok(None) };
        let oid: u32 = row.get(0);
        let kind: String = row.get(3);
        let columns = read_columns(client, oid)?;
        Ok(Some(Target {
            oid,
            schema: row.get(1),
            name: row.get(2),
            kind: kind.chars().next().unwrap_or('?'),
            columns,
            partition_columns: row.get(6),
            signature: Signature::of(&row, 7),
            has_row_triggers: row.get(4),
            refers_to_itself: row.get(5),
        }))
    }
}

/// The properties of a table that its encoded rows depend on. A table that was renamed and created anew has
/// other columns in the same positions, but is found by the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    oid: String,
    persistence: String,
    columns: String,
    indexes: String,
}

/// The signature of a table `c` of the catalog.
const SIGNATURE: &str = "c.oid::text, c.relpersistence::text,
     (SELECT string_agg(concat_ws(' ', a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)
      FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
     (SELECT string_agg(i.indexrelid::text, ',' ORDER BY i.indexrelid) FROM pg_index i
      WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indisready)";

/// Selects the signature of the table that now has this name; repeated under a lock in every batch. The
/// answer is four texts.
pub(super) fn signature_sql(schema: &str, name: &str) -> String {
    format!(
        "SELECT {SIGNATURE}
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = {} AND c.relname = {}",
        literal(schema),
        literal(name)
    )
}

impl Signature {
    /// The number of texts in an answer.
    pub(super) const TEXTS: usize = 4;

    /// The signature that starts at column `first` of a row.
    fn of(row: &Row, first: usize) -> Signature {
        let text = |index: usize| row.get::<_, Option<String>>(first + index).unwrap_or_default();
        Signature { oid: text(0), persistence: text(1), columns: text(2), indexes: text(3) }
    }

    /// What differs in the table that an answer describes; `None` if nothing has changed.
    pub(super) fn difference(
        &self,
        now: Option<&SimpleQueryRow>,
        key_index: Option<u32>,
    ) -> Option<&'static str> {
        let Some(now) = now else { return Some("is not there any more") };
        let text = |index: usize| now.try_get(index).ok().flatten().unwrap_or_default();
        let has_index = key_index.is_none_or(|oid| text(3).split(',').any(|index| index == oid.to_string()));
        if text(0) != self.oid {
            Some("is another table than before")
        } else if text(2) != self.columns {
            Some("has other columns than before")
        } else if text(1) != self.persistence {
            Some("is not a logged table any more")
        } else if !has_index {
            Some("has lost the unique index of its key")
        } else {
            None
        }
    }
}

fn read_columns(client: &mut impl GenericClient, oid: u32) -> Result<Vec<TargetColumn>, Trouble> {
    let rows = client.ask(
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
                format_type(a.atttypid, -1), a.atttypid <> t.oid, format_type(t.oid, -1)
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
        base_type: row.get(14),
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

/// The ids of types, which are the same on every server.
pub(super) mod oid {
    pub(in super::super) const BOOL: u32 = 16;
    /// `"char"`, which is one byte.
    pub(in super::super) const CHAR: u32 = 18;
    pub(in super::super) const NAME: u32 = 19;
    pub(in super::super) const INT8: u32 = 20;
    pub(in super::super) const INT2: u32 = 21;
    pub(in super::super) const INT4: u32 = 23;
    pub(in super::super) const TEXT: u32 = 25;
    pub(in super::super) const JSON: u32 = 114;
    pub(in super::super) const CIDR: u32 = 650;
    pub(in super::super) const FLOAT4: u32 = 700;
    pub(in super::super) const FLOAT8: u32 = 701;
    pub(in super::super) const INET: u32 = 869;
    pub(in super::super) const BPCHAR: u32 = 1042;
    pub(in super::super) const VARCHAR: u32 = 1043;
    pub(in super::super) const DATE: u32 = 1082;
    pub(in super::super) const TIME: u32 = 1083;
    pub(in super::super) const TIMESTAMP: u32 = 1114;
    pub(in super::super) const TIMESTAMPTZ: u32 = 1184;
    pub(in super::super) const TIMETZ: u32 = 1266;
    pub(in super::super) const NUMERIC: u32 = 1700;
    pub(in super::super) const UUID: u32 = 2950;
    pub(in super::super) const JSONB: u32 = 3802;
}

/// What `fit` needs to know about the server besides the table.
#[derive(Debug, Default)]
pub(super) struct Types {
    pub(super) labels: HashMap<u32, Vec<String>>,
    /// The item types of arrays, each as if it were a column without a modifier.
    pub(super) items: HashMap<u32, TargetColumn>,
}

/// Reads the types of the columns of `target`.
pub(super) fn read_types(client: &mut impl GenericClient, target: &Target) -> Result<Types, Trouble> {
    let bases: Vec<u32> = target.columns.iter().map(|column| column.base_oid).collect();
    let mut labels: HashMap<u32, Vec<String>> = HashMap::new();
    let rows = client.ask(
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
        let row = client.ask_one(
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
                base_type: row.get(0),
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

/// The unique index of a key.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyIndex {
    /// Its id; `None` if there is no key.
    pub(super) oid: Option<u32>,
    /// The index and, on a partitioned target, its parts.
    pub(super) names: Vec<IndexName>,
    /// The operators that compare the columns of the key.
    pub(super) equals: Vec<(String, Operator)>,
}

/// Finds the unique index that the key needs, or the reason why none can be used.
pub(super) fn find_key_index(
    client: &mut impl GenericClient,
    target: &Target,
    key: &Key,
) -> Result<Result<KeyIndex, String>, Trouble> {
    let mut wanted = target.identity(key);
    if wanted.is_empty() {
        return Ok(Ok(KeyIndex::default()));
    }
    if let (Key::Columns(columns), true) = (key, wanted.len() > key.columns().len()) {
        let missing = wanted.split_off(columns.len()).join(", ");
        return Ok(Err(format!(
            "{} is partitioned by {missing}, which is not in the key: rows of the same key could stand in two partitions; \
             add it to the key",
            target.name
        )));
    }
    // The position of a record is in no other table, whatever inherits from which.
    if *key != Key::Position
        && let Some(heir) = find_heir(client, target)?
    {
        return Ok(Err(format!(
            "{heir} inherits from {}, and no index of {0} covers its rows, which have keys, too; load into a table from \
             which none inherits, or write key = \"position\"",
            target.name
        )));
    }
    wanted.sort();
    let rows = client.ask(
        "SELECT c.relname::text, i.indexrelid,
                array_agg(a.attname::text ORDER BY a.attname) FILTER (WHERE k.n <= i.indnkeyatts),
                i.indisvalid AND i.indisready, i.indimmediate, i.indpred IS NULL, i.indexprs IS NULL,
                EXISTS (SELECT FROM unnest(i.indkey::int2[], i.indcollation::oid[]) d (attnum, collation_oid)
                        JOIN pg_attribute b ON b.attrelid = i.indrelid AND b.attnum = d.attnum
                        JOIN pg_collation o ON o.oid IN (d.collation_oid, b.attcollation) AND NOT o.collisdeterministic
                        WHERE d.collation_oid <> b.attcollation)
         FROM pg_index i
         JOIN pg_class c ON c.oid = i.indexrelid
         CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, n)
         LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE i.indrelid = $1 AND i.indisunique
         GROUP BY c.relname, i.indexrelid, i.indisvalid, i.indisready, i.indimmediate, i.indpred, i.indexprs, i.indisprimary, i.indrelid, i.indkey::int2[], i.indcollation::oid[]
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
        let flaw = match (row.get(3), row.get(4), row.get(5), row.get(6), row.get(7)) {
            (false, ..) => "it is not valid yet",
            (_, false, ..) => "it is deferrable",
            (_, _, false, ..) => "it is partial",
            (_, _, _, false, _) => "it has expressions",
            (.., true) => "its collation calls other texts equal than that of the column",
            _ => return read_key_index(client, row.get(1)).map(Ok),
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

/// A table that inherits from the target without being a partition of it: its rows are seen in the target. The chunks
/// of TimescaleDB are partitions by another name, each with an index of its own.
fn find_heir(client: &mut impl GenericClient, target: &Target) -> Result<Option<String>, Trouble> {
    let heir = client.ask_opt(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = $1 AND NOT c.relispartition
           AND c.relnamespace::regnamespace::text <> '_timescaledb_internal' ORDER BY c.relname LIMIT 1",
        &[&target.oid],
    );
    Ok(at(Step::Prepare, heir)?.map(|row| row.get(0)))
}

fn read_key_index(client: &mut impl GenericClient, oid: u32) -> Result<KeyIndex, Trouble> {
    let parts = client.ask(
        "WITH RECURSIVE part (oid) AS (
             SELECT $1::oid UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
         ) SELECT n.nspname::text, c.relname::text
         FROM part JOIN pg_class c ON c.oid = part.oid JOIN pg_namespace n ON n.oid = c.relnamespace",
        &[&oid],
    );
    let parts = at(Step::Prepare, parts)?;
    let index = |row: &Row| IndexName { schema: row.get(0), name: row.get(1) };
    let equals = client.ask(
        "SELECT a.attname::text, n.nspname::text, o.oprname::text
         FROM pg_index i
         CROSS JOIN unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY k (attnum, class, place)
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         JOIN pg_opclass c ON c.oid = k.class
         JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3 AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
         JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
         WHERE i.indexrelid = $1 AND k.place <= i.indnkeyatts",
        &[&oid],
    );
    let equals = at(Step::Prepare, equals)?;
    let operator = |row: &Row| (row.get(0), Operator { schema: row.get(1), name: row.get(2) });
    Ok(KeyIndex {
        oid: Some(oid),
        names: parts.iter().map(index).collect(),
        equals: equals.iter().map(operator).collect(),
    })
}

/// Reads the server's ordering of the values of a column.
pub(super) fn order_of(
    client: &mut impl GenericClient,
    target: &Target,
    column: &str,
) -> Result<Order, Trouble> {
    let Some(column) = target.column(column) else { return Ok(Order::default()) };
    let rows = client.ask(
        "SELECT n.nspname::text, o.oprname::text
         FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod AND a.amname = 'btree'
         JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amopstrategy IN (3, 5)
                       AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
         JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
         WHERE c.opcdefault AND c.opcintype = $1
         ORDER BY m.amopstrategy",
        &[&column.base_oid],
    );
    let rows = at(Step::Prepare, rows)?;
    let operator = |row: &Row| Operator { schema: row.get(0), name: row.get(1) };
    Ok(match &rows[..] {
        [equal, greater] => Order { equal: operator(equal), greater: operator(greater) },
        _ => Order::default(),
    })
}
