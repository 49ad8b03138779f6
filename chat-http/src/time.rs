//! Waits for a bounded time, on whatever runtime a hub stands on, and reads the clock of those that go by the
//! system's.

use std::future::Future;
use std::pin::pin;
use std::sync::LazyLock;
use std::time::Duration;

use chat_core::runtime::{Instant, Runtime};
use futures::future::{Either, select};

/// Runs a future for at most `patience`, and returns its output; none if that time is over before. Dropping
/// it drops the future.
///
/// ```
/// use std::{future::{pending, ready}, sync::Arc, time::Duration};
///
/// use chat_core::testkit::World;
/// use chat_core::runtime::Runtime;
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
    let sleep = runtime.sleep_until(runtime.after(patience));
    match select(pin!(future), sleep).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// When this process first asked: the start of every clock in it.
static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// Returns an instant of the system's clock as runtimes count it that go by that clock. The inverse is
/// [`to_std`].
///
/// ```
/// use chat_http::{from_std, to_std};
///
/// let now = std::time::Instant::now();
/// assert_eq!(to_std(from_std(now)), now);
/// ```
pub fn from_std(instant: std::time::Instant) -> Instant {
    match instant.checked_duration_since(*START) {
        Some(after) => Instant::START + after,
        None => Instant::START.checked_sub(*START - instant).unwrap_or(Instant::START),
    }
}

/// Returns an instant of a runtime's as one of the system's clock.
pub fn to_std(instant: Instant) -> std::time::Instant {
    match instant >= Instant::START {
        true => *START + instant.since_start(),
        false => START.checked_sub(Instant::START - instant).unwrap_or(*START),
    }
}
