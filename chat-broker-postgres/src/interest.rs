//! Holds which channels this node has joined, and from where in its lane each is heard.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chat_core::ChannelId;
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Interest {
    joined: Mutex<HashMap<ChannelId, Heard>>,
    change: Notify,
}

/// Tells from where a channel is heard.
#[derive(Clone, Copy)]
enum Heard {
    /// Is being read by so many: what is published meanwhile may have been read, or is to be heard.
    Read(usize),
    /// Is heard from the row after this one of its lane, since those before it were read.
    After(i64),
}

/// Says what a row of a lane is to the node.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Is to be handed over.
    Yes(ChannelId),
    /// Is to be looked at again, once the channel has been read.
    NotYet,
    No,
}

impl Interest {
    /// Begins to join channels, which are to be read then. Those that are not [`heard`](Joining::heard) from
    /// somewhere when the result is dropped are left, unless they were joined before.
    pub(crate) fn join<'a>(&'a self, channels: impl Iterator<Item = &'a ChannelId>) -> Joining<'a> {
        let channels: Vec<_> = channels.collect();
        let mut joined = self.lock();
        for channel in &channels {
            match joined.entry((*channel).clone()).or_insert(Heard::Read(0)) {
                Heard::Read(many) => *many += 1,
                Heard::After(_) => {}
            }
        }
        Joining { interest: self, channels }
    }

    pub(crate) fn leave(&self, channels: &[ChannelId]) {
        let mut joined = self.lock();
        channels.iter().for_each(|channel| _ = joined.remove(channel));
    }

    /// Returns the channel of this name if it is joined.
    pub(crate) fn joined(&self, name: &str) -> Option<ChannelId> {
        self.lock().get_key_value(name).map(|(channel, _)| channel.clone())
    }

    /// Returns the channels that are joined, unless they are more than this.
    pub(crate) fn all(&self, most: usize) -> Option<Vec<ChannelId>> {
        let joined = self.lock();
        (joined.len() <= most).then(|| joined.keys().cloned().collect())
    }

    /// Says what the row of this number in the channel's lane is to the node.
    pub(crate) fn wants(&self, name: &str, seq: i64) -> Wanted {
        match self.lock().get_key_value(name) {
            Some((channel, Heard::After(read))) if seq > *read => Wanted::Yes(channel.clone()),
            Some((_, Heard::Read(_))) => Wanted::NotYet,
            _ => Wanted::No,
        }
    }

    /// Hears all channels from wherever their lanes are, since the rows may be numbered anew.
    pub(crate) fn begin_anew(&self) {
        for heard in self.lock().values_mut().filter(|heard| matches!(heard, Heard::After(_))) {
            *heard = Heard::After(0);
        }
    }

    /// Waits until a channel is no longer being read.
    pub(crate) async fn change(&self) {
        self.change.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelId, Heard>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds channels that are being joined.
pub(crate) struct Joining<'a> {
    interest: &'a Interest,
    channels: Vec<&'a ChannelId>,
}

impl Joining<'_> {
    /// Says, for each channel in their order, the number of the last row of its lane that was read.
    pub(crate) fn heard(&self, after: impl Iterator<Item = i64>) {
        let mut joined = self.interest.lock();
        for (channel, after) in self.channels.iter().zip(after) {
            if let Some(heard @ Heard::Read(_)) = joined.get_mut(*channel) {
                *heard = Heard::After(after);
            }
        }
    }
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        let mut joined = self.interest.lock();
        for channel in &self.channels {
            match joined.get_mut(*channel) {
                Some(Heard::Read(many)) if *many > 1 => *many -= 1,
                Some(Heard::Read(_)) => _ = joined.remove(*channel),
                Some(Heard::After(_)) | None => {}
            }
        }
        drop(joined);
        self.interest.change.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> ChannelId {
        name.parse().expect("a name")
    }

    #[test]
    fn a_channel_is_heard_from_behind_what_was_read() {
        let (interest, room) = (Interest::default(), channel("room"));
        assert_eq!(interest.wants("room", 1), Wanted::No);
        let joining = interest.join([&room].into_iter());
        assert_eq!(interest.wants("room", 7), Wanted::NotYet);
        joining.heard([7].into_iter());
        drop(joining);
        assert_eq!(interest.wants("room", 7), Wanted::No);
        assert_eq!(interest.wants("room", 8), Wanted::Yes(room.clone()));
        let again = interest.join([&room].into_iter());
        again.heard([9].into_iter());
        assert_eq!(interest.wants("room", 8), Wanted::Yes(room.clone()), "it goes on while it is read again");
        interest.begin_anew();
        assert_eq!(interest.wants("room", 1), Wanted::Yes(room.clone()));
        interest.leave(std::slice::from_ref(&room));
        assert_eq!(interest.wants("room", 8), Wanted::No);
    }

    #[test]
    fn a_channel_that_could_not_be_read_is_not_joined_unless_it_was_before() {
        let (interest, room) = (Interest::default(), channel("room"));
        let (one, two) = (interest.join([&room].into_iter()), interest.join([&room].into_iter()));
        drop(one);
        assert_eq!(interest.wants("room", 1), Wanted::NotYet, "somebody else still reads it");
        drop(two);
        assert_eq!((interest.wants("room", 1), interest.joined("room")), (Wanted::No, None));
        interest.join([&room].into_iter()).heard([0].into_iter());
        drop(interest.join([&room].into_iter()));
        assert_eq!(
            (interest.wants("room", 1), interest.all(1)),
            (Wanted::Yes(room.clone()), Some(vec![room]))
        );
        assert_eq!(interest.all(0), None);
    }
}
