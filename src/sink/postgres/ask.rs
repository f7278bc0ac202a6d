//! Queries in one round trip: the types of their parameters are given instead of asked for first.
//!
//! The driver usually prepares a statement, which returns the types, and then runs it. That pays off for
//! frequent queries. A query that runs once, before the first row or after the last, would only wait twice.

use chrono::NaiveDate;
use postgres::types::{ToSql, Type};
use postgres::{Error, GenericClient, Row};

/// A value whose server type is known.
pub(super) trait Typed: ToSql + Sync {
    /// The type.
    fn type_of(&self) -> Type;

    /// The value, for the driver.
    fn value(&self) -> &(dyn ToSql + Sync);
}

/// Maps Rust types to the server's, each as itself and as nullable.
macro_rules! typed {
    ($($rust:ty => $type:ident),* $(,)?) => {$(
        impl Typed for $rust {
            fn type_of(&self) -> Type {
                Type::$type
            }

            fn value(&self) -> &(dyn ToSql + Sync) {
                self
            }
        }

        impl Typed for Option<$rust> {
            fn type_of(&self) -> Type {
                Type::$type
            }

            fn value(&self) -> &(dyn ToSql + Sync) {
                self
            }
        }
    )*};
}

typed! {
    bool => BOOL,
    i32 => INT4,
    i64 => INT8,
    u32 => OID,
    String => TEXT,
    &str => TEXT,
    &[u8] => BYTEA,
    &[i32] => INT4_ARRAY,
    NaiveDate => DATE,
    &[String] => TEXT_ARRAY,
    Vec<bool> => BOOL_ARRAY,
    Vec<i32> => INT4_ARRAY,
    Vec<i64> => INT8_ARRAY,
    Vec<Option<i64>> => INT8_ARRAY,
    Vec<u32> => OID_ARRAY,
    Vec<String> => TEXT_ARRAY,
    Vec<&str> => TEXT_ARRAY,
    Vec<Vec<u8>> => BYTEA_ARRAY,
}

/// Queries that a client can make in one round trip.
pub(super) trait Ask: GenericClient {
    /// The rows of an answer.
    fn ask(&mut self, sql: &str, values: &[&dyn Typed]) -> Result<Vec<Row>, Error> {
        self.query_typed(sql, &with_types(values))
    }

    /// The only row.
    fn ask_one(&mut self, sql: &str, values: &[&dyn Typed]) -> Result<Row, Error> {
        self.query_typed_one(sql, &with_types(values))
    }

    /// The only row, if there is one.
    fn ask_opt(&mut self, sql: &str, values: &[&dyn Typed]) -> Result<Option<Row>, Error> {
        self.query_typed_opt(sql, &with_types(values))
    }

    /// The number of rows that a statement has written.
    fn tell(&mut self, sql: &str, values: &[&dyn Typed]) -> Result<u64, Error> {
        self.execute_typed(sql, &with_types(values))
    }
}

impl<C: GenericClient> Ask for C {}

fn with_types<'v>(values: &[&'v dyn Typed]) -> Vec<(&'v (dyn ToSql + Sync), Type)> {
    values.iter().map(|value| (value.value(), value.type_of())).collect()
}
