//! A hub: its channels, its sessions, and the handle that users hold.

pub(crate) mod admission;
pub(crate) mod builder;
mod drain;
pub(crate) mod endpoint;
pub(crate) mod fanout;
pub(crate) mod history;
pub(crate) mod intake;
mod intakes;
pub(crate) mod joining;
pub(crate) mod memory;
pub(crate) mod metrics;
pub(crate) mod opening;
pub(crate) mod permit;
pub(crate) mod permits;
pub(crate) mod place;
pub(crate) mod presence;
mod publish;
pub(crate) mod read_mark;
pub(crate) mod shared;
mod stats;
pub(crate) mod store;
mod sweep;
pub(crate) mod users;

use std::sync::{Arc, Weak};
use std::time::Duration;

use self::builder::HubBuilder;
use self::intake::Intake;
use self::metrics::Stats;
use self::permit::Permit;
use self::permits::Full;
use self::shared::Shared;
use self::users::Act;
use crate::driver::outbox::control::{Manner, Order};
use crate::model::{
    Answer, ChannelId, Close, HistoryPage, HistoryRequest, Limits, LimitsError, NameError, Offset, Payload,
    PresencePage, Publish, Published, Refusal, SessionId, Subscribe, UserId,
};
use crate::port::{Endpoint, Runtime};

/// All sessions and channels of a server. Cheap to clone; the clones are one hub.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

/// A [`Hub`] that does not keep it alive: for endpoints that publish by themselves.
#[derive(Clone)]
pub struct WeakHub(Weak<Shared>);

impl HubBuilder {
    /// Builds the hub, on this runtime.
    ///
    /// # Panics
    /// If no hub can work with the [`Limits`], with the text of [`Limits::check`]. [`try_build`](Self::try_build) returns that instead.
    pub fn build(self, runtime: impl Runtime) -> Hub {
        self.try_build(runtime)
            .unwrap_or_else(|error| panic!("no hub can be built with these limits: {error}"))
    }

    /// Builds the hub, on this runtime.
    ///
    /// # Errors
    /// If no hub can work with the [`Limits`]: what [`Limits::check`] says.
    pub fn try_build(self, runtime: impl Runtime) -> Result<Hub, LimitsError> {
        self.shared(runtime).map(|shared| Hub(Arc::new(shared)))
    }
}

impl Permit {
    /// The hub it is in.
    pub fn hub(&self) -> Hub {
        Hub(self.shared().clone())
    }
}

impl Hub {
    /// A hub that asks this endpoint.
    pub fn builder(endpoint: impl Endpoint) -> HubBuilder {
        HubBuilder::new(endpoint)
    }

    /// Publishes in the server's own name, to every subscriber of the channel there is.
    ///
    /// Where there are at most 1,024, all have been handed it when this returns, unless another flush of the channel is under way that takes it along.
    /// Where there are more, a task of the runtime hands it out, and lets others go first in between.
    ///
    /// Waits for no reader: what a subscriber cannot take now waits in its outbox. A channel without subscribers hears nothing and is not made.
    ///
    /// # Errors
    /// If `channel` is no [`ChannelId`].
    pub fn publish<C>(&self, channel: C, content: Payload) -> Result<Published, NameError>
    where
        C: TryInto<ChannelId>,
        NameError: From<C::Error>,
    {
        Ok(self.publish_with(Publish::to(channel.try_into()?, content)))
    }

    /// As [`publish`](Self::publish), with all that a publication can have: a key, what it refers to, or that it is a signal.
    ///
    /// A channel that is stored and that nobody is in may have to be taken up from the store first. Then this returns the offset 0, and the publication
    /// follows; at most 1,024 may wait for that, more are dropped and counted.
    pub fn publish_with(&self, publish: Publish) -> Published {
        publish::publish(&self.0, publish)
    }

    /// As [`publish_with`](Self::publish_with), for many: those of one channel reach each subscriber together, in one write and not in one for each.
    pub fn publish_all(&self, all: impl IntoIterator<Item = Publish>) -> Vec<Published> {
        publish::publish_all(&self.0, all)
    }

    /// As [`publish_with`](Self::publish_with), but restores a stored channel first, so that the place is the real one, and where the channel is durable
    /// waits until it is stored. Subscribers have not waited. If this is dropped early, it is published or not, and stored or not.
    ///
    /// # Errors
    /// 100: it is not stored; under the same [key](Publish::key) it may be tried again.
    pub async fn publish_stored(&self, publish: Publish) -> Result<Published, Refusal> {
        publish::publish_stored(&self.0, publish).await
    }

    /// What the channel kept of what is asked for; none if there is no such channel.
    ///
    /// At most [`Limits::answer_entries`](crate::Limits::answer_entries) publications, and about a quarter of
    /// [`Limits::outbox_bytes`](crate::Limits::outbox_bytes), but one in any case if there is one. Only what the log holds:
    /// [`read_history`](Self::read_history) asks the store too.
    pub fn history(&self, request: &HistoryRequest) -> Option<HistoryPage> {
        history::look_at_log(&self.0, request).map(|(page, _)| page)
    }

    /// As [`try_read_history`](Self::try_read_history), and none as well if the store cannot be read.
    pub async fn read_history(&self, request: &HistoryRequest) -> Option<HistoryPage> {
        self.try_read_history(request).await.ok().flatten()
    }

    /// As [`history`](Self::history), and what is older than the log from the store, if the channel is stored; none if it is neither here nor there. If the
    /// store fails for what is older than the log, what the log holds.
    ///
    /// # Errors
    /// 100: the channel is not here, and the store failed, or did not answer within [`Limits::store_timeout`](crate::Limits::store_timeout): whether there is
    /// such a channel is not known.
    pub async fn try_read_history(&self, request: &HistoryRequest) -> Result<Option<HistoryPage>, Refusal> {
        history::read_history(&self.0, request, self.0.options(&request.channel)).await
    }

    /// Drops what is stored of a channel before this place, if there is a store. False if the store failed.
    pub async fn trim(&self, channel: &ChannelId, before: Offset) -> bool {
        store::timely::trim(&self.0, channel, before).await
    }

    /// Who is in a channel: nobody, if there is no such channel; none if it does not know
    /// ([`ChannelOptions::presence`](crate::ChannelOptions::presence)).
    pub fn presence(&self, channel: &ChannelId) -> Option<PresencePage> {
        let options = || self.0.options(channel);
        presence::present(&self.0, channel, false).or_else(|| presence::nobody(&self.0, channel, options()))
    }

    /// A place for one more session, taken before it is there so that a full server says so at the door.
    ///
    /// # Errors
    /// If there are [`Limits::sessions`] already, or the hub drains.
    pub fn permit(&self) -> Result<Permit, Full> {
        Permit::take(&self.0)
    }

    /// Returns a count of what is held for a request that is no session's own, such as one with a body.
    pub fn intake(&self) -> Intake {
        Intake::new(self.0.clone(), None)
    }

    /// Counts a client that an adapter turned away at the door, with this HTTP status.
    pub fn count_rejection(&self, status: u16) {
        self.0.metrics.rejected(status);
    }

    /// Counts a connection that an adapter could not accept, such as without file descriptors left.
    pub fn count_failed_accept(&self) {
        self.0.metrics.cut_short("accept");
    }

    /// Closes a session, which gets first what waits for it. False if there is none of this number.
    pub fn disconnect(&self, session: SessionId, close: Close) -> bool {
        let outbox = self.0.permits.outbox(session);
        outbox.map(|outbox| outbox.request_close(close, Manner::Graceful)).is_some()
    }

    /// Takes one session out of a channel and tells it why, as [`unsubscribe_user`](Self::unsubscribe_user) does with all of a user's. False if there is
    /// none of this number.
    pub fn unsubscribe(&self, session: SessionId, channel: &ChannelId, why: &Refusal) -> bool {
        let outbox = self.0.permits.outbox(session);
        outbox.map(|outbox| outbox.order(Order::Unsubscribe(channel.clone(), why.clone()))).is_some()
    }

    /// Puts one session into a channel, as [`subscribe_user`](Self::subscribe_user) does with all of a user's. False if there is none of this number.
    pub fn subscribe(&self, session: SessionId, request: &Subscribe) -> bool {
        let outbox = self.0.permits.outbox(session);
        outbox.map(|outbox| outbox.order(Order::Subscribe(request.clone()))).is_some()
    }

    /// How many users have an open session.
    pub fn users(&self) -> usize {
        self.0.users.count()
    }

    /// The open sessions of a user.
    pub fn sessions_of(&self, user: &UserId) -> Vec<SessionId> {
        self.0.users.of(user).iter().map(|outbox| outbox.session).collect()
    }

    /// Closes all sessions of a user, each of which gets first what waits for it. One that is just opening does not come in. Returns how many are open.
    pub fn disconnect_user(&self, user: &UserId, close: &Close) -> usize {
        self.0.users.act(user, || Act::Disconnect(close.clone()))
    }

    /// Takes all sessions of a user out of a channel, and tells them why. One that is asking to join it is refused, and one that is still to be put into it
    /// is not. Returns how many are open.
    ///
    /// After 103 (permission denied) clients stay out; after 100 (internal), 110 (expired) or 112 (unrecoverable position) those come back whose
    /// protocols know how. Carried out by each session's own task, in its next turn, and by each that is just opening and turns out to be the user's.
    pub fn unsubscribe_user(&self, user: &UserId, channel: &ChannelId, why: &Refusal) -> usize {
        self.0.users.act(user, || Act::Unsubscribe(channel.clone(), why.clone()))
    }

    /// Puts those sessions of a user into a channel that are not in it, and tells them so. The endpoint is not asked; the bound on a session's channels
    /// holds. Returns how many are open.
    ///
    /// Carried out by each session's own task, in its next turn, or once the channel is taken up from the store; and by each that is just opening and turns
    /// out to be the user's. If the session leaves the channel, or is taken out of it, before that, it is not put in.
    pub fn subscribe_user(&self, user: &UserId, request: &Subscribe) -> usize {
        self.0.users.act(user, || Act::Subscribe(request.clone()))
    }

    /// Says something to all open sessions of a user alone. Carried out by each session's own task, in its next turn; one for which too much waits is closed
    /// with 3008. Returns how many are open.
    pub fn send_to_user(&self, user: &UserId, data: &Payload) -> usize {
        let sessions = self.0.users.of(user);
        sessions.iter().for_each(|outbox| outbox.order(Order::Tell(Answer::Direct(data.clone()))));
        sessions.len()
    }

    /// Lets nobody in any more, closes every session with 1001 once it has what waits for it, and returns when all are gone; at the latest
    /// after `patience`, with the number of those that were left, whose transports are then dropped.
    ///
    /// The closes are spread evenly, 500 a second or over half of `patience` if that is shorter, and each is told when to come back: at
    /// random, so that a crowd does not return as one. Those whose transport takes nothing just now are closed first; one that goes on taking
    /// nothing is let go after [`Limits::close_timeout`](crate::Limits::close_timeout). Dropping the future closes at once who is left.
    ///
    /// At the end the store is [closed](Self::close_store), for which it has five seconds more.
    pub async fn drain(&self, patience: Duration) -> usize {
        drain::drain(&self.0, patience).await
    }

    /// Waits until all that was published is stored, and closes the store in order, so that channels go on in their epochs after the next start. To be
    /// called when nobody publishes any more; [`drain`](Self::drain) does.
    ///
    /// If that does not come to an end within `patience`, what is not stored by then is counted in [`Stats::unstored`](crate::Stats::unstored), and its
    /// publishers are told. Dropping the future loses nothing: the hub goes on storing.
    ///
    /// True if there is no store, or all that this hub ever published to stored channels is stored, and the store is closed.
    pub async fn close_store(&self, patience: Duration) -> bool {
        store::close::close_store(&self.0, patience).await
    }

    /// What there is and what was counted. Looks at every session: for a scrape, not for every message.
    pub fn stats(&self) -> Stats {
        stats::stats(&self.0)
    }

    /// The bounds it was built with.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What it was built on.
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.0.runtime
    }

    /// A handle that does not keep the hub alive.
    pub fn downgrade(&self) -> WeakHub {
        WeakHub(Arc::downgrade(&self.0))
    }
}

impl WeakHub {
    /// The hub, if it is still there.
    pub fn upgrade(&self) -> Option<Hub> {
        self.0.upgrade().map(Hub)
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("sessions", &self.0.permits.count()).finish_non_exhaustive()
    }
}
