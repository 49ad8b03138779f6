//! Who has which sessions, and what is done to all of one user's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::driver::hub::Hub;
use crate::driver::outbox::Outbox;
use crate::driver::outbox::control::{Manner, Order};
use crate::lock::lock;
use crate::machine::{Acts, Forgotten};
use crate::model::{Answer, ChannelId, Close, Payload, Refusal, SessionId, Subscribe, UserId};

/// The open sessions of every user, and what is done to users while other sessions open.
#[derive(Default)]
pub(crate) struct Users(Mutex<State>);

#[derive(Default)]
struct State {
    sessions: HashMap<UserId, Vec<Arc<Outbox>>>,
    acts: Acts<Act>,
}

/// What is done to all sessions of a user, and to those that turn out to be.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Disconnect(Close),
    Subscribe(Subscribe),
    Unsubscribe(ChannelId, Refusal),
}

impl Act {
    /// What a session is to do for it; an error if that is to end.
    fn carried_out(self) -> Result<Order, Close> {
        match self {
            Act::Disconnect(close) => Err(close),
            Act::Subscribe(wish) => Ok(Order::Subscribe(wish)),
            Act::Unsubscribe(channel, why) => Ok(Order::Unsubscribe(channel, why)),
        }
    }
}

/// A session whose user is not known yet: what is done to users meanwhile is remembered until this is dropped.
pub(crate) struct Opening {
    hub: Hub,
    since: u64,
}

/// Why a session is not noted as one of its user's.
pub(crate) enum NotIn {
    /// The user has as many as may be.
    Full,
    /// The user was disconnected while it opened.
    Disconnected(Close),
    /// It is not known any more what was done while it opened.
    Forgotten,
}

impl Opening {
    pub(crate) fn begin(hub: &Hub) -> Self {
        let since = hub.0.users.state().acts.begin();
        Self { hub: hub.clone(), since }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.hub.0.users.state().acts.end(self.since);
    }
}

impl Users {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Notes a session as one of its user's, and gives back what it is to carry out of what was done to that user while it opened.
    pub(crate) fn add(
        &self,
        user: &UserId,
        outbox: &Arc<Outbox>,
        opening: &Opening,
        most: usize,
    ) -> Result<Vec<Order>, NotIn> {
        let mut state = self.state();
        let mut orders = Vec::new();
        for act in state.acts.since(opening.since, user).map_err(|Forgotten| NotIn::Forgotten)? {
            orders.push(act.carried_out().map_err(NotIn::Disconnected)?);
        }
        if state.sessions.get(user).map_or(0, Vec::len) >= most {
            return Err(NotIn::Full);
        }
        state.sessions.entry(user.clone()).or_default().push(outbox.clone());
        Ok(orders)
    }

    pub(crate) fn remove(&self, user: &UserId, session: SessionId) {
        let users = &mut self.state().sessions;
        let Some(sessions) = users.get_mut(user) else { return };
        sessions.retain(|outbox| outbox.session != session);
        if sessions.is_empty() {
            users.remove(user);
        }
    }

    fn of(&self, user: &UserId) -> Vec<Arc<Outbox>> {
        self.state().sessions.get(user).cloned().unwrap_or_default()
    }

    /// The same, after this act: a session is among them, or it opens and will know of the act.
    fn of_noting(&self, user: &UserId, act: impl FnOnce() -> Act) -> Vec<Arc<Outbox>> {
        let mut state = self.state();
        state.acts.note(user, act);
        state.sessions.get(user).cloned().unwrap_or_default()
    }
}

/// What is done to a user: to each of its open sessions, and but for what is [sent](Self::send_to_user) to each that is just opening and turns out to be
/// the user's. Every one of these says how many are open.
impl Hub {
    /// How many users have an open session.
    pub fn users(&self) -> usize {
        self.0.users.state().sessions.len()
    }

    /// The open sessions of a user.
    pub fn sessions_of(&self, user: &UserId) -> Vec<SessionId> {
        self.0.users.of(user).iter().map(|outbox| outbox.session).collect()
    }

    /// Closes them, each of which gets first what waits for it. One that is just opening does not come in.
    pub fn disconnect_user(&self, user: &UserId, close: &Close) -> usize {
        self.act(user, || Act::Disconnect(close.clone()))
    }

    /// Takes them out of a channel, and tells them why. One that is asking to join it is refused, and one that is still to be put into it is not.
    ///
    /// After 103 (permission denied) clients stay out; after 100 (internal), 110 (expired) or 112 (unrecoverable position) those come back whose
    /// protocols know how. Carried out by each session's own task, in its next turn.
    pub fn unsubscribe_user(&self, user: &UserId, channel: &ChannelId, why: &Refusal) -> usize {
        self.act(user, || Act::Unsubscribe(channel.clone(), why.clone()))
    }

    /// Puts those into a channel that are not in it, and tells them so. The endpoint is not asked; the bound on a session's channels holds.
    ///
    /// Carried out by each session's own task, in its next turn, or once the channel is taken up from the store. If the session leaves the channel, or is
    /// taken out of it, before that, it is not put in.
    pub fn subscribe_user(&self, user: &UserId, wish: &Subscribe) -> usize {
        self.act(user, || Act::Subscribe(wish.clone()))
    }

    /// Says something to them alone. Carried out by each session's own task, in its next turn; one for which too much waits is closed with 3008.
    pub fn send_to_user(&self, user: &UserId, data: &Payload) -> usize {
        let sessions = self.0.users.of(user);
        sessions.iter().for_each(|outbox| outbox.order(Order::Tell(Answer::Direct(data.clone()))));
        sessions.len()
    }

    fn act(&self, user: &UserId, act: impl Fn() -> Act) -> usize {
        let sessions = self.0.users.of_noting(user, &act);
        for outbox in &sessions {
            match act().carried_out() {
                Ok(order) => outbox.order(order),
                Err(close) => drop(outbox.condemn(close, Manner::Graceful)),
            }
        }
        sessions.len()
    }
}
