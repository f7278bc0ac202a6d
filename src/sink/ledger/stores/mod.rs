//! The stores that a ledger can be kept in.

pub mod bucket;
