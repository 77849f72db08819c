//! Whose policy is it? No ownerReferences say so: a foreground deletion would let the garbage collector remove policies in
//! no order, and any order but ours can cut traffic. Three marks do, and two of them suffice.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::names;

/// Whether a policy is the operator's own: two of label, annotation and field manager say so.
pub fn is_ours(meta: &ObjectMeta) -> bool {
    let marks = [is_labelled(meta), baseline_uid(meta).is_some(), is_applied_by_us(meta)];
    marks.iter().filter(|mark| **mark).count() >= 2
}

/// Whether all marks are as the operator writes them for the baseline with this UID.
pub fn marks_are_intact(meta: &ObjectMeta, uid: &str) -> bool {
    is_labelled(meta) && baseline_uid(meta) == Some(uid) && is_applied_by_us(meta)
}

/// The UID of the baseline that a policy was written for.
pub fn baseline_uid(meta: &ObjectMeta) -> Option<&str> {
    meta.annotations.as_ref()?.get(names::BASELINE_UID).map(String::as_str)
}

fn is_labelled(meta: &ObjectMeta) -> bool {
    meta.labels.as_ref().and_then(|labels| labels.get(names::MANAGED_BY)).map(String::as_str)
        == Some(names::MANAGED_BY_VALUE)
}

fn is_applied_by_us(meta: &ObjectMeta) -> bool {
    meta.managed_fields.iter().flatten().any(|entry| {
        entry.manager.as_deref() == Some(names::POLICY_MANAGER) && entry.operation.as_deref() == Some("Apply")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

    use super::*;

    fn meta(label: bool, annotation: bool, manager: bool) -> ObjectMeta {
        let one = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        ObjectMeta {
            labels: label.then(|| one(names::MANAGED_BY, names::MANAGED_BY_VALUE)),
            annotations: annotation.then(|| one(names::BASELINE_UID, "u1")),
            managed_fields: manager.then(|| {
                vec![ManagedFieldsEntry {
                    manager: Some(names::POLICY_MANAGER.to_owned()),
                    operation: Some("Apply".to_owned()),
                    ..ManagedFieldsEntry::default()
                }]
            }),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn two_of_three_marks_make_a_policy_ours() {
        for (label, annotation, manager) in
            [(true, true, true), (true, true, false), (true, false, true), (false, true, true)]
        {
            assert!(is_ours(&meta(label, annotation, manager)), "{label} {annotation} {manager}");
        }
    }

    #[test]
    fn one_mark_alone_does_not() {
        for (label, annotation, manager) in
            [(false, false, false), (true, false, false), (false, true, false), (false, false, true)]
        {
            assert!(!is_ours(&meta(label, annotation, manager)), "{label} {annotation} {manager}");
        }
    }

    #[test]
    fn marks_of_another_baseline_are_not_intact() {
        assert!(marks_are_intact(&meta(true, true, true), "u1"));
        assert!(!marks_are_intact(&meta(true, true, true), "u2"));
        assert!(!marks_are_intact(&meta(true, true, false), "u1"));
    }
}
