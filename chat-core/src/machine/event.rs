//! What goes into a channel, and what comes out of it.

use std::sync::Arc;

use super::presence::Space;
use super::storing::Receipt;
use crate::model::{
    ChannelId, ChannelOptions, Epoch, EventName, Instant, Now, Payload, Place, PresenceChange, PresencePage,
    Publication, Recovery, Reference, SenderName, SessionId, SharedInfo, Since, UserId,
};

/// What is to be published.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) from: Option<SessionId>,
    /// The user who publishes it; none for the server.
    pub(crate) author: Option<UserId>,
    pub(crate) sender: SenderName,
    pub(crate) content: Payload,
    pub(crate) event: Option<EventName>,
    pub(crate) key: Option<Arc<str>>,
    pub(crate) refers: Option<Reference>,
    pub(crate) ephemeral: bool,
    /// Who waits until it is stored.
    pub(crate) receipt: Option<Receipt>,
    pub(crate) now: Now,
}

/// How a session wants to join a channel.
#[derive(Clone, Debug)]
pub(crate) struct Joining {
    pub(crate) who: SharedInfo,
    /// It wants to be told who is there.
    pub(crate) observes: bool,
    pub(crate) since: Option<Since>,
    pub(crate) latest: bool,
    /// How much of who is there it is told.
    pub(crate) space: Space,
    /// The most publications that it recovers.
    pub(crate) recovers: usize,
    /// How the channel is kept if it is made.
    pub(crate) options: ChannelOptions,
    pub(crate) now: Instant,
}

/// Where a new subscriber starts.
#[derive(Clone, Debug)]
pub(crate) struct Joined {
    pub(crate) epoch: Epoch,
    /// Its first live event is the next.
    pub(crate) place: Place,
    pub(crate) recovery: Option<Recovery>,
    /// What it gets before that.
    pub(crate) missed: Vec<Event>,
    /// Who is there, if it wants to be told and the channel knows.
    pub(crate) presence: Option<PresencePage>,
}

/// A subscriber that is out, and what was published before that it was not handed yet.
#[derive(Debug)]
#[must_use = "the leaver gets what was published before it left"]
pub(crate) struct Left<S> {
    pub(crate) subscriber: S,
    pub(crate) undelivered: Vec<Event>,
}

/// Something that the channel told, and its place among all that.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) place: Place,
    pub(crate) kind: EventKind,
}

/// What a channel tells.
#[derive(Clone, Debug)]
pub(crate) enum EventKind {
    /// To all: what was published.
    Publication(Arc<Publication>),
    /// To those who want to know: who came and went.
    Presence(ChannelId, Arc<PresenceChange>),
}

impl Event {
    /// Bytes of content.
    pub(crate) fn bytes(&self) -> usize {
        match &self.kind {
            EventKind::Publication(publication) => publication.message.content.as_bytes().len(),
            EventKind::Presence(..) => 0,
        }
    }

    pub(crate) fn is_presence(&self) -> bool {
        matches!(self.kind, EventKind::Presence(..))
    }
}

/// What one flush takes along: events, and who gets them.
#[derive(Clone, Debug)]
#[must_use = "what is not delivered is lost"]
pub(crate) struct Fanout<S> {
    /// The life of the channel that these are of.
    pub(crate) life: u64,
    pub(crate) events: Arc<[Event]>,
    pub(crate) subscribers: Arc<Vec<S>>,
}
