//! Calls the store with a deadline, and counts its failures.

use futures::future::{Either, select};

use crate::driver::hub::shared::Shared;
use crate::driver::trace;
use crate::model::{ChannelId, Offset};
use crate::port::StoreError;

/// Returns what the store gives, if it does so within [`store_timeout`](crate::Limits::store_timeout). A
/// failure is counted here.
pub(crate) async fn in_time<T>(
    shared: &Shared,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let deadline = shared.runtime.after(shared.limits.store_timeout);
    let sleep = shared.runtime.sleep_until(deadline);
    let error = match select(std::pin::pin!(asked), sleep).await {
        Either::Left((Ok(value), _)) => return Ok(value),
        Either::Left((Err(error), _)) => error,
        Either::Right(_) => StoreError::new("the store takes too long"),
    };
    count_failure(shared, &error);
    Err(error)
}

/// Counts a failure of the store, and traces it.
pub(crate) fn count_failure(shared: &Shared, error: &impl std::error::Error) {
    shared.metrics.store_errors.add(1);
    trace::store_failed(error);
}

/// Drops what is stored of a channel before this offset.
pub(crate) async fn trim(shared: &Shared, channel: &ChannelId, before: Offset) -> Result<(), StoreError> {
    match &shared.store {
        Some(store) => in_time(shared, store.call(|store| store.trim(channel, before))).await,
        None => Ok(()),
    }
}
