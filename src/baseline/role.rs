//! What a live policy of ours is for, and whose word keeps it: its name says so, which nobody can edit.

use super::draft::Scope;
use super::{api_server, dns, fact_status, monitoring, naming};
use crate::api::{Allowances, Builtin};
use crate::discovery::{Certainty, Fact, Facts};
use crate::model::{Atom, Direction, Peer, PolicyKey, Selector};

/// The part that a policy plays for an allowance whose other end is discovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Pods ask the resolver.
    Lookups,
    /// The resolver answers.
    Serving,
    /// The resolver asks upstream.
    Upstream,
    /// Pods call the Kubernetes API.
    ApiServer,
    /// Pods are scraped.
    Scraped,
    /// Prometheus scrapes.
    Scraping,
}

/// What a fact says of values that live policies still allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Nothing: it is gone or cannot be read.
    Silent(String),
    /// That there are other values now, which do not work yet.
    Unproven,
    /// That there are other values now.
    Replaced,
}

impl Role {
    /// The roles without which no pod of a namespace works: their facts are never given up without a replacement.
    pub(super) const ESSENTIAL: [Self; 2] = [Self::Lookups, Self::ApiServer];

    /// The role of a policy; `None`: what it allows comes from the spec alone.
    pub(super) fn of(key: &PolicyKey) -> Option<Self> {
        let is =
            |prefix: &str| key.name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        [
            (naming::DNS_SERVING, Self::Serving),
            (naming::DNS_UPSTREAM, Self::Upstream),
            (naming::DNS, Self::Lookups),
            (naming::API_SERVER, Self::ApiServer),
            (naming::MONITORING, Self::Scraped),
            (naming::SCRAPING, Self::Scraping),
        ]
        .into_iter()
        .find_map(|(prefix, role)| is(prefix).then_some(role))
    }

    /// Value of its allowance label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Lookups | Self::Serving | Self::Upstream => dns::ALLOWANCE,
            Self::ApiServer => api_server::ALLOWANCE,
            Self::Scraped | Self::Scraping => monitoring::ALLOWANCE,
        }
    }

    /// Name of the fact it follows.
    pub(super) fn fact(self) -> &'static str {
        match self {
            Self::Lookups | Self::Serving | Self::Upstream => fact_status::DNS,
            Self::ApiServer => fact_status::API_SERVER,
            Self::Scraped | Self::Scraping => fact_status::MONITORING,
        }
    }

    /// The direction it speaks of.
    pub(super) fn direction(self) -> Direction {
        match self {
            Self::Serving | Self::Scraped => Direction::Ingress,
            Self::Lookups | Self::Upstream | Self::ApiServer | Self::Scraping => Direction::Egress,
        }
    }

    /// The allowance it carries; `None`: switched off, so nothing of it is kept.
    pub(super) fn allowance(self, allow: &Allowances) -> Option<&Builtin> {
        match self {
            Self::Lookups | Self::Serving | Self::Upstream => allow.dns.as_ref(),
            Self::ApiServer => allow.api_server.as_ref(),
            Self::Scraped | Self::Scraping => allow.monitoring.as_ref(),
        }
    }

    /// The enforced pods that its last value belongs to. Where one policy serves all pods of the allowance, these are the pods of
    /// today; where a policy was made for discovered pods, those of the live one as far as they are still meant.
    pub(super) fn pods(self, allowance: &Builtin, live: &Selector, scope: &Scope) -> Option<Selector> {
        let pods = match self {
            Self::Lookups | Self::ApiServer => allowance.pods.clone(),
            Self::Scraped => live.and(&allowance.pods),
            Self::Serving | Self::Upstream | Self::Scraping => live.clone(),
        };
        scope.enforced(self.direction(), &pods)
    }

    /// What its fact says of a part that is allowed but no longer rendered.
    pub(super) fn word(self, facts: &Facts, part: &Atom) -> Word {
        match self {
            // Shapes that only one engine needs stay until it is known which one runs: the plain form may reach nothing there.
            Self::ApiServer if is_engines_own(part) && facts.engine.certainty == Certainty::None => {
                Word::Silent("no network engine is recognised".to_owned())
            }
            Self::ApiServer => word(&facts.api_server),
            Self::Lookups | Self::Serving | Self::Upstream => word(&facts.dns),
            // What single objects ask for ends with them: that they are gone is an answer, if the source is complete.
            Self::Scraped | Self::Scraping => match &facts.monitoring {
                Fact::Known { ready: true, .. } | Fact::Absent { .. } => Word::Replaced,
                Fact::Known { ready: false, origin, .. } => Word::Silent(origin.clone()),
                Fact::Unreadable { reason } => Word::Silent(reason.clone()),
            },
        }
    }

    /// Whether the owner still wants a part: peers given in the spec leave with the spec, at once.
    ///
    /// `reason` is the live policy's, which tells whether its peers were the owner's; with the fact silent and nothing else to
    /// stand in, the owner's last peers stay as well.
    pub(super) fn is_wanted(self, allowance: &Builtin, part: &Atom, reason: &str, silent: bool) -> bool {
        let by_owner = match self {
            Self::Lookups => dns::REASON_INSTEAD,
            Self::ApiServer => api_server::REASON_INSTEAD,
            Self::Scraped => monitoring::REASON_INSTEAD,
            Self::Serving | Self::Upstream | Self::Scraping => return true,
        };
        match &allowance.instead {
            Some(peers) => part.peer.as_ref().is_some_and(|peer| peers.contains(peer)),
            None => silent || reason != by_owner,
        }
    }

    /// What the fact is about, in a sentence.
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::Lookups | Self::Serving | Self::Upstream => "the cluster's resolver",
            Self::ApiServer => "the Kubernetes API",
            Self::Scraped | Self::Scraping => "what Prometheus scrapes",
        }
    }
}

/// The word of a fact that nothing works without: absence is no answer.
fn word<T>(fact: &Fact<T>) -> Word {
    match fact {
        Fact::Known { ready: true, .. } => Word::Replaced,
        Fact::Known { ready: false, .. } => Word::Unproven,
        Fact::Absent { looked } => Word::Silent(format!("not found at {looked}")),
        Fact::Unreadable { reason } => Word::Silent(reason.clone()),
    }
}

fn is_engines_own(part: &Atom) -> bool {
    matches!(part.peer, None | Some(Peer::Entity(_)))
}
