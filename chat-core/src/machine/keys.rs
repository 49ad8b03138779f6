//! Idempotency keys: what was published under each, for as long as a client may try again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Instant, Offset, Publication, UserId};

/// How long a key is remembered.
pub(crate) const KEY_AGE: Duration = Duration::from_secs(5 * 60);

/// So many keys of one channel are remembered; beyond them the oldest are forgotten early.
pub(crate) const KEYS: usize = 100_000;

/// What a key costs beside itself, about.
const KEY_WEIGHT: usize = 256;

/// Whose it is, the server's if there is no user, and the key itself.
type Key = (Option<UserId>, Arc<str>);

/// What was published under a key.
#[derive(Debug)]
struct Kept {
    offset: Offset,
    /// The publication itself, for as long as it is to be stored and is not.
    unstored: Option<Arc<Publication>>,
}

/// A channel's keys: each counts for its author alone, so nobody can take another's, whatever they are called.
#[derive(Debug, Default)]
pub(super) struct Keys {
    places: HashMap<Key, Kept>,
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
}

impl Keys {
    /// What this author published under this key: its place, and itself if it is to be stored and is not yet.
    pub(super) fn find(
        &self,
        author: Option<&UserId>,
        key: &str,
    ) -> Option<(Offset, Option<Arc<Publication>>)> {
        let kept = self.places.get(&(author.cloned(), key.into()))?;
        Some((kept.offset, kept.unstored.clone()))
    }

    pub(super) fn remember(
        &mut self,
        author: Option<UserId>,
        key: Arc<str>,
        offset: Offset,
        unstored: Option<Arc<Publication>>,
        at: Instant,
    ) {
        self.bytes += key.len() + unstored.as_deref().map_or(0, content);
        let key = (author, key);
        self.places.insert(key.clone(), Kept { offset, unstored });
        self.order.push_back((at, key));
        if self.order.len() > KEYS {
            self.forget_first();
        }
    }

    /// Notes that what was published under this key is stored.
    pub(super) fn stored(&mut self, author: Option<UserId>, key: &Arc<str>) {
        if let Some(kept) = self.places.get_mut(&(author, key.clone())) {
            self.bytes -= kept.unstored.take().as_deref().map_or(0, content);
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
            let kept = self.places.remove(&key);
            self.bytes -= key.1.len() + kept.and_then(|kept| kept.unstored).as_deref().map_or(0, content);
        }
    }

    /// What it costs to remember them, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.bytes + self.order.len() * KEY_WEIGHT
    }

    /// Forgets the oldest until they have lost `bytes` of their weight, or all.
    pub(super) fn shrink(&mut self, bytes: usize) {
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

fn content(publication: &Publication) -> usize {
    publication.message.content.as_bytes().len()
}
