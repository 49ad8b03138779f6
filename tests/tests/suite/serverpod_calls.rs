//! Tests the frames and calls of Serverpod's method streams in any order, in virtual time.

use std::collections::{HashMap, HashSet};

use chat_core::testkit::{Way, World};
use chat_core::transport::Incoming;
use chat_core::{Limits, Rate, Refusal, Subscribe};
use chat_tests::dart::*;
use chat_tests::scene::{Scene, each_way};
use chat_tests::seed::each_seed;
use serde_json::{Value, json};

#[test]
fn what_is_no_frame_is_given_back_and_ends_the_session() {
    let class = message(A, "room", "x").replace("\"ChatMessage\",\"data\"", "\"SimpleData\",\"data\"");
    let exception = message(A, "room", "x").replace("\"msm\"", "\"msse\"").replace("\"o\"", "\"ex\"");
    for text in [
        r#"{"command":"this is not a valid command"}"#,
        r#"{"type": "this is not a known message type"}"#,
        "This is not a valid json string",
        &class,
        &exception.replace("\"ChatMessage\",\"data\"", "\"NoClass\",\"data\""),
    ] {
        let scene = scene(Way::Bytes);
        let ann = dart(&scene, Way::Bytes);
        ann.say(text);
        let brm = format!(r#"{{"type":"brm","data":{{"req":{}}}}}"#, json!(text));
        assert_eq!(ann.heard(), [brm, "close 3501 no frame of method streams".to_owned()]);
    }
    let scene = scene(Way::Frames);
    let (ann, bob) = (dart(&scene, Way::Frames), dart(&scene, Way::Frames));
    ann.say(&msm(A, "ann", "\"x\"", "room"));
    let brm =
        r#"{"type":"brm","data":{"req":"Server does not accept messages targeting the return stream."}}"#;
    assert_eq!(ann.heard()[0], brm);
    bob.say(brm);
    assert_eq!(bob.heard(), ["close 3501 the client knows no such frame"], "it is not answered");
}

#[test]
fn a_publish_says_all_it_is_given_and_ends_when_all_is_said() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (dart(&scene, way), scene.join("bob", "room"));
        ann.say(&with("Bearer ann", A, "room"));
        ann.say(&publish(B, "room"));
        for content in ["one", "two"] {
            ann.say(&message(B, "room", content));
        }
        ann.say(&cmsc_input(B, "publish", "messages", "done"));
        let expected = [
            omsr(A, "subscribe", "success"),
            omsr(B, "publish", "success"),
            msm(A, "ann", "\"one\"", "room"),
            msm(A, "ann", "\"two\"", "room"),
            cmsc(B, "publish", "done"),
        ];
        assert_eq!(ann.heard(), expected, "the server's word counts for who it is from");
        assert_eq!(bob.heard(), [r#"message room 1 ann "one""#, r#"message room 2 ann "two""#]);
        ann.say(&publish(B, "room"));
        ann.say(&message(B, "another", "where?"));
        ann.say(&publish(C, "room"));
        ann.say(&cmsc_input(C, "publish", "messages", "error"));
        let expected = [
            omsr(B, "publish", "success"),
            cmsc(B, "publish", "error"),
            cmsc_input(B, "publish", "messages", "error"),
            omsr(C, "publish", "success"),
            cmsc(C, "publish", "error"),
        ];
        assert_eq!((ann.heard(), bob.heard()), (expected.into(), vec![]));
    });
}

#[test]
fn a_session_leaves_a_channel_when_the_last_of_its_streams_does() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (dart(&scene, way), scene.join("bob", "room"));
        ann.say(&subscribe(A, "room"));
        ann.say(&subscribe(B, "room"));
        bob.say("publish room 1");
        let both = [A, B].map(|cid| msm(cid, "bob", "\"1\"", "room"));
        assert_eq!(ann.heard()[2..], both);
        ann.say(&cmsc(A, "subscribe", "done"));
        bob.say("publish room 2");
        assert_eq!(ann.heard(), [cmsc(A, "subscribe", "done"), msm(B, "bob", "\"2\"", "room")]);
        assert_eq!(scene.hub.stats().subscriptions, 2);
        ann.say(&cmsc(B, "subscribe", "error"));
        bob.say("publish room 3");
        assert_eq!(ann.heard(), [cmsc(B, "subscribe", "error")]);
        assert_eq!(scene.hub.stats().subscriptions, 1);
    });
}

#[test]
fn a_stream_that_is_opened_while_the_last_one_leaves_hears_from_its_answer_on() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (dart(&scene, way), scene.join("bob", "room"));
        ann.say(&subscribe(A, "room"));
        let put = |text: String| ann.wire().put(Ok(Incoming::Text(text)));
        put(cmsc(A, "subscribe", "done"));
        put(subscribe(B, "room"));
        bob.say("publish room 1");
        bob.say("publish room 2");
        let heard = ann.heard();
        assert_eq!(
            heard.iter().filter(|text| text.contains(A)).count(),
            2 + usize::from(heard[1].contains("msm"))
        );
        let of_b: Vec<_> = heard.iter().filter(|text| text.contains(B)).collect();
        assert_eq!(*of_b[0], omsr(B, "subscribe", "success"));
        assert_eq!(**of_b[of_b.len() - 1], msm(B, "bob", "\"2\"", "room"));
    });
}

#[test]
fn a_call_that_is_cancelled_before_it_opened_opens_and_ends() {
    each_way(|way| {
        let scene = scene(way);
        let ann = dart(&scene, way);
        let put = |text: String| ann.wire().put(Ok(Incoming::Text(text)));
        put(subscribe(A, "room"));
        put(cmsc(A, "subscribe", "done"));
        ann.say(PING);
        let mut heard = ann.heard();
        heard.retain(|text| text != PONG);
        assert_eq!(heard, [omsr(A, "subscribe", "success"), cmsc(A, "subscribe", "done")]);
        assert_eq!(scene.hub.stats().subscriptions, 0);
    });
}

#[test]
fn the_first_call_says_who_it_is_and_another_proof_refreshes_that() {
    each_way(|way| {
        let scene = scene(way);
        let ann = dart(&scene, way);
        ann.say(&with("Bearer bad", A, "room"));
        assert_eq!(ann.heard(), [omsr(A, "subscribe", "authenticationFailed")]);
        ann.say(&with("Basic YW5u", A, "room"));
        ann.say(&with("Bearer ann/2", B, "room"));
        ann.say(&subscribe(C, "room"));
        assert_eq!(ann.heard(), [A, B, C].map(|cid| omsr(cid, "subscribe", "success")));
        assert_eq!(scene.hub.sessions_of(&"ann".parse().expect("a name")).len(), 1);
    });
}

#[test]
fn calls_that_come_together_are_each_made_as_who_they_say() {
    each_way(|way| {
        let scene = scene(way);
        let ann = dart(&scene, way);
        let put = |text: String| ann.wire().put(Ok(Incoming::Text(text)));
        put(with("Bearer bad", A, "room"));
        put(with("Bearer ann", B, "room"));
        put(with("Bearer bad", C, "room"));
        ann.say(&publish(C, "room"));
        let mut heard = ann.heard();
        heard.sort();
        let mut expected = vec![
            omsr(A, "subscribe", "authenticationFailed"),
            omsr(B, "subscribe", "success"),
            omsr(C, "publish", "success"),
            omsr(C, "subscribe", "authenticationFailed"),
        ];
        expected.sort();
        assert_eq!(heard, expected);
    });
}

#[test]
fn a_call_for_a_channel_of_too_long_a_name_is_refused_before_it_opens() {
    let scene = Scene::new(Way::Bytes, Names, Limits::default().with_channel_name_bytes(4));
    let ann = dart(&scene, Way::Bytes);
    let publish = omsc(B, "publish", r#"{"channelId":"rooms"}"#, &["messages"], None);
    [subscribe(A, "room"), subscribe(C, "rooms"), publish].iter().for_each(|frame| ann.say(frame));
    let expected = [
        omsr(A, "subscribe", "success"),
        omsr(C, "subscribe", "invalidArguments"),
        omsr(B, "publish", "invalidArguments"),
    ];
    let heard = ann.heard();
    assert!(expected.iter().all(|answer| heard.contains(answer)) && heard.len() == 3, "{heard:?}");
}

#[test]
fn a_session_has_as_many_calls_as_it_may_have_channels_and_many_wrong_proofs_end_it() {
    let scene = Scene::new(Way::Bytes, Names, Limits::default().with_session_channels(2).with_strikes(3));
    let ann = dart(&scene, Way::Bytes);
    for (cid, channel) in [(A, "a"), (B, "b"), (C, "c")] {
        ann.say(&subscribe(cid, channel));
    }
    let expected = [
        omsr(A, "subscribe", "success"),
        omsr(B, "subscribe", "success"),
        omsr(C, "subscribe", "success"),
        cmsc(C, "subscribe", "error"),
    ];
    assert_eq!(ann.heard(), expected);
    let eve = dart(&scene, Way::Bytes);
    (0..3).for_each(|_| eve.say(&with("Bearer bad", A, "room")));
    assert_eq!(kinds(&eve.heard()), ["omsr", "omsr", "omsr", "close 3509 too many errors"]);
}

// ---- any order of anything ----

/// Holds the expectations of a client that keeps to the protocol.
#[derive(Default)]
struct Expected {
    /// Maps the `cid` of each call to whether it opened with success, and whether it ended.
    calls: HashMap<String, (bool, bool)>,
    /// Lists calls that the client ended itself; some of their answers may still be on their way.
    cancelled: HashSet<String>,
}

impl Expected {
    fn hear(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("no frame: {text}"));
        let (kind, data) = (frame["type"].as_str().expect("a type"), &frame["data"]);
        if kind == "pong" || data.get("p").is_some() {
            return;
        }
        let cid = data["cid"].as_str().unwrap_or_else(|| panic!("of no call: {text}"));
        let known = self.calls.get_mut(cid);
        match (kind, known) {
            ("omsr", None) => {
                let success = data["res"] == "success";
                self.calls.insert(cid.to_owned(), (success, !success));
            }
            ("msm", Some((true, false))) => {}
            ("msm", Some(_)) if self.cancelled.contains(cid) => {}
            ("cmsc", Some((true, over @ false))) => *over = true,
            (_, known) => panic!("{known:?}, then {text}"),
        }
    }
}

#[test]
fn whatever_comes_in_whatever_order_every_call_is_answered_once_and_ends_once() {
    each_way(|way| {
        each_seed(150, |seed, rng| {
            let limits = Limits::default().with_requests(Rate::UNBOUNDED).with_strikes(u32::MAX);
            let scene = Scene::within(World::seeded(seed), way, Names, limits);
            let (ann, bob) = (dart(&scene, way), scene.join("bob", "room"));
            let put = |text: String| ann.wire().put(Ok(Incoming::Text(text)));
            let (mut expected, mut cids) = (Expected::default(), vec![A.to_owned()]);
            let user = "guest-1".parse().expect("a name");
            put(subscribe(A, "room"));
            for n in 0..rng.usize(5..60) {
                let channel = ["room", "other", "secret", "broken", ""][rng.usize(..5)];
                let cid = cids[rng.usize(..cids.len())].clone();
                let fresh = format!("00000000-0000-4000-8000-{n:012}");
                let reason = if rng.bool() { "done" } else { "error" };
                match rng.u32(..12) {
                    0..3 => put(subscribe(&fresh, channel)),
                    3 => put(publish(&fresh, channel)),
                    4 => put(with(if rng.bool() { "Bearer bad" } else { "Bearer guest-1" }, &fresh, channel)),
                    5 => {
                        put(cmsc(&cid, "subscribe", reason));
                        expected.cancelled.insert(cid);
                    }
                    6 => put(cmsc(&cid, "publish", reason)),
                    7 => put(cmsc_input(&cid, "publish", "messages", reason)),
                    8 => put(message(&cid, "room", "hi")),
                    9 => bob.wire().put(Ok(Incoming::Text("publish room 1".into()))),
                    10 if !channel.is_empty() => {
                        scene.hub.subscribe_user(&user, &Subscribe::to(channel.parse().expect("a name")));
                    }
                    11 if !channel.is_empty() => {
                        let channel = channel.parse().expect("a name");
                        scene.hub.unsubscribe_user(&user, &channel, &Refusal::permission_denied("out"));
                    }
                    _ => put(PING.to_owned()),
                }
                cids.push(fresh);
                (0..rng.u32(..3)).take_while(|_| scene.world.turn()).for_each(drop);
            }
            ann.heard().iter().for_each(|text| expected.hear(text));
            for cid in &cids {
                put(cmsc(cid, "subscribe", "done"));
                put(cmsc(cid, "publish", "done"));
            }
            scene.world.settle();
            for channel in ["room", "other", "secret", "broken"] {
                let channel = channel.parse().expect("a name");
                scene.hub.unsubscribe_user(&user, &channel, &Refusal::permission_denied("out"));
            }
            expected.cancelled.extend(cids);
            ann.heard().iter().for_each(|text| expected.hear(text));
            assert!(expected.calls.values().all(|(_, over)| *over), "a call did not end");
            assert_eq!((scene.hub.stats().subscriptions, ann.close()), (1, None));
        });
    });
}
