//! Records of any bytes, read by every reader of JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logmill_fuzz::json::run(data));
