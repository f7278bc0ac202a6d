//! Files of any bytes, cut in any way.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logmill_fuzz::tables::run(data));
