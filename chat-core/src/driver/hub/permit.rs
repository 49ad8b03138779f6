//! Holds the place of one session in a hub.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::opening::{Asked, ask};
use super::permits::Full;
use super::shared::Shared;
use crate::driver::outbox::Outbox;
use crate::machine::{Record, Whose};
use crate::model::{BadRequest, Connect, Extensions, Peer, Refusal, SessionId};
use crate::port::Credentials;

/// Reserves a place for one session. Dropping it gives the place back.
///
/// ```
/// # use chat_core::testkit::World;
/// use chat_core::{Hub, Limits, OpenChat};
/// use chat_core::transport::Full;
/// let limits = Limits::default().with_sessions(1);
/// let hub = Hub::builder(OpenChat::default()).limits(limits).build(World::new());
/// let permit = hub.acceptor().permit()?;
/// assert_eq!(hub.acceptor().permit().err(), Some(Full::Sessions));
/// drop(permit);
/// assert!(hub.acceptor().permit().is_ok());
/// # Ok::<(), Full>(())
/// ```
pub struct Permit {
    shared: Place,
    id: SessionId,
    peer: Option<Peer>,
    /// Gives the place back, if a [`HeldPermit`] may hold it too.
    held: Option<HeldPermit>,
    /// Holds what the transport knows of the client before there is a session: one box, which the session
    /// takes out, so that one that is idle is not larger for it.
    early: Option<Box<Early>>,
}

/// Holds what is known of a client before its session begins.
#[derive(Default)]
pub(crate) struct Early {
    pub(crate) extensions: Extensions,
    /// Holds what the endpoint was asked and answered before the session's transport was open.
    pub(crate) asked: Option<Asked>,
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
        Ok(Self { shared: Place(shared.clone()), id, peer: None, held: None, early: None })
    }

    /// Sets the peer that the client comes from: until its session is accepted, its rates and strikes
    /// continue those of that peer's other sessions that were not accepted. This is of no use where all
    /// clients come from one address, such as a proxy's.
    pub fn of_peer(mut self, peer: impl Into<Option<Peer>>) -> Self {
        self.peer = peer.into();
        self
    }

    /// Sets what the transport knows of the client, such as the request by which it came. The endpoint is
    /// given this in [`Connect::extensions`], whether the client says who it is by its request or in its
    /// first message; the values are dropped once the endpoint has answered. Where the
    /// [`Connect`] of a transport has a value of the same type, that one counts.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use chat_core::testkit::{Script, Way, World};
    /// use chat_core::{Connect, Endpoint, Extensions, Hub, Identity, Refusal, SessionId};
    /// use chat_core::protocol::Credentials;
    ///
    /// /// Holds the user of a cookie, as a server's own middleware knows it.
    /// struct User(&'static str);
    ///
    /// struct Cookies;
    /// impl Endpoint for Cookies {
    ///     async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
    ///         let user = connect.extensions.get().map(|User(name)| *name);
    ///         Ok(Identity::named(user.ok_or_else(|| Refusal::unauthorized("log in first"))?.parse()?))
    ///     }
    /// }
    ///
    /// let world = World::new();
    /// let hub = Hub::builder(Cookies).build(world.clone());
    /// let permit = hub.acceptor().permit()?.with(Extensions::new().with(User("ann")));
    /// let ann = world.connect_on(permit, Arc::new(Script), Credentials::Later, Way::Bytes);
    /// ann.say("connect");
    /// assert_eq!(ann.heard(), ["connected 1 ann"]);
    /// # Ok::<(), chat_core::transport::Full>(())
    /// ```
    pub fn with(mut self, extensions: Extensions) -> Self {
        if self.early.is_some() || !extensions.is_empty() {
            self.early.get_or_insert_default().extensions = extensions;
        }
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

    /// Asks the endpoint whether a client with these credentials may connect, before its transport is open.
    /// The session that then begins is accepted by this answer, and the endpoint is not asked again. Nobody
    /// is asked about [`Credentials::Later`].
    ///
    /// Transports use it that can refuse a client with a status of their own, for protocols that [want it
    /// so](crate::protocol::Protocol::refuses_early). If the future is dropped early, nothing was asked.
    ///
    /// # Errors
    /// The endpoint's refusal; 100 if its hook panics, 103 if the name is the server's own, 106 if the user
    /// has [as many sessions](crate::Limits::user_sessions) as are allowed. The refusal of
    /// [`Credentials::Wrong`], which counts as it would in a session: as a bad request, and as a strike of
    /// the client's [peer](Self::of_peer) if it could not be read.
    pub async fn ask(&mut self, credentials: &Credentials) -> Result<(), Refusal> {
        let asked = match credentials {
            Credentials::Later => return Ok(()),
            Credentials::Wrong(refusal) => Err(self.count_bad(refusal)),
            Credentials::Now(connect) | Credentials::Known(connect) => self.ask_about(connect).await,
        };
        let asked = asked.inspect_err(|refusal| self.shared().metrics.refused(refusal))?;
        self.early = Some(Box::new(Early { asked: Some(asked), ..Early::default() }));
        Ok(())
    }

    async fn ask_about(&self, connect: &Connect) -> Result<Asked, Refusal> {
        let extensions = self.early.as_ref().map(|early| early.extensions.clone());
        let connect = connect.clone().known_by(extensions.unwrap_or_default());
        ask(self.shared(), self.id, connect).await
    }

    /// Counts credentials that are wrong.
    fn count_bad(&self, refusal: &Refusal) -> Refusal {
        let bad = BadRequest::new(None, refusal.clone());
        self.shared().metrics.bad_requests.add(1);
        if let Some(peer) = self.peer.filter(|_| !bad.readable) {
            self.shared().remember(Whose::Peer(peer), Record { strikes: 1, ..Record::default() });
        }
        bad.refusal
    }

    /// Takes out what is known of the client before its session begins.
    pub(crate) fn take_early(&mut self) -> Early {
        self.early.take().map(|early| *early).unwrap_or_default()
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
