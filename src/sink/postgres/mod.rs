//! PostgreSQL: the one place that knows SQL and the wire.

mod connect;

pub use connect::{Cause, Failure, NotConnected, Target, Timeouts};
