//! Who is in a channel.

use super::{Offset, Payload, SenderName, SessionId, UserId};

/// One user in a channel, in however many sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Who.
    pub user: UserId,
    /// Under which name: that of the last session to join.
    pub name: SenderName,
    /// What the endpoint lets others see.
    pub data: Option<Payload>,
    /// In which sessions, in the order in which they joined.
    pub sessions: Vec<SessionId>,
    /// Up to which publication the user has read; 0 if that was never said.
    pub read: Offset,
}

/// Who is in a channel at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresencePage {
    /// By user, in the order of their ids; at most [`Limits::answer_entries`](crate::Limits::answer_entries).
    pub present: Vec<Present>,
    /// How many users there are.
    pub users: usize,
    /// How many sessions they are in.
    pub sessions: usize,
}

/// What became of who is in a channel, since that was last told. Each user stands as it is now, so to hear a change twice changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceChange {
    /// Who is there now and was not, or is there with another name, other data, or has read on.
    pub joined: Vec<Present>,
    /// Who is not there any more.
    pub left: Vec<UserId>,
    /// Sessions that came since then and are still there, also those of users who were there before.
    pub arrived: Vec<SessionPresence>,
    /// Sessions that went, also those of users who are still there.
    pub departed: Vec<SessionPresence>,
}

/// One session of a user that came to a channel or went from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPresence {
    /// Which.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// Under which name.
    pub name: SenderName,
    /// What the endpoint lets others see.
    pub data: Option<Payload>,
}

impl PresencePage {
    /// Returns whether there are users or sessions that it does not list.
    pub fn is_clamped(&self) -> bool {
        let listed: usize = self.present.iter().map(|present| present.sessions.len()).sum();
        self.present.len() < self.users || listed < self.sessions
    }
}
