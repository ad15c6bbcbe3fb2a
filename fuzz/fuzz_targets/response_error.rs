#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ghrepos::properties::response_error(bytes));
