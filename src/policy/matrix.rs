//! Every pod to every port, as a table.

use std::fmt;

use super::connection::{Connection, Endpoint, Verdict};
use super::evaluate::Compiled;
use crate::model::{Protocol, TargetPort};

/// Verdicts from each of some ends to each of some ports. Pair by pair: for namespaces, not for whole clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// What the rows are: who opens.
    pub from: Vec<String>,
    /// What the columns are: who takes, and on which port.
    pub to: Vec<String>,
    /// Row by row.
    pub verdicts: Vec<Vec<Verdict>>,
}

impl<'s> Compiled<'s> {
    /// The verdict on every pair.
    pub fn matrix(&self, from: &[Endpoint<'s>], to: &[(Endpoint<'s>, Protocol, TargetPort)]) -> Matrix {
        let verdict = |from: Endpoint<'s>, (to, protocol, port): &(Endpoint<'s>, Protocol, TargetPort)| {
            let connection = Connection { from, to: *to, protocol: *protocol, port: port.clone(), service: None };
            self.decide(&connection).verdict
        };
        let column = |(to, protocol, port): &(Endpoint<'s>, Protocol, TargetPort)| match port {
            TargetPort::Number(port) => format!("{to}:{port}/{protocol}"),
            TargetPort::Name(port) => format!("{to}:{port}/{protocol}"),
        };
        Matrix {
            from: from.iter().map(ToString::to_string).collect(),
            to: to.iter().map(column).collect(),
            verdicts: from.iter().map(|from| to.iter().map(|to| verdict(*from, to)).collect()).collect(),
        }
    }
}

impl fmt::Display for Matrix {
    /// One line per column, then one line per row with a sign for each column: `+` allowed, `-` denied, `?` unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.from.iter().map(String::len).max().unwrap_or_default();
        for (nth, to) in self.to.iter().enumerate() {
            writeln!(f, "{:width$}  {}{to}", "", "| ".repeat(nth))?;
        }
        for (from, verdicts) in self.from.iter().zip(&self.verdicts) {
            write!(f, "{from:width$} ")?;
            for verdict in verdicts {
                let sign = match verdict {
                    Verdict::Allowed => '+',
                    Verdict::Denied => '-',
                    Verdict::Unknown => '?',
                };
                write!(f, " {sign}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::policy::{Capabilities, fixture};

    #[test]
    fn a_matrix_shows_who_reaches_which_port() {
        let snapshot = fixture::with_namespace(fixture::snapshot(), "shop", &[]);
        let (web, db) = (
            fixture::pod("shop", "web", &[], &["10.0.0.1"]),
            fixture::pod("shop", "db", &[("app", "db")], &["10.0.0.2"]),
        );
        let policies = [fixture::policy(
            "shop",
            "db",
            json!({"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 5432}]}]}),
        )];
        let compiled = Compiled::new(&policies, &snapshot, Capabilities::spec());
        let outside = Endpoint::Address("203.0.113.10".parse().unwrap());
        let to = |endpoint, port| (endpoint, Protocol::Tcp, TargetPort::Number(port));
        let matrix = compiled.matrix(
            &[Endpoint::Pod(&web), outside],
            &[to(Endpoint::Pod(&db), 5432), to(Endpoint::Pod(&db), 22), to(Endpoint::Pod(&web), 80)],
        );
        let expected = [
            "              pod shop/db:5432/TCP",
            "              | pod shop/db:22/TCP",
            "              | | pod shop/web:80/TCP",
            "pod shop/web  + - +",
            "203.0.113.10  - - +",
        ];
        assert_eq!(matrix.to_string().lines().collect::<Vec<_>>(), expected);
    }
}
