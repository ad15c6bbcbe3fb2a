#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| ghrepos::properties::fail_on(text));
