//! Tests the rules of channels in a file: who may do what in them, over every protocol, in the HTTP API, and
//! for those who come back.

use std::io::Write;
use std::process::Command;
use std::thread::yield_now;

use chat_tests::cases::folder;
use chat_tests::crowd::Member;
use chat_tests::program::{self, Program};
use chat_tests::raw::post_json;
use chat_tests::speakers::{Speaker, TONGUES, Told, Tongue};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

const SECRET: &str = "a secret of some length";

const RULES: &str = r#"
    api-key = "key"
    jwt-secret = "a secret of some length"
    [[channel]]
    pattern = "user:*"
    join = "token"
    history = { entries = 2, age = "5m" }
    see_presence = "nobody"
    [[channel]]
    pattern = "closed:*"
    join = "nobody"
    publish = "anyone"
    [[channel]]
    pattern = "board:*"
    publish = "nobody"
    read = "nobody"
    [[channel]]
    pattern = "desk:*"
    publish = "token"
    read = "anyone"
    see_presence = "anyone"
    [[channel]]
    pattern = 'x\*'
    join = "nobody"
    [[channel]]
    pattern = "silent:*"
    history = { entries = 0 }
    presence = false
"#;

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("it takes text");
    file
}

fn server(rules: &str) -> Program {
    let file = file(rules);
    Program::server(&["--config", file.path().to_str().expect("a path")])
}

fn token(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).expect("it signs")
}

fn api(server: &Program, method: &str, fields: &Value) -> Value {
    post_json(server.address, &format!("/api/{method}"), &[("x-api-key", "key")], fields).1
}

fn members(server: &Program, channel: &str) -> u64 {
    let stats = api(server, "presence_stats", &json!({"channel":channel}));
    stats["result"]["num_clients"].as_u64().unwrap_or_else(|| panic!("{channel}: {stats}"))
}

fn said(server: &Program, channel: &str) -> Vec<String> {
    let page = api(server, "history", &json!({"channel":channel,"limit":100}));
    let all =
        page["result"]["publications"].as_array().unwrap_or_else(|| panic!("{channel}: {page}")).clone();
    let text = |data: &Value| data["text"].as_str().or(data.as_str()).map(str::to_owned);
    all.iter().map(|each| text(&each["data"]).unwrap_or_else(|| panic!("{each}"))).collect()
}

/// Is a client of some protocol over a socket, and answers for nothing that it hears.
struct Client {
    member: Member,
    speaker: Box<dyn Speaker>,
    token: String,
}

impl Client {
    fn connect(server: &Program, tongue: &Tongue, claims: &Value) -> Self {
        let token = token(claims);
        let path = match tongue.name {
            "json" => format!("/ws?token={token}"),
            "centrifuge" => "/connection/websocket".to_owned(),
            "phoenix" => format!("/socket/websocket?vsn=2.0.0&token={token}"),
            "serverpod" => format!("/websocket?auth={token}"),
            _ => "/v1/websocket".to_owned(),
        };
        let member = Member::connect_to(server.address, &path);
        let mut client = Self { member, speaker: (tongue.speaker)(), token };
        if let Some(greeting) = client.speaker.greeting() {
            client.say(&greeting.replace("{}", &json!({"token":client.token}).to_string()));
        }
        client
    }

    fn say(&mut self, frames: &str) {
        for frame in frames.lines() {
            let mut frame: Value = serde_json::from_str(frame).expect("JSON");
            if frame["type"] == "omsc" {
                frame["data"]["auth"] = json!(format!("Bearer {}", self.token));
            }
            self.member.say(&frame);
        }
    }

    fn join(&mut self, channel: &str) {
        let frames = self.speaker.subscribe(channel, None);
        self.say(&frames);
    }

    fn publish(&mut self, channel: &str, text: &str) {
        let frames = self.speaker.publish(channel, text);
        self.say(&frames);
    }

    /// Publishes to a channel that the client is in, and waits until that is kept: then all before is done.
    fn settle(&mut self, server: &Program, channel: &str) {
        self.publish(channel, "the end");
        while said(server, channel).last().map(String::as_str) != Some("the end") {
            yield_now();
        }
    }
}

#[test]
fn the_first_rule_that_matches_decides_over_every_protocol() {
    for tongue in &TONGUES {
        let server = server(RULES);
        let claims = json!({
            "sub":"ann",
            "read":["user:ann","userx","closed:*","board:*","desk:*","x*","room"],
            "write":["user:*","closed:*","board:*","desk:1","room"],
        });
        let mut ann = Client::connect(&server, tongue, &claims);
        let joins = [
            ("user:ann", 1),
            ("user:bob", 0),
            ("userx", 1),
            ("closed:1", 0),
            ("board:1", 1),
            ("desk:1", 1),
            ("desk:2", 1),
            ("x*", 0),
            ("x", 1),
            ("xa", 1),
            ("room", 1),
        ];
        for (channel, _) in joins {
            ann.join(channel);
        }
        for channel in ["user:ann", "board:1", "desk:1", "desk:2", "userx"] {
            ann.publish(channel, "hi");
        }
        ann.settle(&server, "room");
        for (channel, count) in joins {
            assert_eq!(members(&server, channel), count, "{}: {channel}", tongue.name);
        }
        for (channel, count) in [("user:ann", 1), ("board:1", 0), ("desk:1", 1), ("desk:2", 0), ("userx", 0)]
        {
            assert_eq!(said(&server, channel).len(), count, "{}: {channel}", tongue.name);
        }
    }
}

#[test]
fn who_is_not_in_a_channel_publishes_there_where_anyone_may() {
    // Clients of Phoenix publish only where they are.
    for tongue in TONGUES.iter().filter(|tongue| tongue.name != "phoenix") {
        let server = server(RULES);
        let mut ann = Client::connect(&server, tongue, &json!({"sub":"ann","write":["closed:1","room"]}));
        ann.join("room");
        for channel in ["closed:1", "closed:2", "desk:1"] {
            ann.publish(channel, "hi");
        }
        ann.settle(&server, "room");
        let counts = ["closed:1", "closed:2", "desk:1"].map(|channel| said(&server, channel).len());
        assert_eq!(counts, [1, 0, 0], "{}", tongue.name);
    }
}

fn asked(member: &mut Member, request: &Value) -> Value {
    member.say(request);
    loop {
        let heard = member.hear();
        if heard["id"] == request["id"] {
            return heard;
        }
    }
}

fn enter(server: &Program, claims: &Value) -> Member {
    Member::connect_to(server.address, &format!("/ws?token={}", token(claims)))
}

#[test]
fn a_token_names_a_channel_in_its_lists_or_is_for_that_channel() {
    let server = server(RULES);
    let join = json!({"type":"subscribe","id":1,"channelId":"user:ann"});
    for (claims, joins) in [
        (json!({"sub":"ann","read":["user:ann"]}), true),
        (json!({"sub":"ann","read":["user:*"]}), true),
        (json!({"sub":"ann","channels":["user:ann"],"read":[]}), true),
        (json!({"sub":"ann"}), false),
        (json!({"sub":"ann","read":["user:bob"]}), false),
        (json!({"sub":"ann","write":["user:ann"]}), false),
    ] {
        let mut ann = enter(&server, &claims);
        assert_eq!(asked(&mut ann, &join)["type"] == "subscribed", joins, "{claims}");
    }
    let mut ann = enter(&server, &json!({"sub":"ann"}));
    let with = |token: String| {
        let mut join = join.clone();
        join["token"] = json!(token);
        join
    };
    for (claims, code) in [
        (json!({"sub":"bob","channel":"user:ann"}), json!(103)),
        (json!({"sub":"ann","channel":"user:bob"}), json!(103)),
        (json!({"sub":"ann","channel":"user:ann"}), Value::Null),
    ] {
        assert_eq!(asked(&mut ann, &with(token(&claims)))["code"], code, "{claims}");
    }
    let left = asked(&mut ann, &json!({"type":"unsubscribe","id":2,"channelId":"user:ann"}));
    assert_eq!(left["type"], "unsubscribed");
    assert_eq!(asked(&mut ann, &join)["code"], 103, "the token for the channel counts once");
    let closed = with(token(&json!({"sub":"ann","channel":"closed:1"})));
    let closed = json!({"type":"subscribe","id":3,"channelId":"closed:1","token":closed["token"]});
    assert_eq!(asked(&mut ann, &closed)["code"], 103, "nobody joins there");
}

#[test]
fn a_token_for_a_channel_lets_read_it_as_long_as_it_is_valid() {
    let rules = "api-key = \"key\"\njwt-secret = \"a secret of some length\"\njwt-leeway-seconds = 0\n
        [[channel]]\npattern = \"desk:*\"\npublish = \"token\"\nread = \"token\"\nsee_presence = \"token\"\n";
    let server = server(rules);
    let mut ann = enter(&server, &json!({"sub":"ann"}));
    let soon = chrono::Utc::now().timestamp() + 2;
    let token = token(&json!({"sub":"ann","channel":"desk:1","exp":soon}));
    let join = json!({"type":"subscribe","id":1,"channelId":"desk:1","token":token});
    assert_eq!(asked(&mut ann, &join)["type"], "subscribed");
    let ask = |ann: &mut Member, what: &str| {
        asked(ann, &json!({"type":what,"id":2,"channelId":"desk:1","content":1}))["type"].clone()
    };
    let asked_for = ["history", "presence", "publish"];
    assert_eq!(asked_for.map(|what| ask(&mut ann, what)), ["history", "presence", "error"]);
    assert_eq!(ann.hear()["code"], 110, "it is out when the token ends");
    assert_eq!(asked_for.map(|what| ask(&mut ann, what)), ["error", "error", "error"]);
}

#[test]
fn a_refreshed_session_stays_where_its_new_token_names_the_channel_or_the_server_put_it() {
    let server = server(RULES);
    let mut ann =
        enter(&server, &json!({"sub":"ann","read":["user:ann","closed:1"],"channels":["closed:1"]}));
    assert_eq!(ann.hear()["channelId"], "closed:1");
    ann.subscribe("user:ann");
    let refresh = |claims: &Value| json!({"type":"refresh","id":1,"token":token(claims)});
    let same = json!({"sub":"ann","read":["user:ann","closed:1"]});
    assert_eq!(asked(&mut ann, &refresh(&same))["type"], "refreshed");
    assert_eq!((members(&server, "user:ann"), members(&server, "closed:1")), (1, 1));
    ann.say(&refresh(&json!({"sub":"ann"})));
    let left = ann.hear();
    assert_eq!((&left["type"], &left["channelId"]), (&json!("unsubscribed"), &json!("user:ann")));
    assert_eq!((members(&server, "user:ann"), members(&server, "closed:1")), (0, 1));
}

#[test]
fn the_api_does_what_no_session_may() {
    let server = server(RULES);
    let mut ann = enter(&server, &json!({"sub":"ann"}));
    ann.subscribe("room");
    api(&server, "subscribe", &json!({"user":"ann","channel":"closed:1"}));
    assert_eq!(ann.hear()["type"], "subscribed");
    for channel in ["closed:1", "board:1", "user:bob"] {
        api(&server, "publish", &json!({"channel":channel,"data":"hi"}));
        assert_eq!(said(&server, channel), ["hi"], "{channel}");
    }
    assert_eq!(ann.hear()["content"], "hi");
    let silent = |method: &str| api(&server, method, &json!({"channel":"silent:1"}))["error"]["code"].clone();
    assert_eq!((silent("history"), silent("presence")), (json!(108), json!(108)));
    for n in 0..4 {
        api(&server, "publish", &json!({"channel":"user:ann","data":n.to_string()}));
    }
    assert_eq!(said(&server, "user:ann"), ["2", "3"], "its history has two entries");
}

#[test]
fn who_may_not_read_a_channel_does_not_recover_in_it_either() {
    let server = server(RULES);
    let claims = json!({"sub":"ann"});
    let mut ann = enter(&server, &claims);
    let come_back = |ann: &mut Member, channel: &str, epoch: &Value| {
        let since = json!({"epoch":epoch,"offset":0});
        asked(ann, &json!({"type":"subscribe","id":1,"channelId":channel,"since":since}))
    };
    for (channel, recovered) in [("board:1", false), ("desk:1", true), ("room", true)] {
        let place = api(&server, "publish", &json!({"channel":channel,"data":"hi"}));
        let came = come_back(&mut ann, channel, &place["result"]["epoch"]);
        assert_eq!(came["recovered"], recovered, "{channel}: {came}");
        let kept = asked(&mut ann, &json!({"type":"history","id":2,"channelId":channel}));
        assert_eq!(kept["type"] == "history", recovered, "{channel}: {kept}");
    }
    let mut eve = enter(&server, &claims);
    let read = |eve: &mut Member, channel: &str| {
        asked(eve, &json!({"type":"history","id":1,"channelId":channel}))["type"].clone()
    };
    assert_eq!((read(&mut eve, "desk:1"), read(&mut eve, "room")), (json!("history"), json!("error")));
    let mut listed = enter(&server, &json!({"sub":"joe","read":["room"]}));
    assert_eq!(read(&mut listed, "desk:1"), "error", "no rule allows more than the token does");
}

#[test]
fn a_recovery_is_a_reading_in_every_protocol_that_has_one() {
    for tongue in TONGUES.iter().filter(|tongue| tongue.recovers) {
        let server = server(RULES);
        let mut ann = Client::connect(&server, tongue, &json!({"sub":"ann"}));
        for (channel, recovers) in [("board:1", false), ("desk:1", true)] {
            let place = api(&server, "publish", &json!({"channel":channel,"data":"hi"}));
            let epoch = place["result"]["epoch"].as_str().expect("an epoch").to_owned();
            let frame = ann.speaker.subscribe(channel, Some(&(epoch, 0)));
            ann.say(&frame);
            let mut told = Vec::new();
            while !matches!(told.last(), Some(Told::In(..))) {
                told = ann.speaker.hear(&ann.member.hear().to_string());
                told.retain(|told| matches!(told, Told::In(..)));
            }
            assert_eq!(told, [Told::In(channel.to_owned(), Some(recovers))], "{}", tongue.name);
        }
    }
}

#[test]
fn presence_is_seen_by_those_who_may() {
    let server = server(RULES);
    let mut ann = enter(&server, &json!({"sub":"ann","read":["user:ann","desk:1","room"]}));
    let present = |member: &mut Member, channel: &str| {
        asked(member, &json!({"type":"presence","id":1,"channelId":channel}))["type"].clone()
    };
    let join = json!({"type":"subscribe","id":1,"channelId":"user:ann","presence":true});
    assert!(asked(&mut ann, &join)["present"].is_null());
    assert_eq!(present(&mut ann, "user:ann"), "error");
    ann.subscribe("room");
    assert_eq!(present(&mut ann, "room"), "presence");
    let mut eve = enter(&server, &json!({"sub":"eve"}));
    assert_eq!((present(&mut eve, "desk:1"), present(&mut eve, "room")), (json!("presence"), json!("error")));
}

#[test]
fn the_example_of_the_docs_is_right() {
    let path = folder("../docs/chat.toml");
    let mut command = Command::new(program::server());
    command.arg("--config").arg(&path).arg("--check").env("CHAT_JWT_SECRET", SECRET);
    let told = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success() && text.contains("chat.toml are right"), "{text} {told:?}");
    command.env_remove("CHAT_JWT_SECRET");
    let told = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(2), "{text}");
    assert!(text.contains("--jwt-secret") && text.contains("chat.toml:"), "{text}");
}

#[test]
fn a_file_that_is_wrong_ends_the_server_at_its_start_as_a_wrong_flag_does() {
    let wrong = file("sessions = 7\n[[channel]]\npattern = \"user:*\"\njoin = \"members\"\n");
    let started = |arguments: &[&str]| {
        let mut command = Command::new(program::server());
        let told = command.args(["--listen", "127.0.0.1:0", "--store", "none"]).args(arguments);
        let told = told.output().expect("it runs");
        assert!(told.stdout.is_empty(), "{told:?}");
        (told.status.code(), String::from_utf8_lossy(&told.stderr).into_owned())
    };
    let path = wrong.path().to_str().expect("a path");
    for arguments in [&["--config", path][..], &["--config", path, "--check"]] {
        let (code, told) = started(arguments);
        assert_eq!(code, started(&["--sessions", "many"]).0);
        let place = format!("error: {path}:4:8: ");
        assert!(told.starts_with(&place) && told.contains("\"anyone\", \"token\" or \"nobody\""), "{told}");
    }
}
