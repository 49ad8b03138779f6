//! Defines the input of a channel (drafts and joins) and its output (events and fanouts).

use std::sync::Arc;

use super::presence::Space;
use super::storing::Receipt;
use crate::model::{
    ChannelId, ChannelOptions, Epoch, EventName, Instant, Now, Payload, Place, PresenceChange, PresencePage,
    Publication, Recovery, Reference, SenderName, SessionId, SharedInfo, Since, UserId,
};

/// Holds a message that is to be published.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) from: Option<SessionId>,
    /// Names the user who publishes the message; none for the server.
    pub(crate) author: Option<UserId>,
    pub(crate) sender: SenderName,
    pub(crate) content: Payload,
    pub(crate) event: Option<EventName>,
    pub(crate) key: Option<Arc<str>>,
    pub(crate) refers: Option<Reference>,
    pub(crate) ephemeral: bool,
    /// Reports to the waiting publisher whether the publication was stored.
    pub(crate) receipt: Option<Receipt>,
    pub(crate) now: Now,
}

/// Describes how a session wants to join a channel.
#[derive(Clone, Debug)]
pub(crate) struct Joining {
    pub(crate) who: SharedInfo,
    /// Tells whether the session wants to be told of presence.
    pub(crate) observes: bool,
    pub(crate) since: Option<Since>,
    pub(crate) latest: bool,
    /// Tells whether the session joins only if it recovers all that it missed.
    pub(crate) whole: bool,
    /// Bounds the page of presence that the session gets.
    pub(crate) space: Space,
    /// Bounds the publications that the session recovers.
    pub(crate) recovers: usize,
    /// Holds the options of the channel, used if it is created.
    pub(crate) options: ChannelOptions,
    pub(crate) now: Instant,
}

/// Describes where a new subscriber starts.
#[derive(Clone, Debug)]
pub(crate) struct Joined {
    pub(crate) epoch: Epoch,
    /// Holds the channel's last place: the first live event of the subscriber comes next.
    pub(crate) place: Place,
    pub(crate) recovery: Option<Recovery>,
    /// Holds the events that the subscriber gets before the first live one.
    pub(crate) missed: Vec<Event>,
    /// Holds the page of presence, if the session wants it and the channel keeps presence.
    pub(crate) presence: Option<PresencePage>,
}

/// Holds a subscriber that has left, and the events from before that which it was not handed yet.
#[derive(Debug)]
#[must_use = "the leaver gets what was published before it left"]
pub(crate) struct Left<S> {
    pub(crate) subscriber: S,
    pub(crate) undelivered: Vec<Event>,
}

/// Holds an event of a channel and its place among all events of the channel.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) place: Place,
    pub(crate) kind: EventKind,
}

/// Names the kinds of event.
#[derive(Clone, Debug)]
pub(crate) enum EventKind {
    /// Carries a publication, for all subscribers.
    Publication(Arc<Publication>),
    /// Carries a change of presence, for subscribers that observe presence.
    Presence(ChannelId, Arc<PresenceChange>),
}

impl Event {
    /// Returns the bytes of content.
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

/// Tells what became of a publication that a broker placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakenIn {
    /// Means that it is the channel's next one. The caller is to flush if nobody else is about to.
    Next { flush: bool },
    /// Means that it is in the channel already.
    Known,
    /// Means that there is no such channel here.
    Unheard,
    /// Means that it does not follow on the channel's last, or is another than the channel has at this place.
    Astray,
}

/// Holds the work of one flush: the events, and the subscribers that get them.
#[derive(Clone, Debug)]
#[must_use = "what is not delivered is lost"]
pub(crate) struct Fanout<S> {
    /// Names the life of the channel that the events belong to.
    pub(crate) life: u64,
    pub(crate) events: Arc<[Event]>,
    pub(crate) subscribers: Arc<Vec<S>>,
}
