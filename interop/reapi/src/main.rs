//! Builds Remote Execution API v2 messages from the action vectors with the public protocol crate.
//!
//! The kernel encodes `Command`, `Directory` and `Action` by hand, because the digest of the Action is the stage key.
//! This program encodes the same cases with code that is not ours, so that both must agree byte for byte.
//!
//! ```text
//! orgo-interop-reapi --check FILE    compare every expected byte and digest, exit 1 at the first difference
//! orgo-interop-reapi --write FILE    fill in what is expected
//! ```
//!
//! The cases hold their lists out of order on purpose: the encoder sorts (by UTF-8 bytes), the case does not.

mod encode;
mod vectors;

use std::{error::Error, fs, process::ExitCode};

use vectors::Vectors;

fn run(mode: &str, path: &str) -> Result<usize, Box<dyn Error>> {
    let mut vectors: Vectors = serde_json::from_str(&fs::read_to_string(path)?)?;
    for case in &mut vectors.cases {
        let built = encode::case(case).map_err(|problem| format!("`{}`: {problem}", case.name))?;
        if mode == "--write" {
            case.expected = Some(built);
        } else if case.expected.as_ref() != Some(&built) {
            return Err(format!("`{}`: expected {:#?}, built {built:#?}", case.name, case.expected).into());
        }
    }
    if mode == "--write" {
        fs::write(path, serde_json::to_string_pretty(&vectors)? + "\n")?;
    }
    Ok(vectors.cases.len())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [mode @ ("--check" | "--write"), path] = &words.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        eprintln!("usage: orgo-interop-reapi --check|--write FILE");
        return ExitCode::from(2);
    };
    match run(mode, path) {
        Ok(count) => {
            println!("{count} cases agree with the protocol crate");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
