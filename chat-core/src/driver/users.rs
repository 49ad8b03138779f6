//! Who has which sessions, and what is done to all of one user's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::hub::Hub;
use super::outbox::Outbox;
use super::summons::{Manner, Order};
use crate::lock::lock;
use crate::model::{Answer, ChannelId, Close, Payload, Refusal, SessionId, Subscribe, UserId};

/// The open sessions of every user.
#[derive(Default)]
pub(crate) struct Users(Mutex<HashMap<UserId, Vec<Arc<Outbox>>>>);

impl Users {
    /// Notes a session; false if its user has so many already.
    pub(crate) fn add(&self, user: &UserId, outbox: &Arc<Outbox>, most: usize) -> bool {
        let mut users = lock(&self.0);
        let sessions = users.entry(user.clone()).or_default();
        let room = sessions.len() < most;
        if room {
            sessions.push(outbox.clone());
        } else if sessions.is_empty() {
            users.remove(user);
        }
        room
    }

    pub(crate) fn remove(&self, user: &UserId, session: SessionId) {
        let mut users = lock(&self.0);
        let Some(sessions) = users.get_mut(user) else { return };
        sessions.retain(|outbox| outbox.session != session);
        if sessions.is_empty() {
            users.remove(user);
        }
    }

    fn of(&self, user: &UserId) -> Vec<Arc<Outbox>> {
        lock(&self.0).get(user).cloned().unwrap_or_default()
    }
}

/// What is done to a user: to each of its open sessions. Every one of these says to how many that is.
impl Hub {
    /// The open sessions of a user.
    pub fn sessions_of(&self, user: &UserId) -> Vec<SessionId> {
        self.0.users.of(user).iter().map(|outbox| outbox.session).collect()
    }

    /// Closes them, each of which gets first what waits for it.
    pub fn disconnect_user(&self, user: &UserId, close: &Close) -> usize {
        self.each(user, |outbox| {
            outbox.condemn(close.clone(), Manner::Graceful);
        })
    }

    /// Takes them out of a channel, and tells them why. One that is asking to join it is refused.
    ///
    /// After 103 (permission denied) clients stay out; after 100 (internal), 110 (expired) or 112 (unrecoverable position) those come back whose
    /// protocols know how. Carried out by each session's own task, in its next turn.
    pub fn unsubscribe_user(&self, user: &UserId, channel: &ChannelId, why: &Refusal) -> usize {
        self.each(user, |outbox| outbox.order(Order::Unsubscribe(channel.clone(), why.clone())))
    }

    /// Puts those into a channel that are not in it, and tells them so. The endpoint is not asked; the bound on a session's channels holds.
    ///
    /// Carried out by each session's own task, in its next turn.
    pub fn subscribe_user(&self, user: &UserId, wish: &Subscribe) -> usize {
        self.each(user, |outbox| outbox.order(Order::Subscribe(wish.clone())))
    }

    /// Says something to them alone. Carried out by each session's own task, in its next turn; one for which too much waits is closed with 3008.
    pub fn send_to_user(&self, user: &UserId, data: &Payload) -> usize {
        self.each(user, |outbox| outbox.order(Order::Tell(Answer::Direct(data.clone()))))
    }

    fn each(&self, user: &UserId, act: impl Fn(&Arc<Outbox>)) -> usize {
        let sessions = self.0.users.of(user);
        sessions.iter().for_each(act);
        sessions.len()
    }
}
