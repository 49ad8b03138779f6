//! The task that lets channels go when what they keep is too old, for as long as there are such.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::hub::{Hub, WeakHub};
use crate::lock::lock;

/// Channels are looked at no more often than this.
const PAUSE: Duration = Duration::from_secs(1);

impl Hub {
    /// Sees to it that channels without subscribers go in time, now that there are such.
    pub(crate) fn sweep_later(&self) {
        if self.0.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let (hub, runtime) = (self.downgrade(), self.0.runtime.clone());
        self.0.runtime.spawn(Box::pin(async move {
            while let Some(next) = sweep(&hub) {
                let soonest = runtime.now().instant + PAUSE;
                runtime.sleep_until(next.max(soonest)).await;
            }
        }));
    }

    fn next_sweep(&self) -> Option<Instant> {
        self.0.shards.iter().filter_map(|shard| lock(shard).next_deadline()).min()
    }
}

/// When to come back; none if there is nothing to wait for.
fn sweep(hub: &WeakHub) -> Option<Instant> {
    let hub = hub.upgrade()?;
    let now = hub.0.runtime.now().instant;
    hub.0.shards.iter().for_each(|shard| lock(shard).sweep(now));
    let next = hub.next_sweep();
    if next.is_none() {
        hub.0.sweeping.store(false, Ordering::Release);
        // What came to rest in between has called nobody.
        if hub.next_sweep().is_some() {
            hub.sweep_later();
        }
    }
    next
}
