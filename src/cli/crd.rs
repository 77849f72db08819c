//! `netbaseline crd`.

use std::io::Write;

/// Prints the custom resource definition; a reader that goes away is no error.
pub(super) fn print() -> anyhow::Result<()> {
    let text = netbaseline::api::crd_yaml();
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
