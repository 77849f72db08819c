//! `cargo lab ci`: what has to hold before a change lands. All steps run, whatever the ones before them said.

use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use comfy_table::{Cell, Color};

use super::{cargo, table, test};

/// What the core must not reach: it decides from values, so it has no runtime, no client and no sockets.
const BANNED_FROM_CORE: [&str; 6] = ["tokio", "kube-client", "kube-runtime", "hyper", "rustls", "tower"];
/// A second implementation of TLS beside rustls on ring. Features add up, so one careless dependency is enough.
const BANNED_EVERYWHERE: [&str; 3] = ["aws-lc-rs", "openssl-sys", "native-tls"];

const TESTS: &str = "tests";

type Step = (&'static str, fn() -> anyhow::Result<Vec<String>>);

const STEPS: [Step; 7] = [
    ("format", || cargo_step(&["fmt", "--all", "--check"], &[])),
    ("lint", || cargo_step(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])),
    ("lint the core alone", || {
        let core = ["clippy", "--package", "netbaseline", "--no-default-features", "--lib", "--tests"];
        cargo_step(&[&core[..], &["--", "-D", "warnings"]].concat(), &[])
    }),
    ("dependencies", dependencies),
    ("licences and bans", licences),
    ("documentation", || cargo_step(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])),
    (TESTS, tests),
];

struct Outcome {
    step: &'static str,
    took: Duration,
    result: anyhow::Result<Vec<String>>,
}

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let outcomes = STEPS.map(|(step, work)| {
        anstream::eprintln!("\n=== {step}");
        let began = Instant::now();
        let result = work();
        if let Err(error) = &result {
            anstream::eprintln!("{step}: {error:#}");
        }
        Outcome { step, took: began.elapsed(), result }
    });
    anstream::println!("\n{}\n", report(&outcomes));
    // Again and plain, for whoever reads only the end of the log.
    let tests = outcomes.iter().filter(|outcome| outcome.step == TESTS);
    for line in tests.filter_map(|outcome| outcome.result.as_ref().ok()).flatten() {
        anstream::println!("{line}");
    }
    let passed = outcomes.iter().all(|outcome| outcome.result.is_ok());
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(outcomes: &[Outcome]) -> comfy_table::Table {
    let mut table = table(&["STEP", "RESULT", "TIME", "NOTES"]);
    for Outcome { step, took, result } in outcomes {
        let (word, color, notes) = match result {
            Ok(lines) if *step == TESTS => ("ok", Color::Green, test::totals(lines)),
            Ok(notes) => ("ok", Color::Green, notes.join("\n")),
            Err(error) => ("FAILED", Color::Red, error.to_string()),
        };
        let took = format!("{:.1} s", took.as_secs_f32());
        table.add_row([Cell::new(step), Cell::new(word).fg(color), Cell::new(took), Cell::new(notes)]);
    }
    table
}

fn cargo_step(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
    let status = cargo().args(arguments).envs(environment.iter().copied()).status().context("starting cargo")?;
    ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
    Ok(Vec::new())
}

fn dependencies() -> anyhow::Result<Vec<String>> {
    let core = tree(&["--package", "netbaseline", "--no-default-features"])?;
    let all = tree(&["--workspace"])?;
    let shipped = tree(&["--package", "netbaseline"])?;
    for (reach, banned) in [(&core, &BANNED_FROM_CORE[..]), (&all, &BANNED_EVERYWHERE[..])] {
        if let Some(found) = banned.iter().find(|banned| reach.iter().any(|package| package == *banned)) {
            bail!("{found} got in: `cargo tree --invert {found} --edges normal` shows by which way");
        }
    }
    Ok(vec![format!("core {}, operator {}, with the lab {}", core.len(), shipped.len(), all.len())])
}

/// Names of the packages that a build links, each once.
fn tree(of: &[&str]) -> anyhow::Result<Vec<String>> {
    let output = cargo()
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(of)
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo tree")?;
    ensure!(output.status.success(), "`cargo tree {}` failed", of.join(" "));
    let text = String::from_utf8(output.stdout).context("the output of cargo tree")?;
    // "name v1.2.3", and " (*)" behind one that was shown before.
    let mut packages: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    packages.sort();
    packages.dedup();
    Ok(packages)
}

fn licences() -> anyhow::Result<Vec<String>> {
    let installed = cargo().args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !installed.context("starting cargo")?.success() {
        return Ok(vec!["cargo-deny is not installed: only what `dependencies` bans was looked for".to_owned()]);
    }
    cargo_step(&["deny", "check", "bans", "licenses", "sources"], &[])
}

fn tests() -> anyhow::Result<Vec<String>> {
    let summary = test::run_all(&[])?;
    ensure!(summary.passed, "tests failed:\n{}", summary.lines.join("\n"));
    ensure!(summary.ignored() == 0, "{} tests are ignored, and here nothing is skipped", summary.ignored());
    Ok(summary.lines)
}
