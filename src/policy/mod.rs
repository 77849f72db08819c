//! The evaluator: who reaches whom under a set of policies, by which rules, and how two sets differ.

#[cfg(test)]
pub(crate) mod arbitrary;
mod capability;
mod classes;
mod compare;
mod connection;
mod cover;
mod engines;
mod evaluate;
#[cfg(test)]
pub(crate) mod fixture;
mod matching;
mod matrix;

pub use capability::{Belief, Capabilities, Established, Translation};
pub use classes::{Class, MAX_CLASSES, TooManyClasses, classes};
pub use compare::{Difference, compare};
pub use connection::{Connection, Decision, Endpoint, Side, Verdict};
pub use cover::covers;
pub use engines::CAPABILITIES;
pub use evaluate::Compiled;
pub use matching::selects;
pub use matrix::Matrix;
