//! The evaluator: who reaches whom under a set of policies, by which rules, and how two sets differ.

mod capability;

pub use capability::{CAPABILITIES, Capabilities, Established, Translation};
