//! Fuzzes the cutting of tables into chunks with arbitrary bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logmill_fuzz::tables::run(data));
