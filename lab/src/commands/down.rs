//! `cargo lab down`

use std::process::ExitCode;

pub(crate) fn run(name: &str, all: bool) -> anyhow::Result<ExitCode> {
    let ended = if all { lab::down_all()? } else { lab::down(name)?.then(|| name.to_owned()).into_iter().collect() };
    for name in &ended {
        anstream::println!("lab {name:?} is down");
    }
    if ended.is_empty() {
        // Down is what was asked for, so this is no failure.
        anstream::println!("{}", if all { "no lab was up".to_owned() } else { format!("lab {name:?} was not up") });
    }
    Ok(ExitCode::SUCCESS)
}
