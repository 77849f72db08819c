//! decide(spec, live, findings) → how far each direction is enforced now, and the plan that leads there.

mod enforced;
mod intend;

pub use enforced::{Enforced, decide};
pub use intend::{Frozen, Intent, Situation, enforced, intend};
