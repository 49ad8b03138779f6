//! What a channel keeps of what was said, and what of that is asked for.

use std::sync::Arc;
use std::time::Duration;

use super::{ChannelId, Epoch, Offset, Publication};

/// How much of what was published a channel keeps: what is over one of the bounds goes, the oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryOptions {
    /// Publications; 0 keeps none.
    pub entries: usize,
    /// Bytes of their contents.
    pub bytes: usize,
    /// How long each is kept.
    pub age: Duration,
}

/// How a channel is kept. Asked of the endpoint when the channel comes to be, and the same for all its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelOptions {
    /// What is kept of what was published.
    pub history: HistoryOptions,
    /// Whether it is known who is in it: those who may can ask, and hear of joins and leaves if they want to.
    pub presence: bool,
    /// Whether it is stored, if the hub has a store.
    pub storage: Storage,
}

/// Whether a channel's publications outlive the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// They do not.
    #[default]
    None,
    /// They are stored, soon after they were published.
    Kept,
    /// They are stored before their publisher is answered; subscribers hear them as soon as ever.
    Durable,
}

/// The last that a client heard of a channel, from which it wants to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The channel's life; none for whatever it is in.
    pub epoch: Option<Epoch>,
    /// The place of the last publication that was heard.
    pub offset: Offset,
}

/// What became of the wish to go on where one left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// All that was missed follows, in order, and then what is new.
    Recovered,
    /// The channel has begun another life: what was missed is not known any more.
    EpochChanged,
    /// Some of what was missed is not kept any more.
    TooOld,
    /// More was missed than one recovery gives ([`Limits::answer_entries`](crate::Limits::answer_entries)).
    TooMany,
    /// The channel has not come as far as the client says it was.
    UnknownOffset,
    /// The session may not read what was missed.
    NotAllowed,
}

/// Asks for what a channel kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRequest {
    /// Which channel.
    pub channel: ChannelId,
    /// Only what comes after this place.
    pub after: Option<Offset>,
    /// Only what comes before this place.
    pub before: Option<Offset>,
    /// Only if the channel is in this life.
    pub epoch: Option<Epoch>,
    /// At most so many; more than [`Limits::answer_entries`](crate::Limits::answer_entries) counts as that.
    pub limit: usize,
    /// The newest first, and backwards from there.
    pub reverse: bool,
}

/// What a channel kept, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The channel's life.
    pub epoch: Epoch,
    /// The place of the channel's last publication.
    pub offset: Offset,
    /// In the order that was asked for.
    pub publications: Vec<Arc<Publication>>,
    /// There are others beyond these, in the direction and between the places that were asked for.
    pub more: bool,
}

impl HistoryRequest {
    /// The oldest that this channel keeps, at most `limit`.
    pub fn of(channel: ChannelId, limit: usize) -> Self {
        Self { channel, after: None, before: None, epoch: None, limit, reverse: false }
    }

    /// What it is cut to, if it asks for more than one answer may hold.
    pub fn clamped(&self, most: usize) -> Option<usize> {
        (self.limit > most).then_some(most)
    }
}

impl HistoryOptions {
    /// Whether nothing is kept.
    pub fn is_none(&self) -> bool {
        self.entries == 0
    }
}

impl Recovery {
    /// Why not, in words for programs; none if all is well.
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
