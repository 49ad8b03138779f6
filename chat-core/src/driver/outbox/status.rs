//! Describes a session to those who look at it from outside.

use chrono::{DateTime, TimeDelta, Utc};

use super::Outbox;
use crate::lock::lock;
use crate::model::{Instant, Now, SessionStatus, SharedInfo};

impl Outbox {
    /// Notes who the session is from now on.
    pub(crate) fn introduce(&self, who: SharedInfo) {
        let before = lock(&self.state).who.replace(who);
        // Dropped under no lock, since the endpoint's own data is in it.
        drop(before);
    }

    /// Returns whether it is known who the session is: from its admission on.
    pub(crate) fn is_introduced(&self) -> bool {
        lock(&self.state).who.is_some()
    }

    /// Notes how many channels the session is in.
    pub(crate) fn note_channels(&self, channels: usize) {
        lock(&self.state).channels = u32::try_from(channels).unwrap_or(u32::MAX);
    }

    /// Returns who the session is, once it is admitted, and in how many channels.
    fn known(&self) -> (Option<SharedInfo>, u32) {
        let state = lock(&self.state);
        (state.who.clone(), state.channels)
    }

    /// Describes the session.
    pub(crate) fn status(&self, now: Now) -> SessionStatus {
        let (who, channels) = self.known();
        let load = self.load();
        SessionStatus {
            session: self.session,
            user: who.as_ref().map(|who| who.user.clone()),
            name: who.as_ref().map(|who| who.name.clone()),
            since: by_the_clock(self.origin.since, now),
            peer: self.origin.peer,
            protocol: self.encoding.protocol(),
            channels: channels as usize,
            waiting_frames: load.frames,
            waiting_bytes: load.bytes,
        }
    }
}

/// Returns the time of an instant by the wall clock, as that stands now.
pub(crate) fn by_the_clock(at: Instant, now: Now) -> DateTime<Utc> {
    let ago = TimeDelta::from_std(now.instant.saturating_duration_since(at)).unwrap_or_default();
    now.utc.checked_sub_signed(ago).unwrap_or(now.utc)
}
