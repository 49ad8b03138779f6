//! Holds channels that the server subscribes a session to once they are restored from the store.

use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::driver::hub::store::entry::Entry;
use crate::model::{ChannelId, Subscribe};

/// Holds the channels that are still being restored: nearly always none.
#[derive(Default)]
#[expect(clippy::box_collection, reason = "an idle session has one word for it")]
pub(crate) struct Coming(Option<Box<Vec<Entering>>>);

/// Holds a channel that is being restored. If the session is taken out of it meanwhile, this is dropped.
struct Entering {
    request: Subscribe,
    entry: BoxFuture<'static, Entry>,
}

impl Coming {
    /// Adds a channel, unless it is there already, or `most` are.
    pub(crate) fn add(
        &mut self,
        request: Subscribe,
        most: usize,
        enter: impl FnOnce() -> BoxFuture<'static, Entry>,
    ) {
        let all = self.0.get_or_insert_default();
        let is_known = all.iter().any(|entering| entering.request.channel == request.channel);
        if !is_known && all.len() < most {
            all.push(Entering { request, entry: enter() });
        }
    }

    /// Takes out a channel that is restored.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Subscribe, Entry)> {
        let Some(all) = &mut self.0 else { return Poll::Pending };
        for place in 0..all.len() {
            if let Poll::Ready(entry) = all[place].entry.poll_unpin(cx) {
                return Poll::Ready((all.swap_remove(place).request, entry));
            }
        }
        self.0.take_if(|all| all.is_empty());
        Poll::Pending
    }

    pub(crate) fn remove(&mut self, channel: &ChannelId) {
        if let Some(all) = &mut self.0 {
            all.retain(|entering| entering.request.channel != *channel);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}
