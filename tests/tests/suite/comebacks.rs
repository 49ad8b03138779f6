//! Tests clients that reconnect: with requests for all their channels, or although they are refused.

use chat_core::{Hub, OpenChat};
use chat_tests::host::Host;
use chat_tests::program::Program;
use chat_tests::raw::{HANDSHAKE, Raw, frame, request};

fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Tests as many small commands in one message as a session may have channels.
#[test]
fn a_client_whose_subscribes_have_three_kib_comes_back_to_all_its_channels() {
    let server = Program::server(&["--store", "none"]);
    let mut ann = Raw::open(server.address, "/connection/websocket");
    ann.send(&frame(0x81, br#"{"id":1,"connect":{}}"#));
    let data = "x".repeat(2900);
    let commands: Vec<_> = (0..128)
        .map(|n| format!(r#"{{"id":{},"subscribe":{{"channel":"room-{n}","data":"{data}"}}}}"#, n + 2))
        .collect();
    let message = commands.join("\n");
    ann.send(&frame(0x81, message.as_bytes()));
    let mut answers = 0;
    while answers < 128 {
        match ann.frame() {
            Some((0x81, payload)) => {
                answers += String::from_utf8_lossy(&payload).matches("\"subscribe\":").count();
            }
            Some((0x88, payload)) => {
                panic!(
                    "closed with {:?} after {answers} answers",
                    payload.first_chunk().map(|code| u16::from_be_bytes(*code))
                )
            }
            Some(_) => {}
            None => panic!("gone after {answers} answers"),
        }
    }
}

/// Reconnects as centrifuge-js does over server-sent events, with its offsets in the channels to which the
/// server subscribes it.
#[test]
fn an_event_stream_comes_back_to_all_channels_that_the_server_puts_it_into() {
    let server = Program::server(&["--store", "none"]);
    let subs: Vec<_> = (0..128)
        .map(|n| format!(r#""room-{n}":{{"recover":true,"epoch":"5f1c9a02e7b3d846","offset":50}}"#))
        .collect();
    let connect = format!(r#"{{"connect":{{"subs":{{{}}},"name":"js"}},"id":1}}"#, subs.join(","));
    let target = format!("/connection/sse?cf_connect={}", encoded(&connect));
    let mut raw = Raw::connect(server.address);
    raw.send(request("GET", &target, server.address, &[("Accept", "text/event-stream")]).as_bytes());
    assert_eq!(raw.status(), 200);
}

/// Sends commands to a session that is not read: the server holds them, and counts them against its bound.
#[test]
fn commands_that_wait_for_a_session_that_is_not_read_are_bounded_in_all() {
    let rates = ["--total-input-bytes", "1000000", "--request-rate", "1", "--request-burst", "20"];
    let server = Program::server(&[&["--store", "none"], &rates[..]].concat());
    let mut stream = Raw::connect(server.address);
    let connect = r#"{"id":1,"connect":{}}"#;
    let length = connect.len().to_string();
    let head = request("POST", "/connection/http_stream", server.address, &[("Content-Length", &length)]);
    stream.send(&[head.as_bytes(), connect.as_bytes()].concat());
    let mut heard = String::new();
    while !heard.contains("\"node\":\"") || !heard.ends_with('\n') {
        heard.push_str(&String::from_utf8_lossy(&stream.hear(1)));
    }
    let field = |name: &str| {
        let at = heard.find(&format!("\"{name}\":\"")).expect(name) + name.len() + 4;
        heard[at..].split('"').next().expect("a value").to_owned()
    };
    let (session, node) = (field("session"), field("node"));
    // Twenty calls in a message: one such is read in twenty seconds. The padding is for bytes.
    let pad = " ".repeat(16_000);
    let commands: Vec<_> = (0..20).map(|n| format!(r#"{{\"id\":{},\"rpc\":{{}}{pad}}}"#, n + 2)).collect();
    let body = format!(r#"{{"session":"{session}","node":"{node}","data":"{}"}}"#, commands.join("\\n"));
    let length = body.len().to_string();
    let head = request("POST", "/emulation", server.address, &[("Content-Length", &length)]);
    let mut waiting = Vec::new();
    let refused = (0..30).any(|_| {
        let mut raw = Raw::connect(server.address);
        raw.send(&[head.as_bytes(), body.as_bytes()].concat());
        let refused = raw.is_answered() && raw.status() == 503;
        waiting.push(raw);
        refused
    });
    assert!(
        refused,
        "{} bodies of {length} bytes were taken in where 1,000,000 bytes may be held",
        waiting.len()
    );
}

/// Tests `Limits::message_bytes`, where a longer request closes with 1009, and `Limits::controls`, where one
/// control frame too many closes with 1008.
#[test]
fn the_bounds_of_a_session_hold_on_every_transport() {
    let mut failed = Vec::new();
    for host in [Host::TokioMulti, Host::AsyncStd, Host::TokioStreams, Host::AxumSockets] {
        let served = host.serve(Hub::builder(OpenChat::default()));
        let mut ann = Raw::open(served.address, "/");
        let long = format!(r#"{{"type":"call","id":1,"method":"x","data":"{}"}}"#, "x".repeat(1_000_000));
        ann.send(&frame(0x81, long.as_bytes()));
        let answer =
            ann.frame().map(|(kind, payload)| (kind, String::from_utf8_lossy(&payload).into_owned()));
        let mut bob = Raw::open(served.address, "/");
        (0..500).for_each(|_| bob.send(&frame(0x89, b"")));
        bob.send(&frame(0x81, br#"{"type":"ping"}"#));
        let kinds: Vec<_> = std::iter::from_fn(|| bob.frame())
            .map(|(kind, _)| kind)
            .take_while(|kind| *kind == 0x8A)
            .collect();
        let refused = answer.is_some_and(|(kind, _)| kind == 0x88);
        // axum answers pings by itself until the close is through.
        let most = if host == Host::AxumSockets { 499 } else { 20 };
        if !refused || kinds.len() > most {
            failed.push((host, refused, kinds.len()));
        }
    }
    assert_eq!(failed, []);
}

/// Tests two clients under one name behind one address (NAT, a proxy). One message of the first must not keep
/// the second, which is let in, from being read for twenty minutes.
#[test]
fn what_another_did_under_my_name_does_not_make_me_mute() {
    let server = Program::server(&["--store", "none"]);
    let mut eve = Raw::open(server.address, "/connection/websocket?cf_protocol=protobuf");
    // {id: 1, connect: {data: {"name":"ann"}}}
    let data = br#"{"name":"ann"}"#;
    let mut connect = vec![0x08, 1, 0x22, data.len() as u8 + 2, 0x12, data.len() as u8];
    connect.extend(data);
    connect.insert(0, connect.len() as u8);
    eve.send(&frame(0x82, &connect));
    let _ = eve.frame();
    eve.send(&frame(0x82, &b"\x02\x62\x00".repeat(120_000)));
    assert_eq!(eve.close_code(), Some(3013));
    drop(eve);
    let mut ann = Raw::open(server.address, "/ws?name=ann");
    ann.send(&frame(0x81, br#"{"type":"ping"}"#));
    // Its own pings come first if it has to wait.
    assert_eq!(ann.frame(), Some((0x81, br#"{"type":"pong"}"#.to_vec())));
}

/// Reconnects as npm's phoenix does, 10 ms after each socket that was open, since `onConnOpen` resets its
/// delays (socket.js). A client must therefore be refused before the 101, as Phoenix's own server does in
/// `connect/3`.
#[test]
fn a_client_of_phoenix_that_may_not_come_in_is_told_so_before_its_socket_is_open() {
    let server = Program::server(&["--store", "none", "--jwt-secret", "0123456789abcdef0123456789abcdef"]);
    let mut raw = Raw::connect(server.address);
    let target = "/socket/websocket?vsn=2.0.0&token=bad";
    raw.send(request("GET", target, server.address, &HANDSHAKE).as_bytes());
    assert_eq!(raw.status(), 403);
    let mut raw = Raw::connect(server.address);
    raw.send(request("GET", "/socket/longpoll?vsn=2.0.0&token=bad", server.address, &[]).as_bytes());
    assert_eq!(raw.status(), 403);
}
