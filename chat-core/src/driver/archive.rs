//! A hub's store: channels are taken up from it, and what is published goes there behind everybody's back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::lock::Mutex;

use super::fanout;
use super::hub::{Hub, WeakHub};
use super::trace;
use crate::lock::lock;
use crate::machine::{Outgoing, Restored};
use crate::model::{
    ChannelId, ChannelOptions, Epoch, HistoryRequest, Offset, Place, Publication, Publish, Published,
    Refusal, Storage,
};
use crate::port::{HistoryStore, StoreError};

pub(crate) struct Archive {
    pub(super) store: Arc<dyn HistoryStore>,
    /// The life of the hub as the store knows it; another one begins when something was not stored.
    tenure: AtomicU64,
    running: AtomicBool,
    /// One batch is appended at a time, so that they come in order.
    turn: Mutex<()>,
    wake: (Sender<()>, Receiver<()>),
    /// What was published to channels that have to be taken up first.
    deferred: (Sender<Deferred>, Receiver<Deferred>),
}

/// What was published, and how its channel is kept.
type Deferred = (Publish, ChannelOptions);

/// So many publications of a server may wait for channels that have to be taken up.
const DEFERRED: usize = 1024;

impl Archive {
    pub(crate) fn new(store: Arc<dyn HistoryStore>, tenure: u64) -> Self {
        Self {
            store,
            tenure: AtomicU64::new(tenure),
            running: AtomicBool::new(false),
            turn: Mutex::new(()),
            wake: async_channel::bounded(1),
            deferred: async_channel::bounded(DEFERRED),
        }
    }

    /// What the store knows of a channel: where it goes on, and as much as its log may hold.
    async fn read(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        options: &ChannelOptions,
    ) -> Result<Restored, StoreError> {
        let stored = self.store.open(channel, fresh, self.tenure.load(Ordering::Relaxed)).await?;
        let place = Place { seq: stored.last.0, offset: stored.last };
        let mut publications = Vec::new();
        if !options.history.is_none() && stored.last > Offset(0) {
            let (channel, limit) = (channel.clone(), options.history.entries);
            let newest = HistoryRequest { reverse: true, ..HistoryRequest::of(channel, limit) };
            publications = self.store.read(newest, options.history.bytes).await?.publications;
        }
        Ok(Restored { epoch: stored.epoch, place, publications: unbroken(publications, &stored.last) })
    }
}

/// Of publications with the newest first, those up to the first gap, with the oldest first.
fn unbroken(newest_first: Vec<Publication>, last: &Offset) -> Vec<Publication> {
    let expected = (1..=last.0).rev();
    let follow = newest_first
        .into_iter()
        .zip(expected)
        .take_while(|(publication, offset)| publication.offset.0 == *offset);
    let mut publications: Vec<_> = follow.map(|(publication, _)| publication).collect();
    publications.reverse();
    publications
}

impl Hub {
    /// Whether a channel is stored and not here: then it has to be taken up before it is used.
    pub(crate) fn is_elsewhere(&self, channel: &ChannelId, options: &ChannelOptions) -> bool {
        self.0.archive.is_some()
            && options.storage != Storage::None
            && !lock(self.shard(channel)).is_there(channel)
    }

    /// Takes a channel up from the store, if it is there. Without success it goes on without the store.
    pub(crate) async fn load(&self, channel: &ChannelId, options: ChannelOptions) {
        let Some(archive) = &self.0.archive else { return };
        while self.is_elsewhere(channel, &options) {
            let (gone, fresh) = {
                let mut shard = lock(self.shard(channel));
                (shard.gone(), shard.next_epoch())
            };
            let Some(restored) = self.in_time(archive.read(channel, fresh, &options)).await else { return };
            let now = self.0.runtime.now();
            lock(self.shard(channel)).restore(channel, options, restored, gone, now);
            self.sweep_later();
        }
    }

    /// What the store gives, if it does so in time. What goes wrong is reported here.
    pub(super) async fn in_time<T>(&self, asked: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        let deadline = self.0.runtime.now().after(self.0.limits.store_timeout);
        let sleep = self.0.runtime.sleep_until(deadline);
        let error = match select(std::pin::pin!(asked), sleep).await {
            Either::Left((Ok(value), _)) => return Some(value),
            Either::Left((Err(error), _)) => error,
            Either::Right(_) => StoreError("the store takes too long".into()),
        };
        self.0.metrics.store_errors.add(1);
        trace::store_failed(&error);
        None
    }

    /// As [`publish_with`](Self::publish_with), but takes a stored channel up first, so that the place is the real one, and where the channel is durable
    /// waits until it is stored. Subscribers have not waited. If this is dropped early, it is published or not, and stored or not.
    ///
    /// # Errors
    /// 100: it was published, and is not stored; under the same [key](Publish::key) it may be tried again.
    pub async fn publish_stored(&self, publish: Publish) -> Result<Published, Refusal> {
        let channel = publish.channel.clone();
        let options = self.0.endpoint.channel(&channel, self.0.channel);
        self.load(&channel, options).await;
        let waits = options.storage == Storage::Durable && !publish.ephemeral;
        let (receipt, stored) = waits.then(oneshot::channel).unzip();
        let (published, flush) = self.append(publish, None, self.0.name.clone(), receipt, || options);
        if flush {
            fanout::flush(self, &channel);
        }
        if let Some(stored) = stored {
            self.arrival(stored).await?;
        }
        Ok(published)
    }

    /// Ready once that is stored, or it is too late for it.
    pub(super) fn arrival(
        &self,
        stored: oneshot::Receiver<bool>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send + use<> {
        let sleep = self.0.runtime.sleep_until(self.0.runtime.now().after(self.0.limits.store_timeout));
        async move {
            match select(stored, sleep).await {
                Either::Left((Ok(true), _)) => Ok(()),
                _ => Err(Refusal::internal("it was published, and is not stored")),
            }
        }
    }

    /// Publishes once the channel is taken up. Nobody waits for that.
    pub(crate) fn publish_later(&self, publish: Publish, options: ChannelOptions) {
        let archive = self.0.archive.as_ref().expect("a channel can only be elsewhere if there is a store");
        if archive.deferred.0.try_send((publish, options)).is_err() {
            self.0.metrics.unstored.add(1);
        }
        self.run_archive();
    }

    /// Sees to it that what was published is stored.
    pub(crate) fn store_later(&self) {
        if let Some(archive) = &self.0.archive {
            // If it is full, the writer is woken already.
            let _ = archive.wake.0.try_send(());
            self.run_archive();
        }
    }

    fn run_archive(&self) {
        let Some(archive) = &self.0.archive else { return };
        if archive.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let (weak, woken) = (self.downgrade(), archive.wake.1.clone());
        self.0.runtime.spawn(Box::pin(write(weak, woken)));
        let (weak, deferred) = (self.downgrade(), archive.deferred.1.clone());
        self.0.runtime.spawn(Box::pin(publish_deferred(weak, deferred)));
    }

    /// Stores what waits, until nothing does.
    pub(super) async fn write_out(&self, archive: &Archive) {
        let _turn = archive.turn.lock().await;
        loop {
            let (batch, torn) = self.take_outgoing();
            if torn > 0 {
                self.tear(archive, torn);
            }
            if batch.is_empty() {
                return;
            }
            let publications = batch.iter().map(|outgoing| outgoing.publication.clone()).collect();
            let stored = archive.store.append(publications).await;
            if let Err(error) = &stored {
                self.0.metrics.store_errors.add(1);
                trace::store_failed(error);
                self.tear(archive, batch.len());
            }
            for Outgoing { publication, receipt } in batch {
                lock(self.shard(&publication.message.channel_id)).arrived(&publication);
                // Who does not wait any more need not know.
                let _ = receipt.map(|receipt| receipt.send(stored.is_ok()));
            }
        }
    }

    fn take_outgoing(&self) -> (Vec<Outgoing>, usize) {
        let (mut all, mut torn) = (Vec::new(), 0);
        for shard in &self.0.shards {
            let (batch, lost) = lock(shard).take_outgoing();
            all.extend(batch);
            torn += lost;
        }
        (all, torn)
    }

    /// Something was heard that is not stored: no channel of this tenure may go on in its epoch after the next start.
    fn tear(&self, archive: &Archive, count: usize) {
        self.0.metrics.unstored.add(count as u64);
        archive.tenure.store(self.0.runtime.random(), Ordering::Relaxed);
    }

    /// Drops what is stored of a channel before this place, if there is a store. False if the store failed.
    pub async fn trim(&self, channel: &ChannelId, before: Offset) -> bool {
        match &self.0.archive {
            Some(archive) => self.in_time(archive.store.trim(channel, before)).await.is_some(),
            None => true,
        }
    }

    /// Stores what waits and closes the store in order, so that channels go on in their epochs after the next start. To be called when
    /// nobody publishes any more; [`drain`](Self::drain) does.
    ///
    /// False if that did not come to an end within `patience`, or there is a store that failed.
    pub async fn close_store(&self, patience: Duration) -> bool {
        let Some(archive) = &self.0.archive else { return true };
        let closing = async {
            self.write_out(archive).await;
            archive.store.close(archive.tenure.load(Ordering::Relaxed)).await.is_ok()
        };
        let sleep = self.0.runtime.sleep_until(self.0.runtime.now().after(patience));
        match select(std::pin::pin!(closing), sleep).await {
            Either::Left((closed, _)) => closed,
            Either::Right(_) => false,
        }
    }
}

/// Ends when the hub is gone.
async fn write(hub: WeakHub, woken: Receiver<()>) {
    while woken.recv().await.is_ok() {
        let Some(hub) = hub.upgrade() else { return };
        let archive = hub.0.archive.as_ref().expect("it runs only with a store");
        hub.write_out(archive).await;
    }
}

async fn publish_deferred(hub: WeakHub, deferred: Receiver<Deferred>) {
    while let Ok((publish, options)) = deferred.recv().await {
        let Some(hub) = hub.upgrade() else { return };
        let channel = publish.channel.clone();
        hub.load(&channel, options).await;
        let (_, flush) = hub.append(publish, None, hub.0.name.clone(), None, || options);
        if flush {
            fanout::flush(&hub, &channel);
        }
    }
}
