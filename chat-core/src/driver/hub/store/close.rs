//! Closes the store in order, once nothing waits for it.

use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};

use super::Store;
use super::timely::count_failure;
use super::writing::{settle, take_outgoing};
use crate::driver::hub::shared::Shared;
use crate::lock::lock;
use crate::port::CloseStoreError;

/// Closes the store, as [`Hub::close_store`](crate::Hub::close_store) documents.
pub(crate) async fn close_store(shared: &Arc<Shared>, patience: Duration) -> Result<(), CloseStoreError> {
    let Some(store) = &shared.store else { return Ok(()) };
    let incarnation = shared.incarnation();
    let closing = async {
        all_settled(shared, store).await;
        store.call(|store| store.close(incarnation.name())).await
    };
    let sleep = shared.runtime.sleep_until(shared.runtime.after(patience));
    let failure = match select(std::pin::pin!(closing), sleep).await {
        Either::Left((Ok(()), _)) => {
            let whole = incarnation.is_whole() && shared.metrics.undeferred.read() == 0;
            return whole.then_some(()).ok_or(CloseStoreError::Unstored);
        }
        Either::Left((Err(error), _)) => CloseStoreError::Store(error),
        Either::Right(_) => {
            give_up(shared, store);
            CloseStoreError::TimedOut
        }
    };
    count_failure(shared, &failure);
    Err(failure)
}

async fn all_settled(shared: &Shared, store: &Store) {
    loop {
        let (tell, told) = oneshot::channel();
        lock(&store.writer.watchers).push(tell);
        if is_settled(shared, store) {
            return;
        }
        let _ = told.await;
    }
}

/// Returns true if nothing waits to be stored. The checks follow the way of a publication, so that none is
/// overlooked while it moves on.
fn is_settled(shared: &Shared, store: &Store) -> bool {
    lock(&store.backlog).is_empty()
        && shared.shards.iter().all(|shard| !lock(shard).has_outgoing())
        && lock(&store.writer.in_flight).is_none()
}

/// Counts all that waits as not stored.
fn give_up(shared: &Arc<Shared>, store: &Store) {
    let deferred = lock(&store.backlog).clear();
    shared.metrics.undeferred.add(deferred.len() as u64);
    drop(deferred);
    let mut settling = store.writer.give_up();
    settle(shared, settling.batch.take().unwrap_or_default(), false);
    settle(shared, take_outgoing(shared), false);
}
