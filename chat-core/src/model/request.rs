//! What a client asks for, and what it is answered.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    ChannelId, ChannelSubscription, Epoch, HistoryPage, HistoryRequest, Offset, Payload, PresencePage,
    Recovery, Refers, Refusal, SenderName, SessionId, Since, UserId,
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
    /// To join a channel.
    Subscribe(Subscribe),
    /// To leave a channel.
    Unsubscribe(ChannelId),
    /// To speak in a channel.
    Publish(Publish),
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
    /// To hear the channel's newest publication first, if nothing is to be gone on from.
    pub latest: bool,
    /// To be told who is in the channel, and who joins and leaves.
    pub presence: bool,
    /// What is to become of publications that it is too slow for.
    pub overflow: Overflow,
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

/// A wish to speak in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Which channel.
    pub channel: ChannelId,
    /// What to say.
    pub content: Payload,
    /// Under the same key the same sender publishes once in five minutes: 1–128 bytes.
    pub key: Option<Box<str>>,
    /// The publication that it is about, if it is about one.
    pub refers: Option<Refers>,
    /// It is a signal, such as that somebody types, that is kept nowhere.
    pub ephemeral: bool,
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
}

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The request's mark.
    pub id: Option<RequestId>,
    /// What is answered.
    pub answer: Answer,
}

/// What a subscriber is told that it does not get, in place of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Publications.
    Publications {
        /// The channel.
        channel: ChannelId,
        /// The first of them.
        from: Offset,
        /// The last; all between are lost too.
        to: Offset,
    },
    /// Joins and leaves: who is there has to be asked for again.
    Presence {
        /// The channel.
        channel: ChannelId,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The session is open.
    Connected {
        /// Its number.
        session: SessionId,
        /// The name under which it speaks.
        name: SenderName,
        /// Whose session it is.
        user: UserId,
        /// When it ends, unless it is refreshed before.
        expires: Option<DateTime<Utc>>,
    },
    /// The session goes on.
    Refreshed {
        /// When it ends now, unless it is refreshed again.
        expires: Option<DateTime<Utc>>,
    },
    /// The session is in the channel.
    Subscribed {
        /// Which.
        channel: ChannelId,
        /// The channel's life.
        epoch: Epoch,
        /// The place of the last publication before those that follow.
        offset: Offset,
        /// It was in the channel already.
        already: bool,
        /// What became of the wish to go on, if there was one.
        recovery: Option<Recovery>,
        /// Who is in the channel, if it is to be told.
        presence: Option<PresencePage>,
    },
    /// The session is not in the channel.
    Unsubscribed {
        /// Which.
        channel: ChannelId,
        /// It was not in the channel before either.
        already: bool,
        /// Why the server took it out, if that is what happened.
        why: Option<Refusal>,
    },
    /// The publication has its place.
    Published {
        /// The channel.
        channel: ChannelId,
        /// The place.
        offset: Offset,
        /// It was published before, under the same key, and this is the place from then.
        already: bool,
    },
    /// What a channel kept.
    History {
        /// The channel.
        channel: ChannelId,
        /// What it kept.
        page: HistoryPage,
        /// The bound that stands in place of the limit that was asked for.
        clamped: Option<usize>,
    },
    /// Who is in a channel.
    Presence {
        /// The channel.
        channel: ChannelId,
        /// Who is there.
        page: PresencePage,
    },
    /// Up to where the user has read.
    Read {
        /// The channel.
        channel: ChannelId,
        /// The mark as it stands: it never goes back, nor beyond the channel's last publication.
        offset: Offset,
    },
    /// What a call gave.
    Result(Payload),
    /// What the server says to this user alone, asked or not.
    Direct(Payload),
    /// The server stops, and closes next.
    Goodbye {
        /// How long the client is to wait before it comes back.
        come_back: Duration,
    },
    /// The server is there.
    Pong,
    /// The request was refused.
    Error(Refusal),
}

impl Request {
    /// A request without a mark.
    pub fn new(command: Command) -> Self {
        Self { id: None, command }
    }
}

impl Subscribe {
    /// To join with the defaults.
    pub fn to(channel: ChannelId) -> Self {
        Self {
            channel,
            echo: true,
            since: None,
            latest: false,
            presence: false,
            overflow: Overflow::Disconnect,
        }
    }
}

impl Publish {
    /// To say this there.
    pub fn to(channel: ChannelId, content: Payload) -> Self {
        Self { channel, content, key: None, refers: None, ephemeral: false }
    }
}

impl Lost {
    /// The channel.
    pub fn channel(&self) -> &ChannelId {
        match self {
            Self::Publications { channel, .. } | Self::Presence { channel } => channel,
        }
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
