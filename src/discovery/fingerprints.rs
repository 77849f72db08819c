//! What engines are recognised by, and how their configuration switches policies off. Data; [`super::engine`] reads it.
//!
//! A mark counts only where the platform installs it: a DaemonSet of a tenant's namespace that is called `cilium` says nothing.

use super::Enforces;
use crate::model::{ConfigMap, DaemonSet, Snapshot, Source};

/// The ConfigMaps that the table reads, namespace and name: nobody needs to watch others.
pub const CONFIG_MAPS: &[(&str, &str)] =
    &[("kube-system", "cilium-config"), ("cilium", "cilium-config"), ("kube-system", "amazon-vpc-cni")];

/// An engine and what it is recognised by. All that is given must hold.
pub(super) struct Fingerprint {
    /// Name of its capability record; of an engine that has none, its own.
    pub name: &'static str,
    /// Its agents: one of these, by namespace and name.
    pub daemon_sets: &'static [(&'static str, &'static str)],
    /// Part of the name of an image that the agents run, where their name alone does not tell.
    pub image: Option<&'static str>,
    /// What a node of it bears.
    pub node: Option<NodeMark>,
    /// How the names of its resource definitions end. They outlive it.
    pub definitions: &'static [&'static str],
    /// Whether it judges NetworkPolicy, as configured.
    pub enforces: fn(&Sighting<'_>) -> Enforces,
}

/// What nodes bear.
pub(super) enum NodeMark {
    /// A label with this value.
    Label(&'static str, &'static str),
    /// An annotation.
    Annotation(&'static str),
}

/// An engine where it was found.
pub(super) struct Sighting<'a> {
    /// The cluster.
    pub snapshot: &'a Snapshot,
    /// Its agents.
    pub set: Option<&'a DaemonSet>,
}

/// First the engines that bring a data path of their own, then those that only judge, then those that only connect.
pub(super) static FINGERPRINTS: &[Fingerprint] = &[
    Fingerprint {
        name: "gke-dataplane-v2",
        daemon_sets: &[("kube-system", "anetd")],
        definitions: &["networkloggings.networking.gke.io"],
        ..ALWAYS
    },
    Fingerprint {
        name: "azure-cilium",
        daemon_sets: &[("kube-system", "cilium")],
        node: Some(NodeMark::Label("kubernetes.azure.com/ebpf-dataplane", "cilium")),
        enforces: cilium,
        ..ALWAYS
    },
    Fingerprint {
        name: "cilium",
        daemon_sets: &[("kube-system", "cilium"), ("cilium", "cilium")],
        definitions: &[".cilium.io"],
        enforces: cilium,
        ..ALWAYS
    },
    Fingerprint { name: "canal", daemon_sets: &[("kube-system", "canal"), ("kube-system", "rke2-canal")], ..ALWAYS },
    Fingerprint {
        name: "calico",
        daemon_sets: &[("calico-system", "calico-node"), ("kube-system", "calico-node")],
        definitions: &[".crd.projectcalico.org", ".projectcalico.org"],
        ..ALWAYS
    },
    Fingerprint {
        name: "ovn-kubernetes",
        daemon_sets: &[
            ("openshift-ovn-kubernetes", "ovnkube-node"),
            ("ovn-kubernetes", "ovnkube-node"),
            ("kube-system", "ovnkube-node"),
        ],
        definitions: &[".k8s.ovn.org"],
        ..ALWAYS
    },
    Fingerprint {
        name: "antrea",
        daemon_sets: &[("kube-system", "antrea-agent")],
        definitions: &[".crd.antrea.io"],
        ..ALWAYS
    },
    Fingerprint {
        name: "kube-ovn",
        daemon_sets: &[("kube-system", "kube-ovn-cni")],
        definitions: &[".kubeovn.io"],
        ..ALWAYS
    },
    Fingerprint { name: "azure-npm", daemon_sets: &[("kube-system", "azure-npm")], ..ALWAYS },
    Fingerprint {
        name: "weave-net",
        daemon_sets: &[("kube-system", "weave-net"), ("weave", "weave-net")],
        enforces: weave,
        ..ALWAYS
    },
    Fingerprint { name: "kube-network-policies", daemon_sets: &[("kube-system", "kube-network-policies")], ..ALWAYS },
    // The flannel chart's `netpol.enabled` puts the same engine beside flannel, in flannel's own pods.
    Fingerprint { name: "kube-network-policies", daemon_sets: FLANNEL, image: Some("kube-network-policies"), ..ALWAYS },
    Fingerprint {
        name: "kube-router",
        daemon_sets: &[("kube-system", "kube-router")],
        enforces: kube_router,
        ..ALWAYS
    },
    Fingerprint { name: "kindnet", daemon_sets: &[("kube-system", "kindnet")], enforces: kindnet, ..ALWAYS },
    Fingerprint {
        name: "aws",
        daemon_sets: &[("kube-system", "aws-node")],
        definitions: &["policyendpoints.networking.k8s.aws"],
        enforces: aws,
        ..ALWAYS
    },
    Fingerprint {
        name: "eks-auto",
        node: Some(NodeMark::Label("eks.amazonaws.com/compute-type", "auto")),
        enforces: eks_auto,
        ..ALWAYS
    },
    Fingerprint { name: "k3s", node: Some(NodeMark::Annotation(K3S_ARGS)), enforces: k3s, ..ALWAYS },
    Fingerprint { name: "flannel", daemon_sets: FLANNEL, enforces: flannel, ..ALWAYS },
    Fingerprint { name: "netd", daemon_sets: &[("kube-system", "netd")], enforces: netd, ..ALWAYS },
];

const ALWAYS: Fingerprint =
    Fingerprint { name: "", daemon_sets: &[], image: None, node: None, definitions: &[], enforces: |_| Enforces::Yes };

const FLANNEL: &[(&str, &str)] = &[
    ("kube-flannel", "kube-flannel-ds"),
    ("kube-flannel", "kube-flannel"),
    ("kube-system", "kube-flannel-ds"),
    ("kube-system", "kube-flannel"),
];

/// Where k3s writes the arguments it was started with, those of its configuration file among them: a JSON list.
const K3S_ARGS: &str = "k3s.io/node-args";

/// kindnetd judges policies since July 2024; its images are tagged `v<yyyymmdd>-<commit>`.
const KINDNET_SINCE: u32 = 20_240_701;

impl Sighting<'_> {
    fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        self.snapshot.config_maps.get(namespace)?.get(name).map(AsRef::as_ref)
    }

    /// The value of a flag `--name=value` or `--name value` of the agents; `true` where it stands alone.
    fn flag(&self, name: &str) -> Option<&str> {
        let containers = self.set.into_iter().flat_map(|set| &set.containers);
        containers.into_iter().find_map(|container| flag_value(container.args.iter().map(AsRef::as_ref), name))
    }
}

/// The value of a flag among arguments; `true` where it stands alone.
fn flag_value<'a>(arguments: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let Some(rest) = argument.trim_start_matches('-').strip_prefix(name) else { continue };
        if let Some(value) = rest.strip_prefix('=') {
            return Some(value);
        }
        if rest.is_empty() {
            return Some(arguments.next_if(|next| !next.starts_with('-')).unwrap_or("true"));
        }
    }
    None
}

fn no(reason: &str, remedy: &str) -> Enforces {
    Enforces::No(format!("{reason}; {remedy}"))
}

/// Cilium documentation, "Policy Enforcement Modes" and "Policy Audit Mode".
fn cilium(at: &Sighting<'_>) -> Enforces {
    let namespace = at.set.map_or("kube-system", |set| &set.namespace);
    let config = at.config_map(namespace, "cilium-config");
    if let (None, Some(gap)) = (config, at.snapshot.gap(&[Source::ConfigMaps])) {
        return Enforces::Unknown(format!("whether cilium-config switches policies off is not known: {gap}"));
    }
    let setting = |key: &str| {
        config.and_then(|config| config.data.get(key).map(AsRef::as_ref)).or_else(|| at.flag(key)).unwrap_or_default()
    };
    if setting("enable-policy") == "never" {
        return no(
            "Cilium runs with enable-policy: never",
            "set it to default in cilium-config and restart the agents",
        );
    }
    if setting("enable-k8s-networkpolicy") == "false" {
        return no(
            "Cilium runs with enable-k8s-networkpolicy: false",
            "set it to true in cilium-config and restart the agents",
        );
    }
    if setting("policy-audit-mode") == "true" {
        return no(
            "Cilium runs with policy-audit-mode: true, which logs and lets pass",
            "set it to false and restart the agents",
        );
    }
    Enforces::Yes
}

fn weave(at: &Sighting<'_>) -> Enforces {
    if at.set.is_some_and(|set| set.containers.iter().any(|container| &*container.name == "weave-npc")) {
        return Enforces::Yes;
    }
    no(
        "Weave Net runs without its container weave-npc",
        "install an engine that is maintained, such as Cilium or Calico",
    )
}

fn kube_router(at: &Sighting<'_>) -> Enforces {
    if at.flag("run-firewall") == Some("false") {
        return no("kube-router runs with --run-firewall=false", "set it to true");
    }
    Enforces::Yes
}

fn kindnet(at: &Sighting<'_>) -> Enforces {
    let images = at.set.into_iter().flat_map(|set| &set.containers).map(|container| container.image.as_ref());
    let date = images.into_iter().find_map(|image| {
        let (_, tag) = image.rsplit_once(":v")?;
        tag.get(..8)?.parse::<u32>().ok()
    });
    match date {
        Some(date) if date >= KINDNET_SINCE => Enforces::Yes,
        Some(_) => no(
            "this kindnet is older than July 2024 and ignores policies",
            "use a newer kind, or install Calico or Cilium",
        ),
        None => Enforces::Unknown(
            "the tag of kindnet's image does not tell its age; before July 2024 it ignored policies".into(),
        ),
    }
}

/// EKS user guide, "Limit Pod traffic with Kubernetes network policies": off unless both the node agent and the controller are on.
fn aws(at: &Sighting<'_>) -> Enforces {
    if at.flag("enable-network-policy") != Some("true") {
        return no(
            "the VPC CNI runs without --enable-network-policy=true",
            "set enableNetworkPolicy in the add-on's configuration, or install Calico or Cilium",
        );
    }
    aws_controller(at)
}

fn eks_auto(at: &Sighting<'_>) -> Enforces {
    match at.config_map("kube-system", "amazon-vpc-cni") {
        None if at.snapshot.is_conclusive(Source::ConfigMaps) => no(
            "EKS Auto Mode judges no policies by default",
            "create ConfigMap kube-system/amazon-vpc-cni with enable-network-policy-controller: \"true\"",
        ),
        _ => aws_controller(at),
    }
}

fn aws_controller(at: &Sighting<'_>) -> Enforces {
    let config = at.config_map("kube-system", "amazon-vpc-cni");
    match config.map(|config| config.data.get("enable-network-policy-controller").map(AsRef::as_ref)) {
        Some(Some("true")) => Enforces::Yes,
        Some(_) => no(
            "enable-network-policy-controller is not true in ConfigMap kube-system/amazon-vpc-cni",
            "set it to \"true\"",
        ),
        None => Enforces::Unknown(at.snapshot.gap(&[Source::ConfigMaps]).unwrap_or_else(|| {
            "there is no ConfigMap kube-system/amazon-vpc-cni, so whether the network policy controller runs is not known".into()
        })),
    }
}

/// K3s documentation, "Networking Services", network policy controller.
fn k3s(at: &Sighting<'_>) -> Enforces {
    let disabled = at.snapshot.nodes.values().find(|node| {
        let arguments: Vec<String> =
            node.annotations.get(K3S_ARGS).and_then(|args| serde_json::from_str(args).ok()).unwrap_or_default();
        flag_value(arguments.iter().map(String::as_str), "disable-network-policy").is_some_and(|value| value != "false")
    });
    match disabled {
        Some(node) => no(
            &format!("k3s on node {} runs with --disable-network-policy", node.name),
            "remove the flag from the servers, or install an engine that judges policies",
        ),
        None => Enforces::Yes,
    }
}

fn flannel(_: &Sighting<'_>) -> Enforces {
    no(
        "Flannel connects pods and ignores every NetworkPolicy in silence",
        "install kube-network-policies (flannel chart: netpol.enabled=true) or move to Canal, Calico or Cilium",
    )
}

fn netd(_: &Sighting<'_>) -> Enforces {
    no(
        "GKE runs without Dataplane V2 and without calico-node, so policies are ignored",
        "enable network policy enforcement on the cluster, or Dataplane V2",
    )
}
