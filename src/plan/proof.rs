//! The proof: what every state between two sets of policies must be, for every class of pods and each direction.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::{Atom, Direction, Policy, PolicyKey, Selector};
use crate::policy::{Class, classes};

use super::bits::Bits;
use super::{PlanError, Step};

/// A state that is neither like the old set nor like the new one for some pods.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{direction} of pods {class} {breach}", after(.steps_done))]
pub struct Violation {
    /// How many steps of the plan had been taken; `None`: a state that was judged by itself.
    pub steps_done: Option<usize>,
    /// The pods.
    pub class: Selector,
    /// The direction.
    pub direction: Direction,
    /// What is wrong.
    pub breach: Breach,
}

fn after(steps_done: &Option<usize>) -> String {
    steps_done.map_or_else(String::new, |steps| format!("after step {steps}, "))
}

/// What is wrong with a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Not isolated, though both sets isolate these pods: closed connections would open.
    Open,
    /// Isolated, though neither set isolates these pods.
    Isolated,
    /// Lacks rules of both sets, so that connections which both allow would fail.
    Short {
        /// What is missing of the old set; empty if that set does not isolate alike.
        of_old: Vec<Atom>,
        /// What is missing of the new set; empty if that set does not isolate alike.
        of_new: Vec<Atom>,
    },
    /// Admits what neither set admits.
    Beyond(Vec<Atom>),
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("is not isolated, though both sets isolate it"),
            Self::Isolated => f.write_str("is isolated, though neither set isolates it"),
            Self::Short { of_old, of_new } => {
                let missing = |set: &str, atoms: &[Atom]| format!("the {set} set ({})", some(atoms));
                let sets: Vec<String> = [("old", of_old), ("new", of_new)]
                    .into_iter()
                    .filter(|(_, atoms)| !atoms.is_empty())
                    .map(|(set, atoms)| missing(set, atoms))
                    .collect();
                write!(f, "lacks rules of {}", sets.join(" and of "))
            }
            Self::Beyond(atoms) => write!(f, "admits what neither set admits ({})", some(atoms)),
        }
    }
}

/// A few of the atoms and how many more there are: messages end up in status, which is bounded.
fn some(atoms: &[Atom]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = atoms.iter().take(SHOWN).map(ToString::to_string).collect();
    match atoms.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Judges every prefix of `steps`, from `old`, against the two sets.
///
/// For every class of pods and each direction a state must be like `old` or like `new`: isolated as that set isolates, with
/// all its rules; and it must admit nothing that neither admits. So whatever foreign policies do meanwhile, a connection
/// that both sets allow never fails. `steps` need not come from a plan: a recorded history of writes can be judged.
///
/// # Errors
/// The first violation, or that the selectors cut the pods into too many classes.
pub fn prove(old: &[Policy], new: &[Policy], steps: &[Step]) -> Result<(), PlanError> {
    let applied = steps.iter().filter_map(|step| match step {
        Step::Apply(desired) => Some(&desired.policy.pod_selector),
        Step::Delete(_) | Step::Await => None,
    });
    match Proof::new(old, new, applied)?.violations(steps).into_iter().next() {
        Some((_, violation)) => Err(PlanError::Unproven(violation)),
        None => Ok(()),
    }
}

/// Judges one state between the two sets, as [`prove`] judges each.
///
/// # Errors
/// A violation, or that the selectors cut the pods into too many classes.
pub fn judge(old: &[Policy], new: &[Policy], state: &[Policy]) -> Result<(), PlanError> {
    let proof = Proof::new(old, new, state.iter().map(|policy| &policy.pod_selector))?;
    let mut atoms = proof.atoms.clone();
    let state: Vec<Read> = state.iter().map(|policy| Read::new(policy, &proof.classes, &mut atoms)).collect();
    for class in 0..proof.classes.len() {
        for direction in Direction::BOTH {
            if let Some(violation) = proof.breach(class, direction, state.iter(), &atoms, None) {
                return Err(PlanError::Unproven(violation));
            }
        }
    }
    Ok(())
}

/// Atoms by number, so that sets of them are bits.
#[derive(Clone, Default)]
struct Atoms {
    numbers: BTreeMap<Atom, usize>,
    list: Vec<Atom>,
}

impl Atoms {
    fn number(&mut self, atom: Atom) -> usize {
        *self.numbers.entry(atom).or_insert_with_key(|atom| {
            self.list.push(atom.clone());
            self.list.len() - 1
        })
    }

    fn named(&self, bits: &Bits) -> Vec<Atom> {
        bits.iter().map(|number| self.list[number].clone()).collect()
    }
}

/// A policy, read once: the classes it selects and what it says per direction.
struct Read {
    classes: Bits,
    isolates: bool,
    rules: [Option<Bits>; 2],
}

impl Read {
    fn new(policy: &Policy, classes: &[Class], atoms: &mut Atoms) -> Self {
        let selected = classes.iter().enumerate().filter(|(_, class)| class.is_in(&policy.pod_selector));
        Self {
            classes: selected.map(|(number, _)| number).collect(),
            isolates: policy.isolates,
            rules: Direction::BOTH.map(|direction| {
                policy.rules(direction)?;
                Some(policy.atoms(direction).into_iter().map(|atom| atoms.number(atom)).collect())
            }),
        }
    }
}

/// What a set of policies does to one class in one direction.
#[derive(Default)]
struct Effect {
    isolated: bool,
    atoms: Bits,
}

impl Effect {
    fn of<'a>(policies: impl Iterator<Item = &'a Read>, class: usize, direction: Direction) -> Self {
        let mut effect = Self::default();
        for policy in policies.filter(|policy| policy.classes.contains(class)) {
            if let Some(atoms) = &policy.rules[direction as usize] {
                effect.isolated |= policy.isolates;
                effect.atoms.add(atoms);
            }
        }
        effect
    }
}

/// Two sets of policies, ready to judge states between them.
pub(super) struct Proof {
    classes: Vec<Class>,
    atoms: Atoms,
    keys: Vec<PolicyKey>,
    old: Vec<Read>,
    effects: Vec<[(Effect, Effect); 2]>,
}

impl Proof {
    /// `selectors`: those of every other policy that will be judged.
    pub(super) fn new<'a>(
        old: &'a [Policy],
        new: &'a [Policy],
        selectors: impl Iterator<Item = &'a Selector>,
    ) -> Result<Self, PlanError> {
        let classes = classes(old.iter().chain(new).map(|policy| &policy.pod_selector).chain(selectors))?;
        let mut atoms = Atoms::default();
        let keys = old.iter().map(|policy| policy.key.clone()).collect();
        let [old, new] =
            [old, new].map(|set| set.iter().map(|policy| Read::new(policy, &classes, &mut atoms)).collect::<Vec<_>>());
        let both =
            |class, direction| (Effect::of(old.iter(), class, direction), Effect::of(new.iter(), class, direction));
        let effects = (0..classes.len()).map(|class| Direction::BOTH.map(|direction| both(class, direction))).collect();
        Ok(Self { classes, atoms, keys, old, effects })
    }

    /// The classes into which the selectors cut the pods.
    pub(super) fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The first violation of each class, by the number of the class, in the order of the steps.
    pub(super) fn violations(&self, steps: &[Step]) -> Vec<(usize, Violation)> {
        let mut atoms = self.atoms.clone();
        let mut written: BTreeMap<&PolicyKey, Option<Read>> = BTreeMap::new();
        let before: BTreeMap<&PolicyKey, &Read> = self.keys.iter().zip(&self.old).collect();
        let mut found = BTreeSet::new();
        let mut violations = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let (key, read) = match step {
                Step::Apply(desired) => {
                    (&desired.policy.key, Some(Read::new(&desired.policy, &self.classes, &mut atoms)))
                }
                Step::Delete(key) => (key, None),
                Step::Await => continue,
            };
            let mut touched = read.as_ref().map(|read| read.classes.clone()).unwrap_or_default();
            match written.insert(key, read) {
                Some(Some(replaced)) => touched.add(&replaced.classes),
                Some(None) => {}
                None => touched.add(&before.get(key).map(|read| read.classes.clone()).unwrap_or_default()),
            }
            let untouched = before.iter().filter(|(key, _)| !written.contains_key(**key)).map(|(_, read)| *read);
            let state: Vec<&Read> = untouched.chain(written.values().flatten()).collect();
            for class in touched.iter().filter(|class| !found.contains(class)).collect::<Vec<_>>() {
                let violation = Direction::BOTH.into_iter().find_map(|direction| {
                    self.breach(class, direction, state.iter().copied(), &atoms, Some(number + 1))
                });
                if let Some(violation) = violation {
                    found.insert(class);
                    violations.push((class, violation));
                }
            }
        }
        violations
    }

    fn breach<'a>(
        &self,
        class: usize,
        direction: Direction,
        state: impl Iterator<Item = &'a Read>,
        atoms: &Atoms,
        steps_done: Option<usize>,
    ) -> Option<Violation> {
        let state = Effect::of(state, class, direction);
        let (old, new) = &self.effects[class][direction as usize];
        let like = |set: &Effect| set.isolated == state.isolated;
        let missing = |set: &Effect| if like(set) { set.atoms.minus(&state.atoms) } else { Bits::default() };
        let complete = |set: &Effect| like(set) && missing(set).is_empty();
        let beyond = state.atoms.minus(&old.atoms).minus(&new.atoms);
        let breach = if !like(old) && !like(new) {
            if state.isolated { Breach::Isolated } else { Breach::Open }
        } else if !beyond.is_empty() {
            Breach::Beyond(atoms.named(&beyond))
        } else if !complete(old) && !complete(new) {
            Breach::Short { of_old: atoms.named(&missing(old)), of_new: atoms.named(&missing(new)) }
        } else {
            return None;
        };
        Some(Violation { steps_done, class: self.classes[class].selector.clone(), direction, breach })
    }
}
