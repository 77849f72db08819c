//! decide(spec, live, findings) → how far each direction is enforced now, and the plan that leads there.

mod decide;
mod intend;
#[cfg(test)]
mod simulation;

pub use decide::decide;
pub use intend::{Frozen, Intent, Situation, enforced, intend};
