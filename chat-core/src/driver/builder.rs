//! What a hub is made of.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use super::encoding::Encodings;
use super::hooks::AnyEndpoint;
use super::hub::{Hub, Inner};
use super::metrics::Metrics;
use super::seats::Seats;
use crate::machine::Shard;
use crate::model::{Limits, SenderName};
use crate::port::{Endpoint, Runtime};

/// Settings of a [`Hub`], all with defaults.
pub struct HubBuilder {
    endpoint: Arc<dyn AnyEndpoint>,
    limits: Limits,
    shards: usize,
    name: SenderName,
}

impl HubBuilder {
    pub(crate) fn new(endpoint: impl Endpoint) -> Self {
        let name = "server".parse().expect("a name");
        Self { endpoint: Arc::new(endpoint), limits: Limits::default(), shards: 64, name }
    }

    /// The bounds.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Over how many locks the channels are spread: 64 unless told, at least 1.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards.max(1);
        self
    }

    /// The name under which the server itself publishes: `server` unless told.
    pub fn name(mut self, name: SenderName) -> Self {
        self.name = name;
        self
    }

    /// The hub, on this runtime.
    pub fn build(self, runtime: impl Runtime) -> Hub {
        let shards = (0..self.shards).map(|_| Mutex::new(Shard::new(runtime.random()))).collect();
        Hub(Arc::new(Inner {
            shards,
            shard_key: runtime.random(),
            endpoint: self.endpoint,
            runtime: Arc::new(runtime),
            limits: self.limits,
            name: self.name,
            metrics: Metrics::default(),
            encodings: Encodings::default(),
            seats: Seats::default(),
            next_session: AtomicU64::new(1),
        }))
    }
}
