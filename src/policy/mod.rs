//! The evaluator: who reaches whom under a set of policies, by which rules, and how two sets differ.

#[cfg(test)]
pub(crate) mod arbitrary;
mod capability;
mod classes;
mod engines;

pub use capability::{Belief, Capabilities, Established, Translation};
pub use classes::{Class, MAX_CLASSES, TooManyClasses, classes};
pub use engines::CAPABILITIES;
