//! A place for one measurement: empty when created, counted when full, and dropped afterwards.
//!
//! It is never the place that a job names, but one beside it: another database on the same server, another
//! file in the same folder. So a load is measured where it would go, and existing data stays untouched.

use std::collections::BTreeMap;
use std::time::Duration;

use super::TableName;
use crate::error::Result;

/// An empty place of its own, removed when this is dropped.
pub trait Scratch {
    /// The text that names it, as in a job, with its password.
    fn address(&self) -> &str;

    /// The product and its version.
    fn product(&self) -> &str;

    /// Other properties that determine how fast it is, by name: figures from places that differ here are not
    /// compared.
    fn server(&self) -> &BTreeMap<String, String>;

    /// How many rows a table has, as the destination counts them.
    fn rows(&mut self, table: &TableName) -> Result<u64>;

    /// Copies the rows of a table into an empty one made like it: in pieces of `piece_rows` rows, one
    /// transaction each, by the destination's fastest way for finished rows. Only the writing is measured.
    /// This is the lower bound of a load.
    fn copy_ready(&mut self, table: &TableName, piece_rows: usize) -> Result<Ready>;
}

/// The cost of writing finished rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ready {
    pub rows: u64,
    pub time: Duration,
}
