//! Drains a hub: every session gets what waits for it, and not all clients reconnect at once.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};

use super::cluster::telling::tell_the_rest;
use super::shared::Shared;
use super::store::close::close_store;
use crate::driver::outbox::Outbox;
use crate::driver::outbox::control::{Manner, Order};
use crate::model::{Answer, Close, SessionId};

/// Sets how many sessions are closed in a second, unless half the patience is too short for that.
const PACE: f64 = 500.0;

/// Bounds how long the store may take for what is left to be stored, and the broker for what is left to be
/// told.
const CLOSE_STORE: Duration = Duration::from_secs(5);

/// Groups sessions: those that are due within this time are closed together.
const TICK: Duration = Duration::from_millis(10);

/// Sets when clients are told to reconnect: the earliest, and how much later at most.
const COME_BACK: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// Drains the hub, as [`Hub::drain`](crate::Hub::drain) documents.
pub(crate) async fn drain(shared: &Arc<Shared>, patience: Duration) -> usize {
    let gone = shared.permits.drain();
    let end = shared.runtime.sleep_until(shared.runtime.after(patience));
    let leaving = async {
        let telling = std::pin::pin!(see_off(shared, patience / 2));
        // When all sessions are gone there is none left to tell.
        if let Either::Right((_, gone)) = select(std::pin::pin!(gone.recv()), telling).await {
            let _ = gone.await;
        }
    };
    select(Box::pin(leaving), end).await;
    let left = shared.permits.outboxes();
    for outbox in &left {
        outbox.abandon();
    }
    tell_the_rest(shared, CLOSE_STORE).await;
    // Its failure is counted and traced; who drains learns how many sessions were left.
    let _ = close_store(shared, CLOSE_STORE).await;
    left.len()
}

async fn see_off(shared: &Arc<Shared>, longest: Duration) {
    let mut leaving = Leaving::of(shared);
    let all = leaving.sessions.len().max(1) as f64;
    let pause = Duration::from_secs_f64(longest.as_secs_f64().min(all / PACE) / all);
    let mut at = shared.runtime.instant();
    while leaving.see_off_next(shared.runtime.random()) {
        at += pause;
        if at > shared.runtime.instant() + TICK {
            shared.runtime.sleep_until(at).await;
        }
    }
}

/// Holds the sessions that have not been told yet, the first one last. Those that are left when this is
/// dropped are closed then. This keeps neither a session nor its transport alive.
struct Leaving {
    shared: Arc<Shared>,
    sessions: Vec<SessionId>,
}

impl Leaving {
    fn of(shared: &Arc<Shared>) -> Self {
        let mut all = shared.permits.outboxes();
        all.sort_by_key(|outbox| outbox.stalled().is_some());
        Self { shared: shared.clone(), sessions: all.iter().map(|outbox| outbox.session).collect() }
    }

    /// Takes out the next session that is still there.
    fn pop(&mut self) -> Option<Arc<Outbox>> {
        std::iter::from_fn(|| self.sessions.pop()).find_map(|session| self.shared.permits.outbox(session))
    }

    /// Tells the next session when to reconnect, and closes it. Returns false if none is left.
    fn see_off_next(&mut self, random: u64) -> bool {
        let Some(outbox) = self.pop() else { return false };
        let jitter = random % COME_BACK.1.as_millis() as u64;
        let answer = Answer::Goodbye { come_back: COME_BACK.0 + Duration::from_millis(jitter) };
        outbox.order(Order::Tell(answer));
        outbox.request_close(Close::GOING_AWAY, Manner::Graceful);
        true
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        while let Some(outbox) = self.pop() {
            outbox.request_close(Close::GOING_AWAY, Manner::Graceful);
        }
    }
}
