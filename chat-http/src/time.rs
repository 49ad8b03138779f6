//! Waits for a bounded time, on whatever runtime a hub stands on.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use chat_core::Runtime;
use futures::future::{Either, select};

/// Runs a future for at most `patience`, and returns its output; none if that time is over before. Dropping
/// it drops the future.
///
/// ```
/// use std::{future::{pending, ready}, sync::Arc, time::Duration};
///
/// use chat_core::{Runtime, testkit::World};
/// use chat_http::within;
///
/// let world = World::new();
/// let runtime: Arc<dyn Runtime> = Arc::new(world.clone());
/// world.run(async move {
///     assert_eq!(within(&*runtime, Duration::from_secs(1), ready(7)).await, Some(7));
///     assert_eq!(within(&*runtime, Duration::from_secs(1), pending::<u8>()).await, None);
/// });
/// ```
pub async fn within<F: Future>(runtime: &dyn Runtime, patience: Duration, future: F) -> Option<F::Output> {
    let sleep = runtime.sleep_until(runtime.now().after(patience));
    match select(pin!(future), sleep).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
