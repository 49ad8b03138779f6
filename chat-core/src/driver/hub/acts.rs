//! Acts on open sessions, one by one or all of a user's, of whom there may be some on other nodes.

use std::sync::Arc;

use super::Hub;
use super::cluster::words::{Deed, everywhere};
use super::users::Act;
use crate::driver::outbox::Outbox;
use crate::driver::outbox::control::{Manner, Order};
use crate::model::{Answer, ChannelId, Close, Payload, Refusal, SessionId, Subscribe, UserId};

impl Hub {
    /// Closes a session, which first gets what waits for it. Returns false if there is none of this number.
    pub fn disconnect(&self, session: SessionId, close: Close) -> bool {
        let outbox = self.0.permits.outbox(session);
        outbox.map(|outbox| outbox.request_close(close, Manner::Graceful)).is_some()
    }

    /// Unsubscribes one session from a channel and tells it why, as
    /// [`unsubscribe_user`](Self::unsubscribe_user) does with all of a user's. Returns false if no session of
    /// this number is open.
    pub fn unsubscribe(&self, session: SessionId, channel: &ChannelId, why: &Refusal) -> bool {
        let outbox = self.open(session);
        outbox.map(|outbox| outbox.order(Order::Unsubscribe(channel.clone(), why.clone()))).is_some()
    }

    /// Subscribes one session to a channel, as [`subscribe_user`](Self::subscribe_user) does with all of a
    /// user's. Returns false if no session of this number is open.
    pub fn subscribe(&self, session: SessionId, request: &Subscribe) -> bool {
        let outbox = self.open(session);
        outbox.map(|outbox| outbox.order(Order::Subscribe(request.clone()))).is_some()
    }

    /// Returns how many users have an open session.
    pub fn users(&self) -> usize {
        self.0.users.count()
    }

    /// Returns the open sessions of a user.
    pub fn sessions_of(&self, user: &UserId) -> Vec<SessionId> {
        self.0.users.of(user).iter().map(|outbox| outbox.session).collect()
    }

    /// Closes all sessions of a user, each of which first gets what waits for it. A session that is still
    /// opening is not accepted. Returns how many are open here.
    ///
    /// ```
    /// # use chat_core::{Close, Hub, OpenChat, testkit::World};
    /// # let world = World::new();
    /// # let hub = Hub::builder(OpenChat::default()).build(world.clone());
    /// let ann = world.open(&hub, "ann");
    /// assert_eq!(hub.disconnect_user(&"ann".parse()?, &Close::EXPIRED), 1);
    /// assert_eq!(ann.close(), Some(Close::EXPIRED));
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub fn disconnect_user(&self, user: &UserId, close: &Close) -> usize {
        everywhere(&self.0, user, &Deed::Act(Act::Disconnect(close.clone())))
    }

    /// Unsubscribes all sessions of a user from a channel, and tells them why. A session that is asking to
    /// join it is refused, and one that is still to be subscribed to it is not subscribed. Returns how many
    /// are open here.
    ///
    /// After 103 (permission denied) clients stay out; after 100 (internal), 110 (expired) or 112
    /// (unrecoverable position) those rejoin whose protocols know how. Each session's own task carries it
    /// out, in its next turn; so does each session that is still opening and turns out to be the user's.
    pub fn unsubscribe_user(&self, user: &UserId, channel: &ChannelId, why: &Refusal) -> usize {
        everywhere(&self.0, user, &Deed::Act(Act::Unsubscribe(channel.clone(), why.clone())))
    }

    /// Subscribes those sessions of a user to a channel that are not in it, and tells them so. The endpoint
    /// is not asked; the bound on a session's channels holds. Returns how many are open here.
    ///
    /// Each session's own task carries it out, in its next turn, or once the channel is restored from the
    /// store; so does each session that is still opening and turns out to be the user's. A session that
    /// leaves the channel, or is unsubscribed from it, before that, is not subscribed.
    ///
    /// ```
    /// # use chat_core::{Hub, OpenChat, Subscribe, testkit::World};
    /// # let world = World::new();
    /// # let hub = Hub::builder(OpenChat::default()).build(world.clone());
    /// let ann = world.open(&hub, "ann");
    /// let request = Subscribe::to("news".parse()?);
    /// assert_eq!(hub.subscribe_user(&"ann".parse()?, &request), 1);
    /// assert_eq!(ann.heard(), ["subscribed news 0"]);
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub fn subscribe_user(&self, user: &UserId, request: &Subscribe) -> usize {
        everywhere(&self.0, user, &Deed::Act(Act::Subscribe(request.clone())))
    }

    /// Sends something to all open sessions of a user alone. Each session's own task carries it out, in its
    /// next turn; a session for which too much waits is closed with 3008. Returns how many are open here.
    pub fn send_to_user(&self, user: &UserId, data: &Payload) -> usize {
        everywhere(&self.0, user, &Deed::Direct(data.clone()))
    }

    /// Sends something to one session alone, as [`send_to_user`](Self::send_to_user) does to all of a user's.
    /// Returns false if no session of this number is open: a client that is not admitted yet gets nothing.
    ///
    /// ```
    /// # use chat_core::{Hub, OpenChat, Payload, testkit::World};
    /// # let world = World::new();
    /// # let hub = Hub::builder(OpenChat::default()).build(world.clone());
    /// let (ann, again) = (world.open(&hub, "ann"), world.open(&hub, "ann"));
    /// let first = hub.sessions_of(&"ann".parse()?)[0];
    /// assert!(hub.send(first, &Payload::json("\"for you\"")));
    /// assert_eq!((ann.heard(), again.heard()), (vec!["direct \"for you\"".to_owned()], vec![]));
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub fn send(&self, session: SessionId, data: &Payload) -> bool {
        let outbox = self.open(session);
        outbox.map(|outbox| outbox.order(Order::Tell(Answer::Direct(data.clone())))).is_some()
    }

    /// Returns the outbox of a session that is admitted.
    fn open(&self, session: SessionId) -> Option<Arc<Outbox>> {
        self.0.permits.outbox(session).filter(|outbox| outbox.is_introduced())
    }
}
