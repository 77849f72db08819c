//! The command line: one file per verb.

mod crd;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Minimum-viable NetworkPolicies for every namespace, rolled out without an outage.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the operator.
    Run(run::Arguments),
    /// Print the custom resource definition.
    Crd,
}

/// Runs what was typed. Exit codes: 0 fine, 2 the question or the input was wrong.
pub(crate) fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Run(arguments) => run::run(arguments),
        Verb::Crd => crd::print(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("netbaseline: {error:#}");
            ExitCode::from(2)
        }
    }
}
