//! The same writes in another order: what the plan's order is worth.

use std::sync::Arc;

use kube::ResourceExt;
use netbaseline::api::names;
use netbaseline::model::{from_api, to_api};
use netbaseline::plan::{self, Desired, Live, Pace, Step};
use netbaseline::policy::Capabilities;

use crate::history::naive::Judge;
use crate::history::{State, Transition, ours};

/// How many orders of one plan are tried.
const ORDERS: u64 = 10;

/// Over all orders that were tried.
#[derive(Debug, Default)]
pub struct Share {
    /// Orders.
    pub orders: usize,
    /// Those that the proof refuses.
    pub by_proof: usize,
    /// Those that cut or open a connection of a pod.
    pub by_pods: usize,
}

/// Plans a transition between its recorded ends anew, and takes the writes of the plan in random orders.
pub fn share(transition: &Transition, share: &mut Share) {
    let (old, new) = (transition.first(), transition.last());
    let plan = plan::plan(&live(old), &desired(new), Capabilities::spec(), Pace::Careful).unwrap();
    plan::prove(&ours(old), &ours(new), &plan.steps).unwrap();
    let naive = Judge::new(old, new);
    let mut writes: Vec<Step> = plan.steps.into_iter().filter(|step| *step != Step::Await).collect();
    assert_eq!(first_wrong(&naive, old, &writes), None, "{}: the plan's own order", transition.name);
    if writes.len() < 2 {
        return;
    }
    for seed in 0..ORDERS {
        fastrand::Rng::with_seed(seed).shuffle(&mut writes);
        share.orders += 1;
        share.by_proof += usize::from(plan::prove(&ours(old), &ours(new), &writes).is_err());
        share.by_pods += usize::from(first_wrong(&naive, old, &writes).is_some());
    }
}

fn first_wrong(naive: &Judge, old: &State, writes: &[Step]) -> Option<String> {
    let mut state = old.clone();
    writes.iter().find_map(|write| {
        match write {
            Step::Apply(desired) => {
                let policy = to_api::network_policy(&desired.policy).unwrap();
                state.insert(policy.name_any(), policy);
            }
            Step::Delete(key) => drop(state.remove(&*key.name)),
            Step::Await => {}
        }
        naive.wrong(&state)
    })
}

fn live(state: &State) -> Vec<Live> {
    let live = |desired: Desired| Live {
        policy: desired.policy,
        allowance: desired.allowance,
        reason: desired.reason,
        marks_intact: true,
        uid: String::new(),
        resource_version: String::new(),
        written: None,
    };
    desired(state).into_iter().map(live).collect()
}

fn desired(state: &State) -> Vec<Desired> {
    let ours = state.values().filter(|policy| policy.name_any().starts_with(names::POLICY_PREFIX));
    let desired = |policy: &k8s_openapi::api::networking::v1::NetworkPolicy| Desired {
        policy: from_api::network_policy(policy).unwrap(),
        allowance: Arc::from(policy.labels()[names::ALLOWANCE].as_str()),
        reason: policy.annotations()[names::REASON].clone(),
    };
    ours.map(desired).collect()
}
