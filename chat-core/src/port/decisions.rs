//! Defines what hooks are told about a request, and what they decide about it.

use chrono::{DateTime, Utc};

use crate::model::setters::setters;
use crate::model::{Author, Overflow, Payload, Publish, Refusal, SessionInfo, Since, Subscribe};

/// Decides what is done with an event that a client pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pushed {
    /// Publishes this publication.
    Publish(Publish),
    /// Answers the client with this payload, and delivers the event to nobody.
    Answer(Payload),
    /// Delivers the event to nobody, and leaves it unanswered, for clients that wait for no answer.
    Nothing,
}

/// Decides how a session is subscribed to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscribeOptions {
    /// Is true if the session gets its own messages.
    pub echo: bool,
    /// Holds the position from which it resumes, if it was in the channel before.
    pub since: Option<Since>,
    /// Is true if the subscribe is refused with 112 when it cannot resume from there.
    pub whole: bool,
    /// Is true if it gets the channel's newest publication first, when it does not resume from a position.
    pub latest: bool,
    /// Is true if it gets the users in the channel, and joins and leaves, where the channel tracks presence.
    pub presence: bool,
    /// Decides what is done with publications for which the session is too slow. Where the client's protocol
    /// cannot report a gap, [`Overflow::Disconnect`] is used instead.
    pub overflow: Overflow,
    /// Holds the time at which the subscription ends, unless it is
    /// [refreshed](crate::Endpoint::refresh_subscription) before; its client is then told so with 110.
    pub expires: Option<DateTime<Utc>>,
    /// Holds what the client is told with the answer.
    pub data: Option<Payload>,
}

/// Describes how a session that requests to publish stands to the channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishContext {
    /// Is true if the session is in the channel.
    pub member: bool,
    /// Identifies the author of the publication that this one refers to, if it refers to one that is still
    /// kept.
    pub author: Option<Author>,
}

impl PublishContext {
    /// Checks the author's rule: only its author edits or deletes a message that is kept. The hub checks the
    /// rule for what an endpoint allows; this method is for endpoints that want to know before.
    ///
    /// # Errors
    /// Fails with 103 if another user or the server is the author, and with 108 if the message is not kept or
    /// the publication refers to none.
    pub fn may_change(&self, session: &SessionInfo) -> Result<(), Refusal> {
        match &self.author {
            Some(author) if author.is(&session.user) => Ok(()),
            Some(_) => Err(Refusal::permission_denied("only its author may edit or delete a message")),
            None => Err(Refusal::not_available("the message is not kept any more")),
        }
    }
}

setters! {
    SubscribeOptions:
    with_echo echo: bool,
    with_since since: impl Into<Option<Since>>,
    with_whole whole: bool,
    with_latest latest: bool,
    with_presence presence: bool,
    with_overflow overflow: Overflow,
    with_expires expires: impl Into<Option<DateTime<Utc>>>,
    with_data data: impl Into<Option<Payload>>,
}

impl SubscribeOptions {
    /// Returns the options that the client requests.
    pub fn of(request: &Subscribe) -> Self {
        let &Subscribe { echo, since, whole, latest, presence, overflow, .. } = request;
        Self { echo, since, whole, latest, presence, overflow, expires: None, data: None }
    }
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            echo: true,
            since: None,
            whole: false,
            latest: false,
            presence: false,
            overflow: Overflow::Disconnect,
            expires: None,
            data: None,
        }
    }
}
