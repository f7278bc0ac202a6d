//! The catalog: the server's description of a table and its columns.

use std::collections::HashMap;

use postgres::{Client, GenericClient, SimpleQueryRow};

use super::ask::{Answer, Ask as _, Line, ask_all, with_values};
use super::names::{Operator, Order, literal};
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
    /// This role can read all of its rows, and all of them are on this server.
    pub(super) is_readable: bool,
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
        let [table, columns] = ask_all(client, Step::Prepare, Target::questions(schemas, table))?;
        Target::of(&table, &columns)
    }

    /// What is asked about it: the table, and its columns. The signature is read before the columns: the first
    /// batch detects any change in between.
    pub(super) fn questions(schemas: &[String], table: &TableName) -> [String; 2] {
        let named = table.schema.as_ref().map(std::slice::from_ref);
        let schemas = named.unwrap_or(schemas);
        let ask = |sql: &str| with_values(&format!("{FOUND}, {sql}"), &[&schemas, &table.name]);
        [
            ask(&format!(
                "part (oid) AS (
                     SELECT oid FROM target UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
                 )
                 SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text,
                        EXISTS (SELECT FROM part JOIN pg_trigger g ON g.tgrelid = part.oid
                                WHERE NOT g.tgisinternal AND g.tgtype & 1 = 1),
                        EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = c.oid AND f.confrelid = c.oid),
                        array_to_json(ARRAY(
                            SELECT DISTINCT a.attname::text FROM part JOIN pg_partitioned_table p ON p.partrelid = part.oid
                            CROSS JOIN unnest(p.partattrs::int2[]) k (attnum)
                            LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.attnum AND k.attnum > 0
                            ORDER BY 1)),
                        c.relkind IN ('r', 'p') AND has_schema_privilege(n.oid, 'USAGE')
                            AND has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid)
                            AND NOT EXISTS (SELECT FROM part JOIN pg_class p ON p.oid = part.oid WHERE p.relkind = 'f'),
                        {SIGNATURE}
                 FROM target JOIN pg_class c ON c.oid = target.oid JOIN pg_namespace n ON n.oid = c.relnamespace"
            )),
            ask(COLUMNS),
        ]
    }

    /// The table that the answers describe.
    pub(super) fn of(table: &Answer, columns: &Answer) -> Result<Option<Target>, Trouble> {
        let Some(line) = table.first() else { return Ok(None) };
        Ok(Some(Target {
            oid: line.get(0)?,
            schema: line.get(1)?,
            name: line.get(2)?,
            kind: line.get(3)?,
            columns: columns.rows().map(TargetColumn::of).collect::<Result<_, _>>()?,
            partition_columns: line.get(6)?,
            signature: Signature::of(line, 8)?,
            has_row_triggers: line.get(4)?,
            refers_to_itself: line.get(5)?,
            is_readable: line.get(7)?,
        }))
    }
}

/// The table of this name in the first of the schemas that has one. Parameters: schemas, name.
const FOUND: &str = "WITH RECURSIVE target (oid) AS (
         SELECT c.oid FROM unnest($1::text[]) WITH ORDINALITY p (name, place)
         JOIN pg_namespace n ON n.nspname = p.name
         JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = $2
         ORDER BY p.place LIMIT 1
     )";

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
    fn of(line: Line<'_>, first: usize) -> Result<Signature, Trouble> {
        let text =
            |index: usize| Ok::<_, Trouble>(line.get::<Option<String>>(first + index)?.unwrap_or_default());
        Ok(Signature { oid: text(0)?, persistence: text(1)?, columns: text(2)?, indexes: text(3)? })
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

const COLUMNS: &str = "base (attnum, oid, modifier, not_null) AS (
         SELECT a.attnum, a.atttypid, a.atttypmod, false FROM target JOIN pg_attribute a ON a.attrelid = target.oid
         WHERE a.attnum > 0 AND NOT a.attisdropped
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
     FROM target JOIN pg_attribute a ON a.attrelid = target.oid
     JOIN base b ON b.attnum = a.attnum
     JOIN pg_type t ON t.oid = b.oid AND t.typtype <> 'd'
     ORDER BY a.attnum";

impl TargetColumn {
    fn of(line: Line<'_>) -> Result<TargetColumn, Trouble> {
        let base_oid: u32 = line.get(6)?;
        Ok(TargetColumn {
            name: line.get(0)?,
            type_name: line.get(1)?,
            plain_type: line.get(12)?,
            base_type: line.get(14)?,
            not_null: line.get(2)?,
            has_default: line.get(3)? || line.get(5)?,
            is_generated: line.get(4)?,
            base_oid,
            base_modifier: line.get(7)?,
            base_kind: line.get(8)?,
            item_oid: line.get(9)?,
            is_domain: line.get(13)?,
            domain_not_null: line.get(10)?,
            equates_texts: base_oid == oid::BPCHAR || line.get(11)?,
        })
    }
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

impl Types {
    /// What is asked about the types of the columns of `target`: the labels of enums, and the items of arrays.
    pub(super) fn questions(target: &Target) -> [String; 2] {
        let bases: Vec<u32> = target.columns.iter().map(|column| column.base_oid).collect();
        let items: Vec<u32> =
            target.columns.iter().map(|column| column.item_oid).filter(|&oid| oid != 0).collect();
        let has_enums = target.columns.iter().any(|column| column.base_kind == 'e');
        let ask = |is_needed: bool, sql: &str, oids: &Vec<u32>| match is_needed {
            true => with_values(sql, &[oids]),
            false => String::new(),
        };
        [
            ask(
                has_enums || !items.is_empty(),
                "SELECT enumtypid, enumlabel::text FROM pg_enum
                 WHERE enumtypid = ANY($1) OR enumtypid IN (SELECT typelem FROM pg_type WHERE oid = ANY($1))
                 ORDER BY enumtypid, enumsortorder",
                &bases,
            ),
            ask(
                !items.is_empty(),
                "SELECT oid, format_type(oid, NULL), typtype::text FROM pg_type WHERE oid = ANY($1)",
                &items,
            ),
        ]
    }

    /// The types that the answers describe.
    pub(super) fn of(labels: &Answer, items: &Answer) -> Result<Types, Trouble> {
        let mut types = Types::default();
        for line in labels.rows() {
            types.labels.entry(line.get(0)?).or_default().push(line.get(1)?);
        }
        for line in items.rows() {
            let (oid, type_name): (u32, String) = (line.get(0)?, line.get(1)?);
            let item = TargetColumn {
                name: String::new(),
                type_name: type_name.clone(),
                plain_type: type_name.clone(),
                base_type: type_name,
                not_null: false,
                is_domain: false,
                domain_not_null: false,
                has_default: false,
                is_generated: false,
                equates_texts: false,
                base_oid: oid,
                base_modifier: -1,
                base_kind: line.get(2)?,
                item_oid: 0,
            };
            types.items.insert(oid, item);
        }
        Ok(types)
    }
}

/// Asks for the server's ordering of the values of a column.
pub(super) fn order_question(target: &Target, column: &str) -> String {
    let Some(column) = target.column(column) else { return String::new() };
    with_values(
        "SELECT n.nspname::text, o.oprname::text
         FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod AND a.amname = 'btree'
         JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amopstrategy IN (3, 5)
                       AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
         JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
         WHERE c.opcdefault AND c.opcintype = $1
         ORDER BY m.amopstrategy",
        &[&column.base_oid],
    )
}

/// The ordering that an answer describes; that of a built-in type, if there is none.
pub(super) fn order_of(answer: &Answer) -> Result<Order, Trouble> {
    let operator = |line: Line<'_>| Ok(Operator { schema: line.get(0)?, name: line.get(1)? });
    let operators: Vec<Operator> = answer.rows().map(operator).collect::<Result<_, Trouble>>()?;
    Ok(match <[Operator; 2]>::try_from(operators) {
        Ok([equal, greater]) => Order { equal, greater },
        Err(_) => Order::default(),
    })
}
