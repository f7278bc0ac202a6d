//! A place for one measurement: empty when it is made, counted when it is full, thrown away behind it.
//!
//! It is never the place that a job names, but one beside it: another database of the same
//! server, another file in the same folder. So a load is measured where it would go, and
//! nothing that is there is touched.

use std::collections::BTreeMap;
use std::time::Duration;

use super::TableName;
use crate::error::Result;

/// An empty place of its own. All of it goes when this is dropped.
pub trait Scratch {
    /// The text that names it, as a job would, with its password.
    fn address(&self) -> &str;

    /// What it is, and of which version.
    fn product(&self) -> &str;

    /// What else decides how fast it is, by names: of two places that differ here no figures are compared.
    fn server(&self) -> &BTreeMap<String, String>;

    /// How many rows a table has, as the destination counts them.
    fn rows(&mut self, table: &TableName) -> Result<u64>;

    /// Copies the rows of a table into an empty one that is made like it: in pieces of so many rows,
    /// a transaction each, by the shortest way that the destination has for rows that are ready.
    /// Only the writing is counted. This is the floor under a load.
    fn copy_ready(&mut self, table: &TableName, piece_rows: usize) -> Result<Ready>;
}

/// What it took to write rows that were ready.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ready {
    pub rows: u64,
    pub time: Duration,
}
