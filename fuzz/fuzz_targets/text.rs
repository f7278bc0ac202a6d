//! Lines of any bytes, in every format of text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logmill_fuzz::text::run(data));
