//! Tests rights: a user may change its own messages and publish under its own keys, whatever name is shown.

use std::sync::Arc;
use std::time::Duration;

use chat_core::protocol::{Credentials, Protocol};
use chat_core::testkit::{Client, Script, Way, World};
use chat_core::{
    ChannelId, ChannelOptions, Close, Connect, Endpoint, HistoryOptions, HistoryRequest, Hub, Identity,
    Offset, Payload, Publish, PublishContext, Pushed, Reference, Refusal, SessionId, SessionInfo, Since,
    Subscribe, Token,
};
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::json::Json;
use chat_protocol::phoenix::Phoenix;
use chat_tests::scene::{Scene, each_way};
use chat_tests::speakers::TONGUES;
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

/// Reads a token as `USER/NAME`, and grants the rights of the open chat.
struct Passports;

fn read(token: &Token) -> Result<Identity, Refusal> {
    let (user, name) = token.0.split_once('/').ok_or_else(|| Refusal::unauthorized("no token"))?;
    Ok(Identity::named(name.parse()?).with_user(user.parse()?))
}

impl Endpoint for Passports {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        read(&connect.token.ok_or_else(|| Refusal::unauthorized("who?"))?)
    }

    async fn refresh(&self, _: &SessionInfo, token: Token) -> Result<Identity, Refusal> {
        read(&token)
    }
}

fn scene(way: Way, endpoint: impl Endpoint) -> Scene {
    Scene::of(World::new(), way, Hub::builder(endpoint).history(10, SECOND * 60))
}

/// Connects a session with a token that has joined `room`, with no frames left to read.
fn come(scene: &Scene, protocol: impl Protocol, token: &str) -> Client {
    let client = scene.enter_with(protocol, token);
    client.heard();
    client
}

fn join(scene: &Scene, token: &str) -> Client {
    let client = come(scene, Script, token);
    client.say("subscribe room");
    assert_eq!(client.heard().len(), 1, "it is in");
    client
}

/// Returns the answer to a JSON client's request.
fn ask(client: &Client, mut request: Value) -> Value {
    client.heard();
    request["id"] = json!(1);
    client.say(&request.to_string());
    let heard: Vec<Value> =
        client.heard().iter().map(|frame| serde_json::from_str(frame).expect("JSON")).collect();
    heard.into_iter().find(|frame| frame["id"] == 1).expect("an answer")
}

#[test]
fn another_user_of_the_same_name_neither_edits_nor_deletes() {
    each_way(|way| {
        let scene = scene(way, Passports);
        let (one, two) = (join(&scene, "u-1/Ann"), join(&scene, "u-2/Ann"));
        one.say("publish room \"mine\"");
        assert_eq!(two.heard(), ["message room 1 Ann \"mine\""]);
        for forged in ["edit room 1 \"forged\"", "delete room 1"] {
            two.say(forged);
            assert_eq!(two.heard(), ["error 103 only its author may edit or delete a message"]);
        }
        one.heard();
        one.say("#1 edit room 1 \"better\"");
        assert_eq!(one.heard(), ["#1 published room 2", "edit/1 room 2 Ann \"better\""]);
    });
}

#[test]
fn a_user_changes_its_own_messages_under_any_name_and_in_any_session() {
    each_way(|way| {
        let scene = scene(way, Passports);
        let one = join(&scene, "u-1/Ann");
        one.say("publish room \"a\"");
        one.say("refresh u-1/Ann-B.");
        one.heard();
        one.say("#1 edit room 1 \"b\"");
        assert_eq!(one.heard(), ["#1 published room 2", "edit/1 room 2 Ann-B. \"b\""]);
        let other = join(&scene, "u-1/Anna");
        other.say("#1 delete room 2");
        assert_eq!(other.heard(), ["#1 published room 3", "delete/2 room 3 Anna null"]);
    });
}

#[test]
fn what_the_server_says_is_no_users_whatever_a_user_is_called() {
    each_way(|way| {
        let scene = scene(way, Passports);
        scene.hub.publish("room", Payload::json("\"news\"")).expect("a name");
        let user = join(&scene, "server/Ann");
        user.say("edit room 1 \"olds\"");
        assert_eq!(user.heard(), ["error 103 only its author may edit or delete a message"]);
    });
}

#[test]
fn a_key_is_its_users_own_and_not_that_of_a_name() {
    each_way(|way| {
        let scene = scene(way, Passports);
        let (one, two) = (join(&scene, "u-1/Ann"), join(&scene, "u-2/Ann"));
        one.say("once room 1 \"from u-1\"");
        two.heard();
        two.say("#1 once room 1 \"from u-2\"");
        assert_eq!(two.heard(), ["#1 published room 2", "message room 2 Ann \"from u-2\""]);
        one.heard();
        one.say("refresh u-1/Bea");
        one.say("#2 once room 1 \"again\"");
        assert_eq!(one.heard(), ["refreshed", "#2 published room 1 already"]);
        let other = join(&scene, "u-1/Cy");
        other.say("#3 once room 1 \"again\"");
        assert_eq!(other.heard(), ["#3 published room 1 already"]);
    });
}

#[test]
fn the_servers_keys_are_its_own() {
    each_way(|way| {
        let scene = scene(way, Passports);
        let user = join(&scene, "server/Ann");
        user.say("#1 once room 1 \"from a user\"");
        let room = "room".parse().expect("a name");
        let again = Publish::to(room, Payload::json("\"news\"")).with_key(Some("1".into()));
        assert!(!scene.hub.publish_with(again.clone()).is_duplicate());
        assert!(scene.hub.publish_with(again).is_duplicate());
    });
}

#[test]
fn a_json_client_has_its_messages_and_keys_by_user_too() {
    each_way(|way| {
        let scene = scene(way, Passports);
        let (one, two) = (come(&scene, Json, "u-1/Ann"), come(&scene, Json, "u-2/Ann"));
        for client in [&one, &two] {
            ask(client, json!({"type":"subscribe","channelId":"room"}));
        }
        let say = |client: &Client, fields: Value| {
            let mut request = json!({"type":"publish","channelId":"room"});
            request.as_object_mut().expect("it is one").extend(fields.as_object().expect("fields").clone());
            ask(client, request)
        };
        assert_eq!(say(&one, json!({"content":1,"key":"k"}))["offset"], 1);
        let second = say(&two, json!({"content":2,"key":"k"}));
        assert_eq!((&second["offset"], &second["already"]), (&json!(2), &Value::Null));
        assert_eq!(say(&two, json!({"content":3,"edits":1}))["code"], 103);
        assert_eq!(say(&two, json!({"deletes":1}))["code"], 103);
        assert_eq!(say(&one, json!({"content":3,"edits":1}))["offset"], 3);
        assert_eq!(say(&one, json!({"content":3,"key":"k"}))["already"], true);
    });
}

#[test]
fn nobody_comes_in_or_goes_on_under_the_servers_name_in_any_protocol() {
    each_way(|way| {
        for tongue in &TONGUES {
            let scene = scene(way, Passports);
            let forger = scene.enter_as(tongue, "u-1/server").0;
            assert_eq!(forger.close(), Some(Close::PERMISSION_DENIED), "{}", tongue.name);
            let near = scene.enter_as(tongue, "u-1/Server").0;
            assert_eq!(
                near.close(),
                Some(Close::PERMISSION_DENIED),
                "{}: what looks like it is taken for it",
                tongue.name
            );
        }
        let scene = scene(way, Passports);
        let user = join(&scene, "u-1/Ann");
        user.say("#1 refresh u-1/server");
        user.say("publish room 1");
        assert_eq!(user.heard(), ["#1 error 103 that is the server's own name", "message room 1 Ann 1"]);
        let late = scene.approach();
        late.say("#1 connect ann u-1/server");
        assert_eq!(late.heard()[0], "#1 error 103 that is the server's own name");
        assert_eq!(late.close(), Some(Close::PERMISSION_DENIED));
        let own = Hub::builder(Passports).name("desk".parse().expect("a name"));
        let scene = Scene::of(World::new(), way, own);
        assert_eq!(scene.enter_with(Script, "u-1/desk").close(), Some(Close::PERMISSION_DENIED));
        assert_eq!(scene.enter_with(Script, "u-1/server").close(), None);
    });
}

/// Lets everybody say everything, and moderators moderate: events too, and what is said in `door` is said in
/// `room`.
struct Permissive;

impl Permissive {
    fn allow(session: &SessionInfo, mut wish: Publish) -> Result<Publish, Refusal> {
        assert!(!wish.moderates, "that is the endpoint's word alone");
        if wish.channel.as_str() == "door" {
            wish.channel = "room".parse()?;
        }
        let moderates = session.name.as_str() == "Mod";
        Ok(if moderates { wish.moderating() } else { wish })
    }
}

impl Endpoint for Permissive {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        read(&connect.token.ok_or_else(|| Refusal::unauthorized("who?"))?)
    }

    async fn publish(
        &self,
        session: &SessionInfo,
        wish: Publish,
        _: PublishContext,
    ) -> Result<Publish, Refusal> {
        Self::allow(session, wish)
    }

    /// Edits a message with an event whose name is the message's offset.
    async fn event(
        &self,
        session: &SessionInfo,
        mut wish: Publish,
        _: PublishContext,
    ) -> Result<Pushed, Refusal> {
        let about = wish.event.as_ref().and_then(|event| event.as_str().parse().ok());
        if let Some(about) = about {
            (wish.event, wish.refers) = (None, Some(Reference::Edit(Offset(about))));
        }
        Ok(Pushed::Publish(Self::allow(session, wish)?))
    }
}

#[test]
fn an_endpoint_that_lets_everything_pass_protects_authors_all_the_same() {
    each_way(|way| {
        let scene = scene(way, Permissive);
        let (ann, bob) = (join(&scene, "u-1/Ann"), come(&scene, Script, "u-2/Bob"));
        ann.say("publish room 1");
        ann.say("publish door 2");
        assert_eq!(ann.heard(), ["message room 1 Ann 1", "message room 2 Ann 2"]);
        for request in ["edit room 1 0", "delete room 1", "edit door 1 0", "event room 1 0", "event door 2 0"]
        {
            bob.say(request);
            assert_eq!(bob.heard(), ["error 103 only its author may edit or delete a message"], "{request}");
        }
        for request in ["edit room 9 0", "event door 9 0"] {
            bob.say(request);
            assert_eq!(bob.heard(), ["error 108 the message is not kept any more"], "{request}");
        }
        assert!(ann.heard().is_empty());
        ann.say("edit door 1 3");
        assert_eq!(ann.heard(), ["edit/1 room 3 Ann 3"]);
        let moderator = come(&scene, Script, "u-3/Mod");
        moderator.say("#1 delete room 1");
        moderator.say("#2 event door 2 0");
        assert_eq!(moderator.heard(), ["#1 published room 4", "#2 published room 5"]);
        assert_eq!(ann.heard(), ["delete/1 room 4 Mod null", "edit/2 room 5 Mod 0"]);
    });
}

#[test]
fn no_client_says_itself_that_it_moderates() {
    each_way(|way| {
        let scene = scene(way, Permissive);
        let ann = join(&scene, "u-1/Ann");
        ann.say("publish room 1");
        let bob = come(&scene, Json, "u-2/Bob");
        let forged = json!({"type":"publish","channelId":"room","content":2,"edits":1,"moderates":true});
        assert!([103, 107].contains(&ask(&bob, forged)["code"].as_u64().expect("an error")));
        assert_eq!(ann.heard(), ["message room 1 Ann 1"]);
    });
}

/// Refuses history and presence, except for the newest `most`.
struct Discreet {
    most: usize,
}

impl Endpoint for Discreet {
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let identity = read(&connect.token.ok_or_else(|| Refusal::unauthorized("who?"))?)?;
        let subscriptions = match identity.name.as_str() {
            "Sub" => vec![Subscribe::to("room".parse()?)],
            _ => Vec::new(),
        };
        Ok(identity.with_subscriptions(subscriptions))
    }

    async fn history(
        &self,
        _: &SessionInfo,
        wish: HistoryRequest,
        member: bool,
    ) -> Result<HistoryRequest, Refusal> {
        assert!(member, "only members ask here");
        match self.most {
            0 => Err(Refusal::permission_denied("no looking back")),
            most => {
                let limit = wish.limit.min(most);
                Ok(wish.with_limit(limit))
            }
        }
    }

    async fn presence(&self, _: &SessionInfo, _: &ChannelId, _: bool) -> Result<(), Refusal> {
        Err(Refusal::permission_denied("no looking around"))
    }
}

/// Publishes two messages, `"secret"` each, in a channel that Ann has joined.
fn discreet(way: Way, most: usize) -> (Scene, Client) {
    let history = HistoryOptions::of(10, SECOND * 60).with_bytes(1 << 20);
    let options = ChannelOptions::default().with_history(history).with_presence(true);
    let scene = Scene::of(World::new(), way, Hub::builder(Discreet { most }).channel(|_| options));
    let ann = join(&scene, "u-1/Ann");
    ann.say("publish room \"secret\"");
    ann.say("publish room \"secret\"");
    ann.heard();
    (scene, ann)
}

fn told(heard: &[String], what: &str) -> usize {
    heard.iter().map(|frame| frame.matches(what).count()).sum()
}

#[test]
fn who_may_not_look_back_or_around_joins_without_in_every_protocol() {
    let requests: [(&str, Arc<dyn Protocol>, &str); 4] = [
        (
            "json",
            Arc::new(Json),
            r#"{"type":"subscribe","channelId":"room","since":{"epoch":"EPOCH","offset":0},"latest":true,"presence":true}"#,
        ),
        ("script", Arc::new(Script), "subscribe room since any 0 latest present"),
        (
            "centrifuge",
            Arc::new(Centrifuge::default()),
            r#"{"id":1,"connect":{"token":"u-2/Eve"}}
{"id":2,"subscribe":{"channel":"room","recover":true,"epoch":"EPOCH","offset":0,"join_leave":true}}"#,
        ),
        ("phoenix", Arc::new(Phoenix::default()), r#"["1","1","room","phx_join",{}]"#),
    ];
    each_way(|way| {
        for (name, protocol, request) in &requests {
            let (scene, ann) = discreet(way, 0);
            let room = "room".parse().expect("a name");
            let epoch = scene.hub.history(&HistoryRequest::of(room, 1)).expect("it is there").epoch;
            let connect = Connect::default().with_token(Some("u-2/Eve".into()));
            let credentials =
                if *name == "centrifuge" { Credentials::Later } else { Credentials::Now(connect) };
            let eve = scene.world.connect(&scene.hub, protocol.clone(), credentials, way);
            eve.say(&request.replace("EPOCH", &epoch.to_string()));
            ann.cut();
            scene.hub.publish("room", Payload::json("\"news\"")).expect("a name");
            scene.world.advance(SECOND * 3);
            let heard = eve.heard();
            assert_eq!(told(&heard, "secret"), 0, "{name}: {heard:?}");
            assert_eq!(told(&heard, "Ann") + told(&heard, "u-1"), 0, "{name}: {heard:?}");
            assert_eq!(
                told(&heard, "presence_state") + told(&heard, "recovered\":true"),
                0,
                "{name}: {heard:?}"
            );
            assert_eq!(told(&heard, "news"), 1, "{name} is in: {heard:?}");
        }
    });
}

#[test]
fn who_is_refused_to_look_back_is_told_so_and_one_that_wants_all_or_nothing_gets_nothing() {
    each_way(|way| {
        let (scene, ann) = discreet(way, 0);
        let eve = come(&scene, Json, "u-2/Eve");
        let since = json!({"epoch":"0","offset":0});
        let answer = ask(&eve, json!({"type":"subscribe","channelId":"room","since":since}));
        assert_eq!((&answer["recovered"], &answer["why"]), (&json!(false), &json!("not allowed")));
        let bob = come(&scene, Script, "u-3/Bob");
        bob.say("subscribe room since any 0 whole");
        assert_eq!(bob.heard(), ["error 112 not allowed"]);
        ann.say("publish room 3");
        assert!(bob.heard().is_empty(), "it is not in");
    });
}

#[test]
fn who_may_look_back_so_far_recovers_so_much_and_no_more() {
    each_way(|way| {
        let (scene, _ann) = discreet(way, 1);
        let eve = come(&scene, Script, "u-2/Eve");
        eve.say("subscribe room since any 1");
        assert_eq!(told(&eve.heard(), "secret"), 1);
        let bob = come(&scene, Script, "u-3/Bob");
        bob.say("subscribe room since any 0");
        let heard = bob.heard();
        assert!(heard.len() == 1 && heard[0].contains("not recovered: too many"), "{heard:?}");
        let cy = come(&scene, Script, "u-4/Cy");
        cy.say("subscribe room latest");
        assert_eq!(told(&cy.heard(), "secret"), 1, "the newest is one");
    });
}

#[test]
fn who_comes_back_to_channels_that_it_is_put_into_reads_there_what_it_may() {
    each_way(|way| {
        for (most, secrets) in [(0, 0), (1, 0), (2, 2)] {
            for protocol in [Arc::new(Json) as Arc<dyn Protocol>, Arc::new(Centrifuge::default())] {
                let (scene, _ann) = discreet(way, most);
                let since = vec![("room".parse().expect("a name"), Since { epoch: None, offset: Offset(0) })];
                let connect = Connect::default().with_token(Some("u-2/Sub".into())).with_since(since);
                let sub = scene.world.connect(&scene.hub, protocol, Credentials::Now(connect), way);
                scene.hub.publish("room", Payload::json("\"news\"")).expect("a name");
                let heard = sub.heard();
                assert_eq!((told(&heard, "secret"), told(&heard, "news")), (secrets, 1), "{heard:?}");
            }
        }
        let (scene, _ann) = discreet(way, 0);
        let credentials = Credentials::Later;
        let sub = scene.world.connect(&scene.hub, Arc::new(Centrifuge::default()), credentials, way);
        let subs = json!({"room":{"recover":true,"epoch":"","offset":0}});
        sub.say(&json!({"id":1,"connect":{"token":"u-2/Sub","subs":subs}}).to_string());
        let heard = sub.heard();
        assert_eq!((told(&heard, "secret"), told(&heard, "\"subs\"")), (0, 1), "{heard:?}");
    });
}
