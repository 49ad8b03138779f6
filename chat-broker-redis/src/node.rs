//! Holds what one node has: an address, a connection while there is one, and the channels it has joined.

use std::sync::{Arc, Mutex, PoisonError};

use chat_core::broker::BrokerError;

use crate::address::Address;
use crate::calls::Calls;
use crate::error::ConnectError;
use crate::interest::Interest;

/// Connects one node to the others over Redis: see the [crate's documentation](crate).
#[derive(Debug)]
pub struct RedisBroker {
    pub(crate) address: Address,
    pub(crate) interest: Interest,
    /// Holds the connection for questions, or why there is none.
    calls: Mutex<Result<Arc<Calls>, BrokerError>>,
}

impl RedisBroker {
    /// Connects to the server of a URL: `redis://user:password@host:port/database`, or `rediss://` for TLS,
    /// with the parameters `prefix` and `durable=aof`. It needs a Tokio runtime, as all that follows does.
    ///
    /// The connection is for calls until [`run`](chat_core::broker::Broker::run) makes those that it keeps
    /// up. A node that is to start while its server is away tries again.
    ///
    /// # Errors
    /// Fails if the URL is not understood, if the server does not answer within 5 s or does not let us in, or
    /// if it cannot be used: it is older than Redis 7, a replica, or keeps no log and `durable=aof` says so.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let address = Address::parse(url)?;
        let calls = Calls::open(&address).await?;
        let calls = Mutex::new(Ok(Arc::new(calls)));
        Ok(Self { address, interest: Interest::default(), calls })
    }

    /// Returns the connection for questions.
    ///
    /// # Errors
    /// Fails if there is none, with the reason.
    pub(crate) fn calls(&self) -> Result<Arc<Calls>, BrokerError> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says how questions are asked from now on.
    pub(crate) fn set_calls(&self, calls: Result<Arc<Calls>, BrokerError>) {
        // What was there may end a task when it is dropped, which is done without the lock.
        let mut slot = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *slot, calls);
        drop(slot);
        drop(before);
    }
}
