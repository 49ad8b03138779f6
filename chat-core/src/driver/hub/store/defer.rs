//! Defers what a server publishes to channels that have to be restored first, and publishes it in the
//! server's order.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::channel::oneshot;
use futures::future::{Either, select};

use super::appended::Appended;
use super::backlog::Deferred;
use super::enter::{enter, enter_now};
use super::entry::Entry;
use crate::driver::hub::fanout::flush;
use crate::driver::hub::place::append;
use crate::driver::hub::shared::Shared;
use crate::lock::lock;
use crate::model::{ChannelId, ChannelOptions, Publish};

/// Bounds the publications that wait for channels to be restored and that no caller waits for.
const DEFERRED: usize = 1024;

/// Publishes once the channel is restored and what the server published there before has gone. If too much
/// waits already, the publication is dropped and counted.
pub(crate) fn defer(
    shared: &Arc<Shared>,
    publish: Publish,
    options: ChannelOptions,
    tell: Option<oneshot::Sender<Appended>>,
) {
    let channel = publish.channel.clone();
    let mut backlog = lock(&shared.stored().backlog);
    let unasked = usize::from(tell.is_none());
    if backlog.unasked + unasked > DEFERRED {
        drop(backlog);
        shared.metrics.undeferred.add(1);
        return;
    }
    backlog.unasked += unasked;
    let deferred = Deferred { publish, tell };
    if let Some(lane) = backlog.lanes.get_mut(&channel) {
        lane.push_back(deferred);
        return;
    }
    backlog.lanes.insert(channel.clone(), VecDeque::from([deferred]));
    let (passed, passes) = oneshot::channel();
    let before = backlog.newest.replace(passes);
    drop(backlog);
    let lane = Lane { shared: shared.clone(), channel, options, ended: false };
    shared.runtime.spawn(Box::pin(lane.run(before, passed)));
}

/// Returns the entry to a channel for what the server publishes next, if nothing that it published there
/// before waits.
pub(crate) fn enter_next(
    shared: &Arc<Shared>,
    channel: &ChannelId,
    options: ChannelOptions,
) -> Option<Entry> {
    if shared.is_clustered(options) {
        return Some(Entry { channel: channel.clone(), options, pin: None });
    }
    let store = shared.store.as_ref();
    let behind = store.is_some_and(|store| lock(&store.backlog).lanes.contains_key(channel));
    if behind { None } else { enter_now(shared, channel, options) }
}

/// Publishes what waits for one channel. However its task ends, the lane is off the list, and what it did not
/// publish is counted.
struct Lane {
    shared: Arc<Shared>,
    channel: ChannelId,
    options: ChannelOptions,
    /// Is true once the lane is off the list.
    ended: bool,
}

impl Lane {
    /// Publishes after the lane before it, unless that one's channel takes longer than a quarter of
    /// [`store_timeout`](crate::Limits::store_timeout): so a server's publications go out in its order over
    /// all channels, and a slow channel holds up no other for long. `passed` is dropped when the next may go.
    async fn run(mut self, before: Option<oneshot::Receiver<()>>, passed: oneshot::Sender<()>) {
        let runtime = self.shared.runtime.clone();
        let patience = runtime.sleep_until(runtime.after(self.shared.limits.store_timeout / 4));
        let entering = Box::pin(enter(self.shared.clone(), self.channel.clone(), self.options));
        let turn = async {
            if let Some(before) = before {
                let _ = before.await;
            }
        };
        let entry = match select(entering, patience).await {
            Either::Left((entry, _)) => {
                turn.await;
                entry
            }
            Either::Right(((), entering)) => {
                turn.await;
                drop(passed);
                entering.await
            }
        };
        while let Some(Deferred { publish, tell }) = self.take_next() {
            let appended = append(&self.shared, publish, None, entry.again(), tell.is_some());
            if appended.flush {
                flush(&self.shared, &self.channel);
            }
            // A caller that waits no more need not know.
            let _ = tell.map(|tell| tell.send(appended));
        }
        drop(entry);
    }

    /// Takes the next publication out. Later ones go behind it; once none waits, the lane is off the list.
    fn take_next(&mut self) -> Option<Deferred> {
        let mut backlog = lock(&self.shared.stored().backlog);
        let next = backlog.lanes.get_mut(&self.channel).and_then(VecDeque::pop_front);
        match &next {
            Some(next) => backlog.unasked -= usize::from(next.tell.is_none()),
            None => {
                backlog.lanes.remove(&self.channel);
                self.ended = true;
            }
        }
        next
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let store = self.shared.stored();
        if !self.ended {
            let mut backlog = lock(&store.backlog);
            let left = backlog.lanes.remove(&self.channel).unwrap_or_default();
            backlog.unasked -= left.iter().filter(|deferred| deferred.tell.is_none()).count();
            drop(backlog);
            self.shared.metrics.undeferred.add(left.len() as u64);
        }
        store.writer.wake_watchers();
    }
}
