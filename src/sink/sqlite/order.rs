//! The order of values that SQLite stores as text.
//!
//! As texts, 9.5 is greater than 10.25. Where it matters which of two values is greater, collations of
//! logmill's own compare decimals and addresses as what they are. They exist only in logmill's connections
//! and statements: nothing in the database depends on them.

use std::cmp::Ordering;
use std::net::IpAddr;

use rusqlite::Connection;

use super::encode::Column;
use crate::schema::{Exact, Kind};

/// Registers the collations with a connection.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_collation("logmill_decimal", |one, other| compare(one, other, Exact::parse))?;
    connection
        .create_collation("logmill_ip", |one, other| compare(one, other, |text| text.parse::<IpAddr>().ok()))
}

/// The suffix for an operand that makes values of `column` compare in their order.
pub(super) fn collation(column: &Column) -> &'static str {
    match column.kind {
        Some(Kind::Decimal(_)) => " COLLATE logmill_decimal",
        Some(Kind::Ip { .. }) => " COLLATE logmill_ip",
        _ => "",
    }
}

/// Values in their order, and before them every text that is not a value: another program may have written to
/// the table.
fn compare<T: PartialOrd>(one: &str, other: &str, read: impl Fn(&str) -> Option<T>) -> Ordering {
    match (read(one), read(other)) {
        (None, None) => one.cmp(other),
        (one, other) => one.partial_cmp(&other).unwrap_or(Ordering::Equal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_own_order_and_come_after_what_is_none() {
        let decimal = |one: &str, other: &str| compare(one, other, Exact::parse);
        assert_eq!(decimal("9.5", "10.25"), Ordering::Less);
        assert_eq!(decimal("-9.5", "-10"), Ordering::Greater);
        assert_eq!(decimal("1.0", "1.00"), Ordering::Equal);
        assert_eq!(decimal("none", "-1"), Ordering::Less);
        assert_eq!(decimal("a", "b"), Ordering::Less);
        let ip = |one: &str, other: &str| compare(one, other, |text| text.parse::<IpAddr>().ok());
        assert_eq!(ip("9.0.0.1", "10.0.0.1"), Ordering::Less);
        assert_eq!(ip("::1", "255.0.0.1"), Ordering::Greater);
    }
}
