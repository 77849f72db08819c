//! The controller: reconcile as a list of named steps, status, Events, leader election.
