//! What a client asks for.

use super::message::MESSAGE;
use super::{
    ChannelId, ChannelSubscription, Close, EventName, HistoryRequest, Offset, Payload, Reference, Refusal,
    SenderName, Since,
};

/// What a client marked its request with, in its protocol's own words. It goes back as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub Box<str>);

/// One request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its mark, if it has one.
    pub id: Option<RequestId>,
    /// What it asks for.
    pub command: Command,
}

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// To open the session.
    Connect(Connect),
    /// To go on as the same user, with this new proof. Never traced.
    Refresh(Token),
    /// To go by another name from now on, of which the session knew nothing when it came in.
    Rename(SenderName),
    /// To stay in a channel, with this new proof. Never traced.
    RefreshSubscription(ChannelId, Token),
    /// To join a channel.
    Subscribe(Subscribe),
    /// To leave a channel.
    Unsubscribe(ChannelId),
    /// To speak in a channel.
    Publish(Publish),
    /// To have this event said in a channel, or answered: as the endpoint decides.
    Event(Publish),
    /// To read what a channel kept.
    History(HistoryRequest),
    /// To know who is in a channel.
    Presence(ChannelId),
    /// To mark what was read of a channel.
    Read(ChannelId, Offset),
    /// Anything else that the endpoint offers.
    Call(Call),
    /// Whether the server is there.
    Ping,
}

/// Who wants to come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// The name that is wished for.
    pub name: Option<SenderName>,
    /// What proves it.
    pub token: Option<Token>,
    /// What the client says to the endpoint besides.
    pub data: Option<Payload>,
    /// Where it goes on in channels that the server puts it into.
    pub since: Vec<(ChannelId, Since)>,
}

/// What proves who somebody is. Hidden from every trace.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub Box<str>);

/// A wish to join a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Which channel.
    pub channel: ChannelId,
    /// Whether the session hears its own messages there.
    pub echo: bool,
    /// Where to go on, if it was there before.
    pub since: Option<Since>,
    /// To join only if all that was missed since then follows: else it is refused with 112.
    pub whole: bool,
    /// To hear the channel's newest publication first, if nothing is to be gone on from.
    pub latest: bool,
    /// To be told who is in the channel, and who joins and leaves.
    pub presence: bool,
    /// What is to become of publications that it is too slow for.
    pub overflow: Overflow,
    /// What proves that it may.
    pub token: Option<Token>,
    /// What the client says to the endpoint besides.
    pub data: Option<Payload>,
}

/// What becomes of publications that a subscriber is too slow for: whatever of them it does not get, it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The session is closed with 3008, and may come back and recover.
    #[default]
    Disconnect,
    /// The oldest that wait make room.
    DropOldest,
    /// The new ones are not taken in.
    DropNewest,
    /// Only the newest ever waits.
    Latest,
    /// All that wait of the channel make room; once the reader is back, they come from the channel's history.
    Resync,
}

/// The longest idempotency key, in bytes.
pub const KEY_BYTES: usize = 128;

/// A wish to speak in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Which channel.
    pub channel: ChannelId,
    /// What to say.
    pub content: Payload,
    /// What kind of event it is, where clients name such.
    pub event: Option<EventName>,
    /// Under the same key the same sender publishes once in five minutes: 1 to [`KEY_BYTES`] bytes.
    pub key: Option<Box<str>>,
    /// The publication that it is about, if it is about one.
    pub refers: Option<Reference>,
    /// It is a signal, such as that somebody types, that is kept nowhere.
    pub ephemeral: bool,
    /// It may edit or delete what others wrote, and what is not kept any more. The endpoint's word alone: it is unset before the hook is asked, whatever
    /// a protocol has read.
    pub moderates: bool,
}

/// A request that is neither of the above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is called.
    pub method: Box<str>,
    /// With what.
    pub data: Payload,
}

/// A message that is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// Its mark, if one could be read.
    pub id: Option<RequestId>,
    /// What is wrong with it.
    pub refusal: Refusal,
    /// How the session ends by it, at once, if the protocol has it so; else it counts as one of [`Limits::strikes`](crate::Limits::strikes).
    pub close: Option<Close>,
    /// It can be read, and asks for what is not offered or may not be: it costs no strike.
    pub readable: bool,
}

impl Command {
    /// The channel that it is about, if it is about one.
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

    /// Whether what the endpoint allows depends on the session's stay in a channel, so that it counts for that stay alone.
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

impl Request {
    /// A request without a mark.
    pub fn new(command: Command) -> Self {
        Self { id: None, command }
    }
}

impl BadRequest {
    /// Makes one that counts as a strike, unless it is refused with another code than 107.
    pub fn new(id: Option<RequestId>, refusal: Refusal) -> Self {
        let readable = refusal.code != 107;
        Self { id, refusal, close: None, readable }
    }

    /// Makes one that can be read and asks for what no client gets, such as a channel whose name is too long: it costs no strike, so that a client whose
    /// other requests are good is not cut off for it.
    pub fn readable(id: Option<RequestId>, refusal: Refusal) -> Self {
        Self { readable: true, ..Self::new(id, refusal) }
    }
}

impl Connect {
    /// One who says no more than a name.
    pub fn named(name: Option<SenderName>) -> Self {
        Self { name, ..Self::default() }
    }
}

impl Subscribe {
    /// To join with the defaults.
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

impl Publish {
    /// As the word of an endpoint that lets its session edit or delete what others wrote.
    pub fn moderating(self) -> Self {
        Self { moderates: true, ..self }
    }

    /// As a message of the server that has no place and is kept nowhere, as a signal is, and that clients are told as any other message. In a session's
    /// own publish it is a signal.
    pub fn kept_nowhere(self) -> Self {
        let event = MESSAGE.parse().expect("it is a name");
        Self { ephemeral: true, event: Some(event), ..self }
    }

    /// To say this there.
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

/// Hides it.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}
