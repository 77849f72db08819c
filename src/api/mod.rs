//! The objects a team writes: `netbaseline.dev/v1alpha1`, their schema, names and validation.

mod crd;
mod effective;
pub mod names;
pub mod ownership;
mod spec;
mod status;
mod syntax;
mod validate;

pub use crd::{crd, crd_yaml};
pub use effective::{Allowances, Builtin, Effective, Explicit, External, Hold};
pub use spec::{
    Allow, Canary, DeletionPolicy, DirectionCap, EgressAllow, EgressBuiltin, ExternalHttps, IngressAllow,
    IngressBuiltin, NetworkBaseline, NetworkBaselineSpec, Peer, Phase, Port, Rollout, SameNamespace,
};
pub use status::{DirectionStatus, FactStatus, FindingStatus, NetworkBaselineStatus, Retiring, TargetStatus};
pub use validate::{Invalid, validate};
