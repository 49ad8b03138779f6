//! Counts what clients have sent of messages that are not complete yet, over all transports together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::intakes::Holding;
use super::permit::Permit;
use super::shared::Shared;
use crate::driver::outbox::control::Manner;
use crate::model::{Close, SessionId};

/// Counts what one transport holds of a message that is not complete yet, or of a body, against
/// [`Limits::total_input_bytes`](crate::Limits::total_input_bytes). Dropping it gives all of it back.
/// Adapters use it.
pub struct Intake {
    shared: Arc<Shared>,
    session: Option<SessionId>,
    holding: Option<Box<Holding>>,
}

impl Permit {
    /// Returns a count of what this session's transport holds of messages that are not complete yet.
    pub fn intake(&self) -> Intake {
        Intake::new(self.shared().clone(), Some(self.id()))
    }
}

impl Intake {
    pub(crate) fn new(shared: Arc<Shared>, session: Option<SessionId>) -> Self {
        Self { shared, session, holding: None }
    }

    /// Sets how much is held now, in bytes. This takes a lock of the hub's, unless nothing changes. Returns
    /// false if the bytes must not be held: then they are to be dropped, and their sender told.
    ///
    /// If that is too much over all transports, the sessions whose messages were begun first close with 1013,
    /// until a tenth of the bound is free.
    pub fn hold(&mut self, bytes: usize) -> bool {
        let before = self.holding.as_ref().map_or(0, |holding| holding.bytes);
        if bytes == before {
            return !self.is_given_up();
        }
        let shared = &self.shared;
        let bound = shared.limits.total_input_bytes;
        let (fits, given_up) = shared.intakes.set(self.session, &mut self.holding, bytes, bound);
        given_up.into_iter().for_each(|session| cut(shared, session));
        if !fits && self.session.is_none() {
            shared.metrics.cut_short("input");
        }
        (fits || self.session.is_some()) && !self.is_given_up()
    }

    /// Returns true if it was given up for others: what is held is to be dropped.
    pub fn is_given_up(&self) -> bool {
        self.holding.as_ref().is_some_and(|holding| holding.given_up.load(Ordering::Relaxed))
    }
}

/// Closes a session whose message was begun first.
fn cut(shared: &Shared, session: SessionId) {
    shared.metrics.cut_short("input");
    if let Some(outbox) = shared.permits.outbox(session) {
        outbox.request_close(Close::TRY_AGAIN, Manner::AtOnce);
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.hold(0);
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.holding.as_ref().map_or(0, |holding| holding.bytes);
        f.debug_struct("Intake")
            .field("session", &self.session)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}
