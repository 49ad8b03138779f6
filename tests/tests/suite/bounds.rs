//! Tests each bound of one session, at the bound and one past it. Bounds on all sessions together are in
//! `together.rs`, those of a wire format in `cases/bounds.json`.

use std::time::Duration;

use chat_core::protocol::{Message, Protocol, Requests};
use chat_core::testkit::World;
use chat_core::testkit::{Client, Way};
use chat_core::transport::Incoming;
use chat_core::{
    ChannelId, ChannelOptions, Close, Endpoint, HistoryOptions, Hub, HubBuilder, Limits, OpenChat, Payload,
    Rate, SessionId,
};
use chat_http::{HttpHub, HttpLimits};
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::json::Json;
use chat_protocol::phoenix::Phoenix;
use chat_protocol::serverpod::{Legacy, MethodStreams};
use chat_tests::scene::{Scene, each_way};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn keeping(limits: Limits) -> HubBuilder {
    Hub::builder(OpenChat::default()).limits(limits).history(1000, SECOND * 600)
}

#[test]
fn nineteen_bad_requests_are_borne_and_the_twentieth_closes() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.enter("ann");
        (0..19).for_each(|_| ann.say("nonsense"));
        assert_eq!((ann.heard().len(), ann.close()), (19, None));
        ann.say("nonsense");
        assert_eq!((ann.heard().len(), ann.close()), (2, Some(Close::TOO_MANY_ERRORS)));
        assert_eq!(scene.hub.stats().bad_requests, 20);
    });
}

#[test]
fn the_name_of_a_channel_has_as_many_bytes_as_is_said_whatever_is_asked_of_it() {
    each_way(|way| {
        let limits = Limits::default().with_channel_name_bytes(4).with_strikes(99);
        let scene = Scene::new(way, OpenChat::default(), limits);
        let ann = scene.enter("ann");
        ann.say("subscribe room");
        assert_eq!(ann.heard(), ["subscribed room 0"]);
        for asked in
            ["subscribe rooms", "unsubscribe rooms", "publish rooms 1", "history rooms", "presence rooms"]
        {
            ann.say(asked);
            assert_eq!(ann.heard(), ["error 107 the name of a channel has at most 4 bytes"], "{asked}");
        }
        assert_eq!((scene.hub.stats().bad_requests, scene.hub.stats().refusals[&107]), (5, 5));
    });
}

#[test]
fn json_may_be_as_deep_as_is_said_in_every_protocol() {
    let limits = Limits::default().with_json_depth(6);
    let streams = r#"{"type":"omsc","data":{"en":"chat","m":"publish","cid":"11111111-2222-4333-8444-555555555555","args":"{\"channelId\":\"a\"}","is":["messages"],"x":@}}"#;
    let told: [(&dyn Protocol, usize, &str); 5] = [
        (&Json, 1, r#"{"type":"publish","channelId":"a","content":@}"#),
        (&Centrifuge::default(), 2, r#"{"id":1,"connect":{"data":@}}"#),
        (&Phoenix::default(), 1, r#"["1","1","a","shout",@]"#),
        (
            &Legacy,
            3,
            r#"{"endpoint":"chat","object":{"className":"ChatMessage","data":{"channelId":"a","content":"hi","x":@}}}"#,
        ),
        (&MethodStreams::default(), 2, streams),
    ];
    for (protocol, around, text) in told {
        for (depth, is_read) in [(6, true), (7, false)] {
            let nested = ["[".repeat(depth - around), "]".repeat(depth - around)].concat();
            let (mut talk, mut requests) =
                (protocol.session_codec(SessionId(1), &limits), Requests::at_most(9));
            talk.decode(Message::Text(&text.replace('@', &nested)), &mut requests);
            let bad = requests.all().iter().any(Result::is_err);
            assert_eq!(bad, !is_read, "{} at {depth}", protocol.name());
        }
    }
}

#[test]
fn a_session_that_does_not_say_who_it_is_has_ten_seconds() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let silent = scene.approach();
        scene.world.advance(SECOND * 10 - MILLISECOND);
        assert_eq!(silent.close(), None);
        scene.world.advance(MILLISECOND);
        assert_eq!(silent.close(), Some(Close::STALE));
    });
}

#[test]
fn a_peer_that_takes_nothing_has_ten_seconds() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.join("ann", "room");
        ann.wire().stall();
        scene.join("bob", "room").say("publish room 1");
        scene.world.advance(SECOND * 10 - MILLISECOND);
        assert_eq!(ann.close(), None);
        scene.world.advance(MILLISECOND);
        ann.wire().flow();
        assert_eq!(ann.close(), Some(Close::SLOW));
    });
}

#[test]
fn a_ping_goes_out_after_25_seconds_and_10_more_without_a_word_close() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.enter("ann");
        ann.wire().ignore_pings();
        scene.world.advance(SECOND * 25 - MILLISECOND);
        assert!(ann.heard().is_empty());
        scene.world.advance(MILLISECOND);
        assert_eq!(ann.heard(), ["ping"]);
        scene.world.advance(SECOND * 10 - MILLISECOND);
        assert_eq!(ann.close(), None);
        scene.world.advance(MILLISECOND);
        assert_eq!(ann.close(), Some(Close::NO_PONG));
    });
}

#[test]
fn a_peer_that_is_asked_more_often_than_it_is_waited_for_is_closed_all_the_same() {
    each_way(|way| {
        let limits = Limits::default().with_ping_interval(SECOND).with_pong_timeout(SECOND * 3);
        let scene = Scene::new(way, OpenChat::default(), limits);
        let ann = scene.enter("ann");
        ann.wire().ignore_pings();
        scene.world.advance(SECOND * 4 - MILLISECOND);
        assert_eq!((ann.heard().len(), ann.close()), (3, None));
        scene.world.advance(MILLISECOND);
        assert_eq!(ann.close(), Some(Close::NO_PONG));
    });
}

#[test]
fn a_peer_that_does_not_answer_a_close_is_dropped_after_5_seconds() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = scene.enter("ann");
        ann.wire().ignore_close();
        let session = scene.hub.sessions_of(&"ann".parse().expect("a name"))[0];
        assert!(scene.hub.disconnect(session, Close::NORMAL));
        scene.world.advance(SECOND * 5 - MILLISECOND);
        assert_eq!(ann.close(), None);
        scene.world.advance(MILLISECOND);
        assert_eq!(ann.close(), Some(Close::NORMAL));
        assert_eq!(cut_short(&scene, "close"), 1);
    });
}

/// Returns how often something met this bound and was cut short.
fn cut_short(scene: &Scene, what: &str) -> u64 {
    scene.hub.stats().cut_short.get(what).copied().unwrap_or(0)
}

#[test]
fn an_answer_holds_300_publications_and_says_that_it_was_asked_for_more() {
    each_way(|way| {
        let limits = Limits::default().with_requests(Rate::UNBOUNDED);
        let scene = Scene::of(World::new(), way, keeping(limits));
        let (ann, bob) = (scene.join("ann", "room"), scene.join("bob", "room"));
        let count = |line: &str| line.split(' ').filter(|word| word.contains(':')).count();
        for n in 1..=301 {
            ann.say(&format!("publish room {n}"));
        }
        bob.say("history room 300");
        bob.say("history room 301");
        let answers: Vec<_> = bob.heard().into_iter().filter(|line| line.starts_with("history")).collect();
        assert_eq!(answers.iter().map(|line| count(line)).collect::<Vec<_>>(), [300, 300]);
    });
}

#[test]
fn three_hundred_missed_are_recovered_and_one_more_is_too_many() {
    each_way(|way| {
        let limits = Limits::default().with_requests(Rate::UNBOUNDED);
        let scene = Scene::of(World::new(), way, keeping(limits));
        let ann = scene.join("ann", "room");
        let page = scene.hub.history(&chat_core::HistoryRequest::of("room".parse().expect("a name"), 1));
        let epoch = page.expect("the channel is there").epoch;
        (1..=301).for_each(|n| ann.say(&format!("publish room {n}")));
        let (bob, eve) = (scene.enter("bob"), scene.enter("eve"));
        bob.say(&format!("subscribe room since {epoch} 1"));
        eve.say(&format!("subscribe room since {epoch} 0"));
        let heard = bob.heard();
        assert_eq!(
            (heard[0].as_str(), heard.len()),
            (format!("subscribed room 301 recovered {epoch}").as_str(), 301)
        );
        assert_eq!(eve.heard(), [format!("subscribed room 301 not recovered: too many {epoch}")]);
        assert_eq!(cut_short(&scene, "answer"), 1);
        bob.say("history room 300");
        assert_eq!(cut_short(&scene, "answer"), 1);
        bob.say("history room 301");
        assert_eq!(cut_short(&scene, "answer"), 2);
    });
}

/// Returns the close of a stalled reader for which messages of these sizes are queued; none if it stays.
fn held(way: Way, bytes: impl IntoIterator<Item = usize>) -> Option<Close> {
    let scene = Scene::open_chat(way);
    let ann = scene.join("ann", "r");
    ann.wire().stall();
    // A frame is its line, and weighs 32 bytes beside; one that is marked on the wire has its mark too.
    let mark = if way == Way::Bytes { MARK } else { 0 };
    for (n, bytes) in (1..).zip(bytes) {
        let line = format!("message r {n} server ").len() + mark + 32;
        scene.hub.publish("r", Payload::json_unchecked("x".repeat(bytes - line))).expect("a name");
    }
    ann.wire().flow();
    ann.close()
}

/// Is the number of bytes before each message on a wire that carries bytes.
const MARK: usize = 5;

#[test]
fn an_outbox_holds_a_mebibyte_and_not_a_byte_more() {
    each_way(|way| {
        let quarter = 1024 * 1024 / 4;
        assert_eq!(held(way, [quarter; 4]), None);
        assert_eq!(held(way, [quarter, quarter, quarter, quarter + 1]), Some(Close::SLOW));
    });
}

#[test]
fn an_outbox_holds_4096_frames_and_not_one_more() {
    each_way(|way| {
        assert_eq!(held(way, [100; 4096]), None);
        assert_eq!(held(way, [100; 4097]), Some(Close::SLOW));
    });
}

#[test]
fn a_turn_handles_64_messages_or_16_kib_and_then_lets_others_go_on() {
    each_way(|way| {
        for (bytes, at_once) in [(10, 64), (1024, 16), (1025, 16), (16 * 1024, 1), (20 * 1024, 1)] {
            let scene =
                Scene::new(way, OpenChat::default(), Limits::default().with_requests(Rate::UNBOUNDED));
            let ann = scene.join("ann", "room");
            let publish = format!("publish room {}", "x".repeat(bytes - "publish room ".len().min(bytes)));
            (0..200).for_each(|_| ann.wire().put(Ok(Incoming::Text(publish.clone()))));
            let before = scene.hub.stats().publications;
            scene.world.turn();
            assert_eq!(scene.hub.stats().publications - before, at_once, "{bytes} bytes each");
            assert_eq!(cut_short(&scene, "turn"), 1);
        }
    });
}

/// Keeps what is said for as many seconds as the channel's name says.
struct BySeconds;

impl Endpoint for BySeconds {
    fn channel(&self, channel: &ChannelId, _: ChannelOptions) -> ChannelOptions {
        let age = SECOND * channel.as_str().parse().expect("a number");
        let history = HistoryOptions::of(10, age).with_bytes(1000);
        ChannelOptions::default().with_history(history)
    }
}

#[test]
fn a_channel_that_nobody_is_in_goes_when_what_it_keeps_is_too_old_though_another_has_longer_to_go() {
    each_way(|way| {
        let scene = Scene::new(way, BySeconds, Limits::default());
        for channel in ["300", "10"] {
            scene.hub.publish(channel, Payload::json("1")).expect("a name");
            scene.world.advance(SECOND);
        }
        assert_eq!(scene.hub.stats().channels, 2);
        scene.world.advance(SECOND * 10);
        assert_eq!(scene.hub.stats().channels, 1);
        scene.world.advance(SECOND * 300);
        assert_eq!((scene.hub.stats().channels, scene.world.tasks()), (0, 0), "and nobody looks any more");
    });
}

#[test]
fn bounds_with_which_nothing_works_are_refused_when_the_hub_is_built() {
    type Set = fn(&mut Limits);
    let zero: [(&str, Set); 3] = [
        ("message_bytes", |limits| limits.message_bytes = 0),
        ("outbox_bytes", |limits| limits.outbox_bytes = 0),
        ("outbox_frames", |limits| limits.outbox_frames = 0),
    ];
    assert_eq!(Limits::default().check(), Ok(()));
    for (field, set) in zero {
        let mut limits = Limits::default();
        set(&mut limits);
        assert_eq!(limits.check().map_err(|error| error.field()), Err(field));
        let built = Hub::builder(OpenChat::default()).limits(limits.clone()).try_build(World::new());
        assert_eq!(built.err(), limits.check().err());
    }
}

#[test]
fn bounds_of_http_with_which_nothing_works_are_refused_when_the_hub_is_bound_to_it() {
    type Set = fn(&mut HttpLimits);
    let zero: [(&str, Set); 4] = [
        ("handshake_timeout", |limits| limits.handshake_timeout = Duration::ZERO),
        ("head_bytes", |limits| limits.head_bytes = 0),
        ("head_line_bytes", |limits| limits.head_line_bytes = 0),
        ("head_headers", |limits| limits.head_headers = 0),
    ];
    assert_eq!(HttpLimits::default().check(), Ok(()));
    let hub = Hub::builder(OpenChat::default()).build(World::new());
    for (field, set) in zero {
        let mut limits = HttpLimits::default();
        set(&mut limits);
        assert_eq!(limits.check().map_err(|error| error.field()), Err(field));
        assert_eq!(HttpHub::try_new(hub.clone(), limits).err(), limits.check().err());
    }
}

/// Fills the histories of six channels with 270 KB each, with a subscriber in all of them.
fn reader_of_six(way: Way) -> (Scene, Client) {
    let hub = Hub::builder(OpenChat::default()).history(300, SECOND * 6000);
    let scene = Scene::of(World::new(), way, hub);
    let ann = scene.enter("ann");
    for room in 0..6 {
        ann.say(&format!("subscribe room{room}"));
        for _ in 0..300 {
            let content = Payload::json(format!("\"{}\"", "x".repeat(900)));
            scene.hub.publish(format!("room{room}"), content).expect("a name");
        }
    }
    ann.heard();
    (scene, ann)
}

fn ask_for_all(ann: &Client) {
    for room in 0..6 {
        ann.wire().put(Ok(Incoming::Text(format!("history room{room} 300"))));
    }
}

#[test]
fn who_asks_for_more_than_may_wait_and_reads_gets_all_of_it() {
    each_way(|way| {
        let (scene, ann) = reader_of_six(way);
        ask_for_all(&ann);
        scene.world.settle();
        assert_eq!((ann.heard().len(), ann.close()), (6, None));
        ann.wire().stall();
        ask_for_all(&ann);
        ann.put(Ok(Incoming::Text("ping".into())));
        let (mut heard, mut most) = (0, 0);
        for _ in 0..60 {
            ann.wire().give_room(64 * 1024);
            scene.world.advance(SECOND * 3);
            most = most.max(scene.hub.stats().outbox_bytes);
            heard += ann.heard().iter().filter(|line| line.starts_with("history")).count();
        }
        assert_eq!(
            (heard, ann.close()),
            (6, None),
            "slowly, but it reads: no silence of its own is held against it"
        );
        assert!(most < 800_000, "{most} bytes waited");
    });
}

#[test]
fn who_asks_and_never_reads_is_closed_when_its_time_is_over_and_not_before() {
    each_way(|way| {
        let (scene, ann) = reader_of_six(way);
        ann.wire().stall();
        ask_for_all(&ann);
        scene.world.advance(SECOND * 9);
        assert_eq!(ann.close(), None);
        scene.world.advance(SECOND * 7);
        assert_eq!(ann.close().map(|close| close.code()), Some(3008));
    });
}
