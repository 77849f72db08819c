//! Every metric of the operator, in one place.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::api::Phase;
use crate::findings::FindingName;
use crate::model::Direction;

/// How one reconcile ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReconcileLabels {
    /// `done`, `waiting`, or the class of the error.
    pub result: &'static str,
}

/// One write of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WriteLabels {
    /// `NetworkPolicy` or `CiliumNetworkPolicy`.
    pub kind: &'static str,
    /// `apply` or `delete`.
    pub verb: &'static str,
    /// `ok` or `failed`.
    pub outcome: &'static str,
}

/// What the operator counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Duration of reconciles, by how they ended.
    pub reconciles: Family<ReconcileLabels, Histogram>,
    /// Writes of policies.
    pub writes: Family<WriteLabels, Counter>,
}

impl Metrics {
    /// Registers every metric.
    pub fn register(registry: &mut Registry, board: Arc<Board>) -> Self {
        let metrics = Self {
            reconciles: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 16))),
            writes: Family::default(),
        };
        registry.register_with_unit(
            "netbaseline_reconcile_duration",
            "Time that one reconcile of a baseline took",
            Unit::Seconds,
            metrics.reconciles.clone(),
        );
        registry.register("netbaseline_policy_writes", "Writes of policy objects", metrics.writes.clone());
        registry.register_collector(Box::new(Shown(board)));
        metrics
    }
}

/// Where one namespace stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The phase that the live policies hold, by direction.
    pub phases: BTreeMap<Direction, Phase>,
    /// Findings, with how many of each.
    pub findings: BTreeMap<FindingName, u32>,
    /// Whether `hold-at` caps the phase.
    pub held: bool,
}

/// Where every namespace stands, for the moment of a scrape.
#[derive(Debug, Default)]
pub struct Board(Mutex<BTreeMap<String, Standing>>);

impl Board {
    /// Notes where a namespace stands; `None`: it has no baseline any more.
    pub fn note(&self, namespace: &str, standing: Option<Standing>) {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match standing {
            Some(standing) => drop(board.insert(namespace.to_owned(), standing)),
            None => drop(board.remove(namespace)),
        }
    }
}

#[derive(Debug)]
struct Shown(Arc<Board>);

#[derive(Clone, Debug, EncodeLabelSet)]
struct PhaseLabels {
    namespace: String,
    direction: &'static str,
    phase: String,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct FindingLabels {
    namespace: String,
    finding: String,
    blocking: String,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct NamespaceLabels {
    namespace: String,
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let board = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let gauge = |value: i64| ConstGauge::new(value);
        let kind = gauge(0).metric_type();
        let mut phases =
            encoder.encode_descriptor("netbaseline_phase", "Phase that the live policies hold", None, kind)?;
        for (namespace, standing) in &board {
            for (direction, phase) in &standing.phases {
                let labels = PhaseLabels {
                    namespace: namespace.clone(),
                    direction: direction.name(),
                    phase: format!("{phase:?}"),
                };
                gauge(1).encode(phases.encode_family(&labels)?)?;
            }
        }
        let mut findings = encoder.encode_descriptor("netbaseline_findings", "Findings that stand", None, kind)?;
        for (namespace, standing) in &board {
            for (finding, count) in &standing.findings {
                let labels = FindingLabels {
                    namespace: namespace.clone(),
                    finding: format!("{finding:?}"),
                    blocking: finding.blocking().to_string(),
                };
                gauge(i64::from(*count)).encode(findings.encode_family(&labels)?)?;
            }
        }
        let mut held = encoder.encode_descriptor("netbaseline_held", "Whether hold-at caps the phase", None, kind)?;
        for (namespace, standing) in &board {
            let labels = NamespaceLabels { namespace: namespace.clone() };
            gauge(i64::from(standing.held)).encode(held.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
