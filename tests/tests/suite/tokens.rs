//! Tests the server with `--jwt-secret`: which tokens open a session, until when, and with which rights.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_tests::crowd::Member;
use chat_tests::program::Program;
use chat_tests::raw::Raw;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const SECRET: &str = "a secret of some length";

fn signed(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).expect("it signs")
}

fn token(claims: &Value) -> String {
    signed(claims, Algorithm::HS256, SECRET)
}

fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs();
    now.cast_signed() + seconds
}

fn server() -> Program {
    Program::server(&["--jwt-secret", SECRET])
}

fn asked(member: &mut Member, request: &Value) -> Value {
    member.say(request);
    member.hear()
}

#[test]
fn only_a_token_that_holds_lets_in_and_the_close_says_whether_to_come_back() {
    let server = server();
    let good = json!({"sub":"ann","exp":in_seconds(60)});
    let unsigned = format!("{}.", token(&good).rsplit_once('.').expect("a signature").0);
    for (token, code) in [
        (String::new(), 3500),
        ("nonsense".into(), 3500),
        (unsigned, 3500),
        (signed(&good, Algorithm::HS256, "another secret"), 3500),
        (signed(&good, Algorithm::HS512, SECRET), 3500),
        (token(&json!({"name":"nobody"})), 3500),
        (token(&json!({"sub":"ann","nbf":in_seconds(60).to_string()})), 3500),
        (token(&json!({"sub":"ann","exp":null})), 3500),
        (token(&json!({"sub":"ann","read":null})), 3500),
        (token(&json!({"sub":"ann","nbf":in_seconds(60)})), 3005),
        (token(&json!({"sub":"ann","channel":"room","exp":in_seconds(60)})), 3500),
        (token(&json!({"sub":"ann","exp":in_seconds(-6)})), 3005),
        (token(&json!({"sub":"ann","exp":-1})), 3005),
        (token(&json!({"sub":"ann","exp":-1.5})), 3005),
        (token(&json!({"sub":"ann","exp":-1e18})), 3005),
    ] {
        let mut raw = Raw::open(server.address, &format!("/ws?name=ann&token={token}"));
        assert_eq!(raw.close_code(), Some(code), "{token}");
    }
    let mut nobody = Raw::open(server.address, "/ws?name=ann");
    nobody.send(&chat_tests::raw::frame(0x81, br#"{"type":"subscribe","channelId":"room"}"#));
    assert_eq!(nobody.close_code(), Some(3500));
    let mut ann = Member::connect_to(server.address, &format!("/ws?name=eve&token={}", token(&good)));
    ann.subscribe("room");
    ann.say(&json!({"type":"publish","channelId":"room","content":1}));
    assert_eq!(ann.hear()["senderName"], "ann", "the token says who she is, not she");
}

/// Returns a token with this header and a valid signature.
fn under(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).expect("it signs");
    format!("{signed}.{signature}")
}

#[test]
fn a_token_that_does_not_say_how_it_is_signed_or_asks_for_more_is_refused_in_plain_words() {
    let server = server();
    let good = json!({"sub":"ann"});
    let refused = |token: &str| {
        let mut raw = Raw::open(server.address, "/ws");
        let connect = json!({"type":"connect","id":1,"token":token});
        raw.send(&chat_tests::raw::frame(0x81, connect.to_string().as_bytes()));
        let (_, said) = raw.frame().expect("it says why");
        serde_json::from_slice::<Value>(&said).expect("JSON")
    };
    for (token, why) in [
        (under(&json!({"typ":"JWT"}), &good), "the header of the token names no algorithm (alg)"),
        (
            under(&json!({"alg":"HS256","crit":["exp"]}), &good),
            "the token has critical extensions (crit) that are not understood",
        ),
        (under(&json!({"alg":"none"}), &good), "the token is not signed with HS256 (alg)"),
        (signed(&good, Algorithm::HS256, "another"), "the signature of the token is not the server's"),
        (token(&json!({"sub":"ann","exp":"soon"})), "the claim \"exp\" of the token cannot be read"),
        (token(&json!({"name":"Ann"})), "the token has no claim \"sub\""),
        ("nonsense".into(), "this is no token: three parts of base64url with dots between them"),
    ] {
        let answer = refused(&token);
        assert_eq!((&answer["code"], &answer["message"]), (&json!(101), &json!(why)), "{answer}");
    }
    assert_eq!(refused(&under(&json!({"alg":"HS256","kid":"1"}), &good))["type"], "connected");
}

#[test]
fn a_message_says_which_user_wrote_it_if_another_word_is_shown() {
    let server = server();
    let mut ann = Member::connect_to(
        server.address,
        &format!("/ws?token={}", token(&json!({"sub":"u-7","name":"Ann"}))),
    );
    let mut bob = Member::connect_to(server.address, &format!("/ws?token={}", token(&json!({"sub":"bob"}))));
    for (member, name, user) in [(&mut ann, "Ann", json!("u-7")), (&mut bob, "bob", Value::Null)] {
        member.subscribe("room");
        for ephemeral in [false, true] {
            member.say(&json!({"type":"publish","channelId":"room","content":1,"ephemeral":ephemeral}));
            let said = member.hear();
            assert_eq!((&said["senderName"], &said["user"]), (&json!(name), &user), "{said}");
        }
        member.say(&json!({"type":"history","channelId":"room","reverse":true,"limit":1}));
        let kept = member.hear()["messages"][0].clone();
        assert_eq!((&kept["senderName"], &kept["user"]), (&json!(name), &user), "{kept}");
    }
}

#[test]
fn an_empty_secret_is_none_and_the_server_does_not_start_with_it() {
    let started = std::process::Command::new(chat_tests::program::server())
        .args(["--listen", "127.0.0.1:0", "--store", "none", "--jwt-secret", ""])
        .output()
        .expect("it runs");
    assert_eq!(started.status.code(), Some(2));
}

#[test]
fn scopes_say_which_channels_may_be_joined_and_which_written_to() {
    let server = server();
    let claims =
        json!({"sub":"u-7","name":"Ann","info":{"color":"red"},"read":["news","room-*"],"write":["room-*"]});
    let mut ann = Member::connect_to(server.address, &format!("/ws?token={}", token(&claims)));
    for (channel, allowed) in [("news", true), ("room-1", true), ("room", false), ("other", false)] {
        let answer = asked(&mut ann, &json!({"type":"subscribe","id":1,"channelId":channel,"presence":true}));
        assert_eq!(answer["type"] == "subscribed", allowed, "{answer}");
        if allowed {
            let present = json!([{"user":"u-7","name":"Ann","sessions":["1"],"data":{"color":"red"}}]);
            assert_eq!(answer["present"], present);
        }
    }
    let refused = asked(&mut ann, &json!({"type":"publish","id":2,"channelId":"news","content":1}));
    assert_eq!((&refused["code"], &refused["id"]), (&json!(103), &json!(2)));
    ann.say(&json!({"type":"publish","id":3,"channelId":"room-1","content":1}));
    let kinds = [ann.hear()["type"].clone(), ann.hear()["type"].clone()];
    assert!(kinds.contains(&json!("published")) && kinds.contains(&json!("message")), "{kinds:?}");
}

#[test]
fn who_is_put_into_channels_reads_there_also_what_it_missed_and_stays_when_refreshed() {
    let server = server();
    let put_in = token(&json!({"sub":"ann","channels":["lobby"],"read":[]}));
    let connect = |since: Value| {
        let mut ann = Member::connect_to(server.address, "/ws");
        asked(&mut ann, &json!({"type":"connect","id":1,"token":put_in,"since":since}));
        let subscribed = ann.hear();
        (ann, subscribed)
    };
    let (mut ann, subscribed) = connect(json!({}));
    ann.say(&json!({"type":"publish","channelId":"lobby","content":1}));
    assert_eq!(ann.hear()["content"], 1);
    let since = json!({"lobby":{"epoch":subscribed["epoch"],"offset":0}});
    let (mut again, subscribed) = connect(since);
    assert_eq!(subscribed["recovered"], true, "{subscribed}");
    assert_eq!(again.hear()["content"], 1);
    let kept = asked(&mut again, &json!({"type":"history","id":2,"channelId":"lobby"}));
    assert_eq!(kept["messages"][0]["content"], 1, "{kept}");
    assert_eq!(asked(&mut again, &json!({"type":"refresh","id":3,"token":put_in}))["type"], "refreshed");
    let out = token(&json!({"sub":"ann","read":[]}));
    assert_eq!(asked(&mut again, &json!({"type":"refresh","id":4,"token":out}))["code"], 103);
}

#[test]
fn a_session_is_refreshed_and_loses_what_the_new_token_does_not_allow() {
    let server = server();
    let first = token(&json!({"sub":"ann","exp":in_seconds(60) as f64 + 0.5,"read":["a","b"]}));
    let mut ann = Member::connect_to(server.address, "/ws");
    let connected = asked(&mut ann, &json!({"type":"connect","id":1,"token":first}));
    assert_eq!(connected["type"], "connected");
    assert!(connected["expires"].is_string());
    ann.subscribe("a");
    ann.subscribe("b");
    let other = token(&json!({"sub":"bob"}));
    assert_eq!(asked(&mut ann, &json!({"type":"refresh","id":2,"token":other}))["code"], 101);
    let second = token(&json!({"sub":"ann","exp":in_seconds(90),"read":["b"]}));
    let left = asked(&mut ann, &json!({"type":"refresh","id":3,"token":second}));
    assert_eq!(
        (&left["type"], &left["channelId"], &left["code"]),
        (&json!("unsubscribed"), &json!("a"), &json!(103))
    );
    assert_eq!(ann.hear()["type"], "refreshed");
}

#[test]
fn a_token_of_1969_lets_nobody_say_anything_and_nobody_into_a_channel() {
    let server = server();
    let mut watch =
        Member::connect_to(server.address, &format!("/ws?token={}", token(&json!({"sub":"watch"}))));
    watch.subscribe("room");
    for exp in [json!(-1), json!(-1e18), json!("soon"), json!(null)] {
        let mut raw = Raw::open(server.address, "/ws");
        let connect = json!({"type":"connect","id":1,"token":token(&json!({"sub":"u","exp":exp}))});
        let said = [
            connect,
            json!({"type":"subscribe","id":2,"channelId":"room"}),
            json!({"type":"publish","id":3,"channelId":"room","content":1}),
        ];
        raw.send(&said.map(|one| chat_tests::raw::frame(0x81, one.to_string().as_bytes())).concat());
        assert!(matches!(raw.close_code(), Some(3005 | 3500)), "{exp}");
        let of_channel = token(&json!({"sub":"watch","channel":"secret","exp":exp}));
        let answer =
            asked(&mut watch, &json!({"type":"subscribe","id":4,"channelId":"secret","token":of_channel}));
        assert_eq!(answer["type"], "error", "{exp}: {answer}");
    }
}

#[test]
fn how_far_clocks_may_be_apart_is_a_setting() {
    let strict = Program::server(&["--jwt-secret", SECRET, "--jwt-leeway-seconds", "0"]);
    let late = token(&json!({"sub":"ann","exp":in_seconds(-1)}));
    assert_eq!(Raw::open(strict.address, &format!("/ws?token={late}")).close_code(), Some(3005));
    let lax =
        Program::server(&["--jwt-secret", SECRET, "--jwt-leeway-seconds", "3600", "--jwt-audience", "chat"]);
    let early = json!({"sub":"ann","aud":["chat"],"nbf":in_seconds(600),"exp":in_seconds(-600)});
    Member::connect_to(lax.address, &format!("/ws?token={}", token(&early))).subscribe("room");
    let foreign = token(&json!({"sub":"ann","aud":"other"}));
    assert_eq!(Raw::open(lax.address, &format!("/ws?token={foreign}")).close_code(), Some(3500));
}

#[test]
fn a_refused_token_is_traced_without_it_and_on_one_line() {
    let mut command = std::process::Command::new(chat_tests::program::server());
    command.args(["--listen", "127.0.0.1:0", "--store", "none", "--jwt-secret", SECRET]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("it runs");
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().expect("it is piped")));
    let mut line = || lines.next().expect("a line").expect("text");
    let said = line();
    let (_, address) = said.split_once("http://").expect("where it listens");
    let address = address.trim_end_matches(|last: char| !last.is_ascii_digit()).parse().expect("an address");
    let forged = token(&json!({"sub":"ann","exp":"\u{1b}[31m\r\nINFO all is well"}));
    Raw::open(address, &format!("/ws?token={forged}")).close_code();
    let traced = line();
    child.kill().expect("it runs");
    child.wait().expect("a child can be waited for");
    assert!(traced.contains("INFO") && traced.contains("refused") && traced.contains("101"), "{traced}");
    assert!(!traced.contains(&forged) && !traced.contains("all is well"), "{traced}");
    assert!(traced.contains("exp"), "the claim is named: {traced}");
}

#[test]
fn a_session_ends_when_its_token_does() {
    let server = server();
    let mut raw =
        Raw::open(server.address, &format!("/ws?token={}", token(&json!({"sub":"ann","exp":in_seconds(2)}))));
    assert_eq!(raw.close_code(), Some(3005));
}
