//! Tests foreign code that panics: an encoder, a codec, a transport, a hook. Only the sessions that need it
//! end, and no lock stays held.

use std::io::{self, IoSlice};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use chat_core::protocol::{
    Credentials, Frames, Gap, Message, PresenceChange, Protocol, Reply, Requests, SessionCodec,
};
use chat_core::runtime::{Instant, Now, Runtime, Sleep};
use chat_core::testkit::{Client, Marked, Script, Void, Way, Wire, World};
use chat_core::transport::{ByteWriter, Connection, Incoming};
use chat_core::{
    ChannelId, ChannelOptions, Connect, Endpoint, Hub, Limits, OpenChat, Payload, Publication, Publish,
    SessionId,
};
use chat_tests::scene::{Scene, each_way};
use futures::future::BoxFuture;

const SECOND: Duration = Duration::from_secs(1);

/// Is a protocol that panics at one word, wherever it occurs.
#[derive(Clone, Copy, Default)]
struct Buggy {
    /// Gives each session an encoder of its own.
    own: bool,
}

fn check(text: &[u8]) {
    assert!(!text.windows(4).any(|word| word == b"boom"), "a bug in a protocol");
}

impl Protocol for Buggy {
    fn name(&self) -> &'static str {
        "buggy"
    }

    fn session_codec(&self, session: SessionId, limits: &Limits) -> Box<dyn SessionCodec> {
        Box::new(BuggyTalk(Script.session_codec(session, limits), self.own))
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        // What was begun of it must not go out.
        Script.encode_publication(publication, out);
        check(publication.message.content.as_bytes());
    }

    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        change.joined.iter().for_each(|present| check(present.user.as_str().as_bytes()));
        Script.encode_presence(channel, change, out);
    }

    fn encode_gap(&self, lost: &Gap, out: &mut Frames<'_>) {
        check(lost.channel().as_str().as_bytes());
        Script.encode_gap(lost, out);
    }

    fn reports_gaps(&self) -> bool {
        true
    }
}

struct BuggyTalk(Box<dyn SessionCodec>, bool);

impl SessionCodec for BuggyTalk {
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests) {
        if let Message::Text("decode boom") = message {
            check(b"boom");
        }
        self.0.decode(message, requests);
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        check(format!("{:?}", reply.answer).as_bytes());
        self.0.encode_reply(reply, out);
    }

    fn session_encoder(&self) -> Option<Arc<dyn Protocol>> {
        self.1.then(|| Arc::new(Buggy::default()) as Arc<dyn Protocol>)
    }
}

fn messages(client: &Client) -> Vec<String> {
    client.heard().into_iter().filter(|line| line.starts_with("message")).collect()
}

#[test]
fn a_publication_that_cannot_be_encoded_ends_only_the_sessions_that_should_have_had_it() {
    for own in [false, true] {
        each_way(|way| {
            let scene = Scene::open_chat(way);
            let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "other"));
            let (eve, zoe) = (scene.enter_in(Buggy { own }, "eve"), scene.enter_in(Buggy { own }, "zoe"));
            eve.say("subscribe room");
            zoe.say("subscribe other");
            [&eve, &zoe].into_iter().for_each(|one| drop(one.heard()));
            let all = [("room", "1"), ("room", "\"boom\""), ("other", "2"), ("room", "3")];
            let publish = |(channel, content): (&str, &str)| {
                Publish::to(channel.parse().expect("a name"), Payload::json(content))
            };
            scene.hub.publish_batch(all.map(publish));
            assert_eq!(messages(&ann).len(), 3, "all others hear all");
            assert_eq!((messages(&bob).len(), messages(&zoe).len()), (1, 1), "so do other channels");
            assert_eq!(eve.close().map(|close| close.code()), Some(3004));
            assert_eq!(messages(&eve), [""; 0], "nothing that would stand behind a gap");
            scene.hub.publish("room", Payload::json("4")).expect("a name");
            assert_eq!(messages(&ann).len(), 1, "the channel goes on");
            assert_eq!(scene.hub.stats().sessions, 3);
        });
    }
}

#[test]
fn a_session_that_ends_while_anothers_encoder_panics_leaves_nothing_behind() {
    each_way(|way| {
        let options = ChannelOptions::default().with_presence(true);
        let scene = Scene::of(World::new(), way, Hub::builder(OpenChat::default()).channel(|_| options));
        let (ann, eve) = (scene.join("ann", "room"), scene.enter_in(Buggy::default(), "eve"));
        eve.say("subscribe room");
        eve.say("subscribe other");
        ann.wire().put(Ok(Incoming::Text("publish room \"boom\"".into())));
        ann.put(Ok(Incoming::Close(Some(1000))));
        scene.world.advance(SECOND);
        assert_eq!(eve.close().map(|close| close.code()), Some(3004));
        let stats = scene.hub.stats();
        assert_eq!((stats.sessions, stats.subscriptions, stats.channels), (0, 0, 0));
    });
}

#[test]
fn who_is_there_is_told_on_though_one_protocol_cannot_say_it() {
    each_way(|way| {
        let options = ChannelOptions::default().with_presence(true);
        let scene = Scene::of(World::new(), way, Hub::builder(OpenChat::default()).channel(|_| options));
        let (ann, eve) = (scene.enter("ann"), scene.enter_in(Buggy::default(), "eve"));
        [&ann, &eve].into_iter().for_each(|one| one.say("subscribe room present"));
        scene.world.advance(SECOND);
        [&ann, &eve].into_iter().for_each(|one| drop(one.heard()));
        let _boom = scene.join("boom", "room");
        scene.world.advance(SECOND);
        assert_eq!(ann.heard()[0], "presence room +boom");
        assert_eq!(eve.close().map(|close| close.code()), Some(3004));
        let _bob = scene.join("bob", "room");
        scene.world.advance(SECOND);
        assert!(ann.heard().iter().any(|line| line.contains("+bob")), "and so it goes on");
    });
}

#[test]
fn a_talk_that_panics_ends_its_own_session_with_3004() {
    each_way(|way| {
        for line in ["decode boom", "call boom", "#boom publish nowhere 1"] {
            let scene = Scene::open_chat(way);
            let (ann, eve) = (scene.join("ann", "room"), scene.enter_in(Buggy::default(), "eve"));
            eve.say(line);
            assert_eq!(
                eve.close().map(|close| close.code()),
                (line != "#boom publish nowhere 1").then_some(3004)
            );
            scene.hub.publish("room", Payload::json("1")).expect("a name");
            assert_eq!(messages(&ann).len(), 1);
        }
    });
}

#[test]
fn a_loss_that_cannot_be_told_ends_the_session() {
    each_way(|way| {
        let limits = Limits::default().with_outbox_frames(4);
        let scene = Scene::new(way, OpenChat::default(), limits);
        let eve = scene.enter_in(Buggy::default(), "eve");
        eve.say("subscribe boomroom drop-newest");
        eve.heard();
        eve.wire().stall();
        for n in 0..20 {
            scene.hub.publish("boomroom", Payload::json(n.to_string())).expect("a name");
        }
        eve.wire().flow();
        scene.world.advance(SECOND);
        // Either words of the script chose that overflow, or the default closed it: never a silent loss.
        assert!(eve.close().is_some(), "{:?}", eve.heard());
    });
}

/// Is a transport that panics.
struct Bomb(AtomicBool);

impl ByteWriter for Bomb {
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        assert!(!self.0.load(Ordering::Relaxed), "a bug in a transport");
        Void.try_write(bytes)
    }

    fn poll_write(&self, _: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_write(bytes))
    }

    fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn connect(world: &World, hub: &Hub, name: &str, writer: Arc<dyn ByteWriter>) -> Wire {
    let (wire, credentials) =
        (Wire::default(), Credentials::Now(Connect::named(Some(name.parse().expect("a name")))));
    let seat = hub.acceptor().permit().expect("the hub has room");
    let (script, marked) = (Arc::new(Script), Arc::new(Marked));
    let connection = Connection::over_bytes(seat, script, marked, credentials, wire.input(), writer);
    world.spawn(Box::pin(async move { drop(connection.await) }));
    world.settle();
    wire
}

#[test]
fn a_transport_that_panics_under_a_publisher_is_lost_and_nobody_else() {
    let scene = Scene::open_chat(Way::Bytes);
    let bomb = Arc::new(Bomb(AtomicBool::new(false)));
    let eve = connect(&scene.world, &scene.hub, "eve", bomb.clone());
    eve.put(Ok(Incoming::Text("subscribe room".into())));
    scene.world.settle();
    let ann = scene.join("ann", "room");
    bomb.0.store(true, Ordering::Relaxed);
    for n in 0..3 {
        scene.hub.publish("room", Payload::json(n.to_string())).expect("a name");
    }
    assert_eq!((messages(&ann).len(), scene.hub.stats().sessions), (3, 1));
}

/// Panics in the hook `channel` once it is told to.
#[derive(Clone, Default)]
struct Fickle(Arc<AtomicBool>);

impl Endpoint for Fickle {
    fn channel(&self, _: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        assert!(!self.0.load(Ordering::Relaxed), "a bug in a hook");
        defaults
    }
}

#[test]
fn a_hook_that_says_how_a_channel_is_kept_and_panics_ends_that_channel_for_the_session_that_asked() {
    for (line, members) in [("publish room 1", 1), ("history room", 2), ("subscribe other", 2)] {
        each_way(|way| {
            let fickle = Fickle::default();
            let scene = Scene::new(way, fickle.clone(), Limits::default());
            let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
            fickle.0.store(true, Ordering::Relaxed);
            ann.say(line);
            let heard = ann.heard();
            assert!(heard.last().is_some_and(|said| said.starts_with("error 100 ")), "{line}: {heard:?}");
            assert_eq!((ann.close(), scene.hub.stats().subscriptions), (None, members), "{line}");
            let done = catch_unwind(AssertUnwindSafe(|| scene.hub.publish("room", Payload::json("1"))));
            assert!(done.is_err(), "who publishes himself hears of it");
            fickle.0.store(false, Ordering::Relaxed);
            scene.hub.publish("room", Payload::json("2")).expect("a name");
            assert_eq!(messages(&bob).len(), 1, "and nothing was held");
        });
    }
}

#[test]
fn a_session_ends_if_it_cannot_be_said_how_the_channel_is_kept_that_it_is_in() {
    each_way(|way| {
        let fickle = Fickle::default();
        let scene = Scene::new(way, fickle.clone(), Limits::default());
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        fickle.0.store(true, Ordering::Relaxed);
        ann.say("subscribe room");
        assert_eq!(ann.close().map(|close| close.code()), Some(3004));
        assert_eq!((bob.close(), scene.hub.stats().subscriptions), (None, 1));
    });
}

/// Is a runtime that drops the tasks that it is given, while it is told to.
#[derive(Clone)]
struct Careless {
    world: World,
    drops: Arc<AtomicBool>,
    dropped: Arc<AtomicUsize>,
}

impl Runtime for Careless {
    fn now(&self) -> Now {
        self.world.now()
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.world.sleep_until(deadline)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        match self.drops.load(Ordering::Relaxed) {
            true => drop((task, self.dropped.fetch_add(1, Ordering::Relaxed))),
            false => self.world.spawn(task),
        }
    }
}

#[test]
fn a_flush_that_its_runtime_drops_gives_its_events_back() {
    let world = World::new();
    let runtime = Careless { world: world.clone(), drops: Arc::default(), dropped: Arc::default() };
    let options = ChannelOptions::default().with_presence(true);
    let hub = Hub::builder(OpenChat::default()).channel(|_| options).build(runtime.clone());
    let wires: Vec<_> = (0..1100)
        .map(|n| {
            let wire = Wire::default();
            connect_to(&world, &hub, &format!("m{n}"), &wire);
            wire
        })
        .collect();
    world.advance(SECOND);
    let heard = || -> Vec<usize> {
        let count = |wire: &Wire| {
            std::iter::from_fn(|| wire.next())
                .filter(|heard| heard.to_string().starts_with("message"))
                .count()
        };
        wires.iter().map(count).collect()
    };
    heard();
    runtime.drops.store(true, Ordering::Relaxed);
    hub.publish("room", Payload::json("1")).expect("a name");
    world.settle();
    assert_eq!(runtime.dropped.load(Ordering::Relaxed), 1, "it is not spawned again and again");
    assert!(heard().iter().all(|count| *count == 0));
    runtime.drops.store(false, Ordering::Relaxed);
    hub.publish("room", Payload::json("2")).expect("a name");
    world.settle();
    assert!(heard().iter().all(|count| *count == 2), "the next publish takes both along");
    runtime.drops.store(true, Ordering::Relaxed);
    hub.publish("room", Payload::json("3")).expect("a name");
    runtime.drops.store(false, Ordering::Relaxed);
    let late = Wire::default();
    connect_to(&world, &hub, "late", &late);
    world.settle();
    assert!(heard().iter().all(|count| *count == 1), "a join flushes too");
}

fn connect_to(world: &World, hub: &Hub, name: &str, wire: &Wire) {
    let credentials = Credentials::Now(Connect::named(Some(name.parse().expect("a name"))));
    let (seat, script) = (hub.acceptor().permit().expect("the hub has room"), Arc::new(Script));
    let connection = Connection::over_bytes(
        seat,
        script,
        Arc::new(Marked),
        credentials,
        wire.input(),
        Arc::new(wire.writer()),
    );
    world.spawn(Box::pin(async move { drop(connection.await) }));
    wire.put(Ok(Incoming::Text("subscribe room".into())));
    world.settle();
}

/// Publishes again whenever it is written to.
struct Echo {
    hub: Hub,
    writes: AtomicUsize,
}

impl ByteWriter for Echo {
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.writes.fetch_add(1, Ordering::Relaxed) < 10_000 {
            let _ = self.hub.publish("b", Payload::json("1"));
        }
        Void.try_write(bytes)
    }

    fn poll_write(&self, _: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_write(bytes))
    }

    fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_publisher_does_not_write_for_ever_what_others_queue_meanwhile() {
    let scene = Scene::open_chat(Way::Bytes);
    let echo = Arc::new(Echo { hub: scene.hub.clone(), writes: AtomicUsize::new(20_000) });
    let wire = connect(&scene.world, &scene.hub, "ann", echo.clone());
    for channel in ["a", "b"] {
        wire.put(Ok(Incoming::Text(format!("subscribe {channel}"))));
    }
    scene.world.settle();
    echo.writes.store(0, Ordering::Relaxed);
    scene.hub.publish("a", Payload::json("1")).expect("a name");
    let writes = echo.writes.load(Ordering::Relaxed);
    assert!(writes < 100, "one publisher wrote {writes} times");
    scene.world.settle();
    assert!(echo.writes.load(Ordering::Relaxed) >= 10_000, "the session's own task goes on with it");
}
