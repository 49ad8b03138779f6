//! Asks the broker for something with a deadline, and survives a broker that panics.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures::FutureExt;
use futures::future::{Either, select};

use super::Cluster;
use crate::driver::caught::discard;
use crate::driver::hub::shared::Shared;
use crate::driver::trace;
use crate::model::ChannelId;
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

/// Says a word to other nodes. A failure is counted here; a word that is lost is noticed by who misses it, or
/// not at all.
pub(super) async fn say(shared: &Shared, cluster: &Cluster, channel: Option<ChannelId>, text: String) {
    if let Err(error) = ask(shared, async { cluster.broker.tell(channel, text.into()).await }).await {
        shared.metrics.broker_errors.add(1);
        trace::broker_failed(&error);
    }
}
