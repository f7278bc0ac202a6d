//! A twin of the target that receives every row alone: the load must refuse exactly what the twin refuses.

use std::collections::BTreeMap;

use serde_json::Value;

use super::destination::Kind;
use super::load::Load;
use super::reading::{Values, as_written, canonical, read};

/// What a destination does with rows that arrive one by one, each in its own transaction: the stored form of
/// accepted rows, and the SQLSTATE of refused ones.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pub(super) rows: BTreeMap<Place, Values>,
    pub(super) refused: BTreeMap<Place, String>,
}

/// The file and offset of a record.
pub(super) type Place = (String, u64);

impl Verdicts {
    /// Inserts every valid record of a load into a twin of its target, one by one in file order.
    pub(crate) fn of(load: &Load) -> Verdicts {
        match load.kind() {
            Kind::Postgres => Verdicts::of_server(load),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => Verdicts::of_sqlite(load),
        }
    }

    /// The verdicts of a destination that refuses, with this SQLSTATE, exactly the rows for which
    /// `is_refused` holds.
    pub(crate) fn refusing(load: &Load, sqlstate: &str, is_refused: &dyn Fn(&Values) -> bool) -> Verdicts {
        let refused = valid_rows(load).into_iter().filter(|(_, _, row)| is_refused(row));
        let refused = refused.map(|(_, place, _)| (place, sqlstate.to_owned())).collect();
        Verdicts { refused, ..Verdicts::default() }
    }

    fn of_server(load: &Load) -> Verdicts {
        let mut client = load.client();
        client
            .batch_execute("DROP SCHEMA IF EXISTS twin CASCADE; CREATE SCHEMA twin; SET search_path = twin")
            .unwrap();
        client.batch_execute("SET TimeZone = 'UTC'").unwrap();
        client.batch_execute(load.given_sql()).unwrap();
        let names: Vec<String> = load.fields().iter().map(|field| format!("\"{}\"", field.name)).collect();
        let names = names.join(", ");
        let is_by_position = load.rows_have_places();
        let (place, place_values) =
            if is_by_position { (", source_id, source_offset", ", $2, $3") } else { ("", "") };
        let insert = format!(
            "INSERT INTO t ({names}{place}) SELECT {names}{place_values} FROM jsonb_populate_record(NULL::t, $1::text::jsonb)"
        );
        let mut verdicts = Verdicts::default();
        for (number, place, row) in valid_rows(load) {
            let text = as_written(&row, load.fields());
            let offset = i64::try_from(place.1).unwrap();
            // The statement is the transaction, so deferred constraints are checked too.
            let outcome = match is_by_position {
                true => client.execute(&insert, &[&text, &number, &offset]),
                false => client.execute(&insert, &[&text]),
            };
            match outcome {
                Ok(1) => {}
                Ok(count) => panic!("{count} rows of one: the server swallows {text}"),
                Err(error) => {
                    let sqlstate = error.code().expect("an error of the server").code().to_owned();
                    verdicts.refused.insert(place, sqlstate);
                }
            }
        }
        if is_by_position {
            verdicts.read_twin(&mut client, load);
        }
        client.batch_execute("DROP SCHEMA twin CASCADE").unwrap();
        verdicts
    }

    /// The verdicts of a SQLite target that only its constraints can refuse. They get the SQLSTATEs that
    /// PostgreSQL uses for such constraints.
    #[cfg(feature = "sqlite")]
    fn of_sqlite(load: &Load) -> Verdicts {
        use rusqlite::ffi::{SQLITE_CONSTRAINT_CHECK, SQLITE_CONSTRAINT_UNIQUE};
        use rusqlite::types::Value as Sql;
        let twin = rusqlite::Connection::open_in_memory().unwrap();
        twin.execute_batch(load.given_sql()).unwrap();
        let names: Vec<String> = load.fields().iter().map(|field| format!("\"{}\"", field.name)).collect();
        let marks = vec!["?"; names.len() + 2].join(", ");
        let insert =
            format!("INSERT INTO t ({}, source_id, source_offset) VALUES ({marks})", names.join(", "));
        let mut verdicts = Verdicts::default();
        for (number, place, row) in valid_rows(load) {
            let values = load.fields().iter().map(|field| match &row[&field.name] {
                Value::Null => Sql::Null,
                Value::Number(number) => {
                    number.as_i64().map_or_else(|| Sql::Real(number.as_f64().unwrap()), Sql::Integer)
                }
                other => Sql::Text(other.as_str().unwrap().to_owned()),
            });
            let place_values = [Sql::Integer(number.into()), Sql::Integer(place.1.try_into().unwrap())];
            let outcome = twin.execute(&insert, rusqlite::params_from_iter(values.chain(place_values)));
            let Err(rusqlite::Error::SqliteFailure(failure, _)) = outcome else { continue };
            let sqlstate = match failure.extended_code {
                SQLITE_CONSTRAINT_CHECK => "23514",
                SQLITE_CONSTRAINT_UNIQUE => "23505",
                code => panic!("the oracle does not know the error {code}"),
            };
            verdicts.refused.insert(place, sqlstate.to_owned());
        }
        verdicts
    }

    /// Reads the rows of the twin, with everything that defaults and triggers changed.
    fn read_twin(&mut self, client: &mut postgres::Client, load: &Load) {
        let values: Vec<String> =
            load.fields().iter().map(|field| format!("'{0}', \"{0}\"", field.name)).collect();
        let sql = format!(
            "SELECT source_id, source_offset, jsonb_build_object({})::text FROM t",
            values.join(", ")
        );
        let files = load.files();
        for row in client.query(&sql, &[]).unwrap() {
            let file = &files[usize::try_from(row.get::<_, i32>(0)).unwrap()];
            let offset = u64::try_from(row.get::<_, i64>(1)).unwrap();
            let value: Value = serde_json::from_str(row.get(2)).unwrap();
            self.rows.insert((file.name.clone(), offset), canonical(&value, load.fields()));
        }
    }
}

/// The valid records of a load in order, with the number of their file.
fn valid_rows(load: &Load) -> Vec<(i32, Place, Values)> {
    let mut rows = Vec::new();
    for (number, file) in (0..).zip(load.files()) {
        for record in read(file.versions.last().unwrap(), true, load.shape(), load.fields()).records {
            rows.extend(record.row.map(|row| (number, (file.name.clone(), record.offset), row)));
        }
    }
    rows
}
