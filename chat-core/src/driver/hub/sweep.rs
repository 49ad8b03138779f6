//! The task that lets channels go when what they keep is too old, for as long as there are such.

use std::time::Duration;

use crate::driver::hub::{Hub, WeakHub};
use crate::lock::lock;

/// Channels are looked at so often, while there are such: what came to rest later may have to go sooner than all that was known.
const PAUSE: Duration = Duration::from_secs(1);

impl Hub {
    /// Sees to it that channels without subscribers go in time, now that there are such, and at once while all weigh too much.
    pub(crate) fn sweep_later(&self) {
        self.let_idle_go();
        let Some(duty) = self.0.sweeping.take() else { return };
        let (hub, runtime) = (self.downgrade(), self.0.runtime.clone());
        self.0.runtime.spawn(Box::pin(async move {
            while sweep(&hub) {
                runtime.sleep_until(runtime.now().after(PAUSE)).await;
            }
            drop(duty);
            // What came to rest in between has called nobody.
            if let Some(hub) = hub.upgrade().filter(Hub::any_rests) {
                hub.sweep_later();
            }
        }));
    }

    fn any_rests(&self) -> bool {
        self.0.shards.iter().any(|shard| lock(shard).next_deadline().is_some())
    }
}

/// Whether there is something to come back for.
fn sweep(hub: &WeakHub) -> bool {
    let Some(hub) = hub.upgrade() else { return false };
    let now = hub.0.runtime.now().instant;
    hub.0.shards.iter().for_each(|shard| lock(shard).sweep(now));
    hub.any_rests()
}
