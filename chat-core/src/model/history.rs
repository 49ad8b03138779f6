//! Defines what a channel keeps of its publications, and how that is requested.

use super::setters::setters;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{ChannelId, Epoch, Offset, Publication};

/// Bounds the history that a channel keeps: over one of the bounds the oldest publications are dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryOptions {
    /// Bounds the number of publications; 0 keeps none.
    pub entries: usize,
    /// Bounds the bytes of their contents.
    pub bytes: usize,
    /// Bounds how long each publication is kept.
    pub age: Duration,
}

/// Decides how a channel is kept. The endpoint is asked when the channel comes to be; the answer holds for
/// the channel's whole life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelOptions {
    /// Bounds the history that the channel keeps.
    pub history: HistoryOptions,
    /// Is true if the channel tracks presence: sessions that may can request it, and get joins and leaves if
    /// they want to. Behind a broker these are the sessions of all nodes, unless the channel's
    /// [`scope`](Self::scope) is its node; those of a node that is gone leave after 9 seconds.
    pub presence: bool,
    /// Decides whether the channel is stored, if the hub has a store.
    ///
    /// Clients resume, edit and delete only as far as the [`history`](Self::history) reaches, also after a
    /// restart: a stored channel needs both. What is older in the store is read by history requests alone.
    pub storage: Storage,
    /// Decides whether the channel is one with those of other nodes, if the hub has a broker.
    pub scope: Scope,
}

/// Decides on which nodes a channel is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// The channel is the same on all nodes behind the hub's [broker](crate::HubBuilder::broker), which gives
    /// each publication its place: a round trip for each. Without a broker it is the same as `Node`.
    #[default]
    Cluster,
    /// Each node has a channel of its own.
    Node,
}

/// Decides whether a channel's publications outlive the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Storage {
    /// Stores nothing; publications end with the process.
    #[default]
    None,
    /// Stores publications soon after they are published.
    Kept,
    /// Stores publications before their publisher is answered; subscribers still get them at once.
    Durable,
}

/// Holds the position in a channel from which a client wants to resume: the last that it received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a position is an epoch and an offset")]
pub struct Since {
    /// Holds the epoch of the channel; none accepts the present one, whichever it is.
    pub epoch: Option<Epoch>,
    /// Holds the offset of the last publication that was received.
    pub offset: Offset,
}

/// Reports the outcome of a request to resume from a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// Confirms that all missed publications follow, in order, and then the new ones.
    Recovered,
    /// Reports that the channel has begun another epoch: what was missed is no longer known.
    EpochChanged,
    /// Reports that some of the missed publications are no longer kept.
    TooOld,
    /// Reports that more was missed than one recovery returns
    /// ([`Limits::answer_entries`](crate::Limits::answer_entries)).
    TooMany,
    /// Reports that the channel has not reached the offset that the client names.
    UnknownOffset,
    /// Reports that the session may not read what was missed.
    NotAllowed,
}

/// Requests a page of a channel's history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryRequest {
    /// Names the channel.
    pub channel: ChannelId,
    /// Restricts the page to publications after this offset.
    pub after: Option<Offset>,
    /// Restricts the page to publications before this offset.
    pub before: Option<Offset>,
    /// Restricts the request to this epoch of the channel.
    pub epoch: Option<Epoch>,
    /// Bounds the number of publications. A limit over
    /// [`Limits::answer_entries`](crate::Limits::answer_entries) counts as that bound.
    pub limit: usize,
    /// Reverses the order: the newest publication comes first.
    pub reverse: bool,
}

/// Holds what a channel keeps of its publications, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HistoryPage {
    /// Holds the epoch of the channel.
    pub epoch: Epoch,
    /// Holds the offset of the channel's last publication.
    pub offset: Offset,
    /// Holds the publications in the requested order.
    #[serde(serialize_with = "each")]
    pub publications: Vec<Arc<Publication>>,
    /// Is true if there are others beyond these, in the requested direction and between the requested
    /// offsets.
    pub more: bool,
}

impl HistoryPage {
    /// Returns a page of a channel that is in this epoch and has published up to this offset.
    pub fn new(epoch: Epoch, offset: Offset, publications: Vec<Arc<Publication>>, more: bool) -> Self {
        Self { epoch, offset, publications, more }
    }
}

setters! {
    HistoryRequest:
    with_after after: impl Into<Option<Offset>>,
    with_before before: impl Into<Option<Offset>>,
    with_epoch epoch: impl Into<Option<Epoch>>,
    with_limit limit: usize,
    with_reverse reverse: bool,
}

fn each<S: Serializer>(publications: &[Arc<Publication>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(publications.iter().map(|publication| &**publication))
}

impl HistoryRequest {
    /// Returns a request for the oldest publications that this channel keeps, at most `limit`.
    pub fn of(channel: ChannelId, limit: usize) -> Self {
        Self { channel, after: None, before: None, epoch: None, limit, reverse: false }
    }

    /// Returns the bound `most` if the request asks for more than that; none if it fits.
    pub fn clamped(&self, most: usize) -> Option<usize> {
        (self.limit > most).then_some(most)
    }
}

impl HistoryOptions {
    /// Returns options that keep at most `entries` publications, none older than `age`, and of these 1 MiB of
    /// content at most.
    pub fn of(entries: usize, age: Duration) -> Self {
        Self { entries, bytes: 1024 * 1024, age }
    }
}

setters! {
    HistoryOptions:
    with_entries entries: usize,
    with_bytes bytes: usize,
    with_age age: Duration,
}

impl HistoryOptions {
    /// Returns whether no history is kept.
    pub fn is_none(&self) -> bool {
        self.entries == 0
    }
}

impl Recovery {
    /// Returns the reason of a failed recovery, in words for programs; none if the recovery succeeded.
    pub fn failure(self) -> Option<&'static str> {
        match self {
            Self::Recovered => None,
            Self::EpochChanged => Some("epoch changed"),
            Self::TooOld => Some("too old"),
            Self::TooMany => Some("too many"),
            Self::UnknownOffset => Some("unknown offset"),
            Self::NotAllowed => Some("not allowed"),
        }
    }
}

setters! {
    ChannelOptions:
    with_history history: HistoryOptions,
    with_presence presence: bool,
    with_storage storage: Storage,
    with_scope scope: Scope,
}
