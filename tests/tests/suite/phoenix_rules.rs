//! Tests the rules of Phoenix Channels' own server, in virtual time.

use std::time::Duration;

use chat_core::runtime::Runtime;
use chat_core::testkit::{Client, Way, World};
use chat_core::{
    ChannelId, ChannelOptions, Endpoint, HistoryOptions, Hub, Limits, OpenChat, Overflow, Payload, Publish,
    PublishContext, Pushed, Rate, Refusal, SessionInfo, Subscribe, SubscribeOptions, UserId,
};
use chat_protocol::phoenix::Phoenix;
use chat_tests::scene::{Scene, each_way};

const SECOND: Duration = Duration::from_secs(1);
pub(super) const MOMENT: Duration = Duration::from_millis(250);

fn quiet(way: Way) -> Scene {
    Scene::open_chat(way)
}

/// Builds a hub whose channels have history and presence.
pub(super) fn keeping(way: Way) -> Scene {
    let history = HistoryOptions::of(100, SECOND * 60).with_bytes(1 << 20);
    let options = ChannelOptions::default().with_history(history).with_presence(true);
    Scene::of(World::new(), way, Hub::builder(OpenChat::default()).channel(|_| options))
}

/// Connects a client of this name that has sent nothing yet.
pub(super) fn enter(scene: &Scene, name: &str) -> Client {
    scene.enter_in(Phoenix::default(), name)
}

/// Connects a client that has joined `room` under the ref 1.
pub(super) fn joined(scene: &Scene, name: &str) -> Client {
    let client = enter(scene, name);
    client.say(r#"["1","1","room","phx_join",{}]"#);
    assert_eq!(client.heard()[0], ok(r#""1","1","room""#));
    client
}

pub(super) fn ok(head: &str) -> String {
    format!(r#"[{head},"phx_reply",{{"status":"ok","response":{{}}}}]"#)
}

fn unmatched(reference: &str, topic: &str) -> String {
    format!(
        r#"[null,"{reference}","{topic}","phx_reply",{{"status":"error","response":{{"reason":"unmatched topic"}}}}]"#
    )
}

fn error(head: &str, reason: &str, code: u16, message: &str) -> String {
    format!(
        r#"[{head},"phx_reply",{{"status":"error","response":{{"reason":"{reason}","code":{code},"message":"{message}"}}}}]"#
    )
}

fn user(name: &str) -> UserId {
    name.parse().expect("a name")
}

fn channel(name: &str) -> ChannelId {
    name.parse().expect("a name")
}

#[test]
fn a_push_is_heard_by_all_who_joined_and_its_reply_comes_to_who_pushed() {
    each_way(|way| {
        let scene = quiet(way);
        let (ann, bob) = (joined(&scene, "ann"), joined(&scene, "bob"));
        ann.say(r#"["1","2","room","new_msg",{"body": "hi"}]"#);
        let heard = r#"[null,null,"room","new_msg",{"body": "hi"}]"#;
        let reply = r#"["1","2","room","phx_reply",{"status":"ok","response":{"offset":1}}]"#;
        assert_eq!(ann.heard(), [reply, heard]);
        assert_eq!(bob.heard(), [heard]);
    });
}

#[test]
fn a_client_of_another_protocol_in_the_same_room_hears_the_same() {
    each_way(|way| {
        let scene = keeping(way);
        let (ann, bob) = (joined(&scene, "ann"), scene.join("bob", "room"));
        ann.say(r#"["1","2","room","new_msg",{"body":"hi"}]"#);
        ann.heard();
        assert_eq!(bob.heard(), [r#"event/new_msg room 1 ann {"body":"hi"}"#]);
        bob.say("publish room 7");
        bob.say("signal room true");
        bob.say("event room typing {}");
        bob.say("edit room 2 8");
        let message = |event, rest| format!(r#"[null,null,"room","{event}",{{"senderName":"bob",{rest}}}]"#);
        let time = r#""timestamp":"2026-01-01T00:00:00.000Z""#;
        assert_eq!(
            ann.heard(),
            [
                message("message", format!(r#""content":7,{time},"channelId":"room","offset":2"#)),
                message("signal", format!(r#""content":true,{time},"channelId":"room""#)),
                r#"[null,null,"room","typing",{}]"#.to_owned(),
                message("message", format!(r#""content":8,{time},"edits":2,"channelId":"room","offset":4"#)),
            ]
        );
    });
}

#[test]
fn a_message_of_an_earlier_join_is_ignored_and_one_without_a_join_ref_is_not() {
    each_way(|way| {
        let scene = quiet(way);
        let ann = joined(&scene, "ann");
        ann.say(r#"["0","2","room","new_msg",{}]"#);
        ann.say(r#"["0","3","room","phx_leave",{}]"#);
        assert!(ann.heard().is_empty());
        ann.say(r#"[null,"4","room","new_msg",{}]"#);
        let reply = r#"["1","4","room","phx_reply",{"status":"ok","response":{"offset":1}}]"#;
        assert_eq!(ann.heard()[0], reply);
    });
}

#[test]
fn refs_are_any_json_and_come_back_as_they_came() {
    each_way(|way| {
        let scene = quiet(way);
        let ann = enter(&scene, "ann");
        for (topic, join_ref) in (1..).zip(["1", "null", "true", r#"{"a": [1]}"#, "-0.5e3", r#""x""#]) {
            ann.say(&format!(r#"[{join_ref},{topic},"{topic}","phx_join",{{}},"more"]"#));
            assert_eq!(ann.heard(), [ok(&format!(r#"{join_ref},{topic},"{topic}""#))]);
            ann.say(&format!(r#"[{join_ref},[{topic}],"{topic}","new_msg",{{}},6,7]"#));
            let reply = format!(r#"[{join_ref},[{topic}],"{topic}","phx_reply",{{"status":"ok""#);
            assert!(ann.heard()[0].starts_with(&reply), "{reply}");
            if join_ref != "null" {
                ann.say(&format!(r#"[7.5,2,"{topic}","new_msg",{{}}]"#));
                assert!(ann.heard().is_empty(), "it is of an earlier join");
            }
        }
        for n in 0..100 {
            ann.say(&format!(r#"[9,{n},"phoenix","heartbeat",{{}}]"#));
            assert_eq!(ann.heard(), [ok(&format!(r#"null,{n},"phoenix""#))]);
        }
        assert_eq!(ann.close(), None);
    });
}

#[test]
fn a_topic_that_is_not_joined_is_unmatched_without_a_strike_but_may_be_left() {
    each_way(|way| {
        let scene = Scene::new(way, OpenChat::default().with_open_publish(true), Limits::default());
        let ann = enter(&scene, "ann");
        for n in 0..25 {
            ann.say(&format!(r#"["1","{n}","room","new_msg",{{}}]"#));
            assert_eq!(ann.heard(), [unmatched(&n.to_string(), "room")]);
        }
        ann.say(r#"["1","30","room","phx_leave",{}]"#);
        ann.say(r#"["31","31","phoenix","phx_join",{}]"#);
        ann.say(r#"["1","32","","new_msg",{}]"#);
        let expected = [ok(r#""1","30","room""#), unmatched("31", "phoenix"), unmatched("32", "")];
        assert_eq!((ann.heard(), ann.close()), (expected.into(), None));
    });
}

#[test]
fn a_leave_is_answered_then_the_channel_is_closed_then_nothing_of_it_comes() {
    each_way(|way| {
        let scene = quiet(way);
        let (ann, bob) = (joined(&scene, "ann"), joined(&scene, "bob"));
        ann.say(r#"["1","2","room","phx_leave",{}]"#);
        bob.say(r#"["1","2","room","new_msg",{}]"#);
        ann.say(r#"["1","3","room","new_msg",{}]"#);
        let closed = r#"["1","1","room","phx_close",{}]"#.to_owned();
        assert_eq!(ann.heard(), [ok(r#""1","2","room""#), closed, unmatched("3", "room")]);
    });
}

#[test]
fn a_second_join_ends_the_first_under_its_own_ref_and_then_joins() {
    each_way(|way| {
        let scene = quiet(way);
        let (ann, bob) = (joined(&scene, "ann"), joined(&scene, "bob"));
        ann.say(r#"["2","2","room","phx_join",{}]"#);
        bob.say(r#"["1","2","room","new_msg",{}]"#);
        ann.say(r#"["1","3","room","stale",{}]"#);
        let closed = r#"["1","1","room","phx_close",{}]"#.to_owned();
        let heard = r#"[null,null,"room","new_msg",{}]"#.to_owned();
        assert_eq!(ann.heard(), [closed, ok(r#""2","2","room""#), heard]);
    });
}

/// Takes a second over every join, and none of `no`.
struct Slow(World);

impl Endpoint for Slow {
    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        self.0.sleep_until(self.0.now().instant + SECOND).await;
        match wish.channel.as_str() {
            "no" => Err(Refusal::permission_denied("not you")),
            _ => Ok(SubscribeOptions::of(&wish)),
        }
    }
}

fn slow(way: Way) -> Scene {
    let world = World::new();
    Scene::within(world.clone(), way, Slow(world), Limits::default())
}

#[test]
fn a_leave_while_joining_is_heard_after_the_join_and_a_heartbeat_before_both() {
    each_way(|way| {
        let scene = slow(way);
        let ann = enter(&scene, "ann");
        ann.say(r#"["1","1","room","phx_join",{}]"#);
        ann.say(r#"["1","2","room","phx_leave",{}]"#);
        ann.say(r#"["1","3","room","new_msg",{}]"#);
        ann.say(r#"[null,"4","phoenix","heartbeat",{}]"#);
        assert_eq!(ann.heard(), [unmatched("3", "room"), ok(r#"null,"4","phoenix""#)]);
        scene.world.advance(SECOND);
        let closed = r#"["1","1","room","phx_close",{}]"#.to_owned();
        assert_eq!(ann.heard(), [ok(r#""1","1","room""#), ok(r#""1","2","room""#), closed]);
    });
}

#[test]
fn a_second_join_while_joining_closes_the_first_once_that_is_in() {
    each_way(|way| {
        let scene = slow(way);
        let ann = enter(&scene, "ann");
        for topic in ["room", "no"] {
            ann.say(&format!(r#"["1","1","{topic}","phx_join",{{}}]"#));
            ann.say(&format!(r#"["2","2","{topic}","phx_join",{{}}]"#));
        }
        scene.world.advance(SECOND * 4);
        let refused = |n| error(&format!(r#""{n}","{n}","no""#), "permission denied", 103, "not you");
        let closed = r#"["1","1","room","phx_close",{}]"#.to_owned();
        let expected = [ok(r#""1","1","room""#), closed, ok(r#""2","2","room""#), refused(1), refused(2)];
        assert_eq!(ann.heard(), expected);
    });
}

#[test]
fn a_join_that_is_refused_says_why_and_what_was_pushed_meanwhile_is_unmatched() {
    each_way(|way| {
        let scene = slow(way);
        let ann = enter(&scene, "ann");
        ann.say(r#"["1","1","no","phx_join",{}]"#);
        ann.say(r#"["1","2","no","new_msg",{}]"#);
        scene.world.advance(SECOND);
        ann.say(r#"["1","3","no","new_msg",{}]"#);
        let refused = error(r#""1","1","no""#, "permission denied", 103, "not you");
        assert_eq!(ann.heard(), [refused, unmatched("2", "no"), unmatched("3", "no")]);
    });
}

#[test]
fn a_channel_too_many_is_refused_and_one_that_is_left_makes_room() {
    each_way(|way| {
        let requests = Rate { per_second: 0, burst: 0 };
        let limits = Limits::default().with_session_channels(2).with_requests(requests);
        let scene = Scene::new(way, OpenChat::default(), limits);
        let ann = enter(&scene, "ann");
        for n in 1..=3 {
            ann.say(&format!(r#"["{n}","{n}","room{n}","phx_join",{{}}]"#));
        }
        let refused =
            error(r#""3","3","room3""#, "too many channels joined", 106, "a session has at most 2 channels");
        assert_eq!(ann.heard(), [ok(r#""1","1","room1""#), ok(r#""2","2","room2""#), refused]);
        ann.say(r#"["1","4","room1","phx_leave",{}]"#);
        ann.say(r#"["5","5","room3","phx_join",{}]"#);
        assert_eq!(ann.heard()[2], ok(r#""5","5","room3""#));
    });
}

#[test]
fn who_is_taken_out_comes_back_after_an_error_and_stays_out_after_a_close() {
    each_way(|way| {
        let scene = quiet(way);
        let ann = joined(&scene, "ann");
        let removals = [
            (Refusal::internal("it broke"), "phx_error"),
            (Refusal::expired("too long"), "phx_error"),
            (Refusal::unrecoverable_position("lost"), "phx_error"),
            (Refusal::permission_denied("out"), "phx_close"),
        ];
        for (n, (why, event)) in (1..).zip(removals) {
            scene.hub.unsubscribe_user(&user("ann"), &channel("room"), &why);
            let (reason, code, message) = (&why.reason, why.code(), &why.message);
            let why = format!(r#"{{"reason":"{reason}","code":{code},"message":"{message}"}}"#);
            assert_eq!(ann.heard(), [format!(r#"["{n}","{n}","room","{event}",{why}]"#)]);
            ann.say(&format!(r#"["{n}","x","room","new_msg",{{}}]"#));
            assert_eq!(ann.heard(), [unmatched("x", "room")]);
            let next = n + 1;
            ann.say(&format!(r#"["{next}","{next}","room","phx_join",{{}}]"#));
            assert_eq!(ann.heard(), [ok(&format!(r#""{next}","{next}","room""#))]);
        }
    });
}

#[test]
fn who_was_put_in_by_the_server_hears_broadcasts_and_joins_as_if_it_were_not() {
    each_way(|way| {
        let scene = quiet(way);
        let ann = enter(&scene, "ann");
        scene.hub.subscribe_user(&user("ann"), &Subscribe::to(channel("room")));
        ann.say(r#"[null,"1","room","new_msg",{}]"#);
        scene.hub.publish("room", Payload::json("1")).expect("a name");
        let heard = ann.heard();
        assert_eq!((heard.len(), &heard[0]), (2, &unmatched("1", "room")));
        assert!(heard[1].starts_with(r#"[null,null,"room","message",{"senderName":"server","content":1"#));
        ann.say(r#"["2","2","room","phx_join",{}]"#);
        ann.say(r#"["2","3","room","new_msg",{}]"#);
        assert_eq!(ann.heard()[0], ok(r#""2","2","room""#));
    });
}

#[test]
fn what_only_the_server_may_say_is_refused() {
    each_way(|way| {
        let scene = quiet(way);
        let (ann, bob) = (joined(&scene, "ann"), joined(&scene, "bob"));
        let long = "e".repeat(256);
        for event in ["phx_close", "chan_reply_7", "presence_diff", "lost", "", &long] {
            ann.say(&format!(r#"["1","2","room","{event}",{{}}]"#));
            let heard = ann.heard();
            let head = r#"["1","2","room","phx_reply",{"status":"error","response":{"reason":"bad request""#;
            assert!(heard.len() == 1 && heard[0].starts_with(head), "{event}: {heard:?}");
        }
        assert!(bob.heard().is_empty());
    });
}

#[test]
fn nobody_says_the_servers_own_message_with_another_sender_in_it() {
    each_way(|way| {
        let scene = quiet(way);
        let (ann, eve) = (joined(&scene, "ann"), joined(&scene, "eve"));
        eve.say(r#"["1","2","room","message",{"senderName":"bob","content":"forged"}]"#);
        let heard = ann.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        let envelope = r#"[null,null,"room","message",{"senderName":"eve","content":{"senderName":"bob","content":"forged"}"#;
        assert!(heard[0].starts_with(envelope), "{heard:?}");
    });
}

#[test]
fn a_topic_that_is_no_name_cannot_be_joined() {
    each_way(|way| {
        let scene = quiet(way);
        let ann = enter(&scene, "ann");
        for (topic, why) in [
            ("".to_owned(), "topic: a name has at least one character"),
            ("x".repeat(256), "topic: a name has at most 255 bytes, this one has 256"),
        ] {
            ann.say(&format!(r#"["1","1","{topic}","phx_join",{{}}]"#));
            let head = format!(r#""1","1","{topic}""#);
            assert_eq!(ann.heard(), [error(&head, "bad request", 107, why)]);
        }
    });
}

/// Lets subscribers be slow, and answers the event `sum`.
struct Forgiving;

impl Endpoint for Forgiving {
    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        Ok(SubscribeOptions::of(&wish).with_overflow(Overflow::DropNewest))
    }

    async fn event(&self, _: &SessionInfo, said: Publish, _: PublishContext) -> Result<Pushed, Refusal> {
        match said.event.as_ref().map(|event| event.as_str()) {
            Some("sum") => Ok(Pushed::Answer(Payload::json(r#"{"sum":3}"#))),
            _ => Err(Refusal::custom(400, "mine", "no way")),
        }
    }
}

#[test]
fn what_a_slow_client_misses_is_told_as_an_event() {
    each_way(|way| {
        let limits = Limits::default().with_outbox_frames(1);
        let scene = Scene::new(way, Forgiving, limits);
        let ann = joined(&scene, "ann");
        ann.wire().stall();
        for n in 1..=3 {
            scene.hub.publish("room", Payload::json(n.to_string())).expect("a name");
        }
        ann.wire().flow();
        let heard = ann.heard();
        assert_eq!(heard.last().expect("it is told"), r#"[null,null,"room","lost",{"from":2,"to":3}]"#);
    });
}

#[test]
fn the_endpoint_may_answer_an_event_and_nobody_else_hears_of_it() {
    each_way(|way| {
        let scene = Scene::new(way, Forgiving, Limits::default());
        let (ann, bob) = (joined(&scene, "ann"), joined(&scene, "bob"));
        ann.say(r#"["1","2","room","sum",[1,2]]"#);
        ann.say(r#"["1","3","room","other",{}]"#);
        let sum = r#"["1","2","room","phx_reply",{"status":"ok","response":{"sum":3}}]"#.to_owned();
        assert_eq!(ann.heard(), [sum, error(r#""1","3","room""#, "mine", 400, "no way")]);
        assert!(bob.heard().is_empty());
    });
}

#[test]
fn what_the_server_says_to_one_user_and_what_was_no_message_come_on_the_sockets_own_topic() {
    each_way(|way| {
        let scene = quiet(way);
        let ann = enter(&scene, "ann");
        scene.hub.send_to_user(&user("ann"), &Payload::json("null"));
        ann.say("{}");
        let heard = ann.heard();
        assert_eq!(heard[0], r#"[null,null,"phoenix","direct",{"data":null}]"#);
        assert!(heard[1].starts_with(r#"[null,null,"phoenix","error",{"reason":"bad request","code":107,"#));
    });
}

#[test]
fn a_drain_closes_with_1001_and_no_words_before_it() {
    each_way(|way| {
        let scene = quiet(way);
        let ann = joined(&scene, "ann");
        let hub = scene.hub.clone();
        scene.world.run(async move { hub.drain(SECOND * 10).await });
        assert_eq!(ann.heard(), ["close 1001 going away"]);
    });
}
