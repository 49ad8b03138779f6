//! Records which sessions each user has, and does things to all sessions of one user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::driver::outbox::Outbox;
use crate::driver::outbox::control::{Manner, Order};
use crate::driver::padded::Padded;
use crate::lock::lock;
use crate::machine::{Acts, Forgotten};
use crate::model::{ChannelId, Close, Refusal, SessionId, Subscribe, UserId};

/// Holds the open sessions of every user, and what is done to users while other sessions open.
#[derive(Default)]
pub(crate) struct Users(Mutex<State>);

#[derive(Default)]
struct State {
    sessions: HashMap<UserId, Vec<Arc<Outbox>>>,
    acts: Acts<Act>,
}

/// Describes what is done to all sessions of a user, and to those that turn out to be that user's.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Disconnect(Close),
    Subscribe(Subscribe),
    Unsubscribe(ChannelId, Refusal),
}

impl Act {
    /// Returns the order that a session is to carry out.
    ///
    /// # Errors
    /// The close, if the session is to end.
    fn carried_out(self) -> Result<Order, Close> {
        match self {
            Act::Disconnect(close) => Err(close),
            Act::Subscribe(request) => Ok(Order::Subscribe(request)),
            Act::Unsubscribe(channel, why) => Ok(Order::Unsubscribe(channel, why)),
        }
    }
}

/// Marks a session whose user is not known yet: what is done to users meanwhile is remembered until this is
/// dropped.
pub(crate) struct Opening {
    users: Arc<Padded<Users>>,
    since: u64,
}

/// Tells why a session is not added to its user's.
pub(crate) enum NotIn {
    /// The user has as many sessions as are allowed.
    Full,
    /// The user was disconnected while the session opened.
    Disconnected(Close),
    /// The record of what was done while the session opened is forgotten.
    Forgotten,
}

impl Opening {
    pub(crate) fn begin(users: &Arc<Padded<Users>>) -> Self {
        let since = users.state().acts.begin();
        Self { users: users.clone(), since }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.users.state().acts.end(self.since);
    }
}

impl Users {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Adds a session to its user's, and returns the orders that it is to carry out: what was done to that
    /// user while it opened.
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

    /// Returns how many users have an open session.
    pub(crate) fn count(&self) -> usize {
        self.state().sessions.len()
    }

    pub(crate) fn of(&self, user: &UserId) -> Vec<Arc<Outbox>> {
        self.state().sessions.get(user).cloned().unwrap_or_default()
    }

    /// Does this to all sessions of a user, and to those that turn out to be that user's. Returns how many
    /// are open.
    pub(crate) fn act(&self, user: &UserId, act: impl Fn() -> Act) -> usize {
        let sessions = self.of_noting(user, &act);
        for outbox in &sessions {
            match act().carried_out() {
                Ok(order) => outbox.order(order),
                Err(close) => drop(outbox.request_close(close, Manner::Graceful)),
            }
        }
        sessions.len()
    }

    /// Notes the act and returns the open sessions of a user: each session is either among them, or it still
    /// opens and will know of the act.
    fn of_noting(&self, user: &UserId, act: impl FnOnce() -> Act) -> Vec<Arc<Outbox>> {
        let mut state = self.state();
        state.acts.note(user, act);
        state.sessions.get(user).cloned().unwrap_or_default()
    }
}
