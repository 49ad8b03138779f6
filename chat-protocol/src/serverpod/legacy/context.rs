//! Keeps what a request asked for, within its id: a refusal is sent, or costs, according to that.

use chat_core::ChannelId;
use chat_core::protocol::{Reply, RequestId};

/// Begins the id of a request to join a channel; the channel's name follows.
const JOIN: &str = "join ";

/// Names the request to refresh the session.
const AUTH: &str = "auth";

/// Tells what a request asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReplyContext {
    /// Asks to refresh the session.
    Auth,
    /// Asks to join this channel.
    Join(ChannelId),
}

impl ReplyContext {
    pub(super) fn to_id(&self) -> RequestId {
        RequestId(match self {
            Self::Auth => AUTH.into(),
            Self::Join(channel) => format!("{JOIN}{channel}").into(),
        })
    }

    /// Returns what the request of a reply asked for; none if the reply is the same for all other requests.
    pub(super) fn of(reply: &Reply) -> Option<Self> {
        let RequestId(id) = reply.id.as_ref()?;
        match id.strip_prefix(JOIN) {
            Some(channel) => channel.parse().ok().map(Self::Join),
            None => (**id == *AUTH).then_some(Self::Auth),
        }
    }
}
