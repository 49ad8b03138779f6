//! What was published goes to the store behind everybody's back, one batch at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures::StreamExt;
use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::stream::iter;

use crate::driver::duty::{Duty, OnDuty};
use crate::driver::hub::store::Archive;
use crate::driver::hub::{Hub, WeakHub};
use crate::lock::lock;
use crate::machine::{Outgoing, ToStore};
use crate::model::{ChannelId, Epoch, Offset, Publication, Refusal, UserId};
use crate::port::{ReadMark, StoreError};

/// So many channels are opened in the store at a time.
const TOGETHER: usize = 256;

/// The one task that writes, and who waits for it.
pub(crate) struct Writer {
    duty: Duty,
    wake: (Sender<()>, Receiver<()>),
    in_flight: Mutex<InFlight>,
    /// Those who want to know when nothing waits any more.
    watchers: Mutex<Vec<oneshot::Sender<()>>>,
}

#[derive(Default)]
struct InFlight {
    /// What the store was given and has not answered. Whoever takes it out settles it.
    batch: Option<ToStore>,
    /// How many are just settling what they took out.
    settling: usize,
}

impl Default for Writer {
    fn default() -> Self {
        let (duty, wake) = (Duty::default(), async_channel::bounded(1));
        Self { duty, wake, in_flight: Mutex::default(), watchers: Mutex::default() }
    }
}

impl InFlight {
    fn is_none(&self) -> bool {
        self.batch.is_none() && self.settling == 0
    }
}

impl Writer {
    /// Takes out what the store was given, to settle it: until that is dropped, it is still in flight.
    fn take_out(&self) -> Settling<'_> {
        let mut in_flight = lock(&self.in_flight);
        in_flight.settling += 1;
        Settling { writer: self, batch: in_flight.batch.take() }
    }

    /// Lets those look again who wait until nothing is to be stored.
    pub(crate) fn wake_watchers(&self) {
        let watchers = std::mem::take(&mut *lock(&self.watchers));
        for watcher in watchers {
            let _ = watcher.send(());
        }
    }
}

/// What the store was given, taken out to be settled. What is lost of it ends the hub's life in the store before this is dropped: nobody closes that life
/// in between.
struct Settling<'a> {
    writer: &'a Writer,
    batch: Option<ToStore>,
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        lock(&self.writer.in_flight).settling -= 1;
        self.writer.wake_watchers();
    }
}

impl Hub {
    /// Sees to it that what was published is stored.
    pub(crate) fn store_later(&self) {
        let Some(archive) = &self.0.archive else { return };
        // If it is full, the writer is woken already.
        let _ = archive.writer.wake.0.try_send(());
        if let Some(duty) = archive.writer.duty.take() {
            let (role, woken) = (Role(self.downgrade(), duty), archive.writer.wake.1.clone());
            self.0.runtime.spawn(Box::pin(write(role, woken)));
        }
    }

    /// Ready once that is stored, or it is too late for it.
    pub(crate) fn arrival(
        &self,
        stored: oneshot::Receiver<bool>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send + use<> {
        let sleep = self.0.runtime.sleep_until(self.0.runtime.now().after(self.0.limits.store_timeout));
        async move {
            match select(stored, sleep).await {
                Either::Left((Ok(true), _)) => Ok(()),
                _ => Err(not_stored()),
            }
        }
    }

    /// Waits until all that was published is stored, and closes the store in order, so that channels go on in their epochs after the next start. To be
    /// called when nobody publishes any more; [`drain`](Self::drain) does.
    ///
    /// If that does not come to an end within `patience`, what is not stored by then is counted in [`Stats::unstored`](crate::Stats::unstored), and its
    /// publishers are told. Dropping the future loses nothing: the hub goes on storing.
    ///
    /// True if there is no store, or all that this hub ever published to stored channels is stored, and the store is closed.
    pub async fn close_store(&self, patience: Duration) -> bool {
        let Some(archive) = &self.0.archive else { return true };
        let incarnation = archive.incarnation(self);
        let closing = async {
            self.all_settled(archive).await;
            archive.call(|store| store.close(incarnation.name())).await
        };
        let sleep = self.0.runtime.sleep_until(self.0.runtime.now().after(patience));
        let failure = match select(std::pin::pin!(closing), sleep).await {
            Either::Left((Ok(()), _)) => {
                return incarnation.is_whole() && self.0.metrics.undeferred.read() == 0;
            }
            Either::Left((Err(error), _)) => error,
            Either::Right(_) => {
                self.give_up(archive);
                StoreError("the store takes too long to be closed".into())
            }
        };
        self.store_failed(&failure);
        false
    }

    async fn all_settled(&self, archive: &Archive) {
        loop {
            let (tell, told) = oneshot::channel();
            lock(&archive.writer.watchers).push(tell);
            if self.is_settled(archive) {
                return;
            }
            let _ = told.await;
        }
    }

    /// In the order in which publications go on, so that none is overlooked on its way.
    fn is_settled(&self, archive: &Archive) -> bool {
        lock(&archive.backlog).is_empty()
            && self.0.shards.iter().all(|shard| !lock(shard).has_outgoing())
            && lock(&archive.writer.in_flight).is_none()
    }

    /// Counts all that waits as not stored.
    fn give_up(&self, archive: &Archive) {
        let deferred = lock(&archive.backlog).clear();
        self.0.metrics.undeferred.add(deferred.len() as u64);
        drop(deferred);
        let mut settling = archive.writer.take_out();
        self.settle(settling.batch.take().unwrap_or_default(), false);
        self.settle(self.take_outgoing(), false);
    }

    fn take_outgoing(&self) -> ToStore {
        let mut all = ToStore::default();
        self.0.shards.iter().for_each(|shard| all.append(lock(shard).take_outgoing()));
        all
    }

    /// What was on its way is so no more.
    fn settle(&self, to_store: ToStore, stored: bool) {
        let now = self.0.runtime.now().instant;
        for outgoing in to_store.publications {
            let channel = &outgoing.publication.message.channel_id;
            lock(self.shard(channel)).arrived(&outgoing, stored, now);
            // One who waits no more need not know.
            let _ = outgoing.receipt.map(|receipt| receipt.send(stored));
        }
        for ((channel, _), _) in to_store.marks {
            lock(self.shard(&channel)).mark_arrived(&channel, now);
        }
        self.sweep_later();
    }
}

/// Why a durable publication failed.
pub(crate) fn not_stored() -> Refusal {
    Refusal::internal("it was published, and is not stored")
}

/// The duty of the one who writes. However its task ends, what the store had not answered by then counts as not stored.
struct Role(WeakHub, #[expect(dead_code, reason = "given back when it is dropped")] OnDuty);

impl Drop for Role {
    fn drop(&mut self) {
        let Some(hub) = self.0.upgrade() else { return };
        let mut settling = hub.archive().writer.take_out();
        hub.settle(settling.batch.take().unwrap_or_default(), false);
    }
}

/// Ends when the hub is gone.
async fn write(role: Role, woken: Receiver<()>) {
    while woken.recv().await.is_ok() {
        let Some(hub) = role.0.upgrade() else { return };
        let archive = hub.archive();
        while let Some(batch) = hub.take_batch(archive) {
            let failed = hub.store(archive, batch).await;
            hub.end_batch(archive, &failed);
        }
        archive.writer.wake_watchers();
    }
}

/// What the store is given at once.
struct Batch {
    /// Of each channel of which nothing is stored, the first publication, and in which life of the hub it is opened.
    opening: Vec<(Arc<Publication>, u64)>,
    publications: Vec<Arc<Publication>>,
    marks: Vec<ReadMark>,
}

impl Batch {
    fn of(to_store: &ToStore) -> Self {
        let all = to_store.publications.iter();
        let mut opened = HashSet::new();
        let opens = |outgoing: &Outgoing| {
            let tenure = outgoing.opens?;
            let first = opened.insert(outgoing.publication.message.channel_id.clone());
            first.then(|| (outgoing.publication.clone(), tenure))
        };
        let mark = |((channel, user), offset): (&(ChannelId, UserId), &Offset)| ReadMark {
            channel: channel.clone(),
            user: user.clone(),
            offset: *offset,
        };
        Self {
            opening: all.clone().filter_map(opens).collect(),
            publications: all.map(|outgoing| outgoing.publication.clone()).collect(),
            marks: to_store.marks.iter().map(mark).collect(),
        }
    }
}

impl Hub {
    /// All that waits to be stored; none if that is nothing.
    fn take_batch(&self, archive: &Archive) -> Option<Batch> {
        let mut in_flight = lock(&archive.writer.in_flight);
        let to_store = self.take_outgoing();
        let batch = (!to_store.is_empty()).then(|| Batch::of(&to_store));
        in_flight.batch = batch.as_ref().map(|_| to_store);
        batch
    }

    /// Gives a batch to the store. The channels of which it did not get in.
    async fn store(&self, archive: &Archive, batch: Batch) -> HashSet<ChannelId> {
        let Batch { opening, mut publications, marks } = batch;
        let mut failed = HashSet::new();
        let open = async |(publication, tenure): (Arc<Publication>, u64)| {
            let channel = &publication.message.channel_id;
            let opened = self.open(archive, channel, publication.epoch, tenure).await;
            opened.err().map(|error| (channel.clone(), error))
        };
        // Together, so that a store commits them together.
        let opened: Vec<_> = iter(opening).map(open).buffer_unordered(TOGETHER).collect().await;
        for (channel, error) in opened.into_iter().flatten() {
            self.store_failed(&error);
            failed.insert(channel);
        }
        publications.retain(|publication| !failed.contains(&publication.message.channel_id));
        let channels: Vec<_> = publications.iter().map(|one| one.message.channel_id.clone()).collect();
        if !publications.is_empty()
            && let Err(error) = archive.call(|store| store.append(publications)).await
        {
            self.store_failed(&error);
            failed.extend(channels);
        }
        if !marks.is_empty()
            && let Err(error) = archive.call(|store| store.mark_read(marks)).await
        {
            self.store_failed(&error);
        }
        failed
    }

    async fn open(
        &self,
        archive: &Archive,
        channel: &ChannelId,
        epoch: Epoch,
        tenure: u64,
    ) -> Result<(), StoreError> {
        let opened = archive.call(|store| store.open(channel, epoch, tenure)).await?;
        let same = opened.epoch == epoch;
        same.then_some(()).ok_or_else(|| StoreError(format!("{channel:?} was opened by another, too")))
    }

    fn end_batch(&self, archive: &Archive, failed: &HashSet<ChannelId>) {
        let mut settling = archive.writer.take_out();
        let ToStore { publications, marks } = settling.batch.take().unwrap_or_default();
        let is_lost = |outgoing: &Outgoing| failed.contains(&outgoing.publication.message.channel_id);
        let (lost, stored) = publications.into_iter().partition(is_lost);
        self.settle(ToStore { publications: lost, ..ToStore::default() }, false);
        self.settle(ToStore { publications: stored, marks }, true);
    }
}
