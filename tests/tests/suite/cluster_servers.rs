//! Tests that two chat servers with one broker are one chat, over real sockets and a real engine.

use chat_postgres::testkit::Server;
use chat_tests::clients::script_says;
use chat_tests::outage::Engine;
use chat_tests::program::{Program, server};
use chat_tests::raw::{Raw, frame, get, post_json};
use chat_tests::redis::Redis;
use serde_json::{Value, json};

/// Holds a client of the plain protocol, and what it received and was not asked for yet.
struct Person(Raw, Vec<Value>);

impl Person {
    fn enter(server: &Program, name: &str) -> Self {
        Self(Raw::open(server.address, &format!("/ws?name={name}")), Vec::new())
    }

    fn say(&mut self, request: Value) {
        self.0.send(&frame(0x81, request.to_string().as_bytes()));
    }

    /// Returns the next answer or publication of this type, and keeps what comes before it.
    fn hear(&mut self, of: &str) -> Value {
        self.hear_one(&[of])
    }

    /// Returns the next answer or publication of one of these types, and keeps what comes before it.
    fn hear_one(&mut self, of: &[&str]) -> Value {
        let is_due = |said: &Value| of.iter().any(|of| said["type"] == *of);
        if let Some(place) = self.1.iter().position(is_due) {
            return self.1.remove(place);
        }
        loop {
            let (first, payload) = self.0.frame().unwrap_or_else(|| panic!("it ended where {of:?} is due"));
            if first == 0x89 {
                self.0.send(&frame(0x8a, &payload));
                continue;
            }
            assert_eq!(first, 0x81, "{of:?} is due");
            let said: Value = serde_json::from_slice(&payload).expect("JSON");
            if is_due(&said) {
                return said;
            }
            self.1.push(said);
        }
    }

    fn join(&mut self, more: Value) -> Value {
        let mut request = json!({ "type": "subscribe", "channelId": "room" });
        request.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        self.say(request);
        self.hear("subscribed")
    }

    fn publish(&mut self, content: u64) -> Value {
        self.say(json!({ "type": "publish", "id": content, "channelId": "room", "content": content }));
        self.hear("published")
    }
}

fn servers(redis: &Redis) -> [Program; 2] {
    servers_with(&redis.url())
}

fn servers_with(broker: &str) -> [Program; 2] {
    [(); 2].map(|()| Program::server(&["--broker", broker, "--api-key", "key"]))
}

#[test]
fn people_on_two_servers_are_in_one_room_and_recover_on_the_other() {
    let redis = Redis::start();
    let [here, there] = servers(&redis);
    let (mut ann, mut bob) = (Person::enter(&here, "ann"), Person::enter(&there, "bob"));
    ann.join(json!({}));
    let epoch = bob.join(json!({}))["epoch"].clone();
    assert_eq!(ann.publish(1)["offset"], 1);
    assert_eq!(bob.publish(2)["offset"], 2);
    for content in [1, 2] {
        let heard = bob.hear("message");
        assert_eq!((&heard["content"], &heard["offset"]), (&json!(content), &json!(content)));
    }
    drop(bob);
    ann.publish(3);
    let mut bob = Person::enter(&here, "bob");
    let joined = bob.join(json!({ "since": { "epoch": epoch, "offset": 2 } }));
    assert_eq!((&joined["recovered"], &bob.hear("message")["content"]), (&json!(true), &json!(3)));
}

#[test]
fn the_api_of_one_server_acts_on_all() {
    let redis = Redis::start();
    let [here, there] = servers(&redis);
    let mut bob = Person::enter(&there, "bob");
    bob.join(json!({}));
    let call = |path: &str, body: Value| {
        post_json(here.address, &format!("/api/{path}"), &[("x-api-key", "key")], &body)
    };
    let (status, answer) = call("publish", json!({ "channel": "room", "data": 7 }));
    assert_eq!((status, &answer["result"]["offset"]), (200, &json!(1)), "{answer}");
    assert_eq!(bob.hear("message")["content"], 7);
    let (_, page) = call("history", json!({ "channel": "room", "limit": 10 }));
    assert_eq!(page["result"]["publications"][0]["data"], 7, "{page}");
    call("disconnect", json!({ "user": "bob" }));
    assert!(bob.0.close_code().is_some_and(|code| code >= 3000));
}

#[test]
fn who_is_on_one_server_is_seen_on_the_other() {
    let redis = Redis::start();
    let [here, there] = servers(&redis);
    let (mut ann, mut bob) = (Person::enter(&here, "ann"), Person::enter(&there, "bob"));
    ann.join(json!({ "presence": true }));
    bob.join(json!({}));
    let came = std::iter::repeat_with(|| ann.hear("presence"))
        .find(|told| told["joined"].as_array().is_some_and(|all| all.iter().any(|one| one["user"] == "bob")));
    assert!(came.is_some());
    let stats = post_json(
        here.address,
        "/api/presence_stats",
        &[("x-api-key", "key")],
        &json!({ "channel": "room" }),
    );
    assert_eq!(stats.1["result"], json!({ "num_clients": 2, "num_users": 2 }), "{stats:?}");
    drop(bob);
    assert_eq!(ann.hear("presence")["left"], json!(["bob"]));
}

#[test]
fn a_broker_that_restarts_without_its_data_costs_no_session_and_nobody_is_left_behind() {
    let mut redis = Redis::start();
    let [here, there] = servers(&redis);
    let (mut ann, mut bob) = (Person::enter(&here, "ann"), Person::enter(&there, "bob"));
    ann.join(json!({}));
    let before = bob.join(json!({}))["epoch"].clone();
    ann.publish(1);
    assert_eq!(bob.hear("message")["content"], 1);
    redis.kill();
    redis.start_again();
    for person in [&mut ann, &mut bob] {
        assert_eq!(person.hear("unsubscribed")["code"], 112, "what was there is lost, and said so");
        assert_ne!(person.join(json!({}))["epoch"], before);
    }
    assert_eq!(ann.publish(2)["offset"], 1);
    assert_eq!(bob.hear("message")["content"], 2);
    assert!(get(here.address, "/ready").starts_with("HTTP/1.1 200"));
    assert!(here.measure("chat_broker_resets_total") > 0);
}

#[test]
fn unmodified_clients_of_two_servers_are_in_one_chat() {
    let redis = Redis::start();
    let broker = redis.url();
    let flags = ["--user-sessions", "2", "--jwt-secret", "a secret of some length", "--api-key"];
    let servers =
        [(); 2].map(|()| Program::server(&[&["--broker", &broker], &flags[..], &["an api key"]].concat()));
    let bases = servers.each_ref().map(|server| format!("http://{}", server.address));
    let all = script_says("two_nodes.mjs", &bases.each_ref().map(String::as_str));
    assert!(all.ends_with("4 passed, 0 failed"), "{all}");
}

#[test]
fn a_rolling_restart_loses_nothing_for_unmodified_clients() {
    let redis = Redis::start();
    let server = format!("{} --listen 127.0.0.1:{{port}} --broker {}", server().display(), redis.url());
    let all = script_says("rolling.mjs", &["--server", &server]);
    assert!(all.ends_with("1 passed, 0 failed"), "{all}");
}

#[test]
fn two_browsers_on_the_pages_of_two_servers_are_in_one_room() {
    let redis = Redis::start();
    let bases = servers(&redis).map(|server| (format!("http://{}/", server.address), server));
    let all = script_says("two_pages.mjs", &[&bases[0].0, &bases[1].0]);
    assert!(all.ends_with("1 passed, 0 failed"), "{all}");
}

#[test]
fn over_postgresql_people_on_two_servers_also_hear_what_transactions_publish() {
    let mut postgres = Server::start(&[]);
    let [here, there] = servers_with(&postgres.url("chat"));
    let (mut ann, mut bob) = (Person::enter(&here, "ann"), Person::enter(&there, "bob"));
    ann.join(json!({}));
    let epoch = bob.join(json!({}))["epoch"].clone();
    assert_eq!(ann.publish(1)["offset"], 1);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for sql in [
        "BEGIN; SELECT chat.chat_publish('room', '-1'); ROLLBACK",
        "BEGIN; SELECT chat.chat_publish('room', '2', sender => 'the shop'); COMMIT",
    ] {
        runtime.block_on(postgres.ask(sql)).expect("it is done");
    }
    assert_eq!(bob.publish(3)["offset"], 3);
    for person in [&mut ann, &mut bob] {
        for content in [1, 2, 3] {
            let heard = person.hear("message");
            assert_eq!((&heard["content"], &heard["offset"]), (&json!(content), &json!(content)));
            assert!(content != 2 || heard["senderName"] == "the shop", "{heard}");
        }
    }
    drop(bob);
    postgres.kill();
    postgres.start_again();
    let mut bob = Person::enter(&here, "bob");
    let joined = loop {
        bob.say(
            json!({ "type": "subscribe", "channelId": "room", "since": { "epoch": epoch, "offset": 2 } }),
        );
        let answer = bob.hear_one(&["subscribed", "error"]);
        if answer["type"] == "subscribed" {
            break answer;
        }
    };
    assert_eq!((&joined["recovered"], &bob.hear("message")["content"]), (&json!(true), &json!(3)));
    runtime.block_on(postgres.ask("SELECT chat.chat_renew()")).expect("it is done");
    for person in [&mut ann, &mut bob] {
        assert_eq!(person.hear("unsubscribed")["code"], 112, "the epoch has ended, and that is told");
        assert_ne!(person.join(json!({}))["epoch"], epoch);
    }
    assert_eq!(ann.publish(4)["offset"], 1);
    assert_eq!(bob.hear("message")["content"], 4);
}
