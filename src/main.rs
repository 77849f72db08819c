//! `netbaseline`, also installed as `kubectl-netbaseline`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
