//! Fuzzes the parsing of job files with arbitrary text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logmill_fuzz::job::run(data));
