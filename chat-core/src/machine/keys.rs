//! Idempotency keys: what was published under each, for as long as a client may try again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Offset, UserId};

/// How long a key is remembered.
pub(super) const KEY_AGE: Duration = Duration::from_secs(5 * 60);

/// So many keys of one channel are remembered; beyond them the oldest are forgotten early.
const KEYS: usize = 100_000;

/// What a key costs beside itself, about.
const KEY_WEIGHT: usize = 256;

/// Whose it is, the server's if there is no user, and the key itself.
type Key = (Option<UserId>, Arc<str>);

/// A channel's keys: each counts for its author alone, so nobody can take another's, whatever they are called.
#[derive(Debug, Default)]
pub(super) struct Keys {
    places: HashMap<Key, Offset>,
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
}

impl Keys {
    /// What this author published under this key.
    pub(super) fn find(&self, author: Option<&UserId>, key: &str) -> Option<Offset> {
        self.places.get(&(author.cloned(), key.into())).copied()
    }

    pub(super) fn remember(&mut self, author: Option<UserId>, key: &str, offset: Offset, now: Instant) {
        self.bytes += key.len();
        let key = (author, Arc::from(key));
        self.places.insert(key.clone(), offset);
        self.order.push_back((now, key));
        if self.order.len() > KEYS {
            self.forget_first();
        }
    }

    /// Drops what is older than it may be.
    pub(super) fn forget_old(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| *at + KEY_AGE <= now) {
            self.forget_first();
        }
        if self.order.is_empty() {
            *self = Self::default();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.bytes -= key.1.len();
            self.places.remove(&key);
        }
    }

    /// What it costs to remember them, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.bytes + self.order.len() * KEY_WEIGHT
    }

    /// Forgets the oldest until they have lost `bytes` of their weight, or all.
    pub(super) fn lighten(&mut self, bytes: usize) {
        let goal = self.weight().saturating_sub(bytes);
        while self.weight() > goal {
            self.forget_first();
        }
    }

    /// When the last of them will be too old; none if there is none.
    pub(super) fn expires(&self) -> Option<Instant> {
        self.order.back().map(|(at, _)| *at + KEY_AGE)
    }
}
