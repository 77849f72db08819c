//! One watch: events of one kind into one table of the snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::ResourceExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use tracing::{debug, warn};

use super::store::{Change, Store};
use crate::model::{Availability, ByNamespace, Snapshot, Source};

/// Where objects of one kind live in the snapshot.
pub(super) trait Table<T> {
    /// Stores an object; whether anything visible changed.
    fn put(&mut self, key: &Key, value: T) -> bool;
    /// Forgets an object; whether it was there.
    fn forget(&mut self, key: &Key) -> bool;
}

/// Namespace (empty for cluster-scoped kinds) and name.
pub(super) type Key = (Arc<str>, Arc<str>);

impl<T: Clone + PartialEq> Table<T> for ByNamespace<T> {
    fn put(&mut self, (namespace, name): &Key, value: T) -> bool {
        let inside = Arc::make_mut(self.entry(namespace.clone()).or_default());
        if inside.get(name).is_some_and(|held| **held == value) {
            return false;
        }
        inside.insert(name.clone(), Arc::new(value));
        true
    }

    fn forget(&mut self, (namespace, name): &Key) -> bool {
        let Some(inside) = self.get_mut(namespace) else { return false };
        let inside = Arc::make_mut(inside);
        let was_there = inside.remove(name).is_some();
        if inside.is_empty() {
            self.remove(namespace);
        }
        was_there
    }
}

impl<T: PartialEq> Table<T> for BTreeMap<Arc<str>, Arc<T>> {
    fn put(&mut self, (_, name): &Key, value: T) -> bool {
        if self.get(name).is_some_and(|held| **held == value) {
            return false;
        }
        self.insert(name.clone(), Arc::new(value));
        true
    }

    fn forget(&mut self, (_, name): &Key) -> bool {
        self.remove(name).is_some()
    }
}

impl Table<()> for BTreeSet<Arc<str>> {
    fn put(&mut self, (_, name): &Key, (): ()) -> bool {
        self.insert(name.clone())
    }

    fn forget(&mut self, (_, name): &Key) -> bool {
        self.remove(name)
    }
}

/// How one kind becomes part of the snapshot.
pub(super) struct Feed<K, T, M> {
    /// The source it makes complete, and which part of it, where several watches feed one.
    pub(super) source: (Source, usize),
    /// Prefix of the names in the table, where two kinds share one.
    pub(super) prefix: &'static str,
    /// The slim value; `None`: an object that nobody needs.
    pub(super) read: fn(&K) -> Option<T>,
    /// The table.
    pub(super) table: fn(&mut Snapshot) -> &mut M,
    /// Whether a change concerns every namespace, not only the object's own.
    pub(super) everywhere: bool,
    /// Whether every write is told, also one that changes nothing that is held: marks that somebody removed are drift.
    pub(super) tells_every_write: bool,
    /// What this feed put into the table.
    pub(super) held: BTreeSet<Key>,
}

/// Failures in a row after which a source that once worked no longer counts as complete.
const PATIENCE: u32 = 3;

/// How long a source that cannot be read is left alone.
const RELIST_AFTER: Duration = Duration::from_secs(5);

impl<K, T, M> Feed<K, T, M>
where
    K: kube::Resource + Clone + Debug,
    M: Table<T>,
{
    /// Follows this kind for ever. What is held stays while the watch is broken; a relist sweeps what it no longer shows.
    pub(super) async fn follow<S>(&mut self, store: &Store, watch: impl Fn() -> S)
    where
        S: Stream<Item = watcher::Result<Event<K>>>,
    {
        loop {
            let reason = self.follow_until_unreadable(store, watch()).await;
            warn!(source = ?self.source.0, reason, "a source cannot be read; what is held is kept");
            self.set_availability(store, Availability::Unreadable(reason));
            // Start anew with a list: a watch that resumes says nothing until an object changes.
            tokio::time::sleep(RELIST_AFTER + Duration::from_millis(fastrand::u64(0..1000))).await;
        }
    }

    async fn follow_until_unreadable(
        &mut self,
        store: &Store,
        events: impl Stream<Item = watcher::Result<Event<K>>>,
    ) -> String {
        let events = events.default_backoff();
        futures::pin_mut!(events);
        let mut seen: BTreeSet<Key> = BTreeSet::new();
        let mut failures = 0;
        while let Some(event) = events.next().await {
            // A list that begins has answered nothing yet.
            if !matches!(event, Err(_) | Ok(Event::Init)) {
                failures = 0;
            }
            match event {
                Ok(Event::Init) => seen.clear(),
                Ok(Event::InitApply(object)) => {
                    seen.insert(self.key(&object));
                    self.put(store, &object);
                }
                Ok(Event::InitDone) => {
                    self.sweep(store, &seen);
                    self.set_availability(store, Availability::Synced);
                }
                Ok(Event::Apply(object)) => self.put(store, &object),
                Ok(Event::Delete(object)) => {
                    self.forget(store, &self.key(&object));
                }
                Err(error) => {
                    failures += 1;
                    debug!(source = ?self.source.0, %error, failures, "a watch failed and starts again");
                    if let Some(reason) = refusal(&error) {
                        return reason;
                    }
                    if failures >= PATIENCE {
                        return error.to_string();
                    }
                }
            }
        }
        "the watch ended".to_owned()
    }

    /// Forgets everything of this kind: the cluster no longer serves it.
    pub(super) fn clear(&mut self, store: &Store) {
        self.sweep(store, &BTreeSet::new());
        self.set_availability(store, Availability::NotServed);
    }

    fn put(&mut self, store: &Store, object: &K) {
        let key = self.key(object);
        let Some(value) = (self.read)(object) else { return self.forget(store, &key) };
        store.update(|snapshot| {
            let changed = (self.table)(snapshot).put(&key, value);
            (changed || self.tells_every_write).then(|| self.change(&key.0))
        });
        self.held.insert(key);
    }

    fn forget(&mut self, store: &Store, key: &Key) {
        if self.held.remove(key) {
            store.update(|snapshot| (self.table)(snapshot).forget(key).then(|| self.change(&key.0)));
        }
    }

    fn sweep(&mut self, store: &Store, seen: &BTreeSet<Key>) {
        let gone: Vec<Key> = self.held.difference(seen).cloned().collect();
        gone.iter().for_each(|key| self.forget(store, key));
    }

    fn set_availability(&self, store: &Store, availability: Availability) {
        store.set_availability(self.source, availability);
    }

    fn key(&self, object: &K) -> Key {
        let name = format!("{}{}", self.prefix, object.name_any());
        (Arc::from(object.namespace().unwrap_or_default()), Arc::from(name))
    }

    fn change(&self, namespace: &Arc<str>) -> Change {
        if self.everywhere { Change::Everywhere } else { Change::Namespace(namespace.clone()) }
    }
}

/// Why the API server will not let us read, if that is what an error says: waiting does not help.
fn refusal(error: &watcher::Error) -> Option<String> {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        _ => return None,
    };
    matches!(status.code, 401 | 403 | 404).then(|| status.message.clone())
}
