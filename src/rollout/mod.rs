//! decide(spec, live, findings) → how far each direction is enforced now.

use crate::model::Selector;

/// Which pods of a namespace are isolated in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Enforced {
    /// None.
    #[default]
    None,
    /// Those that match.
    Canary(Selector),
    /// All.
    All,
}
