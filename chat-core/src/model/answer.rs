//! Defines the answers that a client gets.

use super::setters::setters;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    ChannelId, Epoch, HistoryPage, Offset, Payload, PresencePage, Recovery, Refusal, RequestId, SenderName,
    SessionId, UserId,
};

/// Holds an answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "an answer, and the id that it answers")]
pub struct Reply {
    /// Holds the id of the request, if it has one.
    pub id: Option<RequestId>,
    /// Holds the answer itself.
    pub answer: Answer,
}

/// Describes a session that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected {
    /// Identifies the session.
    pub session: SessionId,
    /// Holds the name under which the session publishes.
    pub name: SenderName,
    /// Identifies the user whose session it is.
    pub user: UserId,
    /// Holds the time at which the session ends, unless it is refreshed before.
    pub expires: Option<Expiry>,
    /// Holds what the endpoint tells the client besides.
    pub data: Option<Payload>,
    /// Lists the channels that the server has subscribed the session to.
    pub subscriptions: Vec<Subscribed>,
}

/// Describes the subscription of a session to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscribed {
    /// Names the channel.
    pub channel: ChannelId,
    /// Holds the epoch of the channel.
    pub epoch: Epoch,
    /// Holds the offset of the last publication before those that follow.
    pub offset: Offset,
    /// Is true if the channel keeps a history, so that a client can resume from an offset in it.
    pub keeps: bool,
    /// Is true if the session was subscribed already.
    pub already: bool,
    /// Holds the outcome of the recovery, if one was requested.
    pub recovery: Option<Recovery>,
    /// Lists the users in the channel, if the subscriber is to be told.
    pub presence: Option<PresencePage>,
    /// Holds the time at which the subscription ends, unless it is refreshed before.
    pub expires: Option<Expiry>,
    /// Holds what the endpoint tells the client besides.
    pub data: Option<Payload>,
}

/// Holds the time at which something expires, on the wall clock and as a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a time, on two clocks")]
pub struct Expiry {
    /// Holds the time on the wall clock.
    pub at: DateTime<Utc>,
    /// Holds the time that is left, counted from when the answer was made.
    pub left: Duration,
}

/// Reports events that a subscriber does not get, in place of those events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a protocol reports every gap: a new one breaks its build")]
pub enum Gap {
    /// Reports publications that were dropped.
    Publications {
        /// Names the channel.
        channel: ChannelId,
        /// Holds the offset of the first publication that was dropped.
        from: Offset,
        /// Holds the offset of the last one; all between are dropped too.
        to: Offset,
    },
    /// Reports that joins and leaves were dropped: the client has to ask for presence again.
    Presence {
        /// Names the channel.
        channel: ChannelId,
    },
}

/// Lists the kinds of answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a protocol encodes every answer: a new one breaks its build")]
pub enum Answer {
    /// Tells that the session is open.
    Connected(Connected),
    /// Tells that the session was refreshed.
    Refreshed {
        /// Holds the time at which the session ends now, unless it is refreshed again.
        expires: Option<Expiry>,
    },
    /// Tells that the session is subscribed to the channel.
    Subscribed(Subscribed),
    /// Tells that the subscription was refreshed.
    SubscriptionRefreshed {
        /// Names the channel.
        channel: ChannelId,
        /// Holds the time at which the subscription ends now, unless it is refreshed again.
        expires: Option<Expiry>,
    },
    /// Tells that the session is not subscribed to the channel.
    Unsubscribed {
        /// Names the channel.
        channel: ChannelId,
        /// Is true if the session was not subscribed before either.
        already: bool,
        /// Holds the reason why the server ended the subscription, if the server did.
        why: Option<Refusal>,
    },
    /// Tells that the publication was published.
    Published {
        /// Names the channel.
        channel: ChannelId,
        /// Holds the offset of the publication; none if it is ephemeral, or if nobody gets it.
        offset: Option<Offset>,
        /// Is true if the same key was published before; the offset is then that of the first publication.
        already: bool,
    },
    /// Returns a page of a channel's history.
    History {
        /// Names the channel.
        channel: ChannelId,
        /// Holds the page.
        page: HistoryPage,
        /// Holds the bound that replaced the requested limit, if the request asked for more.
        clamped: Option<usize>,
    },
    /// Returns the users in a channel.
    Presence {
        /// Names the channel.
        channel: ChannelId,
        /// Holds the users and sessions in the channel.
        page: PresencePage,
    },
    /// Tells up to where the user has read.
    Read {
        /// Names the channel.
        channel: ChannelId,
        /// Holds the read offset as it stands: it never goes back, nor beyond the channel's last publication.
        offset: Offset,
    },
    /// Returns the result of a call.
    Result(Payload),
    /// Carries data from the server to this user alone, requested or not.
    Direct(Payload),
    /// Announces that the server stops and closes the session next.
    Goodbye {
        /// Holds how long the client is to wait before it reconnects.
        come_back: Duration,
    },
    /// Answers a ping of the client.
    Pong,
    /// Tells that the request was refused.
    Error(Refusal),
}

impl Answer {
    /// Returns whether the answer leaves out entries because of a bound.
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
    /// Describes a new subscription to a channel that keeps nothing.
    pub fn to(channel: ChannelId, epoch: Epoch, offset: Offset) -> Self {
        Self {
            channel,
            epoch,
            offset,
            keeps: false,
            already: false,
            recovery: None,
            presence: None,
            expires: None,
            data: None,
        }
    }
}

setters! {
    Subscribed:
    with_keeps keeps: bool,
    with_already already: bool,
    with_recovery recovery: impl Into<Option<Recovery>>,
    with_presence presence: impl Into<Option<PresencePage>>,
    with_expires expires: impl Into<Option<Expiry>>,
    with_data data: impl Into<Option<Payload>>,
}

impl Subscribed {
    fn is_clamped(&self) -> bool {
        self.recovery == Some(Recovery::TooMany)
            || self.presence.as_ref().is_some_and(PresencePage::is_clamped)
    }
}

impl Gap {
    /// Returns the channel that the gap is in.
    pub fn channel(&self) -> &ChannelId {
        match self {
            Self::Publications { channel, .. } | Self::Presence { channel } => channel,
        }
    }
}

impl Connected {
    /// Describes an open session that does not expire and has no subscriptions.
    pub fn new(session: SessionId, name: SenderName, user: UserId) -> Self {
        Self { session, name, user, expires: None, data: None, subscriptions: Vec::new() }
    }
}

setters! {
    Connected:
    with_expires expires: impl Into<Option<Expiry>>,
    with_data data: impl Into<Option<Payload>>,
    with_subscriptions subscriptions: Vec<Subscribed>,
}
