//! Asks the broker for something with a deadline, and survives a broker that panics.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures::FutureExt;
use futures::future::{Either, select};

use crate::driver::caught::discard;
use crate::driver::hub::shared::Shared;
use crate::port::broker::{BrokerError, BrokerFault};

/// Returns what the broker answers, if it does so as soon as a store has to. What was asked for may have
/// happened in any case.
pub(super) async fn ask<T>(
    shared: &Shared,
    asked: impl Future<Output = Result<T, BrokerError>>,
) -> Result<T, BrokerError> {
    let sleep = shared.runtime.sleep_until(shared.runtime.after(shared.limits.store_timeout));
    let asked = pin!(AssertUnwindSafe(asked).catch_unwind());
    let wrong = match select(asked, sleep).await {
        Either::Left((Ok(answer), _)) => return answer,
        Either::Left((Err(panic), _)) => {
            discard(panic);
            "the broker panicked"
        }
        Either::Right(_) => "the broker takes too long",
    };
    Err(BrokerError::new(BrokerFault::Unavailable, wrong))
}
