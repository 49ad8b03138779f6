//! Holds the place of one session in a hub.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::opening::{Asked, ask};
use super::permits::Full;
use super::shared::Shared;
use crate::driver::outbox::Outbox;
use crate::model::{Connect, Peer, Refusal, SessionId};

/// Reserves a place for one session. Dropping it gives the place back.
///
/// ```
/// # use chat_core::testkit::World;
/// use chat_core::{Full, Hub, Limits, OpenChat};
/// let limits = Limits::default().with_sessions(1);
/// let hub = Hub::builder(OpenChat::default()).limits(limits).build(World::new());
/// let permit = hub.permit()?;
/// assert_eq!(hub.permit().err(), Some(Full::Sessions));
/// drop(permit);
/// assert!(hub.permit().is_ok());
/// # Ok::<(), Full>(())
/// ```
pub struct Permit {
    shared: Place,
    id: SessionId,
    peer: Option<Peer>,
    /// Gives the place back, if a [`HeldPermit`] may hold it too.
    held: Option<HeldPermit>,
    /// Holds what the endpoint was asked and answered before the session's transport was open.
    asked: Option<Box<Asked>>,
}

/// Keeps a permit taken although its session may be over: for what a transport holds longer than that, such
/// as a socket. A clone is cheap.
#[derive(Clone, Debug)]
pub struct HeldPermit {
    _place: Arc<Held>,
}

/// Refers to one place among a hub's sessions.
struct Place(Arc<Shared>);

/// Gives its place back when it is dropped.
#[derive(Debug)]
struct Held(Place);

impl Permit {
    /// Takes a place, under the next session number.
    pub(crate) fn take(shared: &Arc<Shared>) -> Result<Self, Full> {
        let id = SessionId(shared.next_session.fetch_add(1, Ordering::Relaxed));
        let taken = shared.permits.take(shared.limits.sessions);
        taken.inspect_err(|_| shared.metrics.turned_away.add(1))?;
        Ok(Self { shared: Place(shared.clone()), id, peer: None, held: None, asked: None })
    }

    /// Sets the peer that the client comes from: until its session is accepted, its rates and strikes
    /// continue those of that peer's other sessions that were not accepted. This is of no use where all
    /// clients come from one address, such as a proxy's.
    pub fn of_peer(mut self, peer: impl Into<Option<Peer>>) -> Self {
        self.peer = peer.into();
        self
    }

    /// Returns a handle that keeps the permit taken, beside the session that it is for.
    pub fn hold(&mut self) -> HeldPermit {
        let place = &self.shared.0;
        self.held.get_or_insert_with(|| HeldPermit { _place: Arc::new(Held(Place(place.clone()))) }).clone()
    }

    /// Returns the peer that the client comes from, if that is known.
    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// Returns the number that the session will have.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Asks the endpoint whether the client that sends this may connect, before its transport is open. The
    /// session that then begins with [`Credentials::Now`](crate::Credentials::Now) is accepted by this
    /// answer, and the endpoint is not asked again.
    ///
    /// Transports use it that can refuse a client with a status of their own, for protocols that [want it
    /// so](crate::Protocol::refuses_early). If the future is dropped early, nothing was asked.
    ///
    /// # Errors
    /// The endpoint's refusal; 100 if its hook panics, 103 if the name is the server's own, 106 if the user
    /// has [as many sessions](crate::Limits::user_sessions) as are allowed.
    pub async fn ask(&mut self, connect: &Connect) -> Result<(), Refusal> {
        let asked = ask(self.shared(), self.id, connect).await.inspect_err(|refusal| {
            self.shared().metrics.refused(refusal);
        })?;
        self.asked = Some(Box::new(asked));
        Ok(())
    }

    /// Takes out what the endpoint answered, if it was asked.
    pub(crate) fn take_asked(&mut self) -> Option<Asked> {
        self.asked.take().map(|asked| *asked)
    }

    /// Returns the hub that the permit belongs to.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared.0
    }

    /// Registers the session's outbox. Returns true if the hub has begun to drain since the permit was taken.
    pub(crate) fn sit(&self, outbox: Arc<Outbox>) -> bool {
        self.shared().permits.enlist(outbox)
    }

    /// Forgets the outbox of a session that is over, which keeps its transport. The permit stays taken until
    /// the endpoint was told.
    pub(crate) fn stand_up(&self) {
        self.shared().permits.forget(self.id);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("id", &self.id).field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.stand_up();
        if self.held.is_none() {
            self.shared().permits.give_back();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.permits.give_back();
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}
