//! Fuzzes decompression with arbitrary bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logmill_fuzz::inflate::run(data));
