//! Fuzzes the cutting of files into chunks with arbitrary bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logmill_fuzz::lines::run(data));
