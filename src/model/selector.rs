//! Label selectors in a canonical form: per key the set of values it accepts.
//!
//! A `LabelSelector` is a conjunction of requirements. `In`, `NotIn`, `Exists` and `DoesNotExist` all say which values of
//! one key are accepted and whether the key may be absent, so a selector is a product of such sets, one per key. Two
//! selectors of the same meaning are equal here, conjunction is intersection, and every requirement has an exact complement.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// Labels of an object, shared between objects that carry the same.
pub type Labels = Arc<BTreeMap<Arc<str>, Arc<str>>>;

/// Builds [`Labels`] from pairs.
pub fn labels<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Labels {
    Arc::new(pairs.into_iter().map(|(key, value)| (Arc::from(key.as_ref()), Arc::from(value.as_ref()))).collect())
}

/// The values of one label key that are accepted.
///
/// Never "some values, or absent": no conjunction of requirements says that, so every set here can be written down again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Values {
    /// `In`: present with one of these; empty accepts nothing at all.
    In(BTreeSet<Arc<str>>),
    /// `Exists`, less `NotIn`: present with a value other than these.
    PresentExcept(BTreeSet<Arc<str>>),
    /// `NotIn`: absent, or present with a value other than these; empty accepts everything.
    Except(BTreeSet<Arc<str>>),
    /// `DoesNotExist`.
    Absent,
}

impl Values {
    /// Whether a label with this value (`None`: no such label) is accepted.
    pub fn accepts(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::In(of), Some(value)) => of.contains(value),
            (Self::PresentExcept(of) | Self::Except(of), Some(value)) => !of.contains(value),
            (Self::Absent | Self::Except(_), None) => true,
            (Self::In(_) | Self::PresentExcept(_), None) | (Self::Absent, Some(_)) => false,
        }
    }

    /// Whether nothing is accepted.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::In(of) if of.is_empty())
    }

    /// What both accept.
    pub fn and(&self, other: &Self) -> Self {
        use Values::{Absent, Except, In, PresentExcept};
        match (self, other) {
            (In(of), other) | (other, In(of)) => In(of.iter().filter(|v| other.accepts(Some(v))).cloned().collect()),
            (Absent, Absent | Except(_)) | (Except(_), Absent) => Absent,
            (Absent, PresentExcept(_)) | (PresentExcept(_), Absent) => In(BTreeSet::new()),
            (Except(a), Except(b)) => Except(a | b),
            (PresentExcept(a), PresentExcept(b) | Except(b)) | (Except(a), PresentExcept(b)) => PresentExcept(a | b),
        }
    }

    /// The exact complement, as disjoint sets (two where the set says "absent or another value" the other way round).
    pub fn complement(&self) -> Vec<Self> {
        match self {
            Self::In(of) => vec![Self::Except(of.clone())],
            Self::Except(of) => vec![Self::In(of.clone())],
            Self::Absent => vec![Self::PresentExcept(BTreeSet::new())],
            Self::PresentExcept(of) if of.is_empty() => vec![Self::Absent],
            Self::PresentExcept(of) => vec![Self::Absent, Self::In(of.clone())],
        }
    }

    /// Whether the two have nothing in common.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.and(other).is_empty()
    }

    /// Whether everything that `self` accepts is accepted by `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.and(other) == *self
    }

    fn is_everything(&self) -> bool {
        matches!(self, Self::Except(of) if of.is_empty())
    }
}

/// A label selector: for each key named, the values it accepts. No key: everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector(BTreeMap<Arc<str>, Values>);

/// A selector that the API would not have accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// An operator other than the four of the API.
    #[error("operator {operator:?} of key {key:?} is unknown: write In, NotIn, Exists or DoesNotExist")]
    UnknownOperator {
        /// The label key.
        key: String,
        /// What was found.
        operator: String,
    },
    /// `In` or `NotIn` without values.
    #[error("operator {operator} of key {key:?} needs at least one value")]
    NoValues {
        /// The label key.
        key: String,
        /// `In` or `NotIn`.
        operator: String,
    },
    /// `Exists` or `DoesNotExist` with values.
    #[error("operator {operator} of key {key:?} takes no values")]
    Values {
        /// The label key.
        key: String,
        /// `Exists` or `DoesNotExist`.
        operator: String,
    },
}

impl Selector {
    /// The selector that matches everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// The selector that matches nothing. The API has no form for it.
    pub fn nothing() -> Self {
        Self::all().with(NAMESPACE_NAME_LABEL, &Values::In(BTreeSet::new()))
    }

    /// The selector of these labels, each with exactly this value.
    pub fn of_labels<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        pairs.into_iter().fold(Self::all(), |selector, (key, value)| {
            selector.with(key.as_ref(), &Values::In(BTreeSet::from([Arc::from(value.as_ref())])))
        })
    }

    /// The namespace of this name, by the label that the API server keeps on every namespace
    /// (KEP-2161, `kubernetes.io/metadata.name`).
    pub fn namespace(name: &str) -> Self {
        Self::of_labels([(NAMESPACE_NAME_LABEL, name)])
    }

    /// This selector, narrowed to those values of a key.
    #[must_use]
    pub fn with(mut self, key: &str, values: &Values) -> Self {
        let narrowed = self.0.get(key).map_or_else(|| values.clone(), |had| had.and(values));
        if narrowed.is_everything() {
            self.0.remove(key);
        } else {
            self.0.insert(Arc::from(key), narrowed);
        }
        self
    }

    /// What both select.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        other.0.iter().fold(self.clone(), |selector, (key, values)| selector.with(key, values))
    }

    /// Whether no labels at all could match.
    pub fn is_empty(&self) -> bool {
        self.0.values().any(Values::is_empty)
    }

    /// Whether everything matches.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether these labels match.
    pub fn matches(&self, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        self.0.iter().all(|(key, values)| values.accepts(labels.get(key).map(AsRef::as_ref)))
    }

    /// Whether no labels can match both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.and(other).is_empty()
    }

    /// Whether all labels that match `self` match `other` too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.is_empty() || self.and(other) == *self
    }

    /// What `self` selects and `other` does not, as disjoint selectors.
    pub fn minus(&self, other: &Self) -> Vec<Self> {
        let mut rest = self.clone();
        let mut pieces = Vec::new();
        for (key, values) in &other.0 {
            for outside in values.complement() {
                let piece = rest.clone().with(key, &outside);
                if !piece.is_empty() {
                    pieces.push(piece);
                }
            }
            rest = rest.with(key, values);
            if rest.is_empty() {
                break;
            }
        }
        pieces
    }

    /// The keys it names, with the values accepted.
    pub fn requirements(&self) -> impl Iterator<Item = (&str, &Values)> {
        self.0.iter().map(|(key, values)| (key.as_ref(), values))
    }

    /// The same selector in the form of the API.
    pub fn to_api(&self) -> LabelSelector {
        let mut match_labels = BTreeMap::new();
        let mut expressions = Vec::new();
        let mut push = |key: &Arc<str>, operator: &str, values: Option<&BTreeSet<Arc<str>>>| {
            expressions.push(LabelSelectorRequirement {
                key: key.to_string(),
                operator: operator.to_owned(),
                values: values.map(|of| of.iter().map(ToString::to_string).collect()),
            });
        };
        for (key, values) in &self.0 {
            match values {
                Values::In(of) if of.len() == 1 => {
                    match_labels.extend(of.iter().map(|value| (key.to_string(), value.to_string())));
                }
                // The API refuses an empty list; a selector that selects nothing is never written.
                Values::In(of) => push(key, "In", Some(of)),
                Values::Except(of) => push(key, "NotIn", Some(of)),
                Values::Absent => push(key, "DoesNotExist", None),
                Values::PresentExcept(of) => {
                    push(key, "Exists", None);
                    if !of.is_empty() {
                        push(key, "NotIn", Some(of));
                    }
                }
            }
        }
        LabelSelector {
            match_labels: (!match_labels.is_empty()).then_some(match_labels),
            match_expressions: (!expressions.is_empty()).then_some(expressions),
        }
    }
}

impl TryFrom<&LabelSelector> for Selector {
    type Error = SelectorError;

    fn try_from(api: &LabelSelector) -> Result<Self, SelectorError> {
        let mut selector = Self::of_labels(api.match_labels.iter().flatten());
        for requirement in api.match_expressions.iter().flatten() {
            let (key, operator) = (requirement.key.clone(), requirement.operator.clone());
            let of: BTreeSet<Arc<str>> = requirement.values.iter().flatten().map(|v| Arc::from(v.as_str())).collect();
            let values = match (requirement.operator.as_str(), of.is_empty()) {
                ("In" | "NotIn", true) => return Err(SelectorError::NoValues { key, operator }),
                ("Exists" | "DoesNotExist", false) => return Err(SelectorError::Values { key, operator }),
                ("In", false) => Values::In(of),
                ("NotIn", false) => Values::Except(of),
                ("Exists", true) => Values::PresentExcept(of),
                ("DoesNotExist", true) => Values::Absent,
                _ => return Err(SelectorError::UnknownOperator { key, operator }),
            };
            selector = selector.with(&key, &values);
        }
        Ok(selector)
    }
}

impl fmt::Display for Selector {
    /// As `kubectl -l` takes it; everything is `*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("*");
        }
        let list = |of: &BTreeSet<Arc<str>>| of.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(",");
        for (nth, (key, values)) in self.0.iter().enumerate() {
            if nth > 0 {
                f.write_str(",")?;
            }
            match values {
                Values::In(of) if of.len() == 1 => write!(f, "{key}={}", list(of))?,
                Values::In(of) => write!(f, "{key} in ({})", list(of))?,
                Values::Except(of) => write!(f, "{key} notin ({})", list(of))?,
                Values::PresentExcept(of) if of.is_empty() => write!(f, "{key}")?,
                Values::PresentExcept(of) => write!(f, "{key},{key} notin ({})", list(of))?,
                Values::Absent => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

/// The label by which the API server names every namespace (KEP-2161).
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";
