//! Defines the requests of a client.

use super::message::MESSAGE;
use super::setters::setters;
use super::{
    ChannelId, ChannelSubscription, Close, EventName, Extensions, HistoryRequest, Offset, Payload, Reason,
    Reference, Refusal, SenderName, Since,
};

/// Holds the id that a client gave its request, in its protocol's own form. It is returned as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it names one value and can hold no other")]
pub struct RequestId(pub Box<str>);

/// Holds one request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// Holds the id of the request, if it has one.
    pub id: Option<RequestId>,
    /// Holds what the client requests.
    pub command: Command,
}

/// Lists what a client can request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Opens the session.
    Connect(Connect),
    /// Refreshes the session of the same user with a new token, which is never traced.
    Refresh(Token),
    /// Renames the session from now on; its name was not known when it opened.
    Rename(SenderName),
    /// Refreshes a subscription with a new token, which is never traced.
    RefreshSubscription(ChannelId, Token),
    /// Joins a channel.
    Subscribe(Subscribe),
    /// Leaves a channel.
    Unsubscribe(ChannelId),
    /// Publishes to a channel.
    Publish(Publish),
    /// Pushes an event to a channel; the endpoint decides whether it is published or answered.
    Event(Publish),
    /// Reads the history of a channel.
    History(HistoryRequest),
    /// Requests the presence in a channel.
    Presence(ChannelId),
    /// Sets the read offset of the user in a channel.
    Read(ChannelId, Offset),
    /// Calls any other method that the endpoint offers.
    Call(Call),
    /// Asks whether the server is alive.
    Ping,
}

/// Requests to open a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connect {
    /// Holds the name that the client requests.
    pub name: Option<SenderName>,
    /// Holds the token that proves its identity.
    pub token: Option<Token>,
    /// Holds what the client tells the endpoint besides.
    pub data: Option<Payload>,
    /// Lists the positions from which it resumes in channels that the server subscribes it to.
    pub since: Vec<(ChannelId, Since)>,
    /// Holds what the transport knows of the client: an adapter for HTTP puts the head of the request there,
    /// with what middleware left in it. It is there whichever way the client connects, and only while the
    /// endpoint is asked: [`Extensions::share`] keeps a value for longer.
    pub extensions: Extensions,
}

/// Holds the token that proves an identity. It is hidden from every trace.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it names one value and can hold no other")]
pub struct Token(pub Box<str>);

/// Requests to join a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscribe {
    /// Names the channel.
    pub channel: ChannelId,
    /// Is true if the session gets its own messages in the channel.
    pub echo: bool,
    /// Holds the position from which to resume, if the client was in the channel before.
    pub since: Option<Since>,
    /// Is true to join only if all that was missed since then follows: else the request is refused with 112.
    pub whole: bool,
    /// Is true to get the channel's newest publication first, if there is no position to resume from.
    pub latest: bool,
    /// Is true to get the users in the channel, and joins and leaves.
    pub presence: bool,
    /// Decides what is done with publications for which the session is too slow.
    pub overflow: Overflow,
    /// Holds the token that proves its permission.
    pub token: Option<Token>,
    /// Holds what the client tells the endpoint besides.
    pub data: Option<Payload>,
}

/// Decides what is done with publications for which a subscriber is too slow. Whatever it does not get, it is
/// told so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Closes the session with 3008; the client may reconnect and recover.
    #[default]
    Disconnect,
    /// Drops the oldest waiting publications to make room.
    DropOldest,
    /// Drops the new publications.
    DropNewest,
    /// Keeps only the newest publication waiting.
    Latest,
    /// Drops all waiting publications of the channel; once the subscriber reads again, they come from the
    /// channel's history.
    Resync,
}

/// Bounds an idempotency key, in bytes.
pub const KEY_BYTES: usize = 128;

/// Requests to publish to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Publish {
    /// Names the channel.
    pub channel: ChannelId,
    /// Holds the content to publish.
    pub content: Payload,
    /// Names the kind of event, where clients name one.
    pub event: Option<EventName>,
    /// Holds an idempotency key of 1 to [`KEY_BYTES`] bytes: under the same key the same sender publishes
    /// once in five minutes.
    pub key: Option<Box<str>>,
    /// Refers to the earlier publication that it edits or deletes, if there is one.
    pub refers: Option<Reference>,
    /// Is true for a signal, such as that somebody types, that is kept nowhere.
    pub ephemeral: bool,
    /// Is true if it may edit or delete what others wrote, and what is no longer kept. Only the endpoint can
    /// set it: it is unset before the hook is asked, whatever a protocol has read.
    pub moderates: bool,
}

/// Calls a method of the endpoint, for requests that are none of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Names the method.
    pub method: Box<str>,
    /// Holds the argument of the call.
    pub data: Payload,
}

/// Describes a message that is no valid request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadRequest {
    /// Holds its id, if one could be read.
    pub id: Option<RequestId>,
    /// Tells what is wrong with it.
    pub refusal: Refusal,
    /// Closes the session at once, if the protocol demands it; else the message counts as one of
    /// [`Limits::strikes`](crate::Limits::strikes).
    pub close: Option<Close>,
    /// Is true if it can be read, and requests what is not offered or not allowed: it then costs no strike.
    pub readable: bool,
}

impl Command {
    /// Returns the channel that the request is about, if there is one.
    pub(crate) fn channel(&self) -> Option<&ChannelId> {
        match self {
            Self::Connect(_) | Self::Refresh(_) | Self::Rename(_) | Self::Call(_) | Self::Ping => None,
            Self::RefreshSubscription(channel, _)
            | Self::Unsubscribe(channel)
            | Self::Presence(channel)
            | Self::Read(channel, _) => Some(channel),
            Self::Subscribe(subscribe) => Some(&subscribe.channel),
            Self::Publish(publish) | Self::Event(publish) => Some(&publish.channel),
            Self::History(history) => Some(&history.channel),
        }
    }

    /// Returns whether the endpoint's decision depends on the session's present subscription, so that it
    /// holds for that subscription alone.
    pub(crate) fn counts_for_a_stay(&self) -> bool {
        matches!(
            self,
            Self::Publish(_)
                | Self::Event(_)
                | Self::History(_)
                | Self::Presence(_)
                | Self::RefreshSubscription(..)
        )
    }
}

setters! {
    Request:
    with_id id: impl Into<Option<RequestId>>,
}

impl Request {
    /// Returns a request without an id.
    pub fn new(command: Command) -> Self {
        Self { id: None, command }
    }
}

impl Call {
    /// Returns a call of this method.
    pub fn new(method: Box<str>, data: Payload) -> Self {
        Self { method, data }
    }
}

setters! {
    BadRequest:
    with_close close: impl Into<Option<Close>>,
    with_readable readable: bool,
}

impl BadRequest {
    /// Returns a bad request that counts as a strike, unless it is refused with another code than 107.
    pub fn new(id: Option<RequestId>, refusal: Refusal) -> Self {
        let readable = refusal.reason != Reason::BadRequest;
        Self { id, refusal, close: None, readable }
    }

    /// Returns a bad request that can be read and asks for what no client gets, such as a channel whose name
    /// is too long. It costs no strike, so that a client whose other requests are good is not closed for it.
    pub fn readable(id: Option<RequestId>, refusal: Refusal) -> Self {
        Self { readable: true, ..Self::new(id, refusal) }
    }
}

setters! {
    Connect:
    with_name name: impl Into<Option<SenderName>>,
    with_token token: impl Into<Option<Token>>,
    with_data data: impl Into<Option<Payload>>,
    with_since since: Vec<(ChannelId, Since)>,
    with_extensions extensions: Extensions,
}

impl Connect {
    /// Returns a request that gives no more than a name.
    pub fn named(name: Option<SenderName>) -> Self {
        Self { name, ..Self::default() }
    }

    /// Returns true if the request names nobody and nothing: it holds extensions at most.
    pub(crate) fn is_blank(&self) -> bool {
        let Self { name, token, data, since, extensions: _ } = self;
        name.is_none() && token.is_none() && data.is_none() && since.is_empty()
    }

    /// Adds what the transport knows of the client.
    pub(crate) fn known_by(self, extensions: Extensions) -> Self {
        Self { extensions: self.extensions.or(extensions), ..self }
    }
}

setters! {
    Subscribe:
    with_echo echo: bool,
    with_since since: impl Into<Option<Since>>,
    with_whole whole: bool,
    with_latest latest: bool,
    with_presence presence: bool,
    with_overflow overflow: Overflow,
    with_token token: impl Into<Option<Token>>,
    with_data data: impl Into<Option<Payload>>,
}

impl Subscribe {
    /// Returns a request to join a channel with the defaults.
    pub fn to(channel: ChannelId) -> Self {
        Self {
            channel,
            echo: true,
            since: None,
            whole: false,
            latest: false,
            presence: false,
            overflow: Overflow::Disconnect,
            token: None,
            data: None,
        }
    }
}

setters! {
    Publish:
    with_channel channel: ChannelId,
    with_content content: Payload,
    with_event event: impl Into<Option<EventName>>,
    with_key key: impl Into<Option<Box<str>>>,
    with_refers refers: impl Into<Option<Reference>>,
    with_ephemeral ephemeral: bool,
    with_moderates moderates: bool,
}

impl Publish {
    /// Allows the publish to edit or delete what others wrote, as an endpoint decides for its session.
    pub fn moderating(self) -> Self {
        Self { moderates: true, ..self }
    }

    /// Marks a message of the server that has no place and is kept nowhere, like a signal, but that clients
    /// receive as any other message. In a session's own publish it is a signal.
    pub fn kept_nowhere(self) -> Self {
        let event = MESSAGE.parse().expect("it is a name");
        Self { ephemeral: true, event: Some(event), ..self }
    }

    /// Returns a request to publish this content to the channel.
    pub fn to(channel: ChannelId, content: Payload) -> Self {
        Self { channel, content, event: None, key: None, refers: None, ephemeral: false, moderates: false }
    }
}

impl From<ChannelSubscription> for Command {
    fn from(wish: ChannelSubscription) -> Self {
        match wish.subscribe {
            true => Self::Subscribe(Subscribe::to(wish.channel_id)),
            false => Self::Unsubscribe(wish.channel_id),
        }
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// Hides the token.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}
