//! Serverpod's method streams in virtual time: what a server must do for a Dart client that is as it is, and what becomes of calls.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use chat_core::testkit::{Client, Way, World};
use chat_core::{
    Attachment, ChannelId, Close, Connect, Endpoint, Hello, Identity, Incoming, Limits, Payload, Rate,
    Refusal, SessionId, SessionInfo, Subscribe, SubscribeOptions, Token,
};
use chat_protocol::serverpod::MethodStreams;
use chat_tests::cases::keeping;
use chat_tests::scene::{Scene, each_way};
use chat_tests::seed::each_seed;
use serde_json::{Value, json};

const A: &str = "aaaaaaaa-2222-4333-8444-555555555555";
const B: &str = "bbbbbbbb-2222-4333-8444-555555555555";
const C: &str = "cccccccc-2222-4333-8444-555555555555";
const PING: &str = r#"{"type":"ping"}"#;
const PONG: &str = r#"{"type":"pong"}"#;

/// A token is a name. `bad` and `old` let nobody in, `slow` has the endpoint think for ever; the channel `secret` is for nobody, `broken` fails.
struct Names;

impl Endpoint for Names {
    async fn stream_opened(&self, session: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let guest = connect.name.map_or_else(|| format!("guest-{session}"), String::from);
        match connect.token.as_ref().map_or(&*guest, |token| &token.0) {
            "slow" => pending().await,
            "bad" => Err(Refusal::unauthorized("no")),
            "old" => Err(Refusal::token_expired("not any more")),
            name => Ok(Identity::named(name.split('/').next().unwrap_or(name).parse()?)),
        }
    }

    async fn refresh(&self, _: &SessionInfo, token: Token) -> Result<Identity, Refusal> {
        let connect = Connect { token: Some(token.clone()), ..Connect::default() };
        let identity = self.stream_opened(SessionId(0), connect).await?;
        Ok(Identity { attachment: Attachment::new(token), ..identity })
    }

    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        match wish.channel.as_str() {
            "secret" => Err(Refusal::permission_denied("not yours")),
            "broken" => Err(Refusal::internal("it broke")),
            "slow" => pending().await,
            _ => Ok(SubscribeOptions::of(&wish)),
        }
    }
}

fn scene(way: Way) -> Scene {
    Scene::new(way, Names, Limits::default())
}

fn dart(scene: &Scene, way: Way) -> Client {
    scene.world.connect(&scene.hub, Arc::new(MethodStreams::default()), Hello::Later, way)
}

fn omsc(cid: &str, method: &str, args: &str, inputs: &[&str], auth: Option<&str>) -> String {
    let mut data = json!({"en":"chat","m":method,"cid":cid,"args":args,"is":inputs});
    auth.into_iter().for_each(|auth| data["auth"] = auth.into());
    json!({"type":"omsc","data":data}).to_string()
}

fn subscribe(cid: &str, channel: &str) -> String {
    omsc(cid, "subscribe", &json!({"channelId":channel}).to_string(), &[], None)
}

fn publish(cid: &str, channel: &str) -> String {
    omsc(cid, "publish", &json!({"channelId":channel}).to_string(), &["messages"], None)
}

fn with(auth: &str, cid: &str, channel: &str) -> String {
    omsc(cid, "subscribe", &json!({"channelId":channel}).to_string(), &[], Some(auth))
}

/// A message into a publish, as the generated class writes it.
fn message(cid: &str, channel: &str, content: &str) -> String {
    format!(
        r#"{{"type":"msm","data":{{"en":"chat","m":"publish","cid":"{cid}","p":"messages","o":{{"className":"ChatMessage","data":{{"__className__":"ChatMessage","senderName":"whoever","content":"{content}","timestamp":"2024-01-02T03:04:05.678Z","channelId":"{channel}"}}}}}}}}"#
    )
}

fn omsr(cid: &str, method: &str, result: &str) -> String {
    format!(r#"{{"type":"omsr","data":{{"cid":"{cid}","res":"{result}","en":"chat","m":"{method}"}}}}"#)
}

fn cmsc(cid: &str, method: &str, reason: &str) -> String {
    format!(r#"{{"type":"cmsc","data":{{"en":"chat","m":"{method}","cid":"{cid}","cr":"{reason}"}}}}"#)
}

fn cmsc_input(cid: &str, method: &str, input: &str, reason: &str) -> String {
    format!(
        r#"{{"type":"cmsc","data":{{"en":"chat","m":"{method}","cid":"{cid}","p":"{input}","cr":"{reason}"}}}}"#
    )
}

/// What a stream hears of a message.
fn msm(cid: &str, sender: &str, content: &str, channel: &str) -> String {
    format!(
        r#"{{"type":"msm","data":{{"en":"chat","m":"subscribe","cid":"{cid}","o":{{"className":"ChatMessage","data":{{"__className__":"ChatMessage","senderName":"{sender}","content":{content},"timestamp":"2026-01-01T00:00:00.000Z","channelId":"{channel}"}}}}}}}}"#
    )
}

fn kinds(heard: &[String]) -> Vec<String> {
    let kind = |text: &String| {
        serde_json::from_str::<Value>(text).map(|frame| frame["type"].as_str().map(str::to_owned))
    };
    heard.iter().map(|text| kind(text).ok().flatten().unwrap_or_else(|| text.clone())).collect()
}

// ---- what a server must do for an unmodified client ----

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
        assert_eq!(
            bob.next().map(|heard| (heard.kind, heard.to_string())),
            Some((chat_core::Kind::Text, PONG.into()))
        );
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

// ---- what becomes of frames and calls ----

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
fn a_session_has_as_many_calls_as_it_may_have_channels_and_many_wrong_proofs_end_it() {
    let scene =
        Scene::new(Way::Bytes, Names, Limits { session_channels: 2, strikes: 3, ..Limits::default() });
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

/// What a client that keeps to the protocol expects of its calls.
#[derive(Default)]
struct Expected {
    /// Each call by its `cid`: opened with success, and over.
    calls: HashMap<String, (bool, bool)>,
    /// What it ended itself: of that, something may still be on its way.
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
            let limits = Limits { requests: Rate::UNBOUNDED, strikes: u32::MAX, ..Limits::default() };
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
