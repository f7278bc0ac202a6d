//! The tests that need a server or the program itself, as one binary.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

/// Connecting, with every kind of server, certificate and password.
mod connect;
/// Private servers, a proxy that misbehaves, the program: what the tests below stand on.
mod harness;
