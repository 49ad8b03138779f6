//! The messages of the original design, and what a channel makes of them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::json::{self, NotJson};
use super::{ChannelId, Epoch, EventName, Offset, SenderName, SessionId, UserId};

/// A message as people see it. In serde's formats the fields have the names of the original: `senderName`, `content`, `timestamp`, `channelId`.
///
/// The core carries `content` as a [`Payload`] that it never looks into; other code may choose a type that serde knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessage<C = Payload> {
    /// Who wrote it: the session's own name, never the client's word.
    pub sender_name: SenderName,
    /// What was written.
    pub content: C,
    /// When the server took it.
    pub timestamp: DateTime<Utc>,
    /// Where it was written.
    pub channel_id: ChannelId,
}

/// A wish to join a channel or to leave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelSubscription {
    /// Which channel.
    pub channel_id: ChannelId,
    /// True to join, false to leave.
    pub subscribe: bool,
}

/// Content, carried to the byte as it came. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// One JSON value. Made by [`json`](Payload::json) and its like, which check or take the caller's word: it goes to every subscriber as it stands.
    Json(Arc<str>),
    /// Bytes, for protocols that have binary messages.
    Binary(Arc<[u8]>),
}

impl Payload {
    /// A payload of one JSON value, written by whoever wrote the program.
    ///
    /// # Panics
    /// If the text is not one JSON value, or more than 128 deep. For a text that comes from elsewhere there is [`parse`](Self::parse).
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

    /// A payload of one JSON value, if the text is one: RFC 8259, with white space around it.
    ///
    /// # Errors
    /// If it is none, or its arrays and objects stand more than 128 deep in each other.
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, NotJson> {
        let text = text.into();
        json::check(&text).map(|()| Self::Json(text))
    }

    /// A payload of text that is known to be one JSON value, as a decoder knows it that has read it. What is none breaks every subscriber's frame.
    pub fn json_unchecked(text: impl Into<Arc<str>>) -> Self {
        Self::Json(text.into())
    }

    /// JSON's `null`.
    pub fn null() -> Self {
        Self::json_unchecked("null")
    }

    /// The bytes of the content.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Json(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// A message in its place in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Its place.
    pub offset: Offset,
    /// The place of the publication before it, so that a gap is seen at once.
    pub previous: Offset,
    /// The life of the channel in which the two are counted.
    pub epoch: Epoch,
    /// The session that published it; none for the server itself.
    pub from: Option<SessionId>,
    /// The user who published it, whatever the name that is shown: what only an author may do goes by this. None for the server itself, and where a
    /// store does not know.
    pub author: Option<UserId>,
    /// What kind of event it is, if its publisher said so.
    pub event: Option<EventName>,
    /// The idempotency key under which its author published it, if there was one. Stores keep it; protocols tell it to nobody.
    pub key: Option<Arc<str>>,
    /// The publication that it is about, if it is about one.
    pub refers: Option<Reference>,
    /// It is a signal, such as that somebody types: it has no place of its own and is kept nowhere, and `offset` is that of the publication before it.
    pub ephemeral: bool,
    /// What it says.
    pub message: ChatMessage,
}

impl Publication {
    /// Returns whether it is a signal to those who hear it. What the server has published as [`kept_nowhere`](super::Publish::kept_nowhere) has no place
    /// either, and is a message like any other.
    pub fn is_signal(&self) -> bool {
        self.ephemeral && !self.is_unkept_message()
    }

    /// What kind of event it is, for those who hear it.
    pub fn told_event(&self) -> Option<&EventName> {
        self.event.as_ref().filter(|_| !self.is_unkept_message())
    }

    fn is_unkept_message(&self) -> bool {
        let by_server = self.from.is_none() && self.author.is_none();
        self.ephemeral && by_server && self.event.as_ref().is_some_and(|event| event.as_str() == MESSAGE)
    }
}

/// The event of a message that the server wants kept nowhere.
pub(super) const MESSAGE: &str = "message";

/// The author of a publication. A user's name has no part in it: two users may have one name, and one user several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Author {
    /// This user, in whichever session and under whichever name.
    User(UserId),
    /// The server itself, or somebody whom a store does not know.
    Server,
}

/// What a publication says of an earlier one. Both are publications like any other, and who hears them applies them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Its content stands in the place of that one's.
    Edit(Offset),
    /// That one is taken back.
    Delete(Offset),
}

/// A publication that had an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecalledKey {
    /// Who published it; none for the server itself.
    pub author: Option<UserId>,
    /// The key.
    pub key: Arc<str>,
    /// The publication's place.
    pub offset: Offset,
    /// When it was published.
    pub at: DateTime<Utc>,
}

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The place that it was given; of a signal, that of the publication before it.
    pub offset: Offset,
    /// The life of the channel in which that counts.
    pub epoch: Epoch,
    /// To how many subscribers it goes.
    pub subscribers: usize,
    /// It was published before, with the same key: the place is that of the first time, and nobody hears it again.
    pub already: bool,
}

impl Author {
    /// Whether it is this user.
    pub fn is(&self, user: &UserId) -> bool {
        matches!(self, Self::User(author) if author == user)
    }
}

/// As a [`Publication`] holds it.
impl From<Option<UserId>> for Author {
    fn from(user: Option<UserId>) -> Self {
        user.map_or(Self::Server, Self::User)
    }
}

impl Reference {
    /// Which publication it is about.
    pub fn offset(self) -> Offset {
        match self {
            Self::Edit(offset) | Self::Delete(offset) => offset,
        }
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
