//! The fuzz bodies, one for each kind of input that other people write.
//!
//! Each module holds one body, `run`, that takes arbitrary bytes and panics if an invariant is broken, and
//! some `SEEDS` to begin with. Each body is used twice:
//!
//! - by a fuzzer, which needs a nightly compiler and `cargo install cargo-fuzz`:
//!
//!   ```text
//!   cargo +nightly fuzz list
//!   cargo +nightly fuzz run json -- -max_total_time=600
//!   cargo +nightly fuzz run json fuzz/artifacts/json/crash-…     # once more, with what it found
//!   ```
//!
//! - by every test run, on any compiler, for one second each (`tests/fuzz.rs`), with randomly altered seeds:
//!   `cargo test fuzz`, or `LOGMILL_FUZZ_SECONDS=600 cargo test fuzz`.

pub mod inflate;
pub mod job;
pub mod json;
pub mod json_schema;
pub mod lines;
pub mod stamps;
pub mod tables;
pub mod text;
