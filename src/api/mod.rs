//! The objects a team writes: `netbaseline.dev/v1alpha1`, their schema, names and validation.

mod crd;
pub mod names;
mod spec;
mod status;

pub use crd::{crd, crd_yaml};
pub use spec::{
    Allow, Canary, DeletionPolicy, DirectionCap, EgressAllow, EgressBuiltin, ExternalHttps, IngressAllow,
    IngressBuiltin, NetworkBaseline, NetworkBaselineSpec, Peer, Phase, Port, Rollout, SameNamespace,
};
pub use status::{DirectionStatus, FactStatus, FindingStatus, NetworkBaselineStatus, Retiring, TargetStatus};
