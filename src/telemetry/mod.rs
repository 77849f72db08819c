//! Logs, metrics, health endpoints, shutdown.
