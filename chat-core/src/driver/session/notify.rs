//! Tells the endpoint of a session's joins and leaves, one after another.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::{BoxFuture, CatchUnwind};

use crate::driver::caught::{caught, discard};
use crate::driver::hub::shared::Shared;
use crate::model::{ChannelId, SharedInfo, UnsubscribeReason};

/// Holds what the endpoint is still to be told of a session's joins and leaves: nearly always nothing.
#[derive(Default)]
pub(crate) struct Notifications(Option<Box<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Notification>,
    running: Option<CatchUnwind<AssertUnwindSafe<BoxFuture<'static, ()>>>>,
}

/// Describes one join or leave, and who the session was then.
struct Notification {
    session: SharedInfo,
    channel: ChannelId,
    change: Change,
}

/// Names the changes that the endpoint is told of.
pub(crate) enum Change {
    Joined,
    Left(UnsubscribeReason),
}

impl Notifications {
    /// Calls the hooks that wait, in order, each once the one before has ended. Ready when none waits.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<()> {
        let Some(queue) = &mut self.0 else { return Poll::Ready(()) };
        loop {
            if let Some(running) = &mut queue.running {
                let ended = ready!(running.poll_unpin(cx).map_err(discard));
                // What is dropped here is the endpoint's.
                let dropped = caught(|| queue.running = None);
                if ended.is_err() || dropped.is_err() {
                    shared.metrics.hook_panics.add(1);
                }
            }
            let Some(next) = queue.waiting.pop_front() else { break };
            queue.running = Some(AssertUnwindSafe(next.hook(shared)).catch_unwind());
        }
        self.0 = None;
        Poll::Ready(())
    }

    /// Adds a notification. Returns how many wait.
    pub(crate) fn add(&mut self, session: SharedInfo, channel: ChannelId, change: Change) -> usize {
        let waiting = &mut self.0.get_or_insert_default().waiting;
        waiting.push_back(Notification { session, channel, change });
        waiting.len()
    }
}

impl Notification {
    fn hook(self, shared: &Shared) -> BoxFuture<'static, ()> {
        let Self { session, channel, change } = self;
        match change {
            Change::Joined => shared.endpoint.clone().subscribed(session, channel),
            Change::Left(why) => shared.endpoint.clone().unsubscribed(session, channel, why),
        }
    }
}
