//! Tells the endpoint what happens in channels: one teller at a time for each shard, under no lock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::shared::Shared;
use crate::driver::caught::{Panicked, caught};
use crate::lock::lock;
use crate::machine::Notice;

/// Bounds how many notices a caller tells by itself, among them those of others. A task tells the rest, so
/// that nobody is held up by what others do.
const AT_ONCE: usize = 64;

/// Sets how many notices such a task tells before it yields.
const PIECE: usize = 16;

/// Tells what waits in a shard, and what comes meanwhile. Returns at once if another teller is at it, which
/// takes that along: so hooks may do what is told in turn.
pub(crate) fn tell(shared: &Arc<Shared>, shard: usize) {
    if tell_some(shared, shard, AT_ONCE) {
        let task = shared.clone();
        shared.runtime.spawn(Box::pin(async move {
            while tell_some(&task, shard, PIECE) {
                task.runtime.yield_now().await;
            }
        }));
    }
}

/// Returns whether so much waits to be told, since a hook takes long, that a session is to wait before its
/// next request. What nobody tells is told here.
pub(crate) fn is_behind(shared: &Arc<Shared>) -> bool {
    let Some(shard) = shared.common.untold.load(Ordering::Relaxed).checked_sub(1) else { return false };
    tell(shared, shard);
    shared.common.untold.load(Ordering::Relaxed) > 0
}

/// Tells at most `most` notices. Returns true if others are left, and nobody is at it.
fn tell_some(shared: &Shared, shard: usize, most: usize) -> bool {
    let Some((mut teller, first)) = Teller::begin(shared, shard) else { return false };
    teller.tell(&first);
    for _ in 1..most {
        let Some(next) = teller.next() else { return false };
        teller.tell(&next);
    }
    teller.give_back()
}

/// Holds the role of a shard's teller. If it is dropped before its end, it gives the role back: the next
/// teller takes along what waits.
struct Teller<'a> {
    shared: &'a Shared,
    shard: usize,
    over: bool,
}

impl<'a> Teller<'a> {
    fn begin(shared: &'a Shared, shard: usize) -> Option<(Self, Notice)> {
        let first = lock(&shared.shards[shard]).begin_telling()?;
        Some((Self { shared, shard, over: false }, first))
    }

    fn next(&mut self) -> Option<Notice> {
        let next = lock(&self.shared.shards[self.shard]).next_notice();
        self.over = next.is_none();
        next
    }

    /// Calls the hook. A panic there is counted, and changes nothing else.
    fn tell(&self, notice: &Notice) {
        let endpoint = &self.shared.endpoint;
        let told = caught(|| match notice {
            Notice::Active(channel) => endpoint.channel_active(channel),
            Notice::Idle(channel) => endpoint.channel_idle(channel),
            Notice::Published(publication) => endpoint.published(publication),
        });
        if let Err(Panicked) = told {
            self.shared.metrics.hook_panics.add(1);
        }
    }

    fn give_back(mut self) -> bool {
        self.over = true;
        lock(&self.shared.shards[self.shard]).stop_telling()
    }
}

impl Drop for Teller<'_> {
    fn drop(&mut self) {
        if !self.over {
            lock(&self.shared.shards[self.shard]).stop_telling();
        }
    }
}
