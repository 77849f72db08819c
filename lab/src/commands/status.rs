//! `cargo lab status`

use std::process::ExitCode;

use comfy_table::{Attribute, Cell, Color, Table};
use jiff::Timestamp;
use lab::{Condition, Lifetime};

use crate::commands::table;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let labs = lab::list()?;
    if labs.is_empty() {
        anstream::println!("no lab is up; `cargo lab up` starts one");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table: Table = table(&["LAB", "STATE", "PORT", "AGE", "LIVES", "PROCESSES", "MEMORY"]);
    for lab in labs {
        let (word, color) = match lab.condition {
            Condition::Up => ("up", Color::Green),
            Condition::Partial => ("partly up", Color::Yellow),
            Condition::Down => ("dead", Color::Red),
        };
        let resident: u64 = lab.processes.iter().map(|process| process.resident_kib).sum();
        let processes: Vec<_> = lab.processes.iter().map(|p| format!("{} {}", p.program, p.id)).collect();
        table.add_row([
            Cell::new(&lab.name).add_attribute(Attribute::Bold),
            Cell::new(word).fg(color),
            Cell::new(lab.port.map_or_else(String::new, |port| port.to_string())),
            Cell::new(lab.created.map_or_else(String::new, |created| age(created, Timestamp::now()))),
            Cell::new(match lab.lifetime {
                Some(Lifetime::Detached) => "until down",
                Some(Lifetime::Ephemeral) => "with its test",
                None => "",
            }),
            Cell::new(processes.join("\n")),
            Cell::new(format!("{} MiB", resident / 1024)),
        ]);
    }
    anstream::println!("{table}");
    Ok(ExitCode::SUCCESS)
}

fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}
