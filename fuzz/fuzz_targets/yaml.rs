#![no_main]
#![allow(dead_code)]

#[path = "../../spec/tests/hostile_bytes/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::yaml(bytes));
