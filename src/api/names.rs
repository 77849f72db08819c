//! Names that the operator and everybody around it agree on.

/// API group.
pub const GROUP: &str = "netbaseline.dev";
/// The only name a [`NetworkBaseline`](super::NetworkBaseline) may have.
pub const BASELINE_NAME: &str = "default";
/// Finalizer that lets the policies leave in their safe order.
pub const FINALIZER: &str = "netbaseline.dev/teardown";
/// Annotation on a baseline: caps the phase at once, for the night of an outage.
pub const HOLD_AT: &str = "netbaseline.dev/hold-at";
/// Label on a namespace: `monitoring` makes its Prometheus pods a fact.
pub const PROVIDES: &str = "netbaseline.dev/provides";

/// Label on every policy of ours; its value is [`MANAGED_BY_VALUE`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const MANAGED_BY_VALUE: &str = "netbaseline";
/// Label on every policy of ours: the allowance it carries (`dns`, `default-deny`, `bridge`, …).
pub const ALLOWANCE: &str = "netbaseline.dev/allowance";
/// Annotation on every policy of ours: the UID of the baseline it was written for.
pub const BASELINE_UID: &str = "netbaseline.dev/baseline-uid";
/// Annotation on every policy of ours: why it exists.
pub const REASON: &str = "netbaseline.dev/reason";

/// Field manager of the policies.
pub const POLICY_MANAGER: &str = "netbaseline/policies";
/// Field manager of the baseline's status.
pub const STATUS_MANAGER: &str = "netbaseline/status";
/// Field manager of the finalizer.
pub const FINALIZER_MANAGER: &str = "netbaseline/finalizer";

/// Prefix of the names of all policies of ours.
pub const POLICY_PREFIX: &str = "baseline-";
