//! A hub's store, as the hub calls it: what goes wrong there is a failure that is told, whatever it is.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};

use crate::driver::hub::Hub;
use crate::driver::hub::deferred::Backlog;
use crate::driver::hub::entry::Loads;
use crate::driver::hub::writer::Writer;
use crate::driver::trace;
use crate::machine::Incarnation;
use crate::model::{ChannelId, Offset};
use crate::port::{HistoryStore, StoreError};

pub(crate) struct Archive {
    store: Arc<dyn HistoryStore>,
    pub(crate) loads: Loads,
    /// Holds what the server published to channels that have to be restored first.
    pub(crate) backlog: Mutex<Backlog>,
    pub(crate) writer: Writer,
}

impl Archive {
    pub(crate) fn new(store: Arc<dyn HistoryStore>) -> Self {
        Self { store, loads: Loads::default(), backlog: Mutex::default(), writer: Writer::default() }
    }

    /// Calls the store. Its panics are failures like any other.
    pub(crate) async fn call<T>(
        &self,
        what: impl FnOnce(&dyn HistoryStore) -> BoxFuture<'_, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let called = AssertUnwindSafe(async { what(&*self.store).await }).catch_unwind();
        called.await.unwrap_or_else(|_| Err(StoreError("the store panicked".into())))
    }

    /// The hub's life in this store.
    pub(crate) fn incarnation<'a>(&self, hub: &'a Hub) -> &'a Incarnation {
        hub.0.common.incarnation.as_ref().expect("a hub with a store has a life in it")
    }
}

impl Hub {
    /// The store, for what is only done with one.
    pub(crate) fn archive(&self) -> &Archive {
        self.0.archive.as_ref().expect("only a store makes a channel stored")
    }

    /// What the store gives, if it does so in time. What goes wrong is reported here.
    pub(crate) async fn in_time<T>(&self, asked: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        let deadline = self.0.runtime.now().after(self.0.limits.store_timeout);
        let sleep = self.0.runtime.sleep_until(deadline);
        let error = match select(std::pin::pin!(asked), sleep).await {
            Either::Left((Ok(value), _)) => return Some(value),
            Either::Left((Err(error), _)) => error,
            Either::Right(_) => StoreError("the store takes too long".into()),
        };
        self.store_failed(&error);
        None
    }

    pub(crate) fn store_failed(&self, error: &StoreError) {
        self.0.metrics.store_errors.add(1);
        trace::store_failed(error);
    }

    /// Drops what is stored of a channel before this place, if there is a store. False if the store failed.
    pub async fn trim(&self, channel: &ChannelId, before: Offset) -> bool {
        match &self.0.archive {
            Some(archive) => self.in_time(archive.call(|store| store.trim(channel, before))).await.is_some(),
            None => true,
        }
    }
}
