//! Defines the presence of users and sessions in a channel.

use super::setters::setters;
use serde::Serialize;

use super::{Offset, Payload, SenderName, SessionId, UserId};

/// Describes one user in a channel, with all of its sessions there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Present {
    /// Identifies the user.
    pub user: UserId,
    /// Holds the name of the user's session that joined last.
    pub name: SenderName,
    /// Holds the data that the endpoint shows to others.
    pub data: Option<Payload>,
    /// Lists the user's sessions in the channel, in the order in which they joined.
    pub sessions: Vec<SessionId>,
    /// Holds the offset of the last publication that the user has read; 0 if the user never reported one.
    pub read: Offset,
}

/// Holds the users in a channel at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PresencePage {
    /// Lists the users in the order of their ids, at most
    /// [`Limits::answer_entries`](crate::Limits::answer_entries).
    pub present: Vec<Present>,
    /// Counts all users in the channel.
    pub users: usize,
    /// Counts all of their sessions.
    pub sessions: usize,
}

/// Describes how the presence in a channel changed since it was last told. Each user is listed with its
/// present state, so a client that gets a change twice is not misled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PresenceChange {
    /// Lists the users who are new in the channel, or who have another name, other data or a later read
    /// offset.
    pub joined: Vec<Present>,
    /// Lists the users who are no longer in the channel.
    pub left: Vec<UserId>,
    /// Lists the sessions that joined since then and are still there, including those of users who were there
    /// before.
    pub arrived: Vec<SessionPresence>,
    /// Lists the sessions that left, including those of users who are still there.
    pub departed: Vec<SessionPresence>,
}

/// Describes one session of a user that joined a channel or left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionPresence {
    /// Identifies the session.
    pub session: SessionId,
    /// Identifies its user.
    pub user: UserId,
    /// Holds the name of the session.
    pub name: SenderName,
    /// Holds the data that the endpoint shows to others.
    pub data: Option<Payload>,
}

setters! {
    PresencePage:
    with_present present: Vec<Present>,
    with_users users: usize,
    with_sessions sessions: usize,
}

impl PresencePage {
    /// Returns whether there are users or sessions that the page does not list.
    pub fn is_clamped(&self) -> bool {
        let listed: usize = self.present.iter().map(|present| present.sessions.len()).sum();
        self.present.len() < self.users || listed < self.sessions
    }
}

impl Present {
    /// Describes a user of this name without data, sessions or a read offset.
    pub fn new(user: UserId, name: SenderName) -> Self {
        Self { user, name, data: None, sessions: Vec::new(), read: Offset(0) }
    }
}

setters! {
    Present:
    with_data data: impl Into<Option<Payload>>,
    with_sessions sessions: Vec<SessionId>,
    with_read read: Offset,
}

setters! {
    PresenceChange:
    with_joined joined: Vec<Present>,
    with_left left: Vec<UserId>,
    with_arrived arrived: Vec<SessionPresence>,
    with_departed departed: Vec<SessionPresence>,
}

impl SessionPresence {
    /// Describes a session of this user without data.
    pub fn new(session: SessionId, user: UserId, name: SenderName) -> Self {
        Self { session, user, name, data: None }
    }
}

setters! {
    SessionPresence:
    with_data data: impl Into<Option<Payload>>,
}
