//! Lets sessions in for adapters, and counts the clients that never became one.

use std::fmt;
use std::sync::Arc;

use super::intake::Intake;
use super::permit::Permit;
use super::permits::Full;
use super::shared::Shared;

/// Gives an adapter what it needs of a hub before a client has a session. [`Hub::acceptor`] returns it.
///
/// ```
/// use chat_core::{Hub, OpenChat, testkit::World};
///
/// let hub = Hub::builder(OpenChat::default()).build(World::new());
/// let permit = hub.acceptor().permit().expect("the hub has room");
/// hub.acceptor().count_rejection(403); // of another client
/// assert_eq!(hub.stats().rejections[&403], 1);
/// ```
///
/// [`Hub::acceptor`]: crate::Hub::acceptor
pub struct Acceptor<'hub>(&'hub Arc<Shared>);

impl<'hub> Acceptor<'hub> {
    pub(crate) fn new(shared: &'hub Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Reserves a place for one more session, before the session is there, so that a full server can refuse
    /// it at once.
    ///
    /// # Errors
    /// If there are [`Limits::sessions`](crate::Limits::sessions) already, or the hub drains.
    pub fn permit(&self) -> Result<Permit, Full> {
        Permit::take(self.0)
    }

    /// Returns a count of what is held for a request that belongs to no session, such as one with a body.
    pub fn intake(&self) -> Intake {
        Intake::new(self.0.clone(), None)
    }

    /// Counts a client that was rejected before it had a session, with this HTTP status.
    pub fn count_rejection(&self, status: u16) {
        self.0.metrics.rejected(status);
    }

    /// Counts a connection that could not be accepted, such as for want of file descriptors.
    pub fn count_failed_accept(&self) {
        self.0.metrics.cut_short("accept");
    }
}

impl fmt::Debug for Acceptor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("sessions", &self.0.permits.count()).finish_non_exhaustive()
    }
}
