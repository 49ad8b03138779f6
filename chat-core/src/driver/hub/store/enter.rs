//! Enters a channel that is perhaps stored: it is restored before it is used, and stays in memory until then.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures::TryFutureExt;
use futures::channel::oneshot;

use super::entry::{Entry, Failed, Loaded, Pins, Waiter};
use super::timely::in_time;
use crate::driver::hub::cluster::Cluster;
use crate::driver::hub::cluster::early::Early;
use crate::driver::hub::cluster::joining::leave_later;
use crate::driver::hub::cluster::taking::take_in;
use crate::driver::hub::memory::make_room;
use crate::driver::hub::shared::Shared;
use crate::driver::hub::sweep::sweep_later;
use crate::lock::lock;
use crate::machine::{KEY_AGE, KEYS, MARKS, Restored};
use crate::model::{
    ChannelId, ChannelOptions, Epoch, HistoryRequest, Offset, Place, Publication, Publish, Refusal,
};
use crate::port::{Recall, Recalled, StoreError};

/// Returns the entry to a channel for a session's message, if it can be used at once. A channel whose broker
/// places the message need not be here, unless it has to be known whose message this one changes.
pub(crate) fn enter_to_publish(
    shared: &Arc<Shared>,
    publish: &Publish,
    options: ChannelOptions,
) -> Option<Entry> {
    let changes = publish.refers.is_some() && !publish.moderates;
    match shared.is_clustered(options) && !changes {
        true => Some(Entry { channel: publish.channel.clone(), options, pin: None }),
        false => enter_now(shared, &publish.channel, options),
    }
}

/// Returns the entry to a channel, if it can be used at once.
pub(crate) fn enter_now(shared: &Arc<Shared>, channel: &ChannelId, options: ChannelOptions) -> Option<Entry> {
    let pin: Option<Arc<dyn Pins>> = match shared.is_restored(options) {
        false => None,
        true if lock(shared.shard(channel)).pin(channel) => Some(shared.clone()),
        true => return None,
    };
    Some(Entry { channel: channel.clone(), options, pin })
}

/// Returns the entry to a channel, once it is restored. If the store fails, or takes longer than
/// [`store_timeout`](crate::Limits::store_timeout), the channel continues without it. Where the broker fails
/// instead, it is asked again until it answers.
pub(crate) async fn enter(shared: Arc<Shared>, channel: ChannelId, options: ChannelOptions) -> Entry {
    loop {
        match try_enter(&shared, &channel, options).await {
            Ok(entry) => return entry,
            Err(_) => shared.runtime.sleep_until(shared.runtime.after(AGAIN)).await,
        }
    }
}

/// Returns the entry to a channel as [`enter`] does, but asks the broker once.
///
/// # Errors
/// 100: the broker failed, or did not answer in time.
pub(crate) async fn try_enter(
    shared: &Arc<Shared>,
    channel: &ChannelId,
    options: ChannelOptions,
) -> Result<Entry, Refusal> {
    if let Some(entry) = enter_now(shared, channel, options) {
        return Ok(entry);
    }
    match begin_load(shared, channel, options, true).await {
        Ok(Ok(Some(entry))) => Ok(entry),
        _ if shared.is_clustered(options) => Err(Refusal::internal("the broker does not answer")),
        Ok(Ok(None) | Err(Failed)) | Err(oneshot::Canceled) => {
            Ok(continue_without_store(shared, channel.clone(), options))
        }
    }
}

/// Sets the pause before a broker that failed is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Enters a channel as [`enter`] does, but returns none if there is no such channel, neither in memory nor in
/// the store, and creates none.
///
/// # Errors
/// 100: the store failed, or did not answer in time.
pub(crate) async fn look_into(
    shared: &Arc<Shared>,
    channel: &ChannelId,
    options: ChannelOptions,
) -> Result<Option<Entry>, Refusal> {
    if let Some(entry) = enter_now(shared, channel, options) {
        return Ok(Some(entry));
    }
    let told = begin_load(shared, channel, options, false).await.unwrap_or(Err(Failed));
    told.map_err(|Failed| Refusal::internal("what is stored of the channel cannot be read just now"))
}

/// Starts to restore a channel, unless that is under way. Only one task does that at a time, and no other
/// creates the channel meanwhile: so what the store says holds.
fn begin_load(
    shared: &Arc<Shared>,
    channel: &ChannelId,
    options: ChannelOptions,
    makes: bool,
) -> oneshot::Receiver<Loaded> {
    let (tell, told) = oneshot::channel();
    let mut loads = lock(&shared.loads);
    if let Some(waiters) = loads.get_mut(channel) {
        waiters.push(Waiter { makes, tell });
        return told;
    }
    // Asked under this lock, since the last load may just have ended.
    if let Some(entry) = enter_now(shared, channel, options) {
        drop(loads);
        let _ = tell.send(Ok(Some(entry)));
        return told;
    }
    loads.insert(channel.clone(), vec![Waiter { makes, tell }]);
    drop(loads);
    let load = Load { shared: shared.clone(), channel: channel.clone(), options, found: Found::Failure };
    shared.runtime.spawn(Box::pin(load.run()));
    told
}

fn continue_without_store(shared: &Arc<Shared>, channel: ChannelId, options: ChannelOptions) -> Entry {
    lock(shared.shard(&channel)).continue_without_store(&channel, options);
    Entry { channel, options, pin: Some(shared.clone()) }
}

/// Holds the store's answer about a channel.
enum Found {
    Channel(Restored),
    /// The store could not answer: the channel continues without it.
    Failure,
}

/// Loads one channel. However it ends, all waiters are told.
struct Load {
    shared: Arc<Shared>,
    channel: ChannelId,
    options: ChannelOptions,
    found: Found,
}

impl Load {
    async fn run(mut self) {
        let shared = self.shared.clone();
        let found = match shared.cluster.as_ref().filter(|_| shared.is_clustered(self.options)) {
            Some(cluster) => {
                let joined = cluster.join(&self.shared, &self.channel, &self.options);
                in_time(&shared, joined.map_err(StoreError::of)).await
            }
            None => in_time(&shared, read(&shared, &self.channel, &self.options)).await,
        };
        if let Ok(restored) = found {
            self.found = Found::Channel(restored);
        }
    }

    /// Creates the channel, pinned, unless no waiter wants it created: then returns false.
    ///
    /// # Errors
    /// If no waiter does, and it is not known if there is such a channel.
    fn make(&mut self, waiters: &[Waiter]) -> Result<bool, Failed> {
        let makes = waiters.iter().any(|waiter| waiter.makes && !waiter.tell.is_canceled());
        let now = self.shared.runtime.now();
        let mut shard = lock(self.shared.shard(&self.channel));
        match std::mem::replace(&mut self.found, Found::Failure) {
            Found::Channel(restored) if makes || restored.unopened.is_none() => {
                shard.restore(&self.channel, self.options, restored, now);
            }
            Found::Failure if makes && !self.shared.is_clustered(self.options) => {
                shard.continue_without_store(&self.channel, self.options);
            }
            Found::Channel(_) => return Ok(false),
            Found::Failure => return Err(Failed),
        }
        Ok(true)
    }
}

impl Load {
    /// Takes in what the broker handed over while the channel was being joined, or leaves the channel again.
    fn end_joining(&self, made: Result<bool, Failed>, early: Early) {
        let shared = &self.shared;
        if !matches!(made, Ok(true)) {
            return leave_later(shared, vec![self.channel.clone()]);
        }
        let all_follow = early
            .heard
            .into_iter()
            .all(|(stand, publication)| take_in(shared, &self.channel, stand, publication));
        shared.cluster.iter().for_each(Cluster::wake);
        if early.more || !all_follow {
            shared.cluster.iter().for_each(|cluster| cluster.has_missed(&self.channel));
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let shared = self.shared.clone();
        let mut loads = lock(&shared.loads);
        let waiters = loads.remove(&self.channel).unwrap_or_default();
        let made = self.make(&waiters);
        let cluster = shared.cluster.as_ref().filter(|_| shared.is_clustered(self.options));
        let early = cluster.map(|cluster| cluster.end_joining(&self.channel));
        drop(loads);
        if let Some(early) = early {
            self.end_joining(made, early);
        }
        let own = made.map(|made| {
            let pin: Option<Arc<dyn Pins>> = Some(shared.clone());
            made.then(|| Entry { channel: self.channel.clone(), options: self.options, pin })
        });
        for Waiter { tell, .. } in waiters {
            // A waiter that waits no more gives its entry back.
            let _ =
                tell.send(own.as_ref().map(|own| own.as_ref().map(Entry::again)).map_err(|failed| *failed));
        }
        make_room(&shared, &self.channel);
    }
}

/// Pins channels for the entries, each of which holds the hub whose channel it keeps.
impl Pins for Shared {
    fn pin_again(&self, channel: &ChannelId) {
        let there = lock(self.shard(channel)).pin(channel);
        assert!(there, "a channel that is held is there");
    }

    fn unpin(self: Arc<Self>, channel: &ChannelId) {
        let now = self.runtime.instant();
        let mut shard = lock(self.shard(channel));
        shard.unpin(channel, now);
        let rests = shard.next_deadline().is_some();
        drop(shard);
        if rests {
            sweep_later(&self);
        }
    }
}

/// Reads what the store knows of a channel: where it continues, and as much as its log may hold.
async fn read(
    shared: &Shared,
    channel: &ChannelId,
    options: &ChannelOptions,
) -> Result<Restored, StoreError> {
    let (hub_store, tenure) = (shared.stored(), shared.incarnation().name());
    if hub_store.writer.may_store_more() {
        return Err(StoreError::new("the store has not ended what it was given up in"));
    }
    let fresh = lock(shared.shard(channel)).next_epoch();
    let Some(stored) = hub_store.call(|store| store.resume(channel, fresh, tenure)).await? else {
        return Ok(anew(fresh, tenure));
    };
    let place = Place { seq: stored.last.0, offset: stored.last };
    let mut publications = Vec::new();
    if !options.history.is_none() && stored.last > Offset(0) {
        let newest =
            HistoryRequest { reverse: true, ..HistoryRequest::of(channel.clone(), options.history.entries) };
        publications = hub_store.call(|store| store.read(newest, options.history.bytes)).await?.publications;
    }
    let since = shared.runtime.now().utc - TimeDelta::from_std(KEY_AGE).unwrap_or_default();
    let most = Recall { keys: KEYS, marks: if options.presence { MARKS } else { 0 } };
    let Recalled { keys, read } = hub_store.call(|store| store.recall(channel, since, most)).await?;
    let publications = unbroken(publications, &stored.last);
    Ok(Restored { epoch: stored.epoch, place, publications, keys, read, unopened: None, clustered: false })
}

/// Returns a new channel, of which nothing is stored.
fn anew(epoch: Epoch, tenure: u64) -> Restored {
    let (place, publications) = (Place::default(), Vec::new());
    let (keys, read) = (Vec::new(), Vec::new());
    Restored { epoch, place, publications, keys, read, unopened: Some(tenure), clustered: false }
}

/// Returns, of publications with the newest first, those up to the first gap, with the oldest first.
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
