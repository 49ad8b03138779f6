//! Tests Serverpod's legacy streams in virtual time, and clients of both of its protocols in one channel with
//! a page in Chromium.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use chat_core::protocol::{Handshake, Protocol};
use chat_core::testkit::{Client, Way};
use chat_core::transport::Incoming;
use chat_core::{
    ChannelId, Close, Connect, Endpoint, Identity, Limits, Payload, Refusal, SessionId, SessionInfo,
    Subscribe, SubscribeOptions, Token,
};
use chat_protocol::serverpod::Legacy;
use chat_tests::clients::script_says;
use chat_tests::crowd::{Member, at_once};
use chat_tests::program::Program;
use chat_tests::scene::{Scene, each_way};
use serde_json::{Value, json};

const PING: &str = r#"{"command":"ping","args":{}}"#;
const PONG: &str = r#"{"command":"pong"}"#;

/// Takes a token for a name, and a client without one for a guest; refuses the channel `secret`.
struct Names;

impl Endpoint for Names {
    async fn stream_opened(&self, session: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let name = connect.token.map(|token| token.0.parse()).transpose()?.or(connect.name);
        Ok(Identity::named(name.map_or_else(|| format!("guest-{session}").parse(), Ok)?))
    }

    async fn refresh(&self, _: &SessionInfo, token: Token) -> Result<Identity, Refusal> {
        Ok(Identity::named(token.0.parse()?))
    }

    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        match wish.channel.as_str() {
            "secret" => Err(Refusal::permission_denied("not yours")),
            _ => Ok(SubscribeOptions::of(&wish)),
        }
    }
}

fn scene(way: Way) -> Scene {
    Scene::new(way, Names, Limits::default())
}

fn dart(scene: &Scene, way: Way, query: Option<&str>) -> Client {
    let welcome = Legacy.accept(&Handshake::new(query, &[])).expect("anybody is welcome");
    scene.world.connect(&scene.hub, Arc::new(Legacy), welcome.credentials, way)
}

fn object(class: &str, data: &str) -> String {
    format!(
        r#"{{"endpoint":"chat","object":{{"className":"{class}","data":{{"__className__":"{class}",{data}}}}}}}"#
    )
}

fn wish(channel: &str, subscribe: bool) -> String {
    object("ChannelSubscription", &format!(r#""channelId":"{channel}","subscribe":{subscribe}"#))
}

fn message(sender: &str, content: &str, channel: &str) -> String {
    let timestamp = "2026-01-01T00:00:00.000Z";
    let data = format!(
        r#""senderName":"{sender}","content":{content},"timestamp":"{timestamp}","channelId":"{channel}""#
    );
    object("ChatMessage", &data)
}

fn auth(key: &str) -> String {
    format!(r#"{{"command":"auth","args":{{"key":{key}}}}}"#)
}

#[test]
fn a_legacy_client_joins_speaks_hears_and_leaves() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (dart(&scene, way, Some("auth=ann")), scene.join("bob", "room"));
        ann.say(PING);
        ann.say(&wish("room", true));
        ann.say(&message("whoever", r#""hello \"bob\"""#, "room"));
        bob.say(r#"publish room {"n":1}"#);
        ann.put(Ok(Incoming::Binary(wish("room", false).into())));
        bob.say("publish room 2");
        let expected = [
            PONG.to_owned(),
            message("ann", r#""hello \"bob\"""#, "room"),
            message("bob", r#""{\"n\":1}""#, "room"),
        ];
        assert_eq!(ann.heard(), expected);
        assert_eq!(bob.heard()[0], r#"message room 1 ann "hello \"bob\"""#);
    });
}

#[test]
fn a_client_that_only_listens_for_its_ping_is_let_in_and_stays() {
    each_way(|way| {
        let scene = scene(way);
        let ann = dart(&scene, way, None);
        ann.say(PING);
        assert_eq!(ann.heard(), [PONG]);
        scene.world.advance(Duration::from_secs(60));
        assert!(ann.heard().iter().all(|text| text == "ping") && ann.close().is_none());
    });
}

#[test]
fn who_is_not_let_in_or_is_taken_out_or_put_in_is_told_so_by_a_subscription() {
    each_way(|way| {
        let scene = scene(way);
        let ann = dart(&scene, way, Some("auth=ann"));
        ann.say(&wish("secret", true));
        assert_eq!(ann.heard(), [wish("secret", false)]);
        let (user, room) = ("ann".parse().expect("a name"), "room".parse::<ChannelId>().expect("a name"));
        scene.hub.subscribe_user(&user, &Subscribe::to(room.clone()));
        scene.hub.publish("room", Payload::json("1")).expect("a name");
        scene.hub.unsubscribe_user(&user, &room, &Refusal::permission_denied("out"));
        scene.hub.publish("room", Payload::json("2")).expect("a name");
        assert_eq!(ann.heard()[0], wish("room", true));
        assert_eq!(ann.heard(), Vec::<String>::new());
        assert_eq!((scene.hub.stats().subscriptions, ann.close()), (0, None));
    });
}

#[test]
fn what_the_protocol_cannot_say_is_a_strike_and_twenty_end_the_session() {
    each_way(|way| {
        let scene = scene(way);
        let ann = dart(&scene, way, None);
        let mute = [
            message("ann", "\"not in it\"", "room"),
            object("SimpleData", r#""num":42"#),
            r#"{"command":"dance","args":{}}"#.to_owned(),
            auth(r#""Basic a b""#),
        ];
        (0..4).for_each(|_| mute.iter().for_each(|frame| ann.say(frame)));
        assert!(ann.heard().is_empty() && ann.close().is_none(), "sixteen are borne");
        mute.iter().for_each(|frame| ann.say(frame));
        assert_eq!(ann.heard(), ["close 3509 too many errors"]);
    });
}

#[test]
fn where_the_original_leaves_a_dead_socket_the_close_says_why() {
    each_way(|way| {
        for (frame, close) in [
            (
                message("ann", "\"x\"", "room").replace("\"endpoint\":\"chat\"", "\"endpoint\":\"no.chat\""),
                "3501 unknown endpoint",
            ),
            ("no JSON".to_owned(), "3501 no object of a stream"),
            (r#"{"command":"ping"}"#.to_owned(), "3501 no args"),
        ] {
            let scene = scene(way);
            let ann = dart(&scene, way, None);
            ann.say(&frame);
            assert_eq!(ann.heard(), [format!("close {close}")]);
        }
    });
}

#[test]
fn who_shows_another_proof_goes_on_and_who_becomes_another_comes_back_as_that() {
    each_way(|way| {
        let scene = scene(way);
        let (ann, bob) = (dart(&scene, way, Some("auth=ann")), dart(&scene, way, Some("auth=bob")));
        ann.say(&auth(r#""Bearer ann""#));
        ann.say(&auth(r#""Basic YW5u""#));
        assert!(ann.heard().is_empty() && ann.close().is_none());
        ann.say(&auth("null"));
        bob.say(&auth(r#""Bearer ann""#));
        for client in [ann, bob] {
            assert_eq!(client.close(), Some(Close::new(4001, "come back as who you are now")));
        }
    });
}

#[test]
fn an_endpoint_that_knows_no_tokens_ends_nobody_over_one() {
    each_way(|way| {
        let scene = Scene::open_chat(way);
        let ann = dart(&scene, way, Some("auth=12%3Aabc"));
        ann.say(&auth(r#""Basic MTI6c2VjcmV0""#));
        ann.say(&auth("null"));
        ann.say(PING);
        assert_eq!((ann.heard(), ann.close()), (vec![PONG.to_owned()], None));
    });
}

/// Holds the messages that one socket received on its streams.
#[derive(Default)]
struct Heard {
    /// Maps each open stream to its last number.
    open: HashMap<String, Option<u64>>,
    ended: HashSet<String>,
}

impl Heard {
    /// Checks that nothing comes before the answer to its stream, and that no message is missing.
    fn take(&mut self, frame: &Value) {
        let data = &frame["data"];
        let cid = data["cid"].as_str().expect("every frame is of a call");
        match frame["type"].as_str().expect("a frame") {
            "omsr" => {
                let before = self.open.insert(cid.to_owned(), None);
                assert_eq!((&data["res"], before), (&json!("success"), None));
            }
            "cmsc" => {
                assert!(self.open.remove(cid).is_some() && self.ended.insert(cid.to_owned()), "{frame}");
            }
            // Of a stream that its client ended something may still be on its way.
            _ if self.ended.contains(cid) => {}
            _ => {
                let number = data["o"]["data"]["content"].as_str().and_then(|text| text.parse().ok());
                let last = self.open.get_mut(cid).expect("the answer comes first");
                assert!(last.is_none_or(|last| number == Some(last + 1)), "{last:?}, then {frame}");
                *last = number;
            }
        }
    }
}

/// Opens streams on a channel in which somebody speaks all the time, and ends them, at most three at a time.
fn come_and_go(address: SocketAddr, rounds: usize) {
    let (mut peer, mut heard, mut open) =
        (Member::connect_to(address, "/v1/websocket"), Heard::default(), VecDeque::new());
    for round in 0..rounds {
        let cid = format!("00000000-0000-4000-8000-{round:012}");
        let data = json!({"en":"chat","m":"subscribe","cid":cid,"args":"{\"channelId\":\"room\"}","is":[]});
        peer.say(&json!({"type":"omsc","data":data}));
        while heard.open.get(&cid).copied().flatten().is_none() {
            heard.take(&peer.hear());
        }
        open.push_back(cid);
        // Now and then it leaves the channel.
        let stay = if round % 7 == 6 { 0 } else { 2 };
        while open.len() > stay {
            let cid = open.pop_front().expect("it was just counted");
            peer.say(&json!({"type":"cmsc","data":{"en":"chat","m":"subscribe","cid":cid,"cr":"done"}}));
            while heard.open.contains_key(&cid) {
                heard.take(&peer.hear());
            }
        }
    }
}

#[test]
fn streams_that_are_opened_and_ended_while_somebody_speaks_hear_their_part_without_a_gap() {
    let rates = ["--open-publish", "--request-rate", "1000000", "--request-burst", "1000000"];
    let server = Program::server(&rates);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut speaker = Member::connect_to(server.address, "/ws?name=speaker");
            for n in 0.. {
                speaker.say(&json!({"type":"publish","id":n,"channelId":"room","content":n}));
                assert_eq!(speaker.hear()["type"], "published");
                if over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let peers = std::panic::catch_unwind(|| at_once(4, |_| come_and_go(server.address, 300)));
        over.store(true, Ordering::Relaxed);
        peers.expect("no peer misses anything");
    });
}

#[test]
fn a_legacy_peer_a_method_stream_peer_and_a_page_talk_in_one_channel() {
    let server = Program::server(&[]);
    let said = script_says("serverpod.mjs", &[&format!("http://{}/", server.address)]);
    assert!(said.ends_with(" passed, 0 failed"), "{said}");
}
