//! Takes a publication into its channel at the place that the broker gave it.

use std::sync::Arc;

use crate::driver::hub::fanout::flush;
use crate::driver::hub::shared::Shared;
use crate::lock::lock;
use crate::machine::TakenIn;
use crate::model::{ChannelId, Publication};
use crate::port::broker::Stand;

/// Takes a publication into its channel, and flushes it. Returns false if the channel is to be compared with
/// the broker, since this one does not follow on the last.
pub(crate) fn take_in(
    shared: &Arc<Shared>,
    channel: &ChannelId,
    stand: Stand,
    publication: Option<Arc<Publication>>,
) -> bool {
    let now = shared.runtime.now();
    let taken = lock(shared.shard(channel)).take_in(channel, (stand.epoch, stand.offset), publication, now);
    match taken {
        TakenIn::Next { flush: true } => flush(shared, channel),
        TakenIn::Next { flush: false } | TakenIn::Known | TakenIn::Unheard => {}
        TakenIn::Astray => return false,
    }
    true
}
