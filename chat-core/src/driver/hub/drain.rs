//! How a hub ends: everybody gets what waits, and not all come back at once.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};

use crate::driver::hub::Hub;
use crate::driver::outbox::Outbox;
use crate::driver::outbox::control::{Manner, Order};
use crate::model::{Answer, Close, SessionId};

/// So many sessions are closed in a second, unless half the patience is too short for that.
const PACE: f64 = 500.0;

/// How long the store may take for what is left to be stored.
const CLOSE_STORE: Duration = Duration::from_secs(5);

/// Sessions that are to be closed within so long are closed together.
const TICK: Duration = Duration::from_millis(10);

/// When clients are told to come back: at the earliest, and how much later at most.
const COME_BACK: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

impl Hub {
    /// Lets nobody in any more, closes every session with 1001 once it has what waits for it, and returns when all are gone; at the latest
    /// after `patience`, with the number of those that were left, whose transports are then dropped.
    ///
    /// The closes are spread evenly, 500 a second or over half of `patience` if that is shorter, and each is told when to come back: at
    /// random, so that a crowd does not return as one. Those whose transport takes nothing just now are closed first; one that goes on taking
    /// nothing is let go after [`Limits::close_timeout`](crate::Limits::close_timeout). Dropping the future closes at once who is left.
    ///
    /// At the end the store is [closed](Self::close_store), for which it has five seconds more.
    pub async fn drain(&self, patience: Duration) -> usize {
        let gone = self.0.seats.drain();
        let end = self.0.runtime.sleep_until(self.0.runtime.now().after(patience));
        let leaving = async {
            let telling = std::pin::pin!(self.see_off(patience / 2));
            // When all are gone there is nobody left to tell.
            if let Either::Right((_, gone)) = select(std::pin::pin!(gone.recv()), telling).await {
                let _ = gone.await;
            }
        };
        select(Box::pin(leaving), end).await;
        let left = self.0.seats.outboxes();
        for outbox in &left {
            outbox.abandon();
        }
        self.close_store(CLOSE_STORE).await;
        left.len()
    }

    async fn see_off(&self, longest: Duration) {
        let mut leaving = Leaving::of(self);
        let all = leaving.sessions.len().max(1) as f64;
        let pause = Duration::from_secs_f64(longest.as_secs_f64().min(all / PACE) / all);
        let mut at = self.0.runtime.now().instant;
        while leaving.see_off_next(self.0.runtime.random()) {
            at += pause;
            if at > self.0.runtime.now().instant + TICK {
                self.0.runtime.sleep_until(at).await;
            }
        }
    }
}

/// Sessions that have not been told yet, the first one last. Whoever is left when this is dropped is told then. It keeps none of them, nor its transport.
struct Leaving {
    hub: Hub,
    sessions: Vec<SessionId>,
}

impl Leaving {
    fn of(hub: &Hub) -> Self {
        let mut all = hub.0.seats.outboxes();
        all.sort_by_key(|outbox| outbox.stalled().is_some());
        Self { hub: hub.clone(), sessions: all.iter().map(|outbox| outbox.session).collect() }
    }

    /// The next one that is still there.
    fn pop(&mut self) -> Option<Arc<Outbox>> {
        std::iter::from_fn(|| self.sessions.pop()).find_map(|session| self.hub.0.seats.outbox(session))
    }

    /// False if there is none left.
    fn see_off_next(&mut self, random: u64) -> bool {
        let Some(outbox) = self.pop() else { return false };
        let jitter = random % COME_BACK.1.as_millis() as u64;
        let answer = Answer::Goodbye { come_back: COME_BACK.0 + Duration::from_millis(jitter) };
        outbox.order(Order::Tell(answer));
        outbox.condemn(Close::GOING_AWAY, Manner::Graceful);
        true
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        while let Some(outbox) = self.pop() {
            outbox.condemn(Close::GOING_AWAY, Manner::Graceful);
        }
    }
}
