//! What a client asks for, and what it is answered.

use std::sync::Arc;

use super::{ChannelId, ChannelSubscription, Epoch, Offset, Payload, Refusal, SenderName, SessionId};

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
    /// To join a channel.
    Subscribe(Subscribe),
    /// To leave a channel.
    Unsubscribe(ChannelId),
    /// To speak in a channel.
    Publish(Publish),
    /// Anything else that the endpoint offers.
    Call(Call),
    /// Whether the server is there.
    Ping,
}

/// Who wants to come in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Connect {
    /// The name that is wished for.
    pub name: Option<SenderName>,
    /// What proves it. Never traced.
    pub token: Option<Box<str>>,
}

/// A wish to join a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Which channel.
    pub channel: ChannelId,
    /// Whether the session hears its own messages there.
    pub echo: bool,
}

/// A wish to speak in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Which channel.
    pub channel: ChannelId,
    /// What to say.
    pub content: Payload,
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

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The session is open.
    Connected {
        /// Its number.
        session: SessionId,
        /// The name under which it speaks.
        name: SenderName,
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
    },
    /// The session is not in the channel.
    Unsubscribed {
        /// Which.
        channel: ChannelId,
        /// It was not in the channel before either.
        already: bool,
    },
    /// The publication has its place.
    Published {
        /// The channel.
        channel: ChannelId,
        /// The place.
        offset: Offset,
    },
    /// What a call gave.
    Result(Payload),
    /// The server is there.
    Pong,
    /// The request was refused.
    Error(Refusal),
}

/// What every hook is told of the session that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its number.
    pub id: SessionId,
    /// The name under which it speaks.
    pub name: SenderName,
}

/// Shared, because hooks run beside their session.
pub type SharedInfo = Arc<SessionInfo>;

impl Request {
    /// A request without a mark.
    pub fn new(command: Command) -> Self {
        Self { id: None, command }
    }
}

impl Subscribe {
    /// To join with the defaults.
    pub fn to(channel: ChannelId) -> Self {
        Self { channel, echo: true }
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

/// Hides the token.
impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("Connect").field("name", &self.name).field("token", &token).finish()
    }
}
