//! Defines the broker, behind which the hubs of several nodes are one: one order, one history.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Sender;
use futures::future::BoxFuture;

use crate::model::setters::setters;
use crate::model::{ChannelId, Epoch, HistoryOptions, HistoryRequest, Offset};

/// Gives publications their places for all nodes, keeps them, and hands each to every node that has joined
/// its channel.
///
/// A broker promises four things:
///
/// 1. Within an epoch the offsets of a channel grow by one, and an epoch names one incarnation of the
///    broker's memory. A broker that forgot, because it restarted from an older snapshot, failed over to a
///    replica that lagged, or lost its data, answers with another epoch.
/// 2. A publication comes back from [`run`](Self::run) to every node that has joined its channel, the
///    publisher's own included. A node delivers only what comes back.
/// 3. What a node hears after [`join`](Self::join) is ready comes in order and without a gap, or
///    [`Heard::Deaf`] comes.
/// 4. Everything is bounded. A node that cannot keep up leaves the sender of `run` full; the engine then
///    reads no further, and says [`Heard::Deaf`] once it has lost something.
///
/// A broker carries texts that it does not read. Each is at most [`BODY_BYTES`] long.
///
/// The hub calls [`publish`](Self::publish) once at a time for each lane, and the other methods from any
/// task. A call may be dropped before it is ready; its effect is then done or not. All nodes of one
/// deployment give a channel the same lane.
///
/// An engine is tested with [`testkit::broker_conformance`](crate::testkit::broker_conformance).
pub trait Broker: Send + Sync + 'static {
    /// Returns the number of lanes, at least 1: publications of different lanes may be placed at once.
    fn lanes(&self) -> usize {
        1
    }

    /// Returns the lane of a channel, below [`lanes`](Self::lanes) and the same on all nodes. By default a
    /// hash of its name decides (FNV-1a, 64 bits).
    fn lane(&self, channel: &ChannelId) -> usize {
        (name_hash(channel) % self.lanes().max(1) as u64) as usize
    }

    /// Gives publications of one lane their places, in their order. The result holds an answer for each, in
    /// the same order.
    ///
    /// A publication that fails may have been placed all the same. Under the same
    /// [`key`](Draft::key) it is placed once, for as long as the key is remembered.
    fn publish(&self, lane: usize, batch: Vec<Draft>) -> BoxFuture<'_, Vec<Result<Placed, BrokerError>>>;

    /// Joins channels: from when the result is ready, [`run`](Self::run) hears all that is published to them.
    /// The result holds an answer for each, in the same order; a channel that the broker does not know begins
    /// in a new epoch.
    ///
    /// The engine subscribes first and reads then, so that what it reads and what it hears overlap and leave
    /// no gap. A channel that is joined already is read again.
    fn join(&self, joins: Vec<Join>) -> BoxFuture<'_, Result<Vec<Joined>, BrokerError>>;

    /// Leaves channels. What was heard of them before may still come. A channel that is not joined is left
    /// alone.
    fn leave(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// Returns where each of these channels stands, in the same order, and keeps the broker from forgetting
    /// them. The hub calls it after a deaf time, and every 40 s unless the broker is
    /// [`reliable`](Promises::reliable).
    fn stands(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<Vec<Stand>, BrokerError>>;

    /// Reads what is kept of a range: at most [`limit`](HistoryRequest::limit) publications and about `bytes`
    /// bytes of bodies, but one in any case.
    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<Page, BrokerError>>;

    /// Says a word that has no place and is kept nowhere, to the nodes that have joined this channel, or to
    /// all nodes if there is none; this node hears it too. A word may be lost, and comes at most once.
    fn tell(&self, channel: Option<ChannelId>, body: Arc<str>) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// Connects, and hands over all that is heard for as long as the future is polled. It waits while `heard`
    /// is full. Dropping it disconnects, which the hub does when it is dropped itself. The hub calls it once,
    /// and counts a future that is ready as a broker that is never heard again.
    ///
    /// The first event is [`Heard::Back`]. After the connection is lost [`Heard::Deaf`] comes before anything
    /// else, and once the engine is subscribed again to all channels that are joined, [`Heard::Back`]: the
    /// hub then asks where they [stand](Self::stands) and [reads](Self::read) what it missed.
    fn run(&self, heard: Sender<Heard>) -> BoxFuture<'_, ()>;

    /// Tells what the engine promises besides.
    fn promises(&self) -> Promises;
}

fn name_hash(channel: &ChannelId) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    channel.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Bounds the bytes of a body: 1 MiB. A longer one is refused as [`BrokerFault::TooLarge`].
pub const BODY_BYTES: usize = 1024 * 1024;

/// Is a publication that has no place yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Draft {
    /// Names the channel.
    pub channel: ChannelId,
    /// Holds the text that every node gets.
    pub body: Arc<str>,
    /// Holds the key under which it is placed once, over all nodes, and how long that is remembered.
    pub key: Option<(Arc<str>, Duration)>,
    /// Is true for a signal: it has the offset of the publication before it, and is kept nowhere.
    pub ephemeral: bool,
    /// Bounds what is kept of the channel from now on. A channel that keeps no publication keeps its epoch
    /// and its last offset for [`age`](HistoryOptions::age), at least for [`STAND`].
    pub keep: HistoryOptions,
}

/// Bounds from below how long a broker remembers where a channel stands that nobody asks for: five minutes.
pub const STAND: Duration = Duration::from_secs(300);

/// Asks to join a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Join {
    /// Names the channel.
    pub channel: ChannelId,
    /// Bounds what the answer holds of it, the newest publications. The channel stands for as long as its
    /// publications would be kept. How much is kept is said by those who publish.
    pub keep: HistoryOptions,
}

/// Tells that a channel is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Joined {
    /// Tells where the channel stands.
    pub stand: Stand,
    /// Lists the newest of what is kept, without a gap up to where the channel stands.
    pub kept: Vec<Entry>,
}

/// Tells where a channel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stand {
    /// Names the incarnation of the broker's memory.
    pub epoch: Epoch,
    /// Holds the offset of the last publication; 0 if there is none.
    pub offset: Offset,
}

/// Tells where a publication is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placed {
    /// Tells where the channel stood with this publication as its last.
    pub stand: Stand,
    /// Is true if it was placed before under its key, and is not heard again.
    pub already: bool,
}

/// Is a publication that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Holds its offset.
    pub offset: Offset,
    /// Holds its text, as it was published.
    pub body: Arc<str>,
}

/// Holds what is kept of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Tells where the channel stands.
    pub stand: Stand,
    /// Lists the publications in the requested order.
    pub entries: Vec<Entry>,
    /// Is true if there are others beyond these.
    pub more: bool,
}

/// Is what a node hears.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// Says that a publication has its place.
    Published {
        /// Names its channel.
        channel: ChannelId,
        /// Tells where the channel stands with it.
        stand: Stand,
        /// Is true if it is a signal, which has no place of its own.
        ephemeral: bool,
        /// Holds its text.
        body: Arc<str>,
    },
    /// Is a word without a place.
    Told {
        /// Names the channel whose nodes it was told to; none for all nodes.
        channel: Option<ChannelId>,
        /// Holds its text.
        body: Arc<str>,
    },
    /// Says that something may be lost: nothing is heard until [`Back`](Self::Back).
    Deaf,
    /// Says that all channels that are joined are heard from here on.
    Back,
    /// Says that something was heard that no node of this version has said. It is dropped.
    Corrupt,
}

/// Tells what an engine promises besides the four sentences of [`Broker`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promises {
    /// Is true if the engine itself notices everything that is lost on the way to a node.
    pub reliable: bool,
    /// Is true if what is placed is safe from a crash of the engine.
    pub durable: bool,
}

/// Says what kind of fault a [`BrokerError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerFault {
    /// The engine cannot be reached, or does not answer in time. The call may have happened.
    Unavailable,
    /// The body is longer than [`BODY_BYTES`]. The call has not happened.
    TooLarge,
    /// The engine refused the call, such as for want of memory or rights. The call has not happened.
    Refused,
    /// The engine keeps under these names something that this version has not written.
    Corrupt,
}

/// Tells why a broker failed, in words for whoever runs the server, and keeps the error that caused it.
///
/// ```
/// use std::error::Error;
/// use chat_core::broker::{BrokerError, BrokerFault};
/// let cut = BrokerError::of(BrokerFault::Unavailable, std::io::Error::other("the line is cut"));
/// assert_eq!(cut.to_string(), "the line is cut");
/// assert!(cut.source().is_some_and(|source| source.is::<std::io::Error>()));
/// ```
#[derive(Clone, Debug)]
pub struct BrokerError {
    fault: BrokerFault,
    message: Box<str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl BrokerError {
    /// Returns an error with this message and without a source.
    pub fn new(fault: BrokerFault, message: impl Into<Box<str>>) -> Self {
        Self { fault, message: message.into(), source: None }
    }

    /// Returns the error that this source caused, with the source's own words.
    pub fn of(fault: BrokerFault, source: impl Error + Send + Sync + 'static) -> Self {
        Self { fault, message: source.to_string().into(), source: Some(Arc::new(source)) }
    }

    /// Returns the kind of fault.
    pub fn fault(&self) -> BrokerFault {
        self.fault
    }
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

// Derived, the source would be the `Arc`, which nobody could downcast.
impl Error for BrokerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl Draft {
    /// Returns a publication with this text, of which a channel keeps so much.
    pub fn new(channel: ChannelId, body: impl Into<Arc<str>>, keep: HistoryOptions) -> Self {
        Self { channel, body: body.into(), key: None, ephemeral: false, keep }
    }
}

setters! {
    Draft:
    with_key key: impl Into<Option<(Arc<str>, Duration)>>,
    with_ephemeral ephemeral: bool,
}

impl Join {
    /// Asks to join a channel that keeps so much.
    pub fn new(channel: ChannelId, keep: HistoryOptions) -> Self {
        Self { channel, keep }
    }
}

impl Joined {
    /// Says where a channel stands that is joined, and what is kept of it.
    pub fn new(stand: Stand, kept: Vec<Entry>) -> Self {
        Self { stand, kept }
    }
}

impl Stand {
    /// Says that a channel is in this epoch, and that its last publication has this offset.
    pub fn new(epoch: Epoch, offset: Offset) -> Self {
        Self { epoch, offset }
    }
}

impl Placed {
    /// Says that a publication was placed now, as the last of its channel.
    pub fn now(stand: Stand) -> Self {
        Self { stand, already: false }
    }

    /// Says that a publication was placed before, under the same key.
    pub fn already(stand: Stand) -> Self {
        Self { stand, already: true }
    }
}

impl Entry {
    /// Returns a publication that is kept at this offset.
    pub fn new(offset: Offset, body: impl Into<Arc<str>>) -> Self {
        Self { offset, body: body.into() }
    }
}

impl Page {
    /// Returns a page of these publications.
    pub fn new(stand: Stand, entries: Vec<Entry>, more: bool) -> Self {
        Self { stand, entries, more }
    }
}

setters! {
    Promises:
    with_reliable reliable: bool,
    with_durable durable: bool,
}
