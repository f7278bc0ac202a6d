//! Who we are on the server, and what we may make there.
//!
//! A role that lacks one right is told everything that it lacks, in one message.

use postgres::Client;

use super::Settings;
use super::ask::Ask as _;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::sink::findings;
use crate::sink::key::quote;
use crate::sink::{Key, TableName};

/// Who we are, and what we may make.
pub(super) struct Role {
    pub(super) name: String,
    pub(super) database: String,
    /// Where a missing target would be made, if there is a place.
    pub(super) place: Option<TableName>,
    /// Its schema, and whether there is one of that name.
    pub(super) schema: String,
    pub(super) has_schema: bool,
    may_make_target: bool,
    may_make_tables: bool,
    may_stage: bool,
}

impl Role {
    pub(super) fn of(client: &mut Client, schemas: &[String], table: &TableName) -> Result<Role, Trouble> {
        let place = place_of(table, schemas);
        let schema = place.as_ref().and_then(|place| place.schema.clone()).unwrap_or_default();
        let row = client.ask_one(
            "SELECT current_user::text, current_database()::text,
                    to_regnamespace(quote_ident($1)) IS NOT NULL,
                    coalesce(has_schema_privilege(to_regnamespace(quote_ident($1)), 'CREATE'), false),
                    coalesce(has_schema_privilege(to_regnamespace('logmill'), 'CREATE'),
                             has_database_privilege(current_database(), 'CREATE')),
                    has_database_privilege(current_database(), 'TEMPORARY')",
            &[&schema],
        );
        let row = at(Step::Look, row)?;
        Ok(Role {
            name: row.get(0),
            database: row.get(1),
            place,
            schema,
            has_schema: row.get(2),
            may_make_target: row.get(3),
            may_make_tables: row.get(4),
            may_stage: row.get(5),
        })
    }

    /// What keeps it from making the tables of ours.
    pub(super) fn lacks_tables(&self) -> Option<String> {
        (!self.may_make_tables).then(|| {
            format!(
                "role {} may not create the schema logmill and its tables; let one that may run what \
                 `logmill plan --print-sql` prints",
                self.name
            )
        })
    }

    /// What keeps it from making the target, and from loading into it.
    pub(super) fn lacks_target(&self, settings: &Settings) -> Vec<String> {
        let (name, schema, table) = (&self.name, &self.schema, &settings.table);
        let mut lacks = Vec::new();
        if !self.may_stage && settings.key != Key::None {
            lacks.push(format!(
                "role {name} may not make temporary tables (GRANT TEMPORARY ON DATABASE {} TO {})",
                quote(&self.database),
                quote(name)
            ));
        }
        match (settings.create, self.has_schema, self.may_make_target) {
            (false, ..) => lacks.push(findings::missing(table)),
            _ if self.place.is_none() => lacks.push(no_place(table)),
            (_, false, _) => lacks.push(format!(
                "there is no schema {schema}, in which table {table} would be made; CREATE SCHEMA {}",
                quote(schema)
            )),
            (.., false) => lacks.push(format!(
                "role {name} may not create the table {table} (GRANT CREATE ON SCHEMA {} TO {}), or let another run what \
                 --print-sql prints",
                quote(schema),
                quote(name)
            )),
            _ => {}
        }
        lacks
    }
}

/// Where a missing target would be made: a name without a schema goes into the first on the path.
pub(super) fn place_of(table: &TableName, schemas: &[String]) -> Option<TableName> {
    let schema = table.schema.as_ref().or(schemas.first())?;
    Some(TableName { schema: Some(schema.clone()), name: table.name.clone() })
}

fn no_place(table: &TableName) -> String {
    format!(
        "the table {table} is in no schema: the job names none, and the search_path of this role leads to none; \
         write table = \"public.{table}\", or whichever schema it should be in"
    )
}
