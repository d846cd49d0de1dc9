//! `orgo`: auditable pipelines as code.

mod annotate;
mod args;
mod base;
mod command;
mod evidence;
mod failure;
mod here;
mod ledger;
mod output;
mod pins;
mod plans;
mod project;
mod report;
mod review;
mod stage;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

/// The exit code of a mistake of this program.
const BUG: u8 = 70;

fn main() -> ExitCode {
    if let Some(code) = orgo_host::isolation::shim(std::env::args_os()) {
        return code;
    }
    std::panic::catch_unwind(run).unwrap_or_else(|_| {
        output::error("this is a mistake of orgo itself (INTERNAL_ERROR); please report it with the lines above");
        ExitCode::from(BUG)
    })
}

fn run() -> ExitCode {
    let args = Args::parse();
    let json = args.global.json;
    match command::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.render(output::errors_in_color());
            if json && !failure.was_told() {
                output::Output { json, quiet: false, verbose: false }.document(&failure.json());
            } else if !text.is_empty() {
                output::error(&text);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
