//! Who may change what was said, and publishes under whose keys: a user, whatever the name that is shown.

use std::time::Duration;

use chat_core::testkit::{Client, Script, Way, World};
use chat_core::{
    Connect, Endpoint, Hub, Identity, Payload, Protocol, Publish, Refusal, SessionId, SessionInfo, Token,
};
use chat_protocol::json::Json;
use chat_tests::scene::{Scene, each_way};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

/// A token is `USER/NAME`; what may be done is as in the open chat.
struct Passports;

fn read(token: &Token) -> Result<Identity, Refusal> {
    let (user, name) = token.0.split_once('/').ok_or_else(|| Refusal::unauthorized("no token"))?;
    Ok(Identity { user: user.parse()?, ..Identity::named(name.parse()?) })
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

/// A session with a token that is in `room` and has nothing left to hear.
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

/// What a JSON client that says this is answered.
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
        let again = Publish { key: Some("1".into()), ..Publish::to(room, Payload::json("\"news\"")) };
        assert!(!scene.hub.publish_with(again.clone()).already);
        assert!(scene.hub.publish_with(again).already);
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
