//! Tests the login of the example `tokio_login` over real sockets: a cookie names the user of a session.

use std::net::SocketAddr;

use chat_tests::program::Program;
use chat_tests::raw::{HANDSHAKE, Raw, frame, request};
use serde_json::{Value, json};

const PLAIN: &str = "/ws";
const PHOENIX: &str = "/socket/websocket?vsn=2.0.0";

fn example(folder: &tempfile::TempDir) -> Program {
    let file = folder.path().join("login.db");
    Program::example_with("tokio_login", &["127.0.0.1:0", file.to_str().expect("a path")])
}

/// Logs in, and returns the answer's status with the cookie that it sets.
fn log_in(address: SocketAddr, name: &str, password: &str) -> (u16, Option<String>) {
    let body = format!("name={name}&password={password}");
    let length = body.len().to_string();
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let mut raw = Raw::connect(address);
    raw.send(request("POST", "/login", address, &[kind, ("Content-Length", &length)]).as_bytes());
    raw.send(body.as_bytes());
    let head = raw.head();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    (status, cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned))
}

fn cookie_of(address: SocketAddr, name: &str, password: &str) -> String {
    log_in(address, name, password).1.expect("a cookie")
}

fn open(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> (u16, Raw) {
    let mut raw = Raw::connect(address);
    raw.send(request("GET", target, address, &[&HANDSHAKE[..], headers].concat()).as_bytes());
    (raw.status(), raw)
}

/// Requests something, and returns the answer to it, whatever comes before that.
fn ask(raw: &mut Raw, what: &Value) -> Value {
    raw.send(&frame(0x81, what.to_string().as_bytes()));
    loop {
        let (_, said) = raw.frame().expect("an answer");
        let said: Value = serde_json::from_slice(&said).expect("JSON");
        if said["id"] == what["id"] {
            return said;
        }
    }
}

#[test]
fn a_session_is_the_users_whom_its_cookie_names_whatever_its_client_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = example(&folder);
    let cookie = cookie_of(server.address, "ann", "apple");
    for target in [PLAIN, "/ws?name=bob"] {
        let (status, mut ann) = open(server.address, target, &[("Cookie", &cookie)]);
        assert_eq!(status, 101);
        if target == PLAIN {
            let connected = ask(&mut ann, &json!({"type":"connect","id":1,"name":"bob"}));
            assert_eq!((&connected["type"], &connected["name"]), (&json!("connected"), &json!("ann")));
        }
        assert_eq!(
            ask(&mut ann, &json!({"type":"subscribe","id":2,"channelId":"board"}))["type"],
            "subscribed"
        );
        let said = ask(&mut ann, &json!({"type":"publish","channelId":"board","content":"hello"}));
        assert_eq!(said["senderName"], "ann", "{said}");
    }
    let (status, mut phoenix) = open(server.address, &format!("{PHOENIX}&name=bob"), &[("Cookie", &cookie)]);
    assert_eq!(status, 101);
    phoenix.send(&frame(0x81, br#"["1","1","board","phx_join",{}]"#));
    let (_, joined) = phoenix.frame().expect("an answer");
    assert!(String::from_utf8_lossy(&joined).contains(r#""status":"ok""#), "ann alone may join");
}

#[test]
fn who_shows_no_cookie_or_one_that_was_not_signed_here_does_not_come_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = example(&folder);
    assert_eq!(log_in(server.address, "ann", "pear"), (401, None));
    let cookie = cookie_of(server.address, "bob", "banana");
    // The signature stands before the name.
    let forged = cookie.replace("bob", "ann");
    assert_ne!(forged, cookie);
    let beside = tempfile::tempdir().expect("a folder");
    let elsewhere = example(&beside);
    let foreign = cookie_of(elsewhere.address, "ann", "apple");
    for bad in ["", "user=ann", &*forged, &*foreign] {
        let headers = [("Cookie", bad)];
        let headers = if bad.is_empty() { &headers[..0] } else { &headers[..] };
        assert_eq!(open(server.address, PHOENIX, headers).0, 403, "{bad}: before its socket is open");
        let (status, mut plain) = open(server.address, "/ws?name=ann", headers);
        assert_eq!((status, plain.close_code()), (101, Some(3500)), "{bad}");
        let (status, mut plain) = open(server.address, PLAIN, headers);
        assert_eq!(status, 101);
        plain.send(&frame(0x81, br#"{"type":"connect","name":"ann","token":"any"}"#));
        assert_eq!(plain.close_code(), Some(3500), "{bad}");
    }
    assert_eq!(open(server.address, PHOENIX, &[("Cookie", &cookie)]).0, 101, "its own holds");
}

#[test]
fn a_page_of_another_site_opens_nothing_with_its_visitors_cookie() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = example(&folder);
    let cookie = cookie_of(server.address, "ann", "apple");
    let own = format!("http://{}", server.address);
    for target in [PLAIN, PHOENIX] {
        for (origin, status) in [("https://evil.example", 403), ("null", 403), (&*own, 101)] {
            let headers = [("Cookie", &*cookie), ("Origin", origin)];
            assert_eq!(open(server.address, target, &headers).0, status, "{target} from {origin}");
        }
    }
}

#[test]
fn the_rules_are_the_applications_and_the_channel_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = example(&folder);
    let cookie = cookie_of(server.address, "bob", "banana");
    let (_, mut bob) = open(server.address, "/ws?name=bob", &[("Cookie", &cookie)]);
    let refused = ask(&mut bob, &json!({"type":"subscribe","id":1,"channelId":"board"}));
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!(103)));
    ask(&mut bob, &json!({"type":"subscribe","id":2,"channelId":"room"}));
    let stored = ask(&mut bob, &json!({"type":"publish","id":3,"channelId":"room","content":"kept"}));
    assert_eq!(stored["type"], "published", "{stored}");
    server.crash();
    let server = example(&folder);
    let cookie = cookie_of(server.address, "bob", "banana");
    let (_, mut bob) = open(server.address, "/ws?name=bob", &[("Cookie", &cookie)]);
    ask(&mut bob, &json!({"type":"subscribe","id":1,"channelId":"room"}));
    let history = ask(&mut bob, &json!({"type":"history","id":2,"channelId":"room"}));
    assert_eq!(history["messages"][0]["content"], "kept", "{history}");
}
