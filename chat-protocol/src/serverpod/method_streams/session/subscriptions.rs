//! Follows which streams of one session receive which channel.
//!
//! A session is in a channel once, however many of its streams receive it. A publication is written for all
//! streams on the list, so a stream must not be on it before its `omsr` is in the outbox, and must not be
//! missing once the session receives the channel. So the first stream goes on the list before the session
//! joins (publications between the join and its reply are queued behind that reply), and every other one with
//! its reply.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_core::ChannelId;

use crate::serverpod::method_streams::frame::Frame;

/// Lists the streams of a session for which publications are written; shared with whatever publishes.
#[derive(Debug, Default)]
pub(in crate::serverpod::method_streams) struct OpenStreams(Mutex<HashMap<ChannelId, Vec<Stream>>>);

/// Holds one stream of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// Names the call.
    pub(super) key: Arc<str>,
    /// Holds what stands before each of its values.
    pub(super) head: Arc<[u8]>,
}

/// Holds the channels of one session.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    streams: Arc<OpenStreams>,
    channels: HashMap<ChannelId, Subscription>,
}

/// Holds the state of one channel.
#[derive(Debug, Default)]
struct Subscription {
    /// Tells that the session is in the channel, by the last reply.
    joined: bool,
    leaving: bool,
    /// Holds the streams that wait for the reply to their subscribe.
    waiting: VecDeque<Stream>,
    /// Holds the frames that are to be sent once the session has left.
    ends: Vec<Frame<'static>>,
}

impl OpenStreams {
    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelId, Vec<Stream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `write` with what stands before a value of each stream on a channel.
    pub(in crate::serverpod::method_streams) fn each(
        &self,
        channel: &ChannelId,
        mut write: impl FnMut(&[u8]),
    ) {
        let streams = self.lock();
        streams.get(channel).into_iter().flatten().for_each(|stream| write(&stream.head));
    }

    fn add(&self, channel: &ChannelId, stream: Stream) {
        let mut streams = self.lock();
        let on = streams.entry(channel.clone()).or_default();
        if !on.contains(&stream) {
            on.push(stream);
        }
    }

    fn remove(&self, channel: &ChannelId, key: &str) {
        let mut streams = self.lock();
        if let Some(on) = streams.get_mut(channel) {
            on.retain(|stream| &*stream.key != key);
            if on.is_empty() {
                streams.remove(channel);
            }
        }
    }

    fn take(&self, channel: &ChannelId) -> Vec<Stream> {
        self.lock().remove(channel).unwrap_or_default()
    }

    fn is_empty(&self, channel: &ChannelId) -> bool {
        !self.lock().contains_key(channel)
    }
}

impl Subscriptions {
    pub(super) fn new(streams: Arc<OpenStreams>) -> Self {
        Self { streams, channels: HashMap::new() }
    }

    /// Adds a stream that waits to join; its session asks for that next.
    pub(super) fn wait(&mut self, channel: &ChannelId, stream: Stream) {
        self.channels.entry(channel.clone()).or_default().waiting.push_back(stream);
        self.prepare(channel);
    }

    /// Lists a stream whose subscribe was granted, unless it is not wanted any more. Returns true if the
    /// session is to leave again.
    pub(super) fn joined(&mut self, channel: &ChannelId, key: &str, wanted: bool) -> bool {
        let subscription = self.channels.entry(channel.clone()).or_default();
        subscription.joined = true;
        let at = subscription.waiting.iter().position(|stream| &*stream.key == key);
        match at.and_then(|at| subscription.waiting.remove(at)) {
            Some(stream) if wanted => self.streams.add(channel, stream),
            _ => self.streams.remove(channel, key),
        }
        self.leaves(channel)
    }

    /// Removes a stream from the list that is closed while it waits.
    pub(super) fn mute(&self, channel: &ChannelId, key: &str) {
        self.streams.remove(channel, key);
    }

    /// Removes a stream whose subscribe was refused.
    pub(super) fn refused(&mut self, key: &str) {
        let waits =
            |subscription: &Subscription| subscription.waiting.iter().any(|stream| &*stream.key == key);
        let Some(channel) =
            self.channels.iter().find(|(_, subscription)| waits(subscription)).map(|(of, _)| of.clone())
        else {
            return;
        };
        let subscription = self.channels.get_mut(&channel).expect("it was just found");
        subscription.waiting.retain(|stream| &*stream.key != key);
        self.streams.remove(&channel, key);
        self.prepare(&channel);
    }

    /// Takes note that the server put the session into a channel. Returns the key of the stream that is on
    /// the list already, if one is.
    pub(super) fn subscribed(&mut self, channel: &ChannelId) -> Option<Arc<str>> {
        let subscription = self.channels.entry(channel.clone()).or_default();
        let was_out = !std::mem::replace(&mut subscription.joined, true);
        subscription.waiting.front().filter(|_| was_out).map(|stream| stream.key.clone())
    }

    /// Removes a stream that has ended. Returns the frame that tells its end; if it was the last, keeps that
    /// frame until the session has left the channel, for which it is to ask next.
    pub(super) fn close(
        &mut self,
        channel: &ChannelId,
        key: &str,
        end: Frame<'static>,
    ) -> Option<Frame<'static>> {
        self.streams.remove(channel, key);
        if !self.leaves(channel) {
            return Some(end);
        }
        self.channels.entry(channel.clone()).or_default().ends.push(end);
        None
    }

    /// Takes note that the session has left as it asked for. Returns the frames that are to be sent then.
    pub(super) fn left(&mut self, channel: &ChannelId) -> Vec<Frame<'static>> {
        let Some(subscription) = self.channels.get_mut(channel) else { return Vec::new() };
        (subscription.joined, subscription.leaving) = (false, false);
        let ends = std::mem::take(&mut subscription.ends);
        self.prepare(channel);
        ends
    }

    /// Takes note that the server removed the session. Returns the streams that end by it.
    pub(super) fn removed(&mut self, channel: &ChannelId) -> Vec<Stream> {
        let Some(subscription) = self.channels.get_mut(channel) else { return Vec::new() };
        subscription.joined = false;
        let ended = self.streams.take(channel);
        self.prepare(channel);
        ended
    }

    /// Returns true, once, when no stream receives the channel any more, nor waits to.
    fn leaves(&mut self, channel: &ChannelId) -> bool {
        let Some(subscription) = self.channels.get_mut(channel) else { return false };
        let last = subscription.joined
            && !subscription.leaving
            && subscription.waiting.is_empty()
            && self.streams.is_empty(channel);
        subscription.leaving |= last;
        last
    }

    /// Lists the first stream that waits while the session is out of the channel.
    fn prepare(&mut self, channel: &ChannelId) {
        let Some(subscription) = self.channels.get(channel) else { return };
        match subscription.waiting.front() {
            Some(first) if !subscription.joined => self.streams.add(channel, first.clone()),
            None if !subscription.joined && !subscription.leaving => drop(self.channels.remove(channel)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        streams: Arc<OpenStreams>,
        subscriptions: Subscriptions,
        room: ChannelId,
    }

    fn scene() -> Scene {
        let streams = Arc::<OpenStreams>::default();
        Scene {
            subscriptions: Subscriptions::new(streams.clone()),
            streams,
            room: "room".parse().expect("a name"),
        }
    }

    impl Scene {
        fn wait(&mut self, key: &str) {
            self.subscriptions.wait(&self.room, Stream { key: key.into(), head: key.as_bytes().into() });
        }

        /// Closes a stream. Returns true if the session is to leave.
        fn close(&mut self, key: &str) -> bool {
            self.subscriptions.close(&self.room, key, Frame::Pong).is_none()
        }

        fn listed(&self) -> String {
            let mut heads = Vec::new();
            self.streams.each(&self.room, |head| heads.extend_from_slice(head));
            String::from_utf8(heads).expect("UTF-8")
        }
    }

    #[test]
    fn the_first_stream_receives_from_the_join_on_and_every_other_from_its_reply() {
        let mut scene = scene();
        ["a", "b"].into_iter().for_each(|key| scene.wait(key));
        assert_eq!(scene.listed(), "a");
        assert!(!scene.subscriptions.joined(&scene.room.clone(), "a", true));
        scene.wait("c");
        assert_eq!(scene.listed(), "a");
        for key in ["b", "c"] {
            scene.subscriptions.joined(&scene.room.clone(), key, true);
        }
        assert_eq!(scene.listed(), "abc");
    }

    #[test]
    fn when_the_first_is_refused_the_next_takes_its_place() {
        let mut scene = scene();
        ["a", "b"].into_iter().for_each(|key| scene.wait(key));
        scene.subscriptions.refused("a");
        assert_eq!(scene.listed(), "b");
        scene.subscriptions.refused("b");
        assert!(
            scene.listed().is_empty() && scene.subscriptions.channels.is_empty(),
            "nothing is left behind"
        );
    }

    #[test]
    fn a_stream_that_comes_while_the_last_one_leaves_receives_nothing_until_that_has_left() {
        let mut scene = scene();
        let room = scene.room.clone();
        scene.wait("a");
        scene.subscriptions.joined(&room, "a", true);
        assert!(scene.close("a"), "it was the last");
        scene.wait("b");
        assert!(scene.listed().is_empty() && !scene.close("none"));
        assert!(matches!(scene.subscriptions.left(&room)[..], [Frame::Pong]));
        assert_eq!(scene.listed(), "b");
        scene.subscriptions.joined(&room, "b", false);
        assert!(scene.listed().is_empty(), "it is wanted no more");
    }

    #[test]
    fn a_session_that_is_removed_ends_every_stream_and_may_join_again() {
        let mut scene = scene();
        let room = scene.room.clone();
        for key in ["a", "b"] {
            scene.wait(key);
            scene.subscriptions.joined(&room, key, true);
        }
        scene.wait("c");
        let ended: Vec<_> = scene.subscriptions.removed(&room).into_iter().map(|stream| stream.key).collect();
        assert_eq!((ended, &*scene.listed()), (vec!["a".into(), "b".into()], "c"));
        assert_eq!(scene.subscriptions.subscribed(&room).as_deref(), Some("c"));
        assert_eq!(scene.subscriptions.subscribed(&room), None, "once");
    }
}
