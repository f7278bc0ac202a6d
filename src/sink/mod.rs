//! Sinks: batches to durable rows, and how far a source is committed.

pub mod postgres;
