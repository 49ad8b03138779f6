//! Defines the messages of the original design, and the publications that a channel makes of them.

use super::setters::setters;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::json::{self, NotJson};
use super::{ChannelId, Epoch, EventName, Offset, SenderName, SessionId, UserId};

/// Holds a message as people see it. In serde's formats the fields have the names of the original:
/// `senderName`, `content`, `timestamp`, `channelId`.
///
/// The core carries `content` as a [`Payload`] that it never inspects; other code may choose a type that
/// serde knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "these are the fields of the original design")]
pub struct ChatMessage<C = Payload> {
    /// Names the sender: it is the session's own name, never one that the client claims in the message.
    pub sender_name: SenderName,
    /// Holds the content of the message.
    pub content: C,
    /// Holds the time at which the server accepted the message.
    pub timestamp: DateTime<Utc>,
    /// Names the channel to which the message was published.
    pub channel_id: ChannelId,
}

/// Requests to join a channel or to leave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "these are the fields of the original design")]
pub struct ChannelSubscription {
    /// Names the channel.
    pub channel_id: ChannelId,
    /// Is true to join the channel, and false to leave it.
    pub subscribe: bool,
}

/// Holds content, which is carried byte for byte as it came. Cloning it is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a protocol carries every kind: a new one breaks its build")]
pub enum Payload {
    /// Holds one JSON value. [`parse`](Payload::parse) and [`json`](Payload::json) check the text, and
    /// [`json_unchecked`](Payload::json_unchecked) trusts the caller: the text goes to every subscriber as it
    /// stands.
    Json(Arc<str>),
    /// Holds bytes, for protocols that have binary messages.
    Binary(Arc<[u8]>),
}

impl Payload {
    /// Returns a payload of one JSON value that is written in the program.
    ///
    /// # Panics
    /// Panics if the text is not one JSON value, or is nested more than 128 deep. A text that comes from
    /// elsewhere is parsed with [`parse`](Self::parse).
    #[track_caller]
    pub fn json(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        match Self::parse(text.clone()) {
            Ok(payload) => payload,
            Err(error) => {
                let begin: String = text.chars().take(80).collect();
                panic!("the payload {begin:?} is not one JSON value: {error}")
            }
        }
    }

    /// Returns a payload of one JSON value, if the text is one: RFC 8259, with white space around it.
    ///
    /// # Errors
    /// Fails if the text is not one JSON value, or if its arrays and objects are nested more than 128 deep.
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, NotJson> {
        let text = text.into();
        json::check(&text).map(|()| Self::Json(text))
    }

    /// Returns a payload of text that the caller knows to be one JSON value, such as a decoder that has read
    /// it. A text that is no JSON breaks every subscriber's frame.
    pub fn json_unchecked(text: impl Into<Arc<str>>) -> Self {
        Self::Json(text.into())
    }

    /// Returns the payload `null` of JSON.
    pub fn null() -> Self {
        Self::json_unchecked("null")
    }

    /// Returns the bytes of the content.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Json(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// Holds a message with its place in a channel. It is serialized without its idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Publication {
    /// Holds the position of the publication in its channel.
    pub offset: Offset,
    /// Holds the offset of the publication before it, so that a gap is seen at once.
    pub previous: Offset,
    /// Holds the epoch of the channel in which the two are counted.
    pub epoch: Epoch,
    /// Identifies the session that published it; none for the server itself.
    pub from: Option<SessionId>,
    /// Identifies the user who published it, whatever name is shown: the rights of an author depend on this.
    /// Is none for the server itself, and where a store does not know the user.
    pub author: Option<UserId>,
    /// Names the kind of event, if its publisher gave one.
    pub event: Option<EventName>,
    /// Holds the idempotency key under which its author published it, if there was one. Stores keep the key;
    /// protocols send it to nobody.
    #[serde(skip)]
    pub key: Option<Arc<str>>,
    /// Refers to the earlier publication that it edits or deletes, if there is one.
    pub refers: Option<Reference>,
    /// Is true for a signal, such as that somebody types: it has no place of its own and is kept nowhere, and
    /// its `offset` is that of the publication before it.
    pub ephemeral: bool,
    /// Holds the message itself.
    pub message: ChatMessage,
}

impl Publication {
    /// Returns the publication of this message at this offset, after the one before it: by the server, and
    /// without anything besides. A store builds on this what it returns.
    pub fn new(message: ChatMessage, epoch: Epoch, offset: Offset) -> Self {
        Self {
            offset,
            previous: Offset(offset.0.saturating_sub(1)),
            epoch,
            from: None,
            author: None,
            event: None,
            key: None,
            refers: None,
            ephemeral: false,
            message,
        }
    }
}

setters! {
    Publication:
    with_message message: ChatMessage,
    with_previous previous: Offset,
    with_from from: impl Into<Option<SessionId>>,
    with_author author: impl Into<Option<UserId>>,
    with_event event: impl Into<Option<EventName>>,
    with_key key: impl Into<Option<Arc<str>>>,
    with_refers refers: impl Into<Option<Reference>>,
    with_ephemeral ephemeral: bool,
}

impl Publication {
    /// Returns whether it is a signal to those who receive it. A message that the server published as
    /// [`kept_nowhere`](super::Publish::kept_nowhere) has no place either, but is a message like any other.
    pub fn is_signal(&self) -> bool {
        self.ephemeral && !self.is_unkept_message()
    }

    /// Returns the kind of event that is sent to those who receive it, if it has one.
    pub fn told_event(&self) -> Option<&EventName> {
        self.event.as_ref().filter(|_| !self.is_unkept_message())
    }

    fn is_unkept_message(&self) -> bool {
        let by_server = self.from.is_none() && self.author.is_none();
        self.ephemeral && by_server && self.event.as_ref().is_some_and(|event| event.as_str() == MESSAGE)
    }
}

/// Names the event of a message that the server wants kept nowhere.
pub(super) const MESSAGE: &str = "message";

/// Identifies the author of a publication. It does not depend on a user's name: two users may have one name,
/// and one user several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "who is no user is the server")]
pub enum Author {
    /// Identifies this user, in whichever session and under whichever name.
    User(UserId),
    /// Stands for the server itself, or for a user whom a store does not know.
    Server,
}

/// Refers to an earlier publication. Edits and deletes are publications like any other, and clients that
/// receive them apply them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::exhaustive_enums, reason = "a protocol carries every kind: a new one breaks its build")]
#[serde(rename_all = "camelCase")]
pub enum Reference {
    /// Replaces the content of that publication.
    Edit(Offset),
    /// Deletes that publication.
    Delete(Offset),
}

/// Describes a publication that had an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecalledKey {
    /// Identifies the user who published it; none for the server itself.
    pub author: Option<UserId>,
    /// Holds the idempotency key.
    pub key: Arc<str>,
    /// Holds the publication's offset.
    pub offset: Offset,
    /// Holds the time at which it was published.
    pub at: DateTime<Utc>,
}

/// Reports the outcome of a publish.
///
/// ```
/// use chat_core::{Hub, OpenChat, Payload, Published, testkit::World};
/// let hub = Hub::builder(OpenChat::default()).build(World::new());
/// let published = hub.publish("news", Payload::json("1"))?;
/// assert_eq!(published, Published::Unheard);
/// assert_eq!((published.offset(), published.subscribers()), (None, 0));
/// # Ok::<(), chat_core::NameError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Published {
    /// The publication has its offset.
    Placed {
        /// Holds the epoch of the channel in which the offset counts.
        epoch: Epoch,
        /// Holds the offset that the publication got.
        offset: Offset,
        /// Counts the subscribers that the publication goes to.
        subscribers: usize,
    },
    /// The publication is [ephemeral](crate::Publish::ephemeral): it goes to subscribers, is kept nowhere,
    /// and has no offset of its own.
    Ephemeral {
        /// Counts the subscribers that the publication goes to.
        subscribers: usize,
    },
    /// The same user published under the same [key](crate::Publish::key) before. Nothing is delivered again.
    Duplicate {
        /// Holds the epoch of the channel in which the offset counts.
        epoch: Epoch,
        /// Holds the offset of the first publication; none if that was ephemeral.
        offset: Option<Offset>,
    },
    /// The channel is being restored from its store, or its broker gives the publication its place; the
    /// publication follows.
    Deferred,
    /// The channel has no subscribers and keeps nothing: nobody gets the publication.
    Unheard,
}

impl Published {
    /// Returns the offset of the publication, or of the first one under the same key; none if it has none, or
    /// none yet.
    pub fn offset(&self) -> Option<Offset> {
        match self {
            Self::Placed { offset, .. } => Some(*offset),
            Self::Duplicate { offset, .. } => *offset,
            _ => None,
        }
    }

    /// Returns how many subscribers the publication goes to, as far as that is known.
    pub fn subscribers(&self) -> usize {
        match self {
            Self::Placed { subscribers, .. } | Self::Ephemeral { subscribers } => *subscribers,
            _ => 0,
        }
    }

    /// Returns whether the publication was published before under the same key.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Duplicate { .. })
    }
}

impl Author {
    /// Returns whether the author is this user.
    pub fn is(&self, user: &UserId) -> bool {
        matches!(self, Self::User(author) if author == user)
    }
}

/// Converts the author as a [`Publication`] holds it.
impl From<Option<UserId>> for Author {
    fn from(user: Option<UserId>) -> Self {
        user.map_or(Self::Server, Self::User)
    }
}

impl Reference {
    /// Returns the offset of the publication that is edited or deleted.
    pub fn offset(self) -> Offset {
        match self {
            Self::Edit(offset) | Self::Delete(offset) => offset,
        }
    }
}

impl RecalledKey {
    /// Describes a publication under this key at this offset.
    pub fn new(author: Option<UserId>, key: Arc<str>, offset: Offset, at: DateTime<Utc>) -> Self {
        Self { author, key, offset, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "\"hello, world\" is not one JSON value")]
    fn a_text_that_is_no_json_is_no_payload_of_json() {
        assert_eq!(Payload::parse("hello, world"), Err(NotJson::Malformed(0)));
        assert_eq!(Payload::json_unchecked("7"), Payload::json("7"));
        Payload::json("hello, world");
    }

    #[test]
    fn the_fields_have_the_names_of_the_original() {
        let names = |text: &str| text.parse().expect("a name");
        let subscription =
            ChannelSubscription { channel_id: "room".parse().expect("a name"), subscribe: true };
        let json = serde_json::to_string(&subscription).expect("JSON");
        assert_eq!(json, r#"{"channelId":"room","subscribe":true}"#);
        let message = ChatMessage {
            sender_name: names("ann"),
            content: "hi",
            timestamp: DateTime::UNIX_EPOCH,
            channel_id: "room".parse().expect("a name"),
        };
        let json = serde_json::to_string(&message).expect("JSON");
        assert_eq!(
            json,
            r#"{"senderName":"ann","content":"hi","timestamp":"1970-01-01T00:00:00Z","channelId":"room"}"#
        );
        assert!(serde_json::from_str::<ChannelSubscription>(r#"{"channelId":"","subscribe":true}"#).is_err());
    }
}
