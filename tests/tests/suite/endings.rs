//! Tests that sessions end once and leave all their channels, whether the clock, a hook, the peer or the
//! server ends them.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_core::protocol::Credentials;
use chat_core::runtime::Runtime;
use chat_core::testkit::{Script, Way, Wire, World};
use chat_core::transport::{Answers, Connection, Full, Incoming, InputError};
use chat_core::{
    Call, Close, Connect, Endpoint, Hub, Identity, Limits, OpenChat, Payload, Publish, PublishContext,
    Refusal, SessionId, SessionInfo, Subscribe, SubscribeOptions, WeakHub,
};
use chat_tests::scene::{Scene, each_way};
use chrono::TimeDelta;

const SECOND: Duration = Duration::from_secs(1);

/// Has hooks that do what the words of a request say, and that record which sessions opened and how they
/// ended.
#[derive(Clone, Default)]
struct Moody {
    hub: Arc<Mutex<Option<WeakHub>>>,
    closed: Arc<Mutex<Vec<(String, Close)>>>,
    under_way: Arc<AtomicUsize>,
}

impl Moody {
    fn scene(way: Way) -> (Self, Scene) {
        let moody = Self::default();
        let scene = Scene::new(way, moody.clone(), Limits::default());
        *moody.hub.lock().expect("no panic") = Some(scene.hub.downgrade());
        (moody, scene)
    }

    fn closed(&self) -> Vec<(String, Close)> {
        self.closed.lock().expect("no panic").clone()
    }

    fn hub(&self) -> Hub {
        let hub = self.hub.lock().expect("no panic");
        hub.as_ref().and_then(WeakHub::upgrade).expect("the scene holds it")
    }
}

struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Endpoint for Moody {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        match connect.name.expect("these sessions say who they are") {
            name if name.as_str() == "mallory" => Err(Refusal::unauthorized("not you")),
            name if name.as_str() == "trudy" => Err(Refusal::not_available("not today")),
            name => Ok(Identity::named(name)),
        }
    }

    async fn subscribe(&self, _: &SessionInfo, _: Subscribe) -> Result<SubscribeOptions, Refusal> {
        Ok(SubscribeOptions::default())
    }

    async fn publish(&self, who: &SessionInfo, wish: Publish, _: PublishContext) -> Result<Publish, Refusal> {
        match wish.content.as_bytes() {
            b"twice" => self.hub().publish(&wish.channel, Payload::json_unchecked("once")).map(drop)?,
            b"out" => assert!(self.hub().disconnect(who.id, Close::new(4001, "as you wish"))),
            _ => {}
        }
        Ok(wish)
    }

    async fn call(&self, _: &SessionInfo, call: Call) -> Result<Payload, Refusal> {
        assert_ne!(&*call.method, "panic", "as was asked for");
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let _under_way = UnderWay(self.under_way.clone());
        if &*call.method == "wait" {
            pending::<()>().await;
        }
        Ok(call.data)
    }

    async fn stream_closed(&self, who: &SessionInfo, close: &Close) {
        assert_ne!(close.code(), 4999, "as was asked for");
        self.closed.lock().expect("no panic").push((who.name.to_string(), close.clone()));
    }
}

#[test]
fn a_silent_client_is_asked_and_let_go_and_one_that_answers_stays() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let (ann, bob) = (scene.enter("ann"), scene.enter("bob"));
        bob.wire().ignore_pings();
        scene.world.advance(SECOND * 34);
        assert_eq!(bob.heard(), ["ping"]);
        scene.world.advance(SECOND);
        assert_eq!((bob.heard(), bob.close()), (vec!["close 3012 no pong".to_owned()], Some(Close::NO_PONG)));
        scene.world.advance(SECOND * 3600);
        assert_eq!(ann.heard().len(), 145, "a ping every 25 s");
        assert_eq!(scene.hub.stats().sessions, 1);
    });
}

#[test]
fn a_client_that_says_not_who_it_is_is_stale_after_ten_seconds() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let (mute, pinging, opened) = (scene.approach(), scene.approach(), scene.approach());
        opened.say("connect ann");
        scene.world.advance(SECOND * 9);
        pinging.say("ping");
        assert_eq!(scene.hub.stats().sessions, 3);
        scene.world.advance(SECOND);
        assert_eq!(
            (mute.close(), pinging.close(), opened.close()),
            (Some(Close::STALE), Some(Close::STALE), None)
        );
        assert_eq!(mute.heard(), ["close 3502 stale"]);
    });
}

#[test]
fn a_transport_that_takes_nothing_for_ten_seconds_is_slow_and_one_that_takes_a_little_is_not() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        [&ann, &bob].iter().for_each(|client| client.wire().stall());
        for n in 0..3 {
            scene.hub.publish("room", Payload::json(format!("\"{n}{}\"", "x".repeat(99)))).expect("a name");
        }
        for _ in 0..2 {
            scene.world.advance(SECOND * 6);
            bob.wire().give_room(20);
        }
        assert_eq!((ann.close(), bob.close()), (None, None), "the close waits for the transport");
        assert_eq!(scene.hub.stats().subscriptions, 1, "one is out of its channel");
        scene.world.advance(SECOND * 5);
        assert_eq!((ann.close(), bob.close()), (Some(Close::SLOW), None));
        bob.wire().flow();
        assert_eq!(bob.heard().len(), 3);
    });
}

#[test]
fn a_hook_of_the_session_that_panics_ends_its_own_session_and_no_other() {
    each_way(|way| {
        let (moody, scene) = Moody::scene(way);
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        ann.say("call panic");
        assert_eq!(ann.heard(), ["close 3004 internal server error"]);
        bob.say("publish room 1");
        assert_eq!(bob.heard(), ["message room 1 bob 1"]);
        assert_eq!(moody.closed(), [("ann".to_owned(), Close::SERVER_ERROR)]);
        assert_eq!(scene.hub.stats().subscriptions, 1);
    });
}

#[test]
fn a_panic_when_a_session_is_over_leaves_nothing_behind() {
    each_way(|way| {
        let (moody, scene) = Moody::scene(way);
        let ann = scene.join("ann", "room");
        ann.put(Ok(Incoming::Close(Some(4999))));
        assert_eq!((moody.closed(), scene.hub.stats().sessions), (vec![], 0));
    });
}

#[test]
fn a_slow_hook_holds_up_its_own_sessions_requests_but_no_ping_and_no_message() {
    each_way(|way| {
        let (moody, scene) = Moody::scene(way);
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        ann.say("#1 call wait");
        ann.say("#2 publish room 2");
        ann.say("#3 ping");
        bob.say("publish room 1");
        assert_eq!(ann.heard(), ["#3 pong", "message room 1 bob 1"]);
        assert_eq!(moody.under_way.load(Ordering::Relaxed), 1);
        ann.cut();
        assert_eq!(
            moody.under_way.load(Ordering::Relaxed),
            0,
            "the hook's future is dropped with its session"
        );
        assert_eq!(moody.closed(), [("ann".to_owned(), Close::DISCONNECTED)]);
    });
}

#[test]
fn a_hook_may_publish_to_its_own_channel_and_close_its_own_session() {
    each_way(|way| {
        let (moody, scene) = Moody::scene(way);
        let ann = scene.join("ann", "room");
        ann.say("publish room twice");
        assert_eq!(ann.heard(), ["message room 1 server once", "message room 2 ann twice"]);
        ann.say("publish room out");
        assert_eq!(ann.heard(), ["message room 3 ann out", "close 4001 as you wish"]);
        assert_eq!(moody.closed(), [("ann".to_owned(), Close::new(4001, "as you wish"))]);
    });
}

#[test]
fn a_session_that_is_refused_is_told_why_and_never_was() {
    each_way(|way| {
        let (moody, scene) = Moody::scene(way);
        let mallory = scene.approach();
        mallory.say("#1 connect mallory");
        assert_eq!(mallory.heard(), ["#1 error 101 not you", "close 3500 invalid token"]);
        assert_eq!(scene.enter("trudy").heard(), ["error 108 not today", "close 3507 permission denied"]);
        assert_eq!(moody.closed(), []);
        assert_eq!((scene.hub.stats().opened, scene.hub.stats().sessions), (0, 0));
    });
}

#[test]
fn a_peer_that_breaks_the_transports_rules_is_told_which() {
    each_way(|way| {
        let (moody, scene) = Moody::scene(way);
        let ann = scene.join("ann", "room");
        ann.put(Err(InputError::Refused(Close::TOO_BIG)));
        assert_eq!(ann.heard(), ["close 1009 message too big"]);
        assert_eq!(moody.closed(), [("ann".to_owned(), Close::TOO_BIG)]);
    });
}

#[test]
fn a_peer_that_never_answers_a_close_is_dropped_after_five_seconds() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.join("ann", "room");
        ann.wire().ignore_close();
        assert!(scene.hub.disconnect(SessionId(1), Close::new(4000, "go")));
        assert_eq!(ann.heard(), ["close 4000 go"]);
        assert_eq!((scene.hub.stats().subscriptions, scene.hub.stats().sessions), (0, 1));
        scene.world.advance(SECOND * 5);
        assert_eq!((scene.hub.stats().sessions, scene.world.tasks()), (0, 0));
    });
}

/// Waits for one second of the world's time.
fn pause(world: &World) -> impl Future<Output = ()> {
    world.sleep_until(world.instant() + SECOND)
}

#[test]
fn a_drain_delivers_what_waits_lets_nobody_in_and_ends_when_all_are_gone() {
    each_way(|way| {
        let (moody, scene) = Moody::scene(way);
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        bob.wire().stall();
        ann.say("publish room 1");
        let hub = scene.hub.clone();
        let (there, wire) = (scene.world.clone(), bob.wire().clone());
        let left = scene.world.run(async move {
            let draining = hub.drain(SECOND * 30);
            let resuming = async {
                pause(&there).await;
                wire.flow();
            };
            futures::future::join(draining, resuming).await.0
        });
        assert_eq!(left, 0);
        assert_eq!(ann.heard(), ["message room 1 ann 1", "goodbye", "close 1001 going away"]);
        assert_eq!(bob.heard(), ["goodbye", "message room 1 ann 1", "close 1001 going away"]);
        assert_eq!(scene.hub.acceptor().permit().expect_err("nobody is let in"), Full::Draining);
        assert_eq!(moody.closed().len(), 2);
    });
}

#[test]
fn a_drain_does_not_wait_for_a_stalled_reader_beyond_its_patience() {
    each_way(|way| {
        let limits = Limits::default().with_close_timeout(SECOND * 60).with_write_timeout(SECOND * 60);
        let scene = Scene::new(way, OpenChat::default(), limits);
        let ann = scene.join("ann", "room");
        ann.wire().stall();
        let hub = scene.hub.clone();
        let before = scene.world_seconds();
        assert_eq!(scene.world.run(async move { hub.drain(SECOND * 30).await }), 1);
        assert_eq!(scene.world_seconds() - before, 30);
        assert_eq!((ann.close(), scene.hub.stats().sessions), (Some(Close::GOING_AWAY), 0));
    });
}

#[test]
fn a_connection_that_is_dropped_in_mid_life_is_out_of_its_channels_and_its_end_is_told_once() {
    let (moody, scene) = Moody::scene(Way::Frames);
    let (bob, wire) = (scene.join("bob", "room"), Wire::default());
    let credentials = Credentials::Now(Connect::named(Some("ann".parse().expect("a name"))));
    let seat = scene.hub.acceptor().permit().expect("there is room");
    let mut ann = Connection::over_sink(seat, Arc::new(Script), credentials, wire.input(), wire.sink());
    for request in ["subscribe room", "call wait"] {
        wire.put(Ok(Incoming::Text(request.to_owned())));
    }
    let under_way = moody.under_way.clone();
    scene.world.run(async move {
        assert_eq!(futures::future::poll_immediate(&mut ann).await, None);
        assert_eq!(under_way.load(Ordering::Relaxed), 1, "it is in, and waits for a hook");
    });
    assert_eq!(moody.closed(), [("ann".to_owned(), Close::DISCONNECTED)]);
    assert_eq!(moody.under_way.load(Ordering::Relaxed), 0);
    assert_eq!((scene.hub.stats().sessions, scene.hub.stats().subscriptions), (1, 1));
    let touches = wire.touches();
    bob.say("publish room 1");
    assert_eq!((bob.heard(), wire.touches()), (vec!["message room 1 bob 1".to_owned()], touches));
}

#[test]
fn a_full_hub_says_so_and_has_room_again_when_one_goes() {
    each_way(|way| {
        let limits = Limits::default().with_sessions(2);
        let scene = Scene::new(way, OpenChat::default(), limits);
        let (ann, _bob) = (scene.enter("ann"), scene.enter("bob"));
        assert_eq!(scene.hub.acceptor().permit().expect_err("it is full"), Full::Sessions);
        ann.put(Ok(Incoming::Close(None)));
        assert_eq!(ann.heard(), ["close"]);
        assert!(scene.hub.acceptor().permit().is_ok());
    });
}

#[test]
fn a_wall_clock_that_jumps_an_hour_back_ends_nothing() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.join("ann", "room");
        scene.world.jump(TimeDelta::hours(-1));
        scene.world.advance(SECOND * 20);
        ann.say("publish room 1");
        assert_eq!(ann.heard(), ["message room 1 ann 1"]);
        assert_eq!(scene.hub.stats().sessions, 1);
    });
}

/// Never returns from the hook of a session that has ended.
struct SlowGoodbye;

impl Endpoint for SlowGoodbye {
    async fn stream_closed(&self, _: &SessionInfo, _: &Close) {
        pending::<()>().await;
    }
}

#[test]
fn the_hub_keeps_no_transport_for_a_hook_that_takes_its_time() {
    let scene = Scene::new(Way::Bytes, SlowGoodbye, Limits::default());
    let writer = Arc::new(Wire::default().writer());
    let (wire, credentials) =
        (Wire::default(), Credentials::Now(Connect::named(Some("ann".parse().expect("a name")))));
    let seat = scene.hub.acceptor().permit().expect("the hub has room");
    let (script, marked) = (Arc::new(Script), Arc::new(chat_core::testkit::Marked));
    let connection = Connection::over_bytes(seat, script, marked, credentials, wire.input(), writer.clone());
    scene.world.spawn(Box::pin(async move { drop(connection.await) }));
    wire.put(Ok(Incoming::Text("subscribe room".into())));
    scene.world.settle();
    assert!(Arc::strong_count(&writer) > 1);
    wire.cut();
    scene.world.settle();
    assert_eq!(Arc::strong_count(&writer), 1);
    assert_eq!(scene.hub.stats().sessions, 1, "its seat is taken until the endpoint has heard of it");
}

#[test]
fn times_that_mean_never_and_times_of_nothing_are_both_well() {
    let times: [fn(&mut Limits, Duration); 6] = [
        |limits, time| limits.open_timeout = time,
        |limits, time| limits.write_timeout = time,
        |limits, time| limits.ping_interval = time,
        |limits, time| limits.pong_timeout = time,
        |limits, time| limits.close_timeout = time,
        |limits, time| limits.store_timeout = time,
    ];
    each_way(|way| {
        for set in times {
            for time in [Duration::MAX, Duration::ZERO] {
                let mut limits = Limits::default().with_turn_bytes(0).with_turn_messages(0);
                set(&mut limits, time);
                let hub = Hub::builder(OpenChat::default()).limits(limits).history(9, Duration::MAX);
                let scene = Scene::of(World::new(), way, hub);
                let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
                ann.say("publish room 1");
                bob.wire().stall();
                scene.world.advance(SECOND * 5);
                bob.wire().flow();
                scene.world.advance(SECOND * 60);
                assert_eq!((ann.close(), bob.close()), (None, None));
                ann.put(Ok(Incoming::Close(Some(1000))));
                scene.hub.disconnect_user(&"bob".parse().expect("a name"), &Close::new(4501, "banned"));
                scene.world.advance(SECOND);
                assert!(ann.close().is_some() && bob.close().is_some());
            }
        }
    });
}

/// Runs a session whose peer only reads, on a transport that reports answers in this way. Returns its wire,
/// and where its close will stand.
fn listening(scene: &Scene, answers: Option<Answers>) -> (Wire, Arc<Mutex<Option<Close>>>) {
    let (wire, ended) = (Wire::default(), Arc::new(Mutex::new(None)));
    wire.ignore_pings();
    wire.ignore_close();
    let credentials = Credentials::Now(Connect::named(Some("ann".parse().expect("a name"))));
    let seat = scene.hub.acceptor().permit().expect("there is room");
    let connection = Connection::over_sink(seat, Arc::new(Script), credentials, wire.input(), wire.sink());
    let connection = match answers {
        Some(answers) => connection.answered(answers),
        None => connection,
    };
    let told = ended.clone();
    scene.world.spawn(Box::pin(async move {
        let close = connection.await;
        *told.lock().expect("no panic") = Some(close);
    }));
    scene.world.settle();
    (wire, ended)
}

#[test]
fn a_transport_is_waited_for_only_in_what_it_says_that_its_peers_answer() {
    for (answers, silent, ended_after) in [
        (None, None, 0),
        (Some(Answers::default().with_pings(true).with_closes(false)), Some(3012), 0),
        (Some(Answers::default().with_pings(false).with_closes(true)), None, 5),
    ] {
        let scene = Scene::open_chat(Way::Frames);
        let (_wire, ended) = listening(&scene, answers);
        scene.world.advance(SECOND * 3600);
        let close = ended.lock().expect("no panic").take();
        assert_eq!(close.map(|close| close.code()), silent, "silence: {answers:?}");
        let (_wire, ended) = listening(&scene, answers);
        let session = *scene.hub.sessions_of(&"ann".parse().expect("a name")).last().expect("she is there");
        assert!(scene.hub.disconnect(session, Close::new(4000, "enough")));
        let mut waited = 0;
        scene.world.settle();
        while ended.lock().expect("no panic").is_none() {
            scene.world.advance(SECOND);
            waited += 1;
        }
        assert_eq!(waited, ended_after, "an end: {answers:?}");
    }
}
