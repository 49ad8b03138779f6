//! Holds what one node has: an address, a connection while there is one, and the channels it has joined.

use std::sync::{Arc, Mutex, PoisonError};

use chat_core::broker::BrokerError;

use crate::address::Address;
use crate::calls::Calls;
use crate::error::ConnectError;
use crate::interest::Interest;
use crate::lasts::Lasts;

/// Connects one node to the others over NATS: see the [crate's documentation](crate).
#[derive(Debug)]
pub struct NatsBroker {
    pub(crate) address: Address,
    pub(crate) interest: Interest,
    pub(crate) lasts: Lasts,
    /// Holds the connection, or why there is none.
    calls: Mutex<Result<Arc<Calls>, BrokerError>>,
}

impl NatsBroker {
    /// Connects to the server of a URL: `nats://user:password@host:port`, or `tls://`, with the parameters
    /// that the README lists, and makes the streams if there are none. It needs a Tokio runtime, as all that
    /// follows does.
    ///
    /// The connection is for calls until [`run`](chat_core::broker::Broker::run) makes the one that it keeps
    /// up. A node that is to start while its server is away tries again.
    ///
    /// # Errors
    /// Fails if the URL is not understood, if the server does not answer within 5 s or does not let us in, or
    /// if it cannot be used: it is older than 2.9, has no JetStream, is one of several, does not let us hear
    /// what it must, or has streams of these names that are made otherwise.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let address = Address::parse(url)?;
        let calls = Calls::open(&address).await?;
        let calls = Mutex::new(Ok(Arc::new(calls)));
        Ok(Self { address, interest: Interest::default(), lasts: Lasts::default(), calls })
    }

    /// Returns the connection for questions.
    ///
    /// # Errors
    /// Fails if there is none, with the reason.
    pub(crate) fn calls(&self) -> Result<Arc<Calls>, BrokerError> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says how questions are asked from now on. What was known of the channels is forgotten.
    pub(crate) fn set_calls(&self, calls: Result<Arc<Calls>, BrokerError>) {
        self.lasts.forget_all();
        // What was there may end a task when it is dropped, which is done without the lock.
        let mut slot = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *slot, calls);
        drop(slot);
        drop(before);
    }
}
