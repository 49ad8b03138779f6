//! What a client is answered.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    ChannelId, Epoch, HistoryPage, Offset, Payload, PresencePage, Recovery, Refusal, RequestId, SenderName,
    SessionId, UserId,
};

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The request's mark.
    pub id: Option<RequestId>,
    /// What is answered.
    pub answer: Answer,
}

/// A session that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Its number.
    pub session: SessionId,
    /// The name under which it speaks.
    pub name: SenderName,
    /// Whose session it is.
    pub user: UserId,
    /// When it ends, unless it is refreshed before.
    pub expires: Option<Expiry>,
    /// What the endpoint says to its client besides.
    pub data: Option<Payload>,
    /// The channels that the server has put it into.
    pub subscriptions: Vec<Subscribed>,
}

/// A session that is in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Which.
    pub channel: ChannelId,
    /// The channel's life.
    pub epoch: Epoch,
    /// The place of the last publication before those that follow.
    pub offset: Offset,
    /// The channel keeps what is published, so that one can go on from a place in it.
    pub keeps: bool,
    /// It was in the channel already.
    pub already: bool,
    /// What became of the wish to go on, if there was one.
    pub recovery: Option<Recovery>,
    /// Who is in the channel, if it is to be told.
    pub presence: Option<PresencePage>,
    /// When it leaves, unless that is refreshed before.
    pub expires: Option<Expiry>,
    /// What the endpoint says to its client besides.
    pub data: Option<Payload>,
}

/// When something ends: by the calendar, and in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// When.
    pub at: DateTime<Utc>,
    /// In how long, counted from when that was said.
    pub left: Duration,
}

/// What a subscriber is told that it does not get, in place of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
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
    Connected(Connected),
    /// The session goes on.
    Refreshed {
        /// When it ends now, unless it is refreshed again.
        expires: Option<Expiry>,
    },
    /// The session is in the channel.
    Subscribed(Subscribed),
    /// The session stays in the channel.
    SubscriptionRefreshed {
        /// Which.
        channel: ChannelId,
        /// When it leaves now, unless that is refreshed again.
        expires: Option<Expiry>,
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

impl Answer {
    /// Whether there was more than one answer gives.
    pub(crate) fn is_clamped(&self) -> bool {
        match self {
            Self::History { clamped, .. } => clamped.is_some(),
            Self::Presence { page, .. } => page.is_clamped(),
            Self::Subscribed(subscribed) => subscribed.is_clamped(),
            Self::Connected(connected) => connected.subscriptions.iter().any(Subscribed::is_clamped),
            _ => false,
        }
    }
}

impl Subscribed {
    fn is_clamped(&self) -> bool {
        self.recovery == Some(Recovery::TooMany)
            || self.presence.as_ref().is_some_and(PresencePage::is_clamped)
    }
}

impl Gap {
    /// The channel.
    pub fn channel(&self) -> &ChannelId {
        match self {
            Self::Publications { channel, .. } | Self::Presence { channel } => channel,
        }
    }
}
