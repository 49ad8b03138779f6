//! Tests every way into a channel × every way out of it × a panic in each hook: each hook is called exactly
//! once, in order.

use std::time::Duration;

use chat_core::protocol::Protocol;
use chat_core::runtime::Runtime;
use chat_core::testkit::{Script, Way, World};
use chat_core::transport::{Incoming, InputError};
use chat_core::{ChannelOptions, Close, HistoryOptions, Hub, Limits, Payload, Refusal};
use chat_core::{Rate, Storage, Subscribe};
use chat_tests::keeping::id;
use chat_tests::scene::each_way;
use chat_tests::speakers::TONGUES;
use chat_tests::store::FaultyStore;
use chat_tests::watching::{Fragile, Guest, ROOM, Watching};
use futures::FutureExt;

const SECOND: Duration = Duration::from_secs(1);

/// Bounds the publications that may wait for a session here.
const FRAMES: usize = 64;

/// Holds one hub, and what its endpoint was told.
struct Stage {
    world: World,
    hub: Hub,
    watching: Watching,
    way: Way,
}

impl Stage {
    /// Builds a hub; with a store, whose room is not empty, if `stored`.
    fn build(way: Way, stored: bool, panics_in: &'static [&'static str], takes: Duration) -> Self {
        let world = World::new();
        let mut watching = Watching::new(&world);
        (watching.panics_in, watching.takes) = (panics_in, takes);
        let limits = Limits::default().with_outbox_frames(FRAMES).with_requests(Rate::UNBOUNDED);
        let history = HistoryOptions::of(10, SECOND * 60).with_bytes(1 << 20);
        let builder = Hub::builder(watching.clone()).limits(limits);
        let options = ChannelOptions::default().with_history(history);
        let builder = match stored {
            false => builder.channel(move |_| options),
            true => {
                let store = FaultyStore::within(&world);
                let storage = Storage::Kept;
                builder.channel(move |_| options.with_storage(storage)).store(store)
            }
        };
        Self { hub: builder.build(world.clone()), world, watching, way }
    }

    fn connect(&self, protocol: impl Protocol, who: (&str, Option<&str>)) -> Guest {
        let guest = Guest::connect(&self.world, &self.hub, protocol, who, self.way);
        self.pass(SECOND / 10);
        guest
    }

    fn enter(&self) -> Guest {
        self.connect(Fragile, ("ann", None))
    }

    /// Lets a guest say something, and gives slow hooks time.
    fn say(&self, guest: &Guest, text: &str) {
        guest.say(text);
        self.pass(SECOND / 10);
    }

    fn pass(&self, time: Duration) {
        self.world.settle();
        self.world.advance(time);
    }

    fn publish(&self, content: &str) {
        self.hub.publish(ROOM, Payload::json(content)).expect("a name");
        self.world.settle();
    }
}

/// Is a way into the room: what it does, and what the endpoint is told before the session is in.
struct In {
    name: &'static str,
    stored: bool,
    /// Is true if another session is in the room too, and stays there.
    shared: bool,
    before: &'static [&'static str],
    come: fn(&Stage) -> Guest,
}

const IN: In =
    In { name: "subscribe", stored: false, shared: false, before: &[], come: |stage| ask(stage, "") };

fn ask(stage: &Stage, options: &str) -> Guest {
    let guest = stage.enter();
    stage.say(&guest, &format!("subscribe room{options}"));
    guest
}

fn ways_in() -> Vec<In> {
    [asked_by_the_client(), asked_again(), put_in_by_the_server()].into_iter().flatten().collect()
}

fn asked_by_the_client() -> Vec<In> {
    vec![
        IN,
        In {
            name: "subscribe twice",
            come: |stage| {
                let guest = ask(stage, "");
                stage.say(&guest, "subscribe room");
                guest
            },
            ..IN
        },
        In {
            name: "recover",
            come: |stage| {
                stage.publish("1");
                let guest = ask(stage, " since any 0 whole");
                assert!(guest.heard()[0].contains("recovered"));
                guest
            },
            ..IN
        },
        In {
            name: "subscribe after a recovery that failed with 112, and a channel that is barred",
            come: |stage| {
                let guest = ask(stage, " since any 7 whole");
                stage.say(&guest, "subscribe barred");
                let heard = guest.heard();
                assert!(heard[0].starts_with("error 112") && heard[1].starts_with("error 103"), "{heard:?}");
                stage.say(&guest, "subscribe room");
                guest
            },
            ..IN
        },
        In { name: "restored for its client", stored: true, ..IN },
    ]
}

fn asked_again() -> Vec<In> {
    let left = &["active room", "idle room", "subscribed ann room", "unsubscribed ann room ByClient"];
    vec![
        In {
            name: "join again",
            before: left,
            come: |stage| {
                let guest = ask(stage, "");
                stage.say(&guest, "unsubscribe room");
                stage.say(&guest, "subscribe room");
                guest
            },
            ..IN
        },
        In {
            name: "join another",
            shared: true,
            before: &["active room", "subscribed bob room"],
            come: |stage| {
                let bob = stage.connect(Script, ("bob", None));
                stage.say(&bob, "subscribe room");
                ask(stage, "")
            },
            ..IN
        },
    ]
}

fn put_in_by_the_server() -> Vec<In> {
    vec![
        In {
            name: "invited by its identity",
            come: |stage| stage.connect(Fragile, ("ann", Some("invited"))),
            ..IN
        },
        In {
            name: "hub.subscribe",
            come: |stage| {
                let guest = stage.enter();
                assert!(stage.hub.subscribe(guest.id, &Subscribe::to(id(ROOM))));
                stage.pass(SECOND / 10);
                guest
            },
            ..IN
        },
        In { name: "hub.subscribe_user", come: put_in, ..IN },
        In { name: "restored for the server", stored: true, come: put_in, ..IN },
        In {
            name: "restored for its identity",
            stored: true,
            come: |stage| stage.connect(Fragile, ("ann", Some("invited"))),
            ..IN
        },
    ]
}

fn put_in(stage: &Stage) -> Guest {
    let guest = stage.enter();
    assert_eq!(stage.hub.subscribe_user(&"ann".parse().expect("a name"), &Subscribe::to(id(ROOM))), 1);
    stage.pass(SECOND / 10);
    guest
}

/// Is a way out of the room: what it does, why the session then left, and the close if it is over.
type Out = (&'static str, String, Option<u16>, fn(&Stage, &Guest));

fn closed(close: Close) -> String {
    format!("Closed({close:?})")
}

fn because(variant: &str, refusal: Refusal) -> String {
    format!("{variant}({refusal:?})")
}

fn ways_out() -> Vec<Out> {
    [out_of_the_room(), out_of_the_session()].into_iter().flatten().collect()
}

fn out_of_the_room() -> Vec<Out> {
    let denied = || because("ByServer", Refusal::permission_denied("out"));
    let failed = || because("Failed", Refusal::internal("a hook of the server failed"));
    vec![
        ("unsubscribe", "ByClient".into(), None, |stage, guest| stage.say(guest, "unsubscribe room")),
        ("hub.unsubscribe", denied(), None, |stage, guest| {
            assert!(stage.hub.unsubscribe(guest.id, &id(ROOM), &Refusal::permission_denied("out")));
        }),
        ("hub.unsubscribe_user", denied(), None, |stage, _| {
            let (ann, why) = ("ann".parse().expect("a name"), Refusal::permission_denied("out"));
            assert_eq!(stage.hub.unsubscribe_user(&ann, &id(ROOM), &why), 1);
        }),
        ("the subscription expires", "Expired".into(), None, |stage, guest| {
            stage.say(guest, "stay room soon");
            stage.pass(SECOND * 2);
        }),
        (
            "a refresh takes the right away",
            because("NotAllowed", Refusal::permission_denied("away")),
            None,
            |stage, guest| stage.say(guest, "refresh away"),
        ),
        ("publish panics", failed(), None, |stage, guest| stage.say(guest, "publish room panic")),
        ("event panics", failed(), None, |stage, guest| stage.say(guest, "event room said panic")),
        ("publish fails", because("Failed", Refusal::internal("as was asked for")), None, |stage, guest| {
            stage.say(guest, "publish room fail");
        }),
    ]
}

fn out_of_the_session() -> Vec<Out> {
    vec![
        ("too slow", closed(Close::SLOW), Some(3008), |stage, guest| {
            guest.wire.stall();
            (0..2 * FRAMES).for_each(|n| stage.publish(&n.to_string()));
            guest.wire.flow();
        }),
        ("the client closes", closed(Close::NORMAL), Some(1000), |_, guest| {
            guest.put(Incoming::Close(Some(1000)));
        }),
        ("the transport is cut", closed(Close::DISCONNECTED), Some(1006), |_, guest| guest.cut()),
        ("the transport breaks a rule", closed(Close::TOO_BIG), Some(1009), |_, guest| {
            guest.wire.put(Err(InputError::Refused(Close::TOO_BIG)));
        }),
        ("writes fail", closed(Close::DISCONNECTED), Some(1006), |stage, guest| {
            guest.wire.break_writes();
            stage.publish("1");
        }),
        ("hub.disconnect", closed(Close::new(4001, "go")), Some(4001), |stage, guest| {
            assert!(stage.hub.disconnect(guest.id, Close::new(4001, "go")));
        }),
        ("hub.disconnect_user", closed(Close::new(4501, "go")), Some(4501), |stage, _| {
            stage.hub.disconnect_user(&"ann".parse().expect("a name"), &Close::new(4501, "go"));
        }),
        ("the session expires", closed(Close::EXPIRED), Some(3005), |stage, guest| {
            stage.say(guest, "refresh brief");
            stage.pass(SECOND * 2);
        }),
        ("no pong", closed(Close::NO_PONG), Some(3012), |stage, guest| {
            guest.wire.ignore_pings();
            stage.pass(SECOND * 40);
        }),
        ("drain", closed(Close::GOING_AWAY), Some(1001), |stage, _| {
            let hub = stage.hub.clone();
            stage.world.spawn(async move { hub.drain(SECOND * 30).await }.map(drop).boxed());
        }),
        ("the connection is dropped", closed(Close::DISCONNECTED), Some(1006), |_, guest| {
            guest.drop_connection();
        }),
        ("the encoder panics", closed(Close::SERVER_ERROR), Some(3004), |stage, _| {
            stage.publish("\"boom\"");
        }),
        ("a hook of the session panics", closed(Close::SERVER_ERROR), Some(3004), |stage, guest| {
            stage.say(guest, "call anything 1");
        }),
        ("too many bad requests", closed(Close::TOO_MANY_ERRORS), Some(3509), |stage, guest| {
            (0..Limits::default().strikes).for_each(|_| stage.say(guest, "nonsense"));
        }),
    ]
}

/// Plays one way in and one way out, and checks what the endpoint was told.
fn check(stage: &Stage, into: &In, (name, why, close, out): &Out) {
    let case = format!("{} × {name}, panics in {:?}", into.name, stage.watching.panics_in);
    let mut all = Vec::new();
    let mut told = || {
        let lines = stage.watching.lines();
        all.extend(lines.clone());
        lines.into_iter().filter(|line| !line.starts_with("published")).collect::<Vec<_>>()
    };
    let own = |line: &str| line.contains("ann") || line.contains("room");
    let guest = (into.come)(stage);
    let active: &[_] = if into.shared { &[] } else { &["active room"] };
    let expected: Vec<_> = [into.before, active, &["subscribed ann room"]].concat();
    assert_eq!(sorted(told()), sorted(expected.into_iter().map(Into::into).collect()), "{case}");
    out(stage, &guest);
    stage.pass(SECOND);
    let mut lines = told();
    if name == &"drain" {
        lines.retain(|line| !(line.contains("bob") || into.shared && line.starts_with("idle")));
    }
    let left = format!("unsubscribed ann room {why}");
    let mut expected: Vec<_> = (!into.shared).then(|| "idle room".to_owned()).into_iter().collect();
    expected.push(left);
    expected.extend(close.map(|code| format!("closed ann {code}")));
    assert_eq!(lines, expected, "{case}");
    guest.cut();
    stage.pass(SECOND);
    let lines: Vec<_> = told().into_iter().filter(|line| own(line) && !line.contains("bob")).collect();
    let last = if close.is_none() { vec!["closed ann 1006"] } else { Vec::new() };
    assert_eq!(lines, last, "{case}");
    assert_publications(&all, stage, &case);
    assert_all_is_over(stage, &case);
}

/// Puts joins and leaves before what the session was told of them, where hooks that take time let others go
/// ahead.
fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_by_key(|line| line.contains("subscribed"));
    lines
}

/// Checks that each publication was told once, in order.
fn assert_publications(lines: &[String], stage: &Stage, case: &str) {
    let told: Vec<_> = lines.iter().filter(|line| line.starts_with("published")).cloned().collect();
    let expected: Vec<_> =
        (1..=stage.hub.stats().publications).map(|n| format!("published room {n}")).collect();
    assert_eq!(told, expected, "{case}");
}

/// Checks that no session, channel or user is left once bob has gone too.
fn assert_all_is_over(stage: &Stage, case: &str) {
    stage.hub.disconnect_user(&"bob".parse().expect("a name"), &Close::NORMAL);
    stage.pass(SECOND * 200);
    let stats = stage.hub.stats();
    assert_eq!((stats.sessions, stats.subscriptions, stats.channels), (0, 0, 0), "{case}");
    assert_eq!(stage.hub.users(), 0, "{case}");
}

fn every_way(panics_in: &'static [&'static str], takes: Duration) {
    each_way(|way| {
        for into in ways_in() {
            for out in ways_out() {
                let stage = Stage::build(way, into.stored, panics_in, takes);
                check(&stage, &into, &out);
                let panicked = stage.hub.stats().hook_panics > 0;
                assert_eq!(panicked, !panics_in.is_empty(), "{} × {}: panics are counted", into.name, out.0);
            }
        }
    });
}

#[test]
fn each_join_and_leave_is_told_once_whatever_the_way_in_and_out() {
    every_way(&[], Duration::ZERO);
}

#[test]
fn each_join_and_leave_is_told_once_by_hooks_that_take_time() {
    every_way(&[], SECOND / 100);
}

#[test]
fn a_panic_in_a_hook_that_is_only_told_loses_no_other_call() {
    for hook in ["subscribed", "unsubscribed", "active", "idle", "closed"] {
        every_way(Box::leak(Box::new([hook])), Duration::ZERO);
    }
    every_way(&["subscribed", "unsubscribed", "active", "idle", "published", "closed"], Duration::ZERO);
}

#[test]
fn each_join_and_leave_is_told_once_over_every_protocol() {
    each_way(|way| {
        for tongue in &TONGUES {
            for out in ["leave", "cut", "unsubscribe", "disconnect", "drop"] {
                let stage = Stage::build(way, false, &[], Duration::ZERO);
                let mut speaker = (tongue.speaker)();
                let greeting = speaker.greeting();
                let connect = chat_core::Connect::named("ann".parse().ok());
                let credentials = match &greeting {
                    Some(_) => chat_core::protocol::Credentials::Later,
                    None => chat_core::protocol::Credentials::Now(connect),
                };
                let protocol = (tongue.protocol)();
                let permit = stage.hub.acceptor().permit().expect("the hub has room");
                let guest = Guest::over(&stage.world, permit, protocol, credentials, way);
                greeting.iter().for_each(|frame| guest.say(&frame.replace("{}", "{\"token\":\"ann\"}")));
                guest.say(&speaker.subscribe(ROOM, None));
                let case = format!("{} × {out}", tongue.name);
                let told = stage.watching.lines();
                assert_eq!(told, ["active room", "subscribed ann room"], "{case}: {:?}", guest.heard());
                match out {
                    "leave" => guest.say(&speaker.leave(ROOM)),
                    "cut" => guest.cut(),
                    "unsubscribe" => {
                        stage.hub.unsubscribe(guest.id, &id(ROOM), &Refusal::permission_denied("out"));
                    }
                    "disconnect" => assert!(stage.hub.disconnect(guest.id, Close::NORMAL)),
                    _ => guest.drop_connection(),
                }
                stage.pass(SECOND * 20);
                let told = stage.watching.lines();
                assert_eq!(told[0], "idle room", "{case}");
                assert!(told[1].starts_with("unsubscribed ann room "), "{case}: {told:?}");
                guest.cut();
                stage.pass(SECOND);
                let rest = [told[2..].to_vec(), stage.watching.lines()].concat();
                assert_eq!(rest.len(), 1, "{case}: {rest:?}");
                assert_all_is_over(&stage, &case);
            }
        }
    });
}
