//! A plan as text and as JSON.

use std::fmt;

use serde_json::{Value, json};

use crate::model::{Direction, Policy};

use super::{Bridged, Plan, Step, hash};

impl fmt::Display for Plan {
    /// Numbered steps, one a line, then why pods need a bridge.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("nothing to do\n");
        }
        for (number, step) in self.steps.iter().enumerate() {
            write!(f, "{:>3}. ", number + 1)?;
            match step {
                Step::Apply(desired) => {
                    writeln!(f, "apply  {} ({}): {}", desired.policy.key, desired.reason, Summary(&desired.policy))?;
                }
                Step::Delete(key) => writeln!(f, "delete {key}")?,
                Step::Await => writeln!(f, "await  the steps before are in force on every node")?,
            }
        }
        for Bridged { class, why } in &self.bridged {
            writeln!(f, "pods {class} need a bridge: without it, {why}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    /// In one line: `apply baseline-allow-dns`, `delete …`, `await`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply(desired) => write!(f, "apply {}", desired.policy.key.name),
            Self::Delete(key) => write!(f, "delete {}", key.name),
            Self::Await => f.write_str("await"),
        }
    }
}

struct Summary<'a>(&'a Policy);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pods {}", self.0.pod_selector)?;
        for direction in Direction::BOTH.into_iter().filter(|&direction| self.0.rules(direction).is_some()) {
            let atoms: Vec<String> = self.0.atoms(direction).iter().map(ToString::to_string).collect();
            let rules = if atoms.is_empty() { "nothing".to_owned() } else { atoms.join(", ") };
            write!(f, "; {direction} {rules}")?;
        }
        Ok(())
    }
}

impl Plan {
    /// The plan as JSON, the same for equal plans.
    pub fn to_json(&self) -> Value {
        let step = |step: &Step| match step {
            Step::Apply(desired) => json!({"apply": {
                "kind": desired.policy.key.kind,
                "namespace": desired.policy.key.namespace,
                "name": desired.policy.key.name,
                "allowance": desired.allowance,
                "reason": desired.reason,
                "policy": hash::meaning(&desired.policy),
            }}),
            Step::Delete(key) => json!({"delete": {"kind": key.kind, "namespace": key.namespace, "name": key.name}}),
            Step::Await => json!({"await": {}}),
        };
        json!({
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
            "bridged": self.bridged.iter().map(|Bridged { class, why }| {
                json!({"pods": class.to_string(), "why": why.to_string()})
            }).collect::<Vec<_>>(),
        })
    }
}
