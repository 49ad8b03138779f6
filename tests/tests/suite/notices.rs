//! Tests the order and the bounds of the hooks that are told what has happened, with several threads, and
//! with hooks that call the hub.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use chat_core::testkit::{Script, World};
use chat_core::{
    ChannelId, Endpoint, Hub, HubBuilder, Limits, OpenChat, Payload, Publication, Publish, Rate, Refusal,
    SessionInfo, Subscribe, UnsubscribeReason, WeakHub,
};
use chat_tests::crowd::{Member, at_once};
use chat_tests::host::Host;
use chat_tests::keeping::{MILLI, SECOND, id};
use chat_tests::scene::each_way;
use chat_tests::store::{FaultyStore, Mood};
use chat_tests::watching::{Guest, ROOM, Watching};
use serde_json::json;

const THREADS: usize = 4;

/// Records what is told of channels, in the order in which it is told.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<HashMap<ChannelId, Vec<Told>>>>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Active,
    Idle,
    Published(u64),
}

impl Recorder {
    fn note(&self, channel: &ChannelId, told: Told) {
        self.0.lock().expect("no panic").entry(channel.clone()).or_default().push(told);
    }
}

impl Endpoint for Recorder {
    fn channel_active(&self, channel: &ChannelId) {
        self.note(channel, Told::Active);
    }

    fn channel_idle(&self, channel: &ChannelId) {
        self.note(channel, Told::Idle);
    }

    fn published(&self, publication: &Publication) {
        self.note(&publication.message.channel_id, Told::Published(publication.offset.0));
    }
}

fn builder(endpoint: impl Endpoint) -> HubBuilder {
    let limits = Limits::default().with_requests(Rate::UNBOUNDED);
    Hub::builder(endpoint).limits(limits)
}

#[test]
fn with_several_threads_active_and_idle_alternate_and_no_join_or_leave_is_lost() {
    const ROUNDS: usize = 500;
    let recorder = Recorder::default();
    let served = Host::TokioMulti.serve(builder(recorder.clone()));
    at_once(THREADS, |n| {
        let mut member = Member::connect(served.address, &format!("m{n}"));
        for round in 0..ROUNDS {
            let room = format!("room{}", round % 2);
            member.subscribe(&room);
            member.say(&json!({"type":"unsubscribe","channelId":room}));
            assert_eq!(member.hear()["type"], "unsubscribed");
        }
    });
    let told = recorder.0.lock().expect("no panic");
    for (room, told) in &*told {
        let alternates = told.chunks(2).all(|pair| pair == [Told::Active, Told::Idle]);
        assert!(alternates && told.len() >= ROUNDS / THREADS, "{room}: {} calls, {told:?}", told.len());
    }
    assert_eq!((told.len(), served.hub.stats().channels), (2, 0));
}

#[test]
fn with_several_threads_publications_are_told_once_in_the_order_of_their_offsets() {
    const MESSAGES: usize = 5000;
    let recorder = Recorder::default();
    let hub = builder(recorder.clone()).shards(2).history(10, SECOND * 600);
    let served = Host::TokioMulti.serve(hub);
    at_once(THREADS, |n| {
        for round in 0..MESSAGES {
            let publish = |room: usize| {
                Publish::to(id(&format!("room{}", (room + n) % 3)), Payload::json_unchecked("1"))
            };
            match round % 2 {
                0 => _ = served.hub.publish_with(publish(round)),
                _ => _ = served.hub.publish_batch([publish(0), publish(1)]),
            }
        }
    });
    let all = THREADS * MESSAGES * 3 / 2;
    // Where a thread has left the rest to a task, that is under way still.
    let count = || recorder.0.lock().expect("no panic").values().map(Vec::len).sum::<usize>();
    let (_open, pause) = channel::<()>();
    (0..1000).take_while(|_| count() < all).for_each(|_| _ = pause.recv_timeout(MILLI * 10));
    assert_eq!(count(), all);
    for (room, told) in &*recorder.0.lock().expect("no panic") {
        let expected: Vec<_> = (1..=told.len() as u64).map(Told::Published).collect();
        assert!(*told == expected, "{room}: an offset is told twice, late or never");
    }
}

#[test]
fn what_was_published_before_or_has_no_place_is_not_told_and_all_else_is_told_once() {
    each_way(|way| {
        let world = World::new();
        let (watching, store) = (Watching::new(&world), FaultyStore::within(&world));
        let options = chat_tests::keeping::durable(10);
        let hub =
            builder(watching.clone()).channel(move |_| options).store(store.clone()).build(world.clone());
        let publish =
            |key: Option<&str>| Publish::to(id(ROOM), Payload::json("1")).with_key(key.map(Into::into));
        store.be(Mood::Slow(MILLI * 100));
        // The first two wait until the room is restored, the third also until it is stored.
        hub.publish_with(publish(None));
        hub.publish_batch([publish(Some("once")), publish(Some("once"))]);
        world.advance(SECOND);
        let stored = hub.clone();
        world.run(
            async move { stored.publish_durable(Publish::to(id(ROOM), Payload::json("2"))).await.is_ok() },
        );
        assert_eq!(watching.lines(), ["published room 1", "published room 2", "published room 3"]);
        let guest = Guest::connect(&world, &hub, Script, ("ann", None), way);
        guest.say("subscribe room\n#1 once room again 4\n#2 once room again 4\nsignal room 5");
        world.advance(SECOND);
        hub.publish_with(publish(Some("once")));
        let told = ["active room", "subscribed ann room", "published room 4", "published room 4"];
        assert_eq!(watching.lines(), told, "a signal has the offset before it: {:?}", guest.heard());
        guest.say("publish room fail\n#3 edit room 1 7");
        world.advance(SECOND);
        assert!(!watching.lines().iter().any(|line| line.starts_with("published")), "refused");
        let plain = builder(watching.clone()).build(world.clone());
        plain.publish("nobody", Payload::json("1")).expect("a name");
        assert!(watching.lines().is_empty(), "what is kept nowhere and reaches nobody has no place");
        guest.cut();
        world.advance(SECOND);
        assert!(hub.channels(None, 10).entries.iter().any(|room| room.subscribers == 0), "it is kept");
        let signal = Publish::to(id(ROOM), Payload::json("5")).kept_nowhere();
        watching.lines();
        hub.publish_with(signal);
        world.advance(SECOND);
        assert_eq!(watching.lines(), [""; 0], "nor has a signal in a channel that nobody is in");
    });
}

#[test]
fn a_hook_that_is_under_way_when_its_session_ends_runs_to_its_end_and_the_others_follow() {
    each_way(|way| {
        for end in [Guest::cut, Guest::drop_connection] {
            let world = World::new();
            let mut watching = Watching::new(&world);
            watching.takes = SECOND * 5;
            let hub = builder(watching.clone()).build(world.clone());
            let guest = Guest::connect(&world, &hub, Script, ("ann", None), way);
            guest.say("subscribe room");
            world.advance(SECOND);
            end(&guest);
            assert_eq!(watching.lines(), ["active room", "idle room"], "the hook is under way");
            world.advance(SECOND * 5);
            assert_eq!(watching.lines(), ["subscribed ann room"]);
            assert_eq!(hub.stats().sessions, 1, "the permit is held until the endpoint knows all");
            world.advance(SECOND * 20);
            let lines = watching.lines();
            assert!(lines[0].starts_with("unsubscribed ann room Closed"), "{lines:?}");
            assert_eq!((&*lines[1], lines.len(), hub.stats().sessions), ("closed ann 1006", 2, 0));
        }
    });
}

#[test]
fn a_hook_holds_up_its_sessions_requests_alone_and_what_waits_for_it_is_bounded() {
    each_way(|way| {
        let world = World::new();
        let mut watching = Watching::new(&world);
        watching.takes = SECOND * 3600;
        let limits = Limits::default().with_outbox_frames(64).with_session_channels(8).with_user_sessions(2);
        let hub = builder(watching.clone()).limits(limits).build(world.clone());
        let guest = Guest::connect(&world, &hub, Script, ("ann", None), way);
        guest.say("subscribe room\nsubscribe other\nping");
        hub.publish(ROOM, Payload::json("1")).expect("a name");
        let heard = guest.heard();
        assert_eq!(heard, ["pong", "subscribed room 0", "message room 1 server 1"], "`other` waits");
        let mut orders = 0;
        while hub.sessions_of(&"ann".parse().expect("a name")).len() == 1 {
            hub.subscribe(guest.id, &Subscribe::to(id("back")));
            hub.unsubscribe(guest.id, &id("back"), &Refusal::permission_denied("out"));
            world.settle();
            orders += 2;
            assert!(orders < 100, "it is not bounded");
        }
        world.advance(SECOND * 10);
        assert!(orders >= 62, "{orders} orders are few");
        assert_eq!(guest.heard().last().map(String::as_str), Some("close 3008 slow"));
    });
}

/// Calls the hub from its hooks.
struct Caller {
    hub: OnceLock<WeakHub>,
    calls: AtomicU64,
    /// Blocks the first publication until something is sent.
    gate: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl Caller {
    fn leak() -> &'static Self {
        let (hub, calls, gate) = (OnceLock::new(), AtomicU64::new(0), Mutex::new(None));
        Box::leak(Box::new(Self { hub, calls, gate }))
    }

    fn build(&'static self, world: &World) -> Hub {
        let hub = builder(self).history(10, SECOND * 60).build(world.clone());
        self.hub.set(hub.downgrade()).ok();
        hub
    }

    fn hub(&self) -> Hub {
        self.hub.get().and_then(WeakHub::upgrade).expect("it is there")
    }

    fn say(&self, channel: &ChannelId, what: &str) {
        self.hub().publish(channel, Payload::json(format!("{what:?}"))).expect("a name");
    }
}

impl Endpoint for &'static Caller {
    async fn publish(
        &self,
        who: &SessionInfo,
        what: Publish,
        how: chat_core::PublishContext,
    ) -> Result<Publish, Refusal> {
        OpenChat::default().publish(who, what, how).await
    }

    /// Takes the session out of `fleeting`, which it has just joined.
    async fn subscribed(&self, who: &SessionInfo, channel: &ChannelId) {
        self.say(channel, "subscribed");
        if channel.as_str() == "fleeting" {
            self.hub().unsubscribe(who.id, channel, &Refusal::permission_denied("not for long"));
        }
    }

    /// Puts a session that has left `fleeting` into the room.
    async fn unsubscribed(&self, who: &SessionInfo, channel: &ChannelId, why: &UnsubscribeReason) {
        if matches!(why, UnsubscribeReason::ByServer(_)) && channel.as_str() == "fleeting" {
            self.hub().subscribe(who.id, &Subscribe::to(id(ROOM)));
        }
        self.say(channel, "unsubscribed");
    }

    fn channel_active(&self, channel: &ChannelId) {
        self.say(channel, "active");
    }

    fn channel_idle(&self, channel: &ChannelId) {
        self.say(channel, "idle");
    }

    /// Publishes on from one link of a chain to the next.
    fn published(&self, publication: &Publication) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let gate = self.gate.lock().expect("no panic").take();
        if let Some((here, go)) = gate {
            here.send(()).expect("somebody waits");
            go.recv().expect("somebody opens it");
        }
        let channel = publication.message.channel_id.as_str();
        let link = channel.strip_prefix("link").and_then(|link| link.parse::<u64>().ok());
        if let Some(next) = link.map(|link| link + 1).filter(|next| *next < 20_000) {
            self.say(&id(&format!("link{next}")), "on");
        }
    }
}

#[test]
fn hooks_may_call_the_hub_also_about_their_own_session_and_channel() {
    each_way(|way| {
        let (world, caller) = (World::new(), Caller::leak());
        let hub = caller.build(&world);
        let guest = Guest::connect(&world, &hub, Script, ("ann", None), way);
        guest.say("subscribe fleeting");
        let heard = guest.heard();
        let fleeting = ["subscribed fleeting 0", "message fleeting 1 server \"active\""];
        assert_eq!(heard[..2], fleeting, "the answer comes first: {heard:?}");
        assert!(heard.contains(&"unsubscribed fleeting 103 not for long".into()), "{heard:?}");
        assert!(heard.contains(&"message room 2 server \"subscribed\"".into()), "{heard:?}");
        guest.cut();
        world.settle();
        let contents = |channel: &str| {
            let request = chat_core::HistoryRequest::of(id(channel), 10);
            let page = hub.history(&request).expect("it keeps history");
            let text =
                |said: &Arc<Publication>| String::from_utf8_lossy(said.message.content.as_bytes()).into();
            page.publications.iter().map(text).collect::<Vec<String>>()
        };
        for channel in ["fleeting", ROOM] {
            let told = ["\"active\"", "\"subscribed\"", "\"idle\"", "\"unsubscribed\""];
            assert_eq!(contents(channel), told, "{channel}");
        }
        assert_eq!(hub.stats().hook_panics, 0);
    });
}

#[test]
fn a_chain_of_publications_from_hooks_needs_no_stack_for_each() {
    let (world, caller) = (World::new(), Caller::leak());
    let hub = caller.build(&world);
    hub.publish("link0", Payload::json("1")).expect("a name");
    world.settle();
    assert_eq!(caller.calls.load(Ordering::Relaxed), 20_000);
}

#[test]
fn while_a_hook_takes_long_sessions_wait_before_they_do_more_that_is_told() {
    each_way(|way| {
        let (world, caller) = (World::new(), Caller::leak());
        let hub = caller.build(&world);
        let guest = Guest::connect(&world, &hub, Script, ("ann", None), way);
        let ((here, blocked), (open, go)) = (channel(), channel());
        *caller.gate.lock().expect("no panic") = Some((here, go));
        thread::scope(|scope| {
            let first = scope.spawn(|| hub.publish(ROOM, Payload::json("0")).expect("a name"));
            blocked.recv().expect("the hook is called");
            (0..2000).for_each(|_| _ = hub.publish(ROOM, Payload::json("1")).expect("a name"));
            guest.say("#1 subscribe news");
            world.advance(SECOND);
            assert!(guest.heard().is_empty(), "it waits for the hook");
            open.send(()).expect("the hook waits");
            first.join().expect("it publishes");
        });
        world.advance(Duration::from_millis(20));
        assert_eq!(guest.heard()[0], "#1 subscribed news 0");
        let told = 2001 + 2;
        assert_eq!(caller.calls.load(Ordering::Relaxed), told, "all is told in the end");
    });
}
