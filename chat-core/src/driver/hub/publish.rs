//! Publishes under the server's own name.

use std::sync::Arc;

use futures::channel::oneshot;

use super::cluster::lanes::gone;
use super::fanout::flush;
use super::place::append;
use super::shared::Shared;
use super::store::appended::{Waits, not_stored};
use super::store::defer::{defer, enter_next};
use super::store::writing::arrival;
use crate::model::{ChannelId, Publish, Published, Refusal};

/// Publishes one message, as [`Hub::publish_with`](crate::Hub::publish_with) documents.
pub(super) fn publish(shared: &Arc<Shared>, publish: Publish) -> Published {
    publish_into(shared, publish, &mut Dirty::new(shared))
}

/// Publishes many messages, as [`Hub::publish_batch`](crate::Hub::publish_batch) documents.
pub(super) fn publish_batch(shared: &Arc<Shared>, all: impl IntoIterator<Item = Publish>) -> Vec<Published> {
    let mut dirty = Dirty::new(shared);
    all.into_iter().map(|publish| publish_into(shared, publish, &mut dirty)).collect()
}

/// Publishes and waits for the store, as [`Hub::publish_durable`](crate::Hub::publish_durable) documents.
pub(super) async fn publish_durable(shared: &Arc<Shared>, publish: Publish) -> Result<Published, Refusal> {
    let channel = publish.channel.clone();
    let options = shared.options(&channel);
    let appended = match enter_next(shared, &channel, options) {
        Some(entry) => {
            let appended = append(shared, publish, None, entry, true);
            if appended.flush {
                flush(shared, &channel);
            }
            appended
        }
        None => {
            let (tell, told) = oneshot::channel();
            defer(shared, publish, options, Some(tell));
            told.await.map_err(|_| Refusal::internal("it was not published, since the store was given up"))?
        }
    };
    match appended.stored {
        Waits::No => {}
        Waits::Never => return Err(not_stored()),
        Waits::For(stored) => arrival(shared, stored).await?,
        Waits::Placed(place) => return place.await.unwrap_or_else(|_| Err(gone())),
        Waits::Refused(refusal) => return Err(refusal),
    }
    Ok(appended.published)
}

fn publish_into(shared: &Arc<Shared>, publish: Publish, dirty: &mut Dirty<'_>) -> Published {
    let options = shared.options(&publish.channel);
    let Some(entry) = enter_next(shared, &publish.channel, options) else {
        defer(shared, publish, options, None);
        return Published::Deferred;
    };
    let channel = publish.channel.clone();
    let appended = append(shared, publish, None, entry, false);
    if appended.flush {
        dirty.channels.push(channel);
    }
    appended.published
}

/// Holds the channels that were published to. Dropping it flushes them, whatever happens: no other task would
/// flush them.
struct Dirty<'a> {
    shared: &'a Arc<Shared>,
    channels: Vec<ChannelId>,
}

impl<'a> Dirty<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        Self { shared, channels: Vec::new() }
    }
}

impl Drop for Dirty<'_> {
    fn drop(&mut self) {
        self.channels.iter().for_each(|channel| flush(self.shared, channel));
    }
}
