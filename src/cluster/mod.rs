//! The cluster over the wire: watches, slim caches, and writes with preconditions.
