//! Defines the store, where publications outlive the log of their channel and the process.

use crate::model::setters::setters;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::model::{ChannelId, Epoch, HistoryRequest, Offset, Publication, RecalledKey, UserId};

/// Stores publications beyond a channel's log, and beyond the process.
///
/// The hub calls [`append`](Self::append) from one task, the others from any. No live message waits for any
/// of them. A call may be dropped before it is ready; its effect is then done or not.
///
/// ```
/// use std::collections::{BTreeMap, HashMap};
/// use std::future::ready;
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
///
/// use chat_core::testkit::World;
/// use chat_core::{ChannelId, ChannelOptions, Epoch, HistoryOptions, HistoryRequest, Hub};
/// use chat_core::store::HistoryStore;
/// use chat_core::{Offset, OpenChat, Payload, Publication, Publish, Storage};
/// use chat_core::store::{StoreError, Stored, StoredPage};
/// use futures::future::BoxFuture;
///
/// type Channel = (Epoch, BTreeMap<Offset, Publication>);
///
/// /// Stores in memory: all channels are of one tenure, so each continues in its own epoch.
/// #[derive(Clone, Default)]
/// struct Memory(Arc<Mutex<HashMap<ChannelId, Channel>>>);
///
/// impl HistoryStore for Memory {
///     fn open(
///         &self,
///         channel: &ChannelId,
///         fresh: Epoch,
///         _: u64,
///     ) -> BoxFuture<'_, Result<Stored, StoreError>> {
///         let mut all = self.0.lock().expect("no thread panicked");
///         let (epoch, kept) = all.entry(channel.clone()).or_insert_with(|| (fresh, BTreeMap::new()));
///         let last = kept.last_key_value().map_or(Offset(0), |(last, _)| *last);
///         Box::pin(ready(Ok(Stored::new(*epoch, last))))
///     }
///
///     fn append(&self, publications: Vec<Arc<Publication>>) -> BoxFuture<'_, Result<(), StoreError>> {
///         let mut all = self.0.lock().expect("no thread panicked");
///         for one in publications {
///             let channel = one.message.channel_id.clone();
///             let (_, kept) = all.entry(channel).or_insert_with(|| (one.epoch, BTreeMap::new()));
///             kept.entry(one.offset).or_insert_with(|| Publication::clone(&one));
///         }
///         Box::pin(ready(Ok(())))
///     }
///
///     fn read(
///         &self,
///         request: HistoryRequest,
///         bytes: usize,
///     ) -> BoxFuture<'_, Result<StoredPage, StoreError>> {
///         let all = self.0.lock().expect("no thread panicked");
///         let kept = all.get(&request.channel).into_iter().flat_map(|(_, kept)| kept.values());
///         let mut found: Vec<_> = kept
///             .filter(|one| request.after.is_none_or(|after| one.offset > after))
///             .filter(|one| request.before.is_none_or(|before| one.offset < before))
///             .collect();
///         if request.reverse {
///             found.reverse();
///         }
///         let mut page = StoredPage::default();
///         let mut size = 0;
///         for one in found {
///             size += one.message.content.as_bytes().len();
///             let full = page.publications.len() == request.limit || size > bytes;
///             if full && !page.publications.is_empty() {
///                 page.more = true;
///                 break;
///             }
///             page.publications.push(one.clone());
///         }
///         Box::pin(ready(Ok(page)))
///     }
///
///     fn trim(&self, channel: &ChannelId, before: Offset) -> BoxFuture<'_, Result<(), StoreError>> {
///         if let Some((_, kept)) = self.0.lock().expect("no thread panicked").get_mut(channel) {
///             *kept = kept.split_off(&before);
///         }
///         Box::pin(ready(Ok(())))
///     }
///
///     fn close(&self, _: u64) -> BoxFuture<'_, Result<(), StoreError>> {
///         Box::pin(ready(Ok(())))
///     }
/// }
///
/// let (world, store) = (World::new(), Memory::default());
/// let builder = Hub::builder(OpenChat::default())
///     .history(10, Duration::from_secs(60))
///     .channel(|channel| channel.with_storage(Storage::Durable))
///     .store(store.clone());
/// let hub = builder.build(world.clone());
/// let news: ChannelId = "news".parse()?;
/// let publish = Publish::to(news.clone(), Payload::json("\"open at nine\""));
/// let published = world.run(async move { hub.publish_durable(publish).await }).expect("it is stored");
/// let page = world.run(async move { store.read(HistoryRequest::of(news, 10), 4096).await });
/// assert_eq!(page.expect("it can be read").publications[0].offset, published.offset().expect("a place"));
/// # Ok::<(), chat_core::NameError>(())
/// ```
pub trait HistoryStore: Send + Sync + 'static {
    /// Opens a channel for a tenure, which is one life of a hub. The opening is committed before the future
    /// is ready.
    ///
    /// A channel that this tenure has opened before, or whose last tenure was [closed](Self::close),
    /// continues in its own epoch. Any other continues in the epoch `fresh`: it is new, or clients may have
    /// received publications of it that were never stored.
    fn open(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Stored, StoreError>>;

    /// Opens a channel as [`open`](Self::open) does, if anything of it is stored; else returns none and
    /// writes nothing, so that a channel that was only joined leaves no trace. Such a channel is opened with
    /// its first publication, under its present epoch and the tenure of this call.
    ///
    /// By default it is opened at once.
    fn resume(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Option<Stored>, StoreError>> {
        self.open(channel, fresh, tenure).map(|opened| opened.map(Some)).boxed()
    }

    /// Returns what the hub promised of a channel besides its publications: the keys of those that were
    /// published after `since`, the oldest first, and the users' read offsets, the last that moved first.
    ///
    /// At most `most` of each are returned. By default a store remembers neither: a key and a read offset
    /// then count for as long as the process lives.
    fn recall(
        &self,
        channel: &ChannelId,
        since: DateTime<Utc>,
        most: Recall,
    ) -> BoxFuture<'_, Result<Recalled, StoreError>> {
        let _ = (channel, since, most);
        Box::pin(std::future::ready(Ok(Recalled::default())))
    }

    /// Stores up to where users have read. A read offset goes no further than the last publication that is
    /// stored, since a publication that takes the place of a lost one was not read. The read offset of a
    /// channel that was never opened may be dropped. By default all are dropped.
    fn mark_read(&self, marks: Vec<ReadMark>) -> BoxFuture<'_, Result<(), StoreError>> {
        let _ = marks;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Appends publications of any channels in their order, all or none. The future is ready when they are
    /// safe from a crash. A publication that is stored already (the same channel and offset) stays as it is.
    fn append(&self, publications: Vec<Arc<Publication>>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Reads what is stored of a range: at most [`limit`](HistoryRequest::limit) publications and about
    /// `bytes` bytes of content, but one in any case.
    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<StoredPage, StoreError>>;

    /// Drops what is stored of a channel before this offset.
    fn trim(&self, channel: &ChannelId, before: Offset) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Closes a tenure in order: all that was published in it has been appended.
    fn close(&self, tenure: u64) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// Tells where a stored channel continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// Holds the epoch of the channel.
    pub epoch: Epoch,
    /// Holds the offset of the last publication that is stored; 0 if there is none.
    pub last: Offset,
}

/// Bounds what a store returns of a channel besides its publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recall {
    /// Bounds the keys, of which the newest are returned.
    pub keys: usize,
    /// Bounds the read offsets.
    pub marks: usize,
}

/// Holds what a store remembers of a channel besides its publications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recalled {
    /// Lists the keys with their authors and offsets, the oldest first.
    pub keys: Vec<RecalledKey>,
    /// Lists the users with their read offsets.
    pub read: Vec<(UserId, Offset)>,
}

/// Holds up to where a user has read in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadMark {
    /// Names the channel.
    pub channel: ChannelId,
    /// Identifies the user.
    pub user: UserId,
    /// Holds the offset of the last publication that was read.
    pub offset: Offset,
}

/// Holds what is stored of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredPage {
    /// Lists the publications in the requested order; their epoch is the channel's present one.
    pub publications: Vec<Publication>,
    /// Is true if there are others beyond these.
    pub more: bool,
}

/// Tells why a store failed, in words for whoever runs the server, and keeps the error that caused it.
///
/// ```
/// use std::error::Error;
/// use chat_core::store::StoreError;
/// let full = StoreError::of(std::io::Error::other("the disk is full"));
/// assert_eq!(full.to_string(), "the disk is full");
/// assert!(full.source().is_some_and(|source| source.is::<std::io::Error>()));
/// ```
#[derive(Clone, Debug)]
pub struct StoreError {
    message: Box<str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// Returns an error with this message and without a source.
    pub fn new(message: impl Into<Box<str>>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// Returns the error that this source caused, with the source's own words.
    pub fn of(source: impl Error + Send + Sync + 'static) -> Self {
        Self { message: source.to_string().into(), source: Some(Arc::new(source)) }
    }

    /// Begins the message with what failed: `store.db: the disk is full`.
    #[must_use]
    pub fn within(self, what: impl fmt::Display) -> Self {
        Self { message: format!("{what}: {}", self.message).into(), ..self }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

// Derived, the source would be the `Arc`, which nobody could downcast.
impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Tells why a store was not closed in order.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseStoreError {
    /// The store failed to close.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not end in time. It was given up, and what waited for it is not stored.
    #[error("the store takes too long to be closed")]
    TimedOut,
    /// The store is closed, but some of what this hub published to stored channels is not stored.
    #[error("not all that was published is stored")]
    Unstored,
}

impl Stored {
    /// Describes a channel that is in this epoch, and whose last publication has this offset.
    pub fn new(epoch: Epoch, last: Offset) -> Self {
        Self { epoch, last }
    }
}

impl Recall {
    /// Asks for at most so many keys and read marks.
    pub fn new(keys: usize, marks: usize) -> Self {
        Self { keys, marks }
    }
}

impl ReadMark {
    /// Returns how far a user has read in a channel.
    pub fn new(channel: ChannelId, user: UserId, offset: Offset) -> Self {
        Self { channel, user, offset }
    }
}

impl StoredPage {
    /// Returns a page of these publications.
    pub fn new(publications: Vec<Publication>, more: bool) -> Self {
        Self { publications, more }
    }
}

setters! {
    Recalled:
    with_keys keys: Vec<RecalledKey>,
    with_read read: Vec<(UserId, Offset)>,
}
