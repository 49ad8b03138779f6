//! Tells the endpoint of a session's joins and leaves, one after another.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::{BoxFuture, CatchUnwind};

use super::Session;
use crate::driver::caught::caught;
use crate::driver::hub::shared::Shared;
use crate::driver::outbox::control::Manner;
use crate::model::{ChannelId, Close, SharedInfo, UnsubscribeReason};

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
                let ended = ready!(running.poll_unpin(cx));
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
    fn add(&mut self, notification: Notification) -> usize {
        let waiting = &mut self.0.get_or_insert_default().waiting;
        waiting.push_back(notification);
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

impl Session {
    /// Notes a join or a leave for the endpoint. If too many wait, since a hook takes long while the server
    /// orders more, the session closes as slow.
    pub(crate) fn note(&mut self, channel: ChannelId, change: Change) {
        let session = self.state.info().expect("only an open session joins and leaves").clone();
        self.outbox.note_channels(self.state.channels().count());
        let waiting = self.notifications.add(Notification { session, channel, change });
        if waiting >= self.outbox.bound().frames {
            self.outbox.request_close(Close::SLOW, Manner::AtOnce);
        }
    }

    /// Continues to tell the endpoint of joins and leaves. Ready when it knows of all.
    pub(crate) fn notify(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.notifications.poll(cx, self.permit.shared())
    }
}
