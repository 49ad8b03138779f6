//! Remembers idempotency keys and what was published under each, for as long as a client may try again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Instant, Offset, Publication, UserId};

/// Bounds how long a key is remembered.
pub(crate) const KEY_AGE: Duration = Duration::from_secs(5 * 60);

/// Bounds the remembered keys of one channel. Beyond it the oldest are forgotten early.
pub(crate) const KEYS: usize = 100_000;

/// Estimates the cost of a key beside its own bytes, in bytes.
const KEY_WEIGHT: usize = 256;

/// Pairs a key with its author: the user, or none for the server.
type Key = (Option<UserId>, Arc<str>);

/// Holds what was published under a key.
#[derive(Debug)]
struct Kept {
    /// Holds the offset of the publication; none if that was ephemeral.
    offset: Option<Offset>,
    /// Holds the publication while it is to be stored and is not stored yet.
    unstored: Option<Arc<Publication>>,
}

/// Holds a channel's keys. Each counts for its author alone, so no author can take another's, whatever their
/// names are.
#[derive(Debug, Default)]
pub(super) struct Keys {
    places: HashMap<Key, Kept>,
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
}

impl Keys {
    /// Returns the offset that this author published at under this key, if the publication has one, and the
    /// publication if it is to be stored and is not stored yet. Returns none if the key is not known.
    pub(super) fn find(
        &self,
        author: Option<&UserId>,
        key: &str,
    ) -> Option<(Option<Offset>, Option<Arc<Publication>>)> {
        let kept = self.places.get(&(author.cloned(), key.into()))?;
        Some((kept.offset, kept.unstored.clone()))
    }

    pub(super) fn remember(
        &mut self,
        author: Option<UserId>,
        key: Arc<str>,
        offset: Option<Offset>,
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

    /// Notes that the publication with this key is stored.
    pub(super) fn stored(&mut self, author: Option<UserId>, key: &Arc<str>) {
        if let Some(kept) = self.places.get_mut(&(author, key.clone())) {
            self.bytes -= kept.unstored.take().as_deref().map_or(0, content);
        }
    }

    /// Drops the keys that are too old.
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

    /// Returns the cost of the keys, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.bytes + self.order.len() * KEY_WEIGHT
    }

    /// Forgets the oldest keys until they have lost `bytes` of their weight, or none is left.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let goal = self.weight().saturating_sub(bytes);
        while self.weight() > goal {
            self.forget_first();
        }
    }

    /// Returns when the last key will be too old, or none if there is no key.
    pub(super) fn expires(&self) -> Option<Instant> {
        self.order.back().map(|(at, _)| *at + KEY_AGE)
    }
}

fn content(publication: &Publication) -> usize {
    publication.message.content.as_bytes().len()
}
