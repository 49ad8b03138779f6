//! The task that lets channels go when what they keep is too old, for as long as there are such.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::memory::let_idle_go;
use super::shared::Shared;
use crate::lock::lock;

/// Channels are looked at so often, while there are such: what came to rest later may have to go sooner than all that was known.
const PAUSE: Duration = Duration::from_secs(1);

/// Sees to it that channels without subscribers go in time, now that there are such, and at once while all weigh too much.
pub(crate) fn sweep_later(shared: &Arc<Shared>) {
    let_idle_go(shared);
    let Some(duty) = shared.sweeping.take() else { return };
    let (weak, runtime) = (Arc::downgrade(shared), shared.runtime.clone());
    shared.runtime.spawn(Box::pin(async move {
        while sweep(&weak) {
            runtime.sleep_until(runtime.now().after(PAUSE)).await;
        }
        drop(duty);
        // What came to rest in between has called nobody.
        if let Some(shared) = weak.upgrade().filter(|shared| any_rests(shared)) {
            sweep_later(&shared);
        }
    }));
}

fn any_rests(shared: &Shared) -> bool {
    shared.shards.iter().any(|shard| lock(shard).next_deadline().is_some())
}

/// Whether there is something to come back for.
fn sweep(shared: &Weak<Shared>) -> bool {
    let Some(shared) = shared.upgrade() else { return false };
    let now = shared.runtime.now().instant;
    shared.shards.iter().for_each(|shard| lock(shard).sweep(now));
    any_rests(&shared)
}
