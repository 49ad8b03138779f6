//! Which streams of one session hear which channel.
//!
//! A session is in a channel once, however many of its streams hear it. Whoever publishes writes to all streams on the list, so a stream must not be on it
//! before its `omsr` stands in the outbox, and must not be missing once the session hears the channel. So the first stream goes on the list before the
//! session joins (what is said between the join and its answer is queued behind that), and every other one when it is answered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_core::ChannelId;

use crate::serverpod::method_streams::frame::Frame;

/// The streams that publications are written to, for all who publish.
#[derive(Debug, Default)]
pub(in crate::serverpod::method_streams) struct Streams(Mutex<HashMap<ChannelId, Vec<Stream>>>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// Which call it is.
    pub(super) key: Arc<str>,
    /// What stands before each of its values.
    pub(super) head: Arc<[u8]>,
}

/// The channels of one session.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    streams: Arc<Streams>,
    rooms: HashMap<ChannelId, Room>,
}

/// One of them.
#[derive(Debug, Default)]
struct Room {
    /// The session is in, as far as it was answered.
    joined: bool,
    leaving: bool,
    /// Streams whose wish to join is not answered.
    waiting: VecDeque<Stream>,
    /// What is to be said once the session has left.
    farewells: Vec<Frame<'static>>,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelId, Vec<Stream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls this with what stands before a value of each stream on a channel.
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

    fn is_silent(&self, channel: &ChannelId) -> bool {
        !self.lock().contains_key(channel)
    }
}

impl Rooms {
    pub(super) fn new(streams: Arc<Streams>) -> Self {
        Self { streams, rooms: HashMap::new() }
    }

    /// A stream wants to join. Its session is to ask for it next.
    pub(super) fn wait(&mut self, channel: &ChannelId, stream: Stream) {
        self.rooms.entry(channel.clone()).or_default().waiting.push_back(stream);
        self.prepare(channel);
    }

    /// A stream was let in; it is heard from now on, unless it is wanted no more. True if the session is to leave again.
    pub(super) fn joined(&mut self, channel: &ChannelId, key: &str, wanted: bool) -> bool {
        let room = self.rooms.entry(channel.clone()).or_default();
        room.joined = true;
        let at = room.waiting.iter().position(|stream| &*stream.key == key);
        match at.and_then(|at| room.waiting.remove(at)) {
            Some(stream) if wanted => self.streams.add(channel, stream),
            _ => self.streams.remove(channel, key),
        }
        self.leaves(channel)
    }

    /// A stream that waits is wanted no more.
    pub(super) fn hush(&self, channel: &ChannelId, key: &str) {
        self.streams.remove(channel, key);
    }

    /// A stream was not let in.
    pub(super) fn refused(&mut self, key: &str) {
        let waits = |room: &Room| room.waiting.iter().any(|stream| &*stream.key == key);
        let Some(channel) = self.rooms.iter().find(|(_, room)| waits(room)).map(|(of, _)| of.clone()) else {
            return;
        };
        let room = self.rooms.get_mut(&channel).expect("it was just found");
        room.waiting.retain(|stream| &*stream.key != key);
        self.streams.remove(&channel, key);
        self.prepare(&channel);
    }

    /// The server put the session in. The key of the stream that is on the list already, if one is.
    pub(super) fn put_in(&mut self, channel: &ChannelId) -> Option<Arc<str>> {
        let room = self.rooms.entry(channel.clone()).or_default();
        let was_out = !std::mem::replace(&mut room.joined, true);
        room.waiting.front().filter(|_| was_out).map(|stream| stream.key.clone())
    }

    /// A stream is over. If it was the last, this is to be said when the session has left, as which it is to ask next; else it is given back.
    pub(super) fn close(
        &mut self,
        channel: &ChannelId,
        key: &str,
        farewell: Frame<'static>,
    ) -> Option<Frame<'static>> {
        self.streams.remove(channel, key);
        if !self.leaves(channel) {
            return Some(farewell);
        }
        self.rooms.entry(channel.clone()).or_default().farewells.push(farewell);
        None
    }

    /// The session has left as it asked for; what is to be said of it.
    pub(super) fn left(&mut self, channel: &ChannelId) -> Vec<Frame<'static>> {
        let Some(room) = self.rooms.get_mut(channel) else { return Vec::new() };
        (room.joined, room.leaving) = (false, false);
        let farewells = std::mem::take(&mut room.farewells);
        self.prepare(channel);
        farewells
    }

    /// The server took the session out. The streams that end by it.
    pub(super) fn taken_out(&mut self, channel: &ChannelId) -> Vec<Stream> {
        let Some(room) = self.rooms.get_mut(channel) else { return Vec::new() };
        room.joined = false;
        let ended = self.streams.take(channel);
        self.prepare(channel);
        ended
    }

    /// Whether nobody hears the channel any more, nor waits to. True once.
    fn leaves(&mut self, channel: &ChannelId) -> bool {
        let Some(room) = self.rooms.get_mut(channel) else { return false };
        let last = room.joined && !room.leaving && room.waiting.is_empty() && self.streams.is_silent(channel);
        room.leaving |= last;
        last
    }

    /// While the session is out, the first that waits is on the list.
    fn prepare(&mut self, channel: &ChannelId) {
        let Some(room) = self.rooms.get(channel) else { return };
        match room.waiting.front() {
            Some(first) if !room.joined => self.streams.add(channel, first.clone()),
            None if !room.joined && !room.leaving => drop(self.rooms.remove(channel)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        streams: Arc<Streams>,
        rooms: Rooms,
        room: ChannelId,
    }

    fn scene() -> Scene {
        let streams = Arc::<Streams>::default();
        Scene { rooms: Rooms::new(streams.clone()), streams, room: "room".parse().expect("a name") }
    }

    impl Scene {
        fn wait(&mut self, key: &str) {
            self.rooms.wait(&self.room, Stream { key: key.into(), head: key.as_bytes().into() });
        }

        /// Closes a stream; whether the session is to leave.
        fn close(&mut self, key: &str) -> bool {
            self.rooms.close(&self.room, key, Frame::Pong).is_none()
        }

        fn heard(&self) -> String {
            let mut heard = Vec::new();
            self.streams.each(&self.room, |head| heard.extend_from_slice(head));
            String::from_utf8(heard).expect("UTF-8")
        }
    }

    #[test]
    fn the_first_stream_hears_from_the_join_on_and_every_other_from_its_answer() {
        let mut scene = scene();
        ["a", "b"].into_iter().for_each(|key| scene.wait(key));
        assert_eq!(scene.heard(), "a");
        assert!(!scene.rooms.joined(&scene.room.clone(), "a", true));
        scene.wait("c");
        assert_eq!(scene.heard(), "a");
        for key in ["b", "c"] {
            scene.rooms.joined(&scene.room.clone(), key, true);
        }
        assert_eq!(scene.heard(), "abc");
    }

    #[test]
    fn when_the_first_is_refused_the_next_takes_its_place() {
        let mut scene = scene();
        ["a", "b"].into_iter().for_each(|key| scene.wait(key));
        scene.rooms.refused("a");
        assert_eq!(scene.heard(), "b");
        scene.rooms.refused("b");
        assert!(scene.heard().is_empty() && scene.rooms.rooms.is_empty(), "nothing is left behind");
    }

    #[test]
    fn one_that_comes_while_the_last_one_leaves_hears_nothing_until_that_has_left() {
        let mut scene = scene();
        let room = scene.room.clone();
        scene.wait("a");
        scene.rooms.joined(&room, "a", true);
        assert!(scene.close("a"), "it was the last");
        scene.wait("b");
        assert!(scene.heard().is_empty() && !scene.close("none"));
        assert!(matches!(scene.rooms.left(&room)[..], [Frame::Pong]));
        assert_eq!(scene.heard(), "b");
        scene.rooms.joined(&room, "b", false);
        assert!(scene.heard().is_empty(), "it is wanted no more");
    }

    #[test]
    fn who_is_taken_out_ends_every_stream_and_may_come_in_again() {
        let mut scene = scene();
        let room = scene.room.clone();
        for key in ["a", "b"] {
            scene.wait(key);
            scene.rooms.joined(&room, key, true);
        }
        scene.wait("c");
        let ended: Vec<_> = scene.rooms.taken_out(&room).into_iter().map(|stream| stream.key).collect();
        assert_eq!((ended, &*scene.heard()), (vec!["a".into(), "b".into()], "c"));
        assert_eq!(scene.rooms.put_in(&room).as_deref(), Some("c"));
        assert_eq!(scene.rooms.put_in(&room), None, "once");
    }
}
