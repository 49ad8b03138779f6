//! Tests that a failure in one channel ends only the membership in that channel, in every protocol; and tests
//! the payloads of refusals.

use chat_core::protocol::{Credentials, Handshake};
use chat_core::testkit::Client;
use chat_core::{
    ChannelId, Endpoint, HistoryRequest, Limits, Overflow, Payload, Publish, PublishContext, Pushed, Refusal,
    SessionInfo, Subscribe, SubscribeOptions, Token,
};
use chat_protocol::json::Json;
use chat_protocol::phoenix::Phoenix;
use chat_tests::scene::{Scene, each_way};
use chat_tests::speakers::{Speaker, TONGUES, Told, Tongue};
use chrono::{DateTime, Utc};

/// Has hooks that panic, or refuse with 100, if the request says so.
struct Failing;

fn fails(over: &str) -> Result<(), Refusal> {
    assert!(!over.contains("panic"), "as was asked for");
    if over.contains("fail") { Err(Refusal::internal("as was asked for")) } else { Ok(()) }
}

impl Endpoint for Failing {
    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        fails(wish.channel.as_str())?;
        Ok(SubscribeOptions::of(&wish).with_overflow(Overflow::DropNewest))
    }

    async fn publish(&self, _: &SessionInfo, wish: Publish, _: PublishContext) -> Result<Publish, Refusal> {
        fails(&String::from_utf8_lossy(wish.content.as_bytes()))?;
        Ok(wish)
    }

    async fn history(
        &self,
        who: &SessionInfo,
        wish: HistoryRequest,
        _: bool,
    ) -> Result<HistoryRequest, Refusal> {
        fails(who.name.as_str())?;
        Ok(wish)
    }

    async fn presence(&self, who: &SessionInfo, _: &ChannelId, _: bool) -> Result<(), Refusal> {
        fails(who.name.as_str())
    }

    async fn refresh_subscription(
        &self,
        who: &SessionInfo,
        _: &ChannelId,
        _: Token,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        fails(who.name.as_str())?;
        Ok(None)
    }
}

fn scene(way: chat_core::testkit::Way) -> Scene {
    Scene::new(way, Failing, Limits::default())
}

/// Returns the frame that says in this protocol that a session is out of `room` and may come back, and the
/// one beside it.
fn ends_in(tongue: &Tongue) -> &'static [&'static str] {
    match tongue.name {
        "json" => {
            &[r#"{"type":"unsubscribed","channelId":"room","code":100"#, r#"{"type":"error","code":100"#]
        }
        "centrifuge" => {
            &[r#"{"push":{"channel":"room","unsubscribe":{"code":2502"#, r#""error":{"code":100"#]
        }
        // A push upon which its channel ends is not answered.
        "phoenix" => &[r#"["1","1","room","phx_error",{"reason":"internal server error","code":100"#],
        "serverpod" => &[r#""channelId":"room","subscribe":false}"#],
        "method streams" => &[r#""m":"subscribe","cid":"00000000-0000-4000-8000-000000000001","cr":"error""#],
        other => panic!("{other} has no words for it"),
    }
}

struct Player(Client, Box<dyn Speaker>);

impl Player {
    fn new(scene: &Scene, tongue: &Tongue) -> Self {
        let (protocol, mut speaker) = ((tongue.protocol)(), (tongue.speaker)());
        let opener = Handshake::new(Some("vsn=2.0.0"), &[]);
        let credentials = protocol.accept(&opener).map_or(Credentials::Later, |welcome| welcome.credentials);
        let client = scene.enter_by(protocol, credentials);
        speaker.greeting().iter().for_each(|frame| client.say(frame));
        client.heard();
        Self(client, speaker)
    }

    fn join(&mut self, channel: &str) {
        self.0.say(&self.1.subscribe(channel, None));
        self.0.heard();
    }

    fn say(&mut self, channel: &str, text: &str) {
        let said = self.1.publish(channel, text);
        said.lines().for_each(|frame| self.0.say(frame));
    }

    fn is_heard(&mut self, channel: &str, text: &str) -> bool {
        self.say(channel, text);
        let said = Told::Said(channel.to_owned(), text.to_owned());
        let is_message = |frame: &String| frame.contains(text);
        let heard: Vec<_> = self.0.heard().into_iter().filter(is_message).collect();
        heard.iter().any(|frame| self.1.hear(frame).contains(&said))
    }
}

#[test]
fn what_fails_in_one_channel_ends_that_channel_for_its_session_and_nothing_else() {
    for tongue in &TONGUES {
        for word in ["panic", "fail"] {
            each_way(|way| {
                let scene = scene(way);
                let bob = scene.join("bob", "room");
                let mut ann = Player::new(&scene, tongue);
                ["room", "other"].iter().for_each(|channel| ann.join(channel));
                assert!(ann.is_heard("other", "before"), "{}", tongue.name);
                ann.say("room", "first");
                ann.0.heard();
                ann.say("room", word);
                let (heard, expected) = (ann.0.heard(), ends_in(tongue));
                if tongue.name == "phoenix" {
                    assert_eq!(heard.len(), 1, "{heard:?}");
                }
                for part in expected {
                    assert!(heard.iter().any(|frame| frame.contains(part)), "{part}: {heard:?}");
                }
                assert_eq!((ann.0.close(), scene.hub.stats().subscriptions), (None, 2), "{}", tongue.name);
                assert!(ann.is_heard("other", "after"), "{}", tongue.name);
                scene.hub.publish("room", Payload::json("\"unheard\"")).expect("a name");
                assert!(ann.0.heard().is_empty(), "{}", tongue.name);
                assert_eq!(bob.heard().len(), 2, "the others in it go on");
                ann.join("room");
                scene.hub.publish("room", Payload::json("\"again\"")).expect("a name");
                assert!(ann.0.heard().iter().any(|frame| frame.contains("again")), "{}", tongue.name);
            });
        }
    }
}

#[test]
fn who_cannot_be_let_in_because_a_hook_failed_is_refused_and_its_session_goes_on() {
    for tongue in &TONGUES {
        for channel in ["panic", "fail"] {
            each_way(|way| {
                let scene = scene(way);
                let mut ann = Player::new(&scene, tongue);
                ann.0.say(&ann.1.subscribe(channel, None));
                let heard = ann.0.heard();
                assert!(!heard.is_empty(), "{} says so", tongue.name);
                if tongue.name == "phoenix" {
                    let crashed = r#""status":"error","response":{"reason":"join crashed","code":100"#;
                    assert!(heard[0].contains(crashed), "{heard:?}");
                }
                assert_eq!((ann.0.close(), scene.hub.stats().subscriptions), (None, 0), "{}", tongue.name);
                ann.join("room");
                assert!(ann.is_heard("room", "hi"), "{}", tongue.name);
            });
        }
    }
}

#[test]
fn a_hook_that_only_looks_and_fails_refuses_its_request_alone() {
    for name in ["panic", "fail"] {
        each_way(|way| {
            let scene = scene(way);
            let ann = scene.join(name, "room");
            for request in ["history room", "presence room", "stay room token"] {
                ann.say(&format!("#1 {request}"));
                let heard = ann.heard();
                assert!(heard.len() == 1 && heard[0].starts_with("#1 error 100 "), "{request}: {heard:?}");
            }
            ann.say("publish room 1");
            assert_eq!((ann.heard().len(), ann.close()), (1, None));
        });
    }
}

#[test]
fn who_is_not_in_the_channel_is_refused_alone() {
    each_way(|way| {
        let scene = scene(way);
        let ann = scene.join("ann", "room");
        ann.say("#1 publish elsewhere \"panic\"");
        assert_eq!(ann.heard(), ["#1 error 100 a hook of the server failed"]);
        assert_eq!((ann.close(), scene.hub.stats().subscriptions), (None, 1));
    });
}

/// Refuses joins and events with what came along.
struct Refusing;

fn refusal(data: Payload) -> Refusal {
    Refusal::custom(409, "taken", "somebody sits there").with_data(data)
}

impl Endpoint for Refusing {
    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        match wish.channel.as_str() {
            "full" => Err(refusal(wish.data.unwrap_or_else(|| Payload::json(r#"{"seats": [1]}"#)))),
            _ => Ok(SubscribeOptions::of(&wish)),
        }
    }

    async fn event(&self, _: &SessionInfo, said: Publish, _: PublishContext) -> Result<Pushed, Refusal> {
        Err(refusal(said.content))
    }

    async fn publish(&self, _: &SessionInfo, said: Publish, _: PublishContext) -> Result<Publish, Refusal> {
        Err(refusal(said.content))
    }
}

#[test]
fn what_an_endpoint_says_with_a_refusal_is_a_phoenix_replys_response_to_the_byte() {
    each_way(|way| {
        let scene = Scene::new(way, Refusing, Limits::default());
        let ann = scene.enter_in(Phoenix::default(), "ann");
        ann.say(r#"[1,"1","full","phx_join",{"seat": 7}]"#);
        assert_eq!(ann.heard(), [r#"[1,"1","full","phx_reply",{"status":"error","response":{"seat": 7}}]"#]);
        ann.put(Ok(chat_core::transport::Incoming::Binary(
            b"\x00\x01\x01\x04\x0822fullphx_join\x00\x01".to_vec(),
        )));
        assert_eq!(ann.next().expect("a frame").payload, b"\x01\x01\x01\x04\x0522fullerror\x00\x01");
        ann.say(r#"["3","3","room","phx_join",{}]"#);
        ann.heard();
        ann.say(r#"["3",4,"room","sit",[null]]"#);
        assert_eq!(ann.heard(), [r#"["3",4,"room","phx_reply",{"status":"error","response":[null]}]"#]);
        ann.put(Ok(chat_core::transport::Incoming::Binary(b"\x00\x01\x01\x04\x0335roomsit\xff".to_vec())));
        assert_eq!(ann.next().expect("a frame").payload, b"\x01\x01\x01\x04\x0535roomerror\xff");
    });
}

#[test]
fn the_other_protocols_say_of_it_what_they_have_words_for() {
    each_way(|way| {
        let scene = Scene::new(way, Refusing, Limits::default());
        let ann = scene.enter_in(Json, "ann");
        ann.say(r#"{"type":"subscribe","id":1,"channelId":"full"}"#);
        let refused = r#""code":409,"reason":"taken","message":"somebody sits there","data":{"seats": [1]}"#;
        assert_eq!(ann.heard(), [format!(r#"{{"type":"error","id":1,{refused}}}"#)]);
        let why = refusal(Payload::Binary([1].into()));
        ann.say(r#"{"type":"subscribe","channelId":"room"}"#);
        ann.heard();
        scene.hub.unsubscribe_user(&"ann".parse().expect("a name"), &"room".parse().expect("a name"), &why);
        assert!(ann.heard()[0].ends_with(r#","data":"AQ=="}"#));
        let centrifuge = TONGUES.iter().find(|tongue| tongue.name == "centrifuge").expect("it is there");
        let (bob, _) = scene.enter_as(centrifuge, "bob");
        bob.heard();
        bob.say(r#"{"id":2,"subscribe":{"channel":"full"}}"#);
        assert_eq!(bob.heard(), [r#"{"id":2,"error":{"code":409,"message":"somebody sits there"}}"#]);
    });
}
