//! Tests in virtual time what an unchanged Dart client needs of Serverpod's method streams.

use std::time::Duration;

use chat_core::testkit::{Client, World};
use chat_core::transport::{Incoming, Kind};
use chat_core::{ChannelId, Close, Limits, Payload, Refusal, Subscribe};
use chat_tests::cases::keeping;
use chat_tests::dart::*;
use chat_tests::scene::{Scene, each_way};
use chat_tests::seed::each_seed;

#[test]
fn a_ping_is_answered_at_once_in_text_while_an_endpoint_thinks_of_who_that_is_or_what_it_may() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (dart(&scene, way), dart(&scene, way));
        ann.say(&with("Bearer slow", A, "room"));
        ann.say(PING);
        assert_eq!(ann.heard(), [PONG]);
        bob.say(&subscribe(A, "slow"));
        bob.put(Ok(Incoming::Binary(PING.into())));
        bob.say(PONG);
        assert_eq!(bob.next().map(|heard| (heard.kind, heard.to_string())), Some((Kind::Text, PONG.into())));
        assert!(bob.heard().is_empty());
    });
}

#[test]
fn the_first_frame_is_the_pong_to_the_clients_ping_and_no_frame_is_ever_a_ping_of_the_servers() {
    each_way(|way| {
        let scene = scene(way);
        let ann = dart(&scene, way);
        scene.world.advance(Duration::from_secs(5));
        assert!(ann.heard().is_empty());
        ann.say(PING);
        ann.say(&subscribe(A, "room"));
        assert_eq!(ann.heard(), [PONG.to_owned(), omsr(A, "subscribe", "success")]);
        scene.world.advance(Duration::from_secs(120));
        let heard = ann.heard();
        assert!(heard.iter().all(|text| text == "ping") && !heard.is_empty(), "the transport's: {heard:?}");
        assert_eq!(ann.close(), None);
    });
}

#[test]
fn a_streams_answer_comes_before_all_that_it_hears() {
    each_way(|way| {
        each_seed(40, |seed, rng| {
            let scene = Scene::within(World::seeded(seed), way, Names, Limits::default());
            let (ann, bob) = (dart(&scene, way), scene.join("bob", "room"));
            let put = |client: &Client, text: String| client.wire().put(Ok(Incoming::Text(text)));
            for (n, cid) in [A, B, C].into_iter().enumerate() {
                put(&bob, format!("publish room {n}"));
                put(&ann, subscribe(cid, "room"));
                put(&bob, format!("publish room 1{n}"));
                (0..rng.u64(..5)).take_while(|_| scene.world.turn()).for_each(drop);
            }
            scene.world.settle();
            bob.say("publish room 7");
            let heard = ann.heard();
            for cid in [A, B, C] {
                let of: Vec<_> = heard.iter().filter(|text| text.contains(cid)).collect();
                assert_eq!(*of[0], omsr(cid, "subscribe", "success"), "{heard:?}");
                assert_eq!(**of[of.len() - 1], msm(cid, "bob", "\"7\"", "room"));
                assert!(of[1..].iter().all(|text| text.contains("msm")));
            }
        });
    });
}

#[test]
fn a_stream_whose_answer_is_held_up_hears_nothing_before_it() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (dart(&scene, way), scene.join("bob", "room"));
        [subscribe(A, "room"), subscribe(C, "slow"), subscribe(B, "room")]
            .iter()
            .for_each(|frame| ann.say(frame));
        bob.say("publish room 1");
        assert_eq!(ann.heard(), [omsr(A, "subscribe", "success"), msm(A, "bob", "\"1\"", "room")]);
        let slow: ChannelId = "slow".parse().expect("a name");
        let user = "guest-1".parse().expect("a name");
        scene.hub.unsubscribe_user(&user, &slow, &Refusal::permission_denied("too late"));
        bob.say("publish room 2");
        let expected = [
            omsr(C, "subscribe", "authorizationDeclined"),
            omsr(B, "subscribe", "success"),
            msm(A, "bob", "\"2\"", "room"),
            msm(B, "bob", "\"2\"", "room"),
        ];
        assert_eq!(ann.heard(), expected);
    });
}

#[test]
fn a_session_that_the_server_puts_into_a_channel_hears_it_on_the_streams_that_wait_for_it() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (dart(&scene, way), scene.join("bob", "room"));
        let (user, room) = ("guest-1".parse().expect("a name"), "room".parse::<ChannelId>().expect("a name"));
        [subscribe(A, "other"), subscribe(C, "slow"), subscribe(B, "room")]
            .iter()
            .for_each(|frame| ann.say(frame));
        scene.hub.subscribe_user(&user, &Subscribe::to(room.clone()));
        bob.say("publish room 1");
        let expected = [
            omsr(A, "subscribe", "success"),
            omsr(B, "subscribe", "success"),
            msm(B, "bob", "\"1\"", "room"),
        ];
        assert_eq!(ann.heard(), expected);
        ann.say(&cmsc(B, "subscribe", "done"));
        bob.say("publish room 2");
        assert_eq!(ann.heard(), [cmsc(B, "subscribe", "done")]);
        scene.hub.unsubscribe_user(
            &user,
            &"slow".parse().expect("a name"),
            &Refusal::permission_denied("no"),
        );
        assert_eq!(ann.heard(), [omsr(C, "subscribe", "authorizationDeclined")]);
        assert_eq!(
            scene.hub.stats().subscriptions,
            2,
            "it left what nobody hears: other of ann, room of bob"
        );
    });
}

#[test]
fn every_call_that_opened_ends_with_a_word_of_its_own() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (dart(&scene, way), scene.join("bob", "room"));
        for frame in [subscribe(A, "room"), subscribe(B, "room"), subscribe(C, "other"), publish(A, "room")] {
            ann.say(&frame);
        }
        let opened = [(A, "subscribe"), (B, "subscribe"), (C, "subscribe"), (A, "publish")];
        assert_eq!(ann.heard(), opened.map(|(cid, method)| omsr(cid, method, "success")));
        let room: ChannelId = "room".parse().expect("a name");
        let user = "guest-1".parse().expect("a name");
        scene.hub.unsubscribe_user(&user, &room, &Refusal::permission_denied("out"));
        assert_eq!(ann.heard(), [cmsc(A, "subscribe", "error"), cmsc(B, "subscribe", "error")]);
        bob.say("publish room 1");
        ann.say(&message(A, "room", "not in it"));
        let ends = [cmsc(A, "publish", "error"), cmsc_input(A, "publish", "messages", "error")];
        assert_eq!(ann.heard(), ends, "who is in no room may not speak in it");
        ann.say(&subscribe(A, "room"));
        bob.say("publish room 2");
        assert_eq!(ann.heard(), [omsr(A, "subscribe", "success"), msm(A, "bob", "\"2\"", "room")]);
        assert_eq!(ann.close(), None);
    });
}

#[test]
fn a_client_hears_no_class_that_it_does_not_know() {
    each_way(|way| {
        let scene = Scene::of(World::new(), way, keeping());
        let (ann, bob) = (dart(&scene, way), scene.join("bob", "room"));
        ann.say(&subscribe(A, "room"));
        for said in
            ["publish room \"hi\"", "publish room {\"a\":[1]}", "event room note null", "edit room 1 5"]
        {
            bob.say(said);
        }
        bob.say("signal room {\"typing\":true}");
        bob.say("delete room 2");
        scene.hub.publish("room", Payload::Binary([0xff, 0xfe].into())).expect("a name");
        let contents =
            [r#""hi""#, r#""{\"a\":[1]}""#, r#""null""#, r#""5""#].map(|each| msm(A, "bob", each, "room"));
        let mut expected = vec![omsr(A, "subscribe", "success")];
        expected.extend(contents);
        expected.push(msm(A, "server", r#""//4=""#, "room"));
        assert_eq!(ann.heard(), expected);
    });
}

#[test]
fn no_failure_of_a_call_is_a_bad_request_nor_ends_the_others() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (dart(&scene, way), scene.join("bob", "room"));
        ann.say(&subscribe(A, "room"));
        ann.heard();
        let room = r#"{"channelId":"room"}"#;
        let failures = [
            (subscribe(B, "secret"), "authorizationDeclined"),
            (subscribe(B, ""), "invalidArguments"),
            (omsc(B, "subscribe", "{}", &[], None), "invalidArguments"),
            (omsc(B, "subscribe", "[]", &[], None), "invalidArguments"),
            (omsc(B, "subscribe", "no JSON", &[], None), "invalidArguments"),
            (subscribe(A, "another"), "invalidArguments"),
            (with("joe:pwd", B, "room"), "authenticationFailed"),
            (with("Basic a b", B, "room"), "authenticationFailed"),
            (with("Bearer bad", B, "room"), "authenticationFailed"),
            (with("Bearer old", B, "room"), "authenticationFailed"),
            (with("Bearer eve", B, "room"), "authenticationFailed"),
        ];
        for (frame, result) in failures {
            ann.say(&frame);
            let cid = if frame.contains(A) { A } else { B };
            assert_eq!(ann.heard(), [omsr(cid, "subscribe", result)], "{frame}");
        }
        ann.say(&omsc(B, "publish", room, &[], None));
        ann.say(&omsc(B, "dance", room, &[], None));
        ann.say(&subscribe(B, "broken"));
        let expected = [
            omsr(B, "publish", "invalidArguments"),
            omsr(B, "dance", "endpointNotFound"),
            omsr(B, "subscribe", "success"),
            cmsc(B, "subscribe", "error"),
        ];
        assert_eq!(ann.heard(), expected, "of what has no answer a call fails after it opened");
        bob.say("publish room 1");
        assert_eq!((ann.heard(), ann.close()), (vec![msm(A, "bob", "\"1\"", "room")], None));
    });
}

#[test]
fn frames_for_a_call_that_is_over_are_answered_once_and_the_socket_stays() {
    each_way(|way| {
        let scene = scene(way);
        let ann = dart(&scene, way);
        ann.say(&subscribe(A, "room"));
        ann.say(&publish(B, "room"));
        ann.say(&cmsc(B, "publish", "done"));
        let expected = [
            omsr(A, "subscribe", "success"),
            omsr(B, "publish", "success"),
            cmsc(B, "publish", "done"),
            cmsc_input(B, "publish", "messages", "done"),
        ];
        assert_eq!(ann.heard(), expected);
        (0..5).for_each(|_| ann.say(&message(B, "room", "late")));
        assert_eq!(ann.heard(), [cmsc_input(B, "publish", "messages", "error")]);
        ann.say(&cmsc(B, "publish", "done"));
        ann.say(&cmsc_input(B, "publish", "messages", "done"));
        assert!(ann.heard().is_empty() && ann.close().is_none(), "ends of what is over are nothing new");
    });
}

#[test]
fn a_close_says_why_though_clients_do_not_look() {
    each_way(|way| {
        let scene = scene(way);
        let ann = dart(&scene, way);
        ann.say(&subscribe(A, "room"));
        scene.hub.disconnect_user(&"guest-1".parse().expect("a name"), &Close::new(4500, "banned"));
        assert_eq!(ann.heard(), [omsr(A, "subscribe", "success"), "close 4500 banned".to_owned()]);
    });
}

#[test]
fn nothing_waits_for_a_client_to_say_that_it_heard_of_an_end() {
    each_way(|way| {
        let scene = scene(way);
        let ann = dart(&scene, way);
        for round in 0..3 {
            ann.say(&subscribe(A, "room"));
            let user = "guest-1".parse().expect("a name");
            let room: ChannelId = "room".parse().expect("a name");
            scene.hub.unsubscribe_user(&user, &room, &Refusal::permission_denied("out"));
            let expected = [omsr(A, "subscribe", "success"), cmsc(A, "subscribe", "error")];
            assert_eq!(ann.heard(), expected, "round {round}");
            assert_eq!(scene.hub.stats().subscriptions, 0);
        }
    });
}
