//! The unique index that the key of a job needs.

use super::ask::{Answer, Line, with_values};
use super::catalog::Target;
use super::names::{IndexName, Operator};
use super::trouble::Trouble;
use crate::sink::Key;
use crate::sink::key::quote;

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

/// The unique indexes of a table, the preferred ones first.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    all: Vec<Index>,
    /// A table that inherits from this one without being a partition of it: its rows are seen in it.
    heir: Option<String>,
}

#[derive(Debug)]
struct Index {
    oid: u32,
    name: String,
    /// Its columns, sorted; expressions have none.
    columns: Vec<String>,
    /// Why it cannot be used for a key.
    flaw: Option<&'static str>,
    parts: Vec<IndexName>,
    equals: Vec<(String, Operator)>,
}

impl Indexes {
    /// What is asked about the unique indexes of `target`, their parts on a partitioned one, the operators that
    /// compare their columns, and an heir.
    pub(super) fn questions(target: &Target, key: &Key) -> [String; 4] {
        match target.identity(key).is_empty() {
            true => Default::default(),
            false => [INDEXES, PARTS, EQUALS, HEIR].map(|sql| with_values(sql, &[&target.oid])),
        }
    }

    /// The indexes that the answers describe.
    pub(super) fn of([indexes, parts, equals, heir]: &[Answer; 4]) -> Result<Indexes, Trouble> {
        let mut found = indexes.rows().map(Index::of).collect::<Result<Vec<_>, _>>()?;
        for index in &mut found {
            for line in parts.rows() {
                if index.is_of(line)? {
                    index.parts.push(IndexName { schema: line.get(1)?, name: line.get(2)? });
                }
            }
            for line in equals.rows() {
                if index.is_of(line)? {
                    let operator = Operator { schema: line.get(2)?, name: line.get(3)? };
                    index.equals.push((line.get(1)?, operator));
                }
            }
        }
        let heir = heir.first().map(|line| line.get(0)).transpose()?;
        Ok(Indexes { all: found, heir })
    }

    /// The index that the key needs, or the reason why none can be used.
    pub(super) fn for_key(self, target: &Target, key: &Key) -> Result<KeyIndex, String> {
        let mut wanted = target.identity(key);
        if wanted.is_empty() {
            return Ok(KeyIndex::default());
        }
        if let (Key::Columns(columns), true) = (key, wanted.len() > key.columns().len()) {
            let missing = wanted.split_off(columns.len()).join(", ");
            return Err(format!(
                "{} is partitioned by {missing}, which is not in the key: rows of the same key could stand in two partitions; \
                 add it to the key",
                target.name
            ));
        }
        // The position of a record is in no other table, whatever inherits from which.
        if *key != Key::Position
            && let Some(heir) = self.heir
        {
            return Err(format!(
                "{heir} inherits from {}, and no index of {0} covers its rows, which have keys, too; load into a table from \
                 which none inherits, or write key = \"position\"",
                target.name
            ));
        }
        wanted.sort();
        let columns = wanted.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        let mut nearly = None;
        for index in self.all.into_iter().filter(|index| index.columns == wanted) {
            let Index { oid, name, flaw, parts, equals, .. } = index;
            match flaw {
                Some(flaw) => nearly = Some(format!("the unique index {name} cannot be used: {flaw}")),
                None => return Ok(KeyIndex { oid: Some(oid), names: parts, equals }),
            }
        }
        let missing = nearly.unwrap_or_else(|| format!("no unique index on ({columns})"));
        Err(format!(
            "{}: {missing}; the key needs one (CREATE UNIQUE INDEX ON {} ({columns}))",
            target.name,
            target.quoted()
        ))
    }
}

const INDEXES: &str = "SELECT c.relname::text, i.indexrelid,
            array_to_json(array_agg(a.attname::text ORDER BY a.attname) FILTER (WHERE k.n <= i.indnkeyatts)),
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
     ORDER BY i.indisprimary DESC, c.relname";

/// The chunks of TimescaleDB are partitions by another name, each with an index of its own.
const HEIR: &str = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = $1 AND NOT c.relispartition
       AND c.relnamespace::regnamespace::text <> '_timescaledb_internal' ORDER BY c.relname LIMIT 1";

const PARTS: &str = "WITH RECURSIVE part (root, oid) AS (
         SELECT i.indexrelid, i.indexrelid FROM pg_index i WHERE i.indrelid = $1 AND i.indisunique
         UNION ALL SELECT part.root, i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid
     ) SELECT part.root, n.nspname::text, c.relname::text
     FROM part JOIN pg_class c ON c.oid = part.oid JOIN pg_namespace n ON n.oid = c.relnamespace";

const EQUALS: &str = "SELECT i.indexrelid, a.attname::text, n.nspname::text, o.oprname::text
     FROM pg_index i
     CROSS JOIN unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY k (attnum, class, place)
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     JOIN pg_opclass c ON c.oid = k.class
     JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3 AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
     JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
     WHERE i.indrelid = $1 AND i.indisunique AND k.place <= i.indnkeyatts";

impl Index {
    fn of(line: Line<'_>) -> Result<Index, Trouble> {
        let columns: Option<Vec<Option<String>>> = line.get(2)?;
        let mut columns: Vec<String> = columns.unwrap_or_default().into_iter().flatten().collect();
        columns.sort();
        let flaw = match (line.get(3)?, line.get(4)?, line.get(5)?, line.get(6)?, line.get(7)?) {
            (false, ..) => Some("it is not valid yet"),
            (_, false, ..) => Some("it is deferrable"),
            (_, _, false, ..) => Some("it is partial"),
            (_, _, _, false, _) => Some("it has expressions"),
            (.., true) => Some("its collation calls other texts equal than that of the column"),
            _ => None,
        };
        let (oid, name) = (line.get(1)?, line.get(0)?);
        Ok(Index { oid, name, columns, flaw, parts: Vec::new(), equals: Vec::new() })
    }

    /// Whether a row that begins with the id of an index is about this one.
    fn is_of(&self, line: Line<'_>) -> Result<bool, Trouble> {
        Ok(line.get::<u32>(0)? == self.oid)
    }
}
