//! Fuzzes the parsing of timestamps with arbitrary text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logmill_fuzz::stamps::run(data));
