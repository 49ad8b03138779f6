//! Binds a hub to HTTP.

use std::sync::Arc;

use chat_core::Hub;

use crate::limits::{HttpLimits, HttpLimitsError};

/// Holds a hub and the bounds within which it is served over HTTP. A clone is cheap.
///
/// Gates, streams and listeners take it, or a [`Hub`] alone, which is served within the default bounds. A
/// server with bounds of its own makes one and gives it to each of them.
///
/// ```
/// use chat_core::{Hub, OpenChat, testkit::World};
/// use chat_http::{Gate, HttpHub, HttpLimits};
/// use chat_protocol::json::Json;
///
/// let hub = Hub::builder(OpenChat::default()).build(World::new());
/// let http = HttpHub::new(hub, HttpLimits::default().with_head_bytes(16 * 1024));
/// let gate = Gate::new(http, Json);
/// assert_eq!(gate.http().limits().head_bytes, 16 * 1024);
/// ```
#[derive(Clone, Debug)]
pub struct HttpHub {
    hub: Hub,
    limits: Arc<HttpLimits>,
}

impl HttpHub {
    /// Binds a hub to HTTP within these bounds.
    ///
    /// # Panics
    /// If nobody could come in within the bounds, with the text of [`HttpLimits::check`].
    /// [`try_new`](Self::try_new) returns that instead.
    pub fn new(hub: Hub, limits: HttpLimits) -> Self {
        Self::try_new(hub, limits)
            .unwrap_or_else(|error| panic!("no hub can be served within these limits: {error}"))
    }

    /// Binds a hub to HTTP within these bounds, or says why it cannot.
    ///
    /// # Errors
    /// If nobody could come in within the bounds: what [`HttpLimits::check`] says.
    pub fn try_new(hub: Hub, limits: HttpLimits) -> Result<Self, HttpLimitsError> {
        limits.check()?;
        Ok(Self { hub, limits: Arc::new(limits) })
    }

    /// Returns the hub.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Returns the bounds within which it is served.
    pub fn limits(&self) -> &HttpLimits {
        &self.limits
    }
}

/// Binds a hub to HTTP within the default bounds.
impl From<Hub> for HttpHub {
    fn from(hub: Hub) -> Self {
        Self { hub, limits: Arc::default() }
    }
}
