//! The record of every engine known.
//!
//! "Measured" means seen on a two-node cluster with real connections: Kubernetes 1.36, Cilium 1.20 with kube-proxy
//! replacement. Everything else was read in the sources that a record names, or is listed under its `beliefs`.

use std::time::Duration;

use super::capability::{Belief, Capabilities, Established, Translation};

const MEASURED_SETTLE: Duration = Duration::from_secs(10);
/// For engines whose delay nobody measured: three times the measured one.
const UNMEASURED_SETTLE: Duration = Duration::from_secs(30);

/// The API text, taken at its word.
const SPEC: Capabilities = Capabilities {
    engine: "spec",
    enforces: true,
    egress_judged: Translation::After,
    block_matches_pods: true,
    block_matches_nodes: true,
    established: Established::Unknown,
    node_reaches_own_pods: true,
    pod_reaches_own_node: true,
    named_port_with_block: true,
    end_port: true,
    sctp: true,
    except_denies: false,
    delivers_in_pieces: false,
    supplements: false,
    ignored_labels: &[],
    settle: UNMEASURED_SETTLE,
    beliefs: &[Belief::NamedPortWithBlock, Belief::HostNetworkUnselected, Belief::SelfByService],
    source: "networking.k8s.io/v1 NetworkPolicy API reference; concept page \"Network Policies\"",
};

/// Pod labels that are no part of a Cilium identity. Measured one by one, as subject and as peer.
const CILIUM_IGNORED: &[&str] = &[
    "annotation*",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "beta.kubernetes.io*",
    "controller-revision-hash",
    "controller-uid",
    "etcd_node",
    "io.kubernetes*",
    "k8s.io*",
    "kubernetes.io*",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
    "topology.kubernetes.io*",
];

const CILIUM: Capabilities = Capabilities {
    engine: "cilium",
    block_matches_pods: false,
    block_matches_nodes: false,
    established: Established::Cut,
    pod_reaches_own_node: false,
    named_port_with_block: false,
    sctp: false,
    supplements: true,
    ignored_labels: CILIUM_IGNORED,
    settle: MEASURED_SETTLE,
    beliefs: &[],
    source: "measured; cilium/cilium Documentation/security/policy, identity-relevant-labels.rst",
    ..SPEC
};

const CALICO: Capabilities = Capabilities {
    engine: "calico",
    established: Established::Kept,
    // DefaultEndpointToHostAction is Drop unless the installer changed it.
    pod_reaches_own_node: false,
    named_port_with_block: false,
    beliefs: &[Belief::BlockMatchesNodes, Belief::PodReachesOwnNode, Belief::SelfByService],
    source: "projectcalico/calico felix/; projectcalico/calico#6399, #11334 (established connections)",
    ..SPEC
};

const KUBE_ROUTER: Capabilities = Capabilities {
    engine: "kube-router",
    established: Established::Kept,
    named_port_with_block: false,
    beliefs: &[Belief::BlockMatchesNodes, Belief::PodReachesOwnNode, Belief::SelfByService],
    source: "cloudnativelabs/kube-router pkg/controllers/netpol/",
    ..SPEC
};

const KUBE_NETWORK_POLICIES: Capabilities = Capabilities {
    engine: "kube-network-policies",
    // --strict-mode, on by default.
    established: Established::Cut,
    // It judges in INPUT too.
    pod_reaches_own_node: false,
    named_port_with_block: false,
    beliefs: &[Belief::BlockMatchesNodes, Belief::PodReachesOwnNode, Belief::SelfByService],
    source: "kubernetes-sigs/kube-network-policies pkg/cmd/cmd.go",
    ..SPEC
};

const AWS: Capabilities = Capabilities {
    engine: "aws",
    // In tc on the pod's veth, so a rule needs the Service's address and port too.
    egress_judged: Translation::Before,
    established: Established::Cut,
    named_port_with_block: false,
    // aws/amazon-network-policy-controller-k8s#146.
    except_denies: true,
    // PolicyEndpoints are chunks of a policy, and reach the agent one by one.
    delivers_in_pieces: true,
    beliefs: &[Belief::BlockMatchesNodes, Belief::Sctp, Belief::SelfByService],
    source: "aws/aws-network-policy-agent pkg/fwruleprocessor/fw_rule_processor.go, #73, #236; EKS user guide",
    ..SPEC
};

const EVERY_BELIEF: &[Belief] = &[
    Belief::BlockMatchesPods,
    Belief::BlockMatchesNodes,
    Belief::NodeReachesOwnPods,
    Belief::PodReachesOwnNode,
    Belief::NamedPortWithBlock,
    Belief::EndPort,
    Belief::Sctp,
    Belief::HostNetworkUnselected,
    Belief::SelfByService,
];

const FLANNEL: Capabilities = Capabilities {
    engine: "flannel",
    enforces: false,
    established: Established::Kept,
    beliefs: &[],
    source: "flannel-io/flannel Documentation/netpol.md: policies need another engine beside it",
    ..SPEC
};

/// Every engine known. The first is the API text.
pub static CAPABILITIES: &[Capabilities] = &[
    SPEC,
    CILIUM,
    Capabilities {
        engine: "gke-dataplane-v2",
        // Its own build of Cilium; CiliumNetworkPolicy is not served.
        supplements: false,
        settle: UNMEASURED_SETTLE,
        source: "as Cilium; GKE documentation, \"GKE Dataplane V2\"",
        ..CILIUM
    },
    Capabilities {
        engine: "azure-cilium",
        settle: UNMEASURED_SETTLE,
        source: "as Cilium; AKS documentation, \"Azure CNI Powered by Cilium\"",
        ..CILIUM
    },
    CALICO,
    Capabilities { engine: "canal", ..CALICO },
    FLANNEL,
    KUBE_ROUTER,
    Capabilities {
        engine: "k3s",
        source: "kube-router's controller inside k3s: k3s-io/k3s pkg/agent/netpol/netpol.go",
        ..KUBE_ROUTER
    },
    KUBE_NETWORK_POLICIES,
    Capabilities {
        engine: "kindnet",
        source: "kubernetes-sigs/kube-network-policies inside kindnet, since 2024-07",
        ..KUBE_NETWORK_POLICIES
    },
    AWS,
    Capabilities { engine: "eks-auto", ..AWS },
    Capabilities {
        engine: "azure-npm",
        named_port_with_block: false,
        beliefs: EVERY_BELIEF,
        source: "Azure/azure-container-networking npm/ (judged in FORWARD); the rest is belief",
        ..SPEC
    },
    Capabilities {
        engine: "antrea",
        established: Established::Kept,
        named_port_with_block: false,
        beliefs: &[Belief::BlockMatchesNodes, Belief::PodReachesOwnNode, Belief::SelfByService],
        source: "antrea-io/antrea docs/antrea-network-policy.md; antrea-io/antrea#5381 (established connections)",
        ..SPEC
    },
    Capabilities {
        engine: "ovn-kubernetes",
        named_port_with_block: false,
        beliefs: &[
            Belief::BlockMatchesNodes,
            Belief::PodReachesOwnNode,
            Belief::HostNetworkUnselected,
            Belief::SelfByService,
        ],
        source: "ovn-kubernetes/ovn-kubernetes docs/design/acls.md (management-port ACL for the pod's own node)",
        ..SPEC
    },
    Capabilities {
        engine: "weave-net",
        beliefs: EVERY_BELIEF,
        source: "weaveworks/weave, archived 2024-06; the traits are belief",
        ..SPEC
    },
    Capabilities { engine: "kube-ovn", beliefs: EVERY_BELIEF, source: "the traits are belief", ..SPEC },
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_engine_has_one_record_with_a_source() {
        for record in CAPABILITIES {
            assert_eq!(Capabilities::by_name(record.engine), Some(record));
            assert!(!record.source.is_empty());
        }
        assert_eq!(Capabilities::spec().engine, "spec");
    }

    #[test]
    fn labels_that_cilium_does_not_see_are_those_measured() {
        let cilium = Capabilities::by_name("cilium").unwrap();
        let seen = [
            "app",
            "track",
            "app.kubernetes.io/name",
            "helm.sh/chart",
            "job-name",
            "batch.kubernetes.io/job-name",
            "security.istio.io/tlsMode",
            "rollouts-pod-template-hash",
            "example.k8s.io/x",
        ];
        let unseen = [
            "pod-template-hash",
            "controller-revision-hash",
            "statefulset.kubernetes.io/pod-name",
            "apps.kubernetes.io/pod-index",
            "batch.kubernetes.io/job-completion-index",
            "batch.kubernetes.io/controller-uid",
            "controller-uid",
            "pod-template-generation",
            "topology.kubernetes.io/zone",
            "io.kubernetes.x",
            "annotation.x",
            "etcd_node",
        ];
        assert_eq!(seen.map(|key| cilium.sees_label(key)), seen.map(|_| true));
        assert_eq!(unseen.map(|key| cilium.sees_label(key)), unseen.map(|_| false));
    }
}
