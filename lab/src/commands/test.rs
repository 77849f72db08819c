//! `cargo lab test`

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::process::{ExitCode, Stdio};

use anyhow::Context;
use lab::components::{self, Component};

use super::cargo;

/// What the test binaries said at their ends.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) lines: Vec<String>,
    pub(crate) passed: bool,
}

impl Summary {
    /// Tests that did not run because they are marked `ignore`.
    pub(crate) fn ignored(&self) -> u32 {
        self.lines.iter().filter_map(|line| count(line, "ignored")).sum()
    }
}

pub(crate) fn run(filters: &[String]) -> anyhow::Result<ExitCode> {
    let summary = run_all(filters)?;
    anstream::println!("{}", totals(&summary.lines));
    Ok(if summary.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All binaries together.
pub(crate) fn totals(lines: &[String]) -> String {
    let total = |what| lines.iter().filter_map(|line| count(line, what)).sum::<u32>();
    format!("{} passed, {} failed, {} ignored", total("passed"), total("failed"), total("ignored"))
}

/// Runs every test of the workspace, those on a real control plane included, after its components are there: a test
/// that builds for minutes would look hung.
pub(crate) fn run_all(filters: &[String]) -> anyhow::Result<Summary> {
    components::ensure(&Component::ALL)?;
    let color = if io::stdout().is_terminal() { "always" } else { "never" };
    let mut child = cargo()
        .args(["test", "--workspace", "--no-fail-fast", "--", "--color", color])
        .args(filters)
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo test")?;
    let mut summary = Summary::default();
    let output = child.stdout.take().context("the output of cargo test is piped")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line.context("reading the output of cargo test")?).into_owned();
        // A reader that went away is no reason to stop testing.
        let _ = writeln!(io::stdout(), "{line}");
        let plain = anstream::adapter::strip_str(&line).to_string();
        if plain.starts_with("test result:") {
            summary.lines.push(plain);
        }
    }
    summary.passed = child.wait().context("waiting for cargo test")?.success();
    Ok(summary)
}

/// The number before `what` in "test result: ok. 6 passed; 0 failed; 1 ignored; …".
fn count(line: &str, what: &str) -> Option<u32> {
    line.split([';', '.']).find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn the_harness_is_understood() {
        let line =
            "test result: FAILED. 26 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 15.50s";
        for (what, wanted) in [("passed", Some(26)), ("failed", Some(2)), ("ignored", Some(1)), ("broken", None)] {
            assert_eq!(count(line, what), wanted, "{what}");
        }
    }
}
