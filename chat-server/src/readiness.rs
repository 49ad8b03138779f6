//! Tells load balancers whether the server takes new clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use chat_core::{Hub, WeakHub};

/// Is shared by the path that tells it and by the one who stops the server.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    hub: WeakHub,
    stopping: Arc<AtomicBool>,
}

/// Bounds how long a server without its broker still takes new clients: those that are there go on, and a
/// broker that restarts is back sooner.
const PATIENCE: Duration = Duration::from_secs(10);

impl Readiness {
    pub(crate) fn of(hub: &Hub) -> Self {
        Self { hub: hub.downgrade(), stopping: Arc::default() }
    }

    /// Says from now on that the server takes no new clients.
    pub(crate) fn end(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Returns 200 while the server takes new clients, and 503 once it stops, or while it has been without
    /// its broker for too long.
    pub(crate) fn answer(&self) -> (StatusCode, &'static str) {
        let deaf = self.hub.upgrade().and_then(|hub| hub.deaf_for());
        match self.stopping.load(Ordering::Relaxed) {
            true => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
            false if deaf > Some(PATIENCE) => (StatusCode::SERVICE_UNAVAILABLE, "the broker is away\n"),
            false => (StatusCode::OK, "ready\n"),
        }
    }
}
