//! Tests the server as users start it: its paths, its flags, its end.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;

use chat_tests::crowd::Member;
use chat_tests::program::{Program, server};
use chat_tests::raw::{HANDSHAKE, Raw, frame, get, request};
use serde_json::json;

fn signal(program: &Program, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &program.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
}

fn try_to_open(server: &Program) -> u16 {
    let mut raw = Raw::connect(server.address);
    raw.send(request("GET", "/ws", server.address, &HANDSHAKE).as_bytes());
    raw.status()
}

#[test]
fn the_page_may_run_nothing_foreign_and_health_and_metrics_are_there() {
    let server = Program::server(&[]);
    let mut member = Member::connect_to(server.address, "/ws?name=ann");
    member.subscribe("room");
    let page = get(server.address, "/");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("content-security-policy: default-src 'none'"));
    assert!(get(server.address, "/health").ends_with("\r\n\r\nok\n"));
    let metrics = get(server.address, "/metrics");
    for line in ["chat_sessions 1", "chat_channels 1", "chat_subscriptions 1", "chat_publications_total 0"] {
        assert!(metrics.lines().any(|each| each == line), "{line} is not in {metrics}");
    }
    for family in ["chat_deliveries_total", "chat_dropped_total", "chat_outbox_bytes", "chat_closes_total"] {
        assert!(metrics.contains(&format!("# TYPE {family} ")), "{family} is not in {metrics}");
    }
    assert!(get(server.address, "/nothing").starts_with("HTTP/1.1 404"));
}

/// Lists every flag that sets a bound or a choice.
const FLAGS: [&str; 46] = [
    "admin-key",
    "config",
    "listen",
    "allow-origin",
    "open-publish",
    "sessions",
    "session-channels",
    "message-bytes",
    "message-fragments",
    "strikes",
    "outbox-bytes",
    "outbox-frames",
    "open-seconds",
    "write-seconds",
    "ping-seconds",
    "pong-seconds",
    "close-seconds",
    "turn-bytes",
    "turn-messages",
    "drain-seconds",
    "handshake-seconds",
    "head-bytes",
    "head-line-bytes",
    "head-headers",
    "jwt-secret",
    "api-key",
    "user-sessions",
    "request-rate",
    "request-burst",
    "control-rate",
    "control-burst",
    "json-depth",
    "channel-name-bytes",
    "answer-entries",
    "total-outbox-bytes",
    "total-input-bytes",
    "total-history-bytes",
    "history-entries",
    "history-bytes",
    "history-seconds",
    "presence",
    "store",
    "store-entries",
    "store-bytes",
    "store-seconds",
    "durable",
];

#[test]
fn every_bound_has_a_flag_and_every_flag_an_environment_variable() {
    let help = Command::new(server()).arg("--help").output().expect("it runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for flag in FLAGS {
        let variable = format!("CHAT_{}", flag.to_uppercase().replace('-', "_"));
        assert!(help.contains(&format!("--{flag}")) && help.contains(&variable), "{flag}: {help}");
    }
    let full = Program::start(
        Command::new(server())
            .args(["--listen", "127.0.0.1:0"])
            .env("CHAT_SESSIONS", "0")
            .env("CHAT_STORE", "none"),
    );
    assert_eq!(try_to_open(&full), 503);
    let wrong = Command::new(server()).args(["--sessions", "many"]).output().expect("it runs");
    assert!(!wrong.status.success());
}

#[test]
fn an_open_server_lets_those_speak_who_have_not_joined() {
    let server = Program::server(&["--open-publish"]);
    Member::connect_to(server.address, "/ws?name=ann").publish_all("room", 3, 1);
}

#[test]
fn a_stop_says_so_to_everybody_and_then_ends_well() {
    for name in ["TERM", "INT"] {
        let mut server = Program::server(&[]);
        let mut ann = Raw::open(server.address, "/ws?name=ann");
        let subscribe = br#"{"type":"subscribe","channelId":"room"}"#;
        let publish = br#"{"type":"publish","channelId":"room","content":1}"#;
        ann.send(&[frame(0x81, subscribe), frame(0x81, publish)].concat());
        let heard: Vec<_> = (0..2).map(|_| ann.frame().expect("an answer, then a message").0).collect();
        assert_eq!(heard, [0x81, 0x81]);
        signal(&server, name);
        assert_eq!(ann.close_code(), Some(1001));
        ann.send(&frame(0x88, &1001_u16.to_be_bytes()));
        assert!(server.wait(), "it ends well after {name}");
    }
}

#[test]
fn a_server_is_ready_until_it_stops_and_healthy_until_its_end() {
    for name in ["TERM", "INT"] {
        let server = Program::server(&["--close-seconds", "3600", "--drain-seconds", "3600"]);
        let status = |path: &str| get(server.address, path).split(' ').nth(1).map(str::to_owned);
        let mut mute = Raw::open(server.address, "/ws?name=mute");
        let mut kept = Raw::connect(server.address);
        let mut again = |path: &str| {
            kept.send(request("GET", path, server.address, &[]).as_bytes());
            kept.answer()
        };
        assert_eq!((again("/ready"), again("/health")), (200, 200));
        signal(&server, name);
        assert_eq!(mute.close_code(), Some(1001));
        assert_eq!((again("/ready"), again("/health")), (503, 200), "on a connection that was there");
        assert_eq!(status("/ready").as_deref(), Some("503"), "on a new one");
        assert_eq!(status("/health").as_deref(), Some("200"));
        assert_eq!(try_to_open(&server), 503);
    }
}

#[test]
fn a_second_signal_does_not_wait_for_those_who_do_not_answer() {
    let mut server = Program::server(&["--close-seconds", "3600", "--drain-seconds", "3600"]);
    let mut mute = Raw::open(server.address, "/ws?name=mute");
    signal(&server, "TERM");
    assert_eq!(mute.close_code(), Some(1001));
    signal(&server, "TERM");
    assert!(server.wait());
}

#[test]
fn a_server_without_file_descriptors_left_recovers_when_some_are_free_again() {
    let limited = format!("ulimit -n 40; exec {} --store none --listen 127.0.0.1:0", server().display());
    let server = Program::start(Command::new("sh").args(["-c", &limited]));
    let crowd: Vec<_> = (0..60).map(|_| Raw::connect(server.address)).collect();
    let held = || std::fs::read_dir(format!("/proc/{}/fd", server.id())).expect("it runs").count();
    while held() < 40 {
        std::thread::yield_now();
    }
    drop(crowd);
    assert_eq!(try_to_open(&server), 101);
    assert!(get(server.address, "/metrics").contains("chat_cut_short_total{what=\"accept\"}"));
}

#[test]
fn two_people_talk_in_lines_over_a_transport_of_ones_own() {
    let server = Program::example("tokio_lines");
    let mut people: Vec<_> = ["ann", "bob"]
        .map(|name| {
            let mut socket = TcpStream::connect(server.address).expect("it listens");
            let connect = json!({"type":"connect","name":name});
            let subscribe = json!({"type":"subscribe","channelId":"room"});
            socket.write_all(format!("{connect}\n{subscribe}\n").as_bytes()).expect("it takes lines");
            BufReader::new(socket)
        })
        .into();
    let hear = |reader: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        reader.read_line(&mut line).expect("it says lines");
        serde_json::from_str::<serde_json::Value>(&line).expect("JSON")
    };
    for person in &mut people {
        assert_eq!(hear(person)["type"], "connected");
        assert_eq!(hear(person)["type"], "subscribed");
    }
    let publish = json!({"type":"publish","channelId":"room","content":"hi"});
    people[0].get_mut().write_all(format!("{publish}\n").as_bytes()).expect("it takes lines");
    for person in &mut people {
        let message = hear(person);
        assert_eq!((&message["senderName"], &message["content"]), (&json!("ann"), &json!("hi")));
    }
}
