//! `spec.allow.ingress` and `spec.allow.egress`: what the owner lists.

use super::draft::Draft;
use crate::api::{Allowances, Explicit};
use crate::model::{Direction, Peers, Rule};

pub(super) fn drafts(allow: &Allowances) -> Vec<Draft> {
    let of = |direction: Direction, allowances: &[Explicit]| -> Vec<Draft> {
        allowances.iter().map(|allowance| draft(direction, allowance)).collect()
    };
    [of(Direction::Ingress, &allow.ingress), of(Direction::Egress, &allow.egress)].concat()
}

fn draft(direction: Direction, explicit: &Explicit) -> Draft {
    let Explicit { name, pods, peers, ports, reason } = explicit;
    let rule = Rule { peers: Peers::These(peers.clone()), ports: ports.clone() };
    let place = format!("spec.allow.{direction}, name {name}");
    Draft::of(
        direction,
        format!("baseline-{direction}-{name}"),
        &format!("{direction}-{name}"),
        pods.clone(),
        vec![rule],
    )
    .because(reason.as_ref().map_or_else(|| place.clone(), |reason| format!("{reason} ({place})")))
}
