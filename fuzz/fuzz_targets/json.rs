//! Fuzzes every JSON reader with records of arbitrary bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logmill_fuzz::json::run(data));
