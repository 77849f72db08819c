//! Whether one part of a rule admits all that another does.

use crate::model::{Atom, IpBlock, NamespaceScope, Peer, PortMatch, PortRange};

/// Whether `wide` admits everything that `narrow` does, both in policies of one namespace. `false` may mean that it cannot be
/// told from the two alone: which labels a namespace has, or which number a port's name.
pub fn covers(wide: &Atom, narrow: &Atom) -> bool {
    let peers = match (&wide.peer, &narrow.peer) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => covers_peer(wide, narrow),
    };
    let ports = match (&wide.port, &narrow.port) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => covers_port(wide, narrow),
    };
    peers && ports
}

fn covers_peer(wide: &Peer, narrow: &Peer) -> bool {
    match (wide, narrow) {
        (Peer::Pods { namespaces: wide_in, pods: wide }, Peer::Pods { namespaces: narrow_in, pods: narrow }) => {
            let namespaces = match (wide_in, narrow_in) {
                (NamespaceScope::Own, NamespaceScope::Own) => true,
                (NamespaceScope::Own, NamespaceScope::Matching(_)) => false,
                (NamespaceScope::Matching(wide), NamespaceScope::Own) => wide.is_all(),
                (NamespaceScope::Matching(wide), NamespaceScope::Matching(narrow)) => narrow.is_subset(wide),
            };
            namespaces && narrow.is_subset(wide)
        }
        (Peer::Block(wide), Peer::Block(narrow)) => covers_block(wide, narrow),
        (wide, narrow) => wide == narrow,
    }
}

fn covers_block(wide: &IpBlock, narrow: &IpBlock) -> bool {
    let left_out_too = |hole: &ipnet::IpNet| {
        let apart = !hole.contains(&narrow.cidr) && !narrow.cidr.contains(hole);
        apart || narrow.except.iter().any(|except| except.contains(hole))
    };
    wide.cidr.contains(&narrow.cidr) && wide.except.iter().all(left_out_too)
}

fn covers_port(wide: &PortMatch, narrow: &PortMatch) -> bool {
    wide.protocol == narrow.protocol
        && match (&wide.range, &narrow.range) {
            (PortRange::Any, _) => true,
            (PortRange::Numbers { first, last }, PortRange::Numbers { first: from, last: to }) => {
                first <= from && to <= last
            }
            (wide, narrow) => wide == narrow,
        }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::model::Direction;
    use crate::policy::fixture;

    fn atom(rule: &Value) -> Atom {
        let policy = fixture::policy("shop", "p", json!({"policyTypes": ["Egress"], "egress": [rule]}));
        policy.atoms(Direction::Egress).into_iter().next().unwrap()
    }

    #[test]
    fn an_atom_covers_what_it_admits_and_no_more() {
        let pods = |selector: Value| json!({"to": [{"podSelector": selector}]});
        let block = |cidr: &str, except: &[&str]| json!({"to": [{"ipBlock": {"cidr": cidr, "except": except}}]});
        let port = |port: Value| json!({"ports": [port]});
        let web = json!({"matchLabels": {"app": "web"}});
        let table = [
            (json!({}), pods(json!({})), true),
            (pods(json!({})), json!({}), false),
            (pods(json!({})), pods(web.clone()), true),
            (pods(web.clone()), pods(json!({})), false),
            (json!({"to": [{"namespaceSelector": {}}]}), pods(web.clone()), true),
            (pods(json!({})), json!({"to": [{"namespaceSelector": {}}]}), false),
            (json!({"to": [{"namespaceSelector": web.clone()}]}), pods(web.clone()), false),
            (block("10.0.0.0/8", &[]), block("10.1.0.0/16", &[]), true),
            (block("10.1.0.0/16", &[]), block("10.0.0.0/8", &[]), false),
            (block("10.0.0.0/8", &["10.1.0.0/16"]), block("10.1.2.0/24", &[]), false),
            (block("10.0.0.0/8", &["10.1.0.0/16"]), block("10.2.0.0/16", &[]), true),
            (block("10.0.0.0/8", &["10.1.1.0/24"]), block("10.1.0.0/16", &["10.1.1.0/24"]), true),
            (block("10.0.0.0/8", &["10.1.1.0/24"]), block("10.1.0.0/16", &[]), false),
            (block("0.0.0.0/0", &[]), pods(web), false),
            (port(json!({"port": 80, "endPort": 90})), port(json!({"port": 85})), true),
            (port(json!({"port": 85})), port(json!({"port": 80, "endPort": 90})), false),
            (port(json!({"protocol": "UDP"})), port(json!({"port": 53, "protocol": "UDP"})), true),
            (port(json!({"protocol": "UDP"})), port(json!({"port": 53})), false),
            (port(json!({"port": "http"})), port(json!({"port": "http"})), true),
            (port(json!({"port": "http"})), port(json!({"port": 80})), false),
            (port(json!({"port": 80})), json!({}), false),
        ];
        for (wide, narrow, expected) in table {
            assert_eq!(covers(&atom(&wide), &atom(&narrow)), expected, "{wide} {narrow}");
        }
    }
}
