//! Calls a hub's store: whatever goes wrong there is returned as a failure.

pub(crate) mod appended;
pub(crate) mod backlog;
pub(crate) mod close;
pub(crate) mod defer;
pub(crate) mod enter;
pub(crate) mod entry;
pub(crate) mod timely;
pub(crate) mod writer;
pub(crate) mod writing;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;

use self::backlog::Backlog;
use self::writer::Writer;
use crate::driver::caught::{Panicked, discard};
use crate::port::{HistoryStore, StoreError};

/// Holds the store, and what is under way between it and the hub.
pub(crate) struct Store {
    store: Arc<dyn HistoryStore>,
    /// Holds what the server published to channels that have to be restored first.
    pub(crate) backlog: Mutex<Backlog>,
    pub(crate) writer: Writer,
}

impl Store {
    pub(crate) fn new(store: Arc<dyn HistoryStore>) -> Self {
        Self { store, backlog: Mutex::default(), writer: Writer::default() }
    }

    /// Calls the store. Its panics are failures like any other.
    pub(crate) async fn call<T>(
        &self,
        what: impl FnOnce(&dyn HistoryStore) -> BoxFuture<'_, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let called = AssertUnwindSafe(async { what(&*self.store).await }).catch_unwind();
        called.await.map_err(discard).unwrap_or_else(|Panicked| Err(StoreError::new("the store panicked")))
    }
}
