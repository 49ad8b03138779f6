//! Runs the task that removes channels whose history is too old, for as long as there are such channels.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::cluster::joining::leave_later;
use super::memory::let_idle_go;
use super::shared::Shared;
use crate::lock::lock;

/// Sets the time between two looks at the idle channels, while there are any. A channel that became idle
/// later may be due sooner than all that were known.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the task that removes idle channels in time, unless it runs already; and removes some at once while
/// all histories together weigh too much.
pub(crate) fn sweep_later(shared: &Arc<Shared>) {
    let_idle_go(shared);
    let Some(duty) = shared.sweeping.take() else { return };
    let (weak, runtime) = (Arc::downgrade(shared), shared.runtime.clone());
    shared.runtime.spawn(Box::pin(async move {
        while sweep(&weak) {
            runtime.sleep_until(runtime.after(PAUSE)).await;
        }
        drop(duty);
        // A channel that became idle in between has started no task.
        if let Some(shared) = weak.upgrade().filter(|shared| any_rests(shared)) {
            sweep_later(&shared);
        }
    }));
}

fn any_rests(shared: &Shared) -> bool {
    shared.shards.iter().any(|shard| lock(shard).next_deadline().is_some())
}

/// Removes the channels that are due. Returns true if there are others that are due later.
fn sweep(shared: &Weak<Shared>) -> bool {
    let Some(shared) = shared.upgrade() else { return false };
    let now = shared.runtime.instant();
    let mut parted = Vec::new();
    for shard in &shared.shards {
        let mut shard = lock(shard);
        shard.sweep(now);
        parted.append(&mut shard.take_parted());
    }
    leave_later(&shared, parted);
    any_rests(&shared)
}
