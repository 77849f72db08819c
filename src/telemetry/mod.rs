//! Logs, metrics, health endpoints.

mod http;
mod metrics;

pub use http::{Health, serve};
pub use metrics::{Board, Metrics, ReconcileLabels, Standing, WriteLabels};

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    #[default]
    Json,
}

/// Starts logging to stderr. `filter` is a tracing filter such as `info` or `netbaseline=debug`.
pub fn start_logging(format: LogFormat, filter: &str) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
