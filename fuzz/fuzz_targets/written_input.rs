#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ghrepos::properties::written_input(bytes));
