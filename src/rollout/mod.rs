//! decide(spec, live, findings) → how far each direction is enforced now.

mod enforced;

pub use enforced::{Enforced, decide};
