//! Finds the sessions of a route by their tokens.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::mailbox::Mailbox;

/// Knows the sessions of one route. Cheap to clone; the clones know the same sessions.
#[derive(Clone, Default)]
pub(super) struct Registry(Arc<Mutex<Sessions>>);

#[derive(Default)]
struct Sessions {
    all: HashMap<Box<str>, Arc<Mailbox>>,
    /// Holds those that may be unconfirmed, the oldest first.
    unconfirmed: VecDeque<(Box<str>, Arc<Mailbox>)>,
}

/// Keeps a session in the registry. Is held by the session's task, and dropped however that ends.
pub(super) struct Entry {
    registry: Registry,
    token: Box<str>,
    pub(super) mailbox: Arc<Mailbox>,
}

impl Registry {
    /// Enters a session under its token.
    pub(super) fn enter(&self, token: Box<str>, mailbox: Arc<Mailbox>) -> Entry {
        let mut sessions = self.sessions();
        sessions.unconfirmed.push_back((token.clone(), mailbox.clone()));
        sessions.all.insert(token.clone(), mailbox.clone());
        drop(sessions);
        Entry { registry: self.clone(), token, mailbox }
    }

    /// Returns the session of a token.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Mailbox>> {
        self.sessions().all.get(token).cloned()
    }

    /// Makes room for one more among so many, and returns whether there is: the oldest session ends whose
    /// client has not shown yet that it polls on.
    pub(super) fn make_room(&self, most: usize) -> bool {
        self.sessions().make_room(most)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    fn make_room(&mut self, most: usize) -> bool {
        let settled = |mailbox: &Mailbox| mailbox.is_confirmed() || mailbox.is_over();
        while self.unconfirmed.front().is_some_and(|(_, mailbox)| settled(mailbox)) {
            self.unconfirmed.pop_front();
        }
        while self.all.len() >= most {
            let Some((token, mailbox)) = self.unconfirmed.pop_front() else { return false };
            if !settled(&mailbox) {
                mailbox.forget();
                self.all.remove(&token);
            }
        }
        true
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.mailbox.end();
        self.registry.sessions().all.remove(&self.token);
    }
}
