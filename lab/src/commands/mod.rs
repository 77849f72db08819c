//! One file per verb.

pub(crate) mod ci;
pub(crate) mod demo;
pub(crate) mod down;
pub(crate) mod kubeconfig;
pub(crate) mod kubectl;
pub(crate) mod nodes;
pub(crate) mod status;
pub(crate) mod test;
pub(crate) mod up;

use std::io::IsTerminal;
use std::process::Command;

use comfy_table::{Attribute, Cell, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};

/// Columns by space and one rule below the heads: reads well on a terminal and splits well in a pipe.
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none());

/// Width in characters below which columns are not squeezed.
const NARROW: u16 = 70;

/// A table that is coloured and fits its width on a terminal, and is plain when piped or under `NO_COLOR`.
pub(crate) fn table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    // Columns of one letter are worse than lines that the terminal breaks.
    if table.width().is_some_and(|width| width >= NARROW) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(heads.iter().map(|head| Cell::new(head).add_attribute(Attribute::Bold)));
    if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        table.force_no_tty();
    }
    table
}

/// The cargo that runs this, in the caller's folder.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
