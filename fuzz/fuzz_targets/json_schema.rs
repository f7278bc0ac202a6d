//! Fuzzes the parsing of JSON Schemas with arbitrary text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logmill_fuzz::json_schema::run(data));
