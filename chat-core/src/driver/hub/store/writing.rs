//! Writes what was published to the store in the background, one batch at a time.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use async_channel::Receiver;
use futures::StreamExt;
use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::stream::iter;

use super::Store;
use super::appended::not_stored;
use super::timely::count_failure;
use crate::driver::duty::OnDuty;
use crate::driver::hub::shared::Shared;
use crate::driver::hub::sweep::sweep_later;
use crate::lock::lock;
use crate::machine::{Outgoing, ToStore};
use crate::model::{ChannelId, Epoch, Offset, Publication, Refusal, UserId};
use crate::port::{ReadMark, StoreError};

/// Bounds how many channels are opened in the store at a time.
const TOGETHER: usize = 256;

/// Starts the task that stores what was published, or wakes it.
pub(crate) fn store_later(shared: &Arc<Shared>) {
    let Some(store) = &shared.store else { return };
    // If the channel is full, the writer is woken already.
    let _ = store.writer.wake.0.try_send(());
    if let Some(duty) = store.writer.duty.take() {
        let (role, woken) = (Role(Arc::downgrade(shared), duty), store.writer.wake.1.clone());
        shared.runtime.spawn(Box::pin(write(role, woken)));
    }
}

/// Waits until that is stored.
///
/// # Errors
/// If it is not stored within [`store_timeout`](crate::Limits::store_timeout), or never will be.
pub(crate) fn arrival(
    shared: &Shared,
    stored: oneshot::Receiver<bool>,
) -> impl Future<Output = Result<(), Refusal>> + Send + use<> {
    let sleep = shared.runtime.sleep_until(shared.runtime.after(shared.limits.store_timeout));
    async move {
        match select(stored, sleep).await {
            Either::Left((Ok(true), _)) => Ok(()),
            _ => Err(not_stored()),
        }
    }
}

/// Takes out all that waits to be stored.
pub(crate) fn take_outgoing(shared: &Shared) -> ToStore {
    let mut all = ToStore::default();
    shared.shards.iter().for_each(|shard| all.append(lock(shard).take_outgoing()));
    all
}

/// Settles what was in flight: tells its channels and its publishers if it is stored.
pub(crate) fn settle(shared: &Arc<Shared>, to_store: ToStore, stored: bool) {
    let now = shared.runtime.instant();
    for outgoing in to_store.publications {
        let channel = &outgoing.publication.message.channel_id;
        lock(shared.shard(channel)).arrived(&outgoing, stored, now);
        // A publisher that waits no more need not know.
        let _ = outgoing.receipt.map(|receipt| receipt.send(stored));
    }
    for ((channel, _), _) in to_store.marks {
        lock(shared.shard(&channel)).mark_arrived(&channel, now);
    }
    sweep_later(shared);
}

/// Holds the duty to write. However its task ends, what the store had not answered by then counts as not
/// stored.
struct Role(Weak<Shared>, #[expect(dead_code, reason = "given back when it is dropped")] OnDuty);

impl Drop for Role {
    fn drop(&mut self) {
        let Some(shared) = self.0.upgrade() else { return };
        let writer = &shared.stored().writer;
        let mut settling = writer.take_out();
        settle(&shared, settling.batch.take().unwrap_or_default(), false);
        // The call has ended with its task.
        writer.is_answered();
    }
}

/// Writes to the store until the hub is gone.
async fn write(role: Role, woken: Receiver<()>) {
    while woken.recv().await.is_ok() {
        let Some(shared) = role.0.upgrade() else { return };
        let hub_store = shared.stored();
        while let Some(batch) = take_batch(&shared, hub_store) {
            let failed = store(&shared, hub_store, batch).await;
            hub_store.writer.is_answered();
            end_batch(&shared, hub_store, &failed);
        }
        hub_store.writer.wake_watchers();
    }
}

/// Holds what the store is given at once.
struct Batch {
    /// Lists the first publication of each channel of which nothing is stored, and the incarnation of the hub
    /// in which the channel is opened.
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

/// Returns all that waits to be stored; none if that is nothing.
fn take_batch(shared: &Shared, hub_store: &Store) -> Option<Batch> {
    let mut in_flight = lock(&hub_store.writer.in_flight);
    let to_store = take_outgoing(shared);
    let batch = (!to_store.is_empty()).then(|| Batch::of(&to_store));
    in_flight.batch = batch.as_ref().map(|_| to_store);
    batch
}

/// Gives a batch to the store, and returns the channels whose publications were not stored.
async fn store(shared: &Shared, hub_store: &Store, batch: Batch) -> HashSet<ChannelId> {
    let Batch { opening, mut publications, marks } = batch;
    let mut failed = HashSet::new();
    let open = async |(publication, tenure): (Arc<Publication>, u64)| {
        let channel = &publication.message.channel_id;
        let opened = open(hub_store, channel, publication.epoch, tenure).await;
        opened.err().map(|error| (channel.clone(), error))
    };
    // The channels are opened together, so that a store commits them together.
    let opened: Vec<_> = iter(opening).map(open).buffer_unordered(TOGETHER).collect().await;
    for (channel, error) in opened.into_iter().flatten() {
        count_failure(shared, &error);
        failed.insert(channel);
    }
    publications.retain(|publication| !failed.contains(&publication.message.channel_id));
    let channels: Vec<_> = publications.iter().map(|one| one.message.channel_id.clone()).collect();
    if !publications.is_empty()
        && let Err(error) = hub_store.call(|store| store.append(publications)).await
    {
        count_failure(shared, &error);
        failed.extend(channels);
    }
    if !marks.is_empty()
        && let Err(error) = hub_store.call(|store| store.mark_read(marks)).await
    {
        count_failure(shared, &error);
    }
    failed
}

async fn open(hub_store: &Store, channel: &ChannelId, epoch: Epoch, tenure: u64) -> Result<(), StoreError> {
    let opened = hub_store.call(|store| store.open(channel, epoch, tenure)).await?;
    let same = opened.epoch == epoch;
    same.then_some(()).ok_or_else(|| StoreError::new(format!("{channel:?} was opened by another, too")))
}

fn end_batch(shared: &Arc<Shared>, hub_store: &Store, failed: &HashSet<ChannelId>) {
    let mut settling = hub_store.writer.take_out();
    let ToStore { publications, marks } = settling.batch.take().unwrap_or_default();
    let is_lost = |outgoing: &Outgoing| failed.contains(&outgoing.publication.message.channel_id);
    let (lost, stored) = publications.into_iter().partition(is_lost);
    settle(shared, ToStore { publications: lost, ..ToStore::default() }, false);
    settle(shared, ToStore { publications: stored, marks }, true);
}
