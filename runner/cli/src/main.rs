//! `orgo`: auditable pipelines as code.

mod args;
mod command;
mod failure;
mod output;
mod project;
mod report;
mod stage;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

fn main() -> ExitCode {
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
