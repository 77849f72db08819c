//! The evaluator: who reaches whom under a set of policies, by which rules, and how two sets differ.

#[cfg(test)]
pub(crate) mod arbitrary;
mod capability;
mod classes;

pub use capability::{CAPABILITIES, Capabilities, Established, Translation};
pub use classes::{Class, MAX_CLASSES, TooManyClasses, classes};
